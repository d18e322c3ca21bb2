"""A chunk of a stream: its bytes, and where its packets are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets import PacketIndex
from eicpy.typing import BoolArray, ByteArray, FloatArray, IntArray

__all__ = ["ByteArray", "StreamChunk"]

_NO_PACKET = -1


@dataclass(frozen=True, slots=True)
class StreamChunk:
    """Bytes of a stream, cut into pieces: a packet, what is left of one, or bytes between packets.

    All arrays have shape (n_pieces,); the pieces follow one another and cover the bytes exactly.

    Attributes
    ----------
    data
        The bytes.
    begin, size
        First byte of each piece within `data`, and how many it has.
    place
        First byte of each piece within its source; −1 for what is not from there.
    packet
        Whether the piece counts as a packet.
    good
        Whether it is an intact packet.
    apid, count
        APID and sequence count; −1 where there is no packet.
    command
        Whether it is a telecommand.
    time
        On-board time, s; NaN where none is known or the packet is damaged.
    """

    data: ByteArray
    begin: IntArray
    size: IntArray
    place: IntArray
    packet: BoolArray
    good: BoolArray
    apid: IntArray
    count: IntArray
    command: BoolArray
    time: FloatArray

    @classmethod
    def of(cls, data: ByteArray, index: PacketIndex, base: int = 0) -> "StreamChunk":
        """Bytes and their index.

        Parameters
        ----------
        data
            The bytes from `base` to the end of the index.
        index
            Its offsets count from the start of the source.
        base
            Place of the first byte in the source.
        """
        gaps = np.array([(gap.offset, gap.length) for gap in index.skipped], np.int64).reshape(-1, 2)
        n, m = len(index), len(gaps)
        place = np.concatenate([index.offset, gaps[:, 0]])
        order = np.argsort(place, kind="stable")
        none = np.full(m, _NO_PACKET)
        columns: dict[str, npt.NDArray[Any]] = {
            "size": np.concatenate([index.length.astype(np.int64), gaps[:, 1]]),
            "place": place,
            "packet": np.arange(n + m) < n,
            "good": np.concatenate([index.good, np.zeros(m, np.bool_)]),
            "apid": np.concatenate([index.apid.astype(np.int64), none]),
            "count": np.concatenate([index.sequence_count.astype(np.int64), none]),
            "command": np.concatenate([index.command, np.zeros(m, np.bool_)]),
            "time": np.concatenate([np.where(index.good, index.time(), np.nan), np.full(m, np.nan)]),
        }
        columns = {name: column[order] for name, column in columns.items()}
        return cls(data, columns["place"] - base, **columns)

    @classmethod
    def blind(cls, data: ByteArray, place: int = _NO_PACKET) -> "StreamChunk":
        """Bytes as one piece, of which nothing is known."""
        return cls.single(data, place=place)

    @classmethod
    def single(
        cls,
        data: ByteArray,
        *,
        place: int = _NO_PACKET,
        packet: bool = False,
        apid: int = _NO_PACKET,
        count: int = _NO_PACKET,
        command: bool = False,
        time: float = np.nan,
    ) -> "StreamChunk":
        """One piece, as its columns say."""
        return cls(
            data, np.zeros(1, np.int64), np.array([len(data)]), np.array([place]), np.array([packet]),
            np.array([packet]), np.array([apid]), np.array([count]), np.array([command]), np.array([time]),
        )  # fmt: skip  # one column a field

    @classmethod
    def join(cls, parts: list["StreamChunk"]) -> "StreamChunk":
        """Chunks one after the other, as one."""
        names = [name for name in cls.__slots__ if name != "begin"]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(begin=np.cumsum(columns["size"]) - columns["size"], **columns)

    def __len__(self) -> int:
        return len(self.begin)

    def __getitem__(self, rows: slice) -> "StreamChunk":
        """Some successive pieces, as a view."""
        first, stop, _ = rows.indices(len(self))
        if stop <= first:
            return StreamChunk(self.data[:0], *(getattr(self, n)[:0] for n in self.__slots__[1:]))
        at, end = int(self.begin[first]), int(self.begin[stop - 1] + self.size[stop - 1])
        columns = {name: getattr(self, name)[first:stop] for name in self.__slots__[2:]}
        return StreamChunk(self.data[at:end], self.begin[first:stop] - at, **columns)

    @property
    def packets(self) -> int:
        """How many packets."""
        return int(self.packet.sum())

    def with_bytes(self, data: ByteArray, *, packet: bool) -> "StreamChunk":
        """Other bytes for the only piece of this chunk.

        Parameters
        ----------
        data
            What is sent instead.
        packet
            Whether that counts as a packet.
        """
        names = ("place", "apid", "count", "command", "time")
        kept = {name: getattr(self, name)[0] for name in names}
        return StreamChunk.single(data, packet=packet, **kept)
