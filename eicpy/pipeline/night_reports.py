"""The reports of a night: which notebooks apply, and when they need to be run.

Those of eicpy come first: one about the whole night, one for each calibration table that it made. Then come
those that the user put beside them (:func:`eicpy.reports.notebooks.own_notebooks`). An own notebook that
fails is shown as failed and gives the call a status of 3, but what eicpy says about the night stays as it is.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from eicpy.calibration.table import calibration_tables
from eicpy.errors import BadDataError, EicpyError
from eicpy.files import sha256_of
from eicpy.instruments import load
from eicpy.nights.index_page import write_index
from eicpy.nights.record import NIGHT, NightRecord, ReportRecord, now
from eicpy.operations import Database, StepTicket, open_database, run_step, step_key
from eicpy.reports.notebooks import NightlyNotebook, find_notebook, nightly_notebook, own_notebooks
from eicpy.reports.parameters import check_parameters, parameter_model
from eicpy.settings import Settings
from eicpy.text import setup_language

if TYPE_CHECKING:
    from eicpy.opened import Opened
    from eicpy.reports.report import ReportOutcome, ReportSubject

__all__ = ["make_reports", "nightly_notebook", "notebook_report"]

ATTEMPTS = 3
"""An own notebook that failed so often is not tried again until it, or the night, has changed."""


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
    made, language = [], setup_language()
    notebooks = _applicable(record, settings)
    _forget_failures_of(record, {notebook.name for notebook in notebooks}, folder, settings)
    for notebook in notebooks:
        name = notebook.name
        made_from = {"name": name, "began": record.began}
        if language != "en":
            made_from["language"] = language
        key = step_key("report", [record.key, _hash(notebook)], made_from)
        before = next((r for r in record.reports if r.notebook == name and r.made_from == key), None)
        if before is not None and not redo and _is_given_up(before):
            continue
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
        entry = _entry(notebook, outcome, settings, key)
        entry.attempts += 0 if before is None or before.status == "complete" else before.attempts
        record.reports = [r for r in record.reports if r.notebook != name] + [entry]
        made.append(entry)
    return made


def _applicable(record: NightRecord, settings: Settings) -> list[NightlyNotebook]:
    """Notebooks about the night and about tables that it made, or should have; then the user's own."""
    tables = calibration_tables(load(record.instrument))
    made = (tables[card] for card, entry in record.tables.items() if entry.status and card in tables)
    names = ["monitoring", *(table.report for table in made if table.report)]
    taken = frozenset(names) | {table.report for table in tables.values()}
    theirs = [NightlyNotebook(name, nightly_notebook(name)) for name in names]
    return theirs + own_notebooks(record.instrument, settings.notebooks, taken)


def _hash(notebook: NightlyNotebook) -> str:
    """Hash of a notebook; for one that cannot be read, why."""
    if notebook.problem or not notebook.path.is_file():
        return f"{notebook.path}: {notebook.problem}"
    try:
        return sha256_of(notebook.path)
    except OSError as error:
        return f"{notebook.path}: {error}"


def _is_given_up(entry: ReportRecord) -> bool:
    return entry.own and entry.status == "failed" and entry.attempts >= ATTEMPTS


def _forget_failures_of(record: NightRecord, names: set[str], folder: Path, settings: Settings) -> None:
    """Leave out own reports that failed and whose notebook is gone: nobody can mend them any more."""
    kept = [r for r in record.reports if not (r.own and r.status == "failed" and r.notebook not in names)]
    if len(kept) < len(record.reports):
        record.reports = kept
        record.write(folder)
        write_index(settings)


def _record_outcome(ticket: StepTicket, outcome: "ReportOutcome") -> None:
    """Leave with the ledger how a notebook ended."""
    ticket.failed, ticket.message = outcome.status != "complete", outcome.message
    ticket.products.append(str(outcome.page))


def _run(
    notebook: NightlyNotebook, record: NightRecord, folder: Path, target: Path, settings: Settings
) -> "ReportOutcome":
    """Run a notebook for a night; what it declares of folder and instrument it is given."""
    from eicpy.reports.report import refused_report, run_report  # noqa: PLC0415, papermill takes seconds to import

    index, subject = settings.reports / "index.html", _subject(record)
    given = {"folder": str(folder), "instrument": record.instrument}
    try:
        if notebook.problem:
            raise BadDataError(notebook.problem)
        declared = parameter_model(notebook.path).model_fields
        return run_report(
            notebook.path,
            {name: value for name, value in given.items() if name in declared},
            target,
            index=index,
            subject=subject,
            environment={**settings.environment, NIGHT: str(folder)},
        )
    except EicpyError as error:
        return refused_report(notebook.path, target, error, index=index, subject=subject)


def _entry(notebook: NightlyNotebook, outcome: "ReportOutcome", settings: Settings, key: str) -> ReportRecord:
    return ReportRecord(
        notebook=notebook.name,
        title=outcome.title,
        status=outcome.status,
        page=quote(outcome.page.relative_to(settings.reports).as_posix()),
        finished=now(),
        message=outcome.message,
        own=notebook.own,
        made_from=key,
    )


def notebook_report(
    notebook: Path,
    parameters: dict[str, str],
    settings: Settings,
    *,
    folder: Path | None = None,
    timeout: int = 1800,
    language: str = "",
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
    language
        Of the report; by default that of the set-up.
    """
    from eicpy.reports.report import run_report  # noqa: PLC0415, as above

    path = find_notebook(notebook, settings.notebooks)
    stamp = now()[:19].replace("-", "").replace(":", "")
    target = folder or settings.reports / "notebooks" / path.stem / stamp
    values = check_parameters(path, parameters, mode="text")
    key = step_key(
        "report", [sha256_of(path)], {"parameters": parameters, "folder": str(target), "at": stamp}
    )
    with (
        open_database(settings) as database,
        run_step(database, key=key, instrument="", night="", name=f"report {path.stem}", redo=True) as ticket,
    ):
        outcome = run_report(
            path, values, target, timeout=timeout, environment=settings.environment, language=language
        )
        ticket.subject = _subject_of(outcome.opened)
        _record_outcome(ticket, outcome)
    return outcome


def _subject_of(opened: "Iterable[Opened]") -> tuple[str, str]:
    """Detector and night of what a notebook opened; empty where it opened none, or more than one."""
    notes = [note for note in opened if note.instrument]
    instruments, nights = ({getattr(n, what) for n in notes} - {""} for what in ("instrument", "night"))
    return instruments.pop() if len(instruments) == 1 else "", nights.pop() if len(nights) == 1 else ""


def _subject(record: NightRecord) -> "ReportSubject":
    """Return the night as what a report is about: the detector and the date in its title."""
    from eicpy.reports.report import ReportSubject  # noqa: PLC0415, as above

    return ReportSubject((), record.simulated, record.subject, record.instrument)
