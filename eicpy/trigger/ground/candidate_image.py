"""The sky image of a candidate, and what a wrong mask would have made of it.

A null for images: the same counts decoded with the cells of the mask in another random order. A source in
the sky casts the shadow of the true mask, not of that one, so its peak is lost; pixels and noise stay.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.imaging import SkyDecoder, localise
from eicpy.typing import FloatArray

__all__ = ["CandidateImage", "image_candidate", "permuted_decoder"]


@dataclass(frozen=True, slots=True)
class CandidateImage:
    """Where a candidate stands in the sky, if anywhere.

    Parameters
    ----------
    snr
        Of the highest peak of the sky image.
    ty, tz
        Tangents of its fitted direction; NaN if there was no peak to fit.
    radius
        Of the statistical circle of 90 %, degrees.
    chance
        Share of decodings with permuted masks that peak as high; NaN if none was made.
    """

    snr: float
    ty: float
    tz: float
    radius: float
    chance: float = np.nan

    def _repr_html_(self) -> str:
        place = f"({self.ty:.4f}, {self.tz:.4f}) ± {self.radius:.2f}°"
        return f"SNR {self.snr:.1f} at {place}, chance {self.chance:.2g}"


def permuted_decoder(decoder: SkyDecoder, rng: np.random.Generator) -> SkyDecoder:
    """A decoder of the same pixels with the cells of the mask in another order.

    Parameters
    ----------
    decoder
        The true one.
    rng
        Random numbers.
    """
    pattern = rng.permutation(decoder.mask.pattern.ravel()).reshape(decoder.mask.pattern.shape)
    return replace(decoder, mask=replace(decoder.mask, pattern=pattern, name="permuted mask, a null"))


def image_candidate(
    decoder: SkyDecoder, counts: npt.ArrayLike, *, null: tuple[SkyDecoder, ...] = (), least: float = 5.0
) -> CandidateImage:
    """Image the counts of a candidate's window and band.

    Parameters
    ----------
    decoder
        Mask and pixels, known sources among its shapes.
    counts
        Of each pixel, shape (pixels, pixels), indexed [z, y].
    null
        Permuted decoders.
    least
        Lower peaks are not fitted.

    Raises
    ------
    BadArgumentError
        If nothing was counted or the image does not fit.
    """
    image = np.asarray(counts, np.float64)
    if not np.nansum(image) > 0:
        raise BadArgumentError("nothing was counted in the window; give one with photons")
    top = _highest(decoder, image)
    peaks = decoder.image(image).peaks(least)
    chance = float(np.mean([_highest(d, image) >= top for d in null])) if null else np.nan
    if not peaks:
        return CandidateImage(top, np.nan, np.nan, np.nan, chance)
    fit = localise(
        decoder.mask,
        image,
        [(peaks[0].ty, peaks[0].tz)],
        efficiency=decoder.efficiency,
        shapes=decoder.shapes,
    ).sources[0]
    return CandidateImage(top, float(fit.ty), float(fit.tz), float(fit.radius(0.9)), chance)


def _highest(decoder: SkyDecoder, counts: FloatArray) -> float:
    significance = decoder.decode(counts).significance
    return float(np.nanmax(significance[decoder.coded >= 0.05]))
