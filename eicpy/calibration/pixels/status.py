"""Dead, noisy and low-efficiency pixels from the counts of one exposure.

Pixels see nearly the same background: what a pixel should count is a smooth surface over the plane (the
sky background through the mask is flat up to a quadratic) times what shadows a bright source throws.
Good pixels scatter around it by Poisson noise *and* by a few per cent of their own (crystal, threshold):
judged by Poisson noise alone, a 5 % scatter makes 1.4 % of good pixels "bad" at 1700 counts. So the
pixel's own scatter s is measured on the plane, and counts are judged by the gamma-Poisson distribution

    N ~ Poisson(μ·g),  g ~ Gamma(mean 1, variance s²):  mean μ, variance μ + s²·μ²,

with tails that are exact at ten counts as at ten thousand. A pixel is a candidate when good pixels would
count so little or so much with less than the false-alarm probability asked for.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from eicpy.errors import BadArgumentError
from eicpy.instruments.pixels import PixelGrid
from eicpy.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from eicpy.figures.theme import Figure

__all__ = ["PixelHealth", "PixelStatus", "pixel_status"]


DEAD_SHARE = 0.05  # of the expected counts; less counts as nothing
MAX_ROUNDS = 20
CLIP = 1e-3  # probability at which a pixel stops shaping the surface
SMALLEST = 1e-300  # probability below which departures are not distinguished (37 σ)
MIN_PIXELS = 60  # with fewer, the surface is a constant


class PixelStatus(IntEnum):
    """What the counts say of a pixel: the column STATUS of AUX-ECL-PIX-STA (eicpy's own codes)."""

    GOOD = 0
    """Counts as expected."""
    DEAD = 1
    """Counts nothing, or next to nothing, where others count."""
    LOW_EFFICIENCY = 2
    """Counts too little."""
    NOISY = 3
    """Counts too much."""
    UNKNOWN = 4
    """Not to be judged: no valid counts, or too few expected for a dead pixel to stand out."""


@dataclass(frozen=True, slots=True)
class PixelHealth:
    """Candidates of one exposure, in the order of ``detnum``.

    Parameters
    ----------
    status
        :class:`PixelStatus`, uint8, shape (n_pixels,).
    counts, expected
        Counts and what a good pixel would have; same shape. NaN where not known.
    probability_low, probability_high
        Probability that a good pixel counts as little, or as much; same shape.
    scatter
        Relative scatter of good pixels beyond Poisson noise.
    false_alarm
        Probability, per pixel and side, at which a candidate is named.
    """

    status: npt.NDArray[np.uint8]
    counts: FloatArray
    expected: FloatArray
    probability_low: FloatArray
    probability_high: FloatArray
    scatter: float
    false_alarm: float

    def number(self, status: PixelStatus) -> int:
        """How many pixels have a status."""
        return int(np.count_nonzero(self.status == status))

    def pixels(self, status: PixelStatus) -> IntArray:
        """The ``detnum`` of the pixels with a status."""
        return np.flatnonzero(self.status == status)

    @property
    def significance(self) -> FloatArray:
        """Departure from a good pixel's counts in standard deviations of a normal distribution.

        Positive for too many; shape (n_pixels,), NaN where unknown.
        """
        high = self.probability_high < self.probability_low
        chance = np.where(high, self.probability_high, self.probability_low)
        # at the middle of a coarse distribution both sides have more than half: no departure
        sigma: FloatArray = -ndtri(np.clip(chance, SMALLEST, 0.5)) * np.where(high, 1.0, -1.0)
        return sigma

    def to_columns(self, exposure: float) -> dict[str, npt.NDArray[np.generic]]:
        """Columns of the product AUX-ECL-PIX-STA, one row a pixel.

        Parameters
        ----------
        exposure
            Time behind the counts, s.

        Raises
        ------
        BadArgumentError
            For an exposure that is not positive.
        """
        if not exposure > 0.0:
            raise BadArgumentError(f"got an exposure of {exposure} s, expected a positive one")
        return {
            "DETNUM": np.arange(self.status.size, dtype=np.int16),
            "STATUS": self.status,
            "RATE": self.counts / exposure,
            "EXPECTED": self.expected / exposure,
            "SIGNIFICANCE": self.significance,
        }

    def plot(self, grid: PixelGrid, title: str = "Status of the pixels") -> "Figure":
        """Draw the status of each pixel, with a legend that counts those of each.

        Parameters
        ----------
        grid
            Where the pixels are, ``instrument.pixels``.
        title
            What is shown.
        """
        from eicpy.figures.plots import detector_status  # noqa: PLC0415, only figures need Bokeh

        labels = {int(s): s.name.lower().replace("_", " ") for s in PixelStatus}
        return detector_status(self.status, grid, labels, title)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{status.name.lower().replace('_', ' ')}</td><td>{self.number(status)}</td></tr>"
            for status in PixelStatus
        )
        return (
            f"<table><caption>Pixel candidates (false alarm {self.false_alarm:g} per pixel and side, scatter "
            f"of good pixels {100 * self.scatter:.1f} %)</caption>"
            f"<tr><th>status</th><th>pixels</th></tr>{rows}</table>"
        )


