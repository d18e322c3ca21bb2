"""Keeps the packets of several connections whole in one raw file.

As long as one connection sends, its bytes are appended as they come, before anything looks at them.
When several send at once, a chunk of one must not land in the middle of a packet of another: then each
connection's bytes are appended up to the end of its last whole packet, in turn, and the rest waits in
memory until it is completed. A connection that leaves a packet unfinished (it closed, or said nothing
for a while) loses its turn: what it sent is appended as it is, and nobody waits for it any longer.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, PacketIndexer

__all__ = ["Merger", "StreamCount"]


@dataclass
class StreamCount:
    """What was seen in the streams so far."""

    packets: int = 0
    """Valid packets."""
    damaged: int = 0
    """Packets whose checksum or length is wrong."""
    foreign_bytes: int = 0
    """Bytes that are part of no packet."""

    def add(self, index: PacketIndex) -> None:
        """Count the packets of an index."""
        good = int(index.good.sum())
        self.packets += good
        self.damaged += len(index) - good
        self.foreign_bytes += index.foreign_bytes


@dataclass
class _Stream:
    """One connection: what it sent, and how much of that is whole packets."""

    indexer: PacketIndexer
    whole: int = 0
    """Bytes up to the end of the last packet (or foreign range) found."""
    written: int = 0
    """Bytes that are in the raw file."""
    waiting: bytearray = field(default_factory=bytearray)


@dataclass
class Merger:
    """Appends the bytes of several connections to one raw file, packets kept whole.

    Parameters
    ----------
    append
        Appends bytes to the raw file.
    instrument
        Whose header rules tell where packets end.
    """

    append: Callable[[bytes | bytearray | memoryview], object]
    instrument: Instrument
    count: StreamCount = field(default_factory=StreamCount)

    def __post_init__(self) -> None:
        self._streams: dict[Hashable, _Stream] = {}
        self._owner: Hashable | None = None

    @property
    def waiting(self) -> int:
        """Bytes in memory, not appended yet."""
        return sum(len(stream.waiting) for stream in self._streams.values())

    def feed(self, name: Hashable, chunk: bytes | bytearray | memoryview) -> None:
        """Take bytes of a connection.

        Parameters
        ----------
        name
            Which connection.
        chunk
            Its bytes, in the order received.

        Raises
        ------
        FailedError
            If they cannot be appended.
        """
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = _Stream(PacketIndexer(self.instrument.headers))
        if len(self._streams) == 1 and not stream.waiting:
            self.append(chunk)
            stream.written += len(chunk)
        else:
            stream.waiting += chunk
        self._frame(stream, chunk)
        self._owner = name if self._is_unfinished(stream) else self._free(name)
        self._take_turns()

    def release(self, name: Hashable) -> None:
        """Append what is left of a connection that closed or fell silent, and wait for it no longer."""
        stream = self._streams.pop(name, None)
        if stream is None:
            return
        if stream.waiting:
            self.append(stream.waiting)
        self.count.add(stream.indexer.finish())
        self._free(name)
        self._take_turns()

    def _frame(self, stream: _Stream, chunk: bytes | bytearray | memoryview) -> None:
        self.count.add(stream.indexer.feed(chunk))
        stream.whole = stream.indexer.consumed

    def _is_unfinished(self, stream: _Stream) -> bool:
        """Whether the raw file ends in the middle of a packet of this connection."""
        return stream.written > stream.whole

    def _free(self, name: Hashable) -> Hashable | None:
        if self._owner == name:
            self._owner = None
        return self._owner

    def _take_turns(self) -> None:
        """Append all whole packets that wait, the owner's first."""
        order = sorted(self._streams, key=lambda name: name != self._owner)
        for name in order:
            if self._owner not in {None, name}:
                return
            stream = self._streams[name]
            ready = stream.whole - stream.written
            if ready > 0:
                self.append(stream.waiting[:ready])
                del stream.waiting[:ready]
                stream.written += ready
            self._owner = name if self._is_unfinished(stream) else self._free(name)
