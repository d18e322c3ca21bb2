"""Packets of several runs in the order of their on-board time, each once.

Two ground stations receive the same pass; each misses some packets and has them later or earlier than the
other. Merged, the gaps of one are filled by the other. The order is fixed by the packets alone:

1. by on-board time; packets without one, and damaged ones, stay behind the packet before them in their run;
2. at the same time by APID, and within an APID by sequence count;
3. where nothing else decides, in the order of the runs as they were given, and within a run as received.

Of packets with the same bytes the first in this order is kept. Packets without a time count as the same
only where their neighbours are at most :data:`SAME_WITHIN` apart, as a count that has wrapped makes the
same bytes of another packet. Of closed runs the order never changes, so that the position of the last packet
says where to resume. Columns of the index are held in memory, bytes are read as they are given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
from eicpy.decoding.times import onboard_seconds, packet_seconds
from eicpy.errors import ConflictError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, packet_identity, timeless_identity
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.run import Run
from eicpy.times import to_seconds
from eicpy.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["SAME_WITHIN", "MergedRuns", "is_written", "merge_order", "neighbour_times"]

SAME_WITHIN = 60.0
"""Farthest that the neighbours of two packets without a time, of the same bytes, may be apart, s."""

_BLOCK = 4096
_READ = 1 << 22


def neighbour_times(
    index: PacketIndex, instrument: Instrument, before: float = np.nan
) -> tuple[FloatArray, npt.NDArray[np.int8]]:
    """On-board time of each packet of a run, or of its neighbour where it has none.

    Parameters
    ----------
    index
        Packets in the order received.
    instrument
        Its header rules give the time.
    before
        On-board time of the last packet with a time before these; NaN where there is none.

    Returns
    -------
    seconds, side
        Shape (n_packets,). `side` is 0 for a time of its own, 1 for that of the packet before it, −1 for
        that of the first packet with a time, where none is before it.
    """
    seconds = np.where(index.good, onboard_seconds(index, instrument), np.nan)
    timed = np.flatnonzero(np.isfinite(seconds))
    side = np.ones(len(index), np.int8)
    known = np.isfinite(before)
    if not len(timed):
        return np.full(len(index), before if known else 0.0), side
    side[timed] = 0
    side[: timed[0]] = 1 if known else -1
    source = np.searchsorted(timed, np.arange(len(index)), side="right") - 1
    filled: FloatArray = seconds[timed[np.maximum(source, 0)]]
    filled[: timed[0]] = before if known else filled[: timed[0]]
    return filled, side


def merge_order(index: PacketIndex, seconds: FloatArray, side: npt.NDArray[np.int8]) -> IntArray:
    """Order of the packets of several runs, one run after the other in `index`.

    Parameters
    ----------
    index
        All packets.
    seconds, side
        As :func:`neighbour_times` gives them, shape (n_packets,).

    Returns
    -------
    numpy.ndarray
        IntArray in the order in which they are given, shape (n_packets,).
    """
    own = side == 0
    source = np.where(own, index.counter, 0)
    count = np.where(own, index.sequence_count.astype(np.int64), 0)
    alike = np.lexsort((source, side, seconds))
    changes = [np.diff(column[alike]) != 0 for column in (source, side, seconds)]
    first = np.flatnonzero(np.concatenate([[True], changes[0] | changes[1] | changes[2]])[: len(alike)])
    if len(first):  # a count that goes round within one moment goes on beyond its end
        sizes = np.diff(np.append(first, len(alike)))
        spread = np.maximum.reduceat(count[alike], first) - np.minimum.reduceat(count[alike], first)
        wraps = np.empty(len(alike), np.bool_)
        wraps[alike] = np.repeat(spread > COUNT_MODULUS // 2, sizes)
        count[wraps & (count < COUNT_MODULUS // 2)] += COUNT_MODULUS
    return np.lexsort((count, source, side, seconds))


def _candidates(index: PacketIndex) -> IntArray:
    """Packets that agree with another one in all values of their headers."""
    columns = [index.apid, index.command, index.sequence_count, index.length, index.coarse, index.fine]
    order = np.lexsort(columns)
    same = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in columns:
        same &= column[order][1:] == column[order][:-1]
    shared = np.zeros(len(order), np.bool_)
    shared[1:] |= same
    shared[:-1] |= same
    return np.sort(order[shared])


def first_of_each(identity: npt.NDArray[np.uint64], seconds: FloatArray) -> BoolArray:
    """Which packets are not the same as one before them.

    Parameters
    ----------
    identity
        Of each packet, in the order in which they are given, shape (n,).
    seconds
        Its time or its neighbour's, shape (n,).
    """
    order = np.lexsort((np.arange(len(identity)), seconds, identity))
    again = np.zeros(len(identity), np.bool_)
    same = (np.diff(identity[order]) == 0) & (np.diff(seconds[order]) <= SAME_WITHIN)
    again[order[1:]] = same
    return ~again


class MergedRuns:
    """Several runs as one stream in the order of time, without repeats.

    Parameters
    ----------
    archive, instrument
        Where the runs are, and what describes their packets.
    runs
        Numbers of closed runs.
    start
        Place after the last packet that was given; None for the beginning.

    Raises
    ------
    BadArgumentError
        For a run that does not exist or is still written, or a position that is not the end of a packet.
    """

    def __init__(
        self, archive: RunArchive, instrument: Instrument, runs: Sequence[int], start: Cursor | None = None
    ) -> None:
        self.instrument = instrument
        self._files = [_closed(archive.run(number)) for number in runs]
        parts = [run.index(instrument) for run in self._files]
        self._ends = np.cumsum([len(part) for part in parts])
        self._index = PacketIndex.concatenate(parts)
        self._numbers = np.repeat(np.array(runs, np.int64), [len(part) for part in parts])
        times = [neighbour_times(part, instrument) for part in parts] or [(np.empty(0), np.empty(0, np.int8))]
        seconds = np.concatenate([t for t, _ in times])
        order = merge_order(self._index, seconds, np.concatenate([s for _, s in times]))
        self._order = order[self._is_first(order, seconds)]
        self._at = 0 if start is None or start.run == 0 else self._after(start)
        self._tally = RunningContinuity(instrument)

    @property
    def finished(self) -> bool:
        """Whether all packets were given."""
        return self._at >= len(self._order)

    @property
    def run(self) -> int | None:
        """Number of the run of the last packet."""
        return self.cursor.run or None

    @property
    def cursor(self) -> Cursor:
        """The position after the packets that were pulled."""
        if self._at == 0:
            return Cursor(0)
        row = self._order[self._at - 1]
        return Cursor(int(self._numbers[row]), int(self._index.offset[row]) + int(self._index.length[row]))

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Packets given so far, by APID: lost ones were received by no station."""
        return self._tally.counts

    def __len__(self) -> int:
        return len(self._order)

    def pull(self) -> Increment | None:
        """The next packets; None at the end."""
        if self.finished:
            return None
        rows = self._order[self._at : self._at + _BLOCK]
        skipped = self._index.skipped if self._at == 0 else ()
        self._at += len(rows)
        index = replace(self._index[rows], skipped=skipped)
        data = b"".join(self._read(rows))
        length = index.length.astype(np.int64)
        packed = replace(index, offset=np.cumsum(length) - length, skipped=())
        self._tally.add(index, timeless_identity(packed, data))
        return Increment(
            index=index,
            data=data,
            start=0,
            instrument=self.instrument,
            run=int(self._numbers[rows[-1]]),
            cursor=self.cursor,
            packed=packed,
            row_runs=self._numbers[rows],
        )

    def behind(self, cursor: Cursor) -> int:
        """Bytes of the packets after a position."""
        at = 0 if cursor.run == 0 else self._after(cursor)
        return int(self._index.length[self._order[at:]].sum(dtype=np.int64))

    def skip_to_packet(self, number: int) -> None:
        """Begin with a packet, counted from 0 in the merged order."""
        if not 0 <= number <= len(self._order):
            raise NotFoundError(
                f"got packet number {number}, expected 0 to {len(self._order)}: so many are in these runs"
            )
        self._at = number

    def skip_to_time(self, moment: "Time | str | float") -> None:
        """Begin with the first intact packet whose time, s (TT since MJDREFI), is not before a moment."""
        seconds = float(moment) if isinstance(moment, int | float) else float(to_seconds(moment))
        index = self._index[self._order]
        later = index.good & (packet_seconds(index, self.instrument) >= seconds)
        self._at = int(np.argmax(later)) if later.any() else len(self._order)

    def close(self) -> None:
        """Nothing is held open."""

    def _is_first(self, order: IntArray, seconds: FloatArray) -> BoolArray:
        keep = np.ones(len(order), np.bool_)
        shared = _candidates(self._index)
        if len(shared):
            identity = np.zeros(len(order), np.uint64)
            identity[shared] = np.concatenate(list(self._identities(shared)))
            is_shared = np.zeros(len(order), np.bool_)
            is_shared[shared] = True
            first_of_copies = np.flatnonzero(is_shared[order])
            rows = order[first_of_copies]
            keep[first_of_copies] = first_of_each(identity[rows], seconds[rows])
        return keep

    def _identities(self, rows: IntArray) -> Iterator[npt.NDArray[np.uint64]]:
        for first in range(0, len(rows), _BLOCK):
            some = rows[first : first + _BLOCK]
            length = self._index.length[some].astype(np.int64)
            packed = replace(self._index[some], offset=np.cumsum(length) - length)
            yield packet_identity(b"".join(self._read(some)), packed)

    def _read(self, rows: IntArray) -> Iterator[bytes]:
        """Bytes of packets, in pieces that lie together in a raw file."""
        source = np.searchsorted(self._ends, rows, side="right")
        begin = self._index.offset[rows]
        end = begin + self._index.length[rows]
        together = (np.diff(source) == 0) & (begin[1:] == end[:-1])
        first = np.concatenate([[0], np.flatnonzero(~together) + 1])
        last = np.append(first[1:], len(rows)) - 1
        opened = {}
        try:
            for which, start, stop in zip(
                source[first].tolist(), begin[first].tolist(), end[last].tolist(), strict=True
            ):
                if which not in opened:
                    opened[which] = self._files[which].raw_file.open("rb")
                opened[which].seek(start)
                yield opened[which].read(stop - start)
        finally:
            for stream in opened.values():
                stream.close()

    def _after(self, cursor: Cursor) -> int:
        """How many packets of the merged order lie up to a position."""
        end = self._index.offset[self._order] + self._index.length[self._order]
        found = np.flatnonzero((self._numbers[self._order] == cursor.run) & (end == cursor.offset))
        if len(found) != 1:
            raise NotFoundError(
                f"got a start at byte {cursor.offset} of run {cursor.run}, expected the end of a packet that "
                "the merge of these runs gives; start without a cursor"
            )
        return int(found[0]) + 1


def is_written(run: Run) -> bool:
    """Whether a run is open and a living process writes it."""
    return run.is_open and run.is_written


def _closed(run: Run) -> Run:
    if is_written(run):
        raise ConflictError(
            f"got run {run.number}, which is still written, expected closed runs; `provide` merges it live"
        )
    return run
