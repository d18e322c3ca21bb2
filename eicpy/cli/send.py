"""The other end of the line: what a test bench or a ground station sends."""

from collections.abc import Callable
from typing import Any

import click

from eicpy.cli.console import LongCommand, TerminalProgress
from eicpy.cli.options import FILE, SECONDS, instrument_option

__all__ = ["send"]

_FAULTS = (
    ("--loss", "lost", "Leave packets out."),
    ("--duplicate", "duplicated", "Send packets twice."),
    ("--swap", "swapped", "Send packets after the one that follows them."),
    ("--flip", "damaged", "Flip one to eight bits of packets."),
    ("--cut", "truncated", "Leave the tails of packets out."),
    ("--garbage", "foreign", "Send 8 to 64 foreign bytes before packets."),
    ("--stall", "stalled", "Stall in the middle of packets (TCP; before them with --udp)."),
    ("--disconnect", "disconnected", "Disconnect in the middle of packets, and connect again (TCP)."),
)


def _fault_options(command: Callable[..., None]) -> Callable[..., None]:
    for flag, kind, text in reversed(_FAULTS):
        command = click.option(flag, kind, metavar="SHARE|@N", help=text)(command)
    return command


@click.command(
    cls=LongCommand,
    when_stopped="the packets counted are sent and the others are not",
)
@click.argument("source", required=False)
@click.option("--to", "address", required=True, metavar="HOST:PORT", help="Where a receiver listens.")
@instrument_option(required=False)
@click.option("--udp", is_flag=True, help="UDP instead of TCP, whole packets in each datagram.")
@click.option(
    "--datagram",
    default=1472,
    show_default=True,
    type=click.IntRange(7, 65_507),
    metavar="BYTES",
    help="Most bytes of a datagram (UDP).",
)
@click.option(
    "--speed",
    type=click.FloatRange(0.0, min_open=True),
    metavar="N",
    help="By the packets' on-board time: 1 real time, 10 faster.",
)
@click.option(
    "--rate", type=click.FloatRange(0.0, min_open=True), metavar="BYTES",
    help="Per second.  [default: as fast as it goes]",
)  # fmt: skip
@click.option(
    "--loop", default=1, type=click.IntRange(0), metavar="N", help="Send it N times; 0: until Ctrl-C."
)
@click.option("--reconnect", is_flag=True, help="Connect again when the receiver goes away, and go on.")
@click.option(
    "--timeout", "--patience", "connect_timeout", default=10.0, show_default=True, type=SECONDS,
    metavar="SECONDS",
    help="How long to try to connect.",
)  # fmt: skip
@_fault_options
@click.option(
    "--seed", default=1, show_default=True, help="Seed of the faults: the same hits the same packets."
)
@click.option(
    "--stall-time",
    "stall",
    default=2.0,
    show_default=True,
    type=SECONDS,
    metavar="SECONDS",
    help="Length of a stall.",
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
    metavar="NAME[,FIELD=N…][@POSITION]",
    help="Telecommand to put in, answered by a simulated instrument; @120 packet, @90s time, @end.",
)
@click.option("--answer", is_flag=True, help="Answer the telecommands of SOURCE too.")
@click.option(
    "--refuse", type=click.Choice(["acceptance", "completion"]), help="Which reports say that it failed."
)
@click.option("--truth", type=FILE, help="JSON file for what was done to which packet.")
@click.pass_context
def send(ctx: click.Context, /, address: str, **options: Any) -> None:
    """Send packets to a receiver, as a test bench or a ground station would.

    SOURCE is a file of packets, run:N for a run of the archive (with -i), or simulator:NAME for a
    ready-made simulation, sent while it is computed ('eic simulate --help' names them).

    Faults are put in on demand: each in a share of the packets (--loss 0.01), or in packets counted from
    1 (--loss @120,@4000).

    Telecommands are put in by name, at the start or at a position, and answered with verification
    reports; without SOURCE they are sent alone, at their times.
    """
    from eicpy.acquisition.reception.sockets import host_and_port
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
