"""A bus within the process, whose memory is bounded: a publisher waits for the slowest consumer."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from eicpy.errors import FailedError
from eicpy.messaging.bus import Message

__all__ = ["MemoryBus"]


@dataclass
class _Position:
    """Where a consumer is: the first message not acknowledged, and the first not polled."""

    subject: list[str]
    acknowledged: int
    polled: int


@dataclass
class MemoryBus:
    """A bus within the process.

    Parameters
    ----------
    most
        Messages that are held.
    timeout
        How long a publisher waits for room, s.
    """

    most: int = 100_000
    timeout: float = 60.0
    _held: deque[Message] = field(default_factory=deque, init=False, repr=False)
    _keys: set[str] = field(default_factory=set, init=False, repr=False)
    _positions: dict[str, _Position] = field(default_factory=dict, init=False, repr=False)
    _last: int = field(default=0, init=False)
    _readers: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; waits for room."""
        with self._changed:
            for message in batch:
                if message.key in self._keys:
                    continue
                if not self._changed.wait_for(self._has_room, self.timeout):
                    raise FailedError(
                        f"a consumer of the bus is more than {self.most} messages behind for "
                        f"{self.timeout:g} s; expected it to acknowledge what it took"
                    )
                if len(self._held) >= self.most:
                    self._keys.discard(self._held.popleft().key)
                self._last += 1
                self._keys.add(message.key)
                self._held.append(replace(message, sequence=self._last))
            self._changed.notify_all()

    def subscribe(
        self, subject: str, consumer: str | None = None, *, new: bool = False
    ) -> "_MemorySubscription":
        """Read the messages of a subject in order."""
        with self._changed:
            self._readers += 1
            name = consumer or f"reader {self._readers}"
            if name not in self._positions:
                first = self._last + 1 if new else self._oldest
                self._positions[name] = _Position(subject.split("."), first, first)
            position = self._positions[name]
            position.polled = position.acknowledged
        return _MemorySubscription(self, name, position, lasting=consumer is not None)

    def close(self) -> None:
        """Nothing to leave."""

    def poll(self, position: _Position, most: int) -> list[Message]:
        """Return what comes after a position."""
        found: list[Message] = []
        with self._changed:
            while position.polled <= self._last and len(found) < most:
                message = self._held[position.polled - self._oldest]
                if _fits(position.subject, message.subject.split(".")):
                    found.append(message)
                position.polled += 1
        return found

    def acknowledge(self, position: _Position) -> None:
        """Make room for what a consumer has not to see again."""
        with self._changed:
            position.acknowledged = position.polled
            self._changed.notify_all()

    def leave(self, name: str, position: _Position, *, lasting: bool) -> None:
        """Forget what a consumer polled and did not acknowledge, and the consumer if it has no name."""
        with self._changed:
            position.polled = position.acknowledged
            if not lasting:
                self._positions.pop(name, None)
            self._changed.notify_all()

    @property
    def _oldest(self) -> int:
        return self._last - len(self._held) + 1

    def _has_room(self) -> bool:
        behind = any(position.acknowledged <= self._oldest for position in self._positions.values())
        return len(self._held) < self.most or not behind


@dataclass
class _MemorySubscription:
    bus: MemoryBus
    name: str
    position: _Position
    lasting: bool

    def poll(self, most: int) -> list[Message]:
        return self.bus.poll(self.position, most)

    def done(self) -> None:
        self.bus.acknowledge(self.position)

    def close(self) -> None:
        self.bus.leave(self.name, self.position, lasting=self.lasting)


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    return len(pattern) == len(words) and all(
        wanted in {"*", word} for wanted, word in zip(pattern, words, strict=True)
    )
