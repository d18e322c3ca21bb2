"""The data's part of what a verdict needs, read from the run archive: values, losses, and how new they are.

A look reads what has come since the last one. The first look begins some minutes before the end of the
newest run, found without reading it (:mod:`eicpy.health.tail`), and in the runs before where these minutes
begin there: so neither the length of a run nor their number costs anything. While more is there than could
be read, the state says how much was read and nothing else of the data.
"""

import time
from dataclasses import dataclass

import numpy as np

from eicpy.decoding.decode import is_simulated
from eicpy.decoding.times import packet_seconds
from eicpy.errors import BadDataError, EicpyError
from eicpy.health.losses import GONE_BACK, LossWindow
from eicpy.health.reasons import Reading, Tense
from eicpy.health.state import RECENT, SILENT_AFTER, HealthState
from eicpy.health.tail import begin_of_last, time_around
from eicpy.health.values import ValueWindow
from eicpy.instruments import Instrument
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Follower, Increment
from eicpy.runs.run import Run

__all__ = ["TelemetryReader"]

_MOST_RUNS = 16
"""Runs that the first look goes back, at most."""
_PIECE = 1 << 20
_CAUGHT_UP = 1 << 16
"""Bytes that may have come while the last ones were read."""


@dataclass
class _Task:
    """What was to be read when reading began."""

    done: int = 0
    total: int = 0


