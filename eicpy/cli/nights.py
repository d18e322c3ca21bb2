"""From files to the archive, from the archive to the reports."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from eicpy.cli.console import TerminalProgress, name_values, show_decisions, show_outcomes
from eicpy.cli.options import DATES, FILE, instrument_option, utc
from eicpy.errors import BadArgumentError, ExitCode

__all__ = ["accept", "benchmark", "ingest", "night", "reject", "report", "watch"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@instrument_option()
@click.pass_context
def ingest(ctx: click.Context, files: tuple[Path, ...], instrument: str) -> None:
    """Keep files of packets in the archive, once.

    The bytes are kept exactly as they are; a file that is already there is recognised by its content.
    Can be interrupted at any moment and called again.
    """
    from eicpy.ingestion import ingest as ingest_files

    with TerminalProgress("ingest") as progress:
        outcomes = ingest_files(
            files, instrument, ctx.obj, progress=progress, on_outcome=lambda outcome: show_outcomes([outcome])
        )
    ctx.exit(int(max(outcome.exit_code for outcome in outcomes)))


@click.command()
@click.argument("inbox", type=FILE)
@instrument_option()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 86400.0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--once", is_flag=True, help="Take what is there and end.")
@click.pass_context
def watch(ctx: click.Context, inbox: Path, instrument: str, interval: float, *, once: bool) -> None:
    """Ingest every file dropped into a folder, once.

    INBOX is the folder. Files of packets become runs; files of photons (FITS) are copied, and the quick
    look shows the newest by itself. Whatever happens in between, nothing is lost or taken twice.

    Files are left where they are. A file still being written is taken when it stops growing.
    Ends with Ctrl-C.
    """
    from eicpy.ingestion import watch as watch_folder

    outcomes = watch_folder(
        inbox, instrument, ctx.obj, interval=interval, once=once, on_outcome=lambda o: click.echo(o.summary)
    )
    ctx.exit(int(max((o.exit_code for o in outcomes), default=ExitCode.CLEAN)))


@click.command()
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
    "--scheduler", metavar="ADDRESS", help="Dask scheduler to work on, for example tcp://host:8786."
)
@click.option(
    "--workers", type=click.IntRange(0), help="Processes; 0 works in this one alone.  [default: by cores]"
)
@click.pass_context
def night(
    ctx: click.Context,
    instrument: str,
    start: datetime | None,
    stop: datetime | None,
    *,
    redo: bool,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Calibrate, monitor and report one night or many.

    Takes the runs of the archive, writes products, reports and the index page. What was done before is
    not done again: a second call with nothing new says so and ends. It can be stopped at any moment;
    the next call continues. Without --from and --to every day with data is worked on.

    Exit status: 0 clean, or nothing new; 1 finished, but packets were lost or damaged (the report says
    which); 2 bad arguments; 3 a task or a report failed, the others are kept.
    """
    from eicpy.pipeline import run_nights

    with TerminalProgress("night") as progress:
        outcomes = run_nights(
            instrument, utc(start), utc(stop), ctx.obj, redo=redo, scheduler=scheduler, workers=workers,
            progress=progress,
        )  # fmt: skip
    worst = show_outcomes(outcomes)
    if not outcomes:
        click.echo(f"{instrument}: no data in the archive in this interval; 'eic ingest' brings some")
    else:
        click.echo(f"All nights: {(ctx.obj.reports / 'index.html').as_uri()}")
    ctx.exit(int(worst))


@click.command()
@click.argument("notebook", type=FILE)
@click.option(
    "-p",
    "--parameter",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the notebook; repeat for more.",
)
@click.option("--out", type=FILE, help="Folder of the report.  [default: under reports/notebooks]")
@click.option("--timeout", default=1800, show_default=True, metavar="SECONDS", help="Longest time of a cell.")
@click.pass_context
def report(ctx: click.Context, notebook: Path, pairs: Sequence[str], out: Path | None, timeout: int) -> None:
    """Run one notebook and leave its report.

    A report is a page to read (one file, also without a network), the executed notebook, and a record of
    where it came from.

    NOTEBOOK is a file, or the name of a nightly one (monitoring, gain). Names and types of the
    parameters are checked before the kernel starts.
    """
    from eicpy.pipeline import notebook_report

    outcome = notebook_report(notebook, name_values(pairs), ctx.obj, folder=out, timeout=timeout)
    click.echo(f"{outcome.title}: {outcome.status} in {outcome.seconds:.0f} s: {outcome.page.as_uri()}")
    if outcome.status == "failed":
        click.echo(f"eic: {outcome.message}", err=True)
        ctx.exit(int(ExitCode.FAILED))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="TABLE…", type=FILE)
@click.option("--comment", default="", help="Why; kept with the decision.")
@click.option("--by", default="", help="Who decides.  [default: your user name]")
@click.pass_context
def accept(ctx: click.Context, files: tuple[Path, ...], comment: str, by: str) -> None:
    """Accept calibration tables that a night proposed.

    TABLE is a file name such as AUX-ECL-PIX-CAL-20261120F01.fits, or its path. The nights after the
    table's own use it. The gain report of the night recommends what to do.
    """
    show_decisions(files, ctx.obj, accepted=True, by=by, comment=comment)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="TABLE…", type=FILE)
@click.option("--comment", default="", help="Why; kept with the decision.")
@click.option("--by", default="", help="Who decides.  [default: your user name]")
@click.pass_context
def reject(ctx: click.Context, files: tuple[Path, ...], comment: str, by: str) -> None:
    """Reject calibration tables that a night proposed.

    TABLE is as for 'eic accept'. Rejected tables are kept, and not used.
    """
    show_decisions(files, ctx.obj, accepted=False, by=by, comment=comment)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def benchmark(arguments: Sequence[str]) -> None:
    """Measure speed and memory beside the peers.

    Needs a clone of the project, not only the installed package.

    ARGUMENTS go to benchmarks/run.py; 'eic benchmark --help-run' tells which.
    """
    import subprocess

    script = Path(__file__).parents[2] / "benchmarks" / "run.py"
    if not script.is_file():
        raise BadArgumentError(f"got no {script}; the benchmarks come with a clone, not with the package")
    given = ["--help" if a == "--help-run" else a for a in arguments]
    sys.exit(subprocess.run([sys.executable, str(script), *given], check=False).returncode)  # noqa: S603, our own script
