"""What XTCE documents hold besides plain numbers: right values, or the container left out by name."""

import numpy as np
import pytest
from eicpy_fixtures.xtce import container, document, equal, parameter, reads_back, uint

from eicpy.errors import BadDataError
from eicpy.importers import import_xtce, xtce, xtce_document
from eicpy.packets import PacketHeaderRule, decode, index_packets

SEVEN = equal("APID", 7)


def kind(name, encoding, sort="Integer", attributes="", more=""):
    """A parameter type with the encoding given."""
    return f'<{sort}ParameterType name="{name}_T" {attributes}>{encoding}{more}</{sort}ParameterType>'


def integer(bits, attributes='encoding="unsigned"', inside=""):
    return f'<IntegerDataEncoding sizeInBits="{bits}" {attributes}>{inside}</IntegerDataEncoding>'


def dynamic(name, slope, intercept):
    return (
        f'<DynamicValue><ParameterInstanceRef parameterRef="{name}"/>'
        f'<LinearAdjustment slope="{slope}" intercept="{intercept}"/></DynamicValue>'
    )


def binary(size):
    return f"<BinaryDataEncoding><SizeInBits>{size}</SizeInBits></BinaryDataEncoding>"


def array(name, of, *ends):
    listed = "".join(
        "<Dimension><StartingIndex><FixedValue>0</FixedValue></StartingIndex>"
        f"<EndingIndex>{end}</EndingIndex></Dimension>"
        for end in ends
    )
    return (
        f'<ArrayParameterType name="{name}_T" arrayTypeRef="{of}_T"><DimensionList>{listed}</DimensionList>'
        "</ArrayParameterType>"
    )


def fixed(number):
    return f"<FixedValue>{number}</FixedValue>"


@pytest.fixture
def imported(tmp_path):
    """Import a document of one container C (APID 7) and one other (APID 8), which must always survive."""

    def make(types, entries, names="", rest=""):
        file = tmp_path / "made-up.xml"
        listed = [e for e in entries if not e.startswith("<")]
        names = {*names.split(), *listed, "Z"}
        containers = container("C", entries, criteria=SEVEN) + container(
            "Other", ["Z"], criteria=equal("APID", 8)
        )
        text = document(types + uint("Z", 8), "".join(parameter(n) for n in sorted(names)), rest + containers)
        file.write_text(text, encoding="utf-8")
        made = import_xtce(file, "made-up")
        assert "Other" in {packet.name for packet in made.packets}
        reads_back(made, tmp_path / "out")
        return made

    return make


def values(made, data):
    """All columns of one packet of container C, as lists."""
    layout = next(packet for packet in made.packets if packet.name == "C").layout()
    raw = bytes.fromhex("0007C000") + (len(data) - 1).to_bytes(2, "big") + data
    decoded = decode(raw, index_packets(raw, [PacketHeaderRule(7)]), layout)
    assert decoded.complete.all()
    assert decoded.unread.tolist() == [0]
    single = {name: column[0].tolist() for name, column in decoded.columns.items()}
    return single | {name: column.tolist() for name, column in decoded.repeated.items()}, layout


def reasons(made):
    return {s.place: s.reason for s in made.shortfalls}


FIXED_TEXT = (
    '<StringDataEncoding encoding="UTF-8"><SizeInBits><Fixed>{}</Fixed>{}</SizeInBits></StringDataEncoding>'
)


