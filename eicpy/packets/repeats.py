"""How often a record is repeated: the column ``repeat`` of a layout table, one level of it.

A number, ``fill``, a field that counts (``N``), so many times what it says and some more (``2*N+1``), or a
condition on it (``N==3``), by which the record is there once or not at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError

__all__ = ["FILL", "LINEAR", "MOST_COUNTED", "OPERATORS", "RecordCount", "parse_count"]

Ints = npt.NDArray[np.int64]

FILL = "fill"
LINEAR = 0
OPERATORS = {"==": 1, "!=": 2, "<": 3, "<=": 4, ">": 5, ">=": 6}
"""Conditions by the code that the kernel of the records knows them by; `LINEAR` is none."""
MOST_FACTOR = 1 << 20
MOST_OPERAND = 1 << 31
MOST_COUNTED = 1 << 40
"""More than any packet holds; larger counters are taken for this, so that no product overflows."""
_LINEAR = re.compile(r"(?:([0-9]+)\*)?(.+?)([+-][0-9]+)?")
_CONDITION = re.compile(r"(.+?)(==|!=|<=|>=|<|>)(-?[0-9]+)")


@dataclass(frozen=True)
class RecordCount:
    """How many records there are.

    Attributes
    ----------
    text
        As the table says it.
    counter
        Name of the field that counts; empty where none does.
    operator
        `LINEAR`: factor·counter + operand records; else a code of `OPERATORS`: one record if the counter
        compares so with the operand, else none.
    """

    text: str
    counter: str = ""
    operator: int = LINEAR
    factor: int = 1
    operand: int = 0

    @property
    def fixed(self) -> int | None:
        """The number where it is the same in every packet."""
        return int(self.text) if not self.counter and self.text != FILL else None

    @property
    def is_fill(self) -> bool:
        """Whether records go to the end of the packet."""
        return not self.counter and self.text == FILL

    def of(self, counter: npt.NDArray[Any]) -> Ints:
        """Records by values of the counter; below 0 where it says so."""
        if self.operator == LINEAR:
            # A counter of 64 bits that is beyond all packets reads as one below 0.
            value = np.clip(counter.astype(np.int64), -MOST_COUNTED, MOST_COUNTED)
            return value * self.factor + self.operand
        x, y = counter, self.operand
        compared = (x == y, x != y, x < y, x <= y, x > y, x >= y)[self.operator - 1]
        return np.asarray(compared, dtype=np.int64)

    def counter_for(self, number: Ints) -> Ints | None:
        """Values of the counter that say so many records; None where several do, or none does."""
        if self.operator != LINEAR:
            return None
        value = (number - self.operand) // self.factor
        return value if bool((value * self.factor + self.operand == number).all()) else None


def parse_count(text: str, counters: Mapping[str, Any]) -> RecordCount | None:
    """Read one level of the column ``repeat``.

    Parameters
    ----------
    text
        What stands there.
    counters
        Fields that may count, by name.

    Returns
    -------
    RecordCount or None
        None where a field would have to count that is none of them.

    Raises
    ------
    BadDataError
        For a factor or a number out of range.
    """
    if text in counters:
        return RecordCount(text, text)
    if text.isdigit() or text == FILL:
        return RecordCount(text)
    found = _CONDITION.fullmatch(text)
    if found is not None and found[1] in counters:
        count = RecordCount(text, found[1], OPERATORS[found[2]], 1, int(found[3]))
    else:
        found = _LINEAR.fullmatch(text)
        if found is None or found[2] not in counters:
            return None
        count = RecordCount(text, found[2], LINEAR, int(found[1] or 1), int(found[3] or 0))
    if not 1 <= count.factor <= MOST_FACTOR or abs(count.operand) > MOST_OPERAND:
        raise BadDataError(
            f"got repeat {text!r}, expected a factor of 1 to {MOST_FACTOR}, and a number of up to "
            f"{MOST_OPERAND}"
        )
    return count
