"""Fluorescence lines of the camera's own materials, on which its energy scale is calibrated.

Pb (shield), Ta (mask), Cd and Te (the crystals themselves) and Cu (structure) shine when the sky or
particles hit them. Energies and the strengths within a family are those of xraydb (Elam et al. 2002);
how strong each family is has not been published: the rates here are guesses.
"""

from dataclasses import dataclass
from functools import cache

__all__ = ["FAMILIES", "FluorescenceLine", "fluorescence_lines"]

FAMILIES: dict[tuple[str, tuple[str, ...]], float] = {
    ("Cu", ("Ka1", "Ka2")): 16.0,
    ("Ta", ("La1",)): 12.0,
    ("Ta", ("Lb1",)): 8.0,
    ("Pb", ("La1",)): 8.0,
    ("Pb", ("Lb1",)): 4.0,
    ("Cd", ("Ka1", "Ka2", "Kb1", "Kb2", "Kb3")): 26.0,
    ("Te", ("Ka1", "Ka2", "Kb1", "Kb2", "Kb3")): 18.0,
    ("Ta", ("Ka1", "Ka2", "Kb1", "Kb2", "Kb3")): 18.0,
    ("Pb", ("Ka1", "Ka2", "Kb1", "Kb2", "Kb3")): 44.0,
}
"""(element, lines) → counts per second of the whole plane (guess)."""


@dataclass(frozen=True, slots=True)
class FluorescenceLine:
    """A line: its name, energy (keV) and rate over the whole plane (counts per second)."""

    element: str
    line: str
    energy: float
    rate: float


@cache
def fluorescence_lines() -> tuple[FluorescenceLine, ...]:
    """All lines, in order of energy."""
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    lines = []
    for (element, names), rate in FAMILIES.items():
        known = xraydb.xray_lines(element)
        total = sum(known[n].intensity for n in names)
        lines += [
            FluorescenceLine(element, n, known[n].energy / 1e3, rate * known[n].intensity / total)
            for n in names
        ]
    return tuple(sorted(lines, key=lambda line: line.energy))
