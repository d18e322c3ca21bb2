"""A watched folder: files dropped into it are ingested once they are complete.

A file counts as complete when its size and modification time have not changed between two scans and
for a settling time. Names that begin with a dot or end in ``.part``, ``.partial`` or ``.tmp`` are
unfinished files of their writer. Files are not moved: the folder belongs to its owner. A file that cannot
be ingested is recorded with its error and not tried again until it changes.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from eicpy.errors import BadArgumentError, BadDataError, EicpyError, FailedError, NotFoundError, readable
from eicpy.ingestion.packet_files import IngestOutcome, ingest_file
from eicpy.ingestion.photon_files import PhotonFileOutcome, ingest_photon_file, is_fits
from eicpy.inputs import refusing
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.operations.database import Database
from eicpy.operations.file_rows import FileIdentity, seen_before
from eicpy.process import stop_on_signals
from eicpy.runs import RunArchive

__all__ = ["WatchOptions", "WatchReport", "take_file", "watch_folder"]

_UNFINISHED = (".part", ".partial", ".tmp")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a folder is watched.

    Parameters
    ----------
    photons
        Folder for copies of photon files (FITS); None: only packets are taken.
    interval
        Time between two scans, s.
    settle
        How long a file must not have changed before it is taken, s.
    until_idle
        Seconds without anything new after which the watch ends; None: never.
    """

    photons: Path | None = None
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

    outcomes: list[IngestOutcome | PhotonFileOutcome] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)


@dataclass
class _Look:
    """A file as it was at the last scan."""

    identity: FileIdentity
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
    on_outcome: Callable[[IngestOutcome | PhotonFileOutcome], None] | None = None,
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
    done: dict[Path, FileIdentity] = {}
    last_news = time.monotonic()
    with stop_on_signals(stop):
        while not stop.is_set():
            for identity in _settled(inbox, looks, options.settle):
                if stop.is_set():
                    break
                if done.get(identity.path) == identity:
                    continue
                if seen_before(database, instrument.name, identity) is None:
                    _take(
                        identity.path,
                        instrument,
                        database,
                        archive,
                        options.photons,
                        report,
                        on_outcome,
                        on_refused,
                    )
                    last_news = time.monotonic()
                done[identity.path] = identity
            if options.until_idle is not None and _is_idle(
                looks, done, last_news, options.until_idle, options.settle
            ):
                break
            stop.wait(options.interval)
    return report


def take_file(
    path: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    photons: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> IngestOutcome | PhotonFileOutcome:
    """Ingest a file of packets or of photons, by its content.

    Whatever the content makes a reader raise refuses this file and nothing else: see :mod:`eicpy.inputs`.

    Parameters
    ----------
    path, instrument, database, archive, progress
        As in :func:`eicpy.ingestion.ingest_file`.
    photons
        Folder for copies of photon files; None: only packets are taken.

    Raises
    ------
    BadDataError, FailedError
        As :func:`eicpy.ingestion.ingest_file` and :func:`eicpy.ingestion.ingest_photon_file`.
    """
    try:
        with refusing(path, "packets or photons"):
            if photons is not None and is_fits(path):
                return ingest_photon_file(path, instrument, database, photons)
            return ingest_file(path, instrument, database, archive, progress=progress)
    except (BadDataError, FailedError):
        raise
    except EicpyError as error:  # what a reader says about a call is said about the file here
        raise BadDataError(str(error), file=path) from error


def _take(
    path: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    photons: Path | None,
    report: WatchReport,
    on_outcome: Callable[[IngestOutcome | PhotonFileOutcome], None] | None,
    on_refused: Callable[[Path, BadDataError], None] | None,
) -> None:
    try:
        outcome = take_file(path, instrument, database, archive, photons)
    except BadDataError as error:
        _log.warning("not ingested: %s", error)
        report.refused[path] = str(error)
        if on_refused is not None:
            on_refused(path, error)
    else:
        _log.info("%s: %s", readable(path.name), outcome.state)
        report.outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)


def _settled(inbox: Path, looks: dict[Path, _Look], settle: float) -> list[FileIdentity]:
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
        identity = FileIdentity.of(path)
        look = looks.get(path)
        if look is None or look.identity != identity:
            looks[path] = look = _Look(identity, now if look is None else look.first, now)
        if now - look.since >= settle:
            settled.append(identity)
    return sorted(settled, key=lambda identity: (identity.modified_ns, identity.path))


def _is_idle(
    looks: dict[Path, _Look],
    done: dict[Path, FileIdentity],
    last_news: float,
    until_idle: float,
    settle: float,
) -> bool:
    """Whether nothing new came for long enough; a file that never settles does not keep the watch running."""
    now = time.monotonic()
    waiting = any(
        done.get(path) != look.identity and now - look.first <= until_idle + 2 * settle
        for path, look in looks.items()
    )
    return not waiting and now - last_news >= until_idle


def _is_candidate(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix not in _UNFINISHED and path.is_file()
