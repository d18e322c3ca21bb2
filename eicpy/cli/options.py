"""Options that several commands share."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

__all__ = ["DATES", "FILE", "instrument_option", "utc"]

FILE = click.Path(path_type=Path)
DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


def instrument_option(*, required: bool = True) -> Callable[[Any], Any]:
    """The detector a command works for."""
    return click.option(
        "--instrument", "-i", required=required, metavar="NAME",
        help="Detector, for example eclairs or meddea (a folder of eicpy/instruments).",
    )  # fmt: skip


def utc(moment: datetime | None) -> str | None:
    """A date option as an ISO text."""
    return None if moment is None else moment.isoformat()
