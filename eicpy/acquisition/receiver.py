"""The receiver: a TCP server that archives what it is sent, before anything else.

It listens on the loopback unless told otherwise, and accepts only the peers it was given. One run is
opened with the first byte and closed when the receiver stops; connections come and go within it, so
that a packet that was cut by a lost connection is whole again when the sender goes on where it was.
Foreign and damaged bytes are archived like all others, and counted.
"""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from html import escape

from eicpy.acquisition.archive import RunArchive
from eicpy.acquisition.decoding import is_simulated
from eicpy.acquisition.framing import Merger, StreamCount
from eicpy.acquisition.run import Run
from eicpy.acquisition.writer import RunWriter
from eicpy.errors import BadArgumentError, FailedError
from eicpy.instruments import Instrument

__all__ = ["LOOPBACK", "ReceiveSummary", "receive"]

LOOPBACK = ("127.0.0.1", "::1")
_BUFFER = 1 << 18
_TICK = 0.05
_MOST_WAITING = 1 << 24

_log = logging.getLogger(__name__)


@dataclass
class ReceiveSummary:
    """What was received.

    Parameters
    ----------
    run
        The run that holds it; None if nothing came.
    size
        Bytes.
    packets, damaged, foreign_bytes
        Valid packets, damaged packets, and bytes that are part of no packet.
    connections
        Connections accepted.
    refused
        Addresses that are no peers, with how often they tried.
    seconds
        From the first byte to the last, s.
    """

    run: Run | None = None
    size: int = 0
    packets: int = 0
    damaged: int = 0
    foreign_bytes: int = 0
    connections: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def _repr_html_(self) -> str:
        run = "nothing came" if self.run is None else f"run {self.run.number}"
        refused = ", ".join(f"{escape(peer)} ({n}×)" for peer, n in self.refused.items()) or "none"
        return (
            f"<p>Received: {run}, {self.size} bytes, {self.packets} packets, {self.damaged} damaged, "
            f"{self.foreign_bytes} foreign bytes, {self.connections} connections, refused: {refused}</p>"
        )


@dataclass(frozen=True)
class _Rules:
    """When to stop, whom to let in."""

    until_idle: float | None
    duration: float | None
    until_disconnect: bool
    peers: frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]
    stop: threading.Event
    on_progress: Callable[[ReceiveSummary], None] | None


def receive(
    archive: RunArchive,
    instrument: Instrument,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    peers: Sequence[str] = LOOPBACK,
    until_idle: float | None = None,
    duration: float | None = None,
    until_disconnect: bool = False,
    comment: str = "",
    stop: threading.Event | None = None,
    on_listening: Callable[[str, int], None] | None = None,
    on_progress: Callable[[ReceiveSummary], None] | None = None,
) -> ReceiveSummary:
    """Receive packets over TCP into a new run, until told to stop.

    Stops on SIGTERM or SIGINT (when called in the main thread), when `stop` is set, or as the options
    say. The run is closed with what has come. Runs that a dead receiver left open are closed first.

    Parameters
    ----------
    archive
        Where the run is opened.
    instrument
        Whose header rules tell packets apart. Packets of others are archived all the same.
    host, port
        Address to listen on; port 0 takes a free one.
    peers
        Addresses that may connect; by default this machine alone.
    until_idle
        Stop after this long without a byte, s, once something has come.
    duration
        Stop after this long, s.
    until_disconnect
        Stop when the last connection that had sent something closes.
    comment
        Kept in the description of the run.
    stop
        Set by another thread to stop.
    on_listening
        Called with the address and the port when connections are accepted.
    on_progress
        Called every 50 ms with the summary so far.

    Returns
    -------
    ReceiveSummary
        What was received.

    Raises
    ------
    BadArgumentError
        For an address that is none.
    FailedError
        If the address cannot be listened on, or the archive cannot be written (a full disk). What was
        archived before is intact, and its run is closed or, where even that fails, left open.
    """
    rules = _Rules(
        until_idle, duration, until_disconnect, _addresses(peers), stop or threading.Event(), on_progress
    )
    for run in archive.recover():
        _log.warning("closed run %d, which a receiver that died had left open", run.number)
    receiver = _Receiver(archive, instrument, rules, comment)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(receiver.serve(host, port, on_listening))
    with ThreadPoolExecutor(1) as beside:  # in a notebook, whose own loop runs in this thread
        try:
            return beside.submit(asyncio.run, receiver.serve(host, port, on_listening)).result()
        finally:
            rules.stop.set()


def _addresses(peers: Sequence[str]) -> frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return frozenset(ipaddress.ip_address(peer) for peer in peers)
    except ValueError as error:
        raise BadArgumentError(f"{error}; expected peers as addresses, for example 192.168.1.20") from error


