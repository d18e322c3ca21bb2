"""What a bus of messages is, and the buses by the scheme of their URL.

The subject of a message is words joined by dots, from wide to narrow; a reader asks for a subject in which
``*`` stands for any word. The key is the identity of a message: a key that the bus holds already is not taken
again, so that whatever may not have arrived can be published again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eicpy.errors import NotFoundError

__all__ = ["Bus", "Message", "Subscription", "open_bus", "register_bus"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message on a bus.

    Parameters
    ----------
    subject
        What it is about.
    key
        Its identity: messages of the same key are the same.
    data
        Its bytes.
    sequence
        Number that the bus gave it, growing from 1; 0 before it was published.
    """

    subject: str
    key: str
    data: bytes
    sequence: int = 0


class Subscription(Protocol):
    """A reader's position on a bus."""

    def poll(self, most: int) -> list[Message]:
        """Return the next messages in order, at most so many; may wait an instant for the first."""

    def done(self) -> None:
        """Acknowledge all that was polled: it will not be delivered to this consumer again."""

    def close(self) -> None:
        """Unsubscribe; what was not acknowledged is delivered to the next subscriber of the same name."""


class Bus(Protocol):
    """Where messages are published and read."""

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; the bus keeps all of them when this returns.

        Raises
        ------
        FailedError
            If they are not kept; publishing the same batch again is safe.
        """

    def subscribe(self, subject: str, consumer: str | None = None, *, new: bool = False) -> Subscription:
        """Read the messages of a subject in order.

        Parameters
        ----------
        subject
            Words joined by dots; ``*`` stands for any word.
        consumer
            A name under which the bus keeps the position; None for a reader that leaves nothing behind.
        new
            Where no position is kept, begin with what is published from now on, not with all that is held.
        """

    def close(self) -> None:
        """Leave the bus."""


_openers: dict[str, Callable[[str, str], Bus]] = {}


def register_bus(scheme: str, opener: Callable[[str, str], Bus]) -> None:
    """Make :func:`open_bus` know a kind of bus.

    Parameters
    ----------
    scheme
        Scheme of its URLs, in lower case.
    opener
        Called with the URL and the root of the subjects; returns the open bus.
    """
    _openers[scheme] = opener


def open_bus(url: str, root: str) -> Bus:
    """Open a bus.

    Parameters
    ----------
    url
        ``memory://`` for one within this process, ``nats://HOST:PORT`` for NATS JetStream, or the URL of
        another registered kind.
    root
        First words of the subjects that it holds, such as ``eic.eclairs``: each root has a stream of its own.

    Raises
    ------
    NotFoundError
        For an unknown scheme, or where a client that it needs is not installed.
    FailedError
        If nobody answers.

    See Also
    --------
    register_bus : adds a scheme of addresses.
    MemoryBus : a bus within the process.

    Examples
    --------
    >>> bus = open_bus("memory://", "eic.eclairs")
    >>> bus.publish([Message("eic.eclairs.note", "1", b"hello")])
    >>> [message.data for message in bus.subscribe("eic.eclairs.*").poll(10)]
    [b'hello']
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in _openers:
        known = ", ".join(f"{name}://" for name in sorted(_openers))
        raise NotFoundError(f"got the URL of a bus {scheme!r}…, expected one of {known} (nats://HOST:PORT)")
    return _openers[scheme](url, root)
