"""How often a good pixel counts so little, or so much: Poisson counts of pixels whose efficiencies scatter.

A good pixel that should count μ counts N ~ Poisson(μ·g), with g ~ Normal(1, s²) cut at zero its own
efficiency. The probabilities are integrals over one normal variable,

    P(N ≤ n) = ∫ φ(x) Q(n + 1, μ·(1 + s·x)) dx,

with Q the regularised incomplete gamma function. Where s·√μ > 1 the efficiency is the wider of the two and
the integrand a step; there the same probability is integrated over the other variable: N ≤ n says that
the (n + 1)-th photon comes later than μ·g, so that with T ~ Gamma(n + 1)

    P(N ≤ n) = P(μ·g < T) = E[Φ((T/μ − 1)/s)].

Both are sums over equal steps of a normal variable, which converge faster than any power of the step for
such smooth integrands (Trefethen & Weideman 2014, SIAM Review 56, 385). A gamma distribution for g (the
negative binomial distribution of N) is easier, and wrong where it matters: at 5 % its lower tail is shorter,
its upper one longer.

Counts come in steps, so that a limit on the counts of one pixel cannot have any probability one asks for: of
a mean of ten, 0 counts come in 4.5e-5 and 1 or less in 5.0e-4. The limits of all pixels together can
(:func:`limits`): the pixels for which the next count costs least take it, until the plane has spent its
share.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import gammainc, gammaincc, ndtr, ndtri

from eicpy.typing import FloatArray, IntArray

__all__ = ["Limits", "limits", "probability_high", "probability_low"]

_NODES = 0.7 * np.arange(-13, 14)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.exp(-0.5 * _NODES**2).sum()
_FEW = 1e-3
"""Scatter below which there is none."""
_BETWEEN = 0.02
"""Distance, in the logarithm, of the means between which limits are interpolated."""
_FEWEST, _MOST = 8, 192
_CLOSE = 1e-5
"""Counts to which the limits of these are found."""


class Limits(NamedTuple):
    """Counts beyond which a pixel is named: so many or fewer, so many or more; −1 and below: never."""

    low: IntArray
    high: IntArray


def probability_low(n: FloatArray, mean: FloatArray, scatter: float) -> FloatArray:
    """Probability that a good pixel counts `n` or less.

    Parameters
    ----------
    n
        Counts; between whole numbers the probability is interpolated smoothly. Nothing is below zero.
    mean
        What a good pixel counts on average; same shape.
    scatter
        Relative scatter of the efficiencies of good pixels.

    Returns
    -------
    numpy.ndarray
        NaN where `n` or `mean` is.
    """
    return _integrate(n, mean, scatter, low=True)


def probability_high(n: FloatArray, mean: FloatArray, scatter: float) -> FloatArray:
    """Probability that a good pixel counts `n` or more; parameters as of :func:`probability_low`."""
    return _integrate(n, mean, scatter, low=False)


def _integrate(n: FloatArray, mean: FloatArray, scatter: float, *, low: bool) -> FloatArray:
    n, mean = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(mean, np.float64))
    # P(N ≤ n) is that of n + 1 photons coming late, P(N ≥ n) that of n photons coming in time
    photons = n + 1.0 if low else n
    result = np.full(n.shape, np.nan)
    known = np.isfinite(n) & np.isfinite(mean)
    certain = known & (photons <= 0.0)
    result[certain] = 0.0 if low else 1.0
    known &= ~certain
    if scatter < _FEW:
        tail = gammaincc if low else gammainc
        result[known] = tail(photons[known], mean[known])
        return result
    wide = known & (scatter * np.sqrt(np.maximum(mean, 0.0)) > 1.0) & (photons > 30.0)
    narrow = known & ~wide
    result[wide] = _over_photons(photons[wide], mean[wide], scatter, low=low)
    result[narrow] = _over_efficiency(photons[narrow], mean[narrow], scatter, low=low)
    return result


def _over_efficiency(photons: FloatArray, mean: FloatArray, scatter: float, *, low: bool) -> FloatArray:
    efficiency = np.maximum(1.0 + scatter * _NODES, 0.0)
    tail = gammaincc if low else gammainc
    return np.asarray(tail(photons[:, None], mean[:, None] * efficiency) @ _WEIGHTS)


def _over_photons(photons: FloatArray, mean: FloatArray, scatter: float, *, low: bool) -> FloatArray:
    # T by the cube root of Wilson and Hilferty 1931, PNAS 17, 684: good to 1e-3 in the tails
    variance = 1.0 / (9.0 * photons[:, None])
    root = np.maximum(1.0 - variance + np.sqrt(variance) * _NODES, 0.0)
    late = (photons[:, None] * root**3 / mean[:, None] - 1.0) / scatter
    return np.asarray(ndtr(late if low else -late) @ _WEIGHTS)


def limits(mean: FloatArray, scatter: float, false_alarm: float) -> Limits:
    """Counts beyond which good pixels are named with a given probability, on average over the plane.

    Parameters
    ----------
    mean
        What a good pixel counts on average, shape (n,); NaN where not known.
    scatter
        Relative scatter of the efficiencies of good pixels.
    false_alarm
        Probability, per pixel and side.

    Notes
    -----
    With probabilities p₀ ≤ α < p₁ of a pixel's last count within α and of the next, the pixels with the
    smallest p₁ are given the next, as many as keep the mean probability at α.
    """
    mean = np.asarray(mean, np.float64)
    low, high = np.full(mean.shape, -1), np.full(mean.shape, np.iinfo(np.int64).max)
    known = np.flatnonzero(np.isfinite(mean) & (mean > 0.0))
    if known.size:
        m = mean[known]
        first = np.floor(_quantile(m, scatter, false_alarm, low=True))
        low[known] = _spend(first, 1, m, scatter, false_alarm, low=True)
        first = np.ceil(_quantile(m, scatter, false_alarm, low=False))
        high[known] = _spend(first, -1, m, scatter, false_alarm, low=False)
    return Limits(low, high)


def _spend(
    first: FloatArray, step: int, mean: FloatArray, scatter: float, false_alarm: float, *, low: bool
) -> IntArray:
    """Move limits by one count, where that costs least, until the mean probability is reached."""
    inside = _integrate(first, mean, scatter, low=low)
    beyond = _integrate(first + step, mean, scatter, low=low)
    order = np.argsort(beyond, kind="stable")
    spent = inside.sum() + np.cumsum((beyond - inside)[order])
    moved = order[spent <= false_alarm * mean.size]
    counts = first.astype(np.int64)
    counts[moved] += step
    return counts


def _quantile(mean: FloatArray, scatter: float, false_alarm: float, *, low: bool) -> FloatArray:
    """Counts, not whole ones, whose probability is the false alarm, interpolated between some means."""
    span = float(np.log(mean.max() / mean.min()))
    number = int(np.clip(np.ceil(span / _BETWEEN), _FEWEST, _MOST))
    grid = np.geomspace(mean.min(), max(mean.max(), mean.min() * (1.0 + 1e-9)), number)
    far = (12.0 - ndtri(false_alarm)) * np.sqrt(grid + (scatter * grid) ** 2) + 40.0
    below, above = (np.full(number, -1.0), grid.copy()) if low else (grid.copy(), grid + far)
    while np.max(above - below) > _CLOSE:
        middle = 0.5 * (below + above)
        probability = _integrate(middle, grid, scatter, low=low)
        below = np.where((probability > false_alarm) ^ low, middle, below)
        above = np.where((probability > false_alarm) ^ low, above, middle)
    return np.interp(np.log(mean), np.log(grid), 0.5 * (below + above))
