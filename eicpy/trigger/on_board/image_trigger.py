r"""The image trigger of the camera: sky images of 20.48 s·2ᵏ, one of each every 20.48 s, in each band.

Every cycle of 20.48 s is decoded once in each band. Taken out are a quadratic background, the bowl of the
cosmic background, the part of it that the Earth hides, and the known sources. While the camera looks the same
way, fluxes of the same direction add up, and so do the coefficients of the background from which the variance
follows:

    F_k(now) = F_{k−1}(now) + F_{k−1}(2^{k−1} cycles ago),

one addition for each exposure, whatever its length. When the camera turns the sums begin anew.

An image with a scatter above 1 holds something that was not taken out, and its peaks mean less. The threshold
of each image is therefore multiplied with the standard deviation of its significances where that is above 1,
those above 4 left out (ours; the threshold on board is adaptive, how is not public).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.catalogue import SourceCatalogue
from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands
from eicpy.imaging import (
    CleanedDecoder,
    DiffuseSky,
    Mask,
    Peak,
    SkyDecoder,
    SkyImage,
    SmoothVariance,
    quadratic_shapes,
)
from eicpy.kernels import kernel
from eicpy.orbit import Pointing, earth_radius, separation, tangent_vector
from eicpy.trigger.alert import Excess
from eicpy.trigger.configuration import CYCLE, TriggerConfiguration
from eicpy.trigger.on_board.identification import KnownSources
from eicpy.typing import BoolArray, FloatArray

__all__ = ["ImageMargin", "ImageTrigger", "SkyExcess"]

_STILL = float(np.radians(0.05))
"""A tenth of a pixel of the sky image: turned by less, the camera looks the same way."""
_LEAST_EXPOSURE = 0.5
"""Share of a cycle that must be live."""
_CUT = 4.0
_MOST_SOURCES = 40
_EARTH_SHARE = 1e-4
"""Share of the plane's étendue from which on the Earth is in the field."""


@dataclass(frozen=True)
class SkyExcess:
    """A peak of a sky image above its threshold.

    Parameters
    ----------
    excess
        Exposure and band.
    image
        The sky image; NaN where it was not searched.
    peak
        Its highest peak.
    """

    excess: Excess
    image: SkyImage
    peak: Peak


@dataclass(frozen=True, slots=True)
class ImageMargin:
    """How near an exposure came to its threshold.

    Parameters
    ----------
    time
        Its end, s.
    stack, band
        k of its length, and number of the band.
    significance
        Of its highest peak.
    scatter
        Standard deviation of its significances.
    ratio
        Significance over threshold.
    """

    time: float
    stack: int
    band: int
    significance: float
    scatter: float
    ratio: float


