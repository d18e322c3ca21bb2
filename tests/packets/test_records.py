"""Records within records: decoded as a slow reader of the same table finds them, bit by bit."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import (
    FieldSpec,
    PacketHeaderRule,
    PacketHeaders,
    PacketLayout,
    decode,
    encode,
    index_packets,
)


class TooShortError(Exception):
    """The packet ends before the table does."""


class Slow:
    """Reads one packet row by row, as ``docs/packet-tables.md`` says it is laid out."""

    def __init__(self, raw):
        self.bits = "".join(f"{octet:08b}" for octet in raw)
        self.values = {}

    def read(self, rows, depth=0, at=0, counters=None):
        """Read rows from a bit; the bit after them."""
        counters = {} if counters is None else counters
        end = at
        row = 0
        while row < len(rows):
            spec = rows[row]
            if len(spec.path) == depth:
                start = at + spec.shift if spec.bit_offset is None else spec.bit_offset
                if start + spec.bit_width > len(self.bits):
                    raise TooShortError
                number = int(self.bits[start : start + spec.bit_width], 2)
                if spec.kind == "int" and number >> spec.bit_width - 1:
                    number -= 1 << spec.bit_width
                if spec.is_data:
                    self.values.setdefault(spec.name, []).append(number)
                    counters[spec.name] = number
                at = start + spec.bit_width
                end = max(end, at)
                row += 1
                continue
            after = row
            while after < len(rows) and rows[after].path[: depth + 1] == spec.path[: depth + 1]:
                after += 1
            repeat = spec.path[depth]
            at = end
            for _ in range(int(repeat) if repeat.isdigit() else counters[repeat]):
                at = self.read(rows[row:after], depth + 1, at, dict(counters))
            end = at
            row = after
        return end


@st.composite
def tables(draw):
    """Fields, records in them, records in those; each record counted by what stands before it."""
    rows = []

    def field(path, *, counter=False):
        width = draw(st.integers(1, 2) if counter else st.integers(1, 40))
        kind = "uint" if counter else draw(st.sampled_from(["uint", "int", "pad"]))
        rows.append(FieldSpec(f"F{len(rows)}", None, width, kind, repeat="/".join(path)))
        return rows[-1].name

    def record(path, depth):
        for _ in range(draw(st.integers(0 if path == () else 1, 3))):
            field(path)
        for _ in range(draw(st.integers(0, 2)) if depth < 3 else 0):
            repeat = str(draw(st.integers(1, 3))) if draw(st.booleans()) else field(path, counter=True)
            record((*path, repeat), depth + 1)
            field(path)

    record((), 0)
    return rows or [FieldSpec("F", None, 8, "uint")]


def packets_of(pieces):
    return b"".join(struct.pack(">HHH", 5, n, len(piece) - 1) + piece for n, piece in enumerate(pieces))


@settings(max_examples=150)
@given(tables(), st.integers(0, 2**32), st.integers(1, 120))
def test_records_within_records_agree_with_a_slow_reader(rows, seed, size):
    rng = np.random.default_rng(seed)
    layout = PacketLayout(rows)
    raw = packets_of([rng.bytes(size) for _ in range(5)])
    index = index_packets(raw, [PacketHeaderRule(5)])
    assert len(index) == 5
    back = decode(raw, index, layout)
    expected = {}
    for row in range(5):
        start = int(index.offset[row]) + 6
        slow = Slow(raw[start : start + size])
        try:
            end = slow.read(rows)
        except TooShortError:
            assert not back.complete[row]
            return
        assert back.complete[row]
        assert int(back.unread[row]) == 8 * size - end
        for name, numbers in slow.values.items():
            expected.setdefault(name, []).extend(numbers)
            found = {**back.columns, **back.repeated}[name]
            assert found[: len(expected[name])].tolist() == expected[name], name


@settings(max_examples=150)
@given(tables(), st.integers(0, 2**32))
def test_records_within_records_survive_encoding_and_decoding(rows, seed):
    rng = np.random.default_rng(seed)
    layout = PacketLayout(rows)
    raw = packets_of([rng.bytes(400) for _ in range(4)])
    header = PacketHeaderRule(5)
    before = decode(raw, index_packets(raw, [header]), layout)
    if not before.complete.all():
        return
    counts = {
        name: rows.counts if rows.within is None else rows.within for name, rows in before.groups.items()
    }
    for told in (counts, None):  # told, or found in the fields that count
        made = encode(
            layout, PacketHeaders(5, np.arange(4), 0, 0), before.columns, before.repeated, told, header=header
        )
        index = index_packets(made, [header])
        assert index.good.all()
        back = decode(made, index, layout)
        assert back.complete.all()
        assert (back.unread < 8).all()
        assert {n: c.tolist() for n, c in back.columns.items()} == {
            n: c.tolist() for n, c in before.columns.items()
        }
        assert {n: c.tolist() for n, c in back.repeated.items()} == {
            n: c.tolist() for n, c in before.repeated.items()
        }


def test_counters_are_filled_in_and_bad_counts_refused():
    header = PacketHeaderRule(5)

    def make(**counts):
        values = {"T": [10, 11, 12], "E": [99, 98, 97], "X": [1, 2, 3]}
        return encode(
            NESTED, PacketHeaders(5, [0, 1], 0, 0), {"LAST": [77, 76]}, values, counts, header=header
        )

    raw = make(T=[2, 1], X=[2, 1, 0])
    assert raw.tobytes()[6:17] == bytes([2, 10, 2, 1, 2, 99, 11, 1, 3, 98, 77])
    assert raw.tobytes()[23:] == bytes([1, 12, 0, 97, 76])
    for wrong in ({"T": [2, 1]}, {"T": [2, 1], "X": [2, 1]}, {"T": [2, 1], "X": [2, 2, -1]}):
        with pytest.raises(BadArgumentError, match="counts"):
            make(**wrong)


NESTED = PacketLayout.parse(
    "name,bit_offset,bit_width,type,repeat\n"
    "N,0,8,uint,\nT,,8,uint,N\nM,,8,uint,N\nX,,8,uint,N/M\nE,,8,uint,N\nLAST,,8,uint,\n"
)


def nested(*pieces):
    raw = packets_of([bytes(piece) for piece in pieces])
    return decode(raw, index_packets(raw, [PacketHeaderRule(5)]), NESTED)


def test_records_know_the_record_that_they_are_in():
    back = nested([2, 10, 2, 1, 2, 99, 11, 1, 3, 98, 77], [1, 12, 0, 97, 76])
    assert back.complete.tolist() == [True, True]
    assert back.columns["LAST"].tolist() == [77, 76]
    assert {name: column.tolist() for name, column in back.repeated.items()} == {
        "T": [10, 11, 12],
        "M": [2, 1, 0],
        "E": [99, 98, 97],
        "X": [1, 2, 3],
    }
    assert back.groups["T"].counts.tolist() == [2, 1]
    inner = back.groups["X"]
    assert inner.parent == "T"
    assert inner.within.tolist() == [2, 1, 0]
    assert inner.outer.tolist() == [0, 0, 1]
    assert inner.counts.tolist() == [3, 0]
    assert inner.packet.tolist() == [0, 0, 0]
    assert back.unread.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("packet", "outer", "inner"),
    [
        ([255, 10, 2, 1, 2, 99], [10], [1, 2]),  # far more records promised than there are
        ([2, 10, 2, 1, 2, 99, 11, 9, 3], [10, 11], [1, 2, 3]),  # cut within an inner record
        ([1, 10, 255], [10], []),  # cut before the first inner one
    ],
)
def test_what_a_cut_packet_still_holds_is_kept(packet, outer, inner):
    back = nested(packet, [1, 12, 1, 5, 97, 76])
    assert back.complete.tolist() == [False, True]
    assert back.repeated["T"].tolist() == [*outer, 12]
    assert back.repeated["X"].tolist() == [*inner, 5]


def test_records_that_differ_in_size_fill_a_packet_to_its_end():
    layout = PacketLayout.parse("name,bit_width,type,repeat\nM,8,uint,fill\nX,8,uint,fill/M\n")
    raw = packets_of([bytes([1, 5, 0, 2, 6, 7]), bytes([1, 5, 3, 6])])
    back = decode(raw, index_packets(raw, [PacketHeaderRule(5)]), layout)
    assert back.repeated["M"].tolist() == [1, 0, 2, 1, 3]
    assert back.repeated["X"].tolist() == [5, 6, 7, 5, 6]
    assert back.complete.tolist() == [True, False]


def test_a_row_may_begin_before_or_after_the_end_of_the_row_above():
    layout = PacketLayout.parse(
        "name,bit_offset,bit_width,type,repeat\nN,0,8,uint,\nWORD,,16,uint,N\nA,here-13,5,uint,N\n"
        "B,here+3,5,uint,N\nC,here-8,8,uint,\n"
    )
    raw = packets_of([bytes([1, 0b11110001, 0b11110101])])
    back = decode(raw, index_packets(raw, [PacketHeaderRule(5)]), layout)
    assert back.repeated["WORD"].tolist() == [0b1111000111110101]
    assert back.repeated["A"].tolist() == [0b10001]
    assert back.repeated["B"].tolist() == [0b10101]
    assert back.columns["C"].tolist() == [0b11110101]
    assert back.complete.all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("N,,8,uint,,\nX,,8,uint,N/2,", "begins with another record"),
        ("N,,8,uint,,\nX,,8,uint,N,\nY,,8,uint,N/fill,", "fill"),
        ("N,,8,uint,,\nX,,8,uint,N,\nY,,8,uint,N/Q,", "Q"),
        ("N,,8,float,,\n", "float of 8"),
        ("N,,16,float,,\nX,,8,uint,N,", "expected a number"),
        ("N,,8,uint,,\nX,,8,uint,N,\nY,7,8,uint,N/X,\nZ,9,8,uint,N,", "behind a record of variable number"),
        ("N,,8,uint,,\nX,,8,uint,N,64\nY,,8,uint,N/X,", "whose size varies"),
        ("N,,8,uint,,\nX,,8,uint,N/0,", "repeat 0"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(rows, message):
    with pytest.raises(BadDataError, match=message):
        PacketLayout.parse(f"name,bit_offset,bit_width,type,repeat,repeat_stride_bits\n{rows}\n")
