"""Tables as editors and spreadsheets write them: the same layout, or a message that names row and column."""

import codecs
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadDataError
from eicpy.packets import PacketLayout
from eicpy.packets.cells import real_number, whole_number

HEADER = ["name", "bit_offset", "bit_width", "type", "calibration", "unit", "alarm_high", "description"]
ROWS = [
    ["MODE", "0", "8", "uint", "text:0=OFF;1=ON", "", "", "with, a comma"],
    ["TEMP", "", "16", "int", "poly:-25.5;0.5", "µs", "12.5", "°C; the warm side"],
    ["REST", "", "8", "uint", "curve:0=0.5;10=1.5", "", "", ""],
]


def text(separator=",", end="\n", rows=ROWS, header=HEADER):
    """A table as the csv module writes it."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end)
    writer.writerows([header, *rows])
    return file.getvalue()


PLAIN = PacketLayout.parse(text()).fields


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encode",
    [
        lambda t: t.encode(),
        lambda t: codecs.BOM_UTF8 + t.encode(),
        lambda t: t.encode("utf-16"),
        lambda t: t.encode("cp1252"),
    ],
)
def test_separators_line_ends_and_encodings_give_the_same_layout(tmp_path, separator, end, encode):
    file = tmp_path / "table.csv"
    file.write_bytes(encode(text(separator, end)))
    assert PacketLayout.read(file).fields == PLAIN


def variants():
    """Names and texts of tables that mean the same."""
    comma = [[cell.replace(".", ",") for cell in row] for row in ROWS]
    lines = text().splitlines()
    yield "capitals", text(header=[name.upper() for name in HEADER])
    yield "words", text(header=[name.replace("_", " ").title() for name in HEADER])
    yield "types in capitals", text(rows=[[*row[:3], row[3].upper(), *row[4:]] for row in ROWS])
    yield "16.0", text(rows=[[*row[:1], row[1] and "0.0", f"{row[2]}.0", *row[3:]] for row in ROWS])
    yield "decimal commas", text(";", rows=comma)
    yield "decimal commas and tabulators", text("\t", rows=comma)
    yield "sep=", "sep=;\n" + text(";")
    yield "empty rows", "\n".join(["", lines[0], ",,,,,,,", lines[1], "", "  ", *lines[2:], ",,,", ""])
    yield "empty columns", text(header=[*HEADER, "", ""], rows=[[*row, "", " "] for row in ROWS])
    yield "spaces", text(rows=[[f"  {cell} " for cell in row] for row in ROWS])
    yield "spaces before quotes", "\n".join(", ".join(f'"{cell}"' for cell in row) for row in [HEADER, *ROWS])
    yield "all quoted", "\n".join(",".join(f'"{cell}"' for cell in row) for row in [HEADER, *ROWS])


@pytest.mark.parametrize(("table"), [pytest.param(t, id=name) for name, t in variants()])
def test_what_a_spreadsheet_does_to_a_table_changes_nothing(table):
    fields = PacketLayout.parse(table).fields
    assert [(f.name, f.bit_offset, f.bit_width, f.kind, f.calibration, f.unit, f.limits) for f in fields] == [
        (f.name, f.bit_offset, f.bit_width, f.kind, f.calibration, f.unit, f.limits) for f in PLAIN
    ]


def changed(row, column, cell, separator=","):
    rows = [list(each) for each in ROWS]
    rows[row][HEADER.index(column)] = cell
    return text(separator, rows=rows)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            changed(1, "bit_width", "16.5"),
            "line 3, field TEMP, column bit_width: got '16.5', expected a whole",
        ),
        (changed(1, "bit_width", ""), "line 3, field TEMP, column bit_width: got ''"),
        (changed(1, "bit_width", "1e1"), "line 3, field TEMP, column bit_width"),
        (changed(2, "alarm_high", "1,234"), "line 4, field REST, column alarm_high: got '1,234'.*thousands"),
        (changed(2, "alarm_high", "1,234", "\t"), "column alarm_high: got '1,234'.*thousands"),
        (changed(2, "alarm_high", "1.234,5", ";"), "column alarm_high: got '1.234,5'"),
        (changed(2, "alarm_high", "nan"), "column alarm_high: got 'nan'"),
        (changed(2, "calibration", "poly:1;x"), "line 4, field REST, column calibration"),
        (changed(0, "type", "uint8"), "line 2, field MODE, column type: got type 'uint8', expected one of"),
        (text() + "D,,8,uint,,,,,surplus\n", "line 5: got 'surplus' in column 9, which has no name"),
        (text(header=[*HEADER[:-1], ""]), "line 2: got 'with, a comma' in column 8, which has no name"),
        (text(header=[*HEADER[:-1], "unit"]), "column unit twice"),
        (text(header=[*HEADER[:-1], "remarks"]), r"unknown: \['remarks'\]"),
        (text().replace(",bit_width", ""), r"missing: \['bit_width'\]"),
        ("", "an empty table"),
        ('name,bit_width,type\nA,8,uint\nB,8,"uint\nC,8,uint\n', "line 3: unexpected end of data.*quotes"),
        ("name,bit_width,type,description\nA,8,uint," + "x" * 200_000, "line 2: field larger than"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_row_and_column(table, message):
    with pytest.raises(BadDataError, match=message):
        PacketLayout.parse(table)


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"PK\x03\x04rest of a workbook", "workbook.*save the sheet as CSV"),
        (b"name,bit_width,type\nA,8,uint\0", "zero byte"),
        (b"name,bit_width,type\nA,8,uint\x81", "no text"),
        (codecs.BOM_UTF8 + b"name,bit_width,type\n\xb5,8,uint", "no text"),
    ],
)
def test_files_that_are_no_text_are_refused_by_name(tmp_path, octets, message):
    file = tmp_path / "table.csv"
    file.write_bytes(octets)
    with pytest.raises(BadDataError, match=rf"table\.csv.*{message}"):
        PacketLayout.read(file)


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(BadDataError, match="no regular file"):
        PacketLayout.read(tmp_path)


def test_fill_may_begin_with_a_capital_unless_a_field_is_called_so():
    table = "name,bit_width,type,repeat\n{0},8,uint,\nB,8,uint,Fill\n"
    assert PacketLayout.parse(table.format("N")).groups["B"].count.is_fill
    assert PacketLayout.parse(table.format("Fill")).groups["B"].counter == "Fill"


@pytest.mark.parametrize("name", ["bom", "semicolon", "empty-row", "spaces"])
def test_the_tables_of_the_cases_are_read(shared_data, name):
    layout = PacketLayout.read(shared_data / f"cases/telemetry/table-{name}.csv")
    assert [(f.name, f.bit_width, f.kind, f.unit) for f in layout.fields] == [
        ("MODE", 8, "uint", ""),
        ("TEMP", 16, "int", "deg_C"),
    ]


@given(st.integers(-(10**15), 10**15), st.sampled_from(["", ".", ".0", ",00"]))
def test_whole_numbers_come_back(number, end):
    assert whole_number(f" {number}{end}") == number


@given(st.floats(-1e9, 1e9))
def test_real_numbers_come_back_with_either_mark(number):
    assert real_number(repr(number)) == number
    assert real_number(repr(number).replace(".", ","), ";") == number
