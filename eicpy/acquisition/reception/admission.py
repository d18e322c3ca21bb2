"""Which connections stay open when there are too many: the one that deserves its place least gives way.

A connection costs memory and a file, so that only so many are open at once. Who proves itself by whole
packets of the instrument is safe from all who have not: those are let in beside a full table, on a few places
kept for them, and where these are taken too they give way to one another. First goes one of the address that
holds most of them, so that no address takes all; of these

1. one that never sent a byte, open longest;
2. one that sent nothing but what is no packet of the instrument, silent longest;
3. of those that are younger than a second, which may not have had the time, the oldest.

Where more have proved themselves than there are places, a bench that connects again without closing for
example, the one that has been silent longest gives way, again of the address that holds most. None is closed
whose bytes wait in the kernel to be read: rather a few more are open for a moment.
"""

import fcntl
import logging
import struct
import termios
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from eicpy.acquisition.reception.connection import Connection

__all__ = ["MOST_CONNECTIONS", "ConnectionTable", "GaveWay"]

_log = logging.getLogger(__name__)

GaveWay: TypeAlias = Literal["silent", "foreign", "idle"]
"""Why a connection was closed: it never sent a byte, no packet of the instrument, or nothing for longest."""

MOST_CONNECTIONS = 400
"""Open at once, of those that have proved themselves; the others have the places that are left."""
RESERVED = 32
"""Places more, for those that have still to prove themselves."""
_YOUNG = 1.0
"""So long a connection has the time to send its first packet, s."""
_WORDS: dict[GaveWay, str] = {
    "silent": "it never sent a byte",
    "foreign": "it sent no packet of the instrument",
    "idle": "it was silent longest",
}


class ConnectionTable:
    """The open connections of a receiver.

    Parameters
    ----------
    most
        Connections that have proved themselves, at most.
    reserved
        Places for others at least.
    """

    def __init__(self, most: int = MOST_CONNECTIONS, reserved: int = RESERVED) -> None:
        self.most = most
        self._reserved = reserved
        self._open: set[Connection] = set()
        self.gave_way: Counter[GaveWay] = Counter()
        """Connections that were closed because there were too many, by why it was these."""
        self._named: set[tuple[str, GaveWay]] = set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Let a connection in that was just made; another may have to give way."""
        self.trim(1)
        self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """A connection is closed."""
        self._open.discard(connection)

    def trim(self, more: int = 0) -> None:
        """Close as many connections as are too many, now that so many `more` come."""
        while len(self._open) + more > self.most:
            proved = [c for c in self._open if c.has_proved_itself]
            others = [c for c in self._open if not c.has_proved_itself]
            if len(proved) > self.most:
                leaves = _first_without_bytes(proved, _by_idleness(proved))
                why: GaveWay = "idle"
            elif len(others) + more > max(self._reserved, self.most - len(proved)):
                leaves = _first_without_bytes(others, _by_merit(others, time.monotonic()))
                why = "silent" if leaves is not None and leaves.stream is None else "foreign"
            else:
                return
            if leaves is None:
                return  # all have sent something that is about to be read
            self._close(leaves, why)

    def _close(self, connection: Connection, why: GaveWay) -> None:
        self.gave_way[why] += 1
        if (connection.address, why) not in self._named and len(self._named) < self.most:
            self._named.add((connection.address, why))
            _log.warning(
                "%d connections are open; one from %s port %d was closed: %s (later ones are only counted)",
                len(self._open), connection.address, connection.port, _WORDS[why],
            )  # fmt: skip
        connection.leave()


_Keys: TypeAlias = dict[Connection, tuple[float, ...]]


def _by_merit(connections: Iterable[Connection], now: float) -> _Keys:
    """Keys by which connections without a packet give way, the lowest first."""
    held = Counter(connection.address for connection in connections)
    keys: _Keys = {}
    for c in connections:
        rank = 2 if now - c.since < _YOUNG else 0 if c.stream is None else 1
        silent_since = c.stream.last if rank == 1 and c.stream is not None else c.since
        keys[c] = (-held[c.address], rank, silent_since)
    return keys


def _by_idleness(connections: Iterable[Connection]) -> _Keys:
    """Keys by which connections that have sent packets give way, the lowest first."""
    held = Counter(connection.address for connection in connections)
    return {c: (-held[c.address], c.stream.last if c.stream else c.since) for c in connections}


def _first_without_bytes(connections: Iterable[Connection], keys: _Keys) -> Connection | None:
    """The first by its key of which no byte waits to be read; None if there is none."""
    first = min(connections, key=keys.__getitem__)
    if not _has_bytes(first):
        return first
    return next((c for c in sorted(connections, key=keys.__getitem__) if not _has_bytes(c)), None)


def _has_bytes(connection: Connection) -> bool:
    """Whether bytes of a connection wait in the kernel."""
    descriptor = connection.fileno()
    if descriptor < 0:
        return False
    try:
        return bool(struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0])
    except OSError:
        return False
