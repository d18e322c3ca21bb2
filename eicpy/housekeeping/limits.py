"""Limits of housekeeping parameters, and the excursions beyond them.

A parameter has a warning range and, around it, an alarm range. An excursion is one stay outside on one side:
it begins with the first sample beyond a limit, ends when the value is back inside, and its level is the worst
that it reached. NaN is no sample. Where samples are missing for longer than `max_gap`, nobody knows whether
the value stayed outside: the excursion ends at the last sample before the gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.times import to_time
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Excursion", "Level", "Limits", "check_limits", "excursion_table"]


class Level(StrEnum):
    """How bad an excursion is."""

    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Limits:
    """Ranges of a parameter; None where there is no limit. A value at a limit is inside.

    Raises
    ------
    BadArgumentError
        For limits that are not in order.

    Examples
    --------
    >>> Limits(warning_low=-25.0, warning_high=-15.0, alarm_high=-10.0).high
    (-15.0, -10.0)
    """

    warning_low: float | None = None
    warning_high: float | None = None
    alarm_low: float | None = None
    alarm_high: float | None = None

    def __post_init__(self) -> None:
        order = [
            v for v in (self.alarm_low, self.warning_low, self.warning_high, self.alarm_high) if v is not None
        ]
        if not all(np.isfinite(order)) or order != sorted(order):
            raise BadArgumentError(
                f"got {self}, expected alarm_low ≤ warning_low ≤ warning_high ≤ alarm_high, all finite"
            )

    @property
    def low(self) -> tuple[float, float]:
        """Lower limits (warning, alarm); −inf where there is none."""
        alarm = -np.inf if self.alarm_low is None else float(self.alarm_low)
        return (alarm if self.warning_low is None else float(self.warning_low)), alarm

    @property
    def high(self) -> tuple[float, float]:
        """Upper limits (warning, alarm); +inf where there is none."""
        alarm = np.inf if self.alarm_high is None else float(self.alarm_high)
        return (alarm if self.warning_high is None else float(self.warning_high)), alarm

    @property
    def empty(self) -> bool:
        """True where there is no limit at all."""
        return self == Limits()


@dataclass(frozen=True, slots=True)
class Excursion:
    """A stay of a parameter beyond its limits.

    Parameters
    ----------
    parameter
        Name of the parameter.
    level
        The worst level reached.
    start, stop
        Times of the first and the last sample outside, s TT since the reference.
    extreme
        The value furthest outside.
    limit
        The limit of `level` that was passed.
    samples
        Samples outside.
    unit
        Unit of `extreme` and `limit`.
    ongoing
        True where the data end before the value is back inside.
    """

    parameter: str
    level: Level
    start: float
    stop: float
    extreme: float
    limit: float
    samples: int
    unit: str = ""
    ongoing: bool = False

    @property
    def duration(self) -> float:
        """From the first to the last sample outside, s."""
        return self.stop - self.start


def check_limits(
    time: npt.ArrayLike,
    values: npt.ArrayLike,
    limits: Limits,
    *,
    parameter: str = "",
    unit: str = "",
    hysteresis: float = 0.0,
    min_samples: int = 1,
    max_gap: float = np.inf,
) -> list[Excursion]:
    """Find the excursions of a parameter.

    Parameters
    ----------
    time
        Times of the samples, s; in any order.
    values
        Values; NaN is no sample.
    limits
        The limits.
    parameter, unit
        Put into the result.
    hysteresis
        How far inside the limit, in the parameter's unit, the value must come back to end an excursion.
    min_samples
        Stays of fewer samples outside are not excursions (single flipped bits).
    max_gap
        Longest distance of samples, s, that an excursion may bridge; a few times the cadence.

    Returns
    -------
    list of Excursion
        Sorted by start.

    Raises
    ------
    BadArgumentError
        For arrays of different lengths, negative hysteresis or fewer than one sample.

    Examples
    --------
    >>> found = check_limits([0, 1, 2, 3], [20.0, 31.0, 41.0, 20.0], Limits(warning_high=30, alarm_high=40))
    >>> [(e.level.value, e.start, e.stop, e.extreme) for e in found]
    [('alarm', 1.0, 2.0, 41.0)]
    """
    t = np.asarray(time, dtype=np.float64)
    v = np.asarray(values, dtype=np.float64)
    if t.shape != v.shape or t.ndim != 1:
        raise BadArgumentError(f"got {t.shape} times and {v.shape} values, expected one length")
    if hysteresis < 0 or min_samples < 1:
        raise BadArgumentError(
            f"got hysteresis {hysteresis} and min_samples {min_samples}, expected ≥ 0 and ≥ 1"
        )
    valid = np.isfinite(t) & ~np.isnan(v)
    t, v = t[valid], v[valid]
    order = np.argsort(t, kind="stable")
    t, v = t[order], v[order]
    found = []
    for sign, (warning, alarm) in ((1.0, limits.high), (-1.0, limits.low)):
        if not np.isfinite(warning):
            continue
        outside = sign * (v - warning) > 0
        for rows, ongoing in _stays(t, outside, sign * (v - warning) > -hysteresis, max_gap):
            beyond = rows[outside[rows]]
            if beyond.size < min_samples:
                continue
            worst = v[beyond][np.argmax(sign * v[beyond])]
            is_alarm = bool(sign * (worst - alarm) > 0)
            found.append(
                Excursion(
                    parameter,
                    Level.ALARM if is_alarm else Level.WARNING,
                    float(t[beyond[0]]),
                    float(t[beyond[-1]]),
                    float(worst),
                    alarm if is_alarm else warning,
                    int(beyond.size),
                    unit,
                    ongoing,
                )
            )
    return sorted(found, key=lambda e: (e.start, e.stop))


def _stays(
    time: FloatArray, outside: BoolArray, near: BoolArray, max_gap: float
) -> Iterator[tuple[npt.NDArray[np.intp], bool]]:
    """Rows of each stay outside, and whether the data end in it.

    A stay goes on over samples that are `near` (outside, or inside by less than the hysteresis) and
    starts with one that is `outside`; a gap cuts it.
    """
    if not outside.any():
        return
    cut = np.concatenate(([True], (np.diff(time) > max_gap) | (near[1:] != near[:-1])))
    first = np.flatnonzero(cut)
    last = np.append(first[1:], time.size)
    for begin, end in zip(first[near[first]], last[near[first]], strict=True):
        rows = np.arange(begin, end)
        if outside[rows].any():
            yield rows, bool(end == time.size)


def excursion_table(excursions: list[Excursion]) -> str:
    """The excursions as an HTML table."""

    def row(e: Excursion) -> str:
        cells: tuple[Any, ...] = (
            e.parameter,
            e.level.value.upper(),
            to_time(e.start).utc.isot,
            to_time(e.stop).utc.isot + (" (ongoing)" if e.ongoing else ""),
            f"{e.extreme:g} {e.unit}",
            f"{e.limit:g} {e.unit}",
            e.samples,
        )
        return f"<tr>{''.join(f'<td>{escape(str(c))}</td>' for c in cells)}</tr>"

    head = "".join(
        f"<th>{h}</th>"
        for h in ("parameter", "level", "start (UTC)", "stop (UTC)", "extreme", "limit", "samples")
    )
    return f"<table><tr>{head}</tr>{''.join(row(e) for e in excursions)}</table>"
