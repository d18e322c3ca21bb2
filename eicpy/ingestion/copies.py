"""Copies of dropped files: all of a file or nothing, under the hash of its content."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.files import atomic_file, hash_stream
from eicpy.inputs import open_regular, refusing

__all__ = ["copy_whole", "hash_of"]

_CHUNK = 1 << 22


def hash_of(path: Path, what: str) -> str:
    """SHA-256 of a file, which is expected to hold `what`."""
    with open_regular(path, what) as stream:
        return hash_stream(stream).hexdigest()


def copy_whole(path: Path, kept: Path, sha256: str, what: str) -> None:
    """Copy a file, all of it or nothing.

    Raises
    ------
    BadDataError
        If its content is no longer that of the hash.
    FailedError
        If the copy cannot be written.
    """
    digest = hashlib.sha256()
    with atomic_file(kept) as target:
        for chunk in _chunks(path, what):
            digest.update(chunk)
            target.write(chunk)
        if digest.hexdigest() != sha256:
            raise BadDataError(
                "its content changed while it was read; expected a file that is complete",
                file=path,
                advice="it is taken once it is complete",
            )


def _chunks(path: Path, what: str) -> Iterator[bytes]:
    """Bytes of a file; that it cannot be read is its own fault, not that of the copy."""
    with refusing(path, what), open_regular(path, what) as source:
        while chunk := source.read(_CHUNK):
            yield chunk
