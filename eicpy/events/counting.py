"""Kernels that count photons in spectra, bands, images and light curves.

What costs time is memory: the counters of 6400 spectra of 1024 channels do not fit the cache of a core, and
a photon that is counted at once waits for them. So photons are sorted roughly before they are counted: each
is written to the end of the queue of its group of `GROUP` neighbouring counters, as the 16 bits that number
the counter in its group. A full queue is counted in an array that fits the cache, which is then added to the
spectra, and by ranges of channels to the images, in vectors. Bands are a few edges for each pixel, not one
number for each of its channels. ``docs/decisions/0018-photon-kernels.md`` has the model and the measurements.

Short loops, each with one thing to do, are faster than one loop for the whole chain.
No kernel divides 64-bit integers for a photon or calls back into Python. Indices go through unsigned numbers,
so that a negative pixel or channel is out of range like a large one and nothing wraps around.
Each has a numpy twin in ``tests/events`` that must give identical arrays.
"""

import math

import numpy as np
import numpy.typing as npt

from eicpy.kernels import kernel
from eicpy.packets.bits import address_of, fetch_ahead

__all__ = [
    "GROUP",
    "channels_below",
    "count_images",
    "count_light_curve",
    "count_queues",
    "count_ticks",
    "queue_photons",
    "sort_photons",
]

F8 = npt.NDArray[np.float64]
I2 = npt.NDArray[np.int16]
I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]
U2 = npt.NDArray[np.uint16]
U4 = npt.NDArray[np.uint32]

GROUP = 1 << 16
"""Counters of a group: as many as 16 bits can number, 64 KiB."""

_LINE = 64  # bytes that the cache fetches at a time
_CHANNELS = 1 << 15  # that a channel of 16 bits can have
_AHEAD = 128  # bytes between the end of a queue and the line that is fetched for it


@kernel
def queue_photons(
    detnum: I2,
    channel: I2,
    queues: U2,
    queued: I8,
    counted: U2,
    low: U1,
    high: U4,
    below: I2,
    images: I4,
) -> int:
    """Put photons into the queues of their counters, count full queues; how many were out of range.

    Parameters
    ----------
    detnum, channel
        Pixels and channels of the photons.
    queues
        Photons that wait to be counted, as the number of their counter in its group; shape (groups, length),
        length at most 65535.
    queued
        How many wait, shape (groups,).
    counted
        Scratch, shape (GROUP,).
    low, high
        Counts low + 256·high, shape (pixels, channels): most photons change the small part alone.
    below
        Last channel below each edge as of :func:`channels_below`, shape (pixels, edges or more).
    images
        Counts by segment between edges, shape (pixels, segments); no segment: none are counted.
    """
    n_pixels, n_channels = np.uint64(low.shape[0]), np.uint64(low.shape[1])
    length = queues.shape[1]
    address = address_of(queues)
    outside = 0
    for n in range(detnum.size):
        pixel, energy = np.uint64(detnum[n]), np.uint64(channel[n])
        if pixel < n_pixels and energy < n_channels:
            counter = pixel * n_channels + energy
            group = counter >> np.uint64(16)
            end = queued[group]
            queues[group, np.uint64(end)] = np.uint16(counter)
            fetch_ahead(address, 2 * (np.int64(group) * length + end) + _AHEAD)
            end += 1
            if end == length:
                _count_queue(queues[group], np.int64(group), counted, low, high, below, images)
                end = 0
            queued[group] = end
        else:
            outside += 1
    return outside


@kernel
def count_queues(queues: U2, queued: I8, counted: U2, low: U1, high: U4, below: I2, images: I4) -> None:
    """Count all photons that wait in queues; arguments as of :func:`queue_photons`."""
    for group in range(queued.size):
        if queued[group]:
            _count_queue(queues[group, : queued[group]], group, counted, low, high, below, images)
            queued[group] = 0


@kernel
def _count_queue(queue: U2, group: int, counted: U2, low: U1, high: U4, below: I2, images: I4) -> None:
    """Count the photons of one group: in the cache first, then in images and spectra."""
    first = group * GROUP
    size = min(GROUP, low.size - first)
    counted[:] = 0
    for n in range(queue.size):
        counted[queue[n]] += np.uint16(1)
    if images.shape[1]:
        _add_to_images(counted[:size], first, low.shape[1], below, images)
    _add_to_spectra(counted[:size], low.reshape(-1)[first:], high.reshape(-1)[first:])


