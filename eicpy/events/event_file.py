"""Photon files, read a stretch of rows at a time.

The rows of ECL-EVT-CAL have a fixed width, so any range of rows is one read at a known position. Times
become seconds TT since the mission's reference, whatever the header counts in
(:class:`eicpy.products.TimeReference`). They may stand in any order: those of flight files step back by
microseconds, files made elsewhere hold passes as they came (:class:`~eicpy.events.row_search.RowSearch`).
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from html import escape
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.events import kernels
from eicpy.events.bands import PixelScale
from eicpy.events.event_list import EventList
from eicpy.events.file_intervals import find_intervals
from eicpy.events.gti import GoodTimeIntervals
from eicpy.events.row_search import RowSearch
from eicpy.instruments import PixelGrid
from eicpy.opened import Opened, is_noting, note_opened
from eicpy.products import (
    Provenance,
    TimeReference,
    Unit,
    canonical_card,
    header_values,
    provenance_of,
    read_structure,
    read_table,
    reading,
    row_dtype,
    verify_unit,
)
from eicpy.times import to_time

__all__ = ["EventFile"]

_CARD = "ECL-EVT-CAL"
_EXTENSION = "EVENTS"
"""Name of an extension of photons that has no card."""
_MOST_COLUMNS = 256
"""Pixels in a row that JDET, a byte, can number."""
_ROWS_AT_ONCE = 16_384
"""Rows read in one piece: some 250 kB, which stay in the cache until they are unpacked."""
_BYTE = 0xFF
_FORMATS = {"TIME": ">f8", "JDET": "|u1", "IDET": "|u1", "PHA": ">i2", "FLAG": "|u1"}


class EventFile:
    """A photon file (ECL-EVT-CAL of any instrument, or EVENTS), opened but not loaded.

    Parameters
    ----------
    path
        The file.
    columns
        Pixels in a row of the detector, for a file made elsewhere; files of eicpy have it as DETCOLS.

    Raises
    ------
    BadDataError
        For a file that is missing, empty, truncated, of another card or without a column; for times whose
        reference, scale, unit or place is not known, with the keyword.
    BadArgumentError
        For a file without DETCOLS, when `columns` is not given either.

    See Also
    --------
    EventWriter : Writes such a file.
    EventList : Photons in memory, what :meth:`blocks` yields.

    References
    ----------
    - FITS Working Group 2018, Definition of the Flexible Image Transport System, version 4.0, section
       7.3 (binary tables).
    - Rots et al. 2015, A&A 574, A36: time coordinates in FITS.

    Examples
    --------
    ::

        photons = EventFile(path)
        for block in photons.blocks(500_000):
            spectra.add(block)
    """

    def __init__(self, path: Path, columns: int | None = None) -> None:
        self.path = Path(path)
        self._units = read_structure(self.path)
        self._unit = self._find()
        self.header: dict[str, Any] = header_values(self._unit.header)
        self._dtype = row_dtype(self._unit, self.path)
        self._offsets = self._row_layout()
        self._search = self._times()
        columns = columns or self.header.get("DETCOLS")
        if not columns:
            raise BadArgumentError(f"{self.path}: has no DETCOLS, expected `columns` (pixels in a row)")
        with reading(f"DETCOLS {columns!r}", self.path, self._unit.offset):
            self._columns = int(columns)
            if not 0 < self._columns <= _MOST_COLUMNS:
                raise ValueError(f"expected 1 to {_MOST_COLUMNS} pixels in a row")
        with reading("FLAGMULT", self.path, self._unit.offset):
            self._counting_bits = int(self.header.get("FLAGMULT") or _BYTE) & _BYTE
        if is_noting():
            said = None if self.provenance is None else self.provenance.simulated
            note_opened(Opened("photons", str(self.path), said))

    def _find(self) -> Unit:
        tables = [u for u in self._units[1:] if str(u.header.get("XTENSION", "")).strip() == "BINTABLE"]
        with_card = [u for u in tables if _CARD in (canonical_card(u.name), _card_of(u))]
        found = with_card or [u for u in tables if u.name.upper() == _EXTENSION]
        self._has_card = bool(with_card) or _card_of(self._units[0]) == _CARD
        if found:  # the good time has the card of its photons, too
            return next((unit for unit in found if _has_times(unit)), found[0])
        card = self._units[0].header.get("CARD", "none")
        raise BadDataError(
            f"got card {card}, expected {_CARD} (or another prefix), or EXTNAME {_EXTENSION}",
            file=self.path,
            offset=0,
        )

    def _times(self) -> RowSearch:
        names = list(self._dtype.names or ())
        for name in set(_FORMATS) & set(names) - {"TIME"}:
            key = f"TZERO{names.index(name) + 1}"
            if self.header.get(key):
                raise BadDataError(
                    f"got {key} = {self.header[key]} for column {name}, expected none",
                    file=self.path,
                    offset=self._unit.offset,
                )
        column = names.index("TIME") + 1
        self._reference = TimeReference.of(
            self.path, self._unit, self._units[:1], column=column, ours=self._has_card
        )
        zero = self._number(f"TZERO{column}", self.header.get(f"TZERO{column}") or 0.0)
        return RowSearch(
            self.path, self._unit, self._dtype, self._reference, zero=zero, step_back=self.step_back
        )

    def _row_layout(self) -> npt.NDArray[np.int64]:
        fields: Mapping[str, tuple[Any, ...]] = self._dtype.fields or {}
        offsets = []
        for name, wanted in _FORMATS.items():
            if name not in fields:
                if name == "FLAG":
                    offsets.append(-1)
                    continue
                raise BadDataError(
                    f"got columns {', '.join(fields)}, expected {name}",
                    file=self.path,
                    offset=self._unit.offset,
                )
            if fields[name][0] != np.dtype(wanted):
                raise BadDataError(
                    f"got {fields[name][0]} for column {name}, expected {np.dtype(wanted)}",
                    file=self.path,
                    offset=self._unit.offset,
                )
            offsets.append(fields[name][1])
        return np.array(offsets, dtype=np.int64)

    def _number(self, keyword: str, value: Any) -> float:
        with reading(f"{keyword} {value!r}", self.path, self._unit.offset):
            number = float(value)
            if not np.isfinite(number):
                raise ValueError("expected a number")
            return number

    def __len__(self) -> int:
        return int(self._unit.header["NAXIS2"])

    @property
    def grid_columns(self) -> int:
        """Pixels in a row of the detector."""
        return self._columns

    @property
    def step_back(self) -> float | None:
        """Largest step back in time, s; None where the file does not say it."""
        said = self.header.get("STEPBACK")
        return None if said is None else max(0.0, self._number("STEPBACK", said))

    @cached_property
    def gti(self) -> GoodTimeIntervals | None:
        """Good time intervals; None for a file without."""
        return find_intervals(self.path, self._units, self._reference, ours=self._has_card)

    @cached_property
    def provenance(self) -> Provenance | None:
        """How the file was made; None for a file without a record."""
        for unit in self._units:
            if unit.name == "PROVENANCE":
                with reading("a record of provenance", self.path, unit.data_offset):
                    return provenance_of(read_table(self.path, unit))
        return None

    @property
    def nominal_scale(self) -> tuple[float, float]:
        """Gain (keV/channel) and offset (keV) of the channels PI.

        Raises
        ------
        BadDataError
            For a file without NOMGAIN and NOMOFFS.
        """
        if "NOMGAIN" not in self.header or "NOMOFFS" not in self.header:
            raise BadDataError("got no NOMGAIN and NOMOFFS, expected the scale of PI", file=self.path)
        gain, offset = (self._number(key, self.header[key]) for key in ("NOMGAIN", "NOMOFFS"))
        return gain, offset

    def nominal(self, pixels: PixelGrid) -> PixelScale:
        """The nominal scale for every pixel."""
        return PixelScale.uniform(pixels.count, *self.nominal_scale)

    def rows_between(self, start: float, stop: float) -> slice:
        """A stretch of rows that holds every photon of [start, stop); where times are sorted, few others."""
        found = self._search.stretches(GoodTimeIntervals(start, stop))
        return slice(found[0].start, found[-1].stop) if found else slice(0, 0)

    def blocks(
        self, size: int = 500_000, *, time: tuple[float, float] | GoodTimeIntervals | None = None
    ) -> Iterator[EventList]:
        """Go through the photons in blocks.

        Parameters
        ----------
        size
            Rows read at a time.
        time
            Only photons in [start, stop), or in these intervals; rows elsewhere are not read.

        Yields
        ------
        EventList
            At most `size` photons, in the order of the file, with the file's `gti`.
        """
        if time is None:
            yield from self._read(slice(0, len(self)), size)
            return
        intervals = time if isinstance(time, GoodTimeIntervals) else GoodTimeIntervals(*time)
        for rows in self._search.stretches(intervals):
            for block in self._read(rows, size):
                yield block.select(time=intervals)

    def _read(self, rows: slice, size: int) -> Iterator[EventList]:
        width = self._dtype.itemsize
        buffer = np.empty((_ROWS_AT_ONCE, width), dtype=np.uint8)
        with self.path.open("rb") as file:
            file.seek(self._unit.data_offset + rows.start * width)
            for first in range(rows.start, rows.stop, size):
                yield self._unpack(file, min(size, rows.stop - first), buffer)

    def _unpack(self, file: BufferedReader, count: int, buffer: npt.NDArray[np.uint8]) -> EventList:
        """Read rows through a buffer that stays in the cache, and make columns of them."""
        words = np.empty(count, dtype=np.uint64)
        detnum = np.empty(count, dtype=np.int16)
        channel = np.empty(count, dtype=np.int16)
        multiplicity = np.empty(count, dtype=np.uint8)
        for first in range(0, count, len(buffer)):
            rows = buffer[: count - first]
            if file.readinto(rows.reshape(-1).data) != rows.nbytes:
                raise BadDataError(f"got fewer rows than {len(self)}, the file has changed", file=self.path)
            part = slice(first, first + len(rows))
            columns = words[part], detnum[part], channel[part], multiplicity[part]
            kernels.unpack_photons(rows, self._offsets, self._columns, *columns)
        if self._counting_bits != _BYTE:
            multiplicity &= np.uint8(self._counting_bits)
        return EventList(
            self._search.seconds(words.view(np.float64)), detnum, channel, multiplicity, self.gti
        )

    def read(self, *, time: tuple[float, float] | GoodTimeIntervals | None = None) -> EventList:
        """Load the photons, all or those of a time."""
        gti = self.gti
        if gti is not None and time is not None:
            gti &= time if isinstance(time, GoodTimeIntervals) else GoodTimeIntervals(*time)
        return EventList.concatenate(self.blocks(time=time), gti)

    def verify(self) -> None:
        """Compare the whole file with its checksums.

        Raises
        ------
        BadDataError
            Where they differ.
        """
        for unit in self._units:
            verify_unit(self.path, unit)

    def __repr__(self) -> str:
        return f"<EventFile {self.path.name} of {len(self)} photons>"

    def _span(self) -> tuple[float, float] | None:
        """First and last time that the header or the good time gives, s."""
        ends = [self.header.get(key) for key in ("TSTART", "TSTOP")]
        if self._reference.plain and None not in ends:
            with reading("TSTART and TSTOP", self.path, self._unit.offset):
                return self._number("TSTART", ends[0]), self._number("TSTOP", ends[1])
        return self.gti.span if self.gti else None

    def _repr_html_(self) -> str:
        rows = [("photons", f"{len(self):,}"), ("card", str(self.header.get("CARD", "")))]
        if (span := self._span()) is not None:
            rows.append(("time (UTC)", " to ".join(to_time(end).utc.isot for end in span)))
        if self.gti is not None:
            rows.append(("good time", f"{self.gti.exposure:.3f} s in {len(self.gti)} intervals"))
        simulated = None if self.provenance is None else self.provenance.simulated
        rows.append(("simulated", "unknown" if simulated is None else "yes" if simulated else "no"))
        body = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in rows)
        return f"<table><caption>{escape(self.path.name)}</caption>{body}</table>"


def _card_of(unit: Unit) -> str | None:
    return canonical_card(str(unit.header.get("CARD", "")))


def _has_times(unit: Unit) -> bool:
    return any(str(value).strip() == "TIME" for value in unit.header["TTYPE*"].values())
