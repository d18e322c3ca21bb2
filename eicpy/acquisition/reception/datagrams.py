"""Datagrams: taken from the socket by a thread of its own, so that the kernel's buffer never waits for us.

What the thread has taken waits in memory, up to a limit, until the receiver's loop takes it. Whatever is
lost on the way is counted: by the kernel (``SO_RXQ_OVFL``, where there is one), or here.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable

from eicpy.acquisition.reception.held_sockets import GivenSockets
from eicpy.acquisition.reception.sockets import LONGEST, Datagram, dropped_by_kernel, receive_datagram

__all__ = ["MOST_STRANGERS", "DatagramReader", "count_stranger"]

_log = logging.getLogger(__name__)

_MOST_WAITING = 1 << 26
_OVERHEAD = 256
"""Memory that a datagram takes besides its bytes."""
MOST_STRANGERS = 256
_PAUSE = 0.2


class DatagramReader:
    """Takes datagrams from a socket, those first that came before it was there.

    Parameters
    ----------
    sockets
        With one for datagrams; closed at the end.
    accepts
        Whether an address is a peer; asked once for each sender.
    ready
        Called in the loop when datagrams wait to be taken.
    """

    def __init__(
        self, sockets: GivenSockets, accepts: Callable[[str], bool], ready: Callable[[], None]
    ) -> None:
        assert sockets.udp is not None
        self._socket = sockets.udp
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.dropped_here = 0
        """Datagrams that came when too many waited, or when there was no space on the disk."""
        self.is_open = True
        """Whether datagrams are kept; False drops and counts them."""
        self.refused: Counter[str] = Counter()
        """Datagrams of addresses that are no peers."""
        self._dropped_by_kernel = self._dropped_before = 0
        self._accepts = accepts
        self._peers: dict[str, bool] = {}
        self._ready = ready
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Datagram] = []
        self._size = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(sockets,), name="datagrams", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Datagrams that came and were lost; the kernel reports its own with the next one, or in a table."""
        if self._socket.fileno() >= 0:
            listed = dropped_by_kernel(os.fstat(self._socket.fileno()).st_ino)
            self._dropped_by_kernel = max(self._dropped_by_kernel, listed)
        return self._dropped_by_kernel - self._dropped_before + self.dropped_here

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

    def _read(self, sockets: GivenSockets) -> None:
        try:
            kept = sockets.take()
        except (EOFError, OSError) as error:  # the holder has died, and this process is about to
            _log.warning("%s:%d (udp): what came before is lost: %s", *self.address, error)
        else:
            self._dropped_by_kernel = self._dropped_before = kept.kernel_before
            self.dropped_here += kept.dropped
            for sender, data in kept.datagrams:
                self._keep(sender, data)
        room = memoryview(bytearray(LONGEST))
        self._socket.settimeout(_PAUSE)
        while True:
            try:
                (sender, data), dropped = receive_datagram(self._socket, room)
            except TimeoutError:
                if self._ending.is_set():
                    return
                continue
            except OSError as error:  # for example an ICMP answer to nobody; the next one may be good
                _log.warning("%s:%d (udp): %s", *self.address, error)
                self._ending.wait(_PAUSE)
                continue
            if dropped is not None:
                self._dropped_by_kernel = dropped
            self._keep(sender, data)
            if self._ending.is_set():
                self._socket.settimeout(0.0001)  # only what has come already

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
