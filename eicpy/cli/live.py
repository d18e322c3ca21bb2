"""The live chain: receive what a test bench or a ground station sends, and look at the runs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eicpy.cli.console import host_and_port, show_listening
from eicpy.cli.options import FILE, instrument_option
from eicpy.errors import ExitCode

if TYPE_CHECKING:
    from eicpy.runs import Run

__all__ = ["receive", "runs"]


@click.command()
@instrument_option()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT",
    help="Where connections (TCP) are accepted. Port 0 takes a free one.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), help="Port alone, on the address of --listen.")
@click.option("--udp", metavar="HOST:PORT", help="Accept datagrams (UDP) there too.")
@click.option("--once", is_flag=True, help="End when the sender has finished.")
@click.option("--port-file", type=FILE, help="Write the port into this file once it listens.")
@click.option(
    "--peer", "peers", multiple=True, metavar="ADDRESS", help="Address that may send; repeat for more."
)
@click.option("--operator", default="", metavar="NAME", help="Who takes the data; kept with the runs.")
@click.option("--setup", default="", metavar="TEXT", help="What stands on the bench; kept with the runs.")
@click.option("--position", default="", metavar="TEXT", help="Where the source stands; kept with the runs.")
@click.option("--comment", default="", metavar="TEXT", help="Anything else; kept with the runs.")
@click.pass_context
def receive(
    ctx: click.Context,
    instrument: str,
    listen: str,
    port: int | None,
    udp: str | None,
    *,
    once: bool,
    port_file: Path | None,
    peers: tuple[str, ...],
    operator: str,
    setup: str,
    position: str,
    comment: str,
) -> None:
    """Receive packets over TCP and UDP into the archive.

    Bytes are in the archive before anything else sees them. Prints the address it listens on; ends
    with Ctrl-C, or with --once when the sender has closed its connection. A script waits for the
    --port-file to appear. Only this machine may send unless --peer names others.

    Where the instrument tells by which commands a measurement begins and ends, each measurement is a
    run, and what comes outside of them goes into runs with the suffix "configuration". While this runs,
    "eic monitor" shows how it goes and takes the operator's orders.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 failed.
    """
    from eicpy.acquisition import LOOPBACK
    from eicpy.acquisition import receive as receive_runs
    from eicpy.acquisition.status import Station
    from eicpy.instruments import load
    from eicpy.runs import RunArchive

    host, listened = host_and_port(listen)
    detector = load(instrument)
    summary = receive_runs(
        RunArchive(ctx.obj.archive(instrument), instrument),
        detector,
        host=host,
        port=listened if port is None else port,
        udp=None if udp is None else host_and_port(udp),
        peers=peers or LOOPBACK,
        until_disconnect=once,
        operator=operator,
        setup=setup,
        position=position,
        comment=comment,
        station=Station(ctx.obj.live(instrument)),
        on_listening=partial(show_listening, port_file),
        on_listening_udp=lambda host, port: click.echo(f"listening on {host}:{port} (udp)"),
        on_run=partial(_register, ctx, instrument),
    )
    if summary.run is None:
        click.echo("nothing came")
        return
    names = ", ".join(run.folder.name.lstrip("0") for run in summary.runs)
    click.echo(
        f"{'run' if len(summary.runs) == 1 else 'runs'} {names}: "
        f"{summary.size} bytes, {summary.packets} packets, "
        f"{summary.damaged} damaged, {summary.foreign_bytes} foreign bytes"
        + (f", {summary.udp_dropped} datagrams lost" if summary.udp_dropped else "")
    )
    for problem in summary.problems:
        click.echo(f"eic: {problem}", err=True)
    lost = summary.damaged or summary.foreign_bytes or summary.udp_dropped or summary.problems
    ctx.exit(int(ExitCode.BAD_DATA if lost else ExitCode.CLEAN))


def _register(ctx: click.Context, instrument: str, run: "Run") -> None:
    """Tell the ledger of a run, in the thread that closed it."""
    from eicpy.ingestion import register_run
    from eicpy.instruments import load
    from eicpy.operations import open_database

    if run.size:
        with open_database(ctx.obj) as database:
            register_run(run, load(instrument), database)


@click.group(invoke_without_command=True)
@instrument_option(required=False)
@click.option("--last", type=click.IntRange(1), help="Only so many, the newest.")
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
    metadata = edit_run(run, by=by or getpass.getuser(), **changes)
    for name in changes:
        click.echo(f"run {number}: {name} is now {getattr(metadata, name)!r}")
