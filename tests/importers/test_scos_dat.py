"""A made-up SCOS-2000 database of .dat files: what tables of it become, and what is refused."""

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.importers import import_scos
from eicpy.importers.scos_types import parameter_type
from eicpy.instruments import load
from eicpy.packets import PacketHeaderRule, PacketLayout, decode, index_packets, select


def pcf(name, ptc, pfc, *, width="", categ="N", natur="R", curtx="", unit=""):
    return f"{name}\tabout {name}\t\t{unit}\t{ptc}\t{pfc}\t{width}\t\t\t{categ}\t{natur}\t{curtx}"


def pid(spid, kind, subtype, *, apid=100, pi1=0, pi2=0, tpsd=-1, header=16, check=0):
    return (
        f"{kind}\t{subtype}\t{apid}\t{pi1}\t{pi2}\t{spid}\tpacket {spid}\t\t{tpsd}\t{header}\tY\t\tY\t{check}"
    )


def plf(spid, name, byte, bit=0, times="", stride=""):
    return f"{name}\t{spid}\t{byte}\t{bit}\t{times}\t{stride}"


def vpd(tpsd, position, name, group=0, fixed=0, offset=0, choice="N"):
    return f"{tpsd}\t{position}\t{name}\t{group}\t{fixed}\t{choice}\tN\t\t0\tL\tN\t0\tN\t{offset}"


BASE = {
    "vdf": ["MADE-UP\ta database\u00a0of the tests\t1\t3\t7"],
    "pcf": [
        pcf("U8", 3, 4), pcf("U16", 3, 12), pcf("I12", 4, 8), pcf("F32", 5, 1), pcf("F64", 5, 2),
        pcf("FLAG", 1, 0), pcf("STATE", 2, 3, categ="S", curtx="NAMES"), pcf("OCTETS", 7, 3),
        pcf("TIME", 9, 17), pcf("N", 3, 4), pcf("M", 3, 4), pcf("FIX", 3, 4), pcf("SLOT", 3, 0, width=8),
        pcf("LINE", 3, 4, curtx="CURVE", unit="V"), pcf("POLY", 3, 4, curtx="SQUARE"),
        pcf("LOG", 3, 4, curtx="LN"),
        pcf("TWO", 3, 4), pcf("MIL", 5, 3), pcf("LONG", 8, 0), pcf("SUM", 3, 4, natur="D"),
    ],
    "caf": ["CURVE\tin volts\tR\tU\tH\tV\t3\tF"],
    "cap": ["CURVE\tA\t10", "CURVE\t0\t0", "CURVE\t14\t30"],
    "mcf": ["SQUARE\tx²\t1\t0\t2\t0\t0"],
    "lgf": ["LN\tlogarithm\t1\t1"],
    "cur": ["TWO\t1\tFLAG\t0\tCURVE", "TWO\t2\tFLAG\t1\tSQUARE"],
    "txf": ["NAMES\tstates\tU\t2"],
    "txp": ["NAMES\t0\t0\tOFF", "NAMES\t1\t3\tON; late"],
    "ocf": ["LINE\t1\t2\tU\tI"],
    "ocp": ["LINE\t1\tS\t10\t20", "LINE\t2\tH\t0\t30"],
    "pic": ["3\t25\t16\t8\t-1\t0", "5\t1\t16\t8\t17\t8", "200\t1\t-1\t0\t-1\t0"],
    "pid": [
        pid(1, 3, 25, pi1=7), pid(2, 3, 25, pi1=9), pid(3, 5, 1, pi1=1, pi2=2, apid=101, check=1),
        pid(10, 200, 1, tpsd=10, apid=102),
    ],
    "plf": [
        plf(1, "U16", 18), plf(1, "FLAG", 20), plf(1, "STATE", 20, 5), plf(1, "I12", 21),
        plf(1, "OCTETS", 24),
        plf(1, "U8", 27, 0, 3, 16), plf(1, "LINE", 28, 0, 3, 16), plf(1, "F32", 33), plf(1, "POLY", 37),
        plf(2, "U8", 16), plf(2, "TIME", 17),
        plf(3, "U16", 18),
    ],
    "vpd": [
        vpd(10, 1, "U8"), vpd(10, 2, "N", 4), vpd(10, 3, "U16"), vpd(10, 4, "STATE", offset=-13),
        vpd(10, 5, "M", 1, offset=10), vpd(10, 6, "SLOT"),
        vpd(10, 8, "FIX", 1, 2), vpd(10, 9, "I12"), vpd(10, 10, "FIX", 1, 2), vpd(10, 11, "POLY", offset=4),
        vpd(10, 12, "F64", offset=8),
    ],
}  # fmt: skip


