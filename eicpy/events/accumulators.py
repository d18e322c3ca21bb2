"""Spectra and detector images, accumulated block by block.

Counting is exact and adds up: blocks may come in any order and accumulators of the same shape can be added,
so a day is the sum of its runs. Memory depends on the detector, not on the number of photons.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import counting
from eicpy.events.bands import EnergyBands, Scale
from eicpy.events.event_list import EventList, PhotonBlock
from eicpy.events.photon_queues import PhotonQueues
from eicpy.instruments import EnergyScale, PixelGrid

if TYPE_CHECKING:
    from eicpy.figures.theme import Figure

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

    See Also
    --------
    PhotonAccumulator : Detector images and a light curve at the same time.

    References
    ----------
    Arnaud, George and Tennant 1992, OGIP/92-007, spectral file format.

    Examples
    --------
    >>> from eicpy.events import EventList
    >>> spectra = SpectraAccumulator(4, 16)
    >>> spectra.add(EventList([0.0, 1.0, 2.0], [2, 2, 9], [3, 3, 3]))
    >>> int(spectra.counts[2, 3]), spectra.outside
    (2, 1)
    """

    def __init__(self, n_pixels: int, n_channels: int) -> None:
        self._queues = PhotonQueues(n_pixels, n_channels)
        self.outside = 0

    def add(self, block: PhotonBlock) -> None:
        """Add photons."""
        self.outside += self._queues.add(block.detnum, block.channel)

    def add_with_images(self, block: PhotonBlock, scale: Scale, images: "ImageAccumulator") -> None:
        """Add photons to the spectra and to detector images, in hardly more time than to the spectra alone.

        Parameters
        ----------
        block
            Photons.
        scale
            Gain and offset of each pixel; keep handing over the same object while it does not change.
        images
            Images of the same pixels.

        Raises
        ------
        BadArgumentError
            For a scale or images of other pixels.
        """
        outside = self._queues.add(block.detnum, block.channel, images.join(self._queues, scale))
        if outside:
            self.outside += outside
            n_pixels, n_channels = self._queues.shape
            pixel, channel = (column.view(np.uint16) for column in (block.detnum, block.channel))
            images.add(EventList.of(block)[(pixel >= n_pixels) | (channel >= n_channels)], scale)

    def __iadd__(self, other: Self) -> Self:
        _same_shape(self._queues.shape, other._queues.shape)
        self._queues.counts = self.counts + other.counts
        self.outside += other.outside
        return self

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """Counts, int32, shape (n_pixels, n_channels); a copy of the present state."""
        return self._queues.counts

    @property
    def total(self) -> npt.NDArray[np.int64]:
        """Spectrum of the whole detector, counts per channel as measured."""
        return np.asarray(self.counts.sum(axis=0, dtype=np.int64))

    def plot(self, scale: EnergyScale, title: str = "Spectrum of the detector") -> "Figure":
        """Draw the spectrum of the whole detector, counts against the nominal energy of a channel (keV).

        Parameters
        ----------
        scale
            The nominal scale, ``instrument.energy``.
        title
            What is shown.
        """
        from eicpy.figures.plots import spectrum  # noqa: PLC0415, only figures need Bokeh

        return spectrum(scale.edges, self.total, title)

    def __repr__(self) -> str:
        pixels, channels = self._queues.shape
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

    See Also
    --------
    PhotonAccumulator : Spectra and a light curve at the same time.
    eicpy.instruments.PixelGrid.image : Lays the pixels out as a picture.
    """

    def __init__(self, n_pixels: int, bands: EnergyBands | Sequence[tuple[float, float]]) -> None:
        self.bands = bands if isinstance(bands, EnergyBands) else EnergyBands(bands)
        self._counts: npt.NDArray[np.int32] = np.zeros((n_pixels, self.bands.segments), dtype=np.int32)
        self._queues: PhotonQueues | None = None
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
        self.outside += int(counting.count_images(block.detnum, segments, self._counts))

    def __iadd__(self, other: Self) -> Self:
        _same_shape(self._counts.shape, other._counts.shape)
        self._counts += other._settled()
        self.outside += other.outside
        return self

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Counts, shape (bands, pixels); :meth:`PixelGrid.image` lays them out as pictures."""
        return np.ascontiguousarray(self.bands.combine(self._settled().astype(np.int64)).T)

    def join(self, queues: PhotonQueues, scale: Scale) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]]:
        """Edges and counts that queues of spectra add to, for :meth:`SpectraAccumulator.add_with_images`.

        Raises
        ------
        BadArgumentError
            For a scale or spectra of other pixels.
        """
        below = self.bands.channels_below(scale)
        _same_shape(self._counts.shape[:1], queues.shape[:1])
        if len(below) < len(self._counts):
            raise BadArgumentError(f"got a scale of {len(below)} pixels, expected {len(self._counts)}")
        if self._queues is not queues:
            self._settled()
            self._queues = queues
        return below, self._counts

    def _settled(self) -> npt.NDArray[np.int32]:
        """Counts by segment, those included that wait in the queues of spectra."""
        if self._queues is not None:
            self._queues.settle()
        return self._counts

    def plot(self, grid: PixelGrid, band: int = 0) -> "Figure":
        """Draw the detector image of a band, counts in each pixel.

        Parameters
        ----------
        grid
            Where the pixels are, ``instrument.pixels``.
        band
            Number of the band, from 0.
        """
        from eicpy.figures.plots import detector_values  # noqa: PLC0415, only figures need Bokeh

        return detector_values(self.counts[band], grid, self.bands.names[band], "counts")

    def __repr__(self) -> str:
        return f"<detector images of {self._counts.shape[0]} pixels in {', '.join(self.bands.names)}>"


def _same_shape(ours: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    if ours != theirs:
        raise BadArgumentError(f"got an accumulator of shape {theirs}, expected {ours}")
