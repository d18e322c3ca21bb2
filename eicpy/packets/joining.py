"""A packet that a boundary of files cut in two: whether two ends are its halves.

The end of a stream behind its last intact packet and the beginning of another one before its first are joined
only on evidence: together they are exactly one packet of a known APID whose checksum is right. Without a
checksum the sequence counts on both sides must continue in it. The name of a file, its time, or that the
lengths fit, is no evidence: where all packets are equally long, any two files fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.index import PacketIndex, Skipped
from eicpy.packets.indexer import index_packets
from eicpy.packets.primary_header import COUNT_MODULUS, LONGEST_PACKET
from eicpy.packets.rules import HeaderRule

__all__ = ["CONTEXT", "CutEnds", "cut_ends", "joined_index", "without_beginning", "without_end"]

CONTEXT = 1 << 18
"""Bytes on each side of a boundary by which it is judged: several of the longest packets."""


@dataclass(frozen=True, slots=True)
class CutEnds:
    """How much at either end of a stream may be part of a packet that lies elsewhere too.

    Attributes
    ----------
    head
        Bytes before the first intact packet; 0 where it begins with one.
    tail
        Bytes behind the last intact packet; 0 where it ends with one.
    """

    head: int
    tail: int


def cut_ends(index: PacketIndex, size: int) -> CutEnds:
    """Ends of a stream that belong to no intact packet, as far as they are short enough for one."""
    good = np.flatnonzero(index.good)
    if not len(good):
        return CutEnds(0, 0)
    head = int(index.offset[good[0]])
    tail = size - int(index.offset[good[-1]]) - int(index.length[good[-1]])
    return CutEnds(head if head < LONGEST_PACKET else 0, tail if tail < LONGEST_PACKET else 0)


def joined_index(
    before: ByteArray,
    tail: int,
    after: ByteArray,
    headers: Sequence[HeaderRule] | None,
    checksum: str = "auto",
) -> PacketIndex | None:
    """Index of a second stream from the packet on that begins in the first; None if they share none.

    Parameters
    ----------
    before
        The end of the first stream, with intact packets before its last `tail` bytes where there are any.
    tail
        Bytes at its end that belong to no intact packet, more than 0.
    after
        The beginning of the second stream.
    headers, checksum
        As for `index_packets`.

    Returns
    -------
    PacketIndex or None
        Offsets count from the beginning of the second stream; that of the first row, the shared packet, is
        ``-tail``.
    """
    boundary = len(before)
    index = index_packets(np.concatenate([before, after]), headers, checksum)
    rows = np.flatnonzero(index.good & (index.offset == boundary - tail))
    if not len(rows):
        return None
    row = int(rows[0])
    end = int(index.offset[row]) + int(index.length[row])
    if end <= boundary or not _is_proved(index, row, end, boundary + len(after)):
        return None
    return without_beginning(index, boundary - tail).shifted(-boundary)


def _is_proved(index: PacketIndex, row: int, end: int, size: int) -> bool:
    """Whether a packet of two halves is one: by its checksum, else by what comes before and after it."""
    decision = index.decisions.get(int(index.apid[row]))
    if decision is not None and decision.checksum is not ChecksumKind.NONE:
        return True
    good, counter = index.good, index.counter
    same = np.flatnonzero(good & (counter == counter[row]))
    at = int(np.searchsorted(same, row))
    steps = [
        (int(index.sequence_count[b]) - int(index.sequence_count[a])) % COUNT_MODULUS
        for a, b in zip(same[max(at - 1, 0) : at + 1], same[max(at - 1, 0) + 1 : at + 2], strict=False)
    ]
    follows = end == size or (
        row + 1 < len(index) and int(index.offset[row + 1]) == end and bool(good[row + 1])
    )
    return follows and all(step == 1 for step in steps) and bool(steps)


def without_end(index: PacketIndex, end: int) -> PacketIndex:
    """An index without what it says about a stream from byte `end` on."""
    gaps = (
        Skipped(g.offset, min(g.length, end - g.offset), g.reason) for g in index.skipped if g.offset < end
    )
    return replace(index[index.offset < end], skipped=tuple(gaps))


def without_beginning(index: PacketIndex, start: int) -> PacketIndex:
    """An index without what it says about a stream before byte `start`."""
    gaps = (
        Skipped(max(g.offset, start), g.offset + g.length - max(g.offset, start), g.reason)
        for g in index.skipped
        if g.offset + g.length > start
    )
    return replace(index[index.offset >= start], skipped=tuple(gaps))
