"""The index of packets: one row a packet, from a file, a memory map, or chunks as they arrive.

The same walk (:mod:`eicpy.packets.scan`) serves all three: a chunk's incomplete tail is kept for the
next one, and a file is one chunk. Damaged packets are kept in the index with their status; everything that
is no packet is listed with its position, length and reason, so that rows and skipped ranges cover the whole
stream without overlap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array, byte_block
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.index_rows import (
    CAPACITY,
    COLUMN_STARTS,
    CUT_HEADER,
    FOREIGN,
    NEW_STATE,
    POSITION,
    ROW_BYTES,
    ROWS,
    SEARCHED,
    SKIPS,
)
from eicpy.packets.primary_header import APIDS, COMMAND_COUNTERS, COUNTERS
from eicpy.packets.rules import ApidDecision, ApidTables, HeaderRule
from eicpy.packets.scan import scan
from eicpy.packets.survey import survey

__all__ = ["PacketIndex", "PacketIndexer", "PacketStatus", "Skipped", "index_packets"]


class PacketStatus(IntEnum):
    """What became of a packet on its way."""

    GOOD = 0
    """Intact, as far as its checksum or the headers around it show."""
    BAD_CHECKSUM = 1
    """At its position, with the length it should have, but its checksum is wrong."""
    TRUNCATED = 2
    """The stream ended inside it."""
    BAD_LENGTH = 3
    """It was to be expected here, but the next packet does not begin where its length field says."""
    BAD_HEADER = 4
    """A packet's length between two packets, whose header does not name a known APID."""


REASONS = {
    FOREIGN: "bytes that belong to no packet",
    CUT_HEADER: "the stream ends inside a header",
}

