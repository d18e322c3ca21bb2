"""One report: a notebook run with checked parameters, and the files that it leaves.

A run leaves ``report.ipynb`` (the executed notebook), ``report.html`` (the page to read) and
``report.json`` (where it came from: parameters, hashes, versions, times, outcome). A cell that fails
leaves all three too, with the traceback, a banner on the page and a row in the ledger that says failed.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import nbformat

from eicpy.errors import EicpyError
from eicpy.files import write_text
from eicpy.instruments import load
from eicpy.moved import accept_old_keywords
from eicpy.opened import Opened, are_simulated, title_of
from eicpy.parameters import CheckedParameters
from eicpy.products import InputFile, Provenance
from eicpy.reports.execution import Execution, execute
from eicpy.reports.page import write_page
from eicpy.reports.parameters import check_parameters, read_notebook
from eicpy.text import LANGUAGE_VARIABLE, Texts, setup_texts

__all__ = ["ReportOutcome", "ReportSubject", "refused_report", "run_report"]


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """The result of a run.

    Parameters
    ----------
    status
        ``complete``, or ``failed`` when a cell raised, the kernel died or time ran out.
    folder
        Holds ``report.html``, ``report.ipynb`` and ``report.json``.
    title
        First heading of the notebook.
    message
        Why it failed, in a sentence; empty otherwise.
    seconds
        Time taken.
    parameters
        Every parameter with its value.
    opened
        What the notebook opened.
    """

    status: Literal["complete", "failed"]
    folder: Path
    title: str
    message: str
    seconds: float
    parameters: dict[str, Any] = field(default_factory=dict)
    opened: tuple[Opened, ...] = ()

    @property
    def page(self) -> Path:
        """The page to read."""
        return self.folder / "report.html"

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / "report.ipynb"


@dataclass(frozen=True, slots=True)
class ReportSubject:
    """What is known of the data of a report before its notebook opens them.

    What the notebook opens (:mod:`eicpy.opened`) is added: its files to the inputs, and a report in which
    anything is simulated says so.

    Parameters
    ----------
    inputs
        Files the report was made from: their hashes go to ``report.json``.
    simulated
        Whether the data come from a simulation; None where it is not known.
    label
        Shown after the title on the page, for example the detector and the night.
    instrument
        Name of the detector; empty where that is not known.
    """

    inputs: Sequence[InputFile | Path] = ()
    simulated: bool | None = None
    label: str = ""
    instrument: str = ""


_UNKNOWN = ReportSubject()


@accept_old_keywords(subject=ReportSubject)
def run_report(
    notebook: Path,
    parameters: Mapping[str, object],
    folder: Path,
    *,
    index: Path | None = None,
    subject: ReportSubject = _UNKNOWN,
    mode: Literal["python", "text"] = "python",
    timeout: int = 1800,
    environment: Mapping[str, str] | None = None,
    language: str = "",
) -> ReportOutcome:
    """Run a notebook and leave its report in a folder.

    Parameters
    ----------
    notebook
        The notebook; its cell tagged ``parameters`` declares what it takes.
    parameters
        Values by name, checked before a kernel starts unless :func:`check_parameters` gave them.
    folder
        Where the report goes.
    index
        The index page to link to, if any.
    subject
        The data it is about.
    mode
        ``text`` where the values are text from a command line.
    timeout
        Longest time a cell may take, s.
    environment
        Variables of the kernel, besides those of this process.
    language
        One of :data:`eicpy.text.LANGUAGES`; by default that of the set-up (``EIC_LANGUAGE``).

    Returns
    -------
    ReportOutcome
        Also for a failed run: nothing is raised for what happens inside the notebook.

    Raises
    ------
    BadArgumentError
        For an unknown or wrongly typed parameter: no kernel was started.
    BadDataError
        For a file that is not a notebook.

    See Also
    --------
    check_parameters : Checks parameters without running anything.
    """
    source = read_notebook(notebook)
    values = parameters
    if not isinstance(values, CheckedParameters):
        values = check_parameters(notebook, values, mode=mode)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    provenance = Provenance.begin(
        f"report {notebook.stem}",
        inputs=[InputFile.of(notebook, "notebook"), *subject.inputs],
        configuration=values,
        simulated=subject.simulated,
    )
    clock = time.monotonic()
    texts = Texts(language) if language else setup_texts()
    variables = {**(environment or {}), LANGUAGE_VARIABLE: texts.language}
    execution = execute(notebook, source, values, folder, timeout=timeout, environment=variables)
    subject = _completed(subject, execution.opened)
    outcome = ReportOutcome(
        status="failed" if execution.message else "complete",
        folder=folder,
        title=_title(source, notebook),
        message=execution.message,
        seconds=time.monotonic() - clock,
        parameters=values,
        opened=execution.opened,
    )
    known = {entry.name for entry in provenance.inputs}
    more = [entry for entry in _inputs(execution.opened) if entry.name not in known]
    provenance = replace(provenance.with_inputs(*more), simulated=subject.simulated).finished()
    _write(execution, outcome, provenance, subject, index, texts)
    return outcome


def refused_report(
    notebook: Path,
    folder: Path,
    reason: EicpyError | OSError,
    *,
    index: Path | None = None,
    subject: ReportSubject = _UNKNOWN,
) -> ReportOutcome:
    """Leave the report of a notebook that could not even be started: a page that says why.

    Parameters
    ----------
    notebook
        The file.
    folder
        Where the report goes.
    reason
        Why it was refused.
    index, subject
        As for :func:`run_report`.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    outcome = ReportOutcome("failed", folder, notebook.stem, str(reason), 0.0)
    provenance = Provenance.begin(
        f"report {notebook.stem}",
        inputs=[InputFile(notebook.name, "not read", 0, "notebook")],
        simulated=subject.simulated,
    )
    empty = Execution(nbformat.v4.new_notebook(), outcome.message)
    _write(empty, outcome, provenance.finished(), subject, index, setup_texts())
    return outcome