def write(folder, changes=None):
    """The base with some tables replaced; None leaves one out."""
    for name, rows in (BASE | (changes or {})).items():
        if rows is not None:
            (folder / f"{name}.dat").write_text("\n".join(rows) + "\n", encoding="latin-1")
    return folder


def reads_back(made, folder):
    """What was written is a detector: each packet that was taken over, with its table."""
    made.write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EIC_INSTRUMENTS", str(folder))
        described = load(made.name)
    assert set(described.packets) == {packet.name for packet in made.packets}
    for kind in described.packets:
        PacketLayout.read(described.layout_file(kind))


@pytest.fixture
def detector(tmp_path, monkeypatch):
    made = import_scos(write(tmp_path), "made-up")
    made.write(tmp_path / "out")
    monkeypatch.setenv("EIC_INSTRUMENTS", str(tmp_path / "out"))
    return made, load("made-up")


def packet(apid, kind, subtype, data):
    body = bytes([0x10, kind, subtype, 0]) + bytes(6) + data
    return (0x0800 | apid).to_bytes(2, "big") + b"\xc0\x00" + (len(body) - 1).to_bytes(2, "big") + body


def decoded(detector, name, raw):
    rules = [
        PacketHeaderRule(h.apid, h.checksum, h.secondary, h.coarse_bits, h.fine_bits)
        for h in detector.headers
    ]
    index = index_packets(raw, rules)
    layout = PacketLayout.read(detector.layout_file(name))
    chosen = select(raw, index, detector.packets[name], layout)
    assert chosen.all()
    return decode(raw, index, layout), layout


def test_what_cannot_be_expressed_is_named_and_nothing_else_is_lost(detector):
    made, described = detector
    assert list(described.packets) == ["spid-1", "spid-2", "spid-3", "spid-10"]
    assert described.note.startswith(
        "imported from SCOS-2000 database MADE-UP (release 3, issue 7, comment a data"
    )
    assert {h.apid: h.checksum for h in described.headers} == {100: "none", 101: "crc16", 102: "none"}
    assert {s.place for s in made.shortfalls} == {"calibration CURVE", "parameter SUM"}
    assert "left out" not in made.report()


