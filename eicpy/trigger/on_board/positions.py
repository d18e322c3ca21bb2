"""From a detector image with an excess to positions in the sky, each with what is known there.

The sky image is made with the known sources and the Earth taken out. Its highest peak is one position; the
others are known sources that are much brighter than usual, which the fit that takes them out tells. A
position above the alert threshold is fitted by maximum likelihood between the pixels of the sky.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.imaging import CleanedDecoder, Peak, SkyImage, localise, quadratic_shapes
from eicpy.orbit import Pointing, earth_angle, earth_radius, tangent_vector
from eicpy.trigger.alert import Excess, error_radius
from eicpy.trigger.configuration import TriggerConfiguration
from eicpy.trigger.on_board.alert_logic import Candidate
from eicpy.trigger.on_board.identification import Identification, KnownSources, SourceFits
from eicpy.typing import FloatArray

__all__ = ["PositionFinder", "View"]

_LEAST_PEAK = 4.5
"""A lower peak is one of many that an empty sky has."""
_MOST_PEAKS = 6
"""Peaks of an image that are looked at: at the edge of the field a few counts make a high one that means
little."""
_LIT = 0.6
"""Share of a pixel that is lit or dark."""
_SPARSE = 100.0
"""Counts expected in lit pixels up to which an image is sparse."""
_LEAST_SIGNIFICANCE = 0.1
_LEAST_LIT = 4.0
"""Good pixels that a direction must light fully, or as many partly."""
_FARTHEST = 2.0
"""Pixels of the sky image: a fit that went farther from its peak has lost it."""
_LEAST_ERROR = 1e-5
"""Tangent: a smaller error than two arc seconds is none that a fit can know."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A detector image, and how it was made.

    Parameters
    ----------
    counts
        Counts of each pixel in window and band of the excess, shape (pixels, pixels).
    excess
        The excess.
    time
        When the camera knows what is in it, s.
    decoder
        Mask and pixels, with known sources and Earth among what is taken out.
    pointing
        Where the camera looked; None where nobody knows.
    exposure
        Live time, s.
    earth
        Where the satellite was, km (inertial), shape (3,); None: the Earth hides nothing.
    """

    counts: FloatArray
    excess: Excess
    time: float
    decoder: CleanedDecoder
    pointing: Pointing | None
    exposure: float
    earth: FloatArray | None = None

    def is_open_sky(self, ty: float, tz: float) -> bool:
        """Whether the Earth does not hide a direction, as far as that is known."""
        if self.pointing is None or self.earth is None:
            return True
        direction = tangent_vector(ty, tz) @ self.pointing.rotation
        return bool(earth_angle(self.earth, direction) > earth_radius(self.earth))


@dataclass(frozen=True, slots=True)
class _Fit:
    ty: float
    tz: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    counts: float


class PositionFinder:
    """Finds positions in images.

    Parameters
    ----------
    configuration
        Thresholds and bands.
    known
        The catalogue on board.
    """

    def __init__(self, configuration: TriggerConfiguration, known: KnownSources) -> None:
        self._configuration = configuration
        self._known = known
        self._shapes = quadratic_shapes(known.mask.pixels)
        self._sources = SourceFits(known)

    def highest(self, view: View, image: SkyImage | None = None, peak: Peak | None = None) -> list[Candidate]:
        """The position of the highest peak; none where nothing stands out.

        Parameters
        ----------
        view
            The detector image.
        image, peak
            Its sky image and the peak, where they are known already.
        """
        if image is None:
            image = view.decoder.image(view.counts)
        peaks = [peak] if peak else image.peaks(_LEAST_PEAK, self._configuration.image.least_coded)
        usable = [
            replace(p, significance=min(p.significance, _sparse_significance(view, p)))
            for p in peaks[:_MOST_PEAKS]
            if view.is_open_sky(p.ty, p.tz) and view.decoder.lit(p.ty, p.tz) >= _LEAST_LIT
        ]
        if not usable:
            return []
        peak = max(usable, key=lambda p: p.significance)
        flux = float(image.flux[peak.z, peak.y])
        variance = (flux / peak.significance) ** 2
        fit = self._fit(view, peak, lambda: view.decoder.take(view.counts).background)
        direction, said = None, Identification()
        radius = error_radius(peak.significance)
        if view.pointing is not None:
            direction = tangent_vector(fit.ty, fit.tz) @ view.pointing.rotation
            said = self._known.identify(
                direction,
                radius,
                flux,
                variance,
                band=view.excess.band,
                exposure=view.exposure,
                cosine=float(1 / np.sqrt(1 + fit.ty**2 + fit.tz**2)),
            )
        return [
            _candidate(
                view, fit, peak, flux, variance, direction, said.number, said.name, outburst=said.outburst
            )
        ]

    def outbursts(self, view: View) -> list[Candidate]:
        """Known sources that are much brighter than usual, although they are taken out of images.

        Parameters
        ----------
        view
            The detector image.
        """
        if view.pointing is None:
            return []
        known = self._sources.fluxes(view.decoder, view.pointing)
        flux, variance = known.of(view.counts)
        found = []
        for n in self._sources.bright(known, flux, variance, view.excess.band, view.exposure):
            one, tangent = known.sources[n], view.decoder.tangent
            y, z = (int(np.argmin(np.abs(tangent - t))) for t in (one.ty, one.tz))
            peak = Peak(one.ty, one.tz, float(flux[n] / np.sqrt(variance[n])), y, z)
            if view.decoder.lit(one.ty, one.tz) < _LEAST_LIT:
                continue
            fit = self._fit(view, peak, lambda n=n: known.rest(view.counts, n))  # type: ignore[misc]
            place = tangent_vector(fit.ty, fit.tz) @ view.pointing.rotation
            found.append(
                _candidate(
                    view, fit, peak, float(flux[n]), float(variance[n]), place, one.number, one.source.name,
                    outburst=True,
                )
            )  # fmt: skip
        return sorted(found, key=lambda c: -c.significance)

    def _fit(self, view: View, peak: Peak, background: Callable[[], FloatArray]) -> _Fit:
        """The source between the pixels of the sky by maximum likelihood; the peak where that fails.

        What was fitted of background, Earth and known sources is one shape, a quadratic surface besides.
        Below the alert threshold nothing is fitted.
        """
        error = float(np.tan(error_radius(peak.significance)) / np.sqrt(-2 * np.log(0.1)))
        rough = _Fit(peak.ty, peak.tz, ((error**2, 0.0), (0.0, error**2)), float("nan"))
        if peak.significance < self._configuration.alert_threshold:
            return rough
        shapes = np.concatenate([np.maximum(background(), 0.0)[None], self._shapes[1:]])
        decoder = view.decoder
        try:
            found = localise(
                decoder.mask, view.counts, [(peak.ty, peak.tz)], efficiency=decoder.efficiency, shapes=shapes
            )
        except (BadArgumentError, np.linalg.LinAlgError):
            return rough
        source = found.sources[0]
        step = decoder.tangent[1] - decoder.tangent[0]
        lost = max(abs(source.ty - peak.ty), abs(source.tz - peak.tz)) > _FARTHEST * step
        lost = lost or decoder.lit(source.ty, source.tz) < _LEAST_LIT
        c = source.covariance[:2, :2]
        if lost or not np.isfinite(c).all() or np.linalg.eigvalsh(c)[0] < _LEAST_ERROR**2:
            return rough
        covariance = (float(c[0, 0]), float(c[0, 1])), (float(c[1, 0]), float(c[1, 1]))
        return _Fit(source.ty, source.tz, covariance, source.flux * decoder.lit(source.ty, source.tz))


def _candidate(
    view: View,
    fit: _Fit,
    peak: Peak,
    flux: float,
    variance: float,
    direction: FloatArray | None,
    number: int,
    name: str,
    *,
    outburst: bool,
) -> Candidate:
    lit = view.decoder.lit(fit.ty, fit.tz)
    return Candidate(
        view.excess,
        view.time,
        fit.ty,
        fit.tz,
        (peak.y, peak.z),
        flux * lit,
        variance * lit**2,
        fit.covariance,
        radius=error_radius(peak.significance),
        fitted=fit.counts,
        direction=None if direction is None else _tuple(direction),
        source=number,
        source_name=name,
        outburst=outburst,
    )


def _sparse_significance(view: View, peak: Peak) -> float:
    """Significance where few counts are expected in the pixels that a direction lights; infinite elsewhere.

    In an image of some ten counts the fitted background, and the variance that follows from it, mean little.
    There the pixels that the direction lights are compared with those that it does not (Li and Ma 1983, ApJ
    272, 317, equation 17).
    """
    share = view.decoder.mask.shadow(peak.ty, peak.tz)
    used = np.ones(share.shape, np.bool_) if view.decoder.efficiency is None else view.decoder.efficiency > 0
    lit, dark = used & (share > _LIT), used & (share < 1 - _LIT)
    on, off = float(view.counts[lit].sum()), float(view.counts[dark].sum())
    alpha = float(lit.sum() / max(dark.sum(), 1))
    if alpha * off > _SPARSE:
        return float("inf")
    if on <= alpha * off:
        return _LEAST_SIGNIFICANCE
    total = on + off
    value = on * np.log((1 + alpha) / alpha * on / total)
    if off > 0:
        value += off * np.log((1 + alpha) * off / total)
    return max(float(np.sqrt(2 * value)), _LEAST_SIGNIFICANCE)


def _tuple(vector: FloatArray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z
