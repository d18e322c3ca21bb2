"""Detectors: which are known, how a new one is described, and what is wrong with a description."""

from pathlib import Path

import click

from eicpy.cli.options import FILE
from eicpy.errors import ExitCode, readable

__all__ = ["instrument"]


@click.group()
def instrument() -> None:
    """List, lay out and check descriptions of detectors.

    A detector is a folder with a file instrument.toml and the tables of its packets. It is looked for in
    the folders that EIC_INSTRUMENTS lists, in 'instruments' of the home folder, and in eicpy itself.
    """


@instrument.command("list")
def list_instruments() -> None:
    """Name the detectors that are known, with their title and folder."""
    from eicpy.errors import BadDataError
    from eicpy.instruments import available, find, load

    for name in available():
        try:
            title = load(name).title
        except BadDataError:
            title = f"does not load; 'eic instrument check {name}' says why"
        click.echo(f"{name}: {title}  [{readable(find(name).parent)}]")


@instrument.command("new")
@click.argument("name")
@click.option(
    "--out", type=FILE, metavar="FOLDER",
    help="Folder in which the folder NAME is made.  [default: instruments in the home folder]",
)  # fmt: skip
@click.pass_context
def new_instrument(ctx: click.Context, name: str, out: Path | None) -> None:
    """Lay out the description of a new detector, to be filled in.

    NAME is what every command will take after -i: small letters, digits and hyphens. It loads as it is;
    every entry is explained where it stands.
    """
    from eicpy.instruments import search_path
    from eicpy.instruments.skeleton import new_description

    folder = new_description(name, out or ctx.obj.home / "instruments")
    click.echo(readable(folder))
    if folder.parent not in search_path():
        click.echo(f"so that it is found there: export EIC_INSTRUMENTS={readable(folder.parent)}")
    click.echo(f"fill in {folder / 'instrument.toml'} and its tables, then: eic instrument check {name}")


@instrument.command("check")
@click.argument("name")
@click.pass_context
def check_instrument(ctx: click.Context, name: str) -> None:
    """Report what is wrong with the description of a detector, or 'ok: n packets, m parameters'.

    Exit status: 0 ok; 1 something must be put right, and is named; 2 there is no such detector.
    """
    from eicpy.decoding.description_check import check_description

    check = check_description(name)
    for problem in check.problems:
        click.echo(problem)
    click.echo(check.summary)
    ctx.exit(int(ExitCode.BAD_DATA if check.problems else ExitCode.CLEAN))
