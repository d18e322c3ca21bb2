"""Lines to a receiver: TCP, and UDP with whole packets in each datagram."""

import errno
import select
import socket
import time as system_time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import numpy as np

from eicpy.egse.pace import Clock
from eicpy.egse.stream_chunk import StreamChunk
from eicpy.errors import BadArgumentError, FailedError

__all__ = ["Link", "TcpLink", "UdpLink"]

_CHUNK = 1 << 18
_PATIENCE = 600.0
"""How long a receiver may take none of the bytes, or may take to close, s: one that starts on a busy machine
needs minutes, one whose machine is gone is noticed by its silence on the connection."""
_LARGEST_DATAGRAM = 65507
"""What a UDP datagram can hold, bytes."""


class Link(Protocol):
    """A line to a receiver."""

    size: int
    """Bytes handed over so far."""
    packets: int
    """Packets handed over so far, whole."""
    connections: int
    """How often the line was opened."""

    @property
    def sent(self) -> str:
        """What went out so far, for people."""

    def send(self, chunk: StreamChunk) -> None:
        """Hand the bytes of a chunk over."""

    def interrupt(self) -> None:
        """Break the line off, and open it again."""

    def close(self) -> None:
        """Wait until the receiver has taken everything."""

    def abort(self) -> None:
        """Let go of the line at once."""


