"""The processor ``housekeeping``: archives housekeeping while it is received, and checks its limits.

What was received since the last checkpoint is archived as one part, named by the run and its bytes. After a
kill between the archive and the checkpoint the same packets come again: those that are in the archive
as a part are left out, as they are by the night that works on the same run. Excursions are recorded as the
night records them, from their first sample on, and grow while they last.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from eicpy.decoding import HousekeepingTable, housekeeping
from eicpy.housekeeping import HousekeepingArchive, LimitWatch, archived_ranges, archived_rows, part_name
from eicpy.ingestion import append_table, entries_of, table_limits
from eicpy.operations import Database, ExcursionEntry, open_database, record_excursions
from eicpy.processors.context import Context
from eicpy.runs import Increment, Run
from eicpy.times import day_of

__all__ = ["HousekeepingParts"]

MOST_ROWS = 100_000
"""Rows that wait for the archive at most."""
JOINED = 100
"""Parts of a kind that are joined into one file a day."""


@dataclass
class _Waiting:
    """Decoded packets of a run that are not in the archive yet."""

    run: int
    start: int
    stop: int
    tables: dict[str, list[HousekeepingTable]] = field(default_factory=lambda: defaultdict(list))

    @property
    def rows(self) -> int:
        return sum(len(table) for tables in self.tables.values() for table in tables)


class HousekeepingParts:
    """Archive the housekeeping and record what is beyond its limits.

    Parameters
    ----------
    limits
        Check the limits.
    """

    interval = 30.0
    """Between two parts, s."""

    def __init__(self, *, limits: bool = True) -> None:
        self._limits = limits
        self._waiting: _Waiting | None = None
        self._parts: dict[str, int] = defaultdict(int)
        self._archived: dict[tuple[int, str], list[tuple[int, int]]] = {}
        self._found: dict[tuple[str, float], ExcursionEntry] = {}
        self._unrecorded: set[tuple[str, float]] = set()

    def begin(self, context: Context) -> None:
        """Open the archive; resume excursions that had not ended."""
        self._context = context
        self._archive = HousekeepingArchive(context.settings.housekeeping(context.instrument.name))
        self._database: Database | None = None
        self._watch = LimitWatch(context.state.get("stays"))
        self._run: int | None = context.state.get("run")
        self._days = {(packet, day) for packet, day in context.state.get("days", [])}

    def process(self, batch: Increment) -> None:
        """Decode a batch."""
        first = int(batch.index.offset[0])
        if self._waiting is None:
            self._waiting = _Waiting(batch.run, first, first)
        self._waiting.stop = max(batch.cursor.offset, int(batch.index.offset[-1]) + 1)
        if self._run != batch.run:
            self._run, self._watch = batch.run, LimitWatch()
        for name, table in batch.housekeeping.items():
            if len(table):
                self._waiting.tables[name].append(self._not_archived(batch, name, table))
        self._check(batch.housekeeping)
        if self._waiting.rows > MOST_ROWS:
            self._context.save_soon()

    def save(self) -> None:
        """Archive what waits."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            source = part_name(waiting.run, waiting.start, waiting.stop)
            for name, tables in waiting.tables.items():
                self._append(_joined(tables), source)
                self._parts[name] += 1
                if self._parts[name] % JOINED == 0:
                    self._join(name)
        self._record(self._unrecorded)
        self._context.state.update(stays=self._watch.state, run=self._run, days=sorted(self._days))

    def end_run(self, run: Run) -> None:  # noqa: ARG002, a run ends for all processors by the same call
        """Archive the rest and join the parts of the run."""
        self.save()
        self._found.clear()
        self._archived.clear()
        for name in sorted({name for name, _ in self._days}):
            self._join(name)
        self._run, self._watch = None, LimitWatch()

    def end(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _not_archived(self, batch: Increment, name: str, table: HousekeepingTable) -> HousekeepingTable:
        """A table without the packets that an earlier execution has archived."""
        if (batch.run, name) not in self._archived:
            self._archived[batch.run, name] = archived_ranges(self._archive, name, batch.run)
        held = archived_rows(self._archived[batch.run, name], batch.index.offset)
        if not held.any():
            return table
        return housekeeping(batch.data, batch.local[~held], batch.instrument)[name]

    def _append(self, table: HousekeepingTable, source: str) -> None:
        if append_table(self._archive, table, source):
            timed = table.time[np.isfinite(table.time)]
            self._days |= {(table.name, day_of(float(t)).isoformat()) for t in (timed.min(), timed.max())}

    def _join(self, name: str) -> None:
        for packet, day in sorted(self._days):
            if packet == name:
                self._archive.compact(packet, day)
                self._days.discard((packet, day))

    def _check(self, tables: Mapping[str, HousekeepingTable]) -> None:
        """Find excursions; record a new or worse one at once, the others at the next save."""
        if not self._limits:
            return
        found: list[ExcursionEntry] = []
        for kind, table in tables.items():
            timed = np.isfinite(table.time)
            for name, limits in table_limits(table).items():
                unit = table.layout.units.get(name, "")
                excursions = self._watch.check(
                    name,
                    table.time[timed],
                    table.values[name][timed],
                    limits,
                    unit=unit,
                    key=f"{kind}.{name}",
                )
                found += entries_of(excursions)
        urgent = set()
        for entry in found:
            key = (entry.parameter, entry.start)
            if key not in self._found or self._found[key].level != entry.level:
                urgent.add(key)
            self._found[key] = entry
            self._unrecorded.add(key)
        self._record(urgent)

    def _record(self, keys: Iterable[tuple[str, float]]) -> None:
        context = self._context
        found = [self._found[key] for key in keys]
        self._unrecorded.difference_update(list(keys))
        if not found:
            return
        if self._database is None:
            self._database = open_database(context.settings)
        for entry in found:
            night = f"{day_of(entry.start):%Y%m%d}"
            record_excursions(self._database, context.instrument.name, night, [entry])
            context.report(**{f"last_{entry.level}": f"{entry.parameter} {entry.value:g} {entry.unit}"})


def _joined(tables: list[HousekeepingTable]) -> HousekeepingTable:
    """One table of several of a kind."""
    if len(tables) == 1:
        return tables[0]
    return replace(
        tables[0],
        time=np.concatenate([t.time for t in tables]),
        raw={n: np.concatenate([t.raw[n] for t in tables]) for n in tables[0].raw},
        values={n: np.concatenate([t.values[n] for t in tables]) for n in tables[0].values},
        texts={n: np.concatenate([t.texts[n] for t in tables]) for n in tables[0].texts},
    )
