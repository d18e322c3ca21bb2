"""Sources in a detector image, one after the other, each taken out before the next is looked for.

A source whose place is known is one more shape of the background: its flux is fitted with all else, the sky
image that is left does not show it, and the variance knows what it adds to the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.imaging.deconvolution import SkyDecoder
from eicpy.imaging.localisation import Localisation, localise
from eicpy.imaging.shapes import quadratic_shapes
from eicpy.imaging.sky_image import Peak, SkyImage

__all__ = ["Search", "find_sources", "without_sources"]


@dataclass(frozen=True)
class Search:
    """What a search found.

    Parameters
    ----------
    found
        Sources and background fitted together: first those that were found, in the order of their peaks,
        then those that were known; None where there was neither.
    peaks
        The peak from which each found source was taken.
    residual
        The sky without them.
    """

    found: Localisation | None
    peaks: tuple[Peak, ...]
    residual: SkyImage


def without_sources(decoder: SkyDecoder, directions: Sequence[tuple[float, float]]) -> SkyDecoder:
    """A decoder that takes sources at given directions out of what it images.

    Parameters
    ----------
    decoder
        The decoder of mask and pixels.
    directions
        Tangents (ty, tz); those that light nothing are passed over.
    """
    shapes = quadratic_shapes(decoder.mask.pixels) if decoder.shapes is None else decoder.shapes
    shadows = [decoder.mask.shadow(*at) for at in directions]
    lit = [s for s in shadows if s.any()]
    return decoder.with_shapes(np.concatenate([shapes, np.reshape(lit, (len(lit), *shapes.shape[1:]))]))


def find_sources(
    decoder: SkyDecoder,
    counts: npt.ArrayLike,
    *,
    threshold: float,
    known: Sequence[tuple[float, float]] = (),
    most: int = 20,
    least_coded: float = 0.05,
) -> Search:
    """Find sources above a threshold.

    Parameters
    ----------
    decoder
        Mask and pixels.
    counts
        Counts of each pixel, shape (pixels, pixels).
    threshold
        Least significance of a peak.
    known
        Tangents (ty, tz) of sources that are there in any case.
    most
        No more than this many are looked for.
    least_coded
        Directions that code less of the plane are not searched.

    Returns
    -------
    Search
        Sources, peaks and the sky that is left.
    """
    peaks: list[Peak] = []
    fitted: Localisation | None = None
    directions: list[tuple[float, float]] = []
    residual = (without_sources(decoder, known) if known else decoder).image(counts)
    if known:
        fitted = _fit(decoder, counts, [], known)
    while len(peaks) < most:
        top = residual.peaks(threshold, least_coded)
        if not top:
            break
        peaks.append(top[0])
        fitted = _fit(decoder, counts, [*directions, (top[0].ty, top[0].tz)], known)
        directions = [(s.ty, s.tz) for s in fitted.sources[: len(peaks)]]
        residual = without_sources(decoder, [*directions, *known]).image(counts)
    return Search(fitted, tuple(peaks), residual)


def _fit(
    decoder: SkyDecoder,
    counts: npt.ArrayLike,
    free: Sequence[tuple[float, float]],
    known: Sequence[tuple[float, float]],
) -> Localisation:
    return localise(
        decoder.mask, counts, free, efficiency=decoder.efficiency, shapes=decoder.shapes, known=known
    )
