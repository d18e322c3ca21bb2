"""Which runs an archive holds: asked as often as one likes, the folder is read again only when it changed.

The folder itself is the only truth: runs are made, removed, renamed and copied in by other processes and by
hand. Nothing is written down, so that nothing can be wrong after a crash. What was read is kept with the
state of the folder (device, inode, times of its last change, links, size). While the state is the same, an
answer costs one ``stat``, whatever the number of runs; after a change only the names that are new are judged.

Times of a folder have a grain: of two changes within a few milliseconds (within two seconds on some file
systems) the later one may not show. A list that was read so soon after a change is therefore read once more
when the grain has passed, and whoever must not miss a run in the meantime asks for :meth:`Listing.now`. On
a file system that keeps no such times at all the list is read again now and then: for at most 1/500 of the
time.
"""

import contextlib
import os
import re
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType

__all__ = ["Listing", "RunNames", "listing"]

_NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})(-.+)?")
"""Name of the folder of a run: other folders, named by a date for example, are no runs."""
_LEFTOVER = re.compile(r"\..*\.(new|discarded)")

_GRAIN, _COARSE_GRAIN = 0.05, 2.5
"""Within this long after a change another may not show, s; the latter where times are of whole seconds."""
_TRUSTED = 2.0
"""How long a list is trusted at least on the word of the folder's state alone, s."""
_SHARE = 500
"""Reading the list again, only to be sure, takes at most this part of the time."""
_BREATH = 4
"""A reader that only glances lets so many times the duration of the last reading pass before the next."""

_LONGEST_TRUSTED = 30.0
"""How long a list is trusted at most without being read again, s."""
_ATTEMPTS = 5
"""How often a list is read where the folder changes while it is read."""
_LINKS = 4
"""Where in its state the links of the folder stand: two, and one for each folder in it; 1 where not kept."""
_FEW = 100
"""Fresh names that are looked at one by one."""

_State = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class RunNames:
    """The runs of an archive at a moment.

    Parameters
    ----------
    numbers
        In order; each once.
    names
        Names of the folders of a number, in order; more than one only where somebody copied one in.
    leftovers
        Names of what a killed process left half made.
    """

    numbers: tuple[int, ...] = ()
    names: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    leftovers: tuple[str, ...] = ()

    @property
    def last(self) -> int:
        """The highest number; 0 without any run."""
        return self.numbers[-1] if self.numbers else 0

    def after(self, number: int) -> tuple[int, ...]:
        """The numbers above a number, in order."""
        return self.numbers[bisect_right(self.numbers, number) :]

    def next_after(self, number: int) -> int | None:
        """The lowest number above a number; None if there is none."""
        at = bisect_right(self.numbers, number)
        return self.numbers[at] if at < len(self.numbers) else None

    def folders(self, last: int | None = None) -> Sequence[str]:
        """Names of the folders of all runs, or of so many of the newest, by number."""
        if not last:
            return self.all_folders
        return [name for number in self.numbers[-last:] for name in self.names[number]][-last:]

    @cached_property
    def all_folders(self) -> tuple[str, ...]:
        """Names of the folders of all runs, by number."""
        return tuple(name for number in self.numbers for name in self.names[number])


@dataclass(frozen=True)
class _Read:
    """A list as it was read."""

    state: _State | None = None
    """Of the folder just before; None where there was none."""
    seen: float = 0.0
    """When that state was first seen, s of the monotonic clock."""
    at: float = 0.0
    """When the list was read, s."""
    cost: float = 0.0
    """Processor time that took, s."""
    entries: frozenset[str] = frozenset()
    """All that could be told from its name: runs and leftovers, and what is neither."""
    runs: RunNames = RunNames()

    @property
    def grain(self) -> float:
        """How long after a change another may not show, s."""
        whole_seconds = self.state is not None and self.state[2] % 1_000_000_000 == 0
        return _COARSE_GRAIN if whole_seconds else _GRAIN

    @property
    def is_settled(self) -> bool:
        """Whether it was read so long after the last change that another one would show."""
        return self.at - self.seen > self.grain


