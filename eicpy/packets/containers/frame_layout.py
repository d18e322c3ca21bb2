"""Transfer frames: their headers, in the words and with the section numbers of CCSDS 132.0-B and 732.0-B.

======================  ===========================================  =========================================
field                   TM (132.0-B-3, 4.1)                          AOS (732.0-B-4, 4.1)
======================  ===========================================  =========================================
version number          2 bits, 00 (4.1.2.2.2)                       2 bits, 01 (4.1.2.2.2)
spacecraft id           10 bits                                      8 bits
virtual channel id      3 bits (4.1.2.3)                             6 bits (63: only idle data)
frame counts            master channel 8 bits, virtual channel 8     virtual channel 24 bits, cycle 4 bits
secondary header        6-bit length, if its flag is set (4.1.3)     –
insert zone             –                                            of a length that the mission knows
first header pointer    11 bits in the header (4.1.2.7.6)            11 bits in the M_PDU header (4.1.4.2)
operational control     4 bytes if its flag is set (4.1.5)           4 bytes, as the mission knows (4.1.5)
frame error control     CRC-16, as the mission knows (4.1.6)         CRC-16, as the mission knows (4.1.6)
======================  ===========================================  =========================================

The first header pointer is the position in the data field of the first packet that begins there; 2047 where
none does, 2046 where the frame only holds idle data.
"""

from binascii import crc_hqx
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "IDLE_DATA",
    "MARKER",
    "NO_START",
    "RANDOMISER",
    "Channel",
    "Frame",
    "FrameLayout",
    "check_is_right",
    "derandomised",
]

MARKER = bytes.fromhex("1acffc1d")
"""Attached sync marker (CCSDS 131.0-B-4, section 9)."""
NO_START, IDLE_DATA = 0x7FF, 0x7FE
"""First header pointers: no packet begins in the frame; it holds only idle data."""
AOS_IDLE_CHANNEL = 63
SERVICES = ("TM", "AOS")
HEADER_BYTES = 6
TM_COUNTS = 1 << 8

Channel = tuple[int, int]
"""Spacecraft id and virtual channel id."""


def _randomiser(size: int) -> bytes:
    """Sequence of h(x) = x⁸ + x⁷ + x⁵ + x³ + 1 (CCSDS 131.0-B-4, section 10.4)."""
    register, out = [1] * 8, bytearray()
    for _ in range(size):
        byte = 0
        for _ in range(8):
            byte = byte << 1 | register[0]
            register = [*register[1:], register[0] ^ register[3] ^ register[5] ^ register[7]]
        out.append(byte)
    return bytes(out)


RANDOMISER = _randomiser(255)
"""The sequence has a period of 255 bits, which is 255 bytes."""


