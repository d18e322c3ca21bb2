"""How an XTCE document distinguishes packets: conditions as alternatives of exact values."""

from collections.abc import Iterable
from typing import Any

from eicpy.errors import BadDataError

__all__ = ["alternatives"]

Values = dict[str, int]
MOST = 256
"""Most alternatives of one container."""


def alternatives(criteria: Iterable[Any]) -> list[Values]:
    """Values that parameters must have, in each of several ways.

    Parameters
    ----------
    criteria
        Restriction criteria of a container and of all that it inherits from, as space_packet_parser has them.

    Raises
    ------
    BadDataError
        For a condition other than that a parameter has a value.
    """
    found: list[Values] = [{}]
    for each in criteria:
        found = _both(found, _of(each))
    return found


def _of(criterion: Any) -> list[Values]:
    sort = type(criterion).__name__
    if sort == "BooleanExpression":
        return _of(criterion.expression)
    if sort == "Comparison":
        return [_equal(criterion.referenced_parameter, criterion.operator, criterion.required_value)]
    if sort == "Condition":
        if criterion.right_param is not None:
            raise BadDataError(f"a condition that compares two parameters ({criterion})")
        return [_equal(criterion.left_param, criterion.operator, criterion.right_value)]
    if sort == "Anded":
        found: list[Values] = [{}]
        for each in (*criterion.conditions, *criterion.ors):
            found = _both(found, _of(each))
        return found
    if sort == "Ored":
        return [way for each in (*criterion.conditions, *criterion.ands) for way in _of(each)]
    raise BadDataError(f"a condition of the form {sort}")


def _equal(parameter: str, operator: str, value: Any) -> Values:
    if operator not in {"==", "eq"}:
        raise BadDataError(f"a condition {parameter} {operator} {value}, expected ==")
    try:
        return {parameter: int(str(value), 0)}
    except ValueError:
        raise BadDataError(f"a condition {parameter} == {value!r}, expected a whole number") from None


def _both(left: list[Values], right: list[Values]) -> list[Values]:
    """Ways in which both hold; those that contradict themselves are none."""
    if len(left) * len(right) > MOST:
        raise BadDataError(f"got more than {MOST} alternatives")
    return [
        a | b for a in left for b in right if all(a.get(name, value) == value for name, value in b.items())
    ]