class _Receiver:
    """The state of one :func:`receive`."""

    def __init__(self, archive: RunArchive, instrument: Instrument, rules: _Rules, comment: str) -> None:
        self.archive = archive
        self.instrument = instrument
        self.rules = rules
        self.comment = comment
        self.writer: RunWriter | None = None
        self.merger = Merger(self._append, instrument)
        self.summary = ReceiveSummary()
        self.open: set[_Connection] = set()
        self.error: FailedError | None = None
        self.first = self.last = 0.0
        self.disconnected = False

    async def serve(
        self, host: str, port: int, on_listening: Callable[[str, int], None] | None
    ) -> ReceiveSummary:
        """Accept connections until a rule says stop, then close the run."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.rules.stop.set)
        try:
            server = await loop.create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            raise FailedError(f"{host}:{port}: cannot be listened on: {error.strerror}") from error
        try:
            if on_listening is not None:
                on_listening(*server.sockets[0].getsockname()[:2])
            await self._wait()
        finally:
            server.close()
            for connection in list(self.open):
                connection.leave()
            self._finish()
        if self.error is not None:
            raise self.error
        return self.summary

    async def _wait(self) -> None:
        begun = synced = time.monotonic()
        rules = self.rules
        while not rules.stop.is_set() and self.error is None:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            self._unblock(now)
            if self.writer is not None and now - synced > 1.0:
                await asyncio.get_running_loop().run_in_executor(None, self.writer.sync)
                synced = time.monotonic()
            if rules.on_progress is not None:
                rules.on_progress(self._summarise())
            idle = (
                self.writer is not None
                and rules.until_idle is not None
                and now - self.last > rules.until_idle
            )
            late = rules.duration is not None and now - begun > rules.duration
            if idle or late or (rules.until_disconnect and self.disconnected and not self.open):
                return

    def _unblock(self, now: float) -> None:
        """Let silent connections lose their turn, and reading go on when memory is free again."""
        if self.merger.waiting:
            for connection in list(self.open):
                if now - connection.last > 1.0:
                    self._guard(partial(self.merger.release, connection))
        if self.merger.waiting < _MOST_WAITING:
            for connection in self.open:
                connection.resume()

    def accepts(self, address: str) -> bool:
        """Whether an address is a peer."""
        ip = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(ip, "ipv4_mapped", None)
        if (mapped or ip) in self.rules.peers:
            return True
        self.summary.refused[address] = self.summary.refused.get(address, 0) + 1
        _log.warning("refused a connection from %s, which is no peer", address)
        return False

    def take(self, connection: "_Connection", data: bytes) -> None:
        """Archive bytes of a connection."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        self._guard(partial(self.merger.feed, connection, data))
        if self.merger.waiting >= _MOST_WAITING:
            connection.pause()

    def lost(self, connection: "_Connection") -> None:
        """Forget a connection that closed."""
        self.open.discard(connection)
        self.disconnected = self.disconnected or connection.last > 0.0
        self._guard(partial(self.merger.release, connection))

    def _guard(self, work: Callable[[], None]) -> None:
        if self.error is None:
            try:
                work()
            except FailedError as error:
                _log.error("reception stops: %s", error)
                self.error = error

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        if self.writer is None:
            address = ", ".join(sorted({connection.peer for connection in self.open}))
            self.writer = self.archive.create(source=f"tcp {address}", comment=self.comment)
        self.writer.append(data)

    def _summarise(self) -> ReceiveSummary:
        count: StreamCount = self.merger.count
        summary = self.summary
        summary.packets, summary.damaged = count.packets, count.damaged
        summary.foreign_bytes = count.foreign_bytes
        summary.seconds = self.last - self.first
        if self.writer is not None:
            summary.run, summary.size = self.writer.run, self.writer.size
        return summary

    def _finish(self) -> None:
        if self.writer is not None:
            index = self.writer.run.index(self.instrument)
            self.merger.count = StreamCount()  # of the run as a whole, whichever way its packets came
            self.merger.count.add(index)
            self._summarise()
            simulated = is_simulated(index, self.instrument)
            with contextlib.suppress(FailedError) if self.error else contextlib.nullcontext():
                self.writer.close(simulated=simulated)


class _Connection(asyncio.BufferedProtocol):
    """One connection: its bytes go to the receiver as they come."""

    def __init__(self, receiver: _Receiver) -> None:
        self.receiver = receiver
        self.buffer = bytearray(_BUFFER)
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self.last = 0.0
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a peer in, and nobody else."""
        assert isinstance(transport, asyncio.Transport)  # a TCP server makes no other
        address = transport.get_extra_info("peername")
        if address is None or not self.receiver.accepts(address[0]):
            transport.abort()
            return
        self.transport, self.peer = transport, address[0]
        self.receiver.open.add(self)
        self.receiver.summary.connections += 1
        _log.info("connection from %s port %s", *address[:2])

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002, the signature is asyncio's
        """Where the next bytes go."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that came."""
        self.last = time.monotonic()
        self.receiver.take(self, bytes(memoryview(self.buffer)[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, the signature is asyncio's
        """Tell the receiver, once."""
        if self.transport is not None:
            self.transport = None
            self.receiver.lost(self)

    def pause(self) -> None:
        """Read no more for now: the sender waits."""
        if self.transport is not None and not self.paused:
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.transport is not None and self.paused:
            self.paused = False
            self.transport.resume_reading()

    def leave(self) -> None:
        """Close, and hand over what is left."""
        if self.transport is not None:
            transport, self.transport = self.transport, None
            transport.abort()
            self.receiver.lost(self)
