"""Ingestion of packet files: a file becomes a run of the archive, once, also after an interruption.

The order makes it safe. (1) The file is read through: its hash, and whether there is any packet of
this instrument in it. (2) A row claims the hash. (3) A run is opened that carries the hash, and the
bytes are copied. (4) The run is closed, which writes size and hash. (5) The row says stored.

A process may die between any two of these, or within one. The next call finds the row by the hash of
the content, finds the run by the hash it carries, compares the bytes already copied with the file,
and resumes there. Two processes with the same content wait for each other on a lock that the
kernel releases when its holder dies.

What is archived is the packets: a file that holds them as they are is copied byte by byte; out of a
compressed file, transfer frames, hexadecimal text or a capture of a network they are taken
(:mod:`.contents`), and the description of the run names the file, its hash and its kind. Halves of a packet
that two files share are joined (:mod:`.open_ends`).
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from html import escape
from pathlib import Path

import numpy as np

from eicpy.decoding import is_simulated
from eicpy.errors import BadDataError, readable, unreadable
from eicpy.files import sha256_of
from eicpy.ingestion.contents import FileContents
from eicpy.ingestion.open_ends import claim_end, settle_ends
from eicpy.instruments import Instrument
from eicpy.operations.database import Database
from eicpy.operations.file_rows import FileIdentity, claim_file, find_file, mark_stored, refuse_file
from eicpy.operations.models import FileState
from eicpy.packets import PacketIndex, PacketIndexer
from eicpy.runs import Run, RunArchive, RunWriter

__all__ = ["IngestOutcome", "IngestState", "ingest_file", "register_run"]

_CHUNK = 1 << 22

_log = logging.getLogger(__name__)


class IngestState(StrEnum):
    """What an ingestion did."""

    STORED = "stored"
    """The file is in the archive now, as a new run."""
    RESUMED = "resumed"
    """It is in the archive now; an earlier ingest that was interrupted was completed."""
    KNOWN = "known"
    """The same content was in the archive already: nothing was done."""


@dataclass(frozen=True)
class IngestOutcome:
    """The outcome of a file.

    Parameters
    ----------
    file
        The file.
    state
        What was done.
    run
        The run that holds its bytes.
    sha256
        Hash of its content.
    packets
        Valid packets in it.
    damaged
        Damaged packets in it.
    foreign_bytes
        Bytes that are part of no packet.
    """

    file: Path
    state: IngestState
    run: Run
    sha256: str
    packets: int
    damaged: int
    foreign_bytes: int
    notes: tuple[str, ...] = ()
    """What the file is, what was missing in it, and with which other its halves of packets were joined."""
    is_whole: bool = True
    """Whether nothing of it was missing or damaged before its packets were looked at: no frame lost, …"""

    @property
    def summary(self) -> str:
        """Its content in a line."""
        counts = f"{self.packets} packets, {self.damaged} damaged, {self.foreign_bytes} foreign bytes"
        return "; ".join([counts, *self.notes[:MOST_NOTES]])

    def _repr_html_(self) -> str:
        return (
            f"<p>{escape(self.file.name)}: {self.state}, run {self.run.number}, {self.packets} packets, "
            f"{self.damaged} damaged, {self.foreign_bytes} foreign bytes</p>"
        )


MOST_NOTES = 8
"""Notes in the line of a file; the description of the run has all."""


def ingest_file(
    path: Path,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> IngestOutcome:
    """Copy a file into the archive as a run, unless the archive has its content already.

    Parameters
    ----------
    path
        A file of packets as they were received.
    instrument
        The detector whose packets are expected in it. Other packets are kept with them.
    database
        The internal database.
    archive
        The archive of this instrument.
    progress
        Called with (bytes done, bytes in all) while reading and copying.

    Returns
    -------
    IngestOutcome
        What was done, and what is in the file.

    Raises
    ------
    BadDataError
        If the file is empty, cannot be read, holds no packet of this instrument, or changes while it
        is read. Nothing is stored; the row of the file says why.
    FailedError
        If the archive or the database cannot be written. The next call continues.

    See Also
    --------
    take_file : A file of packets or of photons, by its content.
    watch_folder : Files as they are dropped into a folder.
    """
    path = Path(path).absolute()
    progress = progress or _silent
    try:
        identity = _identify(path, instrument, archive, progress)
    except BadDataError as error:
        _refuse(path, instrument, database, error)
        raise
    assert identity.sha256 is not None  # _identify read the file
    with archive.lock(f"ingest-{identity.sha256[:2]}"):
        row = find_file(database, instrument.name, identity.sha256)
        if row is not None and row.state is FileState.STORED and row.run is not None:
            return _outcome(path, IngestState.KNOWN, archive.run(row.run), instrument, identity.sha256)
        interrupted = row is not None and row.state is FileState.CLAIMED
        if not interrupted:
            claim_file(database, instrument.name, identity)
        run = archive.find(identity.sha256)  # also after a lost or replaced database
        resumed = run is not None
        if run is None or run.is_open:
            run = _copy(identity, instrument, archive, run, progress)
        outcome = _outcome(
            path, IngestState.RESUMED if resumed else IngestState.STORED, run, instrument, identity.sha256
        )
        settle_ends(run, run.index(instrument), archive, identity.sha256)
        mark_stored(database, instrument.name, identity, run=run.number, message=outcome.summary)
    return outcome


def register_run(run: Run, instrument: Instrument, database: Database) -> None:
    """Register a run that was received, so that a file with the same bytes is not ingested again.

    Parameters
    ----------
    run
        A closed run.
    instrument
        Its instrument.
    database
        The internal database.
    """
    sha256 = run.metadata.sha256 or run.sha256()
    if find_file(database, instrument.name, sha256) is None:
        identity = FileIdentity.of(run.raw_file, sha256)
        mark_stored(database, instrument.name, identity, run=run.number, message=run.metadata.source)


def _identify(
    path: Path, instrument: Instrument, archive: RunArchive, progress: Callable[[int, int], None]
) -> FileIdentity:
    """Read a file through once: its hash, and whether any packet in it is the instrument's."""
    identity = FileIdentity.of(path)
    if path.exists() and not path.is_file():
        raise BadDataError("got a folder, a pipe or a device; expected a file of packets", file=path)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                progress(size, 2 * identity.size)
    except OSError as error:
        raise unreadable(error)(
            f"could not be read: {error.strerror}; expected a file of packets", file=path
        ) from error
    if size == 0:
        raise BadDataError("got an empty file, expected packets", file=path)
    identity = replace(identity, size=size, sha256=digest.hexdigest())
    contents = FileContents.of(path)
    apids = sorted(h.apid for h in instrument.headers)
    if not _has_packets(contents, instrument, apids) and not contents.begins_in(
        identity, instrument, archive
    ):
        raise BadDataError(
            f"got {contents.words} in {size} bytes, expected packets of {instrument.name} "
            f"(APID {', '.join(map(str, apids))})",
            file=path,
            advice=contents.advice or "is it another instrument's?",
        )
    return identity


