"""Resynchronisation: how the walk finds the next packet after damage, and what it says of the bytes before.

The header of a packet gives its length, so the next header is known only as long as nothing is missing, added
or damaged; after one wrong length a plain walk from header to header reads garbage for ever.

The method (`resynchronise`), where no packet begins at the position of the walk:

1. If the bytes that the header here claims end where another packet begins, its length may be right: the
   search of step 2 is limited to these bytes.
2. Search byte by byte for the next position with evidence of a packet (:mod:`.evidence`).
3. Name the bytes before that position: a packet with its status, if this header was expected (known APID,
   sequence count that continues) or its length fits; foreign bytes otherwise.
4. After `FLUSH` bytes without success give the bytes up as foreign, so that noise needs no memory.

A packet without a checksum that was expected, and behind whose end the next is not found at once, is intact
as far as one can see, with its own extent, if a damaged header stands there that leads on, or if its length
is one that its counter has. It has a bad length if the next packet begins within it; if its counter knows but
one length, another one; or if one flipped bit of the length explains where the next packet begins.

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

from eicpy.packets.adoption import adopted_kind
from eicpy.packets.bits import Word, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.chain import is_packet, lengths_lead_to, search, search_isolated
from eicpy.packets.evidence import (
    NO,
    WAIT,
    YES,
    Stream,
    count_continues,
    is_fill,
    is_known,
    is_spaced_stream,
    known_header_bits,
)
from eicpy.packets.index_rows import (
    BAD_CHECKSUM,
    BAD_HEADER,
    BAD_LENGTH,
    BETWEEN,
    FOREIGN,
    GOOD,
    HEADER_BITS,
    LAST_COUNT,
    LAST_LENGTH,
    LAST_SKIP,
    RUN,
    SAME_LENGTH,
    SEARCHED,
    SPACING,
    SPACINGS,
    SYNCHRONISED,
    TRUNCATED,
    VARIES,
    Written,
    write_row,
    write_skip,
)
from eicpy.packets.primary_header import (
    HEADER_BYTES,
    LENGTH_EXCESS,
    LONGEST_PACKET,
    apid_at,
    counter_at,
    packet_length_at,
    sequence_count_at,
)
from eicpy.packets.spacing import MOST_SPACING

__all__ = ["FLUSH", "note_length", "note_spacing", "resynchronise"]

Ints = npt.NDArray[np.signedinteger[Any]]

FLUSH = 1 << 17
"""Bytes searched without success after which they are given up."""
PADDING = 16
"""Bytes between packets without a checksum that are taken for padding, not for a wrong length."""


@inline_kernel
def note_length(memory: Ints, counter: int, length: int) -> None:
    """Remember the length of a good packet, and whether its counter has always had that one."""
    last = memory[LAST_LENGTH, counter]
    if last == length:
        memory[SAME_LENGTH, counter] += 1
    elif last >= 0:
        memory[SAME_LENGTH, counter] = VARIES
    memory[LAST_LENGTH, counter] = length


@kernel
def note_spacing(spacing: int, state: Ints) -> None:
    """Remember that bytes stood between two packets."""
    state[SPACINGS] = state[SPACINGS] + 1 if is_spaced_stream(state) or state[RUN] <= 1 else 1
    state[SPACING] = spacing
    state[LAST_SKIP] = spacing
    state[RUN] = 0


@kernel
def _begins_at(stream: Stream, follower: int, strict: int) -> Word:
    """Whether a packet, or the end, stands where another one ends; YES, NO or WAIT."""
    buffer = stream.buffer
    if follower + HEADER_BYTES > buffer.size:
        if not stream.final:
            return WAIT
        return YES if follower == buffer.size and not strict else NO
    known = not strict and is_known(buffer, follower, stream.checksum)
    if known and count_continues(buffer, follower, stream.last_count):
        return YES
    return is_packet(stream, follower)


@kernel
def _ends_at_packet(stream: Stream, end: int, strict: int) -> Word:
    """Whether a damaged packet still ends where another begins, or where the usual spacing does."""
    if stream.state[SPACING] > 0:
        answer = _begins_at(stream, end + stream.state[SPACING], strict)
        if answer != NO:
            return answer
    return _begins_at(stream, end, strict)


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
    apid, counter = apid_at(buffer, position), counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    status = BAD_CHECKSUM
    if not is_known(buffer, position, checksum):
        status = BAD_HEADER
        kind = adopted_kind(buffer, position, length, checksum, memory)
        if kind >= 0:
            checksum[apid] = kind
            state[HEADER_BITS] = known_header_bits(checksum)
            status = GOOD
            note_length(memory, counter, length)
            state[RUN] += 1
    if status == GOOD or expected:
        memory[LAST_COUNT, counter] = sequence_count_at(buffer, position)
    write_row(buffer, position, length, status, header, rows, state)
    state[SEARCHED] = position + length
    return length


@kernel
def _is_one_bit_short(length: int, extent: int) -> bool:
    """Whether the length is too small by one bit of the packet data length that was flipped to 0."""
    flipped = (length - LENGTH_EXCESS) ^ (extent - LENGTH_EXCESS)
    return bool(extent > length and flipped & (flipped - 1) == 0)


@kernel
def _status_before(buffer: ByteArray, position: int, found: int, memory: Ints, state: Ints) -> Word:
    """Status of an expected packet without a checksum that ends before `found`, where the next one begins."""
    counter = counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    rest = found - position - length
    if rest == 0 or rest == state[SPACING]:
        return GOOD
    if found < buffer.size and lengths_lead_to(
        buffer, position + length + state[SPACING], found, state[SPACING]
    ):
        return GOOD
    if memory[SAME_LENGTH, counter] >= 1:
        usual = memory[LAST_LENGTH, counter] == length
        return GOOD if usual or rest == state[LAST_SKIP] or rest <= PADDING else BAD_LENGTH
    if rest <= MOST_SPACING and (rest == state[LAST_SKIP] or is_spaced_stream(state)):
        return GOOD
    if found < buffer.size and _is_one_bit_short(length, found - position - state[SPACING]):
        return BAD_LENGTH
    return GOOD


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
    apid, counter = apid_at(buffer, position), counter_at(buffer, position)
    length = packet_length_at(buffer, position)
    rest = found - position - length
    if rest < 0:
        status = TRUNCATED if found == buffer.size else BAD_LENGTH
    elif checksum[apid] > 0:
        last = memory[LAST_LENGTH, counter]
        usual = last < 0 or last == length or rest == 0 or rest == state[SPACING]
        status = BAD_CHECKSUM if usual else BAD_LENGTH
    else:
        status = _status_before(buffer, position, found, memory, state)
    extent = length
    if rest < 0 or (status == BAD_LENGTH and found - position <= LONGEST_PACKET):
        extent = found - position
    write_row(buffer, position, extent, status, header, rows, state)
    memory[LAST_COUNT, counter] = sequence_count_at(buffer, position)
    if status == GOOD:
        note_length(memory, counter, length)
        state[RUN] += 1
    state[SEARCHED] = found
    return extent


@kernel
def _skip(buffer: ByteArray, position: int, found: int, answer: int, skips: Ints, state: Ints) -> Word:
    """Skip the bytes before a packet that was found, or all that were searched; bytes taken."""
    size = found - position
    behind_packet = state[SYNCHRONISED] == 1 and state[RUN] <= 1
    again = behind_packet and size == state[LAST_SKIP] and size <= MOST_SPACING and answer == YES
    at_end = size == state[SPACING] and found == buffer.size
    write_skip(position, size, BETWEEN if again or at_end else FOREIGN, skips, state)
    if again:
        note_spacing(size, state)
    state[LAST_SKIP] = size
    state[SYNCHRONISED] = 1 if answer == YES else 0
    state[SEARCHED] = found
    return size


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
    stream = Stream(buffer, final, checksum, memory[LAST_COUNT], state)
    known = is_known(buffer, position, checksum)
    synchronised = state[SYNCHRONISED] == 1
    expected = synchronised and known and count_continues(buffer, position, stream.last_count)
    end = position + packet_length_at(buffer, position)
    leads = NO
    if synchronised and (known or not is_fill(buffer, position)):
        leads = _ends_at_packet(stream, end, 0 if known else 1)
        if leads == WAIT:
            return 0
    stop = min(end if leads == YES else buffer.size, position + FLUSH)
    answer, found = search(stream, max(state[SEARCHED], position + 1), stop)
    if answer == WAIT or (answer == NO and stop == buffer.size and not final):
        state[SEARCHED] = found
        return 0
    through = answer == NO and leads == YES
    if answer == YES and synchronised and not known:
        through = lengths_lead_to(buffer, position, found, state[SPACING])
    if through:
        return _take_damaged_between_packets(
            buffer, position, expected, checksum, header, memory, state, written.rows
        )
    if expected:
        # What follows, if anything, is judged by itself.
        return _take_expected(buffer, position, found, checksum, header, memory, state, written.rows)
    if answer == YES and synchronised:
        found = search_isolated(stream, position, found)
    return _skip(buffer, position, found, answer, written.skips, state)
