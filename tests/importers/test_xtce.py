"""XTCE documents: a real one against two other readers, and what made-up ones are refused for."""

import csv
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from eicpy_fixtures.xtce import container, document, equal, parameter, reads_back, uint
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadDataError
from eicpy.importers import import_xtce
from eicpy.instruments import load
from eicpy.packets import PacketHeaderRule, PacketLayout, decode, index_packets, map_file, select


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "made-up.xml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_jpss_is_equal_to_its_parser_and_to_its_second_definition(shared_data, tmp_path, monkeypatch):
    import ccsdspy
    from space_packet_parser.generators import ccsds_generator
    from space_packet_parser.xtce.definitions import XtcePacketDefinition

    folder = shared_data / "packets/jpss"
    definition = folder / "jpss1_geolocation_xtce_v1.xml"
    packets = folder / "J01_G011_LZ_2021-04-09T00-00-00Z_V01.DAT1"
    made = import_xtce(definition, "jpss")
    assert made.shortfalls == []
    made.write(tmp_path)
    monkeypatch.setenv("EIC_INSTRUMENTS", str(tmp_path))
    jpss = load("jpss")
    assert "2021-06-08" in jpss.note
    raw = map_file(packets)
    index = index_packets(raw, [PacketHeaderRule(11, "none", "own", 0)])
    kind = jpss.packets["JPSS_ATT_EPHEM"]
    layout = PacketLayout.read(jpss.layout_file("JPSS_ATT_EPHEM"))
    chosen = select(raw, index, kind, layout)
    assert chosen.sum() == 7200
    back = decode(raw, index[chosen], layout)
    assert back.complete.all()
    assert (back.unread == 0).all()

    # The second definition, decoded by the same kernels from a table that was made of it alone.
    with (folder / "ccsdspy_jpss1_geolocation.csv").open() as file:
        rows = list(csv.DictReader(file))
    text = "name,bit_width,type\n" + "".join(
        f"{r['name']},{r['bit_length']},{r['data_type']}\n" for r in rows
    )
    second = PacketLayout.parse(text)
    assert layout.names == second.names
    assert len(layout.names) == 20
    other = decode(raw, index[chosen], second)
    for name in layout.names:
        assert back.columns[name].tobytes() == other.columns[name].tobytes(), name

    # The same definition in the hands of the library that it was written for.
    third = ccsdspy.FixedLength.from_file(str(folder / "ccsdspy_jpss1_geolocation.csv")).load(str(packets))
    for name in layout.names:
        assert np.array_equal(back.columns[name], third[name]), name

    # The parser's own decoding of each packet, field by field.
    parser = XtcePacketDefinition.from_xtce(definition)
    with packets.open("rb") as file:
        parsed = [parser.parse_bytes(packet) for packet in ccsds_generator(file)]
    assert len(parsed) == 7200
    for name in layout.names:
        expected = np.array([packet[name].raw_value for packet in parsed], dtype=np.float64)
        assert np.array_equal(back.columns[name].astype(np.float64), expected), name


def test_inheritance_is_flattened_and_what_has_no_apid_is_named(shared_data):
    folder = shared_data / "packets/jpss"
    made = import_xtce(folder / "contrived_inheritance_structure.xml", "jpss")
    plain = import_xtce(folder / "jpss1_geolocation_xtce_v1.xml", "jpss")
    assert made.packets[0].text() == plain.packets[0].text()
    assert [packet.apid for packet in made.packets] == [11]
    assert [shortfall.place for shortfall in made.shortfalls] == ["container UNUSED"]


