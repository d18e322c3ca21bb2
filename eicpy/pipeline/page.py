"""From an executed notebook to a page that anyone can open without a network.

The code is hidden, nothing is asked of another machine: no MathJax, no RequireJS, no font. BokehJS is
one file beside all reports (``assets/static/js``), copied from the Bokeh that drew the figures, so
that versions always match and a page weighs 0.4 MB instead of 4 MB.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import bokeh
import nbformat
from nbconvert import HTMLExporter

from eicpy.pipeline.record import write_atomically

__all__ = ["assets_address", "install_assets", "write_page"]

_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ("bokeh.min.js",)


def install_assets(folder: Path) -> Path:
    """Copy BokehJS of the installed Bokeh under a folder, unless the same is there.

    Returns
    -------
    pathlib.Path
        `folder`, to be given to :func:`assets_address`.
    """
    source = Path(bokeh.__file__).parent / "server" / "static" / "js"
    target = folder / "static" / "js"
    target.mkdir(parents=True, exist_ok=True)
    for name in _SCRIPTS:
        old = target / name
        if not old.is_file() or old.read_bytes() != (source / name).read_bytes():
            partial = target / f".{name}.{os.getpid()}.partial"
            shutil.copyfile(source / name, partial)
            partial.replace(old)
    return folder


def assets_address(assets: Path, page_folder: Path) -> str:
    """Address of the assets as seen from a page, relative, so that the folder can be moved."""
    return Path(os.path.relpath(assets, page_folder)).as_posix() + "/"


def write_page(
    notebook: nbformat.NotebookNode,
    path: Path,
    *,
    title: str,
    failure: str = "",
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
    facts
        What the foot of the page tells of its origin, label → text.
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
    body, _ = exporter.from_notebook_node(
        notebook,
        resources={"eicpy": {"title": title, "failure": failure, "facts": facts, "index": index}},
    )
    write_atomically(path, body)
