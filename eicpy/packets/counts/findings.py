"""What was found about sequence counts, each with where and how many."""

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.counts.models import APART
from eicpy.packets.counts.streams import Found
from eicpy.packets.counts.walk import (
    DAMAGED,
    DUPLICATE,
    LATE,
    OUT_OF_STEP,
    RESTARTED,
    STANDING,
    UNCONFIRMED,
)
from eicpy.packets.index import PacketIndex
from eicpy.packets.primary_header import IDLE_APID
from eicpy.text import counted

__all__ = ["CountFinding", "CountFindings"]

Ints = npt.NDArray[np.int64]

_KINDS = {
    DUPLICATE: "duplicate",
    LATE: "out of order",
    DAMAGED: "damaged",
    RESTARTED: "restarted",
    OUT_OF_STEP: "one count out of step",
    STANDING: "does not count",
    UNCONFIRMED: "unconfirmed",
}
_GAP = "gap"


class CountFinding(NamedTuple):
    """Something about sequence counts, with where and how many.

    A gap says how many are missing still: what comes late is named out of order and is missing no longer. A
    gap that is filled wholly is no finding.

    Parameters
    ----------
    word
        gap, duplicate, out of order, restarted, one count out of step, does not count, unconfirmed, damaged.
    packets
        How many are missing, or how many packets in a row.
    apid
        Of which APID.
    command
        Whether of its telecommands.
    number
        Number of the first such packet in the stream, or of the one behind the gap, from 0.
    offset
        Its first byte.
    sequence_count
        Its count.
    coarse, fine
        Its on-board time; −1 where not known.
    """

    word: str
    packets: int
    apid: int
    command: bool
    number: int
    offset: int
    sequence_count: int
    coarse: int
    fine: int

    def to_dict(self) -> dict[str, str | int | bool]:
        """The finding as JSON can hold it."""
        return self._asdict()

    def __str__(self) -> str:
        kind = "telecommand APID" if self.command else "APID"
        time = f", on-board time {self.coarse}:{self.fine}" if self.coarse >= 0 else ""
        what = (
            f"{counted(self.packets, 'packet')} missing"
            if self.word == "gap"
            else counted(self.packets, "packet")
        )
        place = "before" if self.word == "gap" else "from"
        return (
            f"{kind} {self.apid}: {self.word}, {what} {place} #{self.sequence_count} "
            f"(packet {self.number}, byte {self.offset}{time})"
        )


