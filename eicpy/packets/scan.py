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
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import ByteArray, kernel, read_bits
from eicpy.packets.checksum import is_right

__all__ = ["FLUSH", "NEW_STATE", "STATE_SIZE", "scan"]

Ints = npt.NDArray[np.signedinteger[Any]]

GOOD, BAD_CHECKSUM, TRUNCATED, BAD_LENGTH, BAD_HEADER = 0, 1, 2, 3, 4
FOREIGN, CUT_HEADER, REST_OF_PACKET = 0, 1, 2
WAIT, NO, YES = -1, 0, 1

POSITION, SEARCHED, IN_STEP, ROWS, SKIPS, LAST_GAP = 0, 1, 2, 3, 4, 5
STATE_SIZE = 6
NEW_STATE = (0, 0, 1, 0, 0, 0)

FLUSH = 1 << 17
"""Bytes searched in vain after which they are given up, so that a stream of noise needs no memory."""
LONGEST = 65542
"""The longest packet: 6 bytes of header and 65536 of data."""
AHEAD, BEHIND = 256, 64
"""A sequence count continues if it is at most this far ahead of, or behind, the last one of its APID."""


@kernel
def _word(buffer: ByteArray, position: int) -> int:
    return (np.int64(buffer[position]) << 8) | np.int64(buffer[position + 1])


@kernel
def _known(buffer: ByteArray, position: int, checksum: Ints) -> bool:
    """Whether a header of version 0 and a known APID stands here; six bytes must be there."""
    word = _word(buffer, position)
    return (word >> 13) == 0 and checksum[word & 2047] >= 0


@kernel
def _continues(buffer: ByteArray, position: int, last_count: Ints) -> bool:
    """Whether the sequence count here follows the last one of its APID, as far as one is known."""
    apid = _word(buffer, position) & 2047
    if last_count[apid] < 0:
        return True
    ahead = (_word(buffer, position + 2) - last_count[apid]) & 16383
    return ahead <= AHEAD or ahead >= 16384 - BEHIND


@kernel
def _chain(buffer: ByteArray, position: int, depth: int, final: bool, checksum: Ints) -> int:
    """Whether headers of known APIDs follow one another from here, or reach the end of the stream."""
    for _ in range(depth):
        if final and position == buffer.size:
            return YES
        if position + 6 > buffer.size:
            return NO if final else WAIT
        if not _known(buffer, position, checksum):
            return NO
        position += _word(buffer, position + 4) + 7
    return YES


@kernel
def _verified(buffer: ByteArray, position: int, final: bool, checksum: Ints, last_count: Ints) -> int:
    """Whether a packet begins here, by its checksum or by the chain of headers; YES, NO or WAIT."""
    if position + 6 > buffer.size:
        return NO if final else WAIT
    if not _known(buffer, position, checksum):
        return NO
    kind = checksum[_word(buffer, position) & 2047]
    length = _word(buffer, position + 4) + 7
    if kind > 0:
        if position + length > buffer.size:
            return NO if final else WAIT
        return YES if is_right(buffer, position, length, kind) else NO
    depth = 2 if _continues(buffer, position, last_count) else 4
    if depth == 2:
        follower = position + length
        if follower + 6 <= buffer.size and _known(buffer, follower, checksum):
            depth = 2 if _continues(buffer, follower, last_count) else 4
    return _chain(buffer, position, depth, final, checksum)


@kernel
def _adopt(buffer: ByteArray, position: int, length: int, checksum: Ints, candidate: Ints) -> int:
    """Checksum kind of an APID met for the first time between good packets, or −1 if it is not believed."""
    word = _word(buffer, position)
    if word >> 13:
        return -1
    plain = True
    for kind in (1, 2, 3):
        used = False
        for known in checksum:
            if known == kind:
                used = True
                plain = False
                break
        if used and is_right(buffer, position, length, kind):
            return kind
    apid = word & 2047
    count = _word(buffer, position + 2) & 16383
    if plain or (candidate[apid] >= 0 and ((candidate[apid] + 1) & 16383) == count):
        return 0
    candidate[apid] = count
    return -1


