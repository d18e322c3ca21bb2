"""Counters at rest: of the tables of all 16384 counts only what was met.

An open counter takes 0.2 MB. Hostile bytes, or noise, can have packets of thousands of them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.packets.counts.evidence import NEVER
from eicpy.packets.counts.runs import Counter
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = ["PackedCounter", "packed"]


@dataclass(frozen=True)
class PackedCounter:
    """A counter without tables, and the rows of them that are not empty; nothing of it is written.

    Attributes
    ----------
    rest
        The counter; its tables are empty.
    count, digest, place
        The counts of which something is remembered, and what; shape (n,).
    """

    rest: Counter
    count: npt.NDArray[np.uint16]
    digest: npt.NDArray[np.uint32]
    place: npt.NDArray[np.int64]

    def counter(self) -> Counter:
        """The counter as it was, in memory of its own."""
        digest, place = np.zeros(COUNT_MODULUS, np.uint32), np.zeros(COUNT_MODULUS, np.int64)
        digest[self.count], place[self.count] = self.digest, self.place
        rest = self.rest
        return Counter(
            rest.numbers.copy(), rest.seconds.copy(), rest.step.copy(), digest, place, rest.damaged.copy()
        )


def packed(counter: Counter) -> PackedCounter:
    """Pack a counter, which is not used any more."""
    count = np.flatnonzero(counter.digest != NEVER)
    none = counter._replace(digest=counter.digest[:0].copy(), place=counter.place[:0].copy())
    return PackedCounter(none, count.astype(np.uint16), counter.digest[count], counter.place[count])
