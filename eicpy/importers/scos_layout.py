"""Layout tables of the packets of a SCOS-2000 database.

In packets of a fixed form (PLF) each parameter has its position; in those of a variable form (VPD) each
follows the one before, and counters repeat what stands behind them, also within one another.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eicpy.errors import BadDataError
from eicpy.importers.scos_calibration import ScosCalibrations
from eicpy.importers.scos_database import ScosDatabase, ScosRow
from eicpy.importers.scos_types import ScosType, parameter_type
from eicpy.importers.tables import UNREAD, ImportedInstrument, Row, unique_name

__all__ = ["Identifier", "ScosLayouts"]

PRIMARY_HEADER = 6
LONGEST = 65536
"""Bytes behind the primary header of the longest packet."""


@dataclass(frozen=True)
class Identifier:
    """Position of the number that distinguishes packets of one type.

    Attributes
    ----------
    bit
        First bit after the primary header.
    width
        Its bits.
    """

    bit: int
    width: int


class _Table:
    """Rows of a table as they are found.

    Parameters
    ----------
    header_bits
        Bits of the data field header.
    """

    def __init__(self, header_bits: int) -> None:
        self.rows: list[Row] = []
        self.names: set[str] = set()
        if header_bits:
            self.add(
                Row("HEADER", header_bits, "pad", "0", description="data field header, read by the index")
            )

    def add(self, row: Row) -> str:
        """Append a row; the name that it got."""
        name = row.name if row.type == "pad" else unique_name(row.name, self.names)
        self.names.add(name)
        self.rows.append(replace(row, name=name))
        return name

    def identified(self, identifier: Identifier | None) -> tuple[Row, ...]:
        """Rows, of which one of known position is the identifier."""
        if identifier is None:
            return tuple(self.rows)
        position: int | None = 0
        for k, row in enumerate(self.rows):
            position = int(row.bit_offset) if row.bit_offset.isdigit() else position
            if position is None or row.repeat:
                break
            if (position, row.bit_width, row.type) == (identifier.bit, identifier.width, "uint") and (
                not row.byte_order  # identifiers (PIC) have their most significant byte first
            ):
                return (*self.rows[:k], replace(row, type="structure"), *self.rows[k + 1 :])
            position = None if row.bit_offset.startswith("here") else position + row.bit_width
        # No parameter stands there: a row of its own, before all, so that the first must say where it is.
        named = Row(
            unique_name("STRUCTURE", self.names),
            identifier.width,
            "structure",
            str(identifier.bit),
            description="distinguishes packets of one type (PIC)",
        )
        rows = list(self.rows)
        if rows and not rows[0].bit_offset:
            rows[0] = replace(rows[0], bit_offset="0")
        return (named, *rows)


class ScosLayouts:
    """Makes the table of each packet.

    Parameters
    ----------
    database
        Where the packets stand.
    made
        Where what cannot be said is noted.
    """

    def __init__(self, database: ScosDatabase, made: ImportedInstrument) -> None:
        self.made = made
        self.calibrations = ScosCalibrations(database, made)
        self.parameters = {row.text("NAME"): row for row in database.tables["PCF"]}
        self.fixed: dict[str, list[ScosRow]] = defaultdict(list)
        for row in database.tables["PLF"]:
            self.fixed[row.text("SPID")].append(row)
        self.variable: dict[str, list[ScosRow]] = defaultdict(list)
        for row in database.tables["VPD"]:
            self.variable[row.text("TPSD")].append(row)
        self.used: dict[str, ScosRow] = {}

    def parameter(self, name: str) -> tuple[ScosRow, Row]:
        """A parameter, and its row without a position.

        Raises
        ------
        BadDataError
            For one that is unknown or has no fixed size.
        """
        parameter = self.parameters.get(name)
        if parameter is None:
            raise BadDataError(f"parameter {name}: not in table PCF")
        try:
            form = parameter_type(parameter.number("PTC"), parameter.number("PFC"))
            order = self.byte_order(parameter, form)
        except BadDataError as error:
            raise BadDataError(f"parameter {name}: {error.what}") from error
        self.used[name] = parameter
        if form.remark:
            self.made.lack(f"parameter {name}", form.remark)
        calibration = self.calibrations.of(parameter) if form.is_number else ""
        if not form.is_number and parameter.text("CURTX"):
            self.made.lack(f"parameter {name}", f"calibration {parameter.text('CURTX')} of bytes; raw values")
        return parameter, Row(
            name,
            form.bits,
            form.kind,
            calibration=calibration,
            unit=parameter.text("UNIT"),
            description=parameter.text("DESCR"),
            byte_order=order,
            **(self.calibrations.limits(parameter, calibration) if form.is_number else {}),
        )

    def byte_order(self, parameter: ScosRow, form: ScosType) -> str:
        """Order of the bytes of a parameter (PCF_ENDIAN), as a table says it.

        Raises
        ------
        BadDataError
            For a number whose bits do not fill its bytes.
        """
        endian = parameter.text("ENDIAN").upper()
        if endian in {"", "B"} or form.bits <= 8:
            return ""
        if endian != "L":
            raise BadDataError(f"got byte order (PCF_ENDIAN) {endian!r}, expected B or L")
        if form.kind == "bytes":
            self.made.lack(
                f"parameter {parameter.text('NAME')}",
                "octets with the least significant byte first (PCF_ENDIAN): they are taken as they are",
            )
            return ""
        if form.bits % 8:
            raise BadDataError(
                f"got {form.bits} bits, least significant byte first (PCF_ENDIAN), expected whole bytes"
            )
        return "little"

    def rows(self, packet: ScosRow, identifier: Identifier | None) -> tuple[Row, ...]:
        """Table of a packet.

        Raises
        ------
        BadDataError
            If a part of the packet has a form that our tables do not have.
        """
        header = packet.number("DFHSIZE") - PRIMARY_HEADER
        if not 0 <= header <= 80:
            raise BadDataError(f"got a header of {packet.text('DFHSIZE')} bytes, expected 6 to 86")
        table = _Table(8 * header)
        if packet.text("TPSD") in {"", "-1"}:
            self.fixed_rows(table, packet)
        else:
            entries = self.variable.get(packet.text("TPSD"))
            if not entries:
                raise BadDataError(f"got structure {packet.text('TPSD')}, which table VPD does not have")
            entries = sorted(entries, key=lambda entry: entry.number("POS"))
            _Variable(self, table).read(entries, "")
        return table.identified(identifier)

    def fixed_rows(self, table: _Table, packet: ScosRow) -> None:
        """Rows of a packet whose parameters have their positions, and of what lies between them."""
        placed = []
        for entry in self.fixed.get(packet.text("SPID"), []):
            try:
                _, row = self.parameter(entry.text("NAME"))
                bit = self.bit(entry)
                self.check_order(entry, row, bit)
                placed.append((bit, -row.bit_width, self.repeated(entry, row, bit)))
            except BadDataError as error:  # the others have their own positions
                self.made.lack(
                    f"packet {packet.text('SPID')}, {entry.text('NAME')}", f"left out: {error.what}"
                )
        end = 8 * (packet.number("DFHSIZE") - PRIMARY_HEADER)
        for bit, _, row in sorted(placed, key=lambda each: each[:2]):
            if bit > end:
                table.add(Row("SPARE", bit - end, "pad", str(end), description="between parameters"))
            elif row.repeat and table.rows and table.rows[-1].repeat:
                # Two records that repeat alike would be taken for one.
                table.add(Row("BOUND", 1, "pad", str(bit)))
            table.add(row)
            times = int(row.repeat or 1)
            end = max(end, bit + (times - 1) * int(row.repeat_stride_bits or 0) + row.bit_width)
        last = f"here+{end - _end(table.rows[-1])}" if table.rows and _end(table.rows[-1]) != end else ""
        table.add(Row(UNREAD, 8, "pad", last, "fill", description="bytes that the database does not lay out"))

    @staticmethod
    def bit(entry: ScosRow) -> int:
        """First bit of a parameter after the primary header."""
        bit = 8 * (entry.number("OFFBY") - PRIMARY_HEADER) + entry.number("OFFBI")
        if not 0 <= bit < 8 * LONGEST:
            raise BadDataError(f"got byte {entry.text('OFFBY')} bit {entry.text('OFFBI')}")
        return bit

    @staticmethod
    def check_order(entry: ScosRow, row: Row, bit: int) -> None:
        """Refuse a number with its least significant byte first that does not begin at a byte."""
        apart = entry.number("LGOCC", 0) if entry.number("NBOCC", 1) > 1 else 0
        if row.byte_order and (bit % 8 or apart % 8):
            raise BadDataError(
                f"least significant byte first (PCF_ENDIAN), at bit {(bit or apart) % 8} of a byte"
            )

    @staticmethod
    def repeated(entry: ScosRow, row: Row, bit: int) -> Row:
        """A row at its position, as often as it is repeated."""
        times = entry.number("NBOCC", 1)
        if times <= 1:
            return replace(row, bit_offset=str(bit))
        stride = entry.number("LGOCC", 0)
        if stride < row.bit_width:
            raise BadDataError(
                f"got {times} occurrences {stride} bits apart, expected {row.bit_width} or more"
            )
        return replace(row, bit_offset=str(bit), repeat=str(times), repeat_stride_bits=str(stride))


def _end(row: Row) -> int:
    """Where the decoder's position is after a row with an offset."""
    times, stride = int(row.repeat or 1), int(row.repeat_stride_bits or row.bit_width)
    return int(row.bit_offset) + (times * stride if row.repeat else row.bit_width)