def pixel_status(
    counts: npt.ArrayLike,
    grid: PixelGrid,
    *,
    false_alarm: float = 1e-4,
    illumination: npt.ArrayLike | None = None,
) -> PixelHealth:
    """Name candidates for dead, low-efficiency and noisy pixels.

    Parameters
    ----------
    counts
        Counts of each pixel in one band and exposure, shape (n_pixels,). NaN: unknown.
    grid
        Where the pixels are.
    false_alarm
        Probability, per pixel and side, that a good one is named.
    illumination
        What a bright source adds, relative: expected counts of each pixel up to a factor (the fitted
        surface is multiplied by it), shape (n_pixels,). Without it the shadows of a source look like
        low and noisy pixels.

    Returns
    -------
    PixelHealth

    Raises
    ------
    BadArgumentError
        For counts or illumination of another shape than the plane, or a false alarm outside (0, 0.5).

    See Also
    --------
    eicpy.events.ImageAccumulator : Counts of each pixel in bands.
    eicpy.figures.plots.detector_status : Draw the status of pixels.

    Notes
    -----
    When everything is dark nothing can be judged: all pixels are UNKNOWN.
    """
    n = np.asarray(counts, dtype=np.float64)
    if n.shape != (grid.count,):
        raise BadArgumentError(f"got counts of shape {n.shape}, expected ({grid.count},): one per detnum")
    if not 0.0 < false_alarm < 0.5:
        raise BadArgumentError(f"got a false alarm of {false_alarm}, expected a probability in (0, 0.5)")
    shape = np.ones(grid.count) if illumination is None else np.asarray(illumination, np.float64)
    if shape.shape != n.shape or not (np.isfinite(shape).all() and (shape > 0).all()):
        raise BadArgumentError(f"expected an illumination of shape {n.shape}, finite and positive everywhere")
    valid = np.isfinite(n) & (n >= 0.0)
    n = np.where(valid, np.round(n), np.nan)
    expected, scatter = _surface(n, valid, grid, shape)
    low, high = _tails(n, expected, scatter)
    status = np.full(n.size, PixelStatus.GOOD, np.uint8)
    status[high < false_alarm] = PixelStatus.NOISY
    few = low < false_alarm
    status[few] = PixelStatus.LOW_EFFICIENCY
    status[few & (n <= DEAD_SHARE * expected)] = PixelStatus.DEAD
    silent = (n == 0.0) & ~few
    status[silent | ~valid | ~(expected > 0.0)] = PixelStatus.UNKNOWN
    return PixelHealth(status, n, expected, low, high, scatter, false_alarm)


def _surface(
    n: FloatArray, valid: BoolArray, grid: PixelGrid, illumination: FloatArray
) -> tuple[FloatArray, float]:
    """Expected counts and scatter of good pixels, by clipped weighted least squares."""
    if not valid.any() or not np.nansum(n) > 0.0:
        return np.full(n.size, np.nan), 0.0
    i, j = grid.ij(np.arange(grid.count))
    y, z = 2.0 * j / max(grid.columns - 1, 1) - 1.0, 2.0 * i / max(grid.rows - 1, 1) - 1.0
    terms = (
        [np.ones(grid.count), y, z, y * y, y * z, z * z]
        if grid.count >= MIN_PIXELS
        else [np.ones(grid.count)]
    )
    design = np.stack(terms, axis=1) * illumination[:, np.newaxis]
    level = float(np.median(n[valid] / illumination[valid])) or float(np.mean(n[valid] / illumination[valid]))
    expected, scatter = level * illumination, _scatter(n[valid], level * illumination[valid])
    used = valid
    for _ in range(MAX_ROUNDS):
        low, high = _tails(n, expected, scatter)
        before, used = used, valid & (low > CLIP) & (high > CLIP)
        if np.count_nonzero(used) < 2 * len(terms):
            break
        weight = 1.0 / np.sqrt(expected[used] + (scatter * expected[used]) ** 2)
        solution = np.linalg.lstsq(design[used] * weight[:, np.newaxis], n[used] * weight, rcond=None)[0]
        expected = np.maximum(design @ solution, 1e-3 * level * illumination)
        scatter = _scatter(n[used], expected[used])
        if np.array_equal(before, used):
            break
    return expected, scatter


def _scatter(n: FloatArray, expected: FloatArray) -> float:
    """Relative scatter beyond Poisson noise, from the quartiles (the tails are what is judged)."""
    relative = (n - expected) / expected
    quartiles = np.quantile(relative, (0.25, 0.75))
    variance = (float(quartiles[1] - quartiles[0]) / 1.349) ** 2 - float(np.mean(1.0 / expected))
    return float(np.sqrt(max(variance, 0.0)))


def _tails(n: FloatArray, expected: FloatArray, scatter: float) -> tuple[FloatArray, FloatArray]:
    """Probability that a good pixel counts n or less, and n or more; NaN where unknown."""
    from scipy.stats import nbinom, poisson  # noqa: PLC0415, takes seconds: only where it is needed

    with np.errstate(invalid="ignore"):
        if scatter < 1e-3:
            low, high = poisson.cdf(n, expected), poisson.sf(n - 1.0, expected)
        else:
            size = 1.0 / scatter**2
            share = size / (size + expected)
            low, high = nbinom.cdf(n, size, share), nbinom.sf(n - 1.0, size, share)
    return np.asarray(low, np.float64), np.asarray(high, np.float64)
