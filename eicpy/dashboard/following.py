"""Which run a live page shows: the newest measurement, also while the instrument is configured after it.

A stop command closes the run of a measurement and what follows goes into a run of configuration. A page
that went on to that run would take the measurement away from whoever looks at it, in the moment in which it
is complete. So a measurement stays until the next one has brought its first bytes; which run of
configuration goes on beside it is said. Where no measurement was ever made, what there is is shown.
"""

import time
from datetime import datetime
from typing import NamedTuple

from eicpy.errors import EicpyError
from eicpy.instruments import Instrument
from eicpy.runs import Run, RunArchive, RunLabel, run_label
from eicpy.runs.metadata import CONFIGURATION
from eicpy.text import Texts

__all__ = ["CurrentLabel", "Followed", "NewestMeasurement", "is_measurement", "run_chips"]

LABEL_EVERY = 1.0
"""Time between two labels of a run, s."""
LARGEST_COUNTED = 200_000_000
"""Bytes of a closed run whose packets a page counts for its label at most; not at its first look."""
MOST_LOOKED_AT = 200
"""Runs among which the last measurement is looked for, the newest ones."""


class Followed(NamedTuple):
    """What to show."""

    run: Run | None = None
    """None: nothing was received yet."""
    beside: Run | None = None
    """Run of configuration that is newer than the measurement; its photons are not shown."""


class NewestMeasurement:
    """Looks now and then which run is to be shown.

    Parameters
    ----------
    archive
        The runs.
    look_again
        Time between two looks, s.
    """

    def __init__(self, archive: RunArchive, look_again: float = 3.0) -> None:
        self._archive, self._look_again = archive, look_again
        self._looked = float("-inf")
        self._followed = Followed()

    def look(self) -> Followed:
        """The run to show now, and the one beside it."""
        now = time.monotonic()
        if now - self._looked >= self._look_again:
            self._looked = now
            self._followed = self._find()
        return self._followed

    def _find(self) -> Followed:
        newest = self._archive.newest()
        shown = self._followed.run
        if newest is None:
            return Followed(shown)  # all were removed
        if is_measurement(newest) and (_size(newest) or shown is None or not _size(shown)):
            return Followed(newest)
        if shown is None or not _size(shown) or not is_measurement(shown):
            shown = self._last_measurement() or newest
        beside = newest if newest.number > shown.number and not is_measurement(newest) else None
        return Followed(shown, beside)

    def _last_measurement(self) -> Run | None:
        runs = self._archive.runs(MOST_LOOKED_AT)
        return next((run for run in reversed(runs) if is_measurement(run) and _size(run)), None)


def is_measurement(run: Run) -> bool:
    """Whether a run holds a measurement: everything that is not marked as configuration."""
    return run.suffix != CONFIGURATION


def _size(run: Run) -> int:
    try:
        return run.size
    except OSError:
        return 0  # it was removed


class CurrentLabel:
    """The label of the run that is shown, made again now and then: a run that is written grows.

    Parameters
    ----------
    instrument
        The detector.
    """

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._made = float("-inf")
        self._label: RunLabel | None = None

    def of(self, run: Run | None) -> RunLabel | None:
        """Label of a run; None where there is none."""
        if run is None:
            return None
        now = time.monotonic()
        if self._label is None or self._label.number != run.number or now - self._made >= LABEL_EVERY:
            known = self._label is not None and self._label.number == run.number
            count = known and not self._label_is_open and _size(run) < LARGEST_COUNTED
            self._label, self._made = run_label(run, self._instrument, count=count), now
        return self._label

    @property
    def _label_is_open(self) -> bool:
        return self._label is not None and self._label.is_open


def run_chips(followed: Followed, texts: Texts) -> list[str]:
    """Words for a measurement that has ended: which and when, and what goes on beside it."""
    run, beside = followed
    if run is None:
        return []
    closed = _closed(run)
    words = [] if closed is None else [texts("run_ended", run=run.number, time=f"{closed:%H:%M:%S}")]
    if beside is not None and _closed(beside) is None:
        words.append(texts("configuring", run=beside.number))
    return words


def _closed(run: Run) -> datetime | None:
    try:
        return run.metadata.closed
    except EicpyError:
        return None
