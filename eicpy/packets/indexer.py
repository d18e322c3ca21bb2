"""Packets found in a file, a memory map, or chunks as they arrive, and listed in an index.

The same walk (:mod:`eicpy.packets.scan`) serves all three: a chunk's incomplete tail is kept for the
next one, and a file is one chunk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array, byte_block
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.index import BETWEEN_PACKETS, INDEX_COLUMNS, PacketIndex, Skipped, join_gaps
from eicpy.packets.index_rows import (
    BETWEEN,
    CAPACITY,
    COLUMN_STARTS,
    CUT_HEADER,
    FOREIGN,
    MEMORY_ROWS,
    NEW_STATE,
    POSITION,
    ROW_BYTES,
    ROWS,
    SEARCHED,
    SKIPS,
)
from eicpy.packets.primary_header import COUNTERS
from eicpy.packets.rules import ApidDecision, ApidTables, HeaderRule
from eicpy.packets.scan import scan
from eicpy.packets.survey import survey

__all__ = ["PacketIndexer", "index_packets"]

REASONS = {
    FOREIGN: "bytes that belong to no packet",
    CUT_HEADER: "the stream ends inside a header",
    BETWEEN: BETWEEN_PACKETS,
}


class _Rows:
    """Space for the columns of an index, one after the other in one block of bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = -(-capacity // 64) * 64
        self.block = byte_block(ROW_BYTES * self.capacity)

    def columns(self, count: int) -> dict[str, npt.NDArray[Any]]:
        """The first rows of all columns."""
        result: dict[str, npt.NDArray[Any]] = {}
        for name, dtype in INDEX_COLUMNS.items():
            start = COLUMN_STARTS[name] * self.capacity
            result[name] = self.block[start : start + count * np.dtype(dtype).itemsize].view(dtype)
        return result

    def grown(self, times: float) -> "_Rows":
        """About so many times the space and a little more; all rows are kept."""
        more = _Rows(int(self.capacity * min(max(1.1 * times, 1.5), 64)) + 4096)
        new = more.columns(self.capacity)
        for name, column in self.columns(self.capacity).items():
            new[name][:] = column
        return more


class PacketIndexer:
    """Index of a stream that arrives in chunks.

    Parameters
    ----------
    headers
        Header rules of the APIDs; with them packets are indexed as soon as they are complete.
    checksum
        ``auto`` takes each APID's from its rule or, without rules, from the data; a kind's name
        overrides both.
    survey_bytes
        Without rules: how much of the stream is awaited before the APIDs and their checksums are decided.

    See Also
    --------
    index_packets : the same for a whole file or buffer.
    eicpy.runs.follow : index and decode a run as it grows.

    References
    ----------
    CCSDS 133.0-B-2, Space Packet Protocol, section 4.1 (packet structure).

    Examples
    --------
    >>> indexer = PacketIndexer()
    >>> first = indexer.feed(bytes.fromhex("0801c0000001"))
    >>> last = indexer.feed(bytes.fromhex("abcd"))
    >>> len(first), len(last), len(indexer.finish())
    (0, 0, 1)
    """

    def __init__(
        self,
        headers: Sequence[HeaderRule] | None = None,
        checksum: str = "auto",
        *,
        survey_bytes: int = 1 << 20,
    ) -> None:
        if checksum != "auto":
            ChecksumKind.of(checksum)
        self._asked = checksum
        self._survey_bytes = survey_bytes
        self._tables = ApidTables.of_rules(headers, checksum) if headers is not None else None
        self._tail: ByteArray = np.zeros(0, dtype=np.uint8)
        self._base = 0
        self._state = np.array(NEW_STATE, dtype=np.int64)
        self._memory = np.full((MEMORY_ROWS, COUNTERS), -1, dtype=np.int64)
        self._finished = False

    @property
    def consumed(self) -> int:
        """Number of bytes of the stream that are indexed; what follows is kept as the tail."""
        return self._base + int(self._state[POSITION])

    @property
    def pending(self) -> int:
        """Number of bytes that wait for more."""
        return len(self._tail)

    def feed(self, chunk: Buffer) -> PacketIndex:
        """Take the next bytes of the stream.

        Parameters
        ----------
        chunk
            Any number of bytes.

        Returns
        -------
        PacketIndex
            Packets and skipped ranges that are now certain; offsets count from the start of the stream.

        Raises
        ------
        BadArgumentError
            After `finish`.
        """
        return self._take(as_byte_array(chunk), final=False)

    def finish(self) -> PacketIndex:
        """End of the stream: what the tail still holds."""
        return self._take(np.zeros(0, dtype=np.uint8), final=True)

    def _take(self, chunk: ByteArray, *, final: bool) -> PacketIndex:
        if self._finished:
            raise BadArgumentError("got bytes after the end of the stream, expected a new PacketIndexer")
        self._finished = final
        if len(self._tail) == 0:
            joined = chunk
        elif len(chunk) == 0:
            joined = self._tail  # no copy: it may be the map of a file larger than the memory
        else:
            joined = np.concatenate([self._tail, chunk])
        buffer = as_byte_array(joined)
        if self._tables is None:
            if len(buffer) < self._survey_bytes and not final:
                self._tail = buffer if buffer.base is None else buffer.copy()
                return PacketIndex.empty()
            window = buffer if final else buffer[: self._survey_bytes]
            self._tables = survey(window, self._asked)
        parts = self._scan(buffer, self._tables, final=final)
        done = int(self._state[POSITION])
        self._tail = buffer[done:].copy()
        index = parts.shifted(self._base) if self._base else parts
        self._base += done
        self._state[POSITION] = 0
        self._state[SEARCHED] = max(0, int(self._state[SEARCHED]) - done)
        return index

    def _scan(self, buffer: ByteArray, tables: ApidTables, *, final: bool) -> PacketIndex:
        rows = _Rows(max(64, min(len(buffer) // 512, 4096)))
        gaps: list[Skipped] = []
        self._state[ROWS] = 0
        more = True
        while more:
            skips = np.empty((4096, 3), dtype=np.int64)
            self._state[[CAPACITY, SKIPS]] = rows.capacity, 0
            more = scan(
                buffer, int(final), tables.checksum, tables.header, self._memory, self._state,
                rows.block, skips,
            )  # fmt: skip  # read, known, written
            gaps += (Skipped(at, n, REASONS[why]) for at, n, why in skips[: self._state[SKIPS]].tolist())
            if more and self._state[ROWS] == rows.capacity:
                rows = rows.grown(len(buffer) / max(int(self._state[POSITION]), 1))
        self._name_adopted(tables)
        columns: dict[str, Any] = rows.columns(int(self._state[ROWS]))
        return PacketIndex(**columns, skipped=join_gaps(gaps), decisions=dict(tables.decisions))

    @staticmethod
    def _name_adopted(tables: ApidTables) -> None:
        """Decisions for APIDs that the walk met on its way."""
        for apid in np.flatnonzero(tables.checksum >= 0).tolist():
            if apid not in tables.decisions:
                kind = ChecksumKind(int(tables.checksum[apid]))
                tables.decide(ApidDecision(apid, kind, "none", "met between known packets"))


def index_packets(
    buffer: Buffer, headers: Sequence[HeaderRule] | None = None, checksum: str = "auto"
) -> PacketIndex:
    """Index all packets of a file, a memory map or bytes.

    Parameters
    ----------
    buffer
        The whole stream; a memory map is read as the walk goes, not loaded.
    headers
        Header rules of the APIDs, ``instrument.headers`` for one; None to learn them from the data.
    checksum
        ``auto`` takes each APID's checksum from its rule or, without rules, from the data; none, crc16,
        xor16 or iso16 override both.

    Returns
    -------
    PacketIndex
        In the order of the stream. Packets, damaged packets and skipped ranges cover it exactly.

    Raises
    ------
    BadArgumentError
        For a checksum that does not exist, or a rule that cannot be.

    See Also
    --------
    PacketIndexer : the same for a stream that comes in chunks.
    continuity : lost, duplicated and late packets of an index.
    inspect_file : index and judge a file in one report.

    References
    ----------
    CCSDS 133.0-B-2, Space Packet Protocol, section 4.1 (packet structure).

    Examples
    --------
    >>> index = index_packets(bytes.fromhex("0801c0000001abcd" "0801c0010001abce"))
    >>> index.apid.tolist(), index.sequence_count.tolist()
    ([1, 1], [0, 1])
    """
    array = as_byte_array(buffer)
    indexer = PacketIndexer(headers, checksum, survey_bytes=len(array) + 1)
    indexer.feed(array[:0])
    indexer._tail = array  # noqa: SLF001  # the whole stream is the tail: no copy of a memory map
    return indexer.finish()
