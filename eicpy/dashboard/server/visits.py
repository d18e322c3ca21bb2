"""Who has how many kernels, how many there may be, and when one is given back: one account of all visits.

A visit to a page is a kernel, a Python process of about 250 MB. It begins when the page is asked for and is
over when its browser says farewell, or

- when nobody connected within :data:`CLAIM_TIMEOUT` after the page was sent: a page fetched by something
  that is no browser, or closed at once;
- when the last connection has been away for the idle time: a browser that crashed, a network that was cut;
- when the page is not ready within :data:`RENDER_TIMEOUT`.

Where all kernels are taken, those that have been without a connection for :data:`ROOM_TIMEOUT` give way.
Nothing here starts or ends a process.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CLAIM_TIMEOUT", "RENDER_TIMEOUT", "ROOM_TIMEOUT", "FullError", "Limits", "Visit", "Visits"]

CLAIM_TIMEOUT = 30.0
"""s between the end of a page and the first connection of its browser."""
ROOM_TIMEOUT = 10.0
"""s without a connection after which a kernel gives way when all are taken."""
RENDER_TIMEOUT = 300.0
"""s for drawing a page, on a machine that is busy."""
SOCKETS = 4
"""Connections to one kernel: a page has one, and another while it connects again."""
_KERNEL_SIZE = 350e6  # bytes; 241 to 343 MB were seen
_RETRY = 30


@dataclass(frozen=True)
class Limits:
    """How many kernels there may be at once.

    Parameters
    ----------
    total
        Of all visitors.
    per_address
        Of one remote address.
    """

    total: int
    per_address: int

    @classmethod
    def for_memory(cls, memory: float | None = None) -> "Limits":
        """As many as fit into half of the memory, three quarters of them for one address.

        Parameters
        ----------
        memory
            Bytes; by default what this machine has, or what its control group allows.

        Examples
        --------
        >>> Limits.for_memory(8e9), Limits.for_memory(1e9)
        (Limits(total=11, per_address=8), Limits(total=2, per_address=2))
        """
        size = _memory() if memory is None else memory
        total = min(max(int(0.5 * size / _KERNEL_SIZE), 2), 40)
        return cls(total, max(2, 3 * total // 4))


def _memory() -> float:
    size = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups, version 2 and 1
        try:
            size = min(size, float((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return size


class FullError(Exception):
    """All kernels are taken.

    Parameters
    ----------
    taken, limit
        How many are, how many may be.
    own
        Whether it is the visitor's own address that has so many.
    retry
        s after which it is worth trying again.
    """

    def __init__(self, taken: int, limit: int, *, own: bool, retry: int) -> None:
        super().__init__(f"{taken} of {limit} pages are open")
        self.taken, self.limit, self.own, self.retry = taken, limit, own, retry


@dataclass(eq=False)
class Visit:
    """One visit to a page.

    Parameters
    ----------
    address
        Remote address.
    user
        Of the log-in.
    operator
        Name under which it gives orders; empty where it only looks.
    limit
        Moment at which it is over unless something happens; None: while somebody is connected.
    """

    address: str
    user: str = ""
    operator: str = ""
    limit: float | None = None
    alone_since: float | None = None
    kernel: str | None = None
    sockets: int = 0
    _left: bool = False

    def leave(self) -> None:
        """Its browser left, perhaps before the page was ready."""
        self._left = True

    def has_left(self) -> bool:
        """Whether its browser left."""
        return self._left


@dataclass
class Visits:
    """The account.

    Parameters
    ----------
    limits
        How many kernels there may be.
    idle
        s: a kernel whose last connection was lost is kept so long.
    claim
        s: a kernel that nobody connected to is kept so long after its page was sent.
    now
        Clock, s.
    """

    limits: Limits
    idle: float = 90.0
    claim: float = CLAIM_TIMEOUT
    now: Callable[[], float] = time.monotonic
    _all: list[Visit] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Visit]:
        return iter(tuple(self._all))

    def of(self, kernel: str) -> Visit | None:
        """The visit that has a kernel."""
        return next((visit for visit in self._all if visit.kernel == kernel), None)

    def admit(self, address: str, user: str = "", operator: str = "") -> Visit:
        """Begin a visit.

        Raises
        ------
        FullError
            Where all kernels, or all of this address, are taken.
        """
        own = sum(visit.address == address for visit in self._all)
        if own >= self.limits.per_address < self.limits.total:
            raise FullError(own, self.limits.per_address, own=True, retry=self._retry())
        if len(self) >= self.limits.total:
            raise FullError(len(self), self.limits.total, own=False, retry=self._retry())
        visit = Visit(address, user, operator, self.now() + RENDER_TIMEOUT)
        self._all.append(visit)
        return visit

    def _retry(self) -> int:
        """Seconds until the next kernel is given back, as far as it is known; from 1 to 30."""
        limits = [
            visit.limit - self.now() for visit in self._all if visit.alone_since is not None and visit.limit
        ]
        return max(1, min([_RETRY, *(round(left + 0.5) for left in limits)]))

    def served(self, visit: Visit) -> None:
        """The page was sent: its browser has some time to connect."""
        if visit.sockets == 0:
            visit.limit, visit.alone_since = self.now() + self.claim, self.now()

    def asked(self, visit: Visit) -> None:
        """Its browser is there, though not connected: a slow machine, or a connection that is made anew."""
        if visit.sockets == 0 and visit.limit is not None:
            visit.limit = max(visit.limit, self.now() + self.claim)

    def connect(self, visit: Visit) -> bool:
        """Count a connection; False where there are enough."""
        if visit.sockets >= SOCKETS:
            return False
        visit.sockets += 1
        visit.limit = visit.alone_since = None
        return True

    def disconnect(self, visit: Visit) -> None:
        """A connection has ended; after the last one the idle time begins."""
        visit.sockets -= 1
        if visit.sockets <= 0:
            visit.limit, visit.alone_since = self.now() + self.idle, self.now()

    def end(self, visit: Visit) -> None:
        """Its kernel has ended, or was never started."""
        if visit in self._all:
            self._all.remove(visit)

    def over(self) -> list[Visit]:
        """Those whose time is over."""
        return [visit for visit in self._all if visit.limit is not None and visit.limit <= self.now()]

    def yielding(self) -> list[Visit]:
        """Those that give way when all kernels are taken."""
        oldest = self.now() - ROOM_TIMEOUT
        return [v for v in self._all if v.alone_since is not None and v.alone_since <= oldest]
