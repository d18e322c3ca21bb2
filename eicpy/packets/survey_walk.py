"""The walk of the survey: which packets there may be, where nothing is known of them, counted per APID.

It goes from header to header and, where it is lost, looks for the next position from which headers lead on, a
checksum is right, or a counter that is believed counts on. A packet that was proved by its checksum or its
counter is never entered again: what lies in it, zeros above all, can look like headers.

Between packets there may be bytes of a constant number, or fill up to whole words (:mod:`.survey_spacing`).
A damaged header makes a packet of an APID that does not exist: its sequence count then fills a gap in that of
another one (`flips`).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, address_of, fetch_ahead, get_64, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import is_right
from eicpy.packets.primary_header import (
    APID_MASK,
    APIDS,
    COMMAND_COUNTERS,
    COUNT_MASK,
    COUNTERS,
    DATA_LENGTH_MASK,
    HEADER_BYTES,
    LENGTH_EXCESS,
    TYPE_SHIFT,
    VERSION_SHIFT,
    apid_at,
    counter_at,
    packet_length_at,
    sequence_count_at,
    word_at,
)
from eicpy.packets.spacing import MOST_SPACING
from eicpy.packets.survey_spacing import chain_length, consecutive, following, is_header

__all__ = ["SAMPLES", "SEARCH_BUDGET", "Seen", "walk"]

SAMPLES = 64
"""Packets of an APID whose checksum is tried and whose headers are compared."""
SEARCH_BUDGET = 1 << 24
"""Bytes looked at off the walk before the survey rests on what it has."""
_SHORT = 4096
_RARE = 16

Ints = npt.NDArray[np.signedinteger[Any]]


class Seen(NamedTuple):
    """What a walk has seen, by APID (or by counter, where it says so)."""

    met: Ints
    """Packets."""
    right: Ints
    """Sampled packets that agree with each kind of checksum, shape (2048, 4)."""
    continued: Ints
    """Packets whose sequence count is the next of their counter."""
    flips: Ints
    """Packets that fill a gap in the sequence counts of another APID, as damaged headers do."""
    like: Ints
    """The other APID, −1 where there is none."""
    linked: Ints
    """Packets that led to another one."""
    extent: Ints
    """Bytes of all packets."""
    samples: Ints
    """Positions of the first packets, shape (2048, 64)."""
    last: Ints
    """Last sequence count of each counter, −1 where there is none."""
    pending: Ints
    """By counter: another one whose packets may be its own, −1 for none; the last sequence count that it
    filled in; how many; shape (3, 4096)."""

    @classmethod
    def nothing(cls) -> "Seen":
        """Before the walk."""
        numbers = (np.zeros(APIDS, dtype=np.int64) for _ in range(5))
        met, continued, flips, linked, extent = numbers
        return cls(
            met,
            np.zeros((APIDS, 4), dtype=np.int64),
            continued,
            flips,
            np.full(APIDS, -1, dtype=np.int64),
            linked,
            extent,
            np.zeros((APIDS, SAMPLES), dtype=np.int64),
            np.full(COUNTERS, -1, dtype=np.int64),
            np.full((3, COUNTERS), -1, dtype=np.int64),
        )


@kernel
def _agrees(buffer: ByteArray, position: int, length: int, kind: int) -> bool:
    """Whether a packet agrees with a checksum that means something: the ISO checksum has no zero byte."""
    if kind == 3 and (buffer[position + length - 1] == 0 or buffer[position + length - 2] == 0):
        return False
    return bool(is_right(buffer, position, length, kind))


@kernel
def _counts_on(buffer: ByteArray, position: int, seen: Seen) -> bool:
    """Whether the header here has the next sequence count of a counter that has counted on before."""
    last = seen.last[counter_at(buffer, position)]
    if (
        last < 0
        or word_at(buffer, position) == 0
        or (sequence_count_at(buffer, position) - last) & COUNT_MASK != 1
    ):
        return False
    return bool(seen.continued[apid_at(buffer, position)] >= 2)


@kernel
def _free_spacing(buffer: ByteArray, position: int, seen: Seen) -> Word:
    """Bytes from the packet here to one that counts on from it, or from its like; −1 where there is none."""
    end = position + packet_length_at(buffer, position)
    counter = counter_at(buffer, position)
    count = sequence_count_at(buffer, position)
    for spacing in range(MOST_SPACING + 1):
        following = end + spacing
        if following + HEADER_BYTES > buffer.size:
            return -1
        if not is_header(buffer, following) or following + packet_length_at(buffer, following) > buffer.size:
            continue
        if counter_at(buffer, following) == counter:
            if (sequence_count_at(buffer, following) - count) & COUNT_MASK == 1 and word_at(
                buffer, following
            ) > 0:
                return spacing
        elif _counts_on(buffer, following, seen):
            return spacing
    return -1


@kernel
def _may_restart(buffer: ByteArray, position: int, spacing: int, alignment: int, seen: Seen) -> bool:
    """Whether the walk may start again here: a long chain, consecutive counts, or a right checksum."""
    if position + HEADER_BYTES > buffer.size or not is_header(buffer, position):
        return False
    length = packet_length_at(buffer, position)
    if position + length > buffer.size:
        return False
    if _counts_on(buffer, position, seen):
        return True
    depth = chain_length(buffer, position, 8, spacing, alignment)
    free = word_at(buffer, position) > 0 and _free_spacing(buffer, position, seen) >= 0
    if free or depth >= 8 or (depth >= 2 and consecutive(buffer, position, 5, spacing, alignment)[1] > 0):
        return True
    right = False
    if depth >= 2 or (depth == 1 and length <= _SHORT):
        for kind in (1, 3):
            right = right or _agrees(buffer, position, length, kind)
    return right


@inline_kernel
def _leads_to_packet(buffer: ByteArray, position: int, spacing: int, alignment: int, seen: Seen) -> bool:
    """Whether a packet may stand here and another, or the end, follows."""
    if not is_header(buffer, position):
        return False
    end = position + packet_length_at(buffer, position)
    follower = following(buffer, position, spacing, alignment)
    if buffer.size in (end, follower):
        return True
    if follower + HEADER_BYTES > buffer.size or not is_header(buffer, follower):
        return False
    return bool(
        seen.met[apid_at(buffer, follower)] > 0 or chain_length(buffer, follower, 3, spacing, alignment) >= 3
    )


@kernel
def _note_flips(counter: int, count: int, seen: Seen) -> None:
    """Keep account of packets that may be those of another APID with a damaged header."""
    pending = seen.pending
    suspect = pending[0, counter]
    if suspect >= 0:
        # This counter goes on: behind the count that the other filled in, or with that very count.
        if (count - pending[1, counter]) & COUNT_MASK == 1:
            _suspect(suspect, counter, pending[2, counter], seen)
        pending[0, counter] = -1
    met = seen.met[counter % COMMAND_COUNTERS]
    if met > _RARE:
        return
    for other in range(COUNTERS):
        last = seen.last[other]
        if last < 0 or other == counter:
            continue
        near = _differ_by_a_bit(counter, other)
        if pending[0, other] >= 0 and (count - pending[1, other]) & COUNT_MASK == 1 and (near or met == 0):
            if pending[0, other] != counter:  # two damaged headers in a row
                _suspect(pending[0, other], other, pending[2, other], seen)
                pending[0, other] = counter
                pending[2, other] = 0
            pending[1, other] = count
            pending[2, other] += 1
        elif (count - last) & COUNT_MASK == 1 and (near or met == 0):
            if near and seen.last[counter] < 0 and seen.met[other % COMMAND_COUNTERS] == 1:
                _suspect(other, counter, 1, seen)  # the first packet of this counter was hit
            pending[0, other] = counter
            pending[1, other] = count
            pending[2, other] = 1


@inline_kernel
def _differ_by_a_bit(one: int, other: int) -> bool:
    """Whether two counters differ by one bit of the header."""
    bits = one ^ other
    return bool(bits & (bits - 1) == 0)


@inline_kernel
def _suspect(counter: int, other: int, packets: int, seen: Seen) -> None:
    """Note packets of a counter that are probably another one's."""
    apid, like = counter % COMMAND_COUNTERS, other % COMMAND_COUNTERS
    seen.flips[apid] += packets
    if seen.like[apid] < 0 or seen.met[like] > seen.met[seen.like[apid]]:
        seen.like[apid] = like


