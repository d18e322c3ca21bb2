"""Sequence counts of a stream into which packets are put: what follows is counted on."""

from dataclasses import replace

import numpy as np

from eicpy.egse.counters import KeptCounts
from eicpy.egse.stream_chunk import StreamChunk
from eicpy.instruments import Instrument
from eicpy.packets import ChecksumKind, PacketLayout
from eicpy.packets.checksum import write_checksum
from eicpy.simulation.commands import VERIFICATION
from eicpy.typing import IntArray

__all__ = ["Numbering"]

_MODULUS = 2**14
_SERVICE_BYTE = 7
"""Of the PUS service, in a packet."""
Lane = tuple[int, bool]
"""APID, and whether telecommands are counted: both have counters of their own."""


class Numbering:
    """Counts for the packets that are put in, and for all that come after them.

    The gaps that a source has it keeps. A packet whose checksum is wrong is counted on and stays wrong.
    Reports of the source on telecommands that were counted on name them by their new counts.

    Parameters
    ----------
    instrument
        Whose header rules tell the checksum of each APID.
    kept
        Counts that go on from the session before, for a stream that has no source; None: they begin at 0.
    """

    def __init__(self, instrument: Instrument, kept: KeptCounts | None = None) -> None:
        self._kept = kept
        self._kinds = {h.apid: ChecksumKind.of(h.checksum) for h in instrument.headers}
        self._request_byte = _request_bytes(instrument)
        self._requests: dict[bytes, bytes] = {}
        self._last: dict[Lane, int] = {}
        self._shift: dict[Lane, int] = {}
        self._begun: set[Lane] = set()

    def next(self, apid: int, *, command: bool) -> int:
        """The sequence count of a packet that is put in now."""
        lane = apid, command
        if self._kept is None:
            count = (self._last.get(lane, -1) + 1) % _MODULUS
        else:
            count = self._kept.next(apid, command=command)
        self._last[lane] = count
        if lane in self._begun:
            self._shift[lane] = self._shift.get(lane, 0) + 1
        return count

    def count_on(self, stretch: StreamChunk) -> StreamChunk:
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
        moved = counts != stretch.count
        reports = self._reports(stretch) if self._requests or (moved & stretch.command).any() else []
        return self._rewritten(stretch, counts, reports) if moved.any() or reports else stretch

    def _rewritten(self, stretch: StreamChunk, counts: IntArray, reports: list[int]) -> StreamChunk:
        data = stretch.data.copy()
        for row in sorted({*np.flatnonzero(counts != stretch.count).tolist(), *reports}):
            at, size = int(stretch.begin[row]), int(stretch.size[row])
            before = data[at : at + 4].tobytes()
            data[at + 2] = (int(data[at + 2]) & 0xC0) | (int(counts[row]) >> 8)
            data[at + 3] = int(counts[row]) & 0xFF
            if stretch.command[row]:
                self._requests[before] = data[at : at + 4].tobytes()
            if row in reports:
                place = at + self._request_byte[int(stretch.apid[row])]
                request = data[place : place + 4].tobytes()
                data[place : place + 4] = np.frombuffer(self._requests.get(request, request), np.uint8)
            kind = self._kinds.get(int(stretch.apid[row]), ChecksumKind.NONE)
            if kind is not ChecksumKind.NONE and stretch.good[row]:
                data[at + size - 2 : at + size] = 0
                write_checksum(data, at, size, size - 2, int(kind))
        return replace(stretch, data=data, count=counts)

    def _reports(self, stretch: StreamChunk) -> list[int]:
        """Rows of the reports on telecommands."""
        telemetry = np.flatnonzero(stretch.good & ~stretch.command).tolist()
        return [
            row
            for row in telemetry
            if stretch.data[stretch.begin[row] + _SERVICE_BYTE] == VERIFICATION
            and int(stretch.apid[row]) in self._request_byte
        ]


def _request_bytes(instrument: Instrument) -> dict[int, int]:
    """By APID of the reports: byte from the start of the packet at which the request id stands."""
    result = {}
    for name, rule in instrument.packets.items():
        if rule.kind == "verification" and rule.service == VERIFICATION:
            fields = PacketLayout.read(instrument.layout_file(name)).sections[0].fields
            result[rule.apid] = 6 + next(bit for spec, bit in fields if spec.is_data) // 8
    return result
