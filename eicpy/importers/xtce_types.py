"""How a parameter of an XTCE document is written, as a row of our tables."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from eicpy.errors import BadDataError
from eicpy.importers.xtce_elements import (
    DynamicNumber,
    dynamic_number,
    fixed_number,
    is_true,
    text_of,
    whole,
)
from eicpy.importers.xtce_values import Lack
from eicpy.packets.fields import MOST_BITS

__all__ = ["WrittenForm", "encoding_of", "written_form"]

SIMPLE = {
    f"{kind}ParameterType"
    for kind in (
        *("String", "Integer", "Float", "Enumerated", "Binary", "Boolean"),
        *("AbsoluteTime", "RelativeTime"),
    )
}
_ENCODINGS = ("IntegerDataEncoding", "FloatDataEncoding", "StringDataEncoding", "BinaryDataEncoding")
_SIGNED = {"twosComplement", "twosCompliment", "signed"}
_DECIMAL = {"BCD": 8, "packedBCD": 4}
"""Bits of a digit."""
_BIG, _LITTLE = "mostSignificantByteFirst", "leastSignificantByteFirst"


@dataclass(frozen=True)
class WrittenForm:
    """How a parameter is written.

    Attributes
    ----------
    kind, bits, elements, byte_order
        As in a row of a table.
    size
        Where another parameter gives the size: bits.
    """

    kind: str
    bits: int
    elements: int = 1
    byte_order: str = ""
    size: DynamicNumber | None = None

    @property
    def type(self) -> str:
        """The cell."""
        return self.kind if self.elements == 1 else f"{self.kind}[{self.elements}]"

    @property
    def is_number(self) -> bool:
        """Whether it is one number."""
        return self.kind in {"uint", "int", "float"} and self.elements == 1 and self.size is None


def encoding_of(kind: ET.Element, types: dict[str, ET.Element]) -> ET.Element:
    """How a type is written: its own encoding, or that of the type that it is based on.

    Raises
    ------
    BadDataError
        If none is given.
    """
    seen: set[str] = set()
    each: ET.Element | None = kind
    while each is not None:
        parts: list[ET.Element] = [*each, *each.iterfind("Encoding/*")]
        for part in parts:
            if part.tag in _ENCODINGS:
                return part
        base = each.get("baseType", "")
        each = None if base in seen else types.get(base)
        seen.add(base)
    raise BadDataError(f"{kind.tag} {kind.get('name', '')}: its encoding is not given")


def written_form(encoding: ET.Element, lack: Lack) -> WrittenForm:
    """Form of an encoding.

    Parameters
    ----------
    encoding
        Its element.
    lack
        Is told what cannot be said.

    Raises
    ------
    BadDataError
        For one that no table can give.
    """
    if encoding.get("bitOrder", "mostSignificantBitFirst") != "mostSignificantBitFirst":
        raise BadDataError(f"got the order of bits {encoding.get('bitOrder')}, which our tables do not have")
    if encoding.tag == "IntegerDataEncoding":
        return _integer(encoding, lack)
    if encoding.tag == "FloatDataEncoding":
        return _float(encoding, lack)
    return _octets(encoding, lack)


def _width(encoding: ET.Element, default: int) -> int:
    bits = whole(encoding.get("sizeInBits"), "a size in bits", default)
    if not 1 <= bits <= 64:
        raise BadDataError(f"got {bits} bits, expected 1 to 64")
    return bits


def _order(encoding: ET.Element, bits: int) -> str:
    """Order of the bytes of a number."""
    listed = encoding.find("ByteOrderList")
    order = encoding.get("byteOrder", _BIG)
    if listed is not None or order not in {_BIG, _LITTLE}:
        raise BadDataError(
            "got a list of bytes as byte order, expected that the first or last one is the least"
        )
    if order == _BIG or bits <= 8:
        return ""
    if bits % 8:
        raise BadDataError(f"got {bits} bits with the least significant byte first, expected whole bytes")
    return "little"


def _integer(encoding: ET.Element, lack: Lack) -> WrittenForm:
    bits = _width(encoding, 8)
    order = _order(encoding, bits)
    sort = encoding.get("encoding", "unsigned")
    if sort == "unsigned":
        return WrittenForm("uint", bits, byte_order=order)
    if sort in _SIGNED:
        return WrittenForm("int", bits, byte_order=order)
    if sort in _DECIMAL and bits % _DECIMAL[sort] == 0 and not order:
        lack(f"a decimal number ({sort}): its digits are taken one by one, the first one counts most")
        return WrittenForm("uint", _DECIMAL[sort], bits // _DECIMAL[sort])
    lack(f"a number written as {sort}: its bits are taken as they are, as an unsigned number")
    return WrittenForm("uint", bits, byte_order=order)


def _float(encoding: ET.Element, lack: Lack) -> WrittenForm:
    bits = _width(encoding, 32)
    order = _order(encoding, bits)
    sort = encoding.get("encoding", "IEEE754_1985")
    if sort.upper().replace("-", "").startswith("IEEE754"):
        if bits not in {16, 32, 64}:
            raise BadDataError(f"got a real number of {bits} bits, expected 16, 32 or 64")
        return WrittenForm("float", bits, byte_order=order)
    lack(f"a real number of {sort}: its bits are taken as they are")
    return WrittenForm("uint", bits, byte_order=order)


def _octets(encoding: ET.Element, lack: Lack) -> WrittenForm:
    """Form of a text or of octets."""
    sized = encoding.find("SizeInBits")
    varying = encoding.find("Variable")
    marked = [part for part in ("TerminationChar", "LeadingSize") if encoding.find(f".//{part}") is not None]
    fixed = fixed_number(sized, "a size in bits")
    if fixed is not None:
        if marked:
            lack("its end is marked within it; all its bytes are taken")
        return _fixed_octets(fixed)
    dynamic = dynamic_number(sized, "a size in bits") or dynamic_number(varying, "a size in bits")
    if dynamic is None:
        if marked:
            raise BadDataError(f"its size is marked within it ({', '.join(marked)})")
        raise BadDataError("its size is given by a table of conditions, or not at all")
    if marked:
        lack("its end is marked within it; all its bytes are taken")
    if encoding.find("FromBinaryTransformAlgorithm") is not None:
        lack("an algorithm that makes its value of its bytes; its bytes are taken as they are")
    if dynamic.slope == 0:
        if dynamic.intercept.denominator != 1:
            raise BadDataError(f"got a size of {float(dynamic.intercept)} bits")
        return _fixed_octets(int(dynamic.intercept))
    return WrittenForm("bytes", 8, size=dynamic)


def _fixed_octets(bits: int) -> WrittenForm:
    if bits % 8 == 0 and 0 < bits <= MOST_BITS:
        return WrittenForm("bytes", bits)
    if 0 < bits <= 64:
        return WrittenForm("uint", bits)
    raise BadDataError(f"got {bits} bits, expected whole bytes or 1 to 64")


def description_of(parameter: ET.Element) -> str:
    """What a parameter says about itself."""
    return parameter.get("shortDescription") or text_of(parameter.find("LongDescription"))


def uses_calibrated(element: ET.Element) -> bool:
    """Whether a reference means the calibrated value of a parameter."""
    return is_true(element.get("useCalibratedValue"), default=True)