def _completed(subject: ReportSubject, opened: Sequence[Opened]) -> ReportSubject:
    """Add what the notebook opened to what was known before."""
    said = are_simulated([subject.simulated, *(note.simulated for note in opened)])
    return replace(subject, simulated=said, label=subject.label or title_of(opened))


def _inputs(opened: Iterable[Opened]) -> list[InputFile]:
    """Files that a notebook opened, each once, with their hashes."""
    found = {}
    for note in opened:
        path = Path(note.path)
        if note.path not in found and path.is_file():
            found[note.path] = (
                InputFile(path.name, note.sha256, path.stat().st_size, note.kind)
                if note.sha256
                else InputFile.of(path, note.kind)
            )
    return list(found.values())


def _write(
    execution: Execution,
    outcome: ReportOutcome,
    provenance: Provenance,
    subject: ReportSubject,
    index: Path | None,
    texts: Texts,
) -> None:
    """Write the notebook, the page and the record."""
    record = {
        "status": outcome.status,
        "message": outcome.message,
        "title": outcome.title,
        "language": texts.language,
        "seconds": round(outcome.seconds, 3),
        "parameters": outcome.parameters,
        "opened": [asdict(note) | {"path": Path(note.path).name} for note in outcome.opened],
        "provenance": json.loads(provenance.to_json()),
    }
    execution.notebook.metadata["eicpy"] = record
    write_text(outcome.notebook, nbformat.writes(execution.notebook))
    title = texts.translated(outcome.title)
    write_page(
        execution.notebook,
        outcome.page,
        title=f"{title} – {subject.label}" if subject.label else title,
        failure=outcome.message,
        simulated=subject.simulated,
        facts=_facts(outcome, provenance, texts),
        index=Path(os.path.relpath(index, outcome.folder)).as_posix() if index else "",
        texts=texts,
        has=_has_of(subject, execution.opened),
    )
    write_text(outcome.folder / "report.json", json.dumps(record, indent=1))


def _title(source: nbformat.NotebookNode, notebook: Path) -> str:
    for cell in source.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return str(line[2:].strip())
    return notebook.stem


def _has_of(subject: ReportSubject, opened: Sequence[Opened]) -> Callable[[str], bool] | None:
    """Whether the one detector of a report has a property; None where it is about none, or several."""
    names = {subject.instrument, *(note.instrument for note in opened)} - {""}
    if len(names) != 1:
        return None
    try:
        return load(names.pop()).has
    except EicpyError:  # a description that was taken away: everything is shown
        return None


def _facts(outcome: ReportOutcome, provenance: Provenance, texts: Texts) -> dict[str, str]:
    notebook, *inputs = provenance.inputs
    changes = f" {texts('report_changes')}" if provenance.dirty else ""
    commit = (
        f", {texts('report_commit', commit=provenance.commit[:12])}{changes}" if provenance.commit else ""
    )
    count = texts.number(len(inputs))
    named = f"{notebook.name} (sha256 {notebook.sha256[:12]}…)" if notebook.size else notebook.name
    return {
        texts("report_made"): texts(
            "report_made_at",
            time=provenance.stop[:19].replace("T", " "),
            took=texts.duration(outcome.seconds),
        ),
        texts("report_notebook"): named,
        texts("report_parameters"): ", ".join(f"{k} = {v!r}" for k, v in outcome.parameters.items())
        or texts("report_none"),
        texts("report_software"): ", ".join(f"{k} {v}" for k, v in provenance.versions.items()) + commit,
        texts("report_inputs"): texts("report_files", len(inputs), count=count)
        if inputs
        else texts("report_no_files"),
        texts("fact_data"): texts(
            {True: "origin_simulated", False: "origin_measured", None: "origin_unknown"}[provenance.simulated]
        ),
        texts("report_language"): texts("report_other_language"),
    }
