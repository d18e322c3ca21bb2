"""Packets as messages on a bus, for readers in the same process or on other hosts.

A message is a packet. Its subject says what it is, so that a reader asks for what it wants::

    eic.<instrument>.<tm|tc>.<apid>.<kind>

Its key is the identity of the packet: a packet that is published again, after a crash or by a second
station, is not delivered again. The archive is the log: messages are derived from it, and a reader that
missed some begins there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self

import numpy as np

from eicpy.instruments import Instrument
from eicpy.messaging import Bus, Message, open_bus
from eicpy.packets import index_packets, packet_identity
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.newest import pack
from eicpy.runs.provider.selection import Selection, kind_names

__all__ = ["BusReader", "BusWriter", "messages", "open_packet_bus", "subject_of"]

_UNKNOWN, _DAMAGED = "unknown", "damaged"
_MOST = 1024


def open_packet_bus(url: str, instrument: str) -> Bus:
    """Open the bus of a detector's packets.

    Parameters
    ----------
    url
        ``nats://HOST:PORT`` or ``memory://``: see :func:`eicpy.messaging.open_bus`.
    instrument
        Name of the detector: each has a stream of its own.
    """
    return open_bus(url, f"eic.{_word(instrument)}")


def subject_of(
    instrument: str, *, command: bool | None = None, apid: int | None = None, kind: str | None = None
) -> str:
    """Return the subject of a packet, or of several: None stands for any.

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
    """Return a message for each packet; damaged packets say so in place of their kind."""
    index, instrument = increment.index, increment.instrument.name
    subject = cache(subject_of)
    names = packet_identity(increment.data, increment.local).tolist()
    kinds = np.where(index.good, kind_names(increment), _DAMAGED).tolist()
    rows = zip(index.command.tolist(), index.apid.tolist(), kinds, names, increment.packets(), strict=True)
    return [
        Message(subject(instrument, command=command, apid=apid, kind=kind or _UNKNOWN), f"{name:016x}", data)
        for command, apid, kind, name, (_, data) in rows
    ]


@dataclass
class BusWriter:
    """Publishes packets: a writer for :func:`eicpy.acquisition.delivery.passing.pass_on`.

    Parameters
    ----------
    bus
        Where they go.
    """

    bus: Bus

    def write(self, increment: Increment) -> None:
        """Publish packets; the bus keeps all of them when this returns."""
        self.bus.publish(messages(increment))

    def close(self) -> None:
        """Nothing ends a bus."""


class BusReader:
    """Packets of a bus, polled as those of a provider are.

    The cursor's offset is the number that the bus gave the last message, its run is 0; the same numbers
    stand as offsets in the index.

    Parameters
    ----------
    bus
        Where they come from; closed with the reader.
    selection
        Which packets.
    consumer
        A name under which the bus keeps the position; None to begin as `new` says each time.
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
        """Describes the packets."""
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
        """Return the packets that have arrived."""
        taken = self._subscription.poll(most_packets or _MOST)
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
        """Messages as packets: all at once, or half by half where one of them is damaged."""
        data = b"".join(message.data for message in taken)
        index = index_packets(data, self.instrument.headers)
        ends = np.cumsum([len(message.data) for message in taken])
        if np.array_equal(index.offset + index.length, ends) and index.good.all() and not index.skipped:
            numbers = np.array([message.sequence for message in taken], np.int64)
            numbered = replace(index, offset=numbers, skipped=())
            return Increment(numbered, data, 0, self.instrument, 0, self._cursor, packed=index)
        if len(taken) > 1:
            half = len(taken) // 2
            parts = [part for some in (taken[:half], taken[half:]) if (part := self._increment(some))]
            return replace(pack(parts), cursor=self._cursor) if parts else self._nothing()
        number = taken[0].sequence
        skipped = tuple(replace(gap, offset=number) for gap in index.skipped)
        numbered = replace(index, offset=np.full(len(index), number), skipped=skipped)
        return Increment(numbered, data, 0, self.instrument, 0, self._cursor, packed=index)

    def _nothing(self) -> Increment:
        return Increment.nothing(self.instrument, self._cursor)


def _subject(selection: Selection) -> str:
    """The narrowest subject that holds the whole selection."""
    apids, kinds = set(selection.apids), set(selection.kinds)
    return subject_of(
        selection.instrument.name,
        command=selection.commands,
        apid=apids.pop() if len(apids) == 1 else None,
        kind=kinds.pop() if len(kinds) == 1 else None,
    )
