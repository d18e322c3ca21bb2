"""The layout of a packet as a table: one row a field, read from CSV (see ``docs/packet-tables.md``).

Fields may overlap, have 1 to 64 bits, start at any bit, and repeat: a fixed number of times, as often as
another field says, or to the end of the packet. Rows of one repeated record follow one another and share
``repeat`` and stride. A field without an offset begins where the row before it ends; behind a record of
variable number that place differs from packet to packet, so the table is cut there into *sections*, each
with its own base.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.packets.curves import Calibration, Texts, parse_calibration

__all__ = ["COLUMNS", "FieldSpec", "Group", "Limits", "PacketLayout", "Section"]

COLUMNS = (
    "name",
    "bit_offset",
    "bit_width",
    "type",
    "repeat",
    "repeat_stride_bits",
    "calibration",
    "unit",
    "warning_low",
    "warning_high",
    "alarm_low",
    "alarm_high",
    "description",
)
NUMBERS = ("uint", "int", "float", "structure")
TYPES = (*NUMBERS, "bytes", "pad", "zero", "checksum")
_TYPE = re.compile(rf"({'|'.join(TYPES)})(?:\[(\d+)\])?")
_INTEGERS = {
    False: (np.uint8, np.uint16, np.uint32, np.uint64),
    True: (np.int8, np.int16, np.int32, np.int64),
}
_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an engineering value; None where there is none."""

    warning_low: float | None = None
    warning_high: float | None = None
    alarm_low: float | None = None
    alarm_high: float | None = None

    def __bool__(self) -> bool:
        return (self.warning_low, self.warning_high, self.alarm_low, self.alarm_high) != (None,) * 4


@dataclass(frozen=True)
class FieldSpec:
    """A row of a layout table.

    Attributes
    ----------
    bit_offset
        First bit, from the first byte after the primary header; in a repeated record that of the first
        record; None: right after the row before.
    bit_width
        Bits of one element.
    kind
        uint, int, float, structure (a uint that tells packets of one type apart), bytes, pad, zero (a pad
        that is 0 in every packet of this layout), checksum.
    elements
        Number of elements in a row, as in ``uint[512]``; of ``bytes`` the number of bytes.
    repeat
        "", a number, the name of the field that counts, or ``fill``.
    stride
        Bits from one record to the next; None: the records follow without a gap.
    """

    name: str
    bit_offset: int | None
    bit_width: int
    kind: str
    elements: int = 1
    repeat: str = ""
    stride: int | None = None
    calibration: Calibration = field(default_factory=lambda: parse_calibration(""))
    unit: str = ""
    limits: Limits = Limits()
    description: str = ""

    @property
    def bits(self) -> int:
        """Bits of all elements."""
        return self.bit_width * self.elements

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest native type that holds an element."""
        if self.kind == "float":
            return np.dtype(_FLOATS[self.bit_width])
        size = next(i for i, bits in enumerate((8, 16, 32, 64)) if self.bit_width <= bits)
        return np.dtype(_INTEGERS[self.kind == "int"][size])

    @property
    def is_data(self) -> bool:
        """Whether the field has values; pads and checksums have none."""
        return self.kind not in {"pad", "zero", "checksum"}


@dataclass(frozen=True)
class Group:
    """A repeated record.

    Attributes
    ----------
    fields
        Its fields with the bit at which each starts within the record.
    start
        First bit of the first record from the base of the section.
    stride
        Bits from one record to the next.
    repeat
        A number, the name of the field that counts, or ``fill``.
    """

    fields: tuple[tuple[FieldSpec, int], ...]
    start: int
    stride: int
    repeat: str

    @property
    def name(self) -> str:
        """Name of the first field, by which the group is known."""
        return self.fields[0][0].name

    @property
    def fixed_count(self) -> int | None:
        """Number of records where it is the same in every packet."""
        return int(self.repeat) if self.repeat.isdigit() else None


@dataclass(frozen=True)
class Section:
    """Fields at fixed places from a base: the fields, and the repeated records among and after them.

    Only the last group may be of variable number; what follows it is the next section.
    """

    fields: tuple[tuple[FieldSpec, int], ...]
    groups: tuple[Group, ...]
    bits: int
    """Bits from the base to the end of the fixed part."""


class _Builder:
    """Resolves offsets row by row and cuts the table into sections."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.fields: list[tuple[FieldSpec, int]] = []
        self.groups: list[Group] = []
        self.cursor = 0
        self.extent = 0
        self.record: list[tuple[FieldSpec, int]] = []

    def add(self, spec: FieldSpec) -> None:
        if self.record and (spec.repeat, spec.stride) != (self.record[0][0].repeat, self.record[0][0].stride):
            self.close_record()
        if self.sections and spec.bit_offset is not None:
            raise BadDataError(
                f"field {spec.name}: got an offset behind a record of variable number, expected none",
                advice="leave bit_offset empty, or move the row before that record",
            )
        at = self.cursor if spec.bit_offset is None else spec.bit_offset
        self.cursor = at + spec.bits
        if spec.repeat:
            self.record.append((spec, at))
        else:
            self.fields.append((spec, at))
            self.extent = max(self.extent, self.cursor)

    def close_record(self) -> None:
        if not self.record:
            return
        start = min(at for _, at in self.record)
        end = max(at + spec.bits for spec, at in self.record)
        first = self.record[0][0]
        stride = first.stride if first.stride is not None else end - start
        if stride < end - start:
            raise BadDataError(
                f"field {first.name}: got a stride of {stride} bits, expected {end - start} or more"
            )
        fields = tuple((spec, at - start) for spec, at in self.record)
        group = Group(fields, start, stride, first.repeat)
        self.groups.append(group)
        self.record = []
        self.extent = max(self.extent, start)
        if group.fixed_count is None:
            self.close_section()
        else:
            self.cursor = start + group.fixed_count * stride
            self.extent = max(self.extent, self.cursor)

    def close_section(self) -> None:
        self.sections.append(Section(tuple(self.fields), tuple(self.groups), self.extent))
        self.fields, self.groups, self.cursor, self.extent = [], [], 0, 0

    def finish(self) -> tuple[Section, ...]:
        self.close_record()
        if self.fields or self.groups or not self.sections:
            self.close_section()
        return tuple(self.sections)


