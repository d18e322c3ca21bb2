"""The live chain: receive what a test bench or a ground station sends."""

from functools import partial
from pathlib import Path

import click

from eicpy.cli.options import FILE, instrument_option
from eicpy.console import host_and_port, show_listening
from eicpy.errors import ExitCode

__all__ = ["receive"]


@click.command()
@instrument_option()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Port 0 takes a free one."
)
@click.option("--port", type=click.IntRange(0, 65535), help="Port alone, on the address of --listen.")
@click.option("--once", is_flag=True, help="End when the sender has finished.")
@click.option("--port-file", type=FILE, help="Write the port into this file once it listens.")
@click.option(
    "--peer", "peers", multiple=True, metavar="ADDRESS", help="Address that may connect; repeat for more."
)
@click.pass_context
def receive(
    ctx: click.Context,
    instrument: str,
    listen: str,
    port: int | None,
    *,
    once: bool,
    port_file: Path | None,
    peers: tuple[str, ...],
) -> None:
    """Receive packets over TCP into the archive.

    Bytes are in the archive before anything else sees them. Prints the address it listens on; ends
    with Ctrl-C, or with --once when the sender has closed its connection. A script waits for the
    --port-file to appear. Only this machine may connect unless --peer names others.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 failed.
    """
    from eicpy.acquisition import LOOPBACK, RunArchive
    from eicpy.acquisition import receive as receive_run
    from eicpy.instruments import load
    from eicpy.operations import open_database, register_run

    host, listened = host_and_port(listen)
    detector = load(instrument)
    summary = receive_run(
        RunArchive(ctx.obj.archive(instrument), instrument),
        detector,
        host=host,
        port=listened if port is None else port,
        peers=peers or LOOPBACK,
        until_disconnect=once,
        on_listening=partial(show_listening, port_file),
    )
    if summary.run is None:
        click.echo("nothing came")
        return
    with open_database(ctx.obj) as database:
        register_run(summary.run, detector, database)
    click.echo(
        f"run {summary.run.number}: {summary.size} bytes, {summary.packets} packets, "
        f"{summary.damaged} damaged, {summary.foreign_bytes} foreign bytes"
    )
    ctx.exit(int(ExitCode.BAD_DATA if summary.damaged or summary.foreign_bytes else ExitCode.CLEAN))
