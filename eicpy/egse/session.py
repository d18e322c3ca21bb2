"""A session of the electrical ground support equipment: a source over a line, at a pace, with faults."""

import time as system_time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any

from eicpy.egse.line_faults import Disconnect, LineFaults, Stall, write_fault_record
from eicpy.egse.links import Link, TcpLink
from eicpy.egse.pace import AtRate, Clock, Pace, Unpaced
from eicpy.egse.sources import FileSource, PacketSource
from eicpy.egse.stream_chunk import StreamChunk
from eicpy.errors import BadArgumentError

__all__ = ["SendSummary", "SendingSession", "Stage", "send"]

_CHUNK = 1 << 18
_PARTS_A_SECOND = 20
Stage = Callable[[Iterable[StreamChunk]], Iterator[StreamChunk]]
"""Something that changes the stream before faults hit it, for example answers telecommands."""


@dataclass(frozen=True)
class SendSummary:
    """What was sent.

    Parameters
    ----------
    size
        Bytes.
    seconds
        Time it took, s.
    packets
        Packets, as far as they were looked at.
    connections
        How often the line was opened.
    """

    size: int
    seconds: float
    packets: int = 0
    connections: int = 1


@dataclass
class SendingSession:
    """Sends a source over a line.

    Parameters
    ----------
    source
        What is sent.
    link
        The line.
    pace
        When it goes out.
    faults
        What happens to it on the way.
    stages
        What changes the stream before.
    loop
        How often the source is sent; 0: until it is stopped.
    truth
        JSON file for what was done to which packet; written also where the session is broken off.
    progress
        Called with (done, in all), in the units of the source.
    clock
        PacketSource of the time.
    """

    source: PacketSource
    link: Link
    pace: Pace
    faults: LineFaults | None = None
    stages: Sequence[Stage] = ()
    loop: int = 1
    truth: Path | None = None
    progress: Callable[[int, int], None] | None = None
    clock: Clock = system_time

    def run(self) -> SendSummary:
        """Send everything; returns when the receiver has taken it.

        Returns
        -------
        SendSummary
            What was sent.

        Raises
        ------
        BadArgumentError
            For a number of rounds below 0.
        FailedError
            If the line breaks and is not to be opened again.
        """
        if self.loop < 0:
            raise BadArgumentError(f"got {self.loop} rounds, expected 1 or more, or 0 for no end")
        begun = self.clock.monotonic()
        self._done = 0.0
        whole = False
        try:
            stream = self._rounds()
            for stage in self.stages:
                stream = stage(stream)
            for chunk in stream:
                self._send(chunk)
            if self.faults is not None:
                deque(self._release(self.faults.finish()), maxlen=0)
            self.link.close()
            whole = True
        finally:
            if not whole:
                self.link.abort()
            if self.truth is not None:
                write_fault_record(self.truth, self._record(whole=whole))
        seconds = self.clock.monotonic() - begun
        return SendSummary(self.link.size, seconds, self.link.packets, self.link.connections)

    def _rounds(self) -> Iterator[StreamChunk]:
        for _ in range(self.loop) if self.loop else count():
            self._done = 0.0
            yield from self.source.chunks()

    def _send(self, chunk: StreamChunk) -> None:
        """Send a chunk with its faults, and report the progress of the source."""
        before, after = self._done, self.source.done
        self._done = after
        share = (after - before) / max(len(chunk.data), 1)
        parts = [chunk] if self.faults is None else self.faults.apply(chunk)
        for sent in self._release(parts):
            self._report(min(before + share * sent, after))

    def _release(self, parts: Iterable[StreamChunk | Stall | Disconnect]) -> Iterator[int]:
        """Send parts when they are due; gives the bytes that went out."""
        sent = 0
        for part in parts:
            if isinstance(part, Stall):
                self.clock.sleep(part.seconds)
            elif isinstance(part, Disconnect):
                self.link.interrupt()
            else:
                for piece in self.pace.release(part):
                    self.link.send(piece)
                    sent += len(piece.data)
                    yield sent

    def _report(self, done: float) -> None:
        if self.progress is not None and self.source.total:
            self.progress(int(done), int(self.source.total))

    def _record(self, *, whole: bool) -> dict[str, Any]:
        faults = {} if self.faults is None else self.faults.truth()
        return {"source": self.source.name, "sent_whole": whole} | faults | {"contents": self.source.truth()}


def send(
    file: Path,
    host: str,
    port: int,
    *,
    rate: float | None = None,
    start: int = 0,
    connect_timeout: float = 10.0,
    progress: Callable[[int, int], None] | None = None,
) -> SendSummary:
    """Send the bytes of a file over TCP, unaltered.

    Returns when the receiver has taken everything from the connection: the connection is closed for
    writing, and the receiver's own close is awaited.

    Parameters
    ----------
    file
        The file.
    host, port
        The receiver. A receiver that is not there yet is tried until `connect_timeout`.
    rate
        Bytes per second; None: as fast as the receiver takes them.
    start
        Byte to start at, to go on after an interrupted connection.
    connect_timeout
        How long to try to connect, s.
    progress
        Called with (bytes done, bytes in all).

    Returns
    -------
    SendSummary
        What was sent.

    Raises
    ------
    BadArgumentError
        For a rate that is not positive, or a file that is not there.
    BadDataError
        If the file cannot be read.
    FailedError
        If nobody answers, or the connection is closed before everything was sent; the message says
        how many bytes went out.

    See Also
    --------
    SendPlan : makes source, line and faults from words.
    eicpy.acquisition.receive : the other end of the line.
    """
    pace: Pace = Unpaced() if rate is None else AtRate(rate)
    source = FileSource(file, start=start, blind=True, block_size=chunk_bytes(rate))
    link = TcpLink(host, port, connect_timeout=connect_timeout)
    return SendingSession(source, link, pace, progress=progress).run()


def chunk_bytes(rate: float | None) -> int:
    """Bytes that are read at once, so that a slow stream flows and does not come in heaps."""
    if rate is None or not isfinite(rate):  # which the pace refuses
        return _CHUNK
    return max(1, min(_CHUNK, int(rate / _PARTS_A_SECOND)))
