"""Which runs are finished, with the hashes of their bytes: known without opening thousands of descriptions.

A run whose description holds the hash of its bytes is finished: neither changes any more, but for corrected
texts. What was read of such runs is kept in memory and, for the next process, in ``.index/finished.jsonl``: a
line for all runs that were read at once, with the inode, the size and the time of each description. Runs that
are not finished are few; their descriptions are read each time.

The file is derived. What does not read, is of another description than the one that is there, or was never
written because the process was killed, costs reading those descriptions again; a missing file costs reading
all of them, once. Several processes append to it at once, each line whole; a run that stands in two lines
does no harm. It is written without waiting for the disk, and not at all where the archive may not be written.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from eicpy.errors import FailedError
from eicpy.files import atomic_file
from eicpy.runs.metadata import METADATA_NAME

__all__ = ["FinishedRuns", "finished_runs"]

_log = logging.getLogger(__name__)

_FOLDER, _FILE = ".index", "finished.jsonl"
_TRUSTED = 5.0
"""How long the descriptions of finished runs are taken to be the ones that were read at least, s."""
_SHARE = 500
"""Looking whether they are takes at most this part of the time."""
_SPARE_ROWS = 1000
"""Rows that the file may have more than twice the runs before it is written again."""

_Stamp = tuple[int, int, int]


class _Finished(NamedTuple):
    """What is kept of a finished run."""

    stamp: _Stamp
    """Inode, size, and time of change, ns, of its description."""
    hashes: tuple[str, ...]
    """Of its bytes, and of the file that it is a copy of."""


class FinishedRuns:
    """The finished runs of one archive, shared by all who ask in this process.

    Parameters
    ----------
    folder
        The archive.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: dict[str, _Finished] | None = None
        self._by_hash: dict[str, set[str]] = {}
        self._looked = 0.0
        self._cost = 0.0
        self._rows = 0
        self._lock = threading.RLock()

    def unfinished(self, names: Sequence[str], *, sure: bool = True) -> list[str]:
        """Those of some runs that are not known to be finished.

        Parameters
        ----------
        names
            Of the folders of all runs.
        sure
            Look at each description whether it is still the one that was read: a microsecond or two for each
            run. Without, that was done a few seconds ago.

        Returns
        -------
        list of str
            Names by number; what does not read is among them.
        """
        with self._lock:
            return self._unfinished(names, sure=sure)

    def with_hash(self, sha256: str, names: Sequence[str]) -> Iterator[str]:
        """Those of some runs that hold bytes with a hash, or are a copy of a file with it, the newest first.

        Runs that are not finished come too if the hash stands in their description.
        """
        with self._lock:
            open_runs = set(self._unfinished(names, sure=False))
            found = set(self._by_hash.get(sha256, ()))
        wanted = sha256.encode()
        for name in sorted(found | open_runs, key=_by_number, reverse=True):
            with contextlib.suppress(OSError):
                if wanted in Path(self._folder, name, METADATA_NAME).read_bytes():
                    yield name

    def _unfinished(self, names: Sequence[str], *, sure: bool) -> list[str]:
        known = self._load() if self._known is None else self._known
        now = time.monotonic()
        if sure or not self._looked <= now < self._looked + max(_TRUSTED, _SHARE * self._cost):
            self._forget([name for name, run in known.items() if _stamp(self._folder, name) != run.stamp])
            self._looked, self._cost = now, time.monotonic() - now
        unknown = set(names).difference(known)
        fresh = {name: run for name in sorted(unknown) if (run := _read(self._folder, name))}
        if fresh:
            self._keep(fresh)
            self._write(fresh, len(names))
            unknown.difference_update(fresh)
        return sorted(unknown, key=_by_number)

    @property
    def _path(self) -> Path:
        return Path(self._folder, _FOLDER, _FILE)

    def _keep(self, runs: dict[str, _Finished]) -> None:
        assert self._known is not None  # loaded before
        self._known |= runs
        for name, run in runs.items():
            for sha256 in run.hashes:
                self._by_hash.setdefault(sha256, set()).add(name)

    def _forget(self, names: Iterable[str]) -> None:
        assert self._known is not None  # loaded before
        for name in names:
            for sha256 in self._known.pop(name).hashes:
                self._by_hash[sha256].discard(name)

    def _load(self) -> dict[str, _Finished]:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            lines = []
        rows = [row for line in lines for row in _parsed(line)]
        self._known, self._by_hash, self._rows = {}, {}, len(rows)
        self._keep(dict(rows))
        self._looked = 0.0
        return self._known

    def _write(self, fresh: dict[str, _Finished], runs: int) -> None:
        """Append a line, or write all again where most rows are of no use any more."""
        assert self._known is not None  # loaded before
        try:
            if self._rows > 2 * runs + _SPARE_ROWS:
                with atomic_file(self._path, durable=False) as stream:
                    stream.write(_line(self._known))
                self._rows = len(self._known)
                return
            self._path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(descriptor, b"\n" + _line(fresh))  # a line that a crash has cut spoils no other
            finally:
                os.close(descriptor)
            self._rows += len(fresh)
        except (OSError, FailedError) as error:
            _log.debug("what is known of finished runs is not kept: %s", error)


def _by_number(name: str) -> tuple[int, str]:
    return int(name.partition("-")[0]), name


def _line(runs: dict[str, _Finished]) -> bytes:
    rows = [[name, *run.stamp, *run.hashes] for name, run in runs.items()]
    return json.dumps(rows, separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes) -> list[tuple[str, _Finished]]:
    try:
        rows = json.loads(line)
    except ValueError:
        return []  # cut by a crash, or the empty one before each
    return [_row(row) for row in rows if _is_row(row)] if isinstance(rows, list) else []


def _is_row(row: Any) -> bool:
    kinds = [type(value) for value in row] if isinstance(row, list) else []
    return kinds in ([str, int, int, int, str], [str, int, int, int, str, str])


def _row(row: list[Any]) -> tuple[str, _Finished]:
    name, inode, size, changed, *hashes = row
    return name, _Finished((inode, size, changed), tuple(hashes))


def _stamp(folder: str, name: str) -> _Stamp | None:
    try:
        s = os.stat(f"{folder}/{name}/{METADATA_NAME}")  # noqa: PTH116, of thousands
    except OSError:
        return None
    return (s.st_ino, s.st_size, s.st_mtime_ns)


def _read(folder: str, name: str) -> _Finished | None:
    """What a description says; None where it does not read, or the run is not finished."""
    try:
        with open(f"{folder}/{name}/{METADATA_NAME}", "rb") as stream:  # noqa: PTH123, of thousands
            s = os.fstat(stream.fileno())
            fields = json.loads(stream.read())
        sha256, expected = fields["sha256"], fields.get("expected_sha256")
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(sha256, str) or fields.get("closed") is None:
        return None
    hashes = tuple(dict.fromkeys(text for text in (sha256, expected) if isinstance(text, str)))
    return _Finished((s.st_ino, s.st_size, s.st_mtime_ns), hashes)


@lru_cache(maxsize=64)
def finished_runs(folder: str) -> FinishedRuns:
    """The finished runs of an archive: the same for all who ask in this process."""
    return FinishedRuns(folder)
