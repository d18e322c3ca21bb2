"""Good time intervals: sets of times on which data can be used, and their algebra.

An interval is [start, stop): start belongs to it, stop does not. A set is kept sorted and disjoint, so that
union, intersection, complement and difference are exact and every set has one form.
"""

from collections.abc import Mapping
from html import escape
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import kernels
from eicpy.times import to_time

__all__ = ["GoodTimeIntervals"]

F8 = npt.NDArray[np.float64]


class GoodTimeIntervals:
    """A set of good time intervals.

    Parameters
    ----------
    start, stop
        Ends of the intervals, s (TT, since the reference), in any order; overlapping and touching
        intervals are joined, empty ones dropped.

    Raises
    ------
    BadArgumentError
        For arrays of different lengths, NaN, or an interval that ends before it starts.

    See Also
    --------
    read_criteria : Intervals by criterion from ECL-GTI-CAL.
    LightCurveAccumulator : Light curves with the good time of each bin.

    References
    ----------
    - Angelini, Pence and Tennant 1993, OGIP/93-003, timing FITS file format.
    - Rots et al. 2015, A&A 574, A36: time coordinates in FITS.

    Examples
    --------
    >>> day = GoodTimeIntervals([0], [100])
    >>> saa = GoodTimeIntervals([20, 50], [30, 60])
    >>> day - saa
    GoodTimeIntervals([0.0, 30.0, 60.0], [20.0, 50.0, 100.0])
    >>> (day & ~saa).exposure
    80.0
    """

    __slots__ = ("start", "stop")

    def __init__(self, start: npt.ArrayLike = (), stop: npt.ArrayLike = ()) -> None:
        begin = np.atleast_1d(np.asarray(start, dtype=np.float64))
        end = np.atleast_1d(np.asarray(stop, dtype=np.float64))
        if begin.shape != end.shape or begin.ndim != 1:
            raise BadArgumentError(f"got {begin.shape} starts and {end.shape} stops, expected one length")
        if not np.all(begin <= end):
            raise BadArgumentError("got an interval that ends before it starts, or NaN")
        keep = begin < end
        order = np.argsort(begin[keep], kind="stable")
        begin, end = begin[keep][order], end[keep][order]
        if begin.size:
            reach = np.maximum.accumulate(end)
            first = np.concatenate(([True], begin[1:] > reach[:-1]))
            last = np.concatenate((first[1:], [True]))
            begin, end = begin[first], reach[last]
        self.start: F8 = begin
        self.stop: F8 = end

    @classmethod
    def everything(cls) -> Self:
        """All times."""
        return cls(-np.inf, np.inf)

    @classmethod
    def from_condition(
        cls,
        time: npt.ArrayLike,
        condition: npt.ArrayLike,
        *,
        max_gap: float = np.inf,
        margin: float | tuple[float, float] = 0.0,
    ) -> Self:
        """Times at which sampled housekeeping fulfils a condition.

        The condition is taken to hold between two consecutive samples that both fulfil it and are not
        further apart than `max_gap`: the cautious reading, a lone good sample gives nothing.

        Parameters
        ----------
        time
            Times of the samples, s, sorted.
        condition
            Whether each sample is good; NaN in a comparison is not good by itself.
        max_gap
            Longest distance between samples, s, across which the condition may hold.
        margin
            Taken off at both ends of each interval, s; or (after its start, before its stop).

        Raises
        ------
        BadArgumentError
            For times that are not sorted, or a negative margin.

        Examples
        --------
        >>> voltage = np.array([0, 600, 600, 600, 0])
        >>> GoodTimeIntervals.from_condition([0, 1, 2, 3, 4], voltage > 500, margin=0.25)
        GoodTimeIntervals([1.25], [2.75])
        """
        t = np.asarray(time, dtype=np.float64)
        good = np.asarray(condition, dtype=bool)
        if t.shape != good.shape or t.ndim != 1:
            raise BadArgumentError(f"got {t.shape} times and {good.shape} conditions, expected one length")
        after, before = margin if isinstance(margin, tuple) else (margin, margin)
        if after < 0 or before < 0:
            raise BadArgumentError(f"got margin {margin}, expected 0 or more")
        step = np.diff(t)
        if not np.all(step >= 0):
            raise BadArgumentError("got times that are not sorted, or NaN, expected sorted ones")
        holds = good[:-1] & good[1:] & (step <= max_gap)
        whole = cls(t[:-1][holds], t[1:][holds])
        start, stop = whole.start + after, whole.stop - before
        return cls(start[start < stop], stop[start < stop])

    @classmethod
    def from_coverage(cls, time: npt.ArrayLike, max_gap: float) -> Self:
        """Times covered by nearly sorted samples or photons that are never further apart than `max_gap`."""
        t = np.sort(np.asarray(time, dtype=np.float64))
        return cls.from_condition(t, np.ones(t.size, dtype=bool), max_gap=max_gap)

    @classmethod
    def from_columns(cls, columns: Mapping[str, npt.ArrayLike]) -> Self:
        """Intervals from the columns START and STOP of a FITS table, in any capitals.

        Raises
        ------
        BadArgumentError
            Where one is missing.
        """
        named = {name.upper(): values for name, values in columns.items()}
        if not {"START", "STOP"} <= set(named):
            raise BadArgumentError(f"got columns {', '.join(columns)}, expected START and STOP")
        return cls(named["START"], named["STOP"])

    def to_columns(self) -> dict[str, F8]:
        """Columns START and STOP for a FITS table."""
        return {"START": self.start.copy(), "STOP": self.stop.copy()}

    def __len__(self) -> int:
        return int(self.start.size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GoodTimeIntervals):
            return NotImplemented
        return np.array_equal(self.start, other.start) and np.array_equal(self.stop, other.stop)

    __hash__ = None  # type: ignore[assignment]  # holds arrays: compared by value, not hashable

    def __or__(self, other: Self) -> Self:
        return type(self)(np.concatenate((self.start, other.start)), np.concatenate((self.stop, other.stop)))

    def __invert__(self) -> Self:
        start = np.concatenate(([-np.inf], self.stop))
        stop = np.concatenate((self.start, [np.inf]))
        return type(self)(start, stop)

    def __and__(self, other: Self) -> Self:
        return ~(~self | ~other)

    def __sub__(self, other: Self) -> Self:
        return self & ~other

    @property
    def exposure(self) -> float:
        """Total good time, s."""
        return float(np.sum(self.stop - self.start))

    @property
    def span(self) -> tuple[float, float]:
        """First start and last stop.

        Raises
        ------
        BadArgumentError
            For an empty set.
        """
        if not len(self):
            raise BadArgumentError("got an empty set of intervals, which has no span")
        return float(self.start[0]), float(self.stop[-1])

    def mask(self, time: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether each time is good."""
        inside = np.empty(np.shape(time), dtype=np.bool_)
        kernels.inside_intervals(np.ascontiguousarray(time, dtype=np.float64), self.start, self.stop, inside)
        return inside

    def exposure_in(self, edges: npt.ArrayLike) -> F8:
        """Good time in bins, s.

        Parameters
        ----------
        edges
            Sorted edges of the bins, s, shape (bins + 1,).

        Returns
        -------
        numpy.ndarray
            Shape (bins,).

        Raises
        ------
        BadArgumentError
            For edges that are not sorted, or NaN.
        """
        border = np.asarray(edges, dtype=np.float64)
        if border.ndim != 1 or not border.size or not np.all(np.diff(border) >= 0) or np.isnan(border[0]):
            raise BadArgumentError("got edges of bins that fall, or NaN, expected one sorted list of them")
        if not len(self):
            return np.zeros(border.size - 1)
        start, stop = np.clip((self.start, self.stop), border[0], border[-1])
        done = np.concatenate(([0.0], np.cumsum(stop - start)))
        here = np.searchsorted(start, border, side="right")
        before = np.maximum(here - 1, 0)
        partial = np.where(here > 0, np.minimum(border, stop[before]) - start[before], 0.0)
        return np.asarray(np.diff(done[before] + partial))

    def __repr__(self) -> str:
        return f"GoodTimeIntervals({self.start.tolist()}, {self.stop.tolist()})"

    def _repr_html_(self) -> str:
        def cell(seconds: float) -> str:
            return escape(to_time(seconds).utc.isot) if np.isfinite(seconds) else f"{seconds:g}"

        shown = "".join(
            f"<tr><td>{cell(a)}</td><td>{cell(b)}</td><td>{b - a:.3f}</td></tr>"
            for a, b in zip(self.start[:20], self.stop[:20], strict=True)
        )
        more = f"<tr><td colspan=3>and {len(self) - 20} more</td></tr>" if len(self) > 20 else ""
        return (
            f"<table><caption>{len(self)} good time intervals, {self.exposure:.3f} s</caption>"
            f"<tr><th>start (UTC)</th><th>stop (UTC)</th><th>length (s)</th></tr>{shown}{more}</table>"
        )
