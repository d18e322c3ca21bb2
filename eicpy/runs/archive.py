"""The run archive: one folder for each run, numbered once and for ever, whatever its suffix.

The number of a new run is written to ``last-number`` before the run exists, under a lock, and the
folder of the run appears with all its files in one rename. A process killed in between leaves a
number unused, never a number used twice nor half a run, even if the newest runs were deleted.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from eicpy.errors import BadDataError, ConflictError, FailedError, NotFoundError
from eicpy.files import atomic_file, locked, sync_folder
from eicpy.runs.metadata import METADATA_NAME, RunMetadata, RunPiece, folder_name
from eicpy.runs.run import RAW_NAME, Run
from eicpy.runs.writer import RunWriter

__all__ = ["RunArchive"]

_log = logging.getLogger(__name__)

_LEFTOVER = re.compile(r"\..*\.(new|discarded)")


@dataclass(frozen=True)
class RunArchive:
    """The runs of one instrument.

    Parameters
    ----------
    folder
        Where they lie; made when the first run is created.
    instrument
        Name of the instrument.

    See Also
    --------
    provide : packets of the archive as a stream.
    Run : one run.
    eicpy.acquisition.receive : fills the archive.

    Examples
    --------
    >>> import tempfile
    >>> archive = RunArchive(Path(tempfile.mkdtemp()), "eclairs")
    >>> writer = archive.create(source="example")
    >>> writer.append(b"bytes as received")
    0
    >>> run = writer.close()
    >>> run.number, run.size, run.is_open
    (1, 17, False)
    """

    folder: Path
    instrument: str

    def runs(self) -> list[Run]:
        """All runs, by number."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            numbered = [(number, entry.name) for entry in entries if (number := _number(entry)) > 0]
        return [Run(self.folder / name) for _, name in sorted(numbered)]

    def run(self, number: int) -> Run:
        """The run of a number, whatever its suffix.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        folders = [self.folder / f"{number:06d}", *self.folder.glob(f"{number:06d}-*")]
        run = next((run for run in map(Run, folders) if run.raw_file.is_file()), None)
        if run is None:
            known = [r.number for r in self.runs()]
            span = f"one of the {len(known)} runs from {known[0]} to {known[-1]}" if known else "no run yet"
            raise NotFoundError(f"got run {number}, expected {span} in {self.folder}")
        return run

    def create(
        self,
        *,
        source: str,
        suffix: str = "",
        operator: str = "",
        setup: str = "",
        comment: str = "",
        position: str = "",
        simulated: bool | None = None,
        expected_sha256: str | None = None,
        source_kind: str = "",
        begins_in: RunPiece | None = None,
    ) -> RunWriter:
        """Open a new run.

        Parameters
        ----------
        source
            Where the bytes come from: a file, a connection.
        suffix
            ``configuration`` for what comes while the instrument is configured; it stands in the name
            of the folder, and the numbers go on whatever the suffix.
        operator, setup, comment, position
            Free texts: who takes the data, with what on the bench, and where the source stands.
        simulated
            Whether the data are simulated; None while that is not known.
        expected_sha256
            Hash of the file that will be copied, so that a copy that was interrupted is found again.
        source_kind
            What the packets are taken out of; empty for a copy, byte by byte.
        begins_in
            The end of another run that will stand before them.

        Returns
        -------
        RunWriter
            Holds the run until it is closed or released.

        Raises
        ------
        BadArgumentError
            For a suffix that is no word of small letters and digits.
        FailedError
            If the archive cannot be written.
        """
        folder_name(1, suffix)
        with self.lock("archive"):
            try:
                number = self._claim_number()
            except OSError as error:
                raise FailedError(f"{self.folder}: no run could be numbered: {error.strerror}") from error
            metadata = RunMetadata(
                number=number,
                suffix=suffix,
                instrument=self.instrument,
                source=source,
                opened=datetime.now(tz=UTC),
                operator=operator,
                setup=setup,
                comment=comment,
                position=position,
                simulated=simulated,
                expected_sha256=expected_sha256,
                source_kind=source_kind,
                begins_in=begins_in,
            )
            try:
                return RunWriter(self._place(metadata))
            except OSError as error:
                raise FailedError(f"{self.folder}: could not open run {number}: {error.strerror}") from error

    def reopen(self, number: int) -> RunWriter:
        """Go on with a run that was left open, by a crash for example.

        Raises
        ------
        ConflictError
            If there is no such run, or it was closed.
        FailedError
            If another process is writing it.
        """
        run = self.run(number)
        writer = RunWriter(run)
        if not run.is_open:
            writer.release()
            raise ConflictError(f"got run {number}, which is closed; expected an open run (open a new one)")
        return writer

    def abandoned(self) -> list[Run]:
        """Runs that are open though no process writes them: what a crash leaves."""
        found = []
        for run in self.runs():
            try:
                if run.is_open and not run.is_written:
                    found.append(run)
            except (BadDataError, OSError) as error:  # its raw file may be gone, or not be ours to read
                _log.warning("left as it is: %s", error)
        return found

    def unfinished(self) -> list[Run]:
        """Runs that a crash left open, or closed without their hash; no process works on them.

        Copies of files (with ``expected_sha256``) are left out: the next ingest completes them.
        """
        found = []
        for run in self.runs():
            try:
                metadata = run.metadata
                whole = metadata.sha256 is not None or metadata.expected_sha256 is not None
                if not whole and not run.is_written:
                    found.append(run)
            except (BadDataError, OSError) as error:  # its raw file may be gone, or not be ours to read
                _log.warning("left as it is: %s", error)
        return found

    def take_over(self, run: Run) -> RunWriter:
        """A writer of an unfinished run, closed for readers now if a crash left it open; to be completed.

        Raises
        ------
        FailedError
            If another process holds it, or the archive cannot be written.
        """
        writer = RunWriter(run)
        try:
            if run.is_open:
                writer.seal(comment=f"{run.metadata.comment} (closed after its writer died)".strip())
        except BaseException:
            writer.release()
            raise
        return writer

    def recover(self) -> list[Run]:
        """Close the runs that a crash left unfinished; their bytes are kept.

        Copies of files (with ``expected_sha256``) are left for the next ingest, which completes them.

        Returns
        -------
        list of Run
            The runs that were closed.
        """
        closed = []
        for run in self.unfinished():
            try:
                closed.append(self.take_over(run).complete())
            except BadDataError as error:
                _log.warning("left as it is: %s", error)
        return closed

    def find(self, sha256: str) -> Run | None:
        """The run that is, or is becoming, the copy of a file; None if there is none."""
        wanted = sha256.encode()
        for run in reversed(self.runs()):
            description = run.folder / METADATA_NAME
            if (
                description.is_file() and wanted in description.read_bytes()
            ):  # cheaper than reading the fields
                return run
        return None

    def discard(self, writer: RunWriter) -> None:
        """Remove a run that is being written and must not be kept; its number is not used again."""
        with self.lock("archive"):
            grave = self.folder / f".{writer.run.folder.name}.discarded"
            writer.run.folder.rename(grave)
            writer.release()
            shutil.rmtree(grave)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a named lock of the archive, across processes."""
        folder = self.folder / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FailedError(
                f"{folder}: could not be made, expected a folder I may write: {error.strerror}"
            ) from error
        with locked(folder / name):
            yield

    def _claim_number(self) -> int:
        counter = self.folder / "last-number"
        try:
            last = int(counter.read_text()) if counter.exists() else 0
        except ValueError as error:
            raise FailedError(f"{counter}: expected the number of the last run; write it by hand") from error
        with os.scandir(self.folder) as entries:  # once: there may be thousands of runs
            found = list(entries)
        for entry in found:
            if _LEFTOVER.fullmatch(entry.name):  # of a process killed in _place or discard; we hold the lock
                shutil.rmtree(entry.path)
        number = max([last, *map(_number, found)]) + 1
        with atomic_file(counter) as stream:
            stream.write(f"{number}\n".encode())
        return number

    def _place(self, metadata: RunMetadata) -> Run:
        name = folder_name(metadata.number, metadata.suffix)
        draft = self.folder / f".{name}.new"
        draft.mkdir()
        with (draft / RAW_NAME).open("xb") as stream:
            os.fsync(stream.fileno())
        metadata.write(draft)
        draft.rename(self.folder / name)
        sync_folder(self.folder)
        return Run(self.folder / name)

    def _repr_html_(self) -> str:
        head = "<tr><th>Run</th><th>Opened (UTC)</th><th>Size (MB)</th><th>State</th><th>Source</th></tr>"
        rows = "".join(
            f"<tr><td>{escape(run.folder.name)}</td><td>{m.opened:%Y-%m-%d %H:%M:%S}</td>"
            f"<td>{run.size / 1e6:.3f}</td>"
            f"<td>{'closed' if m.closed else 'open'}</td><td>{escape(m.source)}</td></tr>"
            for run in self.runs()
            for m in [run.metadata]
        )
        return f"<table><caption>Runs of {escape(self.instrument)}</caption>{head}{rows}</table>"


def _number(entry: os.DirEntry[str]) -> int:
    """Number in the name of a folder of a run; 0 for anything else."""
    number, dash, suffix = entry.name.partition("-")
    named = number.isascii() and number.isdecimal() and bool(suffix) == bool(dash)
    return int(number) if named and entry.is_dir() else 0