class TcpLink:
    """A TCP connection, opened again where it breaks if that is wished.

    What the operating system had taken when the receiver went away, but the receiver had not read, is
    lost: nobody on this side knows how much that is. The packet in which the line broke is repeated.

    Parameters
    ----------
    host, port
        The receiver. One that does not answer yet is tried until `connect_timeout`.
    connect_timeout
        How long to try to connect, s.
    reconnect
        Whether to connect again when the receiver goes away.
    report
        Called with a text when the line breaks and when it is back.
    clock
        PacketSource of the time.

    Raises
    ------
    FailedError
        If nobody answers.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_timeout: float = 10.0,
        reconnect: bool = False,
        report: Callable[[str], None] = lambda _: None,
        clock: Clock = system_time,
    ) -> None:
        self.size = self.packets = self.connections = 0
        self._host, self._port = host, port
        self._connect_timeout, self._reconnect = connect_timeout, reconnect
        self._report, self._clock = report, clock
        self._connection = self._connect()

    def send(self, chunk: StreamChunk) -> None:
        """Hand the bytes of a chunk over; returns when the operating system has them all.

        Raises
        ------
        FailedError
            If the connection is closed and cannot be made again within the timeout; the message says
            how much went out.
        """
        view = chunk.data.data
        at = 0
        while at < len(view):
            try:
                taken = self._write(view[at : at + _CHUNK])
            except OSError as error:
                self._reopen(error)
                at = _packet_start(chunk, at)
            else:
                at += taken
                self.size += taken
        self.packets += chunk.packets

    def interrupt(self) -> None:
        """Close the connection in good order, when the receiver has taken everything, and open another.

        Raises
        ------
        FailedError
            If nobody answers any more.
        """
        try:
            self._finish()
        except OSError as error:  # it was the receiver who broke it off
            self._reopen(error)
        else:
            self._connection = self._connect()

    def close(self) -> None:
        """Close the connection for writing, and wait until the receiver closes it: it has everything.

        Raises
        ------
        FailedError
            If the receiver broke the connection off.
        """
        try:
            self._finish()
        except OSError as error:
            raise self._closed(error) from error

    def abort(self) -> None:
        """Let go of the connection at once."""
        self._connection.close()

    def _write(self, part: memoryview) -> int:
        """Hand bytes over; a receiver that closed its end is noticed before more are lost to it."""
        if select.select([self._connection], [], [], 0)[0] and not self._connection.recv(1 << 12):
            raise BrokenPipeError(errno.EPIPE, "closed by the receiver")
        return self._connection.send(part)

    def _finish(self) -> None:
        with self._connection as connection:
            connection.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):  # a receiver that never closes has had its time
                while connection.recv(1 << 12):
                    pass

    def _reopen(self, error: OSError) -> None:
        self._connection.close()
        if not self._reconnect:
            raise self._closed(error) from error
        self._report(f"{self._where} went away after {_counted(self)} ({error.strerror or error})")
        self._connection = self._connect()
        self._report(f"{self._where} is reachable again: connection {self.connections}")

    def _closed(self, error: OSError) -> FailedError:
        if isinstance(error, TimeoutError):
            return FailedError(
                f"{self._where} took none of the bytes for {_PATIENCE:.0f} s after about {_counted(self)}: "
                "got no answer, expected a receiver that reads; `eic monitor` shows what it does"
            )
        return FailedError(
            f"{self._where} closed the connection after about {_counted(self)}: "
            f"{error.strerror or error}; is this host one of the receiver's peers?"
        )

    @property
    def sent(self) -> str:
        """What went out so far, for people."""
        again = f" over {self.connections} connections" if self.connections > 1 else ""
        return f"{_counted(self)} sent to {self._where}{again}"

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _connect(self) -> socket.socket:
        end = self._clock.monotonic() + self._connect_timeout
        while True:
            try:
                connection = socket.create_connection((self._host, self._port), timeout=self._connect_timeout)
            except OSError as error:
                if self._clock.monotonic() >= end or isinstance(error, socket.gaierror):
                    sent = f" after {_counted(self)}" if self.size else ""
                    raise FailedError(
                        f"{self._where}: no receiver answers{sent}: {error.strerror or error}; "
                        "start one with `eic receive`"
                    ) from error
                self._clock.sleep(0.1)
            else:
                connection.settimeout(_PATIENCE)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.connections += 1
                return connection


class UdpLink:
    """Datagrams of one or several whole packets.

    Nobody acknowledges a datagram: what a busy receiver drops shows as a gap in the sequence counts.

    Parameters
    ----------
    host, port
        The receiver.
    datagram
        Most bytes of a datagram that holds several packets. A longer packet travels alone.
    lenient
        Whether to go on when the receiver's host says that nobody listens.

    Raises
    ------
    BadArgumentError
        For a datagram size that cannot be.
    FailedError
        For a host that does not exist.
    """

    def __init__(self, host: str, port: int, *, datagram: int = 1472, lenient: bool = False) -> None:
        if not 1 <= datagram <= _LARGEST_DATAGRAM:
            raise BadArgumentError(
                f"got datagrams of {datagram} bytes, expected 1 to {_LARGEST_DATAGRAM} (1472 fit an Ethernet)"
            )
        self.size = self.packets = self.datagrams = 0
        self.connections = 1
        self._datagram, self._lenient, self._where = datagram, lenient, f"{host}:{port}"
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.connect(address)
        except OSError as error:
            raise FailedError(f"{self._where}: {error.strerror or error}") from error

    @property
    def sent(self) -> str:
        """What went out so far, for people."""
        return f"{_counted(self)} sent to {self._where} in {self.datagrams} datagrams"

    def send(self, chunk: StreamChunk) -> None:
        """Send the packets of a chunk; bytes between packets travel in datagrams of their own.

        Raises
        ------
        FailedError
            If a packet is longer than a datagram can be, or nobody listens.
        """
        view = chunk.data.data
        for first, stop in self._datagrams(chunk):
            begin = int(chunk.begin[first])
            end = int(chunk.begin[stop - 1] + chunk.size[stop - 1])
            if chunk.packet[first] and end - begin > _LARGEST_DATAGRAM:
                raise FailedError(
                    f"got a packet of {end - begin} bytes, expected at most {_LARGEST_DATAGRAM} over UDP: "
                    "use TCP"
                )
            step = end - begin if chunk.packet[first] else self._datagram
            for at in range(begin, end, step):
                self._one(view[at : min(at + step, end)])
            self.packets += int(chunk.packet[first:stop].sum())

    def interrupt(self) -> None:
        """UDP has no connection to break.

        Raises
        ------
        BadArgumentError
            Always.
        """
        raise BadArgumentError("got a disconnect over UDP, which has no connection; use TCP")

    def close(self) -> None:
        """Let go of the socket; nothing says whether everything arrived."""
        self._socket.close()

    abort = close

    def _datagrams(self, chunk: StreamChunk) -> Iterator[tuple[int, int]]:
        """First piece and end of each datagram."""
        ends = chunk.begin + chunk.size
        first = 0
        while first < len(chunk):
            stop = int(np.searchsorted(ends, chunk.begin[first] + self._datagram, side="right"))
            foreign = np.flatnonzero(~chunk.packet[first:stop])
            if len(foreign):
                stop = first + int(foreign[0])
            stop = max(stop, first + 1)
            yield first, stop
            first = stop

    def _one(self, part: memoryview) -> None:
        for attempt in range(3):
            try:
                self._socket.send(part)
            except ConnectionRefusedError as error:  # of an earlier datagram
                if not self._lenient:
                    raise FailedError(
                        f"{self._where}: nobody listens (after {self.size} bytes, {self.packets} packets); "
                        "start a receiver"
                    ) from error
                if attempt == 2:
                    return
            except OSError as error:
                raise FailedError(
                    f"{self._where}: {error.strerror or error} after {self.size} bytes"
                ) from error
            else:
                self.size += len(part)
                self.datagrams += 1
                return


def _counted(link: Link) -> str:
    return f"{link.size} bytes" + (f" ({link.packets} packets)" if link.packets else "")


def _packet_start(chunk: StreamChunk, at: int) -> int:
    """Where to go on after a break at a byte: at the start of the packet in which it lies."""
    row = int(np.searchsorted(chunk.begin, at, side="right")) - 1
    return int(chunk.begin[row]) if chunk.packet[row] else at
