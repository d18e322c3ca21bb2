"""Bytes of packets may be given as the path of their file."""

import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.packets import (
    FieldSpec,
    PacketHeaderRule,
    PacketLayout,
    SegmentGroup,
    assemble,
    decode,
    index_packets,
    packet_identity,
    verify_checksums,
)


def test_a_path_is_taken_wherever_bytes_are(tmp_path, stream):
    raw = b"".join(stream(np.random.default_rng(7), 50))
    path = tmp_path / "packets.bin"
    path.write_bytes(raw)
    rules = [PacketHeaderRule(apid, "crc16") for apid in range(2047)]
    layout = PacketLayout([FieldSpec("A", 0, 8, "uint")])
    index = index_packets(raw, rules)
    assert index.good.all()
    group = SegmentGroup(int(index.apid[0]), np.array([0]), complete=True, reason="")
    kind = index.decisions[int(index.apid[0])].checksum
    expected = decode(raw, index, layout).columns["A"].tolist()
    for given in (path, str(path)):
        assert index_packets(given, rules) == index
        assert decode(given, index, layout).columns["A"].tolist() == expected
        assert packet_identity(given, index).tolist() == packet_identity(raw, index).tolist()
        assert verify_checksums(given, index.offset, index.length, kind).all()
        assert assemble(given, index, group).tolist() == assemble(raw, index, group).tolist()
    with pytest.raises(BadArgumentError, match="no such file"):
        index_packets(tmp_path / "none.bin")
