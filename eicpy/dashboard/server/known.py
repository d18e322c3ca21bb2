"""What is known of camera and chain before a page has a kernel: the verdict, of which run, how old.

Told by a child of the nursery (:mod:`eicpy.dashboard.server.nursery`), which has everything imported, so that
the server itself need not, and a reading that takes long holds up nobody.
"""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from eicpy.acquisition.status import OverviewReader
from eicpy.dashboard.frame import fact_cells
from eicpy.dashboard.server.request import PageRequest
from eicpy.errors import EicpyError
from eicpy.health import verdict_box
from eicpy.health.words import utc_words
from eicpy.instruments import load
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["known_words", "tell"]

READING_TIME = 0.8
"""Longest time to read the newest data, s: with less than all of them there is no verdict."""


def known_words(settings: Settings, request: PageRequest) -> str:
    """Write the verdict, and the facts beside it, as HTML; empty where nothing can be known.

    Parameters
    ----------
    settings
        Set-up that is shown.
    request
        Language and instrument.
    """
    texts = Texts(request.language)
    try:
        instrument = load(request.check())
        with closing(OverviewReader(settings, instrument, reading_time=READING_TIME)) as reader:
            overview = reader.read()
    except (EicpyError, OSError):  # the page itself says why
        return ""
    run, verdict = overview.run, overview.verdict
    if run is None and not verdict.reasons:
        return ""
    age = "–" if verdict.age is None else texts("ago", age=texts.duration(verdict.age))
    cells = [
        (texts("run"), "–" if run is None else str(run.number), ""),
        (texts("setup"), (run.setup if run is not None else "") or "–", ""),
        (texts("newest"), utc_words(verdict.newest), ""),
        (texts("received"), age, ""),
    ]
    return verdict_box(verdict, texts) + fact_cells(cells)


def tell(asked: Mapping[str, str]) -> None:
    """Write what is known into a file, whole or not at all; for a process of its own, of lower priority.

    Parameters
    ----------
    asked
        ``query`` of the page's address; ``file`` to write.
    """
    os.nice(5)  # the kernel of the page comes first
    request = PageRequest(asked["query"], os.environ.get("EIC_INSTRUMENT"))
    file = Path(asked["file"])
    unfinished = file.with_suffix(".part")
    unfinished.write_text(known_words(Settings.from_environment(), request), encoding="utf-8")
    unfinished.replace(file)
