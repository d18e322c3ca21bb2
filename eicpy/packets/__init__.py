"""CCSDS packets of any instrument: index, checksums, continuity, segments, times, layouts."""

from eicpy.moved import moved_names
from eicpy.packets.alternatives import AlternativePackets, check_alternatives, decode_alternatives
from eicpy.packets.buffers import map_file
from eicpy.packets.checksum import (
    ChecksumKind,
    checksum_crc16,
    checksum_iso16,
    verify_checksums,
)
from eicpy.packets.continuity import Continuity, ContinuityTable, Gap, continuity, timeless_identity
from eicpy.packets.counts.findings import CountFinding
from eicpy.packets.counts.words import COUNT_WORDS, COUNTER_FIELDS, PacketCounts, counter_note
from eicpy.packets.curves import Curve, Identity, Polynomial, TextCalibration, parse_calibration
from eicpy.packets.decode import DecodedPackets, GroupRows, decode, select
from eicpy.packets.encode import encode
from eicpy.packets.encode_headers import PacketHeaders
from eicpy.packets.identity import packet_identity
from eicpy.packets.index import PacketIndex, PacketStatus, Skipped
from eicpy.packets.indexer import PacketIndexer, index_packets
from eicpy.packets.inspection import inspect_file, inspect_files
from eicpy.packets.layout import FieldSpec, Group, PacketLayout
from eicpy.packets.limits import Limits
from eicpy.packets.report import ApidReport, PacketReport, report_index
from eicpy.packets.rules import ApidDecision, HeaderRule, PacketHeaderRule
from eicpy.packets.segments import SegmentGroup, SegmentGroups, assemble, segment_groups
from eicpy.packets.timecode import CdsFormat, CucFormat, read_p_field

__getattr__ = moved_names(__name__)

__all__ = [
    "COUNTER_FIELDS",
    "COUNT_WORDS",
    "AlternativePackets",
    "ApidDecision",
    "ApidReport",
    "CdsFormat",
    "ChecksumKind",
    "Continuity",
    "ContinuityTable",
    "CountFinding",
    "CucFormat",
    "Curve",
    "DecodedPackets",
    "FieldSpec",
    "Gap",
    "Group",
    "GroupRows",
    "HeaderRule",
    "Identity",
    "Limits",
    "PacketCounts",
    "PacketHeaderRule",
    "PacketHeaders",
    "PacketIndex",
    "PacketIndexer",
    "PacketLayout",
    "PacketReport",
    "PacketStatus",
    "Polynomial",
    "SegmentGroup",
    "SegmentGroups",
    "Skipped",
    "TextCalibration",
    "assemble",
    "check_alternatives",
    "checksum_crc16",
    "checksum_iso16",
    "continuity",
    "counter_note",
    "decode",
    "decode_alternatives",
    "encode",
    "index_packets",
    "inspect_file",
    "inspect_files",
    "map_file",
    "packet_identity",
    "parse_calibration",
    "read_p_field",
    "report_index",
    "segment_groups",
    "select",
    "timeless_identity",
    "verify_checksums",
]
