"""Packet error control: the checksums that real packets carry, and how to recognise which one it is.

A checksum is a property of an APID: one file may mix packets with and without. Four kinds are known.

``none``
    No checksum (Solar Orbiter/STIX, JPSS).
``crc16``
    CRC-16/CCITT-FALSE, x¹⁶ + x¹² + x⁵ + 1 from all ones, in the last two bytes (ECSS-E-ST-70-41C, annex
    B.1). The CRC of a whole packet including its checksum is 0.
``xor16``
    All 16-bit words of the packet combined by exclusive or give 0, wherever the checksum stands
    (PADRE/MeDDEA). An odd last byte counts as the high half of a word.
``iso16``
    The ISO 8473 checksum of ECSS-E-ST-70-41C, annex B.2: two sums modulo 255 that start from all ones
    and are both 0 at the end of an intact packet.

The CRC takes sixteen bytes at a time ("slicing"): by linearity, the CRC of sixteen bytes is the
exclusive or of sixteen table look-ups, of which only two depend on the bytes before. Where the processor
multiplies polynomials (x86), each word of eight bytes is multiplied by its power of x instead.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.bits import (
    Word,
    address_of,
    get_8,
    get_64,
    inline_kernel,
    kernel,
    lanes,
    load64,
    multiply_without_carry,
    sum_of_products,
)
from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array

__all__ = [
    "ChecksumKind",
    "checksum_crc16",
    "checksum_iso16",
    "verify_checksums",
]


class ChecksumKind(IntEnum):
    """Packet error control of an APID."""

    NONE = 0
    CRC16 = 1
    XOR16 = 2
    ISO16 = 3

    @classmethod
    def of(cls, name: str) -> "ChecksumKind":
        """Kind of a name: none, crc16, xor16 or iso16.

        Raises
        ------
        BadArgumentError
            For another name.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(kind.name.lower() for kind in cls)
            raise BadArgumentError(f"got checksum {name!r}, expected one of {known}") from None


_POLYNOMIAL = 0x1021


