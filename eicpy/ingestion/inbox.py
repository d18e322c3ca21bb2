"""A watched folder: files dropped into it are ingested once they are complete.

A file counts as complete when its size and modification time have not changed between two scans and
for a settling time. Names that begin with a dot or end in ``.part``, ``.partial`` or ``.tmp`` are
unfinished files of their writer. Files are not moved: the folder belongs to its owner. A file that cannot
be ingested is recorded with its error and not tried again until it changes.
"""

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eicpy.errors import BadArgumentError, BadDataError, NotFoundError, readable
from eicpy.ingestion.batch import Kept, Taken, take_files
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.operations.database import Database
from eicpy.operations.file_rows import FileIdentity, seen_before
from eicpy.process import stop_on_signals
from eicpy.runs import RunArchive

__all__ = ["WatchOptions", "WatchReport", "watch_folder"]

_UNFINISHED = (".part", ".partial", ".tmp")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a folder is watched.

    Parameters
    ----------
    photons
        Folder for copies of photon files (FITS); None: only packets are taken.
    satellite
        Folder for copies of attitude and orbit files (FITS); None: they are not taken.
    interval
        Time between two scans, s.
    settle
        How long a file must not have changed before it is taken, s.
    until_idle
        Seconds without anything new after which the watch ends; None: never.
    """

    photons: Path | None = None
    satellite: Path | None = None
    interval: float = 2.0
    settle: float = 2.0
    until_idle: float | None = None


_USUAL = WatchOptions()


@dataclass
class WatchReport:
    """The result of a watch.

    Parameters
    ----------
    outcomes
        Of the files that were ingested, in order.
    refused
        Files that could not be, with the reason.
    """

    outcomes: list[Kept] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Version:
    """A file at one time: its identity, and when anything of it changed, permissions included, ns."""

    identity: FileIdentity
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> "_Version":
        try:
            changed = path.stat().st_ctime_ns
        except OSError:
            changed = 0
        return cls(FileIdentity.of(path), changed)


@dataclass
class _Look:
    """A file as it was at the last scan."""

    version: _Version
    first: float
    """When it was first seen, s."""
    since: float
    """When it last changed, s."""


@accept_old_keywords(options=WatchOptions)
def watch_folder(
    inbox: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    *,
    options: WatchOptions = _USUAL,
    stop: threading.Event | None = None,
    on_outcome: Callable[[Kept], None] | None = None,
    on_refused: Callable[[Path, BadDataError], None] | None = None,
) -> WatchReport:
    """Ingest what is dropped into a folder until asked to stop.

    Stops after the current file on SIGTERM or SIGINT (when called in the main thread), when `stop` is
    set, or after ``options.until_idle`` seconds without a new file.

    Parameters
    ----------
    inbox
        The folder; not its subfolders.
    instrument, database, archive
        As in :func:`eicpy.ingestion.ingest_file`.
    options
        How the folder is watched.
    stop
        Set by another thread to end the watch.
    on_outcome, on_refused
        Called for each file when it was ingested, or refused.

    Returns
    -------
    WatchReport
        What was done.

    Raises
    ------
    NotFoundError
        If there is no folder `inbox`.
    BadArgumentError
        If it is no folder that can be read.
    FailedError
        If the archive or the database cannot be written. Nothing is lost: the next watch continues.
    """
    inbox = Path(inbox).absolute()
    stop = stop or threading.Event()
    report = WatchReport()
    looks: dict[Path, _Look] = {}
    done: dict[Path, _Version] = {}
    last_news = time.monotonic()
    with stop_on_signals(stop):
        while not stop.is_set():
            settled = _settled(inbox, looks, options.settle)
            new = _unseen(settled, done, database, instrument.name, stop)
            for path, taken in take_files(
                new, instrument, database, archive, options.photons, satellite=options.satellite
            ):
                _report(path, taken, report, on_outcome, on_refused)
                last_news = time.monotonic()
            if options.until_idle is not None and _is_idle(
                looks, done, last_news, options.until_idle, options.settle
            ):
                break
            stop.wait(options.interval)
    return report


def _unseen(
    settled: list[_Version],
    done: dict[Path, _Version],
    database: Database,
    instrument: str,
    stop: threading.Event,
) -> Iterator[Path]:
    """Files that were not taken or refused before as they are now, until asked to stop; `done` is updated."""
    for version in settled:
        if stop.is_set():
            return
        path = version.identity.path
        if done.get(path) == version:
            continue
        done[path] = version
        if seen_before(database, instrument, version.identity) is None:
            yield path


def _report(
    path: Path,
    taken: Taken,
    report: WatchReport,
    on_outcome: Callable[[Kept], None] | None,
    on_refused: Callable[[Path, BadDataError], None] | None,
) -> None:
    if isinstance(taken, BadDataError):
        _log.warning("not ingested: %s", taken)
        report.refused[path] = str(taken)
        if on_refused is not None:
            on_refused(path, taken)
    else:
        _log.info("%s: %s", readable(path.name), taken.state)
        report.outcomes.append(taken)
        if on_outcome is not None:
            on_outcome(taken)


def _settled(inbox: Path, looks: dict[Path, _Look], settle: float) -> list[_Version]:
    """Files that have not changed for `settle` seconds, oldest first; `looks` is updated."""
    try:
        paths = [p for p in inbox.iterdir() if _is_candidate(p)]
    except OSError as error:
        wrong = NotFoundError if isinstance(error, FileNotFoundError) else BadArgumentError
        raise wrong(f"got inbox {inbox}, expected a folder that I can read: {error.strerror}") from error
    for gone in looks.keys() - set(paths):
        del looks[gone]
    now = time.monotonic()
    settled = []
    for path in paths:
        version = _Version.of(path)
        look = looks.get(path)
        if look is None or look.version != version:
            looks[path] = look = _Look(version, now if look is None else look.first, now)
        if now - look.since >= settle:
            settled.append(version)
    return sorted(settled, key=lambda version: (version.identity.modified_ns, version.identity.path))


def _is_idle(
    looks: dict[Path, _Look],
    done: dict[Path, _Version],
    last_news: float,
    until_idle: float,
    settle: float,
) -> bool:
    """Whether nothing new came for long enough; a file that never settles does not keep the watch running."""
    now = time.monotonic()
    waiting = any(
        done.get(path) != look.version and now - look.first <= until_idle + 2 * settle
        for path, look in looks.items()
    )
    return not waiting and now - last_news >= until_idle


def _is_candidate(path: Path) -> bool:
    """Whether a name in the folder is a file to take; what cannot even be looked at is none."""
    if path.name.startswith(".") or path.suffix in _UNFINISHED:
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # a link to nowhere or in a circle, or gone since
        return False
