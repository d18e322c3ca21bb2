"""Packets as messages, for readers in the same process or on other hosts.

A message is a packet. Its subject tells what it is, so that a reader asks for what it wants::

    eic.<instrument>.<tm|tc>.<apid>.<kind>

Its name is the identity of the packet: a packet that is published again, after a crash or by a second
station, is not delivered again. The archive stays the log: messages are derived from it, and whoever missed
them begins there.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from eicpy.errors import BadArgumentError, FailedError
from eicpy.instruments import Instrument
from eicpy.packets import index_packets, packet_identity
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.newest import pack
from eicpy.runs.provider.selection import Selection, kind_names

__all__ = [
    "Bus",
    "BusReader",
    "BusWriter",
    "MemoryBus",
    "Message",
    "Subscription",
    "messages",
    "open_bus",
    "subject_of",
]

_UNKNOWN, _DAMAGED = "unknown", "damaged"


@dataclass(frozen=True)
class Message:
    """A packet on the bus.

    Parameters
    ----------
    subject
        What it is.
    name
        Identity of the packet: messages of the same name are the same.
    data
        Its bytes.
    sequence
        Number that the bus gave it, growing from 1; 0 before it was published.
    """

    subject: str
    name: str
    data: bytes
    sequence: int = 0


class Subscription(Protocol):
    """What a reader takes messages from."""

    def poll(self, most: int) -> list[Message]:
        """Messages that are there, at most so many; may wait an instant."""

    def done(self) -> None:
        """Acknowledge all that was polled: it will not be delivered to this consumer again."""

    def close(self) -> None:
        """Leave; what was not acknowledged is delivered to whoever subscribes next by the same name."""


class Bus(Protocol):
    """Where messages are published and read."""

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; all are kept by the bus when this returns.

        Raises
        ------
        FailedError
            If they are not kept; publishing the same batch again is safe.
        """

    def subscribe(self, subject: str, consumer: str | None = None, *, new: bool = False) -> Subscription:
        """Read messages of a subject, in which ``*`` stands for any word.

        Parameters
        ----------
        subject
            What is wanted.
        consumer
            A name under which the bus keeps the place; None for a reader that leaves nothing behind.
        new
            Only what is published from now on, where no place is kept; else all that the bus holds.
        """

    def close(self) -> None:
        """Leave the bus."""


def subject_of(
    instrument: str, *, command: bool | None = None, apid: int | None = None, kind: str | None = None
) -> str:
    """Subject of a packet, or of several: what is None is any.

    Examples
    --------
    >>> subject_of("eclairs", command=False, apid=810, kind="photons")
    'eic.eclairs.tm.810.photons'
    >>> subject_of("eclairs", apid=810)
    'eic.eclairs.*.810.*'
    """
    direction = "*" if command is None else "tc" if command else "tm"
    return (
        f"eic.{_word(instrument)}.{direction}.{'*' if apid is None else apid}.{_word(kind) if kind else '*'}"
    )


def _word(name: str) -> str:
    """A name without what means something in a subject."""
    return "".join("_" if c in ".*> \t\r\n" else c for c in name)


def messages(increment: Increment) -> list[Message]:
    """A message for each packet; damaged packets say so in place of their kind."""
    index, instrument = increment.index, increment.instrument.name
    names = packet_identity(increment.data, increment.local).tolist()
    kinds = np.where(index.good, kind_names(increment), _DAMAGED).tolist()
    rows = zip(index.command.tolist(), index.apid.tolist(), kinds, names, increment.packets(), strict=True)
    return [
        Message(
            subject_of(instrument, command=command, apid=apid, kind=kind or _UNKNOWN), f"{name:016x}", data
        )
        for command, apid, kind, name, (_, data) in rows
    ]