def _slicing_tables() -> npt.NDArray[np.uint16]:
    """Row k: CRC of one byte followed by k zero bytes, shape (16 · 256,)."""
    tables = np.zeros((16, 256), dtype=np.uint16)
    for value in range(256):
        crc = value << 8
        for _ in range(8):
            crc = ((crc << 1) ^ _POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
        tables[0, value] = crc
    for row in range(1, 16):
        before = tables[row - 1]
        tables[row] = (before << 8) ^ tables[0, before >> 8]
    return tables.reshape(-1)


_TABLE = _slicing_tables()


def _powers(number: int) -> npt.NDArray[np.uint64]:
    """Remainders of x^(16 + 64·j) divided by the polynomial, from j = number − 1 down to 0."""
    by_64, by_72 = _TABLE[6 * 256 : 7 * 256].tolist(), _TABLE[7 * 256 : 8 * 256].tolist()
    powers = [_POLYNOMIAL]
    while len(powers) < number:
        powers.append(by_72[powers[-1] >> 8] ^ by_64[powers[-1] & 255])
    return np.array(powers[::-1], dtype=np.uint64)


_MOST_WORDS = 8193
_POWERS = _powers(_MOST_WORDS)


@kernel
def _sliced(source: int, length: int) -> Word:
    """CRC-16/CCITT-FALSE of the bytes at an address, sixteen bytes at a time."""
    crc = np.uint64(0xFFFF)
    mask = np.uint64(255)
    position = 0
    end = length
    while position + 16 <= end:
        high = get_64(source, position) ^ (crc << np.uint64(48))
        low = get_64(source, position + 8)
        crc = np.uint64(
            _TABLE[3840 + (high >> np.uint64(56))]
            ^ _TABLE[3584 + ((high >> np.uint64(48)) & mask)]
            ^ _TABLE[3328 + ((high >> np.uint64(40)) & mask)]
            ^ _TABLE[3072 + ((high >> np.uint64(32)) & mask)]
            ^ _TABLE[2816 + ((high >> np.uint64(24)) & mask)]
            ^ _TABLE[2560 + ((high >> np.uint64(16)) & mask)]
            ^ _TABLE[2304 + ((high >> np.uint64(8)) & mask)]
            ^ _TABLE[2048 + (high & mask)]
            ^ _TABLE[1792 + (low >> np.uint64(56))]
            ^ _TABLE[1536 + ((low >> np.uint64(48)) & mask)]
            ^ _TABLE[1280 + ((low >> np.uint64(40)) & mask)]
            ^ _TABLE[1024 + ((low >> np.uint64(32)) & mask)]
            ^ _TABLE[768 + ((low >> np.uint64(24)) & mask)]
            ^ _TABLE[512 + ((low >> np.uint64(16)) & mask)]
            ^ _TABLE[256 + ((low >> np.uint64(8)) & mask)]
            ^ _TABLE[low & mask]
        )
        position += 16
    while position < end:
        crc = ((crc << np.uint64(8)) & np.uint64(0xFFFF)) ^ np.uint64(
            _TABLE[(crc >> np.uint64(8)) ^ get_8(source, position)]
        )
        position += 1
    return crc


@inline_kernel
def _folded(source: int, length: int) -> Word:
    """CRC-16/CCITT-FALSE by polynomial products: each word of eight bytes times its power of x.

    The products do not depend on one another, so the processor has many of them under way at once.
    """
    if length < 16 or length >> 3 >= _MOST_WORDS:
        return _sliced(source, length)
    low = np.uint64(0)
    high = np.uint64(0)
    words = length >> 3
    rest = length & 7
    position = rest
    # The start from all ones is an exclusive or with the first two bytes.
    ones = np.uint64(0xFFFF) << np.uint64(48)
    factor = _MOST_WORDS - words
    if rest > 0:
        word = (get_64(source, 0) ^ ones) >> np.uint64(64 - 8 * rest)
        low, high = multiply_without_carry(word, _POWERS[factor - 1])
        ones = ones << np.uint64(8) if rest == 1 else np.uint64(0)
    single = words & (lanes() - 1)
    if ones != 0 and single == 0:
        single = lanes()
    for _ in range(single):
        part = multiply_without_carry(get_64(source, position) ^ ones, _POWERS[factor])
        low ^= part[0]
        high ^= part[1]
        ones = np.uint64(0)
        position += 8
        factor += 1
    part = sum_of_products(source, position, address_of(_POWERS), 8 * factor, _MOST_WORDS - factor)
    low ^= part[0]
    high ^= part[1]
    mask = np.uint64(255)
    return (low & np.uint64(0xFFFF)) ^ np.uint64(
        _TABLE[(low >> np.uint64(16)) & mask]
        ^ _TABLE[256 + ((low >> np.uint64(24)) & mask)]
        ^ _TABLE[512 + ((low >> np.uint64(32)) & mask)]
        ^ _TABLE[768 + ((low >> np.uint64(40)) & mask)]
        ^ _TABLE[1024 + ((low >> np.uint64(48)) & mask)]
        ^ _TABLE[1280 + (low >> np.uint64(56))]
        ^ _TABLE[1536 + (high & mask)]
        ^ _TABLE[1792 + ((high >> np.uint64(8)) & mask)]
    )


@inline_kernel
def crc16_at(source: int, length: int) -> Word:
    """CRC-16/CCITT-FALSE of the bytes at an address."""
    return _folded(source, length) if lanes() else _sliced(source, length)


@kernel
def _crc16(data: ByteArray) -> Word:
    return crc16_at(address_of(data), data.size)


@kernel
def xor16_range(buffer: ByteArray, start: int, length: int) -> Word:
    """Exclusive or of the big-endian 16-bit words of a part of a buffer."""
    word = np.uint64(0)
    position = start
    end = start + length
    while position + 8 <= end:
        word ^= load64(buffer, position)
        position += 8
    word ^= word >> np.uint64(32)
    word ^= word >> np.uint64(16)
    word &= np.uint64(0xFFFF)
    shift = 8
    while position < end:
        word ^= np.uint64(buffer[position]) << np.uint64(shift)
        shift = 8 - shift
        position += 1
    return word


@kernel
def iso16_range(buffer: ByteArray, start: int, length: int) -> Word:
    """The two sums of the ISO checksum over a part of a buffer, as 256·C0 + C1, each in 0..254."""
    first: Word = 0
    second: Word = 0
    position = start
    end = start + length
    while position < end:
        stop = min(position + 4096, end)
        while position < stop:
            first += np.int64(buffer[position])
            second += first
            position += 1
        first %= 255
        second %= 255
    return np.uint64(first * 256 + second)


@kernel
def is_right(buffer: ByteArray, start: int, length: int, kind: int) -> bool:
    """Whether a packet agrees with its own checksum; a packet without room for one does not."""
    if length < 8:
        return False
    value = np.uint64(0)
    if kind == 1:
        value = crc16_at(address_of(buffer) + start, length)
    elif kind == 2:
        value = xor16_range(buffer, start, length)
    elif kind == 3:
        value = iso16_range(buffer, start, length)
    return bool(value == 0)


@kernel
def write_checksum(buffer: ByteArray, start: int, length: int, at: int, kind: int) -> None:
    """Compute the checksum of a packet and write it at byte `at` of the packet, which must hold 0."""
    value: Word = np.uint64(0)
    if kind == 1:
        value = crc16_at(address_of(buffer) + start, length - 2)
    elif kind == 2:
        value = xor16_range(buffer, start, length)
        if at & 1:
            value = ((value << np.uint64(8)) | (value >> np.uint64(8))) & np.uint64(0xFFFF)
    elif kind == 3:
        sums = iso16_range(buffer, start, length - 2)
        first, second = int(sums >> np.uint64(8)), int(sums & np.uint64(255))
        low = 255 - (first + second) % 255
        high = second or 255
        value = np.uint64(low * 256 + high)
    buffer[start + at] = value >> np.uint64(8)
    buffer[start + at + 1] = value & np.uint64(255)


@kernel
def _verify(
    buffer: ByteArray,
    offset: npt.NDArray[np.int64],
    length: npt.NDArray[np.int32],
    kind: int,
    right: npt.NDArray[np.bool_],
) -> None:
    for i in range(offset.size):
        inside = offset[i] >= 0 and offset[i] + length[i] <= buffer.size
        right[i] = inside and is_right(buffer, offset[i], length[i], kind)


def verify_checksums(
    buffer: Buffer,
    offset: npt.NDArray[np.int64],
    length: npt.NDArray[np.int32],
    kind: ChecksumKind,
) -> npt.NDArray[np.bool_]:
    """Which packets agree with their own checksum.

    Parameters
    ----------
    buffer
        The bytes that hold the packets.
    offset, length
        Shape (n_packets,): where each whole packet stands, bytes.
    kind
        The checksum they should carry.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), bool.

    See Also
    --------
    checksum_crc16, checksum_iso16 : the checksums of any bytes.
    ChecksumKind : the kinds there are.

    References
    ----------
    ECSS-E-ST-70-41C, annex B.1 (CRC) and B.2 (ISO checksum).
    """
    right = np.zeros(len(offset), dtype=np.bool_)
    _verify(as_byte_array(buffer), offset.astype(np.int64), length.astype(np.int32), int(kind), right)
    return right


def checksum_crc16(data: Buffer) -> int:
    """CRC-16/CCITT-FALSE (ECSS-E-ST-70-41C, annex B.1).

    Examples
    --------
    >>> hex(checksum_crc16(b"123456789"))
    '0x29b1'
    """
    array = as_byte_array(data)
    return int(_crc16(array))


def checksum_iso16(data: Buffer) -> int:
    """ISO 8473 checksum of the data (ECSS-E-ST-70-41C, annex B.2): the two bytes to append.

    Examples
    --------
    >>> hex(checksum_iso16(bytes.fromhex("abcdef01")))
    '0x9cf8'
    """
    array = as_byte_array(data)
    out = np.zeros(array.size + 2, dtype=np.uint8)
    out[:-2] = array
    write_checksum(out, 0, out.size, array.size, int(ChecksumKind.ISO16))
    return int(out[-2]) << 8 | int(out[-1])
