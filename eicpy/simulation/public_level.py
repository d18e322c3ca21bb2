"""The simulator beside the public pre-launch files of the response of ECLAIRs.

The files ``ECLAIRs_rf_bkg.txt`` (counts s⁻¹ keV⁻¹), ``ECLAIRs_rf_eff.txt`` (cm² on the axis),
``ECLAIRs_rf_offaxis.txt`` and ``ECLAIRs_rf_omega.txt`` (transmission and solid angle of 89 × 89 cells of
sky) are published with github.com/JPalmerio/GRB_population_model under the GPL-3. They are what is known in
public of the camera's level, from a simulation of before the launch, not from flight. The package holds
none of their values: who has the files compares.

The rates of lines are measured alike in both: within a block of energies, the simulated continuum times a
parabola and one Gaussian for each line of the families in it, with the strengths of xraydb within a family
and the resolution of the simulated camera, are fitted by linear least squares.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from eicpy.errors import BadDataError
from eicpy.imaging.mask import transmission
from eicpy.instruments import load
from eicpy.simulation.camera.background import (
    FULL_ETENDUE,
    SpectrumTable,
    area,
    camera_table,
    cosmic_table,
    join,
)
from eicpy.simulation.camera.detector import Detector, draw_detector
from eicpy.simulation.camera.escape import escape_table
from eicpy.simulation.camera.lines import LineStrength
from eicpy.simulation.camera.response import single_deposits
from eicpy.simulation.config import DetectorConfig
from eicpy.simulation.spectra import FOLD_STEP, expected_spectra, fold
from eicpy.typing import FloatArray

__all__ = ["PublicResponse", "area_of_singles", "binned", "line_rates", "off_axis_map", "perfect", "spectrum"]


_KA, _KB = ("Ka1", "Ka2"), ("Kb1", "Kb2", "Kb3")
BLOCKS: dict[tuple[float, float], dict[str, tuple[str, tuple[str, ...]]]] = {
    (5.5, 11.5): {"Cu Kα (8 keV bump)": ("Cu", _KA)},
    (20.0, 36.0): {"Cd Kα, Kβ": ("Cd", _KA + _KB), "Te Kα, Kβ": ("Te", _KA + _KB)},
    (53.0, 62.5): {"Ta Kα": ("Ta", _KA)},
    (62.5, 72.0): {"Ta Kβ": ("Ta", _KB), "Au Kα": ("Au", _KA)},
    (70.5, 80.0): {"Pb Kα": ("Pb", _KA)},
    (81.0, 92.0): {"Pb Kβ": ("Pb", _KB)},
}
"""Energies (keV) → families in them: element, lines."""
_STEP = 0.0220636
"""Size of a cell of the sky maps, tangent of the angle."""


@dataclass(frozen=True, slots=True)
class PublicResponse:
    """The public files.

    Parameters
    ----------
    energy, background
        keV and counts s⁻¹ keV⁻¹, shape (n,).
    area
        cm² at `energy`, shape (n,).
    off_axis, solid_angle
        Transmission relative to the axis, and sr; shape (89, 89).
    """

    energy: FloatArray
    background: FloatArray
    area: FloatArray
    off_axis: FloatArray
    solid_angle: FloatArray

    @classmethod
    def read(cls, folder: Path | str) -> "PublicResponse":
        """Read the four files of a folder.

        Raises
        ------
        BadDataError
            If one is missing or holds something else.
        """
        tables = {}
        for name in ("bkg", "eff", "offaxis", "omega"):
            file = Path(folder) / f"ECLAIRs_rf_{name}.txt"
            try:
                tables[name] = np.loadtxt(file)
            except (OSError, ValueError) as error:
                raise BadDataError(f"no table of numbers: {error}", file=file) from error
        energy, background = tables["bkg"].T
        at, cm2 = tables["eff"].T
        return cls(energy, background, np.interp(energy, at, cm2), tables["offaxis"], tables["omega"])


@cache
def perfect() -> Detector:
    """A camera whose pixels are all alike, with the nominal energy scale and no noise."""
    config = DetectorConfig(
        gain_scatter=0,
        offset_scatter=0,
        efficiency_scatter=0,
        dead_fraction=0,
        noisy_fraction=0,
        low_efficiency_fraction=0,
        high_threshold_fraction=0,
        threshold_scatter=0,
        heat_pipe_rate=0,
    )
    return draw_detector(load("eclairs"), config, np.random.default_rng(1))


def spectrum(
    edges: FloatArray, lines: LineStrength = "public", background_rate: float = 3100.0
) -> FloatArray:
    """Single counts per second of the whole simulated plane between some energies (keV)."""
    detector = perfect()
    counts = expected_spectra(detector, load("eclairs"), background_rate, lines).sum(axis=0)
    cumulative = np.concatenate([[0.0], np.cumsum(counts)])
    return np.diff(np.interp(edges, detector.edges()[0], cumulative))


def binned(edges: FloatArray, energy: FloatArray, density: FloatArray) -> FloatArray:
    """A density given at some energies, integrated between others (trapezia)."""
    steps = np.diff(energy) * (density[1:] + density[:-1]) / 2
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    return np.diff(np.interp(edges, energy, cumulative))


def area_of_singles(energy: FloatArray, threshold: float = 4.0) -> FloatArray:
    """On-axis area for single events above a threshold (keV), cm², at any measured energy."""
    lost, neighbour = escape_table().at(energy)
    seen = energy[:, None] - escape_table().line >= threshold
    single = 1 - lost.sum(axis=1) - neighbour.sum(axis=1) + (lost * seen).sum(axis=1)
    return np.asarray(area(energy) * single)


def off_axis_map() -> FloatArray:
    """Transmission of the simulated mask relative to the axis, in the cells of the public map."""
    mask = load("eclairs").mask
    if mask is None:  # pragma: no cover - the description has one
        raise BadDataError("got no mask in the description of eclairs")
    t = (np.arange(89) - 44) * _STEP
    ty, tz = np.meshgrid(t, t)
    return transmission(mask, ty, tz)


@cache
def _continuum() -> FloatArray:
    """Cumulative spectrum of the simulated plane without the lines; see :func:`fold`."""
    camera = camera_table(3100.0)
    broad = camera.width > 0
    camera = SpectrumTable(camera.low[broad], camera.width[broad], camera.rate[broad])
    table = join(cosmic_table().scaled(FULL_ETENDUE), camera)
    return fold(single_deposits(table, perfect().config).always, perfect())


def _profile(energy: FloatArray, element: str, members: tuple[str, ...]) -> FloatArray:
    """A family of lines after the resolution, 1 count in all."""
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    known = xraydb.xray_lines(element)
    centre = np.array([known[m].energy / 1e3 for m in members if m in known])
    share = np.array([known[m].intensity for m in members if m in known])
    sigma = perfect().sigma(centre)
    gauss = np.exp(-0.5 * ((energy[:, None] - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return np.asarray(gauss @ (share / share.sum()))


def line_rates(energy: FloatArray, density: FloatArray) -> dict[str, float]:
    """Counts per second of the families of lines in a spectrum.

    Parameters
    ----------
    energy, density
        keV and counts s⁻¹ keV⁻¹, shape (n,).
    """
    grid = np.arange(len(_continuum())) * FOLD_STEP
    slope = np.interp(energy, grid, np.gradient(_continuum(), FOLD_STEP))
    rates: dict[str, float] = {}
    for (low, high), families in BLOCKS.items():
        chosen = (energy >= low) & (energy <= high)
        x = (energy[chosen] - low) / (high - low)
        shapes = [slope[chosen] * x**n for n in range(3)]
        shapes += [_profile(energy[chosen], *family) for family in families.values()]
        weight = 1 / np.sqrt(density[chosen])
        model = np.stack(shapes, axis=1) * weight[:, None]
        fit = np.linalg.lstsq(model, density[chosen] * weight, rcond=None)[0]
        rates.update(zip(families, fit[3:].tolist(), strict=True))
    return rates
