"""The compiled loop for records of eight bytes, as most photons have: words are split, then taken in bulk.

The words of many packets are first brought into native order and split into two planes of 32 bits, which
stay in the first-level cache. Each field then is one pass over a plane, long enough for vector instructions
of eight numbers, and written in long runs. Field by field within each packet took twice as long, for data
that are in the cache already.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import (
    address_of,
    fetch_ahead,
    get_32,
    inline_kernel,
    kernel,
    put_8,
    put_16,
    put_32,
    put_64,
    signed_field,
    unsigned_field,
)
from eicpy.packets.buffers import ByteArray

__all__ = ["RECORD_BITS", "are_words", "decode_words"]

Ints = npt.NDArray[np.int64]

RECORD_BITS = 64
PLANE_BITS = 32
PLANE_WORDS = 2048
"""Records that are split at a time: both planes take 16 kiB."""


@kernel
def are_words(n_bytes: int, start_bit: Ints, counts: Ints, table: Ints) -> bool:
    """Whether records of 8 bytes begin at whole bytes, lie inside the buffer, and hold all their fields."""
    for f in range(table.shape[0]):
        if table[f, 0] < 0 or table[f, 0] + table[f, 1] > RECORD_BITS or table[f, 5] != 1:
            return False
    for i in range(start_bit.size):
        byte = start_bit[i] >> 3
        if start_bit[i] & 7 or byte < 0 or byte + 8 * counts[i] > n_bytes:
            return False
    return True


@kernel
def _split(source: int, count: int, upper: int, lower: int) -> None:
    """Words as native numbers, their upper and lower halves apart."""
    for k in range(count):
        put_32(upper, 4 * k, get_32(source, 8 * k))
        put_32(lower, 4 * k, get_32(source, 8 * k + 4))


@kernel
def _take_unsigned(plane: int, count: int, left: int, right: int, size: int, at: int) -> None:
    """Unsigned numbers from a plane, shifted left and then right."""
    if size == 1:
        for k in range(count):
            put_8(at, k, unsigned_field(plane, k, left, right))
    elif size == 2:
        for k in range(count):
            put_16(at, 2 * k, unsigned_field(plane, k, left, right))
    else:
        for k in range(count):
            put_32(at, 4 * k, unsigned_field(plane, k, left, right))


@kernel
def _take_signed(plane: int, count: int, left: int, right: int, size: int, at: int) -> None:
    """As `_take_unsigned` in two's complement."""
    if size == 1:
        for k in range(count):
            put_8(at, k, signed_field(plane, k, left, right))
    elif size == 2:
        for k in range(count):
            put_16(at, 2 * k, signed_field(plane, k, left, right))
    else:
        for k in range(count):
            put_32(at, 4 * k, signed_field(plane, k, left, right))


@kernel
def _take_across(
    upper: int, lower: int, count: int, bit: int, width: int, signed: int, size: int, at: int
) -> None:
    """Numbers that lie in both planes."""
    shift = np.uint64(RECORD_BITS - bit - width)
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - width)
    sign = np.uint64(1) << np.uint64(width - 1) if signed and width < 64 else np.uint64(0)
    for k in range(count):
        word = (unsigned_field(upper, k, 0, 0) << np.uint64(PLANE_BITS)) | unsigned_field(lower, k, 0, 0)
        value = (((word >> shift) & mask) ^ sign) - sign
        if size == 1:
            put_8(at, k, value)
        elif size == 2:
            put_16(at, 2 * k, value)
        elif size == 4:
            put_32(at, 4 * k, value)
        else:
            put_64(at, 8 * k, value)


@inline_kernel
def _take_fields(upper: int, lower: int, count: int, written: int, table: Ints, target: int) -> None:
    """Write all fields of the records that are split."""
    for f in range(table.shape[0]):
        bit, width, signed, size = table[f, 0], table[f, 1], table[f, 2], table[f, 3]
        at = target + table[f, 4] + written * size
        if bit < PLANE_BITS < bit + width:
            _take_across(upper, lower, count, bit, width, signed, size, at)
            continue
        plane = upper if bit < PLANE_BITS else lower
        left = bit % PLANE_BITS
        right = PLANE_BITS - width
        if signed:
            _take_signed(plane, count, left, right, size, at)
        else:
            _take_unsigned(plane, count, left, right, size, at)


@kernel
def decode_words(buffer: ByteArray, start_bit: Ints, counts: Ints, table: Ints, out: ByteArray) -> None:
    """Decode records for which `are_words` holds.

    Parameters
    ----------
    buffer, start_bit, counts, table, out
        As for :func:`eicpy.packets.decode_kernels.decode_records`, with a stride of 64 bits.
    """
    source, target = address_of(buffer), address_of(out)
    planes = np.empty(8 * PLANE_WORDS, dtype=np.uint8)
    upper = address_of(planes)
    lower = upper + 4 * PLANE_WORDS
    split = 0
    written = 0
    for i in range(start_bit.size):
        byte = start_bit[i] >> 3
        after = start_bit[min(i + 5, start_bit.size - 1)] >> 3
        for ahead in range(0, 8 * counts[i], 64):
            fetch_ahead(source, after + ahead)
        left = counts[i]
        while left > 0:
            number = min(left, PLANE_WORDS - split)
            _split(source + byte, number, upper + 4 * split, lower + 4 * split)
            byte += 8 * number
            left -= number
            split += number
            if split == PLANE_WORDS:
                _take_fields(upper, lower, split, written, table, target)
                written += split
                split = 0
    _take_fields(upper, lower, split, written, table, target)
