"""The index of packets: one row a packet.

Damaged packets are kept in the index with their status; everything that is no packet is listed with its
position, length and reason, so that rows and skipped ranges cover the whole stream without overlap.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.moved import moved_names
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.primary_header import APIDS, COMMAND_COUNTERS
from eicpy.packets.rules import ApidDecision

__all__ = ["PacketIndex", "PacketStatus", "Skipped"]

__getattr__ = moved_names(__name__)


class PacketStatus(IntEnum):
    """What became of a packet on its way."""

    GOOD = 0
    """Intact, as far as its checksum or the headers around it show; see `PacketIndex.proved`."""
    BAD_CHECKSUM = 1
    """At its position, with the length it should have, but its checksum is wrong."""
    TRUNCATED = 2
    """The stream ended inside it."""
    BAD_LENGTH = 3
    """It was to be expected here, but the next packet does not begin where its length field says."""
    BAD_HEADER = 4
    """A packet's length between two packets, whose header does not name a known APID."""


BETWEEN_PACKETS = "bytes between packets"
"""Reason of skipped bytes that stand between packets again and again: a marker, a length, fill."""

INDEX_COLUMNS = {
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
        columns: dict[str, Any] = {name: np.zeros(0, dtype=dtype) for name, dtype in INDEX_COLUMNS.items()}
        return cls(**columns)

    @classmethod
    def concatenate(cls, parts: Iterable["PacketIndex"]) -> "PacketIndex":
        """Indexes of successive pieces of a stream as one; adjacent skipped ranges are joined."""
        kept = list(parts)
        if not kept:
            return cls.empty()
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in kept]) for name in INDEX_COLUMNS
        }
        decisions: dict[int, ApidDecision] = {}
        for part in kept:
            decisions.update(part.decisions)
        skipped = join_gaps([gap for part in kept for gap in part.skipped])
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
            columns = {name: getattr(self, name).take(selection) for name in INDEX_COLUMNS}
        else:
            columns = {name: getattr(self, name)[selection] for name in INDEX_COLUMNS}
        return replace(self, **columns, skipped=())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PacketIndex):
            return NotImplemented
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in INDEX_COLUMNS)
        return same and self.skipped == other.skipped

    __hash__ = None  # type: ignore[assignment]  # arrays can change, so an index is no key

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Mask of the intact packets."""
        mask: npt.NDArray[np.bool_] = self.status == PacketStatus.GOOD
        return mask

    @property
    def proved(self) -> npt.NDArray[np.bool_]:
        """Mask of the packets whose checksum is right; the other good ones are judged by headers alone.

        Without a checksum a flipped bit does not show in the data of a packet, nor in its header where that
        is still a likely one.
        """
        checked = [apid for apid, one in self.decisions.items() if one.checksum is not ChecksumKind.NONE]
        mask: npt.NDArray[np.bool_] = self.good & np.isin(self.apid, checked)
        return mask

    @property
    def unconfirmed(self) -> npt.NDArray[np.bool_]:
        """Mask of the good packets without a checksum behind whose end no packet begins.

        Their length is one that their counter can have, but nothing shows that it is right: the bytes behind
        them may be theirs. Of an index of a whole stream, not of a part of its rows.
        """
        behind = [gap.offset for gap in self.skipped if gap.reason != BETWEEN_PACKETS]
        mask: npt.NDArray[np.bool_] = self.good & ~self.proved & np.isin(self.offset + self.length, behind)
        return mask

    @property
    def bytes_between(self) -> int:
        """Number of the foreign bytes that stand between packets again and again."""
        return sum(gap.length for gap in self.skipped if gap.reason == BETWEEN_PACKETS)

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
            (
                str(d.apid),
                d.checksum.name,
                d.secondary,
                d.reason,
                str(d.fine_bits),
                repr(d.fine_tick),
                d.day_epoch,
            )
            for d in self.decisions.values()
        ]
        columns: dict[str, Any] = {name: getattr(self, name) for name in INDEX_COLUMNS}
        with Path(path).open("wb") as file:
            np.savez(
                file,
                **columns,
                gaps=gaps,
                reasons=np.array([gap.reason for gap in self.skipped], dtype=np.str_),
                decisions=np.array(rules, dtype=np.str_).reshape(-1, 7),
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
                columns = {name: file[name].astype(dtype) for name, dtype in INDEX_COLUMNS.items()}
                gaps = zip(file["gaps"].tolist(), file["reasons"].tolist(), strict=True)
                rules = file["decisions"].tolist()
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise BadDataError(
                f"no packet index: {error}", file=path, advice="rebuild it from the raw packets"
            ) from error
        decisions = {
            int(r[0]): ApidDecision(int(r[0]), ChecksumKind[r[1]], r[2], r[3], int(r[4]), float(r[5]), *r[6:])
            for r in rules  # of six columns in an index of before
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


assert set(INDEX_COLUMNS) == {f.name for f in fields(PacketIndex)} - {"skipped", "decisions"}


def join_gaps(gaps: list[Skipped]) -> tuple[Skipped, ...]:
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
