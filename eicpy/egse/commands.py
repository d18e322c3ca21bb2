"""Telecommands in a stream, and a simulated instrument that answers them.

Reports are put into the stream when it has come to their time, and every packet after them of the same
APID is counted on, so that nobody takes them for gaps.
"""

import heapq
import itertools
import time as system_time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from eicpy.decoding import epoch_seconds
from eicpy.egse.counters import KeptCounts
from eicpy.egse.numbering import Numbering
from eicpy.egse.stream_chunk import ByteArray, StreamChunk
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.simulation.packets.commands import (
    Refusal,
    Telecommand,
    Timing,
    answers,
    report_columns,
    report_kind,
    request_id,
)
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, Encoder
from eicpy.times import to_seconds

__all__ = ["CommandDesk", "PlacedCommand"]

_FAILURE_CODE = 1
"""Code of a failure on demand."""
_FLAGS_BYTE = 6
"""Byte of a PUS telecommand whose low four bits are the acknowledgement flags."""


@dataclass(frozen=True, slots=True)
class PlacedCommand:
    """A telecommand and where it goes into a stream.

    Parameters
    ----------
    command
        The command.
    packet
        Before this packet of the source, counted from 1; None: by `seconds`.
    seconds
        After the first packet that has a time, s; infinite: at the end.

    Examples
    --------
    >>> PlacedCommand.parse("stop-measurement@90s").seconds
    90.0
    """

    command: Telecommand
    packet: int | None = 1
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``NAME,FIELD=VALUE,…`` with ``@N`` (packet), ``@Ns`` (seconds), ``@end`` or nothing.

        Raises
        ------
        BadArgumentError
            For anything else.
        """
        command, at, position = text.partition("@")
        made = Telecommand.parse(command)
        try:
            if not at:
                return cls(made)
            if position == "end":
                return cls(made, None, np.inf)
            return (
                cls(made, None, float(position[:-1])) if position.endswith("s") else cls(made, int(position))
            )
        except ValueError as error:
            raise BadArgumentError(
                f"got command {text!r}, expected @PACKET, @SECONDSs or @end after it, or nothing"
            ) from error


class CommandDesk:
    """Puts telecommands into a stream, and the reports of the instrument on them.

    Parameters
    ----------
    instrument
        Which is simulated.
    commands
        Telecommands of the operator; all are answered.
    answer_source
        Whether telecommands that the source holds are answered too.
    timing
        When the reports are sent, s of on-board time after the telecommand.
    refuse
        What fails.
    now
        On-board time where the stream has none, s; by default the present.
    kept
        Sequence counts that continue from the session before, for telecommands without a source; None: the
        same stream again is the same bytes again.

    Raises
    ------
    BadArgumentError
        For commands or reports that the instrument does not describe.
    """

    def __init__(
        self,
        instrument: Instrument,
        commands: Sequence[PlacedCommand] = (),
        *,
        answer_source: bool = False,
        timing: Timing | None = None,
        refuse: Refusal | None = None,
        now: float | None = None,
        kept: KeptCounts | None = None,
    ) -> None:
        for placed in commands:
            placed.command.check(instrument)
        self._timing, self._refuse, self._answer_source = timing or Timing(), refuse, answer_source
        self._kinds = {n: report_kind(instrument, n) for n, _ in answers(self._timing, refuse)}
        self._encoder = Encoder(instrument)
        self._numbering = Numbering(instrument, kept)
        self._waiting = list(commands)
        self._reports: list[tuple[float, int, int, int]] = []
        self._order = itertools.count()
        self._first = self._newest = np.nan
        self._now = float(present(instrument)) if now is None else now
        self._packets = 0

    def __call__(self, stream: Iterable[StreamChunk]) -> Iterator[StreamChunk]:
        """The stream with telecommands and reports in it."""
        for chunk in stream:
            yield from self._take(chunk)
        while self._waiting or self._reports:
            yield self._last()

    def _take(self, chunk: StreamChunk) -> Iterator[StreamChunk]:
        start = 0
        for row in range(len(chunk)):
            self._packets += int(chunk.packet[row])
            self._newest = float(np.fmax(self._newest, chunk.time[row]))
            if np.isnan(self._first):
                self._first = self._newest
            while self._is_due():
                yield self._numbering.count_on(chunk[start:row])
                start = row
                yield self._insert()
            if self._answer_source and chunk.command[row] and chunk.good[row]:
                yield self._numbering.count_on(chunk[start : row + 1])
                start = row + 1
                self._schedule(chunk[row:start].data)
        yield self._numbering.count_on(chunk[start:])

    def _is_due(self) -> bool:
        return self._report_is_due or self._next_command() is not None

    @property
    def _report_is_due(self) -> bool:
        return bool(self._reports) and self._reports[0][0] <= self._newest

    def _next_command(self) -> int | None:
        """Which command is due at its position."""
        for number, placed in enumerate(self._waiting):
            by_packet = placed.packet is not None and placed.packet <= self._packets
            by_time = placed.packet is None and self._first + placed.seconds <= self._newest
            if by_packet or by_time:
                return number
        return None

    def _insert(self) -> StreamChunk:
        """The next report that is due, or else the command that is due at its position."""
        number = self._next_command()
        if self._report_is_due or number is None:
            return self._report()
        return self._command(self._waiting.pop(number).command)

    def _last(self) -> StreamChunk:
        """After the source: the next of the reports and commands that are left, by their times."""
        moments = [self._moment(placed) for placed in self._waiting]
        if not moments or (self._reports and self._reports[0][0] <= min(moments)):
            return self._report()
        number = moments.index(min(moments))
        self._newest = float(np.fmax(self._newest, moments[number]))
        return self._command(self._waiting.pop(number).command)

    def _moment(self, placed: PlacedCommand) -> float:
        """When a command is due that the source did not reach."""
        if placed.packet is not None or np.isinf(placed.seconds):
            return self._time
        return (self._now if np.isnan(self._first) else self._first) + placed.seconds

    def _command(self, command: Telecommand) -> StreamChunk:
        rule = self._encoder.instrument.packets[command.kind]
        count = self._numbering.next(rule.apid, command=True)
        data = self._encoder.make(command.kind, np.array([count]), _ticks(self._time), command.columns())
        self._schedule(data)
        return StreamChunk.single(
            data, packet=True, apid=rule.apid, count=count, command=True, time=self._time
        )

    def _report(self) -> StreamChunk:
        time, _, subservice, request = heapq.heappop(self._reports)
        self._newest = float(np.fmax(self._newest, time))
        kind = self._kinds[subservice]
        rule = self._encoder.instrument.packets[kind]
        count = self._numbering.next(rule.apid, command=False)
        columns = report_columns(self._encoder.layouts[kind], request, _FAILURE_CODE)
        data = self._encoder.make(kind, np.array([count]), _ticks(time), columns)
        return StreamChunk.single(data, packet=True, apid=rule.apid, count=count, time=time)

    def _schedule(self, command: ByteArray) -> None:
        acknowledge = int(command[_FLAGS_BYTE]) & 15 if len(command) > _FLAGS_BYTE else 0
        for subservice, delay in answers(self._timing, self._refuse, acknowledge):
            due = self._time + delay
            heapq.heappush(self._reports, (due, next(self._order), subservice, request_id(command)))

    @property
    def _time(self) -> float:
        return self._now if np.isnan(self._newest) else self._newest


def present(instrument: Instrument) -> float:
    """What the on-board counter of an instrument with a perfect clock shows now, s."""
    moment = np.datetime64(int(system_time.time()), "s")
    return float(to_seconds(str(moment))) - epoch_seconds(instrument)


def _ticks(time: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(time * TICKS_PER_SECOND)])
