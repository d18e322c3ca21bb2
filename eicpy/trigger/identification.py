r"""Which known source stands at a position, and whether it is brighter than usual.

A source of the catalogue with photon spectrum N(E) brings a pixel that it lights fully

    f = A · cosθ · t · ∫ N(E) η(E) dE

counts in a band: A the area of the crystal, θ the angle off the axis, t the exposure, η what layers and 1 mm
of CdTe detect. That is the unit of a sky image, so that f is compared with what was imaged. Escape and the
energy resolution are left out: some per cent, where an outburst is a factor.

Sources that are taken out of an image do not show in it. What they bring comes from the fit that takes them
out: all known shadows and the shapes of the background by weighted least squares,

    c = (Xᵀ W X)⁻¹ Xᵀ d,   Var c = P diag(μ) Pᵀ,   P = (Xᵀ W X)⁻¹ Xᵀ,

with the variance of the fitted expectation μ, as in :mod:`eicpy.imaging.deconvolution`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from eicpy.catalogue import CatalogueSource, SourceCatalogue
from eicpy.imaging import Mask, SkyDecoder, quadratic_shapes
from eicpy.orbit import Pointing, tangents
from eicpy.trigger.configuration import TriggerConfiguration
from eicpy.typing import FloatArray

__all__ = ["Identification", "KnownSources", "SourceFluxes", "VisibleSource", "detected_photons"]

_LAYERS = 1.4
"""Optical depth of the layers before the crystals at 4 keV; it falls as E^−3.5 (as simulated: a guess)."""
_STOPPED = 0.98
"""Optical depth of 1 mm of CdTe at 100 keV; it falls as E^−2.9 (fitted by eye to the cross sections of
xraydb above the K edges; below them nothing passes)."""
_LEAST_CODED = 0.05
_SAME_SHADOW = 0.9999
"""Cosine between two shadows from which on they are one."""


@dataclass(frozen=True, slots=True)
class VisibleSource:
    """A source of the catalogue in the field.

    Parameters
    ----------
    number
        Its number in the catalogue, from 1.
    source
        What is known of it.
    ty, tz
        Tangents of its direction.
    """

    number: int
    source: CatalogueSource
    ty: float
    tz: float


@dataclass(frozen=True, slots=True)
class Identification:
    """What stands at a position.

    Parameters
    ----------
    number
        Of the catalogue source, from 1; 0 for none.
    name
        Its name; empty for none.
    usual
        Counts of a pixel that is lit fully at its usual flux; 0 for a source that is seen in outbursts only.
    outburst
        Whether it is much brighter than usual; False where nothing known stands there.
    """

    number: int = 0
    name: str = ""
    usual: float = 0.0
    outburst: bool = False

    @property
    def is_usual(self) -> bool:
        """Whether it is a known source at its usual flux: nothing to be told."""
        return self.number > 0 and not self.outburst


@cache
def detected_photons(source: CatalogueSource, low: float, high: float) -> float:
    """Photons per second and cm² of crystal that the camera detects of a source between two energies (keV).

    Parameters
    ----------
    source
        The source; 0 for one without a mean flux.
    low, high
        Bounds of the band, keV.
    """
    if source.flux == 0 or not np.isfinite(source.index):
        return 0.0
    e = np.geomspace(max(low, 3.0), high, 400)
    detected = np.exp(-_LAYERS * (4.0 / e) ** 3.5) * -np.expm1(-_STOPPED * (100.0 / e) ** 2.9)
    return float(np.trapezoid(source.spectrum.density(e) * detected * e, np.log(e)))


class KnownSources:
    """The catalogue on board.

    Parameters
    ----------
    configuration
        Bands, radius of identification, what an outburst is.
    catalogue
        The sources; None: nothing is known.
    mask
        The mask, for the area of a pixel and the field.

    Examples
    --------
    >>> from eicpy.catalogue import load_catalogue
    >>> from eicpy.imaging import random_mask
    >>> from eicpy.instruments import load
    >>> from eicpy.orbit import unit_vector
    >>> mask = random_mask(load("eclairs").mask, 80, 1)
    >>> known = KnownSources(TriggerConfiguration(), load_catalogue("hard-x-ray"), mask)
    >>> crab = unit_vector(*np.radians([83.64, 22.02]))
    >>> known.identify(crab, 0.0, 0.1, 0.01, band=1, exposure=20.48, cosine=1.0).name
    'Crab'
    """

    def __init__(
        self, configuration: TriggerConfiguration, catalogue: SourceCatalogue | None, mask: Mask
    ) -> None:
        self._configuration = configuration
        self.catalogue = catalogue if catalogue is not None and len(catalogue) else None
        self._mask = mask

    def visible(self, pointing: Pointing) -> list[VisibleSource]:
        """Sources in the field that are bright enough to be taken out of images, the brightest first.

        Parameters
        ----------
        pointing
            Where the camera looks.
        """
        if self.catalogue is None:
            return []
        ty, tz = tangents(self.catalogue.vectors @ pointing.rotation.T)
        g = self._mask.geometry
        reach = g.edge
        with np.errstate(invalid="ignore"):
            inside = (np.abs(ty) < reach) & (np.abs(tz) < reach)
        least = self._configuration.catalogue_flux * 1e-12
        found = []
        for n in np.flatnonzero(inside):
            source = self.catalogue.sources[int(n)]
            y, z = float(ty[n]), float(tz[n])
            if source.flux > least and np.isfinite(source.index) and self._coded(y, z) > _LEAST_CODED:
                found.append(VisibleSource(int(n) + 1, source, y, z))
        return found

    def _coded(self, ty: float, tz: float) -> float:
        g = self._mask.geometry
        sides = [
            np.clip((g.side + g.plane_side) / 2 - g.distance * abs(t), 0, g.plane_side) for t in (ty, tz)
        ]
        return float(sides[0] * sides[1] / g.plane_side**2)

    def usual(self, number: int, band: int, exposure: float, cosine: float) -> float:
        """Counts of a pixel that a source lights fully at its usual flux.

        Parameters
        ----------
        number
            Of the source, from 1.
        band
            Number of the band.
        exposure
            s.
        cosine
            Of the angle between its direction and the axis.
        """
        assert self.catalogue is not None
        source = self.catalogue.sources[number - 1]
        low, high = self._configuration.bands[band]
        return detected_photons(source, low, high) * self._mask.geometry.pixel_area * cosine * exposure

    def is_outburst(self, flux: float, variance: float, usual: float) -> bool:
        """Whether a flux is much above the usual one, and significantly above it."""
        above = flux - usual
        return bool(
            flux > self._configuration.outburst * usual
            and above >= self._configuration.alert_threshold * np.sqrt(variance)
        )

    def identify(
        self,
        direction: FloatArray,
        radius: float,
        flux: float,
        variance: float,
        *,
        band: int,
        exposure: float,
        cosine: float,
        fitted: dict[int, float] | None = None,
    ) -> Identification:
        """What stands at a position, and whether it is as bright as usual.

        Parameters
        ----------
        direction
            Unit vector (ICRS).
        radius
            Of the error circle, radians; sources within it or within the configured radius are looked at.
        flux, variance
            Counts of a pixel that is lit fully, and their variance.
        band
            Number of the band.
        exposure
            s.
        cosine
            Of the angle between the direction and the axis.
        fitted
            Flux of sources, by their number, that was taken out of the image already; it is added.
        """
        if self.catalogue is None:
            return Identification()
        apart = np.linalg.norm(self.catalogue.vectors - direction, axis=1)
        near = np.flatnonzero(apart <= max(radius, np.radians(self._configuration.identification)))
        if not len(near):
            return Identification()
        number = int(near[np.argmin(apart[near])]) + 1
        usual = self.usual(number, band, exposure, cosine)
        total = flux + (fitted or {}).get(number, 0.0)
        return Identification(
            number,
            self.catalogue.sources[number - 1].name,
            usual,
            self.is_outburst(total, variance, usual),
        )


class SourceFluxes:
    """Fluxes of known sources fitted together with the background, prepared for one pointing.

    Parameters
    ----------
    decoder
        Mask, pixels and shapes of the background; shadows of the sources may be among them already.
    sources
        The sources in the field.
    """

    def __init__(self, decoder: SkyDecoder, sources: Sequence[VisibleSource]) -> None:
        n = decoder.mask.pixels
        shapes = quadratic_shapes(n) if decoder.shapes is None else decoder.shapes
        rows = list(shapes.reshape(len(shapes), -1))
        self.sources: list[VisibleSource] = []
        at = []
        for one in sources:
            shadow = decoder.mask.shadow(one.ty, one.tz).ravel()
            if not shadow.any():
                continue
            self.sources.append(one)
            there = [k for k, row in enumerate(rows) if _cosine(row, shadow) > _SAME_SHADOW]
            at.append(there[0] if there else len(rows))
            if there:
                rows[there[0]] = shadow
            else:
                rows.append(shadow)
        x = np.array(rows)
        w = np.ones(n * n) if decoder.efficiency is None else np.asarray(decoder.efficiency).ravel()
        self._weight, self._shapes = w, x
        self._solution = np.linalg.pinv((x * w) @ x.T) @ x
        self._rows = np.array(at, np.intp)
        self._squares = self._solution[self._rows] ** 2

    def of(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Flux of each source and its variance, shape (sources,): counts of a pixel that is lit fully.

        Parameters
        ----------
        counts
            Counts of each pixel, shape (pixels, pixels).
        """
        seen = np.where(self._weight > 0, np.ravel(counts), 0.0)
        c = self._solution @ seen
        expected = self._weight * np.maximum(c @ self._shapes, 0.0)
        return np.asarray(c[self._rows]), np.asarray(self._squares @ expected)


def _cosine(a: FloatArray, b: FloatArray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
