"""Energies of photons and bands of energy.

A pixel's scale is E = gain·(channel + 0.5) + offset at the channel's centre, in keV. A photon lies in a band
when E of its channel does: E_low ≤ E < E_high. Flight bands overlap (5–8, 5–20, 8–50, 8–120 keV), so photons
are counted in the segments between all edges and a band is the sum of its segments.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import counting
from eicpy.quantities import in_unit

if TYPE_CHECKING:
    from astropy.units import Quantity

__all__ = ["EnergyBands", "PixelScale", "Scale", "energies"]

_EDGES_AT_ONCE = 8
"""Number of edges compared at a time: a vector of the processor."""


class Scale(Protocol):
    """Gain and offset of each pixel; a calibration's gain table fits."""

    @property
    def gain(self) -> npt.NDArray[np.floating[Any]]:
        """Gain, keV per channel, one for each pixel; NaN for a pixel without a scale."""

    @property
    def offset(self) -> npt.NDArray[np.floating[Any]]:
        """Offset, keV, one for each pixel."""


@dataclass(frozen=True, slots=True)
class PixelScale:
    """A plain :class:`Scale`: two arrays."""

    gain: npt.NDArray[np.floating[Any]]
    offset: npt.NDArray[np.floating[Any]]

    @classmethod
    def uniform(cls, pixels: int, gain: float, offset: float) -> Self:
        """The same scale for every pixel, such as the nominal one."""
        return cls(np.full(pixels, gain), np.full(pixels, offset))


def energies(
    detnum: npt.NDArray[np.integer[Any]], channel: npt.NDArray[np.integer[Any]], scale: Scale
) -> npt.NDArray[np.float64]:
    """Energy of photons, keV.

    Raises
    ------
    BadArgumentError
        For a pixel that the scale does not have.
    """
    if detnum.size and not (detnum.min() >= 0 and detnum.max() < len(scale.gain)):
        raise BadArgumentError(
            f"got pixels {detnum.min()} to {detnum.max()}, "
            f"expected 0 to {len(scale.gain) - 1}, those of the scale"
        )
    return np.asarray(scale.gain[detnum] * (channel + 0.5) + scale.offset[detnum], dtype=np.float64)


class EnergyBands:
    """Bands of energy, which may overlap, and the sorting of photons into them.

    Parameters
    ----------
    bands
        (low, high) in keV, or as Quantity; low belongs to the band, high does not.

    Raises
    ------
    BadArgumentError
        For no band, or one that is empty.

    See Also
    --------
    ImageAccumulator, LightCurveAccumulator : Count photons in bands.
    energies : Energies of single photons.

    Examples
    --------
    >>> bands = EnergyBands([(4, 8), (4, 20)])
    >>> bands.edges
    array([ 4.,  8., 20.])
    >>> bands.combine(np.array([100, 1, 2, 100]))  # below, 4-8, 8-20, above
    array([1, 3])
    """

    def __init__(self, bands: "Sequence[tuple[float, float]] | Sequence[tuple[Quantity, Quantity]]") -> None:
        self.bands = tuple((in_unit(low, "keV"), in_unit(high, "keV")) for low, high in bands)
        if not self.bands or any(not low < high for low, high in self.bands):
            raise BadArgumentError(
                f"got bands {list(bands)}, expected (low, high) pairs with low < high, keV"
            )
        self.edges = np.unique(np.asarray(self.bands, dtype=np.float64))
        if self.edges.size > 255:
            raise BadArgumentError(f"got {self.edges.size} band edges, expected at most 255")
        self._scale: Scale | None = None
        self._below = np.zeros((0, 0), dtype=np.int16)

    def __len__(self) -> int:
        return len(self.bands)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return iter(self.bands)

    def __repr__(self) -> str:
        return f"EnergyBands({list(self.bands)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names such as ``4–8 keV``."""
        return tuple(f"{low:g}–{high:g} keV" for low, high in self.bands)

    @property
    def segments(self) -> int:
        """Number of segments: below the edges, between them, above them."""
        return int(self.edges.size) + 1

    def combine(self, segment_counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum segments into bands, along the last axis."""
        summed = np.zeros(
            (*segment_counts.shape[:-1], segment_counts.shape[-1] + 1), dtype=segment_counts.dtype
        )
        np.cumsum(segment_counts, axis=-1, out=summed[..., 1:])
        low, high = (1 + np.searchsorted(self.edges, np.asarray(self.bands).T)).astype(np.intp)
        return np.asarray(summed[..., high] - summed[..., low])

    def channels_below(self, scale: Scale) -> npt.NDArray[np.int16]:
        """Last channel of each pixel that lies below each edge; that of the last scale is kept.

        A photon's segment is the number of edges whose last channel below is less than its own channel.

        Parameters
        ----------
        scale
            Gain and offset of each pixel.

        Returns
        -------
        numpy.ndarray
            int16, shape (pixels, edges, filled up with 32767 to a multiple of 8): −1 where all channels are
            above the edge; 32767, the largest there is, everywhere for a pixel without a scale, or whose
            gain is not positive.
        """
        if scale is not self._scale:
            gain = np.ascontiguousarray(scale.gain, dtype=np.float64)
            offset = np.ascontiguousarray(scale.offset, dtype=np.float64)
            width = -(-self.edges.size // _EDGES_AT_ONCE) * _EDGES_AT_ONCE
            self._below = np.empty((gain.size, width), dtype=np.int16)
            counting.channels_below(gain, offset, self.edges, self._below)
            self._scale = scale
        return self._below

    def sort(
        self,
        detnum: npt.NDArray[np.int16],
        channel: npt.NDArray[np.int16],
        scale: Scale,
    ) -> npt.NDArray[np.uint8]:
        """Segment of each photon; 0, below all edges, for a pixel or a channel out of range.

        The edges of the last scale are kept: hand over the same object from block to block.
        """
        segments = np.empty(detnum.size, dtype=np.uint8)
        counting.sort_photons(detnum, channel, self.channels_below(scale), segments)
        return segments
