"""Headers that lead from one to the next with bytes between them, and which number of bytes that is.

Of use where nothing is known yet: the APIDs are learnt by :mod:`.survey_walk`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, inline_kernel, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.evidence import is_fill
from eicpy.packets.primary_header import (
    COUNT_MASK,
    HEADER_BYTES,
    counter_at,
    is_version_0,
    packet_length_at,
    sequence_count_at,
    word_at,
)
from eicpy.packets.spacing import MOST_SPACING

__all__ = ["chain_length", "consecutive", "find_spacing", "following", "is_header"]

_SPACING_POSITIONS = 1 << 17
_SPACING_LINKS = 16
_SPACING_ALIGNMENTS = 5
_SPACING_BITS = 12
"""Evidence of a spacing needed besides the number of places and spacings tried, bits."""

Ints = npt.NDArray[np.signedinteger[Any]]


@inline_kernel
def is_header(buffer: ByteArray, position: int) -> bool:
    """Whether a header of version 0 may begin here; six bytes must be available."""
    return bool(is_version_0(buffer, position) and not is_fill(buffer, position))


@inline_kernel
def following(buffer: ByteArray, position: int, spacing: int, alignment: int) -> Word:
    """Where the next packet begins: behind this one and the bytes between, up to a whole number of words."""
    size = packet_length_at(buffer, position) + spacing
    return position + size + -size % alignment


@kernel
def chain_length(buffer: ByteArray, position: int, most: int, spacing: int, alignment: int) -> int:
    """Headers of version 0 that follow one another, at most `most`; the exact end counts as three more."""
    depth = 0
    while depth < most:
        if position == buffer.size and depth > 0:
            return min(depth + 3, most)
        if position + HEADER_BYTES > buffer.size or not is_header(buffer, position):
            return depth
        end = position + packet_length_at(buffer, position)
        if end > buffer.size:
            return depth
        depth += 1
        if end == buffer.size:
            return min(depth + 3, most)
        position = following(buffer, position, spacing, alignment)
    return depth


@kernel
def consecutive(buffer: ByteArray, position: int, most: int, spacing: int, alignment: int) -> tuple[int, int]:
    """Headers that follow one another from here, and how many have the next sequence count of their counter.

    The exact end counts as 16 headers.
    """
    counters = np.full(most, -1, dtype=np.int64)
    counts = np.zeros(most, dtype=np.int64)
    pairs = 0
    for i in range(most):
        if position + HEADER_BYTES > buffer.size or not is_header(buffer, position):
            return i, pairs
        end = position + packet_length_at(buffer, position)
        if end > buffer.size:
            return i, pairs
        counters[i] = counter_at(buffer, position)
        counts[i] = sequence_count_at(buffer, position)
        for j in range(i - 1, -1, -1):
            if counters[j] == counters[i]:
                pairs += (counts[i] - counts[j]) & COUNT_MASK == 1
                break
        position = following(buffer, position, spacing, alignment)
        if buffer.size in (end, position):
            return i + 1 + 6, pairs
    return most, pairs


@kernel
def find_spacing(buffer: ByteArray) -> tuple[int, int]:
    """Bytes between packets, and the alignment of packets, from which the first convincing chain results.

    Every position near the start is tried with every spacing. A chain convinces by sequence counts that are
    the next of their counter (13 bits each) and by versions (3 bits each header), where there are more such
    bits than places and spacings were tried. If none does, two packets of one counter that count on from one
    to the next vote for the spacing between them.

    Returns
    -------
    tuple
        Spacing and alignment, bytes; 0 and 1 if nothing convinces.
    """
    positions = min(buffer.size - HEADER_BYTES, _SPACING_POSITIONS)
    needed = _SPACING_BITS + 8
    tried = positions
    while tried > 1:
        needed += 1
        tried >>= 1
    votes = np.zeros((_SPACING_ALIGNMENTS, MOST_SPACING + 1), dtype=np.int64)
    for position in range(positions):
        if not is_header(buffer, position) or word_at(buffer, position) == 0:
            continue
        if position + packet_length_at(buffer, position) + HEADER_BYTES > buffer.size:
            continue
        best, spacing, alignment = _best_spacing(buffer, position, votes)
        if best >= needed:
            return spacing, alignment
    most = int(votes.argmax())
    if votes.flat[most] < 2:
        return 0, 1
    return most % (MOST_SPACING + 1), 1 << (most // (MOST_SPACING + 1))


@kernel
def _best_spacing(buffer: ByteArray, position: int, votes: Ints) -> tuple[int, int, int]:
    """Evidence of the most convincing chain from here, bits, with its spacing and alignment."""
    best, best_spacing, best_alignment = 0, 0, 1
    counter = counter_at(buffer, position)
    count = sequence_count_at(buffer, position)
    for power in range(_SPACING_ALIGNMENTS):
        alignment = 1 << power
        for spacing in range(MOST_SPACING + 1 if power == 0 else alignment):
            follower = following(buffer, position, spacing, alignment)
            if follower + HEADER_BYTES > buffer.size or not is_version_0(buffer, follower):
                continue
            if counter_at(buffer, follower) == counter:
                votes[power, spacing] += (sequence_count_at(buffer, follower) - count) & COUNT_MASK == 1
            links, pairs = consecutive(buffer, position, _SPACING_LINKS, spacing, alignment)
            if pairs > 0 and 13 * pairs + 3 * links > best:
                best, best_spacing, best_alignment = 13 * pairs + 3 * links, spacing, alignment
    return best, best_spacing, best_alignment
