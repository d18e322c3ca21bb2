"""Resynchronisation: what is taken for a packet, and how the walk finds the next one after damage.

A CCSDS packet carries no marker. Its header gives its length, so the next header is known only as long as
nothing is missing, added or damaged; after one wrong length a plain walk from header to header reads garbage
for ever.

The evidence that a packet begins at a position (`is_packet`), in this order:

1. **Checksum.** A known APID whose checksum is right is a packet, wherever it is found.
2. **Chain.** Without a checksum, a header of a known APID is a packet if another one begins where it ends;
   away from the walk, the sequence counts must continue as well, or four headers must follow one another.

The method (`resynchronise`), where no packet begins at the position of the walk:

1. If the bytes that the header here claims end where another packet begins, its length may be right: the
   search of step 2 is limited to these bytes.
2. Search byte by byte for the next position with evidence of a packet.
3. Name the bytes before that position: a damaged packet with its status, if this header was expected (known
   APID, sequence count that continues) or its length fits; foreign bytes otherwise.
4. After `FLUSH` bytes without success give the bytes up as foreign, so that noise needs no memory.

It relies on the checksum where there is one. Without, it relies on lengths and on counters, and cannot always
distinguish a damaged header from an intact one.

Each decision waits (`WAIT`) for the bytes that it needs, so that the result does not depend on how the stream
was cut into pieces. A counter (:mod:`.primary_header`) is an APID in one direction; what is remembered is
kept by counter, because telemetry and telecommands usually have their own lengths, too.

See Also
--------
eicpy.packets.scan : the walk over intact packets that calls this.
eicpy.packets.survey : learns which APIDs are known where no definition says so.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import is_right
from eicpy.packets.index_rows import (
    BAD_CHECKSUM,
    BAD_HEADER,
    BAD_LENGTH,
    FOREIGN,
    GOOD,
    LAST_SKIP,
    SEARCHED,
    SYNCHRONISED,
    TRUNCATED,
    Written,
    write_row,
    write_skip,
)
from eicpy.packets.primary_header import (
    COUNT_MASK,
    COUNT_MODULUS,
    HEADER_BYTES,
    LONGEST_PACKET,
    VERSION_SHIFT,
    apid_at,
    counter_at,
    is_version_0,
    packet_length_at,
    sequence_count_at,
    word_at,
)

__all__ = ["FLUSH", "NO", "WAIT", "YES", "chain_from", "is_known", "is_packet", "resynchronise"]

Ints = npt.NDArray[np.signedinteger[Any]]

WAIT, NO, YES = -1, 0, 1

AHEAD, BEHIND = 256, 64
"""A sequence count continues if it is at most this far ahead of, or behind, the last one of its counter."""
FLUSH = 1 << 17
"""Bytes searched without success after which they are given up."""
PADDING = 16
"""Bytes between packets without a checksum that are taken for padding, not for a wrong length."""


@inline_kernel
def is_known(buffer: ByteArray, position: int, checksum: Ints) -> bool:
    """Whether a header of version 0 and a known APID begins here; six bytes must be available."""
    return bool(is_version_0(buffer, position) and checksum[apid_at(buffer, position)] >= 0)


@inline_kernel
def _count_continues(buffer: ByteArray, position: int, last_count: Ints) -> bool:
    """Whether the sequence count here follows the last one of its counter, as far as one is known."""
    counter = counter_at(buffer, position)
    if last_count[counter] < 0:
        return True
    ahead = (word_at(buffer, position + 2) - last_count[counter]) & COUNT_MASK
    return bool(ahead <= AHEAD or ahead >= COUNT_MODULUS - BEHIND)


@kernel
def chain_from(buffer: ByteArray, position: int, depth: int, final: int, checksum: Ints) -> int:
    """Whether headers of known APIDs follow one another from here, or reach the end of the stream."""
    for _ in range(depth):
        if final and position == buffer.size:
            return YES
        if position + HEADER_BYTES > buffer.size:
            return NO if final else WAIT
        if not is_known(buffer, position, checksum):
            return NO
        position += packet_length_at(buffer, position)
    return YES


@kernel
def is_packet(buffer: ByteArray, position: int, final: int, checksum: Ints, last_count: Ints) -> Word:
    """Whether a packet begins here, by its checksum or by the chain of headers; YES, NO or WAIT."""
    if position + HEADER_BYTES > buffer.size:
        return NO if final else WAIT
    if not is_known(buffer, position, checksum):
        return NO
    kind = checksum[apid_at(buffer, position)]
    length = packet_length_at(buffer, position)
    if kind > 0:
        if position + length > buffer.size:
            return NO if final else WAIT
        return YES if is_right(buffer, position, length, kind) else NO
    depth = 2 if _count_continues(buffer, position, last_count) else 4
    if depth == 2:
        follower = position + length
        if follower + HEADER_BYTES <= buffer.size and is_known(buffer, follower, checksum):
            depth = 2 if _count_continues(buffer, follower, last_count) else 4
    return chain_from(buffer, position, depth, final, checksum)


@kernel
def _search(
    buffer: ByteArray, start: int, stop: int, final: int, checksum: Ints, last_count: Ints
) -> tuple[int, int]:
    """First packet from `start` on: YES and its position; NO and `stop`; or WAIT and where to resume."""
    position = start
    while position < stop:
        if is_version_0(buffer, position):
            answer = is_packet(buffer, position, final, checksum, last_count)
            if answer != NO:
                return answer, position
        position += 1
    return NO, stop


@kernel
def _ends_at_packet(
    buffer: ByteArray, follower: int, strict: int, final: int, checksum: Ints, last_count: Ints
) -> Word:
    """Whether a damaged packet still ends where another begins; YES, NO or WAIT."""
    if follower + HEADER_BYTES > buffer.size:
        if not final:
            return WAIT
        return YES if follower == buffer.size and not strict else NO
    if not strict and is_known(buffer, follower, checksum) and _count_continues(buffer, follower, last_count):
        return YES
    return is_packet(buffer, follower, final, checksum, last_count)


@kernel
def _new_checksum_kind(buffer: ByteArray, position: int, length: int, checksum: Ints, candidate: Ints) -> int:
    """Checksum kind of an APID met for the first time between good packets, or −1 if it is not accepted."""
    if word_at(buffer, position) >> VERSION_SHIFT:
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
    counter = counter_at(buffer, position)
    count = sequence_count_at(buffer, position)
    if plain or (candidate[counter] >= 0 and ((candidate[counter] + 1) & COUNT_MASK) == count):
        return 0
    candidate[counter] = count
    return -1


@kernel
def _take_damaged_between_packets(
    buffer: ByteArray,
    position: int,
    expected: int,
    checksum: Ints,
    header: Ints,
    memory: Ints,
    state: Ints,
    rows: ByteArray,
) -> Word:
    """Index a damaged packet that ends where the next begins; bytes taken."""
    last_count, last_length, candidate = memory[0], memory[1], memory[2]
    apid, counter = apid_at(buffer, position), counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    status = BAD_CHECKSUM
    if not is_known(buffer, position, checksum):
        status = BAD_HEADER
        kind = _new_checksum_kind(buffer, position, length, checksum, candidate)
        if kind >= 0:
            checksum[apid] = kind
            status = GOOD
            last_length[counter] = length
    if status == GOOD or expected:
        last_count[counter] = sequence_count_at(buffer, position)
    write_row(buffer, position, length, status, header, rows, state)
    state[SEARCHED] = position + length
    return length


@kernel
def _take_expected(
    buffer: ByteArray,
    position: int,
    found: int,
    checksum: Ints,
    header: Ints,
    memory: Ints,
    state: Ints,
    rows: ByteArray,
) -> Word:
    """Index a packet that was expected here although the next one begins elsewhere; bytes taken."""
    last_count, last_length = memory[0], memory[1]
    apid, counter = apid_at(buffer, position), counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    rest = found - position - length
    usual = last_length[counter] < 0 or last_length[counter] == length or rest == 0
    if rest < 0:
        status = TRUNCATED if found == buffer.size else BAD_LENGTH
    elif checksum[apid] > 0:
        status = BAD_CHECKSUM if usual else BAD_LENGTH
    else:
        status = GOOD if usual or rest == state[LAST_SKIP] or rest <= PADDING else BAD_LENGTH
    extent = length
    if rest < 0 or (status == BAD_LENGTH and found - position <= LONGEST_PACKET):
        extent = found - position
    write_row(buffer, position, extent, status, header, rows, state)
    last_count[counter] = sequence_count_at(buffer, position)
    if status == GOOD:
        last_length[counter] = length
    state[SEARCHED] = found
    return extent


@kernel
def resynchronise(
    buffer: ByteArray, position: int, final: int, checksum: Ints, header: Ints, memory: Ints,
    state: Ints, written: Written,
) -> Word:  # fmt: skip  # where, what is known, what is written
    """Find the next packet from a position where none begins, and index or skip the bytes before it.

    Parameters
    ----------
    buffer, final, checksum, header, memory, state, written
        As for :func:`eicpy.packets.scan.scan`.
    position
        Where no packet begins; at least six bytes are available.

    Returns
    -------
    int
        Bytes taken; 0 to wait for more.
    """
    last_count = memory[0]
    known = is_known(buffer, position, checksum)
    follower = position + packet_length_at(buffer, position)
    expected = state[SYNCHRONISED] == 1 and known and _count_continues(buffer, position, last_count)
    leads = NO
    if state[SYNCHRONISED] == 1:
        leads = _ends_at_packet(buffer, follower, 0 if known else 1, final, checksum, last_count)
        if leads == WAIT:
            return 0
    stop = min(follower if leads == YES else buffer.size, position + FLUSH)
    start = max(state[SEARCHED], position + 1)
    answer, found = _search(buffer, start, stop, final, checksum, last_count)
    if answer == WAIT or (answer == NO and stop == buffer.size and not final):
        state[SEARCHED] = found
        return 0
    if answer == NO and leads == YES:
        return _take_damaged_between_packets(
            buffer, position, expected, checksum, header, memory, state, written.rows
        )
    if expected:
        # What follows, if anything, is judged by itself.
        return _take_expected(buffer, position, found, checksum, header, memory, state, written.rows)
    write_skip(position, found - position, FOREIGN, written.skips, state)
    state[LAST_SKIP] = found - position
    state[SYNCHRONISED] = 1 if answer == YES else 0
    state[SEARCHED] = found
    return found - position
