"""The spectrum of the whole camera: what all pixels together know about lines, widths and continua.

At 30 ks a pixel has a few hundred counts in its lines, the camera a million. Spectra of all pixels are
laid on one energy scale and fitted once. The result is where each pixel's fit starts; its strengths and
widths, with a generous tolerance, keep a pixel with few counts from absurd values (a line of zero width
on a noise spike); and its continuum is the shape κ (:mod:`eicpy.calibration.gain.continuum`) that each
pixel's quadratic continuum multiplies. A power law over 21–33 keV is not a parabola: without κ the offset
is off by 20 eV, and edges that are taken for steps cost 80 eV when the lines are weak.
"""

from dataclasses import dataclass
from html import escape

import numpy as np

from eicpy.calibration.gain.continuum import BlockContinuum, shape_tables
from eicpy.calibration.gain.lines import LineArrays, LineModel
from eicpy.calibration.gain.model import predict
from eicpy.calibration.gain.tails import with_tail
from eicpy.kernels import kernel
from eicpy.typing import FloatArray, IntArray

__all__ = [
    "CameraSpectrum",
    "align",
    "block_windows",
    "counts_in_windows",
    "parameter_bounds",
    "pixel_guess",
]


@dataclass(frozen=True, slots=True)
class CameraSpectrum:
    """Fit of the camera's spectrum.

    Parameters
    ----------
    parameters
        In the order of ``LineModel.parameter_names``, shape (n_parameters,); counts of the whole camera.
    continua
        Shape κ of the continuum in each block.
    stretch
        Width of each line in units of its block's σ, shape (n_lines,).
    tail
        Share of a line's counts in its tail, and the tail's mean in units of the line's energy; (0, 0): none.
    lines
        The model.
    """

    parameters: FloatArray
    continua: tuple[BlockContinuum, ...]
    stretch: FloatArray
    tail: tuple[float, float]
    lines: LineModel

    def arrays(self) -> LineArrays:
        """The lines as arrays, with widths, tails and continua as found."""
        return self.tailed(self.without_tails(), self.tail)

    def without_tails(self) -> LineArrays:
        """The same without tails."""
        shape, low, step = shape_tables(list(self.continua))
        return self.lines.arrays()._replace(stretch=self.stretch, shape=shape, shape_low=low, shape_step=step)

    def tailed(self, arrays: LineArrays, tail: tuple[float, float]) -> LineArrays:
        """Arrays of lines with a tail: share, and mean in units of the line's energy."""
        return with_tail(arrays, *tail, self.parameters[arrays.first_parameter])

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
    expected = predict(camera.parameters, window[0], arrays, counts.shape[1])
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
