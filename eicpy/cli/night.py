"""From the archive to products and reports."""

from datetime import datetime

import click

from eicpy.cli.console import LongCommand, TerminalProgress, show_outcomes
from eicpy.cli.options import DATES, instrument_option, utc

__all__ = ["night"]


@click.command(
    cls=LongCommand,
    when_stopped="finished segments, products and reports are kept; call it again to go on after them",
)
@instrument_option()
@click.option(
    "--from",
    "start",
    type=click.DateTime(DATES),
    metavar="DATE",
    help="Begin, UTC.  [default: the first data]",
)
@click.option(
    "--to", "stop", type=click.DateTime(DATES), metavar="DATE", help="End, UTC.  [default: the last data]"
)
@click.option("--redo", is_flag=True, help="Repeat what was done before.")
@click.option(
    "--take-over",
    is_flag=True,
    help="Take the night from a process that is left running it: on another host, or one that hangs.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler to work on, for example tcp://host:8786."
)
@click.option(
    "--workers",
    type=click.IntRange(0, 1024),
    help="Processes; 0 works in this one alone.  [default: by cores]",
)
@click.pass_context
def night(
    ctx: click.Context,
    instrument: str,
    start: datetime | None,
    stop: datetime | None,
    *,
    redo: bool,
    take_over: bool,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Calibrate, monitor and report one night or many.

    Takes the runs of the archive, writes products, reports and the index page. What was done before is
    not done again: a second call with nothing new says so and ends. It can be stopped at any moment;
    the next call continues. Without --from and --to every day with data is processed.

    A night is run by one process at a time. One that died is replaced by itself: at once where it ran on
    this host, after five minutes without a sign of life where it ran elsewhere. --take-over does not wait;
    who took what from whom is kept in the database. A process that lives after all stops and records nothing.

    Exit status: 0 clean, or nothing new; 1 finished, but packets were lost or damaged (the report says
    which); 2 bad arguments; 3 a task or a report failed, the others are kept.
    """
    from eicpy.pipeline import run_nights

    with TerminalProgress("night") as progress:
        outcomes = run_nights(
            instrument, utc(start), utc(stop), ctx.obj, redo=redo, take_over=take_over,
            scheduler=scheduler, workers=workers, progress=progress,
        )  # fmt: skip
    worst = show_outcomes(outcomes)
    if not outcomes:
        click.echo(f"{instrument}: no data in the archive in this interval; 'eic ingest' brings some")
    else:
        click.echo(f"All nights: {(ctx.obj.reports / 'index.html').as_uri()}")
    ctx.exit(int(worst))
