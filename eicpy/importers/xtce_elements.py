"""Numbers, sizes and references in the elements of an XTCE document."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from fractions import Fraction

from eicpy.errors import BadDataError

__all__ = ["DynamicNumber", "dynamic_number", "fixed_number", "is_true", "number", "text_of", "whole"]

_WHOLE = re.compile(r"\s*([+-]?[0-9]{1,18})\s*")
_HEX = re.compile(r"\s*0[xX]([0-9a-fA-F]{1,16})\s*")
LARGEST = 1 << 31


@dataclass(frozen=True)
class DynamicNumber:
    """A number that a parameter gives: slope·parameter + intercept.

    Attributes
    ----------
    parameter
        Its name.
    is_calibrated
        Whether its calibrated value is meant.
    """

    parameter: str
    slope: Fraction = Fraction(1)
    intercept: Fraction = Fraction(0)
    is_calibrated: bool = True

    def scaled(self, factor: Fraction, plus: Fraction = Fraction(0)) -> "DynamicNumber":
        """The number times a factor, and some more."""
        return DynamicNumber(
            self.parameter, self.slope * factor, self.intercept * factor + plus, self.is_calibrated
        )


def whole(text: str | None, what: str, default: int | None = None) -> int:
    """A whole number, decimal or hexadecimal.

    Raises
    ------
    BadDataError
        If it is none, or is missing and has no default.
    """
    if text is None and default is not None:
        return default
    if found := _WHOLE.fullmatch(text or ""):
        return int(found[1])
    if found := _HEX.fullmatch(text or ""):
        return int(found[1], 16)
    raise BadDataError(f"{what}: got {(text or '')[:60]!r}, expected a whole number")


def number(text: str | None, what: str, default: float | None = None) -> float:
    """A finite number; errors as for `whole`."""
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadDataError(f"{what}: got {(text or '')[:60]!r}, expected a number")
    return value


def is_true(text: str | None, *, default: bool) -> bool:
    """A truth value of XML schema."""
    return default if text is None else text.strip() in {"true", "1"}


def text_of(element: ET.Element | None) -> str:
    """Text in an element, on one line."""
    return "" if element is None else " ".join((element.text or "").split())


def fixed_number(element: ET.Element | None, what: str) -> int | None:
    """The number in ``FixedValue`` below an element, or None where there is none."""
    if element is None:
        return None
    fixed = element.find("FixedValue")
    if fixed is None:
        fixed = element.find("Fixed/FixedValue")
    return None if fixed is None else whole(text_of(fixed), what)


def dynamic_number(element: ET.Element | None, what: str) -> DynamicNumber | None:
    """The number in ``DynamicValue`` below an element, or None where there is none."""
    dynamic = None if element is None else element.find("DynamicValue")
    if dynamic is None:
        return None
    reference = dynamic.find("ParameterInstanceRef")
    if reference is None or whole(reference.get("instance"), what, 0) != 0:
        raise BadDataError(f"{what}: got no parameter of the same packet that gives it")
    found = DynamicNumber(
        reference.get("parameterRef", ""),
        is_calibrated=is_true(reference.get("useCalibratedValue"), default=True),
    )
    adjustment = dynamic.find("LinearAdjustment")
    if adjustment is None:
        return found
    slope = Fraction(number(adjustment.get("slope"), what, 0.0))
    intercept = Fraction(number(adjustment.get("intercept"), what, 0.0))
    if abs(slope) > LARGEST or abs(intercept) > LARGEST:
        raise BadDataError(f"{what}: got a slope or an intercept beyond {LARGEST}")
    return DynamicNumber(found.parameter, slope, intercept, found.is_calibrated)