class _Variable:
    """Rows of a packet in which each parameter follows the one before."""

    def __init__(self, layouts: ScosLayouts, table: _Table) -> None:
        self.layouts = layouts
        self.table = table
        self.behind = 0
        """How far back the last parameter ends behind one that reached further."""

    def read(self, entries: Sequence[ScosRow], path: str) -> None:
        """Rows of some entries, which are the whole packet or a group that is repeated."""
        k = 0
        while k < len(entries):
            entry = entries[k]
            if "Y" in {entry.text("CHOICE"), entry.text("PIDREF")}:
                raise BadDataError(f"parameter {entry.text('NAME')}: its value decides what follows")
            times = entry.number("FIXREP", 0)
            size = entry.number("GRPSIZE", 0)
            first = k == 0 and path != ""
            repeat = self.dummy(entry, times) if times else self.add(entry, path, first=first)
            k += 1
            if not size:
                continue
            if size < 0 or k + size > len(entries):
                raise BadDataError(
                    f"parameter {entry.text('NAME')}: got a group of {size} parameters, of which "
                    f"{len(entries) - k} are there"
                )
            self.group(entries[k : k + size], f"{path}/{repeat}" if path else repeat)
            k += size

    @staticmethod
    def dummy(entry: ScosRow, times: int) -> str:
        """How often a group is repeated whose counter is not in the packet."""
        if times < -1:
            raise BadDataError(f"parameter {entry.text('NAME')}: got {times} repetitions")
        return "fill" if times == -1 else str(times)

    def group(self, entries: Sequence[ScosRow], path: str) -> None:
        rows = self.table.rows
        if rows and rows[-1].repeat == path:
            # Two records that repeat alike would be taken for one.
            outer = path.rpartition("/")[0]
            self.table.add(Row("BOUND", 1, "pad", "here-1", outer))
        self.behind = 0
        self.read(entries, path)
        if self.behind:
            raise BadDataError(
                f"a group ends with {entries[-1].text('NAME')}, {self.behind} bits before the end of "
                "what it overlaps"
            )

    def add(self, entry: ScosRow, path: str, *, first: bool) -> str:
        """Row of a parameter; its name."""
        parameter, row = self.layouts.parameter(entry.text("NAME"))
        shift = entry.number("OFFSET", 0)
        if shift > 0 and (first or not self.behind):
            self.table.add(Row("SPARE", shift, "pad", "", path, description="between parameters"))
            position = ""
        elif shift < 0 and first:
            raise BadDataError(f"parameter {row.name}: begins a group and overlaps what is before the group")
        else:
            position = f"here{shift:+d}" if shift else ""
        self.behind = max(0, self.behind - shift - row.bit_width)
        name = self.table.add(replace(row, bit_offset=position, repeat=path))
        slot = parameter.number("WIDTH", 0)
        if slot > row.bit_width:
            self.table.add(
                Row(f"{name}_SLOT", slot - row.bit_width, "pad", "", path, description=f"slot of {name}")
            )
            self.behind = max(0, self.behind - slot + row.bit_width)
        return name