@kernel
def _add_to_images(counted: U2, first: int, n_channels: int, below: I2, images: I4) -> None:
    """Sum counters, which are those of the spectra from `first` on, over the channels of each segment."""
    last_segment = images.shape[1] - 1
    pixel = first // n_channels
    start = pixel * n_channels - first
    while start < counted.size:
        end = min(start + n_channels, counted.size)
        cell = max(start, 0)
        for segment in range(last_segment + 1):
            stop = end
            if segment < last_segment:
                stop = max(cell, min(end, start + below[pixel, segment] + 1))
            images[pixel, segment] += _sum(counted[cell:stop])
            cell = stop
        pixel += 1
        start += n_channels


@kernel
def _sum(counted: U2) -> np.int32:
    total = np.uint32(0)
    for k in range(counted.size):
        total += np.uint32(counted[k])
    return np.int32(total)


@kernel
def _add_to_spectra(counted: U2, low: U1, high: U4) -> None:
    """Add counters to low + 256·high; they hold the sums of the low part afterwards."""
    for k in range(counted.size):
        counted[k] += np.uint16(low[k])
        low[k] = np.uint8(counted[k])
    for line in range(0, counted.size, _LINE):
        part = counted[line : line + _LINE]
        bits = np.uint16(0)
        for k in range(part.size):
            bits |= part[k]
        if bits > 255:
            for k in range(part.size):
                high[line + k] += np.uint32(part[k] >> np.uint16(8))


@kernel
def sort_photons(detnum: I2, channel: I2, below: I2, segments: U1) -> None:
    """Find the segment between band edges of each photon: the number of edges at or below its channel.

    `below` has shape (pixels, edges). A photon out of range is in segment 0, below all edges.
    """
    n_pixels = np.uint64(below.shape[0])
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        segment = np.uint8(0)
        if pixel < n_pixels:
            for edge in range(below.shape[1]):
                segment += np.uint8(channel[n] > below[pixel, edge])
        segments[n] = segment


@kernel
def channels_below(gain: F8, offset: F8, edges: F8, below: I2) -> None:
    """Last channel of each pixel below each edge, −1 for none, shape (pixels, edges or more).

    Energy grows with the channel, so it is found by halving. A pixel whose gain is not positive, or whose
    scale is not finite, has all channels below all edges, and so has the rest of `below` beyond the edges.
    """
    for pixel in range(gain.size):
        slope, start = gain[pixel], offset[pixel]
        below[pixel, :] = _CHANNELS - 1
        if not (slope > 0.0 and math.isfinite(slope) and math.isfinite(start)):
            continue
        for edge in range(edges.size):
            first, last = 0, _CHANNELS
            while first < last:
                middle = (first + last) >> 1
                if slope * (middle + 0.5) + start >= edges[edge]:
                    last = middle
                else:
                    first = middle + 1
            below[pixel, edge] = first - 1


@kernel
def count_images(detnum: I2, segments: U1, counts: I4) -> int:
    """Add photons to counts, shape (pixels, segments); returns how many were out of range."""
    n_pixels = np.uint64(counts.shape[0])
    outside = 0
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        if pixel < n_pixels:
            counts[pixel, np.uint64(segments[n])] += 1
        else:
            outside += 1
    return outside


@kernel
def count_light_curve(time: F8, segments: U1, start: float, inverse_step: float, counts: I8) -> int:
    """Add photons to time bins, shape (bins, segments); returns how many were out of range."""
    n_bins = float(counts.shape[0])
    outside = 0
    for n in range(time.size):
        position = (time[n] - start) * inverse_step
        if position >= 0.0 and position < n_bins:
            counts[np.uint64(np.int64(position)), np.uint64(segments[n])] += 1
        else:
            outside += 1
    return outside


@kernel
def count_ticks(
    time: F8, segments: U1, tick_rate: float, first_tick: int, inverse_width: float, counts: I8
) -> int:
    """Add photons to bins of whole ticks, shape (bins, segments); returns how many were out of range.

    `tick_rate` is in ticks per s; a bin has 1/`inverse_width` ticks. The middle of a tick lies half a tick
    from the nearest edge of a bin, so that the product needs not be exact.
    """
    n_bins = float(counts.shape[0])
    outside = 0
    for n in range(time.size):
        position = (np.rint(time[n] * tick_rate) - first_tick + 0.5) * inverse_width
        if position >= 0.0 and position < n_bins:
            counts[np.uint64(np.int64(position)), np.uint64(segments[n])] += 1
        else:
            outside += 1
    return outside