def test_packets_of_an_apid_are_told_apart_by_fields_side_by_side(write):
    types = uint("KIND", 8) + uint("SUB", 8) + uint("X", 16)
    listed = "".join(parameter(n) for n in ("KIND", "SUB", "X"))
    base = container("Base", ["KIND", "SUB"], criteria=equal("APID", 77), attributes='abstract="true"')
    a = container("A", ["X"], "Base", equal("KIND", 3) + equal("SUB", 25))
    b = container("B", [], "Base", equal("KIND", 1) + equal("SUB", "0x07"))
    made = import_xtce(write(document(types, listed, base + a + b)), "made-up")
    assert made.shortfalls == []
    assert {(p.name, p.apid, p.structure) for p in made.packets} == {("A", 77, 0x0319), ("B", 77, 0x0107)}
    raw = bytes.fromhex("004DC0000003 0319 CAFE004DC0010001 0107")
    index = index_packets(raw, [PacketHeaderRule(77)])
    for packet, found in zip(made.packets, ([True, False], [False, True]), strict=True):
        assert select(raw, index, Kind(packet), packet.layout()).tolist() == found
    assert decode(raw, index[:1], made.packets[0].layout()).columns["X"].tolist() == [0xCAFE]


def test_packets_of_a_pus_header_are_told_apart_by_type_subtype_and_identifier(write, tmp_path, monkeypatch):
    widths = {"V": 8, "TYPE1": 8, "TYPE2": 8, "COUNTER": 16, "TO": 16, "COARSE": 32, "SID": 8, "X": 8}
    types = "".join(uint(name, bits) for name, bits in widths.items())
    listed = "".join(parameter(name) for name in widths)
    head = ["V", "TYPE1", "TYPE2", "COUNTER", "TO", "COARSE"]
    base = container("Base", head, criteria=equal("APID", 77), attributes='abstract="true"')
    kind = equal("TYPE1", 3) + equal("TYPE2", 25)
    hk = container("Hk", ["SID"], "Base", kind, attributes='abstract="true"')
    one = container("One", ["X"], "Hk", equal("SID", 1))
    # Two fields side by side, of which no parameter is the whole: a row of its own comes first.
    two = container("Two", ["X"], "Hk", equal("SID", 2) + equal("X", 9))
    event = container("Event", ["X"], "Base", equal("TYPE1", 5) + equal("TYPE2", 1))
    made = import_xtce(write(document(types, listed, base + hk + one + two + event)), "made-up")
    assert made.shortfalls == []
    assert {(p.name, p.service, p.subservice, p.structure) for p in made.packets} == {
        ("One", 3, 25, 1), ("Two", 3, 25, 0x0209), ("Event", 5, 1, None),
    }  # fmt: skip
    made.write(tmp_path)
    monkeypatch.setenv("EIC_INSTRUMENTS", str(tmp_path))
    described = load("made-up")
    assert described.headers[0].secondary == "pus-c"
    raw = bytes.fromhex("084DC000000C 20031900000000 000000AA 01CC084DC001000B 20050100000000 000000BB DD")
    index = index_packets(raw, described.headers)
    found = {}
    for name, kind in described.packets.items():
        layout = PacketLayout.read(described.layout_file(name))
        back = decode(raw, index[select(raw, index, kind, layout)], layout)
        found[name] = {column: values.tolist() for column, values in back.columns.items()}
        assert (back.unread == 0).all()
    assert found["One"] == {"COARSE": [0xAA], "SID": [1], "X": [0xCC]}
    assert found["Two"] == {"STRUCTURE": [], "COARSE": [], "SID": [], "X": []}
    assert found["Event"] == {"COARSE": [0xBB], "X": [0xDD]}


class Kind:
    """What `select` asks of a kind of packet."""

    command = False

    def __init__(self, packet):
        self.apid, self.service, self.subservice = packet.apid, packet.service, packet.subservice
        self.structure = packet.structure


SIZED = (
    '<BinaryParameterType name="{0}_T"><BinaryDataEncoding><SizeInBits><DynamicValue>'
    '<ParameterInstanceRef parameterRef="{1}" useCalibratedValue="false"/>'
    '<LinearAdjustment slope="{2}" intercept="{3}"/></DynamicValue></SizeInBits></BinaryDataEncoding>'
    "</BinaryParameterType>"
)


