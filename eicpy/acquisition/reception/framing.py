"""Cuts a stream of bytes at packet boundaries, so that several streams share a file and none cuts another.

The bytes of a stream are given out up to the end of its last whole packet, with the index of the packets;
the beginning of the next one waits in memory. Nobody waits for ever: what is left of a stream that fell
silent is given out as it is, and if the rest still comes, it follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eicpy.instruments import PacketHeader
from eicpy.packets import PacketIndex, PacketIndexer, index_packets
from eicpy.packets.primary_header import LENGTH_EXCESS, LONGEST_PACKET

__all__ = ["Framer", "Piece", "StreamCount"]

_HEADER = 6
_NOTHING = np.zeros(0, np.uint8)


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


@dataclass(frozen=True)
class Piece:
    """Whole packets of a stream.

    Parameters
    ----------
    buffer
        Bytes that hold them; valid until the stream is fed again.
    index
        The packets; offsets count in `buffer`.
    given
        Bytes at the start of `buffer` that were given out before, when the stream was silent.
    """

    buffer: memoryview
    index: PacketIndex
    given: int = 0

    @property
    def fresh(self) -> memoryview:
        """The bytes that were not given out before."""
        return self.buffer[self.given :]


class Framer:
    """One stream: returns whole packets and keeps the beginning of the next.

    Parameters
    ----------
    headers
        Header rules, which say where packets end.

    Examples
    --------
    >>> framer = Framer([PacketHeader(apid=1, checksum="none", secondary="none")])
    >>> packet = bytes.fromhex("0801c0000001abcd")
    >>> bytes(framer.feed(packet + packet[:3]).fresh), framer.waiting
    (b'', 11)
    >>> bytes(framer.feed(packet[3:]).fresh) == packet, bytes(framer.finish().fresh) == packet
    (True, True)
    """

    def __init__(self, headers: Sequence[PacketHeader]) -> None:
        self._headers = headers
        self._apids = {header.apid: header.checksum for header in headers}
        self._indexer = PacketIndexer(headers)
        self._base = 0
        self._buffer = memoryview(bytearray(0))
        self._tail = memoryview(b"")
        self._given = 0

    @property
    def waiting(self) -> int:
        """Bytes that were not given out yet."""
        return len(self._tail) - self._given

    def feed(self, chunk: bytes | bytearray | memoryview) -> Piece:
        """Take the next bytes of the stream.

        Parameters
        ----------
        chunk
            Any number of bytes.

        Returns
        -------
        Piece
            What is whole now; often empty.
        """
        joined = b"".join((self._tail, chunk)) if len(self._tail) else chunk
        piece = self._cut(memoryview(joined).cast("B"))
        self._tail = memoryview(bytes(self._tail))  # the chunk is the caller's
        return piece

    def room(self, size: int) -> memoryview:
        """Where the next bytes of the stream may be put, right behind what waits: they need no copy then.

        Parameters
        ----------
        size
            Bytes that there is room for at least.
        """
        waiting = len(self._tail)
        before = self._buffer
        if waiting + size > len(before):
            self._buffer = memoryview(bytearray(waiting + size + LONGEST_PACKET))
        self._buffer[:waiting] = bytes(self._tail) if self._buffer is before else self._tail
        self._tail = self._buffer[:waiting]
        return self._buffer[waiting:]

    def feed_room(self, size: int) -> Piece:
        """Take as many bytes as were put into the :meth:`room` just asked for."""
        return self._cut(self._buffer[: len(self._tail) + size])

    @property
    def spare(self) -> int:
        """Memory beside the bytes that wait, bytes."""
        return len(self._buffer)

    def compact(self) -> None:
        """Release all memory but the bytes that wait: more may not come for a while."""
        self._tail, self._buffer = memoryview(bytes(self._tail)), memoryview(bytearray(0))

    def finish(self) -> Piece:
        """Return the bytes that wait, as at the end of the stream; later bytes begin a new one."""
        index = self._indexer.finish()
        piece = Piece(self._tail, index.shifted(-self._base), self._given)
        self._indexer, self._base = PacketIndexer(self._headers), 0
        self._tail, self._given = memoryview(b""), 0
        return piece

    def flush(self) -> Piece:
        """Give out what waits as it is; the packet that is cut by this is whole if its rest follows."""
        piece = Piece(self._tail, PacketIndex.empty(), self._given)
        self._given = len(self._tail)
        return piece

    @property
    def ends_whole(self) -> bool:
        """Whether what waits would end with a whole packet if nothing else came."""
        index = index_packets(self._tail, self._headers)
        last = len(index) - 1
        return last >= 0 and bool(index.good[last]) and index.offset[last] + index.length[last] == index.end

    def continues(self, chunk: bytes | bytearray | memoryview) -> bool:
        """Whether bytes may follow this stream: its cut packet goes on, or is sent once more from its start.

        Parameters
        ----------
        chunk
            The first bytes of a connection.
        """
        tail = bytes(self._tail)
        if tail.startswith(bytes(chunk[: len(tail)])):
            return True  # nothing waits, or its beginning comes once more
        return self._may_begin(tail + bytes(chunk[:LONGEST_PACKET]))

    def _may_begin(self, data: bytes) -> bool:
        """Whether a packet may begin here, as far as the bytes reach."""
        if len(data) < _HEADER:
            return True
        checksum = self._apids.get(self._apid(data, 0))
        if data[0] >> 5 or checksum is None:
            return False
        length = _length(data, 0)
        if checksum != "none" and len(data) >= length:
            found = index_packets(data[:length], self._headers)
            return len(found) == 1 and bool(found.good[0]) and not found.skipped
        follower = data[length : length + _HEADER]
        return len(follower) < _HEADER or self._apid(follower, 0) in self._apids

    @staticmethod
    def _apid(data: bytes, position: int) -> int:
        return (data[position] & 7) << 8 | data[position + 1]

    def _cut(self, joined: memoryview) -> Piece:
        """Cut the bytes that waited and the new ones, joined, behind the last whole packet."""
        self._indexer._tail = _NOTHING  # noqa: SLF001, it is the beginning of `joined`: no need for a copy
        index = self._indexer.feed(joined)
        whole = self._indexer.consumed - self._base
        given = min(self._given, whole)
        piece = Piece(joined[:whole], index.shifted(-self._base) if self._base else index, given)
        self._given -= given
        self._tail = joined[whole:]
        self._base += whole
        return piece


def _length(data: bytes, position: int) -> int:
    return (data[position + 4] << 8 | data[position + 5]) + LENGTH_EXCESS
