"""The kernel of the count-rate trigger: steps of 2.56 s in, windows above their thresholds out.

Bins of 5 ms·2ⁿ are made of pairs of the bins before (a pyramid), and a window of 10 ms·2ⁿ is two neighbours.
Of each level the last bin is kept for the first window of the next step. All bands and zones (cells) lie side
by side, so that a window is tested in vectors; a last column counts bins that are not live.
"""

import numpy as np

from eicpy.kernels import inline_kernel, kernel
from eicpy.typing import FloatArray, IntArray

__all__ = ["BINS", "FIRST_LEVEL", "LEVELS", "SCALES", "STEPS_OF_WINDOW", "fit_background", "work_steps"]

SCALES = 12
BINS = 512
"""Fine bins of 5 ms in a step."""
STEPS_OF_WINDOW = 8
"""Steps in the longest window, 20.48 s."""
FIRST_LEVEL = 3.0
LEVELS = FIRST_LEVEL + 0.1 * np.arange(71)
"""Significances between which windows are counted for the tail."""
_TAIL = len(LEVELS)
_LONG = 9
"""The first scale whose windows are longer than a step."""
_EXACT = 6
"""The first scale of which each window has its own σ²/b; in the shorter ones those of a step share one."""


@inline_kernel
def _variance(fit: FloatArray, c: int, slope: float, curve: float) -> float:
    """Variance of the rate at a time: uᵀ cov u with u = (1, slope, curve).

    A fit is rate, slope, curvature, their covariance (00, 01, 02, 11, 12, 22), and the least credible rate.
    """
    variance: float = (
        fit[3, c]
        + 2 * (slope * fit[4, c] + curve * fit[5, c])
        + slope * slope * fit[6, c]
        + 2 * slope * curve * fit[7, c]
        + curve * curve * fit[8, c]
    )
    return variance


@kernel
def fit_background(
    ring: FloatArray, step: int, gap: int, least: int, curvature: float, fit: FloatArray
) -> None:
    """Fit the rate of every cell to the past, as at the begin of a step.

    Parameters
    ----------
    ring
        Counts of the steps before in each cell, and in a last column bins that were not live; that of step
        k lies in row k modulo the length, shape (reach, cells + 1).
    step
        The step that begins.
    gap
        Steps before it that are not used.
    least
        Steps of live time without which there is no fit.
    curvature
        κ, relative to the rate, per square of the reach.
    fit
        Filled with rate per fine bin, slope and curvature in units of the reach, their covariance and the
        least credible rate, shape (10, cells); NaN where there is none.
    """
    reach = ring.shape[0]
    cells = ring.shape[1] - 1
    fit[:] = np.nan
    m = np.zeros(5)
    sums = np.zeros((4, cells))
    used = 0
    for k in range(max(step - reach, 0), step - gap):
        row = ring[k % reach]
        live = BINS - row[cells]
        if live <= 0.0:
            continue
        used += 1
        t = (k + 0.5 - step) / reach
        m[0] += live
        m[1] += live * t
        m[2] += live * t * t
        m[3] += live * t * t * t
        m[4] += live * t * t * t * t
        curve = 0.5 * t * t
        weight = 1.0 / live
        for c in range(cells):
            n = row[c]
            sums[0, c] += n
            sums[1, c] += n * t
            sums[2, c] += n * curve
            sums[3, c] += n * n * weight
    if m[0] < least * BINS or used < 4:
        return
    g00, g01, g02, g11, g12, g22 = m[0], m[1], 0.5 * m[2], m[2], 0.5 * m[3], 0.25 * m[4]
    for c in range(cells):
        rate = (sums[0, c] + 0.5) / m[0]
        d22 = g22 + 1.0 / (rate * curvature * curvature)
        # Inverse of the symmetric matrix by cofactors.
        c00 = g11 * d22 - g12 * g12
        c01 = g02 * g12 - g01 * d22
        c02 = g01 * g12 - g02 * g11
        determinant = g00 * c00 + g01 * c01 + g02 * c02
        if not determinant > 1e-12 * g00 * g11 * d22:
            continue
        i00, i01, i02 = c00 / determinant, c01 / determinant, c02 / determinant
        i11 = (g00 * d22 - g02 * g02) / determinant
        i12 = (g01 * g02 - g00 * g12) / determinant
        i22 = (g00 * g11 - g01 * g01) / determinant
        s0, s1, s2 = sums[0, c], sums[1, c], sums[2, c]
        fit[0, c] = i00 * s0 + i01 * s1 + i02 * s2
        fit[1, c] = i01 * s0 + i11 * s1 + i12 * s2
        fit[2, c] = i02 * s0 + i12 * s1 + i22 * s2
        # Scatter about the curve, relative to that of counts; not below it, nor where it may be chance.
        freedom = max(used - 2.0, 1.0)
        scatter = (sums[3, c] - fit[0, c] * s0 - fit[1, c] * s1 - fit[2, c] * s2) / (rate * freedom)
        wide = rate * (scatter if scatter > 1.0 + 4.0 * np.sqrt(2.0 / freedom) else 1.0)
        fit[3, c], fit[4, c], fit[5, c] = wide * i00, wide * i01, wide * i02
        fit[6, c], fit[7, c], fit[8, c] = wide * i11, wide * i12, wide * i22
        fit[9, c] = 0.2 * rate


