"""Reading and writing bits of packets at memory speed.

Packets are big-endian and their fields start at any bit. A field of up to 64 bits touches at most nine
bytes, so it is one unaligned eight-byte load, a byte swap, a shift and a mask, plus one more byte in
the rare case of nine. Gathering single bytes instead costs about four times as much.
"""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = [
    "Buffer",
    "ByteArray",
    "Word",
    "as_byte_array",
    "can_multiply_without_carry",
    "kernel",
    "load64",
    "multiply_without_carry",
    "read_bits",
    "store64",
    "store_u8",
    "store_u16",
    "store_u32",
    "store_u64",
    "write_bits",
]

ByteArray: TypeAlias = npt.NDArray[np.uint8]
Buffer: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any]
"""Anything that holds bytes in one piece; a memory map is an array."""

Word: TypeAlias = Any
"""A machine word inside a kernel: numba's unsigned and signed integers, which are no Python int."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays and keep the machine code on disk for the next process."""
    compiled: Callable[..., Any] = njit(cache=True, nogil=True)(function)
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


def _load64(_typing: Any, array: Any, _index: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        word = builder.load(pointer)
        word.align = 1
        return builder.bswap(word)

    return types.uint64(array, types.intp), generate


load64: Callable[..., Any] = intrinsic(_load64)
"""load64(array, byte): eight bytes from any address as a big-endian number; bounds are the caller's."""


def _store64(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], 64)
        builder.store(builder.bswap(arguments[2]), pointer).align = 1
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


store64: Callable[..., Any] = intrinsic(_store64)
"""store64(array, byte, word): write a number as eight big-endian bytes; bounds are the caller's."""


def _multiply(_typing: Any, _left: Any, _right: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        pair = ir.VectorType(word, 2)
        place = ir.IntType(32)
        low, high = (
            builder.insert_element(ir.Constant(pair, ir.Undefined), value, place(0)) for value in arguments
        )
        name = "llvm.x86.pclmulqdq"
        kind = ir.FunctionType(pair, [pair, pair, ir.IntType(8)])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        product = builder.call(function, [low, high, ir.IntType(8)(0)])
        halves = [builder.extract_element(product, place(i)) for i in range(2)]
        return context.make_tuple(builder, signature.return_type, halves)

    result: Any = types.UniTuple
    return result(types.uint64, 2)(types.uint64, types.uint64), generate


multiply_without_carry: Callable[..., Any] = intrinsic(_multiply)
"""multiply_without_carry(a, b): product of two polynomials over GF(2), low and high 64 bits (x86)."""


def can_multiply_without_carry() -> bool:
    """Whether the processor that numba compiles for has the instruction."""
    if os.environ.get("NUMBA_CPU_NAME") or os.environ.get("NUMBA_CPU_FEATURES"):
        return False
    return bool(binding.get_host_cpu_features().get("pclmul", False))


def _store_native(width: int) -> Callable[..., Any]:
    def store(_typing: Any, array: Any, _index: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], width)
            narrow = arguments[2] if width == 64 else builder.trunc(arguments[2], ir.IntType(width))
            builder.store(narrow, pointer).align = width // 8
            return context.get_dummy_value()

        return types.void(array, types.intp, types.uint64), generate

    stored: Callable[..., Any] = intrinsic(store)
    return stored


# store_uN(array, byte, word): write the low bits of a word as a native number; bounds are the caller's.
store_u8 = _store_native(8)
store_u16 = _store_native(16)
store_u32 = _store_native(32)
store_u64 = _store_native(64)


@kernel
def read_bits(buffer: ByteArray, bit: int, width: int) -> Word:
    """Bits as an unsigned number; what lies beyond the buffer reads as 0.

    Parameters
    ----------
    buffer
        Shape (n_bytes,), uint8.
    bit
        First bit, counted from the most significant bit of the first byte.
    width
        Number of bits, 1 to 64.
    """
    byte = bit >> 3
    skip = bit & 7
    if skip + width <= 64 and byte >= 0 and byte + 8 <= buffer.size:
        word = load64(buffer, byte) << np.uint64(skip)
        return word >> np.uint64(64 - width)
    value = np.uint64(0)
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
def write_bits(buffer: ByteArray, bit: int, width: int, value: Word) -> None:
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
