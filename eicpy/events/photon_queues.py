"""Photons that wait to be counted, sorted roughly by the counter that they belong to.

See :mod:`eicpy.events.counting` for why. Nothing outside the accumulators needs to know of it: they count
what waits before they report counts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.events import counting
from eicpy.packets.buffers import byte_block

__all__ = ["PhotonQueues"]

_LENGTH = 32_768 + 32
"""Photons of a group of counters that are counted at once: many for each cache line of the counters. The
line more keeps the ends of the queues, which fill at like speed, apart in the cache."""


class PhotonQueues:
    """Spectra of pixels with the queues before them; images of the pixels may be counted along.

    Parameters
    ----------
    n_pixels, n_channels
        Size of the detector and of its channel range.
    """

    def __init__(self, n_pixels: int, n_channels: int) -> None:
        self._low = byte_block(n_pixels * n_channels).reshape(n_pixels, n_channels)
        self._low[...] = 0
        self._high: npt.NDArray[np.uint32] = np.zeros((n_pixels, n_channels), dtype=np.uint32)
        groups = -(-self._low.size // counting.GROUP)
        self._waiting = byte_block(2 * groups * _LENGTH).view(np.uint16).reshape(groups, _LENGTH)
        self._ends: npt.NDArray[np.int64] = np.zeros(groups, dtype=np.int64)
        self._scratch: npt.NDArray[np.uint16] = np.empty(counting.GROUP, dtype=np.uint16)
        self._no_images = np.zeros((n_pixels, 0), np.int16), np.zeros((n_pixels, 0), np.int32)
        self._images: tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]] = self._no_images

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels and channels."""
        return self._low.shape[0], self._low.shape[1]

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """Counts of the spectra, int32, shape (n_pixels, n_channels); a copy."""
        self.settle()
        counts = self._high.astype(np.int32)
        counts <<= 8
        counts += self._low
        return counts

    @counts.setter
    def counts(self, counts: npt.NDArray[np.int32]) -> None:
        self.settle()
        self._low[...] = counts & 0xFF
        self._high[...] = counts >> 8

    def add(
        self,
        detnum: npt.NDArray[np.int16],
        channel: npt.NDArray[np.int16],
        images: tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]] | None = None,
    ) -> int:
        """Add photons; returns how many are in no pixel or channel, and so in no image either.

        Parameters
        ----------
        detnum, channel
            Pixels and channels of the photons.
        images
            Last channel below each edge, shape (n_pixels or more, edges), and counts by segment, shape
            (n_pixels, segments), that the photons are also added to, some of them later.
        """
        below, counts = images or self._no_images
        if below is not self._images[0] or counts is not self._images[1]:
            self.settle()
            self._images = below, counts
        return int(counting.queue_photons(detnum, channel, *self._arrays()))

    def settle(self) -> None:
        """Count the photons that wait."""
        counting.count_queues(*self._arrays())

    def _arrays(self) -> tuple[npt.NDArray[Any], ...]:
        return (self._waiting, self._ends, self._scratch, self._low, self._high, *self._images)
