"""Files that are complete or absent, locks that a killed process cannot leave behind, hashes, a full disk.

A file is written under a hidden temporary name in its own folder, flushed to the disk (fsync), then
renamed; the rename makes it visible, and the folder is flushed too. A reader of the folder never sees
half a file, whatever kills the writer. A killed writer leaves a hidden ``.name.*.partial``, which the next
writer of the same name removes.

A lock is ``flock`` on an open file: the kernel releases it when its holder dies, however it dies.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from eicpy.errors import FailedError

__all__ = [
    "atomic_file",
    "hash_file",
    "hash_stream",
    "is_full_disk",
    "is_passing",
    "locked",
    "locked_folder",
    "sha256_of",
    "sync_folder",
    "try_lock",
    "write_text",
]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PASSING = _FULL | frozenset(
    {
        errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN,
        errno.EROFS, errno.EACCES, errno.EPERM,
    }
)  # fmt: skip
"""Errors of a folder that was removed, a disk that was unmounted or is read-only, a right that was taken."""
_READ_BYTES = 1 << 20


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from or after, says that there is no space on the disk.

    Such an error passes: work can continue when there is space again. It is that of the system (no space,
    the user's quota, the largest file) or that of SQLite.

    Examples
    --------
    >>> is_full_disk(OSError(errno.ENOSPC, "No space left on device")), is_full_disk(OSError(errno.EIO, ""))
    (True, False)
    """
    return any(
        (isinstance(cause, OSError) and cause.errno in _FULL)
        or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        for cause in _causes(error)
    )


def is_passing(error: BaseException) -> bool:
    """Whether an error says that a folder cannot be written now, and might be later without our help.

    A full disk (:func:`is_full_disk`), one that is not mounted or is mounted read-only, a folder that was
    removed, a permission that was taken; not a disk that is broken.

    Examples
    --------
    >>> is_passing(OSError(errno.EROFS, "Read-only file system")), is_passing(OSError(errno.EIO, ""))
    (True, False)
    """
    causes = list(_causes(error))
    return is_full_disk(error) or any(isinstance(c, OSError) and c.errno in _PASSING for c in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised from or after."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def hash_file(path: Path, length: int | None = None) -> "hashlib._Hash":
    """SHA-256 of a file, in bounded memory; more bytes can be added to it.

    Parameters
    ----------
    path
        The file.
    length
        Only its first `length` bytes.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     _ = file.write(b"photons"), file.flush()
    ...     hash_file(file.name).hexdigest() == hashlib.sha256(b"photons").hexdigest()
    True
    """
    with Path(path).open("rb") as stream:
        if length is None:
            return hashlib.file_digest(stream, "sha256")
        digest = hashlib.sha256()
        while chunk := stream.read(min(_READ_BYTES, length)):
            digest.update(chunk)
            length -= len(chunk)
    return digest


def hash_stream(stream: BinaryIO) -> "hashlib._Hash":
    """SHA-256 of what is left of an open file, in bounded memory."""
    digest = hashlib.sha256()
    while chunk := stream.read(_READ_BYTES):
        digest.update(chunk)
    return digest


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    See Also
    --------
    hash_file : The same as an object, or of the first bytes only.
    """
    return hash_file(path).hexdigest()


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, *, timeout: float = 0.0) -> bool:
    """Lock an open file for this process alone.

    Parameters
    ----------
    descriptor
        The open file.
    timeout
        How long to try, s.

    Returns
    -------
    bool
        False if another process holds it.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)
        else:
            return True


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock file, waiting until no other process holds it.

    Parameters
    ----------
    file
        The lock file; made if missing and left in place, since removing it would let two holders in.

    Raises
    ------
    FailedError
        If the lock file cannot be made.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FailedError(
            f"{file}: could not be made, expected a folder I may write: {error.strerror}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock a folder, waiting until no other process holds it; no lock file is left in it.

    Parameters
    ----------
    folder
        A folder that exists.

    Raises
    ------
    FailedError
        If it does not.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FailedError(f"{folder}: could not be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_GRACE = 60.0
"""Age, s, below which an unlocked partial file may still be about to be locked by its writer."""


def _remove_abandoned(path: Path) -> None:
    """Remove partial files of `path` whose writer is gone: nobody holds their lock."""
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        with contextlib.suppress(OSError), partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - partial.stat().st_mtime > _GRACE:
                partial.unlink()


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete.

    Parameters
    ----------
    path
        The name it will have; its folder is made where it does not exist. A file of that name is
        replaced.
    durable
        Whether it survives a power failure. Without, it costs no wait for the disk: for what is written
        many times a second.

    Yields
    ------
    BinaryIO
        Open for reading and writing, at a temporary name.

    Raises
    ------
    FailedError
        Where the system refuses: no space, no permission. Nothing is left behind, and a file that
        had the name before is untouched.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with atomic_file(Path(folder) / "a.txt") as file:
    ...         _ = file.write(b"whole")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'whole'
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a rename would take the place of a device, as root
        raise FailedError(f"{path}: a folder, a pipe or a device; expected a file, or a new name")
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        with partial.open("w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            partial.rename(path)
        if durable:
            sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FailedError(
                f"{path}: could not be written: {error.strerror or error}; nothing was left behind"
            ) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, and never half of it.

    Raises
    ------
    FailedError
        Where the system refuses.
    """
    with atomic_file(path) as file:
        file.write(text.encode())
