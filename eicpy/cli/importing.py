"""Taking over the packet database of another system."""

from pathlib import Path

import click

from eicpy.cli.instrument import instrument
from eicpy.cli.options import FILE
from eicpy.errors import ExitCode, readable
from eicpy.inputs import check_file, check_regular, refusing

__all__: list[str] = []  # the command is one of the group 'instrument'


def check_source(source: Path, form: str) -> None:
    """Refuse what is no file; of a folder of tables, the pipes and devices in it."""
    if form != "scos" or not source.is_dir():
        check_file(source, "a packet database")
        return
    for file in source.glob("*.dat"):
        check_regular(file, "a packet database")


@instrument.command("import")
@click.argument("form", type=click.Choice(["scos", "xtce"]))
@click.argument("source", type=FILE)
@click.option("--name", required=True, help="Name that the detector gets; every command takes it after -i.")
@click.option(
    "--out", type=FILE, metavar="FOLDER",
    help="Folder in which the folder NAME is made.  [default: instruments in the home folder]",
)  # fmt: skip
@click.pass_context
def import_instrument(ctx: click.Context, form: str, source: Path, name: str, out: Path | None) -> None:
    """Make the packet tables of a detector from a database that describes its telemetry.

    \b
    FORM    SOURCE
    scos    a SCOS-2000 database: an SQLite file, or a folder of .dat files
    xtce    an XTCE document (XML)

    What could not be expressed is named with the reason, here and in import-report.txt beside the tables.

    Exit status: 0 all taken over; 1 something could not be expressed; 2 bad arguments; 3 it failed.
    """  # noqa: D301, click wants the control character itself, not its escape
    from eicpy.importers import import_scos, import_xtce
    from eicpy.instruments import search_path

    check_source(source, form)
    with refusing(source, "a packet database"):
        made = (import_scos if form == "scos" else import_xtce)(source, name)
    folder = made.write(out or ctx.obj.home / "instruments")
    click.echo(made.report())
    click.echo(f"written to {readable(folder)}")
    if folder.parent not in search_path():
        click.echo(f"so that it is found there: export EIC_INSTRUMENTS={readable(folder.parent)}")
    click.echo(f"fill in what the database does not say, then: eic instrument check {name}")
    ctx.exit(int(ExitCode.BAD_DATA if made.shortfalls else ExitCode.CLEAN))
