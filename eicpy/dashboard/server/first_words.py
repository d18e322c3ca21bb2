"""What a page shows at once, before it has a process: its header, the newest run, the room of its figures.

Only what costs nothing to know is said: no verdict, which takes the data.
"""

from html import escape

from eicpy.dashboard.frame import PAGE_NAMES, fact_cells, header
from eicpy.dashboard.server.request import PageRequest
from eicpy.errors import EicpyError
from eicpy.instruments import available, load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["MARK", "first_words"]

MARK = "<!-- first words -->"
"""Where they go in the template of the pages."""
FIGURES = {"": 4, "quicklook": 4, "monitor": 2}
"""Panels of each page."""


def first_words(settings: Settings, request: PageRequest, page: str) -> str:
    """Write the first words of a page; empty for one that is none of ours, or that cannot be opened.

    Parameters
    ----------
    settings
        Set-up that it shows.
    request
        Language and instrument.
    page
        Address of the page, as in :data:`~eicpy.dashboard.frame.PAGE_NAMES`.
    """
    if page not in PAGE_NAMES:
        return ""
    texts = Texts(request.language)
    try:
        instrument = load(request.check())
        run = RunArchive(settings.archive(instrument.name), instrument.name).newest()
        size = None if run is None else run.raw_file.stat().st_size
    except (EicpyError, OSError):  # the page itself says why
        return ""
    others = [name for name in available() if name != instrument.name]
    detail = texts("opening_detail" if run is not None else "opening_empty")
    verdict = (
        f'<div class="eic-verdict" role="status"><strong>{escape(texts("opening"))}</strong>'
        f"<span>{escape(detail)}</span></div>"
    )
    cells = [
        (texts("run"), "–" if run is None else str(run.number), ""),
        (texts("received"), texts.size(size), ""),
    ]
    blank = f'<div class="eic-blank">{"<div></div>" * FIGURES[page]}</div>'
    return header(instrument, others, texts, page=page) + verdict + fact_cells(cells) + blank
