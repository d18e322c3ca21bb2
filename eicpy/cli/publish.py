"""Packets on a bus, for other hosts."""

from pathlib import Path
from typing import Any

import click

from eicpy.cli.console import LongCommand
from eicpy.cli.options import FILE, instrument_option, packet_options

__all__ = ["publish"]


@click.command(
    cls=LongCommand,
    when_stopped="the position after the last packet that the bus has is kept; call it again to go on",
)
@instrument_option()
@click.option("--bus", required=True, metavar="URL", help="NATS JetStream: nats://HOST:PORT.")
@click.option(
    "--run", "runs", type=click.IntRange(1), multiple=True, metavar="N",
    help="Publish this run and end; repeat for more.  [default: live, the newest run and those after it]",
)  # fmt: skip
@click.option(
    "--cursor", "cursor_file", type=FILE,
    help="File that keeps the position.  [default: in the live folder of the instrument]",
)  # fmt: skip
@packet_options
@click.pass_context
def publish(
    ctx: click.Context,
    /,
    instrument: str,
    bus: str,
    runs: tuple[int, ...],
    cursor_file: Path | None,
    apids: tuple[int, ...],
    kinds: tuple[str, ...],
) -> None:
    """Publish the packets of the archive as messages, for readers on other hosts.

    Each packet is a message with the subject eic.INSTRUMENT.tm|tc.APID.KIND. The position after what the
    server has acknowledged is kept: stopped or killed, it resumes there, and the server takes no packet
    twice. A server that is away is waited for. A file named by the environment variable
    EIC_NATS_CREDENTIALS says who we are. Readers: eic follow live --bus URL.

    Exit status: 0 ended as asked; 2 bad arguments; 3 the server was away for too long.
    """
    from eicpy.acquisition.delivery.packet_messages import open_packet_bus
    from eicpy.acquisition.delivery.passing import CursorFile
    from eicpy.acquisition.delivery.publisher import publish as publish_packets
    from eicpy.acquisition.status import Station
    from eicpy.instruments import load
    from eicpy.process import stop_on_signals
    from eicpy.runs import ProvideOptions, RunArchive, provide

    detector = load(instrument)
    station = Station(ctx.obj.live(instrument))
    name = f"publish-{'-'.join(map(str, runs)) or 'live'}"
    with station.report(name, role="processor") as report:
        keep = CursorFile(cursor_file or station.folder / f"{name}.cursor")
        server = open_packet_bus(bus, instrument)
        try:
            archive = RunArchive(ctx.obj.archive(instrument), instrument)
            wanted: Any = list(runs) if runs else "live"
            start, options = keep.load(), ProvideOptions(apids=apids)
            with (
                stop_on_signals() as stop,
                provide(archive, detector, wanted, start=start, kinds=kinds, options=options) as provider,
            ):
                passed = publish_packets(provider, server, keep, stop=stop, report=report)
        finally:
            server.close()
    click.echo(f"published {passed.packets} packets, {passed.damaged} of them damaged")
