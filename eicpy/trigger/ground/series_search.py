r"""Every window of many series searched on the ground, where the future is known too.

On board a window of 10 ms·2ⁿ that starts at a multiple of half its length is compared with a background from
the past. On the ground every window up to the longest is searched, and the background of a time is fitted to
both sides of it (:mod:`eicpy.trigger.ground.exact_search`, :mod:`eicpy.trigger.ground.background`; the fit is
made here for all series at once). A significance s of a window with B expected counts, known to δB, becomes

    s / √(1 + δB² / B).

How often such an excess comes by chance is measured, not computed: counts of *atoms* (parts of the plane ×
segments of energy that share no photon) are slid against each other in time, by more than the longest window,
or drawn anew from the fitted background. Series that share photons are sums of atoms, so they stay
correlated as they are. What the same search finds there, per day, is the rate of false alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import signal, stats

from eicpy.errors import BadArgumentError
from eicpy.kernels import kernel
from eicpy.trigger.ground.exact_search import search_all_windows
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["FalseAlarms", "GroundCandidate", "GroundSearch", "search_series"]

_DAY = 86400.0
_Counts = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class GroundCandidate:
    """A group of excesses, by its best window.

    Parameters
    ----------
    start, stop
        s, on the clock of the series.
    series
        Name of the series in which it is best.
    counts, background
        Counts in the window, and those expected without a source.
    significance
        Signed root of the deviance, the error of the background counted in.
    windows
        Ends of windows above the threshold in the group, over all series.
    false_alarms
        As high ones per day by chance; NaN where it was not measured.
    false_alarms_low, false_alarms_high
        Its central interval of 90 %.
    """

    start: float
    stop: float
    series: str
    counts: int
    background: float
    significance: float
    windows: int
    false_alarms: float = np.nan
    false_alarms_low: float = np.nan
    false_alarms_high: float = np.nan


@dataclass(frozen=True)
class FalseAlarms:
    """What a search finds where nothing is.

    Parameters
    ----------
    significance
        Of its candidates.
    days
        Searched.
    threshold
        Of the search; below it nothing is known.
    """

    significance: FloatArray
    days: float
    threshold: float

    def per_day(self, significance: float, confidence: float = 0.9) -> tuple[float, float, float]:
        """Rate of candidates at least as high, and its central Poisson interval (Garwood 1936).

        Parameters
        ----------
        significance
            NaN is returned for one below the threshold.
        confidence
            Of the interval.
        """
        if not significance >= self.threshold or self.days <= 0:
            return np.nan, np.nan, np.nan
        n = int((self.significance >= significance).sum())
        tail = (1 - confidence) / 2
        low = stats.chi2.ppf(tail, 2 * n) / 2 if n else 0.0
        high = stats.chi2.isf(tail, 2 * n + 2) / 2
        return float(n / self.days), float(low) / self.days, float(high) / self.days


@dataclass(frozen=True)
class GroundSearch:
    """Candidates of a search, in time order, and all that is needed to repeat it on null data.

    Parameters
    ----------
    candidates
        In time order.
    atoms
        Counts, shape (atoms, bins).
    series
        Which atoms each series is the sum of, shape (series, atoms).
    names
        Of the series.
    live
        Bins with data, shape (bins,).
    start, step
        s: begin of the first bin, and length of each.
    longest, threshold, reach, gap
        As for :func:`search_series`.
    """

    candidates: tuple[GroundCandidate, ...]
    atoms: _Counts
    series: BoolArray
    names: tuple[str, ...]
    live: BoolArray
    start: float
    step: float
    longest: float
    threshold: float
    reach: float
    gap: float

    @cached_property
    def _background(self) -> FloatArray:
        """Of each atom, shape (atoms, bins); NaN where unknown. Its candidates are left out."""
        clean = self.live & ~self._taken
        rate, _ = _background(self.atoms, clean, self.step, self.reach, self.gap)
        return np.asarray(_fine(rate, self.atoms.shape[1], _per_coarse(self.step)))

    @property
    def _taken(self) -> BoolArray:
        taken = np.zeros(len(self.live), np.bool_)
        for c in self.candidates:
            first, last = (round((t - self.start) / self.step) for t in (c.start, c.stop))
            taken[max(first - 100, 0) : last + 100] = True
        return taken

    def false_alarms(
        self, rng: np.random.Generator, *, trials: int = 10, null: Literal["slid", "drawn"] = "slid"
    ) -> FalseAlarms:
        """Search null data made of these.

        Parameters
        ----------
        rng
            Random numbers.
        trials
            How many times.
        null
            ``"slid"``: atoms slid against each other, candidates replaced by background: what one atom does
            by itself (a noisy pixel) remains. ``"drawn"``: Poisson numbers about the background.
        """
        found: list[float] = []
        searched = 0.0
        known = self.live & np.isfinite(self._background).all(axis=0)
        at = np.flatnonzero(known)
        mean = np.maximum(self._background[:, at], 0.0)
        least = max(round(2 * self.longest / self.step), 1)
        if len(at) <= 2 * least:
            return FalseAlarms(np.array([]), 0.0, self.threshold)
        taken = self._taken[at]
        for _ in range(trials):
            atoms = np.zeros_like(self.atoms)
            if null == "drawn":
                atoms[:, at] = rng.poisson(mean)
            else:
                clean = self.atoms[:, at].copy()
                clean[:, taken] = rng.poisson(mean[:, taken])
                steps = rng.integers(least, len(at) - least, len(atoms))
                # An atom's own course in time is kept: what is slid is its excess over it.
                for k, by in enumerate(steps):
                    atoms[k, at] = _at_the_rate(np.roll(clean[k], by), np.roll(mean[k], by), mean[k], rng)
            again = search_series(
                atoms, self.step, series=self.series, names=self.names, start=self.start, live=known,
                longest=self.longest, threshold=self.threshold, reach=self.reach, gap=self.gap,
            )  # fmt: skip
            found += [c.significance for c in again.candidates]
            searched += len(at) * self.step / _DAY
        return FalseAlarms(np.array(found), searched, self.threshold)

    def with_false_alarms(self, measured: FalseAlarms) -> "GroundSearch":
        """The same candidates with their rates of false alarms.

        Parameters
        ----------
        measured
            By :meth:`false_alarms`, or of other nights.
        """
        rated = []
        for c in self.candidates:
            rate, low, high = measured.per_day(c.significance)
            rated.append(replace(c, false_alarms=rate, false_alarms_low=low, false_alarms_high=high))
        return replace(self, candidates=tuple(rated))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{c.start:.2f}</td><td>{c.stop - c.start:.2f}</td><td>{c.series}</td><td>{c.counts}</td>"
            f"<td>{c.background:.1f}</td><td>{c.significance:.2f}</td>"
            f"<td>{c.false_alarms:.2g} ({c.false_alarms_low:.2g}–{c.false_alarms_high:.2g})</td></tr>"
            for c in self.candidates
        )
        return (
            "<table><tr><th>start (s)</th><th>length (s)</th><th>series</th><th>counts</th>"
            f"<th>background</th><th>significance</th><th>false alarms per day</th></tr>{rows}</table>"
        )


def search_series(
    atoms: npt.ArrayLike,
    step: float,
    *,
    series: npt.ArrayLike | None = None,
    names: Sequence[str] = (),
    start: float = 0.0,
    live: npt.ArrayLike | None = None,
    longest: float = 20.48,
    threshold: float = 5.5,
    reach: float = 400.0,
    gap: float = 40.0,
) -> GroundSearch:
    """Search every window of every series.

    Parameters
    ----------
    atoms
        Counts that share no photon, shape (atoms, bins).
    step
        Length of a bin, s.
    series
        Which atoms each series is the sum of, shape (series, atoms); None: each atom is one.
    names
        Of the series; by default their numbers.
    start
        Begin of the first bin, s.
    live
        Bins with data, shape (bins,); None: all. No window crosses a gap.
    longest
        Longest window, s.
    threshold
        Least significance, the error of the background counted in.
    reach, gap
        s: the background is fitted to what is further away than `gap`, up to `reach`.

    Raises
    ------
    BadArgumentError
        For arrays that do not fit, counts that are no whole numbers ≥ 0, or times that are not positive.
    """
    counts, which, good = _checked(atoms, series, live)
    called = tuple(names) or tuple(str(k) for k in range(len(which)))
    if len(called) != len(which):
        raise BadArgumentError(f"{len(called)} names for {len(which)} series; give one for each")
    if not (0 < step <= longest and 0 < gap < reach and threshold > 0 and np.isfinite([start, reach]).all()):
        raise BadArgumentError(
            f"step={step}, longest={longest}, gap={gap}, reach={reach}, threshold={threshold}; "
            "expected 0 < step ≤ longest, 0 < gap < reach and a threshold above 0"
        )
    found = []
    if counts.shape[1]:
        rate, variance = _background(counts, good, step, reach, gap)
        for k in range(len(which)):
            expected = _fine((which[k] @ rate)[None], counts.shape[1], _per_coarse(step))[0]
            one = _sum_of(counts, np.flatnonzero(which[k]))
            error = np.sqrt(which[k] @ variance)
            found += _search_one(one, (expected, error), good, step, called[k], longest, threshold, start)
    return GroundSearch(
        _grouped(found), counts, which, called, good, start, step, longest, threshold, reach, gap
    )


def _checked(
    atoms: npt.ArrayLike, series: npt.ArrayLike | None, live: npt.ArrayLike | None
) -> tuple[_Counts, BoolArray, BoolArray]:
    raw = np.asarray(atoms)
    if raw.ndim != 2:
        raise BadArgumentError(f"atoms of shape {raw.shape}; expected (atoms, bins)")
    if raw.dtype.kind == "f" and not (np.isfinite(raw).all() and (raw == np.rint(raw)).all()):
        raise BadArgumentError("counts that are not whole numbers; leave bins without data out by `live`")
    counts = raw.astype(np.int32, copy=False)
    if counts.size and counts.min() < 0:
        raise BadArgumentError(f"counts reach down to {counts.min()}; expected none below zero")
    which = np.eye(len(counts), dtype=np.bool_) if series is None else np.asarray(series, np.bool_)
    if which.ndim != 2 or which.shape[1] != len(counts) or not which.any(axis=1).all():
        raise BadArgumentError(f"series of shape {which.shape}; expected (any, {len(counts)}), none empty")
    good = np.ones(counts.shape[1], np.bool_) if live is None else np.asarray(live, np.bool_)
    if good.shape != (counts.shape[1],):
        raise BadArgumentError(f"live of shape {good.shape}; expected ({counts.shape[1]},)")
    return counts, which, good


def _search_one(
    counts: IntArray, background: tuple[FloatArray, FloatArray], live: BoolArray, step: float, name: str,
    longest: float, threshold: float, start: float,
) -> list[GroundCandidate]:  # fmt: skip
    bins = _per_coarse(step)
    expected, error = background
    found = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], live & (expected > 0), [False]])))
    for a, b in edges.reshape(-1, 2):
        e = search_all_windows(
            counts[a:b], expected[a:b], longest=max(round(longest / step), 1), threshold=threshold
        )
        for i, j, s in zip(e.start + a, e.stop + a, e.significance, strict=True):
            mean = float(expected[i:j].sum())
            spread = float(np.nan_to_num(error[(i + j) // 2 // bins])) * (j - i)
            if (s := s / np.sqrt(1 + spread**2 / mean)) >= threshold:
                found.append(
                    GroundCandidate(
                        start + i * step, start + j * step, name, int(counts[i:j].sum()), mean, float(s), 1
                    )
                )  # fmt: skip
    return found


def _grouped(found: list[GroundCandidate], gap: float = 1.0) -> tuple[GroundCandidate, ...]:
    """Of windows that lie closer together than a gap (s), the best."""
    groups: list[list[GroundCandidate]] = []
    reach = -np.inf
    for c in sorted(found, key=lambda c: (c.start, c.stop)):
        if c.start > reach + gap:
            groups.append([])
        groups[-1].append(c)
        reach = max(reach, c.stop)
    return tuple(replace(max(g, key=lambda c: c.significance), windows=len(g)) for g in groups)


def _per_coarse(step: float) -> int:
    """Bins to a coarse one of about a second."""
    return max(round(1.0 / step), 1)


def _background(
    counts: _Counts, live: BoolArray, step: float, reach: float, gap: float
) -> tuple[FloatArray, FloatArray]:
    """Rate in counts per bin and its variance, in the middle of every coarse bin, shape (series, coarse)."""
    bins = _per_coarse(step)
    coarse, alive = _coarse(np.ascontiguousarray(counts), live, bins)
    far, near = max(round(reach / step / bins), 4), round(gap / step / bins)
    tau = np.arange(-far, far + 1) / far
    inside = np.abs(np.arange(-far, far + 1)) > near
    power = np.where(inside, tau ** np.arange(5)[:, None], 0.0)[:, ::-1]
    moments = signal.oaconvolve(alive[None], power, "full", axes=1)[:, far:-far]
    left = signal.oaconvolve(alive, np.where(inside & (tau < 0), 1.0, 0.0)[::-1], "full")[far:-far]
    right = moments[0] - left
    two = np.minimum(left, right) > 0.25 * np.maximum(left, right)
    enough = moments[0] > 0.5 * (far - near) * bins
    weight = np.zeros((3, len(alive)))  # e₀ᵀ (Σ u uᵀ)⁻¹: the same for all series
    for k, rows in ((3, enough & two), (2, enough & ~two)):
        gram = np.stack([[moments[i + j, rows] for j in range(k)] for i in range(k)]).transpose(2, 0, 1)
        if len(gram):
            weight[:k, rows] = np.linalg.inv(gram)[:, 0, :].T
    rate = np.zeros(coarse.shape)
    for k in range(3):
        rate += weight[k] * signal.oaconvolve(coarse, power[None, k], "full", axes=1)[:, far:-far]
    rate[:, ~enough] = np.nan
    rate[~(rate > 0)] = np.nan
    return rate, rate * np.maximum(weight[0], 0)


@kernel
def _coarse(counts: _Counts, live: BoolArray, bins: int) -> tuple[FloatArray, FloatArray]:
    """Counts of live bins, shape (series, coarse), and how many are live, summed over `bins` each."""
    series, fine = counts.shape
    size = (fine + bins - 1) // bins
    total = np.zeros((series, size))
    alive = np.zeros(size)
    for i in range(fine):
        alive[i // bins] += live[i]
    for s in range(series):
        for c in range(size):
            held = 0
            for i in range(c * bins, min((c + 1) * bins, fine)):
                held += counts[s, i] if live[i] else 0
            total[s, c] = held
    return total, alive


@kernel
def _sum_of(counts: _Counts, rows: IntArray) -> IntArray:
    """Of some rows, as int64."""
    out = np.empty(counts.shape[1], np.int64)
    for i in range(counts.shape[1]):
        held = 0
        for k in rows:
            held += counts[k, i]
        out[i] = held
    return out


@kernel
def _fine(rate: FloatArray, fine: int, bins: int) -> FloatArray:
    """Rates between the middles of coarse bins, shape (series, fine)."""
    series, size = rate.shape
    out = np.empty((series, fine))
    for s in range(series):
        for c in range(size):
            here = rate[s, c]
            before = rate[s, c - 1] if c > 0 else np.nan
            after = rate[s, c + 1] if c + 1 < size else np.nan
            before = here if np.isnan(before) else before
            after = here if np.isnan(after) else after
            for i in range(c * bins, min((c + 1) * bins, fine)):
                x = (i - c * bins + 0.5) / bins - 0.5
                out[s, i] = here + (x * (after - here) if x > 0 else x * (here - before))
    return out


def _at_the_rate(counts: _Counts, rate: FloatArray, wanted: FloatArray, rng: np.random.Generator) -> IntArray:
    """Counts at a rate thinned, or filled up, to another: Poisson counts stay so, and bursts remain."""
    kept = rng.binomial(counts, np.clip(wanted / np.maximum(rate, 1e-12), 0.0, 1.0))
    return np.asarray(kept + rng.poisson(np.maximum(wanted - rate, 0.0)))