def test_parameters_at_their_places(detector):
    bits = "00000111" + "0" * 8 + f"{0xBEEF:016b}" + "1" + "0000" + "010" + f"{0x800:012b}" + "0" * 12
    data = int(bits, 2).to_bytes(len(bits) // 8, "big") + b"abc" + bytes([1, 10, 2, 20, 3, 15])
    data += np.array([1.5], dtype=">f4").tobytes() + bytes([3]) + b"more"
    back, layout = decoded(detector[1], "spid-1", packet(100, 3, 25, data))
    assert back.complete.all()
    assert back.unread.tolist() == [0]
    assert back.groups["NOT_IN_DATABASE"].counts.tolist() == [4]
    found = {name: column.tolist() for name, column in {**back.columns, **back.repeated}.items()}
    assert found == {
        "STRUCTURE": [7], "U16": [0xBEEF], "FLAG": [1], "STATE": [2], "I12": [-2048],
        "OCTETS": [[97, 98, 99]], "U8": [1, 2, 3], "LINE": [10, 20, 15], "F32": [1.5], "POLY": [3],
    }  # fmt: skip
    assert layout.calibrate("LINE", np.array([10, 15, 20])).tolist() == [
        10.0,
        20.0,
        30.0,
    ]  # hexadecimal points
    assert layout.calibrate("POLY", np.array([3])).tolist() == [19.0]
    assert layout.texts("STATE", np.array([0, 3, 4])).tolist() == ["OFF", "ON, late", "4"]
    assert layout["LINE"].unit == "V"
    limits = layout["LINE"].limits
    assert (limits.warning_low, limits.warning_high, limits.alarm_low, limits.alarm_high) == (10, 30, 0, 50)


def test_packets_are_told_apart_by_one_identifier_or_two(detector):
    back, _ = decoded(detector[1], "spid-2", packet(100, 3, 25, bytes([9]) + bytes.fromhex("0102030405FF")))
    assert back.columns["U8"].tolist() == [9]
    assert back.columns["TIME"].tolist() == [0x0102030405FF]
    layout = PacketLayout.read(detector[1].layout_file("spid-2"))
    assert layout.structure.name == "U8"
    assert detector[1].packets["spid-3"].structure == 0x0102


def test_variable_packets_with_groups_in_groups(detector):
    """Two outer records with one and two inner ones; then two fixed groups that repeat alike."""
    outer = [(0b0001100000000000, [5]), (0b0001110000000000, [6, 7])]
    bits = f"{99:08b}{len(outer):08b}"
    for word, inner in outer:
        bits += f"{word:016b}{len(inner):08b}" + "".join(f"{number:04b}1111" for number in inner)
    bits += f"{3:012b}{4:012b}" + f"0000{1:08b}" + f"0000{2:08b}" + "0" * 8
    data = int(bits, 2).to_bytes(len(bits) // 8, "big") + np.array([2.5], dtype=">f8").tobytes()
    back, _ = decoded(detector[1], "spid-10", packet(102, 200, 1, data))
    assert back.complete.all()
    assert back.unread.tolist() == [0]
    found = {name: column.tolist() for name, column in {**back.columns, **back.repeated}.items()}
    assert found == {
        "U8": [99], "N": [2], "U16": [0x1800, 0x1C00], "STATE": [6, 7], "M": [1, 2], "SLOT": [5, 6, 7],
        "I12": [3, 4], "POLY": [1, 2], "F64": [2.5],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({"plf": [*BASE["plf"], plf(1, "NONE", 40)]}, "packet 1, NONE", "not in table PCF"),
        ({"plf": [*BASE["plf"], plf(1, "LONG", 40)]}, "packet 1, LONG", "variable size"),
        ({"plf": [*BASE["plf"], plf(1, "U8", 99_999)]}, "packet 1, U8", "byte 99999"),
        ({"plf": [*BASE["plf"], plf(1, "U8", "x")]}, "packet 1, U8", "PLF_OFFBY: got 'x'"),
        ({"plf": [*BASE["plf"], plf(1, "U16", 50, 0, 3, 8)]}, "packet 1, U16", "3 occurrences 8 bits apart"),
        ({"plf": [*BASE["plf"], plf(1, "MIL", 50)]}, "parameter MIL", "MIL-STD-1750A"),
        ({"plf": [*BASE["plf"], plf(1, "TWO", 50)]}, "parameter TWO", "CURVE, SQUARE"),
        ({"plf": [*BASE["plf"], plf(1, "LOG", 50)]}, "calibration LN", "logarithmic"),
        ({"txp": [f"NAMES\t{k}\t{k}\tx" for k in range(4097)]}, "calibration NAMES", "4096"),
        ({"txp": ["NAMES\t5\t0\tx"]}, "calibration NAMES", "lower one first"),
        ({"cap": ["CURVE\tA\t10"]}, "calibration CURVE", "two points"),
        ({"ocp": ["LINE\t1\tS\t0\tx"]}, "limits of LINE", "could not convert"),
        ({"ccf": ["TC1\tgo"]}, "1 telecommands", "only telemetry"),
        ({"pid": [*BASE["pid"], pid(5, 3, 25, pi1=7)]}, "packet 5 (packet 5)", "those of packet 1"),
        ({"pid": [*BASE["pid"], pid(5, 3, 25, pi1=300)]}, "packet 5 (packet 5)", "8 bits do not hold"),
        ({"pid": [*BASE["pid"], pid(5, 1, 1, apid=3000)]}, "packet 5 (packet 5)", "APID 3000"),
        ({"pid": [*BASE["pid"], pid(5, 1, 1, tpsd=44)]}, "packet 5 (packet 5)", "structure 44"),
        ({"pid": [*BASE["pid"], pid(5, 1, 1, header=2)]}, "packet 5 (packet 5)", "header of 2 bytes"),
        ({"vpd": [vpd(10, 1, "N", 5), vpd(10, 2, "U8")]}, "packet 10 (packet 10)", "group of 5 parameters"),
        ({"vpd": [vpd(10, 1, "U8", choice="Y")]}, "packet 10 (packet 10)", "its value decides what follows"),
        ({"vpd": [vpd(10, 1, "F32", 1), vpd(10, 2, "U8")]}, "packet 10 (packet 10)", "repeats 'F32'"),
        (
            {"vpd": [vpd(10, 1, "N", 2), vpd(10, 2, "U16"), vpd(10, 3, "FLAG", offset=-16)]},
            "packet 10 (packet 10)",
            "15 bits before the end",
        ),
        ({"vpd": [*BASE["vpd"], vpd(77, 1, "U8")]}, "structure 77", "of no packet"),
    ],
)
def test_one_bad_entry_is_named_and_the_rest_is_kept(tmp_path, changes, place, reason):
    made = import_scos(write(tmp_path, changes), "made-up")
    told = {s.place: s.reason for s in made.shortfalls}
    assert reason in told[place]
    lost = {place.split()[1]} if "left out" in told[place] and "," not in place else set()
    names = {"spid-1", "spid-2", "spid-3", "spid-10"} - {f"spid-{spid}" for spid in lost}
    assert {packet.name for packet in made.packets} == names


def test_a_packet_with_a_header_of_its_own_is_kept_and_named(tmp_path):
    made = import_scos(write(tmp_path, {"pid": [*BASE["pid"], pid(5, 1, 1, header=17)]}), "made-up")
    assert made.packets[-1].name == "spid-5"
    assert (
        "is another than that of APID 100"
        in {s.place: s.reason for s in made.shortfalls}["packet 5 (packet 5)"]
    )


def test_a_packet_that_is_declared_twice_is_taken_once_and_named(tmp_path):
    """SPID 1 stands for packets of two types: of the second nobody knows which parameters are its own."""
    made = import_scos(write(tmp_path, {"pid": [*BASE["pid"], pid(1, 5, 2)]}), "made-up")
    assert [packet.name for packet in made.packets].count("spid-1") == 1
    assert {s.place: s.reason for s in made.shortfalls}["packet 1 (packet 1)"] == (
        "left out: got spid-1 twice, expected each packet once"
    )
    reads_back(made, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pid": None}, "no table PID"),
        ({"pcf": None}, "no table PCF"),
        ({"plf": None, "vpd": None}, "neither table PLF nor VPD"),
        ({"plf": ["U8\t1\t18"]}, r"plf.dat: line 1: got 3 columns between tabulators, expected 4 or more"),
        ({"pid": [pid(1, 3, 25, apid=5000)]}, "no packet that could be taken over, of 1: .*APID 5000"),
    ],
)
def test_a_folder_that_is_no_database_is_refused(tmp_path, changes, reason):
    with pytest.raises(BadDataError, match=reason) as caught:
        import_scos(write(tmp_path, changes), "made-up")
    assert caught.value.file is not None


