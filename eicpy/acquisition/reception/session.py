"""The loop of the receiver: what it does with connections, datagrams, orders, a full disk, and the end."""

import asyncio
import contextlib
import functools
import ipaddress
import itertools
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np

from eicpy.acquisition.reception.admission import ConnectionTable
from eicpy.acquisition.reception.archiver import Archiver, RunTexts
from eicpy.acquisition.reception.closing import Closer
from eicpy.acquisition.reception.connection import SCRATCH, Connection
from eicpy.acquisition.reception.datagrams import MOST_STRANGERS, DatagramReader, count_stranger
from eicpy.acquisition.reception.framing import Piece, StreamCount
from eicpy.acquisition.reception.held_sockets import GivenSockets
from eicpy.acquisition.reception.options import ReceiveRules
from eicpy.acquisition.reception.reporting import ReceptionReport, ReceptionState
from eicpy.acquisition.reception.sockets import Datagram
from eicpy.acquisition.reception.streams import Stream, Streams
from eicpy.acquisition.status import Order, Station, StatusReport, serve_orders
from eicpy.decoding.running_continuity import RunningContinuity
from eicpy.errors import BadArgumentError, FailedError, GoneError
from eicpy.files import is_full_disk, is_passing
from eicpy.instruments import Instrument
from eicpy.packets import index_packets
from eicpy.packets.primary_header import APIDS
from eicpy.process import stop_on_signals
from eicpy.runs.archive import RunArchive
from eicpy.runs.run import Run

__all__ = ["Reception"]

_log = logging.getLogger(__name__)

_TICK = 0.05
_RETRY = 1.0
_SYNC = 1.0
_REPORT = 0.5
_MOST_TURNS = 256
_HASHED_A_SECOND = 1 << 25


