"""The housekeeping archive: every parameter over the mission, a column at a time.

Parquet files, cut by day, hold the values; an SQLite catalogue lists the files that count. A file is written
under a hidden name, flushed and renamed, and then one transaction of the catalogue makes all files of a
source visible. Killed at any moment, the archive is what it was before or what it is after; what was being
written is an unlisted file, which :meth:`HousekeepingArchive.clean` removes. A source that was appended is
not appended again.
"""

import contextlib
import secrets
import time as clock
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from eicpy.errors import BadArgumentError, BadDataError, NotFoundError
from eicpy.files import atomic_file
from eicpy.housekeeping.catalogue import Catalogue, DayFile, Parameter
from eicpy.housekeeping.series import TIME, Series, make_series, read_file, split_days, to_numpy, to_table
from eicpy.times import day_of, to_seconds

if TYPE_CHECKING:
    from astropy.time import Time

    Instant: TypeAlias = float | Time | str

__all__ = ["HousekeepingArchive"]

_CLEAN_AGE = 3600.0
"""Age, s, from which an unlisted file cannot belong to an append that is still running."""
_ATTEMPTS = 5


class HousekeepingArchive:
    """The archive of one instrument.

    Parameters
    ----------
    folder
        Folder of the archive; made where it does not exist. Several processes may read and append at once.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     archive = HousekeepingArchive(Path(folder))
    ...     columns = {"T1": np.array([20.0, 20.5]), "MODE": np.array(["IDLE", "IDLE"])}
    ...     first = archive.append("HK1", np.array([0.0, 1.0]), columns, "run 1", units={"T1": "degC"})
    ...     again = archive.append("HK1", np.array([0.0, 1.0]), columns, "run 1")
    ...     print(first, again, archive.read("T1").values)
    True False [20.  20.5]
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.catalogue = Catalogue(self.folder / "catalogue.sqlite")

    def append(
        self,
        packet: str,
        time: npt.ArrayLike,
        columns: Mapping[str, npt.ArrayLike],
        source: str,
        *,
        units: Mapping[str, str] | None = None,
    ) -> bool:
        """Append the values of a packet.

        Parameters
        ----------
        packet
            Name of the packet.
        time
            Times of the packets, s TT since the reference; in any order.
        columns
            Numbers or texts by parameter name, of the length of `time`.
        source
            Permanent name of this piece of data, such as the hash of the file or the run and its part.
        units
            Units by parameter name.

        Returns
        -------
        bool
            False where the source is in the archive already; then nothing was done.

        Raises
        ------
        BadArgumentError
            For columns of another length, times that are not finite, or names that cannot be used.
        FailedError
            Where it could not be written; then the source is not in the archive.
        """
        table = to_table(packet, time, columns)
        if self.catalogue.has(packet, source):
            return False
        parameters = [
            Parameter(
                packet,
                name,
                (units or {}).get(name, ""),
                "text" if pa.types.is_string(table.schema.field(name).type) else "number",
            )
            for name in columns
        ]
        files = [self._write(packet, part) for part in split_days(table)]
        if self.catalogue.add(packet, source, files, parameters):
            return True
        self._remove(files)
        return False

    def _write(self, packet: str, table: pa.Table) -> DayFile:
        times = table.column(TIME).to_numpy()
        day = day_of(float(times[0])).isoformat()
        name = f"{packet}/{day}/{secrets.token_hex(8)}.parquet"
        with atomic_file(self.folder / name) as file:
            pq.write_table(table, file, compression="zstd")
        return DayFile(
            name,
            packet,
            day,
            len(times),
            float(times[0]),
            float(times[-1]),
            tuple(n for n in table.column_names if n != TIME),
        )

    def _remove(self, files: Sequence[DayFile]) -> None:
        for file in files:
            (self.folder / file.name).unlink(missing_ok=True)

    def parameters(self, packet: str | None = None) -> list[Parameter]:
        """Parameters, of one packet or of all."""
        return self.catalogue.parameters(packet)

    def span(self, packet: str | None = None) -> tuple[float, float] | None:
        """First and last time, s; None for an empty archive."""
        files = self.catalogue.files(packet)
        if not files:
            return None
        return min(f.first for f in files), max(f.last for f in files)

    def find(self, name: str) -> Parameter:
        """A parameter by its name, or by packet.name where several packets carry the name.

        Raises
        ------
        NotFoundError
            For a name that is not in the archive.
        BadArgumentError
            For a name that several packets carry.
        """
        known = self.parameters()
        found = [p for p in known if name in (p.name, f"{p.packet}.{p.name}")]
        if len(found) > 1:
            choices = ", ".join(f"{p.packet}.{p.name}" for p in found)
            raise BadArgumentError(f"got parameter {name!r}, which is ambiguous, expected one of {choices}")
        if not found:
            near = ", ".join(p.name for p in known[:10]) or "none, the archive is empty"
            raise NotFoundError(f"got parameter {name!r}, expected one that is archived ({near} …)")
        return found[0]

    @overload
    def read(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too; the first one wins
        self, parameters: str, start: "Instant" = ..., stop: "Instant" = ...
    ) -> Series: ...
    @overload
    def read(
        self, parameters: Sequence[str], start: "Instant" = ..., stop: "Instant" = ...
    ) -> dict[str, Series]: ...
    def read(
        self,
        parameters: str | Sequence[str],
        start: "Instant" = -np.inf,
        stop: "Instant" = np.inf,
    ) -> Series | dict[str, Series]:
        """Values of parameters in [start, stop).

        Parameters
        ----------
        parameters
            A name, or several; packet.name where several packets carry the name.
        start, stop
            Times: s TT since the reference, a Time, or an ISO date (UTC).

        Returns
        -------
        Series or dict of str to Series
            Sorted by time. Rows that came twice (same time, same value) come once.

        Raises
        ------
        NotFoundError
            For a name that is not in the archive.
        BadDataError
            For a damaged file.
        """
        start, stop = to_seconds(start), to_seconds(stop)
        if isinstance(parameters, str):
            return self.read([parameters], start, stop)[parameters]
        wanted = {name: self.find(name) for name in parameters}
        result = {}
        for packet in {p.packet for p in wanted.values()}:
            names = {name: p.name for name, p in wanted.items() if p.packet == packet}
            columns = self._columns(packet, sorted(set(names.values())), start, stop)
            for name, column in names.items():
                result[name] = make_series(wanted[name], columns[TIME], columns[column], start, stop)
        return {name: result[name] for name in wanted}

    def _columns(
        self, packet: str, names: list[str], start: float, stop: float
    ) -> dict[str, npt.NDArray[Any]]:
        """Columns of a packet from all its files; a file compacted away meanwhile is looked up again."""
        for attempt in range(_ATTEMPTS):
            try:
                tables = [
                    read_file(self.folder / file.name, [TIME, *(n for n in names if n in file.columns)])
                    for file in self.catalogue.files(packet, start, stop)
                ]
                break
            except FileNotFoundError as error:
                if attempt == _ATTEMPTS - 1:
                    raise BadDataError(
                        "got a catalogue that lists a file that does not exist",
                        file=error.filename or self.folder,
                        advice="ingest the source again into a new archive",
                    ) from error
        if not tables:
            return {name: np.empty(0) for name in (TIME, *names)}
        joined = pa.concat_tables(tables, promote_options="permissive")
        return {
            name: to_numpy(joined.column(name))
            if name in joined.column_names
            else np.full(len(joined), np.nan)
            for name in (TIME, *names)
        }

    def compact(self, packet: str, day: str) -> bool:
        """Join the files of a day into one.

        Live data come in small pieces; one file a day is read faster. Readers are not disturbed.

        Parameters
        ----------
        packet
            Name of the packet.
        day
            ISO date.

        Returns
        -------
        bool
            False where there was nothing to join.
        """
        old = [f for f in self.catalogue.files(packet) if f.day == day]
        if len(old) < 2:
            return False
        joined = pa.concat_tables(
            [read_file(self.folder / f.name, None) for f in old], promote_options="permissive"
        ).sort_by(TIME)
        new = [self._write(packet, joined)]
        done = self.catalogue.replace(old, new)
        self._remove(old if done else new)
        return done

    def clean(self, *, older_than: float = _CLEAN_AGE) -> int:
        """Remove files that no catalogue lists: left by a killed process.

        Parameters
        ----------
        older_than
            Age, s, below which a file may belong to an append that is still running.

        Returns
        -------
        int
            Files removed.
        """
        listed = {self.folder / f.name for f in self.catalogue.files()}
        limit = clock.time() - older_than
        removed = 0
        for path in [*self.folder.rglob("*.parquet"), *self.folder.rglob(".*.partial")]:
            with contextlib.suppress(FileNotFoundError):
                if path not in listed and path.stat().st_mtime <= limit:
                    path.unlink()
                    removed += 1
        return removed

    def __repr__(self) -> str:
        return f"<HousekeepingArchive {self.folder} of {len(self.parameters())} parameters>"

    def _repr_html_(self) -> str:
        files = self.catalogue.files()
        rows = ""
        for packet in sorted({f.packet for f in files}):
            own = [f for f in files if f.packet == packet]
            count = len(self.parameters(packet))
            days = sorted({f.day for f in own})
            rows += (
                f"<tr><td>{escape(packet)}</td><td>{count}</td><td>{sum(f.rows for f in own):,}</td>"
                f"<td>{days[0]} to {days[-1]}</td></tr>"
            )
        return (
            f"<table><caption>Housekeeping archive {escape(self.folder.name)}</caption>"
            f"<tr><th>packet</th><th>parameters</th><th>rows</th><th>days</th></tr>{rows}</table>"
        )