@pytest.mark.parametrize(
    ("encoding", "data", "expected", "said"),
    [
        (FIXED_TEXT.format(fixed(16), ""), b"ab", list(b"ab"), ""),
        (
            FIXED_TEXT.format(fixed(16), "<TerminationChar>00</TerminationChar>"),
            b"a\0",
            [97, 0],
            "marked within",
        ),
        (
            f"<StringDataEncoding><Variable>{dynamic('N', 8, 0)}</Variable></StringDataEncoding>",
            b"abcd",
            list(b"abcd"),
            "",
        ),
        (binary(dynamic("N", 8, -8)), b"abc", list(b"abc"), ""),
        (binary(dynamic("N", 8, 16)), b"abcdef", list(b"abcdef"), ""),
        (binary(dynamic("N", 16, 8)), bytes(range(9)), list(range(9)), ""),
        (binary(dynamic("N", 1, 12)), b"\xff\x0f", [1] * 8 + [0] * 4 + [1] * 4, ""),
        (binary(dynamic("N", 0, 16)), b"ab", list(b"ab"), ""),
        (integer(16, 'encoding="unsigned" byteOrder="leastSignificantByteFirst"'), b"\1\2", 0x0201, ""),
        (
            integer(24, 'encoding="twosComplement" byteOrder="leastSignificantByteFirst"'),
            b"\xfe\xff\xff",
            -2,
            "",
        ),
        (
            '<FloatDataEncoding sizeInBits="32" byteOrder="leastSignificantByteFirst"/>',
            b"\0\0\x80\x3f",
            1.0,
            "",
        ),
        (integer(16, 'encoding="BCD"'), b"\1\2", [1, 2], "digits"),
        (integer(16, 'encoding="packedBCD"'), b"\x12\x34", [1, 2, 3, 4], "digits"),
        (integer(8, 'encoding="signMagnitude"'), b"\x81", 0x81, "signMagnitude"),
        (integer(8, 'encoding="onesComplement"'), b"\xfe", 0xFE, "onesComplement"),
        ('<FloatDataEncoding sizeInBits="32" encoding="MILSTD_1750A"/>', b"\0\0\0\1", 1, "MILSTD_1750A"),
    ],
)
def test_encodings_give_the_right_values(imported, encoding, data, expected, said):
    sort = "String" if "String" in encoding else "Float" if "Float" in encoding else "Integer"
    made = imported(uint("N", 8) + kind("A", encoding, sort), ["N", "A"])
    found, _ = values(made, b"\4" + data)
    assert found == {"N": 4, "A": expected}
    told = reasons(made)
    assert (said in told["parameter A"] and told["parameter A"].endswith("(in C)")) if said else not told


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        (
            integer(12, 'byteOrder="leastSignificantByteFirst"'),
            "12 bits with the least significant byte first",
        ),
        (integer(16, 'bitOrder="leastSignificantBitFirst"'), "leastSignificantBitFirst"),
        (integer(16, 'byteOrder="2,1"'), "list of bytes"),
        (
            "<StringDataEncoding><Variable><TerminationChar>00</TerminationChar></Variable></StringDataEncoding>",
            "marked within it (TerminationChar)",
        ),
        (binary("<DiscreteLookupList/>"), "table of conditions"),
        (binary(dynamic("N", -8, 80)), "expected n·N + c"),
        (binary(dynamic("N", 0.5, 0)), "expected n·N + c"),
        (binary(dynamic("LENGTH", 4, 0)), "does not end with the packet"),
        (binary(dynamic("COUNT", 8, 0)), "field of the primary header"),
        (binary(dynamic("NONE", 8, 0)), "NONE, which is not there"),
        ("<SomeDataEncoding/>", "its encoding is not given"),
    ],
)
def test_what_no_table_can_give_costs_its_container_alone(imported, encoding, said):
    made = imported(uint("N", 8) + kind("A", encoding), ["N", "A"])
    assert [packet.name for packet in made.packets] == ["Other"]
    assert said in reasons(made)["container C"]


def test_data_to_the_end_and_a_trailer(imported):
    types = uint("A", 8) + kind("B", binary(dynamic("LENGTH", 8, -16)), "Binary") + uint("CK", 16)
    found, _ = values(imported(types, ["A", "B", "CK"]), bytes.fromhex("07 010203 BEEF"))
    assert found == {"A": 7, "B": [1, 2, 3], "CK": 0xBEEF}


