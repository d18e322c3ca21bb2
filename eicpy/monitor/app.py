"""The terminal screen: the overview of a chain once a second, and the orders of its operator.

It reads and it orders; it holds nothing that the chain needs. When it dies, nobody notices but the one
who looks at it.
"""

import asyncio
import getpass
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Literal

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.events import Resize
from textual.widgets import Footer, Static

from eicpy.acquisition.status import Order, Overview
from eicpy.errors import EicpyError, readable
from eicpy.housekeeping import Severity
from eicpy.monitor.dialogues import Ask, Choice, Choose, Question
from eicpy.monitor.lines import Lines, clipped, width_of, words
from eicpy.monitor.sections import SECTIONS, processor_lines, verdict_lines
from eicpy.monitor.widgets import MonitorSection, content_of
from eicpy.process import note_signal
from eicpy.text import span_text, time_text

__all__ = ["Leave", "MonitorApp"]

INTERVAL = 1.0
"""Between two readings, s."""
STALE = 3.0
"""A reading older than this is called old, s."""
WIDE = 136
"""Width from which sections are side by side, in frames."""
LABELLED = {"run", "links", "disk", "error", "journal"}
"""Sections with their title before the first line on a narrow screen; tables have a head of their own."""
LABEL_WIDTH = 12
LEFT, RIGHT = ("run", "links", "disk", "error"), ("apids", "processors")
"""Columns of a wide screen; the journal is below them."""
TALL = 30
"""Lines from which the parameters of the processors are shown at first."""
Kind = Literal["start", "stop", "configure", "comment"]
Leave = Literal["leave", "stop"]
"""How the operator left: the chain continues, or is to be stopped."""


