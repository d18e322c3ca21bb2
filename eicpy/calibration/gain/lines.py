"""The fluorescence lines that carry the energy scale, and the parts of the spectrum around them.

No calibration source flies with ECLAIRs: the energy scale hangs on the fluorescence lines that the
background excites in the shield (Pb K), the mask (Ta K) and the crystals themselves (Cd K, Te K). The
energies and the intensities within a shell are atomic constants: `data/lines.csv` keeps those of
xraydb (Elam, Ravel & Sieber 2002, Radiat. Phys. Chem. 63, 121), and a test holds the two together.

Within a *group* (Kα or Kβ of an element) the differences of energy and the ratios of intensity are
fixed; the strength of a group is free, because self-absorption and geometry change Kβ/Kα. A *block* is
a stretch of spectrum with its groups, one line width and a quadratic continuum.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError, BadDataError

__all__ = ["Block", "Line", "LineModel"]


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
    """A stretch of the spectrum that is fitted: its lines, one width, a quadratic continuum.

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


@dataclass(frozen=True, slots=True)
class LineModel:
    """All blocks of the fit.

    Parameters
    ----------
    blocks
        From low to high energy, without overlap.
    fwhm
        First guess of the resolution, keV; the fit finds its own in each block.

    Examples
    --------
    >>> [block.name for block in LineModel.default().blocks]
    ['CdTe K', 'Ta K', 'Pb K']
    """

    blocks: tuple[Block, ...]
    fwhm: float = 1.2

    def __post_init__(self) -> None:
        if not self.blocks:
            raise BadArgumentError("got no block of lines, expected at least one")
        for block in self.blocks:
            outside = [line.name for line in block.lines if not block.low < line.energy < block.high]
            if not block.lines or outside:
                raise BadArgumentError(
                    f"block {block.name!r} ({block.low}–{block.high} keV) needs lines inside it; "
                    f"outside: {', '.join(outside) or 'it has none'}"
                )
        for lower, upper in zip(self.blocks[:-1], self.blocks[1:], strict=True):
            if upper.low < lower.high:
                raise BadArgumentError(
                    f"blocks {lower.name!r} and {upper.name!r} overlap: {upper.low} < {lower.high} keV"
                )
        energies = [line.energy for block in self.blocks for line in block.lines]
        if max(energies) - min(energies) < 2.0:
            raise BadArgumentError(
                f"got lines between {min(energies)} and {max(energies)} keV only; gain and offset need two "
                "lines or more, well apart"
            )
        if not self.fwhm > 0.0:
            raise BadArgumentError(f"got a resolution of {self.fwhm} keV, expected a positive one")

    @classmethod
    def default(cls) -> Self:
        """Blocks of ECLAIRs: Cd and Te K, Ta K, Pb K."""
        folder = Path(str(files("eicpy.calibration.gain"))) / "data"
        return cls.from_csv(folder / "lines.csv", folder / "blocks.csv", folder / "edges.csv")

    @classmethod
    def from_csv(cls, lines: Path, blocks: Path, edges: Path | None = None, *, fwhm: float = 1.2) -> Self:
        """Read the tables.

        Parameters
        ----------
        lines
            Columns block, group, element, transition, energy_kev, fraction.
        blocks
            Columns block, low_kev, high_kev.
        edges
            Columns block, element, edge, energy_kev.
        fwhm
            First guess of the resolution, keV.

        Raises
        ------
        BadDataError
            For a missing column or a value that is not a number.
        """
        members: dict[str, list[Line]] = {}
        for row in _rows(lines, ("block", "group", "element", "transition", "energy_kev", "fraction")):
            members.setdefault(row["block"], []).append(
                Line(
                    group=row["group"],
                    name=f"{row['element']} {row['transition']}",
                    energy=_number(row["energy_kev"], lines),
                    fraction=_number(row["fraction"], lines),
                )
            )
        steps: dict[str, list[float]] = {}
        if edges is not None:
            for row in _rows(edges, ("block", "element", "edge", "energy_kev")):
                steps.setdefault(row["block"], []).append(_number(row["energy_kev"], edges))
        return cls(
            blocks=tuple(
                Block(
                    name=row["block"],
                    low=_number(row["low_kev"], blocks),
                    high=_number(row["high_kev"], blocks),
                    lines=tuple(members.get(row["block"], [])),
                    edges=tuple(steps.get(row["block"], [])),
                )
                for row in _rows(blocks, ("block", "low_kev", "high_kev"))
            ),
            fwhm=fwhm,
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of all blocks, in their order."""
        return tuple(group for block in self.blocks for group in block.groups)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters of the fit, in their order: gain, offset, then block by block."""
        names = ["gain", "offset"]
        for block in self.blocks:
            names += [f"{block.name} sigma"] + [f"{block.name} continuum {k}" for k in range(3)]
            names += [f"{group} counts" for group in block.groups]
        return tuple(names)

    def strongest(self) -> dict[str, float]:
        """Energy of the strongest line of each group, keV, by its name in Greek: Cd Kα for Cd Ka."""
        found: dict[str, Line] = {}
        for line in (line for block in self.blocks for line in block.lines):
            if line.group not in found or line.fraction > found[line.group].fraction:
                found[line.group] = line
        greek = {"a": "α", "b": "β"}
        return {g[:-1] + greek.get(g[-1], g[-1]): line.energy for g, line in found.items()}

    def arrays(self) -> "LineArrays":
        """The model as the arrays that the kernels take."""
        energy, fraction, group, first_line, first_parameter, n_groups = [], [], [], [0], [], []
        position = 2
        for block in self.blocks:
            index = {name: k for k, name in enumerate(block.groups)}
            energy += [line.energy for line in block.lines]
            fraction += [line.fraction for line in block.lines]
            group += [index[line.group] for line in block.lines]
            first_line.append(len(energy))
            first_parameter.append(position)
            n_groups.append(len(index))
            position += 4 + len(index)
        return LineArrays(
            energy=np.array(energy),
            fraction=np.array(fraction),
            stretch=np.ones(len(energy)),
            group=np.array(group, np.int64),
            first_line=np.array(first_line, np.int64),
            first_parameter=np.array(first_parameter, np.int64),
            n_groups=np.array(n_groups, np.int64),
            n_parameters=position,
        )


class LineArrays(NamedTuple):
    """A :class:`LineModel` as arrays: a tuple, because that is what kernels take.

    Parameters
    ----------
    energy, fraction, stretch, group
        Of each line: keV, share of its group, width in units of the block's σ, index of its group within
        the block.
    first_line
        First line of each block, one more at the end, shape (n_blocks + 1,).
    first_parameter
        Where the block's parameters start: σ, three of the continuum, then the strengths.
    n_groups
        Groups of each block.
    n_parameters
        Of the whole model.
    """

    energy: npt.NDArray[np.float64]
    fraction: npt.NDArray[np.float64]
    stretch: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]
    first_line: npt.NDArray[np.int64]
    first_parameter: npt.NDArray[np.int64]
    n_groups: npt.NDArray[np.int64]
    n_parameters: int


def _rows(file: Path, columns: tuple[str, ...]) -> Iterable[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        reader = csv.DictReader(stream)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise BadDataError(f"missing columns {', '.join(sorted(missing))}", file=file)
        yield from reader


def _number(text: str, file: Path) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadDataError(f"got {text!r}, expected a number", file=file) from error
