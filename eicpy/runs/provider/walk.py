"""From run to run: where a reader gets its packets from, live or in playback.

A closed run that was read to its end is followed by the one with the next higher number. Runs appear
under their number by one rename and numbers only grow, so that no run is passed over, whatever comes
first: the end of one or the beginning of the next.
"""

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from eicpy.decoding.running_continuity import PacketCounts
from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Cursor, Follower, Increment
from eicpy.runs.run import Run

__all__ = ["RunWalk", "Source", "run_numbers", "runs_with_bytes"]

_log = logging.getLogger(__name__)

_GRACE = 1.0
"""Time without a writer after which a reader leaves a run that was left open for the next, s."""
_LOOK = 0.2
"""Between two checks whether a run has a writer, s."""


_NUMBER = re.compile(r"[0-9]{6}|[1-9][0-9]{6,}")
"""Digits in the name of a run: other folders, named by a date for example, are no runs."""


class Source(Protocol):
    """Where packets come from, piece by piece."""

    def pull(self) -> Increment | None:
        """The next piece, perhaps without packets; None if there is nothing now."""

    @property
    def finished(self) -> bool:
        """Whether nothing more can come."""

    @property
    def run(self) -> int | None:
        """Number of the run that is being read."""

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Packets read so far, by APID."""

    def behind(self, cursor: Cursor) -> int:
        """Bytes after a position."""

    def close(self) -> None:
        """Close the files."""


def run_numbers(archive: RunArchive) -> list[int]:
    """Numbers of the runs that exist now, in order; quicker than ``archive.runs()``."""
    try:
        names = os.listdir(archive.folder)  # noqa: PTH208, a path for each of thousands takes long
    except FileNotFoundError:
        return []
    heads = {name.partition("-")[0] for name in names}
    return sorted(int(head) for head in heads if _NUMBER.fullmatch(head))


def runs_with_bytes(archive: RunArchive) -> list[int]:
    """Numbers of the runs that have a raw file; a folder without one has no packets."""
    found = []
    for number in run_numbers(archive):
        try:
            archive.run(number)
        except BadArgumentError:
            _log.warning("run %d in %s holds no raw file; passed over", number, archive.folder)
        else:
            found.append(number)
    return found


class RunWalk:
    """One run after the other.

    Parameters
    ----------
    archive
        Where the runs are.
    instrument
        Describes the packets that are expected.
    runs
        Their numbers, in this order; None for all from the start on, for ever.
    start
        Where to begin. Without one: at the beginning of the first of `runs`, or of the newest run.

    Raises
    ------
    BadArgumentError
        For a run that is not there, or a start in none of them.
    """

    def __init__(
        self,
        archive: RunArchive,
        instrument: Instrument,
        runs: Sequence[int] | None,
        start: Cursor | None = None,
    ) -> None:
        self.archive = archive
        self.instrument = instrument
        self._live = runs is None
        self._start = start
        self._ahead: list[int] = []
        self._follower: Follower | None = None
        self._past: dict[int, PacketCounts] = {}
        self._silent = self._looked = 0.0
        self._after = 0
        if runs is None:
            self._begin_live(start)
        else:
            self._ahead = list(runs)
            for number in runs:
                archive.run(number)
            self._begin_playback(start)

    @property
    def cursor(self) -> Cursor:
        """The position after what was pulled, or before what has only begun."""
        if self._follower is not None:
            return self._follower.cursor
        if self._start is not None:
            return self._start
        first = self._after + 1 if self._live else (self._ahead[0] if self._ahead else 0)
        return Cursor(first if first in run_numbers(self.archive) else 0)

    @property
    def finished(self) -> bool:
        """Whether all runs were read to their ends."""
        done = self._follower is None or self._follower.finished
        return not self._live and done and not self._ahead

    @property
    def run(self) -> int | None:
        """Number of the run that is being read, None before the first."""
        return self._follower.run.number if self._follower else None

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Packets read so far, by APID; every run counts for itself."""
        return self._past if self._follower is None else _sum(self._past, self._follower.counts)

    def pull(self) -> Increment | None:
        """The next piece, perhaps without packets; None if there is nothing now."""
        if (self._follower is None or self._follower.finished) and not self._open_next():
            return None
        assert self._follower is not None  # opened above, or there before
        before = self._follower.position
        increment = self._follower.poll()
        if increment or self._follower.position > before or self._follower.finished:
            self._silent = 0.0
            return increment
        if self._is_abandoned(self._follower):
            return self._follower.finish()
        return None

    def behind(self, cursor: Cursor) -> int:
        """Bytes after a position, in its run and in those that follow."""
        later = [n for n in run_numbers(self.archive) if n > cursor.run] if self._live else self._ahead
        here = [] if cursor.run == 0 or cursor.run in later else [cursor.run]
        size = 0
        for number in here + later:
            try:
                held = self._find(number).size
            except (BadArgumentError, OSError):
                continue  # it was removed meanwhile
            size += max(0, held - cursor.offset) if number == cursor.run else held
        return size

    def close(self) -> None:
        """Close the raw file."""
        if self._follower is not None:
            self._past = _sum(self._past, self._follower.counts)
            self._follower.close()
            self._follower = None

    def _begin_live(self, start: Cursor | None) -> None:
        there = run_numbers(self.archive)
        if start is None:
            self._after = there[-1] - 1 if there else 0
            return
        self._after = start.run
        if start.run in there:
            self._open(start.run, start.offset)
        elif start.run:
            _log.warning("run %d is no longer in %s; going on after it", start.run, self.archive.folder)

    def _begin_playback(self, start: Cursor | None) -> None:
        if start is None or start.run == 0:
            return
        if start.run not in self._ahead:
            raise NotFoundError(
                f"got a start in run {start.run}, expected one of the runs {', '.join(map(str, self._ahead))}"
            )
        at = self._ahead.index(start.run)
        self._ahead = self._ahead[at + 1 :]
        self._open(start.run, start.offset)

    def _open_next(self) -> bool:
        if not self._live:
            if self._ahead:
                self._open(self._ahead.pop(0), 0)
                return True
            return False
        for number in run_numbers(self.archive):
            if number <= self._after:
                continue
            try:
                self._open(number, 0)
            except (BadArgumentError, OSError) as error:  # removed meanwhile, or no run
                _log.warning("run %d is passed over: %s", number, error)
                self._after = number
            else:
                return True
        return False

    def _open(self, number: int, offset: int) -> None:
        self.close()
        run = self._find(number)
        size = run.size
        if offset > size:
            _log.warning(
                "run %d holds %d bytes, fewer than the %d that were read before; going on at its end",
                number, size, offset,
            )  # fmt: skip
        self._follower = Follower(run, self.instrument, min(offset, size))
        self._after = number

    def _find(self, number: int) -> Run:
        return self.archive.run(number)

    def _is_abandoned(self, follower: Follower) -> bool:
        """Whether nothing more will come though the run was not closed: what a crash, or a removal, leaves.

        Live, a run is given up only if a later one exists: else its writer may come back to it.
        """
        run, now = follower.run, time.monotonic()
        if now - self._looked < _LOOK:
            return False
        self._looked = now
        if not run.raw_file.exists():
            return self._moved(follower)
        if self._live and not any(n > run.number for n in run_numbers(self.archive)):
            return False
        if run.is_written:
            self._silent = 0.0
            return False
        self._silent = self._silent or now
        if now - self._silent < _GRACE:
            return False
        _log.warning("run %d was left open by a writer that died; taken as it is", run.number)
        return True

    def _moved(self, follower: Follower) -> bool:
        """Whether a run was removed, and its folder not only renamed."""
        try:
            follower.moved(self._find(follower.run.number))
        except BadArgumentError:
            _log.warning("run %d was removed while it was read", follower.run.number)
            return True
        return False


def _sum(some: Mapping[int, PacketCounts], more: Mapping[int, PacketCounts]) -> dict[int, PacketCounts]:
    total = dict(some)
    for apid, counts in more.items():
        total[apid] = total[apid] + counts if apid in total else counts
    return total
