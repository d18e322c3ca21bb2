"""From bytes to columns, driven by a layout table.

The table is a few small arrays that one compiled kernel walks: nothing is compiled per layout, so the
first packet of a new detector is as fast as the last. Two loops carry the load. Fields with one value a
packet are copied side by side, up to 64 packets at a time, into a block that stays in the first-level cache
while field after field passes over it; a field's byte, shift and mask are constants of the inner loop, and
packets of other APIDs in between do not matter. Repeated records are
taken packet by packet, field by field, with a constant stride that the compiler turns into vector
instructions where it is eight bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.bits import (
    Buffer,
    ByteArray,
    Word,
    as_byte_array,
    kernel,
    load64,
    store64,
    store_u8,
    store_u16,
    store_u32,
    store_u64,
)
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.index import PacketIndex
from eicpy.packets.layout import FieldSpec, Group, PacketLayout, Section

__all__ = ["DecodedPackets", "Discriminant", "GroupRows", "decode", "select"]

PRIMARY_HEADER_BITS = 48
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


@dataclass(frozen=True)
class GroupRows:
    """How the records of a group are spread over the packets.

    Attributes
    ----------
    counts
        Shape (n_packets,), int64: number of records in each packet.
    packet
        Shape (n_records,), int64: row of the packet of each record.
    """

    counts: Ints
    packet: Ints


@dataclass(frozen=True)
class DecodedPackets:
    """Columns of one kind of packet.

    Attributes
    ----------
    columns
        One value a packet: shape (n_packets,), or (n_packets, elements) for arrays and bytes; raw numbers in
        the smallest native type.
    repeated
        Fields of repeated records, over all packets: shape (n_records,) or (n_records, elements).
    groups
        For each repeated record, by the name of its first field, how it is spread over the packets.
    complete
        Shape (n_packets,), bool: whether the packet holds all that the table and its own counts promise;
        what it does not hold reads as 0.
    """

    columns: dict[str, npt.NDArray[Any]]
    repeated: dict[str, npt.NDArray[Any]]
    groups: dict[str, GroupRows] = field(default_factory=dict)
    complete: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @property
    def _first(self) -> GroupRows:
        empty = GroupRows(np.zeros(len(self.complete), np.int64), np.zeros(0, np.int64))
        return next(iter(self.groups.values()), empty)

    @property
    def packet(self) -> Ints:
        """Row of the packet of each record of the first group."""
        return self._first.packet

    @property
    def counts(self) -> Ints:
        """Number of records of the first group in each packet."""
        return self._first.counts

    def __len__(self) -> int:
        return len(self.complete)


class Discriminant(Protocol):
    """What tells a kind of packet apart; ``eicpy.instruments.PacketKind`` is one."""

    @property
    def apid(self) -> int:
        """Application process id."""

    @property
    def service(self) -> int | None:
        """PUS type, or None for any."""

    @property
    def subservice(self) -> int | None:
        """PUS subtype, or None for any."""

    @property
    def structure(self) -> int | None:
        """Value of the structure id, or None for any."""


def select(
    buffer: Buffer, index: PacketIndex, kind: Discriminant, layout: PacketLayout | None = None
) -> npt.NDArray[np.bool_]:
    """Which packets are of a kind, by APID, type, subtype and structure id.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    kind
        What to look for.
    layout
        Layout of the kind, whose field of type ``structure`` holds the structure id.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), bool.
    """
    mask: npt.NDArray[np.bool_] = index.apid == kind.apid
    if kind.service is not None:
        mask &= index.service == kind.service
    if kind.subservice is not None:
        mask &= index.subservice == kind.subservice
    if kind.structure is not None and layout is not None and layout.structure is not None:
        rows = np.flatnonzero(mask)
        place = PacketLayout([spec for spec, _ in layout.sections[0].fields], layout.name)
        found = decode(buffer, index[rows], place).columns[layout.structure.name]
        mask[rows[found != kind.structure]] = False
    return mask


class _Columns:
    """Room for the columns of some fields in one block of bytes, and the table that the kernels read."""

    def __init__(self, fields: tuple[tuple[FieldSpec, int], ...], count: int) -> None:
        self.fields = [(spec, bit) for spec, bit in fields if spec.is_data]
        self.count = count
        table = []
        end = 0
        for spec, bit in self.fields:
            signed = int(spec.kind == "int")
            table.append((bit, spec.bit_width, signed, spec.dtype.itemsize, end, spec.elements))
            end += -(-count * spec.elements * spec.dtype.itemsize // 64) * 64
        self.table = np.array(table, dtype=np.int64).reshape(-1, 6)
        self.out: ByteArray = np.empty(end, dtype=np.uint8)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        result = {}
        for (spec, _), start in zip(self.fields, self.table[:, 4].tolist(), strict=True):
            stop = start + self.count * spec.elements * spec.dtype.itemsize
            column = self.out[start:stop].view(spec.dtype)
            shaped = spec.elements > 1 or spec.kind == "bytes"
            result[spec.name] = column.reshape(self.count, spec.elements) if shaped else column
        return result


def _group_counts(
    group: Group, start: Ints, data_end: Ints, columns: Mapping[str, npt.NDArray[Any]]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Records in each packet, and whether it has room for as many as it should hold."""
    room = np.maximum(data_end - start, 0) // group.stride
    if group.repeat == "fill":
        return room, data_end >= start
    fixed = group.fixed_count
    asked = np.full(len(start), fixed) if fixed is not None else columns[group.repeat].astype(np.int64)
    # An absurd number in a damaged packet must not ask for memory that is not there.
    counts = np.clip(asked, 0, room)
    return counts, counts == asked


