"""The other end of the line: what a test bench or a simulator sends."""

from datetime import datetime
from pathlib import Path

import click

from eicpy.cli.options import DATES, FILE, utc
from eicpy.console import TerminalProgress, host_and_port

__all__ = ["send", "simulate"]


@click.command()
@click.argument("name", default="demo")
@click.option(
    "--duration", type=float, metavar="SECONDS", help="Of data.  [default: of the ready-made night]"
)
@click.option("--start", type=click.DateTime(DATES), metavar="DATE", help="Begin, UTC.")
@click.option("--seed", type=click.IntRange(0), help="Seed: the same gives the same bytes.")
@click.option("--config", type=FILE, help="JSON file of a simulation of your own; NAME is then ignored.")
@click.option("--out", type=FILE, help="Folder.  [default: simulated/NAME in the home folder]")
@click.pass_context
def simulate(
    ctx: click.Context,
    name: str,
    duration: float | None,
    start: datetime | None,
    seed: int | None,
    config: Path | None,
    out: Path | None,
) -> None:
    """Simulate packets of the ECLAIRs camera.

    The truth (gains, dead pixels, sources, what was lost) is kept beside them.

    NAME is a ready-made night: demo (three hours with a burst, the Crab, an SAA passage, excursions, a
    little loss and damage), quiet (an hour of background), day (24 hours like demo).
    """
    from eicpy.pipeline.simulated import simulation_config
    from eicpy.simulation import simulate as run_simulation

    chosen = simulation_config(name, config, duration=duration, start=utc(start), seed=seed)
    with TerminalProgress("simulate") as progress:
        folder = out or ctx.obj.home / "simulated" / chosen.name
        made = run_simulation(chosen, folder, progress=lambda share: progress(share, 1.0))
    click.echo(f"{made.packets}")


@click.command()
@click.argument("file", type=FILE)
@click.option("--to", "address", required=True, metavar="HOST:PORT", help="Where a receiver listens.")
@click.option("--rate", type=float, metavar="BYTES", help="Per second.  [default: as fast as it goes]")
def send(file: Path, address: str, rate: float | None) -> None:
    """Send a file of packets over TCP.

    As a test bench or a ground station would: 'eic receive' or a dashboard takes them.
    """
    from eicpy.egse import send as send_file

    host, port = host_and_port(address)
    with TerminalProgress("send") as progress:
        sent = send_file(file, host, port, rate=rate, progress=progress)
    click.echo(f"{sent.size} bytes sent to {host}:{port}")