def _has_packets(contents: FileContents, instrument: Instrument, apids: Sequence[int]) -> bool:
    """Whether any packet of a file is the instrument's."""
    if contents.source.is_strange:
        return False
    indexer = PacketIndexer(instrument.headers)
    if any(_has_any(indexer.feed(block), apids) for block in contents.source.blocks()):
        return True
    return _has_any(indexer.finish(), apids)


def _has_any(index: PacketIndex, apids: Sequence[int]) -> bool:
    return bool(np.isin(index.apid[index.good], apids).any())


def _refuse(path: Path, instrument: Instrument, database: Database, error: BadDataError) -> None:
    identity = FileIdentity.of(path)
    try:
        sha256 = sha256_of(path) if path.is_file() else None
    except OSError:
        sha256 = None
    refuse_file(database, instrument.name, replace(identity, sha256=sha256), str(error))


def _copy(
    identity: FileIdentity,
    instrument: Instrument,
    archive: RunArchive,
    partial: Run | None,
    progress: Callable[[int, int], None],
) -> Run:
    """Put the packets of a file into a run, resuming after the bytes that a partial run holds already."""
    contents = FileContents.of(identity.path, lambda done: progress(identity.size + done, 2 * identity.size))
    sha256 = identity.sha256 or ""
    writer = None if partial is None else _continue(identity, contents, archive, partial)
    if writer is None:
        writer = archive.create(
            source=readable(identity.path),
            expected_sha256=sha256,
            source_kind=": ".join(contents.source.layers),
            begins_in=contents.begins_in(identity, instrument, archive),
        )
    with writer:  # an error leaves the run open for the next call
        for block in contents.blocks(writer.run, archive, start=writer.size):
            for at in range(0, len(block), _CHUNK):
                writer.append(block[at : at + _CHUNK])
        if not contents.is_unchanged(writer.run, sha256):
            archive.discard(writer)
            raise BadDataError(
                "its content changed while it was read; expected a file that is complete",
                file=identity.path,
                advice="ingest it again when nobody writes it any more",
            )
        index = writer.run.index(instrument)
        if writer.run.metadata.ends_in is None and (
            piece := claim_end(writer.run, index, instrument, archive, sha256)
        ):
            writer.describe(ends_in=piece)
            writer.append(contents.end(writer.run, archive))
            index = writer.run.index(instrument)
        found = contents.source.findings
        return writer.close(
            simulated=is_simulated(index, instrument),
            remarks=tuple(found.lines()),
            source_whole=found.is_clean,
        )


def _continue(
    identity: FileIdentity, contents: FileContents, archive: RunArchive, partial: Run
) -> RunWriter | None:
    """Reopen a partial copy; None, and the copy is removed, if its bytes are not those of the file."""
    writer = archive.reopen(partial.number)
    if contents.begins_with(writer, archive):
        return writer
    _log.warning("run %d is no copy of %s and is made again", partial.number, readable(identity.path))
    archive.discard(writer)
    return None


def _outcome(path: Path, state: IngestState, run: Run, instrument: Instrument, sha256: str) -> IngestOutcome:
    index, metadata = run.index(instrument), run.metadata
    good = int(np.count_nonzero(index.good))
    pieces = [
        f"{words} run {piece.run}"
        for words, piece in (
            ("completes the packet cut at the end of", metadata.begins_in),
            ("completed by the beginning of", metadata.ends_in),
        )
        if piece is not None
    ]
    kind = [metadata.source_kind] if metadata.source_kind else []
    notes = (*kind, *pieces, *metadata.remarks)
    return IngestOutcome(
        path, state, run, sha256, good, len(index) - good, index.foreign_bytes, notes, metadata.source_whole
    )


def _silent(done: int, total: int) -> None:
    pass