class Reception:
    """The state of one :func:`~eicpy.acquisition.receive`.

    Parameters
    ----------
    archive, instrument, rules
        As given to it.
    texts
        What people say about the runs.
    on_run
        Called in another thread with each run that is complete.
    """

    def __init__(
        self,
        archive: RunArchive,
        instrument: Instrument,
        rules: ReceiveRules,
        texts: RunTexts,
        on_run: Callable[[Run], None] | None,
    ) -> None:
        self.archive = archive
        self._instrument = instrument
        self.rules = rules
        self._peers = _addresses(rules.peers)
        self._on_run = on_run
        self._closer = Closer(archive, instrument, self._closed)
        self.archiver = Archiver(
            archive, instrument, self._closer.submit, self._source, texts, on_gone=self._run_gone
        )
        self.streams = Streams(instrument, self._archive, self._gone, rules.timeout)
        self.count = StreamCount()
        self.connections = 0
        self.refused: Counter[str] = Counter()
        self.problems: list[str] = []
        self.first = self.last = 0.0
        self.open = ConnectionTable()
        self.scratch = memoryview(bytearray(SCRATCH))
        self.datagrams: DatagramReader | None = None
        self.tcp_address = ("", 0)
        self.is_full = False
        """Whether reading has stopped, for want of space or of the archive itself."""
        self._known = np.zeros(APIDS, np.bool_)
        self._known[[header.apid for header in instrument.headers] or slice(None)] = True
        self._strangers = 0
        self._udp_dropped = 0
        self._retried = 0.0
        self._error: FailedError | None = None
        self._disconnected = False
        self._station: Station | None = None
        self._report = ReceptionReport(archive.folder, instrument)

    @property
    def archived(self) -> int:
        """Bytes that are in the archive; those of runs that were taken away meanwhile are not."""
        return self.archiver.archived - self._closer.gone

    @property
    def udp_dropped(self) -> int:
        """Datagrams that came and were lost."""
        if self.datagrams is not None:
            self._udp_dropped = self.datagrams.dropped
        return self._udp_dropped

    @asynccontextmanager
    async def listening(
        self, bind: Callable[[], GivenSockets], station: Station | None
    ) -> AsyncIterator[None]:
        """Listen, report the status and take orders while the block runs; then end the run.

        Parameters
        ----------
        bind
            Gives the sockets; what comes waits in the kernel and in memory until all else is ready.
        station
            Where the receiver reports its status and takes orders.

        Raises
        ------
        FailedError
            If an address cannot be listened on, or another receiver of the station runs.
        """
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            stack.enter_context(stop_on_signals(self.rules.stop))
            status: StatusReport | None = None
            if station is not None:
                status = stack.enter_context(station.report("receiver", role="receiver"))
            self._report.status, self._station = status, station
            sockets = bind()
            stack.callback(sockets.close)
            stack.push_async_callback(self._end)
            self.tcp_address = sockets.tcp[0].getsockname()[:2]
            if sockets.udp is not None:
                self.datagrams = DatagramReader(sockets, self._is_peer, self._take_datagrams)
            _warm(instrument=self._instrument)
            self._closer.recover(self.archive.names())
            for listening in sockets.tcp:
                server = await loop.create_server(lambda: Connection(self), sock=listening)
                stack.callback(server.close)
            if station is not None:
                await stack.enter_async_context(serve_orders(station, self._execute))
            self._report.update(self._state())
            yield

    def _state(self) -> ReceptionState:
        """The reception as it is now, for the report."""
        archiver, datagrams = self.archiver, self.datagrams
        listening = ["tcp {}:{}".format(*self.tcp_address)]
        refused = [("tcp", address) for address in self.refused]
        if datagrams is not None:
            listening.append("udp {}:{}".format(*datagrams.address))
            refused += [("udp", address) for address in list(datagrams.refused)]
        return ReceptionState(
            run=archiver.opened[-1] if archiver.opened else None,
            archived=self.archived,
            held=archiver.held,
            error=archiver.error,
            mode=archiver.mode,
            is_full=self.is_full,
            last=self.last if self.first else 0.0,
            count=self.count,
            udp_dropped=self.udp_dropped,
            listening=listening,
            streams=self.streams.all,
            connections=self.open,
            gave_way=self.open.gave_way,
            refused=refused,
        )

    async def run(self, on_progress: Callable[[], None]) -> None:
        """Receive until a rule says stop.

        Raises
        ------
        FailedError
            If the archive cannot be written.
        """
        begun = synced = reported = time.monotonic()
        while not self.rules.stop.is_set() and self._error is None:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            self.streams.tick(now)
            self.open.trim()
            self._try_again(now)
            if now - synced > _SYNC:
                synced = now
                await self._sync()
            if now - reported > _REPORT:
                reported = now
                self._report.update(self._state())
            on_progress()
            if self._is_over(begun, now):
                return

    def admit(self, connection: Connection, address: str) -> bool:
        """Whether a peer may connect."""
        if not self._is_peer(address):
            count_stranger(self.refused, address)
            return False
        self.open.add(connection)
        self.connections += 1
        return True

    def take(self, connection: Connection, chunk: memoryview | int) -> None:
        """Take bytes of a connection."""
        now = self._heard()
        if connection.stream is None:
            assert not isinstance(chunk, int)  # it has no stream that could have room
            connection.stream = self.streams.of_connection(connection.address, chunk, now)
            connection.good_before = connection.stream.good
        self.streams.feed(connection.stream, chunk, now)

    def lost(self, connection: Connection) -> None:
        """Remember the stream of a connection that is closed."""
        self.open.discard(connection)
        if connection.stream is not None:
            self._disconnected = True
            self.streams.disconnect(connection.stream, time.monotonic())

    def _heard(self) -> float:
        self.last = time.monotonic()
        self.first = self.first or self.last
        return self.last

    def _take_datagrams(self) -> None:
        if self.datagrams is None:
            return
        waiting = self.datagrams.take()
        now = self._heard() if waiting else 0.0
        for sender, data in _turns(waiting):
            self.streams.feed(self.streams.of_sender(sender, now), data, now)

    def _archive(self, stream: Stream, piece: Piece) -> None:
        self.count.add(piece.index)
        stream.good += int(np.count_nonzero(piece.index.good & self._known[piece.index.apid]))
        opened = self.archiver.opened
        self._report.seen(piece.index, opened[-1].number if opened else 0, piece.buffer)
        self._guard(functools.partial(self.archiver.take, stream, piece))

    def _gone(self, stream: Stream) -> None:
        self.archiver.copies.end(stream)

    def _guard(self, work: Callable[[], None]) -> None:
        """Do what writes to the archive: wait where it cannot be written now, else give up."""
        try:
            work()
        except FailedError as error:
            if not is_passing(error):
                _log.error("reception stops: %s", error)
                self._error = self._error or error
            elif not self.is_full:
                self._report.waits_for = "space" if is_full_disk(error) else "archive"
                _log.error(
                    "NO %s, reading stops until there is some: %s", self._report.waits_for.upper(), error
                )
                self._report.error = f"no {self._report.waits_for}: {error}"
                if self._report.error not in self.problems:
                    self.problems.append(self._report.error)
            self._set_full(full=True)

    def _run_gone(self, run: Run, error: GoneError) -> None:
        """Say wherever somebody looks that a run was taken away while it was written."""
        words = f"{error}; what comes goes into a new run"
        _log.error("RUN %d IS GONE: %s", run.number, words)
        self.problems.append(words)
        self._report.gone(words)
        if self._station is not None:
            try:
                self._station.journal("receiver", words, run.number)
            except FailedError as trouble:
                _log.error("not in the journal: %s", trouble)

    def _try_again(self, now: float) -> None:
        if not self.is_full or self._error is not None or now - self._retried < _RETRY:
            return
        self._retried = now
        with contextlib.suppress(FailedError):
            self.archiver.retry()
        if not self.archiver.is_blocked:
            _log.warning("%s is available again, reading resumes", self._report.waits_for)
            self._report.error = None
            self._closer.retry()
            self.last = now  # nobody was silent: nobody was listened to
            self._set_full(full=False)

    def _set_full(self, *, full: bool) -> None:
        if full and not self.is_full:
            self._retried = time.monotonic()
        changed, self.is_full = full != self.is_full, full
        if changed:
            if self.datagrams is not None:
                self.datagrams.is_open = not full
            for connection in self.open:
                connection.pause_or_resume()
            self._report.update(self._state())

    async def _sync(self) -> None:
        """Force appended bytes to the disk, and continue the hash of the run while little comes.

        Before, see that the run is still there.
        """
        if not self.is_full:
            self._guard(self.archiver.check)
        writer = self.archiver.writer
        if writer is None:
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, writer.sync)
            if self._report.rate < _HASHED_A_SECOND:
                await loop.run_in_executor(None, writer.hash_some, _HASHED_A_SECOND)
        except FailedError as error:
            self._guard(self.archiver.check)  # its run may be gone, which is said with other words
            if self.archiver.writer is writer:
                self._guard(functools.partial(_raise, error))

    def _execute(self, order: Order) -> str:
        if order.kind == "comment":
            return self.archiver.execute(
                order
            )  # a failure is the answer to the operator, and reception continues
        answer = ""
        failed: FailedError | None = None

        def execute() -> None:
            nonlocal answer, failed
            try:
                answer = self.archiver.execute(order)
            except FailedError as error:
                failed = error
                raise

        self._guard(execute)
        self._report.update(self._state())
        if failed is not None:
            raise failed
        return answer

    def _is_over(self, begun: float, now: float) -> bool:
        rules = self.rules
        idle = rules.until_idle is not None and self.first > 0 and now - self.last > rules.until_idle
        late = rules.duration is not None and now - begun > rules.duration
        left = rules.until_disconnect and self._disconnected and not self.open
        return (idle or late or left) and not self.is_full

    def _is_peer(self, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        if (getattr(ip, "ipv4_mapped", None) or ip) in self._peers:
            return True
        if address not in self.refused and self._strangers < MOST_STRANGERS:
            self._strangers += 1
            _log.warning("refused %s, which is no peer", address)
        return False

    def _source(self) -> str:
        senders = {(s.transport, s.address) for s in self.streams.all}
        senders |= {("tcp", connection.address) for connection in self.open}
        return ", ".join(f"{transport} {address}" for transport, address in sorted(senders)) or "nobody yet"

    def _closed(self, run: Run, _count: StreamCount) -> None:
        if self._on_run is not None:
            self._on_run(run)

    async def _end(self) -> None:
        """Archive the last bytes, close the run, and wait until all runs are complete."""
        for connection in list(self.open):
            connection.leave()
        if self.datagrams is not None:
            await asyncio.get_running_loop().run_in_executor(None, self.datagrams.close)
            self._take_datagrams()
            self.refused += self.datagrams.refused
        self.streams.end_all()
        try:
            self.archiver.finish()
        except FailedError as error:
            held, run = self.archiver.held, self.archiver.writer and self.archiver.writer.run.number
            self.archiver.abandon()
            if self._error is None:
                words = f"{held} bytes that were received are not in the archive"
                if not held:
                    words = f"what was received is in the archive, but run {run} is left open"
                self._error = FailedError(f"{words}: {error}")
                self._error.__cause__ = error
        await asyncio.get_running_loop().run_in_executor(None, self._closer.close)
        self.problems += [str(error) for error in self._closer.errors]
        self._report.update(self._state(), ended=True)
        if self._error is not None:
            raise self._error


def _turns(datagrams: list[Datagram]) -> list[tuple[str, bytes]]:
    """Datagrams of a sender that follow one another as one piece; by sender if they change too often."""
    turns = [
        (key, b"".join(data for _, data in group))
        for key, group in itertools.groupby(datagrams, lambda datagram: datagram[0])
    ]
    if len(turns) > _MOST_TURNS:
        pieces: dict[tuple[str, int], list[bytes]] = {}
        for key, data in turns:
            pieces.setdefault(key, []).append(data)
        turns = [(key, b"".join(parts)) for key, parts in pieces.items()]
    return [(f"{host}:{port}", data) for (host, port), data in turns]


def _warm(instrument: Instrument) -> None:
    """Call the kernels once, so that the first packet does not wait for their compilation."""
    apid = instrument.headers[0].apid if instrument.headers else 0
    packets = bytes([8 | apid >> 8, apid & 255, 0xC0, 0, 0, 9, *bytes(10)]) * 3
    RunningContinuity(instrument).add(index_packets(packets, instrument.headers, checksum="none"))
    index_packets(packets, instrument.headers)


def _addresses(peers: Sequence[str]) -> frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return frozenset(ipaddress.ip_address(peer) for peer in peers)
    except ValueError as error:
        raise BadArgumentError(f"{error}; expected peers as addresses, for example 192.168.1.20") from error


def _raise(error: FailedError) -> None:
    raise error
