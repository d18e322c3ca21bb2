"""Files into the archive: named ones, or all that are dropped into a folder."""

from pathlib import Path

import click

from eicpy.cli.console import LongCommand, TerminalProgress, show_outcomes
from eicpy.cli.options import FILE, instrument_option
from eicpy.errors import ExitCode

__all__ = ["ingest", "watch"]


@click.command(
    cls=LongCommand,
    when_stopped="the files named above are kept, and what was copied of the next; call it again to go on",
)
@click.argument("files", nargs=-1, required=True, type=FILE)
@instrument_option()
@click.pass_context
def ingest(ctx: click.Context, files: tuple[Path, ...], instrument: str) -> None:
    """Keep files of packets in the archive, once; and the satellite's attitude.

    The bytes are kept exactly as they are; a file ingested before is recognised by its content. Out of a
    file of transfer frames (TM, AOS), a compressed one, hexadecimal text or a capture of a network its
    packets are kept. A packet cut by the boundary of two files is joined, whichever comes first.

    Files of photons, and of the satellite's attitude and orbit (SVO-ATT-CNV, SVO-ORB-CNV), are copied once; a
    night takes attitude and orbit by their time.

    Can be interrupted at any moment and called again.
    """
    from eicpy.ingestion import ingest as ingest_files

    with TerminalProgress("ingest") as progress:
        outcomes = ingest_files(
            files, instrument, ctx.obj, progress=progress, on_outcome=lambda outcome: show_outcomes([outcome])
        )
    ctx.exit(int(max(outcome.exit_code for outcome in outcomes)))


@click.command(
    cls=LongCommand,
    when_stopped="the files that were taken are kept, the others wait in the folder; call it again to go on",
)
@click.argument("inbox", type=FILE)
@instrument_option()
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 86400.0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks into the folder.",
)
@click.option("--once", is_flag=True, help="Take what is in the folder now and end.")
@click.pass_context
def watch(ctx: click.Context, inbox: Path, instrument: str, interval: float, *, once: bool) -> None:
    """Ingest every file dropped into a folder, once.

    INBOX is the folder. Files of packets become runs; files of photons (FITS) are copied, and the quick
    look shows the newest by itself; attitude and orbit of the satellite are copied for the nights. Whatever
    happens in between, nothing is lost or taken twice.

    Files are left where they are. A file still being written is taken when it stops growing.
    Ends with Ctrl-C.
    """
    from eicpy.ingestion import watch as watch_folder

    outcomes = watch_folder(
        inbox, instrument, ctx.obj, interval=interval, once=once, on_outcome=lambda o: click.echo(o.summary)
    )
    ctx.exit(int(max((o.exit_code for o in outcomes), default=ExitCode.CLEAN)))
