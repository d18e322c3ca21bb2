"""What is missing: sequence counts per APID, judged before any split by type.

The count of an APID runs modulo 2¹⁴ over all its telemetry packets, whatever their type; its telecommands
have a count of their own and are judged apart. From one packet to the next it gives how many are missing
only modulo 16384; the time gives the rest. The walk keeps an unwrapped count A and the time t of the packet
that is furthest ahead. A new packet lies d counts from it, −8192 ≤ d < 8192, or that plus a multiple of
16384, and

* d > 0: it is ahead, d − 1 are missing in between, unless the time says that whole turns of 16384 were
  lost too: that is believed if the packets come regularly (interquartile range of the intervals below half
  their median) and the elapsed time fits the number of turns within 5 %;
* d ≤ 0: it was received before (a duplicate) or comes late (out of order, and the gap that it left is
  closed), unless its time is later by so much that a turn was lost: a quarter of the time that the turn
  would have taken, at least.

Idle packets (APID 2047, CCSDS 133.0-B-2 section 4.1.3.3.4) fill the link and need not be counted by
their sender: they are counted here, never judged.

Without times, nothing is ever taken for a lost turn. A damaged packet closes the gap where its count
says it belongs: it is counted as damaged, not as lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel
from eicpy.packets.index import PacketIndex, PacketStatus
from eicpy.packets.primary_header import COUNT_MODULUS, IDLE_APID

__all__ = ["Continuity", "ContinuityTable", "Gap", "continuity", "unwrap_counts"]

HALF_TURN = COUNT_MODULUS // 2
FIRST, AHEAD, DUPLICATE, LATE, DAMAGED = 0, 1, 2, 3, 4

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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
class Continuity:
    """What of an APID arrived, and what did not.

    Attributes
    ----------
    apid
        Application process id.
    received
        Intact packets, duplicates and late ones included.
    lost
        Packets that are missing between the first and the last one.
    duplicated
        Intact packets whose count was received before.
    out_of_order
        Intact packets that came after one with a higher count.
    damaged
        Packets that are not intact.
    gaps
        Where packets are missing.
    first, last
        Rows of the index of the first and the last intact packet; −1 if there is none.
    count
        Unwrapped count of each packet of the APID, shape (n,), in the order of the stream.
    rows
        Rows of the index of those packets, shape (n,).
    """

    apid: int
    received: int
    lost: int
    duplicated: int
    out_of_order: int
    damaged: int
    gaps: tuple[Gap, ...]
    first: int
    last: int
    count: Ints
    rows: Ints

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, duplicated, out of order or damaged."""
        return not (self.lost or self.duplicated or self.out_of_order or self.damaged)


