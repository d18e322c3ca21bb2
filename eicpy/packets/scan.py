"""The walk over a stream: from header to header over intact packets, and the hand-over to resynchronisation.

Where no intact packet begins, :mod:`.resynchronise` decides what the bytes are and where the walk continues.
`scan` returns after each piece of a stream with all that is certain; a file is simply one piece.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, address_of, get_8, get_64, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import crc16_at, is_right
from eicpy.packets.index_rows import (
    CAPACITY,
    CUT_HEADER,
    FOREIGN,
    GOOD,
    POSITION,
    ROWS,
    SEARCHED,
    SKIPS,
    SYNCHRONISED,
    Written,
    write_fields,
    write_row,
    write_skip,
)
from eicpy.packets.primary_header import (
    APID_MASK,
    COMMAND_COUNTERS,
    COUNT_MASK,
    DATA_LENGTH_MASK,
    HEADER_BYTES,
    LENGTH_EXCESS,
    TYPE_SHIFT,
    VERSION_SHIFT,
    apid_at,
    counter_at,
    packet_length_at,
    sequence_count_at,
)
from eicpy.packets.resynchronise import NO, WAIT, YES, chain_from, is_known, is_packet, resynchronise

__all__ = ["scan"]

Ints = npt.NDArray[np.signedinteger[Any]]


@kernel
def _is_intact(
    buffer: ByteArray, position: int, final: int, checksum: Ints, last_count: Ints, synchronised: int
) -> Word:
    """Whether an intact packet begins here, over which the walk continues; YES, NO or WAIT."""
    if not is_known(buffer, position, checksum):
        return NO
    answer = YES
    if synchronised == 0 or checksum[apid_at(buffer, position)] > 0:
        answer = is_packet(buffer, position, final, checksum, last_count)
    else:
        answer = chain_from(buffer, position, 2, final, checksum)
    if answer == YES and position + packet_length_at(buffer, position) > buffer.size:
        return NO
    return answer


@kernel
def _take_next(
    buffer: ByteArray, position: int, final: int, checksum: Ints, header: Ints, memory: Ints,
    state: Ints, written: Written,
) -> Word:  # fmt: skip  # where, known, written
    """Take one packet, or the bytes up to the next; bytes taken, 0 to wait for more."""
    answer = _is_intact(buffer, position, final, checksum, memory[0], state[SYNCHRONISED])
    if answer == WAIT:
        return 0
    if answer == NO:
        return resynchronise(buffer, position, final, checksum, header, memory, state, written)
    counter = counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    write_row(buffer, position, length, GOOD, header, written.rows, state)
    memory[0, counter] = sequence_count_at(buffer, position)
    memory[1, counter] = length
    state[SYNCHRONISED] = 1
    state[SEARCHED] = 0
    return length


@kernel
def _walk_intact(
    buffer: ByteArray, position: Word, checksum: Ints, header: Ints, memory: Ints, state: Ints,
    rows: ByteArray,
) -> Word:  # fmt: skip  # where, known, written
    """Walk from intact packet to intact packet as far as no decision is needed; the position it reaches.

    This is the fast part of `_take_next`: it ends before any packet that needs a closer look.
    """
    row = state[ROWS]
    capacity = state[CAPACITY]
    size = buffer.size
    source = address_of(buffer)
    target = address_of(rows)
    while state[SYNCHRONISED] == 1 and position < size - 16 and row < capacity:
        head = get_64(source, position)
        apid = np.int64(head >> np.uint64(48)) & APID_MASK
        length = (np.int64(head >> np.uint64(16)) & DATA_LENGTH_MASK) + LENGTH_EXCESS
        kind = checksum[apid]
        follower = position + length
        if head >> np.uint64(48 + VERSION_SHIFT) or kind < 0 or follower + HEADER_BYTES > size:
            break
        if kind == 1:
            if length < 8 or crc16_at(source + position, length) != 0:
                break
        elif kind > 1:
            if not is_right(buffer, position, length, kind):
                break
        else:
            word = np.int64((get_8(source, follower) << np.uint64(8)) | get_8(source, follower + 1))
            if word >> VERSION_SHIFT or checksum[word & APID_MASK] < 0:
                break
        rule = header[apid, 0], header[apid, 1], header[apid, 2], header[apid, 3]
        write_fields(source, size, position, length, GOOD, rule, target, capacity, row)
        counter = apid + (np.int64(head >> np.uint64(48 + TYPE_SHIFT)) & 1) * COMMAND_COUNTERS
        memory[0, counter] = np.int64(head >> np.uint64(32)) & COUNT_MASK
        memory[1, counter] = length
        row += 1
        position = follower
    if row > state[ROWS]:
        state[SEARCHED] = 0
    state[ROWS] = row
    return position


@kernel
def _take_cut_header(buffer: ByteArray, position: int, final: int, skips: Ints, state: Ints) -> Word:
    """Take bytes that are too few for a header; bytes taken, 0 to wait for more."""
    if not final:
        return 0
    write_skip(position, buffer.size - position, CUT_HEADER if state[SYNCHRONISED] else FOREIGN, skips, state)
    return buffer.size - position


@kernel
def scan(
    buffer: ByteArray, final: int, checksum: Ints, header: Ints, memory: Ints, state: Ints,
    rows: ByteArray, skips: Ints,
) -> bool:  # fmt: skip  # read, known, written
    """Index packets until the bytes or the space for rows are used up.

    Parameters
    ----------
    buffer
        The bytes that are available, shape (n_bytes,).
    final
        1 if the stream ends with them, else 0.
    checksum, header
        Arrays of `ApidTables`; the checksum of a newly met APID is entered.
    memory
        For each counter, −1 at the start of a stream: last sequence count, last length, sequence count of a
        packet that was not accepted. Shape (3, 4096).
    state
        As `eicpy.packets.index_rows` names it, carried from call to call.
    rows
        Space for the index as bytes, shape (ROW_BYTES · capacity,): one column after the other, as
        `COLUMN_STARTS` says.
    skips
        Written: offset, length and reason of skipped ranges, shape (n, 3).

    Returns
    -------
    bool
        True if the space for rows or ranges ran out: call again with more.
    """
    position = state[POSITION]
    written = Written(rows, skips)
    while position < buffer.size:
        position = _walk_intact(buffer, position, checksum, header, memory, state, rows)
        if state[ROWS] >= state[CAPACITY] or state[SKIPS] >= skips.shape[0]:
            state[POSITION] = position
            return bool(position < buffer.size)
        if position + HEADER_BYTES > buffer.size:
            taken = _take_cut_header(buffer, position, final, skips, state)
        else:
            taken = _take_next(buffer, position, final, checksum, header, memory, state, written)
        if taken == 0:
            break
        position += taken
    state[POSITION] = position
    return False
