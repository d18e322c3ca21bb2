"""The walk over a stream: from header to header over intact packets, and the hand-over to resynchronisation.

Where no intact packet begins, :mod:`.resynchronise` decides what the bytes are and where the walk continues.
`scan` returns after each piece of a stream with all that is certain; a file is simply one piece.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, address_of, get_32, get_64, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.chain import is_followed, is_packet, spacing_here
from eicpy.packets.checksum import crc16_at, is_right
from eicpy.packets.evidence import (
    NO,
    WAIT,
    YES,
    Stream,
    end_of,
    is_known,
    is_spaced_stream,
    known_header_bits,
)
from eicpy.packets.index_rows import (
    BEHIND_PACKET,
    BETWEEN,
    CAPACITY,
    CUT_HEADER,
    FOREIGN,
    GOOD,
    HEADER_BITS,
    LAST_COUNT,
    POSITION,
    ROWS,
    RUN,
    SEARCHED,
    SKIPS,
    SPACING,
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
from eicpy.packets.resynchronise import note_length, note_spacing, resynchronise

__all__ = ["scan"]

Ints = npt.NDArray[np.signedinteger[Any]]


@kernel
def _is_intact(stream: Stream, position: int) -> Word:
    """Whether an intact packet begins here, over which the walk continues; YES, NO or WAIT."""
    if not is_known(stream.buffer, position, stream.checksum):
        return NO
    if stream.state[SYNCHRONISED] == 0 or stream.checksum[apid_at(stream.buffer, position)] > 0:
        answer = is_packet(stream, position)
    else:
        answer = is_followed(stream, position)
    if answer == YES and end_of(stream.buffer, position) > stream.buffer.size:
        return NO
    return answer


@kernel
def _take_spacing(stream: Stream, position: int, skips: Ints) -> Word:
    """Take the bytes that stand between two packets; bytes taken, 0 if there are none, or WAIT."""
    if stream.state[SYNCHRONISED] == 0 or stream.state[BEHIND_PACKET] == 0:
        return 0
    spacing = spacing_here(stream, position)
    if spacing > 0:
        write_skip(position, spacing, BETWEEN, skips, stream.state)
        note_spacing(spacing, stream.state)
    return spacing


@kernel
def _take_next(
    buffer: ByteArray, position: int, final: int, checksum: Ints, header: Ints, memory: Ints,
    state: Ints, written: Written,
) -> Word:  # fmt: skip  # where, known, written
    """Take one packet, or the bytes up to the next; bytes taken, 0 to wait for more."""
    stream = Stream(buffer, final, checksum, memory[LAST_COUNT], state)
    spacing = _take_spacing(stream, position, written.skips)
    if spacing != 0:
        return max(spacing, 0)
    answer = _is_intact(stream, position)
    if answer == WAIT:
        return 0
    if answer == NO:
        return resynchronise(buffer, position, final, checksum, header, memory, state, written)
    counter = counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    write_row(buffer, position, length, GOOD, header, written.rows, state)
    memory[LAST_COUNT, counter] = sequence_count_at(buffer, position)
    note_length(memory, counter, length)
    state[SYNCHRONISED] = 1
    state[SEARCHED] = 0
    state[RUN] += 1
    if state[SPACING] > 0 and not is_spaced_stream(state) and state[RUN] > 1:
        state[SPACING] = 0
    return length


@inline_kernel
def _leads_on(source: int, head: Word, follower: int, checksum: Ints, memory: Ints) -> bool:
    """Whether the header behind is known, and its count the next of its counter, the same, or the first."""
    following = np.int64(get_32(source, follower))
    word = following >> 16
    if word >> VERSION_SHIFT or checksum[word & APID_MASK] < 0:
        return False
    counter = (word & APID_MASK) + ((word >> TYPE_SHIFT) & 1) * COMMAND_COUNTERS
    own = np.int64(head >> np.uint64(48))
    last = np.int64(memory[LAST_COUNT, counter])
    if counter == (own & APID_MASK) + ((own >> TYPE_SHIFT) & 1) * COMMAND_COUNTERS:
        last = np.int64(head >> np.uint64(32)) & COUNT_MASK
    return bool(last < 0 or (following - last) & COUNT_MASK <= 1)


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
    walks = state[SYNCHRONISED] == 1 and state[SPACING] == 0
    while walks and position < size - 16 and row < capacity:
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
        elif not _leads_on(source, head, follower, checksum, memory):
            break
        rule = header[apid, 0], header[apid, 1], header[apid, 2], header[apid, 3]
        write_fields(source, size, position, length, GOOD, rule, target, capacity, row)
        counter = apid + (np.int64(head >> np.uint64(48 + TYPE_SHIFT)) & 1) * COMMAND_COUNTERS
        memory[LAST_COUNT, counter] = np.int64(head >> np.uint64(32)) & COUNT_MASK
        note_length(memory, counter, length)
        row += 1
        position = follower
    if row > state[ROWS]:
        state[SEARCHED] = 0
        state[RUN] += row - state[ROWS]
        state[BEHIND_PACKET] = 1
    state[ROWS] = row
    return position


@kernel
def _take_cut_header(buffer: ByteArray, position: int, final: int, skips: Ints, state: Ints) -> Word:
    """Take bytes that are too few for a header; bytes taken, 0 to wait for more."""
    if not final:
        return 0
    size = buffer.size - position
    reason = CUT_HEADER if state[SYNCHRONISED] else FOREIGN
    write_skip(position, size, BETWEEN if size == state[SPACING] else reason, skips, state)
    return size


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
        For each counter, −1 at the start of a stream, what `eicpy.packets.index_rows` names. Shape (5, 4096).
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
    state[HEADER_BITS] = known_header_bits(checksum)
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
