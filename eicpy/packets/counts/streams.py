"""The packets of a stream, shared out among their counters.

Each APID has a counter; one sender in many counts all its packets with one. Which holds is seen at the first
packets of at least two APIDs, several hundred at most; until then they wait. Telemetry and telecommands are
judged apart. Idle packets (APID 2047, CCSDS 133.0-B-2, 4.1.3.3.4) need not be counted by their sender: they
are never judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.counts.evidence import LEAST_DIGEST
from eicpy.packets.counts.models import NONE, UNTOLD, Judged, Lane
from eicpy.packets.counts.runs import Packets
from eicpy.packets.counts.walk import AHEAD, DAMAGED
from eicpy.packets.index import PacketIndex
from eicpy.packets.primary_header import COUNT_MODULUS, IDLE_APID

__all__ = ["ALL_APIDS", "CountedStream", "Found", "packet_columns", "way_text"]

Ints = npt.NDArray[np.int64]

ALL_APIDS = -1
"""In the place of an APID: the one counter of all."""
_FIRST = 512
_MOST_OPEN = 128
"""Counters whose tables may lie open at once, 0.2 MB each."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHARED, _LEAST = 0.6, 8


def way_text(way: str | int) -> str:
    """How a counter counts, in words; empty for steps of 1."""
    if isinstance(way, str):
        return way if way == NONE else f"counts {way}"
    if way == 1:
        return ""
    return f"counts in steps of {way if way <= COUNT_MODULUS // 2 else way - COUNT_MODULUS}"


class Found(NamedTuple):
    """What was judged of the packets of a counter.

    Parameters
    ----------
    lane
        Its APID, or `ALL_APIDS`.
    judged
        What is believed of each packet.
    ways
        How the counter counts, by the numbers in `judged`.
    """

    lane: int
    judged: Judged
    ways: list[str]


@dataclass(frozen=True)
class _Table:
    """Packets of a stream, in order."""

    apid: Ints
    rows: Ints
    packets: Packets

    def __getitem__(self, which: npt.NDArray[Any] | slice) -> "_Table":
        columns: list[Any] = [column[which] for column in self.packets]
        return _Table(self.apid[which], self.rows[which], Packets(*columns))


def _joined(tables: list[_Table]) -> _Table:
    if len(tables) == 1:
        return tables[0]
    packets = Packets(*(np.concatenate(parts) for parts in zip(*(t.packets for t in tables), strict=True)))
    return _Table(np.concatenate([t.apid for t in tables]), np.concatenate([t.rows for t in tables]), packets)


def packet_columns(
    index: PacketIndex,
    fine_tick: Mapping[int, float] | None = None,
    identity: npt.NDArray[np.uint64] | None = None,
) -> Packets:
    """What is asked of packets to judge their counts.

    Parameters
    ----------
    index
        Packets.
    fine_tick
        Length of a unit of fine time for each APID, s.
    identity
        Numbers that are the same for packets of the same bytes; only asked of packets without a time.
    """
    size = len(index)
    known = identity is not None
    timed = index.coarse >= 0
    return Packets(
        count=index.sequence_count.astype(np.int64),
        time=index.time(fine_tick),
        digest=_digests(index, identity),
        sure=np.ones(size, np.bool_) if known else timed,
        good=index.good,
        key=_keys(index),
    )


def _digests(index: PacketIndex, identity: npt.NDArray[np.uint64] | None) -> npt.NDArray[np.uint32]:
    """A number for each packet, the same for the same one: of its headers and its time, or of its bytes."""
    unsigned = np.uint64
    state = index.length.astype(unsigned) | (index.service.astype(unsigned) << unsigned(32))
    state |= index.subservice.astype(unsigned) << unsigned(40)
    state ^= index.destination.astype(unsigned) << unsigned(48)
    state *= _FACTOR
    state ^= (state >> unsigned(29)) ^ index.coarse.astype(unsigned)
    state *= _FACTOR
    state ^= (state >> unsigned(29)) ^ (index.fine.astype(unsigned) << unsigned(2)) ^ index.sequence_flags
    if identity is not None:
        state ^= identity
    state *= _FACTOR
    digest: npt.NDArray[np.uint32] = np.maximum(state >> unsigned(32), LEAST_DIGEST).astype(np.uint32)
    return digest


def _keys(index: PacketIndex) -> Ints:
    """What may have a counter of its own: the destination, the type and subtype.

    Segments after the first may bear no secondary header; they belong to what came before them.
    """
    key = index.destination.astype(np.int64) << 16
    key |= index.service.astype(np.int64) << 8
    key |= index.subservice
    key |= np.where((index.sequence_flags == 0) | (index.sequence_flags == 2), UNTOLD, 0)
    return key


