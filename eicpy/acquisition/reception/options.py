"""Options of :func:`~eicpy.acquisition.receive`: where it listens, who may send, and when it stops."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from eicpy.acquisition.reception.held_sockets import GivenSockets

__all__ = ["LOOPBACK", "ListenAddress", "ReceiveRules"]

LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class ListenAddress:
    """Where a receiver listens.

    Parameters
    ----------
    host, port
        Address for connections; port 0 takes a free one.
    udp
        Address and port for datagrams; None: no datagrams.
    sockets
        Bound already, for example held by the chain that starts receivers; the addresses are then ignored.
    """

    host: str = "127.0.0.1"
    port: int = 0
    udp: tuple[str, int] | None = None
    sockets: GivenSockets | None = None

    def bind(self) -> GivenSockets:
        """Return the bound sockets.

        Raises
        ------
        FailedError
            If an address cannot be listened on.
        """
        return self.sockets or GivenSockets.bind(self.host, self.port, self.udp)


@dataclass(frozen=True, kw_only=True)
class ReceiveRules:
    """Who may send to a receiver, and when it stops.

    Parameters
    ----------
    until_idle
        Stop after this long without a byte, s, once something has come.
    duration
        Stop after this long, s.
    until_disconnect
        Stop when the last connection that had sent something closes.
    peers
        Addresses that may send; by default this machine alone.
    timeout
        How long the rest of a packet is awaited that a lost connection, or a silent one, has cut, s.
    stop
        Set by another thread to stop.
    """

    until_idle: float | None = None
    duration: float | None = None
    until_disconnect: bool = False
    peers: Sequence[str] = LOOPBACK
    timeout: float = 5.0
    stop: threading.Event = field(default_factory=threading.Event)
