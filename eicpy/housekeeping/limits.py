"""How bad a value is, and the excursions of housekeeping parameters beyond their limits.

A parameter has a warning range and, around it, an alarm range. :func:`judge` is the one judgement: pages, the
night, the ledger and the terminal show what it returns. An excursion is one time outside on one side: it
begins with the first sample beyond a limit, ends when the value is back inside, and its level is the worst
that it reached. Where samples are missing for longer than `max_gap`, nobody knows whether the value was
outside all the time: the excursion ends at the last sample before the gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.limits import Limits
from eicpy.times import to_time
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Excursion", "Limits", "Severity", "check_limits", "excursion_table", "judge"]


class Severity(IntEnum):
    """How bad it is, in rising order; written as its name in small letters.

    Examples
    --------
    >>> str(max(Severity.WARNING, Severity.ALARM))
    'alarm'
    """

    UNKNOWN = -1
    """There is no sample to judge."""
    NOMINAL = 0
    WARNING = 1
    ALARM = 2

    def __str__(self) -> str:
        return self.name.lower()


def judge(values: npt.ArrayLike, limits: Limits | None) -> Severity:
    """Judge a value, or the worst of several, against limits.

    Parameters
    ----------
    values
        Any shape. A value at a limit is inside; an infinite one is beyond every limit on its side; NaN is
        no sample.
    limits
        None where there are none: every sample is nominal.

    Returns
    -------
    Severity
        ``UNKNOWN`` where there is no sample.

    See Also
    --------
    check_limits : Excursions of a series of samples.
    eicpy.packets.Limits.passed : How many ranges each value is beyond.

    Examples
    --------
    >>> limits = Limits(warning_high=30.0, alarm_high=40.0)
    >>> [judge(v, limits).name for v in (30.0, 30.5, float("inf"), float("nan"), [20.0, float("nan")])]
    ['NOMINAL', 'WARNING', 'ALARM', 'UNKNOWN', 'NOMINAL']
    """
    return Severity(int(np.max((limits or Limits()).passed(values), initial=Severity.UNKNOWN)))


@dataclass(frozen=True, slots=True)
class Excursion:
    """A time that a parameter spends beyond its limits.

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
    level: Severity
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
        Fewer samples outside are no excursion (single flipped bits).
    max_gap
        Longest distance of samples, s, that an excursion may bridge; a few times the cadence.

    Returns
    -------
    list of Excursion
        Sorted by start.

    Raises
    ------
    BadArgumentError
        For arrays of different lengths, limits that are not in order, negative hysteresis or fewer than one
        sample.

    See Also
    --------
    judge : The level of a value.
    LimitWatch : The same for samples that arrive in blocks.

    Examples
    --------
    >>> found = check_limits([0, 1, 2, 3], [20.0, 31.0, 41.0, 20.0], Limits(warning_high=30, alarm_high=40))
    >>> [(str(e.level), e.start, e.stop, e.extreme) for e in found]
    [('alarm', 1.0, 2.0, 41.0)]
    """
    limits.check()
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
        outside = (limits.passed(v) > 0) & (sign * v > sign * warning)
        near = outside | (sign * v > sign * warning - hysteresis)
        for rows, ongoing in _excursions(t, outside, near, max_gap):
            beyond = rows[outside[rows]]
            if beyond.size < min_samples:
                continue
            worst = v[beyond][np.argmax(sign * v[beyond])]
            level = judge(worst, limits)
            found.append(
                Excursion(
                    parameter,
                    level,
                    float(t[beyond[0]]),
                    float(t[beyond[-1]]),
                    float(worst),
                    alarm if level is Severity.ALARM else warning,
                    int(beyond.size),
                    unit,
                    ongoing,
                )
            )
    return sorted(found, key=lambda e: (e.start, e.stop))


def _excursions(
    time: FloatArray, outside: BoolArray, near: BoolArray, max_gap: float
) -> Iterator[tuple[npt.NDArray[np.intp], bool]]:
    """Rows of each excursion, and whether the data end in it.

    It goes on over samples that are `near` (outside, or inside by less than the hysteresis) and starts with
    one that is `outside`; a gap cuts it.
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
            e.level.name,
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
