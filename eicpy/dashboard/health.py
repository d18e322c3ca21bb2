"""The housekeeping that a page shows: the newest values of each parameter, for its table and its curve.

Whether the camera is well is not judged here but in :mod:`eicpy.health`, for all pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.housekeeping import Severity
from eicpy.housekeeping.limit_watch import LimitWatch
from eicpy.housekeeping.limits import Excursion, judge
from eicpy.packets import Limits
from eicpy.typing import BoolArray, FloatArray

__all__ = ["HousekeepingHistory", "LatestValue", "State"]


class State(IntEnum):
    """Whether what is shown is the present."""

    LIVE = 0
    STALE = 1
    """The run is open, but no new data have come."""
    ENDED = 2
    NO_RUN = 3


class HousekeepingBlock(Protocol):
    """New values of one kind of housekeeping packet."""

    @property
    def time(self) -> FloatArray:
        """Shape (n,), s TT since 2017-01-01."""

    @property
    def values(self) -> Mapping[str, FloatArray]:
        """Engineering values by parameter, shape (n,)."""

    @property
    def texts(self) -> Mapping[str, npt.NDArray[Any]]:
        """Texts by parameter, shape (n,)."""

    @property
    def layout(self) -> Any:
        """The packet's layout: units and limits."""


@dataclass(frozen=True)
class LatestValue:
    """The last value of a parameter.

    Parameters
    ----------
    packet, name, unit, description
        As in the packet's layout.
    limits
        None where there are none.
    time
        s TT since 2017-01-01.
    value
        In `unit`.
    text
        Meaning of the value, where the layout gives one.
    """

    packet: str
    name: str
    unit: str
    description: str
    limits: Limits | None
    time: float
    value: float
    text: str
    beyond: Excursion | None = None
    """The last time beyond the limits since the page was opened, which may have ended."""

    @property
    def ended(self) -> Excursion | None:
        """The last time beyond the limits, where the value is back inside."""
        return None if self.level >= Severity.WARNING else self.beyond

    @property
    def level(self) -> Severity:
        """Against its limits."""
        return judge(self.value, self.limits)


@dataclass
class HousekeepingHistory:
    """The newest values of each parameter.

    Parameters
    ----------
    capacity
        Values kept of each parameter.
    """

    capacity: int = 4000
    time: dict[str, FloatArray] = field(default_factory=dict, init=False)
    """By kind of packet, s."""

    def __post_init__(self) -> None:
        self._values: dict[str, dict[str, FloatArray]] = {}
        self._last: dict[tuple[str, str], LatestValue] = {}
        self._watch = LimitWatch()
        self._beyond: dict[tuple[str, str], Excursion] = {}

    def add(self, tables: Mapping[str, HousekeepingBlock]) -> bool:
        """Add new values; returns whether there were any."""
        grown = False
        for packet, table in tables.items():
            known = np.isfinite(table.time)
            if not known.any():
                continue
            grown = True
            self.time[packet] = self._join(self.time.get(packet), table.time[known])
            kept = self._values.setdefault(packet, {})
            for name, values in table.values.items():
                kept[name] = self._join(kept.get(name), values[known])
                last = _last(packet, name, table, known)
                self._last[packet, name] = replace(
                    last, beyond=self._check(last, table.time[known], values[known])
                )
        return grown

    def _check(self, last: LatestValue, time: FloatArray, values: FloatArray) -> Excursion | None:
        """The last time beyond the limits, with new values."""
        key = (last.packet, last.name)
        if last.limits is not None:
            name = f"{last.packet}.{last.name}"
            found = self._watch.check(last.name, time, values, last.limits, unit=last.unit, key=name)
            if found:
                self._beyond[key] = found[-1]
        return self._beyond.get(key)

    def _join(self, before: FloatArray | None, new: FloatArray) -> FloatArray:
        joined = np.asarray(new, dtype=np.float64) if before is None else np.concatenate([before, new])
        return joined[-self.capacity :]

    @property
    def names(self) -> list[tuple[str, str]]:
        """Kind of packet and name of each parameter."""
        return list(self._last)

    @property
    def parameters(self) -> list[LatestValue]:
        """The last value of each parameter, in the order of the layouts."""
        return list(self._last.values())

    def series(self, packet: str, name: str) -> tuple[FloatArray, FloatArray]:
        """Times (s) and values of a parameter; empty for one that is not known."""
        values = self._values.get(packet, {}).get(name)
        return (np.empty(0), np.empty(0)) if values is None else (self.time[packet], values)

    def last(self, packet: str, name: str) -> LatestValue | None:
        """The last value of a parameter."""
        return self._last.get((packet, name))


def _last(packet: str, name: str, table: HousekeepingBlock, known: BoolArray) -> LatestValue:
    row = int(np.flatnonzero(known)[-1])
    spec = table.layout[name]
    return LatestValue(
        packet=packet,
        name=name,
        unit=spec.unit,
        description=spec.description,
        limits=spec.limits or None,
        time=float(table.time[row]),
        value=float(table.values[name][row]),
        text=str(table.texts[name][row]) if name in table.texts else "",
    )
