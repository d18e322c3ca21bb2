"""What a page shows at once, before it has a process: its header, what is known, the room of its figures."""

from html import escape

from eicpy.dashboard.frame import PAGE_NAMES, fact_cells, header
from eicpy.dashboard.server.request import PageRequest
from eicpy.errors import EicpyError
from eicpy.instruments import available, load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["first_header", "first_words"]

FIGURES = {"": 4, "quicklook": 4, "monitor": 2}
"""Panels of each page."""


def first_header(request: PageRequest, page: str) -> str:
    """Write the header of a page; empty for one that is none of ours, or that cannot be opened.

    Parameters
    ----------
    request
        Language and instrument.
    page
        Address of the page, as in :data:`~eicpy.dashboard.frame.PAGE_NAMES`.
    """
    if page not in PAGE_NAMES:
        return ""
    try:
        instrument = load(request.check())
    except (EicpyError, OSError):  # the page itself says why
        return ""
    others = [name for name in available() if name != instrument.name]
    return header(instrument, others, Texts(request.language), page=page)


def first_words(settings: Settings, request: PageRequest, page: str, known: str = "") -> str:
    """Write what stands below the header until the page is there; empty where that is not known.

    Parameters
    ----------
    settings
        Set-up that it shows.
    request, page
        As for :func:`first_header`.
    known
        Verdict and facts (:func:`eicpy.dashboard.server.known.known_words`). Without them only what costs
        nothing to know is said, and no verdict, which takes the data.
    """
    if page not in PAGE_NAMES:
        return ""
    try:
        words = known or _opening(settings, request)
    except (EicpyError, OSError):  # the page itself says why
        return ""
    return f'{words}<div class="eic-blank">{"<div></div>" * FIGURES[page]}</div>'


def _opening(settings: Settings, request: PageRequest) -> str:
    texts = Texts(request.language)
    instrument = load(request.check())
    run = RunArchive(settings.archive(instrument.name), instrument.name).newest()
    size = None if run is None else run.raw_file.stat().st_size
    detail = texts("opening_detail" if run is not None else "opening_empty")
    cells = [
        (texts("run"), "–" if run is None else str(run.number), ""),
        (texts("received"), texts.size(size), ""),
    ]
    return (
        f'<div class="eic-verdict" role="status"><strong>{escape(texts("opening"))}</strong>'
        f"<span>{escape(detail)}</span></div>{fact_cells(cells)}"
    )
