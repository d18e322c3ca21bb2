"""Lines of words with a style, for a screen and for a pipe alike.

A style is a name, never a colour: ``good``, ``wrong``, ``alarm``, ``dim``, ``strong``, or none. What is
wrong is written in words too, so that it can be read without any colour.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size

__all__ = ["Line", "Lines", "Span", "clipped", "plain", "table", "width_of", "words", "wrapped"]

Span: TypeAlias = tuple[str, str]
"""Text and the name of its style."""
Line: TypeAlias = list[Span]
Lines: TypeAlias = list[Line]

SEPARATOR = "·"
GAP = 2
"""Blanks between two columns."""


def words(*parts: str | Span) -> Line:
    """A line of parts, those without a style of their own in none."""
    return [(part, "") if isinstance(part, str) else part for part in parts if part]


def width_of(line: Line) -> int:
    """Columns of the terminal that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def clipped(line: Line, width: int) -> Line:
    """The line cut to a width; with an ellipsis where it was cut."""
    if width_of(line) <= width:
        return line
    kept: Line = []
    left = width - 1
    for text, style in line:
        if cell_len(text) > left:
            return [*kept, (set_cell_size(text, left).rstrip() + "…", style)]
        kept.append((text, style))
        left -= cell_len(text)
    return kept


def wrapped(line: Line, width: int, most: int) -> Lines:
    """The line on as many lines as it needs, but at most so many; broken between words."""
    lines: Lines = [[]]
    for text, style in line:
        for piece in re.findall(r"\s*\S+|\s+$", text):
            if lines[-1] and width_of(lines[-1]) + cell_len(piece) > width and len(lines) < most:
                lines.append([])
            if lines[-1] or piece.strip() != SEPARATOR:  # it parts nothing where a line begins
                lines[-1].append((piece if lines[-1] else piece.lstrip(), style))
    return [clipped(_joined(one), width) for one in lines]


def _joined(line: Line) -> Line:
    """The line with neighbours of one style in one piece: less to draw."""
    joined: Line = []
    for text, style in line:
        if joined and joined[-1][1] == style:
            joined[-1] = (joined[-1][0] + text, style)
        elif text:
            joined.append((text, style))
    return joined


def plain(lines: Lines) -> list[str]:
    """The words alone."""
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def table(head: Sequence[str], rows: Iterable[Sequence[str | Span]], *, stretch: int, width: int) -> Lines:
    """Rows under a head, in columns as wide as they need.

    Parameters
    ----------
    head
        Titles; one that begins with ``>`` stands, as its column, at the right.
    rows
        Cells, with or without a style.
    stretch
        Column that gives way where all do not fit, and takes what is left.
    width
        Of the whole, columns of the terminal.
    """
    right = [title.startswith(">") for title in head]
    cells = [[(title.lstrip(">"), "dim") for title in head]]
    cells += [[words(cell)[0] if cell else ("", "") for cell in row] for row in rows]
    widths = [max(cell_len(row[i][0]) for row in cells) for i in range(len(head))]
    rest = width - sum(widths) + widths[stretch] - GAP * (len(head) - 1)
    widths[stretch] = max(min(rest, max(widths[stretch], 24)), 6)
    return [_row(row, widths, right) for row in cells]


def _row(cells: Sequence[Span], widths: Sequence[int], right: Sequence[bool]) -> Line:
    line: Line = []
    for cell, width, at_right in zip(cells, widths, right, strict=True):
        ((text, style),) = clipped([cell], width)
        blank = " " * (width - cell_len(text))
        gap = " " * GAP if line else ""
        line += [(gap + blank, ""), (text, style)] if at_right else [(gap, ""), (text, style), (blank, "")]
    return [span for span in line if span[0]]
