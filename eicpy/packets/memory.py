"""Arrays of bytes and space for results: what kernels take and fill."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["HUGE_PAGE", "Buffer", "ByteArray", "byte_block"]

ByteArray: TypeAlias = npt.NDArray[np.uint8]
Buffer: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any] | Path | str
"""Anything that holds bytes in one piece; a memory map is an array. A path is the packets of the file."""

HUGE_PAGE = 1 << 21


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
