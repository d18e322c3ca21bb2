"""Bytes that stand between packets: a marker, a length in front of each, fill up to whole words.

What stands there is not looked at. Up to `MOST_SPACING` bytes are passed over where a known header with the
next sequence count stands behind them. The number is learnt: where it stood before, a known header is enough.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, kernel
from eicpy.packets.checksum import is_right
from eicpy.packets.evidence import (
    AHEAD,
    NO,
    WAIT,
    YES,
    Stream,
    add_link,
    count_step,
    end_of,
    is_fill,
    is_known,
    is_spaced_stream,
)
from eicpy.packets.index_rows import RUN
from eicpy.packets.primary_header import HEADER_BYTES, apid_at

__all__ = ["AT_END", "MOST_SPACING", "NOWHERE", "confirms_spacing", "spacing_behind"]

Ints = npt.NDArray[np.signedinteger[Any]]

MOST_SPACING = 64
"""Bytes between packets that are looked at for the next header."""
NOWHERE, AT_END = -2, -3
_NEAR = 16


@kernel
def spacing_behind(stream: Stream, end: int, usual: int, chain: Ints) -> Word:
    """Bytes from the end of a packet to the next header: none, the usual number, or up to `MOST_SPACING`.

    Where a damaged header stands that leads to the next known one by its length, the bytes up to it.
    `NOWHERE` if no header follows, `AT_END` at the end of the stream, or `WAIT`.
    """
    buffer, size = stream.buffer, stream.buffer.size
    if stream.final and size in (end, end + usual):
        return AT_END
    if end + HEADER_BYTES > size:
        return NOWHERE if stream.final else WAIT
    direct = is_known(buffer, end, stream.checksum)
    if direct and (usual == 0 or count_step(stream, end, chain) == 1):
        return 0
    if usual > 0 and end + usual + HEADER_BYTES > size and not stream.final:
        return WAIT
    again = usual > 0 and end + usual + HEADER_BYTES <= size
    if again and is_known(buffer, end + usual, stream.checksum):
        return usual
    return 0 if direct else _other_spacing(stream, end, usual, chain)


@kernel
def _other_spacing(stream: Stream, end: int, usual: int, chain: Ints) -> Word:
    """Bytes from the end of a packet to a header with the next sequence count; else to one that is likely."""
    buffer = stream.buffer
    likely = NOWHERE
    for spacing in range(1, MOST_SPACING + 1):
        position = end + spacing
        if position + HEADER_BYTES > buffer.size:
            return likely if stream.final else WAIT
        if not is_known(buffer, position, stream.checksum) or is_fill(buffer, position):
            continue
        step = count_step(stream, position, chain)
        if 1 <= step <= _NEAR:
            return _first_before(stream, end, spacing, usual, likely)
        if likely == NOWHERE and step <= AHEAD:
            likely = spacing
    return likely


@kernel
def _first_before(stream: Stream, end: int, spacing: int, usual: int, likely: int) -> Word:
    """Bytes to another packet that stands before the header behind a spacing; else that spacing."""
    buffer = stream.buffer
    if likely > 0 and end_of(buffer, end + likely) <= end + spacing:
        return likely
    for before in (usual, 0):
        leads = end_of(buffer, end + before) + before == end + spacing
        if leads and before + HEADER_BYTES < spacing and not is_fill(buffer, end + before):
            return before  # a damaged packet
    return spacing


@kernel
def confirms_spacing(stream: Stream, position: int, spacing: int, chain: Ints) -> Word:
    """Whether the header here shows that bytes stand between packets: it has such bytes behind it, too.

    Otherwise a flipped bit of the length before, which is then short by a power of two, would look the same.
    """
    buffer, size = stream.buffer, stream.buffer.size
    if is_spaced_stream(stream.state):
        return YES
    end = end_of(buffer, position)
    if end > size:
        return NO if stream.final else WAIT
    kind = stream.checksum[apid_at(buffer, position)]
    if kind > 0 and not is_right(buffer, position, end - position, kind):
        return NO
    add_link(buffer, position, chain)
    behind = spacing_behind(stream, end, spacing, chain)
    if behind == WAIT:
        return WAIT
    if behind == AT_END:
        return YES if end < size or stream.state[RUN] == 0 else NO
    return YES if behind > 0 else NO
