"""Progress of long work: a bar on a terminal, a plain line every ten seconds elsewhere (logs, cron)."""

import sys
import time
from datetime import UTC, datetime
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["TerminalProgress"]


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
