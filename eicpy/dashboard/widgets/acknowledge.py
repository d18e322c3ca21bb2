"""Excursions on the monitor page: a table, and where orders are allowed a way to acknowledge them.

An acknowledgement is kept in the internal database with the name of the operator's log-in and a comment. What
the browser sends comes from outside: the comment is bounded, the name is not among it, and the number must be
one that is offered.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from eicpy.errors import EicpyError, readable
from eicpy.figures.series import unit_sign
from eicpy.health import utc_words
from eicpy.health.box import CLASSES
from eicpy.instruments import Instrument
from eicpy.operations import (
    ExcursionRow,
    ExcursionState,
    handle_excursion,
    newest_excursions,
    open_database,
)
from eicpy.settings import Settings
from eicpy.text import UNKNOWN, Texts

__all__ = ["AcknowledgePanel"]

_log = logging.getLogger(__name__)

LONGEST_COMMENT = 500
MOST = 30
"""Excursions that are shown, those that nobody acknowledged first."""
EVERY = 10.0
"""Time between two readings of the database, s."""
TIMEOUT = 2.0


class AcknowledgePanel:
    """Table of excursions, and the controls to acknowledge one.

    Parameters
    ----------
    settings, instrument
        Whose excursions.
    allowed
        Whether the server was started for orders.
    operator
        Name of the log-in; empty: nothing can be acknowledged.
    """

    def __init__(
        self, settings: Settings, instrument: Instrument, *, allowed: bool, operator: str = ""
    ) -> None:
        self._settings = replace(settings, database_timeout=TIMEOUT)
        self._instrument, self._operator = instrument.name, operator
        self._may = allowed and bool(operator)
        self._texts = Texts("en")
        self._rows: list[ExcursionRow] = []
        self._read_at = float("-inf")
        self.table = ipywidgets.HTML()
        auto = ipywidgets.Layout(width="auto", flex="1 1 240px", max_width="480px")
        self.choice = ipywidgets.Dropdown(options=[("–", 0)], layout=auto)
        self.comment = ipywidgets.Text(layout=auto)
        self.button = ipywidgets.Button(layout=ipywidgets.Layout(width="auto"))
        self.answer = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 240px"))
        shown = [self.choice, self.comment, self.button] if self._may else []
        self.controls = ipywidgets.Box([*shown, self.answer], layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.controls.add_class("eic-controls")

    def connect(
        self, guarded: Callable[[Callable[..., Any]], Callable[..., None]], after: Callable[[], None]
    ) -> None:
        """Let the button acknowledge; `after` is called then."""
        self._after = after
        self.button.on_click(guarded(lambda _button: self.acknowledge()))

    def translate(self, texts: Texts) -> None:
        """Write everything in a language."""
        self._texts = texts
        self.choice.description = texts("excursion")
        self.comment.description = texts("comment")
        self.button.description = texts("acknowledge")
        self.draw()

    def draw(self) -> None:
        """Read the excursions again, now and then, and show them."""
        now = time.monotonic()
        if now - self._read_at >= EVERY:
            self._read_at = now
            self._read()
        self.table.value = _table(self._rows, self._texts)

    def acknowledge(self) -> None:
        """Acknowledge the excursion that is chosen, with the comment."""
        texts, number = self._texts, self.choice.value
        comment = _line(self.comment.value)
        offered = {row.id for row in self._rows if row.state is ExcursionState.NEW}
        if not self._may:
            self._show(texts("orders_not_allowed"), bad=True)
        elif number not in offered:
            self._show(texts("choose_excursion"), bad=True)
        elif not comment:
            self._show(texts("comment_needed"), bad=True)
        else:
            try:
                with open_database(self._settings) as database:
                    row = handle_excursion(database, number, actor=self._operator, comment=comment)
            except EicpyError as error:
                self._show(str(error), bad=True)
                return
            self._show(
                texts("acknowledged", number=row.id, parameter=row.parameter, by=row.handled_by), bad=False
            )
            self.comment.value = ""
            self._read_at = float("-inf")
            self.draw()
            self._after()

    def _read(self) -> None:
        file = self._settings.database_url.removeprefix("sqlite:///")
        if file != self._settings.database_url and not Path(file).is_file():
            return
        try:
            with open_database(self._settings) as database:
                self._rows = newest_excursions(database, self._instrument, most=MOST)
        except EicpyError as error:
            _log.warning("excursions are not shown: %s", error)
            self._show(str(error), bad=True)
            return
        new = [row for row in self._rows if row.state is ExcursionState.NEW]
        options = [(f"{row.id} · {row.parameter} · {utc_words(row.start)}", row.id) for row in new]
        if [value for _label, value in self.choice.options] != [row.id for row in new]:
            self.choice.options = options or [("–", 0)]

    def _show(self, words: str, *, bad: bool) -> None:
        kind = "alarm" if bad else "nominal"
        self.answer.value = f'<span class="eic-answer {kind}" role="status">{escape(words)}</span>'


def _table(rows: list[ExcursionRow], texts: Texts) -> str:
    heads = (
        ("number", "number"), ("status", ""), ("parameter", ""), ("from_utc", ""), ("to_utc", ""),
        ("worst", "number"), ("limit", "number"), ("handled", ""),
    )  # fmt: skip
    head = "".join(f'<th class="{kind}">{texts("head_" + key)}</th>' for key, kind in heads)
    body = "".join(_row(row, texts) for row in rows)
    body = body or f'<tr><td colspan="{len(heads)}">{texts("no_excursion")}</td></tr>'
    return (
        f'<table class="eic-table"><caption>{texts("table_excursions")}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(row: ExcursionRow, texts: Texts) -> str:
    level = str(row.level)
    limit = UNKNOWN if row.limit is None else texts.figures(row.limit, 6)
    worst = f"{texts.figures(row.value, 6)} {unit_sign(row.unit)}".strip()
    if row.state is ExcursionState.HANDLED:
        seen = texts("acknowledged_by", by=row.handled_by, comment=row.comment or UNKNOWN)
        kind = "none"
    else:
        seen, kind = texts("not_acknowledged"), CLASSES[row.level]
    return (
        f'<tr><td class="number">{row.id}</td>'
        f'<td><span class="eic-chip {kind}">{texts(f"{level}_word")}</span></td>'
        f'<td class="name">{escape(row.parameter)}</td><td>{utc_words(row.start)}</td>'
        f'<td>{utc_words(row.stop)}</td><td class="number">{escape(worst)}</td>'
        f'<td class="number">{limit}</td><td class="note">{escape(seen)}</td></tr>'
    )


def _line(value: Any) -> str:
    """A text from outside as one line of printable characters of bounded length."""
    if not isinstance(value, str):
        return ""
    return readable(value[: 4 * LONGEST_COMMENT]).strip()[:LONGEST_COMMENT]
