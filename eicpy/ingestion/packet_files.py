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
from eicpy.errors import BadDataError, EicpyError, NotFoundError, readable
from eicpy.files import hash_stream
from eicpy.ingestion.contents import FileContents
from eicpy.ingestion.open_ends import claim_end, settle_ends
from eicpy.inputs import UnreadError, open_regular, refusing
from eicpy.instruments import Instrument
from eicpy.operations.database import Database
from eicpy.operations.file_rows import (
    FileIdentity,
    claim_file,
    find_file,
    mark_stored,
    refuse_file,
    restate_file,
)
from eicpy.operations.models import FileRow, FileState
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
        with refusing(path, "packets"):
            identity = _identify(path, instrument, archive, progress)
    except BadDataError as error:
        refuse(path, instrument, database, error)
        raise
    assert identity.sha256 is not None  # _identify read the file
    with archive.lock(lock_of(identity.sha256)):
        row = find_file(database, instrument.name, identity.sha256)
        return store(identity, row, instrument, database, archive, progress=progress)


def lock_of(sha256: str) -> str:
    """Name of the lock of the archive under which a file of this hash is stored."""
    return f"ingest-{sha256[:2]}"


def store(
    identity: FileIdentity,
    row: FileRow | None,
    instrument: Instrument,
    database: Database,
    archive: RunArchive,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> IngestOutcome:
    """Store a file that was identified, unless it is stored; the caller holds the lock of its hash.

    Parameters
    ----------
    identity
        The file, with its hash.
    row
        Its row in the database, where there is one.
    instrument, database, archive, progress
        As in :func:`ingest_file`.
    """
    path, sha256 = identity.path, identity.sha256
    assert sha256 is not None
    kept = kept_run(archive, row)
    if kept is not None:
        return outcome_of(path, IngestState.KNOWN, kept, instrument, sha256)
    interrupted = row is not None and row.state is FileState.CLAIMED
    if not interrupted:
        claim_file(database, instrument.name, identity)
    run = archive.find(sha256)  # also after a lost or replaced database
    resumed = run is not None
    if run is None or run.is_open:
        run = _copy(identity, instrument, archive, run, progress or _silent)
    outcome = outcome_of(
        path, IngestState.RESUMED if resumed else IngestState.STORED, run, instrument, sha256
    )
    settle_ends(run, run.index(instrument), archive, sha256)
    mark_stored(database, instrument.name, identity, run=run.number, message=outcome.summary)
    for piece in (run.metadata.begins_in, run.metadata.ends_in):
        if piece is not None:
            _complete(archive.run(piece.run), instrument, database)
    return outcome


def _complete(run: Run, instrument: Instrument, database: Database) -> None:
    """Write down of the file with the other half what is in its run now."""
    sha256 = run.metadata.expected_sha256 or run.metadata.sha256
    row = None if sha256 is None else find_file(database, instrument.name, sha256)
    if row is not None and row.run == run.number and sha256 is not None:
        now = outcome_of(Path(row.path), IngestState.STORED, run, instrument, sha256)
        restate_file(database, instrument.name, sha256, now.summary)


def as_it_is_now(outcome: IngestOutcome, instrument: Instrument) -> IngestOutcome:
    """An outcome without the halves of packets that another file has completed since."""
    metadata = outcome.run.metadata
    if metadata.head_whole_in is None and metadata.tail_whole_in is None:
        return outcome
    return outcome_of(outcome.file, outcome.state, outcome.run, instrument, outcome.sha256)


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
    digest, size = hashlib.sha256(), 0
    with open_regular(path, "a file of packets") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            progress(size, 2 * identity.size)
            if size > identity.size:
                raise UnreadError("it grew while it was read; expected a file that is complete", file=path)
    if size == 0:
        raise BadDataError("got an empty file, expected packets", file=path)
    identity = replace(identity, size=size, sha256=digest.hexdigest())
    contents = FileContents.of(path)
    apids = sorted(h.apid for h in instrument.headers)
    if not _has_packets(contents, instrument, apids) and not contents.begins_in(
        identity, instrument, archive
    ):
        question = "" if contents.source.is_strange else "is it another instrument's?"
        raise BadDataError(
            f"got {contents.words} in {size} bytes, expected packets of {instrument.name} "
            f"(APID {', '.join(map(str, apids))})",
            file=path,
            advice=contents.advice or question,
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


def refuse(path: Path, instrument: Instrument, database: Database, error: BadDataError) -> None:
    """Write down why nothing of a file was stored."""
    identity = FileIdentity.of(path)
    try:
        with open_regular(path) as stream:
            sha256 = hash_stream(stream).hexdigest()
    except (OSError, BadDataError):
        sha256 = None
    if isinstance(error, UnreadError):
        sha256 = None  # its content was not judged: it is tried again at the next start
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
        try:
            return _closed(writer, contents, instrument, archive, sha256)
        except (EicpyError, OSError):
            raise
        except Exception:  # a mistake of eicpy, which the next version may not make: no half run is left
            archive.discard(writer)
            raise


def _closed(
    writer: RunWriter, contents: FileContents, instrument: Instrument, archive: RunArchive, sha256: str
) -> Run:
    """Close the run of a copied file, with the beginning of another run that completes its last packet."""
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


def kept_run(archive: RunArchive, row: FileRow | None) -> Run | None:
    """The run that holds the content of a file by its row; None where there is none, or not any more."""
    if row is None or row.state is not FileState.STORED or row.run is None:
        return None
    try:
        return archive.run(row.run)
    except NotFoundError:
        _log.warning("run %d is not in the archive any more: its file is archived again", row.run)
        return None


def outcome_of(
    path: Path, state: IngestState, run: Run, instrument: Instrument, sha256: str
) -> IngestOutcome:
    """The outcome of a file whose bytes are in a run."""
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
