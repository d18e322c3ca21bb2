"""Housekeeping against its limits in the last minutes of the data, from values as they come."""

from collections.abc import Mapping

import numpy as np

from eicpy.decoding.columns import HousekeepingTable
from eicpy.health.state import KnownExcursion
from eicpy.housekeeping.limit_watch import LimitWatch
from eicpy.housekeeping.limits import Excursion, Severity, judge

__all__ = ["ValueWindow"]


class ValueWindow:
    """The excursions of the last minutes of a stream, and the level of each parameter now.

    Parameters
    ----------
    window
        How long an ended excursion is kept, s.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything: other data follow."""
        self.newest = -np.inf
        """Time of the newest value, s."""
        self._watch = LimitWatch()
        self._levels: dict[tuple[str, str], Severity] = {}
        self._found: dict[tuple[str, str, float], Excursion] = {}
        self._begin: dict[str, float] = {}

    def add(self, tables: Mapping[str, HousekeepingTable]) -> None:
        """Take new values, those without a time left out."""
        for packet, table in tables.items():
            timed = np.isfinite(table.time)
            if not timed.any():
                continue
            time = table.time[timed]
            self.newest = max(self.newest, float(time[-1]))
            self._begin.setdefault(packet, float(time[0]))
            for name, limits in table.layout.limits.items():
                if name in table.values:
                    values = table.values[name][timed]
                    known = values[~np.isnan(values)]
                    if len(known):
                        self._levels[packet, name] = judge(known[-1], limits)
                    unit = table.layout.units.get(name, "")
                    self._check(packet, name, self._watch.check(
                        name, time, values, limits, unit=unit, key=f"{packet}.{name}",
                    ))  # fmt: skip

    def _check(self, packet: str, name: str, found: list[Excursion]) -> None:
        for one in found:
            self._found[packet, name, one.start] = one

    def forget(self, before: float) -> None:
        """Forget excursions that ended before a time, s."""
        self._found = {k: one for k, one in self._found.items() if self._lasts(k, one) or one.stop >= before}

    def _lasts(self, key: tuple[str, str, float], one: Excursion) -> bool:
        packet, name, start = key
        newest = max((s for p, n, s in self._found if (p, n) == (packet, name)), default=start)
        return one.ongoing and start == newest and self._levels.get((packet, name), 0) >= Severity.WARNING

    @property
    def checked(self) -> int:
        """Parameters that have been compared with limits."""
        return sum(level is not Severity.UNKNOWN for level in self._levels.values())

    def excursions(self, *, from_start: bool) -> tuple[KnownExcursion, ...]:
        """Excursions that last, and those that are kept.

        Parameters
        ----------
        from_start
            Whether reading began where the data begin: else one that is there at the first sample may be
            older.
        """
        known = []
        for key, one in self._found.items():
            packet, name, start = key
            lasts = self._lasts(key, one)
            known.append(
                KnownExcursion(
                    parameter=name,
                    level=self._levels[packet, name] if lasts else one.level,
                    start=start,
                    stop=one.stop,
                    value=one.extreme,
                    limit=one.limit,
                    unit=one.unit,
                    ongoing=lasts,
                    longer=not from_start and start <= self._begin[packet],
                )
            )
        return tuple(known)
