"""The spectrum of the whole camera: what all pixels together know about lines, widths and continua.

At 30 ks a pixel has a few hundred counts in its lines, the camera a million. Spectra of all pixels are
laid on one energy scale and fitted once. The result is where each pixel's fit starts; its strengths and
widths, with a generous tolerance, keep a pixel with few counts from absurd values (a line of zero width
on a noise spike); and its continuum is the shape κ that each pixel's quadratic continuum multiplies. A
power law over 21–33 keV is not a parabola: without κ the offset is off by 20 eV, and a step of 6 % at
the K edge of Cd moves it by as much again. Gain and offset of a pixel come from its own counts alone.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from scipy.special import ndtr

from eicpy.calibration.gain.kernel import fit_pixels
from eicpy.calibration.gain.lines import Block, LineArrays, LineModel
from eicpy.calibration.gain.model import evaluate_block, predict
from eicpy.kernels import kernel
from eicpy.typing import FloatArray, IntArray

__all__ = [
    "CameraSpectrum",
    "align",
    "block_windows",
    "counts_in_windows",
    "fit_camera",
    "parameter_bounds",
    "pixel_guess",
]


FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
CUBIC_TOLERANCE = 0.05  # of the continuum's level; what a cubic term may do if the counts insist
EDGE_TOLERANCE = 0.1  # relative step at an absorption edge


@dataclass(frozen=True, slots=True)
class CameraSpectrum:
    """Fit of the camera's spectrum.

    Parameters
    ----------
    parameters
        In the order of ``LineModel.parameter_names``, shape (n_parameters,); counts of the whole camera.
    energy, shape
        Continuum's shape κ on a grid of energies (keV), both (n_grid,); around 1 in each block.
    stretch
        Width of each line in units of its block's σ, shape (n_lines,).
    lines
        The model.
    """

    parameters: FloatArray
    energy: FloatArray
    shape: FloatArray
    stretch: FloatArray
    lines: LineModel

    def arrays(self) -> LineArrays:
        """The lines as arrays, with the widths found."""
        return self.lines.arrays()._replace(stretch=self.stretch)

    def baseline(self, gain: FloatArray, offset: FloatArray, n_channels: int) -> FloatArray:
        """The shape κ in the channels of pixels, shape (n_pixels, n_channels); 1 outside the blocks."""
        energy = gain[:, np.newaxis] * (np.arange(n_channels) + 0.5) + offset[:, np.newaxis]
        out: FloatArray = np.interp(energy, self.energy, self.shape)
        return out

    def table_rows(self) -> str:
        """Widths (keV) and strengths (counts) as rows of an HTML table."""
        return "".join(
            f"<tr><th>{escape(name)}</th><td>{value:.4g}</td></tr>"
            for name, value in zip(self.lines.parameter_names, self.parameters, strict=True)
            if name.endswith(("sigma", "counts"))
        )


@kernel
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
    windows: IntArray = np.clip(np.stack([first, last], axis=-1), 0, n_channels).astype(np.int64)
    return windows


def fit_camera(spectrum: FloatArray, lines: LineModel, gain: float, offset: float) -> CameraSpectrum:
    """Fit the camera's spectrum, and the shape of its continua.

    The shape is found in two steps: a power law through the ends of a first, quadratic fit; then a
    cubic term and steps at the edges, each held by a tolerance so that few counts leave it alone.

    Parameters
    ----------
    spectrum
        Counts, shape (n_channels,).
    lines
        The model.
    gain, offset
        Its energy scale, roughly.
    """
    arrays = lines.arrays()
    windows = block_windows(lines, np.array([gain]), np.array([offset]), spectrum.size)[0]
    energy: FloatArray = gain * (np.arange(spectrum.size, dtype=np.float64) + 0.5) + offset
    flat = np.ones(spectrum.size)
    guess = _linear_guess(spectrum, lines, windows, energy, gain)
    theta = _poisson_fit(spectrum, guess, windows, flat, arrays)
    shape = flat.copy()
    for b, (first, last) in enumerate(windows):
        shape[first:last] = _power_law(theta, int(arrays.first_parameter[b]), energy[first:last])
    theta = _poisson_fit(spectrum, theta, windows, shape, arrays)
    arrays = arrays._replace(stretch=_stretch(theta, arrays))
    theta = _poisson_fit(spectrum, theta, windows, shape, arrays)
    for b, (first, last) in enumerate(windows):
        shape[first:last] = _corrected(spectrum, theta, b, (int(first), int(last)), shape, lines, arrays)
    theta = _poisson_fit(spectrum, theta, windows, shape, arrays)
    inside = np.zeros(spectrum.size, np.bool_)
    for first, last in windows:
        inside[first:last] = True
    energy = theta[0] * (np.flatnonzero(inside) + 0.5) + theta[1]
    return CameraSpectrum(theta, energy, shape[inside], arrays.stretch, lines)


def _linear_guess(
    spectrum: FloatArray, lines: LineModel, windows: IntArray, energy: FloatArray, gain: float
) -> FloatArray:
    """Parameters at a given energy scale and width: a linear problem."""
    arrays = lines.arrays()
    theta = np.zeros(arrays.n_parameters)
    theta[:2] = gain, energy[0] - 0.5 * gain
    for b, (first, last) in enumerate(windows):
        start, n_groups = int(arrays.first_parameter[b]), int(arrays.n_groups[b])
        counts = spectrum[first:last]
        theta[start] = lines.fwhm / FWHM_PER_SIGMA
        theta[start + 4 : start + 4 + n_groups] = 1.0
        theta[start + 1] = 1.0
        _, jacobian = _evaluate(theta, b, (int(first), int(last)), np.ones(spectrum.size), arrays)
        columns = jacobian[:, 3:]
        weight = 1.0 / np.sqrt(np.maximum(counts, 1.0))
        solution = np.linalg.lstsq(columns * weight[:, np.newaxis], counts * weight, rcond=None)[0]
        solution[3:] = np.maximum(solution[3:], 1e-3 * counts.sum())
        if not np.all(columns @ solution > 0.0):
            solution[:3] = max(float(counts.mean()), 1e-6), 0.0, 0.0
        theta[start + 1 : start + 4 + n_groups] = solution
    return theta


def _evaluate(
    theta: FloatArray, b: int, window: tuple[int, int], shape: FloatArray, arrays: LineArrays
) -> tuple[FloatArray, FloatArray]:
    """Expected counts and derivatives of a block, shapes (m,) and (m, 6 + n_groups)."""
    first, last = window
    mu, jacobian = np.empty(last - first), np.empty((last - first, 6 + int(arrays.n_groups[b])))
    evaluate_block(theta, b, first, last, arrays, shape, mu, jacobian)
    return mu, jacobian


def _poisson_fit(
    spectrum: FloatArray, theta: FloatArray, windows: IntArray, shape: FloatArray, arrays: LineArrays
) -> FloatArray:
    """The pixel kernel on the one spectrum, without prior terms; `theta` again where it fails."""
    guess = theta[np.newaxis]
    lower, upper = parameter_bounds(guess, arrays)
    none = np.zeros_like(guess)
    fitted, _, _, deviance, *_ = fit_pixels(
        spectrum[np.newaxis],
        guess,
        windows[np.newaxis],
        arrays,
        shape[np.newaxis],
        none,
        none,
        lower,
        upper,
        100,
        1e-4,
    )
    result: FloatArray = fitted[0] if np.isfinite(deviance[0]) else theta
    return result


def _stretch(theta: FloatArray, arrays: LineArrays) -> FloatArray:
    """Widths of the lines in units of their block's σ, from the law σ² = a + b·E through all blocks.

    Electronic noise and the statistics of the charge make that law. Where the blocks do not follow one
    (it falls, or is negative), lines of a block are taken as equally wide.
    """
    flat = np.ones(arrays.energy.size)
    if arrays.first_parameter.size < 2:
        return flat
    middle = np.empty(arrays.first_parameter.size)
    for b, start in enumerate(arrays.first_parameter):
        own = slice(int(arrays.first_line[b]), int(arrays.first_line[b + 1]))
        strength = arrays.fraction[own] * np.maximum(theta[start + 4 + arrays.group[own]], 1e-300)
        middle[b] = strength @ arrays.energy[own] / strength.sum()
    slope, level = np.polyfit(middle, theta[arrays.first_parameter] ** 2, 1)
    ends = np.array([arrays.energy.min(), arrays.energy.max()])
    if slope < 0.0 or np.any(level + slope * ends <= 0.0):
        return flat
    stretch = flat
    for b in range(middle.size):
        own = slice(int(arrays.first_line[b]), int(arrays.first_line[b + 1]))
        stretch[own] = np.sqrt((level + slope * arrays.energy[own]) / (level + slope * middle[b]))
    return stretch


def _power_law(theta: FloatArray, start: int, energy: FloatArray) -> FloatArray:
    """Power law through the fitted continuum at both ends of a block, 1 in its middle."""
    low, high = (theta[start + 1] + sign * theta[start + 2] + theta[start + 3] for sign in (-1.0, 1.0))
    if not (low > 0.0 and high > 0.0):
        return np.ones_like(energy)
    index = np.clip(np.log(high / low) / np.log(energy[-1] / energy[0]), -6.0, 6.0)
    law: FloatArray = (energy / np.mean(energy)) ** index
    return law


def _corrected(
    spectrum: FloatArray,
    theta: FloatArray,
    b: int,
    window: tuple[int, int],
    shape: FloatArray,
    lines: LineModel,
    arrays: LineArrays,
) -> FloatArray:
    """The shape of a block with a cubic term and steps at the edges: one Gauss-Newton step.

    Line positions, width, strengths and the quadratic are left free beside them.
    """
    first, last = window
    block: Block = lines.blocks[b]
    start = int(arrays.first_parameter[b])
    mu, jacobian = _evaluate(theta, b, window, shape, arrays)
    m = last - first
    u = (2.0 * np.arange(m) + 1.0) / m - 1.0
    quadratic = np.stack([np.ones(m), u, u * u], axis=1)
    level = shape[first:last] * (quadratic @ theta[start + 1 : start + 4])
    energy = theta[0] * (np.arange(first, last) + 0.5) + theta[1]
    extra = [level * u**3] + [-level * ndtr((energy - edge) / theta[start]) for edge in block.edges]
    tolerance = np.array([CUBIC_TOLERANCE] + [EDGE_TOLERANCE] * len(block.edges))
    weight = 1.0 / np.sqrt(np.maximum(mu, 1e-9))
    free = jacobian[:, 1:] * weight[:, np.newaxis]
    norm = np.maximum(np.linalg.norm(free, axis=0), 1e-300)
    columns = np.hstack([free / norm, np.stack(extra, axis=1) * weight[:, np.newaxis]])
    held = np.hstack([np.zeros((tolerance.size, norm.size)), np.diag(1.0 / tolerance)])
    residual = np.concatenate([(spectrum[first:last] - mu) * weight, np.zeros(tolerance.size)])
    solution = np.linalg.lstsq(np.vstack([columns, held]), residual, rcond=1e-10)[0]
    factor = 1.0 + (np.stack(extra, axis=1) / level[:, np.newaxis]) @ solution[norm.size :]
    corrected: FloatArray = shape[first:last] * np.clip(factor, 0.5, 2.0)
    return corrected


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
        lower[:, start + 4 : start + 4 + n_groups] = 0.0
    return lower, upper


def pixel_guess(
    counts: FloatArray, windows: IntArray, camera: CameraSpectrum, gain: FloatArray, offset: FloatArray
) -> FloatArray:
    """First guess of all pixels: the camera's parameters, scaled to each pixel's counts in each block.

    Parameters
    ----------
    counts
        Counts, shape (n_pixels, n_channels).
    windows
        Shape (n_pixels, n_blocks, 2).
    camera
        The camera's spectrum.
    gain, offset
        Energy scale of each pixel, keV per channel and keV.

    Returns
    -------
    numpy.ndarray
        Shape (n_pixels, n_parameters).
    """
    arrays = camera.arrays()
    theta = np.tile(camera.parameters, (len(counts), 1))
    theta[:, 0], theta[:, 1] = gain, offset
    own = counts_in_windows(counts, windows)
    common = camera.parameters[np.newaxis]
    window = block_windows(camera.lines, common[:, 0], common[:, 1], counts.shape[1])
    baseline = camera.baseline(common[:, 0], common[:, 1], counts.shape[1])[0]
    expected = predict(camera.parameters, window[0], arrays, baseline)
    for b, (start, n_groups) in enumerate(zip(arrays.first_parameter, arrays.n_groups, strict=True)):
        first, last = window[0, b]
        scale = np.maximum(own[:, b], 1.0) / max(float(expected[first:last].sum()), 1e-300)
        theta[:, start + 1 : start + 4] *= (scale * gain / camera.parameters[0])[:, np.newaxis]
        theta[:, start + 4 : start + 4 + n_groups] *= scale[:, np.newaxis]
    return theta


def counts_in_windows(counts: FloatArray, windows: IntArray) -> FloatArray:
    """Counts in each block, shape (n_pixels, n_blocks)."""
    cumulative = np.zeros((len(counts), counts.shape[1] + 1))
    np.cumsum(counts, axis=1, out=cumulative[:, 1:])
    pixel = np.arange(len(counts))[:, np.newaxis]
    inside: FloatArray = cumulative[pixel, windows[:, :, 1]] - cumulative[pixel, windows[:, :, 0]]
    return inside
