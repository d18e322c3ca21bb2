"""Running a notebook: the kernel, its environment, and what is left when it stops.

Whatever a notebook does – a cell that raises, a kernel that dies or hangs – is the notebook's failure: it
becomes a message, never an exception for whoever runs it.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError

from eicpy.opened import VARIABLE, Opened, read_opened
from eicpy.reports.output_limits import ENGINE, LimitedEngine

__all__ = ["Execution", "execute"]

KERNEL_START_SECONDS = 120
"""A busy machine needs time to start a kernel; a dead one never answers."""
_MOST_MESSAGE = 500
_log = logging.getLogger(__name__)
_one_report = threading.Lock()
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

papermill_engines.register(ENGINE, LimitedEngine)
# it does not read ranges (Annotated), takes such a parameter for unknown, and passes it all the same
for _name, _words in (("papermill", "unknown parameter"), ("papermill.translators", "Unable to parse line")):
    logging.getLogger(_name).addFilter(lambda line, words=_words: words not in line.getMessage())  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a notebook.

    Parameters
    ----------
    notebook
        As far as it was executed.
    message
        Why it stopped; empty if it did not.
    opened
        What it opened.
    """

    notebook: nbformat.NotebookNode
    message: str = ""
    opened: tuple[Opened, ...] = ()


def execute(
    notebook: Path,
    source: nbformat.NotebookNode,
    values: Mapping[str, object],
    folder: Path,
    *,
    timeout: int,
    environment: Mapping[str, str],
) -> Execution:
    """Run a notebook with its parameters.

    Parameters
    ----------
    notebook
        The file.
    source
        Its content, given back where nothing of it was executed.
    values
        Its parameters.
    folder
        Where it may leave files while it runs.
    timeout
        Longest time a cell may take, s.
    environment
        Variables of the kernel, besides those of this process.
    """
    partial, notes = folder / ".report.partial.ipynb", folder / ".report.opened.jsonl"
    for path in (partial, notes):
        path.unlink(missing_ok=True)
    variables = {"EIC_BOKEH_RESOURCES": "page", **environment, VARIABLE: str(notes)}
    with _kernel_environment(variables):
        message = _run(notebook, partial, values, timeout)
    executed = nbformat.read(partial, as_version=4) if partial.is_file() else source
    opened = read_opened(notes)
    for path in (partial, notes):
        path.unlink(missing_ok=True)
    return Execution(executed, message, opened)


def _run(notebook: Path, partial: Path, values: Mapping[str, object], timeout: int) -> str:
    """Run the notebook into a file; return why it stopped (empty if it did not)."""
    try:
        papermill.execute_notebook(
            _literal(notebook),
            _literal(partial),
            parameters=dict(values),
            engine_name=ENGINE,
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
        return _short(f"cell {error.cell_index}: {error.ename}: {error.evalue}")
    # the page and the ledger report it, and it never stops the night
    except Exception as error:  # noqa: BLE001, see above
        _log.exception("the notebook %s stopped", notebook)
        text = str(error).strip().partition("\n")[0]  # an error may come without a word
        return _short(f"{type(error).__name__}: {text}")
    return ""


def _short(text: str) -> str:
    text = _ANSI.sub("", text)
    return text if len(text) <= _MOST_MESSAGE else f"{text[:_MOST_MESSAGE]}…"


@contextmanager
def _kernel_environment(variables: Mapping[str, str]) -> Iterator[None]:
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
