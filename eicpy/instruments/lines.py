"""Emission lines that carry the energy scale of a detector, read from the tables beside its description."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eicpy.errors import BadDataError
from eicpy.inputs import read_text

__all__ = ["Block", "Line", "read_blocks"]


@dataclass(frozen=True, slots=True)
class Line:
    """An emission line.

    Parameters
    ----------
    group
        Lines of one group share their strength, for example ``Pb Ka``.
    name
        Element and transition (Siegbahn), for example ``Pb Ka1``.
    energy
        keV.
    fraction
        Share of the group's strength; the shares of a group add up to 1.
    """

    group: str
    name: str
    energy: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the spectrum that is fitted: its lines, one width, a quadratic continuum.

    Parameters
    ----------
    name
        For example ``Pb K``.
    low, high
        Ends, keV.
    lines
        Lines inside.
    edges
        Absorption edges inside, keV, where the continuum may have a step: above the K edge of Cd, for
        example, some photons lose a fluorescence photon to a neighbour and are no single events.
    """

    name: str
    low: float
    high: float
    lines: tuple[Line, ...]
    edges: tuple[float, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of lines, in the order of their first line."""
        return tuple(dict.fromkeys(line.group for line in self.lines))


def read_blocks(lines: Path, blocks: Path, edges: Path | None = None) -> tuple[Block, ...]:
    """Read the tables of lines.

    Parameters
    ----------
    lines
        Columns block, group, element, transition, energy_kev, fraction.
    blocks
        Columns block, low_kev, high_kev.
    edges
        Columns block, element, edge, energy_kev.

    Returns
    -------
    tuple of Block
        In the order of `blocks`.

    Raises
    ------
    BadDataError
        For a file that cannot be read, a missing column, or a value that is not a number.
    """
    members: dict[str, list[Line]] = {}
    for row in _rows(lines, ("block", "group", "element", "transition", "energy_kev", "fraction")):
        name = f"{row['element']} {row['transition']}"
        line = Line(row["group"], name, _number(row["energy_kev"], lines), _number(row["fraction"], lines))
        members.setdefault(row["block"], []).append(line)
    steps: dict[str, list[float]] = {}
    if edges is not None:
        for row in _rows(edges, ("block", "element", "edge", "energy_kev")):
            steps.setdefault(row["block"], []).append(_number(row["energy_kev"], edges))
    return tuple(
        Block(
            name=row["block"],
            low=_number(row["low_kev"], blocks),
            high=_number(row["high_kev"], blocks),
            lines=tuple(members.get(row["block"], [])),
            edges=tuple(steps.get(row["block"], [])),
        )
        for row in _rows(blocks, ("block", "low_kev", "high_kev"))
    )


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        reader = csv.DictReader(read_text(file).splitlines())
        missing = set(columns) - set(reader.fieldnames or ())
    except (OSError, csv.Error) as error:
        raise BadDataError(f"unreadable: {error}", file=file) from error
    if missing:
        raise BadDataError(f"missing columns {', '.join(sorted(missing))}", file=file)
    yield from reader


def _number(text: str, file: Path) -> float:
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise BadDataError(f"got {text!r}, expected a number", file=file) from error