def derandomised(data: bytes) -> bytes:
    """A frame as it was before it was pseudo-randomised, to look at its header."""
    sequence = RANDOMISER * (len(data) // 255 + 1)
    return bytes(a ^ b for a, b in zip(data, sequence, strict=False))


def check_is_right(data: bytes) -> bool:
    """Whether bytes end with their CRC-16: a frame with frame error control, a packet with that checksum."""
    return len(data) > 2 and crc_hqx(data, 0xFFFF) == 0


class Frame(NamedTuple):
    """A transfer frame, read."""

    position: int
    """First byte, the marker included, from the start of the stream."""
    channel: Channel
    number: int
    """Virtual channel frame count."""
    modulus: int
    """Of that count."""
    master: int
    """Master channel frame count; −1 of AOS, which has none."""
    pointer: int
    """First header pointer; −1 where the data field holds no packets (TM: synchronisation flag)."""
    data: bytes
    """The data field."""
    sound: bool
    """Whether its CRC-16 is right, where frames have one; whether it stands where it should, where not."""
    content: int
    """Hash of all its bytes."""


@dataclass(frozen=True)
class FrameLayout:
    """What the frames of a file have in common.

    Attributes
    ----------
    service
        TM or AOS.
    length
        Bytes of a transfer frame.
    marker
        Whether a sync marker stands before each.
    check_bytes
        Reed–Solomon check symbols after each.
    has_check
        Whether frames end with a CRC-16.
    has_control
        AOS: whether frames have an operational control field; of TM their headers say it.
    zone
        AOS: bytes between the primary header and the M_PDU header (header error control, insert zone).
    spacecraft
        Spacecraft ids.
    without_packets
        Virtual channels whose data fields hold no packets.
    """

    service: str
    length: int
    marker: bool = True
    check_bytes: int = 0
    has_check: bool = False
    has_control: bool = False
    zone: int = 0
    spacecraft: frozenset[int] = frozenset()
    without_packets: frozenset[Channel] = field(default_factory=frozenset)

    @property
    def period(self) -> int:
        """Bytes from the beginning of a frame to that of the next."""
        return len(MARKER) * self.marker + self.length + self.check_bytes

    @property
    def words(self) -> str:
        """All that in words, without the channels."""
        parts = [f"{self.service} transfer frames of {self.length} bytes"]
        if self.marker:
            parts.append("each after a sync marker (1ACFFC1D)")
        parts.append("with a CRC-16 (frame error control)" if self.has_check else "without a checksum")
        if self.has_control:
            parts.append("with an operational control field")
        if self.zone:
            parts.append(f"with {self.zone} bytes between header and packets (insert zone)")
        if self.check_bytes:
            parts.append(f"followed by {self.check_bytes} Reed–Solomon check symbols, which are skipped")
        names = ", ".join(map(str, sorted(self.spacecraft)))
        return ", ".join(parts) + (f", spacecraft {names}" if names else "")

    def channel_of(self, header: bytes) -> Channel:
        """Spacecraft and virtual channel in a frame header."""
        word = header[0] << 8 | header[1]
        if self.service == "TM":
            return word >> 4 & 0x3FF, word >> 1 & 7
        return word >> 6 & 0xFF, word & 0x3F

    def begins(self, stream: bytes | bytearray, at: int) -> bool:
        """Whether a frame begins here: the marker, or a header of the right version and spacecraft."""
        if self.marker:
            return stream.startswith(MARKER, at)
        header = stream[at : at + 2]
        if len(header) < 2 or header[0] >> 6 != SERVICES.index(self.service):
            return False
        return self.channel_of(bytes(header))[0] in self.spacecraft

    def read(self, position: int, whole: bytes, *, sound: bool = True) -> Frame:
        """Read a frame (without its marker and check symbols)."""
        channel = self.channel_of(whole)
        stop = self.length - 2 * self.has_check
        if self.has_check:
            sound = check_is_right(whole)
        elif channel[0] not in self.spacecraft or whole[0] >> 6 != SERVICES.index(self.service):
            sound = False
        if self.service == "TM":
            status = whole[4] << 8 | whole[5]
            start = HEADER_BYTES + ((whole[6] & 0x3F) + 1 if status & 0x8000 else 0)
            stop -= 4 * (whole[1] & 1)
            pointer = status & 0x7FF if not status & 0x4000 or status & 0x7FF == IDLE_DATA else -1
            count, counts, master = whole[3], TM_COUNTS, whole[2]
        else:
            start = HEADER_BYTES + self.zone + 2
            stop -= 4 * self.has_control
            pointer = (whole[start - 2] << 8 | whole[start - 1]) & 0x7FF
            count, counts, master = int.from_bytes(whole[2:5], "big"), 1 << 24, -1
            if whole[5] & 0x40:
                count, counts = count | (whole[5] & 0xF) << 24, 1 << 28
            if channel[1] == AOS_IDLE_CHANNEL:
                pointer = IDLE_DATA
        if channel in self.without_packets and pointer != IDLE_DATA:
            pointer = -1
        data = whole[start:stop]
        return Frame(position, channel, count, counts, master, pointer, data, sound, hash(whole))
