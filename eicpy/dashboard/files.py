"""The newest photon file that was dropped on the disk, as a stream like any other, and what was refused.

``eic watch`` puts the files into the ledger; a page looks there for a newer one.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape

import numpy as np

from eicpy.dashboard.markup import fact_cells, utc
from eicpy.errors import EicpyError, readable
from eicpy.events import PhotonBlock
from eicpy.ingestion import (
    photon_blocks,
    photon_copy,
    photon_folder,
    says_simulated,
    usable,
)
from eicpy.instruments import Instrument
from eicpy.operations import FileRow, FileState, dropped_files, newest_photon_file, open_database
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["DroppedFiles", "file_facts", "file_table", "file_words"]

LOOK_AGAIN = 1.0
"""Time between two looks into the ledger, s."""
ROWS_SHOWN = 20


@dataclass(frozen=True)
class FileIncrement:
    """Photons of a file."""

    photons: PhotonBlock


class DroppedFiles:
    """The newest photon file of an instrument.

    Parameters
    ----------
    settings
        Set-up with the ledger.
    instrument
        The detector.
    """

    def __init__(self, settings: Settings, instrument: Instrument) -> None:
        self._folder = photon_folder(settings, instrument.name)
        # a page rather says that the database is away than stands still
        self._database = open_database(replace(settings, database_timeout=5.0))
        self._instrument = instrument
        self._looked = float("-inf")
        self._row: FileRow | None = None
        self._blocks: Iterator[FileIncrement] = iter(())
        self.rows: Sequence[FileRow] = ()
        """Files that were offered, the newest first: photons that were kept, and all that were refused."""
        self.started = 0
        self.simulated = False
        """Whether the file says that its data are simulated."""
        self.problem = ""
        """Why the newest file cannot be shown; empty where it can."""

    def poll(self) -> FileIncrement | None:
        """What is new; None if nothing is."""
        self._find_newest()
        try:
            return next(self._blocks, None)
        except EicpyError as error:
            self.problem = str(error)
            return None

    @property
    def name(self) -> str:
        """Name of the file; empty where there is none."""
        return "" if self._row is None else readable(self._row.name)

    @property
    def contents(self) -> str:
        """What was found in it."""
        return "" if self._row is None else self._row.message

    def age(self) -> float | None:
        """Time since the file was taken, s."""
        if self._row is None or self._row.finished_at is None:
            return None
        return max(0.0, (datetime.now(UTC) - self._row.finished_at).total_seconds())

    def close(self) -> None:
        """Let go of the ledger."""
        self._blocks = iter(())
        self._database.close()

    def _find_newest(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN:
            return
        self._looked = now
        self.rows = dropped_files(self._database, self._instrument.name, ROWS_SHOWN)
        newest = newest_photon_file(self._database, self._instrument.name)
        if newest is None or newest.sha256 is None:
            return
        if self._row is None or newest.sha256 != self._row.sha256:
            self._row, self.problem, self.simulated = newest, "", False
            self.started += 1
            self._blocks = self._read(newest.sha256)

    def _read(self, sha256: str) -> Iterator[FileIncrement]:
        path = photon_copy(self._folder, sha256)
        self.simulated = says_simulated(path)
        for block in photon_blocks(path, self._instrument):
            yield FileIncrement(usable(block, self._instrument))


def file_table(source: DroppedFiles, texts: Texts) -> str:
    """Write which files came, and why some were refused; everything that comes from outside is escaped."""
    rows = "".join(_row(row, texts) for row in source.rows) or (
        f'<tr><td colspan="4">{texts("no_files")}</td></tr>'
    )
    keys = ("head_time_utc", "head_name", "head_state", "head_note")
    heads = "".join(f"<th>{texts(key)}</th>" for key in keys)
    return (
        f'<table class="eic-table"><caption>{texts("table_files")}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(row: FileRow, texts: Texts) -> str:
    refused = row.state is FileState.REFUSED
    word, kind = (texts("file_refused"), "alarm") if refused else (texts("file_taken"), "nominal")
    moment = row.finished_at or row.claimed_at
    return (
        f'<tr><td class="name">{moment:%Y-%m-%d %H:%M:%S}</td><td>{escape(readable(row.name))}</td>'
        f'<td><span class="eic-chip {kind}">{word}</span></td>'
        f'<td class="note">{escape(readable(row.message))}</td></tr>'
    )


def file_words(source: DroppedFiles, texts: Texts) -> list[str]:
    """What is shown, in a few words each."""
    if not source.name:
        return [texts("no_file_yet")]
    age = source.age()
    words = [texts("newest_file", name=source.name)]
    if age is not None:
        words.append(texts("ago", age=texts.duration(age)))
    if source.simulated:
        words.append(texts("data_simulated"))
    return words


def file_facts(source: DroppedFiles, newest: float, rate: float, texts: Texts) -> str:
    """Write the status line: file, what is in it, newest photon, age, rate, refused files."""
    age = source.age()
    refused = sum(row.state is FileState.REFUSED for row in source.rows)
    return fact_cells(
        [
            (texts("file"), source.name or "–", ""),
            (texts("contents"), source.contents or "–", ""),
            (texts("newest"), utc(newest), ""),
            (texts("received"), "–" if age is None else texts("ago", age=texts.duration(age)), ""),
            (texts("rate"), texts.number(rate, 0 if rate >= 100 else 2) if np.isfinite(rate) else "–", ""),
            (texts("files_refused"), texts.number(refused), "warning" if refused else ""),
        ]
    )
