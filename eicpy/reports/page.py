"""From an executed notebook to a page that anyone can open without a network.

A page is one file: it can be mailed, or kept for ten years, and still shows its figures. The code is
hidden and nothing is asked of another machine: no MathJax, no RequireJS, no font. BokehJS is written
into the page once, in its smallest form and only where there is a figure; it is that of the Bokeh that
drew the figures, so that versions always match. The executed notebook beside it does not contain it.
"""

from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import HTMLExporter

from eicpy.figures.bokeh_script import core_script
from eicpy.files import write_text

__all__ = ["write_page"]

_TEMPLATES = Path(__file__).parent / "templates"
_FIGURE = "application/vnd.bokehjs_exec.v0+json"
"""Type of the output that Bokeh leaves in a notebook for each figure."""


def write_page(
    notebook: nbformat.NotebookNode,
    path: Path,
    *,
    title: str,
    failure: str = "",
    simulated: bool | None = None,
    facts: dict[str, str],
    index: str,
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
    """
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
        "bokeh": _bokehjs() if _has_figures(notebook) else "",
    }
    body, _ = exporter.from_notebook_node(notebook, resources={"eicpy": values})
    write_text(path, body)


def _has_figures(notebook: nbformat.NotebookNode) -> bool:
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return any(_FIGURE in output.get("data", {}) for output in outputs)


@cache
def _bokehjs() -> str:
    """BokehJS, without a closing tag."""
    return core_script().replace("</script", "<\\/script")
