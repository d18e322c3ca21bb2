"""Files of packets, photons, attitude and orbit: named ones, or those in the inbox of the instrument."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadDataError, ExitCode, readable
from eicpy.ingestion.batch import Kept, take_files
from eicpy.ingestion.inbox import WatchOptions, watch_folder
from eicpy.ingestion.packet_files import IngestOutcome, as_it_is_now
from eicpy.ingestion.photon_files import PhotonFileOutcome, photon_folder
from eicpy.ingestion.satellite_files import SatelliteFileOutcome, satellite_folder
from eicpy.instruments import Instrument, load
from eicpy.operations import open_database
from eicpy.runs import RunArchive
from eicpy.settings import Settings

__all__ = ["FileOutcome", "inbox", "ingest", "ingest_inbox", "watch"]


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """The outcome of a file.

    Parameters
    ----------
    file
        The file.
    summary
        That in a line.
    exit_code
        What the command line returns for it.
    """

    file: Path
    summary: str
    exit_code: ExitCode

    @classmethod
    def of(cls, outcome: Kept) -> "FileOutcome":
        """The outcome of a file that was taken."""
        if isinstance(outcome, PhotonFileOutcome | SatelliteFileOutcome):
            left_out = isinstance(outcome, PhotonFileOutcome) and outcome.left_out
            return cls(
                outcome.file,
                f"{readable(outcome.file.name)}: {outcome.state}: {outcome.summary}",
                ExitCode.BAD_DATA if left_out else ExitCode.CLEAN,
            )
        bad = outcome.damaged or outcome.foreign_bytes or not outcome.is_whole
        name = readable(outcome.file.name)
        return cls(
            outcome.file,
            f"{name}: {outcome.state}, run {outcome.run.number}: {outcome.summary}",
            ExitCode.BAD_DATA if bad else ExitCode.CLEAN,
        )

    @classmethod
    def refused(cls, file: Path, error: BadDataError, *, wrong_name: bool = False) -> "FileOutcome":
        """The outcome of a file that was refused; a name under which there was no file is a wrong call."""
        code = ExitCode.BAD_ARGUMENTS if wrong_name else ExitCode.BAD_DATA
        return cls(file, f"{readable(file.name)}: refused: {error}", code)


def inbox(settings: Settings, instrument: str) -> Path:
    """Folder from which a night takes new files of an instrument by itself."""
    return settings.home / "inbox" / instrument


def ingest(
    files: Iterable[Path],
    instrument: str,
    settings: Settings,
    *,
    progress: Callable[[float, float, str], None] | None = None,
    on_outcome: Callable[[FileOutcome], object] | None = None,
) -> list[FileOutcome]:
    """Take files into the archive, each content once; one that is refused does not stop the others.

    Parameters
    ----------
    files
        The files.
    instrument
        Name of the detector.
    settings
        The set-up.
    progress
        Called with (done, total, file name).
    on_outcome
        Called with the outcome of each file as soon as it is known, and again of one whose cut packet a
        later file has completed.

    Raises
    ------
    BadArgumentError
        For a detector that is not known.
    FailedError
        Where the archive cannot be written; the next call continues.
    """
    detector = load(instrument)
    archive = RunArchive(settings.archive(instrument), instrument)
    photons, satellite = photon_folder(settings, instrument), satellite_folder(settings, instrument)
    outcomes = _Outcomes(detector, on_outcome)
    files = list(files)
    wrong_names = {file for file in files if not os.path.isfile(file)}  # noqa: PTH113 - which never raises
    with open_database(settings) as database:
        shown = None if progress is None else _named(progress)
        for file, taken in take_files(
            files, detector, database, archive, photons, satellite=satellite, progress=shown
        ):
            if isinstance(taken, BadDataError):
                outcomes.add(FileOutcome.refused(file, taken, wrong_name=file in wrong_names))
            else:
                outcomes.take(taken)
    return outcomes.at_the_end()


class _Outcomes:
    """Outcomes as they come; a packet that a file cuts is damaged only until another file completes it."""

    def __init__(self, instrument: Instrument, on_outcome: Callable[[FileOutcome], object] | None) -> None:
        self._instrument = instrument
        self._on_outcome = on_outcome
        self._all: list[FileOutcome] = []
        self._bad: dict[int, IngestOutcome] = {}

    def add(self, outcome: FileOutcome) -> None:
        self._all.append(outcome)
        if self._on_outcome is not None:
            self._on_outcome(outcome)

    def take(self, taken: Kept) -> None:
        outcome = FileOutcome.of(taken)
        if isinstance(taken, IngestOutcome) and outcome.exit_code is not ExitCode.CLEAN:
            self._bad[len(self._all)] = taken
        self.add(outcome)

    def at_the_end(self) -> list[FileOutcome]:
        for at, taken in self._bad.items():
            now = FileOutcome.of(as_it_is_now(taken, self._instrument))
            if now != self._all[at]:
                self._all[at] = now
                if self._on_outcome is not None:
                    self._on_outcome(now)
        return self._all


def ingest_inbox(instrument: Instrument, settings: Settings) -> list[FileOutcome]:
    """Take the complete files in the inbox of an instrument, if it has one."""
    folder = inbox(settings, instrument.name)
    return list(watch(folder, instrument.name, settings, once=True)) if folder.is_dir() else []


def watch(
    folder: Path,
    instrument: str,
    settings: Settings,
    *,
    interval: float = 2.0,
    once: bool = False,
    on_outcome: Callable[[FileOutcome], None] | None = None,
) -> list[FileOutcome]:
    """Take every file dropped into a folder, until a signal asks it to stop.

    Parameters
    ----------
    folder
        The folder; its files are not moved.
    instrument
        Name of the detector.
    settings
        The set-up.
    interval
        Time between two scans of the folder, s.
    once
        Take the files that are there now, and end.
    on_outcome
        Called with the outcome of each file, and at the end again of one whose cut packet another completed.

    Raises
    ------
    BadArgumentError
        For a detector or a folder that is not known.
    """
    detector = load(instrument)
    outcomes = _Outcomes(detector, on_outcome)
    with open_database(settings) as database:
        watch_folder(
            folder,
            detector,
            database,
            RunArchive(settings.archive(instrument), instrument),
            options=WatchOptions(
                photons=photon_folder(settings, instrument),
                satellite=satellite_folder(settings, instrument),
                interval=min(interval, 0.5) if once else interval,
                settle=1.0 if once else 2.0,
                until_idle=0.0 if once else None,
            ),
            on_outcome=outcomes.take,
            on_refused=lambda file, error: outcomes.add(FileOutcome.refused(file, error)),
        )
    return outcomes.at_the_end()


def _named(progress: Callable[[float, float, str], None]) -> Callable[[Path, int, int], None]:
    return lambda file, done, total: progress(done, total, readable(file.name))
