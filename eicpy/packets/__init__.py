"""CCSDS packets of any instrument: index, checksums, continuity, segments, times, layouts."""

from eicpy.packets.checksum import (
    ChecksumKind,
    checksum_bytes,
    checksum_crc16,
    checksum_is_right,
    checksum_iso16,
    checksum_xor16,
    verify_checksums,
)
from eicpy.packets.index import PacketIndex, PacketIndexer, PacketStatus, Skipped, index_packets
from eicpy.packets.rules import ApidDecision, HeaderRule, PacketHeaderRule