@kernel
def _emit(
    buffer: ByteArray, position: int, length: int, status: int, header: Ints, rows: tuple[Any, ...], row: int
) -> None:
    """Write one row of the index; times and types as far as the packet reaches."""
    offset, size, apids, service, subservice, flags, count, coarse, fine, destination, statuses = rows
    word = _word(buffer, position)
    apid = word & 2047
    sequence = _word(buffer, position + 2)
    offset[row] = position
    size[row] = length
    apids[row] = apid
    flags[row] = sequence >> 14
    count[row] = sequence & 16383
    statuses[row] = status
    service[row] = 0
    subservice[row] = 0
    destination[row] = 0
    coarse[row] = -1
    fine[row] = -1
    kind = header[apid, 0]
    flagged = (word >> 11) & 1
    continued = (sequence >> 14) == 0 or (sequence >> 14) == 2
    if (kind in (1, 2) or continued) and not flagged:
        return
    if kind in (1, 2) and length >= 9:
        service[row] = buffer[position + 7]
        subservice[row] = buffer[position + 8]
        if kind == 2 and length >= 13:
            destination[row] = _word(buffer, position + 11)
    bit = header[apid, 1]
    if bit >= 0 and bit + header[apid, 2] + header[apid, 3] <= 8 * length:
        coarse[row] = read_bits(buffer, 8 * position + bit, header[apid, 2])
        fine[row] = 0
        if header[apid, 3] > 0:
            fine[row] = read_bits(buffer, 8 * position + bit + header[apid, 2], header[apid, 3])


@kernel
def _search(
    buffer: ByteArray, start: int, stop: int, final: bool, checksum: Ints, last_count: Ints
) -> tuple[int, int]:
    """First packet from `start` on: YES and its place; NO and `stop`; or WAIT and where to go on."""
    position = start
    while position < stop:
        if buffer[position] < 32:
            answer = _verified(buffer, position, final, checksum, last_count)
            if answer != NO:
                return answer, position
        position += 1
    return NO, stop


@kernel
def _good(
    buffer: ByteArray, position: int, final: bool, checksum: Ints, last_count: Ints, in_step: int
) -> int:
    """Whether the walk may go on over the packet that stands here; YES, NO or WAIT."""
    if not _known(buffer, position, checksum):
        return NO
    if in_step == 0 or checksum[_word(buffer, position) & 2047] > 0:
        return _verified(buffer, position, final, checksum, last_count)
    return _chain(buffer, position, 2, final, checksum)


@kernel
def _leads_on(
    buffer: ByteArray, follower: int, strict: bool, final: bool, checksum: Ints, last_count: Ints
) -> int:
    """Whether a packet that is not right still ends where another begins; YES, NO or WAIT."""
    if follower + 6 > buffer.size:
        return (YES if follower == buffer.size and not strict else NO) if final else WAIT
    if not strict and _known(buffer, follower, checksum) and _continues(buffer, follower, last_count):
        return YES
    return _verified(buffer, follower, final, checksum, last_count)


@kernel
def _status_alone(kind: int, length: int, usual: int, rest: int, last_gap: int, exact: bool) -> int:
    """Status of an expected packet after which the walk was lost though its own extent is free."""
    fits = exact or usual < 0 or usual == length
    if kind > 0:
        return BAD_CHECKSUM if fits else BAD_LENGTH
    return GOOD if fits or rest in (last_gap, 0) or rest <= 16 else BAD_LENGTH