def test_sizes_told_by_a_counter_or_by_the_length_of_the_packet(write):
    types = uint("N", 8) + "".join(SIZED.format(*row) for row in (("A", "N", 8, 0), ("B", "N", 8, 0)))
    listed = "".join(parameter(n) for n in ("N", "A", "B"))
    told = container("Told", ["N", "A", "B"], criteria=equal("APID", 7))
    types += uint("M", 16) + SIZED.format("REST", "LENGTH", 8, -8)
    listed += parameter("M") + parameter("REST")
    rest = container("Rest", ["M", "REST"], criteria=equal("APID", 8))
    made = import_xtce(write(document(types, listed, told + rest)), "made-up")
    assert made.shortfalls == []
    raw = bytes.fromhex("0007C0000004 02 0102 03040008C0000004 0001 AABBCC")
    index = index_packets(raw, [PacketHeaderRule(7), PacketHeaderRule(8)])
    first = decode(raw, index[:1], made.packets[0].layout())
    assert {name: column.tolist() for name, column in first.repeated.items()} == {"A": [1, 2], "B": [3, 4]}
    assert first.unread.tolist() == [0]
    second = decode(raw, index[1:], made.packets[1].layout())
    assert second.repeated["REST"].tolist() == [0xAA, 0xBB, 0xCC]
    assert second.complete.all()


POLYNOMIAL = (
    '<DefaultCalibrator><PolynomialCalibrator><Term coefficient="2" exponent="0"/>'
    '<Term coefficient="0.5" exponent="2"/></PolynomialCalibrator></DefaultCalibrator>'
)
SPLINE = (
    '<DefaultCalibrator><SplineCalibrator {}><SplinePoint raw="0" calibrated="10"/>'
    '<SplinePoint raw="4" calibrated="20"/></SplineCalibrator></DefaultCalibrator>'
)
NAMES = (
    '<EnumeratedParameterType name="E_T"><IntegerDataEncoding sizeInBits="8" encoding="unsigned"/>'
    '<EnumerationList><Enumeration value="0" label="OFF"/><Enumeration value="1" label="ON; ready"/>'
    "</EnumerationList></EnumeratedParameterType>"
)


def test_calibrations_are_taken_over_or_named(write):
    swapped = (
        '<IntegerParameterType name="L_T"><IntegerDataEncoding sizeInBits="16" encoding="unsigned" '
        'byteOrder="leastSignificantByteFirst"/></IntegerParameterType>'
    )
    types = (
        uint("P", 8, POLYNOMIAL) + uint("S", 8, SPLINE.format('order="1" extrapolate="true"'))
        + uint("Z", 8, SPLINE.format('order="0"')) + NAMES + swapped
    )  # fmt: skip
    listed = "".join(parameter(n) for n in "PSZEL")
    made = import_xtce(
        write(document(types, listed, container("C", list("PSZEL"), criteria=equal("APID", 7)))), "made-up"
    )
    layout = made.packets[0].layout()
    assert layout.calibrate("P", np.array([2])).tolist() == [4.0]
    assert layout.calibrate("S", np.array([1, 8])).tolist() == [12.5, 30.0]
    assert layout.texts("E", np.array([1, 0])).tolist() == ["ON, ready", "OFF"]
    assert (layout["L"].kind, layout["L"].byte_order) == ("uint", "21")
    assert [(s.place, "(in C)" in s.reason) for s in made.shortfalls] == [("parameter Z", True)]


APART = (
    '<ParameterRefEntry parameterRef="X"><RepeatEntry><Count><FixedValue>3</FixedValue></Count>'
    "<Offset><FixedValue>8</FixedValue></Offset></RepeatEntry></ParameterRefEntry>"
)


