"""Locks that a killed process cannot leave behind.

A lock is ``flock`` on an open file: the kernel gives it back when its holder dies, however it dies.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eicpy.errors import FailedError

__all__ = ["is_full_disk", "locked", "locked_folder", "sync_folder", "try_lock"]


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full_disk(error: BaseException) -> bool:
    """Whether an error, or what caused it, is that there is no space: work can go on when there is some.

    Examples
    --------
    >>> is_full_disk(OSError(errno.ENOSPC, "No space left on device")), is_full_disk(OSError(errno.EIO, ""))
    (True, False)
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, *, patience: float = 0.0) -> bool:
    """Lock an open file for this process alone.

    Parameters
    ----------
    descriptor
        The open file.
    patience
        How long to try, s.

    Returns
    -------
    bool
        False if another process holds it.
    """
    end = time.monotonic() + patience
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
    """Hold a lock file, waiting for whoever holds it now.

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
    """Hold a folder, waiting for whoever holds it now; no lock file is left in it.

    Parameters
    ----------
    folder
        A folder that is there.

    Raises
    ------
    FailedError
        If it is not.
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
