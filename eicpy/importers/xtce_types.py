"""How a parameter of an XTCE document is written, as rows of our tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eicpy.errors import BadDataError
from eicpy.importers.tables import ImportedInstrument, Row, numbers_text
from eicpy.packets import parse_calibration

__all__ = ["HEADER_LENGTH", "parameter_row"]

HEADER_LENGTH = (32, 16)
"""Bit and width of the length in the primary header."""
MOST_POWERS = 64


@dataclass(frozen=True)
class _Form:
    """How a parameter is written: type, bits, and what counts it."""

    kind: str
    bits: int
    repeat: str = ""


def parameter_row(
    parameter: Any, made: ImportedInstrument, before: Mapping[str, tuple[str, tuple[int, int]]], at: int
) -> Row:
    """Row of a parameter, which stands right behind the one before.

    Parameters
    ----------
    parameter
        As space_packet_parser has it.
    made
        Where what cannot be said is noted.
    before
        For each parameter so far its name in the table, and bit (from the start of the packet, −1 where that
        varies) and width.
    at
        Its bit from the start of the packet; −1 where that varies.

    Raises
    ------
    BadDataError
        For one whose size no table can give.
    """
    kind = parameter.parameter_type
    encoding = kind.encoding
    form = _form(parameter.name, encoding, made, before, at)
    calibration = ""
    if form.kind in {"uint", "int", "float"} and hasattr(encoding, "default_calibrator"):
        calibration = _calibration(parameter.name, kind, encoding, made)
    unit = kind.unit or ""
    return Row(
        parameter.name,
        form.bits,
        form.kind,
        repeat=form.repeat,
        calibration=calibration,
        unit=unit if isinstance(unit, str) else " ".join(unit),
        description=parameter.short_description or parameter.long_description or "",
    )


def _form(
    name: str,
    encoding: Any,
    made: ImportedInstrument,
    before: Mapping[str, tuple[str, tuple[int, int]]],
    at: int,
) -> _Form:
    sort = type(encoding).__name__
    if sort in {"IntegerDataEncoding", "FloatDataEncoding"}:
        return _number_form(name, encoding, made, whole=sort == "IntegerDataEncoding")
    if sort == "BinaryDataEncoding":
        fixed, counter, adjuster = (
            encoding.fixed_size_in_bits,
            encoding.size_reference_parameter,
            encoding.linear_adjuster,
        )
    elif sort == "StringDataEncoding":
        fixed, counter, adjuster = (
            encoding.fixed_raw_length,
            encoding.dynamic_length_reference,
            encoding.length_linear_adjuster,
        )
        if encoding.termination_character or encoding.leading_length_size:
            made.lack(f"parameter {name}", "its end is marked within it; all its bytes are taken")
    else:
        raise BadDataError(f"parameter {name}: got {sort}, which our tables do not have")
    if fixed is not None:
        if fixed % 8 == 0 and 0 < fixed <= 8 * 65536:
            return _Form("bytes", fixed)
        if 0 < fixed <= 64:
            return _Form("uint", fixed)
        raise BadDataError(f"parameter {name}: got {fixed} bits, expected whole bytes or 1 to 64")
    return _counted_form(name, counter, adjuster, before, at)


def _number_form(name: str, encoding: Any, made: ImportedInstrument, *, whole: bool) -> _Form:
    bits = encoding.size_in_bits
    if not 1 <= bits <= 64:
        raise BadDataError(f"parameter {name}: got {bits} bits, expected 1 to 64")
    if encoding.byte_order != "mostSignificantByteFirst" and bits > 8:
        if bits % 8:
            raise BadDataError(f"parameter {name}: got {bits} bits with the least significant byte first")
        made.lack(
            f"parameter {name}", "the least significant byte comes first: its bytes are taken as they are"
        )
        return _Form("bytes", bits)
    if whole:
        return _Form("uint" if encoding.encoding == "unsigned" else "int", bits)
    if not encoding.encoding.startswith("IEEE754"):
        made.lack(
            f"parameter {name}", f"a real number of {encoding.encoding}: its bits are taken as they are"
        )
        return _Form("uint", bits)
    return _Form("float", bits)


def _counted_form(
    name: str,
    counter: str | None,
    adjuster: Any,
    before: Mapping[str, tuple[str, tuple[int, int]]],
    at: int,
) -> _Form:
    """Form of a parameter whose size another one gives."""
    if counter is None or counter not in before:
        raise BadDataError(
            f"parameter {name}: its size is given by a table of conditions or a later parameter"
        )
    table_name, place = before[counter]
    zero, step = (0.0, 1.0) if adjuster is None else (adjuster(0), adjuster(1) - adjuster(0))
    if place == HEADER_LENGTH:
        # Length counts the bytes behind the primary header, less one.
        if step == 8 and at >= 0 and zero == 8 - (at - 48):
            return _Form("uint", 8, "fill")
        raise BadDataError(f"parameter {name}: its size by the packet's length does not end with the packet")
    if zero == 0 and step > 0 and step == int(step) and (step % 8 == 0 or step <= 64):
        return _Form("uint" if step <= 64 else "bytes", int(step), table_name)
    raise BadDataError(
        f"parameter {name}: got a size of {step}·{counter} + {zero} bits, expected n·{counter}"
    )


def _calibration(name: str, kind: Any, encoding: Any, made: ImportedInstrument) -> str:
    place = f"parameter {name}"
    if encoding.context_calibrators:
        made.lack(place, "its calibration depends on another parameter; raw values")
        return ""
    enumeration = getattr(kind, "enumeration", None)
    calibrator = encoding.default_calibrator
    try:
        cell = _names(enumeration) if enumeration else _cell(calibrator) if calibrator is not None else ""
        parse_calibration(cell)
    except BadDataError as error:
        made.lack(place, f"its calibration: {error.what}; raw values")
        return ""
    if getattr(calibrator, "extrapolate", True) is False and not enumeration:
        made.lack(place, "values outside of its curve are invalid in the definition; ours goes on straight")
    return cell


def _names(enumeration: Mapping[Any, str]) -> str:
    if any(not isinstance(value, int) for value in enumeration):
        raise BadDataError("names for values that are no whole numbers")
    return numbers_text("text", [(str(value), label) for value, label in sorted(enumeration.items())])


def _cell(calibrator: Any) -> str:
    sort = type(calibrator).__name__
    if sort == "PolynomialCalibrator":
        powers: dict[int, float] = {}
        for term in calibrator.coefficients:
            if not 0 <= term.exponent <= MOST_POWERS:
                raise BadDataError(f"got a power {term.exponent}, expected 0 to {MOST_POWERS}")
            powers[int(term.exponent)] = powers.get(int(term.exponent), 0.0) + float(term.coefficient)
        return "poly:" + ";".join(repr(powers.get(k, 0.0)) for k in range(max(powers, default=0) + 1))
    if sort == "SplineCalibrator" and calibrator.order == 1:
        pairs = [(repr(float(p.raw)), repr(float(p.calibrated))) for p in calibrator.points]
        return numbers_text("curve", pairs)
    raise BadDataError(
        f"got {sort}{' of steps' if sort == 'SplineCalibrator' else ''}, which our tables do not have"
    )