def test_a_trailer_shorter_or_longer_than_what_is_left_for_it(imported):
    types = (
        uint("A", 8) + kind("B", binary(dynamic("LENGTH", 8, -24)), "Binary") + uint("CK", 16) + uint("D", 16)
    )
    layout = next(p for p in imported(types, ["A", "B", "CK"]).packets if p.name == "C").layout()
    raw = bytes.fromhex("0007C0000005 07 0102 BEEF 99")
    decoded = decode(raw, index_packets(raw, [PacketHeaderRule(7)]), layout)
    assert decoded.repeated["B"].tolist() == [1, 2]
    assert decoded.columns["CK"].tolist() == [0xBEEF]


def test_a_trailer_beyond_the_end_is_refused(imported):
    types = uint("A", 8) + kind("B", binary(dynamic("LENGTH", 8, -8)), "Binary") + uint("CK", 16)
    made = imported(types, ["A", "B", "CK"])
    assert "8 bits beyond the end of the packet" in reasons(made)["container C"]


def test_names_of_booleans_and_of_ranges(imported):
    enumeration = (
        '<EnumerationList><Enumeration value="0" label="OFF"/>'
        '<Enumeration value="5" maxValue="7" label="HIGH"/></EnumerationList>'
    )
    types = (
        kind("B", integer(1), "Boolean", 'zeroStringValue="NO" oneStringValue="YES"')
        + kind("D", integer(7), "Boolean")
        + kind("E", integer(8), "Enumerated", more=enumeration)
    )
    made = imported(types, ["B", "D", "E"])
    _, layout = values(made, b"\x81\x06")
    assert layout.texts("B", np.array([0, 1])).tolist() == ["NO", "YES"]
    assert layout.texts("D", np.array([0, 1])).tolist() == ["False", "True"]
    assert layout.texts("E", np.array([0, 4, 5, 6, 7, 8])).tolist() == [
        "OFF",
        "4",
        "HIGH",
        "HIGH",
        "HIGH",
        "8",
    ]
    assert set(reasons(made)) == {"parameter D"}


def test_absolute_times_keep_scale_offset_unit_and_epoch(imported):
    written = '<Encoding units="seconds" scale="0.5" offset="100">{}</Encoding>'
    epoch = "<ReferenceTime><Epoch>TAI</Epoch></ReferenceTime>"
    offset = '<ReferenceTime><OffsetFrom parameterRef="T"/></ReferenceTime>'
    types = kind("T", written.format(integer(48)), "AbsoluteTime", more=epoch) + kind(
        "R", f'<Encoding units="days">{integer(16)}</Encoding>', "RelativeTime", more=offset
    )
    made = imported(types, ["T", "R"])
    found, layout = values(made, bytes.fromhex("000000000004 0002"))
    assert found == {"T": 4, "R": 2}
    assert layout.calibrate("T", np.array([4])).tolist() == [102.0]
    assert (layout["T"].unit, layout["R"].unit) == ("s", "d")
    assert layout["T"].description == "time since 1958-01-01T00:00:00 TAI"
    assert set(reasons(made)) == {"parameter R"}


CONDITION = (
    '<ParameterRefEntry parameterRef="{0}"><IncludeCondition>{1}</IncludeCondition></ParameterRefEntry>'
)


def compare(name, value, operator="=="):
    sign = operator.replace("<", "&lt;").replace(">", "&gt;")
    return f'<Comparison parameterRef="{name}" comparisonOperator="{sign}" value="{value}"/>'


@pytest.mark.parametrize(
    ("condition", "present"),
    [
        (compare("A", 1), [1]),
        (compare("A", 1, "!="), [0, 2]),
        (compare("A", 1, ">"), [2]),
        (compare("A", 1, "<="), [0, 1]),
        (f"<ComparisonList>{compare('A', 1)}</ComparisonList>", [1]),
        (compare("E", "ON"), [1]),
    ],
)
def test_conditional_entries_are_there_or_not(imported, condition, present):
    names = '<EnumerationList><Enumeration value="1" label="ON"/></EnumerationList>'
    types = (
        uint("A", 8)
        + kind("E", integer(8), "Enumerated", more=names)
        + uint("B", 8)
        + uint("D", 16)
        + uint("L", 8)
    )
    entries = ["A", "E", CONDITION.format("B", condition), CONDITION.format("D", condition), "L"]
    made = imported(types, entries, "B D")
    for value in (0, 1, 2):
        there = value in present
        found, _ = values(made, bytes([value, value, *([9, 1, 2] if there else []), 77]))
        assert found == {"A": value, "E": value, "B": [9] * there, "D": [0x0102] * there, "L": 77}


