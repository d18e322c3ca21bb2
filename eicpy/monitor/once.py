"""One overview as plain text, for a log or a mail."""

from eicpy.acquisition.status import Overview
from eicpy.monitor.lines import plain
from eicpy.monitor.sections import SECTIONS, verdict_lines
from eicpy.text import time_text

__all__ = ["plain_text"]

_LONG = 500
"""Columns of the verdict, which is not cut."""


def plain_text(overview: Overview, *, width: int = 110, journal: int = 10) -> str:
    """All that the screen shows, as lines of text.

    Parameters
    ----------
    overview
        What to show.
    width
        Columns; longer lines are cut.
    journal
        Lines of the journal.
    """
    verdict = plain(verdict_lines(overview.verdict, _LONG, 2 + len(overview.verdict.reasons)))
    lines = [f"{overview.instrument} {time_text(overview.moment)} UTC", *(line.strip() for line in verdict)]
    for name, (title, section) in SECTIONS.items():
        last = journal if name == "journal" else None
        lines += ["", f"{title}:", *(f"  {line}" for line in plain(section(overview, width - 2))[:last])]
    return "\n".join(lines)
