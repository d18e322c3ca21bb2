"""Numbers in the cells of a table, as people and spreadsheets write them."""

import math
import re

__all__ = ["DECIMAL_COMMA", "MAYBE_DECIMAL", "NO_COMMA", "real_number", "whole_number"]

NO_COMMA, MAYBE_DECIMAL, DECIMAL_COMMA = ",", "\t", ";"
"""What separates the cells of a table, and so what a comma in a number is: of thousands perhaps where it is a
comma (or a tabulator, for a number like ``1,234``), decimal where it is a semicolon."""

_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:[.,]0*)?")
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_MINUS = str.maketrans({"\u2212": "-", "\u00a0": "", "\u202f": ""})


def whole_number(text: str) -> int:
    """A whole number; a spreadsheet may have put ``16.0`` for 16.

    Raises
    ------
    ValueError
        With what was got and what was expected.
    """
    found = _WHOLE.fullmatch(text.translate(_MINUS).strip())
    if found is None:
        raise ValueError(f"got {text!r}, expected a whole number")
    return int(found[1])


def real_number(text: str, separator: str = NO_COMMA) -> float:
    """A finite number.

    Parameters
    ----------
    text
        The cell.
    separator
        What separates the cells of the table: it decides what a comma means.

    Raises
    ------
    ValueError
        With what was got and what was expected.
    """
    word = text.translate(_MINUS).strip()
    if _REAL.fullmatch(word) is None:
        raise ValueError(f"got {text!r}, expected a number")
    doubtful = separator == NO_COMMA or (separator == MAYBE_DECIMAL and _THOUSANDS.fullmatch(word))
    if "," in word and doubtful:
        raise ValueError(f"got {text!r}, expected a point: the comma could be decimal or of thousands")
    value = float(word.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"got {text!r}, expected a number that float64 holds")
    return value