def test_a_file_that_is_no_database_is_refused(tmp_path):
    file = tmp_path / "x.sqlite"
    file.write_bytes(b"PK\x03\x04 something else altogether")
    with pytest.raises(BadDataError, match=r"x.sqlite: got a file that begins with"):
        import_scos(file, "made-up")
    file.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(BadDataError, match=r"x.sqlite: unreadable"):
        import_scos(file, "made-up")
    with pytest.raises(BadDataError, match=r"none.sqlite: unreadable"):
        import_scos(tmp_path / "none.sqlite", "made-up")


def test_a_table_without_its_columns_is_refused(tmp_path):
    file = tmp_path / "x.sqlite"
    with sqlite3.connect(file) as database:
        database.execute("create table PID (PID_TYPE int, PID_SPID int)")
        database.execute("insert into PID values (3, 1)")
    database.close()
    with pytest.raises(BadDataError, match="table PID: got no columns PID_APID, PID_DESCR"):
        import_scos(file, "made-up")


def test_a_view_that_never_ends_is_not_read(tmp_path):
    file = tmp_path / "x.sqlite"
    with sqlite3.connect(file) as database:
        database.execute(
            "create view PID as with recursive n(k) as (select 1 union all select k+1 from n) "
            "select k as PID_TYPE from n"
        )
    database.close()
    with pytest.raises(BadDataError, match="no table PID"):
        import_scos(file, "made-up")


