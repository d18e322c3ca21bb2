"""Kernels of the photon chain: one pass over columns, arrays in, arrays out.

Each does one thing; one kernel for the whole chain was slower, because a short loop keeps its tables in the
cache. Only the spectra and the search for the band go together: they read the same place.
No kernel divides 64-bit integers or calls back into Python. Indices go through unsigned numbers, so that a
negative pixel or channel is out of range like a large one and nothing wraps around.
Each has a numpy twin in ``tests/events`` that must give identical arrays.
"""

import math

import numpy as np
import numpy.typing as npt

from eicpy.kernels import kernel

__all__ = [
    "count_images",
    "count_light_curve",
    "count_spectra",
    "count_spectra_and_sort",
    "energy_segments",
    "inside_intervals",
    "largest_step_back",
    "nominal_channels",
    "pack_photons",
    "segment_table",
    "unpack_photons",
]

F8 = npt.NDArray[np.float64]
I2 = npt.NDArray[np.int16]
I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]
U4 = npt.NDArray[np.uint32]


@kernel
def count_spectra(detnum: I2, channel: I2, low: U1, high: U4) -> int:
    """Add photons to spectra, shape (pixels, channels); returns how many were out of range.

    The counts are low + 256·high: the part that is written at every photon is then small enough for the
    cache, which makes it up to twice as fast as one array of 32 bits.
    """
    n_pixels = np.uint64(low.shape[0])
    n_channels = np.uint64(low.shape[1])
    outside = 0
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        energy = np.uint64(channel[n])
        if pixel < n_pixels and energy < n_channels:
            count = np.uint8(low[pixel, energy] + np.uint8(1))
            low[pixel, energy] = count
            if count == 0:
                high[pixel, energy] += np.uint32(1)
        else:
            outside += 1
    return outside


@kernel
def count_spectra_and_sort(detnum: I2, channel: I2, low: U1, high: U4, table: U1, segments: U1) -> int:
    """:func:`count_spectra` and :func:`energy_segments` in one pass, which share their index.

    `table` has at least the channels of `low`; a photon out of range of `low` gets segment 0.
    """
    n_pixels = np.uint64(low.shape[0])
    n_channels = np.uint64(low.shape[1])
    outside = 0
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        energy = np.uint64(channel[n])
        if pixel < n_pixels and energy < n_channels:
            count = np.uint8(low[pixel, energy] + np.uint8(1))
            low[pixel, energy] = count
            if count == 0:
                high[pixel, energy] += np.uint32(1)
            segments[n] = table[pixel, energy]
        else:
            segments[n] = 0
            outside += 1
    return outside


@kernel
def energy_segments(detnum: I2, channel: I2, table: U1, segments: U1) -> int:
    """Look up the stretch between band edges that each photon falls in.

    `table` has shape (pixels, channels). Segment 0 lies below all edges; a photon out of range gets it too,
    and the number of photons in a known pixel whose channel lies beyond the table is returned.
    """
    n_pixels = np.uint64(table.shape[0])
    n_channels = np.uint64(table.shape[1])
    beyond = 0
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        energy = np.uint64(channel[n])
        segments[n] = 0
        if pixel < n_pixels:
            if energy < n_channels:
                segments[n] = table[pixel, energy]
            elif channel[n] >= 0:
                beyond += 1
    return beyond


@kernel
def segment_table(gain: F8, offset: F8, edges: F8, table: U1) -> None:
    """Segment between sorted band edges of every pixel and channel, shape (pixels, channels).

    Energy grows with the channel, so each pixel is one walk along its edges. A pixel whose gain is not
    positive, or whose scale is not finite, is in segment 0 everywhere.
    """
    for pixel in range(table.shape[0]):
        slope = gain[pixel]
        start = offset[pixel]
        if not (slope > 0.0 and math.isfinite(slope) and math.isfinite(start)):
            table[pixel, :] = 0
            continue
        segment = 0
        for channel in range(table.shape[1]):
            energy = slope * (channel + 0.5) + start
            while segment < edges.size and energy >= edges[segment]:
                segment += 1
            table[pixel, channel] = segment


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
    n_bins = counts.shape[0]
    outside = 0
    for n in range(time.size):
        place = (time[n] - start) * inverse_step
        if place >= 0.0 and place < n_bins:
            counts[np.uint64(place), np.uint64(segments[n])] += 1
        else:
            outside += 1
    return outside


