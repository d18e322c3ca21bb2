"""What a terminal takes and shows: errors as a line, progress of long work, tables, outcomes of files.

On a terminal there is colour, a bar that moves, and tables as wide as the window; where nobody looks (a
pipe, a log, cron) the same as plain lines. Results go to standard output, progress to standard error.
"""

import json
import logging
import signal
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self

import click

from eicpy.errors import BadArgumentError, EicpyError, ExitCode, readable
from eicpy.files import write_text
from eicpy.process import interrupt_on_signals, user_name
from eicpy.settings import Settings
from eicpy.text import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from eicpy.packets import PacketReport

__all__ = [
    "CommandGroup",
    "LongCommand",
    "Outcome",
    "TerminalProgress",
    "name_values",
    "show_decisions",
    "show_excursions",
    "show_listening",
    "show_outcomes",
    "show_packets",
]

_log = logging.getLogger("eicpy")


_FINISHED = frozenset({ExitCode.CLEAN, ExitCode.BAD_DATA})
_NOTHING_HALF = "what was finished is kept, and nothing is left half written"

PIPE_WIDTH = 160
"""Columns of a table where there is no window to fit it into."""


class Outcome(Protocol):
    """What became of a file or a night."""

    @property
    def summary(self) -> str:
        """In a line, or a few."""

    @property
    def exit_code(self) -> ExitCode:
        """Exit code that a script gets."""


class LongCommand(click.Command):
    """A command that a signal may end; its help says what is kept then.

    Parameters
    ----------
    *arguments, **options
        As for any command.
    when_stopped
        What is kept when SIGTERM or Ctrl-C ends it, and how to go on.
    """

    def __init__(self, *arguments: Any, when_stopped: str, **options: Any) -> None:
        epilog = f"Exit status after Ctrl-C 130, after SIGTERM 143: {when_stopped}."
        super().__init__(*arguments, **options | {"epilog": epilog})
        self.when_stopped = when_stopped


