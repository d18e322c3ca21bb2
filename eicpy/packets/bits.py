"""Reading and writing bits of packets at memory speed.

Packets are big-endian and their fields start at any bit. A field of up to 64 bits touches at most nine
bytes, so it is one unaligned eight-byte load, a byte swap, a shift and a mask, plus one more byte in
the rare case of nine. Gathering single bytes instead costs about four times as much.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from eicpy.kernels import INTERPRETED, Deferred, inline_kernel, kernel
from eicpy.packets.memory import Buffer, ByteArray

if TYPE_CHECKING:  # imported when a kernel is compiled; named here as a source of its machine code
    from eicpy.packets import machine_code, plain_bits  # noqa: F401

__all__ = [
    "Buffer",
    "ByteArray",
    "Word",
    "address_of",
    "bits_at",
    "copy_64",
    "fetch_ahead",
    "get_8",
    "get_32",
    "get_64",
    "inline_kernel",
    "kernel",
    "lanes",
    "load64",
    "multiply_without_carry",
    "put_8",
    "put_16",
    "put_32",
    "put_64",
    "signed_field",
    "store64",
    "sum_of_products",
    "unsigned_field",
    "write_bits",
]

Word: TypeAlias = Any
"""A machine word inside a kernel: numba's unsigned and signed integers, which are no Python int."""


def _of_memory(name: str) -> Any:
    """A function of :mod:`eicpy.packets.machine_code`, or its plain twin where nothing is compiled."""
    if INTERPRETED:
        return getattr(import_module("eicpy.packets.plain_bits"), name, None)  # the CRC by products has none
    return Deferred(lambda: getattr(import_module("eicpy.packets.machine_code"), name), __name__, name)


address_of = _of_memory("address_of")
copy_64 = _of_memory("copy_64")
fetch_ahead = _of_memory("fetch_ahead")
get_8 = _of_memory("get_8")
get_32 = _of_memory("get_32")
get_64 = _of_memory("get_64")
lanes = _of_memory("lanes")
load64 = _of_memory("load64")
multiply_without_carry = _of_memory("multiply_without_carry")
put_8 = _of_memory("put_8")
put_16 = _of_memory("put_16")
put_32 = _of_memory("put_32")
put_64 = _of_memory("put_64")
signed_field = _of_memory("signed_field")
store64 = _of_memory("store64")
sum_of_products = _of_memory("sum_of_products")
unsigned_field = _of_memory("unsigned_field")


@kernel
def _bits_slowly(source: int, size: int, bit: int, width: int) -> Word:
    """As `bits_at`, byte by byte."""
    byte = bit >> 3
    skip = bit & 7
    value = np.uint64(0)
    left = width
    while left > 0:
        take = min(8 - skip, left)
        octet = get_8(source, byte) if 0 <= byte < size else np.uint64(0)
        part = (octet >> np.uint64(8 - skip - take)) & np.uint64((1 << take) - 1)
        value = (value << np.uint64(take)) | part
        left -= take
        skip = 0
        byte += 1
    return value


@inline_kernel
def bits_at(source: int, size: int, bit: int, width: int) -> Word:
    """Bits as an unsigned number; what lies beyond the bytes reads as 0.

    Parameters
    ----------
    source, size
        Address and number of the bytes.
    bit
        First bit, counted from the most significant bit of the first byte.
    width
        Number of bits, 1 to 64.
    """
    byte = bit >> 3
    skip = bit & 7
    if skip + width <= 64 and byte >= 0 and byte + 8 <= size:
        return (get_64(source, byte) << np.uint64(skip)) >> np.uint64(64 - width)
    return _bits_slowly(source, size, bit, width)


@kernel
def write_bits(buffer: ByteArray, bit: int, width: int, value: Word) -> None:
    """Write a number into bits that are 0 until now (the inverse of `bits_at`)."""
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
