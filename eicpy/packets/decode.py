"""From bytes to columns, driven by a layout table.

The fields of a table are grouped into those with one value a packet and those that repeat; the loops over
packets are compiled (:mod:`eicpy.packets.decode_kernels`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.bits import Buffer, ByteArray, as_byte_array, byte_block
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.decode_kernels import decode_columns, decode_records, room_to_work
from eicpy.packets.index import PacketIndex
from eicpy.packets.layout import FieldSpec, Group, PacketLayout, Section
from eicpy.packets.rules import APIDS

__all__ = ["DecodedPackets", "Discriminant", "GroupRows", "decode", "select"]

PRIMARY_HEADER_BITS = 48

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GroupRows:
    """How the records of a group are spread over the packets.

    Attributes
    ----------
    counts
        Shape (n_packets,), int64: number of records in each packet.
    """

    counts: Ints

    @cached_property
    def packet(self) -> Ints:
        """Shape (n_records,), int64: row of the packet of each record."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


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
        Shape (n_packets,), bool: whether the packet holds all that the table and its own counts promise, no
        part of a record is left over, and what must be 0 is 0. What it does not hold reads as 0.
    """

    columns: dict[str, npt.NDArray[Any]]
    repeated: dict[str, npt.NDArray[Any]]
    groups: dict[str, GroupRows] = field(default_factory=dict)
    complete: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @property
    def _first(self) -> GroupRows:
        empty = GroupRows(np.zeros(len(self.complete), np.int64))
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

    @property
    def command(self) -> bool:
        """Whether it is a telecommand."""


def select(
    buffer: Buffer, index: PacketIndex, kind: Discriminant, layout: PacketLayout | None = None
) -> npt.NDArray[np.bool_]:
    """Which packets are of a kind, by direction, APID, type, subtype and structure id.

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
    mask: npt.NDArray[np.bool_] = (index.apid == kind.apid) & (index.command == kind.command)
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

    def __init__(self, fields: Iterable[tuple[FieldSpec, int]], count: int) -> None:
        self.fields = tuple(fields)
        self.count = count
        table = []
        end = 0
        for spec, bit in self.fields:
            signed = int(spec.kind == "int")
            table.append((bit, spec.bit_width, signed, spec.dtype.itemsize, end, spec.elements))
            end += -(-count * spec.elements * spec.dtype.itemsize // 64) * 64
        self.table = np.array(table, dtype=np.int64).reshape(-1, 6)
        self.out: ByteArray = byte_block(end)

    def _each(self) -> Iterator[tuple[FieldSpec, npt.NDArray[Any]]]:
        for (spec, _), start in zip(self.fields, self.table[:, 4].tolist(), strict=True):
            stop = start + self.count * spec.elements * spec.dtype.itemsize
            column = self.out[start:stop].view(spec.dtype)
            shaped = spec.elements > 1 or spec.kind == "bytes"
            yield spec, column.reshape(self.count, spec.elements) if shaped else column

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of the fields that have values."""
        return {spec.name: column for spec, column in self._each() if spec.is_data}

    def not_zero(self) -> npt.NDArray[np.bool_]:
        """Rows in which a field that must be 0 is not."""
        wrong = np.zeros(self.count, dtype=np.bool_)
        for spec, column in self._each():
            if spec.kind == "zero":
                wrong |= column.any(axis=1) if column.ndim > 1 else column != 0
        return wrong


def _values(fields: tuple[tuple[FieldSpec, int], ...]) -> tuple[tuple[FieldSpec, int], ...]:
    return tuple((spec, bit) for spec, bit in fields if spec.is_data)


def _zeros(fields: tuple[tuple[FieldSpec, int], ...]) -> tuple[tuple[FieldSpec, int], ...]:
    return tuple((spec, bit) for spec, bit in fields if spec.kind == "zero")


def _group_counts(
    group: Group, start: Ints, data_end: Ints, columns: Mapping[str, npt.NDArray[Any]]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Records in each packet, and whether it has room for as many as it should hold."""
    left = data_end - start
    room = np.maximum(left, 0) // group.stride
    if group.repeat == "fill":
        # A leftover of a part record tells of another layout; a few bits only round up to a byte.
        return room, (left >= 0) & (left - room * group.stride < 8)
    fixed = group.fixed_count
    asked = np.full(len(start), fixed) if fixed is not None else columns[group.repeat].astype(np.int64)
    # An absurd number in a damaged packet must not ask for memory that is not there.
    counts = np.clip(asked, 0, room)
    return counts, counts == asked


def _decode_section(
    buffer: ByteArray, section: Section, base: Ints, data_end: Ints, columns: dict[str, npt.NDArray[Any]]
) -> npt.NDArray[np.bool_]:
    """Enter the columns with one value a packet; packets with other than 0 where they must have 0."""
    fields = _values(section.fields)
    single = tuple((spec, bit) for spec, bit in fields if spec.elements == 1 and spec.kind != "bytes")
    several = tuple((spec, bit) for spec, bit in fields if spec.elements > 1 or spec.kind == "bytes")
    room = _Columns(single, len(base))
    reach = max((bit + spec.bits for spec, bit in single), default=0)
    decode_columns(buffer, base, data_end, reach, room.table[:, :5].copy(), room_to_work(reach), room.out)
    columns.update(room.arrays())
    rest = several + _zeros(section.fields)
    if not rest:
        return np.zeros(len(base), dtype=np.bool_)
    room = _Columns(rest, len(base))
    ones, first = np.ones(len(base), np.int64), np.arange(len(base), dtype=np.int64)
    decode_records(buffer, base, data_end, ones, first, 0, room.table, room.out)
    columns.update(room.arrays())
    return room.not_zero()


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
    # In place where it can be: new pages for arrays of this size take longer than the sums.
    base: Ints = np.multiply(index.offset, 8, dtype=np.int64)
    end: Ints = np.multiply(index.length, 8, dtype=np.int64)
    end += base
    if len(index) and (int(base.min()) < 0 or int(end.max()) > 8 * len(array)):
        raise BadDataError(
            f"got an index that reaches to byte {int(end.max()) // 8}, expected at most {len(array)}",
            advice="is it the index of this file?",
        )
    data_end: Ints = end - _trailer_bits(index, layout)
    base += PRIMARY_HEADER_BITS
    columns: dict[str, npt.NDArray[Any]] = {}
    repeated: dict[str, npt.NDArray[Any]] = {}
    groups: dict[str, GroupRows] = {}
    complete = np.ones(len(index), dtype=np.bool_)
    for section in layout.sections:
        limit = end if layout.places_checksum else data_end
        complete &= limit - base >= section.bits
        complete &= ~_decode_section(array, section, base, limit, columns)
        bits: Ints | int = section.bits
        for group in section.groups:
            start = base + group.start
            counts, whole = _group_counts(group, start, data_end, columns)
            complete &= whole
            first = np.cumsum(counts) - counts
            room = _Columns(_values(group.fields) + _zeros(group.fields), int(counts.sum()))
            decode_records(array, start, limit, counts, first, group.stride, room.table, room.out)
            repeated.update(room.arrays())
            groups[group.name] = rows = GroupRows(counts)
            wrong = room.not_zero()
            if wrong.any():
                complete[rows.packet[wrong]] = False
            if group.fixed_count is None:
                bits = group.start + counts * group.stride
        if section is not layout.sections[-1]:
            base = base + bits
    ordered = {name: columns[name] for name in layout.names if name in columns}
    return DecodedPackets(ordered, repeated, groups, complete)


def _trailer_bits(index: PacketIndex, layout: PacketLayout) -> Ints | int:
    """Bits at the end of each packet that are no data: its checksum."""
    if layout.places_checksum:
        return 16 if layout.fields[-1].kind == "checksum" else 0
    bits = np.zeros(APIDS, dtype=np.int64)
    for apid, decision in index.decisions.items():
        bits[apid] = 0 if decision.checksum is ChecksumKind.NONE else 16
    alone = len(index) > 0 and index.apid.min() == index.apid.max()
    return int(bits[index.apid[0]]) if alone else bits[index.apid]
