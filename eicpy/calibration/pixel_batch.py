"""Fits of many pixels at once: guess, prior terms, threads, and the choice between several places."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.calibration.camera_spectrum import CameraSpectrum, parameter_bounds, pixel_guess
from eicpy.calibration.gain_kernel import fit_pixels
from eicpy.calibration.gain_model import deviance_sums
from eicpy.calibration.gain_settings import GainFitSettings
from eicpy.calibration.gain_start import StartingScales
from eicpy.calibration.lines import LineModel
from eicpy.calibration.poisson import LOG_LOW, LOG_STEP, moment_table

__all__ = ["PixelFits", "Setting", "fit_batch", "goodness_of_fit", "kernel_arguments", "try_candidate"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Setting:
    """What the fit of some pixels works on, the same for every place it starts from.

    Parameters
    ----------
    counts
        Shape (n_pixels, n_channels).
    windows
        Channels of each block, shape (n_pixels, n_blocks, 2).
    baseline
        Shape of the continuum, shape (n_pixels, n_channels).
    camera
        The camera's spectrum.
    settings
        Tolerances.
    """

    counts: FloatArray
    windows: IntArray
    baseline: FloatArray
    camera: CameraSpectrum
    settings: GainFitSettings

    def subset(self, pixels: IntArray) -> "Setting":
        """The same for some of the pixels."""
        return Setting(
            self.counts[pixels], self.windows[pixels], self.baseline[pixels], self.camera, self.settings
        )


@dataclass(frozen=True, slots=True)
class PixelFits:
    """Outcome of the kernel; arrays over pixels, as :func:`eicpy.calibration.gain_kernel.fit_pixels` says."""

    parameters: FloatArray
    covariance: FloatArray
    deviance: FloatArray
    objective: FloatArray
    iterations: IntArray
    converged: BoolArray


def kernel_arguments(lines: LineModel) -> tuple[Any, ...]:
    """The line arrays in the order in which kernels take them."""
    arrays = lines.arrays()
    return (
        arrays.energy,
        arrays.fraction,
        arrays.group,
        arrays.first_line,
        arrays.first_parameter,
        arrays.n_groups,
    )


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
    settings, lines = work.settings, work.camera.lines
    arrays = lines.arrays()
    guess = pixel_guess(work.counts, work.windows, work.camera, gain, offset)
    precision = np.zeros_like(guess)
    for first, n_groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        if settings.width_tolerance is not None:
            precision[:, first] = 1.0 / (settings.width_tolerance * guess[:, first]) ** 2
        if settings.strength_tolerance is not None:
            strengths = slice(first + 4, first + 4 + n_groups)
            floor = 1e-6 * np.maximum(guess[:, first + 1 : first + 2], 1e-3)
            precision[:, strengths] = (settings.strength_tolerance * guess[:, strengths] + floor) ** -2
    lower, upper = parameter_bounds(guess, arrays)
    theta = guess if start is None else np.where(np.isfinite(start), start, guess)
    line_arrays = kernel_arguments(lines)

    def run(part: slice) -> tuple[Any, ...]:
        result: tuple[Any, ...] = fit_pixels(
            work.counts[part], theta[part], work.windows[part], *line_arrays, work.baseline[part],
            guess[part], precision[part], lower[part], upper[part],
            max_iterations or settings.max_iterations, settings.tolerance,
        )  # fmt: skip
        return result

    if settings.threads == 1 or len(guess) < 2 * settings.threads:
        return PixelFits(*run(slice(None)))
    bounds = np.linspace(0, len(guess), 4 * settings.threads + 1).astype(int)
    with ThreadPoolExecutor(settings.threads) as pool:
        parts = list(pool.map(run, [slice(a, b) for a, b in pairwise(bounds)]))
    return PixelFits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def try_candidate(
    work: Setting, scales: StartingScales, candidate: int, best: PixelFits, rival: FloatArray
) -> None:
    """Fit from another place; the better likelihood stays in `best`, the loser's goes to `rival`.

    The channels fitted are the same as before, so that the two likelihoods are comparable.

    Parameters
    ----------
    work
        Spectra and what is known about all.
    scales, candidate
        The places, and which of them.
    best
        Best fits so far; changed in place.
    rival
        Best objective among clearly different energy scales, shape (n_pixels,); changed in place.
    """
    chosen = np.flatnonzero(np.isfinite(scales.gain[candidate]))
    if not chosen.size:
        return
    other = fit_batch(work.subset(chosen), scales.gain[candidate, chosen], scales.offset[candidate, chosen])
    apart = _apart(best.parameters[chosen], other.parameters, best.covariance[chosen], work.camera.lines)
    usable = other.converged & np.isfinite(other.objective)
    better = usable & (~best.converged[chosen] | (other.objective < best.objective[chosen] - 1e-6))
    loser = np.where(better, best.objective[chosen], np.where(usable, other.objective, np.inf))
    rival[chosen] = np.where(apart, np.minimum(rival[chosen], loser), rival[chosen])
    winners = chosen[better]
    best.parameters[winners] = other.parameters[better]
    best.covariance[winners] = other.covariance[better]
    best.deviance[winners] = other.deviance[better]
    best.objective[winners] = other.objective[better]
    best.converged[winners] = other.converged[better]
    best.iterations[chosen] += other.iterations


def _apart(one: FloatArray, two: FloatArray, covariance: FloatArray, lines: LineModel) -> BoolArray:
    """Whether two energy scales differ by more than twice their error at either end of the lines."""
    apart = np.zeros(len(one), np.bool_)
    for E in (lines.blocks[0].low, lines.blocks[-1].high):
        channel = (E - one[:, 1]) / one[:, 0]
        moved = (two[:, 0] - one[:, 0]) * channel + two[:, 1] - one[:, 1]
        variance = (
            channel**2 * covariance[:, 0, 0] + 2.0 * channel * covariance[:, 0, 1] + covariance[:, 1, 1]
        )
        apart |= moved**2 > 4.0 * variance
    return apart


def goodness_of_fit(work: Setting, fits: PixelFits) -> FloatArray:
    """Deviance in standard deviations from what a right model has, shape (n_pixels,)."""
    sums = deviance_sums(
        fits.parameters, work.windows, *kernel_arguments(work.camera.lines), work.baseline, moment_table(),
        LOG_LOW, LOG_STEP,
    )  # fmt: skip
    free = fits.parameters.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        goodness: FloatArray = (fits.deviance + free - sums[:, 0]) / np.sqrt(sums[:, 1])
    return goodness
