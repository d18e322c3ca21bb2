"""The compiled loops that take fields out of packets.

A layout table is a few small arrays that one compiled kernel walks: nothing is compiled per layout, so the
first packet of a new detector is as fast as the last. Two loops carry the load. Fields with one value a
packet are copied side by side, up to 64 packets at a time, into a block that stays in the first-level cache
while field after field passes over it; a field's byte, shift and mask are constants of the inner loop, and
packets of other APIDs in between do not matter. Repeated records are taken packet by packet, field by field,
with a constant stride that the compiler turns into vector instructions where it is eight bytes.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import (
    ByteArray,
    Word,
    kernel,
    load64,
    store64,
    store_u8,
    store_u16,
    store_u32,
    store_u64,
)

__all__ = ["decode_columns", "decode_records"]

BLOCK_BYTES = 1 << 13
"""Packets that are taken side by side: a quarter of a usual first-level cache."""

Ints = npt.NDArray[np.int64]


@kernel
def _limited(buffer: ByteArray, bit: int, width: int, end_bit: int) -> Word:
    """Bits as a number, byte by byte; bits from `end_bit` on, or beyond the buffer, read as 0."""
    value = np.uint64(0)
    last = min(end_bit, 8 * buffer.size)
    position = bit
    left = width
    while left > 0:
        skip = position & 7
        take = min(8 - skip, left)
        part = np.uint64(0)
        if position >= 0 and position + take <= last:
            octet = np.uint64(buffer[position >> 3])
            part = (octet >> np.uint64(8 - skip - take)) & np.uint64((1 << take) - 1)
        value = (value << np.uint64(take)) | part
        position += take
        left -= take
    return value


@kernel
def _extend(value: Word, width: int, signed: int) -> Word:
    """Two's complement of `width` bits as 64 bits."""
    sign = _sign(width, signed)
    return (value ^ sign) - sign


@kernel
def _put(out: ByteArray, at: int, size: int, value: Word) -> None:
    if size == 1:
        store_u8(out, at, value)
    elif size == 2:
        store_u16(out, at, value)
    elif size == 4:
        store_u32(out, at, value)
    else:
        store_u64(out, at, value)


@kernel
def _sign(width: int, signed: int) -> Word:
    """The sign bit of a signed number of less than 64 bits, else 0."""
    return np.uint64(1) << np.uint64(width - 1) if signed and width < 64 else np.uint64(0)


@kernel
def _mask(width: int) -> Word:
    return np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - width)


@kernel
def _column_block(
    block: ByteArray, stride: int, count: int, byte: int, shift: int, width: int, signed: int, size: int,
    out: ByteArray, at: int,
) -> None:  # fmt: skip  # one line of numbers a field
    """One field of the packets of a block, which stand `stride` bytes apart."""
    right = np.uint64(shift)
    mask = _mask(width)
    sign = _sign(width, signed)
    if size == 1:
        for i in range(count):
            value = (load64(block, i * stride + byte) >> right) & mask
            store_u8(out, at + i, (value ^ sign) - sign)
    elif size == 2:
        for i in range(count):
            value = (load64(block, i * stride + byte) >> right) & mask
            store_u16(out, at + 2 * i, (value ^ sign) - sign)
    elif size == 4:
        for i in range(count):
            value = (load64(block, i * stride + byte) >> right) & mask
            store_u32(out, at + 4 * i, (value ^ sign) - sign)
    else:
        for i in range(count):
            value = (load64(block, i * stride + byte) >> right) & mask
            store_u64(out, at + 8 * i, (value ^ sign) - sign)


@kernel
def _gather(
    buffer: ByteArray,
    base_bit: Ints,
    end_bit: Ints,
    reach: int,
    low: int,
    high: int,
    block: ByteArray,
    stride: int,
) -> bool:
    """Copy packets side by side; False if one is too short, or too near the end of the buffer."""
    for i in range(low, high):
        byte = base_bit[i] >> 3
        if base_bit[i] & 7 or byte < 0 or base_bit[i] + reach > end_bit[i] or byte + stride > buffer.size:
            return False
        for k in range(0, stride, 8):
            store64(block, (i - low) * stride + k, load64(buffer, byte + k))
    return True


