"""Packets lost, damaged or out of order in the last minutes of the data, from packets as they come.

The counts are judged by :class:`~eicpy.decoding.RunningContinuity`, as everywhere. What it finds is dated by
the time of the data around it: a damaged packet's own time cannot be trusted, and not every packet has one.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eicpy.decoding.running_continuity import RunningContinuity
from eicpy.decoding.times import packet_seconds
from eicpy.health.state import Loss
from eicpy.instruments import Instrument
from eicpy.packets import CountFinding, PacketIndex, PacketStatus, timeless_identity
from eicpy.typing import FloatArray

__all__ = ["GONE_BACK", "DataClock", "LossWindow", "confirmed_times"]

KINDS = {
    "gap": "lost",
    "duplicate": "duplicated",
    "out of order": "out_of_order",
    "one count out of step": "out_of_step",
    "restarted": "restarted",
}
"""Findings that count, and as what; damage is counted packet by packet."""
GONE_BACK = 60.0
"""Data that go back by more than this, s, are another measurement, or the first sent again."""
_LAST = 15


def confirmed_times(times: FloatArray, before: float = -np.inf) -> FloatArray:
    """Time of the data at each packet, s: the latest that two packets in a row confirm.

    A single packet with a wrong time moves it not at all.

    Parameters
    ----------
    times
        Of intact packets, s; NaN where a packet has none.
    before
        Of the packet before the first.
    """
    known = np.flatnonzero(np.isfinite(times))
    confirmed = np.full(len(times), -np.inf)
    if len(known):
        confirmed[known] = np.minimum(times[known], np.concatenate([[before], times[known[:-1]]]))
    return np.maximum.accumulate(confirmed) if len(times) else confirmed


class DataClock:
    """The time of the data, and which bytes came at which second of it."""

    def __init__(self, kept: float) -> None:
        self._kept = kept
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything: other data follow."""
        self.newest = -np.inf
        self._before = -np.inf
        self._last: deque[float] = deque(maxlen=_LAST)
        self._places: list[int] = []
        self._seconds: list[float] = []
        self._whole = True

    def add(self, offset: "np.ndarray[tuple[int], np.dtype[np.int64]]", times: FloatArray) -> None:
        """Take the times of more intact packets, s, and their first bytes in the stream."""
        known = np.isfinite(times)
        offset, times = offset[known], times[known]
        if not len(times):
            return
        confirmed = np.maximum(confirmed_times(times, self._before), self.newest)
        self._before = float(times[-1])
        self._last.extend(times[-_LAST:].tolist())
        second = np.floor(confirmed)
        new = np.flatnonzero(second > np.concatenate([[np.floor(self.newest)], second[:-1]]))
        self._places += offset[new].tolist()
        self._seconds += second[new].tolist()
        self.newest = float(confirmed[-1])
        forgotten = bisect_right(self._seconds, self.newest - self._kept)
        self._whole = self._whole and not forgotten
        del self._places[:forgotten], self._seconds[:forgotten]

    @property
    def went_back(self) -> bool:
        """Whether the last packets are of an earlier time than the newest."""
        return len(self._last) == _LAST and float(np.median(self._last)) < self.newest - GONE_BACK

    def at(self, offset: int) -> float:
        """Time of the data at a byte of the stream, in whole seconds; −∞ before all that is kept."""
        place = bisect_right(self._places, offset) - 1
        if place < 0 and self._whole and self._seconds:
            return self._seconds[0]  # the first packets are confirmed by those behind them
        return self._seconds[place] if place >= 0 else -np.inf


@dataclass
class _Part:
    """Losses of a kind and a counter."""

    packets: int = 0
    first: float = np.inf
    last: float = -np.inf

    def add(self, packets: int, moment: float) -> None:
        self.packets += packets
        self.first, self.last = min(self.first, moment), max(self.last, moment)


