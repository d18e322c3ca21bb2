"""What makes bytes believable as the beginning of a packet: kernels that the walk (:mod:`.scan`) asks.

A checksum decides where there is one; else the headers that follow, and whether sequence counts go on.
``WAIT`` says that more bytes are needed to tell.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import ByteArray, Word, inline_kernel, kernel
from eicpy.packets.checksum import is_right

__all__ = [
    "NO",
    "WAIT",
    "YES",
    "adopted_kind",
    "chain_from",
    "continues",
    "is_known",
    "is_packet",
    "lane_at",
    "word_at",
]

Ints = npt.NDArray[np.signedinteger[Any]]

WAIT, NO, YES = -1, 0, 1

AHEAD, BEHIND = 256, 64
"""A sequence count continues if it is at most this far ahead of, or behind, the last one of its lane."""


@inline_kernel
def word_at(buffer: ByteArray, position: int) -> Word:
    """The two bytes here as a number."""
    return (np.int64(buffer[position]) << 8) | np.int64(buffer[position + 1])


@inline_kernel
def is_known(buffer: ByteArray, position: int, checksum: Ints) -> bool:
    """Whether a header of version 0 and a known APID stands here; six bytes must be there."""
    word = word_at(buffer, position)
    return bool((word >> 13) == 0 and checksum[word & 2047] >= 0)


@inline_kernel
def lane_at(buffer: ByteArray, position: int) -> Word:
    """APID of the header that stands here, plus 2048 for a telecommand."""
    word = word_at(buffer, position)
    return (word & 2047) | ((word >> 1) & 2048)


@inline_kernel
def continues(buffer: ByteArray, position: int, last_count: Ints) -> bool:
    """Whether the sequence count here follows the last one of its lane, as far as one is known."""
    lane = lane_at(buffer, position)
    if last_count[lane] < 0:
        return True
    ahead = (word_at(buffer, position + 2) - last_count[lane]) & 16383
    return bool(ahead <= AHEAD or ahead >= 16384 - BEHIND)


@kernel
def chain_from(buffer: ByteArray, position: int, depth: int, final: int, checksum: Ints) -> int:
    """Whether headers of known APIDs follow one another from here, or reach the end of the stream."""
    for _ in range(depth):
        if final and position == buffer.size:
            return YES
        if position + 6 > buffer.size:
            return NO if final else WAIT
        if not is_known(buffer, position, checksum):
            return NO
        position += word_at(buffer, position + 4) + 7
    return YES


@kernel
def is_packet(buffer: ByteArray, position: int, final: int, checksum: Ints, last_count: Ints) -> Word:
    """Whether a packet begins here, by its checksum or by the chain of headers; YES, NO or WAIT."""
    if position + 6 > buffer.size:
        return NO if final else WAIT
    if not is_known(buffer, position, checksum):
        return NO
    kind = checksum[word_at(buffer, position) & 2047]
    length = word_at(buffer, position + 4) + 7
    if kind > 0:
        if position + length > buffer.size:
            return NO if final else WAIT
        return YES if is_right(buffer, position, length, kind) else NO
    depth = 2 if continues(buffer, position, last_count) else 4
    if depth == 2:
        follower = position + length
        if follower + 6 <= buffer.size and is_known(buffer, follower, checksum):
            depth = 2 if continues(buffer, follower, last_count) else 4
    return chain_from(buffer, position, depth, final, checksum)


@kernel
def adopted_kind(buffer: ByteArray, position: int, length: int, checksum: Ints, candidate: Ints) -> int:
    """Checksum kind of an APID met for the first time between good packets, or −1 if it is not believed."""
    word = word_at(buffer, position)
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
    lane = lane_at(buffer, position)
    count = word_at(buffer, position + 2) & 16383
    if plain or (candidate[lane] >= 0 and ((candidate[lane] + 1) & 16383) == count):
        return 0
    candidate[lane] = count
    return -1
