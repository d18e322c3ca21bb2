"""Figures in notebooks: the same cell works in JupyterLab, in a report and under Voilà.

BokehJS must be loaded before a figure is shown, and never from the network. Where it comes from
depends on who shows the page:

- our own pages and reports: the page holds it, once; whoever shows it sets ``EIC_BOKEH_RESOURCES=page``.
- another Voilà (a Jupyter server's, as on Binder): as a script in the page.
- JupyterLab and everything else: within the notebook.
"""

import os
from pathlib import Path

import bokeh
from bokeh.io import output_notebook
from bokeh.io import show as bokeh_show
from bokeh.io.state import curstate
from bokeh.models import LayoutDOM, Row
from bokeh.resources import INLINE

from eicpy.errors import BadArgumentError

__all__ = ["page_holds_bokeh", "show", "side_by_side", "under_voila", "use_bokeh"]


def under_voila() -> bool:
    """Whether this kernel was started by Voilà, ours or another."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")


def page_holds_bokeh() -> bool:
    """Whether the page that will show this notebook brings BokehJS itself.

    Raises
    ------
    BadArgumentError
        If ``EIC_BOKEH_RESOURCES`` is neither ``page`` nor ``inline``: an address of another machine would
        fail where there is no network.
    """
    source = os.environ.get("EIC_BOKEH_RESOURCES") or "inline"
    if source not in ("page", "inline"):
        raise BadArgumentError(f"got EIC_BOKEH_RESOURCES={source!r}, expected 'page' or 'inline'")
    return source == "page"


def use_bokeh() -> None:
    """Make figures appear in this notebook, without a network; call it once, before the first figure."""
    if page_holds_bokeh():
        curstate().output_notebook("jupyter")
    elif under_voila():
        curstate().output_notebook("jupyter")
        _load_as_script()
    else:
        output_notebook(INLINE, hide_banner=True)


def _load_as_script() -> None:
    """Write BokehJS into the page: Voilà runs what stands in it."""
    from IPython.display import HTML, display  # noqa: PLC0415 - a kernel has it

    script = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    display(HTML(f"<script>{script.read_text(encoding='utf-8')}</script>"))  # type: ignore[no-untyped-call]


def show(*figures: LayoutDOM) -> None:
    """Show figures side by side where there is room for it, and one below the other on a telephone."""
    if not figures:
        return
    bokeh_show(figures[0] if len(figures) == 1 else side_by_side(*figures))


def side_by_side(*figures: LayoutDOM, width: int = 340) -> Row:
    """Put figures in a row that wraps where one of them would become narrower than `width` px.

    All columns are equally wide, so that many small figures line up.
    """
    columns = f"repeat(auto-fit, minmax(min({width}px, 100%), 1fr))"
    return Row(
        children=list(figures),
        sizing_mode="stretch_width",
        styles={"display": "grid", "grid-template-columns": columns, "gap": "6px 12px"},
    )
