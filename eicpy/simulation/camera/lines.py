"""Fluorescence lines of the camera's own materials, on which its energy scale is calibrated.

Lead (shield), tantalum (mask), gold (contacts), copper (the shield's liner) and the crystals themselves
shine when the sky lights them. Energies and the strengths within a family are those of xraydb (Elam et al.
2002). How strong a family is comes from a transport estimate (:mod:`eicpy.simulation.camera.structure`)
times one factor, fitted to the lines of the public pre-launch background:

- **Pb**: sky above 88.0 keV on the shield from outside, through the shield; the factor stands for thickness
  and liner.
- **Ta**: sky above 67.4 keV on the mask's closed cells, through them; the factor stands for frame, walls of
  the cells, particles.
- **Cu**: sky that came through the mask on the walls' liner, out of its lit face: the bump at 8 keV. A
  liner also hides the L lines of lead, which the public background does not show; the factor is the share
  of it.
- **Cd, Te**: K photons that pass from crystal to crystal under the light of the sky; the factor stands for
  first crystals that do not see their part: rims, gaps.
- **Au**: sky that passes the crystals, on 1 µm of gold behind them; the factor is micrometres of gold. The
  public background has a small peak at 69 keV.

The ``bright`` lines are the strengths that eicpy guessed before: three to five times the public ones in Pb,
Ta and Cd. A short run fixes gains with them, which it cannot with the public ones.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from eicpy.simulation import spectral_laws
from eicpy.simulation.camera.detector import efficiency
from eicpy.simulation.camera.escape import escape_table
from eicpy.simulation.camera.structure import (
    CLOSED_ETENDUE,
    FULL_ETENDUE,
    MASK_THICKNESS,
    OPEN_FRACTION,
    OPENING_FROM_WALLS,
    SHIELD_THICKNESS,
    WALL_ETENDUE,
    attenuation,
    fluorescence_flux,
    vacancies,
)

__all__ = ["FACTORS", "FluorescenceLine", "LineStrength", "estimates", "fluorescence_lines"]

LineStrength = Literal["public", "bright"]
"""Which strengths: those of the public pre-launch background, or the brighter ones guessed before."""

FACTORS = {"Pb": 0.47, "Ta": 12.5, "Cu": 0.62, "Cd": 3.2, "Te": 2.7, "Au": 16.0}
"""Line strength relative to the estimate (fitted to the lines of the public background). Far from 1, as for
tantalum, crystals and gold, it says that the light of the sky is not what makes most of that line."""
_K = ("Ka1", "Ka2", "Ka3", "Kb1", "Kb2", "Kb3", "Kb4", "Kb5")
_BRIGHT: dict[tuple[str, tuple[str, ...]], float] = {
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


def _slab(element: str, line: float, thickness: float, etendue: float, *, far: bool) -> float:
    """Detected counts per second of a slab that the crystals see under an étendue."""
    flux = fluorescence_flux(element, line, thickness, far=far)
    return flux / np.pi * etendue * float(efficiency(np.array([line]))[0])


def _between_crystals(element: str) -> float:
    """K photons per second that pass from crystal to crystal under the light of the sky."""
    energy = np.arange(20.0, 200.0, 0.05)
    light = spectral_laws.cosmic_background(energy) * FULL_ETENDUE * efficiency(energy)
    table = escape_table()
    mine = [name.startswith(element) for name in table.names]
    return float((light * table.at(energy)[1][:, mine].sum(axis=1)).sum() * 0.05)


def _behind(element: str, line: float, thickness: float) -> float:
    """Counts per second of a thin layer behind the crystals."""
    edge, share, fluorescence = vacancies(element)
    energy = np.geomspace(edge * 1.0001, 500.0, 300)
    light = spectral_laws.cosmic_background(energy) * FULL_ETENDUE * (1 - efficiency(energy))
    vacant = attenuation(element, energy, "photo") * share * thickness
    made = float(np.trapezoid(light * vacant, energy)) * fluorescence
    return 0.5 * made * float(efficiency(np.array([line]))[0])


@cache
def estimates() -> dict[str, float]:
    """Counts per second of each element's K lines by the transport estimate, without the factors."""
    lit = OPEN_FRACTION * OPENING_FROM_WALLS
    return {
        "Pb": _slab("Pb", 76.0, SHIELD_THICKNESS, WALL_ETENDUE, far=True),
        "Ta": _slab("Ta", 58.5, MASK_THICKNESS, CLOSED_ETENDUE, far=True),
        "Cu": _slab("Cu", 8.1, 0.05, WALL_ETENDUE, far=False) * lit,
        "Cd": _between_crystals("Cd"),
        "Te": _between_crystals("Te"),
        "Au": _behind("Au", 69.0, 1e-4),
    }


@cache
def fluorescence_lines(strength: LineStrength = "public") -> tuple[FluorescenceLine, ...]:
    """All lines, in order of energy.

    Parameters
    ----------
    strength
        ``public``: as in the public pre-launch background; ``bright``: as guessed before.
    """
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    if strength == "bright":
        families = _BRIGHT
    else:
        families = {(element, _K): rate * FACTORS[element] for element, rate in estimates().items()}
    lines = []
    for (element, names), rate in families.items():
        known = xraydb.xray_lines(element)
        chosen = [n for n in names if n in known]
        total = sum(known[n].intensity for n in chosen)
        lines += [
            FluorescenceLine(element, n, known[n].energy / 1e3, rate * known[n].intensity / total)
            for n in chosen
        ]
    return tuple(sorted(lines, key=lambda line: line.energy))
