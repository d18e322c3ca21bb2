"""Figures in notebooks: the same cell works in JupyterLab, in a report and under Voilà.

BokehJS must be loaded before a figure is shown, and never from the network. Where it comes from
depends on who shows the page:

- Voilà: the template of :mod:`eicpy.dashboard` holds it; nothing is loaded here.
- a report: the runner says it in ``EIC_BOKEH_RESOURCES``, either ``inline`` or ``assets:<address>``,
  the address of the folder, relative to the page, that holds ``static/js/bokeh.min.js``.
- JupyterLab and everything else: within the notebook.
"""

import os

from bokeh.io import output_notebook
from bokeh.io import show as bokeh_show
from bokeh.models import LayoutDOM, Row
from bokeh.resources import INLINE, Resources

from eicpy.errors import BadArgumentError

__all__ = ["resources", "show", "side_by_side", "under_voila", "use_bokeh"]


def under_voila() -> bool:
    """Whether this kernel was started by Voilà."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila/") or "VOILA_PREHEAT" in os.environ


def resources(place: str | None) -> Resources:
    """Tell where BokehJS comes from.

    Parameters
    ----------
    place
        ``inline``, ``assets:<relative address>``, or None or empty for ``inline``.

    Raises
    ------
    BadArgumentError
        For anything else: an address of another machine would fail where there is no network.
    """
    if place in (None, "", "inline"):
        return INLINE
    kind, _, address = str(place).partition(":")
    if kind != "assets" or not address or "//" in address or address.startswith("/"):
        raise BadArgumentError(
            f"got EIC_BOKEH_RESOURCES={place!r}, expected 'inline' or 'assets:<relative address>'"
        )
    return Resources(
        mode="server",
        root_url=address.rstrip("/") + "/",
        components=["bokeh"],
        path_versioner=None,
    )


def use_bokeh() -> None:
    """Make figures appear in this notebook, without a network; call it once, before the first figure."""
    if under_voila():
        return
    output_notebook(resources(os.environ.get("EIC_BOKEH_RESOURCES")), hide_banner=True)


def show(*figures: LayoutDOM) -> None:
    """Show figures side by side where there is room for it, and one below the other on a telephone."""
    bokeh_show(figures[0] if len(figures) == 1 else side_by_side(*figures))


def side_by_side(*figures: LayoutDOM, width: int = 340) -> Row:
    """Put figures in a row that wraps where one of them would become narrower than `width` px."""
    for figure in figures:
        figure.styles = {"flex": f"1 1 {width}px", "min-width": f"min({width}px, 100%)"}
    return Row(children=list(figures), sizing_mode="stretch_width", styles={"flex-wrap": "wrap"})