class LossWindow:
    """What was lost, damaged or foreign in the last minutes of a stream.

    Parameters
    ----------
    instrument
        Describes the packets.
    window
        How far back from the newest data, s.
    """

    def __init__(self, instrument: Instrument, window: float) -> None:
        self._instrument, self._window = instrument, window
        self.clock = DataClock(2 * window)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything: other data follow."""
        self.clock.begin_anew()
        self._tally = RunningContinuity(self._instrument)
        self._older: dict[tuple[bool, int, str], CountFinding] = {}
        self._recent: dict[tuple[bool, int, str], CountFinding] = {}
        self._damaged: deque[tuple[int, int, bool]] = deque()
        self._foreign: deque[tuple[int, int]] = deque()

    def other_source(self) -> None:
        """What follows is not counted on from what came."""
        self._remember()
        self._older |= self._recent
        self._recent = {}
        self._tally.begin_anew()

    def add(self, index: PacketIndex, data: bytes, start: int, base: int, *, first: bool = False) -> None:
        """Take more packets.

        Parameters
        ----------
        index
            The packets.
        data, start
            Bytes that hold them, and their place in the run.
        base
            Place of the run in the stream.
        first
            Whether reading begins with them, anywhere: bytes before the first packet are part of one.
        """
        placed = index.shifted(base)
        good = index.good
        self.clock.add(placed.offset[good], packet_seconds(index, self._instrument)[good])
        bad = ~index.good & (index.status != PacketStatus.BAD_HEADER)
        self._damaged.extend(
            zip(*(column[bad].tolist() for column in (placed.offset, index.apid, index.command)), strict=True)
        )
        begin = int(placed.offset[0]) if len(placed) else np.inf
        self._foreign.extend(
            (gap.offset, gap.length) for gap in placed.skipped if not (first and gap.offset < begin)
        )
        if len(index):
            self._tally.add(placed, timeless_identity(index.shifted(-start), data))
        self._remember()
        self._forget()

    def _remember(self) -> None:
        """Keep what the tally is about to forget; what it still holds may change."""
        now = {(one.command, one.number, one.word): one for one in self._tally.findings}
        least = {side: min((n for c, n, _ in now if c == side), default=0) for side in (False, True)}
        self._older |= {k: one for k, one in self._recent.items() if k not in now and k[1] < least[k[0]]}
        self._recent = now

    def _forget(self) -> None:
        oldest = self.clock.newest - self._window
        for waiting in (self._damaged, self._foreign):
            while waiting and self.clock.at(waiting[0][0]) < oldest:
                waiting.popleft()
        self._older = {k: one for k, one in self._older.items() if self.clock.at(one.offset) >= oldest}

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Losses within the window, by kind and counter."""
        found: dict[tuple[str, int, bool], _Part] = {}
        for kind, apid, command, packets, moment in self._all():
            found.setdefault((kind, apid, command), _Part()).add(packets, moment)
        for (kind, apid, command), late in found.items():
            gaps = found.get(("lost", apid, command)) if kind == "out_of_order" else None
            if gaps is not None:  # what came late was seen as lost first
                gaps.packets -= late.packets
        return tuple(
            Loss(kind, apid, command, part.packets, part.first, part.last)
            for (kind, apid, command), part in sorted(found.items())
            if part.packets > 0
        )

    def _all(self) -> Iterator[tuple[str, int, bool, int, float]]:
        oldest = self.clock.newest - self._window
        for one in (*self._older.values(), *self._recent.values()):
            moment = self.clock.at(one.offset)
            if one.word in KINDS and moment >= oldest:
                yield KINDS[one.word], one.apid, one.command, one.packets, moment
        named = {(False, apid) for apid in self._tally.counts}
        named |= {(True, apid) for apid in self._tally.commands}
        for offset, apid, command in self._damaged:
            if (command, apid) in named:  # an APID that only damaged packets name is no APID
                yield "damaged", apid, command, 1, self.clock.at(offset)

    @property
    def foreign(self) -> tuple[int, float, float]:
        """Bytes of no packet within the window, and the times of the first and the last of them."""
        total = sum(length for _, length in self._foreign)
        if not total:
            return 0, 0.0, 0.0
        return total, self.clock.at(self._foreign[0][0]), self.clock.at(self._foreign[-1][0])
