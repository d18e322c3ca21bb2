"""Evidence that a header is one, counted in bits.

A CCSDS packet carries no marker. Without a checksum, what shows that one begins at a position is its header.
Among random bytes a header of one of n known APIDs stands with a chance of n / 2¹⁴ (version and APID: 14
bits less log₂ n), a sequence count that is exactly the next one of its counter with 2⁻¹⁴, one that is near
the last with 2⁻⁵. How the bits of headers that follow one another are added is told in :mod:`.chain`.

Six bytes that are all the same are fill, not a header, and two zero bytes hardly show APID 0: much of what
instruments send is zero.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.index_rows import HEADER_BITS, RUN, SPACINGS
from eicpy.packets.primary_header import (
    COUNT_MASK,
    COUNT_MODULUS,
    apid_at,
    counter_at,
    is_version_0,
    packet_length_at,
    sequence_count_at,
    word_at,
)

__all__ = [
    "AHEAD",
    "MOST_LINKS",
    "NEXT_COUNT_BITS",
    "NO",
    "WAIT",
    "YES",
    "Stream",
    "add_link",
    "count_continues",
    "count_step",
    "end_of",
    "header_evidence",
    "is_fill",
    "is_known",
    "is_spaced_stream",
    "known_header_bits",
    "new_chain",
]

Ints = npt.NDArray[np.signedinteger[Any]]

WAIT, NO, YES = -1, 0, 1

AHEAD, BEHIND = 256, 64
"""A sequence count continues if it is at most this far ahead of, or behind, the last one of its counter."""
NEXT_COUNT_BITS, NEAR_COUNT_BITS, ZERO_BITS = 13, 5, 2
MOST_LINKS = 12
"""Headers of a chain that are looked at."""
_LINKS = MOST_LINKS
_FEW_BETWEEN = 16


class Stream(NamedTuple):
    """What is available of a stream, and what is known of it, as for :func:`eicpy.packets.scan.scan`."""

    buffer: ByteArray
    final: int
    checksum: Ints
    last_count: Ints
    state: Ints


@kernel
def known_header_bits(checksum: Ints) -> Word:
    """Bits of evidence in a header of a known APID: the more APIDs there are, the fewer."""
    known = 0
    for kind in checksum:
        known += kind >= 0
    bits = 14
    while known > 1:
        known = (known + 1) >> 1
        bits -= 1
    return bits


@inline_kernel
def is_known(buffer: ByteArray, position: int, checksum: Ints) -> bool:
    """Whether a header of version 0 and a known APID begins here; six bytes must be available."""
    return bool(is_version_0(buffer, position) and checksum[apid_at(buffer, position)] >= 0)


@inline_kernel
def is_fill(buffer: ByteArray, position: int) -> bool:
    """Whether the six bytes here are all the same."""
    word = word_at(buffer, position)
    same = word == word_at(buffer, position + 2) and word == word_at(buffer, position + 4)
    return bool(same and word >> 8 == word & 255)


@inline_kernel
def is_spaced_stream(state: Ints) -> bool:
    """Whether bytes stood between packets more than once, and lately."""
    return bool(state[SPACINGS] >= 2 and state[RUN] <= _FEW_BETWEEN)


@inline_kernel
def end_of(buffer: ByteArray, position: int) -> Word:
    """Where the packet ends whose header is here."""
    return position + packet_length_at(buffer, position)


@inline_kernel
def count_continues(buffer: ByteArray, position: int, last_count: Ints) -> bool:
    """Whether the sequence count here follows the last one of its counter, as far as one is known."""
    counter = counter_at(buffer, position)
    if last_count[counter] < 0:
        return True
    ahead = (word_at(buffer, position + 2) - last_count[counter]) & COUNT_MASK
    return bool(ahead <= AHEAD or ahead >= COUNT_MODULUS - BEHIND)


@inline_kernel
def new_chain() -> Ints:
    """Counters and sequence counts of headers that follow one another; the last column holds their number."""
    chain = np.empty((2, MOST_LINKS + 1), dtype=np.int64)
    chain[0, _LINKS] = 0
    return chain


@inline_kernel
def add_link(buffer: ByteArray, position: int, chain: Ints) -> None:
    """Enter a header into a chain."""
    link = chain[0, _LINKS]
    chain[0, link] = counter_at(buffer, position)
    chain[1, link] = sequence_count_at(buffer, position)
    chain[0, _LINKS] = link + 1


@inline_kernel
def count_step(stream: Stream, position: int, chain: Ints) -> Word:
    """From the last sequence count of the counter, in the chain or before it, to this one; −1: not known."""
    counter = counter_at(stream.buffer, position)
    last = np.int64(stream.last_count[counter])
    for link in range(chain[0, _LINKS]):
        if chain[0, link] == counter:
            last = chain[1, link]
    if last < 0:
        return np.int64(-1)
    return (sequence_count_at(stream.buffer, position) - last) & COUNT_MASK


@kernel
def header_evidence(stream: Stream, position: int, chain: Ints) -> Word:
    """Bits of evidence in the header here; one that is not known has none."""
    if not is_known(stream.buffer, position, stream.checksum) or is_fill(stream.buffer, position):
        return np.int64(0)
    bits = np.int64(stream.state[HEADER_BITS])
    if word_at(stream.buffer, position) == 0:
        bits = min(bits, np.int64(ZERO_BITS))
    step = count_step(stream, position, chain)
    if step == 1:
        return bits + NEXT_COUNT_BITS
    if step <= AHEAD or step >= COUNT_MODULUS - BEHIND:  # or the first of its counter
        return bits + NEAR_COUNT_BITS
    return bits