@kernel
def _note_last(seen: Seen) -> None:
    """At the end: the last packet of a counter may have a damaged header as well."""
    for counter in range(COUNTERS):
        suspect = seen.pending[0, counter]
        if suspect >= 0 and _differ_by_a_bit(suspect, counter):
            _suspect(suspect, counter, seen.pending[2, counter], seen)


@inline_kernel
def _count_packet(buffer: ByteArray, position: int, seen: Seen) -> bool:
    """Count a packet for its APID; True if its counter proves it, having counted on before."""
    apid = apid_at(buffer, position)
    count = sequence_count_at(buffer, position)
    counter = counter_at(buffer, position)
    if seen.met[apid] < SAMPLES:
        seen.samples[apid, seen.met[apid]] = position
        length = packet_length_at(buffer, position)
        for kind in (1, 2, 3):
            seen.right[apid, kind] += _agrees(buffer, position, length, kind)
    if seen.pending[0, counter] >= 0 or seen.met[apid] <= _RARE:
        _note_flips(counter, count, seen)
    follows = seen.last[counter] >= 0 and ((count - seen.last[counter]) & COUNT_MASK) == 1
    seen.continued[apid] += follows
    seen.last[counter] = count
    seen.met[apid] += 1
    seen.extent[apid] += packet_length_at(buffer, position)
    return bool(follows and seen.continued[apid] >= 2)


