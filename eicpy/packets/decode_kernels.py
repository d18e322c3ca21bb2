"""The compiled loops that take fields out of packets.

A layout table is a few small arrays that one compiled kernel walks: nothing is compiled per layout, so the
first packet of a new detector is as fast as the last. Two loops carry the load. Fields with one value a
packet are copied side by side, up to 256 packets at a time, into a block that fits the first-level cache
while field after field passes over it; a field's byte, shift and mask are constants of the inner loop, and
packets of other APIDs in between do not matter. Repeated records are taken packet by packet, field by field,
with a constant stride that the compiler turns into vector instructions where it is eight bytes.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import (
    Word,
    address_of,
    copy_64,
    fetch_ahead,
    get_8,
    get_64,
    inline_kernel,
    kernel,
    put_8,
    put_16,
    put_32,
    put_64,
)
from eicpy.packets.buffers import ByteArray
from eicpy.packets.word_records import RECORD_BITS, are_words, decode_words

__all__ = ["decode_columns", "decode_records", "limited_bits", "room_to_work"]

BLOCK_BYTES = 1 << 15
"""Packets that are taken side by side: they fill a usual first-level cache."""
BLOCK_ROWS = 256
"""Most packets side by side; with fewer, each column is written in pieces too short to be fetched ahead."""

Ints = npt.NDArray[np.int64]


def room_to_work(reach: int) -> ByteArray:
    """Room for some packets side by side, whose fields end `reach` bits from their base."""
    stride = max((reach + 63) // 64 * 8, 8)
    rows = min(max(BLOCK_BYTES // stride, 8), BLOCK_ROWS)
    return np.zeros(rows * stride + 8, dtype=np.uint8)


@kernel
def limited_bits(source: int, bit: int, width: int, end_bit: int) -> Word:
    """Bits as a number, byte by byte; bits before the first and from `end_bit` on read as 0."""
    value = np.uint64(0)
    position = bit
    left = width
    while left > 0:
        skip = position & 7
        take = min(8 - skip, left)
        part = np.uint64(0)
        if position >= 0 and position + take <= end_bit:
            octet = get_8(source, position >> 3)
            part = (octet >> np.uint64(8 - skip - take)) & np.uint64((1 << take) - 1)
        value = (value << np.uint64(take)) | part
        position += take
        left -= take
    return value


@inline_kernel
def _put(at: int, byte: int, size: int, value: Word) -> None:
    if size == 1:
        put_8(at, byte, value)
    elif size == 2:
        put_16(at, byte, value)
    elif size == 4:
        put_32(at, byte, value)
    else:
        put_64(at, byte, value)


@inline_kernel
def _sign(width: int, signed: int) -> Word:
    """The sign bit of a signed number of less than 64 bits, else 0."""
    return np.uint64(1) << np.uint64(width - 1) if signed and width < 64 else np.uint64(0)


@inline_kernel
def _field(source: int, byte: int, shift: int, mask: Word, sign: Word) -> Word:
    """A number in eight bytes: shifted down, masked, its sign extended to 64 bits (two's complement)."""
    return (((get_64(source, byte) >> np.uint64(shift)) & mask) ^ sign) - sign


@kernel
def _take_words(source: int, count: int, shift: int, mask: Word, sign: Word, size: int, at: int) -> None:
    """Numbers in words of eight bytes one behind the other; the compiler uses vector instructions."""
    if size == 1:
        for k in range(count):
            put_8(at, k, _field(source, 8 * k, shift, mask, sign))
    elif size == 2:
        for k in range(count):
            put_16(at, 2 * k, _field(source, 8 * k, shift, mask, sign))
    elif size == 4:
        for k in range(count):
            put_32(at, 4 * k, _field(source, 8 * k, shift, mask, sign))
    else:
        for k in range(count):
            put_64(at, 8 * k, _field(source, 8 * k, shift, mask, sign))


@kernel
def _take(
    source: int, step: int, count: int, shift: int, width: int, signed: int, size: int, at: int
) -> None:
    """Numbers that stand `step` bytes apart, one after the other to the address `at`."""
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - width)
    sign = _sign(width, signed)
    if step == 8:
        _take_words(source, count, shift, mask, sign, size, at)
    elif size == 1:
        for k in range(count):
            put_8(at, k, _field(source, step * k, shift, mask, sign))
    elif size == 2:
        for k in range(count):
            put_16(at, 2 * k, _field(source, step * k, shift, mask, sign))
    elif size == 4:
        for k in range(count):
            put_32(at, 4 * k, _field(source, step * k, shift, mask, sign))
    else:
        for k in range(count):
            put_64(at, 8 * k, _field(source, step * k, shift, mask, sign))


