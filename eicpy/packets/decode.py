"""From bytes to columns, driven by a layout table.

The fields of a table are grouped into those with one value a packet and those that repeat; the loops over
packets are compiled (:mod:`eicpy.packets.decode_kernels`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array, byte_block
from eicpy.packets.byte_order import in_order
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.decode_kernels import decode_columns, decode_records, room_to_work
from eicpy.packets.index import PacketIndex
from eicpy.packets.layout import FieldSpec, Group, PacketLayout, Section
from eicpy.packets.primary_header import APIDS, HEADER_BYTES
from eicpy.packets.records import find_records, outside_counters

__all__ = ["DecodedPackets", "Discriminant", "GroupRows", "decode", "select"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GroupRows:
    """How the records of a group are spread over the packets.

    Attributes
    ----------
    counts
        Shape (n_packets,), int64: number of records in each packet.
    parent
        For a record within a record: name of the group of the outer one; else None.
    within
        For a record within a record: shape (n_outer_records,), int64: number of records in each outer one.
    """

    counts: Ints
    parent: str | None = None
    within: Ints | None = None

    @cached_property
    def packet(self) -> Ints:
        """Shape (n_records,), int64: row of the packet of each record."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @cached_property
    def outer(self) -> Ints:
        """Shape (n_records,), int64: row of the outer record, or of the packet, of each record."""
        within = self.counts if self.within is None else self.within
        return np.repeat(np.arange(len(within)), within)


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
    _ends: tuple[Ints, Ints, int] | None = None

    @cached_property
    def unread(self) -> Ints:
        """Shape (n_packets,), int64: bits of each packet behind the last row of the table, checksum aside.

        Below 0 for a packet that is too short.
        """
        if self._ends is None:
            return np.zeros(len(self), dtype=np.int64)
        limit, base, bits = self._ends
        return limit - base - bits

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
    """What identifies a kind of packet; ``eicpy.instruments.PacketKind`` is one."""

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

    See Also
    --------
    decode : turns the selected packets into columns.
    eicpy.runs.Selection : selects the packets that a reader is given.
    """
    mask: npt.NDArray[np.bool_] = (index.apid == kind.apid) & (index.command == kind.command)
    if kind.service is not None:
        mask &= index.service == kind.service
    if kind.subservice is not None:
        mask &= index.subservice == kind.subservice
    if kind.structure is not None and layout is not None and layout.structure is not None:
        rows = np.flatnonzero(mask)
        structure = PacketLayout([_structure(layout)], layout.name)
        found = decode(buffer, index[rows], structure).columns[layout.structure.name]
        mask[rows[found != kind.structure]] = False
    return mask


def _structure(layout: PacketLayout) -> FieldSpec:
    """The field that distinguishes packets of one type, with its position."""
    for spec, bit in layout.sections[0].fields:
        if spec.kind == "structure":
            return replace(spec, bit_offset=bit, shift=0)
    raise BadDataError(f"{layout.name}: got a structure id behind a record of variable number")


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
            column = in_order(self.out[start:stop].view(spec.dtype), spec.bit_width, spec.byte_order)
            shaped = spec.elements > 1 or spec.kind == "bytes"
            yield spec, column.reshape(self.count, spec.elements) if shaped else column

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Columns of the fields that have values."""
        return {spec.name: column for spec, column in self._each() if spec.is_data}

    def not_zero(self) -> Ints:
        """Numbers of the rows in which a field that must be 0 is not."""
        columns = [column for spec, column in self._each() if spec.kind == "zero"]
        found = [np.flatnonzero(column.any(axis=1) if column.ndim > 1 else column) for column in columns]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _values(fields: tuple[tuple[FieldSpec, int], ...]) -> tuple[tuple[FieldSpec, int], ...]:
    return tuple((spec, bit) for spec, bit in fields if spec.is_data)


def _zeros(fields: tuple[tuple[FieldSpec, int], ...]) -> tuple[tuple[FieldSpec, int], ...]:
    return tuple((spec, bit) for spec, bit in fields if spec.kind == "zero")


