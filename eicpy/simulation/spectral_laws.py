"""Spectra of the sources seen by the camera: photons cm⁻² s⁻¹ keV⁻¹ (and sr⁻¹ for what is extended).

Each law is an analytic fit from the literature; energies in keV.
"""

import numpy as np

from eicpy.typing import FloatArray

__all__ = ["albedo", "cosmic_background"]


def cosmic_background(energy: FloatArray) -> FloatArray:
    """Cosmic X-ray background, photons cm⁻² s⁻¹ sr⁻¹ keV⁻¹.

    Smoothly broken power law of Moretti et al. 2009, A&A 493, 501.
    """
    return np.asarray(0.109 / ((energy / 29.0) ** 1.40 + (energy / 29.0) ** 2.88))


def albedo(energy: FloatArray) -> FloatArray:
    """Emission of the Earth's atmosphere, photons cm⁻² s⁻¹ sr⁻¹ keV⁻¹.

    Ajello et al. 2008, ApJ 689, 666: self-absorbed below 33.7 keV.
    """
    return np.asarray(0.0148 / ((energy / 33.7) ** -5 + (energy / 33.7) ** 1.72))
