"""The functions of `eicpy.packets.bits` that reach into memory, in plain Python, with every bound checked.

They stand in for the compiled ones where ``NUMBA_DISABLE_JIT`` is set, for a debugger, a coverage measurement
or a fuzzer: there a kernel that reaches beyond its bytes raises `IndexError` instead of reading what lies
behind them. They are a thousand times slower.
"""

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "address_of",
    "copy_64",
    "fetch_ahead",
    "get_8",
    "get_32",
    "get_64",
    "lanes",
    "load64",
    "put_8",
    "put_16",
    "put_32",
    "put_64",
    "signed_field",
    "store64",
    "unsigned_field",
]

Bytes = npt.NDArray[np.uint8]

_blocks: OrderedDict[tuple[int, int], Bytes] = OrderedDict()
"""Bytes by first address and address after the last, of the arrays whose address was asked for last."""
_MOST_BLOCKS = 64


def address_of(array: npt.NDArray[Any]) -> int:
    """Where the first byte of an array stands in memory."""
    view = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    start = int(array.ctypes.data)
    block = start, start + len(view)
    _blocks[block] = view
    _blocks.move_to_end(block)
    while len(_blocks) > _MOST_BLOCKS:
        _blocks.popitem(last=False)
    return start


def _at(address: int, byte: int, size: int) -> Bytes:
    """Bytes at an address, as a view."""
    first = int(address) + int(byte)
    for (start, end), block in reversed(_blocks.items()):
        if start <= first and first + size <= end:
            return block[first - start : first - start + size]
    raise IndexError(f"{size} bytes at {byte} from an address lie in no array whose address was asked for")


def get_8(address: int, byte: int) -> np.uint64:
    """Eight bits as a number."""
    return np.uint64(_at(address, byte, 1)[0])


def get_32(address: int, byte: int) -> np.uint64:
    """Four bytes as a big-endian number."""
    return np.uint64(int.from_bytes(_at(address, byte, 4).tobytes(), "big"))


def get_64(address: int, byte: int) -> np.uint64:
    """Eight bytes as a big-endian number."""
    return np.uint64(int.from_bytes(_at(address, byte, 8).tobytes(), "big"))


def unsigned_field(address: int, index: int, left: int, right: int) -> np.uint64:
    """A native number of 32 bits, shifted left and then right."""
    word = int.from_bytes(_at(address, 4 * int(index), 4).tobytes(), "little")
    return np.uint64(((word << int(left)) & 0xFFFFFFFF) >> int(right))


def signed_field(address: int, index: int, left: int, right: int) -> np.uint64:
    """As `unsigned_field` in two's complement."""
    word = (int(unsigned_field(address, index, left, 0)) ^ 0x80000000) - 0x80000000
    return np.uint64((word >> int(right)) & 0xFFFFFFFFFFFFFFFF)


def _put(address: int, byte: int, value: Any, size: int) -> None:
    low = int(value) & ((1 << 8 * size) - 1)
    _at(address, byte, size)[:] = np.frombuffer(low.to_bytes(size, "little"), np.uint8)


def put_8(address: int, byte: int, value: Any) -> None:
    """Write the low 8 bits."""
    _put(address, byte, value, 1)


def put_16(address: int, byte: int, value: Any) -> None:
    """Write the low 16 bits as a native number."""
    _put(address, byte, value, 2)


def put_32(address: int, byte: int, value: Any) -> None:
    """Write the low 32 bits as a native number."""
    _put(address, byte, value, 4)


def put_64(address: int, byte: int, value: Any) -> None:
    """Write the low 64 bits as a native number."""
    _put(address, byte, value, 8)


def copy_64(address: int, byte: int, to_address: int, to_byte: int) -> None:
    """Copy eight bytes as they are."""
    _at(to_address, to_byte, 8)[:] = _at(address, byte, 8)


def fetch_ahead(_address: int, _byte: int) -> None:
    """Nothing: there is no cache to fill."""


def lanes() -> int:
    """No words at once: the CRC is taken by tables."""
    return 0


def load64(array: Bytes, byte: int) -> np.uint64:
    """Eight bytes of an array as a big-endian number."""
    if not 0 <= byte <= len(array) - 8:
        raise IndexError(f"got byte {byte} to load eight from, expected at most {len(array) - 8}")
    return np.uint64(int.from_bytes(array[byte : byte + 8].tobytes(), "big"))


def store64(array: Bytes, byte: int, word: Any) -> None:
    """Write a number as eight big-endian bytes."""
    if not 0 <= byte <= len(array) - 8:
        raise IndexError(f"got byte {byte} to store eight at, expected at most {len(array) - 8}")
    array[byte : byte + 8] = np.frombuffer(int(word).to_bytes(8, "big"), np.uint8)
