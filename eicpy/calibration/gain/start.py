"""Where the fit starts: correlation of all spectra with templates on a grid of energy scales.

A Poisson fit slides into the nearest maximum of the likelihood. When a gain moved by 1.5 % the Pb Kα
line lies 1.1 keV from where the last table expects it, and a fit started there may settle on a
neighbouring line (6 % of the pixels did, all of them reporting convergence). So the fit starts from a
search that looks everywhere: for each energy scale of a grid, the pattern of each block is laid
over the channels, weighted with the inverse of the background, made orthogonal to every quadratic
continuum, and multiplied with all spectra at once – a matrix product. For block b

    S_b = Σ_c n_c·t_c / √(Σ_c t_c²·B_c),   t = (L − Q·a)/B  with Qᵀ·t = 0,

is the significance, in σ, of the pattern at that position. Before anything is known the pattern is that of
the lines, and the sum of S_b²/2 over blocks (where positive) is the rise of the log likelihood with free
strengths. Once the camera's spectrum is fitted the pattern is that spectrum, edges included, and its
strength is known too: where A_b is expected and pixels' strengths scatter by τ, ln L rises by

    ½·[(A·S + τ⁻²)²/(A² + τ⁻²) − τ⁻² − ln(1 + τ²A²)].

The grid is spanned by the channels of a low and a high energy, which the data determine almost independently,
unlike gain and offset themselves. What pixels have in common decides where a pixel's counts do not: how all
scales moved, mean and scatter, is estimated from the likelihoods of all pixels (expectation and
maximisation), beside a small share of pixels that may be anywhere. The posterior on the grid also says how
probable it is that the scale is quite another one than that of the best fit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter1d

from eicpy.calibration.gain.camera_spectrum import CameraSpectrum, block_windows
from eicpy.calibration.gain.lines import Block, LineModel
from eicpy.calibration.gain.model import predict
from eicpy.calibration.gain.plane import widening
from eicpy.calibration.gain.table import GainTable
from eicpy.typing import FloatArray, IntArray

__all__ = ["StartingScales", "starting_scales"]


WIDEST = np.array(
    [0.03, 0.3]
)  # gain, relative, and offset, keV: how far scales scatter before one has looked
NARROWEST = np.array([0.004, 0.25])  # what the grid resolves: a scale lies within a step of a grid point
STRENGTH_SCATTER = 0.3  # relative, 1 σ; of a pixel's strengths around the camera's
STRAY = (1e-5, 0.01)  # share of pixels that go their own way: at least, and before one has looked
STRAYING = 2.0  # times the widest scatter; how far these may go
STEP = 2.0  # channels between grid points; the fit catches what lies within half of it
MARGIN = 5.0  # a second candidate is worth a fit when ln L is within this of the first
SAMPLE = 400  # pixels from which the common shift is estimated
NEAR = 4.0  # σ; a scale further away is another one
NEAREST = 7.0  # channels; a scale nearer than two widths of a line is not another one


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
    posterior
        Logarithm of the probability of each scale of the grid, up to a constant, shape (n_pixels, n_low,
        n_high); empty where it is not known.
    axes
        Channels of the low and the high energy on the grid.
    pivots
        These energies, keV.
    shift, scatter
        How all scales moved since the last table, as far as the grid resolves it: mean and scatter of the
        changes of gain (relative) and offset (keV), shape (2,) each; an infinite scatter where not known.
    """

    gain: FloatArray
    offset: FloatArray
    significance: FloatArray
    posterior: FloatArray = field(default_factory=lambda: np.empty((0, 0, 0)))
    axes: tuple[FloatArray, FloatArray] = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    pivots: tuple[float, float] = (0.0, 0.0)
    shift: FloatArray = field(default_factory=lambda: np.zeros(2))
    scatter: FloatArray = field(default_factory=lambda: np.full(2, np.inf))

    def elsewhere(self, gain: FloatArray, offset: FloatArray, sigma: FloatArray) -> FloatArray:
        """Probability that a scale is not the fitted one nor within its errors, shape (n_pixels,).

        Parameters
        ----------
        gain, offset
            Fitted.
        sigma
            Errors of the two energies of `pivots`, keV, shape (2, n_pixels).
        """
        if not self.posterior.size:
            return np.zeros(len(gain))
        near = []
        for axis, energy, error in zip(self.axes, self.pivots, sigma, strict=True):
            away = np.abs(axis[np.newaxis] - ((energy - offset) / gain)[:, np.newaxis])
            near.append((away <= np.maximum(NEAR * error / gain, NEAREST)[:, np.newaxis]).astype(float))
        weight = np.exp(self.posterior - self.posterior.max(axis=(1, 2), keepdims=True))
        here = np.einsum("nlh,nl,nh->n", weight, near[0], near[1], optimize=True)
        away_share: FloatArray = 1.0 - here / weight.sum(axis=(1, 2))
        return away_share