@inline_kernel
def _dilution(fit: FloatArray, width: float, slope: float, curve: float, dilution: FloatArray) -> None:
    """1 + σ²/b of a window of `width` bins, of every cell."""
    for c in range(len(dilution)):
        rate = max(fit[0, c] + slope * fit[1, c] + curve * fit[2, c], fit[9, c])
        dilution[c] = 1.0 + width * _variance(fit, c, slope, curve) / rate


@inline_kernel
def _limits(
    best: FloatArray, thresholds: FloatArray, band_of: IntArray, floor: float, limit: FloatArray
) -> None:
    """Squares of the significances from which on a window is of interest, of every cell.

    It is when it passes its threshold, or is the best of its band so far, or passes `floor`.
    """
    for c in range(len(limit)):
        threshold = thresholds[c] * thresholds[c]
        limit[c] = threshold
        if threshold < np.inf:
            limit[c] = min(threshold * min(best[band_of[c]], 1.0), floor)


@inline_kernel
def _any_of_interest(
    before: FloatArray, now: FloatArray, fit: FloatArray, window: tuple[float, float, float],
    dilution: FloatArray, limit: FloatArray,
) -> bool:  # fmt: skip
    """Whether the bound (N − b)² / (b + σ²) of some cell passes its limit."""
    width, slope, curve = window
    passing = 0
    for c in range(len(limit)):
        rate = fit[0, c] + slope * fit[1, c] + curve * fit[2, c]
        b = width * max(rate, fit[9, c])
        more = before[c] + now[c] - b
        passing += int((more > 0.0) & (more * more > limit[c] * dilution[c] * b))
    return passing > 0


@inline_kernel
def _look(
    before: FloatArray, now: FloatArray, fit: FloatArray, window: tuple[float, float, float],
    dilution: FloatArray, limit: FloatArray, thresholds: FloatArray, band_of: IntArray,
    best: FloatArray, row: FloatArray, tail: IntArray,
) -> bool:  # fmt: skip
    """Significance of the cells that may be of interest; whether one passes, the best of these in `row`."""
    width, slope, curve = window
    top = 0.0
    for c in range(len(limit)):
        b = width * max(fit[0, c] + slope * fit[1, c] + curve * fit[2, c], fit[9, c])
        n = before[c] + now[c]
        more = n - b
        if not (more > 0.0 and more * more > limit[c] * dilution[c] * b):
            continue
        square = max(2.0 * (n * np.log(n / b) - more) / dilution[c], 0.0)
        ratio = square / (thresholds[c] * thresholds[c])
        best[band_of[c]] = max(best[band_of[c]], ratio)
        if tail.shape[1] > 0 and square >= FIRST_LEVEL * FIRST_LEVEL:
            tail[c, min(int((np.sqrt(square) - FIRST_LEVEL) * 10), _TAIL - 1)] += 1
        if ratio >= 1.0 and ratio > top:
            top = ratio
            row[3], row[4], row[5], row[6] = c, n, b, np.sqrt(ratio)
    return top > 0.0


@inline_kernel
def _geometry(n: int, i: int, reach: int) -> tuple[int, float, float]:
    """How many steps ago window i of a level began, and (slope, curve) of its middle in the fit of then."""
    back = 0
    middle = float(i << n)
    curve = 0.0
    if n >= _LONG:
        width = 2 << n
        back = width // BINS - 1
        middle = 0.5 * width
        curve = (
            width / BINS / reach
        ) ** 2 / 24.0  # the mean of t²/2 over the window, less that of its middle
    elif i == 0:
        back = 1
        middle = float(BINS)
    slope = middle / BINS / reach
    return back, slope, curve + 0.5 * slope * slope


