"""The words of the live page as HTML: header, verdict, facts, table of housekeeping.

Everything that comes from outside (names in tables, descriptions, comments) is escaped.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape

import numpy as np

from eicpy.dashboard.frame import PAGE_NAMES, fact_cells, header, heartbeat, problem
from eicpy.dashboard.health import LatestValue, State
from eicpy.dashboard.source import PacketTotals
from eicpy.errors import readable
from eicpy.figures import theme
from eicpy.figures.series import unit_sign
from eicpy.health import utc_words
from eicpy.health.box import CLASSES
from eicpy.instruments.words import described
from eicpy.packets import Limits
from eicpy.runs import RunLabel
from eicpy.text import UNKNOWN, Texts

__all__ = [
    "CLASSES",
    "PAGE_NAMES",
    "by_urgency",
    "fact_cells",
    "facts",
    "header",
    "heartbeat",
    "matching",
    "parameter_table",
    "problem",
    "utc",
]

STATES = {
    State.LIVE: "state_live",
    State.STALE: "state_stale",
    State.ENDED: "state_ended",
    State.NO_RUN: "state_no_run",
}


def utc(seconds: float) -> str:
    """Write a time (s TT since 2017-01-01) as UTC; a dash where there is none."""
    if not np.isfinite(seconds):
        return "–"
    milliseconds = int(theme.unix_milliseconds(seconds))
    return str(np.datetime64(milliseconds, "ms"))[:19].replace("T", " ")


def facts(
    label: RunLabel | None, newest: float, age: float | None, rate: float, totals: PacketTotals, texts: Texts
) -> str:
    """Write the status line: what run it is, newest data, age, rate, packets, losses.

    Parameters
    ----------
    label
        Of the run; None where there is none.
    newest
        Time of the newest data, s.
    age
        Since something came, s.
    rate
        count/s.
    totals
        Packets that were read.
    texts
        Language.
    """
    known = RunLabel(0) if label is None else label
    name = (
        UNKNOWN if label is None else " · ".join(filter(None, (label.name(texts), known.setup, known.source)))
    )
    cells = [
        (texts("run"), readable(name), "wide"),
        (texts("run_start"), UNKNOWN if known.start is None else f"{known.start:%Y-%m-%d %H:%M:%S}", ""),
        (texts("run_duration"), texts.duration(known.duration), ""),
        (texts("newest"), utc(newest), ""),
        (texts("received"), UNKNOWN if age is None else texts("ago", age=texts.duration(age)), ""),
        (texts("rate"), texts.number(rate, 0 if rate >= 100 else 2) if np.isfinite(rate) else UNKNOWN, ""),
        (texts("packets"), texts.number(totals.received), ""),
        (texts("lost"), texts.number(totals.lost), "warning" if totals.lost else ""),
        (texts("damaged"), texts.number(totals.damaged), "warning" if totals.damaged else ""),
    ]
    return fact_cells(cells)


def _bounds(limits: Limits | None, texts: Texts) -> str:
    if limits is None:
        return ""
    pairs = ((limits.alarm_low, limits.alarm_high), (limits.warning_low, limits.warning_high))
    shown = (_span(low, high, texts) for low, high in pairs if low is not None or high is not None)
    return " · ".join(f"<span>{part}</span>" for part in shown)


def _span(low: float | None, high: float | None, texts: Texts) -> str:
    shown = [None if bound is None else texts.figures(bound, 6) for bound in (low, high)]
    if shown[0] is None:
        return f"≤ {shown[1]}"
    return f"≥ {shown[0]}" if shown[1] is None else f"{shown[0]} … {shown[1]}"


def _row(parameter: LatestValue, texts: Texts) -> str:
    value = texts.figures(parameter.value, 6)
    shown = f"{value} {unit_sign(parameter.unit)}" + (f" ({parameter.text})" if parameter.text else "")
    words = described(parameter.description, texts)
    return (
        f'<tr><td class="name" title="{escape(parameter.description)}">{escape(parameter.name)}'
        f"<small>{escape(words)}</small></td>"
        f'<td class="number">{escape(shown)}</td><td class="limit">{_bounds(parameter.limits, texts)}</td>'
        f"<td>{_status(parameter, texts)}</td></tr>"
    )


def _status(parameter: LatestValue, texts: Texts) -> str:
    """How the last value is, and how it was: an alarm that ended stays, with when it did."""
    kind = CLASSES[parameter.level] if parameter.limits is not None else "none"
    nothing = "no_limits" if parameter.limits is None else "no_data"
    word = texts(nothing if kind == "none" else f"{kind}_word")
    chip = f'<span class="eic-chip {kind}">{word}</span>'
    ended = parameter.ended
    if ended is None:
        return chip
    was = texts(
        "ended", what=texts(f"{CLASSES[ended.level]}_word"), time=utc_words(ended.stop, parameter.time)
    )
    return f'{chip} <span class="eic-chip ended {CLASSES[ended.level]}">{escape(was)}</span>'


def by_urgency(parameters: Iterable[LatestValue]) -> list[LatestValue]:
    """Order parameters: the worst first, then those that were beyond, those without limits last."""
    return sorted(parameters, key=lambda p: (p.limits is None, -p.level, -_was(p)))


def _was(parameter: LatestValue) -> int:
    return 0 if parameter.ended is None else int(parameter.ended.level)


def matching(parameters: Iterable[LatestValue], wanted: str, texts: Texts) -> list[LatestValue]:
    """Parameters whose mnemonic, description or unit holds every word that is looked for.

    Parameters
    ----------
    parameters
        To choose from.
    wanted
        Words, in any case and with or without accents; empty for all.
    texts
        Language in which descriptions are read; the English ones of the tables count too.
    """
    words = plain(wanted).split()
    return [p for p in parameters if all(word in _searched(p, texts) for word in words)]


def _searched(parameter: LatestValue, texts: Texts) -> str:
    said = (parameter.name, parameter.description, described(parameter.description, texts), parameter.unit)
    return plain(" ".join(said))


@lru_cache(maxsize=1024)
def plain(words: str) -> str:
    """Words in small letters without accents, as a reader types them into a search.

    Examples
    --------
    >>> plain("Température du caloduc 3")
    'temperature du caloduc 3'
    """
    letters = unicodedata.normalize("NFKD", words.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def parameter_table(parameters: Sequence[LatestValue], texts: Texts, wanted: str = "") -> str:
    """Write the last value of each parameter, the worst first, those without limits last.

    Parameters
    ----------
    parameters
        All there are.
    texts
        Language.
    wanted
        Words that are looked for; empty for all.
    """
    heads = (("parameter", ""), ("value", "number"), ("limits", ""), ("status", ""))
    head = "".join(f'<th class="{kind}">{texts(key)}</th>' for key, kind in heads)
    found = matching(parameters, wanted, texts)
    nothing = "no_data" if not parameters else "nothing_found"
    rows = (
        "".join(_row(p, texts) for p in by_urgency(found))
        or f'<tr><td colspan="4">{texts(nothing)}</td></tr>'
    )
    return f'<table class="eic-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
