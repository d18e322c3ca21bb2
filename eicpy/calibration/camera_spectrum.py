"""The spectrum of the whole camera: what all pixels together know about lines, widths and continua.

At 30 ks a pixel has a few hundred counts in its lines, the camera a million. Spectra of all pixels are
laid on one energy scale and fitted once; the result is where each pixel's fit starts, and its strengths
and widths, with a generous tolerance, keep a pixel with few counts from absurd values (a line of zero
width on a noise spike). Gain and offset get no such help: they come from the pixel's own counts.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from eicpy.calibration.gain_kernel import fit_pixels
from eicpy.calibration.lines import LineArrays, LineModel

__all__ = ["align", "block_windows", "fit_camera", "pixel_guess"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


@njit(cache=True, nogil=True)
def align(
    spectra: FloatArray, gain: FloatArray, offset: FloatArray, common_gain: float, common_offset: float
) -> FloatArray:
    """Sum of spectra on one energy scale; counts of a channel are spread evenly over its width.

    Parameters
    ----------
    spectra
        Counts, shape (n_pixels, n_channels).
    gain, offset
        Of each pixel, keV per channel and keV.
    common_gain, common_offset
        The scale of the sum.

    Returns
    -------
    numpy.ndarray
        Counts, shape (n_channels,).
    """
    n_channels = spectra.shape[1]
    out = np.zeros(n_channels)
    for i in range(spectra.shape[0]):
        ratio = gain[i] / common_gain
        shift = (offset[i] - common_offset) / common_gain
        for c in range(n_channels):
            counts = spectra[i, c]
            if counts == 0.0:
                continue
            low, high = ratio * c + shift, ratio * (c + 1) + shift
            k = max(int(np.floor(low)), 0)
            while k < n_channels and k < high:
                part = min(high, k + 1.0) - max(low, float(k))
                if part > 0.0:
                    out[k] += counts * part / ratio
                k += 1
    return out


def block_windows(lines: LineModel, gain: FloatArray, offset: FloatArray, n_channels: int) -> IntArray:
    """Channels of each block: first and last + 1, shape (n_pixels, n_blocks, 2)."""
    low = np.array([block.low for block in lines.blocks])
    high = np.array([block.high for block in lines.blocks])
    first = np.ceil((low - offset[:, np.newaxis]) / gain[:, np.newaxis])
    last = np.floor((high - offset[:, np.newaxis]) / gain[:, np.newaxis])
    windows = np.clip(np.stack([first, last], axis=-1), 0, n_channels)
    return windows.astype(np.int64)


def fit_camera(
    spectrum: FloatArray, lines: LineModel, gain: float, offset: float
) -> tuple[FloatArray, IntArray]:
    """Fit the camera's spectrum.

    Parameters
    ----------
    spectrum
        Counts, shape (n_channels,).
    lines
        The model.
    gain, offset
        Its energy scale, roughly.

    Returns
    -------
    tuple
        Parameters, shape (n_parameters,), and windows, shape (n_blocks, 2).
    """
    arrays = lines.arrays()
    windows = block_windows(lines, np.array([gain]), np.array([offset]), spectrum.size)
    theta = np.zeros(arrays.n_parameters)
    theta[:2] = gain, offset
    for b, block in enumerate(lines.blocks):
        start, n_groups = int(arrays.first_parameter[b]), int(arrays.n_groups[b])
        first, last = windows[0, b]
        counts = spectrum[first:last]
        theta[start] = lines.fwhm / FWHM_PER_SIGMA
        u = 2.0 * (np.arange(first, last) + 0.5 - first) / max(last - first, 1) - 1.0
        centre = gain * (np.arange(first, last) + 0.5) + offset
        columns = [np.ones_like(u), u, u * u] + [np.zeros_like(u) for _ in range(n_groups)]
        for line in block.lines:
            z = (centre - line.energy) / theta[start]
            profile = np.exp(-0.5 * z * z) * gain / (theta[start] * np.sqrt(2.0 * np.pi))
            columns[3 + block.groups.index(line.group)] += line.fraction * profile
        weight = 1.0 / np.sqrt(np.maximum(counts, 1.0))
        solution = np.linalg.lstsq(np.stack(columns, 1) * weight[:, np.newaxis], counts * weight, rcond=None)[
            0
        ]
        floor = 1e-3 * counts.sum()
        solution[3:] = np.maximum(solution[3:], floor)
        theta[start + 1 : start + 4 + n_groups] = solution
        expected = np.stack(columns, 1) @ solution
        if not np.all(expected > 0.0):
            theta[start + 1 : start + 4] = max(float(counts.mean()), 1e-6), 0.0, 0.0
    none = np.zeros((1, theta.size))
    lower, upper = parameter_bounds(theta[np.newaxis], arrays)
    fitted, _, deviance, *_ = fit_pixels(
        spectrum[np.newaxis].astype(np.float64), theta[np.newaxis], windows, arrays.energy, arrays.fraction,
        arrays.group, arrays.first_line, arrays.first_parameter, arrays.n_groups, none, none, lower, upper,
        100, 1e-4,
    )  # fmt: skip
    return (fitted[0] if np.isfinite(deviance[0]) else theta), windows[0]


def parameter_bounds(theta: FloatArray, arrays: LineArrays) -> tuple[FloatArray, FloatArray]:
    """Wide bounds around a guess: widths within a factor of three, strengths not negative.

    Parameters
    ----------
    theta
        Guess, shape (n_pixels, n_parameters).
    arrays
        The model.
    """
    lower, upper = np.full_like(theta, -np.inf), np.full_like(theta, np.inf)
    lower[:, 0], upper[:, 0] = 0.8 * theta[:, 0], 1.2 * theta[:, 0]
    for start, n_groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        lower[:, start], upper[:, start] = theta[:, start] / 3.0, theta[:, start] * 3.0
        strengths = slice(start + 4, start + 4 + n_groups)
        lower[:, strengths] = 0.0
    return lower, upper


def pixel_guess(
    spectra: FloatArray, windows: IntArray, camera: FloatArray, gain: FloatArray, offset: FloatArray,
    lines: LineModel,
) -> FloatArray:  # fmt: skip
    """First guess of all pixels: the camera's parameters, scaled to each pixel's counts in each block.

    Parameters
    ----------
    spectra
        Counts, shape (n_pixels, n_channels).
    windows
        Shape (n_pixels, n_blocks, 2).
    camera
        Parameters of :func:`fit_camera`.
    gain, offset
        Of each pixel.
    lines
        The model.

    Returns
    -------
    numpy.ndarray
        Shape (n_pixels, n_parameters).
    """
    arrays = lines.arrays()
    theta = np.tile(camera, (len(spectra), 1))
    theta[:, 0], theta[:, 1] = gain, offset
    cumulative = np.zeros((len(spectra), spectra.shape[1] + 1))
    np.cumsum(spectra, axis=1, out=cumulative[:, 1:])
    pixel = np.arange(len(spectra))
    for b in range(len(lines.blocks)):
        start, n_groups = int(arrays.first_parameter[b]), int(arrays.n_groups[b])
        counts = cumulative[pixel, windows[:, b, 1]] - cumulative[pixel, windows[:, b, 0]]
        channels = (lines.blocks[b].high - lines.blocks[b].low) / camera[0]
        expected = channels * (camera[start + 1] + camera[start + 3] / 3.0)
        expected += camera[start + 4 : start + 4 + n_groups].sum()
        scale = np.maximum(counts, 1.0) / max(float(expected), 1e-300)
        theta[:, start + 1 : start + 4] *= (scale * gain / camera[0])[:, np.newaxis]
        theta[:, start + 4 : start + 4 + n_groups] *= scale[:, np.newaxis]
    return theta
