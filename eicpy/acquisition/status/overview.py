"""The whole live chain at a moment: what a monitor shows, read from the station, the archive and the disk.

One call reads all; nothing of the chain is touched or waited for, so that a screen may look every second,
and may die, without any part noticing. What a part that is dead said last is kept and called dead.

The verdict is that of :func:`eicpy.health.judge`: the chain as it is now, and the newest data by their own
time, which the reader follows in the run archive. A reader remembers what it read before: that gives the
rates per APID. Read again where a single look is wanted (:func:`read_overview` does).
"""

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eicpy.acquisition.status.acknowledged import AcknowledgedExcursions, with_acknowledgements
from eicpy.acquisition.status.chain_reasons import chain_reasons
from eicpy.acquisition.status.overview_parts import (
    ApidView,
    DiskView,
    LastError,
    LinkView,
    PartView,
    ProcessorView,
    ReceiverView,
    RunView,
)
from eicpy.acquisition.status.overview_status import Said, link_of, part_of, supervised, with_lag
from eicpy.acquisition.status.status import JournalEntry, Station, Status
from eicpy.errors import BadArgumentError, BadDataError, EicpyError
from eicpy.health.judgement import judge
from eicpy.health.names import packet_name
from eicpy.health.reasons import LEVELS, Verdict
from eicpy.health.state import HealthState
from eicpy.health.telemetry import TelemetryReader
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.runs.archive import RunArchive
from eicpy.settings import Settings

__all__ = ["Overview", "OverviewReader", "read_overview"]

COUNTS = ("lost", "duplicated", "out_of_order", "damaged", "restarted", "out_of_step")
"""What is counted of the packets of an APID, besides those received."""
READING_TIME = 0.25
"""Longest time to read on in the data in one look, s."""
ONCE = 60.0
"""Longest time to read the newest data where a single overview is wanted, s."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that a monitor shows. Sizes in bytes, times in s, rates per second, moments in UTC."""

    instrument: str
    moment: datetime
    """When it was read."""
    verdict: Verdict
    """Whether camera and chain are well, and why not, the worst first."""
    receiver: ReceiverView | None
    """None where there has never been one."""
    run: RunView | None
    """The run that is being written, else the last; None where there is none."""
    links: tuple[LinkView, ...]
    apids: tuple[ApidView, ...]
    """Telemetry, then commands, by APID."""
    disk: DiskView | None
    processors: tuple[ProcessorView, ...]
    others: tuple[PartView, ...]
    """Parts that are neither receiver nor processor: dashboards, the chain itself."""
    journal: tuple[JournalEntry, ...]
    """What operators did last, oldest first."""
    last_error: LastError | None

    @property
    def parts(self) -> tuple[PartView, ...]:
        """Every part that has reported."""
        return (*((self.receiver,) if self.receiver else ()), *self.processors, *self.others)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the living parts can be reached."""
        return tuple(text for part in self.parts if part.health == "alive" for text in part.addresses)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON takes it: moments as ISO texts, levels as words."""
        reported: dict[str, Any] = json.loads(json.dumps(asdict(self), default=_plain))
        verdict = self.verdict
        reported["verdict"] = {
            "level": LEVELS[verdict.level].lower(),
            "tense": str(verdict.tense),
            "run": verdict.run,
            "newest": verdict.newest if math.isfinite(verdict.newest) else None,
            "read": 1.0 if verdict.reading is None else verdict.reading.share,
            "checked": verdict.checked,
            "reasons": [
                {"code": reason.code, "level": LEVELS[reason.level].lower(), "values": dict(reason.values)}
                for reason in verdict.reasons
            ],
        }
        return reported


