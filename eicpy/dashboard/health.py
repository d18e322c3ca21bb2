"""Is the camera well? Housekeeping against its limits, packets against their counters, and the age of both.

The verdict is the worst of what is known: a parameter beyond an alarm limit, one beyond a warning limit
or packets lost or damaged a short while ago, or nothing at all. A page that gets no data says so before
it says anything else: the status of an hour ago is not that of now.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.housekeeping import Severity
from eicpy.housekeeping.limits import judge
from eicpy.packets import Limits
from eicpy.typing import BoolArray, FloatArray

__all__ = ["HealthVerdict", "HousekeepingHistory", "LatestValue", "RecentLosses", "State", "judge_health"]


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
                self._last[packet, name] = _last(packet, name, table, known)
        return grown

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


@dataclass
class RecentLosses:
    """Packets lost or damaged recently, from totals that only grow.

    Parameters
    ----------
    span
        s.
    """

    span: float = 300.0

    def __post_init__(self) -> None:
        self._totals: deque[tuple[float, int]] = deque()

    def update(self, now: float, total: int) -> int:
        """How much `total` has grown within `span` before `now` (s of any clock that runs evenly)."""
        if not self._totals or self._totals[-1][1] != total:
            self._totals.append((now, total))
        while len(self._totals) > 1 and self._totals[1][0] <= now - self.span:
            self._totals.popleft()
        if now - self._totals[-1][0] > self.span:
            return 0
        return total - self._totals[0][1]


@dataclass(frozen=True)
class HealthVerdict:
    """Status of the camera, as the head of the page shows it.

    Parameters
    ----------
    state
        Whether it is the present.
    level
        How bad it is.
    alarms, warnings
        Names of the parameters beyond their limits.
    losses
        Packets lost or damaged a short while ago.
    """

    state: State
    level: Severity
    alarms: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    losses: int = 0


def judge_health(state: State, parameters: list[LatestValue], losses: int) -> HealthVerdict:
    """Return the worst of what is known."""
    alarms = tuple(p.name for p in parameters if p.level == Severity.ALARM)
    warnings = tuple(p.name for p in parameters if p.level == Severity.WARNING)
    worst = Severity.ALARM if alarms else Severity.WARNING if warnings or losses else Severity.NOMINAL
    return HealthVerdict(state, worst, alarms, warnings, losses)
