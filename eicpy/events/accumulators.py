"""Spectra and detector images, accumulated block by block.

Counting is exact and adds up: blocks may come in any order and accumulators of the same shape can be added,
so a day is the sum of its runs. Memory depends on the detector, not on the number of photons.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import kernels
from eicpy.events.bands import EnergyBands, Scale
from eicpy.events.event_list import PhotonBlock

__all__ = ["ImageAccumulator", "SpectraAccumulator"]


class SpectraAccumulator:
    """Spectra per pixel, in channels as measured.

    Parameters
    ----------
    n_pixels, n_channels
        Size of the detector and of its channel range.

    Attributes
    ----------
    outside
        Photons whose pixel or channel is out of range.

    Examples
    --------
    >>> from eicpy.events import EventList
    >>> spectra = SpectraAccumulator(4, 16)
    >>> spectra.add(EventList([0.0, 1.0, 2.0], [2, 2, 9], [3, 3, 3]))
    >>> int(spectra.counts[2, 3]), spectra.outside
    (2, 1)
    """

    def __init__(self, n_pixels: int, n_channels: int) -> None:
        self._low: npt.NDArray[np.uint8] = np.zeros((n_pixels, n_channels), dtype=np.uint8)
        self._high: npt.NDArray[np.uint32] = np.zeros((n_pixels, n_channels), dtype=np.uint32)
        self.outside = 0

    def add(self, block: PhotonBlock) -> None:
        """Add photons."""
        self.outside += int(kernels.count_spectra(block.detnum, block.channel, self._low, self._high))

    def add_and_sort(self, block: PhotonBlock, scale: Scale, bands: EnergyBands) -> npt.NDArray[np.uint8]:
        """Add photons and return what :meth:`EnergyBands.sort` would, in one pass."""
        segments = np.empty(block.detnum.size, dtype=np.uint8)
        table = bands.table_for(scale, self._low.shape[1])
        if table.shape[0] < self._low.shape[0]:
            raise BadArgumentError(f"got a scale of {table.shape[0]} pixels, expected {self._low.shape[0]}")
        outside = int(
            kernels.count_spectra_and_sort(
                block.detnum, block.channel, self._low, self._high, table, segments
            )
        )
        self.outside += outside
        return bands.sort(block.detnum, block.channel, scale) if outside else segments

    def __iadd__(self, other: Self) -> Self:
        _same_shape(self._low, other._low)
        total = self.counts + other.counts
        self._low[...] = total & 0xFF
        self._high[...] = total >> 8
        self.outside += other.outside
        return self

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """Counts, int32, shape (n_pixels, n_channels); a copy of the present state."""
        counts = self._high.astype(np.int32)
        counts <<= 8
        counts += self._low
        return counts

    @property
    def total(self) -> npt.NDArray[np.int64]:
        """Spectrum of the whole detector, counts per channel as measured."""
        return np.asarray(self.counts.sum(axis=0, dtype=np.int64))

    def __repr__(self) -> str:
        pixels, channels = self._low.shape
        return f"<spectra of {pixels} pixels × {channels} channels>"


class ImageAccumulator:
    """Detector images in bands of energy.

    Parameters
    ----------
    n_pixels
        Size of the detector.
    bands
        (low, high) in keV; they may overlap. Hand the same :class:`EnergyBands` to several accumulators
        and its table is made once.

    Attributes
    ----------
    outside
        Photons whose pixel is out of range.
    """

    def __init__(self, n_pixels: int, bands: EnergyBands | Sequence[tuple[float, float]]) -> None:
        self.bands = bands if isinstance(bands, EnergyBands) else EnergyBands(bands)
        self._counts: npt.NDArray[np.int32] = np.zeros((n_pixels, self.bands.segments), dtype=np.int32)
        self.outside = 0

    def add(self, block: PhotonBlock, scale: Scale, segments: npt.NDArray[np.uint8] | None = None) -> None:
        """Add photons.

        Parameters
        ----------
        block
            Photons.
        scale
            Gain and offset of each pixel; keep handing over the same object while it does not change.
        segments
            Result of :meth:`EnergyBands.sort` for the block, where it is known already.
        """
        if segments is None:
            segments = self.bands.sort(block.detnum, block.channel, scale)
        self.outside += int(kernels.count_images(block.detnum, segments, self._counts))

    def __iadd__(self, other: Self) -> Self:
        _same_shape(self._counts, other._counts)
        self._counts += other._counts
        self.outside += other.outside
        return self

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Counts, shape (bands, pixels); :meth:`PixelGrid.image` lays them out as pictures."""
        return np.ascontiguousarray(self.bands.combine(self._counts.astype(np.int64)).T)

    def __repr__(self) -> str:
        return f"<detector images of {self._counts.shape[0]} pixels in {', '.join(self.bands.names)}>"


def _same_shape(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> None:
    if ours.shape != theirs.shape:
        raise BadArgumentError(f"got an accumulator of shape {theirs.shape}, expected {ours.shape}")
