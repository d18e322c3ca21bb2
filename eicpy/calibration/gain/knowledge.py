"""What the fits of pixels know: of energies, of each other, and beyond the last table."""

from dataclasses import replace

import numpy as np

from eicpy.calibration.gain.pixel_batch import PixelFits, Setting
from eicpy.calibration.gain.plane import PlaneShift, shift_of_the_plane, widening
from eicpy.calibration.gain.start import StartingScales
from eicpy.calibration.gain.table import GainTable
from eicpy.typing import BoolArray, FloatArray

__all__ = [
    "beyond_a_line",
    "elsewhere",
    "errors_at",
    "held_by_the_plane",
    "no_news",
    "shift_since",
    "spread_of",
]

POORER = 2.0  # times what the plane can have scattered; errors beyond are no news
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


def shift_since(fits: PixelFits, start: GainTable, scales: StartingScales) -> PlaneShift | None:
    """How all scales moved since the last table, from fits that are held by nothing."""
    change = np.stack(
        [fits.parameters[:, 0] / start.gain - 1.0, fits.parameters[:, 1] - start.offset], axis=1
    )
    covariance = np.empty((len(change), 2, 2))
    covariance[:, 0, 0], covariance[:, 1, 1] = fits.variance[:, 0] / start.gain**2, fits.variance[:, 1]
    covariance[:, 0, 1] = covariance[:, 1, 0] = fits.covariance / start.gain
    return shift_of_the_plane(change, covariance, elsewhere(fits, scales) < CLEAR)


def held_by_the_plane(work: Setting, start: GainTable, shift: PlaneShift | None) -> Setting:
    """The same, gain and offset held by the last table and what moved all pixels, where that is measured."""
    if shift is None:
        return work
    mean = np.stack([start.gain * (1.0 + shift.mean[0]), start.offset + shift.mean[1]], axis=1)
    precision = np.stack(
        [shift.precision[0] / start.gain**2, np.full(len(start), shift.precision[1])], axis=1
    )
    wider = widening(start)[:, np.newaxis]
    return replace(work, scale_mean=mean, scale_precision=precision / wider**2)


def no_news(
    fits: PixelFits, start: GainTable, shift: PlaneShift | None, pivots: tuple[float, ...]
) -> BoolArray:
    """Fits that know far less than the last table: errors twice what the plane can have scattered."""
    if shift is None or not pivots[0]:
        return np.zeros(len(start), np.bool_)
    most = widening(start) * shift.most_at(np.array(pivots)[:, np.newaxis] - start.offset)
    poorer: BoolArray = np.all(errors_at(fits, pivots) > POORER * most, axis=0)
    return poorer


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