class CommandGroup(click.Group):
    """The group of all commands; turns the package's errors and signals into a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        with interrupt_on_signals() as received:
            result, code = None, ExitCode.CLEAN
            try:
                result = self._run(ctx)
            except click.exceptions.Exit as ended:
                if not received or ended.exit_code not in _FINISHED:
                    raise
            except (KeyboardInterrupt, click.Abort):
                code = ExitCode.INTERRUPTED
            if received or code is ExitCode.INTERRUPTED:
                self._stop(ctx, received[0] if received else signal.SIGINT)
            return result

    def _stop(self, ctx: click.Context, number: signal.Signals) -> NoReturn:
        """Say what is kept, and end with the code of the signal."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        words = command.when_stopped if isinstance(command, LongCommand) else _NOTHING_HALF
        who = "Ctrl-C" if number == signal.SIGINT else number.name
        click.echo(f"eic: stopped by {who}: {words}", err=True)
        ctx.exit(128 + number)

    def _run(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EicpyError as error:
            click.echo(f"eic: {error}", err=True)
            ctx.exit(int(error.exit_code))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"eic: {where}{error.strerror or error}", err=True)
            ctx.exit(int(ExitCode.FAILED))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        # Python would end with 1, which here means "bad data, the good part is kept": not so for a bug.
        except Exception:  # noqa: BLE001, see above
            _log.exception("this is a mistake of eicpy itself")
            ctx.exit(int(ExitCode.FAILED))


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
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

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
        """Show that `done` of `total` is done."""
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
        Findings about sequence counts, damaged packets and skipped ranges that are listed one by one; of
        those between packets only the sum.
    """
    from eicpy.packets.index import BETWEEN_PACKETS

    console = _console()
    console.print(
        f"{readable(report.file)}: {counted(report.packets, 'packet')}, {report.damaged} damaged, "
        f"{counted(report.foreign_bytes, 'foreign byte')}",
        soft_wrap=True,
    )
    for line in report.what:
        console.print(f"  {line}", soft_wrap=True)
    rows = report.rows()
    if rows:
        console.print(_packet_table(rows))
        for row in rows:
            console.print(
                f"  APID {row['apid']}: checksum {row['checksum']}, by {row[_TOLD_BELOW]}", soft_wrap=True
            )
    findings = report.findings
    for finding in findings[:most]:
        console.print(f"  {finding}", soft_wrap=True)
    if len(findings) > most:
        console.print(f"  {len(findings) - most} more of such; --json lists a thousand for each APID")
    for remark in report.remarks:
        console.print(f"  {remark}", soft_wrap=True)
    values = report.to_dict()
    others = [gap for gap in values["skipped"] if gap["reason"] != BETWEEN_PACKETS]
    for title, places in (("damaged", values["damaged_packets"]), ("skipped", others)):
        for place in places[:most]:
            text = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in place.items())
            console.print(f"  {title}: {text}", soft_wrap=True)
        if len(places) > most:
            console.print(f"  {title}: {len(places) - most} more; --json lists all")


def show_decisions(
    tables: Iterable[Path], settings: Settings, *, accepted: bool, actor: str, comment: str
) -> None:
    """Accept or reject calibration tables, and print what that means for each; by this user unless named."""
    from eicpy.pipeline import decide

    for table in tables:
        done = decide(table, settings, accepted=accepted, actor=actor or user_name(), comment=comment)
        _console().print(done, soft_wrap=True)


def show_excursions(settings: Settings, instrument: str | None, *, every: bool, as_json: bool) -> None:
    """Print the excursions that are recorded, those that nobody acknowledged or all."""
    from eicpy.health.words import utc_words
    from eicpy.operations import ExcursionState, open_database
    from eicpy.operations import excursions as recorded

    with open_database(settings) as database:
        rows = recorded(database, instrument=instrument, state=None if every else ExcursionState.NEW)
    lines = [
        {
            "number": row.id, "instrument": row.instrument, "level": str(row.level),
            "parameter": row.parameter, "from": utc_words(row.start), "to": utc_words(row.stop),
            "worst": row.value, "limit": row.limit, "unit": row.unit, "state": str(row.state),
            "by": row.handled_by, "comment": row.comment,
        }
        for row in rows
    ]  # fmt: skip
    for line in lines:
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
            continue
        limit = "" if line["limit"] is None else f" (limit {line['limit']:g})"
        seen = f"; {line['state']} by {line['by']}: {line['comment']}" if line["by"] else ""
        click.echo(
            f"{line['number']:>6}  {line['instrument']}  {line['level']:<7}  "
            f"{line['from']} to {line['to']} UTC  {line['parameter']} "
            f"{line['worst']:g}{limit} {line['unit']}{seen}"
        )
    if not lines and not as_json:
        click.echo("no excursion is recorded" if every else "every excursion was acknowledged")


def show_listening(port_file: Path | None, host: str, port: int) -> None:
    """Print where a receiver listens, and write the port into a file that scripts wait for."""
    click.echo(f"listening on {host}:{port}")
    if port_file is not None:
        write_text(port_file, f"{port}\n")


def name_values(pairs: Iterable[str]) -> dict[str, str]:
    """Split texts NAME=VALUE.

    Raises
    ------
    BadArgumentError
        For a text without a name or without an equals sign.
    """
    split = [pair.partition("=") for pair in pairs]
    for name, equals, _ in split:
        if not equals or not name:
            raise BadArgumentError(f"got parameter {name!r}, expected NAME=VALUE")
    return {name: value for name, _, value in split}


_TOLD_BELOW = "decided by"
_WRONG = ("lost", "duplicated", "out of order", "out of step", "unconfirmed", "damaged")


def _packet_table(rows: list[dict[str, Any]]) -> "Table":
    """A row an APID; a column that says nothing about any of them only costs width."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = [n for n in rows[0] if n != _TOLD_BELOW and any(row[n] not in ("", None) for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in names:
        number = all(isinstance(row[name], int) for row in rows)
        table.add_column(
            "APID" if name == "apid" else name,
            justify="right" if number else "left",
            min_width=max(map(len, [*name.split(), *(str(row[name]) for row in rows if number)])),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(str(row[n]), style="bold red" if n in _WRONG and row[n] else "") for n in names))
    return table


def _console() -> "Console":
    """Standard output as wide as its window; in a pipe wide enough that no row of a table wraps."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False, markup=False)
