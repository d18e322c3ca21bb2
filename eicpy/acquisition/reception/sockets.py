"""The sockets of reception: bound with as much room in the kernel as it gives, and read by datagram."""

import contextlib
import errno
import socket
import struct
import sys
from pathlib import Path

from eicpy.errors import BadArgumentError, unbindable

__all__ = ["Datagram", "bind_tcp", "bind_udp", "dropped_by_kernel", "host_and_port", "receive_datagram"]

Datagram = tuple[tuple[str, int], bytes]
"""Address of the sender, and what it sent."""

LONGEST = 65536
"""Bytes of a datagram at most."""
_BACKLOG = 128
"""Connections that the kernel completes before they are accepted."""
_BUFFER = 1 << 25
"""Bytes of datagrams that the kernel is asked to keep."""
_NOT_HERE = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""Errors for an address of a host that this machine does not have, for example its IPv6 one."""
_SO_RXQ_OVFL = 40
_SO_RCVBUFFORCE = 33


def host_and_port(text: str) -> tuple[str, int]:
    """Split a text HOST:PORT; an empty host is this machine.

    Raises
    ------
    BadArgumentError
        For anything else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise BadArgumentError(f"got address {text!r}, expected HOST:PORT such as 127.0.0.1:5000")
    return host.strip("[]") or "127.0.0.1", int(port)


def bind_tcp(host: str, port: int) -> tuple[socket.socket, ...]:
    """Listen for connections at each address of a host; the kernel completes them from now on.

    Raises
    ------
    FailedError
        If an address cannot be listened on.
    """
    with contextlib.ExitStack() as stack:
        bound: list[socket.socket] = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for n, (family, address) in enumerate(dict.fromkeys((entry[0], entry[4]) for entry in found), 1):
                try:
                    listening = socket.create_server(address, family=family, backlog=_BACKLOG)
                except OSError as error:
                    if error.errno in _NOT_HERE and (bound or n < len(found)):
                        continue
                    raise
                bound.append(stack.enter_context(listening))
        except OSError as error:
            raise unbindable(error)(f"{host}:{port}: cannot be listened on: {error.strerror}") from error
        stack.pop_all()
    return tuple(bound)


def bind_udp(host: str, port: int) -> socket.socket:
    """Listen for datagrams; the kernel keeps them, and counts what it drops.

    Raises
    ------
    FailedError
        If the address cannot be listened on.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise unbindable(error)(f"{host}:{port} (udp): cannot be listened on: {error.strerror}") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # only the administrator may pass the limit of the system
            bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    return bound


def receive_datagram(udp: socket.socket, room: memoryview, flags: int = 0) -> tuple[Datagram, int | None]:
    """Next datagram, and how many the kernel had dropped before it, where it says so.

    Raises
    ------
    OSError
        As the socket does; TimeoutError if none comes within its timeout.
    """
    size, extra, _, sender = udp.recvmsg_into([room], 64, flags)
    dropped = None
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
            dropped = struct.unpack("=I", data[:4])[0]
    return ((sender[0], sender[1]), bytes(room[:size])), dropped


def dropped_by_kernel(inode: int) -> int:
    """Datagrams that the kernel dropped of a socket, where it keeps a table; 0 elsewhere."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[9]) == inode:
                    return int(fields[12])
    return 0
