"""Packets of runs that are still being written, each once and in the order of their on-board time.

The order, and which packets are the same, are those of :mod:`eicpy.runs.provider.merge`, as far as they can
be known while packets still come: a packet is held until one that is `window` seconds later, by the on-board
clock, has come from any of the runs. So a station that is late by less than the window takes its place in
the order, and memory holds the packets of the window and one piece of each run. What comes later than the
window is given at once, as it comes, and counted (:attr:`LiveMerge.late`). When nothing comes for `window`
seconds by the wall clock, or all runs have ended, what is held is given.

A time far ahead is believed when the next packet of its run is as late: one wrong time does not hurry the
rest.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, Skipped, packet_identity, timeless_identity
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.deduplicate import REMEMBERED, Deduplicator
from eicpy.runs.provider.merge import SAME_WITHIN, merge_order, neighbour_times
from eicpy.runs.provider.newest import pack, runs_of
from eicpy.runs.provider.walk import Source
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["WINDOW", "LiveMerge"]

WINDOW = 10.0
"""How long a packet is held for those of other runs where the caller does not say, s of on-board time."""

_STEPS = 64
"""Packets are given when this part of the window is ready, so that they are not sorted one by one."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """Packets that wait for others."""

    source: int
    packets: Increment
    seconds: FloatArray
    side: npt.NDArray[np.int8]

    @cached_property
    def earliest(self) -> float:
        """Earliest time among the packets."""
        return float(self.seconds.min())

    def part(self, rows: BoolArray) -> "_Held":
        """Some of the packets, with their bytes alone."""
        return _Held(self.source, pack([self.packets.chosen(rows)]), self.seconds[rows], self.side[rows])


class _Stream:
    """What is known of the time of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.reached = -np.inf
        """On-board time that was reached for sure: that of a packet whose follower is as late."""
        self.last = np.nan
        """That of the last packet with a time."""
        self.untimed: list[tuple[float, Increment]] = []
        """When they came, and packets before the first one with a time."""

    def note(self, seconds: FloatArray) -> None:
        """Take note of the times of packets that have one."""
        if not len(seconds):
            return
        before = np.concatenate([[self.last if np.isfinite(self.last) else -np.inf], seconds[:-1]])
        self.reached = max(self.reached, float(np.minimum(before, seconds).max()))
        self.last = float(seconds[-1])


