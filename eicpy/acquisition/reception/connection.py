"""A TCP connection: its bytes go to the receiver as they come."""

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from eicpy.acquisition.reception.streams import Stream

__all__ = ["SCRATCH", "Connection"]

_log = logging.getLogger(__name__)

SCRATCH = 1 << 16
"""Bytes of a connection that are taken at first, at most."""
_BUFFER = 1 << 20
_SMALL = 1 << 16
"""Bytes that there is room for; more, up to the buffer, as long as they come so fast that this is filled."""
_REST = 0.002
"""Pause after a small read, s: bytes that come meanwhile are read at once, not packet by packet."""


class Taker(Protocol):
    """Who takes the bytes of connections."""

    is_full: bool
    """Whether nothing can be taken, for want of space."""
    scratch: memoryview
    """Where the first bytes of any connection go, until they are taken in the same breath."""

    def admit(self, connection: "Connection", address: str) -> bool:
        """Whether a peer may connect; notes the connection if so."""

    def take(self, connection: "Connection", chunk: memoryview | int) -> None:
        """Take bytes, valid until this returns; or so many that are in the room of its stream."""

    def lost(self, connection: "Connection") -> None:
        """The connection is closed."""


class Connection(asyncio.BufferedProtocol):
    """One connection.

    Parameters
    ----------
    taker
        Takes its bytes.
    """

    def __init__(self, taker: Taker) -> None:
        self._taker = taker
        self._room = _SMALL
        self._transport: asyncio.Transport | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._paused = False
        self.address = ""
        self.port = 0
        self.stream: Stream | None = None
        """Its stream; None until the first bytes show which one it continues."""
        self.good_before = 0
        """Good packets of its stream before it took that over."""
        self.since = time.monotonic()

    @property
    def has_proved_itself(self) -> bool:
        """Whether it has sent whole packets of the instrument."""
        return self.stream is not None and self.stream.good > self.good_before

    def fileno(self) -> int:
        """Descriptor of the socket; -1 once it is closed."""
        connection = None if self._transport is None else self._transport.get_extra_info("socket")
        return -1 if connection is None else int(connection.fileno())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection of a peer; refuse all others."""
        assert isinstance(transport, asyncio.Transport)  # a TCP server makes no other
        name = transport.get_extra_info("peername")
        if name is None:
            transport.abort()
            return
        self.address, self.port = name[:2]
        if not self._taker.admit(self, self.address):
            transport.abort()
            return
        self._transport = transport
        _log.info("connection from %s port %s", self.address, self.port)
        _keep_alive(transport.get_extra_info("socket"))
        self.pause_or_resume()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002, the signature is asyncio's
        """Where the next bytes go."""
        return self._taker.scratch if self.stream is None else self.stream.framer.room(self._room)

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes that came."""
        self._room = min(4 * self._room, _BUFFER) if nbytes >= self._room else max(self._room // 4, _SMALL)
        self._taker.take(self, self._taker.scratch[:nbytes] if self.stream is None else nbytes)
        if nbytes < _SMALL and self._resting is None and self._transport is not None:
            self._resting = asyncio.get_running_loop().call_later(_REST, self._rested)
            self.pause_or_resume()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, the signature is asyncio's
        """Report it to the receiver, once."""
        if self._transport is not None:
            self._transport = None
            self._taker.lost(self)

    def pause_or_resume(self) -> None:
        """Pause reading while the disk is full or the connection rests; else resume."""
        pause = self._taker.is_full or self._resting is not None
        if self._transport is None or pause == self._paused or self._transport.is_closing():
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def leave(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.abort()
            self._taker.lost(self)

    def _rested(self) -> None:
        self._resting = None
        self.pause_or_resume()


def _keep_alive(connection: socket.socket) -> None:
    """Ask a silent peer whether it is alive, so that a cable that was pulled is noticed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
