"""The status of pixels from several bands of energy together.

What is wrong with a pixel shows in different bands: an extra dead layer takes photons below 8 keV and none
above, a raised threshold takes all of those, electronic noise and heat pipes add below 8 or 12 keV, a dead
pixel is dead everywhere (Xie et al. 2024, A&A 683, A60). In the sum of all bands the first two drown: 15 %
of the counts.

A pixel's band begins and ends at channels, a share of a channel away from the band's limits. At 4 to 8 keV
one channel in 27 is 4 %, as much as efficiencies scatter, so what each pixel covers of the band goes into
what it should count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.calibration.pixels.status import PixelHealth, PixelStatus, pixel_status
from eicpy.errors import BadArgumentError
from eicpy.events.bands import Scale
from eicpy.instruments.pixels import PixelGrid
from eicpy.typing import FloatArray, IntArray

__all__ = ["BandedHealth", "counts_in_bands", "pixel_status_by_band"]

Bands = Sequence[tuple[float, float]]

THRESHOLD_SHARE = 0.2
"""Share of the expected counts in the lowest band below which a threshold, not a dead layer, takes them."""


@dataclass(frozen=True)
class BandedHealth:
    """Candidates of one exposure from several bands, in the order of ``detnum``.

    Parameters
    ----------
    status
        :class:`PixelStatus` from all bands, uint8, shape (n_pixels,).
    bands
        (low, high) of each band, keV.
    health
        The judgement in each.
    """

    status: npt.NDArray[np.uint8]
    bands: tuple[tuple[float, float], ...]
    health: tuple[PixelHealth, ...]

    def number(self, status: PixelStatus) -> int:
        """How many pixels have a status."""
        return int(np.count_nonzero(self.status == status))

    def pixels(self, status: PixelStatus) -> IntArray:
        """The ``detnum`` of the pixels with a status."""
        return np.flatnonzero(self.status == status)

    @property
    def significance(self) -> FloatArray:
        """The largest departure of each pixel in any band, in standard deviations, with its sign."""
        each = np.stack([h.significance for h in self.health])
        largest = np.argmax(np.abs(np.nan_to_num(each)), axis=0)
        return np.asarray(np.take_along_axis(each, largest[np.newaxis], axis=0)[0])

    @property
    def light(self) -> FloatArray:
        """Counts that each known source brings in all bands, and their error, shape (sources, 2)."""
        each = np.stack([h.light for h in self.health])
        return np.stack([each[..., 0].sum(axis=0), np.sqrt((each[..., 1] ** 2).sum(axis=0))], axis=-1)

    def to_columns(self, exposure: float | FloatArray) -> dict[str, npt.NDArray[np.generic]]:
        """Columns of the product AUX-ECL-PIX-STA, one row a pixel: all bands together, then each.

        Parameters
        ----------
        exposure
            Time behind the counts, s: of all pixels, or of each, shape (n_pixels,).

        Raises
        ------
        BadArgumentError
            For an exposure that is not positive.
        """
        each = [h.to_columns(exposure) for h in self.health]
        columns = {
            "DETNUM": each[0]["DETNUM"],
            "STATUS": self.status,
            "RATE": np.sum([c["RATE"] for c in each], axis=0),
            "EXPECTED": np.sum([c["EXPECTED"] for c in each], axis=0),
            "SIGNIFICANCE": self.significance,
        }
        for name in ("STATUS", "RATE", "EXPECTED", "SIGNIFICANCE"):
            columns |= {f"{name}_{k}": c[name] for k, c in enumerate(each, start=1)}
        return columns

    def to_header(self) -> dict[str, tuple[float | bool, str]]:
        """Cards of the product: limits of each band, and how small a change in it is still seen."""
        cards: dict[str, tuple[float | bool, str]] = {}
        for k, ((low, high), h) in enumerate(zip(self.bands, self.health, strict=True), start=1):
            cards |= {
                f"EMIN{k}": (low, f"keV, lower limit of band {k}"),
                f"EMAX{k}": (high, f"keV, upper limit of band {k}"),
                f"FALARM{k}": (h.false_alarm, "false alarms asked for, per pixel and side"),
                f"SCATTER{k}": (_finite(h.scatter), "relative scatter of good pixels"),
                f"LOSS{k}": (_finite(h.smallest_loss), "share of counts at which half are named"),
                f"EXCESS{k}": (_finite(h.smallest_excess), "multiple of counts at which half are named"),
                f"BLIND{k}": (h.blind, "half or twice the counts would be missed"),
            }
        return cards


def _finite(value: float) -> float:
    """Value for a card; −1 where nothing is known."""
    return round(value, 4) if np.isfinite(value) else -1.0


def counts_in_bands(
    spectra: npt.NDArray[np.integer], scale: Scale, bands: Bands
) -> tuple[FloatArray, FloatArray]:
    """Counts of each pixel in bands of energy, and the share of each band that its channels cover.

    Parameters
    ----------
    spectra
        Counts of each pixel and channel, shape (n_pixels, channels).
    scale
        Gain (keV per channel) and offset (keV) of each pixel.
    bands
        (low, high) in keV; a channel belongs to a band when its centre does.

    Returns
    -------
    counts, share : numpy.ndarray
        Shape (bands, n_pixels). Counts are NaN for a pixel without a scale. The share is that of the counts
        which the mean spectrum of ordinary pixels has in the band.
    """
    gain, offset = np.asarray(scale.gain, np.float64), np.asarray(scale.offset, np.float64)
    known = np.isfinite(gain) & np.isfinite(offset) & (gain > 0.0)
    counts, share = np.full((len(bands), len(spectra)), np.nan), np.ones((len(bands), len(spectra)))
    if not known.any():
        return counts, share
    total = spectra.sum(axis=1)
    low, high = np.quantile(total[known], (0.25, 0.75))
    ordinary = known & (total >= low) & (total <= high)
    below = np.concatenate([[0.0], np.cumsum(spectra[ordinary].sum(axis=0, dtype=np.float64))])
    edges = np.median(gain[known]) * np.arange(below.size) + np.median(offset[known])
    up_to = np.zeros((np.count_nonzero(known), below.size))
    np.cumsum(spectra[known], axis=1, out=up_to[:, 1:])
    row = np.arange(len(up_to))
    for k, band in enumerate(bands):
        first, last = (np.ceil((e - offset[known]) / gain[known] - 0.5).clip(0, below.size - 1) for e in band)
        counts[k, known] = up_to[row, last.astype(int)] - up_to[row, first.astype(int)]
        covered = np.interp(gain[known] * last + offset[known], edges, below) - np.interp(
            gain[known] * first + offset[known], edges, below
        )
        whole = np.interp(band[1], edges, below) - np.interp(band[0], edges, below)
        if whole > 0.0:
            share[k, known] = np.clip(covered / whole, 0.01, None)
    return counts, share


def pixel_status_by_band(
    counts: npt.ArrayLike,
    grid: PixelGrid,
    bands: Bands,
    *,
    false_alarm: float = 1e-4,
    share: npt.ArrayLike | None = None,
    shadows: npt.ArrayLike | None = None,
    heat_pipes: bool = False,
) -> BandedHealth:
    """Name candidates for bad pixels from several bands.

    Parameters
    ----------
    counts
        Counts of each pixel in each band, shape (bands, n_pixels). NaN: unknown.
    grid
        Where the pixels are.
    bands
        (low, high) of each band in keV, the lowest first.
    false_alarm
        Probability, per pixel and side, that a good one is named; the bands share it equally.
    share
        What each pixel covers of each band, shape (bands, n_pixels); see :func:`counts_in_bands`.
    shadows
        Share of each pixel that known sources light, as of :func:`pixel_status`.
    heat_pipes
        Look for noise of heat pipes in the lowest band.

    Raises
    ------
    BadArgumentError
        For counts or shares of another shape than the bands, and as :func:`pixel_status`.

    Notes
    -----
    A pixel is DEAD when it is dead in every band that can tell, HIGH_THRESHOLD when only the lowest is
    (nearly) empty. Else it is NOISY or of LOW_EFFICIENCY when any band says so, in this order, and HEAT_PIPE
    when that is all.
    """
    n = np.asarray(counts, np.float64)
    if n.shape != (len(bands), grid.count) or not len(bands):
        raise BadArgumentError(f"got counts of shape {n.shape}, expected ({len(bands)}, {grid.count})")
    shares = np.ones(n.shape) if share is None else np.asarray(share, np.float64)
    if shares.shape != n.shape:
        raise BadArgumentError(f"got shares of shape {shares.shape}, expected {n.shape}")
    health = tuple(
        pixel_status(
            n[k], grid, false_alarm=false_alarm / len(bands), illumination=shares[k], shadows=shadows,
            heat_pipes=heat_pipes and k == 0,
        )
        for k in range(len(bands))
    )  # fmt: skip
    return BandedHealth(_together(health), tuple((float(a), float(b)) for a, b in bands), health)


def _together(health: Sequence[PixelHealth]) -> npt.NDArray[np.uint8]:
    each = np.stack([h.status for h in health])
    lowest = health[0]

    def any_is(status: PixelStatus) -> npt.NDArray[np.bool_]:
        return np.asarray((each == status).any(axis=0))

    named = (each[0] == PixelStatus.DEAD) | (each[0] == PixelStatus.LOW_EFFICIENCY)
    counts_above = ~np.isin(each[1:], (PixelStatus.DEAD, PixelStatus.UNKNOWN)).all(axis=0)
    with np.errstate(invalid="ignore"):
        threshold = named & (lowest.counts <= THRESHOLD_SHARE * lowest.expected) & counts_above
    if len(health) == 1:
        threshold[:] = False
    silent = np.isin(each, (PixelStatus.DEAD, PixelStatus.UNKNOWN)).all(axis=0)
    dead = silent & any_is(PixelStatus.DEAD)
    noisy, low = any_is(PixelStatus.NOISY), any_is(PixelStatus.LOW_EFFICIENCY) | any_is(PixelStatus.DEAD)
    pipes = any_is(PixelStatus.HEAT_PIPE)
    conditions = [dead, silent, threshold, noisy, low, pipes]
    codes = [
        PixelStatus.DEAD, PixelStatus.UNKNOWN, PixelStatus.HIGH_THRESHOLD, PixelStatus.NOISY,
        PixelStatus.LOW_EFFICIENCY, PixelStatus.HEAT_PIPE,
    ]  # fmt: skip
    return np.select(conditions, [np.uint8(c) for c in codes], np.uint8(PixelStatus.GOOD)).astype(np.uint8)