class Listing:
    """The list of the runs of one archive, shared by all who read it in this process.

    What was read is replaced as a whole: threads that read at once do the work twice, and none sees half.

    Parameters
    ----------
    folder
        The archive.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._read = _Read()

    def now(self) -> RunNames:
        """The runs that exist now, with all that was made before this was called."""
        read, now = self._read, time.monotonic()
        state = self._state()
        if state is None:
            return self._nothing()
        if state == read.state and read.is_settled and not self._is_old(read, now):
            return read.runs
        return self._list(state, now)

    def glance(self) -> RunNames:
        """The runs, for who asks again soon: what changed just now may be seen a moment later."""
        read, now = self._read, time.monotonic()
        state = self._state()
        if state is None:
            return self._nothing()
        if state == read.state:
            waits = read.is_settled or now - read.seen <= read.grain
            if waits and not self._is_old(read, now):
                return read.runs
        elif read.state is not None and read.at <= now < read.at + _BREATH * read.cost:
            return read.runs
        return self._list(state, now)

    def at_hand(self) -> RunNames:
        """The runs as of the last change that the folder shows, for who holds the archive's lock."""
        read, now, state = self._read, time.monotonic(), self._state()
        if state is None:
            return self._nothing()
        return read.runs if state == read.state and not self._is_old(read, now) else self._list(state, now)

    def placed(self, name: str, before: RunNames) -> None:
        """Note a run that this process has made, so that it need not read the whole list for its own change.

        The caller holds the archive's lock since it asked for the runs :meth:`at_hand`: other processes made
        none. Where the number of folders shows that somebody has copied one in, nothing is noted.

        Parameters
        ----------
        name
            Of its folder.
        before
            What was at hand before.
        """
        read, state, now = self._read, self._state(), time.monotonic()
        if state is None or read.state is None or read.runs is not before:
            return  # another thread has read since; the state says so
        links = (read.state[_LINKS], state[_LINKS])
        if links != (1, 1) and links[1] != links[0] + 1:
            return
        runs = _with(read.runs, [name], [])
        self._read = _Read(state, now, read.at, read.cost, read.entries | {name}, runs)

    def _state(self) -> _State | None:
        try:
            s = os.stat(self._folder)  # noqa: PTH116, asked hundreds of times a second
        except OSError:
            return None
        return (s.st_dev, s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_nlink, s.st_size)

    def _nothing(self) -> RunNames:
        if self._read.state is not None:
            self._read = _Read()
        return self._read.runs

    @staticmethod
    def _is_old(read: _Read, now: float) -> bool:
        return not read.at <= now < read.at + min(max(_TRUSTED, _SHARE * read.cost), _LONGEST_TRUSTED)

    def _list(self, state: _State, now: float) -> RunNames:
        read, begun = self._read, time.thread_time()
        for _ in range(_ATTEMPTS):  # a list of many names is read in pieces: it must not have a hole
            try:
                found = frozenset(os.listdir(self._folder))  # noqa: PTH208, a path for each takes long
            except OSError:
                return self._nothing()
            after = self._state()
            if after is None or after == state:
                break
            state, now = after, time.monotonic()
        known = read.entries if read.state is not None and read.state[:2] == state[:2] else frozenset[str]()
        runs = read.runs if known else RunNames()
        fresh, gone = found - known, known - found
        not_yet = frozenset[str]()
        if fresh or gone:
            not_yet = self._not_folders(fresh)
            runs = _with(runs, sorted(fresh - not_yet), gone)
        seen = read.seen if state == read.state else now
        cost = time.thread_time() - begun
        self._read = _Read(state, seen, now, cost, found - not_yet, runs)
        return runs

    def _not_folders(self, names: frozenset[str]) -> frozenset[str]:
        """Those of some names that are a run's but no folder's."""
        numbered = frozenset(name for name in names if _number(name))
        if len(numbered) < _FEW:
            return frozenset(n for n in numbered if not os.path.isdir(f"{self._folder}/{n}"))  # noqa: PTH112
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            return numbered - {entry.name for entry in entries if entry.is_dir()}
        return numbered


def _with(runs: RunNames, fresh: list[str], gone: frozenset[str] | list[str]) -> RunNames:
    """Runs after some folders came and went."""
    names = dict(runs.names)
    leftovers = set(runs.leftovers)
    for name in gone:
        leftovers.discard(name)
        number = _number(name)
        if number in names:
            rest = tuple(other for other in names[number] if other != name)
            names[number] = rest
            if not rest:
                del names[number]
    for name in fresh:
        if (number := _number(name)) > 0:
            names[number] = tuple(sorted({*names.get(number, ()), name}))
        elif _LEFTOVER.fullmatch(name):
            leftovers.add(name)
    return RunNames(tuple(sorted(names)), MappingProxyType(names), tuple(sorted(leftovers)))


def _number(name: str) -> int:
    """Number in the name of the folder of a run; 0 for anything else."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else 0


@lru_cache(maxsize=64)
def listing(folder: str) -> Listing:
    """The list of an archive: the same for all who ask in this process."""
    return Listing(folder)