@kernel
def inside_intervals(time: F8, start: F8, stop: F8, inside: npt.NDArray[np.bool_]) -> None:
    """Mark times that lie in one of the sorted, disjoint intervals [start, stop)."""
    count = start.size
    here = 0
    for n in range(time.size):
        t = time[n]
        if count == 0:
            inside[n] = False
            continue
        if not (t >= start[here] and (here + 1 == count or t < start[here + 1])):
            low, high = 0, count
            while low < high:
                middle = (low + high) >> 1
                if start[middle] <= t:
                    low = middle + 1
                else:
                    high = middle
            here = max(low - 1, 0)
        inside[n] = t >= start[here] and t < stop[here]


@kernel
def nominal_channels(
    detnum: I2,
    channel: I2,
    gain: F8,
    offset: F8,
    nominal_gain: float,
    nominal_offset: float,
    n_channels: int,
    pi: I2,
) -> None:
    """Channel of each photon's energy on the nominal scale; −1 for a pixel without a scale."""
    n_pixels = np.uint64(gain.size)
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        value = math.nan
        if pixel < n_pixels:
            energy = gain[pixel] * (channel[n] + 0.5) + offset[pixel]
            value = (energy - nominal_offset) / nominal_gain
        if math.isnan(value):
            pi[n] = -1
        else:
            pi[n] = min(max(math.floor(value), 0.0), n_channels - 1.0)


@kernel
def unpack_photons(
    rows: U1,
    offsets: I8,
    columns: int,
    time_words: npt.NDArray[np.uint64],
    detnum: I2,
    channel: I2,
    multiplicity: U1,
) -> None:
    """Unpack big-endian rows, shape (rows, bytes of a row), into columns.

    `offsets` are the bytes of TIME, JDET, IDET, PHA and FLAG in a row (FLAG −1 where there is none);
    `columns` is the number of pixels in a row of the detector. `time_words` receives the bits of the times.
    """
    o_time = np.uint64(offsets[0])
    o_j = np.uint64(offsets[1])
    o_i = np.uint64(offsets[2])
    o_high = np.uint64(offsets[3])
    o_low = o_high + np.uint64(1)
    has_flag = offsets[4] >= 0
    o_flag = np.uint64(max(offsets[4], 0))
    width = np.int32(columns)
    for n in range(rows.shape[0]):
        word = np.uint64(0)
        for byte in range(8):
            word = (word << np.uint64(8)) | np.uint64(rows[n, o_time + np.uint64(byte)])
        time_words[n] = word
        detnum[n] = np.int32(rows[n, o_i]) * width + np.int32(rows[n, o_j])
        channel[n] = (np.int32(rows[n, o_high]) << np.int32(8)) | np.int32(rows[n, o_low])
        multiplicity[n] = rows[n, o_flag] if has_flag else 1


@kernel
def pack_photons(
    time_words: npt.NDArray[np.uint64],
    detnum: I2,
    channel: I2,
    pi: I2,
    multiplicity: U1,
    columns: int,
    rows: U1,
) -> None:
    """Pack columns into rows of ECL-EVT-CAL: TIME D, JDET B, IDET B, PHA I, PI I, FLAG B (15 bytes)."""
    for n in range(time_words.size):
        word = time_words[n]
        for byte in range(8):
            rows[n, byte] = np.uint8(word >> np.uint64(56 - 8 * byte))
        pixel = np.int32(detnum[n])
        row = pixel // np.int32(columns)
        rows[n, 8] = np.uint8(pixel - row * np.int32(columns))
        rows[n, 9] = np.uint8(row)
        rows[n, 10] = np.uint8(channel[n] >> 8)
        rows[n, 11] = np.uint8(channel[n])
        rows[n, 12] = np.uint8(pi[n] >> 8)
        rows[n, 13] = np.uint8(pi[n])
        rows[n, 14] = multiplicity[n]


@kernel
def largest_step_back(time: F8, latest: float) -> tuple[float, float]:
    """How far the times fall behind the latest one so far; `latest` carries over from block to block."""
    worst = 0.0
    for n in range(time.size):
        if time[n] > latest:
            latest = time[n]
        else:
            worst = max(worst, latest - time[n])
    return worst, latest