class TelemetryReader:
    """Reads the newest data of an archive, again and again.

    Parameters
    ----------
    archive
        The runs.
    instrument
        Describes their packets.
    window
        How far back losses and ended excursions count, in the time of the data, s.
    """

    def __init__(self, archive: RunArchive, instrument: Instrument, *, window: float = RECENT) -> None:
        self._archive, self._instrument, self._window = archive, instrument, window
        self._losses = LossWindow(instrument, window)
        self._values = ValueWindow(window)
        self._follower: Follower | None = None
        self._forget()

    def _release(self) -> None:
        if self._follower is not None:
            self._follower.close()
        self._follower = None

    def _forget(self) -> None:
        self._release()
        self._losses.begin_anew()
        self._values.begin_anew()
        self._base = 0
        self._from_start = True
        self._fresh = True
        self._simulated: bool | None = None
        self._task = _Task()
        self._caught_up = False

    def close(self) -> None:
        """Let go of the files."""
        self._forget()

    def __del__(self) -> None:  # a look with a reader of its own is one line, and leaves no file open
        self._release()

    def read(self, seconds: float) -> HealthState:
        """Read on.

        Parameters
        ----------
        seconds
            How long at most.

        Returns
        -------
        HealthState
            What is known of the data; nothing of the chain.
        """
        deadline = time.monotonic() + seconds
        try:
            self._read(deadline)
        except (OSError, EicpyError):  # a run was removed, renamed or replaced while it was read
            self._forget()
            self._read(deadline)
        return self._state()

    def _read(self, deadline: float) -> None:
        newest = self._archive.newest()
        if newest is None:
            if self._follower is not None:
                self._forget()
            return
        if self._follower is None or not self._follower.is_in_place:
            self._open(newest)
        assert self._follower is not None  # opened above
        while True:
            self._rename()
            piece = self._follower.poll(_PIECE)
            self._take(piece)
            if self._follower.behind <= 0 and self._follower.run.number != newest.number:
                self._next()
            elif self._follower.behind <= 0:
                break
            if time.monotonic() > deadline:
                break
        left = self._left(newest)
        self._caught_up = left <= _CAUGHT_UP

    def _rename(self) -> None:
        """Follow a run whose folder was given another suffix."""
        assert self._follower is not None  # opened before
        run = self._follower.run
        names = self._archive.glance().names.get(run.number, ())
        if names and run.folder.name not in names:
            self._follower.moved(Run(self._archive.folder / names[0]))

    def _left(self, newest: Run) -> int:
        assert self._follower is not None  # opened before
        left = self._follower.behind
        if self._follower.run.number != newest.number:
            between = self._archive.names().after(self._follower.run.number)
            left += sum(self._archive.run(number).size for number in between[-_MOST_RUNS:])
        return max(left, 0)

    def _open(self, newest: Run) -> None:
        """Begin some minutes before the end of the newest run, in an earlier run where they reach back."""
        self._forget()
        run, start = newest, begin_of_last(newest, self._instrument, 2 * self._window)
        numbers = self._archive.names().numbers
        while start == 0 and (before := numbers[: numbers.index(run.number)][-1:]):
            earlier = self._archive.run(before[0])
            if newest.number - earlier.number > _MOST_RUNS or not self._reaches(earlier, newest, run):
                break
            run, start = earlier, begin_of_last(earlier, self._instrument, 2 * self._window)
        self._follower = Follower(run, self._instrument, start)
        self._from_start = start == 0
        self._task.total = self._left(newest)

    def _reaches(self, earlier: Run, newest: Run, run: Run) -> bool:
        """Whether the end of an earlier run lies within the minutes before the newest data."""
        first = time_around(run, self._instrument, 0)
        end = _end(earlier, self._instrument)
        last = _end(newest, self._instrument)
        return (
            first is not None and end is not None and last is not None
            and end <= first + 1.0 and end >= last - 2 * self._window
        )  # fmt: skip

    def _next(self) -> None:
        """Go on with the next run."""
        assert self._follower is not None  # opened before
        before = self._follower
        self._take(before.finish())
        number = self._archive.names().next_after(before.run.number)
        if number is None:
            return
        run = self._archive.run(number)
        follower = Follower(run, self._instrument)
        self._base += before.position
        if not run.goes_on_from(before.run):
            self._losses.other_source()
        before.close()
        self._follower, self._simulated = follower, None

    def _take(self, piece: Increment) -> None:
        if not piece:
            return
        self._task.done += int(piece.index.end) - int(piece.start)
        self._losses.add(
            piece.index, piece.data, piece.start, self._base, first=self._fresh and not self._from_start
        )
        self._fresh = False
        if self._losses.clock.went_back:
            piece = self._after_going_back(piece)
        if len(piece):
            says = is_simulated(piece.index, self._instrument)
            self._simulated = says if self._simulated is None else self._simulated or bool(says)
            self._values.add(piece.housekeeping)
            self._values.forget(self._newest - self._window)

    def _after_going_back(self, piece: Increment) -> Increment:
        """Begin anew with the packets behind the last step back in time."""
        self._losses.begin_anew()
        self._values.begin_anew()
        self._from_start = False
        times = packet_seconds(piece.index, self._instrument)
        rows = np.flatnonzero(piece.index.good & np.isfinite(times))
        back = np.flatnonzero(np.diff(times[rows]) < -GONE_BACK)
        rest = piece.part(int(rows[back[-1] + 1]) if len(back) else 0, len(piece))
        self._losses.add(rest.index, rest.data, rest.start, self._base)
        return rest

    @property
    def _newest(self) -> float:
        newest = self._losses.clock.newest
        return newest if np.isfinite(newest) else self._values.newest

    def _state(self) -> HealthState:
        follower = self._follower
        if follower is None:
            return HealthState(tense=Tense.NONE, window=self._window)
        age = _age(follower.run)
        if not self._caught_up:
            self._task.total = max(self._task.total, self._task.done + self._left_now())
        reading = None if self._caught_up else Reading(self._task.done, self._task.total)
        newest = self._newest
        return HealthState(
            tense=self._tense(follower.run, age),
            run=follower.run.number,
            newest=newest if np.isfinite(newest) else float("nan"),
            age=age,
            window=self._window,
            excursions=self._values.excursions(from_start=self._from_start),
            losses=self._losses.losses,
            foreign=self._losses.foreign,
            checked=self._values.checked,
            reading=reading,
            simulated=self._simulated,
        )

    def _left_now(self) -> int:
        newest = self._archive.newest()
        return 0 if newest is None else self._left(newest)

    @staticmethod
    def _tense(run: Run, age: float | None) -> Tense:
        if age is None:
            return Tense.NONE
        try:
            is_open = run.is_open
        except BadDataError:  # whether it is open is not known: its age says it
            is_open = True
        if not is_open:
            return Tense.END
        return Tense.SILENT if age > SILENT_AFTER else Tense.NOW


def _age(run: Run) -> float | None:
    """Since bytes were last added to a run, s; None where none were."""
    try:
        status = run.raw_file.stat()
    except OSError:
        return None
    return max(0.0, time.time() - status.st_mtime) if status.st_size else None


def _end(run: Run, instrument: Instrument) -> float | None:
    size = run.size
    return next(
        (t for back in (1 << 14, 1 << 18, 1 << 20)
         if (t := time_around(run, instrument, max(size - back, 0))) is not None),
        None,
    )  # fmt: skip
