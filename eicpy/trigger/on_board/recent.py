"""What the camera remembers of the last minutes: photons, detector images of cycles, count rates.

Everything has a fixed length, so that the memory does not grow. A count-rate window falls anywhere; to image
it the photons of the last minute are kept. A long exposure is the sum of cycles; its images are kept.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.events import EnergyBands, PhotonBlock, Scale
from eicpy.instruments import PixelGrid
from eicpy.typing import FloatArray, IntArray

__all__ = ["CycleImages", "PhotonStore", "Photons", "WaitingPhotons", "without_spikes"]

_MOST = 65535
"""Counts of a pixel in a cycle that are kept."""


@dataclass(frozen=True, slots=True)
class Photons:
    """Photons in the order of their times.

    Parameters
    ----------
    time
        s TT since the reference, shape (n,).
    detnum, channel, multiplicity
        As :class:`eicpy.events.PhotonBlock`, shape (n,).
    """

    time: npt.NDArray[np.float64]
    detnum: npt.NDArray[np.int16]
    channel: npt.NDArray[np.int16]
    multiplicity: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.time)

    @classmethod
    def of(cls, block: PhotonBlock) -> "Photons":
        """Those of a block."""
        return cls(
            np.asarray(block.time, np.float64), block.detnum, block.channel, np.asarray(block.multiplicity)
        )

    @classmethod
    def join(cls, parts: "list[Photons]") -> "Photons":
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__)
            if parts
            else (np.empty(0), np.empty(0, np.int16), np.empty(0, np.int16), np.empty(0, np.uint8))
        )

    def part(self, first: int, last: int) -> "Photons":
        """From one to before another."""
        return Photons(*(getattr(self, name)[first:last] for name in self.__slots__))

    def sorted(self) -> "Photons":
        """In the order of their times; nothing is copied where they are."""
        if len(self) < 2 or not (np.diff(self.time) < 0).any():
            return self
        order = np.argsort(self.time, kind="stable")
        return Photons(*(getattr(self, name)[order] for name in self.__slots__))


class WaitingPhotons:
    """Photons that came, until the slice of time in which they lie is complete."""

    def __init__(self) -> None:
        self._parts: list[Photons] = []

    def add(self, block: PhotonBlock, latest: float) -> int:
        """Photons of a block; how many are left out, for they have no time, or one from `latest` (s) on."""
        photons = Photons.of(block)
        good = photons.time < latest  # NaN is not
        wrong = len(photons) - int(np.count_nonzero(good))
        if wrong:
            photons = Photons(*(getattr(photons, name)[good] for name in Photons.__slots__))
        self._parts.append(photons)
        return wrong

    def take(self, edges: FloatArray) -> list[Photons]:
        """Those between each two edges; earlier ones come with the first, later ones stay."""
        whole = Photons.join(self._parts).sorted()
        at = np.searchsorted(whole.time, edges[1:], side="left")
        first = np.concatenate([[0], at[:-1]])
        self._parts = [whole.part(int(at[-1]), len(whole))]
        return [whole.part(int(a), int(b)) for a, b in zip(first, at, strict=True)]


class PhotonStore:
    """Photons of the last slices, to image any window of them.

    Parameters
    ----------
    bands
        The bands.
    pixels
        Where the pixels are.
    scale
        Gain and offset of each pixel.
    ignored
        Pixels that are not used.
    slices
        How many slices are kept.
    """

    def __init__(
        self, bands: EnergyBands, pixels: PixelGrid, scale: Scale, ignored: IntArray, slices: int
    ) -> None:
        self._bands, self._pixels, self._scale = bands, pixels, scale
        self._used = np.ones(pixels.count, np.bool_)
        self._used[ignored] = False
        self._kept: deque[tuple[float, float, Photons]] = deque(maxlen=slices)

    def add(self, begin: float, end: float, photons: Photons) -> None:
        """The photons of a slice."""
        self._kept.append((begin, end, photons))

    def image(self, start: float, stop: float, band: int) -> FloatArray:
        """Counts of each pixel in a window and a band, shape (pixels, pixels), indexed [z, y].

        Parameters
        ----------
        start, stop
            s; what lies before the oldest slice is missing.
        band
            Number of the band.
        """
        low, high = self._bands.bands[band]
        counts = np.zeros(self._pixels.count)
        for begin, end, photons in self._kept:
            if end <= start or begin >= stop:
                continue
            a, b = np.searchsorted(photons.time, [start, stop], side="left")
            detnum = photons.detnum[a:b]
            energy = self._scale.gain[detnum] * (photons.channel[a:b] + 0.5) + self._scale.offset[detnum]
            chosen = (energy >= low) & (energy < high) & self._used[detnum]
            counts += np.bincount(detnum[chosen], minlength=self._pixels.count)
        return np.ascontiguousarray(self._pixels.image(counts))


class CycleImages:
    """Detector images of the last cycles, to sum those of an exposure.

    Parameters
    ----------
    bands
        The bands.
    cycles
        How many are kept.
    """

    def __init__(self, bands: EnergyBands, cycles: int) -> None:
        self._bands = bands
        self._kept: deque[tuple[float, npt.NDArray[np.uint16]]] = deque(maxlen=cycles)

    def add(self, start: float, counts: FloatArray) -> None:
        """Counts of a cycle, shape (segments, pixels, pixels)."""
        self._kept.append((start, np.minimum(counts, _MOST).astype(np.uint16)))

    def of_bands(self, counts: FloatArray) -> FloatArray:
        """Counts by band, shape (bands, pixels, pixels), of counts by segment.

        Parameters
        ----------
        counts
            Shape (segments, pixels, pixels); with the segments below and above all bands, or without.
        """
        counts = np.asarray(counts, np.float64)
        if len(counts) < self._bands.segments:
            outside = np.zeros((1, *counts.shape[1:]))
            counts = np.concatenate([outside, counts, outside])
        return np.moveaxis(self._bands.combine(np.moveaxis(counts, 0, -1)), -1, 0)

    def image(self, start: float, stop: float, band: int) -> FloatArray:
        """Counts of each pixel in an exposure and a band, shape (pixels, pixels)."""
        inside = [counts for begin, counts in self._kept if start - 0.01 <= begin < stop - 0.01]
        total = np.asarray(np.sum(inside, axis=0, dtype=np.float64))
        return np.asarray(self.of_bands(total)[band])


def without_spikes(counts: FloatArray) -> FloatArray:
    """A detector image without pixels that count far more than all others, which no source in the sky makes.

    A source lights many pixels alike. A pixel with more than 2 q + 10 √(q + 1) + 10 counts, q what 99 % of
    all pixels stay below, gets the mean of the others. The rule is ours.

    Parameters
    ----------
    counts
        Shape (any, pixels, pixels): judged by their sums.
    """
    total = counts.sum(axis=0)
    q = float(np.partition(total, int(0.99 * total.size), axis=None)[int(0.99 * total.size)])
    loud = total > 2 * q + 10 * np.sqrt(q + 1) + 10
    if not loud.any():
        return counts
    quiet = counts.copy()
    quiet[:, loud] = counts[:, ~loud].mean(axis=1)[:, None]
    return quiet