def _group_counts(
    group: Group, start: Ints, data_end: Ints, columns: Mapping[str, npt.NDArray[Any]]
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Records in each packet, and whether it has room for as many as it should hold."""
    left = data_end - start - (group.tail or 0)
    room = np.maximum(left, 0) // group.stride
    if group.count.is_fill:
        # A leftover of a part record means another layout; a few bits only round up to a byte.
        return room, (left >= 0) & (left - room * group.stride < 8)
    fixed = group.fixed_count
    asked = np.full(len(start), fixed) if fixed is not None else group.count.of(columns[group.counter])
    # An absurd number in a damaged packet must not ask for memory that is not there.
    counts = np.clip(asked, 0, room)
    return counts, counts == asked


@dataclass(frozen=True)
class _Rows:
    """What is laid out by the same sections: the packets, or the records of a group.

    Attributes
    ----------
    base
        Bit from which offsets count.
    data_end, limit
        First bit after the data of the packet; after all that may be read of it.
    packet
        Row of the packet of each; None for the packets themselves.
    name
        Name of the group; None for the packets themselves.
    counters
        Fields so far that count records: one value for each of these rows.
    """

    base: Ints
    data_end: Ints
    limit: Ints
    packet: Ints | None = None
    name: str | None = None
    counters: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    def within(self, name: str, counters: Iterable[str], position: Ints, counts: Ints) -> "_Rows":
        """The records of a group in each of these rows."""
        row = np.repeat(np.arange(len(counts)), counts)
        packet = row if self.packet is None else self.packet[row]
        known = {counter: self.counters[counter][row] for counter in counters}
        return _Rows(position, self.data_end[row], self.limit[row], packet, name, known)


class _Decoder:
    """Decodes sections of packets, and of the records in them, into columns."""

    def __init__(self, buffer: ByteArray, layout: PacketLayout, count: int) -> None:
        self.buffer = buffer
        self.columns: dict[str, npt.NDArray[Any]] = {}
        self.repeated: dict[str, npt.NDArray[Any]] = {}
        self.groups: dict[str, GroupRows] = {}
        self.complete = np.ones(count, dtype=np.bool_)
        self.counters = {group.counter for group in layout.groups.values()}

    def reject(self, wrong: Ints, packet: Ints | None) -> None:
        """Mark packets, or the packets of records, that do not hold what they should."""
        self.complete[wrong if packet is None else packet[wrong]] = False

    def read(self, sections: tuple[Section, ...], rows: _Rows) -> tuple[Ints, int]:
        """Decode sections; the base of the last one, and how many bits it has.

        Bits passed over before what is placed from the end are left out of that base: they are unread.
        """
        base = rows.base
        bits = 0
        passed: Ints | int = 0
        for section in sections:
            # Not before it is needed: a new array of this size costs as much as a field.
            base = base + bits if bits else base
            self.reject(np.flatnonzero(rows.limit - base < section.bits), rows.packet)
            columns = self.fields(section, base, rows)
            (self.columns if rows.packet is None else self.repeated).update(columns)
            rows.counters.update({k: v for k, v in columns.items() if k in self.counters})
            after: Ints | None = None
            for group in section.groups:
                end = (self.plain if group.is_plain else self.varying)(group, base + group.start, rows)
                after = None if group.is_fixed else end
                if group.tail is not None:
                    # In a packet that is too short, what is behind the records stands behind its end.
                    after = np.maximum(rows.data_end - group.tail, base + group.start)
                    passed = after - end
            base, bits = (base, section.bits) if after is None else (after, 0)
        return base - passed, bits

    def fields(self, section: Section, base: Ints, rows: _Rows) -> dict[str, npt.NDArray[Any]]:
        """Columns of the fields with one value a row."""
        single: list[tuple[FieldSpec, int]] = []
        rest: list[tuple[FieldSpec, int]] = []
        for spec, bit in _values(section.fields):
            alone = spec.elements == 1 and spec.kind != "bytes"
            (single if alone and bit >= 0 else rest).append((spec, bit))  # a block begins at the base
        rest += _zeros(section.fields)
        columns: dict[str, npt.NDArray[Any]] = {}
        if single:
            room = _Columns(single, len(base))
            reach = max(bit + spec.bits for spec, bit in single)
            decode_columns(
                self.buffer, base, rows.limit, reach, room.table[:, :5].copy(), room_to_work(reach), room.out
            )
            columns.update(room.arrays())
        if rest:
            room = _Columns(rest, len(base))
            ones, first = np.ones(len(base), np.int64), np.arange(len(base), dtype=np.int64)
            decode_records(self.buffer, base, rows.limit, ones, first, 0, room.table, room.out)
            columns.update(room.arrays())
            self.reject(room.not_zero(), rows.packet)
        return columns

    def note(self, group: Group, counts: Ints, rows: _Rows) -> None:
        """How the records of a group are spread."""
        if rows.packet is None:
            self.groups[group.name] = GroupRows(counts)
            return
        sums = np.bincount(rows.packet, weights=counts, minlength=len(self.complete)).astype(np.int64)
        self.groups[group.name] = GroupRows(sums, rows.name, counts)

    def plain(self, group: Group, start: Ints, rows: _Rows) -> Ints:
        """Decode records that are all of one size; the bit after the last one."""
        counts, whole = _group_counts(group, start, rows.data_end, rows.counters)
        self.reject(np.flatnonzero(~whole), rows.packet)
        first = np.cumsum(counts) - counts
        room = _Columns(_values(group.fields) + _zeros(group.fields), int(counts.sum()))
        decode_records(self.buffer, start, rows.limit, counts, first, group.stride, room.table, room.out)
        self.repeated.update(room.arrays())
        self.note(group, counts, rows)
        wrong = room.not_zero()
        if len(wrong):
            self.complete[self.groups[group.name].packet[wrong]] = False
        after: Ints = start + counts * group.stride
        return after

    def varying(self, group: Group, start: Ints, rows: _Rows) -> Ints:
        """Decode records that hold records; the bit after the last one."""
        found = find_records(self.buffer, group, start, rows.data_end - (group.tail or 0), rows.counters)
        self.reject(np.flatnonzero(~found.whole), rows.packet)
        self.note(group, found.counts, rows)
        self.read(
            group.sections, rows.within(group.name, outside_counters(group), found.position, found.counts)
        )
        return found.after


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

    See Also
    --------
    encode : the inverse.
    select : the packets of one kind.
    PacketLayout : the table of the fields.
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
    base += 8 * HEADER_BYTES
    decoder = _Decoder(array, layout, len(index))
    limit = end if layout.places_checksum else data_end
    last, bits = decoder.read(layout.sections, _Rows(base, data_end, limit))
    ordered = {name: decoder.columns[name] for name in layout.names if name in decoder.columns}
    return DecodedPackets(ordered, decoder.repeated, decoder.groups, decoder.complete, (limit, last, bits))


def _trailer_bits(index: PacketIndex, layout: PacketLayout) -> Ints | int:
    """Bits at the end of each packet that are no data: its checksum."""
    if layout.places_checksum:
        return 16 if layout.fields[-1].kind == "checksum" else 0
    bits = np.zeros(APIDS, dtype=np.int64)
    for apid, decision in index.decisions.items():
        bits[apid] = 0 if decision.checksum is ChecksumKind.NONE else 16
    alone = len(index) > 0 and index.apid.min() == index.apid.max()
    return int(bits[index.apid[0]]) if alone else bits[index.apid]
