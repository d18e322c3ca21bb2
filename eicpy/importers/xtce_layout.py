"""The table of the packets of an XTCE container, entry by entry."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import gcd, prod

from eicpy.errors import BadDataError
from eicpy.importers.tables import UNREAD, FieldNames, Row
from eicpy.importers.xtce_criteria import Comparison, comparisons
from eicpy.importers.xtce_document import XtceDocument
from eicpy.importers.xtce_elements import DynamicNumber, dynamic_number, fixed_number, whole
from eicpy.importers.xtce_types import SIMPLE, WrittenForm, description_of, encoding_of, written_form
from eicpy.importers.xtce_values import Lack, labels, meaning
from eicpy.packets.fields import MOST_BITS

__all__ = ["PRIMARY_HEADER", "ContainerTable", "Position"]

PRIMARY_HEADER = 48
"""Bits of the primary header."""
LENGTH_FIELD = (32, 16)
"""Bit and width of the length in the primary header (CCSDS 133.0-B-2, section 4.1.3.5)."""
DEEPEST_TYPE = 8
"""Most types within types."""
MOST_ROWS = 1 << 17
"""Most rows of a table."""


@dataclass(frozen=True)
class Position:
    """A parameter that has been laid out.

    Attributes
    ----------
    name
        Its name in the table; empty for one of the primary header.
    bit
        Its first bit from the start of the packet; −1 where that varies, or it is not in each packet.
    width
        Its bits.
    kind
        Its type.
    is_calibrated
        Whether its value is another than its raw number.
    is_number
        Whether it is one whole number.
    """

    name: str
    bit: int
    width: int
    kind: ET.Element
    is_calibrated: bool = False
    is_number: bool = True


@dataclass
class ContainerTable:
    """Rows of a container with all that it inherits, as they are found.

    Attributes
    ----------
    document
        Where parameters and their types are.
    lack
        Is told what of a parameter cannot be said: its name, and why.
    rows
        With the bit from the start of the packet at which each begins; −1 where that varies.
    positions
        Of the parameters so far, by name.
    at
        Bit from the start of the packet; −1 behind what varies in size.
    tail
        Behind a parameter that takes the rest of the packet: bits left for what follows; else None.
    """

    document: XtceDocument
    lack: Callable[[str, str], None]
    rows: list[tuple[int, Row]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    at: int = 0
    tail: int | None = None
    _names: FieldNames = field(default_factory=FieldNames)
    _shift: int = 0
    _begins: str = ""

    def add_container(self, container: ET.Element, path: str = "") -> None:
        """Append the entries of a container.

        Raises
        ------
        BadDataError
            For an entry that no table can give.
        """
        if container.find("BinaryEncoding") is not None:
            raise BadDataError(f"a size or encoding of its own (in {container.get('name', '')})")
        for entry in container.iterfind("EntryList/*"):
            self.add_entry(entry, path)

    def add_entry(self, entry: ET.Element, path: str) -> None:
        """Append an entry: a parameter, an array, or all that a container holds."""
        name = self.document.resolve(entry.get("parameterRef") or entry.get("containerRef") or "")
        try:
            own = self._condition(entry)
            repeated = self._repetition(entry)
            own += [] if repeated is None else [repeated]
            self._locate(entry, path or own)
        except BadDataError as error:
            raise BadDataError(f"entry {name or entry.tag}: {error.what}") from error
        inner = "/".join([*([path] if path else []), *own])
        self._begins = inner if repeated is not None else ""
        if entry.tag == "ContainerRefEntry":
            self.add_container(self.document.containers[name], inner)
            return
        if entry.tag not in {"ParameterRefEntry", "ArrayParameterRefEntry"}:
            raise BadDataError(f"entry {name} ({entry.tag}), which our tables do not have")
        parameter = self.document.parameters.get(name)
        if parameter is None:
            raise BadDataError(f"it holds {name}, which is not there")
        try:
            self._parameter(name, parameter, entry, inner)
        except BadDataError as error:
            raise BadDataError(f"parameter {name}: {error.what}") from error

    def _parameter(self, name: str, parameter: ET.Element, entry: ET.Element, path: str) -> None:
        """Append a parameter."""
        reference = self.document.resolve(parameter.get("parameterTypeRef", ""))
        kind = self.document.types.get(reference)
        if kind is None:
            raise BadDataError(f"of type {reference}, which is not there")
        if entry.find("TimeAssociation") is not None:
            self.lack(name, "at which time it was measured")
        if kind.tag == "ArrayParameterType" or entry.tag == "ArrayParameterRefEntry":
            self._array(name, kind, entry, path, description_of(parameter))
        else:
            self._value(name, kind, path, description_of(parameter))

    def close(self) -> None:
        """Say how much of the packet is behind the last entry, where the document does.

        Raises
        ------
        BadDataError
            If entries reach beyond the end of the packet.
        """
        if self.tail is None:
            return
        if self.tail < 0:
            raise BadDataError(f"its last parameters reach {-self.tail} bits beyond the end of the packet")
        if self.tail:
            self._place(Row(UNREAD, self.tail, "pad", description="bits that the document does not lay out"))

    def numbers(self, comparison: Comparison) -> tuple[int, ...]:
        """Raw numbers that the value of a comparison stands for.

        Raises
        ------
        BadDataError
            If it is neither a whole number nor a name of one.
        """
        name = self.document.resolve(comparison.parameter)
        position = self.positions.get(name)
        if position is None:
            raise BadDataError(f"a condition on {name}, which is not in the packet")
        if comparison.is_calibrated:
            if position.kind.tag in {"EnumeratedParameterType", "BooleanParameterType"}:
                found = tuple(
                    number
                    for low, high, label in labels(position.kind)
                    if label == comparison.value
                    for number in range(low, min(high, low + 256) + 1)
                )
                if found:
                    return found
            elif position.is_calibrated:
                raise BadDataError(f"a condition {comparison} on a calibrated value")
        try:
            return (whole(comparison.value, f"a condition {comparison}"),)
        except BadDataError:
            raise BadDataError(f"a condition {comparison}, expected a whole number") from None

    def _condition(self, entry: ET.Element) -> list[str]:
        """What the presence of an entry depends on, as a repetition."""
        condition = entry.find("IncludeCondition")
        if condition is None:
            return []
        found = comparisons(condition)
        if len(found) != 1:
            raise BadDataError(f"an IncludeCondition of {len(found)} comparisons, expected one")
        comparison = found[0]
        values = self.numbers(comparison)
        position = self.positions[self.document.resolve(comparison.parameter)]
        if len(values) != 1:
            raise BadDataError(
                f"an IncludeCondition {comparison}, of which the name is that of several values"
            )
        return [f"{self._counter(position)}{comparison.operator}{values[0]}"]

    def _counter(self, position: Position) -> str:
        if not position.name:
            raise BadDataError("it depends on a field of the primary header")
        if not position.is_number:
            raise BadDataError(f"it depends on {position.name}, which is no whole number")
        return position.name

    def _repetition(self, entry: ET.Element) -> str | None:
        """How often an entry is repeated."""
        repeat = entry.find("RepeatEntry")
        if repeat is None:
            return None
        if repeat.find("Offset") is not None:
            raise BadDataError("a RepeatEntry with an offset between its repetitions")
        count = repeat.find("Count")
        fixed = fixed_number(count, "a RepeatEntry")
        if fixed is not None:
            return self._fixed_count(fixed)
        dynamic = dynamic_number(count, "a RepeatEntry")
        if dynamic is None:
            raise BadDataError("a RepeatEntry without a number")
        return self._count(dynamic)

    @staticmethod
    def _fixed_count(number: int) -> str:
        if not 1 <= number <= MOST_BITS:
            raise BadDataError(f"got {number} repetitions, expected 1 to {MOST_BITS}")
        return str(number)

    def _count(self, number: DynamicNumber) -> str:
        """A number of records that a parameter gives."""
        position = self.positions.get(self.document.resolve(number.parameter))
        if position is None:
            raise BadDataError(f"it depends on {number.parameter}, which is not there before it")
        if number.is_calibrated and position.is_calibrated:
            raise BadDataError(f"it depends on the calibrated value of {number.parameter}")
        name = self._counter(position)
        if number.slope <= 0 or number.slope.denominator != 1 or number.intercept.denominator != 1:
            raise BadDataError(
                f"got {float(number.slope)}·{number.parameter} + {float(number.intercept)}, expected "
                "whole numbers"
            )
        factor = f"{number.slope}*" if number.slope != 1 else ""
        plus = f"{int(number.intercept):+d}" if number.intercept else ""
        return f"{factor}{name}{plus}"

    def _locate(self, entry: ET.Element, repeated: object) -> None:
        """Take note of bits left out before an entry."""
        place = entry.find("LocationInContainerInBits")
        if place is None:
            return
        if place.get("referenceLocation", "previousEntry") != "previousEntry":
            raise BadDataError(f"its place counts from {place.get('referenceLocation')}")
        shift = fixed_number(place, "its place")
        if shift is None or not -MOST_BITS <= shift <= MOST_BITS or (shift and repeated):
            raise BadDataError("its place is no fixed number of bits behind the entry before it")
        self._shift = shift

    def _value(self, name: str, kind: ET.Element, path: str, description: str, depth: int = 0) -> None:
        """Append rows of a parameter, or of all members of one."""
        if kind.tag == "AggregateParameterType":
            if depth >= DEEPEST_TYPE:
                raise BadDataError(f"got types within types more than {DEEPEST_TYPE} deep")
            for member in kind.iterfind("MemberList/Member"):
                inner = self.document.types.get(self.document.resolve(member.get("typeRef", "")))
                if inner is None:
                    raise BadDataError(f"of a member type {member.get('typeRef', '')}, which is not there")
                self._value(f"{name}.{member.get('name', '')}", inner, path, description, depth + 1)
            return
        if kind.tag not in SIMPLE:
            raise BadDataError(f"{kind.tag}, which our tables do not have")

        def lack(reason: str) -> None:
            self.lack(name, reason)

        encoding = encoding_of(kind, self.document.types)
        form = written_form(encoding, lack)
        if form.size is not None:
            self._sized(name, kind, form.size, path, description)
            return
        self._place(self._row(name, kind, encoding, form, lack, path, description), name, kind)

    def _row(
        self, name: str, kind: ET.Element, encoding: ET.Element, form: WrittenForm, lack: Lack, path: str,
        description: str,
    ) -> Row:  # fmt: skip  # what it is, where it is
        """Row of a parameter of fixed size."""
        if not form.is_number:
            return Row(name, form.bits, form.type, repeat=path, description=description)
        says = meaning(kind, encoding, form.bits, lack)
        return Row(
            name,
            form.bits,
            form.type,
            repeat=path,
            calibration=says.calibration,
            unit=says.unit,
            description="; ".join(word for word in (description, says.note) if word),
            byte_order=form.byte_order,
        )

    def _sized(self, name: str, kind: ET.Element, size: DynamicNumber, path: str, description: str) -> None:
        """Row of octets whose size another parameter gives."""
        position = self.positions.get(self.document.resolve(size.parameter))
        if position is not None and (position.bit, position.width) == LENGTH_FIELD and not position.name:
            # The length counts the bytes behind the primary header, less one.
            rest = 8 * (PRIMARY_HEADER // 8 + 1) - self.at - size.intercept
            if size.slope != 8 or self.at < PRIMARY_HEADER or path or rest < 0 or rest.denominator != 1:
                raise BadDataError("its size by the packet's length does not end with the packet")
            self._place(Row(name, 8, "uint", repeat="fill", description=description), name, kind)
            self.tail = int(rest)
            return
        if size.slope <= 0 or size.slope.denominator != 1 or size.intercept.denominator != 1:
            raise BadDataError(
                f"got a size of {float(size.slope)}·{size.parameter} + {float(size.intercept)} bits, "
                f"expected n·{size.parameter} + c"
            )
        unit, more = int(size.slope), int(size.intercept)
        if more % unit or (unit > 64 and unit % 8):
            unit = 8 if unit % 8 == 0 and more % 8 == 0 else gcd(unit, more)
        if unit > 64 and unit % 8:
            raise BadDataError(f"got a size in pieces of {unit} bits, expected 1 to 64, or whole bytes")
        count = self._count(size.scaled(Fraction(1, unit)))
        inner = f"{path}/{count}" if path else count
        self._begins = inner
        row = Row(name, unit, "uint" if unit <= 64 else "bytes", repeat=inner, description=description)
        self._place(row, name, kind)

    def _array(self, name: str, kind: ET.Element, entry: ET.Element, path: str, description: str) -> None:
        """Rows of an array: of numbers of a fixed number one row, else a record."""
        element = self.document.types.get(self.document.resolve(kind.get("arrayTypeRef", "")))
        listed = entry.find("DimensionList")
        listed = kind.find("DimensionList") if listed is None else listed
        if element is None or listed is None:
            raise BadDataError(
                "an array (ArrayParameterRefEntry) without dimensions, or a type of its elements"
            )
        sizes = [self._dimension(dimension) for dimension in listed.iterfind("Dimension")]
        varying = [size for size in sizes if not isinstance(size, int)]
        number = prod(size for size in sizes if isinstance(size, int))
        if not sizes or len(varying) > 1 or not 1 <= number <= MOST_BITS:
            raise BadDataError(
                f"an array of {number} elements in {len(sizes)} dimensions, of which {len(varying)} vary"
            )
        if len(sizes) > 1:
            shape = " × ".join(size.parameter if not isinstance(size, int) else str(size) for size in sizes)
            note = f"{shape} elements, the last index runs fastest"
            description = f"{description}; {note}" if description else note
        if not varying and not path and self._place_numbers(name, element, number, description):
            return
        count = self._count(varying[0].scaled(Fraction(number))) if varying else str(number)
        self._begins = f"{path}/{count}" if path else count
        self._value(name, element, self._begins, description)

    def _place_numbers(self, name: str, element: ET.Element, number: int, description: str) -> bool:
        """Append one row of so many numbers; whether its elements are numbers."""
        if element.tag not in SIMPLE:
            return False

        def lack(reason: str) -> None:
            self.lack(name, reason)

        encoding = encoding_of(element, self.document.types)
        form = written_form(encoding, lack)
        if not form.is_number:
            return False
        row = self._row(name, element, encoding, form, lack, "", description)
        several = row if number == 1 else replace(row, type=f"{row.type}[{number}]")
        self._place(several, name, element, is_array=True)
        return True

    def _dimension(self, dimension: ET.Element) -> int | DynamicNumber:
        """Elements along a dimension."""
        start, end = dimension.find("StartingIndex"), dimension.find("EndingIndex")
        first = 0 if start is None else fixed_number(start, "the first index of an array")
        if first is None:
            raise BadDataError("an array whose first index varies")
        last = fixed_number(end, "the last index of an array")
        if last is not None:
            if not 1 <= last - first + 1 <= MOST_BITS:
                raise BadDataError(f"an array of {last - first + 1} elements, expected 1 to {MOST_BITS}")
            return last - first + 1
        dynamic = dynamic_number(end, "the last index of an array")
        if dynamic is None:
            raise BadDataError("an array without a last index")
        return dynamic.scaled(Fraction(1), Fraction(1 - first))

    def _place(
        self, row: Row, name: str = "", kind: ET.Element | None = None, *, is_array: bool = False
    ) -> None:
        """Append a row where the one before ends; those of the primary header are read by the index."""
        shift, self._shift = self._shift, 0
        at = self.at if self.at < 0 else self.at + shift
        bits = row.bits
        if 0 <= at < PRIMARY_HEADER:
            if at + bits > PRIMARY_HEADER or row.repeat or shift:
                raise BadDataError("reaches over the end of the primary header")
            self._know(
                name,
                Position(
                    "", at, bits, kind if kind is not None else ET.Element("none"), self._is_curved(row)
                ),
            )
            self.at = at + bits
            return
        offset = str(at - PRIMARY_HEADER) if not self.rows else (f"here{shift:+d}" if shift else "")
        begins, self._begins = self._begins, ""
        if begins and self.rows and f"{self.rows[-1][1].repeat}/".startswith(f"{begins}/"):
            # Two records that repeat alike would be taken for one.
            self.rows.append((-1, Row("BOUND", 1, "pad", "here-1", begins.rpartition("/")[0])))
        if len(self.rows) >= MOST_ROWS or at > PRIMARY_HEADER + MOST_BITS:
            raise BadDataError(
                f"got more than {MOST_ROWS} rows or {MOST_BITS} bits, expected those of a packet"
            )
        named = row if row.type == "pad" else replace(row, name=self._names.take(row.name))
        first = at if not row.repeat else -1
        self.rows.append((at, replace(named, bit_offset=offset)))
        plain = row.type in {"uint", "int"} and not is_array
        if kind is not None:
            self._know(name, Position(named.name, first, bits, kind, self._is_curved(row), plain))
        if self.tail is not None:
            if row.repeat and not row.repeat.isdigit():
                raise BadDataError("of varying size, behind one that takes the rest of the packet")
            self.tail -= shift + bits * int(row.repeat or 1)
        times = int(row.repeat) if row.repeat.isdigit() else 1
        varies = bool(row.repeat) and not row.repeat.isdigit()
        self.at = -1 if varies or at < 0 else at + bits * times

    def _know(self, name: str, position: Position) -> None:
        if name:
            self.positions[name] = position
            if "." in name:  # a member of an aggregate is also written with a slash
                self.positions.setdefault(name.replace(".", "/"), position)

    @staticmethod
    def _is_curved(row: Row) -> bool:
        return row.calibration.startswith(("poly:", "curve:"))
