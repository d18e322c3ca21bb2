"""From an executed notebook to a page that anyone can open without a network.

A page is one file: it can be mailed, or kept for ten years, and still shows its figures. The code is
hidden and nothing is asked of another machine: no MathJax, no RequireJS, no font. BokehJS is written
into the page once, in its smallest form and only where there is a figure; it is that of the Bokeh that
drew the figures, so that versions always match. The executed notebook beside it does not contain it.

A page is in one language, that of the set-up when it was made. The words of a notebook are English; those
that the catalogue knows are replaced. A cell tagged ``only-mask`` is shown for detectors whose description
has a ``mask``, and so for each property of a description and each kind of packet: nothing in a report is
meant for another detector. Headings of the second level become links at the top.
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter

from eicpy.figures.bokeh_script import core_script
from eicpy.files import write_text
from eicpy.text import Texts

__all__ = ["ONLY", "write_page"]

_TEMPLATES = Path(__file__).parent / "templates"
_FIGURE = "application/vnd.bokehjs_exec.v0+json"
"""Type of the output that Bokeh leaves in a notebook for each figure."""
ONLY = "only-"
"""Begin of a tag that names what a detector must have for the cell to be shown."""
_HEADING = re.compile(r"^## +(?P<words>.+)$", re.MULTILINE)
_WORDS = {
    "all_nights": "report_all_nights",
    "failed": "report_failed",
    "failed_note": "report_failed_note",
    "simulated": "report_simulated",
    "simulated_note": "report_simulated_note",
    "sections": "report_sections",
}


def write_page(
    notebook: nbformat.NotebookNode,
    path: Path,
    *,
    title: str,
    failure: str = "",
    simulated: bool | None = None,
    facts: Mapping[str, str],
    index: str,
    texts: Texts,
    has: Callable[[str], bool] | None = None,
) -> None:
    """Write the page of an executed notebook.

    Parameters
    ----------
    notebook
        The executed notebook.
    path
        The page.
    title
        Title of the page.
    failure
        Why the run failed; empty for a good one. A failed page says so in a banner at its top.
    simulated
        True where the data come from a simulation: a banner says so.
    facts
        Origin of the page, shown at its foot: label → text.
    index
        Address of the index page, relative to this page; empty for none.
    texts
        Language of the page.
    has
        Whether the detector has a property, for cells that are shown only where it has; None: all are shown.
    """
    shown, sections = _prepared(notebook, texts, has)
    exporter: Any = HTMLExporter(
        template_name="report",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
        mathjax_url="",
        require_js_url="",
        mermaid_js_url="",
        widget_renderer_url="",
    )
    values = {
        "title": title,
        "failure": failure,
        "simulated": bool(simulated),
        "facts": facts,
        "index": index,
        "bokeh": _bokehjs() if _has_figures(shown) else "",
        "language": texts.language,
        "words": {name: texts(key) for name, key in _WORDS.items()},
        "sections": sections,
    }
    body, _ = exporter.from_notebook_node(shown, resources={"eicpy": values})
    write_text(path, body)


def _prepared(
    notebook: nbformat.NotebookNode, texts: Texts, has: Callable[[str], bool] | None
) -> tuple[nbformat.NotebookNode, dict[str, str]]:
    """Leave out what is meant for other detectors, translate, and find the sections: address → heading."""
    shown = deepcopy(notebook)
    sections: dict[str, str] = {}
    shown.cells = [cell for cell in shown.cells if has is None or all(map(has, _needs(cell)))]
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = texts.translated(cell.source)
            if heading := _HEADING.search(cell.source):
                address = f"section-{len(sections) + 1}"
                sections[address] = heading["words"]
                cell.source = f'<a id="{address}"></a>\n\n{cell.source}'
    return shown, sections


def _needs(cell: nbformat.NotebookNode) -> list[str]:
    """What a detector must have for a cell to be shown."""
    return [tag.removeprefix(ONLY) for tag in cell.metadata.get("tags", ()) if tag.startswith(ONLY)]


def _has_figures(notebook: nbformat.NotebookNode) -> bool:
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return any(_FIGURE in output.get("data", {}) for output in outputs)


@cache
def _bokehjs() -> str:
    """BokehJS, without a closing tag."""
    return core_script().replace("</script", "<\\/script")
