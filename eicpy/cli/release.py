"""Decisions about the calibration tables that a night proposes."""

from pathlib import Path

import click

from eicpy.cli.console import show_decisions
from eicpy.cli.options import FILE

__all__ = ["accept", "reject"]


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
    show_decisions(files, ctx.obj, accepted=True, actor=by, comment=comment)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="TABLE…", type=FILE)
@click.option("--comment", default="", help="Why; kept with the decision.")
@click.option("--by", default="", help="Who decides.  [default: your user name]")
@click.pass_context
def reject(ctx: click.Context, files: tuple[Path, ...], comment: str, by: str) -> None:
    """Reject calibration tables that a night proposed.

    TABLE is as for 'eic accept'. Rejected tables are kept, and not used.
    """
    show_decisions(files, ctx.obj, accepted=False, actor=by, comment=comment)