@kernel
def decode_columns(
    buffer: ByteArray, base_bit: Ints, end_bit: Ints, reach: int, table: Ints, out: ByteArray
) -> None:
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
        Shape (n_fields, 5): bit offset, width, signed, bytes of an element, place of the column in `out`.
    out
        Columns, one after the other, as bytes.
    """
    n = base_bit.size
    stride = (reach + 63) // 64 * 8
    rows = min(max(BLOCK_BYTES // max(stride, 8), 8), 64)
    block = np.zeros(rows * stride + 8, dtype=np.uint8)
    for low in range(0, n, rows):
        high = min(low + rows, n)
        inside = _gather(buffer, base_bit, end_bit, reach, low, high, block, stride)
        for f in range(table.shape[0]):
            bit, width, signed, size, column = table[f]
            skip = bit & 7
            at = column + size * low
            if inside and skip + width <= 64:
                _column_block(
                    block, stride, high - low, bit >> 3, 64 - skip - width, width, signed, size, out, at
                )
            else:
                for i in range(low, high):
                    value = _limited(buffer, base_bit[i] + bit, width, end_bit[i])
                    _put(out, column + size * i, size, _extend(value, width, signed))


@kernel
def _run(
    buffer: ByteArray, first_bit: int, count: int, stride: int, end_bit: int, width: int, signed: int,
    size: int, out: ByteArray, at: int,
) -> None:  # fmt: skip  # one line of numbers a field
    """Decode `count` numbers that stand `stride` bits apart."""
    skip = first_bit & 7
    byte = first_bit >> 3
    last_byte = byte + ((count - 1) * stride >> 3)
    inside = first_bit >= 0 and last_byte + 9 <= buffer.size and stride & 7 == 0 and skip + width <= 64
    if not inside:
        for k in range(count):
            value = _limited(buffer, first_bit + k * stride, width, end_bit)
            _put(out, at + size * k, size, _extend(value, width, signed))
        return
    _strided(buffer, byte, stride >> 3, count, 64 - skip - width, width, signed, size, out, at)


@kernel
def _strided(
    buffer: ByteArray, byte: int, step: int, count: int, shift: int, width: int, signed: int, size: int,
    out: ByteArray, at: int,
) -> None:  # fmt: skip  # one line of numbers a field
    """Decode numbers that stand `step` bytes apart; a step known to the compiler becomes vector code."""
    right = np.uint64(shift)
    mask = _mask(width)
    sign = _sign(width, signed)
    if step == 8 and size == 2:
        for k in range(count):
            value = (load64(buffer, byte + 8 * k) >> right) & mask
            store_u16(out, at + 2 * k, (value ^ sign) - sign)
    elif step == 8 and size == 4:
        for k in range(count):
            value = (load64(buffer, byte + 8 * k) >> right) & mask
            store_u32(out, at + 4 * k, (value ^ sign) - sign)
    elif step == 8 and size == 1:
        for k in range(count):
            value = (load64(buffer, byte + 8 * k) >> right) & mask
            store_u8(out, at + k, (value ^ sign) - sign)
    elif size == 2:
        for k in range(count):
            value = (load64(buffer, byte + step * k) >> right) & mask
            store_u16(out, at + 2 * k, (value ^ sign) - sign)
    else:
        for k in range(count):
            value = (load64(buffer, byte + step * k) >> right) & mask
            _put(out, at + size * k, size, (value ^ sign) - sign)


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
        Shape (n_fields, 6): bit within the record, width, signed, bytes of an element, place of the column
        in `out`, elements.
    out
        Columns, one after the other, as bytes.
    """
    for i in range(start_bit.size):
        for f in range(table.shape[0]):
            bit, width, signed, size, column, elements = table[f]
            at = column + first[i] * size * elements
            if elements == 1:
                _run(
                    buffer,
                    start_bit[i] + bit,
                    counts[i],
                    stride,
                    end_bit[i],
                    width,
                    signed,
                    size,
                    out,
                    at,
                )
                continue
            for k in range(counts[i]):
                begin = start_bit[i] + k * stride + bit
                _run(
                    buffer, begin, elements, width, end_bit[i], width, signed, size, out,
                    at + k * size * elements,
                )  # fmt: skip  # as above