def starting_scales(
    spectra: FloatArray,
    previous: GainTable,
    lines: LineModel,
    *,
    reach: float = 0.05,
    n_candidates: int = 3,
    camera: CameraSpectrum | None = None,
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
    camera
        The camera's spectrum, where it is known already.
    """
    energies = _pivots(lines)
    axes = (_axis(previous, energies[0], reach), _axis(previous, energies[1], reach))
    low, high = (np.ravel(a) for a in np.meshgrid(*axes, indexing="ij"))
    gain = (energies[1] - energies[0]) / (high - low)
    offset = energies[0] - gain * low
    background = _background(spectra)
    rise = np.zeros((len(spectra), gain.size))
    for b, block in enumerate(lines.blocks):
        pattern = (
            _lines_pattern(block, lines.fwhm) if camera is None else _camera_pattern(camera, b, background)
        )
        first, templates, amplitude = _templates(block, pattern, gain, offset, background)
        window = slice(first, first + templates.shape[1])
        scale = np.sqrt(np.maximum(spectra[:, window].sum(axis=1) / background[window].sum(), 1e-9))
        significance = spectra[:, window] @ templates.T
        significance /= scale[:, np.newaxis]
        if camera is None:
            np.maximum(significance, 0.0, out=significance)
            rise += 0.5 * significance * significance
        else:
            rise += _known_strength(significance, scale[:, np.newaxis] * amplitude)
    best = np.sqrt(2.0 * np.maximum(rise.max(axis=1), 0.0))
    prior, shift, scatter = _log_prior(rise, gain, offset, previous)
    rise += prior
    posterior = rise.reshape(len(spectra), axes[0].size, axes[1].size)
    positions = _peaks(posterior.copy(), list(axes), n_candidates)
    gains = (energies[1] - energies[0]) / (positions[:, :, 1] - positions[:, :, 0])
    return StartingScales(
        gains, energies[0] - gains * positions[:, :, 0], best, posterior, axes, energies, shift, scatter
    )


def _known_strength(significance: FloatArray, expected: FloatArray) -> FloatArray:
    """Rise of ln L where the strength is known up to its scatter."""
    precision = STRENGTH_SCATTER**-2.0
    information = expected * expected + precision
    rise: FloatArray = 0.5 * (
        (expected * significance + precision) ** 2 / information - precision - np.log(information / precision)
    )
    return rise


def _log_prior(
    rise: FloatArray, gain: FloatArray, offset: FloatArray, previous: GainTable
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Logarithm of the probability of each scale, shape of `rise`; mean and scatter of all changes.

    Expectation: where each pixel of a sample probably is. Maximisation: mean and scatter of the changes, and
    the share of pixels that go their own way.
    """
    some = np.linspace(0, len(rise) - 1, min(len(rise), SAMPLE)).astype(int)
    likelihood = np.exp(rise[some] - rise[some].max(axis=1, keepdims=True))
    mean, scatter, stray = np.zeros(2), WIDEST.copy(), STRAY[1]
    values = np.stack([np.ones_like(gain), gain, gain**2, offset, offset**2], axis=1)
    wider = widening(previous)[:, np.newaxis]
    g, o = previous.gain[some], previous.offset[some]
    astray = np.sum(
        likelihood * _normal(gain, offset, g, o, np.zeros(2), STRAYING * WIDEST * wider[some]), axis=1
    )
    for _ in range(20):
        moments = (likelihood * _normal(gain, offset, g, o, mean, scatter * wider[some])) @ values
        belongs = (1.0 - stray) * moments[:, 0] / ((1.0 - stray) * moments[:, 0] + stray * astray + 1e-300)
        moments /= np.maximum(moments[:, :1], 1e-300)
        share = belongs / max(float(belongs.sum()), 1e-300)
        change = np.stack([moments[:, 1] / g - 1.0, moments[:, 3] - o])
        square = np.stack(
            [
                moments[:, 2] / g**2 - 2.0 * moments[:, 1] / g + 1.0,
                moments[:, 4] - 2.0 * o * moments[:, 3] + o**2,
            ]
        )
        before = scatter
        mean = change @ share
        scatter = np.sqrt(np.maximum(square @ share - mean**2, NARROWEST**2))
        scatter = np.minimum(scatter, WIDEST)
        stray = float(np.clip(1.0 - belongs.mean(), *STRAY))
        if np.all(np.abs(scatter / before - 1.0) < 0.02):
            break
    g, o = previous.gain, previous.offset
    prior = (1.0 - stray) * _normal(gain, offset, g, o, mean, scatter * wider)
    prior += stray * _normal(gain, offset, g, o, np.zeros(2), STRAYING * WIDEST * wider)
    return np.log(np.maximum(prior, 1e-300, out=prior), out=prior), mean, scatter


def _normal(
    gain: FloatArray, offset: FloatArray, g: FloatArray, o: FloatArray, mean: FloatArray, scatter: FloatArray
) -> FloatArray:
    """Normal distribution of gain and offset on the grid, sum 1 for each pixel, (n_pixels, n_scales).

    `mean` and `scatter` are those of the changes, shapes (2,) and (n_pixels, 2).
    """
    density = np.zeros((g.size, gain.size))
    _doubt(density, gain, g * (1.0 + mean[0]), g * scatter[:, 0])
    _doubt(density, offset, o + mean[1], scatter[:, 1])
    np.exp(density, out=density)
    density /= np.maximum(density.sum(axis=1, keepdims=True), 1e-300)
    return density


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
    margin = (reach * energy + float(WIDEST[1])) / float(np.median(previous.gain))
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


def _lines_pattern(block: Block, fwhm: float) -> Callable[[FloatArray], FloatArray]:
    """The lines of a block, Kβ groups a quarter as strong as Kα."""
    sigma = fwhm / 2.355

    def pattern(energy: FloatArray) -> FloatArray:
        total = np.zeros_like(energy)
        for line in block.lines:
            strength = line.fraction * (1.0 if line.group.endswith("a") else 0.25)
            total += strength * np.exp(-0.5 * ((energy - line.energy) / sigma) ** 2)
        return total

    return pattern


def _camera_pattern(
    camera: CameraSpectrum, b: int, background: FloatArray
) -> Callable[[FloatArray], FloatArray]:
    """The camera's spectrum in a block, counts per channel of a typical pixel."""
    gain, offset = camera.parameters[:2]
    expected = predict(
        camera.parameters, block_windows(camera.lines, gain[np.newaxis], offset[np.newaxis],
        background.size)[0], camera.arrays(), background.size,
    )  # fmt: skip
    energy = gain * (np.arange(background.size) + 0.5) + offset
    block = camera.lines.blocks[b]
    inside = np.isfinite(expected) & (energy > block.low) & (energy < block.high)
    typical = np.nan_to_num(expected) * inside
    typical *= (background * inside).sum() / max(float(typical.sum()), 1e-300)

    def pattern(at: FloatArray) -> FloatArray:
        values: FloatArray = np.interp(at, energy, typical)
        return values

    return pattern


def _templates(
    block: Block,
    pattern: Callable[[FloatArray], FloatArray],
    gain: FloatArray,
    offset: FloatArray,
    background: FloatArray,
) -> tuple[int, FloatArray, FloatArray]:
    """First channel, normalised templates, shape (n_scales, n_window), and the significance of `pattern`."""
    edges_low, edges_high = (block.low - offset) / gain, (block.high - offset) / gain
    n = background.size
    first = int(np.clip(np.floor(edges_low.min()), 0, n - 4))
    last = int(np.clip(np.ceil(edges_high.max()), first + 4, n))
    centre = np.arange(first, last) + 0.5
    energy = gain[:, np.newaxis] * centre + offset[:, np.newaxis]
    inside = (energy > block.low) & (energy < block.high)
    wanted = pattern(energy)
    level = background[first:last]
    weight = inside / level
    u = (2.0 * energy - block.low - block.high) / (block.high - block.low)
    continuum = np.stack([np.ones_like(u), u, u * u], axis=-1)
    normal = np.einsum("gc,gcp,gcq->gpq", weight, continuum, continuum, optimize=True)
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, np.newaxis, np.newaxis] * np.eye(
        3
    ) + 1e-300 * np.eye(3)
    right = np.einsum("gc,gcp->gp", weight * wanted, continuum)
    fitted = np.linalg.solve(normal, right[..., np.newaxis])
    template = weight * (wanted - (continuum @ fitted)[..., 0])
    amplitude = np.sqrt(np.maximum(np.sum(template * template * level, axis=1), 1e-300))
    template /= amplitude[:, np.newaxis]
    return first, template, amplitude


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
