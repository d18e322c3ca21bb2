"""How an XTCE document distinguishes packets: conditions as alternatives of exact values."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from eicpy.errors import BadDataError
from eicpy.importers.xtce_elements import is_true, text_of, whole

__all__ = ["Comparison", "alternatives", "comparisons"]

Values = dict[str, int]
MOST = 256
"""Most alternatives of one container."""
MOST_WORK = 200_000
"""Most values in all alternatives that are written down for one container."""
_OPERATORS = {"eq": "==", "neq": "!=", "lt": "<", "leq": "<=", "gt": ">", "geq": ">="}


@dataclass(frozen=True)
class Comparison:
    """A condition on a parameter.

    Attributes
    ----------
    parameter, operator, value
        As the document says them.
    is_calibrated
        Whether its calibrated value, or its name, is compared.
    """

    parameter: str
    operator: str
    value: str
    is_calibrated: bool

    def __str__(self) -> str:
        return f"{self.parameter} {self.operator} {self.value}"


Numbers = Callable[[Comparison], tuple[int, ...]]
"""Raw numbers that the value of a comparison stands for."""


def alternatives(criteria: Iterable[ET.Element], numbers: Numbers) -> list[Values]:
    """Values that parameters must have, in each of several ways.

    Parameters
    ----------
    criteria
        ``RestrictionCriteria`` of a container and of all that it inherits from.
    numbers
        Looks a value up.

    Raises
    ------
    BadDataError
        For a condition other than that a parameter has a value.
    """
    found: list[Values] = [{}]
    work = 0
    for each in criteria:
        for part in each:
            if part.tag == "NextContainer":
                continue
            found = _both(found, _of(part, numbers))
            work += sum(len(way) for way in found) if len(found) > 1 else 1
            if work > MOST_WORK:
                raise BadDataError(
                    f"got conditions of more than {MOST_WORK} values in all their alternatives"
                )
    return found


def comparisons(condition: ET.Element) -> list[Comparison]:
    """The comparisons of a condition of which all must hold.

    Raises
    ------
    BadDataError
        For a condition of another form.
    """
    found: list[Comparison] = []
    for part in condition:
        if part.tag in {"Comparison", "Condition"}:
            found.append(_comparison(part))
        elif part.tag in {"ComparisonList", "ANDedConditions", "BooleanExpression"}:
            found += comparisons(part)
        else:
            raise BadDataError(f"a condition of the form {part.tag}")
    return found


def _of(part: ET.Element, numbers: Numbers) -> list[Values]:
    if part.tag in {"Comparison", "Condition"}:
        comparison = _comparison(part)
        if comparison.operator != "==":
            raise BadDataError(f"a condition {comparison}, expected ==")
        return [{comparison.parameter: number} for number in numbers(comparison)]
    if part.tag in {"ComparisonList", "ANDedConditions", "BooleanExpression"}:
        found: list[Values] = [{}]
        for each in part:
            found = _both(found, _of(each, numbers))
        return found
    if part.tag == "ORedConditions":
        ways = [way for each in part for way in _of(each, numbers)]
        if len(ways) > MOST:
            raise BadDataError(f"got more than {MOST} alternatives")
        return ways
    raise BadDataError(f"a condition of the form {part.tag}")


def _comparison(part: ET.Element) -> Comparison:
    """A comparison in either of its forms."""
    if part.tag == "Comparison":
        reference, operator, value = part, part.get("comparisonOperator", "=="), part.get("value", "")
    else:
        references = list(_parts(part, "ParameterInstanceRef"))
        if len(references) != 1:
            raise BadDataError("a condition that compares two parameters")
        reference = references[0]
        operator, value = text_of(part.find("ComparisonOperator")) or "==", text_of(part.find("Value"))
    if whole(reference.get("instance"), "the instance of a parameter", 0) != 0:
        raise BadDataError("a condition on a parameter of another packet")
    return Comparison(
        reference.get("parameterRef", ""),
        _OPERATORS.get(operator, operator),
        value.strip(),
        is_true(reference.get("useCalibratedValue"), default=True),
    )


def _parts(element: ET.Element, tag: str) -> Iterator[ET.Element]:
    return (part for part in element if part.tag == tag)


def _both(left: list[Values], right: list[Values]) -> list[Values]:
    """Ways in which both hold; those that contradict themselves are none."""
    if len(left) * len(right) > MOST:
        raise BadDataError(f"got more than {MOST} alternatives")
    if len(left) == len(right) == 1:  # a long line of heirs adds to one way
        way, more = left[0], right[0]
        if any(way.get(name, value) != value for name, value in more.items()):
            return []
        way.update(more)
        return left
    return [
        a | b for a in left for b in right if all(a.get(name, value) == value for name, value in b.items())
    ]
