"""From columns to packets: the exact inverse of :mod:`eicpy.packets.decode`, many packets at once."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.bits import kernel, load64, store64, write_bits
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import ChecksumKind, write_checksum
from eicpy.packets.encode_positions import Step, place, record_counts
from eicpy.packets.layout import FieldSpec, PacketLayout
from eicpy.packets.primary_header import (
    COUNT_MASK,
    FLAGS_SHIFT,
    HEADER_BYTES,
    LENGTH_EXCESS,
    LONGEST_PACKET,
    SECONDARY_FLAG_SHIFT,
    SHORTEST_PACKET,
    TYPE_SHIFT,
)
from eicpy.packets.rules import COMMAND_HEADER_END, DEFAULT_TIME_BYTE, SECONDARY, HeaderRule

__all__ = ["encode"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
PerPacket = npt.ArrayLike
ACKNOWLEDGE = 0b1101
"""Acknowledgement that a telecommand asks for: of acceptance (8), start (4), progress (2), completion (1)."""


@kernel
def _write_records(
    out: ByteArray, start_bit: Ints, counts: Ints, first: Ints, stride: int, bit: int, width: int,
    elements: int, values: Words,
) -> None:  # fmt: skip  # where, how many, what
    """Write one field of all records of all packets into bits that are 0."""
    mask = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - width)
    for i in range(start_bit.size):
        at = first[i] * elements
        for k in range(counts[i]):
            place = start_bit[i] + k * stride + bit
            for _ in range(elements):
                byte = place >> 3
                skip = place & 7
                value = values[at] & mask
                if skip + width <= 64 and byte + 8 <= out.size:
                    store64(out, byte, load64(out, byte) | (value << np.uint64(64 - skip - width)))
                else:
                    write_bits(out, place, width, value)
                at += 1
                place += width


@kernel
def _write_headers(
    out: ByteArray, offset: Ints, length: Ints, fixed: Ints, count: Ints, flags: Ints, message: Ints,
    destination: Ints, coarse: Ints, fine: Ints, geometry: Ints, command: Ints,
) -> None:  # fmt: skip  # one column a header field
    """Primary and secondary headers and checksums; `fixed`: apid, secondary kind, flag, type, subtype.

    `command`: packet type bit, and the acknowledgement flags of a telecommand.
    """
    time_bit, coarse_bits, fine_bits, checksum, checksum_byte = geometry
    for i in range(offset.size):
        p = offset[i]
        words = (
            (command[0] << TYPE_SHIFT) | (fixed[2] << SECONDARY_FLAG_SHIFT) | fixed[0],
            (flags[i] << FLAGS_SHIFT) | (count[i] & COUNT_MASK),
            length[i] - LENGTH_EXCESS,
        )
        for w in range(3):
            out[p + 2 * w] = words[w] >> 8
            out[p + 2 * w + 1] = words[w] & 255
        if fixed[1] == 1 or fixed[1] == 2:  # a set is slow in a kernel
            out[p + 6] = (0x10 if fixed[1] == 1 else 0x20) | command[1]
            out[p + 7] = fixed[3]
            out[p + 8] = fixed[4]
        if fixed[1] == 1:
            out[p + 9] = destination[i] & 255
        if fixed[1] == 2 and command[0]:
            out[p + 9] = destination[i] >> 8
            out[p + 10] = destination[i] & 255
        elif fixed[1] == 2:
            out[p + 9] = (message[i] >> 8) & 255
            out[p + 10] = message[i] & 255
            out[p + 11] = destination[i] >> 8
            out[p + 12] = destination[i] & 255
        if time_bit >= 0 and coarse_bits > 0:
            write_bits(out, 8 * p + time_bit, coarse_bits, coarse[i])
            if fine_bits > 0:
                write_bits(out, 8 * p + time_bit + coarse_bits, fine_bits, fine[i])
        if checksum > 0:
            at = checksum_byte if checksum_byte >= 0 else length[i] - 2
            write_checksum(out, p, length[i], at, checksum)


def _words(spec: FieldSpec, values: npt.ArrayLike, count: int) -> Words:
    """Numbers of a field as the bits that are written, shape (count · elements,)."""
    array = np.asarray(values)
    if array.ndim == 0:
        array = np.broadcast_to(array, (count * spec.elements,))
    if array.size != count * spec.elements:
        raise BadArgumentError(
            f"field {spec.name}: got {array.size} values, expected {count} × {spec.elements}"
        )
    flat = array.reshape(-1)
    if spec.kind == "float":
        bits = flat.astype(spec.dtype).view(np.dtype(f"u{spec.dtype.itemsize}"))
        return bits.astype(np.uint64)
    if flat.dtype.kind not in "iub":
        raise BadArgumentError(f"field {spec.name}: got {flat.dtype}, expected raw integers")
    if flat.size:
        low, high = int(flat.min()), int(flat.max())
        signed = spec.kind == "int"
        least = -(1 << spec.bit_width - 1) if signed else 0
        most = (1 << spec.bit_width - signed) - 1
        if low < least or high > most:
            raise BadArgumentError(
                f"field {spec.name}: got {low} to {high}, expected {least} to {most} ({spec.bit_width} bits)"
            )
    if flat.dtype == np.uint64:
        return np.ascontiguousarray(flat)
    words: Words = flat.astype(np.int64).view(np.uint64)
    return words


def _write(
    out: ByteArray,
    step: Step,
    offset: Ints,
    columns: Mapping[str, npt.ArrayLike],
    repeated: Mapping[str, npt.ArrayLike],
) -> None:
    """Write the fields of a step that have values."""
    start = 8 * offset[step.packet] + step.base
    count = int(step.counts.sum())
    first = np.cumsum(step.counts) - step.counts
    values = repeated if step.is_repeated else columns
    for spec, bit in step.fields:
        if not spec.is_data or (spec.name not in values and not step.is_repeated):
            continue
        if spec.name not in values:
            raise BadArgumentError(f"got no values for the repeated field {spec.name}")
        words = _words(spec, values[spec.name], count)
        _write_records(out, start, step.counts, first, step.stride, bit, spec.bit_width, spec.elements, words)


def encode(
    layout: PacketLayout,
    apid: int,
    sequence_count: PerPacket,
    coarse: PerPacket,
    fine: PerPacket,
    columns: Mapping[str, npt.ArrayLike],
    repeated: Mapping[str, npt.ArrayLike] | None = None,
    counts: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
    *,
    header: HeaderRule,
    service: int = 0,
    subservice: int = 0,
    destination: PerPacket = 0,
    message_count: PerPacket | None = None,
    sequence_flags: PerPacket = 3,
    secondary_flag: bool | None = None,
    command: bool = False,
    acknowledge: int = ACKNOWLEDGE,
) -> ByteArray:
    """Make packets of one kind: headers, fields, checksums.

    Parameters
    ----------
    layout
        Table of the fields. Fields without values are 0; a field that counts records is filled in.
    apid
        Application process id.
    sequence_count
        Shape (n_packets,); taken modulo 16384.
    coarse, fine
        Shape (n_packets,) or a number: on-board time, written where the header rule says.
    columns
        For each field with one value a packet: shape (n_packets,) or (n_packets, elements), or a number.
    repeated
        For each field of repeated records: shape (n_records,), packet after packet.
    counts
        Number of records in each packet, shape (n_packets,); for several variable groups a mapping from
        the name of their first field. Of records within records: in each outer record. Not needed where the
        field that counts is given.
    header
        Header rule: secondary header, time, checksum.
    service, subservice
        PUS type and subtype.
    destination
        PUS destination id; of a telecommand the source id.
    message_count
        PUS-C message type counter; by default the sequence count.
    sequence_flags
        3 for whole packets.
    secondary_flag
        Whether the primary header announces a secondary one; by default for PUS headers.
    command
        Make telecommands: the packet type bit, and the shorter PUS header without a time.
    acknowledge
        What reports a telecommand asks for, 4 bits: acceptance, start, progress, completion.

    Returns
    -------
    numpy.ndarray
        The packets one after the other, uint8.

    Raises
    ------
    BadArgumentError
        For missing values, a value that does not fit its field, or a packet of more than 65542 bytes.
    """
    sequence = np.asarray(sequence_count, dtype=np.int64).reshape(-1)
    n = len(sequence)
    number = record_counts(layout, n, counts, columns, repeated or {})
    filled, records = dict(columns), dict(repeated or {})
    for group in (group for section in layout.sections for group in section.groups):
        if group.repeat in layout:
            filled.setdefault(group.repeat, number[group.name])
    for group in layout.groups.values():
        own = {spec.name for spec, _ in group.fields}
        for inner in group.groups:
            if inner.repeat in own:
                records.setdefault(inner.repeat, number[inner.name])
    unknown = set(filled) - set(layout.single) | set(records) - set(layout.repeated)
    if unknown:
        raise BadArgumentError(
            f"{layout.name}: got values for {sorted(unknown)}, expected {', '.join(layout.names)}"
        )
    kind = ChecksumKind.of(header.checksum)
    steps, end = place(layout, n, number)
    trailer = 0 if kind is ChecksumKind.NONE or layout.places_checksum else 2
    time_bit, time_end = _command_place(header) if command else _time_place(header)
    data_bytes = np.maximum(end + 7 >> 3, time_end + 7 >> 3)
    length = np.maximum(data_bytes + trailer, SHORTEST_PACKET)
    if n and int(length.max()) > LONGEST_PACKET:
        raise BadArgumentError(
            f"got a packet of {int(length.max())} bytes, expected at most {LONGEST_PACKET}"
        )
    offset = np.cumsum(length) - length
    out: ByteArray = np.zeros(int(length.sum()), dtype=np.uint8)
    for step in steps:
        _write(out, step, offset, filled, records)
    flag = secondary_flag if secondary_flag is not None else header.secondary in {"pus-a", "pus-c"}
    checksum_byte = _checksum_byte(layout)
    message = sequence if message_count is None else message_count
    _write_headers(
        out,
        offset,
        length,
        np.array([apid, SECONDARY[header.secondary], flag, service, subservice], dtype=np.int64),
        *(
            _per_packet(column, n)
            for column in (sequence, sequence_flags, message, destination, coarse, fine)
        ),
        np.array([time_bit, header.coarse_bits, header.fine_bits, int(kind), checksum_byte], dtype=np.int64),
        np.array([command, acknowledge & 15 if command else 0], dtype=np.int64),
    )
    return out


def _per_packet(values: PerPacket, n: int) -> Ints:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.int64), (n,)))


def _time_place(header: HeaderRule) -> tuple[int, int]:
    """First bit of the on-board time from the start of the packet (−1: none); bit after the header."""
    byte = header.time_offset if header.time_offset is not None else DEFAULT_TIME_BYTE.get(header.secondary)
    if byte is None or header.coarse_bits == 0:
        return -1, {"pus-a": 80, "pus-c": 104}.get(header.secondary, 0)
    return 8 * byte, 8 * byte + header.coarse_bits + header.fine_bits


def _command_place(header: HeaderRule) -> tuple[int, int]:
    """As `_time_place` for a telecommand, which has no time."""
    return -1, 8 * COMMAND_HEADER_END.get(header.secondary, 0)


def _checksum_byte(layout: PacketLayout) -> int:
    """Byte of a checksum that stands among the fixed fields, from the start of the packet; −1: at the end."""
    for spec, bit in layout.sections[0].fields:
        if spec.kind == "checksum" and layout.fields[-1] is not spec:
            return bit // 8 + HEADER_BYTES
    return -1