class ImageTrigger:
    """Searches sky images as cycles come; its memory is bounded.

    Parameters
    ----------
    configuration
        Bands, exposures, thresholds.
    mask
        The mask.
    efficiency
        Of each pixel relative to a good one, shape (pixels, pixels), indexed [z, y]; None: all are good.
    catalogue
        Sources that are taken out; None: none is.

    Attributes
    ----------
    margins
        How near each exposure came to its threshold since the list was last cleared.
    skipped
        Cycles without an image, by reason.
    """

    def __init__(
        self,
        configuration: TriggerConfiguration,
        mask: Mask,
        efficiency: FloatArray | None,
        catalogue: SourceCatalogue | None,
    ) -> None:
        self._configuration = configuration
        self._mask = mask
        self._diffuse = DiffuseSky(mask.geometry, mask.pixels)
        bowl = self._diffuse.full[None] / self._diffuse.full.mean()
        shapes = np.concatenate([quadratic_shapes(mask.pixels), bowl])
        self._base = SkyDecoder(mask, efficiency, shapes)
        self._smooth = SmoothVariance(self._base)
        self._known = KnownSources(configuration, catalogue, mask)
        bands = EnergyBands(configuration.bands)
        self._bands = bands.combine(np.eye(bands.segments)).T  # (bands, segments)
        stacks = configuration.image.stacks
        rows = configuration.image.thresholds or [[configuration.alert_threshold] * len(self._bands)] * len(
            stacks
        )
        self._thresholds = np.asarray(rows, np.float64)
        self._field = np.flatnonzero(
            (self._base.coded >= configuration.image.least_coded) & np.isfinite(self._base.norm)
        )
        self._maps = self._smooth.maps.reshape(len(self._smooth.maps), -1)[:, self._field].copy()
        self._vectors = _directions(self._base.tangent)[self._field]
        self._sums = _Sums(max(stacks), len(self._bands), len(self._field), len(self._maps))
        self._prepared: Pointing | None = None  # for which sources are taken out
        self._stacked: Pointing | None = None  # of the first cycle of the sums
        self._without_earth: CleanedDecoder | None = None
        self._with_earth: tuple[tuple[float, ...] | None, CleanedDecoder] | None = None
        self._sources: tuple[FloatArray, FloatArray] = (
            np.empty((0, mask.pixels, mask.pixels)),
            np.empty((0, 2)),
        )
        self._next = np.nan
        self.margins: list[ImageMargin] = []
        self.skipped: dict[str, int] = {}

    def decoder(self, pointing: Pointing | None, earth: FloatArray | None) -> CleanedDecoder:
        """What takes known sources and the Earth out of a detector image and decodes it.

        Parameters
        ----------
        pointing
            Where the camera looks; None: no source and no Earth is taken out.
        earth
            Position of the satellite from the Earth's centre, km (inertial), shape (3,); None: no Earth.
        """
        if not _same(pointing, self._prepared):
            self._prepared = pointing
            self._sources = self._shadows(pointing)
            self._without_earth = self._with_earth = None
        place = None if earth is None else tuple(np.asarray(earth, np.float64).tolist())
        if self._with_earth is not None and self._with_earth[0] == place:
            return self._with_earth[1]
        shadows, places = self._sources
        shape = self._earth_shape(self._prepared, earth)
        if shape is not None:
            extra = np.concatenate([shadows, shape[None]])
            self._with_earth = place, CleanedDecoder(self._base, self._smooth, extra, places)
            return self._with_earth[1]
        if self._without_earth is None:
            self._without_earth = CleanedDecoder(self._base, self._smooth, shadows, places)
        return self._without_earth

    def add(
        self,
        start: float,
        counts: FloatArray,
        pointing: Pointing | None,
        earth: FloatArray | None,
        exposure: float,
    ) -> list[SkyExcess]:
        """Search the exposures that end with a cycle.

        Parameters
        ----------
        start
            Begin of the cycle, s.
        counts
            Counts in the segments of :class:`~eicpy.events.EnergyBands`, shape (segments, pixels, pixels),
            indexed [z, y].
        pointing, earth
            As for :meth:`decoder`, in the middle of the cycle.
        exposure
            Live time, s.

        Returns
        -------
        list of SkyExcess
            The highest peak of each exposure and band that stands above its threshold, the best first.
        """
        n = self._mask.pixels
        if counts.shape != (self._bands.shape[1], n, n):
            raise BadArgumentError(
                f"got counts of shape {counts.shape}, expected ({self._bands.shape[1]}, {n}, {n})"
            )
        if (why := _unusable(counts, exposure)) is not None:
            self.skipped[why] = self.skipped.get(why, 0) + 1
            self._next = np.nan
            return []
        if not _same(pointing, self._stacked) or abs(start - self._next) > 0.01:
            self._sums.clear()
            self._stacked = pointing
        self._next = start + CYCLE
        decoder = self.decoder(pointing, earth)
        images = np.tensordot(self._bands, counts, axes=1)
        flux = np.empty((len(images), len(self._field)), np.float32)
        smooth = np.empty((len(images), len(self._maps)))
        totals = np.empty((len(images), 1))
        for band, image in enumerate(images):
            taken = decoder.take(image)
            flux[band] = self._base.correlate(taken.rest).ravel()[self._field]
            smooth[band] = self._smooth.of(np.maximum(taken.background, 0.0))
            totals[band] = image.sum()
        self._sums.add(flux, smooth, totals, exposure)
        clear = decoder.searched.ravel()[self._field]
        if pointing is not None and earth is not None:
            clear = clear & self._open_sky(pointing, earth)
        return self._search(start + CYCLE, clear, pointing)

    def _search(self, stop: float, clear: BoolArray, pointing: Pointing | None) -> list[SkyExcess]:
        stacks = [k for k in self._configuration.image.stacks if self._sums.holds(k)]
        bands = len(self._bands)
        if not stacks or not clear.any():
            return []
        coefficients = np.stack([self._sums.smooth(k) for k in stacks]).astype(np.float32)
        variance = coefficients.reshape(-1, coefficients.shape[-1]) @ self._maps
        found = []
        for row, k in enumerate(stacks):
            for band in range(bands):
                flux = self._sums.flux(k)[band]
                best, at, square, used = _highest(flux, variance[row * bands + band], clear, _CUT)
                scatter = float(np.sqrt(square / used)) if used else np.nan
                wanted = self._thresholds[self._configuration.image.stacks.index(k), band] * max(1.0, scatter)
                self.margins.append(ImageMargin(stop, k, band, float(best), scatter, float(best / wanted)))
                if at >= 0 and best >= wanted:
                    found.append(self._excess(stop, k, band, variance[row * bands + band], clear, pointing))
        return sorted((f for f in found if f is not None), key=lambda one: -one.excess.significance)

    def _excess(
        self,
        stop: float,
        k: int,
        band: int,
        variance: npt.NDArray[np.float32],
        clear: BoolArray,
        pointing: Pointing | None,
    ) -> SkyExcess | None:
        side = len(self._base.tangent)
        whole = np.full((2, side * side), np.nan)
        whole[0, self._field] = np.where(clear, self._sums.flux(k)[band], np.nan)
        whole[1, self._field] = variance
        flux, var = whole.reshape(2, side, side)
        image = SkyImage(
            flux, var, self._base.tangent, self._base.coded, self._mask.geometry.pixel_area,
            exposure=self._sums.exposure(k), pointing=pointing, band=self._configuration.bands[band],
        )  # fmt: skip
        peaks = image.peaks(float(np.nanmax(image.significance)) * (1 - 1e-9), 0.0)
        if not peaks:  # on the border of what was searched
            return None
        peak = peaks[0]
        counts = float(self._sums.totals(k)[band, 0])
        background = counts - float(flux[peak.z, peak.y]) * self._base.lit(peak.ty, peak.tz)
        start = stop - CYCLE * 2**k
        excess = Excess("image", start, stop, k, band, -1, round(counts), background, peak.significance)
        return SkyExcess(excess, image, peak)

    def _shadows(self, pointing: Pointing | None) -> tuple[FloatArray, FloatArray]:
        """Shadows of the known sources in the field, and their tangents."""
        seen = [] if pointing is None else self._known.visible(pointing)[:_MOST_SOURCES]
        shadows = [(self._mask.shadow(one.ty, one.tz), (one.ty, one.tz)) for one in seen]
        lit = [pair for pair in shadows if pair[0].any()]
        n = self._mask.pixels
        maps = np.array([s for s, _ in lit]).reshape(len(lit), n, n)
        return maps, np.array([t for _, t in lit]).reshape(len(lit), 2)

    def _earth_shape(self, pointing: Pointing | None, earth: FloatArray | None) -> FloatArray | None:
        """Share of the étendue of each pixel that the Earth hides; None where it is not in the field."""
        if pointing is None or earth is None:
            return None
        position = np.asarray(earth, np.float64)
        nadir = pointing.rotation @ (-position / np.linalg.norm(position))
        _, hidden = self._diffuse.split(nadir, float(earth_radius(position)))
        if hidden.sum() < _EARTH_SHARE * self._diffuse.full.sum():
            return None
        return np.asarray(hidden / self._diffuse.full.mean())

    def _open_sky(self, pointing: Pointing, earth: FloatArray) -> BoolArray:
        """Directions that the Earth does not hide."""
        position = np.asarray(earth, np.float64)
        nadir = pointing.rotation @ (-position / np.linalg.norm(position))
        return np.asarray(self._vectors @ nadir < np.cos(float(earth_radius(position))))


