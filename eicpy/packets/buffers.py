"""Bytes that hold packets: in memory, mapped from a file, or taken out of what they lie in."""

import mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np

from eicpy.errors import BadDataError
from eicpy.inputs import open_regular
from eicpy.packets.containers.source import PacketSource, open_source
from eicpy.packets.memory import Buffer, ByteArray, byte_block

__all__ = ["Buffer", "ByteArray", "as_byte_array", "byte_block", "map_file", "map_source"]

MAPPED_AT_ONCE = 1 << 30
"""Files up to this size are mapped in one go, which takes a third of the time of page after page, bytes."""


def as_byte_array(buffer: Buffer) -> ByteArray:
    """Bytes as a read-only array, without a copy.

    Parameters
    ----------
    buffer
        Bytes, a memory view, an array of one dimension, a memory map, or the path of a file of packets.

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


def map_file(path: Path | str) -> ByteArray:
    """Packets of a file as a memory map; an empty file is an empty array.

    A file that holds them as they are is mapped itself. Out of a compressed file, transfer frames,
    hexadecimal text or a capture of a network they are taken into a temporary file without a name; whoever
    needs them several times calls this once.

    Raises
    ------
    NotFoundError
        If there is no such file.
    BadDataError
        If it cannot be read.
    FailedError
        If there is no space for what it expands to.
    """
    return map_source(open_source(path))


def map_source(source: PacketSource) -> ByteArray:
    """Packets of a file that was recognised, as a memory map; its findings are then complete.

    Raises
    ------
    BadDataError, FailedError
        As `map_file`.
    """
    if not source.is_plain:
        with source.spooled() as spool:
            return _mapped(spool)
    try:
        with open_regular(source.path) as file:
            return _mapped(file)
    except OSError as error:
        raise BadDataError(f"unreadable: {error.strerror or error}", file=source.path) from error


def _mapped(file: BinaryIO) -> ByteArray:
    """Bytes of an open file, which may be closed afterwards."""
    size = file.seek(0, 2)
    if size == 0:
        return as_byte_array(b"")
    populate = getattr(mmap, "MAP_POPULATE", 0) if size <= MAPPED_AT_ONCE else 0  # Linux has it
    pages = mmap.mmap(file.fileno(), size, flags=mmap.MAP_SHARED | populate, prot=mmap.PROT_READ)
    return as_byte_array(np.frombuffer(pages, dtype=np.uint8))
