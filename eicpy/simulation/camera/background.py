"""The background: what the plane counts when nothing special is in the sky.

Two thirds to four fifths of it is the cosmic X-ray background seen through the mask. The rest comes from
the camera: cosmic background that passes shield and satellite, fluorescence lines, a continuum that
particles and electrons leave. At low energies electronic noise adds: along two sides (heat pipes) and in
noisy pixels. All spectra here are spectra of *stopped* energy, before escape and resolution, in counts per
second of the whole plane.

Light of the sky counts in three parts: what the crystals stop of the light through the open cells; what they
stop of that through the closed ones, which are thin for hard photons; and what is scattered back onto them,
at a lower energy, from behind (:mod:`eicpy.simulation.camera.structure`). Of the diffuse sky all three lie
over the plane as the first does. Of a point source each has its own place: where the mask is open, where it
is closed, everywhere.

Particles and electrons leave 0.76·exp(−E/100 keV) + 128·(E/4 keV)^−2.5 counts s⁻¹ keV⁻¹: fitted to the
public pre-launch background, with no physics behind the two shapes. The camera's part is scaled so that sky
and camera give the asked total in 4-120 keV; for the default 3100 counts/s the factor is within a few per
cent of 1.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from eicpy.simulation import spectral_laws
from eicpy.simulation.camera.detector import efficiency
from eicpy.simulation.camera.lines import LineStrength, fluorescence_lines
from eicpy.simulation.camera.structure import (
    FULL_ETENDUE,
    OPEN_FRACTION,
    leak,
    mask_transparency,
    scattered_back,
    scattered_energy,
)
from eicpy.typing import FloatArray

__all__ = [
    "FULL_ETENDUE",
    "SpectrumTable",
    "albedo_table",
    "area",
    "camera_table",
    "cosmic_table",
    "energy_grid",
    "exponential",
    "heat_pipe_table",
    "integral",
    "join",
    "noise_table",
    "source_table",
    "source_tables",
]


_EDGES = np.concatenate([np.arange(2.6, 40.0, 0.05), np.arange(40.0, 200.05, 0.1)])
"""Edges of the continuum bins, keV; photons are spread evenly within a bin."""
_PARTICLES = (0.76, 100.0)
"""Level (counts s⁻¹ keV⁻¹) and folding energy (keV) of the particles' continuum (fitted)."""
_ELECTRONS = (128.0, -2.5)
"""Level at 4 keV (counts s⁻¹ keV⁻¹) and index of the continuum below 30 keV (fitted)."""


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
def _parts() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Counts for a photon on a crystal below an open cell, below a closed one, and scattered back to it."""
    energy = _middle()
    stopped = efficiency(energy)
    back = scattered_back(energy, stopped) * efficiency(scattered_energy(energy))
    return stopped, stopped * mask_transparency(energy), back


@cache
def _seen() -> tuple[FloatArray, FloatArray]:
    """What is stopped and what comes back per photon on an open crystal, at the middles of the bins."""
    stopped, closed, back = _parts()
    return stopped + (1 - OPEN_FRACTION) / OPEN_FRACTION * closed, back


def area(energy: FloatArray) -> FloatArray:
    """Effective area on the axis, mask included, before escape and threshold, cm².

    Parameters
    ----------
    energy
        keV.
    """
    return np.asarray(FULL_ETENDUE / 0.8655 * np.interp(energy, _middle(), sum(_seen())))


def _lit(flux: FloatArray) -> SpectrumTable:
    """Light through the mask as counts: what is stopped, and what comes back at a lower energy."""
    stopped, back = _seen()
    return _continuum(flux * stopped + _moved(flux * back))


def _moved(density: FloatArray) -> FloatArray:
    """A spectrum after scattering."""
    returned = np.concatenate([[0.0], np.cumsum(density * np.diff(_EDGES))])
    return np.asarray(np.diff(np.interp(_EDGES, scattered_energy(_EDGES), returned)) / np.diff(_EDGES))


@cache
def cosmic_table() -> SpectrumTable:
    """Cosmic background per cm² sr of étendue; multiply by the étendue that is not hidden."""
    return _lit(spectral_laws.cosmic_background(_middle()))


@cache
def albedo_table() -> SpectrumTable:
    """Emission of the Earth per cm² sr of étendue."""
    return _lit(spectral_laws.albedo(_middle()))


def source_table(flux: FloatArray) -> SpectrumTable:
    """Counts per second per cm² of open, perpendicular area of a source; `flux` on :func:`energy_grid`."""
    return _lit(flux)


def source_tables(flux: FloatArray) -> tuple[SpectrumTable, SpectrumTable, SpectrumTable]:
    """The three parts of a source's light, each with its own place on the plane.

    Parameters
    ----------
    flux
        Photons cm⁻² s⁻¹ keV⁻¹ on :func:`energy_grid`.

    Returns
    -------
    tuple of SpectrumTable
        Counts per second per cm² of open perpendicular area, of closed one, and again of open one for what
        is scattered back over the whole plane.
    """
    stopped, closed, back = _parts()
    return _continuum(flux * stopped), _continuum(flux * closed), _continuum(_moved(flux * back))


def energy_grid() -> FloatArray:
    """Middles of the continuum bins, keV."""
    return _middle()


def integral(density: FloatArray, low: float, high: float) -> float:
    """Integral over energy of a density given on :func:`energy_grid`."""
    energy = _middle()
    chosen = (energy >= low) & (energy < high)
    return float((density * np.diff(_EDGES))[chosen].sum())


@cache
def camera_table(background_rate: float, lines: LineStrength = "public") -> SpectrumTable:
    """Lines and continuum of the camera, scaled so that sky and camera give `background_rate`.

    Parameters
    ----------
    background_rate
        Counts per second of sky and camera in 4-120 keV.
    lines
        Strengths of the lines, and the continuum that was guessed together with them.
    """
    energy = _middle()
    if lines == "bright":
        density = 130.0 * (energy / 4.0) ** -2.9 + 3.0 * np.exp(-energy / 75.0)
    else:
        density = leak(energy) * efficiency(energy) + _PARTICLES[0] * np.exp(-energy / _PARTICLES[1])
        density += _ELECTRONS[0] * (energy / 4.0) ** _ELECTRONS[1]
    shining = fluorescence_lines(lines)
    table = join(
        _continuum(density),
        SpectrumTable(
            np.array([line.energy for line in shining]),
            np.zeros(len(shining)),
            np.array([line.rate for line in shining]),
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