class LiveMerge:
    """Sources of packets as one stream in the order of time, without repeats, while they grow.

    Parameters
    ----------
    sources
        One for each run, in the order that decides where nothing else does; or one in which several stations
        are mixed.
    instrument
        Its header rules give the time.
    window
        How long a packet is held for others, s of on-board time; and, while nothing comes, s by the wall.
    repeats
        Remembers the packets with a time that were given.
    clock
        Counts the seconds by the wall.

    Raises
    ------
    BadArgumentError
        For a window that is no number above 0.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        instrument: Instrument,
        window: float = WINDOW,
        repeats: Deduplicator | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (np.isfinite(window) and window > 0):
            raise BadArgumentError(f"got a window of {window} s, expected more than 0")
        self.instrument = instrument
        self.window = window
        self.repeated = 0
        """Packets that were not given again."""
        self.late: dict[int, int] = {}
        """Packets that came later than the window and were given out of order, by run."""
        self._streams = [_Stream(source) for source in sources]
        self._held: list[_Held] = []
        self._repeats = repeats or Deduplicator()
        self._untimed: dict[int, float] = {}
        self._skipped: list[Skipped] = []
        self._given_to = -np.inf
        self._earliest = np.inf
        self._clock = clock
        self._came = clock()
        self._run: int | None = None
        self._cursor = self._position()
        self._tally = RunningContinuity(instrument)

    @property
    def finished(self) -> bool:
        """Whether all runs have ended and all packets were given."""
        return self._ended and not self._held and self._cursor == self._position()

    @property
    def run(self) -> int | None:
        """Number of the run of the last packet."""
        return self._run

    @property
    def cursor(self) -> Cursor:
        """A position before which all was given: of several runs, the one before all of them."""
        return self._cursor

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Packets given so far, by APID: lost ones were received by no station."""
        return self._tally.counts

    @property
    def held(self) -> int:
        """Packets that are held now."""
        waiting = sum(len(piece) for stream in self._streams for _, piece in stream.untimed)
        return waiting + sum(len(held.packets) for held in self._held)

    def pull(self) -> Increment | None:
        """The packets that may be given now, none if more must come first; None if nothing new has come."""
        before = self._position()
        limit, new = self._read()
        self._settle_untimed()
        given = self._release(limit if self._is_due(limit) else -np.inf, before)
        if given is not None:
            return given
        self._cursor, moved = self._position(), self._cursor
        return Increment.nothing(self.instrument, self._cursor) if new or moved != self._cursor else None

    def behind(self, cursor: Cursor) -> int:
        """Bytes after a position; of several runs, those not read yet and those of packets that are held."""
        if len(self._streams) == 1:
            return self._streams[0].source.behind(cursor)
        waiting = sum(int(held.packets.index.length.sum(dtype=np.int64)) for held in self._held)
        return waiting + sum(one.source.behind(one.source.cursor) for one in self._streams)

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams:
            stream.source.close()

    @property
    def _ended(self) -> bool:
        return all(stream.source.finished for stream in self._streams)

    def _position(self) -> Cursor:
        """Where to resume so that all that is held is given."""
        if len(self._streams) > 1:
            return Cursor(0)
        stream = self._streams[0]
        waiting = [held.packets for held in self._held[:1]] + [piece for _, piece in stream.untimed[:1]]
        if not waiting:
            return stream.source.cursor
        return Cursor(int(runs_of(waiting[0])[0]), int(waiting[0].index.offset[0]))

    def _read(self) -> tuple[float, bool]:
        """Read a piece, of the source that is farthest back; the time up to which packets may be given."""
        now = self._clock()
        open_ = [stream for stream in self._streams if not stream.source.finished]
        waiting = sorted(open_, key=lambda stream: stream.reached)
        while waiting:
            stream = waiting[0]
            piece = stream.source.pull()
            if piece is not None:
                self._came = now
                self._take(self._streams.index(stream), stream, piece, now)
                break
            waiting.pop(0)  # it has nothing now, and nothing waits for it
        if not waiting and (self._ended or now - self._came >= self.window):
            return np.inf, False
        newest = max(stream.reached for stream in self._streams) - self.window
        return min([newest, *(s.reached for s in waiting if not s.source.finished)]), bool(waiting)

    def _take(self, number: int, stream: _Stream, piece: Increment, now: float) -> None:
        self._skipped += piece.index.skipped
        piece = replace(piece, index=replace(piece.index, skipped=()))
        if not len(piece):
            return
        seconds, side = neighbour_times(piece.local, self.instrument, stream.last)
        if not (side <= 0).any() and not np.isfinite(stream.last):
            stream.untimed.append((now, piece))
            return
        if stream.untimed:
            self._hold(number, stream, float(seconds[0]), -1)
        stream.note(seconds[side == 0])
        self._add(_Held(number, piece, seconds, side))

    def _add(self, held: _Held) -> None:
        self._held.append(held)
        self._earliest = min(self._earliest, held.earliest)

    def _is_due(self, limit: float) -> bool:
        """Whether enough may be given: all at the end, and at once what is late."""
        ready = limit - self._earliest > self.window / _STEPS
        return bool(ready or np.isposinf(limit) or self._earliest < self._given_to)

    def _hold(self, number: int, stream: _Stream, seconds: float, side: int) -> None:
        """Give packets that came before any with a time the time of another."""
        for _, piece in stream.untimed:
            n = len(piece)
            self._add(_Held(number, piece, np.full(n, seconds), np.full(n, side, np.int8)))
        stream.untimed = []

    def _settle_untimed(self) -> None:
        """Of a run without times nothing is awaited for longer than the window."""
        for number, stream in enumerate(self._streams):
            old = stream.untimed and self._clock() - stream.untimed[0][0] >= self.window
            if stream.untimed and (old or stream.source.finished):
                self._hold(number, stream, max(self._given_to, 0.0), 1)

    def _release(self, limit: float, before: Cursor) -> Increment | None:
        """Packets of before a time, in order."""
        ready = sorted((held for held in self._held if held.earliest < limit), key=lambda held: held.source)
        if not ready:
            if self._skipped:
                skipped, self._skipped = tuple(self._skipped), []
                nothing = Increment.nothing(self.instrument, before)
                return replace(nothing, index=replace(PacketIndex.empty(), skipped=skipped))
            return None
        whole = pack([held.packets for held in ready])
        seconds = np.concatenate([held.seconds for held in ready])
        side = np.concatenate([held.side for held in ready])
        rows = np.flatnonzero(seconds < limit)
        order = rows[merge_order(whole.index[rows], seconds[rows], side[rows])]
        self._keep_rest(ready, limit)
        assert whole.packed is not None  # as `pack` makes it
        fresh = self._fresh(whole.data, whole.packed[order], seconds[order], side[order])
        self.repeated += len(fresh) - int(fresh.sum())
        order = order[fresh]
        self._note_late(runs_of(whole)[order], seconds[order])
        return self._increment(whole, order, before)

    def _increment(self, whole: Increment, order: IntArray, before: Cursor) -> Increment:
        runs = runs_of(whole)[order]
        assert whole.packed is not None  # as `pack` makes it
        packed = whole.packed[order]
        self._tally.add(packed, timeless_identity(packed, whole.data))
        self._run = int(runs[-1]) if len(runs) else self._run
        self._cursor = before
        skipped, self._skipped = tuple(self._skipped), []
        return replace(
            whole,
            index=replace(whole.index[order], skipped=skipped),
            packed=packed,
            row_runs=runs,
            run=self._run or 0,
            cursor=before,
            fixed=True,
        )

    def _keep_rest(self, ready: Sequence[_Held], limit: float) -> None:
        done = {id(held) for held in ready}
        rest = {id(held): held.seconds >= limit for held in ready}
        self._held = [
            held.part(rest[id(held)]) if id(held) in done else held
            for held in self._held
            if id(held) not in done or rest[id(held)].any()
        ]
        self._earliest = min((held.earliest for held in self._held), default=np.inf)

    def _fresh(
        self, data: bytes, packed: PacketIndex, seconds: FloatArray, side: npt.NDArray[np.int8]
    ) -> BoolArray:
        """Which packets were not given before: as :func:`~eicpy.runs.provider.merge.first_of_each` judges."""
        keys = packet_identity(data, packed)
        fresh = np.ones(len(keys), np.bool_)
        timed = side == 0
        fresh[timed] = self._repeats.fresh_keys(keys[timed])
        for row in np.flatnonzero(~timed).tolist():
            key, moment = int(keys[row]), float(seconds[row])
            last = self._untimed.pop(key, -np.inf)
            fresh[row] = abs(moment - last) > SAME_WITHIN
            self._untimed[key] = moment
        while len(self._untimed) > REMEMBERED:
            self._untimed.pop(next(iter(self._untimed)))
        return fresh

    def _note_late(self, runs: IntArray, seconds: FloatArray) -> None:
        """Count what comes behind packets of a later time, and remember the latest time."""
        late = seconds < self._given_to
        for run, count in zip(*np.unique(runs[late], return_counts=True), strict=True):
            if run not in self.late:
                _log.warning(
                    "packets of run %d come later than the window of %g s, the first by %.3g s: they are "
                    "given out of order and counted",
                    run, self.window, self._given_to - float(seconds[late & (runs == run)].min()),
                )  # fmt: skip
            self.late[int(run)] = self.late.get(int(run), 0) + int(count)
        newest = max(stream.reached for stream in self._streams)
        believed = seconds[seconds <= newest + self.window] if np.isfinite(newest) else seconds
        if len(believed):
            self._given_to = max(self._given_to, float(believed.max()))
