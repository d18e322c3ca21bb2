"""The words of the live page as HTML: header, verdict, facts, table of housekeeping.

Everything that comes from outside (names in tables, descriptions, comments) is escaped.
"""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from eicpy.dashboard.frame import PAGE_NAMES, fact_cells, header, heartbeat, problem
from eicpy.dashboard.health import LatestValue, State
from eicpy.dashboard.source import PacketTotals
from eicpy.figures import theme
from eicpy.figures.series import unit_sign
from eicpy.health.box import CLASSES
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
