"""Spectra of sources: photons cm⁻² s⁻¹ keV⁻¹, energies in keV.

==================  ==========================================================================
shape               N(E) before absorption
==================  ==========================================================================
power law           E^−index
cut-off             E^−index · exp(−E/energy)
band                E^−index · exp(−(2 − index)·E/energy) below, E^−beta above their smooth join;
                    E²·N peaks at `energy` (Band et al. 1993, ApJ 413, 281)
black body          E² / (exp(E/energy) − 1), `energy` = kT
==================  ==========================================================================

Absorption by cold matter is exp(−nh·σ(E)) with the cross sections of Morrison & McCammon 1983 (ApJ 270, 119);
above 10 keV, where they end, their last polynomial is continued, and matters no more.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.typing import FloatArray

__all__ = ["ERG_PER_KEV", "Shape", "Spectrum", "absorption", "typical_spectrum"]

ERG_PER_KEV = 1.602176634e-9
Shape = Literal["power law", "cut-off", "band", "black body"]
_INTERVALS = np.array([1.303, 1.840, 2.471, 3.210, 4.038, 7.111, 8.331])
_COEFFICIENTS = np.array(
    [
        [141.3, 146.8, -31.5],
        [202.7, 104.7, -17.0],
        [342.7, 18.7, 0.0],
        [352.2, 18.7, 0.0],
        [433.9, -2.4, 0.75],
        [629.0, 30.9, 0.0],
        [701.2, 25.2, 0.0],
    ]
)
"""c0, c1, c2 of σ = (c0 + c1·E + c2·E²)·E⁻³·10⁻²⁴ cm² from each energy (keV) on."""
_FINEST = 400
"""Points of the integrals: a smooth spectrum over two decades is good to 1e-5."""
_PIVOT, _SOFT, _SOFT_INDEX = 25.0, 2.4, 1.0


def absorption(energy: FloatArray, nh: float) -> FloatArray:
    """Share of photons that pass cold matter of solar composition.

    Parameters
    ----------
    energy
        keV, from 1.3 on.
    nh
        Equivalent column of hydrogen, 10²² cm⁻².
    """
    if nh == 0:
        return np.ones_like(np.asarray(energy, np.float64))
    e = np.maximum(np.asarray(energy, np.float64), _INTERVALS[0])
    c = _COEFFICIENTS[np.searchsorted(_INTERVALS, e, side="right") - 1]
    sigma = (c[..., 0] + c[..., 1] * e + c[..., 2] * e**2) / e**3
    return np.asarray(np.exp(-nh * 0.01 * sigma))


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A spectrum.

    Parameters
    ----------
    shape
        One of the shapes above.
    norm
        Factor of the shape; photons cm⁻² s⁻¹ keV⁻¹ at 1 keV for a power law.
    index
        Photon index, that of the low energies for a band.
    energy
        Cut-off energy, peak of E²·N, or kT, keV.
    beta
        Photon index of the high energies of a band.
    nh
        Absorbing column, 10²² cm⁻².

    Examples
    --------
    >>> crab = Spectrum("power law", 9.7, 2.1)
    >>> f"{crab.energy_flux(2.0, 10.0):.2e}"
    '2.16e-08'
    """

    shape: Shape = "power law"
    norm: float = 1.0
    index: float = 2.0
    energy: float = math.inf
    beta: float = 2.3
    nh: float = 0.0

    def __post_init__(self) -> None:
        if self.shape != "power law" and not 0 < self.energy < math.inf:
            raise BadArgumentError(
                f"got energy {self.energy} of a {self.shape} spectrum, expected keV above 0"
            )
        if self.shape == "band" and not self.index < 2 < self.beta:
            raise BadArgumentError(
                f"got indices {self.index} and {self.beta} of a band spectrum, "
                "expected one below and one above 2"
            )
        if self.norm < 0 or self.nh < 0:
            raise BadArgumentError(f"got norm {self.norm} and column {self.nh}, expected both 0 or more")

    def density(self, energy: FloatArray) -> FloatArray:
        """Photons cm⁻² s⁻¹ keV⁻¹ at energies (keV)."""
        e = np.asarray(energy, np.float64)
        return np.asarray(self.norm * self._shape(e) * absorption(e, self.nh))

    def _shape(self, e: FloatArray) -> FloatArray:
        if self.shape == "power law":
            return np.asarray(e**-self.index)
        if self.shape == "cut-off":
            return np.asarray(e**-self.index * np.exp(-e / self.energy))
        if self.shape == "black body":
            return np.asarray(e**2 / np.expm1(np.minimum(e / self.energy, 700.0)))
        folding = self.energy / (2 - self.index)
        join = (self.beta - self.index) * folding
        low = e**-self.index * np.exp(-np.minimum(e, join) / folding)
        level = join ** (self.beta - self.index) * math.exp(-(self.beta - self.index))
        return np.asarray(np.where(e < join, low, level * e**-self.beta))

    def photon_flux(self, low: float, high: float) -> float:
        """Photons cm⁻² s⁻¹ between two energies (keV)."""
        e = np.geomspace(low, high, _FINEST)
        return float(np.trapezoid(self.density(e) * e, np.log(e)))

    def energy_flux(self, low: float, high: float) -> float:
        """Erg cm⁻² s⁻¹ between two energies (keV)."""
        e = np.geomspace(low, high, _FINEST)
        return float(np.trapezoid(self.density(e) * e**2, np.log(e))) * ERG_PER_KEV

    def with_photon_flux(self, flux: float, low: float, high: float) -> "Spectrum":
        """The same shape with photons cm⁻² s⁻¹ between two energies (keV) as given."""
        return replace(self, norm=self.norm * flux / self.photon_flux(low, high))

    def with_energy_flux(self, flux: float, low: float, high: float) -> "Spectrum":
        """The same shape with erg cm⁻² s⁻¹ between two energies (keV) as given."""
        return replace(self, norm=self.norm * flux / self.energy_flux(low, high))


def typical_spectrum(flux: float, index: float) -> Spectrum:
    """A spectrum from 4 keV on for a source of which a power law in 14-195 keV is known.

    A steep power law that was fitted to hard X-rays cannot be continued to 4 keV: what is steep there are
    accreting neutron stars, whose spectra are cut off. So an index above 2.4 becomes a cut-off power law of
    index 1 whose slope at 25 keV, about where the photons of such a fit are, is the measured one. The rule is
    eicpy's; the flux in 14-195 keV is as measured.

    Parameters
    ----------
    flux
        erg cm⁻² s⁻¹ in 14-195 keV.
    index
        Photon index in 14-195 keV.
    """
    if index <= _SOFT:
        return Spectrum("power law", index=index).with_energy_flux(flux, 14.0, 195.0)
    energy = _PIVOT / (index - _SOFT_INDEX)
    return Spectrum("cut-off", index=_SOFT_INDEX, energy=round(energy, 2)).with_energy_flux(flux, 14.0, 195.0)
