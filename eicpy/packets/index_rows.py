"""What the walk writes: rows of the index and skipped ranges, and the state that it carries between calls."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import (
    Word,
    address_of,
    bits_at,
    get_8,
    inline_kernel,
    kernel,
    put_8,
    put_16,
    put_32,
    put_64,
)
from eicpy.packets.buffers import ByteArray
from eicpy.packets.primary_header import (
    APID_MASK,
    COUNT_MASK,
    FLAGS_SHIFT,
    SECONDARY_FLAG_SHIFT,
    TYPE_SHIFT,
    apid_at,
)
from eicpy.times import DAY

__all__ = ["COLUMN_STARTS", "NEW_STATE", "ROW_BYTES", "Written", "write_fields", "write_row", "write_skip"]

LAST_COUNT, LAST_LENGTH, CANDIDATE, SAME_LENGTH, SIGHTINGS = 0, 1, 2, 3, 4
"""What is remembered by counter: last sequence count and last length; sequence count of the last packet of an
APID that is not known; how often the length came again, far below 0 once it was another; in how many packets
in a row the APID that is not known counted on."""
MEMORY_ROWS = 5
VARIES = -(1 << 40)
"""`SAME_LENGTH` of a counter whose packets have different lengths."""

Ints = npt.NDArray[np.signedinteger[Any]]

LAST_SECOND = DAY - 1
GOOD, BAD_CHECKSUM, TRUNCATED, BAD_LENGTH, BAD_HEADER = 0, 1, 2, 3, 4
FOREIGN, CUT_HEADER, BETWEEN = 0, 1, 2
PUS_A, PUS_C = 1, 2

POSITION, SEARCHED, SYNCHRONISED, ROWS, SKIPS, LAST_SKIP, CAPACITY = 0, 1, 2, 3, 4, 5, 6
"""State of a walk: position; position up to which the search went; 1 if the bytes before are a packet, else
0; rows and skipped ranges written; length of the last skipped range; most rows that can be written."""
SPACING, SPACINGS, RUN, HEADER_BITS, BEHIND_PACKET = 7, 8, 9, 10, 11
"""State of a walk, continued: bytes that stand between packets, 0 where none do; how often such bytes were
met in a row; intact packets since the last; evidence of a known APID, bits; 1 behind a row, else 0."""
NEW_STATE = (0, 0, 1, *(0,) * 9)

COLUMN_STARTS = {
    "offset": 0,
    "coarse": 8,
    "fine": 16,
    "length": 24,
    "apid": 28,
    "sequence_count": 30,
    "destination": 32,
    "service": 34,
    "subservice": 35,
    "sequence_flags": 36,
    "status": 37,
    "command": 38,
}
"""Columns of the index in a block of bytes: each begins at this number times the capacity in rows."""
ROW_BYTES = 39


class Written(NamedTuple):
    """Where the walk writes, as `eicpy.packets.scan.scan` describes it."""

    rows: ByteArray
    skips: Ints


@kernel
def write_row(
    buffer: ByteArray, position: int, length: int, status: int, header: Ints, rows: ByteArray, state: Ints
) -> None:
    """Write the next row of the index."""
    source = address_of(buffer)
    apid = apid_at(buffer, position)
    rule = header[apid, 0], header[apid, 1], header[apid, 2], header[apid, 3]
    write_fields(
        source, buffer.size, position, length, status, rule, address_of(rows), state[CAPACITY], state[ROWS]
    )
    state[ROWS] += 1
    state[BEHIND_PACKET] = 1


@inline_kernel
def _time(source: int, size: int, first: int, coarse_bits: int, fine_bits: int) -> tuple[Word, Word]:
    """Seconds, and what is above them, of a time in a header.

    Bits of coarse time below 0 are those of the day of a day-segmented one (CCSDS 301.0-B-4, section 3.3). A
    day counts 86400 seconds; in a leap second the milliseconds of a day go beyond that, and stay with it.
    """
    if coarse_bits >= 0:
        seconds = np.int64(bits_at(source, size, first, coarse_bits))
        if fine_bits > 0:
            return seconds, np.int64(bits_at(source, size, first + coarse_bits, fine_bits))
        return seconds, np.int64(0)
    day_bits = -coarse_bits
    day = np.int64(bits_at(source, size, first, day_bits))
    milliseconds = np.int64(bits_at(source, size, first + day_bits, 32))
    second: Word = min(milliseconds // 1000, LAST_SECOND)
    fine = milliseconds - 1000 * second
    if fine_bits == 48:
        fine = fine * 1000 + np.int64(bits_at(source, size, first + day_bits + 32, 16))
    elif fine_bits == 64:
        fine = fine * 1000000000 + np.int64(bits_at(source, size, first + day_bits + 32, 32))
    return DAY * day + second, fine


@inline_kernel
def write_fields(
    source: int, size: int, position: int, length: int, status: int, rule: tuple[int, int, int, int],
    rows: int, capacity: int, row: int,
) -> None:  # fmt: skip  # from, to
    """Write a row of the index from the first bytes of a packet; time and type as far as its bytes go.

    Only numbers come in, `source` and `rows` being addresses, so that no references are counted.
    """
    at = source + position
    word = np.int64((get_8(at, 0) << np.uint64(8)) | get_8(at, 1))
    count = np.int64((get_8(at, 2) << np.uint64(8)) | get_8(at, 3))
    kind, bit, coarse_bits, fine_bits = rule
    part = count >> FLAGS_SHIFT
    pus = kind in (PUS_A, PUS_C)
    service: Word = 0
    subservice: Word = 0
    destination: Word = 0
    coarse: Word = -1
    fine: Word = -1
    command = (word >> TYPE_SHIFT) & 1
    if command:
        if (word >> SECONDARY_FLAG_SHIFT) & 1 and pus and length >= 9:
            service = np.int64(get_8(at, 7))
            subservice = np.int64(get_8(at, 8))
            if kind == PUS_C and length >= 11:
                destination = np.int64((get_8(at, 9) << np.uint64(8)) | get_8(at, 10))
            elif kind == PUS_A and length >= 10:
                destination = np.int64(get_8(at, 9))
    elif (word >> SECONDARY_FLAG_SHIFT) & 1 or not (pus or part in (0, 2)):
        if pus and length >= 9:
            service = np.int64(get_8(at, 7))
            subservice = np.int64(get_8(at, 8))
            if kind == PUS_C and length >= 13:
                destination = np.int64((get_8(at, 11) << np.uint64(8)) | get_8(at, 12))
        if bit >= 0 and bit + abs(coarse_bits) + fine_bits <= 8 * length:
            coarse, fine = _time(source, size, 8 * position + bit, coarse_bits, fine_bits)
    # Each column begins where COLUMN_STARTS says.
    put_64(rows, 8 * row, position)
    put_64(rows, 8 * capacity + 8 * row, coarse)
    put_64(rows, 16 * capacity + 8 * row, fine)
    put_32(rows, 24 * capacity + 4 * row, length)
    put_16(rows, 28 * capacity + 2 * row, word & APID_MASK)
    put_16(rows, 30 * capacity + 2 * row, count & COUNT_MASK)
    put_16(rows, 32 * capacity + 2 * row, destination)
    put_8(rows, 34 * capacity + row, service)
    put_8(rows, 35 * capacity + row, subservice)
    put_8(rows, 36 * capacity + row, part)
    put_8(rows, 37 * capacity + row, status)
    put_8(rows, 38 * capacity + row, command)


@inline_kernel
def write_skip(position: int, length: int, reason: int, skips: Ints, state: Ints) -> None:
    """Write a range that is no packet."""
    row = state[SKIPS]
    state[SKIPS] += 1
    state[BEHIND_PACKET] = 0
    skips[row, 0] = position
    skips[row, 1] = length
    skips[row, 2] = reason
