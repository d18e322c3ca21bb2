"""The run archive: one folder for each run, numbered once and for ever, whatever its suffix.

The number of a new run is written to ``last-number`` before the run exists, under a lock, and the
folder of the run appears with all its files in one rename. A process killed in between leaves a
number unused, never a number used twice nor half a run, even if the newest runs were deleted.
"""

import logging
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from eicpy.errors import BadDataError, ConflictError, FailedError, NotFoundError
from eicpy.files import locked, sync_folder
from eicpy.runs.finished import FinishedRuns, finished_runs
from eicpy.runs.listing import Listing, RunNames, listing
from eicpy.runs.metadata import RunMetadata, RunPiece, folder_name
from eicpy.runs.run import RAW_NAME, Run
from eicpy.runs.writer import RunWriter

__all__ = ["RunArchive"]

_log = logging.getLogger(__name__)

_MOST_SHOWN = 200
"""Runs that a notebook shows."""
_ATTEMPTS = 20
"""How many numbers are tried where each turns out to be taken, by runs that were copied in just now."""


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

    def runs(self, last: int | None = None) -> list[Run]:
        """All runs, by number.

        Parameters
        ----------
        last
            Only so many, the newest.
        """
        return [Run(self.folder / name) for name in self.names().folders(last)]

    def names(self) -> RunNames:
        """Numbers and names of the runs that exist now; quicker than :meth:`runs` for thousands."""
        return self._listing.now()

    def glance(self) -> RunNames:
        """The same for who asks many times a second: a run that appeared just now may come a moment later."""
        return self._listing.glance()

    def newest(self) -> Run | None:
        """The run with the highest number; None if there is none."""
        runs = self.runs(1)
        return runs[0] if runs else None

    def run(self, number: int) -> Run:
        """The run of a number, whatever its suffix.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        for look in (self.glance, self.names):  # what a glance does not find may be new, or was renamed
            names = look()
            for name in names.names.get(number, ()):
                run = Run(self.folder / name)
                if run.raw_file.is_file():
                    return run
        known = names.numbers
        span = f"one of the {len(known)} runs from {known[0]} to {known[-1]}" if known else "no run yet"
        raise NotFoundError(f"got run {number}, expected {span} in {self.folder}")

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
        above: int = 0,
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
        above
            The number is higher than this one: for who knows of runs that were removed with all else.

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
            for _ in range(_ATTEMPTS):
                before = self._listing.at_hand()
                try:
                    number = self._claim_number(max(above, before.last), before.leftovers)
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
                    writer = RunWriter(self._place(metadata))
                except FileExistsError:
                    above = number  # somebody has copied that run in since the folder was read
                except OSError as error:
                    raise FailedError(
                        f"{self.folder}: could not open run {number}: {error.strerror}"
                    ) from error
                else:
                    self._listing.placed(writer.run.folder.name, before)
                    return writer
        raise FailedError(
            f"{self.folder}: could not open run {number}: it is there already, and so were others"
        )

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
        return [run for run, metadata in self._not_written() if metadata.closed is None]

    def unfinished(self, names: RunNames | None = None) -> list[Run]:
        """Runs that a crash left open, or closed without their hash; no process works on them.

        Copies of files (with ``expected_sha256``) are left out: the next ingest completes them.

        Parameters
        ----------
        names
            Only those of a list that was asked for before; by default of all.
        """
        return [
            run
            for run, metadata in self._not_written(names)
            if metadata.sha256 is None and metadata.expected_sha256 is None
        ]

    def _not_written(self, names: RunNames | None = None) -> Iterator[tuple[Run, RunMetadata]]:
        """Runs that are not finished and that no process writes."""
        for name in self._finished.unfinished((self.names() if names is None else names).folders()):
            run = Run(self.folder / name)
            try:
                metadata = run.metadata
                if not run.is_written:
                    yield run, metadata
            except (BadDataError, OSError) as error:  # its raw file may be gone, or not be ours to read
                _log.warning("left as it is: %s", error)

    def take_over(self, run: Run) -> RunWriter:
        """A writer of an unfinished run, closed for readers now if a crash left it open; to be completed.

        Raises
        ------
        FailedError
            If another process holds it, or the archive cannot be written.
        """
        with self.lock("archive"):  # a run that is being opened this moment has its writer afterwards
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
        """The run that is, or is becoming, the copy of a file; None if there is none.

        One that another process opened within the last moment may not be found: who copies holds a lock.
        """
        found = next(self._finished.with_hash(sha256, self.glance().folders()), None)
        return None if found is None else Run(self.folder / found)

    def find_many(self, hashes: Collection[str]) -> set[str]:
        """Those of many hashes for which :meth:`find` finds a run; looks through the archive once."""
        folders = self.glance().folders() if hashes else ()
        return {sha256 for sha256 in hashes if any(self._finished.with_hash(sha256, folders))}

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

    @property
    def _listing(self) -> Listing:
        return listing(os.fspath(self.folder.absolute()))

    @property
    def _finished(self) -> FinishedRuns:
        return finished_runs(os.fspath(self.folder.absolute()))

    def claim_numbers(self, count: int) -> int:
        """Numbers for several new runs, written down before the runs exist.

        The caller holds the lock ``archive``.

        Parameters
        ----------
        count
            How many.

        Returns
        -------
        int
            The first of them.
        """
        before = self.names()
        return self._claim_number(before.last, before.leftovers, count) - count + 1

    def _claim_number(self, highest: int, leftovers: tuple[str, ...], count: int = 1) -> int:
        """A number that no run has had, or the last of several, written down before it is used."""
        counter = self.folder / "last-number"
        try:
            last = int(counter.read_text())
        except FileNotFoundError:
            last = 0
        except ValueError:
            _log.warning(
                "%s holds no number, after a power failure for example; numbers go on after run %d, the "
                "highest there is", counter, highest,
            )  # fmt: skip
            last = 0
        for name in leftovers:  # of a process killed in _place or discard; we hold the lock
            with suppress(FileNotFoundError):
                shutil.rmtree(self.folder / name)
        number = max(last, highest) + count
        draft = self.folder / ".last-number.partial"  # one name for all: we hold the lock
        with draft.open("wb") as stream:
            stream.write(f"{number}\n".encode())
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(counter)
        sync_folder(self.folder)
        return number

    def _place(self, metadata: RunMetadata) -> Run:
        name = folder_name(metadata.number, metadata.suffix)
        draft = self.folder / f".{name}.new"
        draft.mkdir()
        with (draft / RAW_NAME).open("xb") as stream:
            os.fsync(stream.fileno())
        metadata.write(draft)
        try:
            draft.rename(self.folder / name)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if (self.folder / name).exists():
                raise FileExistsError(error.errno, error.strerror) from error
            raise
        sync_folder(self.folder)
        return Run(self.folder / name)

    def _repr_html_(self) -> str:
        head = "<tr><th>Run</th><th>Opened (UTC)</th><th>Size (MB)</th><th>State</th><th>Source</th></tr>"
        rows = "".join(
            f"<tr><td>{escape(run.folder.name)}</td><td>{m.opened:%Y-%m-%d %H:%M:%S}</td>"
            f"<td>{run.size / 1e6:.3f}</td>"
            f"<td>{'closed' if m.closed else 'open'}</td><td>{escape(m.source)}</td></tr>"
            for run in self.runs(_MOST_SHOWN)
            for m in [run.metadata]
        )
        hidden = len(self.names().numbers) - _MOST_SHOWN
        more = f" (the newest {_MOST_SHOWN}; {hidden} older ones are not shown)" if hidden > 0 else ""
        return f"<table><caption>Runs of {escape(self.instrument)}{more}</caption>{head}{rows}</table>"
