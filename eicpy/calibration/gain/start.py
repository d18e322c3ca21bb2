"""Where the fit starts: correlation of all spectra with templates on a grid of energy scales.

A Poisson fit slides into the nearest maximum of the likelihood. When a gain moved by 1.5 % the Pb Kα
line lies 1.1 keV from where the last table expects it, and a fit started there may settle on a
neighbouring line (6 % of the pixels did, all of them reporting convergence). So the fit starts from a
search that looks everywhere: for each energy scale of a grid, the line pattern of each block is laid
over the channels, weighted with the inverse of the background, made orthogonal to every quadratic
continuum, and multiplied with all spectra at once – a matrix product. For block b

    S_b = Σ_c n_c·t_c / √(Σ_c t_c²·B_c),   t = (L − Q·a)/B  with Qᵀ·t = 0,

is the significance, in σ, of the lines at that position; the sum of S_b²/2 over blocks (where positive) is
the rise of the log likelihood with free strengths. The grid is spanned by the channels of a low and a
high energy, which the data determine almost independently, unlike gain and offset themselves. What the
last table gives counts as a wide Gaussian (3 % in gain, 0.3 keV in offset): it decides only where the
counts do not.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from eicpy.calibration.gain.lines import Block, LineModel
from eicpy.calibration.gain.table import GainTable
from eicpy.typing import FloatArray, IntArray

__all__ = ["StartingScales", "starting_scales"]


PLANE_GAIN_SCATTER = 0.03  # relative; how far a scale may have moved before the search doubts it
PLANE_OFFSET_SCATTER = 0.3  # keV
STEP = 2.0  # channels between grid points; the fit catches what lies within half of it
MARGIN = 5.0  # a second candidate is worth a fit when ln L is within this of the first


@dataclass(frozen=True, slots=True)
class StartingScales:
    """Energy scales to start from.

    Parameters
    ----------
    gain, offset
        keV per channel and keV, shape (n_candidates, n_pixels); the first candidate is the best, further
        ones are NaN where no other position is nearly as good.
    significance
        Of all lines together at the best position, σ, shape (n_pixels,).
    """

    gain: FloatArray
    offset: FloatArray
    significance: FloatArray


def starting_scales(
    spectra: FloatArray,
    previous: GainTable,
    lines: LineModel,
    *,
    reach: float = 0.05,
    n_candidates: int = 3,
) -> StartingScales:
    """Search the energy scale of each pixel.

    Parameters
    ----------
    spectra
        Counts, shape (n_pixels, n_channels).
    previous
        The last table; the grid covers what lies within `reach` of its values.
    lines
        The lines to look for.
    reach
        Largest relative change of a gain that is looked for.
    n_candidates
        How many positions are returned for each pixel at most.
    """
    energies = _pivots(lines)
    axes = [_axis(previous, E, reach) for E in energies]
    low, high = (np.ravel(a) for a in np.meshgrid(*axes, indexing="ij"))
    gain = (energies[1] - energies[0]) / (high - low)
    offset = energies[0] - gain * low
    background = _background(spectra)
    rise = np.zeros((len(spectra), gain.size))
    for block in lines.blocks:
        first, templates = _templates(block, lines.fwhm, gain, offset, background)
        window = slice(first, first + templates.shape[1])
        scale = np.sqrt(np.maximum(spectra[:, window].sum(axis=1) / background[window].sum(), 1e-9))
        significance = spectra[:, window] @ templates.T
        significance /= scale[:, np.newaxis]
        np.maximum(significance, 0.0, out=significance)
        rise += significance * significance
    rise *= 0.5
    best = np.sqrt(2.0 * rise.max(axis=1))
    _doubt(rise, gain, previous.gain, PLANE_GAIN_SCATTER * previous.gain)
    _doubt(rise, offset, previous.offset, np.full(len(previous), PLANE_OFFSET_SCATTER))
    positions = _peaks(rise.reshape(len(spectra), axes[0].size, axes[1].size), axes, n_candidates)
    gains = (energies[1] - energies[0]) / (positions[:, :, 1] - positions[:, :, 0])
    return StartingScales(gain=gains, offset=energies[0] - gains * positions[:, :, 0], significance=best)


def _doubt(rise: FloatArray, grid: FloatArray, expected: FloatArray, width: FloatArray) -> None:
    """Subtract ½·((grid − expected)/width)² from (n_pixels, n_scales): a matrix product, written out."""
    weight = 0.5 / width**2
    rise -= np.stack([weight, -2.0 * weight * expected, weight * expected**2], axis=1) @ np.stack(
        [grid**2, grid, np.ones_like(grid)]
    )


def _pivots(lines: LineModel) -> tuple[float, float]:
    """A low and a high energy that the lines determine: the first and the last strong line."""
    energies = [line.energy for block in lines.blocks for line in block.lines if line.fraction > 0.3]
    return min(energies), max(energies)


def _axis(previous: GainTable, energy: float, reach: float) -> FloatArray:
    """Channels (edges, not centres) where `energy` may lie in any pixel."""
    position = (energy - previous.offset) / previous.gain
    low, high = np.quantile(position, (0.002, 0.998))
    margin = (reach * energy + PLANE_OFFSET_SCATTER) / float(np.median(previous.gain))
    n = int(np.ceil((high - low + 2.0 * margin) / STEP)) + 1
    centre = 0.5 * (low + high)
    axis: FloatArray = centre + STEP * (np.arange(n) - 0.5 * (n - 1))
    return axis


def _background(spectra: FloatArray) -> FloatArray:
    """Smooth mean spectrum, counts per channel and pixel, without the pixels that count too much."""
    total = spectra.sum(axis=1)
    alive = total > 0
    if alive.any():
        alive &= total < 3.0 * np.median(total[alive])
    mean = spectra[alive].mean(axis=0) if alive.any() else np.zeros(spectra.shape[1])
    smooth: FloatArray = uniform_filter1d(mean, 15, mode="nearest")
    return np.maximum(smooth, max(1e-3 * float(smooth.mean()), 1e-6))


def _templates(
    block: Block, fwhm: float, gain: FloatArray, offset: FloatArray, background: FloatArray
) -> tuple[int, FloatArray]:
    """First channel and normalised templates, shape (n_scales, n_window), of a block."""
    edges_low, edges_high = (block.low - offset) / gain, (block.high - offset) / gain
    n = background.size
    first = int(np.clip(np.floor(edges_low.min()), 0, n - 4))
    last = int(np.clip(np.ceil(edges_high.max()), first + 4, n))
    centre = np.arange(first, last) + 0.5
    energy = gain[:, np.newaxis] * centre + offset[:, np.newaxis]
    inside = (energy > block.low) & (energy < block.high)
    sigma = fwhm / 2.355
    pattern = np.zeros_like(energy)
    strength = {name: 1.0 if name.endswith("a") else 0.25 for name in block.groups}
    for line in block.lines:
        pattern += strength[line.group] * line.fraction * np.exp(-0.5 * ((energy - line.energy) / sigma) ** 2)
    level = background[first:last]
    weight = inside / level
    u = (2.0 * energy - block.low - block.high) / (block.high - block.low)
    continuum = np.stack([np.ones_like(u), u, u * u], axis=-1)
    normal = np.einsum("gc,gcp,gcq->gpq", weight, continuum, continuum, optimize=True)
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] * np.eye(
        3
    ) + 1e-300 * np.eye(3)
    right = np.einsum("gc,gcp->gp", weight * pattern, continuum)
    fitted = np.linalg.solve(normal, right[..., np.newaxis])
    template = weight * (pattern - (continuum @ fitted)[..., 0])
    variance = np.sum(template * template * level, axis=1)
    template /= np.sqrt(np.maximum(variance, 1e-300))[:, np.newaxis]
    return first, template


def _peaks(rise: FloatArray, axes: list[FloatArray], n_candidates: int) -> FloatArray:
    """Places of the highest maxima, refined by parabolas, shape (n_candidates, n_pixels, 2)."""
    n, n_low, n_high = rise.shape
    pixel = np.arange(n)
    positions = np.full((n_candidates, n, 2), np.nan)
    best = np.zeros(n)
    for candidate in range(n_candidates):
        flat = rise.reshape(n, -1).argmax(axis=1)
        i, j = np.unravel_index(flat, (n_low, n_high))
        value = rise[pixel, i, j]
        if candidate == 0:
            best = value
        worth = value > best - MARGIN
        a = _vertex(rise, pixel, (i, j), 0)
        b = _vertex(rise, pixel, (i, j), 1)
        positions[candidate, worth, 0] = (axes[0][i] + STEP * a)[worth]
        positions[candidate, worth, 1] = (axes[1][j] + STEP * b)[worth]
        if candidate + 1 < n_candidates:
            _blank(rise, i, j)
    return positions


def _vertex(rise: FloatArray, pixel: IntArray, position: tuple[IntArray, ...], axis: int) -> FloatArray:
    """Vertex of the parabola through three neighbours, in steps from the middle one; 0 at a border."""
    size = rise.shape[axis + 1]
    index = position[axis]
    inner = (index > 0) & (index < size - 1)
    before, after = list(position), list(position)
    before[axis], after[axis] = np.maximum(index - 1, 0), np.minimum(index + 1, size - 1)
    y0, y1, y2 = rise[pixel, *before], rise[pixel, *position], rise[pixel, *after]
    usable = inner & np.isfinite(y0) & np.isfinite(y2) & (2.0 * y1 > y0 + y2)
    y0, y1, y2 = y0[usable], y1[usable], y2[usable]
    shift = np.zeros(pixel.size)
    shift[usable] = np.clip(0.5 * (y0 - y2) / (y0 - 2.0 * y1 + y2), -0.5, 0.5)
    return shift


def _blank(rise: FloatArray, i: IntArray, j: IntArray) -> None:
    """Remove the neighbourhood of a maximum (three steps) before the next one is looked for."""
    pixel = np.arange(rise.shape[0])
    for di in range(-3, 4):
        for dj in range(-3, 4):
            a, b = i + di, j + dj
            inside = (a >= 0) & (a < rise.shape[1]) & (b >= 0) & (b < rise.shape[2])
            rise[pixel[inside], a[inside], b[inside]] = -np.inf
