"""What a terminal shows: progress of long work, what is in a file of packets, how each file or night went.

On a terminal there is colour, a bar that moves, and tables as wide as the window; where nobody looks (a
pipe, a log, cron) the same is told in plain lines. Results go to standard output, progress to standard error.
"""

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from eicpy.errors import ExitCode, readable
from eicpy.pipeline.tables import counted

if TYPE_CHECKING:
    from eicpy.packets import PacketReport

__all__ = ["Outcome", "TerminalProgress", "show_outcomes", "show_packets"]


PIPE_WIDTH = 160
"""Columns of a table where there is no window to fit it into."""


class Outcome(Protocol):
    """What became of a file or a night."""

    @property
    def summary(self) -> str:
        """In a line, or a few."""

    @property
    def exit_code(self) -> ExitCode:
        """What a script is told."""


class TerminalProgress:
    """Progress of long work, as a context manager that is called as the work goes on.

    Parameters
    ----------
    title
        What the work is.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None
        self._task: Any = None
        self._last = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: float, total: float, what: str = "") -> None:
        """Tell that `done` of `total` is done."""
        text = f"{self._title}: {what}" if what else self._title
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)
        elif time.monotonic() - self._last > 10.0 or done >= total:
            self._last = time.monotonic()
            share = 100.0 * done / total if total else 100.0
            sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text} {share:.0f} %\n")


def show_outcomes(outcomes: Iterable[Outcome]) -> ExitCode:
    """Print what became of each file or night, and give the worst exit code."""
    console = _console()
    worst = ExitCode.CLEAN
    for outcome in outcomes:
        console.print(outcome.summary, soft_wrap=True)
        worst = max(worst, outcome.exit_code)
    return worst


def show_packets(report: "PacketReport", most: int = 20) -> None:
    """Print what is in a file of packets: a line, a table by APID, and where something is wrong.

    Parameters
    ----------
    report
        What :func:`eicpy.packets.inspect_file` found.
    most
        Damaged packets and skipped ranges that are listed one by one.
    """
    console = _console()
    console.print(
        f"{readable(report.file)}: {counted(report.packets, 'packet')}, {report.damaged} damaged, "
        f"{counted(report.foreign_bytes, 'foreign byte')}",
        soft_wrap=True,
    )
    rows = report.rows()
    if rows:
        console.print(_packet_table(rows))
        for row in rows:
            console.print(
                f"  APID {row['apid']}: checksum {row['checksum']}, by {row[_TOLD_BELOW]}", soft_wrap=True
            )
    told = report.to_dict()
    for title, places in (("damaged", told["damaged_packets"]), ("skipped", told["skipped"])):
        for place in places[:most]:
            text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in place.items())
            console.print(f"  {title}: {text}", soft_wrap=True)
        if len(places) > most:
            console.print(f"  {title}: {len(places) - most} more; --json lists all")


_TOLD_BELOW = "decided by"
_WRONG = ("lost", "duplicated", "out of order", "damaged")


def _packet_table(rows: list[dict[str, Any]]) -> Table:
    """A row an APID; a column that says nothing about any of them only costs width."""
    names = [n for n in rows[0] if n != _TOLD_BELOW and any(row[n] not in ("", None) for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column("APID" if name == "apid" else name, justify=_side(rows, name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row[n]), style="bold red" if n in _WRONG and row[n] else "") for n in names))
    return table


def _side(rows: list[dict[str, Any]], name: str) -> Literal["left", "right"]:
    return "right" if all(isinstance(row[name], int) for row in rows) else "left"


def _console() -> Console:
    """Standard output as wide as its window; in a pipe wide enough that no row of a table wraps."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, markup=False)