class MonitorApp(App[Leave]):
    """The screen.

    Parameters
    ----------
    read
        Reads the overview; called in a thread of its own.
    order
        Gives an order to the receiver and returns its answer; called in a thread of its own.
    operator
        Who gives the orders, until the operator enters another name.
    may_stop
        Whether the chain can be stopped from here.
    on_interrupt
        How Ctrl-C and SIGTERM leave.
    """

    TITLE = "eic monitor"
    CSS_PATH = "monitor.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012, as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        ("s", "start", "Start run"),
        ("x", "end", "Stop run"),
        ("c", "configure", "Configuration"),
        ("m", "comment", "Comment"),
        ("d", "details", "Details"),
        ("q", "leave", "Quit"),
        Binding("ctrl+c", "interrupt", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        read: Callable[[], Overview],
        order: Callable[[Order], str],
        *,
        operator: str = "",
        may_stop: Callable[[], bool] = lambda: False,
        on_interrupt: Leave = "leave",
    ) -> None:
        super().__init__()
        self._read = read
        self._order = order
        self._operator = operator or getpass.getuser()
        self._may_stop = may_stop
        self._on_interrupt: Leave = on_interrupt
        self._overview: Overview | None = None
        self._problem = ""
        self._details: bool | None = None
        self._reading = False
        self._read_at = time.monotonic()
        self._title = Static("", id="title", markup=False)
        self._verdict = Static("", id="verdict", markup=False)
        self._sections = {name: MonitorSection(name) for name in SECTIONS}
        self._answer = Static("", id="answer", markup=False)
        self._shown: dict[str, Lines] = {}

    @property
    def operator(self) -> str:
        """Who gave the last order, or would give the next."""
        return self._operator

    def compose(self) -> ComposeResult:
        """Lay the sections out."""
        yield self._title
        yield self._verdict
        with VerticalScroll(id="body"):
            with Container(id="columns"):
                yield Container(*(self._sections[name] for name in LEFT), id="left")
                yield Container(*(self._sections[name] for name in RIGHT), id="right")
            yield self._sections["journal"]
        yield self._answer
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Start to read."""
        for name, section in self._sections.items():
            section.border_title = SECTIONS[name][0]
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGTERM, self.action_interrupt, signal.SIGTERM
            )
        self.query_one("#body").focus()
        self.set_interval(INTERVAL, self._tick)
        self._tick()

    def on_resize(self, event: Resize) -> None:  # noqa: ARG002, the signature is Textual's
        """Fit the lines to the new width."""
        self.call_after_refresh(self._draw)

    # -- reading

    def _tick(self) -> None:
        """Read again, unless the last reading still waits for the disk; show its age in any case."""
        if not self._reading:
            self._reading = True
            self._look()
        elif time.monotonic() - self._read_at > STALE:
            self._draw_title()

    @work(group="reading")  # the coroutine is made when the worker begins: one cancelled before leaves none
    async def _look(self) -> None:
        try:
            before, overview = self._overview, await asyncio.to_thread(self._read)
        except Exception as error:  # noqa: BLE001, the screen must go on whatever is wrong with what it reads
            self._problem = f"the chain cannot be read: {type(error).__name__}: {error}"
        else:
            self._problem = ""
            self._overview, self._read_at = overview, time.monotonic()
            alarm = overview.verdict.level is Severity.ALARM
            if alarm and (before is None or before.verdict.level is not Severity.ALARM):
                self.bell()
        finally:
            self._reading = False
        self._draw()

    # -- drawing

    def _draw(self) -> None:
        self._draw_title()
        overview = self._overview
        if overview is None:
            return
        wide = self.size.width >= WIDE
        most = 4 if wide or self.size.height >= 34 else 2
        self._put(self._verdict, verdict_lines(overview.verdict, self.size.width - 2, most))
        for name, section in self._sections.items():
            title, lines_of = SECTIONS[name]
            room = section.scrollable_content_region.width
            if room <= 0:
                continue
            label = not wide and name in LABELLED
            room -= LABEL_WIDTH if label else 0
            if name == "processors":
                lines = processor_lines(overview, room, details=self._shows_details)
            else:
                lines = lines_of(overview, room)
            section.show(_labelled(title, lines) if label else lines)

    def _draw_title(self) -> None:
        overview = self._overview
        left = words((f"eic monitor · {overview.instrument if overview else '…'}", "strong"))
        age = time.monotonic() - self._read_at
        now = words(f"{time_text(datetime.now(tz=UTC))} UTC")
        if self._problem or age > STALE:
            problem = readable(self._problem) or "the disk does not answer"
            now = words((f"READ {span_text(age)} AGO – {problem}", "alarm"))
        room = self.size.width - 2
        line = [*left, (" " * max(room - width_of(left) - width_of(now), 2), ""), *now]
        self._put(self._title, [clipped(line, room)])

    def _put(self, widget: Static, lines: Lines) -> None:
        before = self._shown.get(widget.id or "")
        if before != lines:
            self._shown[widget.id or ""] = lines
            widget.update(content_of(lines), layout=before is None or len(before) != len(lines))

    @property
    def _shows_details(self) -> bool:
        """Whether the parameters of processors are shown: as the operator chose, else where there is room."""
        return self.size.height >= TALL if self._details is None else self._details

    def action_details(self) -> None:
        """Show or hide the parameters of processors."""
        self._details = not self._shows_details
        self._draw()

    # -- orders

    def action_start(self) -> None:
        """Ask who, set-up and comment, and start a run."""
        ask = Ask(
            "Start a new run",
            "The run that is being written is closed first; no packet is lost or doubled."
            + (f" The set-up of the run before was: {self._setup_before}." if self._setup_before else ""),
            "Start",
            {"by": ("Who", self._operator), "setup": ("Set-up", ""), "text": ("Comment", "")},
        )
        self._ask(ask, "start")

    def action_end(self) -> None:
        """Ask who, and stop the run."""
        run = self._overview.run if self._overview else None
        which = f"run {run.number}" if run is not None and run.is_open else "the run"
        ask = Ask(
            f"Stop {which}",
            "Packets that come afterwards are still received and archived, in a run of their own.",
            "Stop",
            {"by": ("Who", self._operator), "text": ("Comment", "")},
        )
        self._ask(ask, "stop")

    def action_configure(self) -> None:
        """Mark that configuration begins, or ends."""
        on = not self._configuring
        ask = Ask(
            "Configuration begins" if on else "Configuration ends",
            "What follows goes into a run marked -configuration."
            if on
            else "What follows goes into a run without the mark.",
            "Begin" if on else "End",
            {"by": ("Who", self._operator), "text": ("Comment", "")},
        )
        self._ask(ask, "configure", on=on)

    def action_comment(self) -> None:
        """Ask for a comment and add it to the run."""
        ask = Ask(
            "Comment on the run",
            "It is kept with the run, with your name and the time.",
            "Write",
            {"by": ("Who", self._operator), "text": ("Comment", "")},
            required=frozenset({"by", "text"}),
        )
        self._ask(ask, "comment")

    @property
    def _setup_before(self) -> str:
        """Set-up of the newest run: shown, and never written onto the next one unasked."""
        run = self._overview.run if self._overview else None
        return "" if run is None else readable(run.setup).rstrip(".")

    @property
    def _configuring(self) -> bool:
        overview = self._overview
        if overview is None:
            return False
        if overview.receiver is not None and overview.receiver.mode == "configuration":
            return True
        return overview.run is not None and overview.run.is_open and overview.run.suffix == "configuration"

    def _ask(self, ask: Ask, kind: Kind, *, on: bool = True) -> None:
        def answered(texts: dict[str, str] | None) -> None:
            if texts is None:
                return
            self._operator = texts["by"]
            order = Order(kind=kind, on=on, **texts)
            self._say(words((f"{order.words} …", "dim")))
            self.run_worker(partial(self._send, order), thread=True, group="orders")

        self.push_screen(Question(ask), answered)

    def _send(self, order: Order) -> None:
        """Give an order, in a thread, and show its result."""
        try:
            answer = words((self._order(order), "good"))
        except EicpyError as error:
            answer = words(("REFUSED ", "alarm"), str(error))
        when = time_text(datetime.now(tz=UTC), datetime.now(tz=UTC))
        shown = [(f"{when} {order.by}: {order.words} → ", "dim"), *answer]
        self.call_from_thread(self._say, [(readable(text), style) for text, style in shown])
        self.call_from_thread(self._tick)

    def _say(self, line: list[tuple[str, str]]) -> None:
        self._answer.set_class(True, "-shown")
        self._shown.pop("answer", None)  # a longer one may need a second line
        self._put(self._answer, [line])

    # -- leaving

    def action_interrupt(self, number: int = signal.SIGINT) -> None:
        """Leave without asking, as Ctrl-C and SIGTERM do."""
        if self._on_interrupt == "stop":
            note_signal(number)
        self.exit(self._on_interrupt)

    async def action_quit(self) -> None:
        """Leave, as ``q`` does."""
        self.action_leave()

    def action_leave(self) -> None:
        """Leave; where the chain can be stopped from here, ask whether to."""
        if isinstance(self.screen, Choose):  # asked twice: the operator wants to go
            self.exit("leave")
        elif self._may_stop():
            self.push_screen(
                Choose(
                    "Leave the monitor",
                    "The chain can go on without it ('eic monitor' looks again), or end: first the receiver, "
                    "then the processors when they have done all that is archived.",
                    (Choice("l", "leave", "Leave it running"), Choice("s", "stop", "Stop all")),
                ),
                self._chosen,
            )
        else:
            self.exit("leave")

    def _chosen(self, answer: str | None) -> None:
        if answer == "stop":
            self.exit("stop")
        elif answer == "leave":
            self.exit("leave")


def _labelled(title: str, lines: Lines) -> Lines:
    label = title.ljust(LABEL_WIDTH)
    blank = " " * LABEL_WIDTH
    return [[(blank, "") if at else (label, "label"), *line] for at, line in enumerate(lines)]
