"""The text of a table, as editors and spreadsheets write it, cut into rows.

Separated by commas, semicolons or tabulators (with the latter two, decimal commas are understood); in UTF-8
or UTF-16 with or without a mark, or in Windows-1252; lines that end in LF, CRLF or CR; with empty rows,
empty columns, spaces around cells, and column names in capitals. What cannot be meant is refused with its
row.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.text import counted

__all__ = ["TableRow", "TableText", "decode_text", "read_regular", "split_table"]

_SEPARATORS = (",", ";", "\t")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabulators"}
_WORKBOOKS = {b"PK\x03\x04": "a workbook (.xlsx or .ods)", b"\xd0\xcf\x11\xe0": "a workbook (.xls)"}


@dataclass(frozen=True)
class TableRow:
    """A row that is not empty.

    Attributes
    ----------
    line
        Its number in the spreadsheet, from 1.
    cells
        Text of each column, without spaces around it.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class TableText:
    """A table, cut up.

    Attributes
    ----------
    rows
        Those below the column names that are not empty.
    separator
        What stands between cells.
    """

    rows: tuple[TableRow, ...]
    separator: str = field(default=",")


def read_regular(path: Path) -> bytes:
    """Bytes of a file that ends: a pipe or a device may never.

    Raises
    ------
    BadDataError
        For something else.
    """
    if path.exists() and not path.is_file():
        raise BadDataError("got no regular file, expected a table")
    return path.read_bytes()


def decode_text(octets: bytes) -> str:
    """Text of the bytes of a table.

    Raises
    ------
    BadDataError
        For a workbook, or bytes that are no text.
    """
    for magic, what in _WORKBOOKS.items():
        if octets.startswith(magic):
            raise BadDataError(f"got {what}, expected text", advice="save the sheet as CSV")
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif octets.startswith(b"\xef\xbb\xbf"):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "cp1252"]
    reason = ""
    for encoding in encodings:
        try:
            text = octets.decode(encoding)
        except UnicodeDecodeError as error:
            reason = reason or str(error)
            continue
        if "\0" in text:
            raise BadDataError("got a zero byte, expected text", advice="save the table as CSV in UTF-8")
        return text
    raise BadDataError(f"got no text: {reason}", advice="save the table as CSV in UTF-8")


def split_table(text: str, columns: Iterable[str], required: Iterable[str]) -> TableText:
    """Cut the text of a table into rows.

    Parameters
    ----------
    text
        The table, its column names in the first row that is not empty.
    columns
        Names that columns may have.
    required
        Names of those that must be there.

    Raises
    ------
    BadDataError
        For a column that is unknown, missing or there twice, a cell without a column, or quotes that do not
        close; with the row.
    """
    known = tuple(columns)
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in lines.split("\n") if line.strip()), "")
    separator = first[4:5] if first.lower().startswith("sep=") else ""  # as some spreadsheets begin
    if separator not in _SEPARATORS:
        separator = _separator(lines, known)
    names: list[str] | None = None
    rows: list[TableRow] = []
    for number, cells in _records(lines, separator):
        if not any(cells) or (names is None and cells[0].lower().startswith("sep=")):
            continue
        if names is None:
            names = [_column(cell) for cell in cells]
            _check_names(names, cells, known, set(required))
            continue
        for place, cell in enumerate(cells):
            if cell and (place >= len(names) or not names[place]):
                raise BadDataError(
                    f"line {number}: got {cell!r} in column {place + 1}, which has no name, expected "
                    f"{counted(sum(map(bool, names)), 'cell')}",
                    advice=f"quote a cell that has {_NAMES[separator]} in it",
                )
        row = dict(zip(names, cells, strict=False))
        row.pop("", None)
        rows.append(TableRow(number, row))
    if names is None:
        raise BadDataError("got an empty table", advice=f"the columns are {', '.join(known)}")
    return TableText(tuple(rows), separator)


def _records(lines: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers, cells without spaces around them."""
    reader = csv.reader(io.StringIO(lines), delimiter=separator, skipinitialspace=True, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadDataError(
                f"line {number}: {error}", advice='are all quotes closed, and doubled ("") inside of a cell?'
            ) from error
        yield number, [cell.strip() for cell in cells] or [""]


def _separator(lines: str, known: tuple[str, ...]) -> str:
    """What separates the cells: that by which most column names are found."""
    first = next(
        (line for line in lines.split("\n") if line.strip() and not line.lower().startswith("sep=")), ""
    )
    found = {each: sum(_column(cell) in known for cell in first.split(each)) for each in _SEPARATORS}
    return max(_SEPARATORS, key=lambda each: found[each])


def _column(cell: str) -> str:
    """Name of a column, however it is written."""
    return "_".join(cell.strip().strip('"').lower().split())


def _check_names(names: list[str], cells: list[str], known: tuple[str, ...], required: set[str]) -> None:
    unknown = sorted({name for name in names if name} - set(known))
    missing = sorted(required - set(names))
    if unknown or missing:
        raise BadDataError(
            f"got columns {', '.join(filter(None, cells))}; unknown: {unknown}, missing: {missing}",
            advice=f"the columns are {', '.join(known)}, separated by commas, semicolons or tabulators",
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise BadDataError(f"got column {', '.join(twice)} twice, expected each once")
