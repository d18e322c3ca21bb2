"""What is missing: sequence counts, judged by all that is known before any split by type.

A jump of a count is no loss yet. It may be one: then the packets behind it go on there, or the time that
went by is that of the missing packets. Or one count is wrong, and the next goes on as if it had been right;
the counter was set back; a packet came twice, or late; the counter stands still; or it is no counter of one
APID. All of these are told against each other (:mod:`eicpy.packets.counts.evidence`), and only a gap that is
confirmed counts as lost. The words are those of :mod:`eicpy.packets.counts.words`.

The count runs modulo 2¹⁴. From one packet to the next it gives how many are missing only modulo 16384; where
packets come regularly, the time gives the rest: whole turns of 16384 are believed lost if the elapsed time
fits their number within 5 %. Without times nothing is ever taken for a lost turn.

What the packets alone cannot tell: how many were lost around a restart; every second packet lost from a
counter in steps of two; without times and bytes, a restart from packets that come again; a wrong count in
the very last packets from a gap. Then it is said what is not known, and nothing is counted as lost.

A damaged packet closes the gap where its count says it belongs: it is counted as damaged, not as lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.buffers import Buffer
from eicpy.packets.counts.findings import CountFinding, CountFindings
from eicpy.packets.counts.streams import CountedStream, Found, packet_columns
from eicpy.packets.counts.walk import DUPLICATE, FIRST, LATE, RESTARTED, UNCONFIRMED
from eicpy.packets.counts.words import COUNT_WORDS, PacketCounts, add_counts, without_deficits
from eicpy.packets.identity import packet_identity
from eicpy.packets.index import PacketIndex, PacketStatus
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = ["Continuity", "ContinuityTable", "Gap", "continuity", "timeless_identity"]

Ints = npt.NDArray[np.int64]

_FAR = 1 << 30


@dataclass(frozen=True, slots=True)
class Gap:
    """Packets that are missing between two that were received.

    Attributes
    ----------
    first
        Sequence count of the first missing packet.
    missing
        How many are missing.
    after, before
        Rows of the index of the packets on either side.
    """

    first: int
    missing: int
    after: int
    before: int


@dataclass(frozen=True)
class Continuity(PacketCounts):
    """What of an APID arrived, and what did not.

    Attributes
    ----------
    apid
        Application process id.
    received, lost, duplicated, out_of_order, damaged, restarted, out_of_step, not_counting, unconfirmed,
    counting
        See :class:`~eicpy.packets.PacketCounts`.
    gaps
        Where packets are missing.
    first, last
        Rows of the index of the first and the last intact packet; −1 if there is none.
    count
        Unwrapped count of each packet of the APID, shape (n,), in the order of the stream. Behind a restart
        it goes on beyond all counts before; several counters lie far apart.
    rows
        Rows of the index of those packets, shape (n,).
    duplicate
        Which of them came before, shape (n,).
    """

    apid: int = -1
    gaps: tuple[Gap, ...] = ()
    first: int = -1
    last: int = -1
    count: Ints = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)
    rows: Ints = field(default_factory=lambda: np.zeros(0, np.int64), compare=False)
    duplicate: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_), compare=False)
    _all_findings: "_AllFindings | None" = field(default=None, repr=False, compare=False)
    _found: Found | None = field(default=None, repr=False, compare=False)

    @property
    def counts(self) -> PacketCounts:
        """The numbers alone."""
        return PacketCounts(*(getattr(self, name) for name in PacketCounts.__dataclass_fields__))

    @property
    def several_counters(self) -> bool:
        """Whether the packets are counted by several counters, as one for each destination."""
        return bool(len(self.count)) and int(self.count.max()) - int(self.count.min()) > _FAR

    @property
    def breaks(self) -> Ints:
        """Rows of the index just before which packets are missing, or may be.

        Behind gaps and restarts, and at jumps that nothing confirms.
        """
        if self._found is None:
            return np.zeros(0, np.int64)
        judged = self._found.judged
        broken = (judged.missing > 0) | (judged.what == RESTARTED) | (judged.what == UNCONFIRMED)
        rows: Ints = judged.rows[broken]
        return rows

    def findings(self) -> Iterator[CountFinding]:
        """All that was found about the counts, one after another, with where and how many."""
        return iter([] if self._all_findings is None else self._all_findings.by_apid.get(self.apid, []))


@dataclass(frozen=True)
class _AllFindings:
    """What was found about all APIDs: a counter may be that of several. It is made when it is asked for."""

    index: PacketIndex
    found: list[Found]

    @cached_property
    def by_apid(self) -> dict[int, list[CountFinding]]:
        findings, parts = CountFindings(), dict[int, list[CountFinding]]()
        for one in self.found:
            findings.add(self.index, one)
        for finding in findings:
            parts.setdefault(finding.apid, []).append(finding)
        return parts


class ContinuityTable(dict[int, Continuity]):
    """Continuity by APID, as a mapping that prints as a table."""

    def rows(self) -> list[dict[str, int | str]]:
        """One row an APID; all rows have the same keys."""
        return [
            {
                "APID": apid,
                **{word: getattr(one, name) for name, word in COUNT_WORDS.items()},
                "gaps": len(one.gaps),
                "counter": one.counting,
            }
            for apid, one in self.items()
        ]

    def _told(self) -> list[dict[str, int | str]]:
        """Rows without the columns that say nothing and are seldom asked for."""
        rows = self.rows()
        seldom = ("restarted", "out of step", "not counting", "unconfirmed", "counter")
        silent = {name for name in seldom if not any(row[name] for row in rows)}
        return [{name: value for name, value in row.items() if name not in silent} for row in rows]

    def __repr__(self) -> str:
        rows = self._told()
        if not rows:
            return "no packets"
        lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = ("  ".join(map(str.rjust, line, widths)) for line in lines)
        return "\n".join(texts)

    def _repr_html_(self) -> str:
        rows = self._told()
        head = "".join(f"<th>{key}</th>" for key in (rows[0] if rows else {}))
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(str(n))}</td>' for n in row.values())}</tr>" for row in rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def timeless_identity(index: PacketIndex, buffer: Buffer) -> npt.NDArray[np.uint64]:
    """Numbers of the packets without a time by their bytes, 0 for the others.

    Parameters
    ----------
    index
        Packets.
    buffer
        The bytes that the index was made from; of a packet that begins before them nothing is known.
    """
    identity = np.zeros(len(index), np.uint64)
    timeless = np.flatnonzero((index.coarse < 0) & (index.offset >= 0))
    if len(timeless):
        identity[timeless] = packet_identity(buffer, index[timeless])
    return identity


def _comes_again(index: PacketIndex) -> bool:
    """Whether the counts of packets without a time ever stand still or go back."""
    timeless = np.flatnonzero(index.coarse < 0)
    if not len(timeless):
        return False
    order = timeless[np.argsort(index.apid[timeless], kind="stable")]
    count: Ints = index.sequence_count[order].astype(np.int64)
    step = np.mod(np.diff(count), COUNT_MODULUS)
    same = np.diff(index.apid[order].astype(np.int64)) == 0
    return bool((same & ((step == 0) | (step > COUNT_MODULUS // 2))).any())


def continuity(
    index: PacketIndex,
    fine_tick: Mapping[int, float] | None = None,
    *,
    commands: bool = False,
    buffer: Buffer | None = None,
) -> ContinuityTable:
    """Judge the sequence counts of each APID.

    Parameters
    ----------
    index
        All packets of a stream in its order, whatever their type.
    fine_tick
        Length of a unit of fine time for each APID, s; by default what the index knows.
    commands
        Judge the telecommands; else the telemetry.
    buffer
        The bytes that the index was made from: by them a packet without a time is known when it comes again.
        Without them two such packets with the same count and length count as the same.

    Returns
    -------
    ContinuityTable
        A `Continuity` for each APID with packets; it prints as a table. An APID that only a damaged header
        names is left out.

    See Also
    --------
    inspect_file : index, continuity and segments of a file in one report.
    segment_groups : which segmented packets are complete.
    eicpy.decoding.RunningContinuity : the same piece by piece.

    References
    ----------
    CCSDS 133.0-B-2, section 4.1.3.4.3 (packet sequence count); ECSS-E-ST-70-41C, 7.4.1 and 7.4.4.

    Examples
    --------
    >>> from eicpy.packets import index_packets
    >>> packets = bytes.fromhex("0801c0000001abcd" "0801c0030001abce" "0801c0040001abcf")
    >>> continuity(index_packets(packets, checksum="none"))
    APID  received  lost  duplicated  out of order  damaged  gaps
       1         3     2           0             0        0     1
    """
    named = np.flatnonzero((index.status != PacketStatus.BAD_HEADER) & (index.command == commands))
    if not len(named):
        return ContinuityTable()
    part = index if len(named) == len(index) else index[named]
    identity = None
    if buffer is not None and _comes_again(part):
        identity = timeless_identity(part, buffer)
    columns = packet_columns(part, fine_tick, identity)
    found = CountedStream().feed(part.apid, named, columns, final=True)
    counts = without_deficits(add_counts({}, index, found))
    result, findings = ContinuityTable(), _AllFindings(index, found)
    gaps = sorted((gap for one in found for gap in _gaps(one)), key=lambda gap: gap.before)
    for apid, one in sorted(_by_apid(index, found).items()):
        mine = tuple(gap for gap in gaps if index.apid[gap.before] == apid) if counts[apid].lost else ()
        result[apid] = _continuity(apid, counts[apid], findings, one, mine)
    return result


def _by_apid(index: PacketIndex, found: list[Found]) -> dict[int, Found]:
    """What was found, for each APID together."""
    parts: dict[int, list[Found]] = {}
    for one in found:
        apids = index.apid[one.judged.rows]
        for apid in [one.lane] if one.lane >= 0 else np.unique(apids).tolist():
            mine = slice(None) if one.lane >= 0 else apids == apid
            judged = type(one.judged)(*(column[mine] for column in one.judged))
            parts.setdefault(apid, []).append(one._replace(judged=judged))
    return {apid: _together(apid, several) for apid, several in parts.items()}


def _together(apid: int, several: list[Found]) -> Found:
    columns = [one.judged for one in several]
    judged = columns[0]
    if len(several) > 1:
        judged = type(judged)(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
    if (np.diff(judged.rows) < 0).any():
        order = np.argsort(judged.rows, kind="stable")
        judged = type(judged)(*(column[order] for column in judged))
    return Found(apid, judged, several[-1].ways)


def _continuity(
    apid: int, counts: PacketCounts, findings: _AllFindings, found: Found, gaps: tuple[Gap, ...]
) -> Continuity:
    rows, what = found.judged.rows, found.judged.what
    good = findings.index.status[rows] == PacketStatus.GOOD
    intact: npt.NDArray[Any] = rows[good]
    return Continuity(
        **{name: getattr(counts, name) for name in PacketCounts.__dataclass_fields__},
        apid=apid,
        gaps=gaps,
        first=int(intact[0]) if len(intact) else -1,
        last=int(intact[-1]) if len(intact) else -1,
        count=found.judged.place,
        rows=rows,
        duplicate=what == DUPLICATE,
        _all_findings=findings,
        _found=found,
    )


def _gaps(found: Found) -> tuple[Gap, ...]:
    """Missing ranges between the received packets, damaged ones included."""
    rows, what, place, missing, _ = found.judged
    if not missing.any():
        return ()
    there = np.flatnonzero((what != DUPLICATE) & (what != UNCONFIRMED) & ((what != LATE) | (missing < 0)))
    order = there[np.argsort(place[there], kind="stable")]
    count, kind = place[order], what[order]
    step = np.diff(count)
    begins = (kind[1:] == FIRST) | (kind[1:] == RESTARTED)
    gaps = []
    for i in np.flatnonzero((step > 1) & (step < _FAR) & ~begins).tolist():
        after, before = int(rows[order[i]]), int(rows[order[i + 1]])
        gaps.append(Gap(int((count[i] + 1) % COUNT_MODULUS), int(step[i]) - 1, after, before))
    return tuple(gaps)
