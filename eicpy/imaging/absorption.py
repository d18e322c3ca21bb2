"""What the closed cells of a mask let through.

A closed cell is a plate of tantalum: exp(−μ(E)·d/cosθ) of the light passes it, with the total attenuation
coefficients of xraydb (Elam et al. 2002, Radiat. Phys. Chem. 63, 121). Below 50 keV that is nothing; above
100 keV it is some per cent, and the shadow of a point source is less deep.
"""

from functools import cache

import numpy as np

from eicpy.typing import FloatArray

__all__ = ["TANTALUM_DENSITY", "tantalum_transparency"]

TANTALUM_DENSITY = 16.65
"""g/cm³."""


def tantalum_transparency(energy: FloatArray, thickness: float) -> FloatArray:
    """Share of light that passes tantalum.

    Parameters
    ----------
    energy
        keV, shape (n,).
    thickness
        Along the ray, cm.
    """
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    mu = xraydb.material_mu("Ta", np.asarray(energy, np.float64) * 1e3, density=TANTALUM_DENSITY)
    return np.asarray(np.exp(-np.asarray(mu, np.float64) * thickness))


@cache
def optical_depth(energy: float, thickness: float) -> float:
    """Optical depth of tantalum (cm) for one energy (keV)."""
    return float(-np.log(tantalum_transparency(np.array([energy]), thickness)[0]))