@dataclass
class BusWriter:
    """Publishes packets: a writer for :func:`eicpy.acquisition.delivery.passing.pass_on`.

    Parameters
    ----------
    bus
        Where to.
    batch
        Messages that are under way at once.
    """

    bus: Bus
    batch: int = 256

    def write(self, increment: Increment) -> None:
        """Publish packets; all are kept by the bus when this returns."""
        every = messages(increment)
        for first in range(0, len(every), self.batch):
            self.bus.publish(every[first : first + self.batch])

    def close(self) -> None:
        """Nothing ends a bus."""


class BusReader:
    """Packets of a bus, polled as those of a provider are.

    The cursor's offset is the number that the bus gave the last message, its run is 0; the same numbers
    stand as offsets in the index.

    Parameters
    ----------
    bus
        Where from; closed with the reader.
    selection
        What is wanted.
    consumer
        A name under which the bus keeps the place; None to begin as `new` says each time.
    new
        Only what is published from now on.
    """

    def __init__(
        self, bus: Bus, selection: Selection, consumer: str | None = None, *, new: bool = False
    ) -> None:
        self._bus = bus
        self._selection = selection
        self._cursor = Cursor(0)
        self._subscription = bus.subscribe(_subject(selection), consumer, new=new)

    @property
    def instrument(self) -> Instrument:
        """Whose packets they are."""
        return self._selection.instrument

    @property
    def cursor(self) -> Cursor:
        """Number of the last message."""
        return self._cursor

    @property
    def finished(self) -> bool:
        """Never: a bus has no end."""
        return False

    def poll(self, most_packets: int | None = None) -> Increment:
        """Packets that are there now."""
        taken = self._subscription.poll(most_packets or 256)
        if not taken:
            return self._nothing()
        self._cursor = Cursor(0, taken[-1].sequence)
        return self._selection.of(self._increment(taken))

    def done(self) -> None:
        """Acknowledge all that was polled."""
        self._subscription.done()

    def close(self) -> None:
        """Leave the bus."""
        self._subscription.close()
        self._bus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _increment(self, taken: Sequence[Message]) -> Increment:
        """Messages as packets: all at once, or one by one where one of them is damaged."""
        data = b"".join(message.data for message in taken)
        index = index_packets(data, self.instrument.headers)
        ends = np.cumsum([len(message.data) for message in taken])
        if np.array_equal(index.offset + index.length, ends) and index.good.all() and not index.skipped:
            numbers = np.array([message.sequence for message in taken], np.int64)
            place = replace(index, offset=numbers, skipped=())
            return Increment(place, data, 0, self.instrument, 0, self._cursor, packed=index)
        if len(taken) > 1:
            parts = [part for message in taken if (part := self._increment([message]))]
            return replace(pack(parts), cursor=self._cursor) if parts else self._nothing()
        number = taken[0].sequence
        skipped = tuple(replace(gap, offset=number) for gap in index.skipped)  # told, as of a run
        place = replace(index, offset=np.full(len(index), number), skipped=skipped)
        return Increment(place, data, 0, self.instrument, 0, self._cursor, packed=index)

    def _nothing(self) -> Increment:
        return Increment.nothing(self.instrument, self._cursor)


def _subject(selection: Selection) -> str:
    """The narrowest subject that holds all that is wanted."""
    apids, kinds = set(selection.apids), set(selection.kinds)
    return subject_of(
        selection.instrument.name,
        command=selection.commands,
        apid=apids.pop() if len(apids) == 1 else None,
        kind=kinds.pop() if len(kinds) == 1 else None,
    )


