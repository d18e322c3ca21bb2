"""What stands around the plane: the mask, the shield and its liner, and what lies behind the crystals.

Light of the sky passes them where they are thin for it, is scattered back by what lies behind the plane, and
makes their atoms shine. One-dimensional slabs and view factors stand for the camera:

- a slab of thickness t before an isotropic sky lets 2·E₃(μt) pass;
- its K shells absorb S(z) = 2π·∫ Φ(E)·τ_K(E)·E₂(μz) dE photons per volume at the depth z and give the share
  ω_K of them back as fluorescence, of which ½·∫ S(z)·ω_K·E₂(μ_f·(t − z)) dz leaves the far face and
  ½·∫ S(z)·ω_K·E₂(μ_f·z) dz the lit one;
- what leaves a wall as J photons cm⁻² s⁻¹ brings J/π·G to the crystals, which see that wall under the
  étendue G.

Cross sections, edges, yields and lines are those of xraydb (Elam et al. 2002, Radiat. Phys. Chem. 63, 121);
view factors follow from the sizes of mask and plane. What such an estimate cannot know (the mass model) is
in one named factor for each cause, fitted to the public pre-launch figures; ``docs/simulation.md`` lists
them.

References
----------
Chandrasekhar 1960, Radiative Transfer, appendix I (the functions Eₙ).
"""

from functools import cache
from typing import Any

import numpy as np

from eicpy.imaging.absorption import TANTALUM_DENSITY, tantalum_transparency
from eicpy.simulation import spectral_laws
from eicpy.typing import FloatArray

__all__ = [
    "CLOSED_ETENDUE",
    "DENSITY",
    "FULL_ETENDUE",
    "HALF_SPACE",
    "OPENING_FROM_WALLS",
    "OPEN_FRACTION",
    "WALL_ETENDUE",
    "attenuation",
    "fluorescence_flux",
    "leak",
    "mask_transparency",
    "scattered_back",
    "scattered_energy",
    "vacancies",
]


OPEN_FRACTION = 0.4
"""Share of the mask that is open."""
FULL_ETENDUE = 354.5
"""Area × solid angle of the open mask cells seen by all pixels, cm² sr: 0.8655 sr × 409.6 cm²."""
CLOSED_ETENDUE = FULL_ETENDUE * (1 - OPEN_FRACTION) / OPEN_FRACTION
"""The same of the closed cells, cm² sr."""
HALF_SPACE = np.pi * 1024.0
"""Étendue of a half space before the crystals, cm² sr."""
WALL_ETENDUE = HALF_SPACE - FULL_ETENDUE / OPEN_FRACTION
"""The same of the shield's walls, cm² sr: what is left of the half space before the crystals."""
OPENING_FROM_WALLS = 0.30
"""View factor of the mask as seen from the walls, by reciprocity in a frustum of 54, 36 and 46 cm."""

MASK_THICKNESS = 0.11
"""Tantalum of a closed cell along a mean ray, cm. The public area has no step of more than 1 % at
tantalum's K edge (67.4 keV): less than 0.01 passes there, hence at least 0.11 cm."""
SHIELD_THICKNESS = 0.03
"""Lead of the shield, cm (fitted: the step of the public background at lead's K edge)."""
SHIELD_LEAK = 0.245
"""Share of the walls that is as thin as that (fitted to 80-95 keV; the rest lets nothing pass)."""
BACK_THICKNESS = 3.0
"""Aluminium that stands for electronics and satellite behind the plane, cm (fitted to 38-70 keV)."""
BACK_LEAK = 1.13
"""Étendue of that side relative to a half space (fitted to 50-150 keV; 1 would be the half space)."""
SCATTER = 5.7
"""Light scattered back relative to one thick iron plate behind the plane (fitted to the area in 100-150
keV)."""
_SCATTER_MATERIAL = "Fe"
"""Stands for boards, solder, copper and steel."""
_SCATTER_COSINE = -0.6
"""Cosine of a typical angle under which light comes back."""
_GAPS = 1296.0 / 1024.0 - 1.0
"""Area between the crystals relative to theirs."""
_REST_ENERGY = 510.999
DENSITY = {"Al": 2.70, "Fe": 7.87, "Cu": 8.96, "Ta": TANTALUM_DENSITY, "Au": 19.3, "Pb": 11.35, "CdTe": 5.85}
"""g/cm³."""


