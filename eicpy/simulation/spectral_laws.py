"""Spectra of the sources seen by the camera: photons cm⁻² s⁻¹ keV⁻¹ (and sr⁻¹ for what is extended).

Each law is an analytic fit from the literature; energies in keV.
"""

import numpy as np

from eicpy.catalogue import Spectrum
from eicpy.typing import FloatArray

__all__ = ["albedo", "atmosphere", "atmosphere_level", "cosmic_background", "reflected_share"]
__all__ += ["sun_of_a_flare"]


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


def reflected_share(energy: FloatArray) -> FloatArray:
    """X-rays that the atmosphere reflects: brightness of the Earth relative to that of an isotropic sky.

    Churazov et al. 2008, MNRAS 385, 719: photoabsorption takes the soft ones, Compton scattering returns a
    third of those at 60 keV.
    """
    e = np.asarray(energy, np.float64)
    soft = (e / 3.08) ** 4
    hard = (e / 91.83) ** 3.44
    peak = 1.22 / ((e / 28.5) ** -2.54 + (e / 51.3) ** 1.57 - 0.37)
    return np.asarray(peak * (2.93 + soft) / (1 + soft) * (0.123 + hard) / (1 + hard))


def atmosphere(energy: FloatArray) -> FloatArray:
    """X-rays that cosmic rays make in the atmosphere, relative to a level of 1; see `atmosphere_level`.

    Sazonov et al. 2007, MNRAS 377, 1726.
    """
    return np.asarray(1 / ((energy / 44.0) ** -5 + (energy / 44.0) ** 1.4))


def atmosphere_level(rigidity: float, modulation: float) -> float:
    """Level of :func:`atmosphere` straight down, photons cm⁻² s⁻¹ sr⁻¹ keV⁻¹.

    Parameters
    ----------
    rigidity
        Geomagnetic cut-off, GV.
    modulation
        Of cosmic rays by the Sun, GV: 0.4 at a quiet Sun, 1 at an active one.

    Notes
    -----
    The form is that of Sazonov et al. 2007; its constants are quoted from memory. With the reflected sky the
    sum lies within a third of the Earth as measured by Swift/BAT (:func:`albedo`); a test holds that.
    """
    sun = (modulation / 2.8) ** 0.4 + (modulation / 2.8) ** 1.5
    knee = 1.3 * modulation**0.25 * (1 + 2.5 * modulation**0.4)
    return float(6 / (5 * np.pi) * 1.47 * 0.0178 / sun / np.sqrt(1 + (rigidity / knee) ** 2))


def sun_of_a_flare(energy: FloatArray, flux: float, temperature: float) -> FloatArray:
    """The Sun in a flare as seen at the Earth, photons cm⁻² s⁻¹ keV⁻¹.

    Thermal: E^−1.4·exp(−E/kT) with the flux of GOES. Above 10 keV a power law of index 4 with one photon
    cm⁻² s⁻¹ keV⁻¹ at 20 keV for a flare of class M1: a guess of the right order.

    Parameters
    ----------
    energy
        keV.
    flux
        W m⁻² in 1-8 Å: 10⁻⁵ for class M1.
    temperature
        kT, keV.
    """
    thermal = Spectrum("cut-off", index=1.4, energy=temperature).with_energy_flux(flux * 1e3, 1.55, 12.4)
    hard = np.where(energy >= 10.0, flux / 1e-5 * (np.maximum(energy, 1.0) / 20.0) ** -4, 0.0)
    return np.asarray(thermal.density(energy) + hard)
