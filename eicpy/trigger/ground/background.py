r"""The background of a series of counts, as a burst does not eat it.

A running mean or exponential smoothing follows a long burst and hides it. Here the rate at a time is that of
a parabola fitted to both sides of it, a gap left out about the time itself: what lies within the gap cannot
change its own background. A quadratic surface follows the orbit (0.05 % of a modulation over ± 300 s), and
its error is known: with the moments of the two sides it is a fixed share of the rate.

    b(t) = e₀ᵀ (Σ u uᵀ)⁻¹ Σ u n(t + τ),   u = (1, τ, τ²),  gap < |τ| ≤ reach

Where data lack on one side (the beginning, a passage of the anomaly) the sides that are there are used, as
far as they determine a line at least.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from eicpy.errors import BadArgumentError
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Background", "two_sided_background"]


@dataclass(frozen=True, slots=True)
class Background:
    """Expected counts, and how well they are known.

    Parameters
    ----------
    expected
        Counts in each bin, shape (bins,); NaN where the data around determine nothing.
    error
        One standard deviation of `expected`, the same in neighbouring bins (fully correlated within a gap).
    """

    expected: FloatArray
    error: FloatArray

    def diluted(self, significance: FloatArray, start: npt.ArrayLike, stop: npt.ArrayLike) -> FloatArray:
        """Significances of windows with the noise of the background counted in.

        Parameters
        ----------
        significance
            With the background taken as known, shape (n,).
        start, stop
            First bin of each window and the one after its last.
        """
        b = np.concatenate([[0.0], np.cumsum(self.expected)])
        e = np.concatenate([[0.0], np.cumsum(self.error)])
        start, stop = np.asarray(start), np.asarray(stop)
        return np.asarray(significance / np.sqrt(1 + (e[stop] - e[start]) ** 2 / (b[stop] - b[start])))


def two_sided_background(
    counts: npt.ArrayLike,
    *,
    reach: int,
    gap: int,
    bins: int = 1,
    left_out: BoolArray | None = None,
) -> Background:
    """Fit the background of every bin to what lies about it.

    Parameters
    ----------
    counts
        Counts in each bin, shape (n,).
    reach, gap
        In coarse bins: data further than `gap` and up to `reach` away are used.
    bins
        Bins to a coarse one; between the middles of coarse bins the rate is interpolated.
    left_out
        Bins without data, or with a source that is known already, shape (n,).

    Returns
    -------
    Background
        Shape (n,).

    Raises
    ------
    BadArgumentError
        If nothing lies between gap and reach.
    """
    if not 0 <= gap < reach - 2 or bins < 1:
        raise BadArgumentError(f"gap={gap}, reach={reach}, bins={bins}; give a reach beyond the gap by three")
    fine = np.asarray(counts, np.float64)
    good = np.ones(len(fine), np.bool_) if left_out is None else ~np.asarray(left_out, np.bool_)
    coarse = -(-len(fine) // bins)
    pad = coarse * bins - len(fine)
    n = np.pad(np.where(good, fine, 0.0), (0, pad)).reshape(coarse, bins).sum(axis=1)
    live = np.pad(good.astype(np.float64), (0, pad)).reshape(coarse, bins).sum(axis=1)
    rate, error = _fit(n, live, reach, gap)
    middle = (np.arange(coarse) + 0.5) * bins - 0.5
    at = np.arange(len(fine))
    known = np.isfinite(rate)
    if not known.any():
        return Background(np.full(len(fine), np.nan), np.full(len(fine), np.nan))
    return Background(np.interp(at, middle[known], rate[known]), np.interp(at, middle[known], error[known]))


def _fit(n: FloatArray, live: FloatArray, reach: int, gap: int) -> tuple[FloatArray, FloatArray]:
    """Rate and its error per bin at every coarse bin, by moments of the two sides."""
    tau = np.arange(-reach, reach + 1, dtype=np.float64)
    inside = np.abs(tau) > gap
    tau /= reach
    power = np.where(inside, tau ** np.arange(5)[:, None], 0.0)[:, ::-1]
    moments = signal.fftconvolve(live[None], power, "full", axes=1)[:, reach:-reach]
    sums = signal.fftconvolve(n[None], power[:3], "full", axes=1)[:, reach:-reach]
    before = np.where(inside & (tau < 0), 1.0, 0.0)[::-1]
    left = np.maximum(signal.fftconvolve(live, before, "full")[reach:-reach], 0.0)
    right = np.maximum(moments[0] - left, 0.0)
    # A parabola where both sides hold something; a line where one side is missing.
    order = np.where(np.minimum(left, right) > 0.25 * np.maximum(left, right), 3, 2)
    rate = np.full(len(n), np.nan)
    variance = np.full(len(n), np.nan)
    for k in (2, 3):
        rows = np.flatnonzero((order == k) & (left + right > 0.5 * live.max()))
        gram = np.stack([[moments[i + j, rows] for j in range(k)] for i in range(k)]).transpose(2, 0, 1)
        usable = np.linalg.cond(gram) < 1e10
        rows, gram = rows[usable], gram[usable]
        inverse = np.linalg.inv(gram)[:, 0, :]
        rate[rows] = (inverse * sums[:k, rows].T).sum(axis=1)
        variance[rows] = np.maximum(rate[rows], 0) * np.linalg.inv(gram)[:, 0, 0]
    bad = ~(rate > 0)
    rate[bad] = np.nan
    return rate, np.sqrt(variance)
