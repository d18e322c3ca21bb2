"""Sequence counts of a stream into which packets are put: what follows is counted on."""

from dataclasses import replace

import numpy as np

from eicpy.egse.counters import KeptCounts
from eicpy.egse.stream_chunk import StreamChunk
from eicpy.instruments import Instrument
from eicpy.packets import ChecksumKind, PacketLayout
from eicpy.packets.checksum import write_checksum
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.simulation.packets.commands import VERIFICATION
from eicpy.typing import IntArray

__all__ = ["Numbering"]

_SERVICE_BYTE = 7
"""Of the PUS service, in a packet."""
Lane = tuple[int, bool]
"""APID, and whether telecommands are counted: both have counters of their own."""


class Numbering:
    """Counts for the packets that are put in, and for all that come after them.

    The gaps that a source has it keeps. A packet with a wrong checksum is counted and remains wrong.
    Reports of the source on telecommands that were counted on name them by their new counts.

    Parameters
    ----------
    instrument
        Its header rules give the checksum of each APID.
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
        counter = apid, command
        if self._kept is None:
            count = (self._last.get(counter, -1) + 1) % COUNT_MODULUS
        else:
            count = self._kept.next(apid, command=command)
        self._last[counter] = count
        if counter in self._begun:
            self._shift[counter] = self._shift.get(counter, 0) + 1
        return count

    def count_on(self, chunk: StreamChunk) -> StreamChunk:
        """Number a chunk of the source so that its counts continue those of inserted packets."""
        counters = np.where(chunk.packet, 2 * chunk.apid + chunk.command, -1)
        counts = chunk.count.copy()
        for number in np.unique(counters[chunk.good]).tolist():
            counter = number // 2, bool(number % 2)
            rows = np.flatnonzero(counters == number)
            whole = rows[chunk.good[rows]]
            if counter not in self._begun:
                self._begun.add(counter)
                if counter in self._last:  # put in before the source's first of this APID
                    self._shift[counter] = self._last[counter] + 1 - int(chunk.count[whole[0]])
            counts[rows] = (counts[rows] + self._shift.get(counter, 0)) % COUNT_MODULUS
            self._last[counter] = int(counts[whole[-1]])
        moved = counts != chunk.count
        reports = self._reports(chunk) if self._requests or (moved & chunk.command).any() else []
        return self._rewritten(chunk, counts, reports) if moved.any() or reports else chunk

    def _rewritten(self, chunk: StreamChunk, counts: IntArray, reports: list[int]) -> StreamChunk:
        data = chunk.data.copy()
        for row in sorted({*np.flatnonzero(counts != chunk.count).tolist(), *reports}):
            at, size = int(chunk.begin[row]), int(chunk.size[row])
            before = data[at : at + 4].tobytes()
            data[at + 2] = (int(data[at + 2]) & 0xC0) | (int(counts[row]) >> 8)
            data[at + 3] = int(counts[row]) & 0xFF
            if chunk.command[row]:
                self._requests[before] = data[at : at + 4].tobytes()
            if row in reports:
                begin = at + self._request_byte[int(chunk.apid[row])]
                request = data[begin : begin + 4].tobytes()
                data[begin : begin + 4] = np.frombuffer(self._requests.get(request, request), np.uint8)
            kind = self._kinds.get(int(chunk.apid[row]), ChecksumKind.NONE)
            if kind is not ChecksumKind.NONE and chunk.good[row]:
                data[at + size - 2 : at + size] = 0
                write_checksum(data, at, size, size - 2, int(kind))
        return replace(chunk, data=data, count=counts)

    def _reports(self, chunk: StreamChunk) -> list[int]:
        """Rows of the reports on telecommands."""
        telemetry = np.flatnonzero(chunk.good & ~chunk.command).tolist()
        return [
            row
            for row in telemetry
            if chunk.data[chunk.begin[row] + _SERVICE_BYTE] == VERIFICATION
            and int(chunk.apid[row]) in self._request_byte
        ]


def _request_bytes(instrument: Instrument) -> dict[int, int]:
    """By APID of the reports: byte from the start of the packet at which the request id stands."""
    result = {}
    for name, rule in instrument.packets.items():
        if rule.kind == "verification" and rule.service == VERIFICATION:
            fields = PacketLayout.read(instrument.layout_file(name)).sections[0].fields
            result[rule.apid] = 6 + next(bit for spec, bit in fields if spec.is_data) // 8
    return result
