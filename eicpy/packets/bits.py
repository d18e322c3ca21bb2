"""Reading and writing bits of packets at memory speed.

Packets are big-endian and their fields start at any bit. A field of up to 64 bits touches at most nine
bytes, so it is one unaligned eight-byte load, a byte swap, a shift and a mask, plus one more byte in
the rare case of nine. Gathering single bytes instead costs about four times as much.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["Buffer", "ByteArray", "as_byte_array", "kernel", "load64", "read_bits", "write_bits"]

ByteArray: TypeAlias = npt.NDArray[np.uint8]
Buffer: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any]
"""Anything that holds bytes in one piece; a memory map is an array."""

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile a function of arrays and keep the machine code on disk for the next process."""
    compiled: F = njit(cache=True, nogil=True)(function)
    return compiled


def as_byte_array(buffer: Buffer) -> ByteArray:
    """Bytes as a read-only array, without a copy.

    Parameters
    ----------
    buffer
        Bytes, a memory view, an array of one dimension, or a memory map.

    Returns
    -------
    numpy.ndarray
        Shape (n_bytes,), uint8, read-only: kernels are compiled for that one kind of array.
    """
    if isinstance(buffer, np.ndarray):
        flat = np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)
        array: ByteArray = np.ndarray.view(flat, np.ndarray)
    else:
        array = np.frombuffer(buffer, dtype=np.uint8)
    array = array[:]
    array.flags.writeable = False
    return array


def _pointer(context: Any, builder: Any, kind: Any, array: Any, index: Any, bits: int) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(bits).as_pointer())


@intrinsic  # type: ignore[untyped-decorator]  # numba ships no types
def load64(typing_context: Any, array: Any, index: Any) -> Any:  # noqa: ARG001  # the signature is numba's
    """Eight bytes from any address as a big-endian number; the caller answers for the bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        word = builder.load(pointer)
        word.align = 1
        return builder.bswap(word)

    return types.uint64(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]  # numba ships no types
def store64(typing_context: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001  # numba's
    """Write a number as eight big-endian bytes to any address; the caller answers for the bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        builder.store(builder.bswap(arguments[2]), pointer).align = 1
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


def _store_native(width: int, number: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]  # numba ships no types
    def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:  # noqa: ARG001  # numba's
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], width)
            narrow = arguments[2] if width == 64 else builder.trunc(arguments[2], ir.IntType(width))
            builder.store(narrow, pointer).align = width // 8
            return context.get_dummy_value()

        return types.void(array, types.intp, types.uint64), generate

    store.__doc__ = f"Write the low bits of a word as a native {number}; the caller answers for the bounds."
    return store


store_u8 = _store_native(8, types.uint8)
store_u16 = _store_native(16, types.uint16)
store_u32 = _store_native(32, types.uint32)
store_u64 = _store_native(64, types.uint64)


@kernel
def read_bits(buffer: ByteArray, bit: int, width: int) -> int:
    """Bits as an unsigned number, byte by byte; what lies beyond the buffer reads as 0.

    Parameters
    ----------
    buffer
        Shape (n_bytes,), uint8.
    bit
        First bit, counted from the most significant bit of the first byte.
    width
        Number of bits, 1 to 64.
    """
    value = np.uint64(0)
    byte = bit >> 3
    skip = bit & 7
    left = width
    while left > 0:
        take = min(8 - skip, left)
        octet = np.uint64(buffer[byte]) if 0 <= byte < buffer.size else np.uint64(0)
        part = (octet >> np.uint64(8 - skip - take)) & np.uint64((1 << take) - 1)
        value = (value << np.uint64(take)) | part
        left -= take
        skip = 0
        byte += 1
    return value


@kernel
def write_bits(buffer: ByteArray, bit: int, width: int, value: int) -> None:
    """Write a number into bits that are 0 until now (the inverse of `read_bits`)."""
    byte = bit >> 3
    skip = bit & 7
    left = width
    word = np.uint64(value)
    while left > 0:
        take = min(8 - skip, left)
        part = (word >> np.uint64(left - take)) & np.uint64((1 << take) - 1)
        buffer[byte] |= np.uint8(part << np.uint64(8 - skip - take))
        left -= take
        skip = 0
        byte += 1
