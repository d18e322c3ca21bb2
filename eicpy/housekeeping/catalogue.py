"""The catalogue of the housekeeping archive: which files exist, what is in them, where they came from.

SQLite in WAL mode: readers are never blocked by a writer, and one transaction makes all files of a source
visible at once. A file that the catalogue does not list does not exist for a reader.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadDataError, FailedError

__all__ = ["Catalogue", "DayFile", "Parameter"]

_SCHEMA = """
create table if not exists source (
    packet text not null, id text not null, rows integer not null, first real, last real,
    primary key (packet, id)
);
create table if not exists file (
    name text primary key, packet text not null, day text not null, rows integer not null,
    first real not null, last real not null, columns text not null
);
create index if not exists file_time on file (packet, first, last);
create table if not exists parameter (
    packet text not null, name text not null, unit text not null, kind text not null,
    primary key (packet, name)
);
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the archive.

    Parameters
    ----------
    packet
        Name of the packet that carries it.
    name
        Its name.
    unit
        Its unit; empty for a pure number or a text.
    kind
        ``number`` or ``text``.
    """

    packet: str
    name: str
    unit: str
    kind: str


@dataclass(frozen=True, slots=True)
class DayFile:
    """A Parquet file: part of a day of one packet.

    Parameters
    ----------
    name
        Path relative to the archive.
    packet
        Name of the packet.
    day
        ISO date.
    rows
        Number of rows.
    first, last
        First and last time in it, s.
    columns
        Parameters in it.
    """

    name: str
    packet: str
    day: str
    rows: int
    first: float
    last: float
    columns: tuple[str, ...]


class Catalogue:
    """The catalogue of an archive.

    Parameters
    ----------
    path
        The SQLite file; it is made where it does not exist.

    Raises
    ------
    BadDataError
        For a file that is not a catalogue.
    FailedError
        Where the file could not be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with self._connect() as connection:
            connection.execute("pragma journal_mode = wal")
            connection.executescript(_SCHEMA)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each piece of work: threads and processes may share the archive."""
        try:
            with contextlib.closing(
                sqlite3.connect(self.path, timeout=60, isolation_level=None)
            ) as connection:
                connection.execute("pragma synchronous = full")
                yield connection
        except sqlite3.OperationalError as error:
            raise FailedError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise BadDataError(f"got a damaged catalogue: {error}", file=self.path) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as connection:
            connection.execute("begin immediate")
            try:
                yield connection
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def has(self, packet: str, source: str) -> bool:
        """Whether a source was appended."""
        with self._connect() as connection:
            found = connection.execute(
                "select 1 from source where packet = ? and id = ?", (packet, source)
            ).fetchone()
        return found is not None

    def sources(self, packet: str | None = None, prefix: str = "") -> list[tuple[str, str]]:
        """(packet, source) of all that was appended, or of the sources that begin with a prefix."""
        with self._connect() as connection:
            return list(
                connection.execute(
                    "select packet, id from source where packet = coalesce(?, packet) "
                    "and id >= ? and id < ? order by packet, id",
                    (packet, prefix, prefix + "\U0010ffff"),
                )
            )

    def add(
        self, packet: str, source: str, files: Sequence[DayFile], parameters: Sequence[Parameter]
    ) -> bool:
        """Make the files of a source visible, all at once.

        Returns
        -------
        bool
            False where the source is there already; then nothing changes.
        """
        with self._transaction() as connection:
            rows = sum(f.rows for f in files)
            first = min((f.first for f in files), default=None)
            last = max((f.last for f in files), default=None)
            done = connection.execute(
                "insert or ignore into source values (?, ?, ?, ?, ?)", (packet, source, rows, first, last)
            )
            if done.rowcount == 0:
                return False
            self._insert(connection, files)
            connection.executemany(
                "insert or replace into parameter values (?, ?, ?, ?)",
                [(p.packet, p.name, p.unit, p.kind) for p in parameters],
            )
        return True

    def replace(self, old: Sequence[DayFile], new: Sequence[DayFile]) -> bool:
        """Replace files by others in one transaction.

        Returns
        -------
        bool
            False where one of the old files is gone already; then nothing changes.
        """
        with self._transaction() as connection:
            known = {name for (name,) in connection.execute("select name from file")}
            if not {f.name for f in old} <= known:
                return False
            connection.executemany("delete from file where name = ?", [(f.name,) for f in old])
            self._insert(connection, new)
        return True

    @staticmethod
    def _insert(connection: sqlite3.Connection, files: Sequence[DayFile]) -> None:
        connection.executemany(
            "insert into file values (?, ?, ?, ?, ?, ?, ?)",
            [(f.name, f.packet, f.day, f.rows, f.first, f.last, json.dumps(f.columns)) for f in files],
        )

    def files(
        self, packet: str | None = None, start: float = float("-inf"), stop: float = float("inf")
    ) -> list[DayFile]:
        """Files that hold times of [start, stop), by first time."""
        with self._connect() as connection:
            found = connection.execute(
                "select name, packet, day, rows, first, last, columns from file "
                "where packet = coalesce(?, packet) and last >= ? and first < ? order by first, name",
                (packet, start, stop),
            ).fetchall()
        return [
            DayFile(name, packet, day, rows, first, last, tuple(json.loads(columns)))
            for name, packet, day, rows, first, last, columns in found
        ]

    def parameters(self, packet: str | None = None) -> list[Parameter]:
        """Parameters, by packet and name."""
        with self._connect() as connection:
            rows = connection.execute(
                "select packet, name, unit, kind from parameter where packet = coalesce(?, packet) "
                "order by packet, name",
                (packet,),
            ).fetchall()
        return [Parameter(*row) for row in rows]
