"""From columns to packets: the exact inverse of :mod:`eicpy.packets.decode`, many packets at once."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.moved import accept_old_keywords
from eicpy.packets.bits import kernel, load64, store64, write_bits
from eicpy.packets.buffers import ByteArray
from eicpy.packets.byte_order import to_wire
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.encode_headers import PacketHeaders, time_position
from eicpy.packets.encode_positions import FieldBlock, position_fields, record_counts
from eicpy.packets.layout import FieldSpec, Group, PacketLayout
from eicpy.packets.primary_header import HEADER_BYTES, LONGEST_PACKET, SHORTEST_PACKET
from eicpy.packets.rules import HeaderRule

__all__ = ["encode"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


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
            position = start_bit[i] + k * stride + bit
            for _ in range(elements):
                byte = position >> 3
                skip = position & 7
                value = values[at] & mask
                if skip + width <= 64 and byte + 8 <= out.size:
                    store64(out, byte, load64(out, byte) | (value << np.uint64(64 - skip - width)))
                else:
                    write_bits(out, position, width, value)
                at += 1
                position += width


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
    if not flat.size:
        return np.zeros(0, dtype=np.uint64)
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
    step: FieldBlock,
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
        words = to_wire(_words(spec, values[spec.name], count), spec.bit_width, spec.byte_order)
        _write_records(out, start, step.counts, first, step.stride, bit, spec.bit_width, spec.elements, words)


@accept_old_keywords(
    positions=("layout", "apid", "sequence_count", "coarse", "fine", "columns", "repeated", "counts"),
    headers=PacketHeaders,
)
def encode(
    layout: PacketLayout,
    headers: PacketHeaders,
    columns: Mapping[str, npt.ArrayLike],
    repeated: Mapping[str, npt.ArrayLike] | None = None,
    counts: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None,
    *,
    header: HeaderRule,
) -> ByteArray:
    r"""Make packets of one kind: headers, fields, checksums.

    Parameters
    ----------
    layout
        Table of the fields. Fields without values are 0; a field that counts records is filled in.
    headers
        Values of the headers; the sequence counts say how many packets are made.
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

    Returns
    -------
    numpy.ndarray
        The packets one after the other, uint8.

    Raises
    ------
    BadArgumentError
        For missing values, a value that does not fit its field, or a packet of more than 65542 bytes.

    See Also
    --------
    decode : the inverse.
    eicpy.packets.index_packets : finds the packets in the bytes again.

    References
    ----------
    CCSDS 133.0-B-2, section 4.1 (space packet), and ECSS-E-ST-70-41C, section 7.4 (secondary headers).

    Examples
    --------
    >>> from eicpy.packets import PacketHeaderRule, PacketHeaders, PacketLayout
    >>> layout = PacketLayout.parse("name,bit_offset,bit_width,type\nTEMPERATURE,0,16,uint\n")
    >>> rule = PacketHeaderRule(5, "crc16", "none")
    >>> encode(layout, PacketHeaders(5, [7]), {"TEMPERATURE": [300]}, header=rule).tobytes().hex(" ")
    '00 05 c0 07 00 03 01 2c 1e f2'
    """
    sequence = np.asarray(headers.sequence_count, dtype=np.int64).reshape(-1)
    n = len(sequence)
    number = record_counts(layout, n, counts, columns, repeated or {})
    filled, records = dict(columns), dict(repeated or {})
    for group in (group for section in layout.sections for group in section.groups):
        _count(group, number[group.name], filled)
    for group in layout.groups.values():
        own = {spec.name for spec, _ in group.fields}
        for inner in group.groups:
            if inner.counter in own:
                _count(inner, number[inner.name], records)
    unknown = set(filled) - set(layout.single) | set(records) - set(layout.repeated)
    if unknown:
        raise BadArgumentError(
            f"{layout.name}: got values for {sorted(unknown)}, expected {', '.join(layout.names)}"
        )
    kind = ChecksumKind.of(header.checksum)
    steps, end = position_fields(layout, n, number)
    trailer = 0 if kind is ChecksumKind.NONE or layout.places_checksum else 2
    time_bit, time_end = time_position(header, command=headers.command)
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
    checksum = (int(kind), _checksum_byte(layout))
    headers.write(out, offset, length, header, time_bit, checksum)
    return out


def _count(group: Group, number: Ints, values: dict[str, npt.ArrayLike]) -> None:
    """Enter what the field that counts a group says, where it is not given."""
    if not group.counter or group.counter in values:
        return
    value = group.count.counter_for(number)
    if value is None:
        raise BadArgumentError(
            f"got {int(number.min())} to {int(number.max())} records of {group.name}, which no value of "
            f"{group.counter} says by {group.repeat!r}; expected values of {group.counter}"
        )
    values[group.counter] = value


def _checksum_byte(layout: PacketLayout) -> int:
    """Byte of a checksum that stands among the fixed fields, from the start of the packet; −1: at the end."""
    for spec, bit in layout.sections[0].fields:
        if spec.kind == "checksum" and layout.fields[-1] is not spec:
            return bit // 8 + HEADER_BYTES
    return -1
