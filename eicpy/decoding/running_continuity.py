"""Running continuity of a stream that is read piece by piece.

Gaps, duplicates and late packets show only beside their neighbours, so the last packets of each counter are
remembered and judged again with the new ones: what a piece adds is the difference of the two judgements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, continuity

__all__ = ["PacketCounts", "RunningContinuity"]

_REMEMBERED = 512
"""Packets remembered of each counter, so that one that counts slowly is not forgotten beside a fast one."""


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
        Packets that are not intact.
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
class RunningContinuity:
    """Continuity of a stream, per APID and direction, in memory that does not grow.

    Parameters
    ----------
    instrument
        Its header rules give the time of packets, from which lost turns of the count are found.

    See Also
    --------
    eicpy.packets.continuity : the same for a whole index.

    References
    ----------
    CCSDS 133.0-B-2, Space Packet Protocol, section 4.1.3.4.3 (packet sequence count).
    """

    instrument: Instrument
    counts: dict[int, PacketCounts] = field(default_factory=dict, init=False)
    """Telemetry, by APID."""
    commands: dict[int, PacketCounts] = field(default_factory=dict, init=False)
    """Telecommands, by APID: they have sequence counts of their own."""

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
            All counts of telemetry so far, by APID; those of telecommands are in `commands`.
        """
        if len(index):
            both = PacketIndex.concatenate([self._tail, index])
            self._count(both, self.counts, commands=False)
            self._count(both, self.commands, commands=True)
            self._tail = both[_newest(both)]
        return self.counts

    def begin_anew(self) -> None:
        """Judge what follows without what came before; the counts so far are kept."""
        self._tail = PacketIndex.empty()

    def _count(self, both: PacketIndex, counts: dict[int, PacketCounts], *, commands: bool) -> None:
        before = self._judge(self._tail, commands=commands)
        for apid, new in self._judge(both, commands=commands).items():
            old = counts.get(apid, PacketCounts())
            counts[apid] = old.changed(new, before.get(apid, PacketCounts()))

    def _judge(self, index: PacketIndex, *, commands: bool) -> dict[int, PacketCounts]:
        return {
            apid: PacketCounts(c.received, c.lost, c.duplicated, c.out_of_order, c.damaged)
            for apid, c in continuity(index, self._ticks, commands=commands).items()
        }


def _newest(index: PacketIndex) -> npt.NDArray[np.intp]:
    """Rows of the last packets of each counter, in the order of the stream."""
    counter = index.counter
    order = np.argsort(counter, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(counter[order])) + 1, len(order))
    size = np.diff(ends, prepend=0)
    from_end = np.repeat(ends, size) - np.arange(len(order))
    return np.sort(order[from_end <= _REMEMBERED])
