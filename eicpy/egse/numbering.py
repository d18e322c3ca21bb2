"""Sequence counts of a stream into which packets are put: what follows is counted on."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eicpy.egse.stretch import Stretch
from eicpy.instruments import Instrument
from eicpy.packets import ChecksumKind
from eicpy.packets.checksum import write_checksum

__all__ = ["Numbering"]

_MODULUS = 2**14
IntArray = npt.NDArray[np.int64]
Lane = tuple[int, bool]
"""APID, and whether telecommands are counted: both have counters of their own."""


class Numbering:
    """Counts for the packets that are put in, and for all that come after them.

    The gaps that a source has it keeps. A packet whose checksum is wrong is counted on and stays wrong.

    Parameters
    ----------
    instrument
        Whose header rules tell the checksum of each APID.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._kinds = {h.apid: ChecksumKind.of(h.checksum) for h in instrument.headers}
        self._last: dict[Lane, int] = {}
        self._shift: dict[Lane, int] = {}
        self._begun: set[Lane] = set()

    def next(self, apid: int, *, command: bool) -> int:
        """The sequence count of a packet that is put in now."""
        lane = apid, command
        count = (self._last.get(lane, -1) + 1) % _MODULUS
        self._last[lane] = count
        if lane in self._begun:
            self._shift[lane] = self._shift.get(lane, 0) + 1
        return count

    def count_on(self, stretch: Stretch) -> Stretch:
        """A stretch of the source, counted on from what was put in."""
        lanes = np.where(stretch.packet, 2 * stretch.apid + stretch.command, -1)
        counts = stretch.count.copy()
        for number in np.unique(lanes[stretch.good]).tolist():
            lane = number // 2, bool(number % 2)
            rows = np.flatnonzero(lanes == number)
            whole = rows[stretch.good[rows]]
            if lane not in self._begun:
                self._begun.add(lane)
                if lane in self._last:  # put in before the source's first of this APID
                    self._shift[lane] = self._last[lane] + 1 - int(stretch.count[whole[0]])
            counts[rows] = (counts[rows] + self._shift.get(lane, 0)) % _MODULUS
            self._last[lane] = int(counts[whole[-1]])
        return stretch if np.array_equal(counts, stretch.count) else self._rewritten(stretch, counts)

    def _rewritten(self, stretch: Stretch, counts: IntArray) -> Stretch:
        data = stretch.data.copy()
        for row in np.flatnonzero(counts != stretch.count).tolist():
            at, size = int(stretch.begin[row]), int(stretch.size[row])
            kind = self._kinds.get(int(stretch.apid[row]), ChecksumKind.NONE)
            signed = kind is not ChecksumKind.NONE and stretch.good[row]
            data[at + 2] = (int(data[at + 2]) & 0xC0) | (int(counts[row]) >> 8)
            data[at + 3] = int(counts[row]) & 0xFF
            if signed:
                data[at + size - 2 : at + size] = 0
                write_checksum(data, at, size, size - 2, int(kind))
        return replace(stretch, data=data, count=counts)