class _Sums:
    """Fluxes, backgrounds and exposures of the last 1, 2, 4, … cycles."""

    def __init__(self, longest: int, bands: int, pixels: int, shapes: int) -> None:
        self._longest = longest
        self._now = np.zeros((longest + 1, bands, pixels), np.float32)
        self._past = [np.zeros((2**k, bands, pixels), np.float32) for k in range(longest)]
        self._small = np.zeros((2**longest, bands, shapes + 2))
        self._cycles = 0

    def clear(self) -> None:
        """Begin anew."""
        self._cycles = 0

    def add(
        self, flux: npt.NDArray[np.float32], smooth: FloatArray, totals: FloatArray, exposure: float
    ) -> None:
        """A cycle."""
        n = self._cycles
        seconds = np.full((len(totals), 1), exposure)
        self._small[n % len(self._small)] = np.concatenate([smooth, totals, seconds], axis=1)
        self._now[0] = flux
        for k in range(self._longest):
            past = self._past[k]
            slot = n % len(past)
            if n + 1 >= 2 ** (k + 1):
                np.add(self._now[k], past[slot], out=self._now[k + 1])
            past[slot] = self._now[k]
        self._cycles += 1

    def holds(self, k: int) -> bool:
        """Whether so many cycles came since the beginning."""
        return bool(self._cycles >= 2**k)

    def flux(self, k: int) -> npt.NDArray[np.float32]:
        """Shape (bands, pixels)."""
        return np.asarray(self._now[k])

    def _sum(self, k: int) -> FloatArray:
        rows = np.arange(self._cycles - 2**k, self._cycles) % len(self._small)
        return np.asarray(self._small[rows].sum(axis=0))

    def smooth(self, k: int) -> FloatArray:
        """Coefficients of the background, shape (bands, shapes)."""
        return self._sum(k)[:, :-2]

    def totals(self, k: int) -> FloatArray:
        """Counts, shape (bands, 1)."""
        return self._sum(k)[:, -2:-1]

    def exposure(self, k: int) -> float:
        """Live time in seconds."""
        return float(self._sum(k)[0, -1])


