"""Files that are there whole or not at all.

A file is written under a hidden temporary name in its own folder, flushed to the disk (fsync), then
renamed; the rename is what makes it visible, and the folder is flushed too. Whoever reads the folder
never sees half a file, whatever kills the writer. What a killed writer leaves is a hidden
``.name.*.partial``, which the next writer of the same name removes.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from eicpy.errors import FailedError

__all__ = ["atomic_file"]

_GRACE = 60.0
"""Age, s, below which an unlocked partial file may still be about to be locked by its writer."""


def _remove_abandoned(path: Path) -> None:
    """Remove partial files of `path` whose writer is gone: nobody holds their lock."""
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        with contextlib.suppress(OSError), partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - partial.stat().st_mtime > _GRACE:
                partial.unlink()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete.

    Parameters
    ----------
    path
        The name it will have; its folder is made where it does not exist. A file that is there is
        replaced.

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
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        with partial.open("w+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.rename(path)
        _flush_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FailedError(
                f"{path}: could not be written: {error.strerror or error}; nothing was left behind"
            ) from error
        raise