@kernel
def _is_proved(buffer: ByteArray, position: int, seen: Seen) -> bool:
    """Whether the packet here has a right checksum, of a kind that is not right by chance in zeros."""
    apid = apid_at(buffer, position)
    tried = min(seen.met[apid], SAMPLES)
    proved = False
    for kind in (1, 3):
        likely = 2 * seen.right[apid, kind] >= tried and seen.right[apid, kind] > 0
        proved = proved or (likely and _agrees(buffer, position, packet_length_at(buffer, position), kind))
    return proved


@inline_kernel
def _head(source: int, position: int) -> Word:
    """Six bytes as a number; eight must be available."""
    return np.int64(get_64(source, position) >> np.uint64(16))


@inline_kernel
def _is_head(head: Word) -> bool:
    """As `is_header`, of a `_head`."""
    return bool(head >> 32 >> VERSION_SHIFT == 0 and head != (head & 255) * 0x010101010101)


@inline_kernel
def _extent(head: Word, spacing: int, alignment: int) -> Word:
    """From one packet to the next, as `following`, of a `_head`; an alignment is a power of two."""
    size = (head & DATA_LENGTH_MASK) + LENGTH_EXCESS + spacing
    return size + (-size & (alignment - 1))


@kernel
def _walk_on(
    buffer: ByteArray, start: int, spacing: int, alignment: int, seen: Seen
) -> tuple[Word, int, Word]:
    """Count packets of well-known APIDs as long as each leads to another one and that to a third.

    This is the fast part of `walk`: it ends before any packet that needs a closer look.

    Returns
    -------
    position
        Where it ends; a packet stands there.
    packets
        How many were counted.
    proved_end
        Where the last one ends whose counter proves it; 0 if there is none.
    """
    size = buffer.size - 8
    source = address_of(buffer)
    packets = 0
    proved_end: Word = 0
    position: Word = start
    head = _head(source, position) if position <= size else np.int64(0)
    follower = position + _extent(head, spacing, alignment)
    while follower <= size:
        behind = _head(source, follower)
        third = follower + _extent(behind, spacing, alignment)
        apid = (head >> 32) & APID_MASK
        counter = apid + ((head >> 32 >> TYPE_SHIFT) & 1) * COMMAND_COUNTERS
        well_known = seen.met[apid] >= SAMPLES and seen.pending[0, counter] < 0
        if not (well_known and _is_head(behind) and third <= size):
            break
        beyond = _head(source, third)
        fetch_ahead(source, third + 8 * (third - follower))  # most packets are as long as the one before
        if not _is_head(beyond) or seen.met[(beyond >> 32) & APID_MASK] == 0:
            break
        length = (head & DATA_LENGTH_MASK) + LENGTH_EXCESS
        count = (head >> 16) & COUNT_MASK
        follows = seen.last[counter] >= 0 and (count - seen.last[counter]) & COUNT_MASK == 1
        seen.last[counter] = count
        seen.continued[apid] += follows
        seen.met[apid] += 1
        seen.extent[apid] += length
        seen.linked[apid] += 1
        if follows and seen.continued[apid] >= 2:
            proved_end = position + length
        packets += 1
        position, head, follower = follower, behind, third
    return position, packets, proved_end


@kernel
def walk(buffer: ByteArray, spacing: int, alignment: int, budget: int, seen: Seen) -> tuple[bool, int]:
    """Count packets per APID.

    Parameters
    ----------
    buffer
        Shape (n_bytes,), uint8.
    spacing, alignment
        Bytes between packets, and the whole number of bytes that they and a packet are filled up to.
    budget
        Bytes to look at off the walk.
    seen
        Written: what is seen.

    Returns
    -------
    clean : bool
        Whether the walk reached the end without a fault.
    searched : int
        Bytes looked at off the walk.
    """
    position = 0
    anchor = 0
    proved_end = 0
    run = 0
    clean = True
    searched = 0
    stands = chain_length(buffer, 0, 1, spacing, alignment) >= 1
    while True:
        if stands:
            start, packets, proved = _walk_on(buffer, position, spacing, alignment, seen)
            run += packets
            proved_end = max(proved_end, proved)
            end = start + packet_length_at(buffer, start)
            apid = apid_at(buffer, start)
            if _count_packet(buffer, start, seen):
                proved_end = end
            position = following(buffer, start, spacing, alignment)
            run += 1
            if position + HEADER_BYTES > buffer.size:
                _note_last(seen)
                return clean and buffer.size in (end, position), searched
            stands = _leads_to_packet(buffer, position, spacing, alignment, seen)
            if not stands:
                clean = False
                free = _free_spacing(buffer, start, seen)
                if free >= 0 or _is_proved(buffer, start, seen):
                    proved_end = end
                if free >= 0:
                    position = end + free
                    stands = True
            seen.linked[apid] += stands
            continue
        clean = False
        # A short run began at a position that only looked like a header: its length is not to be trusted.
        position = max((anchor if run < 3 else position - spacing) + 1, proved_end)
        while not _may_restart(buffer, position, spacing, alignment, seen):
            position += 1
            searched += 1
            if searched >= budget or position + HEADER_BYTES > buffer.size:
                _note_last(seen)
                return False, searched
        anchor = position
        run = 0
        stands = True
