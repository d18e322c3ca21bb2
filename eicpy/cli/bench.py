"""The other end of the line: what a test bench or a simulator sends."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from eicpy.cli.console import TerminalProgress, host_and_port
from eicpy.cli.options import DATES, FILE, instrument_option, utc

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
    """Simulate packets of the ECLAIRs camera, or of the prototype on the bench.

    The truth (gains, dead pixels, sources, what was lost) is kept beside them.

    NAME is a ready-made night of the camera: demo (three hours with a burst, the Crab, an SAA passage,
    excursions, a little loss and damage), quiet (an hour of background), day (24 hours like demo); or
    bench: eight minutes of dpix-prototype, two measurements with configuration before and between.
    """
    from eicpy.simulation import simulate as run_simulation
    from eicpy.simulation.configure import simulation_config

    chosen = simulation_config(name, config, duration=duration, start=utc(start), seed=seed)
    with TerminalProgress("simulate") as progress:
        folder = out or ctx.obj.home / "simulated" / chosen.name
        made = run_simulation(chosen, folder, progress=lambda share: progress(share, 1.0))
    click.echo(f"{made.packets}")


_FAULTS = (
    ("--loss", "lost", "Leave packets out."),
    ("--duplicate", "duplicated", "Send packets twice."),
    ("--swap", "swapped", "Send packets after the one that follows them."),
    ("--flip", "damaged", "Flip one to eight bits of packets."),
    ("--cut", "truncated", "Leave the tails of packets out."),
    ("--garbage", "foreign", "Send 8 to 64 bytes of nothing before packets."),
    ("--stall", "stalled", "Stand still in the middle of packets (TCP; before them with --udp)."),
    ("--disconnect", "disconnected", "Break off in the middle of packets, and connect again (TCP)."),
)


def _fault_options(command: Callable[..., None]) -> Callable[..., None]:
    for flag, kind, text in reversed(_FAULTS):
        command = click.option(flag, kind, metavar="SHARE|@N", help=text)(command)
    return command


@click.command()
@click.argument("source", required=False)
@click.option("--to", "address", required=True, metavar="HOST:PORT", help="Where a receiver listens.")
@instrument_option(required=False)
@click.option("--udp", is_flag=True, help="UDP instead of TCP, whole packets in each datagram.")
@click.option(
    "--datagram", default=1472, show_default=True, metavar="BYTES", help="Most bytes of a datagram (UDP)."
)
@click.option(
    "--speed", type=float, metavar="N", help="By the packets' on-board time: 1 real time, 10 faster."
)
@click.option("--rate", type=float, metavar="BYTES", help="Per second.  [default: as fast as it goes]")
@click.option("--loop", default=1, metavar="N", help="Send it N times; 0: until Ctrl-C.")
@click.option("--reconnect", is_flag=True, help="Connect again when the receiver goes away, and go on.")
@click.option(
    "--patience", default=10.0, show_default=True, metavar="SECONDS", help="How long to try to connect."
)
@_fault_options
@click.option(
    "--seed", default=1, show_default=True, help="Seed of the faults: the same hits the same packets."
)
@click.option(
    "--stall-time", "stall", default=2.0, show_default=True, metavar="SECONDS", help="Length of a stall."
)
@click.option(
    "--resume",
    type=click.Choice(["repeat", "continue"]),
    default="repeat",
    show_default=True,
    help="After a disconnect: the packet again from its start, or its next byte.",
)
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="NAME[,FIELD=N…][@PLACE]",
    help="Telecommand to put in, answered by a simulated instrument; @120 packet, @90s time, @end.",
)
@click.option("--answer", is_flag=True, help="Answer the telecommands of SOURCE too.")
@click.option(
    "--refuse", type=click.Choice(["acceptance", "completion"]), help="Which reports tell of failure."
)
@click.option("--truth", type=FILE, help="JSON file for what was done to which packet.")
@click.pass_context
def send(ctx: click.Context, /, address: str, **options: Any) -> None:
    """Send packets to a receiver, as a test bench or a ground station would.

    SOURCE is a file of packets, run:N for a run of the archive (with -i), or simulator:NAME for a
    ready-made simulation, sent while it is computed ('eic simulate --help' names them).

    Faults are put in on demand: each in a share of the packets (--loss 0.01), or in packets counted from
    1 (--loss @120,@4000).

    Telecommands are put in by name, at the start or at a place, and answered with verification reports;
    without SOURCE they go out alone, as time goes.
    """
    from eicpy.egse import SendPlan

    host, port = host_and_port(address)
    faults = {kind: options.pop(kind) for _, kind, _ in _FAULTS}
    given = {kind: text for kind, text in faults.items() if text is not None}
    plan = SendPlan(host=host, port=port, faults=given, **options)
    with TerminalProgress("send") as progress:
        session = plan.open(ctx.obj, progress=progress, report=lambda text: click.echo(text, err=True))
        try:
            session.run()
        except KeyboardInterrupt:
            click.echo(f"stopped: {session.link.sent}", err=True)
            raise
    click.echo(f"{session.link.sent}")
