"""From photons to the counts that a trigger searches: fine bins, parts of the plane, segments of energy.

Windows of 10 ms that overlap by half are made of bins of 5 ms. Zones of the plane overlap, and so do bands of
energy: a photon is counted once, in the part of the plane that no zone cuts (an atom) and in the segment of
energy that no band cuts, and zones and bands are sums of these. The same pass counts detector images of each
20.48 s for the image trigger.

A photon's bin depends on its time and on the trigger's begin alone, so that counts do not depend on how
photons are cut into blocks. Photons come nearly sorted: a bin is given out when the caller says that all
photons before its end have come (`until`). Photons of later bins wait; one that comes after its bin was given
out is not lost silently, it is counted in `late`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, EventList, PhotonBlock, Scale
from eicpy.instruments import Instrument
from eicpy.kernels import kernel
from eicpy.trigger.configuration import CYCLE, SHORTEST, TriggerConfiguration, Zone
from eicpy.typing import BoolArray, FloatArray, Int16Array, Int32Array

__all__ = ["AHEAD", "BIN", "BINS_PER_CYCLE", "ROUNDING", "Binned", "PhotonBinner", "plane_atoms"]

BIN = SHORTEST / 2
"""s: a fine bin."""
ROUNDING = 1e-4
"""Bins by which a time may miss the border that it means: 0.5 µs, where times have some 0.1 µs."""
BINS_PER_CYCLE = round(CYCLE / BIN)
"""Fine bins of a detector image."""
_MOST_CYCLES = 512
"""Cycles given out at once at most, three hours: some 0.4 GB of counts and images."""
AHEAD = 600.0
"""s after the end of a block from which on the time of a photon is wrong."""
_BINS_AHEAD = round(AHEAD / BIN)
_PIECE = 16
"""Cycles given out at once by :meth:`PhotonBinner.pieces`."""


@dataclass(slots=True)
class Binned:
    """Counts of some time, all photons of which have come.

    Parameters
    ----------
    start
        Begin of the first fine bin, s TT since the reference.
    counts
        int32, shape (fine bins of 5 ms, atoms, segments): atoms are parts of the plane that no zone cuts,
        segments those of :class:`~eicpy.events.EnergyBands`: below all edges, between them, above.
    images
        Of each cycle that ended in this time its begin, s, and its counts, shape (segments, rows, columns),
        indexed [z, y].
    """

    start: float
    counts: Int32Array
    images: list[tuple[float, FloatArray]]

    @property
    def stop(self) -> float:
        """End of the last fine bin, s."""
        return self.start + len(self.counts) * BIN


def plane_atoms(zones: Sequence[Zone], rows: int, columns: int) -> tuple[Int16Array, BoolArray]:
    """Cut the plane along the borders of all zones.

    Parameters
    ----------
    zones
        Rectangles, which may overlap.
    rows, columns
        Pixels of the plane along z and y.

    Returns
    -------
    atoms : numpy.ndarray
        Number of the atom of each pixel, shape (rows, columns), indexed [z, y].
    belongs : numpy.ndarray
        Whether each zone holds each atom, shape (zones, atoms).

    Raises
    ------
    BadArgumentError
        For a zone that reaches beyond the plane.

    Examples
    --------
    >>> atoms, belongs = plane_atoms([Zone(name="left", y=(0, 1), z=(0, 1))], 1, 2)
    >>> atoms.tolist(), belongs.tolist()
    ([[1, 0]], [[False, True]])
    """
    held = np.zeros((len(zones), rows, columns), np.bool_)
    for inside, zone in zip(held, zones, strict=True):
        if zone.y[1] > columns or zone.z[1] > rows:
            raise BadArgumentError(
                f"zone {zone.name!r} reaches to y={zone.y[1]}, z={zone.z[1]}; "
                f"expected at most {columns} and {rows}, the pixels of the plane"
            )
        inside[zone.z[0] : zone.z[1], zone.y[0] : zone.y[1]] = True
    patterns, atoms = np.unique(held.reshape(len(zones), -1), axis=1, return_inverse=True)
    return atoms.reshape(rows, columns).astype(np.int16), np.ascontiguousarray(patterns)


class PhotonBinner:
    """Photons in blocks of any size to counts, in one pass.

    Parameters
    ----------
    configuration
        Bands, zones and ignored pixels.
    instrument
        The camera.
    scale
        Gain and offset of each pixel. A pixel without a scale (NaN, or a gain that is not positive) is not
        used.
    start
        Begin of bin 0 and of the first cycle, s TT since the reference.

    Attributes
    ----------
    late
        Photons that came after their bin was given out, or lie before `start`.
    out_of_range
        Photons of a pixel that the plane does not have, without a time, or with one ten minutes after the end
        of their block: they would wait for ever.
    waiting
        Photons that lie beyond what was given out.

    Raises
    ------
    BadArgumentError
        If scale, zones or ignored pixels do not fit the plane.
    """

    def __init__(
        self, configuration: TriggerConfiguration, instrument: Instrument, scale: Scale, start: float
    ) -> None:
        grid = instrument.pixels
        gain, offset = np.asarray(scale.gain, np.float64), np.asarray(scale.offset, np.float64)
        if gain.shape != (grid.count,) or offset.shape != gain.shape:
            raise BadArgumentError(
                f"got a scale of {gain.size} pixels, expected {grid.count}, those of {instrument.name}"
            )
        if not np.isfinite(start):
            raise BadArgumentError(f"got begin {start}, expected a time in s")
        atoms, self.belongs = plane_atoms(configuration.count_rate.zones, grid.rows, grid.columns)
        column, row = grid.yz(np.arange(grid.count))
        used = np.isfinite(gain) & np.isfinite(offset) & (gain > 0)
        used[_pixels(configuration.ignored_pixels, grid.count)] = False
        self.used: BoolArray = used
        self._atom = np.where(used, atoms[row, column], -1).astype(np.int16)
        self._place = (row * grid.columns + column).astype(np.int32)
        self._plane = grid.rows, grid.columns
        bands = EnergyBands(configuration.bands)
        self._below = bands.channels_below(scale)
        self._segments = bands.segments
        self._start = float(start)
        self._given = 0
        self._image = np.zeros((self._segments, grid.count), np.int32)
        self._held: list[EventList] = []
        self.late = 0
        self.out_of_range = 0

    @property
    def waiting(self) -> int:
        """Photons that lie beyond what was given out."""
        return sum(len(block) for block in self._held)

    def add(self, photons: PhotonBlock, until: float) -> Binned:
        """Count photons.

        Parameters
        ----------
        photons
            Nearly sorted; some may lie after `until`.
        until
            Time, s, before which no further photons come.

        Returns
        -------
        Binned
            Whole fine bins from where the last one ended to `until`, perhaps none.

        Raises
        ------
        BadArgumentError
            For a time that is not finite, or hours later than the last one: use :meth:`pieces`.
        """
        stop = self._whole_bins(until)
        if stop - self._given > _MOST_CYCLES * BINS_PER_CYCLE:
            raise BadArgumentError(
                f"got photons up to {until} s, {(stop - self._given) * BIN:.0f} s after what was given out; "
                f"expected at most {_MOST_CYCLES * CYCLE:.0f} s, use pieces(), or begin again after the gap"
            )
        return self._count(EventList.of(photons), stop, stop + _BINS_AHEAD)

    def pieces(self, photons: PhotonBlock, until: float) -> Iterator[Binned]:
        """Count photons as :meth:`add` does, and give counts out in pieces of bounded size."""
        stop = self._whole_bins(until)
        block = EventList.of(photons)
        while True:
            yield self._count(block, min(stop, self._given + _PIECE * BINS_PER_CYCLE), stop + _BINS_AHEAD)
            if self._given >= stop:
                return
            block = block[:0]  # the rest waits

    def _whole_bins(self, until: float) -> int:
        if not np.isfinite(until):
            raise BadArgumentError(f"got photons until {until}, expected a time in s")
        return max(int(np.floor((until - self._start) / BIN + ROUNDING)), self._given)

    def _count(self, block: EventList, stop: int, wrong: int) -> Binned:
        first = self._given
        counts = np.zeros((stop - first, self.belongs.shape[1], self._segments), np.int32)
        cycle = first // BINS_PER_CYCLE
        images = np.zeros((stop // BINS_PER_CYCLE - cycle + 1, *self._image.shape), np.int32)
        images[0] = self._image
        held, self._held = self._held, []
        for photons in (*held, block):
            later = np.empty(len(photons), np.int64)
            waiting, late, outside = _bin_photons(
                photons.time, photons.detnum, photons.channel, self._start, first, stop, wrong,
                self._atom, self._place, self._below, counts, images, later,
            )  # fmt: skip
            self.late += late
            self.out_of_range += outside
            if waiting:
                self._held.append(photons[later[:waiting]])
        self._given = stop
        self._image = images[-1].copy()
        finished = [
            (self._start + (cycle + k) * CYCLE, image.reshape(-1, *self._plane).astype(np.float64))
            for k, image in enumerate(images[:-1])
        ]
        return Binned(self._start + first * BIN, counts, finished)


def _pixels(ignored: Sequence[int], count: int) -> npt.NDArray[np.intp]:
    pixels = np.asarray(ignored, np.intp)
    if pixels.size and pixels.max() >= count:
        raise BadArgumentError(
            f"got ignored pixel {pixels.max()}, expected 0 to {count - 1}, those of the plane"
        )
    return pixels


@kernel
def _bin_photons(
    time: FloatArray,
    detnum: Int16Array,
    channel: Int16Array,
    start: float,
    first: int,
    stop: int,
    wrong: int,
    atom: Int16Array,
    place: Int32Array,
    below: Int16Array,
    counts: Int32Array,
    images: Int32Array,
    later: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """Count the photons of bins from `first` to `stop`; how many come later (rows in `later`), late, outside.

    Those of bin `wrong` and after it have a wrong time and are outside.

    Indices go through unsigned numbers, so that a negative pixel is out of range like a large one.
    """
    pixels = np.uint64(len(atom))
    segments = counts.shape[2]
    first_cycle = first // BINS_PER_CYCLE
    waiting = 0
    late = 0
    outside = 0
    for k in range(len(time)):
        pixel = np.uint64(detnum[k])
        position = np.floor((time[k] - start) / BIN)
        if pixel >= pixels or not position < wrong:  # NaN is not
            outside += 1
        elif position >= stop:
            later[waiting] = k
            waiting += 1
        elif atom[pixel] >= 0:
            if position < first:
                late += 1
                continue
            segment = np.int64(0)
            for edge in range(below.shape[1]):
                segment += np.int64(channel[k] > below[pixel, edge])
            if segment < segments:
                row = np.int64(position)
                counts[row - first, atom[pixel], segment] += 1
                images[row // BINS_PER_CYCLE - first_cycle, segment, place[pixel]] += 1
    return waiting, late, outside
