"""The verdict as a box: on live pages, at the top of a report, on the index. Its style is that of the page.

Everything that comes from outside (names of parts, comments, errors) is escaped.
"""

from collections.abc import Sequence
from html import escape

from eicpy.health.reasons import Tense, Verdict
from eicpy.health.words import ARROW, headline, sentences, well_words
from eicpy.housekeeping.limits import Severity
from eicpy.text import Texts

__all__ = ["BOX_STYLE", "CLASSES", "SHOWN", "verdict_box", "verdict_class"]

CLASSES = {
    Severity.NOMINAL: "nominal",
    Severity.WARNING: "warning",
    Severity.ALARM: "alarm",
    Severity.UNKNOWN: "none",
}
BOX_STYLE = """
.eic-verdict { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; border-radius: 6px;
  padding: 10px 14px; margin: 0 0 12px; color: #fff; font-size: 14px; background: #556270; }
.eic-verdict strong { font-size: 18px; color: #fff; }
.eic-verdict .eic-state { border: 1px solid rgba(255, 255, 255, 0.75); border-radius: 3px; padding: 0 7px;
  font-size: 12px; font-weight: 600; }
.eic-verdict .eic-reasons { margin: 0; padding: 0; list-style: none; flex: 1 1 300px; line-height: 1.5;
  color: #fff; overflow-wrap: anywhere; }
.eic-verdict .eic-action { opacity: 0.85; font-style: italic; }
.eic-verdict.nominal { background: #006b4f; }
.eic-verdict.warning { background: #a65e00; }
.eic-verdict.alarm { background: #b3261e; }
"""
"""Style of the box where a page has none of its own: white on colours with a contrast of at least 4.5."""
SHOWN = 4
"""Reasons that are shown; the others are counted."""


def verdict_class(verdict: Verdict) -> str:
    """Style of a verdict; of data that are not those of now, what is well is not green."""
    past = verdict.tense in {Tense.END, Tense.SILENT} and verdict.level is Severity.NOMINAL
    return "past" if past else CLASSES[verdict.level]


def verdict_box(verdict: Verdict, texts: Texts, *, chips: Sequence[str] = (), shown: int = SHOWN) -> str:
    """Write the verdict: how bad, of when; each reason with what to do about it.

    Parameters
    ----------
    verdict
        The verdict.
    texts
        Language.
    chips
        Words in small frames before it.
    shown
        Reasons at most.
    """
    labels = [*chips, *([texts("data_simulated")] if verdict.simulated else [])]
    marks = "".join(f'<span class="eic-state">{escape(words)}</span>' for words in labels)
    told = sentences(verdict, texts)
    lines = [_line(words) for words in told[:shown]]
    left = len(told) - shown
    if left > 0:
        lines.append(f"<li>{escape(texts('and_more', left, count=left))}</li>")
    if not lines:
        lines.append(f"<li>{escape(well_words(verdict, texts))}</li>")
    return (
        f'<div class="eic-verdict {verdict_class(verdict)}" role="status" data-level="{verdict.level}">'
        f"{marks}"
        f"<strong>{escape(headline(verdict, texts))}</strong>"
        f'<ul class="eic-reasons">{"".join(lines)}</ul></div>'
    )


def _line(words: str) -> str:
    said, arrow, todo = words.partition(ARROW)
    action = f' <span class="eic-action">→ {escape(todo)}</span>' if arrow else ""
    return f"<li>{escape(said)}{action}</li>"