@kernel
def _search_level(
    n: int, step: int, reach: int, level: FloatArray, last: FloatArray, fits: FloatArray,
    thresholds: FloatArray, band_of: IntArray, best: FloatArray, found: FloatArray, tail: IntArray,
) -> tuple[int, int]:  # fmt: skip
    """Search the windows of one scale that end in a step; how many were searched, and how many passed."""
    cells = level.shape[1] - 1
    floor = FIRST_LEVEL * FIRST_LEVEL if tail.shape[1] > 0 else np.inf
    dilution, limit = np.empty(cells), np.empty(cells)
    width = 2.0 * (1 << n)
    searched = 0
    passed = 0
    for i in range(len(level)):
        before = last if i == 0 else level[i - 1]
        back, slope, curve = _geometry(n, i, reach)
        fit = fits[(step + len(fits) - back) % len(fits)]
        window = (width, slope, curve)
        if i < 2 or n >= _EXACT:
            middle = 0.5 / reach if i > 0 and n < _EXACT else slope
            _dilution(fit, width, middle, curve + 0.5 * (middle * middle - slope * slope), dilution)
            _limits(best, thresholds, band_of, floor, limit)
        if before[cells] + level[i, cells] > 0.0 or np.isnan(fit[0, 0]):
            continue
        searched += 1
        if _any_of_interest(before, level[i], fit, window, dilution, limit):
            row = found[passed]
            if _look(
                before, level[i], fit, window, dilution, limit, thresholds, band_of, best, row, tail
            ):  # fmt: skip
                row[1] = step * BINS + ((i + 1) << n) if n <= _LONG else (step + 1) * BINS
                row[0] = row[1] - width
                row[2], row[7] = n, step
                passed += 1
            _limits(best, thresholds, band_of, floor, limit)
    return searched, passed


@inline_kernel
def _join_pairs(level: FloatArray, bins: int) -> None:
    """Make the bins of the next level in place."""
    for i in range(bins // 2):
        for c in range(level.shape[1]):
            level[i, c] = level[2 * i, c] + level[2 * i + 1, c]


@inline_kernel
def _complete(bin_: FloatArray, half: FloatArray, number: int) -> bool:
    """Make a bin longer than a step of its halves 0 and 1; False after the first."""
    for c in range(len(bin_)):
        if number:
            bin_[c] += half[c]
        else:
            half[c] = bin_[c]
    return number > 0


@kernel
def work_steps(
    rows: FloatArray,
    ring: FloatArray,
    last: FloatArray,
    half: FloatArray,
    fits: FloatArray,
    counters: IntArray,
    background: IntArray,
    curvature: FloatArray,
    settling: float,
    thresholds: FloatArray,
    band_of: IntArray,
    ratios: FloatArray,
    found: FloatArray,
    tail: IntArray,
    searched: IntArray,
) -> int:
    """Work through steps; give how many windows passed their thresholds.

    Parameters
    ----------
    rows
        Counts of each cell in fine bins, and in a last column whether the bin is not live, shape
        (steps, BINS, cells + 1); overwritten.
    ring, last, half, fits, counters
        The state: counts of the steps before; the last bin of each level; of the levels longer than a step
        the first half of the bin that is not complete; the fits at the last steps; steps done, steps without
        live time up to now, steps since a long gap.
    background
        Steps of the gap, of a long gap, of least live time.
    curvature, settling
        κ in the long run and what a long gap adds, per square of the reach; steps in which this falls by e.
    thresholds, band_of
        Of each scale and cell, shape (SCALES, cells), and the band of each cell.
    ratios
        Filled with the best significance over threshold, shape (steps, bands); NaN where none was searched.
    found
        Filled with a row for each window that passed: first bin, the one after its last, scale, cell,
        counts, background, significance over threshold, step.
    tail
        Windows between levels, shape (SCALES, cells, levels), are added; no levels: not counted.
    searched
        Windows of each scale, are added.
    """
    reach = len(ring)
    best = np.empty(ratios.shape[1])
    n_found = 0
    for s in range(len(rows)):
        step = counters[0]
        level = rows[s]
        kappa = curvature[0] + curvature[1] * np.exp(-counters[2] / settling)
        fit_background(ring, step, background[0], background[2], kappa, fits[step % len(fits)])
        best[:] = 0.0
        tested = 0
        for n in range(SCALES):
            bins = max(BINS >> n, 1)
            if n > _LONG and not _complete(level[0], half[n], (step >> (n - _LONG - 1)) & 1):
                break
            looked, passed = _search_level(
                n, step, reach, level[:bins], last[n], fits, thresholds[n], band_of, best,
                found[n_found:], tail[n],
            )  # fmt: skip
            searched[n] += looked
            tested += looked
            n_found += passed
            last[n] = level[bins - 1]
            if n < _LONG:
                _join_pairs(level, bins)
            elif n == _LONG:
                _close_step(level[0], ring, counters, background[1])
        for band in range(len(best)):
            ratios[s, band] = np.sqrt(best[band]) if tested else np.nan
    return n_found


@inline_kernel
def _close_step(total: FloatArray, ring: FloatArray, counters: IntArray, long_gap: int) -> None:
    """Keep the counts of a step for the background; after a long gap keep those alone."""
    cells = len(total) - 1
    dark = total[cells] >= BINS
    counters[1] = counters[1] + 1 if dark else 0
    if counters[1] == long_gap:
        ring[:] = 0.0
        ring[:, cells] = BINS
    counters[2] = 0 if counters[1] >= long_gap else counters[2] + 1
    ring[counters[0] % len(ring)] = total
    counters[0] += 1
