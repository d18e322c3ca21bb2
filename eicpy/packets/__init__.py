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
from eicpy.packets.continuity import Continuity, Gap, continuity
from eicpy.packets.curves import Curve, Identity, Polynomial, Texts, parse_calibration
from eicpy.packets.decode import DecodedPackets, GroupRows, decode, select
from eicpy.packets.encode import encode
from eicpy.packets.index import PacketIndex, PacketIndexer, PacketStatus, Skipped, index_packets
from eicpy.packets.layout import FieldSpec, Group, Limits, PacketLayout
from eicpy.packets.rules import ApidDecision, HeaderRule, PacketHeaderRule

__all__ = [
    "ApidDecision",
    "ChecksumKind",
    "Continuity",
    "Curve",
    "DecodedPackets",
    "FieldSpec",
    "Gap",
    "Group",
    "GroupRows",
    "HeaderRule",
    "Identity",
    "Limits",
    "PacketHeaderRule",
    "PacketIndex",
    "PacketIndexer",
    "PacketLayout",
    "PacketStatus",
    "Polynomial",
    "Skipped",
    "Texts",
    "checksum_bytes",
    "checksum_crc16",
    "checksum_is_right",
    "checksum_iso16",
    "checksum_xor16",
    "continuity",
    "decode",
    "encode",
    "index_packets",
    "parse_calibration",
    "select",
    "verify_checksums",
]
