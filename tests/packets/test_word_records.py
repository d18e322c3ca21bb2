"""Records of eight bytes: the planes give what a plain reading of each record gives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eicpy.packets import FieldSpec, PacketHeaderRule, PacketLayout, decode, index_packets
from eicpy.packets.word_records import PLANE_WORDS

HEADER = PacketHeaderRule(5, "none", "none", 0)


def packets(counts, rng, lead=0):
    """Packets of so many records of random bytes, each after some bytes of other data."""
    whole = []
    for n, count in enumerate(counts):
        data = rng.integers(0, 256, lead + 8 * count + (not lead and not count), dtype=np.uint8).tobytes()
        head = (5).to_bytes(2, "big") + (0xC000 | n).to_bytes(2, "big") + (len(data) - 1).to_bytes(2, "big")
        whole.append(head + data)
    return b"".join(whole)


def plain(raw, index, counts, lead, spec, bit):
    """The twin: one number of each record, with Python's integers."""
    values = []
    for offset, count in zip(index.offset.tolist(), counts, strict=True):
        for k in range(count):
            start = offset + 6 + lead + 8 * k
            word = int.from_bytes(raw[start : start + 8], "big")
            value = (word >> (64 - bit - spec.bit_width)) & ((1 << spec.bit_width) - 1)
            if spec.kind == "int" and value >> (spec.bit_width - 1):
                value -= 1 << spec.bit_width
            values.append(value)
    return values


def cut(widths, kinds):
    """A table of fields that fill 64 bits."""
    specs = [
        FieldSpec(f"F{i}", None, width, kind, repeat="fill")
        for i, (width, kind) in enumerate(zip(widths, kinds, strict=False))
    ]
    return PacketLayout(specs)


@st.composite
def tables(draw):
    edges = sorted({0, 64, *draw(st.lists(st.integers(1, 63), max_size=7))})
    widths = [b - a for a, b in pairwise(edges)]
    kinds = draw(st.lists(st.sampled_from(["uint", "int"]), min_size=len(widths), max_size=len(widths)))
    return widths, kinds


@settings(deadline=None, max_examples=150)
@given(tables(), st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(0, 2**32))
@example(([32, 13, 10, 4, 5], ["uint"] * 5), [123, 0, 1], 1)
@example(([31, 2, 31], ["int"] * 3), [7], 2)
@example(([64], ["int"]), [9], 3)
def test_planes_agree_with_a_plain_reading(table, counts, seed):
    layout = cut(*table)
    raw = packets(counts, np.random.default_rng(seed))
    index = index_packets(raw, [HEADER])
    index = index[index.good]
    back = decode(raw, index, layout)
    assert back.counts.tolist() == counts
    bit = 0
    for spec in layout.fields:
        assert back.repeated[spec.name].tolist() == plain(raw, index, counts, 0, spec, bit), spec.name
        bit += spec.bit_width


@pytest.mark.parametrize(
    "counts", [[PLANE_WORDS], [PLANE_WORDS - 1, 2], [PLANE_WORDS + 1, 0, 5], [8191], [8000, 8191, 100]]
)
def test_planes_are_filled_again_across_packets(counts):
    layout = cut([32, 13, 10, 4, 5], ["uint", "int", "uint", "uint", "int"])
    raw = packets(counts, np.random.default_rng(4))
    index = index_packets(raw, [HEADER])
    back = decode(raw, index[index.good], layout)
    assert back.counts.tolist() == counts
    bit = 0
    for spec in layout.fields:
        assert back.repeated[spec.name].tolist() == plain(raw, index, counts, 0, spec, bit), spec.name
        bit += spec.bit_width


def test_records_that_begin_within_a_byte_are_read_all_the_same():
    """Records of eight bytes behind a field of 3 bits: no whole bytes, so no planes."""
    layout = PacketLayout([FieldSpec("FLAG", 0, 3, "uint"), *cut([32, 32], ["uint", "int"]).fields])
    raw = packets([4, 0, 9], np.random.default_rng(5), lead=1)
    index = index_packets(raw, [HEADER])
    back = decode(raw, index[index.good], layout)
    rows = zip(index.offset.tolist(), index.length.tolist(), back.counts.tolist(), strict=True)
    expected = []
    for offset, length, count in rows:
        bits = "".join(f"{octet:08b}" for octet in raw[offset + 6 : offset + length])
        expected += [int(bits[3 + 64 * k : 35 + 64 * k], 2) for k in range(count)]
    assert back.counts.tolist() == [4, 0, 9]
    assert back.repeated["F0"].tolist() == expected