class CountFindings:
    """What was found about counts, one finding for each run of packets of a counter.

    A run is of packets that one counter counts, one after another, and of which the same was found. Those of
    other counters may lie between them, and they may come in any pieces. A packet that comes late is taken
    off the gap in which its place is, also where that was named in an earlier piece.

    Parameters
    ----------
    most
        How many are remembered, the newest; by default all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._all: dict[tuple[int, str], CountFinding] = {}
        self._open: dict[tuple[int, int], _Open] = {}
        self._gaps: dict[tuple[int, int], list[_Gap]] = {}

    def __iter__(self) -> Iterator[CountFinding]:
        return iter(self._all.values())

    def copy(self) -> "CountFindings":
        """The same, to be told more without a change of this one."""
        other = CountFindings(self._most)
        other._all, other._open = dict(self._all), dict(self._open)
        other._gaps = {key: list(gaps) for key, gaps in self._gaps.items()}
        return other

    def begin_anew(self) -> None:
        """Judge what follows without what came before: its places have nothing to do with those so far."""
        self._gaps.clear()

    def add(self, index: PacketIndex, found: Found, numbers: Ints | None = None) -> None:
        """Take what was found of more packets, those that follow of the same counters.

        Parameters
        ----------
        index
            The packets: rows of it are meant in what was found.
        found
            What was judged.
        numbers
            Number in the stream of each row, shape (n,); by default the row itself.
        """
        judged = found.judged
        special = (judged.what == DUPLICATE) | (judged.what == LATE) | (judged.what >= DAMAGED)
        gaps = judged.missing > 0
        if found.lane == IDLE_APID or not (self._open or special.any() or gaps.any()):
            return
        new = [
            _finding(_GAP, missing, index, row, numbers)
            for row, missing in zip(judged.rows[gaps].tolist(), judged.missing[gaps].tolist(), strict=True)
        ]
        apid = index.apid[judged.rows].astype(np.int64)
        counter = (judged.place + APART // 2) // APART
        self._open_gaps(found, counter, new)
        order = np.lexsort((judged.rows, counter, apid))
        apid, counter, rows, special = apid[order], counter[order], judged.rows[order], special[order]
        for run in _runs(apid, counter, judged.what[order], special):
            key = int(apid[run.start]), int(counter[run.start])
            before = self._open.pop(key, None) if run.first else None
            if before is not None and before.kind == run.kind:
                name = before.name
                self._lengthen(name, run.size)
            elif special[run.start]:
                new.append(_finding(_KINDS[run.kind], run.size, index, int(rows[run.start]), numbers))
                name = new[-1].number, new[-1].word
            else:
                continue
            if run.last and run.kind != RESTARTED:
                self._open[key] = _Open(run.kind, name)
        self._remember(new)
        self._fill_gaps(found, counter)

    def _open_gaps(self, found: Found, counter: Ints, new: list[CountFinding]) -> None:
        """Keep where gaps end; those of a counter lie in the order of its places."""
        rows = np.flatnonzero(found.judged.missing > 0)
        ends = zip(counter[rows].tolist(), found.judged.place[rows].tolist(), new, strict=True)
        for number, end, finding in ends:
            gaps = self._gaps.setdefault((found.lane, number), [])
            insort(gaps, _Gap(end, (finding.number, finding.word)))
            if self._most is not None and len(gaps) > self._most:
                gaps[:2] = [gaps[1]._replace(forgotten=gaps[0].end)]

    def _fill_gaps(self, found: Found, counter: Ints) -> None:
        """Take what came late off the gaps; one that nothing is missing in any more is no finding."""
        rows = np.flatnonzero(found.judged.missing < 0)
        for number, place in zip(counter[rows].tolist(), found.judged.place[rows].tolist(), strict=True):
            gaps = self._gaps.get((found.lane, number), [])
            at = bisect_right(gaps, place, key=lambda gap: gap.end)
            if at == len(gaps) or place < gaps[at].forgotten or gaps[at].name not in self._all:
                continue  # too old to be remembered
            name = gaps[at].name
            self._lengthen(name, -1)
            if not self._all[name].packets:
                del self._all[name]

    def _lengthen(self, name: tuple[int, str], packets: int) -> None:
        if name in self._all:  # else it is too old to be remembered
            one = self._all[name]
            self._all[name] = one._replace(packets=one.packets + packets)

    def _remember(self, new: list[CountFinding]) -> None:
        for one in sorted(new, key=lambda one: (one.number, one.word != _GAP)):
            self._all[one.number, one.word] = one
        while self._most is not None and len(self._all) > self._most:
            del self._all[next(iter(self._all))]


class _Gap(NamedTuple):
    """A gap that is named: its end, the place of the packet behind it."""

    end: int
    name: tuple[int, str]
    forgotten: int = -1
    """End of the one before, if that is not remembered any more."""


class _Open(NamedTuple):
    """The finding that the newest packets of a counter belong to."""

    kind: int
    name: tuple[int, str]


class _Run(NamedTuple):
    """Packets of a counter of which the same was found; whether they are its first and its last here."""

    start: int
    size: int
    kind: int
    first: bool
    last: bool


def _runs(apid: Ints, counter: Ints, what: Ints, special: npt.NDArray[np.bool_]) -> Iterator[_Run]:
    """Runs of what is special, and the first of each counter, of packets in the order of their counters."""
    other = np.concatenate([[True], (np.diff(apid) != 0) | (np.diff(counter) != 0), [True]])
    begins = np.concatenate([[True], np.diff(what) != 0, [True]]) | other
    begins[:-1] |= what == RESTARTED
    edge = np.flatnonzero(begins)
    for i in np.flatnonzero(special[edge[:-1]] | other[edge[:-1]]).tolist():
        start, end = int(edge[i]), int(edge[i + 1])
        yield _Run(start, end - start, int(what[start]), bool(other[start]), bool(other[end]))


def _finding(word: str, packets: int, index: PacketIndex, row: int, numbers: Ints | None) -> CountFinding:
    return CountFinding(
        word, packets, int(index.apid[row]), bool(index.command[row]),
        row if numbers is None else int(numbers[row]), int(index.offset[row]), int(index.sequence_count[row]),
        int(index.coarse[row]), int(index.fine[row]),
    )  # fmt: skip
