"""What a crystal makes of a photon that it stopped: one deposit, or several in neighbouring pixels.

The kernel (:mod:`eicpy.simulation.camera.kernels`) draws this photon by photon; here is the same as an
expectation, for spectra without photons. Three effects, each of which can be switched off:

- **hole tail**: from the depth z below the cathode holes drift z and electrons d − z, and trapping leaves
  of the charge q(z) = λₑ/d·(1 − exp(−(d − z)/λₑ)) + λₕ/d·(1 − exp(−z/λₕ)), relative to that at the surface,
  which the gain contains (Hecht 1932, Z. Phys. 77, 235);
- **escape** of a K photon, lost or into a neighbour (:mod:`eicpy.simulation.camera.escape`);
- **charge sharing**: of a share of the photons the lesser part, even in 0 to ½, goes to a neighbour.

Depth acts on tail and on escape independently here: the chances of escape are averages over the depth.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from eicpy.simulation.camera.background import SpectrumTable
from eicpy.simulation.camera.escape import THICKNESS, absorption_grid, entries, escape_table
from eicpy.simulation.config import DetectorConfig
from eicpy.typing import FloatArray

__all__ = ["SingleDeposits", "collected", "single_deposits"]


_STEP = 0.05
_STOP = 220.0
_DEPTHS = 40
_PARTS = 50


@dataclass(frozen=True, slots=True)
class SingleDeposits:
    """Deposits that stand alone in their event.

    Parameters
    ----------
    always
        Whatever the neighbours are.
    without_neighbour
        Where the neighbour that would have got the rest does not exist or counts nothing; per share of such
        neighbours.
    """

    always: SpectrumTable
    without_neighbour: SpectrumTable


def collected(depth: FloatArray, config: DetectorConfig) -> FloatArray:
    """Charge relative to that from the surface, for depths relative to the thickness of the crystal.

    Parameters
    ----------
    depth
        0 (cathode, where the light comes in) to 1.
    config
        Drift lengths.
    """
    if config.hole_length is None:
        return np.ones_like(depth)
    electron, hole = (length / (10 * THICKNESS) for length in (config.electron_length, config.hole_length))
    charge = -electron * np.expm1((depth - 1) / electron) - hole * np.expm1(-depth / hole)
    return np.asarray(charge / (-electron * np.expm1(-1 / electron)))


def single_deposits(table: SpectrumTable, config: DetectorConfig) -> SingleDeposits:
    """The deposits that stand alone in their event, of light that was stopped.

    Which of two deposits is below its threshold is judged with the mean threshold of the plane.

    Parameters
    ----------
    table
        Stopped energies and their rates.
    config
        What the crystals do.
    """
    energy = table.low + table.width / 2
    rate, main, other = _escaped(energy, table.rate, config)
    kept = rate[0]
    if config.hole_length is None and config.charge_sharing == 0:
        whole = SpectrumTable(table.low, table.width, kept)
        changed = [rate[1:], main[1:], other[1:]]
    else:
        whole = table.scaled(0.0)
        rate, main, other = _trapped(energy, rate, main, other, config)
        changed = _shared(rate, main, other, config)
    rate, main, other = (part.ravel() for part in changed)
    two = other > 0
    alone = np.where(two, 1 - _seen(other, config), 1.0)
    first = _binned(main, rate * alone)
    second = _binned(other[two], rate[two] * (1 - _seen(main[two], config)))
    always = SpectrumTable(first.low, first.width, first.rate + second.rate)
    return SingleDeposits(
        SpectrumTable(
            *(np.concatenate([getattr(whole, n), getattr(always, n)]) for n in ("low", "width", "rate"))
        ),
        _binned(main[two], (rate * (1 - alone))[two]),
    )


def _escaped(
    energy: FloatArray, rate: FloatArray, config: DetectorConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rates, deposits, deposits in a neighbour, shape (1 + ways, n): whole, lines lost, to neighbours."""
    if not config.escape:
        return rate[None], energy[None], np.zeros((1, len(energy)))
    table = escape_table()
    lost, neighbour = (chance.T for chance in table.at(energy))
    whole = 1 - lost.sum(axis=0) - neighbour.sum(axis=0)
    less = energy - table.line[:, None]
    none = np.zeros_like(less)
    return (
        rate * np.concatenate([whole[None], lost, neighbour]),
        np.maximum(np.concatenate([energy[None], less, less]), 0.0),
        np.concatenate([none[:1], none, none + table.line[:, None]]),
    )


def _trapped(
    energy: FloatArray, rate: FloatArray, main: FloatArray, other: FloatArray, config: DetectorConfig
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The same, once for each of some depths of equal chance, on a new first axis."""
    if config.hole_length is None:
        return rate[None], main[None], other[None]
    share = (np.arange(_DEPTHS)[:, None] + 0.5) / _DEPTHS
    thickness = absorption_grid()[entries(energy)] * THICKNESS
    depth = -np.log1p(share * np.expm1(-thickness)) / thickness
    charge = collected(depth, config)[:, None, :]
    shape = (_DEPTHS, *rate.shape)
    return np.broadcast_to(rate / _DEPTHS, shape), main * charge, np.broadcast_to(other, shape)


def _shared(
    rate: FloatArray, main: FloatArray, other: FloatArray, config: DetectorConfig
) -> list[FloatArray]:
    """The same with charge divided; three deposits, with a fluorescence photon's, never stand alone."""
    share = config.charge_sharing
    if share == 0:
        return [rate, main, other]
    lone = _binned(main[other == 0], rate[other == 0])
    middle = lone.low + lone.width / 2
    part = 0.5 * (np.arange(_PARTS) + 0.5)[:, None] / _PARTS
    divided = np.broadcast_to(lone.rate * share / _PARTS, (_PARTS, len(middle)))
    return [
        np.concatenate([rate.ravel() * (1 - share), divided.ravel()]),
        np.concatenate([main.ravel(), (middle * (1 - part)).ravel()]),
        np.concatenate([other.ravel(), (middle * part).ravel()]),
    ]


def _seen(energy: FloatArray, config: DetectorConfig) -> FloatArray:
    """Chance that a deposit is above its pixel's threshold."""
    variance = (config.fwhm**2 + config.fwhm_slope * energy) / (8 * np.log(2)) + config.threshold_scatter**2
    return np.asarray(ndtr((energy - config.threshold) / np.sqrt(variance)))


def _binned(energy: FloatArray, rate: FloatArray) -> SpectrumTable:
    """A spectrum in bins of 0.05 keV."""
    low = np.arange(round(_STOP / _STEP), dtype=np.float64) * _STEP
    counts = np.bincount((energy / _STEP).astype(np.int64), rate, len(low))[: len(low)]
    return SpectrumTable(low, np.full(len(low), _STEP), counts.astype(np.float64))