@inline_kernel
def _gather(
    source: int, n_bytes: int, base_bit: Ints, end_bit: Ints, reach: int, low: int, high: int, block: int,
    stride: int,
) -> bool:  # fmt: skip  # where, which, and whereto
    """Copy packets side by side; False if one is too short, or too near the end of the buffer."""
    for i in range(low, high):
        bit = base_bit[i]
        byte = bit >> 3
        if bit & 7 or byte < 0 or bit + reach > end_bit[i] or byte + stride > n_bytes:
            return False
        after = base_bit[min(i + 16, high - 1)] >> 3
        fetch_ahead(source, after)
        fetch_ahead(source, after + 64)
        for k in range(0, stride, 8):
            copy_64(source + byte, k, block + (i - low) * stride, k)
    return True


@kernel
def decode_columns(
    buffer: ByteArray, base_bit: Ints, end_bit: Ints, reach: int, table: Ints, block: ByteArray,
    out: ByteArray,
) -> None:  # fmt: skip  # what there is, room to work, what is written
    """Decode the fields with one value a packet.

    Parameters
    ----------
    buffer
        Shape (n_bytes,).
    base_bit, end_bit
        Shape (n_packets,): bit from which offsets count; first bit after the packet.
    reach
        Bits from the base to the end of the last field.
    table
        Shape (n_fields, 5): bit offset, width, signed, bytes of an element, position of the column in `out`.
    block
        Room to work, as `room_to_work` gives it.
    out
        Columns, one after the other, as bytes.
    """
    n = base_bit.size
    source, target, work = address_of(buffer), address_of(out), address_of(block)
    stride = (reach + 63) // 64 * 8
    rows = (block.size - 8) // max(stride, 8)
    for low in range(0, n, rows):
        high = min(low + rows, n)
        inside = _gather(source, buffer.size, base_bit, end_bit, reach, low, high, work, stride)
        for f in range(table.shape[0]):
            bit, width, signed = table[f, 0], table[f, 1], table[f, 2]
            size, column = table[f, 3], table[f, 4]
            skip = bit & 7
            at = target + column + size * low
            if inside and skip + width <= 64:
                _take(work + (bit >> 3), stride, high - low, 64 - skip - width, width, signed, size, at)
            else:
                sign = _sign(width, signed)
                for i in range(low, high):
                    last = min(end_bit[i], 8 * buffer.size)
                    value = limited_bits(source, base_bit[i] + bit, width, last)
                    _put(target + column, size * i, size, (value ^ sign) - sign)


@inline_kernel
def _run(
    source: int, n_bytes: int, bit: int, count: int, stride: int, end_bit: int, width: int, signed: int,
    size: int, at: int,
) -> None:  # fmt: skip  # one line of numbers a field
    """Decode `count` numbers that stand `stride` bits apart."""
    skip = bit & 7
    byte = bit >> 3
    last_byte = byte + ((count - 1) * stride >> 3)
    if bit >= 0 and last_byte + 8 <= n_bytes and stride & 7 == 0 and skip + width <= 64:
        _take(source + byte, stride >> 3, count, 64 - skip - width, width, signed, size, at)
    else:
        sign = _sign(width, signed)
        for k in range(count):
            value = limited_bits(source, bit + k * stride, width, min(end_bit, 8 * n_bytes))
            _put(at, size * k, size, (value ^ sign) - sign)


@kernel
def decode_records(
    buffer: ByteArray, start_bit: Ints, end_bit: Ints, counts: Ints, first: Ints, stride: int, table: Ints,
    out: ByteArray,
) -> None:  # fmt: skip  # buffers first, geometry last
    """Decode the fields of repeated records.

    Parameters
    ----------
    buffer
        Shape (n_bytes,).
    start_bit, end_bit
        Shape (n_packets,): first bit of the first record; first bit after the packet.
    counts, first
        Shape (n_packets,): number of records; how many records all packets before it have.
    stride
        Bits from one record to the next.
    table
        Shape (n_fields, 6): bit within the record, width, signed, bytes of an element, position of the column
        in `out`, elements.
    out
        Columns, one after the other, as bytes.
    """
    source, target, n_bytes = address_of(buffer), address_of(out), buffer.size
    if stride == RECORD_BITS and are_words(n_bytes, start_bit, counts, table):
        decode_words(buffer, start_bit, counts, table, out)
        return
    for i in range(start_bit.size):
        after = start_bit[min(i + 2, start_bit.size - 1)] >> 3
        for ahead in range(0, (counts[i] * stride) >> 3, 64):
            fetch_ahead(source, after + ahead)
        for f in range(table.shape[0]):
            bit, width, signed = start_bit[i] + table[f, 0], table[f, 1], table[f, 2]
            size, column, elements = table[f, 3], table[f, 4], table[f, 5]
            at = target + column + first[i] * size * elements
            if elements == 1:
                _run(source, n_bytes, bit, counts[i], stride, end_bit[i], width, signed, size, at)
                continue
            for k in range(counts[i]):
                _run(
                    source, n_bytes, bit + k * stride, elements, width, end_bit[i], width, signed, size,
                    at + k * size * elements,
                )  # fmt: skip  # as above
