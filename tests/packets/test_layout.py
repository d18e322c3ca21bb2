from pathlib import Path

import numpy as np
import pytest

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets import Limits, PacketLayout, parse_calibration
from eicpy.packets.layout import COLUMNS

HEAD = ",".join(COLUMNS) + "\n"


def layout(*rows):
    return PacketLayout.parse(HEAD + "\n".join(rows))


def test_offsets_follow_one_another_and_may_overlap():
    table = layout("WORD,0,16,uint", "HIGH,0,4,uint", "REST,,12,int", "NEXT,,3,uint")
    assert [bit for _, bit in table.sections[0].fields] == [0, 0, 4, 16]
    assert [table[name].dtype for name in table.names] == ["u2", "u1", "i2", "u1"]


def test_a_record_of_variable_number_cuts_the_table():
    table = layout(
        "N,0,8,uint",
        "A,,5,uint,N",
        "B,,3,uint,N",
        "M,,8,uint",
        "C,,8,uint,M,16",
        "D,,8,uint[4],3",
        "LAST,,8,uint,fill",
    )
    assert [len(section.fields) for section in table.sections] == [1, 1, 0]
    assert {name: (g.stride, g.repeat) for name, g in table.groups.items()} == {
        "A": (8, "N"),
        "C": (16, "M"),
        "D": (32, "3"),
        "LAST": (8, "fill"),
    }
    assert table.single == ("N", "M")
    assert table.repeated == ("A", "B", "C", "D", "LAST")


def test_units_limits_and_calibrations_are_read():
    table = layout(
        'T,0,16,uint,,,poly:-50;0.1,degC,-20,40,-30,,"outer, north"',
        "MODE,,8,structure,,,text:0=OFF;0x10=ON",
    )
    assert table.units == {"T": "degC", "MODE": ""}
    assert table.limits == {"T": Limits(-20.0, 40.0, -30.0, None)}
    assert table["T"].description == "outer, north"
    assert table.calibrate("T", np.array([500])).tolist() == [0.0]
    assert table.texts("MODE", np.array([[16, 0], [3, 16]])).tolist() == [["ON", "OFF"], ["3", "ON"]]
    assert table.texts("T", np.array([1])) is None
    assert table.structure is table["MODE"]
    assert "outer, north" in table._repr_html_()
    with pytest.raises(BadArgumentError, match="T, MODE"):
        table["X"]


def test_curves_go_straight_between_points_and_on_beyond():
    curve = parse_calibration("curve:10=100;0=0;20=150")
    raw = np.array([-10, 0, 5, 10, 15, 20, 30], dtype=np.int8)
    assert curve(raw).tolist() == [-100, 0, 50, 100, 125, 150, 200]
    falling = parse_calibration("curve:0=10;10=-10")
    assert falling(np.array([0, 5, 10])).tolist() == [10, 0, -10]


@pytest.mark.parametrize(
    "text", ["poly:a", "curve:1=2", "curve:1=2;1=3", "curve:1", "text:a=b", "spline:1", "curve:", "poly:"]
)
def test_a_calibration_that_is_none_is_named(text):
    with pytest.raises(BadDataError, match=text.split(":")[0]):
        parse_calibration(text)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["A,0,65,uint"], "65 bits"),
        (["A,0,0,uint"], "0 bits"),
        (["A,0,8,octet"], "octet"),
        (["A,0,24,float"], "24 bits"),
        (["A,0,8,checksum"], "8 bits"),
        (["A,0,9,bytes"], "whole bytes"),
        (["A,0,8,uint", "A,,8,uint"], "twice"),
        (["A,0,8,uint,N"], "'N'"),
        (["A,0,8,uint,0"], "repeat 0"),
        (["A,0,8,uint,4,4"], "stride of 4"),
        (["N,0,8,uint", "A,,8,uint,N", "B,40,8,uint"], "variable number"),
        (["N,0,8,uint,2", "A,,8,uint,N"], "not repeated"),
        (["A,x,8,uint"], "line 2, field A"),
        (["A,0,8,uint,,,poly:x"], "line 2, field A"),
    ],
)
def test_a_table_that_contradicts_itself_is_named(rows, message):
    with pytest.raises(BadDataError, match=message):
        layout(*rows)


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(BadDataError, match=r"none\.csv"):
        PacketLayout.read(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("name,width,type\nA,8,uint\n")
    with pytest.raises(BadDataError, match=r"t\.csv.*bit_width"):
        PacketLayout.read(tmp_path / "t.csv")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match=r"b\.csv"):
        PacketLayout.read(tmp_path / "b.csv")


def test_the_examples_of_the_document_are_tables():
    text = (Path(__file__).parents[2] / "docs/packet-tables.md").read_text()
    tables = [PacketLayout.parse(part.split("```")[0]) for part in text.split("```text\n")[1:]]
    assert len(tables) == 2
    assert tables[-1].groups["TIME"].stride == 64


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["A,-8,8,uint"], "field A: got a beginning at bit -8, expected 0 or later"),
        (["A,here-1,8,uint"], "at bit -1"),
        (["A,0,8,uint", "B,-48,16,uint"], "field B: got a beginning at bit -48"),
        (["A,0,8,uint", "B,here-16,8,uint"], "field B: got a beginning at bit -8"),
        (["N,0,8,uint", "A,here-40,8,uint,N"], "field A: got a beginning at bit -32"),
        (["N,0,8,uint", "X,,8,uint,N", "A,here-16,8,uint"], "at bit -8, where no record stands before it"),
        (["A,0,8,uint", "D,,8,uint,fill", "E,here-16,8,uint"], "at bit -8, where no record stands before it"),
        (["N,0,8,uint", "X,,8,uint,N", "M,,8,uint", "Y,,8,uint,M", "Z,here-24,8,uint,N"], "at bit -8, where"),
        (["A,0,-8,uint"], "got -8 bits"),
        (["A,0,8,uint,-3"], "repeats '-3' times"),
        (["A,0,8,uint,3,-16"], "stride of -16"),
        (["A,0,8,uint[-2]"], "got type"),
        (["A,here--8,8,uint"], "got 'here--8'"),
        (["A,-here,8,uint"], "got '-here'"),
    ],
)
def test_what_would_stand_before_the_packet_is_refused(rows, words):
    """It was read from the packet before, or as 0."""
    with pytest.raises(BadDataError) as caught:
        layout(*rows)
    assert words in str(caught.value)


def test_a_row_may_begin_at_any_bit_that_is_there():
    layout("A,0,8,uint", "B,here-8,8,uint", "C,0,4,uint")
    layout("N,0,8,uint", "X,,8,uint,N", "A,here-8,8,uint")
    layout("N,0,8,uint", "M,,16,uint", "X,,8,uint,N", "A,here-24,8,uint")
    layout("N,0,8,uint", "WORD,,16,uint,N", "A,here-16,5,uint,N", "B,here+3,5,uint,N")
