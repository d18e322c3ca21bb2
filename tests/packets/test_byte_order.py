"""Other orders of bytes, counts that are sums or conditions, and fields behind what fills a packet."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import PacketHeaderRule, PacketHeaders, PacketLayout, decode, encode, index_packets
from eicpy.packets.byte_order import in_order, to_wire

RULE = PacketHeaderRule(5)


def table(*rows):
    return PacketLayout.parse("\n".join(["name,bit_offset,bit_width,type,byte_order,repeat", *rows]))


def packet(data):
    """A packet of APID 5 with some bytes."""
    return bytes.fromhex("0005C000") + (len(data) - 1).to_bytes(2, "big") + data


def read(layout, *data):
    raw = b"".join(packet(each) for each in data)
    index = index_packets(raw, [RULE])
    assert index.good.all()
    return decode(raw, index, layout)


WIDTHS = (8, 16, 24, 32, 40, 48, 56, 64)
LITTLE = table(
    *(f"U{bits},,{bits},uint,little," for bits in WIDTHS),
    *(f"I{bits},,{bits},int,little," for bits in WIDTHS),
    *(f"F{bits},,{bits},float,little," for bits in (16, 32, 64)),
    "W,,32,uint,3412,",
    "V,,32,int,3412,",
)


@settings(max_examples=30)
@given(st.binary(min_size=2 * sum(WIDTHS) // 8 + 22, max_size=2 * sum(WIDTHS) // 8 + 22))
def test_little_endian_numbers_are_those_of_python(data):
    decoded = read(LITTLE, data)
    at = 0
    for kind in "UI":
        for bits in WIDTHS:
            number = int.from_bytes(data[at : at + bits // 8], "little", signed=kind == "I")
            assert decoded.columns[f"{kind}{bits}"].tolist() == [number]
            at += bits // 8
    for bits, code in ((16, "<e"), (32, "<f"), (64, "<d")):
        assert decoded.columns[f"F{bits}"].astype(f"<f{bits // 8}").tobytes() == data[at : at + bits // 8]
        assert struct.unpack(code, data[at : at + bits // 8])
        at += bits // 8
    for name, signed in (("W", False), ("V", True)):
        word = data[at + 2 : at + 4] + data[at : at + 2]
        assert decoded.columns[name].tolist() == [int.from_bytes(word, "big", signed=signed)]
        at += 4
    numbers = {name: column for name, column in decoded.columns.items() if not name.startswith("F")}
    bits = {f"F{b}": decoded.columns[f"F{b}"] for b in (16, 32, 64)}
    made = encode(LITTLE, PacketHeaders(5, [0]), {**numbers, **bits}, header=RULE).tobytes()
    if not any(np.isnan(column).any() for column in bits.values()):  # a NaN may change its payload
        assert made == packet(data)


@given(st.sampled_from([16, 24, 40, 64]), st.randoms(use_true_random=False), st.integers(0, 2**64 - 1))
def test_any_order_of_bytes_goes_there_and_back(bits, random, number):
    digits = [str(k) for k in range(1, bits // 8 + 1)]
    random.shuffle(digits)
    order = "".join(digits)
    words = np.array([number & ((1 << bits) - 1)], dtype=np.uint64)
    sent = int(to_wire(words, bits, order)[0]).to_bytes(bits // 8, "big")
    assert bytes(sent[int(digit) - 1] for digit in order) == int(words[0]).to_bytes(bits // 8, "big")
    assert in_order(to_wire(words, bits, order), bits, order).tolist() == words.tolist()


def test_counters_of_records_may_be_little_endian_within_records_too():
    layout = table(
        "N,0,16,uint,little,", "M,,16,uint,little,N", "X,,16,int,little,N/M", "END,,16,uint,little,"
    )
    data = struct.pack("<HHhhHhH", 2, 2, -1, 300, 1, -2, 0xBEEF)
    decoded = read(layout, data)
    assert decoded.complete.all()
    assert decoded.repeated["M"].tolist() == [2, 1]
    assert decoded.repeated["X"].tolist() == [-1, 300, -2]
    assert decoded.columns["END"].tolist() == [0xBEEF]
    made = encode(
        layout,
        PacketHeaders(5, [0]),
        {"END": [0xBEEF]},
        {"M": [2, 1], "X": [-1, 300, -2]},
        {"M": [2]},
        header=RULE,
    )
    assert made.tobytes() == packet(data)


def test_little_endian_records_of_eight_bytes_are_those_of_numpy():
    layout = table("T,0,32,uint,little,fill", "P,,16,uint,little,fill", "C,,16,int,little,fill")
    records = np.zeros(1000, np.dtype([("T", "<u4"), ("P", "<u2"), ("C", "<i2")]))
    values = np.random.default_rng(1)
    for name in records.dtype.names:
        info = np.iinfo(records.dtype[name])
        records[name] = values.integers(info.min, info.max, 1000)
    decoded = read(layout, records.tobytes())
    for name in records.dtype.names:
        assert np.array_equal(decoded.repeated[name], records[name])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["A,0,12,uint,little,"], "12 bits, expected whole bytes"),
        (["A,4,16,uint,little,"], "begins at bit 4 of a byte"),
        (
            ["A,0,4,uint,,", "B,,16,uint,little,"],
            "field B: got a byte order of a number that begins at bit 4",
        ),
        (["N,0,8,uint,,", "A,,4,uint,,N", "B,,16,uint,little,"], "field B.*from packet to packet"),
        (["N,0,8,uint,,", "A,,16,uint,little,3", "P,,4,pad,,3"], "field A.*from packet to packet"),
        (["A,0,16,uint,1123,"], "column byte_order: got byte order '1123' of 2 bytes"),
        (["A,0,16,uint,middle,"], "'middle'"),
        (["A,0,16,bytes,little,"], "of bytes, expected it of a number"),
        (["A,0,16,checksum,little,"], "of checksum, expected it of a number"),
    ],
)
def test_orders_that_no_bytes_have_are_refused(rows, message):
    with pytest.raises(BadDataError, match=message):
        table(*rows)


@pytest.mark.parametrize("order", ["big", "BIG", "1234", "", "mostSignificantByteFirst"])
def test_the_order_of_the_standard_may_be_said(order):
    assert table(f"A,0,32,uint,{order},").fields[0].byte_order == ""


def test_what_is_behind_fill_is_placed_from_the_end():
    layout = table("H,0,8,uint,,", "D,,8,uint,,fill", "TRAILER,,32,uint,,", "LAST,here-8,8,uint,,")
    decoded = read(layout, bytes.fromhex("07 010203 AABBCCDD"), bytes.fromhex("08 11223344"))
    assert decoded.repeated["D"].tolist() == [1, 2, 3]
    assert decoded.counts.tolist() == [3, 0]
    assert decoded.columns["TRAILER"].tolist() == [0xAABBCCDD, 0x11223344]
    assert decoded.columns["LAST"].tolist() == [0xDD, 0x44]
    assert decoded.complete.all()
    assert decoded.unread.tolist() == [0, 0]
    short = read(layout, bytes.fromhex("07 AABB"))
    assert not short.complete.any()
    assert short.columns["H"].tolist() == [7]


def test_records_of_varying_size_and_a_checksum_may_stand_before_what_is_placed_from_the_end():
    layout = table("N,0,8,uint,,fill", "X,,8,uint,,fill/N", "TRAILER,,16,uint,,", "CRC,,16,checksum,,")
    rule = PacketHeaderRule(5, "crc16")
    columns = {"TRAILER": [0x1234, 0x5678]}
    made = encode(
        layout,
        PacketHeaders(5, [0, 1]),
        columns,
        {"N": [2, 0, 1], "X": [9, 8, 7]},
        {"N": [2, 1]},
        header=rule,
    )
    index = index_packets(made, [rule])
    assert index.good.all()
    decoded = decode(made, index, layout)
    assert decoded.columns["TRAILER"].tolist() == [0x1234, 0x5678]
    assert decoded.repeated["X"].tolist() == [9, 8, 7]
    assert decoded.complete.all()
    assert decoded.unread.tolist() == [0, 0]


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4095), max_size=9), st.integers(0, 2**20 - 1))
def test_samples_of_twelve_bits_and_a_trailer_come_back(samples, trailer):
    layout = table("D,0,12,uint,,fill", "TRAILER,,20,uint,,")
    made = encode(
        layout, PacketHeaders(5, [0]), {"TRAILER": [trailer]}, {"D": samples}, [len(samples)], header=RULE
    )
    decoded = decode(made, index_packets(made, [RULE]), layout)
    assert decoded.columns["TRAILER"].tolist() == [trailer]
    assert decoded.repeated["D"].tolist()[: len(samples)] == samples
    assert decoded.complete.all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["N,0,8,uint,,", "D,,8,uint,,fill", "E,,8,uint,,N"],
            "field E: got a record of variable number behind D",
        ),
        (["D,0,8,uint,,fill", "E,,8,uint,,fill", "F,,16,uint,,2", "G,,16,uint,,fill"], "behind D"),
        (["D,0,8,uint,,fill", "C,,16,checksum,,", "E,,8,uint,,"], "field C: got a checksum behind D"),
        (["D,0,8,uint,,fill", "E,64,8,uint,,"], "got an offset behind a record of variable number"),
    ],
)
def test_what_cannot_be_placed_from_the_end_is_refused(rows, message):
    with pytest.raises(BadDataError, match=message):
        table(*rows)


@pytest.mark.parametrize(
    ("count", "said", "number"),
    [
        ("N+1", 2, 3),
        ("N-1", 2, 1),
        ("2*N", 2, 4),
        ("2*N+1", 1, 3),
        ("N==1", 1, 1),
        ("N==1", 2, 0),
        ("N!=1", 2, 1),
        ("N<2", 1, 1),
        ("N<=1", 2, 0),
        ("N>1", 2, 1),
        ("N>=2", 2, 1),
        ("N>=3", 2, 0),
    ],
)
def test_counts_may_be_sums_and_conditions_also_within_records(count, said, number):
    flat = table("N,0,8,uint,,", f"A,,8,uint,,{count}", "END,,8,uint,,")
    data = bytes([said, *range(number), 0xEE])
    decoded = read(flat, data)
    assert decoded.repeated["A"].tolist() == list(range(number))
    assert decoded.columns["END"].tolist() == [0xEE]
    assert decoded.complete.all()
    made = encode(
        flat, PacketHeaders(5, [0]), {"N": [said], "END": [0xEE]}, {"A": list(range(number))}, header=RULE
    )
    assert made.tobytes() == packet(data)
    deep = table("N,0,8,uint,,2", f"A,,8,uint,,2/{count}", "END,,8,uint,,")
    twice = read(deep, data[:-1] * 2 + data[-1:])
    assert twice.repeated["A"].tolist() == 2 * list(range(number))
    assert twice.columns["END"].tolist() == [0xEE]
    assert twice.complete.all()


def test_a_count_below_0_or_one_that_overflows_is_no_whole_packet():
    layout = table("N,0,64,uint,,", "A,,8,uint,,8*N-1")
    decoded = read(layout, bytes(9), (1 << 61).to_bytes(8, "big") + b"\1", (1).to_bytes(8, "big") + bytes(7))
    assert decoded.complete.tolist() == [False, False, True]


def test_a_number_of_records_that_no_counter_says_is_refused():
    layout = table("N,0,8,uint,,", "A,,8,uint,,2*N+1")
    with pytest.raises(BadArgumentError, match=r"no value of N says by '2\*N\+1'"):
        encode(layout, PacketHeaders(5, [0]), {}, {"A": [1, 2]}, [2], header=RULE)


def test_a_field_whose_name_looks_like_a_sum_counts_itself():
    layout = table("N-1,0,8,uint,,", "A,,8,uint,,N-1")
    assert read(layout, bytes([1, 7])).repeated["A"].tolist() == [7]


def test_the_case_with_a_trailer_is_read(shared_data):
    layout = PacketLayout.read(shared_data / "cases/telemetry/table-trailer-after-fill.csv")
    decoded = read(layout, bytes.fromhex("0102 AABBCCDD"))
    assert decoded.columns["TRAILER"].tolist() == [0xAABBCCDD]
    assert decoded.repeated["D"].tolist() == [1, 2]
