"""The screen of a live chain."""

from typing import NoReturn

import click

from eicpy.cli.options import instrument_option
from eicpy.errors import ExitCode, FailedError, NotFoundError

__all__ = ["monitor"]

LEVEL_CODES = {
    "well": ExitCode.CLEAN,
    "unknown": ExitCode.BAD_DATA,
    "attention": ExitCode.BAD_DATA,
    "alarm": ExitCode.FAILED,
}


@click.command()
@instrument_option()
@click.option("--once", is_flag=True, help="Print one overview as plain text and end: for logs, ssh, cron.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--operator", default="", metavar="WHO", help="Who gives orders.  [default: your login]")
@click.option(
    "--forget", "forgotten", multiple=True, metavar="PART",
    help="Forget a part that has ended or died, and end; repeat for more.",
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

    Attaches to what runs and shows every second: the verdict on camera and chain, run, connections,
    packets and losses of each APID, processors, disk, last error, journal. Keys start and stop runs, mark
    configuration, write comments, which the journal records. Leaving the screen stops nothing.

    The verdict is the one that every page shows: values beyond their limits and packets lost in the last ten
    minutes of data, and what is wrong in the chain now.

    Exit status with --once or --json: 0 all is well; 1 something needs attention, or there are no data; 3
    alarm.
    """
    import getpass

    from eicpy.acquisition.status import Station
    from eicpy.instruments import load

    detector = load(instrument)
    station = Station(ctx.obj.live(instrument))
    for part in forgotten:
        statuses = station.statuses()
        if part not in statuses:
            parts = ", ".join(statuses) or "none"
            raise NotFoundError(f"got {part!r}, expected a part with a status: {parts}")
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
    from eicpy.health import LEVELS
    from eicpy.instruments import load
    from eicpy.monitor.once import plain_text

    overview = read_overview(ctx.obj, load(instrument))
    click.echo(json.dumps(overview.to_json(), indent=2) if as_json else plain_text(overview))
    ctx.exit(int(LEVEL_CODES[LEVELS[overview.verdict.level].lower()]))