@kernel
def scan(
    buffer: ByteArray,
    final: bool,
    checksum: Ints,
    header: Ints,
    last_count: Ints,
    last_length: Ints,
    candidate: Ints,
    state: Ints,
    rows: tuple[Any, ...],
    skips: tuple[Any, ...],
) -> bool:
    """Index packets until the bytes or the room for rows are used up.

    Parameters
    ----------
    buffer
        The bytes at hand, shape (n_bytes,).
    final
        Whether the stream ends with them.
    checksum, header
        The arrays of `ApidTables`; a newly met APID is entered.
    last_count, last_length, candidate
        Memory per APID, shape (2048,), −1 at the start of a stream.
    state
        Place, searched up to, in step, rows and skips written, last gap; carried from call to call.
    rows
        Columns of the index to write.
    skips
        Offset, length and reason of skipped ranges to write.

    Returns
    -------
    bool
        True if room ran out: call again with more.
    """
    skip_offset, skip_length, skip_reason = skips
    size = buffer.size
    position = state[POSITION]
    while position < size:
        if state[ROWS] >= rows[0].size or state[SKIPS] + 1 >= skip_offset.size:
            state[POSITION] = position
            return True
        if position + 6 > size:
            if final:
                skip_offset[state[SKIPS]] = position
                skip_length[state[SKIPS]] = size - position
                skip_reason[state[SKIPS]] = CUT_HEADER if state[IN_STEP] else FOREIGN
                state[SKIPS] += 1
                position = size
            break
        word = _word(buffer, position)
        apid = word & 2047
        count = _word(buffer, position + 2) & 16383
        length = _word(buffer, position + 4) + 7
        follower = position + length
        step = state[IN_STEP]
        answer = _good(buffer, position, final, checksum, last_count, step)
        if answer == WAIT:
            break
        if answer == YES and follower <= size:
            _emit(buffer, position, length, GOOD, header, rows, state[ROWS])
            state[ROWS] += 1
            state[IN_STEP] = 1
            state[SEARCHED] = 0
            last_count[apid] = count
            last_length[apid] = length
            position = follower
            continue
        known = _known(buffer, position, checksum)
        kind = checksum[apid] if known else -1
        expected = step == 1 and known and _continues(buffer, position, last_count)
        leads = NO
        if step == 1:
            leads = _leads_on(buffer, follower, kind < 0, final, checksum, last_count)
            if leads == WAIT:
                break
        stop = min(follower if leads == YES else size, position + FLUSH)
        answer, found = _search(buffer, max(state[SEARCHED], position + 1), stop, final, checksum, last_count)
        if answer == WAIT:
            state[SEARCHED] = found
            break
        if answer == NO and stop == size and not final:
            state[SEARCHED] = found
            break
        if answer == NO and leads == YES:
            status = BAD_CHECKSUM if kind > 0 else BAD_HEADER
            if kind < 0:
                adopted = _adopt(buffer, position, length, checksum, candidate)
                if adopted >= 0:
                    checksum[apid] = adopted
                    status = GOOD
            if status != BAD_HEADER:
                if status == GOOD or expected:
                    last_count[apid] = count
                if status == GOOD:
                    last_length[apid] = length
            _emit(buffer, position, length, status, header, rows, state[ROWS])
            state[ROWS] += 1
            state[SEARCHED] = follower
            position = follower
            continue
        if expected:
            rest = found - follower
            cut = follower > found
            if cut:
                status = TRUNCATED if found == size else BAD_LENGTH
            else:
                status = _status_alone(kind, length, last_length[apid], rest, state[LAST_GAP], rest == 0)
            extent = length
            if cut or (status == BAD_LENGTH and found - position <= LONGEST):
                extent = found - position
            _emit(buffer, position, extent, status, header, rows, state[ROWS])
            state[ROWS] += 1
            last_count[apid] = count
            if status == GOOD:
                last_length[apid] = length
            state[SEARCHED] = found
            position += extent
            # What follows, if anything, is looked at in its own right.
            state[IN_STEP] = 1
            continue
        skip_offset[state[SKIPS]] = position
        skip_length[state[SKIPS]] = found - position
        skip_reason[state[SKIPS]] = FOREIGN
        state[SKIPS] += 1
        state[LAST_GAP] = found - position
        state[IN_STEP] = 1 if answer == YES else 0
        state[SEARCHED] = found
        position = found
    state[POSITION] = position
    return False
