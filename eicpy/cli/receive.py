"""Receiving what a test bench or a ground station sends."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eicpy.cli.console import LongCommand, show_listening
from eicpy.cli.options import FILE, instrument_option, receiving_options, run_options
from eicpy.errors import ExitCode

if TYPE_CHECKING:
    from eicpy.runs import Run

__all__ = ["receive"]


@click.command(
    cls=LongCommand,
    when_stopped="what came is archived and its run is closed; call it again to receive into a new run",
)
@instrument_option()
@receiving_options("127.0.0.1:0")
@click.option("--port", type=click.IntRange(0, 65535), help="Port alone, on the address of --listen.")
@click.option("--once", is_flag=True, help="End when the sender has finished.")
@click.option("--port-file", type=FILE, help="Write the port into this file once it listens.")
@run_options
@click.option("--position", default="", metavar="TEXT", help="Where the source is; kept with the runs.")
@click.pass_context
def receive(
    ctx: click.Context,
    /,
    instrument: str,
    listen: str,
    udp: str,
    port: int | None,
    port_file: Path | None,
    peers: tuple[str, ...],
    *,
    once: bool,
    **texts: Any,
) -> None:
    """Receive packets over TCP and UDP into the archive.

    Bytes are in the archive before anything else sees them. Prints the address it listens on; ends
    with Ctrl-C, or with --once when the sender has closed its connection. A script waits for the
    --port-file to appear. Only this machine may send unless --peer names others.

    Where the instrument defines which commands begin and end a measurement, each measurement is a
    run, and what comes outside of them goes into runs with the suffix "configuration". While this runs,
    "eic monitor" shows its status and takes the operator's orders.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 failed.
    """
    from eicpy.acquisition import LOOPBACK, ListenAddress, ReceiveCallbacks, ReceiveRules, RunTexts
    from eicpy.acquisition import receive as receive_runs
    from eicpy.acquisition.reception.held_sockets import GivenSockets
    from eicpy.acquisition.reception.sockets import host_and_port
    from eicpy.acquisition.status import Station
    from eicpy.instruments import load
    from eicpy.runs import RunArchive

    host, listened = host_and_port(listen)
    summary = receive_runs(
        RunArchive(ctx.obj.archive(instrument), instrument),
        load(instrument),
        address=ListenAddress(
            host=host,
            port=listened if port is None else port,
            udp=host_and_port(udp) if udp else None,
            sockets=GivenSockets.inherited(),
        ),
        rules=ReceiveRules(peers=peers or LOOPBACK, until_disconnect=once),
        texts=RunTexts(**texts),
        station=Station(ctx.obj.live(instrument)),
        callbacks=ReceiveCallbacks(
            on_listening=partial(show_listening, port_file),
            on_listening_udp=lambda host, port: click.echo(f"listening on {host}:{port} (udp)"),
            on_run=partial(_register, ctx, instrument),
        ),
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
        + (f", {summary.gave_way} connections closed because there were too many" if summary.gave_way else "")
    )
    for problem in summary.problems:
        click.echo(f"eic: {problem}", err=True)
    lost = summary.damaged or summary.foreign_bytes or summary.udp_dropped or summary.problems
    ctx.exit(int(ExitCode.BAD_DATA if lost else ExitCode.CLEAN))


def _register(ctx: click.Context, instrument: str, run: "Run") -> None:
    """Add a run to the ledger, in the thread that closed it."""
    from eicpy.ingestion import register_run
    from eicpy.instruments import load
    from eicpy.operations import open_database

    if run.size:
        with open_database(ctx.obj) as database:
            register_run(run, load(instrument), database)