@dataclass
class CountedStream:
    """Judges the packets of one direction of a stream, piece by piece or at once.

    What is found does not depend on the pieces: packets that cannot be judged yet wait.
    """

    shared: bool | None = None
    """Whether one counter counts the packets of all APIDs; None while that is not known."""
    lanes: dict[int, Lane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._head: list[_Table] = []
        self._latest = np.full(COUNT_MODULUS, -1, np.int64)
        self._idle = 0
        self._open = sum(one.counters for one in self.lanes.values())

    def feed(
        self, apid: npt.NDArray[np.uint16], rows: Ints, packets: Packets, *, final: bool = False
    ) -> list[Found]:
        """Judge more packets.

        Parameters
        ----------
        apid
            APID of each packet, shape (n,).
        rows
            Numbers by which they are known in what is found, shape (n,).
        packets
            Their columns.
        final
            Whether no more come.
        """
        found = []
        table = _Table(apid.astype(np.int64), rows, packets)
        idle = apid == IDLE_APID
        if idle.any():
            found.append(self._of_idle(table[idle]))
            table = table[~idle]
        if self.shared is None:
            found += self._begin(table, final=final)
        else:
            found += self._share_out(table)
        if final:
            none = None, np.zeros(0, np.int64)
            found += [self._judge(lane, one, *none, final=True) for lane, one in self.lanes.items()]
        return [one for one in found if len(one.judged.rows)]

    def feed_end(self) -> list[Found]:
        """Judge what waits; no more come."""
        none = np.zeros(0, np.int64)
        return self.feed(none.astype(np.uint16), none, packet_columns(PacketIndex.empty()), final=True)

    def ended(self) -> list[Found]:
        """What is to be said of the waiting packets if none follow; changes nothing."""
        heads = set().union(*(np.unique(table.apid).tolist() for table in self._head))
        other = CountedStream(
            self.shared,
            {lane: one.copy() for lane, one in self.lanes.items() if one.waiting or lane in heads},
        )
        other._head = list(self._head)
        return other.feed_end()

    def _begin(self, table: _Table, *, final: bool) -> list[Found]:
        """Decide whether APIDs share a counter."""
        found: list[Found] = []
        table = _joined([*self._head, table])
        while self.shared is None and (len(table.rows) >= _FIRST or (final and len(table.rows))):
            first = table[:_FIRST]
            if len(np.unique(first.apid)) > 1 or len(self.lanes.keys() - set(first.apid.tolist())):
                self.shared = _is_shared(first)
            else:
                found += self._share_out(first)
                table = table[_FIRST:]
        if self.shared is None:
            self._head = [table] if len(table.rows) else []
        else:
            self._head = []
            found += self._share_out(table)
        return found

    def _share_out(self, table: _Table) -> list[Found]:
        found = []
        for lane, part in self._parts(table):
            if lane not in self.lanes:
                self.lanes[lane] = Lane(latest=self._latest)
            found.append(self._judge(lane, self.lanes[lane], part.packets, part.rows, final=False))
        return found

    def _judge(self, lane: int, one: Lane, packets: Packets | None, rows: Ints, *, final: bool) -> Found:
        before = one.counters
        judged = one.feed(packets, rows, final=final)
        if self._open + one.counters - before > _MOST_OPEN:
            one.pack()
        self._open += one.counters - before
        return Found(lane, judged, _texts(lane, one))

    def _parts(self, table: _Table) -> Iterator[tuple[int, _Table]]:
        if not len(table.rows):
            return
        if self.shared:
            yield ALL_APIDS, table
            return
        if (table.apid == table.apid[0]).all():
            yield int(table.apid[0]), table
            return
        order = np.argsort(table.apid.astype(np.uint16), kind="stable")
        apids, starts = np.unique(table.apid[order], return_index=True)
        for apid, which in zip(apids.tolist(), np.split(order, starts[1:]), strict=True):
            yield apid, table[which]

    def _of_idle(self, table: _Table) -> Found:
        size = len(table.rows)
        place = self._idle + np.arange(size)
        self._idle += size
        none = np.zeros(size, np.int64)
        what = np.where(table.packets.good, AHEAD, DAMAGED)
        return Found(IDLE_APID, Judged(table.rows, what, place, none, none), [""])


def _texts(lane: int, one: Lane) -> list[str]:
    together = "one counter for all APIDs" if lane == ALL_APIDS else ""
    return [", ".join(filter(None, (together, way_text(way)))) for way in one.ways]


def _is_shared(table: _Table) -> bool:
    """Whether counts go on from packet to packet, and not from one of an APID to the next of the same."""
    good = table.packets.good
    apid, count = table.apid[good], table.packets.count[good]
    if len(count) < _LEAST:
        return False
    together = int((np.diff(count) % COUNT_MODULUS == 1).sum())
    order = np.argsort(apid, kind="stable")
    same = np.diff(apid[order]) == 0
    apart = int((np.diff(count[order]) % COUNT_MODULUS == 1)[same].sum())
    return together >= _SHARED * (len(count) - 1) and 2 * apart < together
