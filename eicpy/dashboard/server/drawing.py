"""Draws a page: what is known at once, then what its notebook shows.

The start of a page needs no kernel: it has the first words, the id that the kernel will have, and the
scripts, so that the browser reads these and starts the front end while the kernel runs the notebook. Voilà's
own handler starts the kernel first and makes the page out of fourteen templates, each compiled again for
each visitor.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from jupyter_server.utils import ensure_async
from nbclient.exceptions import CellExecutionError
from voila.execute import VoilaExecutor, strip_code_cell_warnings

__all__ = ["PageTemplate", "cell_markup", "read_notebook", "run_cells", "with_signs_of_life"]

_MARK = "<!-- first words -->|<!-- cells -->"
"""Where these go in the template of the pages."""
_SIGN = "<!-- drawing -->\n"
_SIGN_EVERY = 10.0
"""s after which a page that is being drawn gives a sign of life, for proxies that would give it up."""

_log = logging.getLogger(__name__)


def read_notebook(path: Path) -> Any:
    """Read a notebook, without its outputs.

    Parameters
    ----------
    path
        File; of format 4, which is not checked: whoever starts the server chose it.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON.
    """
    notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
    for cell in notebook.cells:
        cell.source = "".join(cell.source)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


class PageTemplate:
    """The page without words and cells; its template is read and compiled once.

    Parameters
    ----------
    folder
        Of the template.
    file_url
        Gives the address of a file of the template, from its name.
    config
        What the front end asks the page: addresses, extensions.
    """

    def __init__(self, folder: Path, file_url: Callable[[str], str], config: Mapping[str, Any]) -> None:
        environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        self._template = environment.get_template("index.html.j2")
        self._file_url = file_url
        self._config = dict(config)
        self._parts = self._render(title="", language="en", config=self._config)

    @property
    def middle(self) -> str:
        """What stands between the first words and the cells."""
        return self._parts[1]

    @property
    def end(self) -> str:
        """What stands after the cells."""
        return self._parts[2]

    def begin(self, notebook: Any, kernel: str, language: str) -> str:
        """Write what comes before the first words.

        Parameters
        ----------
        notebook
            What is shown.
        kernel
            Id that its kernel will have.
        language
            Of the words.
        """
        config = self._config | {"kernelId": kernel}
        if all(cell.cell_type == "code" for cell in notebook.cells):
            # No text that could hold a formula: the front end need not load what sets them, a megabyte.
            config |= {
                "fullMathjaxUrl": self._file_url("no-math.js").partition("?")[0],
                "mathjaxConfig": "none",
            }
        return self._render(title=notebook.metadata.get("title", "eicpy"), language=language, config=config)[
            0
        ]

    def _render(self, **values: Any) -> list[str]:
        return re.split(_MARK, self._template.render(file=self._file_url, **values))


async def run_cells(notebook: Any, kernel: Any) -> AsyncGenerator[Any]:
    """Run the cells of a notebook, one after another; after an error no more of them.

    Parameters
    ----------
    notebook
        To run.
    kernel
        Manager of the kernel that runs it.

    Yields
    ------
    nbformat.NotebookNode
        Each cell with its outputs, without warnings and tracebacks.
    """
    executor = VoilaExecutor(notebook, km=kernel, show_tracebacks=False)
    executor.kc = await executor.async_start_new_kernel_client()
    try:
        for index, cell in enumerate(notebook.cells):
            try:
                yield await executor.execute_cell(cell, None, index, store_history=False)
            except CellExecutionError as error:
                _log.warning("a cell of a page failed: %s", error)
                strip_code_cell_warnings(cell)
                executor.strip_code_cell_errors(cell)
                yield cell
                return
    finally:
        await ensure_async(executor.kc.stop_channels())


async def with_signs_of_life(
    parts: AsyncGenerator[Any], interval: float = _SIGN_EVERY
) -> AsyncGenerator[Any]:
    """Pass on the parts of a page, and a comment where the next one is long in coming.

    Parameters
    ----------
    parts
        Of the page.
    interval
        s between two comments.
    """
    coming: asyncio.Future[Any] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(parts, None))
            while not (await asyncio.wait({coming}, timeout=interval))[0]:
                yield _SIGN
            if (part := coming.result()) is None:
                return
            yield part
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
        await parts.aclose()


def cell_markup(cell: Any) -> str:
    """Write a cell for the front end, which draws its outputs, and its text where it is one of text.

    Parameters
    ----------
    cell
        With its outputs; the code itself is not shown.
    """
    if cell.cell_type == "code":
        inside = "".join(_output_markup(output) for output in cell.outputs)
        return f'<div class="jp-Cell jp-CodeCell jp-OutputArea jp-Cell-outputArea">{inside}</div>\n'
    if cell.cell_type == "markdown":
        text = _for_front_end({"data": {"text/markdown": cell.source}, "metadata": {}})
        return f'<div class="jp-Cell jp-MarkdownCell">{text}</div>\n'
    return ""


def _for_front_end(output: Mapping[str, Any]) -> str:
    words = htmlsafe_json_dumps({**output, "trusted": True})
    return f'<script type="application/vnd.voila.cell-output+json">{words}</script>'


def _output_markup(output: Any) -> str:
    if output.output_type in {"display_data", "execute_result"}:
        inside = _for_front_end(output)
    else:
        text = output.text if output.output_type == "stream" else "\n".join(output.traceback)
        inside = f'<div class="jp-RenderedText jp-OutputArea-output"><pre>{escape(text)}</pre></div>'
    return f'<div class="jp-OutputArea-child">{inside}</div>'
