"""Options that several commands share, alone and in groups."""

from collections.abc import Callable
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

__all__ = [
    "DATES",
    "FILE",
    "SECONDS",
    "instrument_option",
    "packet_options",
    "receiving_options",
    "run_options",
    "utc",
]

FILE = click.Path(path_type=Path)
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]

SECONDS = click.FloatRange(0.0, 1e9)
"""A time to wait: what the system's clocks take."""

Decorator = Callable[[Any], Any]


def instrument_option(*, required: bool = True) -> Decorator:
    """The detector a command works for."""
    return click.option(
        "--instrument", "-i", required=required, metavar="NAME",
        help="Detector, for example eclairs or meddea (a folder of eicpy/instruments).",
    )  # fmt: skip


def packet_options(command: Any) -> Any:
    """Which packets: ``apids`` and ``kinds``."""
    return _all(
        command,
        click.option(
            "--apid", "apids", type=click.IntRange(0, 2047), multiple=True,
            help="Only this APID; repeat for more.",
        ),
        click.option(
            "--kind", "kinds", multiple=True, metavar="NAME",
            help="Only packets of this kind, or class of kinds (housekeeping, photons, …); repeat for more.",
        ),
    )  # fmt: skip


def receiving_options(listen: str) -> Decorator:
    """Where and from whom packets are received: ``listen``, ``udp`` and ``peers``."""
    return lambda command: _all(
        command,
        click.option(
            "--listen", default=listen, show_default=True, metavar="HOST:PORT",
            help="Where connections (TCP) are accepted. Port 0 takes a free one.",
        ),
        click.option("--udp", default="", metavar="HOST:PORT", help="Accept datagrams (UDP) there too."),
        click.option(
            "--peer", "peers", multiple=True, metavar="ADDRESS",
            help="Address that may send; repeat for more.  [default: this machine]",
        ),
    )  # fmt: skip


def run_options(command: Any) -> Any:
    """What people say about the runs: ``operator``, ``setup`` and ``comment``."""
    return _all(
        command,
        click.option("--operator", default="", metavar="NAME", help="Who takes the data."),
        click.option("--setup", default="", metavar="TEXT", help="What is on the bench."),
        click.option("--comment", default="", metavar="TEXT", help="Anything else to keep with the runs."),
    )


def _all(command: Any, *decorators: Decorator) -> Any:
    return reduce(lambda made, decorate: decorate(made), reversed(decorators), command)


def utc(moment: datetime | None) -> str | None:
    """A date option as an ISO text."""
    return None if moment is None else moment.isoformat()
