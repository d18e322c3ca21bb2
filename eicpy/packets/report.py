"""What is in a file of packets, what is missing, and what is not right with it.

`inspect_file` needs no definition. With an instrument's header rules it also knows the times.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import erfa
import numpy as np

from eicpy.errors import ExitCode
from eicpy.packets.buffers import map_file
from eicpy.packets.continuity import Continuity, continuity
from eicpy.packets.index import BETWEEN_PACKETS, PacketIndex, PacketStatus
from eicpy.packets.indexer import index_packets
from eicpy.packets.rules import ApidDecision, HeaderRule
from eicpy.packets.segments import segment_groups
from eicpy.text import counted

__all__ = ["ApidReport", "HasHeaders", "PacketReport", "inspect_file", "report_index"]


class HasHeaders(Protocol):
    """An instrument, as far as it is needed here."""

    @property
    def headers(self) -> Sequence[HeaderRule]:
        """Header rules of its APIDs."""


class OnboardTimeRule(Protocol):
    """How on-board time becomes a date; ``eicpy.instruments.TimeRule`` is one."""

    @property
    def epoch(self) -> str:
        """ISO date at which the on-board counter was 0."""

    @property
    def scale(self) -> str:
        """Scale of the epoch: utc, tai or tt."""


@runtime_checkable
class HasTime(Protocol):
    """An instrument whose on-board time can be given in UTC."""

    @property
    def time(self) -> OnboardTimeRule:
        """Its time rule."""


@dataclass(frozen=True)
class ApidReport:
    """What of an APID is in a file.

    Attributes
    ----------
    received, lost, duplicated, out_of_order, damaged
        See `Continuity`.
    first, last
        First and last intact packet: ``offset`` (byte), ``sequence_count``, ``coarse`` and ``fine`` (on-board
        time, None where not known), ``utc`` (ISO date, None where the instrument's time rule is not known);
        None if no packet is intact.
    groups_complete, groups_incomplete
        Segmented groups.
    types
        Number of intact packets of each "type/subtype"; empty without PUS headers.
    checksum
        The checksum by which its packets were judged.
    decision
        On what that rests.
    """

    apid: int
    received: int
    lost: int
    duplicated: int
    out_of_order: int
    damaged: int
    first: dict[str, int | str | None] | None
    last: dict[str, int | str | None] | None
    groups_complete: int
    groups_incomplete: int
    types: dict[str, int]
    checksum: str
    decision: str

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            "received": self.received,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "out_of_order": self.out_of_order,
            "damaged": self.damaged,
            "first": self.first,
            "last": self.last,
            "groups_complete": self.groups_complete,
            "groups_incomplete": self.groups_incomplete,
            "types": self.types,
            "checksum": self.checksum,
            "decision": self.decision,
        }


@dataclass(frozen=True)
class PacketReport:
    """What is in a file of packets.

    Attributes
    ----------
    file
        The file.
    index
        Index of all its packets.
    apids
        By number. An APID that only damaged packets name, where others are intact, is no APID of the file:
        such packets count in `damaged` alone.
    commands
        The same for the telecommands, which have sequence counts of their own.
    """

    file: Path
    index: PacketIndex
    apids: dict[int, ApidReport]
    commands: dict[int, ApidReport] = field(default_factory=dict)

    @property
    def packets(self) -> int:
        """Number of intact packets."""
        return int(self.index.good.sum())

    @property
    def damaged(self) -> int:
        """Number of packets that are not intact."""
        return len(self.index) - self.packets

    @property
    def foreign_bytes(self) -> int:
        """Bytes that belong to no packet."""
        return self.index.foreign_bytes

    @property
    def remarks(self) -> list[str]:
        """What cannot be proved, and what stands between packets, in words; empty if all is proved."""
        by_headers = self.packets - int(self.index.proved.sum())
        unconfirmed = int(self.index.unconfirmed.sum())
        lines = []
        if by_headers:
            lines.append(
                f"no checksum in {counted(by_headers, 'packet')}: judged by headers and sequence counts, "
                "damage that leaves a likely header does not show"
            )
        if unconfirmed:
            lines.append(
                f"length not confirmed in {unconfirmed} of these: no packet begins where they end, "
                "the bytes behind may be theirs"
            )
        between = self.index.bytes_between
        if between:
            lines.append(
                f"{counted(between, 'byte')} between packets, in the foreign bytes: {self._spacings()}"
            )
        return lines

    def _spacings(self) -> str:
        """How often how many bytes stand between packets."""
        sizes = Counter(gap.length for gap in self.index.skipped if gap.reason == BETWEEN_PACKETS)
        parts = [f"{number} × {size}" for size, number in sizes.most_common(4)]
        return ", ".join(parts + ["…"] * (len(sizes) > len(parts)))

    @property
    def is_clean(self) -> bool:
        """Whether nothing is lost, doubled, out of order, damaged, foreign or incomplete."""
        return not (
            self.damaged
            or self.foreign_bytes
            or any(
                a.lost or a.duplicated or a.out_of_order or a.groups_incomplete
                for a in (*self.apids.values(), *self.commands.values())
            )
        )

    @property
    def exit_code(self) -> ExitCode:
        """What the command line returns."""
        return ExitCode.CLEAN if self.is_clean else ExitCode.BAD_DATA

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it; APIDs by number, as text.

        ``damaged_packets`` and ``skipped`` name each damaged packet and each skipped range; ``proved`` counts
        the packets whose checksum is right, ``unconfirmed`` those whose length nothing confirms; ``remarks``
        says so in words.
        """
        bad = np.flatnonzero(~self.index.good).tolist()
        return {
            "file": str(self.file),
            "packets": self.packets,
            "damaged": self.damaged,
            "foreign_bytes": self.foreign_bytes,
            "proved": int(self.index.proved.sum()),
            "unconfirmed": int(self.index.unconfirmed.sum()),
            "bytes_between": self.index.bytes_between,
            "remarks": self.remarks,
            "apids": {str(apid): report.to_dict() for apid, report in self.apids.items()},
            "commands": {str(apid): report.to_dict() for apid, report in self.commands.items()},
            "damaged_packets": [
                {
                    "offset": int(self.index.offset[row]),
                    "length": int(self.index.length[row]),
                    "apid": int(self.index.apid[row]),
                    "sequence_count": int(self.index.sequence_count[row]),
                    "status": PacketStatus(int(self.index.status[row])).name.lower(),
                }
                for row in bad
            ],
            "skipped": [
                {"offset": gap.offset, "length": gap.length, "reason": gap.reason}
                for gap in self.index.skipped
            ],
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row an APID, telecommands after telemetry and marked TC; all rows have the same keys."""
        return [
            {
                "apid": name,
                "types": " ".join(f"{kind}×{number}" for kind, number in report.types.items()),
                "received": report.received,
                "lost": report.lost,
                "duplicated": report.duplicated,
                "out of order": report.out_of_order,
                "damaged": report.damaged,
                "groups": f"{report.groups_complete} + {report.groups_incomplete} incomplete"
                if report.groups_complete or report.groups_incomplete
                else "",
                "first": _first_or_last(report.first),
                "last": _first_or_last(report.last),
                "checksum": report.checksum,
                "decided by": report.decision,
            }
            for name, report in (
                *self.apids.items(),
                *((f"{apid} TC", report) for apid, report in self.commands.items()),
            )
        ]

    def _repr_html_(self) -> str:
        rows = self.rows()
        head = "".join(f"<th>{escape(key)}</th>" for key in (rows[0] if rows else {}))
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row.values())}</tr>" for row in rows
        )
        remarks = "".join(f"<p>{escape(line)}</p>" for line in self.remarks)
        return (
            f"<p>{escape(self.file.name)}: {self.packets} packets, {self.damaged} damaged, "
            f"{self.foreign_bytes} foreign bytes</p>{remarks}<table><tr>{head}</tr>{body}</table>"
        )


def _first_or_last(packet: dict[str, int | str | None] | None) -> str:
    if packet is None:
        return ""
    if packet["utc"] is not None:
        return f"#{packet['sequence_count']} at {packet['utc']} UTC"
    time = "" if packet["coarse"] is None else f" at on-board time {packet['coarse']}:{packet['fine']}"
    return f"#{packet['sequence_count']}{time}"


@cache
def _epoch(epoch: str, scale: str) -> tuple[float, float]:
    """Epoch of the on-board clock as a two-part Julian date in TAI."""
    when = datetime.fromisoformat(epoch)
    seconds = when.second + when.microsecond / 1e6
    date: tuple[float, float] = erfa.dtf2d(
        scale.upper(), when.year, when.month, when.day, when.hour, when.minute, seconds
    )
    if scale != "tai":
        date = (erfa.utctai if scale == "utc" else erfa.tttai)(*date)
    return date


def _utc(index: PacketIndex, row: int, rule: OnboardTimeRule) -> str:
    """Time of a packet as an ISO date in UTC, to the millisecond.

    By the SOFA routines that stand below astropy: to import astropy takes longer than to read a file.
    """
    coarse = int(index.coarse[row])
    fine = max(int(index.fine[row]), 0) * index.decisions[int(index.apid[row])].fine_tick
    day, fraction = _epoch(rule.epoch, rule.scale)
    with warnings.catch_warnings():
        # Leap seconds are not known for the far future, where a clock that was never set may be.
        warnings.simplefilter("ignore", category=erfa.ErfaWarning)
        utc = erfa.taiutc(day + coarse // 86400, fraction + (coarse % 86400 + fine) / 86400.0)
        year, month, of_month, clock = erfa.d2dtf("UTC", 3, *utc)
    hour, minute, second, milli = (int(clock[part]) for part in ("h", "m", "s", "f"))
    return f"{int(year):04}-{int(month):02}-{int(of_month):02}T{hour:02}:{minute:02}:{second:02}.{milli:03}"


def _packet(index: PacketIndex, row: int, rule: OnboardTimeRule | None) -> dict[str, int | str | None] | None:
    if row < 0:
        return None
    timed = int(index.coarse[row]) >= 0
    return {
        "offset": int(index.offset[row]),
        "sequence_count": int(index.sequence_count[row]),
        "coarse": int(index.coarse[row]) if timed else None,
        "fine": int(index.fine[row]) if timed else None,
        "utc": _utc(index, row, rule) if timed and rule is not None else None,
    }


def _types(index: PacketIndex, rows: np.ndarray[Any, Any]) -> dict[str, int]:
    """Intact packets of each type and subtype."""
    good = rows[index.status[rows] == PacketStatus.GOOD]
    keys = index.service[good].astype(np.int64) * 256 + index.subservice[good]
    numbers, counts = np.unique(keys[keys > 0], return_counts=True)
    return {
        f"{key // 256}/{key % 256}": count
        for key, count in zip(numbers.tolist(), counts.tolist(), strict=True)
    }


def report_index(file: Path, index: PacketIndex, instrument: HasTime | None = None) -> PacketReport:
    """Report of an index that exists already.

    Parameters
    ----------
    file
        The file that was indexed, for the name.
    index
        Its index.
    instrument
        Its time rule gives times in UTC; None to leave on-board times.

    See Also
    --------
    inspect_file : index and report a file.
    """
    rule = None if instrument is None else instrument.time
    telemetry: Mapping[int, Continuity] = continuity(index)
    commands: Mapping[int, Continuity] = continuity(index, commands=True)
    if index.good.any():
        telemetry, commands = (
            {apid: one for apid, one in judged.items() if one.received} for judged in (telemetry, commands)
        )
    return PacketReport(file, index, _apids(index, telemetry, rule), _apids(index, commands, rule))


def _apids(
    index: PacketIndex, judged: Mapping[int, Continuity], rule: OnboardTimeRule | None
) -> dict[int, ApidReport]:
    groups = segment_groups(index, judged)
    apids = {}
    for apid, one in sorted(judged.items()):
        complete = groups[apid].complete if apid in groups else np.zeros(0, dtype=np.bool_)
        decision: ApidDecision | None = index.decisions.get(apid)
        apids[apid] = ApidReport(
            apid=apid,
            received=one.received,
            lost=one.lost,
            duplicated=one.duplicated,
            out_of_order=one.out_of_order,
            damaged=one.damaged,
            first=_packet(index, one.first, rule),
            last=_packet(index, one.last, rule),
            groups_complete=int(complete.sum()),
            groups_incomplete=int((~complete).sum()),
            types=_types(index, one.rows),
            checksum="none" if decision is None else decision.checksum.name.lower(),
            decision="" if decision is None else decision.reason,
        )
    return apids


def inspect_file(
    path: Path | str, checksum: str = "auto", instrument: HasHeaders | None = None
) -> PacketReport:
    """Report what is in a file of CCSDS packets.

    Parameters
    ----------
    path
        Any file; it is mapped, not loaded.
    checksum
        ``auto`` decides for each APID from its definition or the data; none, crc16, xor16 or iso16
        override both.
    instrument
        Its header rules to use, and whose time rule gives times in UTC; None to learn all from the data and
        leave on-board times.

    Returns
    -------
    PacketReport
        For an empty file, or one without packets, a report without packets.

    Raises
    ------
    BadArgumentError
        For a file that is not there, or a checksum that does not exist.
    BadDataError
        For a file that cannot be read.

    See Also
    --------
    index_packets : the index alone.
    continuity : lost, duplicated and late packets alone.
    """
    index = index_packets(map_file(path), None if instrument is None else instrument.headers, checksum)
    return report_index(Path(path), index, instrument if isinstance(instrument, HasTime) else None)
