"""The newest packets of each APID, out of all that came since the last look."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eicpy.packets import PacketIndex
from eicpy.runs.provider.cursor import Increment

__all__ = ["Newest", "pack"]


def pack(parts: Sequence[Increment]) -> Increment:
    """Packets of several increments as one that holds their bytes alone.

    Parameters
    ----------
    parts
        At least one; the position after all of them is that of the last.
    """
    data = b"".join(packet for part in parts for _, packet in part.packets())
    index = PacketIndex.concatenate([part.index for part in parts])
    length = index.length.astype(np.int64)
    return replace(
        parts[-1],
        index=index,
        data=data,
        start=0,
        packed=replace(index, offset=np.cumsum(length) - length, skipped=()),
        row_runs=np.concatenate([runs_of(part) for part in parts]),
    )


def runs_of(increment: Increment) -> npt.NDArray[np.int64]:
    """Number of the run of each packet, shape (n_packets,)."""
    if increment.row_runs is not None:
        return increment.row_runs
    return np.full(len(increment), increment.run, np.int64)


class Newest:
    """Keeps the newest packets of each APID, telecommands apart.

    Parameters
    ----------
    most
        How many of each.
    """

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self.seen = 0
        """Packets seen."""
        self._kept: Increment | None = None

    def add(self, increment: Increment) -> None:
        """See more packets; ranges that are no packets are kept all."""
        if not increment:
            return
        self.seen += len(increment)
        parts = [increment.chosen(self._newest(increment.index))]
        if self._kept is not None:
            parts.insert(0, self._kept)
        both = pack(parts)
        self._kept = both.chosen(self._newest(both.index))

    def increment(self, nothing: Increment) -> Increment:
        """What is kept, or `nothing`, with the position after all that was seen."""
        if self._kept is None:
            return nothing
        kept = pack([self._kept])
        run = int(runs_of(kept)[-1]) if len(kept) else nothing.cursor.run
        return replace(kept, cursor=nothing.cursor, run=run)

    def _newest(self, index: PacketIndex) -> npt.NDArray[np.bool_]:
        key = index.counter
        order = np.argsort(key, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(key[order])) + 1, len(order))
        from_end = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(len(order))
        kept = np.zeros(len(index), np.bool_)
        kept[order[from_end <= self.most]] = True
        return kept