def open_bus(url: str | None, instrument: str) -> Bus:
    """Open a bus.

    Parameters
    ----------
    url
        ``nats://HOST:PORT`` for NATS JetStream; None or ``memory:`` for one within this process.
    instrument
        Name of the detector: each has a stream of its own.

    Raises
    ------
    BadArgumentError
        For another URL, or where the client of NATS is not installed.
    FailedError
        If nobody answers.
    """
    if url is None or url == "memory:":
        return MemoryBus()
    if url.startswith(("nats://", "tls://")):
        try:
            from eicpy.acquisition.delivery.nats_bus import NatsBus  # noqa: PLC0415, an extra that few need
        except ImportError as error:
            raise BadArgumentError(
                "got a bus on NATS, expected its client to be installed: pip install 'eicpy[nats]'"
            ) from error
        return NatsBus(url, instrument)
    raise BadArgumentError(f"got the URL of a bus {url.partition('://')[0]!r}…, expected nats://HOST:PORT")


@dataclass
class _Place:
    """Where a consumer of the bus in memory is."""

    subject: list[str]
    next: int
    taken: int


@dataclass
class MemoryBus:
    """A bus within the process.

    Its memory is bounded: a publisher waits for the slowest consumer.

    Parameters
    ----------
    most
        Messages that are held.
    patience
        How long a publisher waits for room, s.
    """

    most: int = 100_000
    patience: float = 60.0
    _held: deque[Message] = field(default_factory=deque, init=False, repr=False)
    _names: set[str] = field(default_factory=set, init=False, repr=False)
    _places: dict[str, _Place] = field(default_factory=dict, init=False, repr=False)
    _last: int = field(default=0, init=False)
    _readers: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def publish(self, batch: Sequence[Message]) -> None:
        """Publish messages in order; waits for room."""
        with self._changed:
            for message in batch:
                if message.name in self._names:
                    continue
                if not self._changed.wait_for(self._has_room, self.patience):
                    raise FailedError(
                        f"a consumer of the bus is more than {self.most} messages behind for "
                        f"{self.patience:g} s; expected it to acknowledge what it took"
                    )
                if len(self._held) >= self.most:
                    self._names.discard(self._held.popleft().name)
                self._last += 1
                self._names.add(message.name)
                self._held.append(Message(message.subject, message.name, message.data, self._last))
            self._changed.notify_all()

    def subscribe(
        self, subject: str, consumer: str | None = None, *, new: bool = False
    ) -> "_MemorySubscription":
        """Read messages of a subject."""
        with self._changed:
            self._readers += 1
            name = consumer or f"reader {self._readers}"
            if name not in self._places:
                first = self._last + 1 if new else self._last - len(self._held) + 1
                self._places[name] = _Place(subject.split("."), first, first)
            place = self._places[name]
            place.taken = place.next
        return _MemorySubscription(self, name, place, lasting=consumer is not None)

    def close(self) -> None:
        """Nothing to leave."""

    def _has_room(self) -> bool:
        oldest = self._last - len(self._held) + 1
        behind = any(place.next <= oldest for place in self._places.values())
        return len(self._held) < self.most or not behind


@dataclass
class _MemorySubscription:
    bus: MemoryBus
    name: str
    place: _Place
    lasting: bool

    def poll(self, most: int) -> list[Message]:
        found: list[Message] = []
        with self.bus._changed:  # noqa: SLF001, its other half
            held = self.bus._held  # noqa: SLF001
            first = self.bus._last - len(held) + 1  # noqa: SLF001
            while self.place.taken <= self.bus._last and len(found) < most:  # noqa: SLF001
                message = held[self.place.taken - first]
                if _fits(self.place.subject, message.subject.split(".")):
                    found.append(message)
                self.place.taken += 1
        return found

    def done(self) -> None:
        with self.bus._changed:  # noqa: SLF001
            self.place.next = self.place.taken
            self.bus._changed.notify_all()  # noqa: SLF001

    def close(self) -> None:
        with self.bus._changed:  # noqa: SLF001
            self.place.taken = self.place.next
            if not self.lasting:
                self.bus._places.pop(self.name, None)  # noqa: SLF001
            self.bus._changed.notify_all()  # noqa: SLF001


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    return len(pattern) == len(words) and all(
        wanted in {"*", word} for wanted, word in zip(pattern, words, strict=True)
    )