DOUBLED = (
    '<DefaultCalibrator><PolynomialCalibrator><Term coefficient="2" exponent="1"/></PolynomialCalibrator>'
    "</DefaultCalibrator>"
)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (compare("A", 1) + compare("A", 2, "!="), "2 comparisons"),
        (compare("P", 2), "calibrated value"),
        (compare("A", "ON"), "whole number"),
        (compare("COUNT", 1), "primary header"),
        (compare("NONE", 1), "not in the packet"),
    ],
)
def test_conditions_that_no_table_can_say_cost_their_container(imported, condition, said):
    entry = CONDITION.format("B", f"<ComparisonList>{condition}</ComparisonList>")
    made = imported(uint("A", 8) + uint("P", 8, DOUBLED) + uint("B", 8), ["A", "P", entry], "B")
    assert said in reasons(made)["container C"]


def test_arrays_of_fixed_and_of_told_size(imported):
    types = (
        uint("X", 16)
        + uint("N", 8)
        + array("V", "X", fixed(1), fixed(1))
        + array("W", "X", dynamic("N", 1, -1))
        + array("Y", "X", dynamic("N", 1, 0))
    )
    entry = '<ArrayParameterRefEntry parameterRef="{}"/>'
    made = imported(types, [entry.format("V"), "N", entry.format("W"), entry.format("Y"), "X"], "V W Y X")
    found, layout = values(
        made, np.arange(4, dtype=">u2").tobytes() + b"\2" + np.arange(10, 16, dtype=">u2").tobytes()
    )
    assert found == {"V": [0, 1, 2, 3], "N": 2, "W": [10, 11], "Y": [12, 13, 14], "X": 15}
    assert layout["V"].description == "2 × 2 elements, the last index runs fastest"
    assert not made.shortfalls


def test_aggregates_alone_and_in_arrays(imported):
    members = '<MemberList><Member name="a" typeRef="X_T"/><Member name="b" typeRef="N_T"/></MemberList>'
    types = (
        uint("X", 16)
        + uint("N", 8)
        + f'<AggregateParameterType name="G_T">{members}</AggregateParameterType>'
        + array("H", "G", dynamic("G.b", 1, -1))
        + array("I", "G", fixed(1))
    )
    entry = '<ArrayParameterRefEntry parameterRef="{}"/>'
    made = imported(types, ["G", entry.format("H"), entry.format("I"), "N"], "H I")
    found, _ = values(made, bytes.fromhex("0001 02 000A01 000B02 001403 001504 FF"))
    assert found == {
        "G.a": 1,
        "G.b": 2,
        "H.a": [10, 11],
        "H.b": [1, 2],
        "I.a": [20, 21],
        "I.b": [3, 4],
        "N": 255,
    }


def test_repeated_and_moved_entries(imported):
    repeat = "<RepeatEntry><Count>{}</Count></RepeatEntry>"
    entry = '<ParameterRefEntry parameterRef="{}">{}</ParameterRefEntry>'
    moved = "<LocationInContainerInBits><FixedValue>8</FixedValue></LocationInContainerInBits>"
    types = uint("N", 8) + uint("X", 8) + uint("Y", 8)
    entries = [
        "N",
        entry.format("X", repeat.format(fixed(2))),
        entry.format("Y", repeat.format(dynamic("N", 1, 0))),
        entry.format("N", moved),
    ]
    found, _ = values(imported(types, entries, "X Y"), bytes.fromhex("03 0102 0A0B0C 00 EE"))
    assert found == {"N": 3, "X": [1, 2], "Y": [10, 11, 12], "N_2": 0xEE}


