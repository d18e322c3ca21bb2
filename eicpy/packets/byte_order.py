"""Numbers whose bytes do not stand in network order: the column ``byte_order`` of a layout table.

CCSDS packets are big-endian (CCSDS 133.0-B-2, section 1.6: the most significant bit comes first), their
contents as the processor on board stored them, often not. Bits are always taken as they come; the bytes of
the number that they make are put in order afterwards, whole columns at once.

An order is written ``little``, or as digits: ``3412`` means that the bytes of the number, the most
significant one first, are the third, the fourth, the first and the second of those that are sent.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.kernels import inline_kernel
from eicpy.packets.bits import Word

__all__ = ["in_order", "order_code", "read_byte_order", "to_wire", "word_in_order"]

Words = npt.NDArray[np.uint64]
_BIG = {"", "big", "be", "msb", "mostsignificantbytefirst", "big-endian"}
_LITTLE = {"little", "le", "lsb", "leastsignificantbytefirst", "little-endian"}


def read_byte_order(text: str, kind: str, width: int) -> str:
    """Order of the bytes of a number: empty where the most significant one comes first, else digits.

    Parameters
    ----------
    text
        As the table says it.
    kind, width
        Type of the field, and bits of an element.

    Raises
    ------
    BadDataError
        For an order that is none, or that a field of this type or width cannot have.
    """
    word = text.strip().lower()
    n = width // 8
    natural = "".join(str(k) for k in range(1, n + 1))
    if word in _BIG or word == natural or kind in {"pad", "zero"}:
        return ""
    if kind in {"bytes", "checksum"}:
        raise BadDataError(f"got byte order {text!r} of {kind}, expected it of a number only")
    if width % 8 or not 8 <= width <= 64:
        raise BadDataError(
            f"got byte order {text!r} of a number of {width} bits, expected whole bytes: in which bits of "
            "which bytes the rest stands is not defined",
            advice="make a row of each part, with its own bits",
        )
    order = natural[::-1] if word in _LITTLE else word
    if sorted(order) != sorted(natural):
        raise BadDataError(
            f"got byte order {text!r} of {n} bytes, expected big, little, or the digits {natural} in "
            "another order"
        )
    return "" if order == natural else order


def in_order(values: npt.NDArray[Any], width: int, order: str) -> npt.NDArray[Any]:
    """Numbers of which the bytes were taken as they came, with the bytes in order.

    Parameters
    ----------
    values
        Any shape; integers or floating-point numbers read most significant byte first.
    width
        Bits of a number.
    order
        As `read_byte_order` returns it.

    Returns
    -------
    numpy.ndarray
        Of the same shape and type; of signed numbers the sign is that of the byte that now comes first.
    """
    if not order:
        return values
    size = values.dtype.itemsize
    if order == _reversed(order):
        swapped = values.byteswap()
        spare = 8 * size - width
        if not spare:
            return swapped
        # What was the sign, or 0, is at the lower end now; the shift takes it away and extends the new sign.
        shifted: npt.NDArray[Any] = swapped >> swapped.dtype.type(spare)
        return shifted
    octets = np.ascontiguousarray(values).reshape(-1).astype(values.dtype.newbyteorder(">")).view(np.uint8)
    sent = octets.reshape(-1, size)[:, size - width // 8 :]
    left = np.zeros((len(sent), size), dtype=np.uint8)
    left[:, : width // 8] = sent[:, [int(digit) - 1 for digit in order]]  # at the upper end, for the sign
    words = left.reshape(-1).view(values.dtype.newbyteorder(">")).astype(values.dtype)
    if 8 * size - width:
        words = words >> words.dtype.type(8 * size - width)
    return words.reshape(values.shape)


def to_wire(words: Words, width: int, order: str) -> Words:
    """Numbers as the bits that are sent, most significant one first: the inverse of `in_order`."""
    if not order:
        return words
    result = np.zeros_like(words)
    n = width // 8
    for place, digit in enumerate(order):
        octet = (words >> np.uint64(8 * (n - 1 - place))) & np.uint64(255)
        result |= octet << np.uint64(8 * (n - int(digit)))
    return result


def order_code(order: str) -> int:
    """An order as a number, a hexadecimal digit a byte, for `word_in_order`; 0 for none."""
    return int(order, 16) if order else 0


@inline_kernel
def word_in_order(word: Word, width: int, code: int) -> Word:
    """As `in_order`, one unsigned number in a kernel."""
    if code == 0:
        return word
    n = width >> 3
    result = np.uint64(0)
    for place in range(n):
        digit = (code >> (4 * (n - 1 - place))) & 15
        result = (result << np.uint64(8)) | ((word >> np.uint64(8 * (n - digit))) & np.uint64(255))
    return result


def _reversed(order: str) -> str:
    return "".join(sorted(order, reverse=True))
