"""The words of the live page as HTML: header, verdict, facts, table of housekeeping.

Everything that comes from outside (names in tables, descriptions, comments) is escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

import numpy as np

from eicpy.dashboard.health import LatestValue, State
from eicpy.dashboard.source import PacketTotals
from eicpy.figures import theme
from eicpy.figures.series import unit_sign
from eicpy.health.box import CLASSES
from eicpy.instruments import Instrument
from eicpy.packets import Limits
from eicpy.text import Texts

__all__ = [
    "CLASSES",
    "PAGE_NAMES",
    "by_urgency",
    "fact_cells",
    "facts",
    "header",
    "heartbeat",
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


PAGE_NAMES = {"": "page_camera", "quicklook": "page_quicklook", "monitor": "page_monitor"}
"""Pages by address, and their names."""


def header(instrument: Instrument, others: Iterable[str], texts: Texts, *, page: str) -> str:
    """Title of the page, where the definition of the detector comes from, ways to the other pages.

    Parameters
    ----------
    instrument
        The detector.
    others
        Names of the other detectors.
    texts
        Language.
    page
        Address of this page, as in :data:`PAGE_NAMES`.
    """
    links = []
    for address, key in PAGE_NAMES.items():
        if address == page:
            links.append(f'<b aria-current="page">{texts(key)}</b>')
        else:
            links.append(_link(address or "./", instrument.name, texts(key), texts))
    links.append(f'<a href="reports/">{texts("reports")}</a>')
    detectors = " ".join(_link(page or "./", name, name, texts) for name in others)
    title = texts("title", instrument=instrument.title, page=texts(PAGE_NAMES[page]))
    return (
        f'<div class="eic-header"><h1>{escape(title)}</h1>'
        f'<nav class="eic-links">{" ".join(links)}</nav>'
        f'<span class="eic-note">{escape(instrument.note)}</span>'
        f'<nav class="eic-links eic-note">{detectors}</nav></div>'
    )


def _link(address: str, instrument: str, words: str, texts: Texts) -> str:
    query = f"instrument={quote(instrument)}&amp;lang={texts.language}"
    return f'<a href="{address}?{query}">{escape(words)}</a>'


def facts(run: str, newest: float, age: float | None, rate: float, totals: PacketTotals, texts: Texts) -> str:
    """Write the status line: run, newest data, age, rate, packets, losses."""
    cells = [
        (texts("run"), run or "–", ""),
        (texts("newest"), utc(newest), ""),
        (texts("received"), "–" if age is None else texts("ago", age=texts.duration(age)), ""),
        (texts("rate"), texts.number(rate, 0 if rate >= 100 else 2) if np.isfinite(rate) else "–", ""),
        (texts("packets"), texts.number(totals.received), ""),
        (texts("lost"), texts.number(totals.lost), "warning" if totals.lost else ""),
        (texts("damaged"), texts.number(totals.damaged), "warning" if totals.damaged else ""),
    ]
    return fact_cells(cells)


def fact_cells(cells: Iterable[tuple[str, str, str]]) -> str:
    """Write names and values side by side.

    Parameters
    ----------
    cells
        Name, value and class (``warning``, ``alarm`` or none) of each.
    """
    inside = "".join(
        f'<div><span>{escape(name)}</span><b class="{kind}">{escape(value)}</b></div>'
        for name, value, kind in cells
    )
    return f'<div class="eic-facts">{inside}</div>'


def heartbeat(tick: int, texts: Texts) -> str:
    """Write the hidden mark that changes as long as the kernel is alive."""
    return (
        f'<span class="eic-heartbeat" hidden data-tick="{tick}" data-lost="{escape(texts("disconnected"))}" '
        f'data-reload="{escape(texts("reload"))}"></span>'
    )


def problem(text: str, texts: Texts) -> str:
    """Say that the page cannot be shown, or is not to be trusted, and why."""
    return (
        f'<div class="eic-verdict alarm" role="alert"><strong>{texts("cannot_open")}</strong>'
        f"<span>{escape(text)}</span></div>"
    )


def _bounds(limits: Limits | None) -> str:
    if limits is None:
        return ""
    pairs = ((limits.alarm_low, limits.alarm_high), (limits.warning_low, limits.warning_high))
    shown = (_span(low, high) for low, high in pairs if low is not None or high is not None)
    return " · ".join(f"<span>{part}</span>" for part in shown).replace("-", "\N{MINUS SIGN}")


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"≤ {high:g}"
    return f"≥ {low:g}" if high is None else f"{low:g} … {high:g}"


def _row(parameter: LatestValue, texts: Texts) -> str:
    value = f"{parameter.value:.6g}".replace("-", "\N{MINUS SIGN}")
    shown = f"{value} {unit_sign(parameter.unit)}" + (f" ({parameter.text})" if parameter.text else "")
    kind = CLASSES[parameter.level] if parameter.limits is not None else "none"
    nothing = "no_limits" if parameter.limits is None else "no_data"
    word = texts(nothing if kind == "none" else f"{kind}_word")
    return (
        f'<tr><td class="name" title="{escape(parameter.description)}">{escape(parameter.name)}</td>'
        f'<td class="number">{escape(shown)}</td><td class="limit">{_bounds(parameter.limits)}</td>'
        f'<td><span class="eic-chip {kind}">{word}</span></td></tr>'
    )


def by_urgency(parameters: Iterable[LatestValue]) -> list[LatestValue]:
    """Order parameters: the worst first, those without limits last, else as they are."""
    return sorted(parameters, key=lambda p: (p.limits is None, -p.level))


def parameter_table(parameters: Sequence[LatestValue], texts: Texts) -> str:
    """Write the last value of each parameter, the worst first, those without limits last."""
    heads = (("parameter", ""), ("value", "number"), ("limits", ""), ("status", ""))
    head = "".join(f'<th class="{kind}">{texts(key)}</th>' for key, kind in heads)
    rows = (
        "".join(_row(p, texts) for p in by_urgency(parameters))
        or f'<tr><td colspan="4">{texts("no_data")}</td></tr>'
    )
    return f'<table class="eic-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
