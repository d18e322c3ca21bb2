"""A number that names a packet by all of its bytes, so that the same packet is known when it comes again.

Two ground stations, or a replay, deliver the same packets; sequence counts turn over every 16384 packets and
do not show damage. The number is MurmurHash64A (A. Appleby, public domain) of the whole packet, header
and checksum included, over big-endian words. Each step of it is a bijection of the state and of the word
taken in, so that packets of one length that differ within a single eight-byte word, by a flipped bit for
instance, never have the same number. Others have it with a chance of 2⁻⁶⁴ a pair: among a thousand million
packets a chance of 3 %. It is no defence against forgery.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.packets.bits import Word, address_of, get_8, get_64, kernel
from eicpy.packets.buffers import Buffer, ByteArray, as_byte_array
from eicpy.packets.index import PacketIndex

__all__ = ["packet_identity"]

Ints = npt.NDArray[np.signedinteger[Any]]


@kernel
def _identities(buffer: ByteArray, offset: Ints, length: Ints, out: npt.NDArray[np.uint64]) -> None:
    """Write the number of each packet; bounds are the caller's."""
    source = address_of(buffer)
    for i in range(offset.size):
        out[i] = _identity(source, offset[i], np.int64(length[i]))


@kernel
def _identity(source: int, at: int, length: int) -> Word:
    factor = np.uint64(0xC6A4A7935BD1E995)
    state = np.uint64(0x8445D61A4E774912) ^ (np.uint64(length) * factor)
    whole = length & ~7
    for byte in range(0, whole, 8):
        word = get_64(source, at + byte) * factor
        state = (state ^ ((word ^ (word >> np.uint64(47))) * factor)) * factor
    if length > whole:
        rest = np.uint64(0)
        for byte in range(whole, length):
            rest = (rest << np.uint64(8)) | get_8(source, at + byte)
        state = (state ^ rest) * factor
    state = (state ^ (state >> np.uint64(47))) * factor
    return state ^ (state >> np.uint64(47))


def packet_identity(buffer: Buffer, index: PacketIndex) -> npt.NDArray[np.uint64]:
    """Number of each packet, the same for packets of the same bytes.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets; of a damaged one the bytes that are left count.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), uint64.

    Raises
    ------
    BadDataError
        If a packet does not lie inside the buffer.

    Examples
    --------
    >>> from eicpy.packets import index_packets
    >>> twice = bytes.fromhex("0801c0000001abcd" "0801c0010001abce" "0801c0000001abcd")
    >>> first, other, again = packet_identity(twice, index_packets(twice, checksum="none")).tolist()
    >>> first == again, first == other
    (True, False)
    """
    array = as_byte_array(buffer)
    end = int((index.offset + index.length).max()) if len(index) else 0
    if end > len(array) or (len(index) and int(index.offset.min()) < 0):
        raise BadDataError(
            f"got an index that reaches to byte {end}, expected at most {len(array)}",
            advice="is it the index of this file?",
        )
    out = np.empty(len(index), dtype=np.uint64)
    _identities(array, np.ascontiguousarray(index.offset), np.ascontiguousarray(index.length), out)
    return out