@dataclass
class OverviewReader:
    """Reads the overview of a chain again and again.

    Parameters
    ----------
    settings
        Settings of the chain.
    instrument
        Of which detector; gives the names of the APIDs.
    journal_lines
        How many of the last lines of the journal to read.
    reading_time
        How long one look may read on in the data, s.
    """

    settings: Settings
    instrument: Instrument
    journal_lines: int = 100
    reading_time: float = READING_TIME
    _counts: dict[tuple[object, ...], int] = field(default_factory=dict, init=False, repr=False)
    _risen: dict[tuple[object, ...], datetime] = field(default_factory=dict, init=False, repr=False)
    _packets: dict[tuple[bool, int], tuple[float, int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._telemetry = TelemetryReader(self.archive, self.instrument)
        self._acknowledged = AcknowledgedExcursions(self.settings, self.instrument)

    def close(self) -> None:
        """Let go of the files and the database."""
        self._telemetry.close()
        self._acknowledged.close()

    @property
    def station(self) -> Station:
        """Where the parts of the chain report their status."""
        return Station(self.settings.live(self.instrument.name))

    @property
    def archive(self) -> RunArchive:
        """Where the runs lie."""
        return RunArchive(self.settings.archive(self.instrument.name), self.instrument.name)

    def read(self) -> Overview:
        """Read all, now; takes a few milliseconds where little came, and waits for nothing.

        What cannot be read becomes a reason of the verdict and is never raised. Where more came than can be
        read in :attr:`reading_time`, the verdict says how much was read.
        """
        moment = datetime.now(tz=UTC)
        unreadable: dict[str, str] = {}
        state = self._data(unreadable)
        statuses = self._statuses(unreadable)
        reported = [part_of(status, moment) for status in statuses.values()]
        parts = supervised(reported, statuses.get("supervisor"))
        receiver = next((part for part in parts if isinstance(part, ReceiverView)), None)
        said = Said(statuses[receiver.name].values) if receiver else Said({})
        run = self._run(receiver, said, moment, unreadable)
        processors = tuple(with_lag(part, receiver, run) for part in parts if isinstance(part, ProcessorView))
        links = tuple(link_of(Said(link)) for link in said.rows("links"))
        self._note_rises(receiver, said, links, moment)
        apids = self._apids(said, receiver)
        disk = self._disk(receiver, said, unreadable)
        others = tuple(part for part in parts if not isinstance(part, (ReceiverView, ProcessorView)))
        everyone = (*((receiver,) if receiver else ()), *processors, *others)
        for part in everyone:
            self._watch(("restarted", part.name), part.restarts, moment, part.started)
        others_wrong = chain_reasons(
            moment=moment, parts=everyone, links=links, apids=apids, disk=disk, risen=self._risen,
            unreadable=unreadable, has_run=state.run is not None,
        )  # fmt: skip
        return Overview(
            instrument=self.instrument.name,
            moment=moment,
            verdict=judge(replace(state, others=others_wrong)),
            receiver=receiver,
            run=run,
            links=links,
            apids=apids,
            disk=disk,
            processors=processors,
            others=others,
            journal=self._journal(unreadable),
            last_error=_last_error(everyone),
        )  # fmt: skip

    def _statuses(self, unreadable: dict[str, str]) -> dict[str, Status]:
        station = self.station
        try:
            statuses = station.statuses()
            files = {file.stem for file in station.folder.glob("*.status")}
        except OSError as error:
            unreadable[str(station.folder)] = str(error.strerror)
            return {}
        for name in sorted(files - {status.name for status in statuses.values()}):
            unreadable[f"{name}.status"] = "no whole status in it"
        return statuses

    def _journal(self, unreadable: dict[str, str]) -> tuple[JournalEntry, ...]:
        try:
            return tuple(self.station.read_journal(self.journal_lines))
        except OSError as error:
            unreadable["journal"] = str(error.strerror)
            return ()

    def _run(
        self, receiver: ReceiverView | None, said: Said, moment: datetime, unreadable: dict[str, str]
    ) -> RunView | None:
        """The run that the receiver writes; where none writes, the last of the archive."""
        try:
            written = receiver.run if receiver and receiver.health in {"alive", "silent"} else None
            run = self.archive.newest() if written is None else self.archive.run(written)
        except (BadArgumentError, OSError) as error:
            unreadable["run archive"] = str(error)
            run = None
        if run is None:
            return None
        try:
            known = run.metadata.model_dump()
        except BadDataError as error:
            unreadable[f"run {run.number}"] = error.what
            known = {}
        try:
            size: int | None = run.size
        except OSError as error:
            unreadable[f"run {run.number}"] = str(error.strerror)
            size = None
        opened = known.get("opened")
        return RunView(
            number=run.number,
            suffix=known.get("suffix") or said.text("suffix"),
            size=size,
            opened=opened,
            closed=known.get("closed"),
            age=None if opened is None else (moment - opened).total_seconds(),
            simulated=known.get("simulated"),
            **{
                name: str(known.get(name) or "")
                for name in ("operator", "setup", "comment", "position", "source")
            },
        )

    def _apids(self, said: Said, receiver: ReceiverView | None) -> tuple[ApidView, ...]:
        found = []
        reported = receiver.updated.timestamp() if receiver and receiver.updated else 0.0
        for command, key in ((False, "apids"), (True, "commands")):
            for text, row in said.table(key).items():
                if not text.isdecimal():
                    continue
                apid, counts = int(text), Said(row)
                view = ApidView(
                    apid=apid,
                    name=packet_name(self.instrument, apid, command=command),
                    command=command,
                    received=counts.count("received") or 0,
                    rate=self._rate((command, apid), counts.count("received") or 0, reported),
                    not_counting=counts.count("not_counting") or 0,
                    unconfirmed=counts.count("unconfirmed") or 0,
                    counting=counts.text("counting"),
                    **{count: counts.count(count) or 0 for count in COUNTS},
                )
                found.append(view)
        return tuple(sorted(found, key=lambda view: (view.command, view.apid)))

    def _rate(self, key: tuple[bool, int], packets: int, reported: float) -> float | None:
        """Packets per second between two statuses of the receiver."""
        before = self._packets.get(key)
        if (
            before is None or packets < before[1] or reported < before[0]
        ):  # the first, another, a clock set back
            self._packets[key] = (reported, packets)
            return None
        if reported <= before[0]:
            return None
        self._packets[key] = (reported, packets)
        return (packets - before[1]) / (reported - before[0])

    def _note_rises(
        self, receiver: ReceiverView | None, said: Said, links: Sequence[LinkView], moment: datetime
    ) -> None:
        """Note when counts of the receiver last rose: as it reports it, else as it was seen from here."""
        if receiver is None:
            return
        counts = {
            "udp-dropped": receiver.udp_dropped,
            "connections-closed": receiver.gave_way,
            "run-gone": receiver.runs_gone,
        }
        risen = said.plain("risen")
        for name, count in counts.items():
            self._watch((name,), count or 0, moment, receiver.started)
            if count and (when := _moment(risen.get(name))) is not None:
                self._risen[name,] = when
        for link in links:
            refused = link.state == "refused"
            when = None if link.age is None else moment - timedelta(seconds=link.age)
            self._watch(("link-refused", link.address), int(refused), moment, when)

    def _watch(
        self, key: tuple[object, ...], count: int, moment: datetime, first: datetime | None = None
    ) -> None:
        """Remember when a count rose.

        Parameters
        ----------
        key, count
            Which, and how much it is now.
        moment
            Now.
        first
            When it rose at the earliest, where it is seen for the first time.
        """
        known = key in self._counts
        before = self._counts.get(key, 0)
        if not count:
            self._risen.pop(key, None)
        elif count != before:  # less, but not none: another receiver, which has lost some too
            self._risen[key] = moment if known or first is None else first
        self._counts[key] = count

    def _data(self, unreadable: dict[str, str]) -> HealthState:
        """What is known of the data, with who acknowledged what."""
        try:
            state = self._telemetry.read(self.reading_time)
        except (EicpyError, OSError) as error:
            unreadable["run archive"] = str(error)
            return HealthState()
        names = {
            (one.command, one.apid): packet_name(self.instrument, one.apid, command=one.command)
            for one in state.losses
        }
        found = state.excursions
        if found:
            try:
                rows = self._acknowledged.since(min(one.start for one in found))
                found = with_acknowledgements(found, rows)
            except (EicpyError, OSError) as error:
                unreadable["database"] = str(error)
        return replace(state, excursions=found, names=names)

    def _disk(self, receiver: ReceiverView | None, said: Said, unreadable: dict[str, str]) -> DiskView | None:
        folder = _existing(self.archive.folder)
        try:
            room = os.statvfs(folder)
        except OSError as error:
            unreadable[str(folder)] = str(error.strerror)
            return None
        alive = receiver is not None and receiver.health == "alive"
        return DiskView(
            folder=str(folder),
            total=room.f_frsize * (room.f_blocks - room.f_bfree + room.f_bavail),
            free=room.f_frsize * room.f_bavail,
            seconds_to_full=said.number("disk_seconds") if alive else None,
        )


@accept_old_keywords(renamed={"patience": "timeout"})
def read_overview(settings: Settings, instrument: Instrument, *, timeout: float = 1.0) -> Overview:
    """Read the overview of a chain once.

    Parameters
    ----------
    settings
        Settings of the chain.
    instrument
        Instrument of the chain.
    timeout
        How long to wait for a second status of a living receiver, for the rates per APID, s.
    """
    reader = OverviewReader(settings, instrument)
    try:
        begun = time.monotonic()
        overview = reader.read()
        alive = overview.receiver is not None and overview.receiver.health == "alive"
        while overview.verdict.reading is not None and time.monotonic() - begun < ONCE:
            overview = reader.read()
        if alive:
            time.sleep(max(timeout - (time.monotonic() - begun), 0.0))
            overview = reader.read()
        return overview
    finally:
        reader.close()


def _moment(text: object) -> datetime | None:
    """A moment as a status writes it; None for anything else."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _last_error(parts: Sequence[PartView]) -> LastError | None:
    """The newest; a living part counts before one that stopped long ago."""
    reported = [part for part in parts if part.error and part.health != "ended"]
    if not reported:
        return None
    newest = max(
        reported, key=lambda part: (part.health == "alive", part.updated or datetime.min.replace(tzinfo=UTC))
    )
    return LastError(part=newest.name, text=newest.error or "", time=newest.updated)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((each for each in (folder, *folder.parents) if each.is_dir()), folder)


def _plain(value: object) -> object:
    """Write what JSON has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, JournalEntry):
        return value.model_dump(mode="json")
    raise TypeError(f"got {type(value).__name__}, expected what JSON takes")