class ContinuityTable(dict[int, Continuity]):
    """Continuity by APID, as a mapping that prints as a table."""

    def rows(self) -> list[dict[str, int]]:
        """One row an APID; all rows have the same keys."""
        return [
            {
                "APID": apid,
                "received": one.received,
                "lost": one.lost,
                "duplicated": one.duplicated,
                "out of order": one.out_of_order,
                "damaged": one.damaged,
                "gaps": len(one.gaps),
            }
            for apid, one in self.items()
        ]

    def __repr__(self) -> str:
        rows = self.rows()
        if not rows:
            return "no packets"
        lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = ("  ".join(map(str.rjust, line, widths)) for line in lines)
        return "\n".join(texts)

    def _repr_html_(self) -> str:
        rows = self.rows()
        head = "".join(f"<th>{key}</th>" for key in (rows[0] if rows else {}))
        body = "".join(f"<tr>{''.join(f'<td>{n}</td>' for n in row.values())}</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{body}</table>"


@kernel
def unwrap_counts(
    count: Ints,
    time: Floats,
    good: Bools,
    interval: float,
    regular: int,
    out: Ints,
    what: Ints,
) -> None:
    """Unwrap the sequence counts of one APID and judge each packet.

    Parameters
    ----------
    count, time, good
        Shape (n,): sequence count 0 to 16383; time in s or NaN; whether the packet is intact.
    interval
        Usual time from one count to the next, s; NaN where not known.
    regular
        1 if the packets come regularly enough to recognise whole lost turns, else 0.
    out, what
        Shape (n,): unwrapped count; first, ahead, duplicate, late or damaged.
    """
    seen = np.full(COUNT_MODULUS, -1, dtype=np.int64)
    ahead = np.int64(-1)
    ahead_time = np.nan
    for i in range(count.size):
        if ahead < 0:
            out[i] = count[i] + COUNT_MODULUS
            what[i] = 4
            if good[i]:
                what[i] = 0
                ahead = out[i]
                ahead_time = time[i]
                seen[count[i]] = ahead
            continue
        step = (count[i] - ahead + HALF_TURN) % COUNT_MODULUS - HALF_TURN
        if not good[i]:
            out[i] = ahead + step
            what[i] = 4
            continue
        elapsed = (time[i] - ahead_time) / interval if interval > 0 else np.nan
        if step > 0:
            turns = np.round((elapsed - step) / COUNT_MODULUS) if regular and elapsed > HALF_TURN else 0.0
            if turns >= 1 and abs(elapsed - step - COUNT_MODULUS * turns) <= 0.05 * COUNT_MODULUS * turns:
                step += COUNT_MODULUS * np.int64(turns)
        elif elapsed >= 0.25 * (COUNT_MODULUS + step):
            turns = np.round((elapsed - step) / COUNT_MODULUS) if regular else 1.0
            step += COUNT_MODULUS * max(np.int64(1), np.int64(turns))
        out[i] = ahead + step
        if step > 0:
            what[i] = 1
            ahead = out[i]
            ahead_time = time[i]
        else:
            what[i] = 2 if seen[count[i]] == out[i] else 3
        seen[count[i]] = out[i]


def _interval(count: Ints, time: Floats, good: Bools) -> tuple[float, bool]:
    """Usual time from one count to the next, s, and whether packets come regularly."""
    steps = np.diff(count[good]) % COUNT_MODULUS
    elapsed = np.diff(time[good])
    near = (steps >= 1) & (steps <= 16) & (elapsed > 0)
    if near.sum() < 2:
        # Packets closer together than the clock resolves: only their mean distance is known.
        ahead = (steps >= 1) & (steps <= 16) & (elapsed >= 0)
        total = float(elapsed[ahead].sum())
        return (total / float(steps[ahead].sum()), False) if total > 0 else (float("nan"), False)
    intervals = elapsed[near] / steps[near]
    low, middle, high = np.percentile(intervals, [25, 50, 75])
    all_ahead = (steps >= 1) & (steps <= 16) & (elapsed >= 0)
    regular = bool(high - low < 0.5 * middle and near.sum() > 0.9 * all_ahead.sum())
    return float(middle), regular


def _gaps(count: Ints, rows: Ints, what: Ints) -> tuple[tuple[Gap, ...], int]:
    """Missing ranges between the received packets, damaged ones included, and how many are missing."""
    present = (what == FIRST) | (what == AHEAD) | (what == LATE)
    if not present.any():
        return (), 0
    low, high = count[present].min(), count[present].max()
    there = present | ((what == DAMAGED) & (count > low) & (count < high))
    order = np.argsort(count[there], kind="stable")
    counts, where = count[there][order], rows[there][order]
    missing = np.diff(counts) - 1
    gaps = tuple(
        Gap(int((counts[i] + 1) % COUNT_MODULUS), int(missing[i]), int(where[i]), int(where[i + 1]))
        for i in np.flatnonzero(missing > 0)
    )
    return gaps, sum(gap.missing for gap in gaps)


def continuity(
    index: PacketIndex, fine_tick: Mapping[int, float] | None = None, *, commands: bool = False
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

    Returns
    -------
    ContinuityTable
        A `Continuity` for each APID with packets; it prints as a table. An APID that only a damaged header
        names is left out.

    See Also
    --------
    inspect_file : index, continuity and segments of a file in one report.
    segment_groups : which segmented packets are complete.

    References
    ----------
    CCSDS 133.0-B-2, section 4.1.3.4.3 (packet sequence count); ECSS-E-ST-70-41C, 7.4.1 and 7.4.4.

    Examples
    --------
    >>> from eicpy.packets import index_packets
    >>> continuity(index_packets(bytes.fromhex("0801c0000001abcd" "0801c0030001abce"), checksum="none"))
    APID  received  lost  duplicated  out of order  damaged  gaps
       1         2     2           0             0        0     1
    """
    time = index.time(fine_tick)
    named = (index.status != PacketStatus.BAD_HEADER) & (index.command == commands)
    if not named.any():
        return ContinuityTable()
    order = np.argsort(index.apid, kind="stable")
    order = order[named[order]]
    apids, starts = np.unique(index.apid[order], return_index=True)
    result = ContinuityTable()
    for apid, rows in zip(apids.tolist(), np.split(order, starts[1:]), strict=False):
        result[apid] = _one(apid, index, rows.astype(np.int64), time)
    return result


def _one(apid: int, index: PacketIndex, rows: Ints, time: Floats) -> Continuity:
    count = index.sequence_count[rows].astype(np.int64)
    good = index.status[rows] == PacketStatus.GOOD
    if apid == IDLE_APID:
        count, time = np.arange(len(rows), dtype=np.int64) % COUNT_MODULUS, np.full_like(time, np.nan)
    unwrapped, what = np.empty_like(count), np.empty_like(count)
    interval, regular = _interval(count, time[rows], good)
    unwrap_counts(count, time[rows], good, interval, int(regular), unwrapped, what)
    gaps, lost = _gaps(unwrapped, rows, what)
    intact: npt.NDArray[Any] = rows[good]
    return Continuity(
        apid=apid,
        received=int(good.sum()),
        lost=lost,
        duplicated=int((what == DUPLICATE).sum()),
        out_of_order=int((what == LATE).sum()),
        damaged=int((~good).sum()),
        gaps=gaps,
        first=int(intact[0]) if len(intact) else -1,
        last=int(intact[-1]) if len(intact) else -1,
        count=unwrapped,
        rows=rows,
    )
