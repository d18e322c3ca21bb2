"""What is in a run, in a few numbers: packets, losses, damage, first and last time of the data.

Counting takes a look at every packet, so the numbers of a closed run are kept beside it, in
``summary.json``. Like the index they are derived: they may be lost, stale or torn without harm, and are
used only if they were made of the same bytes by the same rules.
"""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from eicpy.decoding import packet_seconds
from eicpy.errors import BadDataError, FailedError
from eicpy.files import write_text
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, continuity, map_file
from eicpy.runs.run import Run

__all__ = ["SUMMARY_NAME", "RunSummary", "count_run", "kept_summary", "summary_of"]

SUMMARY_NAME = "summary.json"
NEAR = 60.0
"""A time this far, s, beyond those that two packets in a row confirm is a wrong one."""
_FORMAT = 1

_log = logging.getLogger(__name__)


class RunSummary(BaseModel):
    """The telemetry of a run, in the words of :class:`eicpy.packets.PacketCounts`, and when it was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    received: int = 0
    lost: int = 0
    damaged: int = 0
    first: float | None = None
    """Time of the first data, s TT since 2017-01-01; None where no packet has one. So is `last`."""
    last: float | None = None


def summary_of(run: Run, instrument: Instrument) -> RunSummary:
    """Count the packets of a run, or take what was counted before.

    Parameters
    ----------
    run
        The run.
    instrument
        Its header rules say where times and checksums stand.

    Returns
    -------
    RunSummary
        Of the packets so far; kept beside a closed run. That it cannot be kept harms nothing.
    """
    found = kept_summary(run, instrument)
    if found is not None:
        return found
    found = count_run(run.index(instrument), run.raw_file, instrument)
    try:
        if not run.is_open:
            text = json.dumps({"stamp": _stamp(run, instrument), "summary": found.model_dump()})
            write_text(run.folder / SUMMARY_NAME, text)
    except (BadDataError, FailedError) as error:
        _log.info("the summary is not kept beside the run and will be made again: %s", error)
    return found


def kept_summary(run: Run, instrument: Instrument) -> RunSummary | None:
    """What was counted before; None where nothing was kept, or it was made of other bytes or rules.

    Parameters
    ----------
    run
        The run.
    instrument
        The detector.
    """
    try:
        kept = json.loads((run.folder / SUMMARY_NAME).read_text(encoding="utf-8"))
        if kept["stamp"] != _stamp(run, instrument):
            return None
        return RunSummary.model_validate(kept["summary"])
    except (OSError, ValueError, TypeError, LookupError, BadDataError):
        return None


def count_run(index: PacketIndex, raw_file: Path, instrument: Instrument) -> RunSummary:
    """Count packets, and find the first and the last time of the data that two packets in a row confirm.

    Parameters
    ----------
    index
        The packets.
    raw_file
        The bytes that hold them.
    instrument
        The detector.
    """
    if not len(index):
        return RunSummary()
    counts = [found.counts for found in continuity(index, buffer=map_file(raw_file)).values()]
    first, last = _ends(packet_seconds(index, instrument)[index.good])
    return RunSummary(
        received=sum(one.received for one in counts),
        lost=sum(one.lost for one in counts),
        damaged=sum(one.damaged for one in counts),
        first=first,
        last=last,
    )


def _ends(times: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """First and last time of the data: a single packet with a wrong time is no end."""
    times = times[np.isfinite(times)]
    if len(times) < 2:
        return (float(times[0]), float(times[0])) if len(times) else (None, None)
    confirmed = np.maximum(times[1:], times[:-1]).min(), np.minimum(times[1:], times[:-1]).max()
    first = times[times >= confirmed[0] - NEAR].min()
    last = times[times <= confirmed[1] + NEAR].max()
    return float(first), float(last)


def _stamp(run: Run, instrument: Instrument) -> str:
    """Of what the numbers are made: bytes, those that count here, and rules."""
    size = run.size
    rules = json.dumps([h.model_dump(mode="json") for h in instrument.headers], sort_keys=True)
    epoch = f"{instrument.time.epoch} {instrument.time.scale}"
    digest = hashlib.sha256(f"{rules} {epoch}".encode()).hexdigest()
    return f"{_FORMAT} {size} {run.metadata.own_bytes(size)} {digest}"
