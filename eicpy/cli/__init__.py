"""The command ``eic``: a thin door to each room of the house.

Nothing is computed here. Every command imports its room when it is called, so that ``eic --help``
answers at once. The exit status says what happened: 0 clean, 1 something was lost or damaged
(the good part is kept and the bad part is named), 2 the call was wrong, 3 it failed,
130 and 143 that Ctrl-C or SIGTERM ended it.
"""

import os
from functools import partial
from pathlib import Path

import click

from eicpy.cli import (
    acquire,
    dashboards,
    excursions,
    follow,
    importing,
    ingest,
    instrument,
    monitor,
    night,
    packets,
    process,
    publish,
    receive,
    release,
    report,
    runs,
    send,
    simulate,
)
from eicpy.cli.console import CommandGroup
from eicpy.cli.guard import guarded, start_logging
from eicpy.cli.options import FILE
from eicpy.settings import Settings

__all__ = ["main"]


@click.group(
    cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="eicpy", prog_name="eic")
@click.option("-v", "--verbose", count=True, help="Log more; twice for everything.")
@click.option(
    "--home",
    type=FILE,
    envvar="EIC_HOME",
    show_envvar=True,
    help="Folder that holds everything of this set-up.  [default: your user data folder]",
)
@click.option(
    "--database-timeout",
    type=click.FloatRange(0.0, 1e9),
    metavar="SECONDS",
    help="How long a database that does not answer is waited for.  "
    "[env var: EIC_DATABASE_TIMEOUT; default: 120]",
)
@click.pass_context
def main(ctx: click.Context, verbose: int, home: Path | None, database_timeout: float | None) -> None:
    """From the packets of a photon-counting camera to calibrated photons, reports and dashboards.

    \b
    A first evening:
      eic simulate demo                     a night of packets, with the truth beside them
      eic ingest FILE --instrument eclairs  keep them in the archive
      eic night --instrument eclairs        calibrate, monitor, write the reports
      eic dashboards                        look at them in a browser

    Exit status: 0 clean; 1 something was lost or damaged, the good part is kept; 2 the call was wrong;
    3 it failed; 130 Ctrl-C and 143 SIGTERM ended it, what was finished is kept.
    """  # noqa: D301, click wants the control character itself, not its escape
    given = {
        "EIC_HOME": None if home is None else str(home.expanduser().absolute()),
        "EIC_DATABASE_TIMEOUT": None if database_timeout is None else str(database_timeout),
    }
    for variable, value in given.items():
        if value is not None:  # also for the search for descriptions of detectors, and for started processes
            ctx.call_on_close(partial(_restore, variable, os.environ.get(variable)))
            os.environ[variable] = value
    ctx.obj = Settings.from_environment()
    start_logging(verbose, ctx.obj.home)


def _restore(variable: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value


for _module in (
    acquire, dashboards, excursions, follow, importing, ingest, instrument, monitor, night, packets, process,
    publish, receive, release, report, runs, send, simulate,
):  # fmt: skip
    for _name in _module.__all__:
        main.add_command(getattr(_module, _name))
guarded(main)
