"""The monitor, and the whole live chain behind it."""

from typing import NoReturn

import click

from eicpy.cli.console import host_and_port
from eicpy.cli.options import instrument_option
from eicpy.errors import BadArgumentError, ExitCode, FailedError

__all__ = ["acquire", "monitor"]

LEVEL_CODES = {"well": ExitCode.CLEAN, "attention": ExitCode.BAD_DATA, "alarm": ExitCode.FAILED}


@click.command()
@instrument_option()
@click.option("--once", is_flag=True, help="Print one overview as plain text and end: for logs, ssh, cron.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--operator", default="", metavar="WHO", help="Who gives orders.  [default: your login]")
@click.option(
    "--forget", "forgotten", multiple=True, metavar="PART",
    help="Show a part no more that has ended or died, and end; repeat for more.",
)  # fmt: skip
@click.pass_context
def monitor(
    ctx: click.Context,
    instrument: str,
    operator: str,
    forgotten: tuple[str, ...],
    *,
    once: bool,
    as_json: bool,
) -> None:
    """Watch a live chain, and run it.

    Attaches to what runs: run, connections, packets and losses of each APID, processors, disk, last error,
    journal, every second. Keys start and stop runs, mark configuration and write comments; all of it stands
    in the journal. Leaving the screen stops nothing.

    Exit status with --once or --json: 0 all is well; 1 something needs attention; 3 alarm.
    """
    import getpass

    from eicpy.acquisition.status import Station
    from eicpy.instruments import load

    detector = load(instrument)
    station = Station(ctx.obj.live(instrument))
    for part in forgotten:
        told = station.statuses()
        if part not in told:
            parts = ", ".join(told) or "none"
            raise BadArgumentError(f"got {part!r}, expected a part that told how it is: {parts}")
        station.forget(part)
        station.journal(operator or getpass.getuser(), f"forget {part}")
    if forgotten and not (once or as_json):
        return
    if once or as_json:
        _print_overview(ctx, instrument, as_json=as_json)
    from eicpy.monitor.screen import show
    from eicpy.processors.chain import stop_chain

    if show(ctx.obj, detector, operator=operator) == "stop":
        click.echo("stopping: the receiver first, then the processors when they have done what is archived …")
        if not stop_chain(station):
            raise FailedError("the chain is still ending; look at it with 'eic monitor --once'")
        click.echo("stopped")


def _print_overview(ctx: click.Context, instrument: str, *, as_json: bool) -> NoReturn:
    import json

    from eicpy.acquisition.status import read_overview
    from eicpy.instruments import load
    from eicpy.monitor.once import plain_text

    overview = read_overview(ctx.obj, load(instrument))
    click.echo(json.dumps(overview.to_json(), indent=2) if as_json else plain_text(overview))
    ctx.exit(int(LEVEL_CODES[overview.verdict.level.name.lower()]))


@click.command()
@instrument_option()
@click.option(
    "--listen", default="127.0.0.1:5000", show_default=True, metavar="HOST:PORT",
    help="Where the TCP server listens; port 0 takes a free one.",
)  # fmt: skip
@click.option("--udp", default="", metavar="HOST:PORT", help="Take UDP datagrams here too.")
@click.option(
    "--peer", "peers", multiple=True, metavar="ADDRESS",
    help="Address that may send; repeat for more.  [default: this machine]",
)  # fmt: skip
@click.option("--operator", default="", metavar="WHO", help="Who takes the runs.  [default: your login]")
@click.option("--setup", default="", metavar="TEXT", help="What stands on the bench.")
@click.option("--comment", default="", metavar="TEXT", help="Kept with the runs.")
@click.option(
    "--processor", "processors", multiple=True, metavar="NAME",
    help="Processor to run; repeat for more.  [default: photons, housekeeping, as the detector has them]",
)  # fmt: skip
@click.option("--no-processors", is_flag=True, help="Receive and archive alone.")
@click.option(
    "--port", default=8866, show_default=True, type=click.IntRange(0, 65535),
    help="Port of the pages in the browser; 0 takes a free one.",
)  # fmt: skip
@click.option("--no-dashboards", is_flag=True, help="Serve no pages.")
@click.option(
    "--orders", is_flag=True, help="Let whoever opens the monitor page start and stop runs, write comments."
)
@click.option(
    "--patience", default=60.0, show_default=True, type=click.FloatRange(0.0), metavar="SECONDS",
    help="At the end: how long processors may take to finish what is archived.",
)  # fmt: skip
@click.option(
    "--bus", default="", metavar="URL", help="Publish every packet for other hosts too: nats://HOST:PORT."
)
@click.option("--headless", is_flag=True, help="Without a screen: for a service, a script, a log.")
@click.pass_context
def acquire(
    ctx: click.Context,
    instrument: str,
    listen: str,
    udp: str,
    peers: tuple[str, ...],
    operator: str,
    setup: str,
    comment: str,
    processors: tuple[str, ...],
    port: int,
    patience: float,
    bus: str,
    *,
    no_processors: bool,
    no_dashboards: bool,
    orders: bool,
    headless: bool,
) -> None:
    """Run the whole live chain: receive, archive, process, show.

    Starts the receiver, the processors and the pages, each in a process of its own that is started again
    when it crashes, and puts the monitor in front. Whatever happens to the screen, reception goes on;
    'eic monitor' attaches again. Leaving asks whether all is to stop. Ctrl-C and SIGTERM stop all: first the
    receiver, then the processors once they have done what is archived.

    Exit status: 0 clean; 1 something that came was damaged or foreign; 2 bad arguments; 3 a part failed.
    """
    import getpass

    from eicpy.instruments import load
    from eicpy.processors import find_processor
    from eicpy.processors.chain_plan import ChainPlan, default_processors, free_port

    detector = load(instrument)
    for address in filter(None, (listen, udp)):
        host_and_port(address)
    chosen = () if no_processors else processors or default_processors(detector)
    for name in chosen:
        find_processor(name)
    plan = ChainPlan(
        instrument=instrument,
        listen=listen,
        udp=udp,
        peers=peers,
        operator=operator or getpass.getuser(),
        setup=setup,
        comment=comment,
        processors=chosen,
        dashboards_port=None if no_dashboards else port or free_port(),
        bus=bus,
        orders=orders,
    )
    if headless:
        from eicpy.processors.chain import run_chain

        ctx.exit(int(run_chain(plan, ctx.obj, timeout=patience, say=click.echo)))
    from eicpy.monitor.screen import attend

    ctx.exit(int(attend(plan, ctx.obj, timeout=patience, say=click.echo)))
