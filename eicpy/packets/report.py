"""What is in a file of packets, what is missing, and what is not right with it.

No definition is needed. With an instrument's header rules the report also knows the times.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import erfa
import numpy as np

from eicpy.errors import ExitCode
from eicpy.packets.buffers import Buffer
from eicpy.packets.containers.source import PacketSource
from eicpy.packets.continuity import Continuity, continuity
from eicpy.packets.counts.findings import CountFinding
from eicpy.packets.counts.words import COUNT_WORDS, COUNTER_FIELDS, PacketCounts
from eicpy.packets.index import BETWEEN_PACKETS, PacketIndex, PacketStatus
from eicpy.packets.rules import ApidDecision, HeaderRule
from eicpy.packets.segments import segment_groups
from eicpy.packets.timecode import day_text
from eicpy.text import counted

__all__ = ["ApidReport", "HasHeaders", "PacketReport", "report_index"]


_SHOWN = 20
_FINDINGS = 1000
_WORDS = 24
"""Characters from which on a cell of a table holds words."""


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
    counts
        What arrived and what did not, see `PacketCounts`; each number is an attribute of its own as well.
    findings
        Where: gaps, duplicates, restarts, wrong counts and the like; the first thousand.
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
    counts: PacketCounts
    first: dict[str, int | str | None] | None
    last: dict[str, int | str | None] | None
    groups_complete: int
    groups_incomplete: int
    types: dict[str, int]
    checksum: str
    decision: str
    findings: tuple[CountFinding, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name in COUNT_WORDS or name == "counting":
            return getattr(self.counts, name)
        raise AttributeError(name)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {
            **asdict(self.counts),
            "first": self.first,
            "last": self.last,
            "groups_complete": self.groups_complete,
            "groups_incomplete": self.groups_incomplete,
            "types": self.types,
            "checksum": self.checksum,
            "decision": self.decision,
            "findings": [one.to_dict() for one in self.findings],
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
    source
        What the file is, and what was found while packets were taken out of it; None where only an index is
        reported.
    joined
        Packets that this file and the one before or after it share, in words.
    """

    file: Path
    index: PacketIndex
    apids: dict[int, ApidReport]
    commands: dict[int, ApidReport] = field(default_factory=dict)
    source: PacketSource | None = None
    joined: tuple[str, ...] = ()

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
    def what(self) -> list[str]:
        """What the file is where it is more than packets one after the other, and what else was found."""
        lines = list(self.joined)
        if self.source is not None:
            known = self.source.words if not self.packets or self.source.layers else ""
            advice = f" ({self.source.advice})" if known and self.source.advice and not self.packets else ""
            lines = [*([f"{known}{advice}"] if known else []), *self.source.findings.lines(), *lines]
        return lines

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
        """Whether nothing is lost, doubled, out of order or step, damaged, foreign or incomplete.

        A file without a byte is not clean: there is nothing in it to be so.
        """
        if self.source is not None and (self.source.is_strange or not self.source.findings.is_clean):
            return False
        return not (
            self.damaged
            or self.foreign_bytes
            or any(
                a.groups_incomplete or not a.counts.is_clean
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
            "source": None if self.source is None else self.source.to_dict(),
            "joined": list(self.joined),
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
                **{word: _number(report.counts, name) for name, word in COUNT_WORDS.items()},
                "counter": report.counts.counting,
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
        filled = [key for key in (rows[0] if rows else {}) if any(row[key] != "" for row in rows)]
        head = "".join(f"<th>{escape(key)}</th>" for key in filled)
        body = "".join(f"<tr>{''.join(_cell(row[key]) for key in filled)}</tr>" for row in rows)
        what = "".join(f"<br>{escape(line)}" for line in self.what)
        remarks = "".join(f"<p>{escape(line)}</p>" for line in self.remarks)
        return (
            f"<p>{escape(self.file.name)}: {self.packets} packets, {self.damaged} damaged, "
            f"{self.foreign_bytes} foreign bytes{what}</p>{remarks}"
            f"<table><tr>{head}</tr>{body}</table>{self._told()}"
        )

    @property
    def findings(self) -> list[CountFinding]:
        """What was found about the counts of all APIDs, telecommands after telemetry."""
        return [one for report in (*self.apids.values(), *self.commands.values()) for one in report.findings]

    def _told(self) -> str:
        shown = self.findings[:_SHOWN]
        rest = len(self.findings) - len(shown)
        lines = [escape(str(one)) for one in shown] + ([f"and {rest} more"] if rest else [])
        return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>" if lines else ""


def _cell(value: object) -> str:
    """A cell of a table; words keep a width in which they can be read."""
    text = str(value)
    style = ' style="text-align: left; min-width: 15em"' if len(text) > _WORDS else ""
    return f"<td{style}>{escape(text)}</td>"


def _number(counts: PacketCounts, name: str) -> int | str:
    """A number; one that is seldom other than 0 is not shown where it is."""
    number: int = getattr(counts, name)
    return number if number or name not in COUNTER_FIELDS else ""


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
    decision = index.decisions[int(index.apid[row])]
    fine = max(int(index.fine[row]), 0) * decision.fine_tick
    if decision.day_epoch:
        return day_text(coarse, fine, decision.day_epoch)
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


def report_index(
    file: Path, index: PacketIndex, instrument: HasTime | None = None, buffer: Buffer | None = None
) -> PacketReport:
    """Report of an index that exists already.

    Parameters
    ----------
    file
        The file that was indexed, for the name.
    index
        Its index.
    instrument
        Its time rule gives times in UTC; None to leave on-board times.
    buffer
        The bytes that were indexed: by them a packet without a time is known when it comes again.

    See Also
    --------
    inspect_file : index and report a file.
    """
    rule = None if instrument is None else instrument.time
    telemetry: Mapping[int, Continuity] = continuity(index, buffer=buffer)
    commands: Mapping[int, Continuity] = continuity(index, commands=True, buffer=buffer)
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
            counts=one.counts,
            first=_packet(index, one.first, rule),
            last=_packet(index, one.last, rule),
            groups_complete=int(complete.sum()),
            groups_incomplete=int((~complete).sum()),
            types=_types(index, one.rows),
            checksum="none" if decision is None else decision.checksum.name.lower(),
            decision="" if decision is None else decision.reason,
            findings=tuple(islice(one.findings(), _FINDINGS)),
        )
    return apids
