"""The words and numbers for what became of packets, the same for files, the live chain, pages and reports.

==============  ==========================================================================================
word            meaning
==============  ==========================================================================================
lost            missing between packets of a counter, as the packets behind or the times confirm
duplicated      came before: the same count and the same time (or bytes)
out of order    came after one with a higher count
restarted       from here on the counter goes on elsewhere, for it was set back: how often
out of step     the count is wrong: the counter goes on as if it had been right
not counting    packets whose counter stands still, or goes at random: what is lost of them is not known
unconfirmed     at the very end, with a count that jumps: a loss if the next packets confirm it
damaged         not intact
==============  ==========================================================================================
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from eicpy.packets.counts.models import NONE
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
from eicpy.text import grouped

__all__ = [
    "COUNTER_FIELDS",
    "COUNT_WORDS",
    "PacketCounts",
    "add_counts",
    "counter_note",
    "without_deficits",
]

COUNT_WORDS = {
    "received": "received",
    "lost": "lost",
    "duplicated": "duplicated",
    "out_of_order": "out of order",
    "restarted": "restarted",
    "out_of_step": "out of step",
    "not_counting": "not counting",
    "unconfirmed": "unconfirmed",
    "damaged": "damaged",
}
"""Fields of `PacketCounts` and the words for them."""

COUNTER_FIELDS = ("restarted", "out_of_step", "not_counting", "unconfirmed")
"""Those that are about the counter and seldom other than 0."""
_FIELDS = {
    DUPLICATE: "duplicated",
    LATE: "out_of_order",
    DAMAGED: "damaged",
    RESTARTED: "restarted",
    OUT_OF_STEP: "out_of_step",
    STANDING: "not_counting",
    UNCONFIRMED: "unconfirmed",
}


@dataclass(frozen=True)
class PacketCounts:
    """What became of the packets of an APID so far.

    Parameters
    ----------
    received
        Intact packets.
    lost
        Missing between the first and the last, as confirmed.
    duplicated
        Intact packets that came before.
    out_of_order
        Intact packets that came after one with a higher count.
    damaged
        Packets that are not intact.
    restarted
        How often the counter was set back.
    out_of_step
        Intact packets with a wrong count.
    not_counting
        Intact packets whose counter stands still or goes at random.
    unconfirmed
        Intact packets at the very end whose count jumps: what is missing before them, nothing confirms.
    counting
        How the counter counts, where it is not in steps of 1 for each APID: ``counts in steps of 2``,
        ``counts per destination``, ``counts per type``, ``one counter for all APIDs``, ``does not count``.
    """

    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    damaged: int = 0
    restarted: int = 0
    out_of_step: int = 0
    not_counting: int = 0
    unconfirmed: int = 0
    counting: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, doubled, out of order or step, damaged, or waits for confirmation.

        What a sender does with its counter (a restart, other steps, none at all) is no fault of the stream.
        """
        return not (
            self.lost or self.duplicated or self.out_of_order or self.damaged or self.out_of_step
            or self.unconfirmed
        )  # fmt: skip

    def __add__(self, other: "PacketCounts") -> "PacketCounts":
        numbers = {name: getattr(self, name) + getattr(other, name) for name in COUNT_WORDS}
        texts = {t for one in (self, other) for t in one.counting.split(", ") if t}
        return PacketCounts(**numbers, counting=", ".join(sorted(texts)))


def counter_note(counts: object) -> str:
    """What is special about a counter, on one line: ``restarted 1, out of step 2, counts in steps of 2``.

    Parameters
    ----------
    counts
        `PacketCounts`, or whatever has its fields.
    """
    numbers = ((COUNT_WORDS[name], getattr(counts, name)) for name in COUNTER_FIELDS)
    told = [f"{word} {grouped(number)}" for word, number in numbers if number]
    return ", ".join(told + [getattr(counts, "counting", "")] * bool(getattr(counts, "counting", "")))


def add_counts(
    known: dict[int, PacketCounts], index: PacketIndex, found: Iterable[Found]
) -> dict[int, PacketCounts]:
    """Counts with what was found of more packets.

    Parameters
    ----------
    known
        By APID; left as it is.
    index
        The packets: rows of it are meant in what was found.
    found
        What was judged of them.
    """
    counts = dict(known)
    for one in found:
        rows = one.judged.rows
        apids = index.apid[rows]
        every = [one.lane] if one.lane >= 0 else np.unique(apids).tolist()
        for apid in every:
            mine = np.ones(len(rows), np.bool_) if one.lane >= 0 else apids == apid
            what, way = one.judged.what[mine], one.judged.way[mine]
            number = np.bincount(what, minlength=UNCONFIRMED + 1)
            texts = {
                text for way_number in np.unique(way) for text in one.ways[way_number].split(", ") if text
            }
            if number[STANDING]:
                texts.add(NONE)
            new = PacketCounts(
                received=int(len(what) - number[DAMAGED]),
                lost=int(one.judged.missing[mine].sum()),
                counting=", ".join(sorted(texts)),
                **{name: int(number[kind]) for kind, name in _FIELDS.items()},
            )
            counts[apid] = counts.get(apid, PacketCounts()) + new
    return counts


def without_deficits(counts: dict[int, PacketCounts]) -> dict[int, PacketCounts]:
    """Counts in which no APID has lost less than nothing.

    Where one counter counts all APIDs, a gap is named at the packet behind it, and the late packet that fills
    it may be of another APID: that one would have lost −1. Of which APIDs the missing ones are, nothing
    tells; what came late is taken off those that have lost most.

    Parameters
    ----------
    counts
        By APID, as `add_counts` gives them; left as they are.
    """
    deficit = -sum(one.lost for one in counts.values() if one.lost < 0)
    if not deficit:
        return counts
    lost = {apid: max(one.lost, 0) for apid, one in counts.items()}
    for apid in sorted(lost, key=lambda apid: (-lost[apid], apid)):
        taken = min(deficit, lost[apid])
        lost[apid] -= taken
        deficit -= taken
    return {apid: replace(one, lost=lost[apid]) for apid, one in counts.items()}