def attenuation(material: str, energy: FloatArray, kind: str = "total") -> FloatArray:
    """Linear attenuation coefficient, 1/cm; energies in keV; kind as in ``xraydb.material_mu``."""
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    mu: Any = xraydb.material_mu(material, energy * 1e3, density=DENSITY[material], kind=kind)
    return np.asarray(mu, np.float64)


def mask_transparency(energy: FloatArray) -> FloatArray:
    """Share of light that a closed cell of the mask lets through."""
    return tantalum_transparency(energy, MASK_THICKNESS)


def passing(material: str, thickness: float, energy: FloatArray) -> FloatArray:
    """Share of an isotropic sky that passes a slab (cm)."""
    from scipy.special import expn  # noqa: PLC0415, only where it is needed

    return np.asarray(2 * expn(3, attenuation(material, energy) * thickness))


def leak(energy: FloatArray) -> FloatArray:
    """Cosmic background that reaches the crystals through shield and satellite, photons s⁻¹ keV⁻¹."""
    walls = SHIELD_LEAK * WALL_ETENDUE * passing("Pb", SHIELD_THICKNESS, energy)
    behind = BACK_LEAK * HALF_SPACE * passing("Al", BACK_THICKNESS, energy)
    return np.asarray(spectral_laws.cosmic_background(energy) * (walls + behind))


def scattered_energy(energy: FloatArray) -> FloatArray:
    """Energy after Compton scattering by a typical angle, keV."""
    return np.asarray(energy / (1 + energy / _REST_ENERGY * (1 - _SCATTER_COSINE)))


def scattered_back(energy: FloatArray, stopped: FloatArray) -> FloatArray:
    """Chance that light through an open cell comes back to the plane from what lies behind it.

    What the crystals did not stop or what fell between them is scattered once in a thick plate: ½·μ_C/(μ(E) +
    μ(E')/|cos θ|) of it returns, with the energy E' of the Compton effect.

    Parameters
    ----------
    energy
        keV, shape (n,).
    stopped
        Chance that a photon on a crystal is stopped in it, shape (n,).

    Returns
    -------
    numpy.ndarray
        Per photon on a crystal, shape (n,); it is detected with the efficiency at :func:`scattered_energy`.
    """
    back = scattered_energy(energy)
    compton = attenuation(_SCATTER_MATERIAL, energy, "incoh")
    path = attenuation(_SCATTER_MATERIAL, energy) + attenuation(_SCATTER_MATERIAL, back) / -_SCATTER_COSINE
    return np.asarray(SCATTER * (1 - stopped + _GAPS) * 0.5 * compton / path)


@cache
def vacancies(element: str) -> tuple[float, float, float]:
    """K edge (keV), share of the absorption above it that is in the K shell, fluorescence yield."""
    import xraydb  # noqa: PLC0415

    edge = xraydb.xray_edge(element, "K")
    return edge.energy / 1e3, 1 - 1 / edge.jump_ratio, edge.fyield


@cache
def fluorescence_flux(element: str, line: float, thickness: float, *, far: bool) -> float:
    """K fluorescence of a slab of one element before an isotropic cosmic background.

    Parameters
    ----------
    element
        Its symbol.
    line
        Energy of the line under which it leaves the slab, keV; for all lines together, to be shared out.
    thickness
        cm.
    far
        Through the face away from the sky; False: through the lit face.

    Returns
    -------
    float
        Photons cm⁻² s⁻¹.
    """
    from scipy.special import expn  # noqa: PLC0415

    edge, share, fluorescence = vacancies(element)
    energy = np.geomspace(edge * 1.0001, 500.0, 300)
    depth = (np.arange(200) + 0.5) / 200 * thickness
    mu, photo = attenuation(element, energy), attenuation(element, energy, "photo")
    light = 2 * np.pi * spectral_laws.cosmic_background(energy) * photo * share * expn(2, depth[:, None] * mu)
    absorbed = np.trapezoid(light, energy, axis=1) * fluorescence
    way = thickness - depth if far else depth
    mu_line = float(attenuation(element, np.array([line]))[0])
    return float(0.5 * (absorbed * expn(2, mu_line * way)).sum() * thickness / 200)
