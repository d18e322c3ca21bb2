"""One report: a notebook run with checked parameters, and the files that it leaves.

A run leaves ``report.ipynb`` (the executed notebook), ``report.html`` (the page to read) and
``report.json`` (where it came from: parameters, hashes, versions, times, outcome). A cell that fails
leaves all three too, with the traceback, a banner on the page and a row in the ledger that says failed.
"""

import json
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from eicpy.files import write_text
from eicpy.moved import accept_old_keywords
from eicpy.parameters import CheckedParameters
from eicpy.products import InputFile, Provenance
from eicpy.reports.page import write_page
from eicpy.reports.parameters import check_parameters, read_notebook
from eicpy.text import counted

__all__ = ["ReportOutcome", "ReportSubject", "run_report"]

_log = logging.getLogger(__name__)
_one_report = threading.Lock()
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
KERNEL_START_SECONDS = 120
"""A busy machine needs time to start a kernel; a dead one never answers."""


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
    """

    status: Literal["complete", "failed"]
    folder: Path
    title: str
    message: str
    seconds: float
    parameters: dict[str, Any] = field(default_factory=dict)

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
    """The data that a report is about.

    Parameters
    ----------
    inputs
        Files the report was made from: their hashes go to ``report.json``.
    simulated
        Whether the data come from a simulation; None where it is not known.
    label
        Shown after the title on the page, for example the detector and the night.
    """

    inputs: Sequence[InputFile | Path] = ()
    simulated: bool | None = None
    label: str = ""


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
    with _kernel_environment(EIC_BOKEH_RESOURCES="page"):
        executed, message = _execute(notebook, source, values, folder, timeout)
    outcome = ReportOutcome(
        status="failed" if message else "complete",
        folder=folder,
        title=_title(source, notebook),
        message=message,
        seconds=time.monotonic() - clock,
        parameters=values,
    )
    provenance = provenance.finished()
    record = {
        "status": outcome.status,
        "message": message,
        "title": outcome.title,
        "seconds": round(outcome.seconds, 3),
        "parameters": values,
        "provenance": json.loads(provenance.to_json()),
    }
    executed.metadata["eicpy"] = record
    write_text(outcome.notebook, nbformat.writes(executed))
    write_page(
        executed,
        outcome.page,
        title=f"{outcome.title} – {subject.label}" if subject.label else outcome.title,
        failure=message,
        simulated=subject.simulated,
        facts=_facts(outcome, provenance),
        index=Path(os.path.relpath(index, folder)).as_posix() if index else "",
    )
    write_text(folder / "report.json", json.dumps(record, indent=1))
    return outcome


def _execute(
    notebook: Path, source: nbformat.NotebookNode, values: Mapping[str, object], folder: Path, timeout: int
) -> tuple[nbformat.NotebookNode, str]:
    """Run the notebook; return it as far as it was executed, and why it stopped (empty if it did not)."""
    partial = folder / ".report.partial.ipynb"
    partial.unlink(missing_ok=True)
    message = ""
    try:
        papermill.execute_notebook(
            _literal(notebook),
            _literal(partial),
            parameters=dict(values),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=True,
            autosave_cell_every=10,
            start_timeout=KERNEL_START_SECONDS,
            execution_timeout=timeout,
            extra_arguments=["--log-level=50"],  # a kernel warns on every start that TCP is not encrypted
        )
    except PapermillExecutionError as error:
        message = f"cell {error.cell_index}: {error.ename}: {_ANSI.sub('', error.evalue)}"
    # Whatever a notebook does (a dead kernel, a timeout, no kernel at all) is the notebook's failure:
    # the page and the ledger report it, and it never stops the night.
    except Exception as error:  # noqa: BLE001, see above
        text = _ANSI.sub("", str(error)).strip().partition("\n")[0]  # an error may come without a word
        message = f"{type(error).__name__}: {text[:300]}"
        _log.exception("the notebook %s stopped", notebook)
    executed = nbformat.read(partial, as_version=4) if partial.is_file() else source
    partial.unlink(missing_ok=True)
    return executed, message


@contextmanager
def _kernel_environment(**variables: str) -> Iterator[None]:
    """Set variables for the kernel, which inherits them; one report at a time in a process."""
    with _one_report:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _literal(path: Path) -> str:
    """Keep papermill, which formats paths, from reading braces in them."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _title(source: nbformat.NotebookNode, notebook: Path) -> str:
    for cell in source.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return str(line[2:].strip())
    return notebook.stem


def _facts(outcome: ReportOutcome, provenance: Provenance) -> dict[str, str]:
    notebook, *inputs = provenance.inputs
    commit = f", commit {provenance.commit[:12]}{' and changes' if provenance.dirty else ''}"
    return {
        "Made": f"{provenance.stop[:19]} UTC in {outcome.seconds:.0f} s",
        "Notebook": f"{notebook.name} (sha256 {notebook.sha256[:12]}…)",
        "Parameters": ", ".join(f"{k} = {v!r}" for k, v in outcome.parameters.items()) or "none",
        "Software": ", ".join(f"{k} {v}" for k, v in provenance.versions.items())
        + (commit if provenance.commit else ""),
        "Inputs": f"{counted(len(inputs), 'file')}, with hashes in report.json" if inputs else "not recorded",
        "Data": {True: "simulated", False: "measured", None: "origin not recorded"}[provenance.simulated],
    }