def test_packets_are_recognised_by_names_of_values(imported, tmp_path):
    names = '<EnumerationList><Enumeration value="3" label="THREE"/></EnumerationList>'
    file = tmp_path / "named.xml"
    types = kind("E", integer(8), "Enumerated", more=names)
    said = '<Comparison parameterRef="E" value="{}"/>'
    one = container("One", ["E"], criteria=SEVEN + said.format("THREE"))
    two = container("Two", ["E"], criteria=SEVEN + said.format("FOUR"))
    file.write_text(document(types, parameter("E"), one + two), encoding="utf-8")
    made = import_xtce(file, "made-up")
    assert [(p.name, p.structure) for p in made.packets] == [("One", 3)]
    assert "expected a whole number" in reasons(made)["container Two"]


@pytest.mark.parametrize("encoding", ["utf-7", "utf-16", "none", "cp037"])
def test_encodings_that_are_not_those_of_the_bytes_are_refused_by_name(tmp_path, encoding):
    file = tmp_path / "odd.xml"
    file.write_text(f'<?xml version="1.0" encoding="{encoding}"?><SpaceSystem/>', encoding="ascii")
    with pytest.raises(BadDataError, match=r"odd\.xml: no XML"):
        import_xtce(file, "made-up")


def test_limits_of_depth_number_and_size_are_said(tmp_path, monkeypatch):
    file = tmp_path / "huge.xml"
    file.write_text("<SpaceSystem>" + "<a>" * 300_000, encoding="utf-8")
    with pytest.raises(BadDataError, match="nested more than 64 deep"):
        import_xtce(file, "made-up")
    containers = "".join(container(f"C{k}", ["X"], criteria=equal("APID", k)) for k in range(40))
    file.write_text(document(uint("X", 8), parameter("X"), containers), encoding="utf-8")
    for where, name, most, said in (
        (xtce_document, "MOST_ELEMENTS", 100, "more than 100 elements"),
        (xtce_document, "MOST_FIELDS", 200, "fields in all packets together, expected 200 or fewer"),
        (xtce, "MOST_PACKETS", 30, "got 31 packets"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, most)
            with pytest.raises(BadDataError, match=said):
                import_xtce(file, "made-up")


def test_a_long_line_of_heirs_and_many_names_are_read(tmp_path):
    file = tmp_path / "long.xml"
    names = "".join(f'<Enumeration value="{k}" label="n{k}"/>' for k in range(5000))
    types = kind("E", integer(16), "Enumerated", more=f"<EnumerationList>{names}</EnumerationList>") + uint(
        "X", 8
    )
    line = "".join(
        container(f"C{k}", ["X"], f"C{k - 1}" if k else "CCSDSPacket", "" if k else SEVEN, 'abstract="true"')
        for k in range(1000)
    )
    text = document(types, parameter("E") + parameter("X"), line + container("Last", ["E"], "C999"))
    file.write_text(text, encoding="utf-8")
    made = import_xtce(file, "made-up")
    assert [(p.name, p.apid, len(p.rows)) for p in made.packets] == [("Last", 7, 1001)]
    assert "got 5000 names" in reasons(made)["parameter E"]


@pytest.mark.parametrize(
    ("name", "packets", "named"),
    [
        ("string-kills-all", {"P100", "P101"}, ""),
        ("bcd-kills-all", {"P100", "P101"}, "(in P100)"),
        ("data-then-trailer", {"P100"}, ""),
        ("count-minus-one", {"P100"}, ""),
        ("bool-names", {"P100"}, ""),
        ("abs-time", {"P100"}, ""),
        ("little-endian", {"P100"}, ""),
        ("include-condition", {"P100"}, ""),
        ("array-then-others", {"P100", "P101"}, ""),
    ],
)
def test_the_documents_of_the_cases_are_taken_over(shared_data, name, packets, named):
    made = import_xtce(shared_data / f"cases/telemetry/xtce-{name}.xml", "case")
    assert {packet.name for packet in made.packets} == packets
    assert [named in str(s) for s in made.shortfalls] == [True] * bool(named)
