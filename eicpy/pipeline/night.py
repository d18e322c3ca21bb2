"""The night: from the packets in the archive to products, reports and the index page.

Every step is known to the ledger by the hash of what it was made from. So a second call with nothing
new does nothing, a call after a crash goes on where the last one stopped, and a task that failed is
tried again without repeating the others. What could be done is kept, what could not is reported: in the
record of the night, on the index page, in the ledger and in the exit status.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from eicpy.errors import BadArgumentError, ExitCode
from eicpy.ingestion.files import ingest_inbox
from eicpy.instruments import load
from eicpy.nights.record import NightRecord
from eicpy.operations import open_database
from eicpy.pipeline.decisions import tables_in_use
from eicpy.pipeline.night_run import NightRun
from eicpy.pipeline.plan import days_with_data, plan_night
from eicpy.pipeline.tasks import Progress
from eicpy.settings import Settings
from eicpy.text import setup_language
from eicpy.times import to_seconds

__all__ = ["NightOutcome", "run_night", "run_nights"]


@dataclass(frozen=True, slots=True)
class NightOutcome:
    """What became of a night.

    Parameters
    ----------
    record
        What is known of it.
    folder
        Its products.
    new
        False where everything had been done before.
    """

    record: NightRecord
    folder: Path
    new: bool

    @property
    def exit_code(self) -> ExitCode:
        """What the command line returns."""
        if any(report.own for report in self.record.failed_reports):
            return (
                ExitCode.FAILED
            )  # also where it was not tried again: it stays failed until somebody mends it
        if not self.new:
            return ExitCode.CLEAN
        if self.record.status != "complete":
            return ExitCode.FAILED
        return ExitCode.CLEAN if self.record.clean else ExitCode.BAD_DATA

    @property
    def summary(self) -> str:
        """The night in a line, and a line for each failure."""
        record = self.record
        name = f"{record.instrument} {record.night}"
        if self.new:
            lines = [f"{name}: {record.status}: {record.headline}"]
            lines += [f"  failed: {failure}" for failure in record.failures]
        else:
            lines = [f"{name}: nothing new since {record.finished[:16]} UTC; --redo repeats it"]
        failed = [report for report in record.failed_reports if self.new or report.own]
        return "\n".join(lines + [f"  failed: report {r.notebook}: {r.message}" for r in failed])


def run_nights(
    instrument: str,
    start: str | None,
    stop: str | None,
    settings: Settings,
    *,
    redo: bool = False,
    take_over: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[NightOutcome]:
    """Run every night of an interval: pieces of a day from its begin, those that have data.

    Parameters
    ----------
    instrument
        Name of the detector.
    start, stop
        ISO, UTC; None for all data.
    settings, redo, take_over, scheduler, workers, progress
        As for :func:`run_night`.

    Raises
    ------
    BadArgumentError
        For a detector that is not known an interval without length or a date that is none.
    """
    detector = load(instrument)
    if start and stop and datetime.fromisoformat(stop) <= datetime.fromisoformat(start):
        raise BadArgumentError(f"got from {start} to {stop} UTC; expected an end after the begin")
    ingest_inbox(detector, settings)
    nights = days_with_data(detector, settings, start, stop)
    return [
        run_night(
            instrument, night[0], night[1], settings, redo=redo, take_over=take_over, scheduler=scheduler,
            workers=workers, progress=progress,
        )
        for night in nights
    ]  # fmt: skip


def run_night(
    instrument: str,
    start: float | str,
    stop: float | str,
    settings: Settings,
    *,
    redo: bool = False,
    take_over: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> NightOutcome:
    """Run a night: calibrate, monitor, report.

    Parameters
    ----------
    instrument
        Name of the detector.
    start, stop
        Begin (included) and end (excluded): s TT since the reference, or ISO in UTC.
    settings
        The set-up.
    redo
        Repeat what was done before.
    take_over
        Take the night from any process that runs it: for one that is known to be dead, or hangs.
    scheduler
        Address of a Dask scheduler whose workers see the same folders.
    workers
        Local processes without a scheduler; 0 works in this one; None decides by the amount of data.
    progress
        Called as the work goes on.

    Returns
    -------
    NightOutcome
        Also for a night in which a task or a report failed.

    Raises
    ------
    BadArgumentError
        For a detector that is not known, and a language of the reports (``EIC_LANGUAGE``) that there is not.
    FailedError
        Where another process is running this night, or nothing can be written.
    """
    detector = load(instrument)
    setup_language()  # one that is none is refused before anything is done
    begin, end = (to_seconds(t) if isinstance(t, str) else float(t) for t in (start, stop))
    ingest_inbox(detector, settings)
    with open_database(settings) as database:
        plan = plan_night(detector, settings, begin, end)
        tables = tables_in_use(database, detector, begin)
        run = NightRun(plan, settings, database, tables, scheduler, workers, progress or _silent, take_over)
        record, new = run.run(redo=redo)
        return NightOutcome(record, run.folder, new)


def _silent(done: float, total: float, what: str = "") -> None:
    pass
