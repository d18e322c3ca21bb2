"""Datagrams: taken from the socket by a thread of its own, so that the kernel's buffer never waits for us.

What the thread has taken waits in memory, up to a limit, until the receiver's loop takes it. Whatever is
lost on the way is counted: by the kernel (``SO_RXQ_OVFL``, where there is one), or here.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from eicpy.errors import FailedError

__all__ = ["MOST_STRANGERS", "Datagram", "DatagramReader", "count_stranger"]

_log = logging.getLogger(__name__)

Datagram = tuple[tuple[str, int], bytes]
"""Address of the sender, and what it sent."""

_BUFFER = 1 << 25
"""Bytes that the kernel is asked to keep for us."""
_MOST_WAITING = 1 << 26
_OVERHEAD = 256
"""Memory that a datagram takes besides its bytes."""
MOST_STRANGERS = 256
_LONGEST = 65536
_SO_RXQ_OVFL = 40
_SO_RCVBUFFORCE = 33
_PAUSE = 0.2


class DatagramReader:
    """Takes datagrams from a socket.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one.
    accepts
        Whether an address is a peer; asked once for each sender.
    ready
        Called in the loop when datagrams wait to be taken.

    Raises
    ------
    FailedError
        If the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, accepts: Callable[[str], bool], ready: Callable[[], None]
    ) -> None:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            try:
                self._socket.bind((host, port))
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise FailedError(f"{host}:{port} (udp): cannot be listened on: {error.strerror}") from error
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.dropped_here = 0
        """Datagrams that came when too many waited, or when there was no space on the disk."""
        self.is_open = True
        """Whether datagrams are kept; False drops and counts them."""
        self.refused: Counter[str] = Counter()
        """Datagrams of addresses that are no peers."""
        self._dropped_by_kernel = 0
        self._accepts = accepts
        self._peers: dict[str, bool] = {}
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Datagram] = []
        self._size = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        _prepare(self._socket)
        self._thread = threading.Thread(target=self._read, name="datagrams", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Datagrams that came and were lost; the kernel tells of its own with the next, or in a table."""
        if self._socket.fileno() >= 0:
            listed = _dropped_of(os.fstat(self._socket.fileno()).st_ino)
            self._dropped_by_kernel = max(self._dropped_by_kernel, listed)
        return self._dropped_by_kernel + self.dropped_here

    def take(self) -> list[Datagram]:
        """All that waits, in the order it came."""
        with self._lock:
            waiting, self._waiting, self._size = self._waiting, [], 0
        return waiting

    def close(self) -> None:
        """Take what the kernel still holds, and end; what waits can still be taken."""
        self._ending.set()
        self._thread.join()
        _ = self.dropped  # for the last time from the table
        self._socket.close()

    def _read(self) -> None:
        buffer = bytearray(_LONGEST)
        view = memoryview(buffer)
        self._socket.settimeout(_PAUSE)
        while True:
            try:
                size, extra, _, sender = self._socket.recvmsg_into([view], 64)
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            except OSError as error:  # for example an ICMP answer to nobody; the next one may be good
                _log.warning("%s:%d (udp): %s", *self.address, error)
                self._ending.wait(_PAUSE)
                continue
            for level, kind, data in extra:
                if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                    self._dropped_by_kernel = struct.unpack("=I", data[:4])[0]
            self._keep((sender[0], sender[1]), bytes(view[:size]))
            if self._ending.is_set():
                self._socket.settimeout(0.0001)  # only what is there already

    def _keep(self, sender: tuple[str, int], data: bytes) -> None:
        is_peer = self._peers.get(sender[0])
        if is_peer is None:
            if len(self._peers) > 4096:
                self._peers.clear()  # so many strangers are an attack; each would be logged once more
            is_peer = self._peers[sender[0]] = self._accepts(sender[0])
        if not is_peer:
            count_stranger(self.refused, sender[0])
            return
        with self._lock:
            if not self.is_open or self._size > _MOST_WAITING:
                self.dropped_here += 1
                return
            first = not self._waiting
            self._waiting.append((sender, data))
            self._size += len(data) + _OVERHEAD
        if first:
            with contextlib.suppress(RuntimeError):  # the loop has ended; what waits is taken all the same
                self._loop.call_soon_threadsafe(self._ready)


def count_stranger(refused: Counter[str], address: str) -> None:
    """Count an address that is no peer; of very many, whose addresses are made up, the later ones as one."""
    refused[address if address in refused or len(refused) < MOST_STRANGERS else "others"] += 1


def _prepare(udp: socket.socket) -> None:
    """As much room in the kernel as it gives, and a count of what it drops."""
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # only the administrator may pass the limit of the system
            udp.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)


def _dropped_of(inode: int) -> int:
    """Datagrams that the kernel dropped of a socket, where it keeps a table; 0 elsewhere."""
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if int(fields[9]) == inode:
                    return int(fields[12])
    return 0
