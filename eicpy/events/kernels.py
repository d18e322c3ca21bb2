"""Kernels that read, write and select photons: one pass over columns, arrays in, arrays out.

No kernel divides 64-bit integers or calls back into Python. Indices go through unsigned numbers, so that a
negative pixel or channel is out of range like a large one and nothing wraps around.
Each has a numpy twin in ``tests/events`` that must give identical arrays.
"""

import math

import numpy as np
import numpy.typing as npt

from eicpy.kernels import kernel
from eicpy.packets.bits import address_of, get_8, get_64

__all__ = [
    "COUNTING_BITS",
    "NO_SCALE",
    "PHA_OUTSIDE",
    "PI_ABOVE",
    "PI_BELOW",
    "inside_intervals",
    "largest_step_back",
    "nominal_channels",
    "pack_photons",
    "unpack_photons",
]

F8 = npt.NDArray[np.float64]
I2 = npt.NDArray[np.int16]
I8 = npt.NDArray[np.int64]
U1 = npt.NDArray[np.uint8]

COUNTING_BITS = 0x0F
"""Bits of FLAG that count the pixels hit at once, 15 for 15 and more."""
PHA_OUTSIDE = 0x10
"""Bit of FLAG of a photon whose channel as measured is not one of the detector's."""
PI_BELOW = 0x20
"""Bit of FLAG of a photon below the first channel of the nominal scale."""
PI_ABOVE = 0x40
"""Bit of FLAG of a photon above the last channel of the nominal scale."""
NO_SCALE = 0x80
"""Bit of FLAG of a photon of a pixel whose gain and offset are not known."""

_ROWS = 1024
"""Rows unpacked at a time, column by column: they stay in the fastest cache meanwhile."""


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
    multiplicity: U1,
    pi: I2,
    flag: U1,
) -> None:
    """Channel of each photon's energy on the nominal scale, −1 where there is none; FLAG says why.

    `flag` receives the pixels hit at once, and the bit of a channel or an energy that is out of range.
    """
    n_pixels = np.uint64(gain.size)
    for n in range(detnum.size):
        pixel = np.uint64(detnum[n])
        value = math.nan
        if pixel < n_pixels:
            energy = gain[pixel] * (channel[n] + 0.5) + offset[pixel]
            value = np.floor((energy - nominal_offset) / nominal_gain)
        mark = 0
        if channel[n] < 0 or channel[n] >= n_channels:
            mark = PHA_OUTSIDE
        if math.isnan(value):
            mark |= NO_SCALE
        elif value < 0.0:
            mark |= PI_BELOW
        elif value >= n_channels:
            mark |= PI_ABOVE
        pi[n] = -1 if mark else np.int16(value)
        count = int(multiplicity[n])
        flag[n] = np.uint8((min(COUNTING_BITS, count)) | mark)


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
    source = address_of(rows)
    width = rows.shape[1]
    for first in range(0, rows.shape[0], _ROWS):
        part = slice(first, min(first + _ROWS, rows.shape[0]))
        row = source + first * width
        _read_64(row + offsets[0], width, time_words[part])
        _read_pixels(row + offsets[2], row + offsets[1], width, columns, detnum[part])
        _read_16(row + offsets[3], width, channel[part])
        if offsets[4] >= 0:
            _read_8(row + offsets[4], width, multiplicity[part])
        else:
            multiplicity[part] = 1


@kernel
def _read_64(address: int, step: int, out: npt.NDArray[np.uint64]) -> None:
    for n in range(out.size):
        out[n] = get_64(address, n * step)


@kernel
def _read_pixels(address: int, column_address: int, step: int, columns: int, out: I2) -> None:
    width = np.int32(columns)
    for n in range(out.size):
        out[n] = np.int32(get_8(address, n * step)) * width + np.int32(get_8(column_address, n * step))


@kernel
def _read_16(address: int, step: int, out: I2) -> None:
    for n in range(out.size):
        high, low = get_8(address, n * step), get_8(address, n * step + 1)
        out[n] = (np.int32(high) << np.int32(8)) | np.int32(low)


@kernel
def _read_8(address: int, step: int, out: U1) -> None:
    for n in range(out.size):
        out[n] = get_8(address, n * step)


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
