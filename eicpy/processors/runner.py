"""Running a processor in this process, with retries where the error can pass.

On a full disk the processor returns to its last checkpoint and tries again until there is space, with a
warning. A batch that fails is given again packet by packet, so that the faulty packet is known. Any other
error ends the process; its supervisor starts it again, and it resumes at its last checkpoint.
"""

import logging
import os
import shutil
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from eicpy.acquisition.status import Station, StatusReport
from eicpy.files import is_full_disk
from eicpy.instruments import load
from eicpy.processors.adapter import ProcessorAdapter
from eicpy.processors.checkpoint import Checkpoint
from eicpy.processors.child import RESTARTS
from eicpy.processors.context import Context
from eicpy.processors.discovery import Processor
from eicpy.processors.execution import BatchError, BatchRules, Execution
from eicpy.processors.outputs import Outputs
from eicpy.processors.parameters import check_parameters
from eicpy.runs import RunArchive
from eicpy.runs.provider.cursor import Cursor
from eicpy.runs.provider.provide import Mode, ProvideOptions, provide
from eicpy.settings import Settings

__all__ = ["Job", "Summary", "run_processor"]

_log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Between two checkpoints, s."""
RETRY_SECONDS = 1.0
"""Between two attempts on a full disk."""


@dataclass(frozen=True)
class Job:
    """What to run, and on which packets.

    Parameters
    ----------
    processor
        The processor.
    instrument
        Name of the detector.
    parameters
        The processor's own, as texts.
    mode
        ``next``: every packet, resumed where it stopped; ``last``: the newest of each APID, from now.
    runs
        ``live``: the newest run and those after it; numbers: those runs, played back.
    label
        Its name on the monitor and of its folder; by default its name, with the runs of a playback.
    packets
        Packets in a batch at most; in the mode ``last``, of each APID.
    interval
        Between two checkpoints, s.
    apids, kinds
        Packets of these only; by default all.
    speed
        Pace of a playback as a multiple of the on-board time's; None: as fast as it can.
    first_run
        Where a live processor without a checkpoint begins; None: with the newest run.
    once
        End when everything in the archive was processed.
    again
        Forget the checkpoint and the outputs and start over.
    """

    processor: Processor
    instrument: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = "next"
    runs: Literal["live"] | tuple[int, ...] = "live"
    label: str = ""
    packets: int | None = None
    interval: float | None = None
    apids: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    speed: float | None = None
    first_run: int | None = None
    once: bool = False
    again: bool = False

    @property
    def name(self) -> str:
        """Its name on the monitor and of its folder."""
        if self.label or self.runs == "live":
            return self.label or self.processor.name
        return f"{self.processor.name}-run-{'-'.join(map(str, self.runs))}"


@dataclass(frozen=True)
class Summary:
    """How a processor ended.

    Parameters
    ----------
    name
        What it is called.
    packets
        Processed since its first start.
    skipped
        Passed over in the mode ``last``.
    outputs
        Folder of its output files.
    """

    name: str
    packets: int
    skipped: int
    outputs: Path


def run_processor(job: Job, settings: Settings, stop: threading.Event | None = None) -> Summary:
    """Run a processor until it is asked to stop, or its playback is done.

    Parameters
    ----------
    job
        What to run.
    settings
        The set-up.
    stop
        Set by a signal, or another thread, to end after the current batch.

    Returns
    -------
    Summary
        What it did.

    Raises
    ------
    BadArgumentError
        For parameters, runs or a name that cannot be used.
    FailedError
        If a processor of this name is running; :class:`ProcessorError` if the processor raised an exception,
        with the packet it was given.
    BadDataError
        If the checkpoint or an output was changed by somebody else.

    See Also
    --------
    find_processor : the processor of a name.
    Supervisor : keeps several processors running.
    """
    return _Runner(job, settings, stop or threading.Event()).run()


class _Runner:
    def __init__(self, job: Job, settings: Settings, stop: threading.Event) -> None:
        self.job, self.settings, self.stop = job, settings, stop
        self.target = job.processor.target
        self.parameters = check_parameters(self.target, job.parameters)
        self.instrument = load(job.instrument)
        self.archive = RunArchive(settings.archive(job.instrument), job.instrument)
        self.folder = settings.home / "processors" / job.instrument / job.name
        self.restarts = int(os.environ.get(RESTARTS, "0"))

    def run(self) -> Summary:
        station = Station(self.settings.live(self.job.instrument))
        before = station.status(self.job.name)
        with station.report(self.job.name, role="processor") as report:
            if self.restarts and before is not None and before.error:
                report.update(error=before.error)  # why it was started again
            if self.job.again and self.folder.exists():
                shutil.rmtree(self.folder)
            try:
                return self._run_until_done(report)
            except Exception as error:
                report.update(error=str(error) or type(error).__name__)
                raise

    def _run_until_done(self, report: StatusReport) -> Summary:
        singly_until: Cursor | None = None
        full_disk = False
        while True:
            try:
                return self._execute(report, singly_until, full_disk=full_disk)
            except BatchError as error:
                _log.warning("%s: %s; giving the packets again, one at a time", self.job.name, error)
                report.update(error=str(error))
                singly_until = error.end
            # whatever was on its way when the disk was full is given again
            except Exception as error:
                if not is_full_disk(error):
                    raise
                if not full_disk:
                    _log.warning("%s waits, nothing is lost: %s", self.job.name, error)
                full_disk = True
                report.update(state="no space", error=f"waits for space on disk, nothing is lost: {error}")
                if self.stop.wait(RETRY_SECONDS):
                    return Summary(self.job.name, 0, 0, self.folder / "outputs")

    def _execute(self, report: StatusReport, singly_until: Cursor | None, *, full_disk: bool) -> Summary:
        job = self.job
        with ExitStack() as stack:
            checkpoint = self._checkpoint()
            outputs = Outputs(self.folder / "outputs", checkpoint.outputs)
            stack.callback(outputs.release)
            context = Context(
                name=job.name,
                instrument=self.instrument,
                settings=self.settings,
                archive=self.archive,
                parameters=self.parameters,
                mode=job.mode,
                restarts=self.restarts,
                state=dict(checkpoint.state),
                outputs=outputs,
            )
            provider = stack.enter_context(
                provide(
                    self.archive,
                    self.instrument,
                    job.runs,
                    start=self._start_cursor(checkpoint.cursor),
                    kinds=job.kinds,
                    speed=job.speed,
                    unique=bool(getattr(self.target, "unique", False)) and job.mode == "next",
                    options=ProvideOptions(apids=job.apids, mode=job.mode),
                )
            )
            execution = Execution(
                ProcessorAdapter(self.target, context),
                context,
                provider,
                checkpoint,
                report,
                save=lambda checkpoint: checkpoint.write(self.folder),
                rules=BatchRules(
                    interval=getattr(self.target, "interval", INTERVAL)
                    if job.interval is None
                    else job.interval,
                    packets=job.packets or getattr(self.target, "packets", None),
                    singly_until=singly_until,
                ),
            )
            if full_disk:
                execution.keep_state()
            execution.run(self.stop, once=job.once)
            return Summary(job.name, execution.packets, provider.skipped, outputs.folder)

    def _checkpoint(self) -> Checkpoint:
        """Where to start; written at the first start, so that no run before the first save is missed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        found = Checkpoint.read(self.folder)
        if found is None:
            found = Checkpoint(cursor=self._start() or Cursor(0))
            found.write(self.folder)
        return found

    def _start_cursor(self, saved: Cursor) -> Cursor | None:
        """Where the provider starts; None: at its own default."""
        if self.job.mode == "last":
            return None
        return saved if saved.run or self.job.runs == "live" else None

    def _start(self) -> Cursor | None:
        """The beginning for a processor that has no checkpoint."""
        job = self.job
        if job.runs != "live":
            return None
        if job.first_run is not None:
            return Cursor(self.archive.run(job.first_run).number)
        newest = self.archive.names().last
        return Cursor(newest) if newest else None