def test_a_detector_that_is_there_is_not_written_over(tmp_path):
    made = import_scos(write(tmp_path), "made-up")
    made.write(tmp_path / "out")
    with pytest.raises(BadArgumentError, match="there already"):
        made.write(tmp_path / "out")
    made.name = "../made-up"
    with pytest.raises(BadArgumentError, match="expected letters"):
        made.write(tmp_path / "out")


@pytest.mark.parametrize(
    ("codes", "form"),
    [
        ((1, 0), ("uint", 1)), ((2, 5), ("uint", 5)), ((3, 0), ("uint", 4)), ((3, 12), ("uint", 16)),
        ((3, 13), ("uint", 24)), ((3, 16), ("uint", 64)), ((4, 14), ("int", 32)), ((5, 1), ("float", 32)),
        ((5, 2), ("float", 64)), ((6, 9), ("uint", 9)), ((7, 5), ("bytes", 40)), ((8, 2), ("bytes", 16)),
        ((9, 1), ("uint", 48)), ((9, 3), ("uint", 8)), ((9, 6), ("uint", 32)), ((9, 17), ("uint", 48)),
        ((9, 18), ("uint", 56)), ((10, 16), ("uint", 40)),
    ],
)  # fmt: skip
def test_types_of_parameters(codes, form):
    found = parameter_type(*codes)
    assert (found.kind, found.bits) == form


@pytest.mark.parametrize(
    "codes", [(0, 0), (2, 0), (2, 65), (3, 17), (5, 5), (6, 0), (7, 0), (9, 0), (11, 0), (7, 70000)]
)
def test_types_that_no_table_holds(codes):
    with pytest.raises(BadDataError, match=f"got type {codes[0]}/{codes[1]}"):
        parameter_type(*codes)


ODD = ["", "-1", "0", "1", "7", "64", "65", "9" * 20, "-" + "9" * 20, "x", "Y", "é", "1e400", "1.0e400",
       "nan", "inf", "0.5", "N/M", "fill", "HEADER", "\x00", "a;b=c", '"', "\u2028"]  # fmt: skip


@settings(max_examples=400)
@given(st.data())
def test_no_damage_to_a_database_makes_more_than_a_named_error(data):
    """One to three cells are replaced by something odd: a detector that loads, or a named error."""
    tables = {name: list(rows) for name, rows in BASE.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(tables)))
        row = data.draw(st.integers(0, len(tables[name]) - 1))
        cells = tables[name][row].split("\t")
        cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(st.sampled_from(ODD))
        tables[name][row] = "\t".join(cells)
    with TemporaryDirectory() as folder:
        for name, rows in tables.items():
            (Path(folder) / f"{name}.dat").write_text("\n".join(rows), encoding="utf-8")
        try:
            made = import_scos(folder, "made-up")
        except BadDataError:
            return
        reads_back(made, Path(folder) / "out")


def pcf_of(name, ptc, pfc, **columns):
    """A row of table PCF with columns by name."""
    names = (
        "NAME DESCR PID UNIT PTC PFC WIDTH VALID RELATED CATEG NATUR CURTX INTER USCON DECIM PARVAL SUBSYS "
        "VALPAR SPTYPE CORR OBTID DARC ENDIAN DESCR2"
    )
    given = {"NAME": name, "PTC": ptc, "PFC": pfc, "CATEG": "N", "NATUR": "R", **columns}
    return "\t".join(str(given.get(column, "")) for column in names.split())


