"""The background: what the plane counts when nothing special is in the sky.

Two thirds to four fifths of it is the cosmic X-ray background seen through the mask; the rest comes from
the camera itself: fluorescence lines on a continuum that particles leave. At low energies electronic
noise adds: along two sides (heat pipes) and in noisy pixels. All spectra here are spectra of *detected*
energy before resolution, in counts per second of the whole plane.

The camera's continuum, 130·(E/4 keV)^−2.9 + 3·exp(−E/75 keV) counts s⁻¹ keV⁻¹ before scaling, is a guess
whose level is set so that sky and camera give the asked total in 4-120 keV.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from eicpy.simulation import sky
from eicpy.simulation.detector import efficiency
from eicpy.simulation.lines import fluorescence_lines
from eicpy.typing import FloatArray

__all__ = [
    "FULL_ETENDUE",
    "SpectrumTable",
    "albedo_table",
    "camera_table",
    "cosmic_table",
    "energy_grid",
    "exponential",
    "heat_pipe_table",
    "integral",
    "join",
    "noise_table",
    "source_table",
]


_EDGES = np.concatenate([np.arange(2.6, 40.0, 0.05), np.arange(40.0, 200.05, 0.1)])
"""Edges of the continuum bins, keV; photons are spread evenly within a bin."""
FULL_ETENDUE = 354.5
"""Area × solid angle of the open mask cells seen by all pixels, cm² sr: 0.8655 sr × 409.6 cm²."""


@dataclass(frozen=True, slots=True)
class SpectrumTable:
    """A spectrum as bins that may have no width (lines).

    Parameters
    ----------
    low, width
        Lower edges and widths, keV, shape (n,).
    rate
        Counts per second in each bin, shape (n,).
    """

    low: FloatArray
    width: FloatArray
    rate: FloatArray

    @property
    def total(self) -> float:
        """Counts per second."""
        return float(self.rate.sum())

    def between(self, low: float, high: float) -> float:
        """Counts per second whose energy before resolution lies in [low, high)."""
        middle = self.low + self.width / 2
        return float(self.rate[(middle >= low) & (middle < high)].sum())

    def scaled(self, factor: float | FloatArray) -> "SpectrumTable":
        """The same spectrum times a factor, or one factor for each bin."""
        return SpectrumTable(self.low, self.width, self.rate * factor)


def join(*tables: SpectrumTable) -> SpectrumTable:
    """The sum of spectra."""
    return SpectrumTable(*(np.concatenate([getattr(t, n) for t in tables]) for n in ("low", "width", "rate")))


def _continuum(density: FloatArray) -> SpectrumTable:
    width = np.diff(_EDGES)
    return SpectrumTable(_EDGES[:-1], width, density * width)


def _middle() -> FloatArray:
    return np.asarray((_EDGES[1:] + _EDGES[:-1]) / 2)


@cache
def cosmic_table() -> SpectrumTable:
    """Cosmic background per cm² sr of étendue; multiply by the étendue that is not hidden."""
    energy = _middle()
    return _continuum(sky.cosmic_background(energy) * efficiency(energy))


@cache
def albedo_table() -> SpectrumTable:
    """Emission of the Earth per cm² sr of étendue."""
    energy = _middle()
    return _continuum(sky.albedo(energy) * efficiency(energy))


def source_table(flux: FloatArray) -> SpectrumTable:
    """Counts per second per cm² of open, perpendicular area of a source; `flux` on :func:`energy_grid`."""
    return _continuum(flux * efficiency(_middle()))


def energy_grid() -> FloatArray:
    """Middles of the continuum bins, keV."""
    return _middle()


def integral(density: FloatArray, low: float, high: float) -> float:
    """Integral over energy of a density given on :func:`energy_grid`."""
    energy = _middle()
    chosen = (energy >= low) & (energy < high)
    return float((density * np.diff(_EDGES))[chosen].sum())


@cache
def camera_table(background_rate: float) -> SpectrumTable:
    """Lines and continuum of the camera, scaled so that sky and camera give `background_rate`."""
    energy = _middle()
    continuum = _continuum(130.0 * (energy / 4.0) ** -2.9 + 3.0 * np.exp(-energy / 75.0))
    lines = fluorescence_lines()
    table = join(
        continuum,
        SpectrumTable(
            np.array([line.energy for line in lines]),
            np.zeros(len(lines)),
            np.array([line.rate for line in lines]),
        ),
    )
    missing = max(background_rate - cosmic_table().between(4.0, 120.0) * FULL_ETENDUE, 0.0)
    return table.scaled(missing / table.between(4.0, 120.0))


def exponential(low: float, high: float, folding: float) -> SpectrumTable:
    """An exponential spectrum between two energies (keV), normalised to 1 count per second."""
    energy = _middle()
    table = _continuum(np.where((energy >= low) & (energy < high), np.exp(-energy / folding), 0.0))
    return table.scaled(1 / table.total)


@cache
def heat_pipe_table() -> SpectrumTable:
    """Noise of the heat pipes, normalised to 1 count per second: below 8 keV, e-folding 1 keV (guess)."""
    return exponential(4.0, 8.0, 1.0)


@cache
def noise_table() -> SpectrumTable:
    """Noise of a noisy pixel, normalised to 1 count per second: e-folding 0.6 keV (guess)."""
    return exponential(4.0, 12.0, 0.6)
