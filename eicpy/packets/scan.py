"""Finding packets in a stream of bytes: the walk from header to header, and back to it after damage.

A CCSDS packet carries no marker. Its header tells the length, so the next header is known only as long
as nothing is missing, added or damaged; after one bad length field a plain walk reads garbage for ever.

What is believed, in this order:

1. A known APID whose checksum is right is a packet, wherever it stands.
2. Without a checksum, a header of a known APID is a packet if another follows where it ends; away from
   the walk, also the sequence counts must continue, or a chain of three headers must stand.
3. Otherwise the walk is lost. The next packet by rules 1 and 2 is searched byte by byte, and the bytes
   before it are named: a damaged packet if their header was to be expected there (known APID, sequence
   count that continues), foreign bytes if not.

Every decision waits for the bytes that it needs. The result therefore does not depend on how the stream
was cut into pieces, and a file is simply one piece.

Telecommands and telemetry of one APID have counters of their own (ECSS-E-ST-70-41C, 7.4.1 and 7.4.4), and
usually lengths of their own: what is remembered is kept by *lane*, the APID plus 2048 for telecommands.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.belief import (
    NO,
    WAIT,
    YES,
    adopted_kind,
    chain_from,
    continues,
    is_known,
    is_packet,
    lane_at,
    word_at,
)
from eicpy.packets.bits import (
    ByteArray,
    Word,
    address_of,
    bits_at,
    get_8,
    get_64,
    inline_kernel,
    kernel,
    put_8,
    put_16,
    put_32,
    put_64,
)
from eicpy.packets.checksum import crc16_at, is_right

__all__ = ["FLUSH", "NEW_STATE", "PLACES", "ROW_BYTES", "scan"]

Ints = npt.NDArray[np.signedinteger[Any]]

GOOD, BAD_CHECKSUM, TRUNCATED, BAD_LENGTH, BAD_HEADER = 0, 1, 2, 3, 4
FOREIGN, CUT_HEADER = 0, 1
PUS_A, PUS_C = 1, 2

POSITION, SEARCHED, IN_STEP, ROWS, SKIPS, LAST_GAP, ROOM = 0, 1, 2, 3, 4, 5, 6
NEW_STATE = (0, 0, 1, 0, 0, 0, 0)

PLACES = {
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
"""Columns of the index in a block of bytes: each begins at this number times the room for rows."""
ROW_BYTES = 39

FLUSH = 1 << 17
"""Bytes searched in vain after which they are given up, so that a stream of noise needs no memory."""
LONGEST = 65542
"""The longest packet: 6 bytes of header and 65536 of data."""
PADDING = 16
"""Bytes between packets without a checksum that are taken for padding, not for a wrong length."""


@kernel
def _add(
    buffer: ByteArray, position: int, length: int, status: int, header: Ints, rows: ByteArray, state: Ints
) -> None:
    """Write the next row of the index."""
    source = address_of(buffer)
    apid = word_at(buffer, position) & 2047
    rule = header[apid, 0], header[apid, 1], header[apid, 2], header[apid, 3]
    _fill(source, buffer.size, position, length, status, rule, address_of(rows), state[ROOM], state[ROWS])
    state[ROWS] += 1


@inline_kernel
def _fill(
    source: int, size: int, position: int, length: int, status: int, rule: tuple[int, int, int, int],
    rows: int, room: int, row: int,
) -> None:  # fmt: skip  # what there is, where it goes
    """Write a row of the index from the first bytes of a packet; time and type as far as it reaches.

    Only numbers come in, `source` and `rows` being addresses, so that no references are counted.
    """
    at = source + position
    word = np.int64((get_8(at, 0) << np.uint64(8)) | get_8(at, 1))
    count = np.int64((get_8(at, 2) << np.uint64(8)) | get_8(at, 3))
    kind, bit, coarse_bits, fine_bits = rule
    part = count >> 14
    pus = kind in (PUS_A, PUS_C)
    service: Word = 0
    subservice: Word = 0
    destination: Word = 0
    coarse: Word = -1
    fine: Word = -1
    command = (word >> 12) & 1
    if command:
        if (word >> 11) & 1 and pus and length >= 9:
            service = np.int64(get_8(at, 7))
            subservice = np.int64(get_8(at, 8))
            if kind == PUS_C and length >= 11:
                destination = np.int64((get_8(at, 9) << np.uint64(8)) | get_8(at, 10))
            elif kind == PUS_A and length >= 10:
                destination = np.int64(get_8(at, 9))
    elif (word >> 11) & 1 or not (pus or part in (0, 2)):
        if pus and length >= 9:
            service = np.int64(get_8(at, 7))
            subservice = np.int64(get_8(at, 8))
            if kind == PUS_C and length >= 13:
                destination = np.int64((get_8(at, 11) << np.uint64(8)) | get_8(at, 12))
        if bit >= 0 and bit + coarse_bits + fine_bits <= 8 * length:
            first = 8 * position + bit
            coarse = np.int64(bits_at(source, size, first, coarse_bits))
            fine = 0
            if fine_bits > 0:
                fine = np.int64(bits_at(source, size, first + coarse_bits, fine_bits))
    # The places of the columns are those of PLACES.
    put_64(rows, 8 * row, position)
    put_64(rows, 8 * room + 8 * row, coarse)
    put_64(rows, 16 * room + 8 * row, fine)
    put_32(rows, 24 * room + 4 * row, length)
    put_16(rows, 28 * room + 2 * row, word & 2047)
    put_16(rows, 30 * room + 2 * row, count & 16383)
    put_16(rows, 32 * room + 2 * row, destination)
    put_8(rows, 34 * room + row, service)
    put_8(rows, 35 * room + row, subservice)
    put_8(rows, 36 * room + row, part)
    put_8(rows, 37 * room + row, status)
    put_8(rows, 38 * room + row, command)


@kernel
def _search(
    buffer: ByteArray, start: int, stop: int, final: int, checksum: Ints, last_count: Ints
) -> tuple[int, int]:
    """First packet from `start` on: YES and its place; NO and `stop`; or WAIT and where to go on."""
    position = start
    while position < stop:
        if buffer[position] < 32:
            answer = is_packet(buffer, position, final, checksum, last_count)
            if answer != NO:
                return answer, position
        position += 1
    return NO, stop


@inline_kernel
def _skip(position: int, length: int, reason: int, skips: Ints, state: Ints) -> None:
    """Note a range that is no packet."""
    row = state[SKIPS]
    state[SKIPS] += 1
    skips[row, 0] = position
    skips[row, 1] = length
    skips[row, 2] = reason


@kernel
def _good(
    buffer: ByteArray, position: int, final: int, checksum: Ints, last_count: Ints, in_step: int
) -> Word:
    """Whether the walk may go on over the packet that stands here; YES, NO or WAIT."""
    if not is_known(buffer, position, checksum):
        return NO
    answer = YES
    if in_step == 0 or checksum[word_at(buffer, position) & 2047] > 0:
        answer = is_packet(buffer, position, final, checksum, last_count)
    else:
        answer = chain_from(buffer, position, 2, final, checksum)
    if answer == YES and position + word_at(buffer, position + 4) + 7 > buffer.size:
        return NO
    return answer


@kernel
def _leads_on(
    buffer: ByteArray, follower: int, strict: int, final: int, checksum: Ints, last_count: Ints
) -> Word:
    """Whether a packet that is not right still ends where another begins; YES, NO or WAIT."""
    if follower + 6 > buffer.size:
        if not final:
            return WAIT
        return YES if follower == buffer.size and not strict else NO
    if not strict and is_known(buffer, follower, checksum) and continues(buffer, follower, last_count):
        return YES
    return is_packet(buffer, follower, final, checksum, last_count)


@kernel
def _between(
    buffer: ByteArray,
    position: int,
    expected: int,
    checksum: Ints,
    header: Ints,
    memory: Ints,
    state: Ints,
    rows: ByteArray,
) -> Word:
    """Note a packet that is not right but ends where the next begins; bytes taken."""
    last_count, last_length, candidate = memory[0], memory[1], memory[2]
    apid, lane = word_at(buffer, position) & 2047, lane_at(buffer, position)
    length = word_at(buffer, position + 4) + 7
    status = BAD_CHECKSUM
    if not is_known(buffer, position, checksum):
        status = BAD_HEADER
        adopted = adopted_kind(buffer, position, length, checksum, candidate)
        if adopted >= 0:
            checksum[apid] = adopted
            status = GOOD
            last_length[lane] = length
    if status == GOOD or expected:
        last_count[lane] = word_at(buffer, position + 2) & 16383
    _add(buffer, position, length, status, header, rows, state)
    state[SEARCHED] = position + length
    return length


@kernel
def _alone(
    buffer: ByteArray,
    position: int,
    found: int,
    checksum: Ints,
    header: Ints,
    memory: Ints,
    state: Ints,
    rows: ByteArray,
) -> Word:
    """Note a packet that was to be expected here, but the next one stands elsewhere; bytes taken."""
    last_count, last_length = memory[0], memory[1]
    apid, lane = word_at(buffer, position) & 2047, lane_at(buffer, position)
    length = word_at(buffer, position + 4) + 7
    rest = found - position - length
    fits = last_length[lane] < 0 or last_length[lane] == length or rest == 0
    if rest < 0:
        status = TRUNCATED if found == buffer.size else BAD_LENGTH
    elif checksum[apid] > 0:
        status = BAD_CHECKSUM if fits else BAD_LENGTH
    else:
        status = GOOD if fits or rest == state[LAST_GAP] or rest <= PADDING else BAD_LENGTH
    extent = length
    if rest < 0 or (status == BAD_LENGTH and found - position <= LONGEST):
        extent = found - position
    _add(buffer, position, extent, status, header, rows, state)
    last_count[lane] = word_at(buffer, position + 2) & 16383
    if status == GOOD:
        last_length[lane] = length
    state[SEARCHED] = found
    return extent


@kernel
def _lost(
    buffer: ByteArray, position: int, final: int, checksum: Ints, header: Ints, memory: Ints,
    state: Ints, rows: ByteArray, skips: Ints,
) -> Word:  # fmt: skip  # where, what is known, what is written
    """Find the way back from a place where no good packet stands; bytes taken, 0 to wait for more."""
    last_count = memory[0]
    known = is_known(buffer, position, checksum)
    follower = position + word_at(buffer, position + 4) + 7
    expected = state[IN_STEP] == 1 and known and continues(buffer, position, last_count)
    leads = NO
    if state[IN_STEP] == 1:
        leads = _leads_on(buffer, follower, 0 if known else 1, final, checksum, last_count)
        if leads == WAIT:
            return 0
    stop = min(follower if leads == YES else buffer.size, position + FLUSH)
    start = max(state[SEARCHED], position + 1)
    answer, found = _search(buffer, start, stop, final, checksum, last_count)
    if answer == WAIT or (answer == NO and stop == buffer.size and not final):
        state[SEARCHED] = found
        return 0
    if answer == NO and leads == YES:
        return _between(buffer, position, expected, checksum, header, memory, state, rows)
    if expected:
        # What follows, if anything, is looked at in its own right.
        return _alone(buffer, position, found, checksum, header, memory, state, rows)
    _skip(position, found - position, FOREIGN, skips, state)
    state[LAST_GAP] = found - position
    state[IN_STEP] = 1 if answer == YES else 0
    state[SEARCHED] = found
    return found - position


@kernel
def _step(
    buffer: ByteArray, position: int, final: int, checksum: Ints, header: Ints, memory: Ints,
    state: Ints, rows: ByteArray, skips: Ints,
) -> Word:  # fmt: skip  # where, what is known, what is written
    """Take one packet, or the bytes up to the next; bytes taken, 0 to wait for more."""
    answer = _good(buffer, position, final, checksum, memory[0], state[IN_STEP])
    if answer == WAIT:
        return 0
    if answer == NO:
        return _lost(buffer, position, final, checksum, header, memory, state, rows, skips)
    lane = lane_at(buffer, position)
    length = word_at(buffer, position + 4) + 7
    _add(buffer, position, length, GOOD, header, rows, state)
    memory[0, lane] = word_at(buffer, position + 2) & 16383
    memory[1, lane] = length
    state[IN_STEP] = 1
    state[SEARCHED] = 0
    return length


@kernel
def _stride(
    buffer: ByteArray, position: Word, checksum: Ints, header: Ints, memory: Ints, state: Ints,
    rows: ByteArray,
) -> Word:  # fmt: skip  # where, what is known, what is written
    """Walk in step from good packet to good packet as long as nothing is the matter; where it ends.

    This is `_step` without its doubts: it gives up before any packet that needs a second look.
    """
    row = state[ROWS]
    room = state[ROOM]
    size = buffer.size
    source = address_of(buffer)
    target = address_of(rows)
    while state[IN_STEP] == 1 and position < size - 16 and row < room:
        head = get_64(source, position)
        apid = np.int64(head >> np.uint64(48)) & 2047
        length = (np.int64(head >> np.uint64(16)) & 65535) + 7
        kind = checksum[apid]
        follower = position + length
        if head >> np.uint64(61) or kind < 0 or follower + 6 > size:
            break
        if kind == 1:
            if length < 8 or crc16_at(source + position, length) != 0:
                break
        elif kind > 1:
            if not is_right(buffer, position, length, kind):
                break
        else:
            word = np.int64((get_8(source, follower) << np.uint64(8)) | get_8(source, follower + 1))
            if word >> 13 or checksum[word & 2047] < 0:
                break
        rule = header[apid, 0], header[apid, 1], header[apid, 2], header[apid, 3]
        _fill(source, size, position, length, GOOD, rule, target, room, row)
        lane = apid | (np.int64(head >> np.uint64(49)) & 2048)
        memory[0, lane] = np.int64(head >> np.uint64(32)) & 16383
        memory[1, lane] = length
        row += 1
        position = follower
    if row > state[ROWS]:
        state[SEARCHED] = 0
    state[ROWS] = row
    return position


@kernel
def _end(buffer: ByteArray, position: int, final: int, skips: Ints, state: Ints) -> Word:
    """Take bytes that are too few for a header; bytes taken, 0 to wait for more."""
    if not final:
        return 0
    _skip(position, buffer.size - position, CUT_HEADER if state[IN_STEP] else FOREIGN, skips, state)
    return buffer.size - position


@kernel
def scan(
    buffer: ByteArray, final: int, checksum: Ints, header: Ints, memory: Ints, state: Ints,
    rows: ByteArray, skips: Ints,
) -> bool:  # fmt: skip  # what there is, what is known, what is written
    """Index packets until the bytes or the room for rows are used up.

    Parameters
    ----------
    buffer
        The bytes at hand, shape (n_bytes,).
    final
        1 if the stream ends with them, else 0.
    checksum, header
        Arrays of `ApidTables`; the checksum of a newly met APID is entered.
    memory
        For each lane, −1 at the start of a stream: last sequence count, last length, count of a packet that
        was not believed. Shape (3, 4096).
    state
        Place, searched up to, in step, rows and skips written, last gap, room for rows; carried from call to
        call.
    rows
        Room for the index as bytes, shape (ROW_BYTES · room,): one column after the other, as `PLACES` tells.
    skips
        Offset, length and reason of skipped ranges to write, shape (room, 3).

    Returns
    -------
    bool
        True if room ran out: call again with more.
    """
    position = state[POSITION]
    while position < buffer.size:
        position = _stride(buffer, position, checksum, header, memory, state, rows)
        if state[ROWS] >= state[ROOM] or state[SKIPS] >= skips.shape[0]:
            state[POSITION] = position
            return bool(position < buffer.size)
        if position + 6 > buffer.size:
            taken = _end(buffer, position, final, skips, state)
        else:
            taken = _step(buffer, position, final, checksum, header, memory, state, rows, skips)
        if taken == 0:
            break
        position += taken
    state[POSITION] = position
    return False
