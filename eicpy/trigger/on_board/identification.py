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
from typing import Any

import numpy as np

from eicpy.catalogue import CatalogueSource, SourceCatalogue
from eicpy.imaging import CleanedDecoder, Mask, transmission
from eicpy.orbit import Pointing, tangents
from eicpy.trigger.configuration import TriggerConfiguration
from eicpy.typing import FloatArray

__all__ = [
    "Identification",
    "KnownSources",
    "SourceFits",
    "SourceFluxes",
    "VisibleSource",
    "detected_photons",
]

_LAYERS = 1.4
"""Optical depth of the layers before the crystals at 4 keV; it falls as E^−3.5 (as simulated: a guess)."""
_STOPPED = 0.98
"""Optical depth of 1 mm of CdTe at 100 keV; it falls as E^−2.9 (fitted by eye to the cross sections of
xraydb above the K edges; below them nothing passes)."""
_LEAST_CODED = 0.05
_SAME_PLACE = 2e-3
"""Tangent, a fifth of a pixel of the sky image: the decoder has a source where the camera looked at first."""


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
        self.mask = mask

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
        with np.errstate(invalid="ignore"):
            coded = transmission(self.mask.geometry, ty, tz) * np.sqrt(1 + ty**2 + tz**2)
            inside = np.flatnonzero(coded > _LEAST_CODED)  # NaN, behind the camera, is not
        least = self._configuration.catalogue_flux * 1e-12
        found = [
            VisibleSource(int(n) + 1, self.catalogue.sources[n], float(ty[n]), float(tz[n])) for n in inside
        ]
        bright = [one for one in found if one.source.flux > least and np.isfinite(one.source.index)]
        return sorted(bright, key=lambda one: -one.source.flux)

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
        return detected_photons(source, low, high) * self.mask.geometry.pixel_area * cosine * exposure

    def usual_rates(self, sources: "Sequence[VisibleSource]") -> FloatArray:
        """Counts per second of a pixel that sources light fully at their usual flux, shape (bands, sources).

        Parameters
        ----------
        sources
            The sources.
        """
        cosines = [float(1 / np.sqrt(1 + one.ty**2 + one.tz**2)) for one in sources]
        rates = [
            [self.usual(one.number, band, 1.0, c) for one, c in zip(sources, cosines, strict=True)]
            for band in range(len(self._configuration.bands))
        ]
        return np.array(rates).reshape(len(self._configuration.bands), len(sources))

    def is_outburst(self, flux: Any, variance: Any, usual: Any) -> Any:
        """Whether fluxes are much above the usual ones, and significantly above them.

        Parameters
        ----------
        flux, variance, usual
            Numbers or arrays of one shape.
        """
        above = flux - usual
        least = self._configuration.alert_threshold**2 * variance
        return (flux > self._configuration.outburst * usual) & (above > 0) & (above**2 >= least)

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
        """
        if self.catalogue is None:
            return Identification()
        apart = np.linalg.norm(self.catalogue.vectors - direction, axis=1)
        near = np.flatnonzero(apart <= max(radius, np.radians(self._configuration.identification)))
        if not len(near):
            return Identification()
        number = int(near[np.argmin(apart[near])]) + 1
        usual = self.usual(number, band, exposure, cosine)
        return Identification(
            number,
            self.catalogue.sources[number - 1].name,
            usual,
            bool(self.is_outburst(flux, variance, usual)),
        )


class SourceFluxes:
    """Fluxes of known sources fitted together with the background, prepared for one pointing.

    Parameters
    ----------
    decoder
        What takes them out of images, with all that it takes out besides.
    sources
        The sources in the field, as the decoder has them: those whose shadows it takes out are fitted.
    """

    def __init__(self, decoder: CleanedDecoder, sources: Sequence[VisibleSource]) -> None:
        first = len(decoder.shapes) - len(decoder.extra)
        self.sources: list[VisibleSource] = []
        rows = []
        for one in sources:
            apart = np.abs(decoder.sources - (one.ty, one.tz)).max(axis=1, initial=0.0)
            if len(apart) and apart.min() < _SAME_PLACE:
                self.sources.append(one)
                rows.append(first + int(np.argmin(apart)))
        self._fit = decoder.fit
        self._rows = np.array(rows, np.intp)
        self._squares = self._fit.solution[self._rows] ** 2

    def of(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Flux of each source and its variance, shape (…, sources): counts of a pixel that is lit fully.

        Parameters
        ----------
        counts
            Counts of each pixel, shape (…, pixels, pixels).
        """
        c = self._fit.of(counts)
        expected = np.maximum(c @ self._fit.shapes, 0.0) * self._fit.weight
        scale = self._fit.scale[self._rows]
        return np.asarray(c[..., self._rows] / scale), np.asarray(expected @ self._squares.T / scale**2)

    def rest(self, counts: FloatArray, source: int) -> FloatArray:
        """Expected counts of good pixels without one source, shape of `counts`.

        Parameters
        ----------
        counts
            Counts of each pixel, shape (pixels, pixels).
        source
            Its place in `sources`.
        """
        c = self._fit.of(counts)
        c[self._rows[source]] = 0.0
        return np.asarray((c @ self._fit.shapes).reshape(np.shape(counts)))


class SourceFits:
    """Fits of the known sources; that of the last decoder is kept.

    Parameters
    ----------
    known
        The catalogue on board.
    """

    def __init__(self, known: KnownSources) -> None:
        self._known = known
        self._prepared: tuple[CleanedDecoder, SourceFluxes] | None = None
        self._rates: tuple[SourceFluxes, FloatArray] | None = None

    def bright(
        self, fit: SourceFluxes, flux: FloatArray, variance: FloatArray, band: int, exposure: float
    ) -> list[int]:
        """Which sources of a fit are in outburst.

        Parameters
        ----------
        fit
            The fit.
        flux, variance
            Of each of its sources: counts of a pixel that is lit fully.
        band
            Number of the band.
        exposure
            s.
        """
        if self._rates is None or self._rates[0] is not fit:
            self._rates = fit, self._known.usual_rates(fit.sources)
        usual = self._rates[1][band] * exposure
        with np.errstate(invalid="ignore"):
            chosen = (variance > 0) & self._known.is_outburst(flux, variance, usual)
        return [int(n) for n in np.flatnonzero(chosen)]

    def fluxes(self, decoder: CleanedDecoder, pointing: Pointing) -> SourceFluxes:
        """The fit for a decoder.

        Parameters
        ----------
        decoder
            What takes the sources out.
        pointing
            Where the camera looks.
        """
        if self._prepared is None or self._prepared[0] is not decoder:
            self._prepared = decoder, SourceFluxes(decoder, self._known.visible(pointing))
        return self._prepared[1]
