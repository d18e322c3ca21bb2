"""The streams that reach the receiver: one for each connection, one for each sender of datagrams.

A connection that is lost leaves its stream behind for a while. If a connection comes from the same address
meanwhile, and what it sends may follow, it takes the stream over: a packet that was cut by the loss is whole
again, whether the sender goes on in its middle or sends it once more, and whoever else sends meanwhile.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from eicpy.acquisition.reception.framing import Framer, Piece
from eicpy.instruments import Instrument

__all__ = ["Stream", "Streams"]

QUIET = 0.1
"""After this long without a byte, what ends with a whole packet is taken for whole, s."""
_MOST_PASSING = 256
"""Senders of datagrams, and lost connections, that are waited for; of more, not the one silent longest."""
_IDLE = 1.0
"""After this long without a byte a stream gives back the memory for more than what waits, s."""


@dataclass(eq=False)
class Stream:
    """What comes from one sender."""

    address: str
    transport: Literal["tcp", "udp"]
    framer: Framer
    last: float
    """Time of the last byte, s of the monotonic clock."""
    received: int = 0
    """Bytes."""
    good: int = 0
    """Whole packets of the instrument."""
    connected: bool = True
    lost: float = 0.0
    """When its connection was lost, s."""
    whole: float = field(default=0.0, repr=False)
    """When whole packets were given out last, s."""
    looked_at: bool = field(default=False, repr=False)
    """Whether what waits was looked at since the last byte."""

    @property
    def is_passing(self) -> bool:
        """Whether only the timeout keeps it: its connection was lost, or it never had one."""
        return not self.connected or self.transport == "udp"


class Streams:
    """All streams.

    Parameters
    ----------
    instrument
        Its header rules say where packets end.
    take
        Takes the whole packets of a stream.
    gone
        Called when a stream is at its end.
    timeout
        How long the rest of a cut packet is awaited, s.
    """

    def __init__(
        self,
        instrument: Instrument,
        take: Callable[[Stream, Piece], None],
        gone: Callable[[Stream], None],
        timeout: float,
    ) -> None:
        self._instrument = instrument
        self._take = take
        self._gone = gone
        self._timeout = timeout
        self.all: list[Stream] = []
        self._senders: dict[str, Stream] = {}

    @property
    def waiting(self) -> int:
        """Bytes in memory, of packets that are not whole yet."""
        return sum(stream.framer.waiting for stream in self.all)

    def of_connection(self, address: str, chunk: memoryview, now: float) -> Stream:
        """The stream of a new connection, by the first bytes that it sent.

        Parameters
        ----------
        address
            Of the peer, without the port.
        chunk
            The bytes.
        now
            Time, s.
        """
        left = [s for s in self.all if s.address == address and s.transport == "tcp" and not s.connected]
        left.sort(key=lambda stream: stream.framer.waiting == 0)  # those with a cut packet first
        for stream in left:
            if stream.framer.continues(chunk):
                stream.connected = True
                return stream
        return self._new(address, "tcp", now)

    def of_sender(self, address: str, now: float) -> Stream:
        """The stream of a sender of datagrams, by its address with the port."""
        if address not in self._senders:
            self._senders[address] = self._new(address, "udp", now)
        return self._senders[address]

    def feed(self, stream: Stream, chunk: bytes | memoryview | int, now: float) -> None:
        """Take bytes of a stream; or so many that were put into the room of its framer."""
        if not stream.framer.waiting:
            stream.whole = now
        stream.last, stream.looked_at = now, False
        if isinstance(chunk, int):
            stream.received += chunk
            piece = stream.framer.feed_room(chunk)
        else:
            stream.received += len(chunk)
            piece = stream.framer.feed(chunk)
        if len(piece.buffer):
            stream.whole = now
        self._take(stream, piece)

    def disconnect(self, stream: Stream, now: float) -> None:
        """A connection was lost: its stream waits for the next."""
        stream.connected, stream.lost = False, now
        stream.framer.compact()

    def tick(self, now: float) -> None:
        """Return bytes that have waited for the timeout, and end streams that no connection continued."""
        for stream in list(self.all):
            if now - stream.last > _IDLE and stream.framer.spare:
                stream.framer.compact()
            if not stream.looked_at and stream.framer.waiting and now - stream.last > QUIET:
                stream.looked_at = True
                if stream.framer.ends_whole:
                    self._take(stream, stream.framer.finish())
            if stream.framer.waiting and now - stream.whole > self._timeout and stream.connected:
                self._take(stream, stream.framer.flush())
            if stream.is_passing and now - max(stream.last, stream.lost) > self._timeout:
                self.end(stream)

    def end(self, stream: Stream) -> None:
        """Return the last bytes of a stream, and forget it."""
        self._take(stream, stream.framer.finish())
        self.all.remove(stream)
        self._senders.pop(stream.address, None)
        self._gone(stream)

    def end_all(self) -> None:
        """Return the last bytes of all streams."""
        for stream in list(self.all):
            self.end(stream)

    def _new(self, address: str, transport: Literal["tcp", "udp"], now: float) -> Stream:
        passing = [stream for stream in self.all if stream.is_passing and stream.transport == transport]
        if len(passing) >= _MOST_PASSING:
            self.end(min(passing, key=lambda stream: max(stream.last, stream.lost)))
        stream = Stream(address, transport, Framer(self._instrument.headers), now)
        self.all.append(stream)
        return stream