def _unusable(counts: FloatArray, exposure: float) -> str | None:
    """Why there is no image of a cycle."""
    if not np.isfinite(counts).all():
        raise BadArgumentError("got counts that are not finite; expected the counts of each pixel")
    if not exposure >= _LEAST_EXPOSURE * CYCLE:
        return "too little live time"
    if not counts.any():
        return "no counts"
    return None


def _same(one: Pointing | None, other: Pointing | None) -> bool:
    """Whether two pointings are one, or neither is known."""
    if one is None or other is None or one is other:
        return one is other
    a, b = one.rotation, other.rotation
    return bool(max(float(separation(a[k], b[k])) for k in (0, 2)) < _STILL)


def _directions(tangent: FloatArray) -> FloatArray:
    """Unit vectors of a grid, shape (sky · sky, 3)."""
    ty, tz = np.meshgrid(tangent, tangent)
    return np.asarray(tangent_vector(ty.ravel(), tz.ravel()))


@kernel
def _highest(
    flux: npt.NDArray[np.float32], variance: npt.NDArray[np.float32], clear: BoolArray, cut: float
) -> tuple[float, int, float, int]:
    """Highest significance and where, and the sum of squares and number of those below a cut."""
    best = -np.inf
    at = -1
    square = 0.0
    used = 0
    for i in range(len(flux)):
        if not clear[i] or not variance[i] > 0.0:
            continue
        s = flux[i] / np.sqrt(variance[i])
        if s > best:
            best = s
            at = i
        if abs(s) < cut:
            square += s * s
            used += 1
    return best, at, square, used
