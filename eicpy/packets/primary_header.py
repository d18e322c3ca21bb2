"""The primary header of a space packet, in the words and with the section numbers of CCSDS 133.0-B-2.

Six bytes, three big-endian words of 16 bits:

====  =====================================================================  =========
word  fields, from the most significant bit                                  section
====  =====================================================================  =========
0     packet version number (3 bits, 000)                                    4.1.3.2
0     packet type (1, telecommand), secondary header flag (1), APID (11)     4.1.3.3
1     sequence flags (2), packet sequence count (14)                         4.1.3.4
2     packet data length (16): bytes of the packet data field, less one      4.1.3.5
====  =====================================================================  =========

The packet sequence count is counted for each APID and direction apart: telemetry and telecommands of one
APID have a *counter* each (ECSS-E-ST-70-41C, 7.4.1 and 7.4.4).

References
----------
CCSDS 133.0-B-2, Space Packet Protocol, June 2020, section 4.1.3.
"""

import numpy as np

from eicpy.packets.bits import Word, inline_kernel
from eicpy.packets.memory import ByteArray

__all__ = [
    "APIDS",
    "APID_MASK",
    "COMMAND_COUNTERS",
    "COUNTERS",
    "COUNT_MASK",
    "COUNT_MODULUS",
    "DATA_LENGTH_MASK",
    "FLAGS_SHIFT",
    "HEADER_BYTES",
    "IDLE_APID",
    "LENGTH_EXCESS",
    "LONGEST_PACKET",
    "SECONDARY_FLAG_SHIFT",
    "SHORTEST_PACKET",
    "TYPE_SHIFT",
    "VERSION_SHIFT",
    "apid_at",
    "counter_at",
    "is_version_0",
    "packet_length_at",
    "sequence_count_at",
    "word_at",
]

HEADER_BYTES = 6
"""Length of the primary header (4.1.3.1)."""

VERSION_SHIFT = 13
"""The packet version number is the first word shifted down by this (4.1.3.2)."""
TYPE_SHIFT = 12
"""Bit of the packet type in the first word: 1 for a telecommand (4.1.3.3.2)."""
SECONDARY_FLAG_SHIFT = 11
"""Bit of the secondary header flag in the first word (4.1.3.3.3)."""
APID_MASK = 0x7FF
"""Bits of the application process identifier in the first word (4.1.3.3.4)."""
APIDS = APID_MASK + 1
"""Number of APIDs."""
IDLE_APID = APID_MASK
"""APID of idle packets, which only fill the link (4.1.3.3.4)."""

FLAGS_SHIFT = 14
"""The sequence flags are the second word shifted down by this (4.1.3.4.2)."""
COUNT_MASK = 0x3FFF
"""Bits of the packet sequence count in the second word (4.1.3.4.3)."""
COUNT_MODULUS = COUNT_MASK + 1
"""The packet sequence count runs modulo this (4.1.3.4.3)."""

DATA_LENGTH_MASK = 0xFFFF
"""Bits of the packet data length (4.1.3.5)."""
LENGTH_EXCESS = HEADER_BYTES + 1
"""A whole packet has this many bytes more than its packet data length says: the header, and one (4.1.3.5)."""
SHORTEST_PACKET = LENGTH_EXCESS
"""Bytes of the shortest packet: the packet data field holds at least one (4.1.1)."""
LONGEST_PACKET = DATA_LENGTH_MASK + LENGTH_EXCESS
"""Bytes of the longest packet: the header and 65536 bytes of data."""

COMMAND_COUNTERS = APIDS
"""The counter of an APID's telecommands is the APID plus this; of its telemetry, the APID."""
COUNTERS = 2 * APIDS
"""Number of sequence counters."""


@inline_kernel
def word_at(buffer: ByteArray, position: int) -> Word:
    """The two bytes here as a number."""
    return (np.int64(buffer[position]) << 8) | np.int64(buffer[position + 1])


@inline_kernel
def is_version_0(buffer: ByteArray, position: int) -> bool:
    """Whether the byte here can be the first of a header: the packet version number is 0."""
    return bool(buffer[position] < 1 << (VERSION_SHIFT - 8))


@inline_kernel
def apid_at(buffer: ByteArray, position: int) -> Word:
    """APID of the header that begins here."""
    return word_at(buffer, position) & APID_MASK


@inline_kernel
def counter_at(buffer: ByteArray, position: int) -> Word:
    """Counter of the header that begins here: its APID, plus `COMMAND_COUNTERS` for a telecommand."""
    word = word_at(buffer, position)
    return (word & APID_MASK) | (((word >> TYPE_SHIFT) & 1) * COMMAND_COUNTERS)


@inline_kernel
def sequence_count_at(buffer: ByteArray, position: int) -> Word:
    """Packet sequence count of the header that begins here."""
    return word_at(buffer, position + 2) & COUNT_MASK


@inline_kernel
def packet_length_at(buffer: ByteArray, position: int) -> Word:
    """Bytes of the whole packet, as the header that begins here says."""
    return word_at(buffer, position + 4) + LENGTH_EXCESS