@pytest.mark.parametrize(
    ("entries", "criteria", "reason"),
    [
        (['<ArrayParameterRefEntry parameterRef="X"/>', "X"], equal("APID", 7), "ArrayParameterRefEntry"),
        ([APART], equal("APID", 7), "RepeatEntry"),
        (['<IndirectParameterRefEntry parameterRef="X"/>'], equal("APID", 7), "IndirectParameterRefEntry"),
        (["X"], equal("X", 7), "APID"),
        (["X"], '<Comparison parameterRef="APID" comparisonOperator="&lt;" value="7"/>', "expected =="),
        (["X"], equal("APID", 7) + equal("APID", 8), "contradict"),
        (["X"], equal("APID", 4000), "too large"),
        (["X", "WIDE"], equal("APID", 7), "128 bits"),
    ],
)
def test_a_container_that_cannot_be_expressed_is_named_and_the_others_are_kept(
    write, entries, criteria, reason
):
    types = uint("X", 8) + uint("WIDE", 128)
    good = container("Good", ["X"], criteria=equal("APID", 9))
    bad = container("Bad", entries, criteria=criteria)
    made = import_xtce(write(document(types, parameter("X") + parameter("WIDE"), good + bad)), "made-up")
    assert [packet.name for packet in made.packets] == ["Good"]
    assert [s.place for s in made.shortfalls] == ["container Bad"]
    assert reason in made.shortfalls[0].reason


LAUGHS = (
    '<!DOCTYPE SpaceSystem [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    '<!DOCTYPE SpaceSystem [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE SpaceSystem SYSTEM "http://127.0.0.1:9/none.dtd">',
)


@pytest.mark.parametrize("top", LAUGHS)
def test_a_document_type_is_refused_before_anything_is_expanded(write, top):
    good = container("Good", ["X"], criteria=equal("APID", 9))
    text = document(uint("X", 8), parameter("X"), good, top=top)
    assert import_xtce(write(text.replace(top, "")), "made-up").packets
    with pytest.raises(BadDataError, match=r"made-up.xml: line 1: got a document type") as caught:
        import_xtce(write(text), "made-up")
    assert caught.value.file.name == "made-up.xml"


def nested(depth):
    """Containers of which each holds the next one twice."""
    abstract = 'abstract="true"'
    twice = (
        container(
            f"C{k}",
            [f'<ContainerRefEntry containerRef="C{k + 1}"/>'] * 2,
            "",
            attributes=abstract if k else "",
        )
        for k in range(depth)
    )
    return "".join(twice) + container(f"C{depth}", ["X"], "", attributes=abstract)


@pytest.mark.parametrize(
    ("containers", "reason"),
    [
        (container("A", ["X"], "B") + container("B", ["X"], "A"), "circle: A → B → A"),
        (container("A", ['<ContainerRefEntry containerRef="A"/>'], ""), "circle: A → A"),
        (container("A", ["X"], "NONE"), "'NONE', which is not there"),
        (container("A", ["Y"], criteria=equal("APID", 7)), "container A: left out: it holds Y"),
        (container("A", ["X"], "", attributes='abstract="true"'), "no container"),
        (nested(64), "more than a packet has bits"),
    ],
)
def test_documents_that_contradict_themselves_are_refused(write, containers, reason):
    with pytest.raises(BadDataError, match=reason):
        import_xtce(write(document(uint("X", 8), parameter("X"), containers)), "made-up")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no XML: no element found"),
        ("<SpaceSystem>", "no XML: no element found: line 1"),
        ("<html/>", "root element html"),
        ("<SpaceSystem/>", "TelemetryMetaData/ParameterTypeSet"),
        ("SQLite format 3\0", "no XML"),
    ],
)
def test_what_is_no_definition_is_refused(write, text, reason):
    with pytest.raises(BadDataError, match=reason):
        import_xtce(write(text), "made-up")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(BadDataError, match="unreadable"):
        import_xtce(tmp_path / "none.xml", "made-up")


