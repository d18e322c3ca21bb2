"""Headers of packets that are to be made: the values that go into them, and writing them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel, write_bits
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import write_checksum
from eicpy.packets.primary_header import (
    COUNT_MASK,
    FLAGS_SHIFT,
    LENGTH_EXCESS,
    SECONDARY_FLAG_SHIFT,
    TYPE_SHIFT,
)
from eicpy.packets.rules import COMMAND_HEADER_END, DEFAULT_TIME_BYTE, SECONDARY, HeaderRule
from eicpy.packets.timecode import to_day_segments

__all__ = ["ACKNOWLEDGE", "PacketHeaders", "time_position"]

Ints = npt.NDArray[np.int64]
PerPacket = npt.ArrayLike
ACKNOWLEDGE = 0b1101
"""Acknowledgement that a telecommand asks for: of acceptance (8), start (4), progress (2), completion (1)."""


@dataclass(frozen=True)
class PacketHeaders:
    """Values of the headers of packets of one kind, for :func:`~eicpy.packets.encode`.

    Parameters
    ----------
    apid
        Application process id.
    sequence_count
        Shape (n_packets,); taken modulo 16384. Its length says how many packets there are.
    coarse, fine
        Shape (n_packets,) or a number: on-board time, written where the header rule says; of a day-segmented
        one as the index holds it (see `PacketHeaderRule`).
    service, subservice
        PUS type and subtype.
    destination
        PUS destination id; of a telecommand the source id. Shape (n_packets,) or a number.
    message_count
        PUS-C message type counter, shape (n_packets,) or a number; by default the sequence count.
    sequence_flags
        3 for whole packets. Shape (n_packets,) or a number.
    secondary_flag
        Whether the primary header announces a secondary one; by default for PUS headers.
    command
        Make telecommands: the packet type bit, and the shorter PUS header without a time.
    acknowledge
        What reports a telecommand asks for, 4 bits: acceptance, start, progress, completion.

    See Also
    --------
    encode : makes the packets.
    HeaderRule : where the headers of an instrument have their fields.

    References
    ----------
    CCSDS 133.0-B-2, section 4.1.3 (primary header); ECSS-E-ST-70-41C, section 7.4 (secondary headers).
    """

    apid: int
    sequence_count: PerPacket
    coarse: PerPacket = 0
    fine: PerPacket = 0
    service: int = 0
    subservice: int = 0
    destination: PerPacket = 0
    message_count: PerPacket | None = None
    sequence_flags: PerPacket = 3
    secondary_flag: bool | None = None
    command: bool = False
    acknowledge: int = ACKNOWLEDGE

    def write(
        self,
        out: ByteArray,
        offset: Ints,
        length: Ints,
        rule: HeaderRule,
        time_bit: int,
        checksum: tuple[int, int],
    ) -> None:
        """Write the headers, and the checksums over all that is written.

        Parameters
        ----------
        out
            The packets; bits of headers are 0.
        offset, length
            Of each packet, bytes, shape (n_packets,).
        rule
            Header rule of the APID.
        time_bit
            As `time_position` returns it.
        checksum
            Kind, and byte from the start of the packet or −1 for the end.
        """
        flag = rule.secondary in {"pus-a", "pus-c"} if self.secondary_flag is None else self.secondary_flag
        message = self.sequence_count if self.message_count is None else self.message_count
        coarse, fine = self.coarse, self.fine
        if rule.day_epoch:
            coarse, fine = to_day_segments(coarse, fine, rule.fine_bits)
        columns = (self.sequence_count, self.sequence_flags, message, self.destination, coarse, fine)
        _write_headers(
            out,
            offset,
            length,
            np.array([self.apid, SECONDARY[rule.secondary], flag, self.service, self.subservice], np.int64),
            np.stack([_per_packet(column, len(offset)) for column in columns]),
            np.array([time_bit, rule.coarse_bits, rule.fine_bits, *checksum], np.int64),
            np.array([self.command, self.acknowledge & 15 if self.command else 0], np.int64),
        )


def time_position(header: HeaderRule, *, command: bool) -> tuple[int, int]:
    """Return the first bit of the on-board time (−1: none), and the bit after the header.

    Both count from the start of the packet. Telecommands have no time.
    """
    if command:
        return -1, 8 * COMMAND_HEADER_END.get(header.secondary, 0)
    byte = header.time_offset if header.time_offset is not None else DEFAULT_TIME_BYTE.get(header.secondary)
    if byte is None or header.coarse_bits == 0:
        return -1, {"pus-a": 80, "pus-c": 104}.get(header.secondary, 0)
    return 8 * byte, 8 * byte + header.coarse_bits + header.fine_bits


def _per_packet(values: PerPacket, n: int) -> Ints:
    return np.broadcast_to(np.asarray(values, dtype=np.int64).reshape(-1), (n,))


@kernel
def _write_headers(
    out: ByteArray, offset: Ints, length: Ints, fixed: Ints, columns: Ints, geometry: Ints, command: Ints
) -> None:
    """Primary and secondary headers and checksums; `fixed`: apid, secondary kind, flag, type, subtype.

    `columns`: sequence count, sequence flags, message count, destination, coarse, fine, shape (6, n).
    `command`: packet type bit, and the acknowledgement flags of a telecommand.
    """
    time_bit, coarse_bits, fine_bits, checksum, checksum_byte = geometry
    for i in range(offset.size):
        count, flags, message, destination, coarse, fine = columns[:, i]
        p = offset[i]
        words = (
            (command[0] << TYPE_SHIFT) | (fixed[2] << SECONDARY_FLAG_SHIFT) | fixed[0],
            (flags << FLAGS_SHIFT) | (count & COUNT_MASK),
            length[i] - LENGTH_EXCESS,
        )
        for w in range(3):
            out[p + 2 * w] = words[w] >> 8
            out[p + 2 * w + 1] = words[w] & 255
        if fixed[1] == 1 or fixed[1] == 2:  # a set is slow in a kernel
            out[p + 6] = (0x10 if fixed[1] == 1 else 0x20) | command[1]
            out[p + 7] = fixed[3]
            out[p + 8] = fixed[4]
        if fixed[1] == 1:
            out[p + 9] = destination & 255
        if fixed[1] == 2 and command[0]:
            out[p + 9] = destination >> 8
            out[p + 10] = destination & 255
        elif fixed[1] == 2:
            out[p + 9] = (message >> 8) & 255
            out[p + 10] = message & 255
            out[p + 11] = destination >> 8
            out[p + 12] = destination & 255
        if time_bit >= 0 and coarse_bits > 0:
            write_bits(out, 8 * p + time_bit, coarse_bits, coarse)
            if fine_bits > 0:
                write_bits(out, 8 * p + time_bit + coarse_bits, fine_bits, fine)
        if checksum > 0:
            at = checksum_byte if checksum_byte >= 0 else length[i] - 2
            write_checksum(out, p, length[i], at, checksum)
