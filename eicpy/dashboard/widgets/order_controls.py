"""The buttons of the operator on the monitor page: start, stop, configuration, comment.

Each is carried out, or refused, by the receiver, which writes it into the journal with the name of the
operator's log-in; its answer is shown beside the buttons. What the browser sends comes from outside: texts
are bounded, the name is not among them, and nothing is sent at all unless the server was started for orders
and the visitor logged in with a name.
"""

from collections.abc import Callable
from html import escape
from typing import Any, Literal, get_args

import ipywidgets

from eicpy.acquisition.status import Order, Station, send_order
from eicpy.errors import EicpyError, readable
from eicpy.text import Texts

__all__ = ["OrderControls"]

Kind = Literal["start", "stop", "configure", "comment"]
LONGEST_TEXT = 500
ORDER_TIMEOUT = 5.0
"""How long to wait for the receiver's answer, s."""


class OrderControls:
    """Text, buttons and the receiver's answer.

    Parameters
    ----------
    station
        Status folder of the receiver that gets the orders.
    language
        The control of the language, shown beside the others.
    allowed
        Whether orders may be given; else the page explains how to allow them.
    operator
        Name of the log-in; empty: the page says how to log in.
    """

    def __init__(
        self, station: Station, language: ipywidgets.Widget, *, allowed: bool, operator: str = ""
    ) -> None:
        self._station, self._allowed, self._operator = station, allowed, operator
        self._after: Callable[[], None] = lambda: None
        self._texts = Texts("en")
        wide = ipywidgets.Layout(width="auto", flex="2 1 280px", max_width="560px")
        self.who = ipywidgets.HTML()
        self.text = ipywidgets.Text(layout=wide)
        self.buttons = {
            key: ipywidgets.Button(layout=ipywidgets.Layout(width="auto"))
            for key in ("start", "stop", "configure_on", "configure_off", "comment")
        }
        self.answer = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 300px"))
        parts = [self.text, *self.buttons.values()] if allowed and operator else []
        parts += [self.who] if allowed else []
        shown = [*parts, self.answer, language]
        self.widget = ipywidgets.Box(shown, layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.widget.add_class("eic-panel")
        self.widget.add_class("eic-controls")

    def translate(self, texts: Texts) -> None:
        """Write the controls in a language."""
        self._texts = texts
        self.text.description = texts("comment")
        address, words = f"log%s?lang={texts.language}", escape(texts("orders_as", name=self._operator))
        if self._operator:
            shown = f'{words} · <a href="/{address % "out"}">{escape(texts("log_out"))}</a>'
        else:
            shown = f'<a href="/{address % "in"}&amp;next=/monitor">{escape(texts("orders_log_in"))}</a>'
        self.who.value = f'<div class="eic-caption">{shown}</div>'
        for key, button in self.buttons.items():
            button.description = texts(f"order_{key}")
        if not self._allowed:
            self.answer.value = f'<div class="eic-caption">{texts("orders_not_allowed")}</div>'

    def connect(
        self, guarded: Callable[[Callable[..., Any]], Callable[..., None]], after: Callable[[], None]
    ) -> None:
        """Let the buttons give orders; `after` is called after each."""
        self._after = after
        for key, button in self.buttons.items():
            kind, _underscore, how = key.partition("_")
            button.on_click(guarded(lambda _button, kind=kind, on=how != "off": self.give(kind, on=on)))

    def give(self, kind: str, *, on: bool = True) -> None:
        """Give an order and show the answer."""
        texts = self._texts
        text = _line(self.text.value, LONGEST_TEXT)
        if not self._allowed or kind not in get_args(Kind):
            self._show(texts("orders_not_allowed"), bad=True)
        elif not self._operator:
            self._show(texts("orders_log_in"), bad=True)
        elif kind == "comment" and not text:
            self._show(texts("comment_needed"), bad=True)
        else:
            order = Order.model_validate(
                {"kind": kind, "text": text, "by": f"{self._operator} (page)", "on": on}
            )
            try:
                self._show(send_order(self._station, order, timeout=ORDER_TIMEOUT), bad=False)
                self.text.value = ""
            except EicpyError as error:
                self._show(str(error), bad=True)
            self._after()

    def _show(self, words: str, *, bad: bool) -> None:
        kind = "alarm" if bad else "nominal"
        self.answer.value = f'<span class="eic-answer {kind}" role="status">{escape(words)}</span>'


def _line(value: Any, longest: int) -> str:
    """A text from outside as one line of printable characters of bounded length."""
    return readable(value[: 4 * longest]).strip()[:longest] if isinstance(value, str) else ""
