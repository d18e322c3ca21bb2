"""What the fits of pixels know: of energies, of each other, and beyond the last table."""

from dataclasses import replace

import numpy as np

from eicpy.calibration.gain.pixel_batch import PixelFits, Setting
from eicpy.calibration.gain.plane import PlaneShift, shift_of_the_plane, widening
from eicpy.calibration.gain.start import StartingScales
from eicpy.calibration.gain.table import GainTable
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "beyond_a_line",
    "elsewhere",
    "errors_at",
    "held_by_the_plane",
    "held_by_the_search",
    "no_news",
    "shift_since",
    "spread_of",
]

NEWS = 0.8  # share of the variance beforehand; a pixel of which more is left said nothing
PARABOLA = 0.8  # of a line's width, within which the likelihood is near a parabola
STRONG = 0.3  # share of its group from which a line has a maximum of its own
ALIAS = 1.0 / 6.0  # of the distance to the next such line, which errors may have
CLEAR = 0.01  # probability of another scale below which a pixel counts for the plane


def errors_at(fits: PixelFits, energies: tuple[float, ...]) -> FloatArray:
    """Errors of energies, keV, shape (n_energies, n_pixels)."""
    channel = (np.array(energies)[:, np.newaxis] - fits.parameters[:, 1]) / fits.parameters[:, 0]
    variance = channel**2 * fits.variance[:, 0] + 2.0 * channel * fits.covariance + fits.variance[:, 1]
    errors: FloatArray = np.sqrt(np.maximum(variance, 0.0))
    return errors


def spread_of(fits: PixelFits) -> FloatArray:
    """One of four points of each pixel's error ellipse in turn: gain and offset, shape (2, n_pixels).

    Spectra laid on each other by their own fits are laid noise on noise: lines come out too strong and edges
    too sharp. With each pixel moved to a point that is as probable as the fit, and over all pixels with the
    fit's covariance, the sum is that of the true scales (the expectation of an EM step).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(fits.variance[:, 0])
        slope = fits.covariance / error
        rest = np.sqrt(np.maximum(fits.variance[:, 1] - slope**2, 0.0))
    turn = np.arange(error.size) % 4
    first = np.select([turn == 0, turn == 1], [np.sqrt(2.0), -np.sqrt(2.0)], 0.0)
    second = np.select([turn == 2, turn == 3], [np.sqrt(2.0), -np.sqrt(2.0)], 0.0)
    spread: FloatArray = np.nan_to_num(np.stack([first * error, first * slope + second * rest]), nan=0.0)
    return spread


def elsewhere(fits: PixelFits, scales: StartingScales) -> FloatArray:
    """Probability that a pixel's scale is another one than the fitted."""
    sigma = np.nan_to_num(errors_at(fits, scales.pivots), nan=0.0)
    return scales.elsewhere(fits.parameters[:, 0], fits.parameters[:, 1], sigma)


def shift_since(
    fits: PixelFits, work: Setting, start: GainTable, scales: StartingScales, pixels: IntArray
) -> PlaneShift | None:
    """How all scales moved since the last table, from some pixels' own spectra.

    What held gain and offset in the fits is taken out again: their information less that of the prior.
    """
    scale, held = fits.parameters[pixels, :2], work.scale_precision[pixels]
    covariance = np.empty((len(pixels), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = fits.variance[pixels, 0], fits.variance[pixels, 1]
    covariance[:, 0, 1] = covariance[:, 1, 0] = fits.covariance[pixels]
    usable = np.isfinite(covariance).all(axis=(1, 2)) & (elsewhere(fits, scales)[pixels] < CLEAR)
    information = np.linalg.inv(np.where(usable[:, np.newaxis, np.newaxis], covariance, np.eye(2)))
    right = np.einsum("nab,nb->na", information, scale) - held * work.scale_mean[pixels]
    information[:, [0, 1], [0, 1]] -= held
    usable &= (np.linalg.det(information) > 0.0) & (information[:, 0, 0] > 0.0)
    own = np.linalg.inv(np.where(usable[:, np.newaxis, np.newaxis], information, np.eye(2)))
    alone = np.einsum("nab,nb->na", own, right)
    gain = start.gain[pixels]
    change = np.stack([alone[:, 0] / gain - 1.0, alone[:, 1] - start.offset[pixels]], axis=1)
    per_gain = np.stack([1.0 / gain, np.ones(gain.size)], axis=1)
    return shift_of_the_plane(change, own * per_gain[:, :, np.newaxis] * per_gain[:, np.newaxis], usable)


def held_by_the_search(work: Setting, start: GainTable, scales: StartingScales) -> Setting:
    """The same, gain and offset held by the last table and how far the search found scales to have moved."""
    if not np.isfinite(scales.scatter).all():
        return work
    return _held(work, start, scales.shift, scales.scatter**-2.0)


def held_by_the_plane(work: Setting, start: GainTable, shift: PlaneShift | None) -> Setting:
    """The same, gain and offset held by the last table and what moved all pixels, where that is known."""
    return work if shift is None else _held(work, start, shift.expected[0], shift.precision)


def _held(work: Setting, start: GainTable, change: FloatArray, precision: FloatArray) -> Setting:
    mean = np.stack([start.gain * (1.0 + change[0]), start.offset + change[1]], axis=1)
    own = np.stack([precision[0] / start.gain**2, np.full(len(start), precision[1])], axis=1)
    return replace(work, scale_mean=mean, scale_precision=own / widening(start)[:, np.newaxis] ** 2)


def no_news(fits: PixelFits, work: Setting, pivots: tuple[float, ...]) -> BoolArray:
    """Fits that know hardly more than was known beforehand, neither of a low nor of a high energy."""
    if not pivots[0]:
        return np.zeros(len(work.counts), np.bool_)
    with np.errstate(divide="ignore"):
        before = 1.0 / work.scale_precision
    poor = np.ones(len(work.counts), np.bool_)
    for energy, error in zip(pivots, errors_at(fits, pivots), strict=True):
        channel = (energy - fits.parameters[:, 1]) / fits.parameters[:, 0]
        poor &= error**2 > NEWS * (channel**2 * before[:, 0] + before[:, 1])
    return poor


def beyond_a_line(fits: PixelFits, work: Setting, pivots: tuple[float, ...], share: float = 1.0) -> BoolArray:
    """Fits whose errors at the lowest or highest line exceed what that line can bear, or a share of it.

    Within a line's width the likelihood is near a parabola, and its curvature is the error. Further away it
    is not: other maxima, and errors that are too small. The nearest other maximum puts Kα₂ where Kα₁ is.
    """
    if not pivots[0]:
        return np.zeros(len(work.counts), np.bool_)
    model, errors = work.camera.lines, errors_at(fits, pivots)
    width = work.camera.parameters[model.arrays().first_parameter]
    beyond = np.zeros(len(work.counts), np.bool_)
    for energy, error in zip(pivots, errors, strict=True):
        b = next(k for k, block in enumerate(model.blocks) if block.low < energy < block.high)
        strong = [line.energy for line in model.blocks[b].lines if line.fraction > STRONG]
        apart = [abs(E - energy) for E in strong if abs(E - energy) > 2.0 * width[b]]
        beyond |= error > share * min(PARABOLA * width[b], ALIAS * min(apart, default=np.inf))
    return beyond
