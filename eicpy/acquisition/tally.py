"""Running continuity of a stream that is read piece by piece.

Gaps, duplicates and late packets show only beside their neighbours, so the last packets are remembered
and judged again with the new ones: what a piece adds is the difference of the two judgements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, continuity

__all__ = ["PacketCounts", "Tally"]

_REMEMBERED = 2048


@dataclass(frozen=True)
class PacketCounts:
    """Packets of an APID so far.

    Parameters
    ----------
    received
        Intact packets.
    lost
        Missing between the first and the last.
    duplicated
        Intact packets whose count came before.
    out_of_order
        Intact packets that came after one with a higher count.
    damaged
        Packets that are there but not intact.
    """

    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    damaged: int = 0

    def changed(self, new: "PacketCounts", old: "PacketCounts") -> "PacketCounts":
        """These counts plus what `new` has more than `old`."""
        return PacketCounts(
            *(
                getattr(self, name) + getattr(new, name) - getattr(old, name)
                for name in ("received", "lost", "duplicated", "out_of_order", "damaged")
            )
        )


@dataclass
class Tally:
    """Continuity of a stream, per APID, in memory that does not grow.

    Parameters
    ----------
    instrument
        Whose header rules give the time of packets, by which whole lost turns of the count are told.
    """

    instrument: Instrument
    counts: dict[int, PacketCounts] = field(default_factory=dict, init=False)
    """By APID."""

    def __post_init__(self) -> None:
        self._tail = PacketIndex.empty()
        self._ticks = {header.apid: header.fine_tick for header in self.instrument.headers}

    def add(self, index: PacketIndex) -> Mapping[int, PacketCounts]:
        """Count more packets.

        Parameters
        ----------
        index
            The packets that follow those counted before.

        Returns
        -------
        mapping of int to PacketCounts
            All counts so far, by APID.
        """
        if len(index):
            both = PacketIndex.concatenate([self._tail, index])
            before, after = self._judge(self._tail), self._judge(both)
            for apid, new in after.items():
                old = self.counts.get(apid, PacketCounts())
                self.counts[apid] = old.changed(new, before.get(apid, PacketCounts()))
            self._tail = both[-_REMEMBERED:]
        return self.counts

    def _judge(self, index: PacketIndex) -> dict[int, PacketCounts]:
        return {
            apid: PacketCounts(c.received, c.lost, c.duplicated, c.out_of_order, c.damaged)
            for apid, c in continuity(index, self._ticks).items()
        }
