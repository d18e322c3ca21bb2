"""Sockets that outlive the receiver: a chain holds them, and hands them to each receiver that it starts.

While no receiver reads, between its crash and its restart or before the first has compiled its kernels,
the kernel completes connections, and a thread of the holder takes datagrams from the kernel's small buffer
into memory. A receiver that is ready asks for them; from then on it reads the sockets itself. Only modules
that are imported in milliseconds are needed here.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import NamedTuple, Self

from eicpy.acquisition.reception.sockets import (
    LONGEST,
    Datagram,
    bind_tcp,
    bind_udp,
    dropped_by_kernel,
    receive_datagram,
)

__all__ = ["GivenSockets", "HeldSockets", "Kept"]

_VARIABLE = "EIC_SOCKETS"
_MOST_KEPT = 1 << 28
"""Memory for datagrams while no receiver reads; later ones are counted and dropped."""
_OVERHEAD = 256
"""Memory that a datagram takes besides its bytes."""


class Kept(NamedTuple):
    """What a holder took while no receiver read.

    Parameters
    ----------
    datagrams
        In the order in which they came.
    dropped
        How many more came than there was memory for.
    kernel_before
        What the kernel had dropped when the receiver before ended: that one counted them.
    """

    datagrams: list[Datagram]
    dropped: int = 0
    kernel_before: int = 0


@dataclass
class GivenSockets:
    """Bound sockets that a receiver reads.

    Parameters
    ----------
    tcp
        Listening sockets.
    udp
        Where datagrams come; None: nowhere.
    holder
        Connection to who held them before; None: nobody did.
    """

    tcp: tuple[socket.socket, ...]
    udp: socket.socket | None = None
    holder: Connection | None = field(default=None, repr=False)

    @classmethod
    def bind(cls, host: str, port: int, udp: tuple[str, int] | None) -> Self:
        """Bind sockets of one's own.

        Raises
        ------
        FailedError
            If an address cannot be listened on.
        """
        tcp = bind_tcp(host, port)
        try:
            return cls(tcp, None if udp is None else bind_udp(*udp))
        except BaseException:
            for each in tcp:
                each.close()
            raise

    @classmethod
    def inherited(cls) -> Self | None:
        """Take the sockets that the process which started this one holds; None if it holds none."""
        numbers: dict[str, list[int]] = {"tcp": [], "udp": [], "holder": []}
        for word in os.environ.pop(_VARIABLE, "").split():
            kind, _, number = word.partition("=")
            os.set_inheritable(int(number), False)
            numbers[kind].append(int(number))
        if not numbers["tcp"]:
            return None
        tcp, udp = ([socket.socket(fileno=n) for n in numbers[kind]] for kind in ("tcp", "udp"))
        return cls(tuple(tcp), next(iter(udp), None), next(map(Connection, numbers["holder"]), None))

    def take(self) -> Kept:
        """Return what the holder took; from now on it reads the sockets no more."""
        if self.holder is None:
            return Kept([])
        self.holder.send("ready")
        kept: Kept = self.holder.recv()
        return kept

    def close(self) -> None:
        """Close them in this process; in others that hold them they are still open."""
        for each in filter(None, (*self.tcp, self.udp)):
            each.close()


class HeldSockets:
    """Holds the sockets of a receiver while receivers come and go; a context manager.

    Parameters
    ----------
    host, port
        Address for connections; port 0 takes a free one.
    udp
        Address and port for datagrams; None: none.

    Raises
    ------
    FailedError
        If an address cannot be listened on.
    """

    def __init__(self, host: str, port: int, udp: tuple[str, int] | None = None) -> None:
        self._sockets = GivenSockets.bind(host, port, udp)
        self._kept = Kept([])
        self._size = 0
        self._reader: Connection | None = None
        self._lock = threading.Lock()
        self._wake, self._woken = Pipe()
        self._thread: threading.Thread | None = None
        if self._sockets.udp is not None:
            self._thread = threading.Thread(target=self._hold, args=(self._sockets.udp,), daemon=True)
            self._thread.start()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, as texts such as ``tcp 127.0.0.1:5000``."""
        named = [("tcp", each) for each in self._sockets.tcp]
        named += [("udp", self._sockets.udp)] if self._sockets.udp else []
        return tuple("{} {}:{}".format(name, *each.getsockname()[:2]) for name, each in named)

    @property
    def waiting(self) -> int:
        """Datagrams that wait for a receiver."""
        return len(self._kept.datagrams)

    @property
    def dropped(self) -> int:
        """Datagrams for which there was no memory."""
        return self._kept.dropped

    @contextmanager
    def passing(self) -> Iterator[tuple[tuple[int, ...], Mapping[str, str]]]:
        """File descriptors and variables for a receiver that is started inside the block."""
        ours, theirs = Pipe()
        named = [("tcp", each.fileno()) for each in self._sockets.tcp]
        if self._sockets.udp is not None:
            named += [("udp", self._sockets.udp.fileno()), ("holder", theirs.fileno())]
        with theirs:
            yield tuple(n for _, n in named), {_VARIABLE: " ".join(f"{kind}={n}" for kind, n in named)}
        with self._lock:
            self._reader, before = ours, self._reader
        if before is not None:
            before.close()
        self._wake.send(None)

    def close(self) -> None:
        """Close the sockets here, and drop the datagrams that wait."""
        if self._thread is not None:
            self._wake.close()
            self._thread.join()
        self._sockets.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _hold(self, udp: socket.socket) -> None:
        room = memoryview(bytearray(LONGEST))
        reader: Connection | None = None
        reads = False  # whether the receiver does
        while True:
            ready = wait([self._woken, *([reader] if reader else []), *([] if reads else [udp])])
            if self._woken in ready:
                try:
                    self._woken.recv()
                except EOFError:
                    return
                with self._lock:
                    reader, reads = self._reader, False
                continue
            if reader in ready:
                assert reader is not None
                reads = self._hand_over(reader)
                if not reads:
                    reader = None
                    self._kept = self._kept._replace(
                        kernel_before=dropped_by_kernel(os.fstat(udp.fileno()).st_ino)
                    )
            elif udp in ready:
                self._keep(udp, room)

    def _keep(self, udp: socket.socket, room: memoryview) -> None:
        with suppress(OSError):  # for example an ICMP answer to nobody; the next one may be good
            while True:
                # whether a socket waits is shared with the receiver, which sets it as it likes
                datagram, _ = receive_datagram(udp, room, socket.MSG_DONTWAIT)
                if self._size > _MOST_KEPT:
                    self._kept = self._kept._replace(dropped=self._kept.dropped + 1)
                    continue
                self._kept.datagrams.append(datagram)
                self._size += len(datagram[1]) + _OVERHEAD

    def _hand_over(self, reader: Connection) -> bool:
        """Give a receiver that is ready what waits; False if it has ended: the next one gets all of it."""
        try:
            reader.recv()
            reader.send(self._kept)
        except (EOFError, OSError):
            return False
        self._kept, self._size = Kept([]), 0
        return True