_COLUMNS = {
    "offset": np.int64,
    "length": np.int32,
    "apid": np.uint16,
    "service": np.uint8,
    "subservice": np.uint8,
    "sequence_flags": np.uint8,
    "sequence_count": np.uint16,
    "coarse": np.int64,
    "fine": np.int64,
    "destination": np.uint16,
    "status": np.uint8,
    "command": np.bool_,
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A range of the stream that is no packet."""

    offset: int
    length: int
    reason: str


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Where each packet stands and what its headers say; all arrays have shape (n_packets,).

    Attributes
    ----------
    offset
        First byte in the stream, int64.
    length
        Whole packet with its 6-byte header, bytes, int32. Of a damaged packet: what is left of it.
    apid
        Application process id, uint16.
    service, subservice
        PUS type and subtype, uint8; 0 where there is no PUS header.
    sequence_flags
        1 first, 0 continuation, 2 last segment, 3 whole, uint8.
    sequence_count
        0 to 16383, uint16.
    coarse, fine
        On-board time as it is in the packet, int64; −1 where none is known.
    destination
        The other end, uint16: of telemetry the PUS-C destination id, of a telecommand the PUS source id; 0
        where there is none.
    status
        `PacketStatus`, uint8.
    command
        Whether it is a telecommand (packet type 1), bool. Telecommands have no time, and within an APID a
        sequence count of their own.
    skipped
        Ranges that are no packets, in order.
    decisions
        For each APID, how its packets were read and why.

    See Also
    --------
    index_packets : makes one.
    decode : turns the packets of an index into columns.
    """

    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int32]
    apid: npt.NDArray[np.uint16]
    service: npt.NDArray[np.uint8]
    subservice: npt.NDArray[np.uint8]
    sequence_flags: npt.NDArray[np.uint8]
    sequence_count: npt.NDArray[np.uint16]
    coarse: npt.NDArray[np.int64]
    fine: npt.NDArray[np.int64]
    destination: npt.NDArray[np.uint16]
    status: npt.NDArray[np.uint8]
    command: npt.NDArray[np.bool_]
    skipped: tuple[Skipped, ...] = ()
    decisions: Mapping[int, ApidDecision] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> "PacketIndex":
        """Index without packets."""
        columns: dict[str, Any] = {name: np.zeros(0, dtype=dtype) for name, dtype in _COLUMNS.items()}
        return cls(**columns)

    @classmethod
    def concatenate(cls, parts: Iterable["PacketIndex"]) -> "PacketIndex":
        """Indexes of successive pieces of a stream as one; adjacent skipped ranges are joined."""
        kept = list(parts)
        if not kept:
            return cls.empty()
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in kept]) for name in _COLUMNS
        }
        decisions: dict[int, ApidDecision] = {}
        for part in kept:
            decisions.update(part.decisions)
        skipped = _join([gap for part in kept for gap in part.skipped])
        return cls(**columns, skipped=skipped, decisions=decisions)

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, selection: Any) -> "PacketIndex":
        """Rows of a mask, a slice or an array of row numbers; decisions are kept, skipped ranges are not."""
        if isinstance(selection, int | np.integer):
            selection = slice(selection, selection + 1 or None)
        if isinstance(selection, np.ndarray) and selection.dtype == np.bool_:
            selection = np.flatnonzero(selection)
        if isinstance(selection, np.ndarray):
            columns = {name: getattr(self, name).take(selection) for name in _COLUMNS}
        else:
            columns = {name: getattr(self, name)[selection] for name in _COLUMNS}
        return replace(self, **columns, skipped=())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PacketIndex):
            return NotImplemented
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _COLUMNS)
        return same and self.skipped == other.skipped

    __hash__ = None  # type: ignore[assignment]  # arrays can change, so an index is no key

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Mask of the intact packets."""
        mask: npt.NDArray[np.bool_] = self.status == PacketStatus.GOOD
        return mask

    @property
    def counter(self) -> npt.NDArray[np.int64]:
        """Sequence counter of each packet, 0 to 4095: its APID, plus 2048 for a telecommand."""
        return self.apid.astype(np.int64) + COMMAND_COUNTERS * self.command

    @property
    def foreign_bytes(self) -> int:
        """Number of bytes in skipped ranges."""
        return sum(gap.length for gap in self.skipped)

    @property
    def end(self) -> int:
        """First byte after the last packet or skipped range."""
        ends = [int(self.offset[-1]) + int(self.length[-1])] if len(self) else [0]
        return max(ends + [gap.offset + gap.length for gap in self.skipped])

    def time(self, fine_tick: Mapping[int, float] | None = None) -> npt.NDArray[np.float64]:
        """On-board time in seconds, NaN where none is known; for comparison, not for science.

        Parameters
        ----------
        fine_tick
            Length of a unit of fine time for each APID, s; by default what the decisions say.
        """
        ticks = np.full(APIDS, 2.0**-16)
        for apid, decision in self.decisions.items():
            ticks[apid] = decision.fine_tick
        for apid, tick in (fine_tick or {}).items():
            ticks[apid] = tick
        seconds = self.coarse + np.maximum(self.fine, 0) * ticks[self.apid]
        time: npt.NDArray[np.float64] = np.where(self.coarse < 0, np.nan, seconds)
        return time

    def save(self, path: Path | str) -> None:
        """Write the index as an ``.npz`` file, from which `load` makes the same index."""
        gaps = np.array([(gap.offset, gap.length) for gap in self.skipped], dtype=np.int64).reshape(-1, 2)
        rules = [
            (str(d.apid), d.checksum.name, d.secondary, d.reason, str(d.fine_bits), repr(d.fine_tick))
            for d in self.decisions.values()
        ]
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        with Path(path).open("wb") as file:
            np.savez(
                file,
                **columns,
                gaps=gaps,
                reasons=np.array([gap.reason for gap in self.skipped], dtype=np.str_),
                decisions=np.array(rules, dtype=np.str_).reshape(-1, 6),
            )

    @classmethod
    def load(cls, path: Path | str) -> "PacketIndex":
        """Read an index that `save` wrote.

        Raises
        ------
        BadDataError
            For a file that is not such an index.
        """
        try:
            with Path(path).open("rb") as source, np.load(source) as file:
                columns = {name: file[name].astype(dtype) for name, dtype in _COLUMNS.items()}
                gaps = zip(file["gaps"].tolist(), file["reasons"].tolist(), strict=True)
                rules = file["decisions"].tolist()
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise BadDataError(
                f"no packet index: {error}", file=path, advice="rebuild it from the raw packets"
            ) from error
        decisions = {
            int(r[0]): ApidDecision(int(r[0]), ChecksumKind[r[1]], r[2], r[3], int(r[4]), float(r[5]))
            for r in rules
        }
        skipped = tuple(Skipped(start, length, reason) for (start, length), reason in gaps)
        return cls(**columns, skipped=skipped, decisions=decisions)

    def shifted(self, by: int) -> "PacketIndex":
        """The same packets with all offsets moved by a number of bytes."""
        skipped = tuple(Skipped(gap.offset + by, gap.length, gap.reason) for gap in self.skipped)
        return replace(self, offset=self.offset + by, skipped=skipped)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{apid}</td><td>{int((self.apid == apid).sum())}</td>"
            f"<td>{int((self.status[self.apid == apid] != 0).sum())}</td>"
            f"<td>{escape(self.decisions[apid].reason) if apid in self.decisions else ''}</td></tr>"
            for apid in np.unique(self.apid).tolist()
        )
        return (
            f"<p>{len(self)} packets, {self.foreign_bytes} bytes skipped</p>"
            f"<table><tr><th>APID</th><th>packets</th><th>damaged</th><th>read as</th></tr>{rows}</table>"
        )


assert set(_COLUMNS) == {f.name for f in fields(PacketIndex)} - {"skipped", "decisions"}


def _join(gaps: list[Skipped]) -> tuple[Skipped, ...]:
    """Adjacent ranges of one reason as one."""
    breaks = [0]
    for i, (before, after) in enumerate(pairwise(gaps), start=1):
        if before.offset + before.length != after.offset or before.reason != after.reason:
            breaks.append(i)
    joined = []
    for first, stop in pairwise([*breaks, len(gaps)]):
        if stop > first:
            length = gaps[stop - 1].offset + gaps[stop - 1].length - gaps[first].offset
            joined.append(Skipped(gaps[first].offset, length, gaps[first].reason))
    return tuple(joined)


class _Rows:
    """Space for the columns of an index, one after the other in one block of bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = -(-capacity // 64) * 64
        self.block = byte_block(ROW_BYTES * self.capacity)

    def columns(self, count: int) -> dict[str, npt.NDArray[Any]]:
        """The first rows of all columns."""
        result: dict[str, npt.NDArray[Any]] = {}
        for name, dtype in _COLUMNS.items():
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
        self._memory = np.full((3, COUNTERS), -1, dtype=np.int64)
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
        return PacketIndex(**columns, skipped=_join(gaps), decisions=dict(tables.decisions))

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