def test_little_endian_parameters_are_read_so_and_what_has_no_such_bytes_is_named(tmp_path):
    changes = {
        "pcf": [
            pcf_of("U", 3, 12, ENDIAN="L"), pcf_of("I", 4, 13, ENDIAN="L"), pcf_of("F", 5, 1, ENDIAN="L"),
            pcf_of("B", 3, 12, ENDIAN="B"), pcf_of("BYTE", 3, 4, ENDIAN="L"), pcf_of("ODD", 3, 8, ENDIAN="L"),
            pcf_of("SHIFTED", 3, 12, ENDIAN="L"), pcf_of("WRONG", 3, 12, ENDIAN="X"),
        ],
        "pid": [pid(1, 1, 1, header=6)],
        "pic": [],
        "plf": [
            plf(1, "U", 6), plf(1, "I", 8), plf(1, "F", 11), plf(1, "B", 15), plf(1, "BYTE", 17),
            plf(1, "ODD", 18), "SHIFTED\t1\t20\t4", plf(1, "WRONG", 24),
        ],
    }  # fmt: skip
    made = import_scos(write(tmp_path, changes), "made-up")
    layout = made.packets[0].layout()
    data = bytes.fromhex("0102 FEFFFF 0000803F 0102 07") + bytes(9)
    raw = bytes.fromhex("0001C000") + (len(data) - 1).to_bytes(2, "big") + data
    columns = decode(raw, index_packets(raw, [PacketHeaderRule(1)]), layout).columns
    assert {name: columns[name].tolist() for name in ("U", "I", "F", "B", "BYTE")} == {
        "U": [0x0201], "I": [-2], "F": [1.0], "B": [0x0102], "BYTE": [7],
    }  # fmt: skip
    told = {s.place.rpartition(" ")[2]: s.reason for s in made.shortfalls}
    assert "12 bits, least significant byte first" in told["ODD"]
    assert "at bit 4 of a byte" in told["SHIFTED"]
    assert "expected B or L" in told["WRONG"]


def test_columns_that_change_a_meaning_are_named(tmp_path):
    changes = {
        "pcf": [
            pcf_of("WHEN", 3, 12, VALID="FLAG", VALPAR="1"), pcf_of("CURVED", 3, 12, CURTX="C", INTER="F"),
            pcf_of("DAYS", 9, 1),
        ],
        "caf": ["C\tcurve\tR\tU\tD\t\t2\tP"],
        "cap": ["C\t0\t1", "C\t1\t2"],
        "ocf": ["WHEN\t3\t1\tU\tI"],
        "ocp": ["WHEN\t1\tS\t0\t5"],
        "plf": ["WHEN\t1\t16\t0\t1\t0\t250\t0", plf(1, "CURVED", 18), plf(1, "DAYS", 20)],
        "pid": [pid(1, 1, 1)],
        "pic": [],
    }  # fmt: skip
    made = import_scos(write(tmp_path, changes), "made-up")
    told = {s.place: s.reason for s in made.shortfalls}
    assert "FLAG = 1 (PCF_VALID): WHEN" in told["validity of 1 parameter"]
    assert "(PCF_INTER): CURVED" in told["curves of 1 parameter"]
    assert "3 values beyond them (OCF_NBCHCK): WHEN" in told["limits of 1 parameter"]
    assert "(PLF_TIME, PLF_TDOCC): WHEN" in told["packet 1"]
    assert "days and milliseconds" in told["parameter DAYS"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", "utf-16"])
def test_a_mark_of_the_encoding_is_none_of_the_first_cell(tmp_path, mark):
    plain = import_scos(write(tmp_path), "made-up")
    marked = tmp_path / "marked"
    marked.mkdir()
    for file in tmp_path.glob("*.dat"):
        octets = file.read_bytes()
        text = octets.decode("latin-1")
        again = text.encode(mark) if isinstance(mark, str) else mark + text.encode()
        (marked / file.name).write_bytes(again)
    made = import_scos(marked, "made-up")
    assert made.packets == plain.packets
    assert made.shortfalls == plain.shortfalls


def test_the_little_endian_case_is_read_so(shared_data):
    made = import_scos(shared_data / "cases/telemetry/mib-little-endian", "case")
    assert made.packets[0].layout()["VOLT"].byte_order == "21"
