"""From run to run: where a reader gets its packets from, live or in playback.

A closed run that was read to its end is followed by the one with the next higher number. Runs appear
under their number by one rename and numbers only grow, so that no run is passed over, whatever comes
first: the end of one or the beginning of the next.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from eicpy.decoding.running_continuity import PacketCounts
from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.runs.archive import RunArchive
from eicpy.runs.provider.cursor import Cursor, Follower, Increment
from eicpy.runs.run import RAW_NAME, Run

__all__ = ["RunWalk", "Source", "runs_with_bytes"]

_log = logging.getLogger(__name__)

_GRACE = 1.0
"""Time without a writer after which a reader leaves a run that was left open for the next, s."""
_LOOK = 0.2
"""Between two checks whether a run has a writer, s."""

_FEW = 64
"""Runs to come whose sizes are read each time."""
_SIZES_TRUSTED = 1.0
_SHARE = 50
"""Sizes of more of them are read again after this long, s, and for at most this part of the time."""


class Source(Protocol):
    """Where packets come from, piece by piece."""

    def pull(self) -> Increment | None:
        """The next piece, perhaps without packets; None if there is nothing now."""

    @property
    def finished(self) -> bool:
        """Whether nothing more can come."""

    @property
    def cursor(self) -> Cursor:
        """The position after what was pulled."""

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


def runs_with_bytes(archive: RunArchive, numbers: Sequence[int]) -> Iterator[Run]:
    """Those of some runs that have a raw file; a folder without one has no packets, and is passed over."""
    for number in numbers:
        try:
            yield archive.run(number)
        except BadArgumentError:
            _log.warning("run %d in %s holds no raw file; passed over", number, archive.folder)


class RunWalk:
    """One run after the other.

    Parameters
    ----------
    archive
        Where the runs are.
    instrument
        Describes the packets that are expected.
    runs
        Their numbers, in this order; None for all from the start on, for ever. One that is removed before it
        is its turn is passed over.
    start
        Where to begin. Without one: at the beginning of the first of `runs`, or of the newest run.

    Raises
    ------
    BadArgumentError
        For a start in none of them, or in one that is not there.
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
        self._ahead: deque[int] = deque()
        self._sizes = _Sizes(archive)
        self._follower: Follower | None = None
        self._past: dict[int, PacketCounts] = {}
        self._silent = self._looked = 0.0
        self._after = 0
        if runs is None:
            self._begin_live(start)
        else:
            self._ahead = deque(runs)
            self._begin_playback(start)

    @property
    def cursor(self) -> Cursor:
        """The position after what was pulled, or before what has only begun."""
        if self._follower is not None:
            return self._follower.cursor
        if self._start is not None:
            return self._start
        first = self._after + 1 if self._live else (self._ahead[0] if self._ahead else 0)
        return Cursor(first if first in self.archive.glance().names else 0)

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
        later = self.archive.glance().after(cursor.run) if self._live else tuple(self._ahead)
        size = self._sizes.of(later)
        if cursor.run == 0:
            return size
        here = self._sizes.of((cursor.run,))
        if cursor.run in later:  # its turn has not come yet, and it was counted
            return size - min(cursor.offset, here)
        return size + max(0, here - cursor.offset)

    def close(self) -> None:
        """Close the raw file."""
        if self._follower is not None:
            self._past = _sum(self._past, self._follower.counts)
            self._follower.close()
            self._follower = None

    def _begin_live(self, start: Cursor | None) -> None:
        there = self.archive.names()
        if start is None:
            self._after = max(there.last - 1, 0)
            return
        self._after = start.run
        if start.run in there.names:
            self._open(start.run, start.offset)
        elif start.run:
            _log.warning("run %d is no longer in %s; going on after it", start.run, self.archive.folder)

    def _begin_playback(self, start: Cursor | None) -> None:
        if start is None or start.run == 0:
            return
        if start.run not in self._ahead:
            raise NotFoundError(
                f"got a start in run {start.run}, expected one of the runs {_listed(self._ahead)}"
            )
        while self._ahead.popleft() != start.run:
            continue
        self._open(start.run, start.offset)

    def _open_next(self) -> bool:
        while (number := self._next()) is not None:
            try:
                self._open(number, 0)
            except (BadArgumentError, OSError) as error:  # removed meanwhile, or no run
                _log.warning("run %d is passed over: %s", number, error)
                self._after = number
            else:
                return True
        return False

    def _next(self) -> int | None:
        """Number of the run that comes next; None where there is none yet, or no more."""
        if self._live:
            return self.archive.glance().next_after(self._after)
        return self._ahead.popleft() if self._ahead else None

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
        if not follower.is_in_place:
            return self._moved(follower)
        if self._live and self.archive.glance().last <= run.number:
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
        number = follower.run.number
        try:
            follower.moved(self._find(number))
        except BadArgumentError:
            _log.warning("run %d was removed while it was read", number)
            return True
        if not follower.is_in_place:
            _log.warning(
                "run %d was replaced while it was read; the bytes that replace it are not given", number
            )
            return True
        return False


class _Sizes:
    """How many bytes runs hold: of very many that are still to come it is looked up now and then only."""

    def __init__(self, archive: RunArchive) -> None:
        self._archive = archive
        self._known: dict[int, int] = {}
        self._looked = self._cost = 0.0

    def of(self, numbers: Sequence[int]) -> int:
        """Bytes of some runs; of more than a few as they were some seconds ago, but 0 only if it is 0 now."""
        begun = time.monotonic()
        many = len(numbers) > _FEW
        known = self._known if many else {}
        if not self._looked <= begun < self._looked + max(_SIZES_TRUSTED, _SHARE * self._cost):
            known = {}
        fresh = [number for number in numbers if number not in known]
        names, folder = self._archive.glance().names, os.fspath(self._archive.folder)
        sizes = {
            n: max((_size(f"{folder}/{name}/{RAW_NAME}") for name in names.get(n, ())), default=0)
            for n in fresh
        }
        total = sum(sizes.values()) + sum(known[n] for n in numbers if n in known)
        if many:
            if not known:
                self._looked, self._cost = begun, time.monotonic() - begun
            self._known = known | {n: size for n, size in sizes.items() if size}
        return total


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116, of thousands
    except OSError:
        return 0  # it was removed meanwhile


def _listed(numbers: Sequence[int], most: int = 20) -> str:
    """Numbers as a text that is not too long."""
    texts = [str(number) for number in numbers]
    if len(texts) > most:
        texts = [*texts[: most - 2], "…", texts[-1]]
    return ", ".join(texts)


def _sum(some: Mapping[int, PacketCounts], more: Mapping[int, PacketCounts]) -> dict[int, PacketCounts]:
    total = dict(some)
    for apid, counts in more.items():
        total[apid] = total[apid] + counts if apid in total else counts
    return total
