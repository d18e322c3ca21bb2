"""Rows about ingested files: claimed before the first byte is copied, stored after the last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from eicpy.errors import readable
from eicpy.operations.database import Database
from eicpy.operations.models import FileRow, FileState

__all__ = [
    "FileIdentity",
    "StoredProduct",
    "claim_file",
    "dropped_files",
    "files",
    "find_file",
    "find_files",
    "mark_many_stored",
    "mark_stored",
    "newest_photon_file",
    "products_of_card",
    "refuse_file",
    "restate_file",
    "seen_before",
]


_KEPT = (FileRow.state == FileState.STORED) & FileRow.run.is_(None) & (FileRow.card == "")


@dataclass(frozen=True)
class FileIdentity:
    """What identifies a file: its content by hash, and its path and time for people.

    Parameters
    ----------
    path
        Absolute path.
    size
        Bytes.
    modified_ns
        Modification time, ns since 1970.
    sha256
        Hash of the content; None where it could not be read.
    """

    path: Path
    size: int
    modified_ns: int
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path, sha256: str | None = None) -> "FileIdentity":
        """Identity of a file as it is now; zeros where it cannot even be looked at."""
        path = Path(path).absolute()
        try:
            status = path.stat()
        except OSError:
            return cls(path, 0, 0, sha256)
        return cls(path, status.st_size, status.st_mtime_ns, sha256)


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """What a stored file is that is neither packets nor photons, and about which time.

    Parameters
    ----------
    card
        Product that it is, as SVO-ATT-CNV.
    start, stop
        Its first and last time, s.
    """

    card: str
    start: float
    stop: float


def find_file(database: Database, instrument: str, sha256: str) -> FileRow | None:
    """The row of a file by the hash of its content; None if it was never offered."""
    query = select(FileRow).where(FileRow.instrument == instrument, FileRow.sha256 == sha256)
    return database.fetch(lambda session: session.scalars(query).one_or_none())


def find_files(database: Database, instrument: str, hashes: Iterable[str]) -> dict[str, FileRow]:
    """Rows of many files by the hash of their content; those that were never offered are left out."""
    query = select(FileRow).where(FileRow.instrument == instrument, FileRow.sha256.in_(list(hashes)))
    rows = database.fetch(lambda session: list(session.scalars(query)))
    return {row.sha256: row for row in rows if row.sha256 is not None}


def mark_many_stored(
    database: Database, instrument: str, stored: Iterable[tuple[FileIdentity, int, str]]
) -> None:
    """Write down that all bytes of files are in closed runs, all in one transaction.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector.
    stored
        For each file: what identifies it, with its hash, the number of its run, and a message.
    """
    known = list(stored)

    def work(session: Session) -> None:
        for identity, run, message in known:
            _put_row(session, instrument, identity, FileState.STORED, run=run, message=message)

    database.change(work)


def claim_file(database: Database, instrument: str, identity: FileIdentity) -> FileRow:
    """Write down that a file is going to be copied, with its hash, before the first byte is."""
    return _put(database, instrument, identity, FileState.CLAIMED, run=None, message="")


def mark_stored(
    database: Database,
    instrument: str,
    identity: FileIdentity,
    *,
    run: int | None,
    message: str = "",
    product: StoredProduct | None = None,
) -> FileRow:
    """Write down that all bytes of a file are in a closed run; None: in a copy of their own.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector.
    identity
        What identifies the file.
    run
        Number of the run; None for photons, and for a product of another kind.
    message
        What is in it, in a line.
    product
        Which product it is, where it is neither packets nor photons.
    """
    return _put(database, instrument, identity, FileState.STORED, run=run, message=message, product=product)


def products_of_card(
    database: Database, instrument: str, card: str, start: float, stop: float
) -> list[FileRow]:
    """Rows of the stored files that are a product and tell something of a time, in the order they came.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector with whose data they came.
    card
        The product.
    start, stop
        The time, s.
    """
    query = (
        select(FileRow)
        .where(
            FileRow.instrument == instrument,
            FileRow.state == FileState.STORED,
            FileRow.card == card,
            FileRow.data_start <= stop,
            FileRow.data_stop >= start,
        )
        .order_by(FileRow.finished_at, FileRow.id)
    )
    return database.fetch(lambda session: list(session.scalars(query)))


def refuse_file(database: Database, instrument: str, identity: FileIdentity, message: str) -> FileRow:
    """Write down why nothing of a file was stored."""
    return _put(database, instrument, identity, FileState.REFUSED, run=None, message=message)


def restate_file(database: Database, instrument: str, sha256: str, message: str) -> None:
    """Write down anew what is in a file that is stored."""
    same = (FileRow.instrument == instrument) & (FileRow.sha256 == sha256)
    database.change(lambda session: session.execute(update(FileRow).where(same).values(message=message)))


def seen_before(database: Database, instrument: str, identity: FileIdentity) -> FileRow | None:
    """The finished row (stored or refused) of a file with the same path, size and modification time.

    So that a watched folder need not be read again after a restart. A file whose content could not be judged
    has no hash in its row, and is tried again.
    """
    query = (
        select(FileRow)
        .where(
            FileRow.instrument == instrument,
            FileRow.path == readable(identity.path),
            FileRow.size == identity.size,
            FileRow.modified_ns == identity.modified_ns,
            FileRow.state != FileState.CLAIMED,
            FileRow.sha256.is_not(None),
        )
        .limit(1)
    )
    return database.fetch(lambda session: session.scalars(query).one_or_none())


def files(
    database: Database, *, instrument: str | None = None, state: FileState | None = None
) -> list[FileRow]:
    """Files in the order they were offered, of an instrument and a state where given."""
    query = select(FileRow).order_by(FileRow.claimed_at, FileRow.id)
    if instrument is not None:
        query = query.where(FileRow.instrument == instrument)
    if state is not None:
        query = query.where(FileRow.state == state)
    return database.fetch(lambda session: list(session.scalars(query)))


def dropped_files(database: Database, instrument: str, last: int = 20) -> list[FileRow]:
    """Rows of photon files that were kept and of all files that were refused, the newest first."""
    query = (
        select(FileRow)
        .where(FileRow.instrument == instrument)
        .where((FileRow.state == FileState.REFUSED) | _KEPT)
        .order_by(FileRow.finished_at.desc(), FileRow.id.desc())
        .limit(last)
    )
    return database.fetch(lambda session: list(session.scalars(query)))


def newest_photon_file(database: Database, instrument: str) -> FileRow | None:
    """The row of the photon file that was kept last; None where there is none."""
    query = (
        select(FileRow)
        .where(FileRow.instrument == instrument, _KEPT)
        .order_by(FileRow.finished_at.desc(), FileRow.id.desc())
        .limit(1)
    )
    return database.fetch(lambda session: session.scalars(query).one_or_none())


def _put(
    database: Database,
    instrument: str,
    identity: FileIdentity,
    state: FileState,
    *,
    run: int | None,
    message: str,
    product: StoredProduct | None = None,
) -> FileRow:
    return database.change(
        lambda session: _put_row(
            session, instrument, identity, state, run=run, message=message, product=product
        )
    )


def _put_row(
    session: Session,
    instrument: str,
    identity: FileIdentity,
    state: FileState,
    *,
    run: int | None,
    message: str,
    product: StoredProduct | None = None,
) -> FileRow:
    now = datetime.now(tz=UTC)
    same = FileRow.sha256 == identity.sha256
    if identity.sha256 is None:
        same = FileRow.sha256.is_(None) & (FileRow.path == readable(identity.path))
    row = session.scalars(select(FileRow).where(FileRow.instrument == instrument, same)).first()
    if row is None:
        row = FileRow(instrument=instrument, sha256=identity.sha256, claimed_at=now)
        session.add(row)
    elif row.state is FileState.STORED and state is not FileState.STORED:
        return row  # what is in the archive stays known, whatever happens to the file
    row.path, row.name = readable(identity.path), readable(identity.path.name)
    row.size, row.modified_ns = identity.size, identity.modified_ns
    row.state, row.run, row.message = state, run, message
    if product is not None:
        row.card, row.data_start, row.data_stop = product.card, product.start, product.stop
    row.finished_at = None if state is FileState.CLAIMED else now
    return row
