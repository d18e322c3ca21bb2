"""Dead, noisy and low-efficiency pixels from the counts of one exposure in one band.

What a good pixel should count is fitted to the plane (:mod:`eicpy.calibration.pixels.plane`), and how often
it counts so little or so much comes from Poisson noise and a normal scatter of efficiencies
(:mod:`eicpy.calibration.pixels.tails`): judged by Poisson noise alone, a scatter of 5 % makes 1.4 % of good
pixels "bad" at 1700 counts. A pixel is a candidate when good pixels would count so little, or so much, with
less than the false-alarm probability asked for.

A source that nobody told of shadows the plane, and its shadow is taken for scatter of the pixels: no good
pixel is named, and no bad one found. How large a change would be found in half of the cases is therefore
part of the result.
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from eicpy.calibration.pixels.plane import DEAD_SHARE, PlaneFit, fit_plane
from eicpy.calibration.pixels.tails import Limits, limits, probability_high, probability_low
from eicpy.errors import BadArgumentError
from eicpy.instruments.pixels import PixelGrid
from eicpy.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from eicpy.figures.theme import Figure

__all__ = ["PixelHealth", "PixelStatus", "pixel_status"]


SMALLEST = 1e-300
"""Probability below which departures are not distinguished (37 σ)."""
FAMILY_SHARE = 0.2
"""Share of what a pixel counts otherwise that heat pipes must add before it counts as theirs."""
WORTH_SEEING = (0.5, 2.0)
"""A band that does not show a pixel of half, or of twice, the counts is called blind."""


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
    """Not to be judged: no valid counts, or a dead pixel would not stand out."""
    HIGH_THRESHOLD = 5
    """Counts next to nothing in the lowest band only: its threshold lies above."""
    HEAT_PIPE = 6
    """Counts more in the lowest band, as its neighbours along the side do: noise of heat pipes."""


@dataclass(frozen=True, slots=True)
class PixelHealth:
    """Candidates of one exposure and band, in the order of ``detnum``.

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
    limits
        Counts of each pixel at which it is named: so many or fewer, so many or more.
    light
        Counts that each known source brings to the plane, and their error, shape (sources, 2).
    """

    status: npt.NDArray[np.uint8]
    counts: FloatArray
    expected: FloatArray
    probability_low: FloatArray
    probability_high: FloatArray
    scatter: float
    false_alarm: float
    limits: Limits
    light: FloatArray = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def smallest_loss(self) -> float:
        """Share of the expected counts at which half of the pixels would be named; 0: not even a dead one.

        That of the pixel in the middle; larger shares than this are not seen.
        """
        return self._factor(
            np.where(self.limits.low < 0, 0.0, self.limits.low + 2.0 / 3.0)
        )  # median of a Poisson number

    @property
    def smallest_excess(self) -> float:
        """Multiple of the expected counts at which half of the pixels would be named.

        Smaller ones are not seen.
        """
        return self._factor(self.limits.high - 1.0 / 3.0)

    @property
    def blind(self) -> bool:
        """Whether a pixel with half, or with twice, the counts would be missed more often than found."""
        loss, excess = self.smallest_loss, self.smallest_excess
        return not (loss >= WORTH_SEEING[0] and excess <= WORTH_SEEING[1])

    def _factor(self, counts: npt.NDArray[np.floating]) -> float:
        known = np.isfinite(self.expected)
        return float(np.median(counts[known] / self.expected[known])) if known.any() else float("nan")

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

    def to_columns(self, exposure: float | FloatArray) -> dict[str, npt.NDArray[np.generic]]:
        """Columns of the product AUX-ECL-PIX-STA, one row a pixel.

        Parameters
        ----------
        exposure
            Time behind the counts, s: of all pixels, or of each, shape (n_pixels,).

        Raises
        ------
        BadArgumentError
            For an exposure that is not positive.
        """
        if not np.all(np.asarray(exposure) > 0.0):
            shortest = np.min(exposure)
            raise BadArgumentError(f"got an exposure of {shortest} s, expected a positive one")
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
            f"of good pixels {100 * self.scatter:.1f} %; half of those at ×{self.smallest_loss:.2g} and "
            f"×{self.smallest_excess:.2g} of the expected counts are found)</caption>"
            f"<tr><th>status</th><th>pixels</th></tr>{rows}</table>"
        )


def pixel_status(
    counts: npt.ArrayLike,
    grid: PixelGrid,
    *,
    false_alarm: float = 1e-4,
    illumination: npt.ArrayLike | None = None,
    shadows: npt.ArrayLike | None = None,
    heat_pipes: bool = False,
) -> PixelHealth:
    """Name candidates for dead, low-efficiency and noisy pixels.

    Parameters
    ----------
    counts
        Counts of each pixel in one band and exposure, shape (n_pixels,). NaN: unknown.
    grid
        Where the pixels are.
    false_alarm
        Probability, per pixel and side, that a good one is named; the mean over the plane where counts are
        few.
    illumination
        What is known of each pixel: a factor of its expected counts, shape (n_pixels,).
    shadows
        Share of each pixel that a known source lights, up to a factor, shape (n_pixels,) or (sources,
        n_pixels): how bright each is comes out of the counts.
    heat_pipes
        Look for noise of heat pipes along the two sides in y; pixels that have it are HEAT_PIPE, not NOISY.

    Returns
    -------
    PixelHealth

    Raises
    ------
    BadArgumentError
        For counts, illumination or shadows of another shape than the plane, or a false alarm outside (0,
        0.5).

    See Also
    --------
    pixel_status_by_band : The same in several bands at once.
    eicpy.events.ImageAccumulator : Counts of each pixel in bands.
    eicpy.imaging.Mask.shadow : The shadow of a source.
    eicpy.figures.plots.detector_status : Draw the status of pixels.

    Notes
    -----
    When everything is dark nothing can be judged: all pixels are UNKNOWN. The shadow of a source that is not
    given hides faults; :attr:`PixelHealth.smallest_loss` and :attr:`PixelHealth.smallest_excess` say how
    large ones.
    """
    n = np.asarray(counts, dtype=np.float64)
    if n.shape != (grid.count,):
        raise BadArgumentError(f"got counts of shape {n.shape}, expected ({grid.count},): one per detnum")
    if not 0.0 < false_alarm < 0.5:
        raise BadArgumentError(f"got a false alarm of {false_alarm}, expected a probability in (0, 0.5)")
    shape = np.ones(grid.count) if illumination is None else np.asarray(illumination, np.float64)
    if shape.shape != n.shape or not (np.isfinite(shape).all() and (shape > 0).all()):
        raise BadArgumentError(f"expected an illumination of shape {n.shape}, finite and positive everywhere")
    lit = np.empty((0, n.size)) if shadows is None else np.atleast_2d(np.asarray(shadows, np.float64))
    if lit.shape[1:] != n.shape or not (np.isfinite(lit).all() and (lit >= 0).all()):
        raise BadArgumentError(f"expected shadows of shape (sources, {grid.count}), finite and not negative")
    n = np.where(np.isfinite(n) & (n >= 0.0), np.round(n), np.nan)
    seen = lit.any(axis=1)
    fit = fit_plane(n, grid, shape, lit[seen], heat_pipes=heat_pipes)
    light = np.zeros((len(lit), 2))
    light[seen] = fit.light
    return replace(_judge(n, fit, false_alarm), light=light)


def _judge(n: FloatArray, fit: PlaneFit, false_alarm: float) -> PixelHealth:
    expected = fit.expected
    scatter = float(np.hypot(fit.scatter, fit.error))  # of a good pixel around what is expected of it
    found = limits(expected, scatter, false_alarm)
    status = np.full(n.size, PixelStatus.GOOD, np.uint8)
    with np.errstate(invalid="ignore"):
        few = n <= found.low
        silent = n <= DEAD_SHARE * expected
        family = fit.heat_pipes > FAMILY_SHARE * (expected - fit.heat_pipes)
        status[family] = PixelStatus.HEAT_PIPE
        status[n >= found.high] = PixelStatus.NOISY
        status[few] = PixelStatus.LOW_EFFICIENCY
        status[few & silent] = PixelStatus.DEAD
        status[(silent & ~few) | ~(np.isfinite(n) & (expected > 0.0))] = PixelStatus.UNKNOWN
    low = probability_low(n, expected, scatter)
    high = probability_high(n, expected, scatter)
    return PixelHealth(status, n, expected, low, high, fit.scatter, false_alarm, found)
