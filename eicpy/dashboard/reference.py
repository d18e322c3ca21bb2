"""A run to compare with: what it saw, and how far what is seen now differs from that.

Two numbers of counts, n in an exposure t and m in a reference of exposure s, both Poisson. Whether their
rates differ is judged by the likelihood ratio of Li & Ma (1983, ApJ 272, 317, eq. 17) with α = t/s, which
counts the scatter of both sides; the sign gives the direction. Where many bands are looked at, some
differ by chance: the answer comes with the probability that chance alone makes one of them differ as much
(Šidák: 1 − (1 − p)ᵏ for k bands). Dead time, double hits and changes of the instrument are not scatter of
Poisson: a long run differs significantly from almost any other, and then the size of the difference says
more than its significance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
import numpy.typing as npt

from eicpy.dashboard.live import PhotonSelection, PhotonView, whole_photons
from eicpy.events import Coverage, EventList, SpectraAccumulator
from eicpy.instruments import Instrument
from eicpy.runs import Run, follow
from eicpy.typing import FloatArray

__all__ = ["BANDS", "Comparison", "Reference", "chance", "compare", "significance"]

BANDS = 24
"""Bands of energy, equally wide in logarithm, in which spectra are compared."""


def significance(counts: npt.ArrayLike, reference: npt.ArrayLike, ratio: float) -> FloatArray:
    """Significance of a difference of two Poisson rates, Gaussian sigma, negative for a deficit.

    Parameters
    ----------
    counts, reference
        Counts here and there, same shape.
    ratio
        Exposure here over exposure there.

    Returns
    -------
    numpy.ndarray
        Same shape; 0 where nothing was counted on either side.

    Examples
    --------
    >>> significance([130, 100, 70], [100, 100, 100], 1.0).round(2).tolist()
    [1.98, 0.0, -2.31]
    """
    here = np.asarray(counts, dtype=np.float64)
    there = np.asarray(reference, dtype=np.float64)
    both = np.maximum(here + there, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(here > 0, here * np.log((1 + ratio) / ratio * here / both), 0.0)
        right = np.where(there > 0, there * np.log((1 + ratio) * there / both), 0.0)
    size = np.sqrt(2.0 * np.maximum(left + right, 0.0))  # rounding may leave less than 0
    return np.asarray(np.where(here >= ratio * there, size, -size))


def chance(sigma: float, trials: int) -> float:
    """Probability that the largest of `trials` equal rates differs by `sigma` or more."""
    single = erfc(abs(sigma) / sqrt(2.0))
    return float(-np.expm1(trials * np.log1p(-single))) if single < 1.0 else 1.0


class Reference:
    """What a run saw: photons by pixel and channel, and the exposure.

    Parameters
    ----------
    run
        As it is now; what is received later does not count.
    instrument
        Its detector.
    """

    def __init__(self, run: Run, instrument: Instrument) -> None:
        self.run, self.instrument = run, instrument
        self.coverage = Coverage()
        self.done = 0.0
        """Share that was read: 1 only when the counts hold all of it."""
        self._spectra = SpectraAccumulator(instrument.pixels.count, instrument.energy.channels)
        self._counts = self._spectra.counts

    def read(self) -> Iterator[None]:
        """Read the run, a piece at each step, so that the page can answer between two."""
        end = self.run.size
        with follow(self.run, self.instrument) as cursor:
            while cursor.position < end and not cursor.finished:
                self.done = cursor.position / end
                yield
                photons = EventList.of(cursor.poll().photons)
                self.add(photons[np.isfinite(photons.time)])
        self.finish()
        yield  # so that whoever reads shows what is complete only now

    def add(self, photons: EventList) -> None:
        """Count photons that have a time, one that hit several pixels as one."""
        self.coverage.add(photons.time)
        self._spectra.add(whole_photons(photons, self.instrument))

    def finish(self) -> None:
        """All is read."""
        self._counts = self._spectra.counts
        self.done = 1.0

    def image(self, chosen: PhotonSelection) -> FloatArray:
        """Counts of each pixel in the chosen energies."""
        wanted = chosen.channels(self.instrument)
        return np.asarray(self._counts[:, wanted].sum(axis=1, dtype=np.float64))

    def spectrum(self, chosen: PhotonSelection) -> FloatArray:
        """Counts in each channel in the chosen modules."""
        wanted = chosen.pixels(self.instrument)
        return np.asarray(self._counts[wanted].sum(axis=0, dtype=np.float64))


@dataclass(frozen=True)
class Comparison:
    """How what is seen now differs from a reference.

    Parameters
    ----------
    ratio
        Exposure now over exposure of the reference.
    expected
        Spectrum of the reference for the exposure now, counts by channel.
    mean
        Rate of the reference in the chosen energies and modules, count/s.
    edges
        Borders of the bands, keV, shape (bands + 1,).
    sigma
        Significance of the difference in each band.
    rate, rate_error
        Rate now over that of the reference, and its one-sigma error.
    rate_sigma
        Significance of the difference of the rates.
    image_ratio, image_sigma
        Rate now over that of the reference by pixel, and the significance; NaN where nothing was counted.
    """

    ratio: float
    expected: FloatArray
    mean: float
    edges: FloatArray
    sigma: FloatArray
    rate: float
    rate_error: float
    rate_sigma: float
    image_ratio: FloatArray
    image_sigma: FloatArray

    @property
    def worst(self) -> int:
        """The band that differs most."""
        return int(np.argmax(np.abs(self.sigma)))

    @property
    def by_chance(self) -> float:
        """Probability that chance alone makes a band differ as much as the worst, or more."""
        return chance(float(self.sigma[self.worst]), len(self.sigma))


def compare(view: PhotonView, reference: Reference) -> Comparison | None:
    """Compare what a view shows with a reference.

    Returns
    -------
    Comparison
        None as long as either side has no exposure.
    """
    here, there = view.exposure, reference.coverage.gti.exposure
    if here <= 0.0 or there <= 0.0:
        return None
    ratio, chosen = here / there, view.selection
    spectrum, usual = view.spectrum, reference.spectrum(chosen)
    wanted = chosen.channels(view.instrument)
    edges, bands_of_channels = _bands(view.instrument)
    now, before = (np.bincount(bands_of_channels, c, minlength=len(edges) - 1) for c in (spectrum, usual))
    count, expected = float(spectrum[wanted].sum()), float(usual[wanted].sum())
    rate = count / (expected * ratio) if expected else np.nan
    error = rate * sqrt(1.0 / count + 1.0 / expected) if count and expected else np.nan
    image = reference.image(chosen)
    seen = view.image + image > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        image_ratio = np.where(image > 0, view.image / (image * ratio), np.nan)
    return Comparison(
        ratio=ratio,
        expected=usual * ratio,
        mean=expected / there,
        edges=edges,
        sigma=significance(now, before, ratio),
        rate=rate,
        rate_error=error,
        rate_sigma=float(significance(count, expected, ratio)),
        image_ratio=image_ratio,
        image_sigma=np.where(seen, significance(view.image, image, ratio), np.nan),
    )


def _bands(instrument: Instrument) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Borders of the bands (keV), and the band of each channel; the ends hold what lies beyond."""
    scale = instrument.energy
    edges = np.geomspace(max(scale.low, 1e-3), scale.high, BANDS + 1)
    bands_of_channels = np.clip(np.searchsorted(edges, scale.centres, side="right") - 1, 0, BANDS - 1)
    used = np.unique(bands_of_channels)  # a band narrower than a channel may hold none
    borders = np.append(edges[used], edges[-1])
    return np.asarray(borders), np.searchsorted(used, bands_of_channels)
