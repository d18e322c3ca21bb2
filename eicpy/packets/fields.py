"""A row of a layout table: one field, as it is written in the CSV and as the decoder takes it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from eicpy.errors import BadDataError
from eicpy.packets.byte_order import read_byte_order
from eicpy.packets.cells import NO_COMMA, real_number, whole_number
from eicpy.packets.curves import Calibration, parse_calibration
from eicpy.packets.limits import Limits

__all__ = ["COLUMNS", "NUMBERS", "REQUIRED", "FieldSpec", "read_field"]

T = TypeVar("T")

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
    "byte_order",
)
REQUIRED = ("name", "bit_width", "type")
"""Columns that must be there."""
NUMBERS = ("uint", "int", "float", "structure")
TYPES = (*NUMBERS, "bytes", "pad", "zero", "checksum")
_TYPE = re.compile(rf"({'|'.join(TYPES)})(?:\[(\d+)\])?")
MOST_BITS = 8 * 65542
"""Bits of the longest packet (CCSDS 133.0-B-2, section 4.1)."""
MOST_LEVELS = 16
"""Most records around a field, as the kernel that finds them has room for."""
_LIMITS = ("warning_low", "warning_high", "alarm_low", "alarm_high")
_COUNT = re.compile(r"[0-9]+(?:[.,]0*)?")
_HERE = re.compile(r"here([+-]\d+)")
_INTEGERS = {
    False: (np.uint8, np.uint16, np.uint32, np.uint64),
    True: (np.int8, np.int16, np.int32, np.int64),
}
_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}


@dataclass(frozen=True)
class FieldSpec:
    """A row of a layout table.

    Attributes
    ----------
    bit_offset
        First bit, from the first byte after the primary header; in a repeated record that of the first
        record; None: where the row before ends.
    bit_width
        Bits of one element.
    kind
        uint, int, float, structure (a uint that distinguishes packets of one type), bytes, pad, zero (a pad
        that is 0 in every packet of this layout), checksum.
    elements
        Number of elements in a row, as in ``uint[512]``; of ``bytes`` the number of bytes.
    repeat
        "", a number, the name of the field that counts (also ``2*N+1`` or ``N==3``), or ``fill``; of a record
        within a record what counts the outer one, a slash, and what counts the inner one.
    stride
        Bits from one record to the next; None: the records follow without a gap.
    shift
        Where `bit_offset` is None: bits left out after the row before; below 0 the two overlap.
    byte_order
        Empty where the most significant byte comes first; else the bytes of the number by their place among
        those that are sent, most significant one first: ``4321`` for little-endian.
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
    limits: Limits = field(default_factory=Limits)
    description: str = ""
    shift: int = 0
    byte_order: str = ""

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

    @property
    def can_count(self) -> bool:
        """Whether the field can count records."""
        return self.kind in NUMBERS and self.kind != "float" and self.elements == 1

    @cached_property
    def path(self) -> tuple[str, ...]:
        """What counts the records that the field is in, from the outermost to its own."""
        return tuple(self.repeat.split("/")) if self.repeat else ()


def read_field(row: Mapping[str, str | None], number: int, separator: str = NO_COMMA) -> FieldSpec:
    """Field of a row of a table.

    Parameters
    ----------
    row
        Text of each column.
    number
        Its line, from 1.
    separator
        What separates the cells of the table: it decides what a comma in a number means.

    Raises
    ------
    BadDataError
        With the line, the field and the column that is wrong.
    """
    cell = {column: (row.get(column) or "").strip() for column in COLUMNS}
    real = partial(real_number, separator=separator)

    def read(column: str, take: Callable[[str], T]) -> T:
        try:
            return take(cell[column])
        except (BadDataError, ValueError) as error:
            what = error.what if isinstance(error, BadDataError) else str(error)
            advice = error.advice if isinstance(error, BadDataError) else ""
            raise BadDataError(
                f"line {number}, field {cell['name']}, column {column}: {what}", advice=advice
            ) from error

    bits = read("bit_width", whole_number)
    kind, width, elements = read("type", lambda text: _type(text, bits))
    offset, shift = read("bit_offset", _offset)
    return FieldSpec(
        name=cell["name"] or f"row {number}",
        bit_offset=offset,
        shift=shift,
        bit_width=width,
        kind=kind,
        elements=elements,
        byte_order=read("byte_order", lambda text: read_byte_order(text, kind, width)),
        repeat=read("repeat", _repeat),
        stride=read("repeat_stride_bits", lambda text: whole_number(text) if text else None),
        calibration=read("calibration", lambda text: parse_calibration(text, real)),
        unit=cell["unit"],
        limits=Limits(*(read(limit, lambda text: real(text) if text else None) for limit in _LIMITS)),
        description=cell["description"],
    )


def _offset(text: str) -> tuple[int | None, int]:
    """Bit from the start, and bits from the end of the row before."""
    here = _HERE.fullmatch("".join(text.lower().split()))
    bit = whole_number(here[1] if here is not None else text or "0")
    if abs(bit) > MOST_BITS:
        raise ValueError(f"got {text!r}, expected {MOST_BITS} or less: no packet has more bits")
    if here is not None:
        return None, bit
    return (bit if text else None), 0


def _type(text: str, width: int) -> tuple[str, int, int]:
    """Kind, bits of an element, and number of elements."""
    match = _TYPE.fullmatch("".join(text.lower().split()))
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
    if elements * width > MOST_BITS:
        raise ValueError(
            f"got {elements} × {width} bits, expected {MOST_BITS} or fewer: more than a packet has"
        )
    return kind, width, elements


def _repeat(text: str) -> str:
    """What repeats a record, its levels without spaces and without the ``.0`` of a spreadsheet."""
    levels = []
    for part in text.split("/") if text else ():
        level = part.strip()
        level = str(whole_number(level)) if _COUNT.fullmatch(level) else level
        if level == "0":
            raise ValueError("got repeat 0, expected 1 or more")
        levels.append(level)
    if len(levels) > MOST_LEVELS:
        raise ValueError(f"got records within records {len(levels)} deep, expected {MOST_LEVELS} or fewer")
    return "/".join(levels)
