"""How lines are drawn: the colours of the styles, and a section that is redrawn only where it changed."""

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from eicpy.monitor.lines import Lines

__all__ = ["MonitorSection", "content_of"]

STYLES = {
    "": "",
    "dim": "#8295b0",
    "strong": "bold #ffffff",
    "good": "#77cfa3",
    "wrong": "bold #f0b35a",
    "alarm": "bold #ff7b72",
    "label": "#8fb8e8",
    "good-badge": "bold #0d1420 on #77cfa3",
    "wrong-badge": "bold #0d1420 on #f0b35a",
    "alarm-badge": "bold #ffffff on #c8322b",
}


class MonitorSection(VerticalScroll, can_focus=False):
    """A titled part of the screen, redrawn only where it changed."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._text = Static("", markup=False)
        self._shown: Lines | None = None

    def compose(self) -> ComposeResult:
        """Hold the text."""
        yield self._text

    def show(self, lines: Lines) -> None:
        """Show lines."""
        if lines != self._shown:
            self._shown = lines
            # Laying all out again is most of the cost: needed only where a section grows or shrinks.
            self._text.update(content_of(lines), layout=False)
            self._text.styles.height = len(lines)


def content_of(lines: Lines) -> Content:
    """Lines as Textual draws them."""
    return Content("\n").join(
        Content.assemble(*((text, STYLES[style]) for text, style in line)) for line in lines
    )
