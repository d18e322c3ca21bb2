"""Figures in notebooks: the same cell works in JupyterLab, in a report and under Voilà.

BokehJS must be loaded before a figure is shown, and never from the network. Where it comes from
depends on who shows the page:

- our own pages and reports: the page holds it, once; whoever shows it sets ``EIC_BOKEH_RESOURCES=page``.
- another Voilà (a Jupyter server's, as on Binder): as a script in the page.
- JupyterLab and everything else: within the notebook, once and packed.
"""

import os

from bokeh.io import show as bokeh_show
from bokeh.io.state import curstate
from bokeh.models import LayoutDOM, Row

from eicpy.errors import BadArgumentError
from eicpy.figures.bokeh_script import core_script, loading_script
from eicpy.figures.words import translate_figure
from eicpy.text import setup_texts

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
    curstate().output_notebook("jupyter")
    if page_holds_bokeh():
        return
    if under_voila():  # which runs what stands in the page
        _put_into_page(f"<script>{core_script()}</script>")
    else:
        _run_in_page(loading_script())


def _run_in_page(script: str) -> None:
    from IPython.display import Javascript, display  # noqa: PLC0415, a notebook has it; a figure elsewhere need not

    display(Javascript(script))


def _put_into_page(text: str) -> None:
    from IPython.display import HTML, display  # noqa: PLC0415, as above

    display(HTML(text))


def show(*figures: LayoutDOM) -> None:
    """Show figures side by side where there is room for it, and one below the other on a telephone.

    Their words are those of the language of the set-up (``EIC_LANGUAGE``), as far as the catalogue has them.
    """
    if not figures:
        return
    for one in figures:
        translate_figure(one, setup_texts())
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
