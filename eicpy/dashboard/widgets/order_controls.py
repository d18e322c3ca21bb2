"""The buttons of the operator on the monitor page: start, stop, configuration, comment.

Each asks for the operator's name and is carried out, or refused, by the receiver, which writes it into the
journal; its answer is shown beside the buttons. What the browser sends comes from outside: texts are bounded,
and nothing is sent at all unless the server was started for orders, whatever the browser sends.
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
LONGEST_NAME, LONGEST_TEXT = 60, 500
ORDER_TIMEOUT = 5.0
"""How long to wait for the receiver's answer, s."""


class OrderControls:
    """Name, text, buttons and the receiver's answer.

    Parameters
    ----------
    station
        Status folder of the receiver that gets the orders.
    language
        The control of the language, shown beside the others.
    allowed
        Whether orders may be given; else the page explains how to allow them.
    """

    def __init__(self, station: Station, language: ipywidgets.Widget, *, allowed: bool) -> None:
        self._station, self._allowed = station, allowed
        self._after: Callable[[], None] = lambda: None
        self._texts = Texts("en")
        wide = ipywidgets.Layout(width="auto", flex="2 1 280px", max_width="560px")
        self.name = ipywidgets.Text(
            layout=ipywidgets.Layout(width="auto", flex="1 1 200px", max_width="300px")
        )
        self.text = ipywidgets.Text(layout=wide)
        self.buttons = {
            key: ipywidgets.Button(layout=ipywidgets.Layout(width="auto"))
            for key in ("start", "stop", "configure_on", "configure_off", "comment")
        }
        self.answer = ipywidgets.HTML(layout=ipywidgets.Layout(flex="1 1 300px"))
        parts = [self.name, self.text, *self.buttons.values()] if allowed else []
        shown = [*parts, self.answer, language]
        self.widget = ipywidgets.Box(shown, layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.widget.add_class("eic-panel")
        self.widget.add_class("eic-controls")

    def translate(self, texts: Texts) -> None:
        """Write the controls in a language."""
        self._texts = texts
        self.name.description, self.text.description = texts("operator"), texts("comment")
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
        name, text = _line(self.name.value, LONGEST_NAME), _line(self.text.value, LONGEST_TEXT)
        if not self._allowed or kind not in get_args(Kind):
            self._show(texts("orders_not_allowed"), bad=True)
        elif not name:
            self._show(texts("name_needed"), bad=True)
        elif kind == "comment" and not text:
            self._show(texts("comment_needed"), bad=True)
        else:
            order = Order.model_validate({"kind": kind, "text": text, "by": f"{name} (page)", "on": on})
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
