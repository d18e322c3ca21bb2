"""Looking at the runs of the archive, and correcting what is written about them."""

import click

from eicpy.cli.options import instrument_option

__all__ = ["runs"]


@click.group(invoke_without_command=True)
@instrument_option(required=False)
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N.")
@click.pass_context
def runs(ctx: click.Context, instrument: str | None, last: int | None) -> None:
    """List the runs in the archive, or correct what is written about one.

    \b
    Examples:
      eic runs -i eclairs
      eic runs edit 12 -i eclairs --comment "source 2 cm nearer"
    """  # noqa: D301, click wants the control character itself, not its escape
    if ctx.invoked_subcommand is not None:
        return
    if instrument is None:
        raise click.UsageError("expected --instrument NAME")
    from eicpy.instruments import load
    from eicpy.runs import RunArchive
    from eicpy.runs.runs_table import runs_table

    table = runs_table(RunArchive(ctx.obj.archive(instrument), load(instrument).name), last)
    click.echo(table or f"no run of {instrument} yet")


@runs.command()
@click.argument("number", type=click.IntRange(1))
@instrument_option()
@click.option("--operator", metavar="NAME", help="Who took the data.")
@click.option("--setup", metavar="TEXT", help="What stood on the bench.")
@click.option("--position", metavar="TEXT", help="Where the source stood.")
@click.option("--source", metavar="TEXT", help="Where the bytes came from.")
@click.option("--comment", metavar="TEXT", help="Anything else.")
@click.option("--by", metavar="NAME", help="Who corrects it.  [default: your login name]")
@click.pass_context
def edit(ctx: click.Context, /, number: int, instrument: str, by: str | None, **texts: str | None) -> None:
    """Correct what is written about run NUMBER; what it said before is kept, the packets are untouched."""
    import getpass

    from eicpy.instruments import load
    from eicpy.runs import RunArchive, edit_run

    changes = {name: text for name, text in texts.items() if text is not None}
    if not changes:
        raise click.UsageError("expected what to correct, for example --comment TEXT")
    run = RunArchive(ctx.obj.archive(instrument), load(instrument).name).run(number)
    metadata = edit_run(run, actor=by or getpass.getuser(), **changes)
    for name in changes:
        click.echo(f"run {number}: {name} is now {getattr(metadata, name)!r}")
