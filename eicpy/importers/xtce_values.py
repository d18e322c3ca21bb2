"""What the numbers of an XTCE parameter mean: calibrations, names of values, units, times."""

import xml.etree.ElementTree as ET
from collections.abc import Callable

from eicpy.errors import BadDataError
from eicpy.importers.tables import numbers_text
from eicpy.importers.xtce_elements import is_true, number, text_of, whole
from eicpy.packets import parse_calibration

__all__ = ["Meaning", "labels", "meaning", "unit_of"]

Lack = Callable[[str], None]
MOST_POWERS = 64
MOST_NAMES = 4096
"""Most names of the values of a parameter."""
_TIME_UNITS = {
    "seconds": "s", "picoSeconds": "ps", "nanoSeconds": "ns", "microSeconds": "us", "milliSeconds": "ms",
    "minutes": "min", "hours": "h", "days": "d",
}  # fmt: skip
_EPOCHS = {
    "TAI": "1958-01-01T00:00:00 TAI",
    "J2000": "2000-01-01T12:00:00 TT",
    "UNIX": "1970-01-01T00:00:00 UTC",
    "GPS": "1980-01-06T00:00:00 UTC",
}

Range = tuple[int, int, str]


class Meaning:
    """Cells of a row that say what a number means: calibration, unit, and more of its description."""

    def __init__(self, calibration: str = "", unit: str = "", note: str = "") -> None:
        self.calibration = calibration
        self.unit = unit
        self.note = note


def labels(kind: ET.Element) -> tuple[Range, ...]:
    """Names of the values of an enumerated or Boolean type: first and last value, and the name.

    Raises
    ------
    BadDataError
        For values that are no whole numbers.
    """
    if kind.tag == "BooleanParameterType":
        return ((0, 0, kind.get("zeroStringValue", "False")), (1, 1, kind.get("oneStringValue", "True")))
    found = []
    for each in kind.iterfind("EnumerationList/Enumeration"):
        low = whole(each.get("value"), "the value of a name")
        high = whole(each.get("maxValue"), "the last value of a name", low)
        if high < low:
            raise BadDataError(f"got a name for the values {low} to {high}, expected the lower one first")
        found.append((low, high, each.get("label", "")))
    return tuple(found)


def unit_of(kind: ET.Element, lack: Lack) -> str:
    """Unit of a type, as astropy writes it."""
    words = []
    for unit in kind.iterfind("UnitSet/Unit"):
        power = unit.get("power", "1")
        words.append(text_of(unit) + ("" if power in {"1", "1.0"} else f"**{power}"))
        if unit.get("factor", "1") not in {"1", "1.0"}:
            lack(f"a factor {unit.get('factor')} of its unit {text_of(unit)}")
    return " ".join(word for word in words if word)


def meaning(kind: ET.Element, encoding: ET.Element, bits: int, lack: Lack) -> Meaning:
    """What the number of a parameter means.

    Parameters
    ----------
    kind
        Its type.
    encoding
        How it is written; holds its calibrators.
    bits
        Its bits.
    lack
        Is told what cannot be said.
    """
    found = Meaning(unit=unit_of(kind, lack))
    if encoding.find("ContextCalibratorList") is not None:
        lack("its calibration depends on another parameter; raw values")
        return found
    calibrator = encoding.find("DefaultCalibrator")
    try:
        if kind.tag in {"EnumeratedParameterType", "BooleanParameterType"}:
            found.calibration = _names(kind, bits, lack)
            if calibrator is not None:
                lack("a calibration of a parameter with names; raw values and their names")
        elif kind.tag in {"AbsoluteTimeParameterType", "RelativeTimeParameterType"}:
            _time(kind, calibrator, found, lack)
        elif calibrator is not None:
            found.calibration = _cell(calibrator, lack)
        parse_calibration(found.calibration)
    except BadDataError as error:
        lack(f"its calibration: {error.what}; raw values")
        found.calibration = ""
    return found


def _names(kind: ET.Element, bits: int, lack: Lack) -> str:
    named = labels(kind)
    if len(named) > MOST_NAMES:
        raise BadDataError(f"got {len(named)} names, expected {MOST_NAMES} or fewer")
    if kind.tag == "BooleanParameterType" and bits > 1:
        lack("a Boolean of more than a bit: values other than 0 and 1 have no name")
    if not named:
        return ""
    pairs = [(str(low) if low == high else f"{low}..{high}", name) for low, high, name in sorted(named)]
    return numbers_text("text", pairs)


def _time(kind: ET.Element, calibrator: ET.Element | None, found: Meaning, lack: Lack) -> None:
    """Unit, scale, offset and epoch of a time."""
    written = kind.find("Encoding")
    units, scale, offset = "seconds", 1.0, 0.0
    if written is not None:
        units = written.get("units", "seconds")
        scale = number(written.get("scale"), "the scale of a time", 1.0)
        offset = number(written.get("offset"), "the offset of a time", 0.0)
    if units in _TIME_UNITS:
        found.unit = found.unit or _TIME_UNITS[units]
    else:
        lack(f"a time in {units}, which has no unit of ours")
    if calibrator is not None and (scale, offset) != (1.0, 0.0):
        raise BadDataError("a calibrator besides a scale and an offset")
    if calibrator is not None:
        found.calibration = _cell(calibrator, lack)
    elif (scale, offset) != (1.0, 0.0):
        found.calibration = f"poly:{offset!r};{scale!r}"
    epoch = text_of(kind.find("ReferenceTime/Epoch"))
    if epoch:
        found.note = f"time since {_EPOCHS.get(epoch, epoch)}"
    start = kind.find("ReferenceTime/OffsetFrom")
    if start is not None:
        found.note = f"time since that in {start.get('parameterRef', '')}"
        lack(f"it counts from the time in {start.get('parameterRef', '')}, which is not added")


def _cell(calibrator: ET.Element, lack: Lack) -> str:
    polynomial = calibrator.find("PolynomialCalibrator")
    if polynomial is not None:
        powers: dict[int, float] = {}
        for term in polynomial.iterfind("Term"):
            exponent = whole(term.get("exponent"), "an exponent")
            if not 0 <= exponent <= MOST_POWERS:
                raise BadDataError(f"got a power {exponent}, expected 0 to {MOST_POWERS}")
            powers[exponent] = powers.get(exponent, 0.0) + number(term.get("coefficient"), "a coefficient")
        return "poly:" + ";".join(repr(powers.get(k, 0.0)) for k in range(max(powers, default=0) + 1))
    spline = calibrator.find("SplineCalibrator")
    if spline is None:
        sort = next((part.tag for part in calibrator), "nothing")
        raise BadDataError(f"got {sort}, which our tables do not have")
    # Where nothing is said, the schema says 1: straight lines.
    order = whole(spline.get("order"), "the order of a spline", 1)
    if order != 1:
        raise BadDataError(f"got a SplineCalibrator of order {order}, which our tables do not have")
    points = [
        (repr(number(p.get("raw"), "a point")), repr(number(p.get("calibrated"), "a point")))
        for p in spline.iterfind("SplinePoint")
    ]
    cell = numbers_text("curve", points)
    parse_calibration(cell)
    if not is_true(spline.get("extrapolate"), default=False):
        lack("values outside of its curve are invalid in the definition; ours goes on straight")
    return cell
