"""Losses where one run ended and the next began: packets that came while the receiver changed files.

Each run is judged by itself, so what is missing between its last packet and the first of the next would be in
neither. Where the reception went on from one run to the next (:meth:`eicpy.runs.Run.goes_on_from`) the last
packets of each counter and the first of the next run are judged together by the one judgement of sequence
counts; what that finds beyond what it finds in both alone happened at the switch. Live pages, which count on
across runs, find the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from eicpy.decoding import packet_seconds
from eicpy.instruments import Instrument
from eicpy.packets import PacketCounts, PacketIndex, continuity, map_file
from eicpy.pipeline.plan import RunSelection

__all__ = ["Switch", "losses_at_switches"]

PACKETS = 64
"""Of each counter on each side: enough to confirm a jump."""
KINDS = ("lost", "restarted", "out_of_step")
"""What may be found; a packet that came in both runs is a duplicate of runs, counted elsewhere."""


@dataclass(frozen=True)
class Switch:
    """What was found of an APID between two runs.

    Parameters
    ----------
    run
        Number of the later run.
    apid
        Whose packets.
    counts
        Those that no run has.
    time
        Of the data at the begin of the later run, s; NaN where none is known.
    """

    run: int
    apid: int
    counts: PacketCounts
    time: float


def losses_at_switches(stretches: Sequence[RunSelection], instrument: Instrument) -> Iterator[Switch]:
    """Find what was lost between runs.

    Parameters
    ----------
    stretches
        Packets run by run, in order of time.
    instrument
        The detector.
    """
    for before, after in pairwise(stretches):
        if after.joined and after.run == before.run + 1:
            yield from _between(before, after, instrument)


def _between(before: RunSelection, after: RunSelection, instrument: Instrument) -> Iterator[Switch]:
    left, left_bytes = _ends(before, last=True)
    right, right_bytes = _ends(after, last=False)
    both = PacketIndex.concatenate([left, right.shifted(len(left_bytes))])
    together = continuity(both, buffer=left_bytes + right_bytes)
    alone = [continuity(left, buffer=left_bytes), continuity(right, buffer=right_bytes)]
    times = packet_seconds(right, instrument)[right.good]
    known = times[np.isfinite(times)]
    for apid, found in together.items():
        sides = [table[apid].counts for table in alone if apid in table]
        if len(sides) < 2:
            continue
        more = {k: getattr(found.counts, k) - sum(getattr(side, k) for side in sides) for k in KINDS}
        if any(count > 0 for count in more.values()):
            counts = PacketCounts(**{kind: max(count, 0) for kind, count in more.items()})
            yield Switch(after.run, apid, counts, float(known[0]) if len(known) else float("nan"))


def _ends(stretch: RunSelection, *, last: bool) -> tuple[PacketIndex, bytes]:
    """The last, or first, packets of each APID, and their bytes alone."""
    index = stretch.index
    rows = [np.flatnonzero((index.apid == apid) & ~index.command) for apid in np.unique(index.apid)]
    chosen = np.sort(np.concatenate([r[-PACKETS:] if last else r[:PACKETS] for r in rows]))
    part, buffer = index[chosen], map_file(stretch.file)
    spans = zip(part.offset.tolist(), part.length.tolist(), strict=True)
    data = b"".join(buffer[begin : begin + length].tobytes() for begin, length in spans)
    offset = np.concatenate([[0], np.cumsum(part.length, dtype=np.int64)[:-1]])
    return replace(part, offset=offset.astype(np.int64), skipped=()), data
