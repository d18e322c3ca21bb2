import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import (
    ChecksumKind,
    FieldSpec,
    PacketHeaderRule,
    PacketHeaders,
    PacketLayout,
    decode,
    encode,
    index_packets,
    select,
    verify_checksums,
)


def bits_of(raw):
    return "".join(f"{octet:08b}" for octet in raw)


def slow_number(bits, spec):
    """A field from a text of bits."""
    number = int(bits, 2)
    if spec.kind == "int" and bits[0] == "1":
        number -= 1 << spec.bit_width
    if spec.kind == "float":
        form = {16: ">e", 32: ">f", 64: ">d"}[spec.bit_width]
        return struct.unpack(form, number.to_bytes(spec.bit_width // 8, "big"))[0]
    return number


@st.composite
def specs(draw, prefix, repeat="", stride=None):
    kind = draw(st.sampled_from(["uint", "int", "float", "pad"]))
    width = draw(st.sampled_from([16, 32, 64]) if kind == "float" else st.integers(1, 64))
    return FieldSpec(
        prefix, None, width, kind, repeat=repeat, stride=stride, elements=draw(st.sampled_from([1, 1, 1, 3]))
    )


@st.composite
def layouts(draw):
    fields = [draw(specs(f"F{i}")) for i in range(draw(st.integers(0, 5)))]
    if draw(st.booleans()):
        fields.append(FieldSpec("N", None, draw(st.integers(3, 20)), "uint"))
        fields += [draw(specs(f"R{i}", "N")) for i in range(draw(st.integers(1, 4)))]
        fields += [draw(specs(f"G{i}")) for i in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        fields += [draw(specs(f"X{i}", "3")) for i in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        # Records of whole bytes, so that padding to a byte cannot be taken for one.
        fields.append(
            FieldSpec(
                "FILL",
                None,
                8 * draw(st.integers(1, 8)),
                "uint",
                repeat="fill",
                stride=draw(st.sampled_from([None, 64, 80])),
            )
        )
    return PacketLayout(fields)


def values_of(spec, count, rng):
    shape = (count,) if spec.elements == 1 else (count, spec.elements)
    raw = rng.integers(0, 2**64, size=shape, dtype=np.uint64, endpoint=False) >> np.uint64(
        64 - spec.bit_width
    )
    if spec.kind == "float":
        return raw.astype(f"u{spec.dtype.itemsize}").view(spec.dtype)
    if spec.kind == "int":
        shift = np.int64(64 - spec.bit_width)
        return ((raw.view(np.int64) << shift) >> shift).astype(spec.dtype)
    return raw.astype(spec.dtype)


@settings(max_examples=150)
@given(layouts(), st.integers(0, 150), st.integers(0, 2**32), st.sampled_from(["none", "crc16", "iso16"]))
def test_random_layouts_survive_encoding_and_decoding(layout, n, seed, checksum):
    rng = np.random.default_rng(seed)
    # A packet without any data does not exist: it gets a byte, which would be taken for a record.
    fewest = 0 if layout.single else 1
    counts = {name: rng.integers(fewest, 6, n) for name, g in layout.groups.items() if g.fixed_count is None}
    number = {name: counts.get(name, np.full(n, g.fixed_count)) for name, g in layout.groups.items()}
    group_of = {s.name: name for name, g in layout.groups.items() for s, _ in g.fields}
    columns = {k: values_of(layout[k], n, rng) for k in layout.single if k != "N"}
    repeated = {k: values_of(layout[k], int(number[group_of[k]].sum()), rng) for k in layout.repeated}
    header = PacketHeaderRule(77, checksum, "none", 0)
    raw = encode(layout, PacketHeaders(77, np.arange(n), 0, 0), columns, repeated, counts, header=header)
    index = index_packets(raw, [header])
    assert len(index) == n
    assert index.good.all()
    back = decode(raw, index, layout)
    assert back.complete.all()
    for name, values in {**columns, **repeated}.items():
        found = {**back.columns, **back.repeated}[name]
        assert found.dtype == values.dtype
        assert found.tobytes() == values.tobytes(), name
    for name, group in back.groups.items():
        assert group.counts.tolist() == number[name].tolist()
        assert group.packet.tolist() == np.repeat(np.arange(n), number[name]).tolist()


@settings(max_examples=60)
@given(layouts(), st.binary(min_size=0, max_size=400), st.integers(1, 90))
def test_decoding_any_bytes_agrees_with_a_text_of_bits(layout, data, size):
    """The fields at fixed places of packets of arbitrary content and length, short ones included."""
    pieces = [data[i : i + size] or b"\0" for i in range(0, max(len(data), 1), size)]
    raw = b"".join(struct.pack(">HHH", 5, n, len(p) - 1) + p for n, p in enumerate(pieces))
    index = index_packets(raw, [PacketHeaderRule(5)])
    index = index[index.good]
    back = decode(raw, index, layout)
    for row in range(len(index)):
        start = int(index.offset[row]) + 6
        text = bits_of(raw[start : start + int(index.length[row]) - 6])
        for spec, bit in layout.sections[0].fields:
            if not spec.is_data:
                continue
            for element in range(spec.elements):
                first = bit + element * spec.bit_width
                found = np.atleast_1d(back.columns[spec.name][row])[element]
                if first + spec.bit_width <= len(text):
                    expected = slow_number(text[first : first + spec.bit_width], spec)
                    assert found == expected or (found != found and expected != expected)  # noqa: PLR0124  # NaN
        last = max((bit + spec.bits for spec, bit in layout.sections[0].fields), default=0)
        if last > len(text):
            assert not back.complete[row]


def photons(n, rng):
    return {
        "TIME": rng.integers(0, 2**32, n, dtype=np.uint32),
        "DETNUM": rng.integers(0, 6400, n).astype(np.int16),
        "CHANNEL": rng.integers(0, 1024, n).astype(np.int16),
        "MULTIPLICITY": rng.integers(1, 16, n).astype(np.uint8),
    }


PHOTONS = PacketLayout.parse(
    "name,bit_offset,bit_width,type,repeat\n"
    "STATUS,112,16,uint,\nTIME,,32,uint,fill\nDETNUM,,13,uint,fill\nCHANNEL,,10,uint,fill\n"
    "MULTIPLICITY,,4,uint,fill\nSPARE,,5,pad,fill\n"
)
HEADER = PacketHeaderRule(810, "crc16", "pus-c", 32, 24)


def test_photon_packets_are_encoded_with_their_headers_and_checksum():
    rng = np.random.default_rng(1)
    counts = np.array([3, 0, 123])
    values = photons(126, rng)
    raw = encode(
        PHOTONS,
        PacketHeaders(
            810, [16383, 16384, 16385], [7, 8, 9], 2**24 - 1, service=200, subservice=1, destination=0x5555
        ),
        {"STATUS": [1, 2, 3]},
        values,
        counts,
        header=HEADER,
    )
    index = index_packets(raw, [HEADER])
    assert index.length.tolist() == [6 + 14 + 2 + 8 * n + 2 for n in counts]
    assert index.sequence_count.tolist() == [16383, 0, 1]
    assert (index.service[0], index.subservice[0], index.destination[0]) == (200, 1, 0x5555)
    assert index.coarse.tolist() == [7, 8, 9]
    assert (index.fine == 2**24 - 1).all()
    assert verify_checksums(raw, index.offset, index.length, ChecksumKind.CRC16).all()
    assert raw[:20].tobytes().hex() == "0b2affff0029" + "20c801" + "3fff" + "5555" + "00000007" + "ffffff"
    back = decode(raw, index, PHOTONS)
    assert back.counts.tolist() == counts.tolist()
    assert back.packet.tolist() == np.repeat([0, 1, 2], counts).tolist()
    for name, expected in values.items():
        assert back.repeated[name].tolist() == expected.tolist()
    assert back.columns["STATUS"].tolist() == [1, 2, 3]


def test_without_a_row_for_it_the_checksum_is_no_record():
    table = PacketLayout.parse("name,bit_offset,bit_width,type,repeat\nA,0,8,uint,fill\n")
    for kind in ("crc16", "xor16", "none"):
        header = PacketHeaderRule(9, kind, "none", 0)
        raw = encode(table, PacketHeaders(9, [0, 1], 0, 0), {}, {"A": np.arange(10)}, [4, 6], header=header)
        back = decode(raw, index_packets(raw, [header]), table)
        assert back.counts.tolist() == [4, 6]


def test_a_checksum_among_the_fields_is_written_there():
    table = PacketLayout.parse(
        "name,bit_offset,bit_width,type,repeat\nA,0,16,uint,\nSUM,,16,checksum,\nB,,16,uint,fill\n"
    )
    header = PacketHeaderRule(9, "xor16", "none", 0)
    raw = encode(table, PacketHeaders(9, [5], 0, 0), {"A": 0x1234}, {"B": [1, 2, 3]}, [3], header=header)
    index = index_packets(raw, [header])
    assert verify_checksums(raw, index.offset, index.length, ChecksumKind.XOR16).all()
    back = decode(raw, index, table)
    assert back.repeated["B"].tolist() == [1, 2, 3]
    assert len(raw) == 6 + 2 + 2 + 6


@dataclass
class Kind:
    apid: int
    service: int | None = None
    subservice: int | None = None
    structure: int | None = None
    command: bool = False


def test_kinds_are_told_apart_by_type_and_structure():
    table = PacketLayout.parse(
        "name,bit_offset,bit_width,type,repeat\nSID,112,8,structure,\nN,,8,uint,\nV,,8,uint,N\n"
    )
    parts = [
        encode(
            table,
            PacketHeaders(810, [n], 0, 0, service=3, subservice=sub),
            {"SID": sid},
            {"V": [n]},
            [1],
            header=HEADER,
        )
        for n, (sub, sid) in enumerate([(25, 1), (25, 2), (26, 1), (25, 1)])
    ]
    raw = np.concatenate(parts)
    index = index_packets(raw, [HEADER])
    assert select(raw, index, Kind(810)).tolist() == [True] * 4
    assert select(raw, index, Kind(810, 3, 25)).tolist() == [True, True, False, True]
    assert select(raw, index, Kind(810, 3, 25, 1), table).tolist() == [True, False, False, True]
    assert not select(raw, index, Kind(811)).any()


def test_a_count_that_lies_is_cut_to_the_packet_and_flagged(packet):
    table = PacketLayout.parse(
        "name,bit_offset,bit_width,type,repeat\nN,0,8,uint,\nV,,8,uint,N\nLAST,,8,uint,\n"
    )
    raw = packet(5, 0, bytes([2, 10, 11, 99])) + packet(5, 1, bytes([200, 10, 11, 99]))
    index = index_packets(raw, [PacketHeaderRule(5, "crc16")])
    back = decode(raw, index, table)
    assert back.counts.tolist() == [2, 3]
    assert back.complete.tolist() == [True, False]
    assert back.columns["LAST"].tolist() == [99, 0]
    assert back.repeated["V"].tolist() == [10, 11, 10, 11, 99]


def test_a_leftover_of_a_part_record_is_flagged(packet):
    table = PacketLayout.parse("name,bit_offset,bit_width,type,repeat\nA,0,8,uint,fill\nB,,16,uint,fill\n")
    sizes = [3, 4, 5, 6, 301, 303]
    raw = b"".join(packet(5, n, bytes(size)) for n, size in enumerate(sizes))
    back = decode(raw, index_packets(raw, [PacketHeaderRule(5, "crc16")]), table)
    assert back.complete.tolist() == [size % 3 == 0 for size in sizes]
    assert back.counts.tolist() == [size // 3 for size in sizes]


def test_overlapping_fields_arrays_and_bytes():
    table = PacketLayout.parse(
        "name,bit_offset,bit_width,type\nALL,0,32,uint\nHIGH,0,3,uint\nNEXT,,5,int\nRAW,0,32,bytes\nNIBBLES,0,4,uint[8]\n"
    )
    raw = struct.pack(">HHH", 5, 0, 3) + bytes.fromhex("7f00abcd")
    back = decode(raw, index_packets(raw, [PacketHeaderRule(5)]), table)
    assert back.columns["ALL"].tolist() == [0x7F00ABCD]
    assert back.columns["HIGH"].tolist() == [3]
    assert back.columns["NEXT"].tolist() == [-1]
    assert back.columns["RAW"].tolist() == [[0x7F, 0, 0xAB, 0xCD]]
    assert back.columns["NIBBLES"].tolist() == [[7, 15, 0, 0, 10, 11, 12, 13]]


def test_nothing_to_decode_is_no_error():
    index = index_packets(b"")
    back = decode(b"", index, PHOTONS)
    assert len(back) == 0
    assert len(back.repeated["TIME"]) == 0
    assert (
        len(
            encode(
                PHOTONS,
                PacketHeaders(810, [], 0, 0),
                {},
                photons(0, np.random.default_rng(0)),
                [],
                header=HEADER,
            )
        )
        == 0
    )


def test_an_index_of_another_file_is_refused(packet):
    raw = packet(5, 0, bytes(50))
    index = index_packets(raw, [PacketHeaderRule(5, "crc16")])
    with pytest.raises(BadDataError, match="this file"):
        decode(raw[:20], index, PHOTONS)


def test_values_that_cannot_be_written_are_named():
    def make(columns=None, repeated=None, counts=None):
        return encode(PHOTONS, PacketHeaders(810, [0], 0, 0), columns or {}, repeated, counts, header=HEADER)

    good = photons(2, np.random.default_rng(0))
    with pytest.raises(BadArgumentError, match=r"CHANNEL.*1024"):
        make(repeated={**good, "CHANNEL": [0, 1024]}, counts=[2])
    with pytest.raises(BadArgumentError, match="counts"):
        make(repeated=good)
    with pytest.raises(BadArgumentError, match="TIME: got 2 values, expected 3"):
        make(repeated=good, counts=[3])
    with pytest.raises(BadArgumentError, match="NOTHING"):
        make({"NOTHING": 1}, good, [2])
    with pytest.raises(BadArgumentError, match="DETNUM"):
        make(repeated={"TIME": [1, 2]}, counts=[2])
    with pytest.raises(BadArgumentError, match="float64"):
        make({"STATUS": 1.5}, good, [2])
    with pytest.raises(BadArgumentError, match="at most 65542"):
        make(repeated=photons(10_000, np.random.default_rng(0)), counts=[10_000])


def test_the_call_of_the_version_before_makes_the_same_packets():
    n = 2
    values = photons(3, np.random.default_rng(5)), [1, 2]
    now = encode(PHOTONS, PacketHeaders(810, np.arange(n), 7, destination=3), {}, *values, header=HEADER)
    with pytest.warns(DeprecationWarning, match="PacketHeaders"):
        before = encode(PHOTONS, 810, np.arange(n), 7, 0, {}, *values, header=HEADER, destination=3)
    assert before.tobytes() == now.tobytes()
