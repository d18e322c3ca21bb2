"""The tables of a SCOS-2000 database, from an SQLite file or from a folder of ``.dat`` files.

The ``.dat`` form has a file for each table, a line for each row, and a tabulator between columns, which have
no names there: they are numbered as the database import document (EGOS-MCS-S2K-ICD-0001) lists them.
"""

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadDataError

__all__ = ["ScosDatabase", "ScosRow", "read_database"]

_COLUMNS = {
    "VDF": "NAME COMMENT DOMAINID RELEASE ISSUE",
    "PCF": "NAME DESCR PID UNIT PTC PFC WIDTH VALID RELATED CATEG NATUR CURTX INTER USCON DECIM PARVAL "
    "SUBSYS VALPAR SPTYPE CORR OBTID DARC ENDIAN DESCR2",
    "CUR": "PNAME POS RLCHK VALPAR SELECT",
    "CAF": "NUMBR DESCR ENGFMT RAWFMT RADIX UNIT NCURVE INTER",
    "CAP": "NUMBR XVALS YVALS",
    "TXF": "NUMBR DESCR RAWFMT NALIAS",
    "TXP": "NUMBR FROM TO ALTXT",
    "MCF": "IDENT DESCR POL1 POL2 POL3 POL4 POL5",
    "LGF": "IDENT DESCR POL1 POL2 POL3 POL4 POL5",
    "OCF": "NAME NBCHCK NBOOL INTER CODIN",
    "OCP": "NAME POS TYPE LVALU HVALU RLCHK VALPAR",
    "PID": "TYPE STYPE APID PI1_VAL PI2_VAL SPID DESCR UNIT TPSD DFHSIZE TIME INTER VALID CHECK EVENT EVID",
    "PIC": "TYPE STYPE PI1_OFF PI1_WID PI2_OFF PI2_WID APID",
    "PLF": "NAME SPID OFFBY OFFBI NBOCC LGOCC TIME TDOCC",
    "VPD": "TPSD POS NAME GRPSIZE FIXREP CHOICE PIDREF DISDESC WIDTH JUSTIFY NEWLINE DCHAR FORM OFFSET",
    "CCF": "CNAME",
}
_NEEDED = {
    "PCF": "NAME DESCR UNIT PTC PFC",
    "PID": "TYPE STYPE APID PI1_VAL SPID DESCR DFHSIZE",
    "PIC": "TYPE STYPE PI1_OFF PI1_WID",
    "PLF": "NAME SPID OFFBY OFFBI",
    "VPD": "TPSD POS NAME GRPSIZE",
    "CAF": "NUMBR",
    "CAP": "NUMBR XVALS YVALS",
    "TXF": "NUMBR",
    "TXP": "NUMBR FROM TO ALTXT",
    "MCF": "IDENT POL1",
    "LGF": "IDENT",
    "OCP": "NAME TYPE LVALU HVALU",
    "CUR": "PNAME",
}
"""Columns without which a table says nothing."""
_TABLES = ("PID", "PCF")
"""Tables without which there is no database."""


