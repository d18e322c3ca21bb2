"""Running continuity of a stream that is read piece by piece.

The judgement is that of :func:`eicpy.packets.continuity`, from the same code: at any moment the counts are
those of a file with the packets so far, however they came in pieces. What the next packets may change is
remembered, at most some hundreds of packets of each counter, and told as if nothing followed; a jump of the
last count is ``unconfirmed``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from eicpy.instruments import Instrument
from eicpy.packets import CountFinding, PacketCounts, PacketIndex, PacketStatus
from eicpy.packets.counts.findings import CountFindings
from eicpy.packets.counts.streams import CountedStream, Found, packet_columns
from eicpy.packets.counts.words import add_counts, without_deficits
from eicpy.typing import UInt64Array

__all__ = ["PacketCounts", "RunningContinuity"]

_FINDINGS = 256
"""Findings that are remembered, the newest."""


@dataclass
class _Direction:
    """Telemetry or telecommands."""

    command: bool
    ticks: Mapping[int, float]
    confirmed: dict[int, PacketCounts] = field(default_factory=dict)
    """By APID, of the packets that nothing later changes."""
    known: CountFindings = field(default_factory=lambda: CountFindings(_FINDINGS))

    def __post_init__(self) -> None:
        self._stream = CountedStream()
        self._waiting = PacketIndex.empty()
        self._numbers = np.zeros(0, np.int64)
        self._next = 0
        self._counts: dict[int, PacketCounts] | None = None

    def add(self, index: PacketIndex, identity: UInt64Array | None) -> None:
        named = np.flatnonzero((index.status != PacketStatus.BAD_HEADER) & (index.command == self.command))
        mine = index[named]
        if not len(mine):
            return
        self._counts = None
        numbers = np.arange(self._next, self._next + len(mine))
        self._next += len(mine)
        self._waiting = PacketIndex.concatenate([self._waiting, mine])
        self._numbers = np.concatenate([self._numbers, numbers])
        columns = packet_columns(mine, self.ticks, None if identity is None else identity[named])
        self._take(self._stream.feed(mine.apid, numbers, columns))

    def counts(self) -> dict[int, PacketCounts]:
        """All counts, as if nothing followed."""
        if self._counts is None:
            ended = [self._placed(one) for one in self._stream.ended()]
            self._counts = without_deficits(add_counts(self.confirmed, self._waiting, ended))
        return self._counts

    def findings(self) -> CountFindings:
        """What was found, as if nothing followed."""
        findings = self.known.copy()
        for one in self._stream.ended():
            findings.add(self._waiting, self._placed(one), self._numbers)
        return findings

    def begin_anew(self) -> None:
        self._take(self._stream.feed_end())
        self.known.begin_anew()
        self._stream = CountedStream()

    def _take(self, found: list[Found]) -> None:
        placed = [self._placed(one) for one in found]
        self.confirmed = add_counts(self.confirmed, self._waiting, placed)
        done = np.zeros(len(self._numbers), np.bool_)
        for one in placed:
            self.known.add(self._waiting, one, self._numbers)
            done[one.judged.rows] = True
        self._waiting, self._numbers = self._waiting[~done], self._numbers[~done]

    def _placed(self, found: Found) -> Found:
        """The same with rows of the waiting packets."""
        rows = np.searchsorted(self._numbers, found.judged.rows)
        return found._replace(judged=found.judged._replace(rows=rows))


@dataclass
class RunningContinuity:
    """Continuity of a stream, per APID and direction, in memory that does not grow.

    Parameters
    ----------
    instrument
        Its header rules give the time of packets, by which gaps are confirmed.

    See Also
    --------
    eicpy.packets.continuity : the same for a whole index.

    References
    ----------
    CCSDS 133.0-B-2, Space Packet Protocol, section 4.1.3.4.3 (packet sequence count).
    """

    instrument: Instrument

    def __post_init__(self) -> None:
        ticks = {header.apid: header.fine_tick for header in self.instrument.headers}
        self._telemetry, self._commands = _Direction(False, ticks), _Direction(True, ticks)

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Telemetry, by APID."""
        return self._telemetry.counts()

    @property
    def commands(self) -> Mapping[int, PacketCounts]:
        """Telecommands, by APID: they have sequence counts of their own."""
        return self._commands.counts()

    @property
    def findings(self) -> list[CountFinding]:
        """What was found about the counts, the newest few hundred, telecommands behind telemetry."""
        return [*self._telemetry.findings(), *self._commands.findings()]

    def add(self, index: PacketIndex, identity: UInt64Array | None = None) -> None:
        """Count more packets.

        Parameters
        ----------
        index
            The packets that follow those counted before.
        identity
            What :func:`~eicpy.packets.timeless_identity` gives, shape (n_packets,): by it a packet without a
            time is known when it comes again.
        """
        if len(index):
            self._telemetry.add(index, identity)
            self._commands.add(index, identity)

    def begin_anew(self) -> None:
        """Judge what follows without what came before; the counts so far are kept."""
        self._telemetry.begin_anew()
        self._commands.begin_anew()
