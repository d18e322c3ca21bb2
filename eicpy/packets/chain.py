"""What is taken for a packet: a right checksum, or a chain of headers.

1. **Checksum.** A known APID whose checksum is right is a packet, wherever it is found.
2. **Chain.** Without a checksum, a header leads by its length to another one. The bits of evidence
   (:mod:`.evidence`) of the headers that follow one another are added until they reach `NEEDED`, which noise
   of the length of a search does less than once in a thousand searches. The exact end of the stream counts
   as `END_BITS`. Bytes between packets (:mod:`.spacing`) cost `CHOICE_BITS`, one of 64 places having been
   chosen, unless as many stood there before.

The first header must also have `OWN` bits by itself: garbage whose length happens to lead to a packet has all
the evidence of what follows. Its own are those of its header, a length that leads to a packet, and a sequence
count that its counter goes on from.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import is_right
from eicpy.packets.evidence import (
    AHEAD,
    MOST_LINKS,
    NEXT_COUNT_BITS,
    NO,
    WAIT,
    YES,
    Stream,
    add_link,
    count_step,
    end_of,
    header_evidence,
    is_fill,
    is_known,
    is_spaced_stream,
    new_chain,
)
from eicpy.packets.index_rows import SPACING
from eicpy.packets.primary_header import (
    COUNT_MASK,
    HEADER_BYTES,
    apid_at,
    counter_at,
    is_version_0,
    sequence_count_at,
)
from eicpy.packets.spacing import AT_END, NOWHERE, confirms_spacing, spacing_behind

__all__ = ["is_followed", "is_packet", "lengths_lead_to", "search", "search_isolated", "spacing_here"]

Ints = npt.NDArray[np.signedinteger[Any]]

NEEDED = 30
"""Bits of evidence of a packet away from the walk; a search looks at some 2¹⁷ positions."""
OWN = 22
"""Bits of evidence of its first header alone."""
MEETING_BITS = 7
"""Evidence in a length that leads to a packet: one begins every hundred bytes or so."""
LONELY_BITS = 12
"""Bits of evidence of a packet between garbage, besides the number of positions there."""
END_BITS, CHOICE_BITS = 16, 6


@kernel
def is_packet(stream: Stream, position: int) -> Word:
    """Whether a packet begins here, by its checksum or by the chain of headers; YES, NO or WAIT."""
    buffer, size = stream.buffer, stream.buffer.size
    if position + HEADER_BYTES > size:
        return NO if stream.final else WAIT
    if not is_known(buffer, position, stream.checksum):
        return NO
    kind = stream.checksum[apid_at(buffer, position)]
    if kind == 0:
        return NO if is_fill(buffer, position) else _begins_chain(stream, position)
    end = end_of(buffer, position)
    if end > size:
        return NO if stream.final else WAIT
    return YES if is_right(buffer, position, end - position, kind) else NO


@kernel
def _begins_chain(stream: Stream, position: int) -> Word:
    """Whether the header here begins a chain of enough evidence; YES, NO or WAIT."""
    size = stream.buffer.size
    chain = new_chain()
    usual, spacing = np.int64(stream.state[SPACING]), np.int64(0)
    total = header_evidence(stream, position, chain)
    own = total
    chosen = 0
    for link in range(1, MOST_LINKS):
        add_link(stream.buffer, position, chain)
        end = end_of(stream.buffer, position)
        if end > size:
            return NO if stream.final else WAIT
        spacing = spacing_behind(stream, end, usual, chain)
        if spacing == WAIT:
            return WAIT
        if spacing == AT_END:
            own += END_BITS if link == 1 else 0
            return YES if total + END_BITS >= NEEDED and own >= OWN else NO
        if spacing == NOWHERE:
            return NO
        position = end + spacing
        price = 0 if spacing in (0, usual) else CHOICE_BITS
        total += header_evidence(stream, position, chain) - price
        chosen = price if link == 1 else chosen
        own += _own_evidence(stream.buffer, position, chain, price, int(chosen > 0 and spacing == usual))
        if total >= NEEDED and own >= OWN:
            return YES
        usual = spacing
    return NO


@kernel
def _own_evidence(buffer: ByteArray, position: int, chain: Ints, price: int, again: int) -> Word:
    """Evidence of the first header of a chain in the one that was reached now."""
    links = chain[0, MOST_LINKS]
    bits = 0
    if links == 1:
        bits = 1 if price else MEETING_BITS
    elif links == 2 and again:
        bits = CHOICE_BITS
    if counter_at(buffer, position) == chain[0, 0]:
        step = (sequence_count_at(buffer, position) - chain[1, 0]) & COUNT_MASK
        bits += NEXT_COUNT_BITS if 1 <= step <= links else 0
    return bits


@kernel
def search(stream: Stream, start: int, stop: int) -> tuple[int, int]:
    """First packet from `start` on: YES and its position; NO and `stop`; or WAIT and where to resume."""
    position = start
    while position < stop:
        if is_version_0(stream.buffer, position):
            answer = is_packet(stream, position)
            if answer != NO:
                return answer, position
        position += 1
    return NO, stop


@kernel
def search_isolated(stream: Stream, start: int, stop: int) -> Word:
    """First packet between two positions that has the next sequence count and no neighbour; else `stop`."""
    chain = new_chain()
    needed = LONELY_BITS
    positions = stop - start
    while positions > 1:
        needed += 1
        positions >>= 1
    for position in range(start, stop - HEADER_BYTES):
        if not is_known(stream.buffer, position, stream.checksum):
            continue
        bare = stream.checksum[apid_at(stream.buffer, position)] == 0
        inside = end_of(stream.buffer, position) <= stop
        next_one = bare and inside and count_step(stream, position, chain) == 1
        if next_one and header_evidence(stream, position, chain) >= needed:
            return position
    return stop


@kernel
def is_followed(stream: Stream, position: int) -> Word:
    """Whether the packet here, without a checksum, ends where another one begins, or the stream ends."""
    end = end_of(stream.buffer, position)
    if end > stream.buffer.size:
        return NO if stream.final else WAIT
    chain = new_chain()
    own = count_step(stream, position, chain)
    add_link(stream.buffer, position, chain)
    spacing = spacing_behind(stream, end, stream.state[SPACING], chain)
    if spacing in (WAIT, NOWHERE):
        return WAIT if spacing == WAIT else NO
    if spacing == AT_END:
        return YES
    answer = YES
    if spacing not in (0, stream.state[SPACING]):
        answer = confirms_spacing(stream, end + spacing, spacing, chain)
    elif count_step(stream, end + spacing, chain) in (-1, 0, 1) and own in (-1, 0, 1):
        return YES
    if answer == YES:
        # A wrong length may lead to a packet, too: then others are passed over, and a count jumps.
        passed = _passes_over(stream, position, end, spacing)
        answer = WAIT if passed == WAIT else NO if passed == YES else YES
    return answer


@kernel
def _passes_over(stream: Stream, position: int, end: int, spacing: int) -> Word:
    """Whether packets stand within the one here that lead to where it ends, or any where spaced."""
    chain = new_chain()
    answer, inside = search(stream, position + 1, end)
    while answer == YES and spacing == 0 and not is_spaced_stream(stream.state):
        reached = end_of(stream.buffer, inside)
        between = np.int64(0)
        while between >= 0 and reached < end:
            between = spacing_behind(stream, reached, stream.state[SPACING], chain)
            if between >= 0:
                reached = end_of(stream.buffer, reached + between)
        if between == WAIT:
            return WAIT
        if reached == end:
            return YES
        answer, inside = search(stream, inside + 1, end)
    return answer


@kernel
def spacing_here(stream: Stream, position: int) -> Word:
    """Bytes to pass over from the end of a packet to the next; 0 if there are none, or WAIT."""
    spacing = _spacing_to_next(stream, position)
    if spacing > 0:
        answer, _ = search(stream, position, position + spacing)
        if answer != NO:
            return WAIT if answer == WAIT else 0
    return spacing


@kernel
def _spacing_to_next(stream: Stream, position: int) -> Word:
    """As `spacing_here`, whatever stands in these bytes."""
    buffer, checksum = stream.buffer, stream.checksum
    chain = new_chain()
    direct = is_known(buffer, position, checksum)
    if direct and count_step(stream, position, chain) == 1:
        return 0
    usual = np.int64(stream.state[SPACING])
    if usual > 0 and position + usual + HEADER_BYTES > buffer.size:
        if not stream.final:
            return WAIT
        usual = np.int64(0)
    if usual > 0:
        answer = _stands_behind(stream, position + usual, chain)
        if answer != NO:
            return WAIT if answer == WAIT else usual
    return 0 if direct else _new_spacing(stream, position, usual, chain)


@kernel
def _stands_behind(stream: Stream, position: int, chain: Ints) -> Word:
    """Whether a packet stands behind the usual spacing: the count goes on, or it proves itself."""
    if not is_known(stream.buffer, position, stream.checksum):
        return NO
    step = count_step(stream, position, chain)
    return YES if step == -1 or 1 <= step <= AHEAD else is_packet(stream, position)


@kernel
def _new_spacing(stream: Stream, position: int, usual: int, chain: Ints) -> Word:
    """Bytes to the next packet where neither one stands here nor a good one behind the usual spacing."""
    spacing = spacing_behind(stream, position, usual, chain)
    if spacing == WAIT:
        return WAIT
    if spacing > 0 and spacing != usual:
        answer = confirms_spacing(stream, position + spacing, spacing, chain)
        return WAIT if answer == WAIT else spacing if answer == YES else 0
    if usual == 0 or is_known(stream.buffer, position + usual, stream.checksum):
        return 0
    # A damaged packet may stand behind the usual spacing, if it leads to another.
    answer = is_packet(stream, end_of(stream.buffer, position + usual) + usual)
    return WAIT if answer == WAIT else usual if answer == YES else 0


@kernel
def lengths_lead_to(buffer: ByteArray, position: int, target: int, spacing: int) -> bool:
    """Whether what stands here are damaged headers whose lengths lead exactly to a position."""
    for _ in range(3):
        if position + HEADER_BYTES > target or is_fill(buffer, position):
            return False
        position = end_of(buffer, position)
        if target in (position, position + spacing):
            return True
        position += spacing
    return False
