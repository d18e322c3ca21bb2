"""Running a night: what is done already, what is to do, in which order, and what its record says."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from eicpy.calibration.table import Inputs
from eicpy.decoding import packet_seconds
from eicpy.errors import EicpyError
from eicpy.events import GoodTimeIntervals
from eicpy.files import sha256_of
from eicpy.housekeeping import Severity
from eicpy.nights.index_page import write_index
from eicpy.nights.record import NightRecord, PacketRecord, TableRecord, now
from eicpy.operations import (
    Database,
    ProductEntry,
    StepTicket,
    add_product,
    record_excursions,
    run_step,
    step_key,
)
from eicpy.packets import continuity, map_file
from eicpy.pipeline.assemble import NightProductWriter, NightSums
from eicpy.pipeline.decisions import TableInUse, treatment_with
from eicpy.pipeline.good_time import GoodTime, good_time
from eicpy.pipeline.night_health import add_alerts, add_excursions, add_losses, add_switch
from eicpy.pipeline.night_reports import make_reports
from eicpy.pipeline.night_tables import kept_files, make_tables
from eicpy.pipeline.photon_task import PhotonSums, PhotonTask, process_photons
from eicpy.pipeline.plan import NightPlan, RunSelection, Segment
from eicpy.pipeline.run_switches import losses_at_switches
from eicpy.pipeline.satellite import Satellite, SatelliteRows
from eicpy.pipeline.tasks import Progress, TaskOutcome, default_workers, run_tasks
from eicpy.pipeline.telemetry_task import Telemetry, TelemetryTask, process_telemetry
from eicpy.products import InputFile, Observation, Provenance
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.times import to_time
from eicpy.version import __version__

__all__ = ["NightRun"]

WORK = ".work"
"""Folder in that of the night, for what a segment leaves to the night."""
SMALL = 512 << 20
"""Bytes of photon packets below which starting other processes costs more than it brings."""
EDGE = 60.0
"""Good time this far, s, from the packets of a segment cannot change what the segment leaves."""
NOT_APPLIED = ("efficiency of pixels", "background", "clock")
"""Corrections that one may look for and that no product of a night has."""
SHOWN = 100
"""Skipped ranges that the record names; the others are only counted."""


@dataclass
class NightRun:
    """A night being run.

    Parameters
    ----------
    plan
        What it is made from.
    settings, database
        The set-up.
    tables
        The calibration tables in use, by card.
    scheduler, workers
        Where the tasks run; see :func:`eicpy.pipeline.tasks.run_tasks`.
    progress
        Called as the work goes on.
    take_over
        Take the night, and its reports, from any process that runs them.
    """

    plan: NightPlan
    settings: Settings
    database: Database
    tables: dict[str, TableInUse]
    scheduler: str | None
    workers: int | None
    progress: Progress
    take_over: bool = False
    good_time: GoodTime = field(init=False)

    def __post_init__(self) -> None:
        self.instrument = self.plan.instrument
        self.folder = self.settings.products(self.instrument.name) / self.plan.night
        self.segments = self.plan.segments()
        letter = "T" if self.plan.simulated else "F"
        self.good_time = GoodTime(self.plan.gti, {})
        self.treatment = treatment_with(self.tables, self.instrument)
        self.satellite = Satellite()
        self.satellite_rows = SatelliteRows.of(
            self.database, self.instrument.name, self.plan.start, self.plan.stop
        )
        self.writer = NightProductWriter(
            self.instrument, self.folder, self.plan.day, letter, self._provenance("night"), self.treatment
        )
        self._names: dict[int, Path] = {}
        self._ticket: StepTicket | None = None
        self.steps = 0
        self.total = len(self.segments) + len(self.plan.stretches) + 3
        self.total += sum(used.kind.applies for used in self.tables.values())

    def run(self, *, redo: bool) -> tuple[NightRecord, bool]:
        """Do what is not done yet.

        Returns
        -------
        record : NightRecord
            What is known of the night now.
        new : bool
            False where everything had been done before.
        """
        key = self.key()
        step = run_step(
            self.database,
            key=key,
            instrument=self.instrument.name,
            night=self.plan.night,
            name="night",
            redo=redo or not self._is_complete(key),
            alone=True,  # all versions of a night are in one folder
            take_over=self.take_over,
        )
        with step as ticket:
            record = self._new_record(key) if ticket.todo else NightRecord.read(self.folder)
            if ticket.todo:
                self._ticket = ticket
                with self._failure_recorded(record):
                    self._make(record, ticket, redo=redo)
        self._ticket = None
        with self._failure_recorded(record):
            made = make_reports(
                record, self.folder, self.settings, self.database, redo=redo, progress=self._tell,
                take_over=self.take_over,
            )  # fmt: skip
        new = ticket.todo or bool(made)
        if new:
            record.status = record.outcome
            record.message = ""
            self._end(record)
        return record, new

    @contextmanager
    def _failure_recorded(self, record: NightRecord) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if self._ticket is None or not self._ticket.lost:  # else the record is another process's
                record.status, record.message = "failed", f"{type(error).__name__}: {error}"
                self._end(record)
            raise

    def _make(self, record: NightRecord, ticket: StepTicket, *, redo: bool) -> None:
        """Make the products, and say for the ledger how that went."""
        record.write(self.folder)
        self._work(record, redo=redo)
        ticket.failed = bool(record.failures)
        ticket.message = "; ".join(record.failures) or record.headline
        ticket.products = record.products
        record.write(self.folder)  # the reports read it

    def key(self) -> str:
        """Hash of everything the night is made from."""
        description = hashlib.sha256()
        for file in sorted(self.instrument.folder.iterdir()):
            if file.is_file():
                description.update(file.read_bytes())
        return step_key(
            "night",
            [s.key for s in self.plan.stretches],
            {
                "instrument": [self.instrument.name, description.hexdigest()],
                "interval": [self.plan.start, self.plan.stop],
                "tables": hashlib.sha256(self.treatment.digest()).hexdigest(),
                "version": __version__,
                **self._between_runs(),
                **({"satellite": self.satellite_rows.hashes} if self.satellite_rows.hashes else {}),
            },
        )

    def _between_runs(self) -> dict[str, list[int]]:
        """What a night of several runs depends on besides their packets; nothing for one of a single run."""
        joined = [s.run for s in self.plan.stretches if s.joined]
        known = {"configuration": self.plan.configuration_runs, "joined": joined}
        return {name: runs for name, runs in known.items() if runs}

    def _is_complete(self, key: str) -> bool:
        """Whether all that the ledger calls done is still on the disk."""
        try:
            record = NightRecord.read(self.folder)
        except EicpyError:
            return False
        return (
            record.key == key
            and not record.failures
            and all((self.folder / n).is_file() for n in record.products)
        )

    def _new_record(self, key: str) -> NightRecord:
        return NightRecord(
            instrument=self.instrument.name,
            title=self.instrument.title,
            night=self.plan.night,
            start=_iso(self.plan.start),
            stop=_iso(self.plan.stop),
            status="running",
            key=key,
            runs=self.plan.runs,
            configuration_runs=self.plan.configuration_runs,
            packets_aside=self.plan.packets_aside,
            simulated=self.plan.simulated,
            tables={card: TableRecord(used=self._relative(used.file)) for card, used in self.tables.items()},
        )

    def _work(self, record: NightRecord, *, redo: bool) -> None:
        self._read_satellite(record)
        tasks = self._telemetry_tasks()
        self._count_packets(record)
        telemetry = run_tasks(process_telemetry, [(t,) for t in tasks], done=self._report("housekeeping"))
        self._use_telemetry(record, tasks, telemetry)
        self.writer = replace(self.writer, observation=self._observation(self.good_time.total))
        photons = self._photon_tasks(redo=redo)
        self.steps += len(self.segments) - len(photons)
        outcomes = run_tasks(
            process_photons,
            [(t,) for t in photons],
            scheduler=self.scheduler,
            workers=self._workers(photons),
            done=self._report("photons"),
        )
        for task, outcome in zip(photons, outcomes, strict=True):
            if outcome.failure:
                record.failures.append(f"photons, segment {task.segment.number}: {outcome.failure}")
        self._check_claim(ask=True)
        sums = self._sum(record)
        self._tell("products")
        made = [self._photon_file(s.number) for s in self.segments if self._sums_file(s.number).is_file()]
        made += self.writer.photon_products(sums, self.good_time)
        made += self.writer.onboard_spectra([o.result.spectra for o in telemetry if o.result])
        made += make_tables(self._inputs(sums), self.tables, self.writer, self.database, record, self._tell)
        record.products = [p.name for p in made]
        self._check_claim(ask=True)
        self._clear(made)
        self._catalogue(made)

    def _read_satellite(self, record: NightRecord) -> None:
        """Read attitude and orbit; without them the night is made all the same, and says so."""
        try:
            self.satellite = Satellite.of_night(
                self.satellite_rows, self.settings, self.instrument.name, simulated=self.plan.simulated
            )
        except EicpyError as error:
            record.failures.append(f"attitude and orbit: {error}")
        self.writer = replace(self.writer, provenance=self._provenance("night"))

    def _observation(self, gti: GoodTimeIntervals) -> Observation:
        inside = gti & GoodTimeIntervals(self.plan.start, self.plan.stop)
        return self.satellite.observation(inside, self.instrument)

    def _photon_tasks(self, *, redo: bool) -> list[PhotonTask]:
        tasks = []
        for segment in self.segments:
            sums = self._sums_file(segment.number)
            if not redo and sums.is_file() and self._photon_file(segment.number).is_file():
                continue
            tasks.append(
                PhotonTask(
                    instrument=self.instrument.name,
                    segment=segment,
                    treatment=self.treatment,
                    gti=self.good_time.total,
                    allowed=self.good_time.allowed,
                    span=(self.plan.start, self.plan.stop),
                    product=self._photon_file(segment.number),
                    sums=sums,
                    provenance=self._provenance("photons").with_corrections(*self.treatment.corrections),
                    observation=self._observation_of(segment),
                )
            )
        return tasks

    def _telemetry_tasks(self) -> list[TelemetryTask]:
        return [
            TelemetryTask(
                self.instrument.name,
                stretch,
                self.settings.housekeeping(self.instrument.name),
                f"run-{stretch.run:06d}-{stretch.key[:16]}",
            )
            for stretch in self.plan.telemetry_stretches
        ]

    def _count_packets(self, record: NightRecord) -> None:
        for stretch in self.plan.stretches:
            table = continuity(stretch.index, buffer=map_file(stretch.file))
            add_losses(record, stretch, self.instrument, table)
            for apid, found in table.items():
                if not found.received and self.instrument.header(apid) is None:
                    continue  # an APID that only damaged packets name is no APID
                entry = record.packets.setdefault(str(apid), PacketRecord())
                entry.add(found.counts)
                entry.duplicated += _repeats(stretch, apid)
        for switch in losses_at_switches(self.plan.stretches, self.instrument):
            record.packets.setdefault(str(switch.apid), PacketRecord()).add(switch.counts)
            add_switch(record, switch)
        record.foreign_bytes = sum(gap.length for _, gap in self.plan.skipped)
        record.skipped = [
            f"run {run}: {gap.length} bytes at byte {gap.offset}: {gap.reason}"
            for run, gap in self.plan.skipped[:SHOWN]
        ]

    def _use_telemetry(
        self, record: NightRecord, tasks: Sequence[TelemetryTask], outcomes: Sequence[TaskOutcome[Telemetry]]
    ) -> None:
        parameters: set[str] = set()
        checked: set[str] = set()
        for task, outcome in zip(tasks, outcomes, strict=True):
            if outcome.result is None:
                record.failures.append(f"housekeeping of run {task.stretch.run}: {outcome.failure}")
                continue
            found = outcome.result
            record_excursions(self.database, self.instrument.name, self.plan.night, found.excursions)
            record.alarms += sum(e.level is Severity.ALARM for e in found.excursions)
            record.warnings += sum(e.level is Severity.WARNING for e in found.excursions)
            add_excursions(record, found.excursions, found.ongoing.items())
            add_alerts(record, found.alerts)
            checked |= found.checked
            parameters |= found.parameters
        record.parameters, record.checked = len(parameters), len(checked)
        samples = [None if o.result is None else o.result.samples for o in outcomes]
        self.good_time = good_time(self.instrument, self.plan.gti, samples)
        self._names.clear()
        record.exposure = self.good_time.total.exposure
        record.good_time = {
            name: (gti & GoodTimeIntervals(self.plan.start, self.plan.stop)).exposure
            for name, gti in self.good_time.criteria.items()
        }
        record.unknown_criteria = list(self.good_time.unknown)

    def _sum(self, record: NightRecord) -> NightSums:
        sums = NightSums(self.instrument, self.treatment.bands)
        for segment in self.segments:
            part = PhotonSums.read(self._sums_file(segment.number))
            if part is not None:
                sums.add(part)
            elif not record.failures:
                file = self._sums_file(segment.number)
                file.unlink(missing_ok=True)
                record.failures.append(f"photons, segment {segment.number}: {file.name} cannot be read")
        record.photons = sums.photons
        record.left_out = sums.wrong
        record.outside = sums.outside
        return sums

    def _inputs(self, sums: NightSums) -> Inputs:
        """What the night offers to its calibration tables."""
        gti = self.good_time.total
        known, note = self.satellite.shadows(
            self.instrument, gti, float(sums.photons), simulated=self.plan.simulated
        )
        return Inputs(
            spectra=sums.spectra,
            exposure=self.good_time.total.exposure,
            middle=0.5 * (self.plan.start + self.plan.stop),
            treatment=self.treatment,
            threads=self.workers or default_workers(),
            shadows=None if known is None else known.shadows,
            sources=() if known is None else known.names,
            sources_note=note,
            live_time=sums.live_times(gti.exposure),
        )

    def _clear(self, made: Sequence[Path]) -> None:
        """Remove what an earlier run of this night left and this one did not make; keep released tables."""
        kept = {self._sums_file(s.number) for s in self.segments} | kept_files(self.tables, self.writer)
        for path in [*self.folder.glob("*.fits"), *(self.folder / WORK).glob("*.npz")]:
            if path not in kept and path not in made:
                path.unlink()

    def _catalogue(self, made: Sequence[Path]) -> None:
        for path in made:
            add_product(
                self.database,
                ProductEntry(
                    instrument=self.instrument.name,
                    card=path.name.rsplit("-", 1)[0],
                    night=self.plan.night,
                    file=path,
                    sha256=sha256_of(path),
                    valid_from=self.plan.start,
                    valid_to=self.plan.stop,
                    simulated=self.plan.simulated,
                ),
            )

    def _provenance(self, activity: str) -> Provenance:
        archive = RunArchive(self.settings.archive(self.instrument.name), self.instrument.name)
        inputs = []
        for number in self.plan.runs:
            run = archive.run(number)
            known = run.stated_sha256
            inputs.append(InputFile(f"run {number:06d}/{run.raw_file.name}", known, run.size, "packets"))
        released = {used.kind.tag: used for used in self.tables.values() if used.kind.released}
        inputs += self.satellite.inputs
        inputs += [InputFile.of(used.file, f"{tag} table") for tag, used in released.items() if used.file]
        return Provenance.begin(
            activity,
            inputs=inputs,
            configuration={
                "instrument": self.instrument.name, "start": self.plan.start, "stop": self.plan.stop,
                **{tag: used.name for tag, used in released.items()},
                "not_applied": (*(() if self.instrument.dead_time else ("dead time",)), *NOT_APPLIED),
            },
            simulated=self.plan.simulated,
        )  # fmt: skip

    def _end(self, record: NightRecord) -> None:
        record.finished = now()
        record.write(self.folder)
        write_index(self.settings)

    def _photon_file(self, number: int) -> Path:
        return self.writer.path("ECL-EVT-CAL", number)

    def _sums_file(self, number: int) -> Path:
        if number not in self._names:
            key = self._segment_key(self.segments[number - 1])
            self._names[number] = self.folder / WORK / f"segment-{number:02d}-{key[:16]}.npz"
        return self._names[number]

    def _segment_key(self, segment: Segment) -> str:
        """Hash of everything the sums of a segment are made from."""
        around = self._around(segment)
        good = [gti & around for gti in (self.good_time.total, self.good_time.allowed)]
        arrays = b"".join(a.tobytes() for g in good for a in (g.start, g.stop))
        seen = repr(self._observation_of(segment)).encode()
        made_from = hashlib.sha256(self.treatment.digest() + arrays + seen).hexdigest()
        return step_key("photons", [s.key for s in segment.stretches], {"from": made_from, "version": 4})

    def _around(self, segment: Segment) -> GoodTimeIntervals:
        """The time of a segment's packets, and a little more."""
        times = np.concatenate([packet_seconds(s.index, self.instrument) for s in segment.stretches])
        return GoodTimeIntervals(np.fmin.reduce(times) - EDGE, np.fmax.reduce(times) + EDGE)

    def _observation_of(self, segment: Segment) -> Observation:
        """What is known of the observation in the time of a segment's packets."""
        return self._observation(self.good_time.total & self._around(segment))

    def _relative(self, path: Path | None) -> str:
        if path is None:
            return ""
        return (
            path.relative_to(self.settings.home).as_posix()
            if path.is_relative_to(self.settings.home)
            else str(path)
        )

    def _workers(self, tasks: Sequence[PhotonTask]) -> int:
        if self.workers is not None:
            return self.workers
        return default_workers() if sum(t.segment.size for t in tasks) > SMALL else 0

    def _report(self, what: str) -> Callable[[int, object], None]:
        return lambda _number, _outcome: self._tell(what)

    def _check_claim(self, *, ask: bool = False) -> None:
        if self._ticket is not None:
            self._ticket.check(ask=ask)

    def _tell(self, what: str) -> None:
        self._check_claim()
        self.steps += 1
        self.progress(min(self.steps, self.total), self.total, f"{self.plan.night} {what}")


def _repeats(stretch: RunSelection, apid: int) -> int:
    """Packets of an APID that another run of the night holds as well, without duplicates in their own."""
    if stretch.repeats is None:
        return 0
    index = stretch.index[stretch.repeats & (stretch.index.apid == apid)]
    return int(np.unique(np.stack([index.sequence_count, index.coarse, index.fine]), axis=1).shape[1])


def _iso(seconds: float) -> str:
    return f"{to_time(seconds).utc.isot[:19]}+00:00"