def test_an_array_costs_what_holds_it_and_no_more(write):
    array = '<ArrayParameterType name="ARRAY_T" arrayTypeRef="X_T"/>'
    blind = '<IntegerParameterType name="BLIND_T"/>'
    good = container("Good", ["X"], criteria=equal("APID", 9))
    base = container("Base", ["ARRAY"], criteria=equal("APID", 8), attributes='abstract="true"')
    heir = container("Heir", ["X"], "Base", equal("X", 1))
    other = container("Other", ["X", "BLIND"], criteria=equal("APID", 7))
    listed = "".join(parameter(name) for name in ("X", "ARRAY", "BLIND"))
    made = import_xtce(
        write(document(uint("X", 8) + array + blind, listed, good + base + heir + other)), "made-up"
    )
    assert [packet.name for packet in made.packets] == ["Good"]
    reasons = {s.place: s.reason for s in made.shortfalls}
    assert set(reasons) == {"container Heir", "container Other"}
    assert "parameter ARRAY: an array" in reasons["container Heir"]
    assert "parameter BLIND: IntegerParameterType BLIND_T: its encoding" in reasons["container Other"]


def test_parts_that_are_not_read_are_named(write):
    good = container("Good", ["X"], criteria=equal("APID", 9))
    text = document(uint("X", 8), parameter("X"), good, root='<CommandMetaData/><SpaceSystem name="inner"/>')
    made = import_xtce(write(text), "made-up")
    assert {s.place for s in made.shortfalls} == {"CommandMetaData", "SpaceSystem inner"}


INNER = '<ContainerRefEntry containerRef="Inner"/>'
RICH = document(
    uint("N", 8)
    + uint("P", 8, POLYNOMIAL)
    + uint("S", 8, SPLINE.format('order="1" extrapolate="true"'))
    + NAMES
    + SIZED.format("A", "N", 8, 0),
    "".join(parameter(n) for n in "NPSEA"),
    container("Base", ["N"], criteria=equal("APID", 9), attributes='abstract="true"')
    + container("Inner", ["E"], base="")
    + container("C", ["P", INNER], "Base", equal("P", 3))
    + container("D", ["S", "A"], "Base", equal("S", 4)),
)
ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
ODD = [
    "",
    "-1",
    "0",
    "1",
    "3",
    "9" * 20,
    "x",
    "1e400",
    "nan",
    "0.5",
    "true",
    "N",
    "APID",
    "C",
    "LENGTH",
    "&#8232;",
]


@pytest.mark.parametrize(
    ("other", "reason"), [("A B", "got A_B twice"), ("A" * 300, "a name of 300 characters"), ("", "")]
)
def test_a_name_that_no_file_can_have_beside_the_others_is_left_out(write, tmp_path, other, reason):
    containers = container("A_B", ["X"], criteria=equal("APID", 77)) + container(
        other, ["X"], criteria=equal("APID", 78)
    )
    made = import_xtce(write(document(uint("X", 8), parameter("X"), containers)), "made-up")
    assert [packet.name for packet in made.packets] == ["A_B"]
    assert [(s.place, reason in s.reason) for s in made.shortfalls] == [(f"container {other}", True)]
    reads_back(made, tmp_path / "out")


@settings(max_examples=400)
@given(st.data())
def test_no_damage_to_a_document_makes_more_than_a_named_error(data):
    """Attributes are replaced by something odd, or a piece is cut out: a detector, or a named error."""
    text = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        places = list(ATTRIBUTE.finditer(text))
        if data.draw(st.booleans()) and places:
            place = data.draw(st.sampled_from(places))
            odd = data.draw(st.sampled_from([*ODD, *(p[2] for p in places[:40])]))
            text = text[: place.start(2)] + odd + text[place.end(2) :]
        else:
            place = data.draw(st.sampled_from(list(re.finditer(r"<\w+[^<>]*/>", text))))
            text = text[: place.start()] + text[place.end() :]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "made-up.xml"
        file.write_text(text, encoding="utf-8")
        try:
            made = import_xtce(file, "made-up")
        except BadDataError:
            return
        reads_back(made, Path(folder) / "out")