class PacketLayout:
    """Fields of a kind of packet.

    Parameters
    ----------
    fields
        In the order of the table.
    name
        For messages.

    Raises
    ------
    BadDataError
        For a table that contradicts itself.

    Examples
    --------
    >>> layout = PacketLayout.parse('''name,bit_offset,bit_width,type
    ... MODE,0,3,uint
    ... RATE,,13,uint
    ... ''')
    >>> layout.names
    ('MODE', 'RATE')
    >>> layout["RATE"].dtype
    dtype('uint16')
    """

    def __init__(self, fields: Iterable[FieldSpec], name: str = "layout") -> None:
        self.name = name
        self.fields = tuple(fields)
        self._by_name = {spec.name: spec for spec in self.fields if spec.is_data}
        builder = _Builder()
        known: set[str] = set()
        for spec in self.fields:
            if spec.is_data and spec.name in known:
                raise BadDataError(f"{name}: got field {spec.name} twice, expected each name once")
            if spec.repeat and not spec.repeat.isdigit() and spec.repeat != "fill":
                counter = self._by_name.get(spec.repeat)
                if spec.repeat not in known or counter is None or counter.repeat:
                    raise BadDataError(
                        f"{name}: field {spec.name} repeats {spec.repeat!r} times, expected a number, fill, "
                        "or an earlier field that is not repeated itself"
                    )
            known.add(spec.name)
            builder.add(spec)
        self.sections = builder.finish()

    @classmethod
    def read(cls, path: Path | str) -> "PacketLayout":
        """Read a layout table.

        Raises
        ------
        BadDataError
            With the file and the row that is wrong.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadDataError(f"unreadable: {error}", file=path) from error
        try:
            return cls.parse(text, name=path.name)
        except BadDataError as error:
            raise BadDataError(error.what, file=path, advice=error.advice) from error

    @classmethod
    def parse(cls, text: str, name: str = "layout") -> "PacketLayout":
        """Read a layout from the text of a table."""
        reader = csv.DictReader(StringIO(text))
        unknown = set(reader.fieldnames or ()) - set(COLUMNS)
        missing = {"name", "bit_width", "type"} - set(reader.fieldnames or ())
        if unknown or missing:
            raise BadDataError(
                f"got columns {', '.join(reader.fieldnames or ())}; unknown: {sorted(unknown)}, "
                f"missing: {sorted(missing)}",
                advice=f"the columns are {', '.join(COLUMNS)}",
            )
        return cls((_field(row, number) for number, row in enumerate(reader, start=2)), name=name)

    def __getitem__(self, name: str) -> FieldSpec:
        """Field of a name."""
        try:
            return self._by_name[name]
        except KeyError:
            raise BadArgumentError(f"got field {name!r}, expected one of {', '.join(self.names)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the decoded fields."""
        return tuple(self._by_name)

    @property
    def single(self) -> tuple[str, ...]:
        """Names of the fields with one value a packet."""
        return tuple(name for name, spec in self._by_name.items() if not spec.repeat)

    @property
    def repeated(self) -> tuple[str, ...]:
        """Names of the fields of repeated records."""
        return tuple(name for name, spec in self._by_name.items() if spec.repeat)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Repeated records by the name of their first field."""
        return {group.name: group for section in self.sections for group in section.groups}

    @property
    def structure(self) -> FieldSpec | None:
        """The field that tells packets of one type apart, if there is one."""
        return next((spec for spec in self.fields if spec.kind == "structure"), None)

    @property
    def places_checksum(self) -> bool:
        """Whether the checksum is a row of the table; otherwise it is the last two bytes of the packet."""
        return any(spec.kind == "checksum" for spec in self.fields)

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each field."""
        return {name: spec.unit for name, spec in self._by_name.items()}

    @property
    def limits(self) -> Mapping[str, Limits]:
        """Limits of the fields that have some."""
        return {name: spec.limits for name, spec in self._by_name.items() if spec.limits}

    def calibrate(self, name: str, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Engineering values of raw numbers, float64; unit as in `units`."""
        return self[name].calibration(raw)

    def texts(self, name: str, raw: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        """Names of raw numbers, or None for a field whose values have none."""
        calibration = self[name].calibration
        return calibration.texts(raw) if isinstance(calibration, Texts) else None

    def __repr__(self) -> str:
        return f"<PacketLayout {self.name}: {len(self.names)} fields>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(s.name)}</td><td>{s.bit_width}</td><td>{s.kind}</td><td>{escape(s.repeat)}</td>"
            f"<td>{escape(s.unit)}</td><td>{escape(s.description)}</td></tr>"
            for s in self._by_name.values()
        )
        head = "".join(f"<th>{h}</th>" for h in ("field", "bits", "type", "repeat", "unit", "description"))
        return f"<table><caption>{escape(self.name)}</caption><tr>{head}</tr>{rows}</table>"


def _field(row: Mapping[str, str | None], number: int) -> FieldSpec:
    """Field of a row of a table; `number` counts lines from 1."""
    cell = {column: (row.get(column) or "").strip() for column in COLUMNS}
    try:
        kind, width, elements = _type(cell["type"], int(cell["bit_width"]))
        return FieldSpec(
            name=cell["name"] or f"row {number}",
            bit_offset=int(cell["bit_offset"]) if cell["bit_offset"] else None,
            bit_width=width,
            kind=kind,
            elements=elements,
            repeat=_repeat(cell["repeat"]),
            stride=int(cell["repeat_stride_bits"]) if cell["repeat_stride_bits"] else None,
            calibration=parse_calibration(cell["calibration"]),
            unit=cell["unit"],
            limits=Limits(
                *(
                    float(cell[limit]) if cell[limit] else None
                    for limit in ("warning_low", "warning_high", "alarm_low", "alarm_high")
                )
            ),
            description=cell["description"],
        )
    except BadDataError as error:
        raise BadDataError(f"line {number}, field {cell['name']}: {error.what}") from error
    except ValueError as error:
        raise BadDataError(f"line {number}, field {cell['name']}: {error}") from error


def _type(text: str, width: int) -> tuple[str, int, int]:
    """Kind, bits of an element, and number of elements."""
    match = _TYPE.fullmatch(text)
    if match is None:
        raise ValueError(f"got type {text!r}, expected one of {', '.join(TYPES)}")
    kind, elements = match[1], int(match[2] or 1)
    if kind == "bytes":
        if width % 8:
            raise ValueError(f"got {width} bits, expected whole bytes")
        elements, width = width // 8 * elements, 8
    if kind == "float" and width not in _FLOATS:
        raise ValueError(f"got a float of {width} bits, expected 16, 32 or 64")
    if kind == "checksum" and width != 16:
        raise ValueError(f"got a checksum of {width} bits, expected 16")
    if elements < 1 or width < 1 or (kind in {*NUMBERS, "zero"} and width > 64):
        raise ValueError(f"got {width} bits, expected 1 to 64")
    return kind, width, elements


def _repeat(text: str) -> str:
    if text.isdigit() and int(text) == 0:
        raise ValueError("got repeat 0, expected 1 or more")
    return text
