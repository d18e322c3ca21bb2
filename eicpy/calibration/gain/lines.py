"""The fluorescence lines that carry the energy scale, and the parts of the spectrum around them.

A detector without a calibration source finds its energy scale from the fluorescence lines that the background
excites in its shield, its mask and its crystals. Which lines these are stands in its description.

Within a *group* (Kα or Kβ of an element) the differences of energy and the ratios of intensity are
fixed; the strength of a group is free, because self-absorption and geometry change Kβ/Kα. A *block* is
a part of the spectrum with its groups, one line width and a quadratic continuum.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.instruments import Block, Instrument, Line
from eicpy.instruments.lines import read_blocks
from eicpy.moved import former_detector

__all__ = ["Block", "Line", "LineModel"]


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
    >>> from eicpy.instruments import load
    >>> [block.name for block in LineModel.of(load("eclairs")).blocks]
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
    def of(cls, instrument: Instrument) -> Self:
        """Return the lines of a detector, from its description.

        Raises
        ------
        BadArgumentError
            For a detector without lines.
        """
        if instrument.gain is None or instrument.gain.lines is None:
            raise BadArgumentError(
                f"got {instrument.name} without lines, expected [gain.lines] in its description; "
                "docs/howto/describe-a-detector.md explains it"
            )
        return cls(instrument.line_blocks(), instrument.gain.lines.fwhm)

    @classmethod
    def from_csv(cls, lines: Path, blocks: Path, edges: Path | None = None, *, fwhm: float = 1.2) -> Self:
        """Read the tables of lines; see :func:`eicpy.instruments.lines.read_blocks`."""
        return cls(read_blocks(lines, blocks, edges), fwhm)

    @classmethod
    def default(cls) -> Self:
        """Lines of ECLAIRs; goes with the next release, as :meth:`of` takes those of any detector."""
        return cls.of(former_detector("LineModel.default()", "LineModel.of(instrument)"))

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
            shape=np.tile(np.array([1.0, 0.0]), (len(self.blocks), 2, 1)),
            shape_low=np.zeros(len(self.blocks)),
            shape_step=np.ones(len(self.blocks)),
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
        Parameters of the whole model.
    shape
        Value and slope (per keV) of each block's continuum shape κ, shape (n_blocks, n_grid, 2); 1 and 0
        before anything is known.
    shape_low, shape_step
        First energy and step of that grid, keV, shape (n_blocks,).
    """

    energy: npt.NDArray[np.float64]
    fraction: npt.NDArray[np.float64]
    stretch: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]
    first_line: npt.NDArray[np.int64]
    first_parameter: npt.NDArray[np.int64]
    n_groups: npt.NDArray[np.int64]
    n_parameters: int
    shape: npt.NDArray[np.float64]
    shape_low: npt.NDArray[np.float64]
    shape_step: npt.NDArray[np.float64]
