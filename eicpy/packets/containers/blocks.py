"""Bytes of a file as blocks that are read again from the start whenever they are asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from eicpy.errors import BadDataError
from eicpy.inputs import open_regular

__all__ = ["BLOCK", "Blocks", "file_blocks", "first_bytes"]

BLOCK = 1 << 20
"""Bytes that are read at once."""

Blocks: TypeAlias = Callable[[], Iterator[bytes]]
"""Begins a new reading: the bytes, block by block, each of any size."""


def file_blocks(path: Path, progress: Callable[[int], None] | None = None) -> Blocks:
    """Blocks of a file; `progress` is called with the bytes read of it."""

    def read() -> Iterator[bytes]:
        done = 0
        try:
            with open_regular(path) as stream:
                while block := stream.read(BLOCK):
                    done += len(block)
                    if progress is not None:
                        progress(done)
                    yield block
        except OSError as error:
            raise BadDataError(f"unreadable: {error.strerror or error}", file=path) from error

    return read


def first_bytes(blocks: Blocks, size: int) -> tuple[bytes, bool]:
    """The first `size` bytes, and whether these are all."""
    parts, length = [], 0
    for block in blocks():
        parts.append(block)
        length += len(block)
        if length > size:
            return b"".join(parts)[:size], False
    return b"".join(parts), True