def _decode_section(
    buffer: ByteArray, section: Section, base: Ints, data_end: Ints, columns: dict[str, npt.NDArray[Any]]
) -> None:
    single = tuple((spec, bit) for spec, bit in section.fields if spec.elements == 1 and spec.kind != "bytes")
    several = tuple((spec, bit) for spec, bit in section.fields if spec.elements > 1 or spec.kind == "bytes")
    room = _Columns(single, len(base))
    reach = max((bit + spec.bits for spec, bit in single), default=0)
    decode_columns(buffer, base, data_end, reach, room.table[:, :5].copy(), room.out)
    columns.update(room.arrays())
    if several:
        room = _Columns(several, len(base))
        ones, first = np.ones(len(base), np.int64), np.arange(len(base), dtype=np.int64)
        decode_records(buffer, base, data_end, ones, first, 0, room.table, room.out)
        columns.update(room.arrays())


def decode(buffer: Buffer, index: PacketIndex, layout: PacketLayout) -> DecodedPackets:
    """Decode packets of one kind into columns.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Packets of the kind that the layout describes; choose them with `select` and ``index.good``.
    layout
        Their table.

    Returns
    -------
    DecodedPackets
        Raw numbers in native byte order. ``layout.calibrate`` makes engineering values of them.

    Raises
    ------
    BadDataError
        If a packet does not lie inside the buffer.
    """
    array = as_byte_array(buffer)
    offset = index.offset.astype(np.int64)
    end = 8 * (offset + index.length)
    if len(index) and (int(offset.min()) < 0 or int(end.max()) > 8 * len(array)):
        raise BadDataError(
            f"got an index that reaches to byte {int(end.max()) // 8}, expected at most {len(array)}",
            advice="is it the index of this file?",
        )
    data_end = end - _trailer_bits(index, layout)
    base = 8 * offset + PRIMARY_HEADER_BITS
    columns: dict[str, npt.NDArray[Any]] = {}
    repeated: dict[str, npt.NDArray[Any]] = {}
    groups: dict[str, GroupRows] = {}
    complete = np.ones(len(index), dtype=np.bool_)
    for section in layout.sections:
        limit = end if layout.places_checksum else data_end
        complete &= base + section.bits <= limit
        _decode_section(array, section, base, limit, columns)
        after = base + section.bits
        for group in section.groups:
            start = base + group.start
            counts, whole = _group_counts(group, start, data_end, columns)
            complete &= whole
            first = np.cumsum(counts) - counts
            room = _Columns(group.fields, int(counts.sum()))
            decode_records(array, start, limit, counts, first, group.stride, room.table, room.out)
            repeated.update(room.arrays())
            groups[group.name] = GroupRows(counts, np.repeat(np.arange(len(index)), counts))
            if group.fixed_count is None:
                after = start + counts * group.stride
        base = after
    ordered = {name: columns[name] for name in layout.names if name in columns}
    return DecodedPackets(ordered, repeated, groups, complete)


def _trailer_bits(index: PacketIndex, layout: PacketLayout) -> Ints:
    """Bits at the end of each packet that are no data: its checksum."""
    if layout.places_checksum:
        last = layout.fields[-1].kind == "checksum"
        return np.full(len(index), 16 if last else 0, dtype=np.int64)
    bits = np.zeros(2048, dtype=np.int64)
    for apid, decision in index.decisions.items():
        bits[apid] = 0 if decision.checksum is ChecksumKind.NONE else 16
    return bits[index.apid]
