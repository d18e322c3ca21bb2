"""From raw numbers to engineering values: polynomials, curves between points, and texts.

Each is written in a table cell: ``poly:c0;c1;c2`` for c0 + c1·x + c2·x² + …, ``curve:x0=y0;x1=y1;…`` for
straight lines between points (continued outside with the slope of the outermost pair, so that a value
beyond the table still moves the right way), and ``text:0=OFF;1=ON;2..7=FAULT`` for names of values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError

__all__ = ["Calibration", "Curve", "Identity", "Polynomial", "TextCalibration", "parse_calibration"]

Numbers: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Identity:
    """The raw number is the value."""

    def __call__(self, raw: Numbers) -> Numbers:
        """Values of raw numbers, float64, of the same shape."""
        return np.asarray(raw, dtype=np.float64)


@dataclass(frozen=True)
class Polynomial:
    """Value = Σ cᵢ·rawⁱ."""

    coefficients: tuple[float, ...]

    def __call__(self, raw: Numbers) -> Numbers:
        """Values of raw numbers, float64, of the same shape."""
        x = np.asarray(raw, dtype=np.float64)
        value = np.zeros_like(x)
        for coefficient in reversed(self.coefficients):
            value = value * x + coefficient
        return value


@dataclass(frozen=True)
class Curve:
    """Straight lines between points, continued outside."""

    raw: tuple[float, ...]
    value: tuple[float, ...]

    def __call__(self, raw: Numbers) -> Numbers:
        """Values of raw numbers, float64, of the same shape."""
        x = np.asarray(raw, dtype=np.float64)
        points, values = np.array(self.raw), np.array(self.value)
        left = np.clip(np.searchsorted(points, x, side="right") - 1, 0, len(points) - 2)
        slope = np.diff(values) / np.diff(points)
        line: Numbers = values[left] + slope[left] * (x - points[left])
        return line


@dataclass(frozen=True)
class TextCalibration:
    """Names of raw numbers; the value of a number is the number.

    Attributes
    ----------
    names
        By number.
    ranges
        First and last number, and the name of all from one to the other.
    """

    names: Mapping[int, str]
    ranges: tuple[tuple[int, int, str], ...] = ()

    def __call__(self, raw: Numbers) -> Numbers:
        """Values of raw numbers, float64, of the same shape."""
        return np.asarray(raw, dtype=np.float64)

    def texts(self, raw: Numbers) -> Numbers:
        """Names of raw numbers, of the same shape; a number without a name stands for itself."""
        numbers, inverse = np.unique(np.asarray(raw), return_inverse=True)
        names = np.array([self.name(n) for n in numbers.tolist()] or [""], dtype=np.str_)
        named: Numbers = names[inverse.reshape(np.shape(raw))]
        return named

    def name(self, number: float) -> str:
        """Name of a number; the number where it has none."""
        if number in self.names:
            return self.names[int(number)]
        return next((name for low, high, name in self.ranges if low <= number <= high), str(number))


Calibration: TypeAlias = Identity | Polynomial | Curve | TextCalibration


def _pairs(body: str) -> list[tuple[str, str]]:
    pairs = []
    for item in body.split(";"):
        left, found, right = item.partition("=")
        if not found:
            raise ValueError(f"got {item!r}, expected number=value")
        pairs.append((left.strip(), right.strip()))
    return pairs


def _curve(pairs: list[tuple[str, str]], number: Callable[[str], float]) -> Curve:
    points = sorted((number(x), number(y)) for x, y in pairs)
    raw, value = zip(*points, strict=True)
    if len(points) < 2 or len(set(raw)) < len(raw):
        raise ValueError("a curve needs two points or more, each raw number once")
    return Curve(raw, value)


def _names(pairs: list[tuple[str, str]]) -> TextCalibration:
    names: dict[int, str] = {}
    ranges: list[tuple[int, int, str]] = []
    for numbers, name in pairs:
        low, between, high = numbers.partition("..")
        if not between:
            names[int(numbers, 0)] = name
            continue
        first, last = int(low, 0), int(high, 0)
        if last < first:
            raise ValueError(f"got the numbers {numbers}, expected the lower one first")
        ranges.append((first, last, name))
    return TextCalibration(names, tuple(ranges))


def parse_calibration(text: str, number: Callable[[str], float] = float) -> Calibration:
    """Read a calibration as it is written in a table.

    Parameters
    ----------
    text
        The cell.
    number
        Reads the numbers of polynomials and curves; by default with a decimal point.

    Raises
    ------
    BadDataError
        For a text that is none.

    Examples
    --------
    >>> parse_calibration("poly:1;2")(np.array([3]))
    array([7.])
    >>> parse_calibration("curve:0=0;10=100")(np.array([5, 20]))
    array([ 50., 200.])
    >>> parse_calibration("text:0=OFF;1=ON").texts(np.array([1, 0, 7])).tolist()
    ['ON', 'OFF', '7']
    >>> parse_calibration("text:0=OFF;1..3=ON").texts(np.array([2, 0, 7])).tolist()
    ['ON', 'OFF', '7']
    """
    kind, _, body = text.strip().partition(":")
    kind = kind.strip().lower()
    try:
        if kind == "":
            return Identity()
        if kind == "poly":
            return Polynomial(tuple(number(c) for c in body.split(";")))
        if kind == "curve":
            return _curve(_pairs(body), number)
        if kind == "text":
            return _names(_pairs(body))
    except ValueError as error:
        raise BadDataError(f"got calibration {text!r}: {error}") from error
    raise BadDataError(f"got calibration {text!r}, expected poly:…, curve:…, text:… or nothing")