@dataclass(frozen=True)
class ScosRow:
    """A row of a table.

    Attributes
    ----------
    table
        Name of the table.
    position
        File and number of the row, for messages.
    cells
        Text of each column, by its name without that of the table.
    """

    table: str
    position: str
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Text of a column; empty where the database has none."""
        return self.cells.get(column, "")

    def number(self, column: str, default: int | None = None) -> int:
        """Number in a column.

        Raises
        ------
        BadDataError
            If it is none, or if it is missing and there is no default.
        """
        text = self.text(column)
        if text == "" and default is not None:
            return default
        try:
            value = float(text) if "." in text else int(text)
        except ValueError:
            value = 0.5
        if not math.isfinite(value) or value != int(value):
            raise BadDataError(
                f"{self.position}: {self.table}_{column}: got {text!r}, expected a whole number"
            )
        return int(value)


@dataclass(frozen=True)
class ScosDatabase:
    """A database.

    Attributes
    ----------
    source
        File or folder.
    tables
        Rows of each table; a table that is not there has none.
    made
        Date and version that a converter left behind; empty where none did.
    notes
        What of the files is not read, and why.
    """

    source: Path
    tables: dict[str, tuple[ScosRow, ...]]
    made: str = ""
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """What the database calls itself."""
        version = next(iter(self.tables["VDF"]), None)
        return (version.text("NAME") if version is not None else "") or self.source.stem

    @property
    def provenance(self) -> str:
        """Which database in which version, from which file."""
        issue = []
        for version in self.tables["VDF"][:1]:
            issue = [
                f"{word} {version.text(column)}"
                for word, column in (("release", "RELEASE"), ("issue", "ISSUE"), ("comment", "COMMENT"))
                if version.text(column)
            ]
        if self.made:
            issue.append(self.made)
        return f"SCOS-2000 database {self.title} ({', '.join([*issue, f'file {self.source.name}'])})"


def read_database(source: Path) -> ScosDatabase:
    """Read the tables that describe telemetry.

    Parameters
    ----------
    source
        An SQLite file, or a folder of ``.dat`` files.

    Raises
    ------
    BadDataError
        For something else, or if a table or a column is missing.
    """
    made = ""
    notes: list[tuple[str, str]] = []
    if source.is_dir():
        tables = {name: tuple(_dat_rows(source, name, notes)) for name in _COLUMNS}
    else:
        tables, made = _sqlite_tables(source)
    for name in _TABLES:
        if not tables[name]:
            raise BadDataError(
                f"got no table {name}, expected tables {', '.join(_TABLES)}, and PLF or VPD",
                file=source,
                advice="an SQLite file, or a folder with pid.dat, pcf.dat and so on",
            )
    if not (tables["PLF"] or tables["VPD"]):
        raise BadDataError("got neither table PLF nor VPD: no packet has fields", file=source)
    return ScosDatabase(source, tables, made, tuple(notes))


def _sqlite_tables(file: Path) -> tuple[dict[str, tuple[ScosRow, ...]], str]:
    try:
        with file.open("rb") as stream:
            magic = stream.read(16)
    except OSError as error:
        raise BadDataError(f"unreadable: {error}", file=file) from error
    if magic != b"SQLite format 3\0":
        raise BadDataError(
            f"got a file that begins with {magic!r}, expected an SQLite database",
            file=file,
            advice="of .dat files, name the folder",
        )
    try:
        # Read only, and without a journal beside it: the folder may not be ours to write in.
        connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            connection.text_factory = lambda octets: octets.decode("utf-8", "replace")
            tables = {name: tuple(_sqlite_rows(connection, file, name)) for name in _COLUMNS}
            return tables, _converter(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BadDataError(f"unreadable: {error}", file=file) from error


def _sqlite_rows(connection: sqlite3.Connection, file: Path, table: str) -> Iterator[ScosRow]:
    found = connection.execute(
        "select name from sqlite_master where type = 'table' and upper(name) = ?", [table]
    ).fetchone()
    if found is None:
        return
    quoted = '"' + found[0].replace('"', '""') + '"'
    cursor = connection.execute(f"select * from {quoted}")  # noqa: S608  # the table's own name, quoted
    names = [str(column[0]).upper().removeprefix(f"{table}_") for column in cursor.description]
    missing = sorted(set(_NEEDED.get(table, "").split()) - set(names))
    if missing:
        raise BadDataError(
            f"table {table}: got no columns {', '.join(f'{table}_{c}' for c in missing)}", file=file
        )
    for number, row in enumerate(cursor, start=1):
        cells = {n: "" if v is None else str(v).strip() for n, v in zip(names, row, strict=True)}
        yield ScosRow(table, f"{file.name}, {table} row {number}", cells)


def _converter(connection: sqlite3.Connection) -> str:
    """Version and date that the makers of STIX's database keep in a table of their own."""
    try:
        row = connection.execute("select version, creation_datetime from IDB").fetchone()
    except sqlite3.OperationalError:  # there is no such table
        return ""
    return f"version {row[0]}, made {row[1]}" if row else ""


def _dat_text(octets: bytes, file: Path) -> str:
    """Text of a file; a mark of its encoding is none of its first cell."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return octets.decode("utf-16")
        except UnicodeDecodeError as error:
            raise BadDataError(f"no text: {error}", file=file) from error
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:  # older databases are written in ISO 8859-1, in which every byte is a letter
        return octets.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _dat_rows(folder: Path, table: str, notes: list[tuple[str, str]]) -> Iterator[ScosRow]:
    file = next((f for f in sorted(folder.iterdir()) if f.name.lower() == f"{table.lower()}.dat"), None)
    if file is None:
        return
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise BadDataError(f"unreadable: {error}", file=file) from error
    text = _dat_text(octets, file)
    columns = _COLUMNS[table].split()
    needed = max((columns.index(c) + 1 for c in _NEEDED.get(table, "").split()), default=1)
    beyond = 0
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < needed:
            raise BadDataError(
                f"line {number}: got {len(cells)} columns between tabulators, expected {needed} or more",
                file=file,
            )
        beyond += any(cells[len(columns) :]) and table != "CCF"  # of which only the number of rows counts
        yield ScosRow(table, f"{file.name}, line {number}", dict(zip(columns, cells, strict=False)))
    if beyond:
        notes.append(
            (f"table {table}", f"{beyond} rows with columns behind {table}_{columns[-1]}, which are not read")
        )
