"""Excursions of housekeeping parameters beyond their limits: listed, and acknowledged."""

import click

from eicpy.cli.options import instrument_option

__all__ = ["acknowledge", "excursions"]


@click.command()
@instrument_option(required=False)
@click.option("--all", "every", is_flag=True, help="Also those that were acknowledged.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object a line.")
@click.pass_context
def excursions(ctx: click.Context, instrument: str | None, *, every: bool, as_json: bool) -> None:
    """List the excursions of housekeeping parameters that nobody has acknowledged.

    Those that the processor 'housekeeping' of a live chain and the nights have recorded, the oldest first.
    """
    from eicpy.cli.console import show_excursions

    show_excursions(ctx.obj, instrument, every=every, as_json=as_json)


@click.command()
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER…", type=click.IntRange(min=1))
@click.option("--comment", required=True, help="What was found and done; kept with the excursion.")
@click.option("--by", default="", help="Who looked at it.  [default: your user name]")
@click.pass_context
def acknowledge(ctx: click.Context, numbers: tuple[int, ...], comment: str, by: str) -> None:
    """Acknowledge excursions, with a name and a comment.

    NUMBER is as 'eic excursions' lists it. While an excursion lasts its verdict stays, and says who looked at
    it; one that is over needs no attention any more. All are acknowledged, or none.
    """
    from eicpy.operations import handle_excursion, open_database
    from eicpy.operations.excursion_rows import check_excursions
    from eicpy.pipeline import write_index
    from eicpy.process import user_name

    with open_database(ctx.obj) as database:
        check_excursions(database, numbers)
        for number in numbers:
            row = handle_excursion(database, number, actor=by or user_name(), comment=comment)
            click.echo(f"excursion {number} ({row.parameter}, {row.level}) acknowledged by {row.handled_by}")
    write_index(ctx.obj)
