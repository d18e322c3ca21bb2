"""Escape: the fluorescence photon that leaves its crystal, and takes its energy along.

Light above the K edge of cadmium (26.7 keV) or tellurium (31.8 keV) leaves a vacancy in a K shell with a
chance k_X(E), the share of that shell in the absorption. It is filled under emission of a K line with the
yield ω_X, in every direction alike. From the depth z such a photon leaves the front with ½·E₂(μ_f·z), the
back with ½·E₂(μ_f·(d − z)); averaged over the depths at which the crystal absorbs, μ·exp(−μz)/(1 −
exp(−μd)), that is up to 10 % just above the edges, where light is stopped near the surface, and less the
higher the energy. Through the four sides goes 1/(μ_f·a) of the rest, as from a medium lit evenly. Of that a
neighbour across the gap takes the view factor of two strips; all else is lost. What is lost leaves the
photon's energy less the line's; what the neighbour takes makes an event of two.

Single scattering only: a K photon of tellurium absorbed by cadmium, which shines again, is taken as absorbed.

References
----------
Elam et al. 2002, Radiat. Phys. Chem. 63, 121 (edges, yields, lines, through xraydb).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from eicpy.simulation.camera.structure import DENSITY, attenuation, vacancies
from eicpy.typing import FloatArray, IntArray

__all__ = ["CRYSTAL", "GRID", "THICKNESS", "EscapeTable", "absorption_grid", "entries", "escape_table"]


GRID = 20.0
"""Entries per keV of the tables by energy; entry n is for (n + ½)/20 keV."""
_STOP = 400.0
CRYSTAL, _GAP, THICKNESS = 0.4, 0.05, 0.1
"""Side of a crystal, distance to the next, thickness, cm."""
_MASS = {"Cd": 112.414 / (112.414 + 127.60), "Te": 127.60 / (112.414 + 127.60)}
_FAMILIES = {"Kα": ("Ka1", "Ka2", "Ka3"), "Kβ": ("Kb1", "Kb2", "Kb3", "Kb4", "Kb5")}


@dataclass(frozen=True, slots=True)
class EscapeTable:
    """Chances of escape by energy, lines (Cd Kα, Cd Kβ, Te Kα, Te Kβ) and way.

    Parameters
    ----------
    names
        Of the lines.
    line
        Mean energies of the lines, keV, shape (4,).
    lost, neighbour
        Chance that a photon stopped in a crystal loses this line for good, or to the neighbours; shape
        (energies, 4), energies as in :data:`GRID`.
    """

    names: tuple[str, ...]
    line: FloatArray
    lost: FloatArray
    neighbour: FloatArray

    def at(self, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Chances at some energies (keV), each of shape (n, 4)."""
        entry = entries(energy)
        return self.lost[entry], self.neighbour[entry]


def entries(energy: FloatArray) -> IntArray:
    """Entries of the tables for some energies (keV)."""
    return np.clip((energy * GRID).astype(np.int64), 0, round(_STOP * GRID) - 1)


def energies() -> FloatArray:
    """Energies of the tables, keV."""
    return np.asarray((np.arange(round(_STOP * GRID)) + 0.5) / GRID)


@cache
def absorption_grid() -> FloatArray:
    """Attenuation in CdTe, 1/cm, at the energies of the tables; the lowest keV as at 1 keV."""
    return attenuation("CdTe", np.maximum(energies(), 1.0))


def _leaving(mu: FloatArray, mu_line: float) -> FloatArray:
    """Chance that a line leaves through front or back, averaged over the depth of absorption."""
    from scipy.special import expn  # noqa: PLC0415, only where it is needed

    share = (np.arange(100) + 0.5) / 100
    stopped = -np.expm1(-mu * THICKNESS)
    depth = -np.log1p(-share[:, None] * stopped) / mu
    ways = expn(2, mu_line * depth) + expn(2, mu_line * np.maximum(THICKNESS - depth, 0.0))
    return np.asarray(0.5 * ways.mean(axis=0))


@cache
def escape_table() -> EscapeTable:
    """The chances of escape from a crystal of CdTe of 4 × 4 × 1 mm³."""
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    energy = energies()
    coarse = np.geomspace(20.0, _STOP, 300)
    seen = np.maximum(energy, 1.0) * 1e3
    photo = {x: xraydb.mu_elam(x, seen, kind="photo") * share for x, share in _MASS.items()}
    everything = absorption_grid() / DENSITY["CdTe"]
    strips = float(np.hypot(1.0, _GAP / THICKNESS) - _GAP / THICKNESS)
    names, lines, lost, neighbour = [], [], [], []
    for element in _MASS:
        edge, share, fluorescence = vacancies(element)
        vacancy = np.where(energy > edge, photo[element] * share / everything, 0.0) * fluorescence
        known = xraydb.xray_lines(element, "K")
        all_lines = sum(line.intensity for line in known.values())
        for family, members in _FAMILIES.items():
            chosen = [known[m] for m in members if m in known]
            intensity = sum(line.intensity for line in chosen)
            mean = sum(line.energy * line.intensity for line in chosen) / intensity / 1e3
            mu_line = float(attenuation("CdTe", np.array([mean]))[0])
            leaving = np.interp(energy, coarse, _leaving(attenuation("CdTe", coarse), mu_line))
            side = (1 - leaving) / (mu_line * CRYSTAL)
            emitted = vacancy * intensity / all_lines
            names.append(f"{element} {family}")
            lines.append(mean)
            lost.append(emitted * (leaving + side * (1 - strips)))
            neighbour.append(emitted * side * strips)
    return EscapeTable(tuple(names), np.array(lines), np.array(lost).T.copy(), np.array(neighbour).T.copy())
