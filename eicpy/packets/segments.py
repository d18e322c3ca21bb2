"""Groups of segmented packets, kept whole or flagged, never dropped.

A source packet longer than a packet may be is sent in segments: a first one (sequence flags 1), any number
of continuations (0) and a last one (2), with consecutive sequence counts (CCSDS 133.0-B-2, 4.1.3.4.2). A
group is complete if all of that holds. Whatever else is found is an incomplete group that says why; its
packets are all there for who can use them. One missing count between segments that go on can only be a
segment of the same group; two or more may hide the end of one group and the beginning of the next, and the
groups on either side are kept apart. Only the segments whose header announces a secondary header
lose one when a group is put together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.continuity import Continuity, continuity
from eicpy.packets.index import PacketIndex, PacketStatus

__all__ = ["SegmentGroup", "SegmentGroups", "assemble", "segment_groups"]

CONTINUED, BEGIN, END, WHOLE = 0, 1, 2, 3

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SegmentGroup:
    """The segments of one source packet.

    Attributes
    ----------
    rows
        Rows of the index, in the order of the sequence count.
    complete
        Whether it begins with a first segment, ends with a last one, and no count is missing between.
    reason
        What is wrong with an incomplete one; empty otherwise.
    """

    apid: int
    rows: Ints
    complete: bool
    reason: str


@dataclass(frozen=True)
class SegmentGroups:
    """All segmented groups of an APID.

    Attributes
    ----------
    rows
        Rows of the index of all segments, group after group, shape (n_segments,).
    start
        Shape (n_groups + 1,): group g holds ``rows[start[g]:start[g + 1]]``.
    begun, ended
        Shape (n_groups,), bool: whether the first, the last segment was received.
    unbroken
        Shape (n_groups,), bool: whether no segment is missing between those that were received.
    """

    apid: int
    rows: Ints
    start: Ints
    begun: npt.NDArray[np.bool_]
    ended: npt.NDArray[np.bool_]
    unbroken: npt.NDArray[np.bool_]

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Shape (n_groups,), bool."""
        return self.begun & self.ended & self.unbroken

    def __len__(self) -> int:
        return len(self.start) - 1

    def __getitem__(self, number: int) -> SegmentGroup:
        """Group of a number."""
        number = range(len(self))[number]
        begun, ended = bool(self.begun[number]), bool(self.ended[number])
        unbroken = bool(self.unbroken[number])
        parts = ((begun, "the beginning"), (unbroken, "a segment between"), (ended, "the end"))
        missing = [what for there, what in parts if not there]
        reason = f"{' and '.join(missing)} missing" if missing else ""
        rows = self.rows[self.start[number] : self.start[number + 1]]
        return SegmentGroup(self.apid, rows, bool(self.complete[number]), reason)

    def __iter__(self) -> Iterator[SegmentGroup]:
        return (self[number] for number in range(len(self)))


def _groups(apid: int, index: PacketIndex, judged: Continuity) -> SegmentGroups:
    good = (index.status[judged.rows] == PacketStatus.GOOD) & ~judged.duplicate
    # In the order of the count, each packet once: a duplicate is no new segment. Where a count says nothing
    # (it stands still), the order is that of the stream.
    order = np.argsort(judged.count[good], kind="stable")
    rows, count = judged.rows[good][order], judged.count[good][order]
    flags = index.sequence_flags[rows]
    part = flags != WHOLE
    begins, broken = np.zeros(len(rows), dtype=np.bool_), np.zeros(len(rows), dtype=np.bool_)
    if len(rows):
        step = np.diff(count)
        begins[0] = True
        begins[1:] = (step > 2) | (flags[:-1] == END) | (flags[:-1] == WHOLE)
        begins |= (flags == BEGIN) | (flags == WHOLE)
        broken[1:] = (step == 2) & ~begins[1:]
    rows, flags, begins, broken = rows[part], flags[part], begins[part], broken[part]
    first = np.flatnonzero(begins)
    start = np.append(first, len(rows)).astype(np.int64)
    last = start[1:] - 1
    holes = np.append(0, np.cumsum(broken))
    unbroken = holes[start[1:]] == holes[start[:-1]]
    return SegmentGroups(apid, rows, start, flags[first] == BEGIN, flags[last] == END, unbroken)


def segment_groups(
    index: PacketIndex, judged: Mapping[int, Continuity] | None = None, *, commands: bool = False
) -> dict[int, SegmentGroups]:
    """Groups of the APIDs that send segmented packets.

    Parameters
    ----------
    index
        All packets of a stream in its order.
    judged
        What `continuity` found, if it was called already.
    commands
        Groups of telecommands; else of telemetry.

    Returns
    -------
    dict
        For each APID with segmented packets. Late segments are put in order, damaged ones are left
        out, so that their group is incomplete.

    See Also
    --------
    assemble : the user data of a group in one piece.

    References
    ----------
    CCSDS 133.0-B-2, Space Packet Protocol, section 4.1.3.4.2 (sequence flags).
    """
    judged = continuity(index, commands=commands) if judged is None else judged
    found = {apid: _groups(apid, index, one) for apid, one in judged.items()}
    return {apid: groups for apid, groups in found.items() if len(groups)}


def assemble(buffer: Buffer, index: PacketIndex, group: SegmentGroup, secondary_bytes: int = 0) -> ByteArray:
    """Data of a group put together: without primary headers, checksums, and announced secondary headers.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        The index.
    group
        A group of it, complete or not.
    secondary_bytes
        Length of the secondary header; cut off only where the primary header announces one.

    Returns
    -------
    numpy.ndarray
        Shape (n_bytes,), uint8.

    See Also
    --------
    segment_groups : finds the groups, and which are complete.
    """
    array = as_byte_array(buffer)
    decision = index.decisions.get(group.apid)
    trailer = 0 if decision is None or decision.checksum is ChecksumKind.NONE else 2
    pieces = [np.zeros(0, dtype=np.uint8)]
    for row in group.rows.tolist():
        start = int(index.offset[row])
        stop = start + int(index.length[row]) - trailer
        announced = bool(array[start] & 8)
        pieces.append(array[start + 6 + (secondary_bytes if announced else 0) : stop])
    joined: ByteArray = np.concatenate(pieces)
    return joined
