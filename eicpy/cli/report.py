"""One notebook run, and its report."""

from collections.abc import Sequence
from pathlib import Path

import click

from eicpy.cli.console import LongCommand, name_values
from eicpy.cli.options import FILE, instrument_option
from eicpy.errors import ExitCode
from eicpy.text import LANGUAGE_VARIABLE, LANGUAGES

__all__ = ["report"]


@click.command(
    cls=LongCommand,
    when_stopped="no report was written; call it again",
)
@click.argument("notebook", type=FILE)
@instrument_option(required=False)
@click.option(
    "-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE",
    help="Parameter of the notebook; repeat for more.",
)  # fmt: skip
@click.option("--out", type=FILE, help="Folder of the report.  [default: under reports/notebooks]")
@click.option(
    "--timeout", default=1800, show_default=True, type=click.IntRange(1, 10**9), metavar="SECONDS",
    help="Longest time of a cell.",
)  # fmt: skip
@click.option(
    "--language", type=click.Choice(sorted(LANGUAGES)), envvar=LANGUAGE_VARIABLE, show_envvar=True,
    help="Language of the page.  [default: en]",
)  # fmt: skip
@click.pass_context
def report(
    ctx: click.Context,
    notebook: Path,
    instrument: str | None,
    pairs: Sequence[str],
    out: Path | None,
    timeout: int,
    language: str | None,
) -> None:
    """Run one notebook and leave its report.

    A report is a page to read (one file, also without a network), the executed notebook, and a record of
    where it came from.

    NOTEBOOK is a file, or the name of a nightly one: monitoring, gain, or one of your own in
    $EIC_HOME/notebooks. --instrument is the same as -p instrument=NAME. Names, types and ranges of the
    parameters are checked before the kernel starts.
    """
    from eicpy.instruments import load
    from eicpy.reports.notebooks import find_notebook
    from eicpy.reports.parameters import check_parameters

    path = find_notebook(notebook, ctx.obj.notebooks)
    parameters = name_values(pairs)
    if instrument is not None:
        parameters["instrument"] = load(instrument).name
    check_parameters(path, parameters, mode="text")
    from eicpy.pipeline import notebook_report  # papermill takes seconds, which a wrong name should not cost

    outcome = notebook_report(path, parameters, ctx.obj, folder=out, timeout=timeout, language=language or "")
    click.echo(f"{outcome.title}: {outcome.status} in {outcome.seconds:.0f} s: {outcome.page.as_uri()}")
    if outcome.status == "failed":
        click.echo(f"eic: {outcome.message}", err=True)
        ctx.exit(int(ExitCode.FAILED))
