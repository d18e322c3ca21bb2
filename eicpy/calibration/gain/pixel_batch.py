"""Fits of many pixels at once: guess, prior terms, threads, choice between starting points."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from eicpy.calibration.gain.camera_spectrum import (
    CameraSpectrum,
    counts_in_windows,
    parameter_bounds,
    pixel_guess,
)
from eicpy.calibration.gain.kernel import fit_pixels
from eicpy.calibration.gain.likelihood import Prior
from eicpy.calibration.gain.lines import LineModel
from eicpy.calibration.gain.model import deviance_sums
from eicpy.calibration.gain.poisson import LOG_LOW, LOG_STEP, moment_table
from eicpy.calibration.gain.posterior import scale_posteriors
from eicpy.calibration.gain.settings import GainFitSettings
from eicpy.calibration.gain.start import StartingScales
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "PixelFits",
    "Setting",
    "average_scales",
    "chosen_tolerance",
    "fit_batch",
    "goodness_of_fit",
    "measured_tolerance",
    "try_candidate",
    "unlike_the_camera",
]


PLANE_MINIMUM = 200  # pixels, below which the plane does not show how much pixels differ
ROBUST_SIGMA = 1.4826  # standard deviation of a normal distribution in units of its MAD
TOLERATED = 6.0  # σ; how unlike the camera's a pixel's strengths and widths may be
FAR = 5.5  # σ of what the plane scatters; a scale further away is another pixel's, or a foreign spectrum's
TOO_BRIGHT = 1.8  # times the counts that a tenth of the pixels exceed (a bright source lights more)
BRIGHT_SHARE = 0.9
SMALLEST_TOLERANCE = 0.05  # relative; the camera's own values are not trusted further


@dataclass(frozen=True, slots=True)
class Setting:
    """Data of the fit of some pixels, the same for every starting point.

    Parameters
    ----------
    counts
        Shape (n_pixels, n_channels).
    windows
        Channels of each block, shape (n_pixels, n_blocks, 2).
    camera
        The camera's spectrum.
    settings
        What was chosen.
    tolerance
        How far each parameter may lie from the camera's, relative and 1 σ; inf: any. Shape (n_parameters,).
    scale_mean, scale_precision
        Gain and offset as expected beforehand, and the precision of that, both shape (n_pixels, 2); a
        precision of 0: unknown.
    """

    counts: FloatArray
    windows: IntArray
    camera: CameraSpectrum
    settings: GainFitSettings
    tolerance: FloatArray
    scale_mean: FloatArray
    scale_precision: FloatArray

    def subset(self, pixels: IntArray) -> "Setting":
        """The same for some of the pixels."""
        return Setting(
            self.counts[pixels],
            self.windows[pixels],
            self.camera,
            self.settings,
            self.tolerance,
            self.scale_mean[pixels],
            self.scale_precision[pixels],
        )


@dataclass(frozen=True, slots=True)
class PixelFits:
    """Arrays over pixels that :func:`eicpy.calibration.gain.kernel.fit_pixels` returns."""

    parameters: FloatArray
    variance: FloatArray
    covariance: FloatArray
    deviance: FloatArray
    objective: FloatArray
    iterations: IntArray
    converged: BoolArray


def fit_batch(
    work: Setting,
    gain: FloatArray,
    offset: FloatArray,
    *,
    start: FloatArray | None = None,
    max_iterations: int | None = None,
) -> PixelFits:
    """Run the kernel over the pixels, in threads where asked.

    Parameters
    ----------
    work
        Spectra and what is known about all.
    gain, offset
        Where to start, shape (n_pixels,).
    start
        All parameters to start from, shape (n_pixels, n_parameters); NaN, or None: the camera's.
    max_iterations
        Instead of the setting.
    """
    settings, arrays = work.settings, work.camera.arrays()
    guess, prior = _beforehand(work, gain, offset)
    theta = guess if start is None else np.where(np.isfinite(start), start, guess)
    most = max_iterations or settings.max_iterations

    def run(part: slice) -> tuple[Any, ...]:
        own = (values[part] for values in prior)
        result: tuple[Any, ...] = fit_pixels(
            work.counts[part], theta[part], work.windows[part], arrays, *own, most, settings.tolerance
        )
        return result

    return PixelFits(*_shared(run, len(guess), settings.threads))


def _beforehand(work: Setting, gain: FloatArray, offset: FloatArray) -> tuple[FloatArray, Prior]:
    """First guess of all parameters, and what is known of them beforehand, (n_pixels, n_parameters) each."""
    guess = pixel_guess(work.counts, work.windows, work.camera, gain, offset)
    precision = (work.tolerance * np.maximum(np.abs(guess), 1e-6)) ** -2.0
    precision[:, :2] = work.scale_precision
    mean = guess.copy()
    mean[:, :2] = work.scale_mean
    return guess, Prior(mean, precision, *parameter_bounds(guess, work.camera.arrays()))


def _shared(run: Callable[[slice], tuple[Any, ...]], n: int, threads: int) -> tuple[Any, ...]:
    """Run something on all pixels, shared among threads, and put its arrays together."""
    if threads == 1 or n < 2 * threads:
        return run(slice(None))
    bounds = np.linspace(0, n, 4 * threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(run, [slice(a, b) for a, b in pairwise(bounds)]))
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def average_scales(work: Setting, fits: PixelFits, chosen: IntArray) -> FloatArray:
    """Put mean and covariance of the posterior in place of a maximum and its curvature.

    Parameters
    ----------
    work, fits
        The spectra and their fits; gains, offsets and their errors are changed in place.
    chosen
        Pixels whose errors are not short beside a line, shape (n,).

    Returns
    -------
    numpy.ndarray
        Share of each pixel's posterior at the border of what was summed, shape (n_pixels,): NaN without a
        posterior, 0 for the pixels that were not chosen.
    """
    border = np.zeros(len(work.counts))
    if not chosen.size:
        return border
    part, arrays = work.subset(chosen), work.camera.arrays()
    theta = fits.parameters[chosen]
    _, prior = _beforehand(part, theta[:, 0], theta[:, 1])
    covariance = np.column_stack([fits.variance[chosen, :2], fits.covariance[chosen]])

    def run(share: slice) -> tuple[Any, ...]:
        own = (values[share] for values in prior)
        result: tuple[Any, ...] = scale_posteriors(
            part.counts[share], theta[share], covariance[share], part.windows[share], arrays, *own
        )
        return result

    scale, border[chosen] = _shared(run, len(chosen), work.settings.threads)
    found = np.isfinite(border[chosen])
    fits.parameters[chosen[found], :2] = scale[found, :2]
    fits.variance[chosen[found], :2] = scale[found, 2:4]
    fits.covariance[chosen[found]] = scale[found, 4]
    return border


def chosen_tolerance(lines: LineModel, settings: GainFitSettings) -> FloatArray:
    """Tolerance of each parameter before the plane was looked at, shape (n_parameters,)."""
    arrays = lines.arrays()
    tolerance = np.full(arrays.n_parameters, np.inf)
    for first, n_groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        tolerance[first] = settings.width_tolerance or np.inf
        tolerance[first + 4 : first + 4 + n_groups] = settings.strength_tolerance or np.inf
    return tolerance


def measured_tolerance(work: Setting, fits: PixelFits, gain: FloatArray, offset: FloatArray) -> FloatArray:
    """Tolerance of each parameter from how much pixels really differ.

    Fitted values scatter around the camera's because pixels differ and because counts are few; the
    second part is known. What remains, with a floor, is how far a pixel may lie from the camera.

    Parameters
    ----------
    work, fits, gain, offset
        A fit with the tolerances of `work`, and where it started.

    Returns
    -------
    numpy.ndarray
        Shape (n_parameters,); not above the tolerances of `work`, which are kept where pixels are too few.
    """
    usable = np.isfinite(fits.variance).all(axis=1)
    if np.count_nonzero(usable) < PLANE_MINIMUM:
        return work.tolerance
    guess = pixel_guess(work.counts, work.windows, work.camera, gain, offset)[usable]
    tolerance = work.tolerance.copy()
    for p in np.flatnonzero(np.isfinite(tolerance)):
        held = tolerance[p] ** -2
        information = np.maximum(guess[:, p] ** 2 / fits.variance[usable, p] - held, 1e-3 * held)
        posterior = fits.parameters[usable, p] / guess[:, p] - 1.0
        own = posterior * (1.0 + held / information)
        scatter = ROBUST_SIGMA * np.median(np.abs(own - np.median(own)))
        real = float(scatter**2 - np.median(1.0 / information))
        tolerance[p] = min(tolerance[p], np.sqrt(max(real, 0.0) + SMALLEST_TOLERANCE**2))
    return tolerance


def try_candidate(
    work: Setting, scales: StartingScales, candidate: int, best: PixelFits, rival: FloatArray
) -> None:
    """Fit from another starting point; the better likelihood is kept in `best`, the other in `rival`.

    The channels fitted are the same as before, so that the two likelihoods are comparable.

    Parameters
    ----------
    work
        Spectra and what is known about all.
    scales, candidate
        The starting points, and which of them.
    best
        Best fits so far; changed in place.
    rival
        Best objective among clearly different energy scales, shape (n_pixels,); changed in place.
    """
    chosen = np.flatnonzero(np.isfinite(scales.gain[candidate]))
    if not chosen.size:
        return
    other = fit_batch(work.subset(chosen), scales.gain[candidate, chosen], scales.offset[candidate, chosen])
    apart = _apart(best, chosen, other.parameters, work.camera.lines)
    usable = other.converged & np.isfinite(other.objective)
    better = usable & (~best.converged[chosen] | (other.objective < best.objective[chosen] - 1e-6))
    loser = np.where(better, best.objective[chosen], np.where(usable, other.objective, np.inf))
    rival[chosen] = np.where(apart, np.minimum(rival[chosen], loser), rival[chosen])
    winners = chosen[better]
    best.parameters[winners] = other.parameters[better]
    best.variance[winners] = other.variance[better]
    best.covariance[winners] = other.covariance[better]
    best.deviance[winners] = other.deviance[better]
    best.objective[winners] = other.objective[better]
    best.converged[winners] = other.converged[better]
    best.iterations[chosen] += other.iterations


def _apart(best: PixelFits, chosen: IntArray, other: FloatArray, lines: LineModel) -> BoolArray:
    """Whether two energy scales differ by more than twice their error at either end of the lines."""
    scale, variance = best.parameters[chosen], best.variance[chosen]
    apart = np.zeros(chosen.size, np.bool_)
    for E in (lines.blocks[0].low, lines.blocks[-1].high):
        channel = (E - scale[:, 1]) / scale[:, 0]
        moved = (other[:, 0] - scale[:, 0]) * channel + other[:, 1] - scale[:, 1]
        error = channel**2 * variance[:, 0] + 2.0 * channel * best.covariance[chosen] + variance[:, 1]
        apart |= moved**2 > 4.0 * error
    return apart


def goodness_of_fit(work: Setting, fits: PixelFits) -> FloatArray:
    """Deviance in standard deviations from what a right model has, shape (n_pixels,)."""
    arrays = work.camera.arrays()
    sums = deviance_sums(
        fits.parameters, work.windows, arrays, work.counts.shape[1], moment_table(), LOG_LOW, LOG_STEP
    )
    # a parameter that its tolerance holds takes no degree of freedom from the deviance
    with np.errstate(invalid="ignore", divide="ignore"):
        held = fits.variance / (work.tolerance * fits.parameters) ** 2
        free = np.sum(1.0 - np.clip(held, 0.0, 1.0), axis=1)
        goodness: FloatArray = (fits.deviance + free - sums[:, 0]) / np.sqrt(sums[:, 1])
    return goodness


def unlike_the_camera(work: Setting, fits: PixelFits) -> BoolArray:
    """Pixels whose fit fits, but not to the spectrum that all pixels see; shape (n_pixels,).

    A shifted or foreign spectrum finds strengths and widths that its counts like, against all that the plane
    knows of them, or a scale far from where all others are. A pixel that counts noise hides its lines below
    it: no deviance shows that.

    Parameters
    ----------
    work, fits
        The spectra and their fits.
    """
    away = work.scale_precision * (fits.parameters[:, :2] - work.scale_mean) ** 2
    known = np.isfinite(fits.objective) & np.isfinite(fits.deviance)
    apart = np.where(known, fits.objective, 0.0) - np.where(known, fits.deviance, 0.0) - away.sum(axis=1)
    held = np.count_nonzero(np.isfinite(work.tolerance))
    limit = held + TOLERATED * np.sqrt(2.0 * held)
    own = counts_in_windows(work.counts, work.windows)
    if len(own) >= PLANE_MINIMUM:
        limit = max(limit, float(np.median(apart)) * limit / held)
        bright = own > TOO_BRIGHT * np.quantile(own, BRIGHT_SHARE, axis=0)
    else:
        bright = own > 2.0 * TOO_BRIGHT * np.median(own, axis=0)
    unlike: BoolArray = (apart > limit) | bright.any(axis=1) | (away.sum(axis=1) > FAR**2)
    return unlike
