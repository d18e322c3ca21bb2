"""Bytes that hold packets: in memory, mapped from a file, or reserved for results."""

import mmap
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError, NotFoundError, readable
from eicpy.inputs import kind_of_file, open_regular

__all__ = ["Buffer", "ByteArray", "as_byte_array", "byte_block", "map_file"]

ByteArray: TypeAlias = npt.NDArray[np.uint8]
Buffer: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any] | Path | str
"""Anything that holds bytes in one piece; a memory map is an array. A path is the file's bytes."""

HUGE_PAGE = 1 << 21
MAPPED_AT_ONCE = 1 << 30
"""Files up to this size are mapped in one go, which takes a third of the time of page after page, bytes."""


def as_byte_array(buffer: Buffer) -> ByteArray:
    """Bytes as a read-only array, without a copy.

    Parameters
    ----------
    buffer
        Bytes, a memory view, an array of one dimension, a memory map, or the path of a file to map.

    Returns
    -------
    numpy.ndarray
        Shape (n_bytes,), uint8, read-only: kernels are compiled for that one kind of array.

    Raises
    ------
    BadArgumentError, BadDataError
        For a path, as `map_file`.
    """
    if isinstance(buffer, Path | str):
        return map_file(buffer)
    if isinstance(buffer, np.ndarray):
        flat = np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)
        array: ByteArray = np.ndarray.view(flat, np.ndarray)
    else:
        array = np.frombuffer(buffer, dtype=np.uint8)
    array = array[:]
    array.flags.writeable = False
    return array


def byte_block(size: int) -> ByteArray:
    """Memory for many bytes, not set to 0.

    A large block begins on a boundary of huge pages: the system hands it over in pieces of 2 MiB, where
    pieces of 4 kiB would take longer than what is written into them.
    """
    if size < 2 * HUGE_PAGE:
        return np.empty(size, dtype=np.uint8)
    block = np.empty(-(-size // HUGE_PAGE) * HUGE_PAGE + HUGE_PAGE, dtype=np.uint8)
    start = -block.ctypes.data % HUGE_PAGE
    return block[start : start + size]


def map_file(path: Path | str) -> ByteArray:
    """Bytes of a file as a memory map; an empty file is an empty array.

    Raises
    ------
    NotFoundError
        If there is no such file.
    BadDataError
        If it cannot be read.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise NotFoundError(f"{readable(path)}: no such file")
        kind = kind_of_file(path)
        if kind is not None:
            raise BadArgumentError(f"{readable(path)}: {kind}; expected a file")
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                return as_byte_array(b"")
            populate = getattr(mmap, "MAP_POPULATE", None)  # Linux has it
            if populate is None or size > MAPPED_AT_ONCE:
                return as_byte_array(np.memmap(file, dtype=np.uint8, mode="r"))
            pages = mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | populate, prot=mmap.PROT_READ)
        return as_byte_array(np.frombuffer(pages, dtype=np.uint8))
    except OSError as error:
        raise BadDataError(f"unreadable: {error.strerror or error}", file=path) from error
