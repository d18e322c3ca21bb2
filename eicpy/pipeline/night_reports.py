"""The reports of a night: which notebooks apply, and when they need to be run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eicpy.calibration.table import calibration_tables
from eicpy.errors import BadDataError
from eicpy.files import sha256_of
from eicpy.instruments import load
from eicpy.operations import Database, StepTicket, open_database, run_step, step_key
from eicpy.pipeline.record import NightRecord, ReportRecord, now
from eicpy.products import InputFile
from eicpy.reports.notebooks import find_notebook, nightly_notebook
from eicpy.reports.parameters import check_parameters
from eicpy.settings import Settings

if TYPE_CHECKING:
    from eicpy.reports.report import ReportOutcome, ReportSubject

__all__ = ["make_reports", "nightly_notebook", "notebook_report"]


def make_reports(
    record: NightRecord,
    folder: Path,
    settings: Settings,
    database: Database,
    *,
    redo: bool,
    progress: Callable[[str], None],
    take_over: bool = False,
) -> list[ReportRecord]:
    """Make the reports of a night that do not exist yet, or whose notebook has changed.

    Parameters
    ----------
    record
        The night; its reports are brought up to date.
    folder
        Its products.
    settings, database
        The set-up.
    redo
        Make all of them.
    progress
        Called with the name of each.
    take_over
        Take them from any process that makes them.

    Returns
    -------
    list of ReportRecord
        Those that were made now.
    """
    made = []
    for name in _applicable(record):
        notebook = nightly_notebook(name)
        key = step_key("report", [record.key, sha256_of(notebook)], {"name": name, "began": record.began})
        target = settings.reports / record.instrument / record.night / name
        step = run_step(
            database,
            key=key,
            instrument=record.instrument,
            night=record.night,
            name=f"report {name}",
            redo=redo or not (target / "report.html").is_file(),
            take_over=take_over,
        )
        with step as ticket:
            if not ticket.todo:
                continue
            progress(f"report {name}")
            outcome = _run(notebook, record, folder, target, settings)
            _record_outcome(ticket, outcome)
        entry = _entry(name, outcome, settings)
        record.reports = [r for r in record.reports if r.notebook != name] + [entry]
        made.append(entry)
    return made


def _applicable(record: NightRecord) -> list[str]:
    """Names of the notebooks: one about the whole night, and those of tables that it made, or should have."""
    tables = calibration_tables(load(record.instrument))
    made = (tables[card] for card, entry in record.tables.items() if entry.status and card in tables)
    return ["monitoring", *(table.report for table in made if table.report)]


def _record_outcome(ticket: StepTicket, outcome: "ReportOutcome") -> None:
    """Leave with the ledger how a notebook ended."""
    ticket.failed, ticket.message = outcome.status != "complete", outcome.message
    ticket.products.append(str(outcome.page))


def _run(
    notebook: Path, record: NightRecord, folder: Path, target: Path, settings: Settings
) -> "ReportOutcome":
    from eicpy.reports.report import run_report  # noqa: PLC0415, papermill takes seconds to import

    # photons are many and large, and no report reads them: their hashes are in the catalogue
    inputs = [folder / n for n in record.products if "-EVT-CAL-" not in n]
    return run_report(
        notebook,
        {"folder": str(folder), "instrument": record.instrument},
        target,
        index=settings.reports / "index.html",
        subject=_subject(record, [InputFile.of(p, "product") for p in inputs]),
    )


def _entry(name: str, outcome: "ReportOutcome", settings: Settings) -> ReportRecord:
    return ReportRecord(
        notebook=name,
        title=outcome.title,
        status=outcome.status,
        page=outcome.page.relative_to(settings.reports).as_posix(),
        finished=now(),
        message=outcome.message,
    )


def notebook_report(
    notebook: Path,
    parameters: dict[str, str],
    settings: Settings,
    *,
    folder: Path | None = None,
    timeout: int = 1800,
) -> "ReportOutcome":
    """Run any notebook from the command line, with a row in the ledger.

    Parameters
    ----------
    notebook
        A file, or the name of a nightly one.
    parameters
        Values as text.
    settings
        The set-up.
    folder
        Where the report goes; by default ``reports/notebooks/<name>/<time>``.
    timeout
        Longest time a cell may take, s.
    """
    from eicpy.reports.report import run_report  # noqa: PLC0415, as above

    path = find_notebook(notebook)
    stamp = now()[:19].replace("-", "").replace(":", "")
    target = folder or settings.reports / "notebooks" / path.stem / stamp
    values = check_parameters(path, parameters, mode="text")
    instrument, record = _night_of(values, settings)
    key = step_key(
        "report", [sha256_of(path)], {"parameters": parameters, "folder": str(target), "at": stamp}
    )
    night = str(values.get("night", "")) if record is None else record.night
    with (
        open_database(settings) as database,
        run_step(
            database, key=key, instrument=instrument, night=night, name=f"report {path.stem}", redo=True
        ) as ticket,
    ):
        outcome = run_report(
            path,
            values,
            target,
            subject=_subject(record),
            timeout=timeout,
        )
        _record_outcome(ticket, outcome)
    return outcome


def _night_of(values: Mapping[str, object], settings: Settings) -> tuple[str, NightRecord | None]:
    """Detector and night that a notebook is run for; empty and None where its parameters do not name them."""
    instrument, folder = (str(values.get(name, "")) for name in ("instrument", "folder"))
    if "folder" not in values:
        return instrument, None
    nights = sorted(settings.products(instrument).glob("*/night.json")) if instrument else []
    target = Path(folder) if folder else (nights[-1].parent if nights else None)
    try:
        record = None if target is None else NightRecord.read(target)
    except BadDataError:
        record = None
    return (instrument, None) if record is None else (record.instrument, record)


def _subject(record: NightRecord | None, inputs: Sequence[InputFile] = ()) -> "ReportSubject":
    """Return the night as what a report is about: the detector and the date in its title."""
    from eicpy.reports.report import ReportSubject  # noqa: PLC0415, as above

    if record is None:
        return ReportSubject(inputs)
    date = f"{record.night[:4]}-{record.night[4:6]}-{record.night[6:]}"
    return ReportSubject(inputs, record.simulated, f"{record.title}, {date}")
