"""The camera's pixels as they truly are: efficiency, resolution, energy scale, defects.

Absorption of 1 mm of CdTe comes from xraydb; what stands before it (electrode, blankets) is one
analytic factor of our own, exp(−1.4·(4 keV/E)^3.5), chosen so that the on-axis area is near 101 cm² at
4 keV and 408 cm² at 50 keV. The resolution is FWHM² = a² + b·E: electronics and charge statistics.

The low-energy defects follow Xie et al. 2024 (arXiv:2401.13619): pixels of one batch with low efficiency
below 8 keV, pixels whose threshold was raised against cross-talk, noise along two sides where heat pipes
run. Their numbers are guesses.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.simulation.config import DetectorConfig
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Detector", "PixelKind", "draw_detector", "efficiency", "layer_transmission"]


_CDTE_THICKNESS = 0.1
_CDTE_DENSITY = 5.85
_LAYERS = (0.7, 1.4, 2.1, 2.8)
"""Extra dead layers of low-efficiency pixels, in units of the normal one (guess)."""
_HEAT_PIPE_WIDTH = 3.0
"""e-folding distance of the heat-pipe noise from the two sides, pixels (guess)."""
_NOISE_RATES = (0.5, 20.0)
"""Range of the rates of noisy pixels, counts per second (guess)."""


class PixelKind(IntEnum):
    """What a pixel is."""

    GOOD = 0
    DEAD = 1
    NOISY = 2
    LOW_EFFICIENCY = 3
    HIGH_THRESHOLD = 4


@dataclass(frozen=True, slots=True)
class Detector:
    """The truth about every pixel; arrays of shape (n_pixels,), in the order of ``detnum``."""

    gain: FloatArray
    """True gain now, keV per channel."""
    offset: FloatArray
    """True offset now, keV."""
    table_gain: FloatArray
    """Gain when the last calibration table was made."""
    table_offset: FloatArray
    """Offset when the last calibration table was made."""
    kind: npt.NDArray[np.uint8]
    """:class:`PixelKind`."""
    efficiency: FloatArray
    """Efficiency relative to the model; 0 for a dead pixel."""
    layer: FloatArray
    """Extra dead layer, in units of the normal one."""
    threshold: FloatArray
    """Low threshold, keV."""
    noise: FloatArray
    """Rate of electronic noise, counts per second."""
    heat_pipe: FloatArray
    """Rate of heat-pipe noise, counts per second."""
    fwhm: FloatArray
    """Electronic resolution, keV FWHM."""
    missing_neighbours: FloatArray
    """Share of its four neighbours that do not exist or count nothing."""
    config: DetectorConfig
    channels: int
    plane: int
    """Pixels of the whole plane, of which these may be a part."""

    def __len__(self) -> int:
        return len(self.gain)

    def sigma(self, energy: FloatArray) -> FloatArray:
        """Energy resolution (1 σ, keV) at an energy, of a pixel without a scatter of its own."""
        fwhm_squared = self.config.fwhm**2 + self.config.fwhm_slope * energy
        return np.asarray(np.sqrt(fwhm_squared / (8 * np.log(2))))

    @property
    def deviation(self) -> FloatArray:
        """Low threshold less the one that was commanded, keV."""
        raised = self.kind == PixelKind.HIGH_THRESHOLD
        return self.threshold - np.where(raised, self.config.high_threshold, self.config.threshold)

    def edges(self) -> FloatArray:
        """Energies of the channel edges of every pixel, keV, shape (n_pixels, channels + 1)."""
        return self.gain[:, None] * np.arange(self.channels + 1) + self.offset[:, None]

    def head(self, count: int) -> "Detector":
        """The first pixels only."""
        names = (n for n in self.__slots__ if n not in {"config", "channels", "plane"})
        arrays = {n: getattr(self, n)[:count] for n in names}
        return Detector(**arrays, config=self.config, channels=self.channels, plane=self.plane)

    def _repr_html_(self) -> str:
        kinds = "".join(
            f"<tr><td>{k.name.lower().replace('_', ' ')}</td><td>{(self.kind == k).sum()}</td></tr>"
            for k in PixelKind
        )
        return f"<table><tr><th>simulated pixels</th><th>{len(self)}</th></tr>{kinds}</table>"


def _missing_neighbours(instrument: Instrument, alive: BoolArray) -> FloatArray:
    rows, columns = instrument.pixels.rows, instrument.pixels.columns
    there = np.zeros((rows + 2, columns + 2))
    there[1:-1, 1:-1] = alive.reshape(rows, columns)
    count = there[2:, 1:-1] + there[:-2, 1:-1] + there[1:-1, 2:] + there[1:-1, :-2]
    return 1 - count.ravel() / 4


@cache
def _absorption_table() -> tuple[FloatArray, FloatArray]:
    import xraydb  # noqa: PLC0415, takes seconds: only where it is needed

    energy = np.geomspace(1.0, 400.0, 4000)
    return energy, np.asarray(xraydb.material_mu("CdTe", energy * 1e3, density=_CDTE_DENSITY))


def efficiency(energy: FloatArray) -> FloatArray:
    """Probability that a photon on an open pixel is detected."""
    grid, mu = _absorption_table()
    absorbed = -np.expm1(-np.interp(energy, grid, mu) * _CDTE_THICKNESS)
    return np.asarray(layer_transmission(energy, 1.0) * absorbed)


def layer_transmission(energy: FloatArray, layer: float) -> FloatArray:
    """Transmission of the layers in front of the CdTe, `layer` times the normal one."""
    return np.asarray(np.exp(-1.4 * layer * (4.0 / energy) ** 3.5))


def draw_detector(instrument: Instrument, config: DetectorConfig, rng: np.random.Generator) -> Detector:
    """Draw the truth about every pixel.

    Raises
    ------
    BadArgumentError
        If the shares of bad pixels add up to more than 1.
    """
    n = instrument.pixels.count
    shares = {
        PixelKind.DEAD: config.dead_fraction,
        PixelKind.NOISY: config.noisy_fraction,
        PixelKind.LOW_EFFICIENCY: config.low_efficiency_fraction,
        PixelKind.HIGH_THRESHOLD: config.high_threshold_fraction,
    }
    if sum(shares.values()) > 1:
        raise BadArgumentError(f"shares of bad pixels add up to {sum(shares.values())}, expected at most 1")
    table_gain = instrument.energy.gain * (1 + config.gain_scatter * rng.standard_normal(n))
    table_offset = instrument.energy.offset + config.offset_scatter * rng.standard_normal(n)
    moved = 1 + config.gain_shift + config.gain_shift_scatter * rng.standard_normal(n)
    kind = np.zeros(n, np.uint8)
    order = rng.permutation(n)
    first = 0
    for k, share in shares.items():
        last = first + round(share * n)
        kind[order[first:last]] = k
        first = last
    relative = np.clip(1 + config.efficiency_scatter * rng.standard_normal(n), 0.1, None)
    layer = np.where(kind == PixelKind.LOW_EFFICIENCY, rng.choice(_LAYERS, n), 0.0)
    threshold = config.threshold + config.threshold_scatter * rng.standard_normal(n)
    noise = np.exp(rng.uniform(math.log(_NOISE_RATES[0]), math.log(_NOISE_RATES[1]), n))
    y, _ = instrument.pixels.yz(np.arange(n))
    side = np.exp(-np.minimum(y, instrument.pixels.columns - 1 - y) / _HEAT_PIPE_WIDTH)
    alive = kind != PixelKind.DEAD
    fwhm = np.full(n, config.fwhm)
    if config.fwhm_scatter > 0:
        fwhm *= np.clip(1 + config.fwhm_scatter * rng.standard_normal(n), 0.3, None)
    return Detector(
        gain=table_gain * moved,
        offset=table_offset,
        table_gain=table_gain,
        table_offset=table_offset,
        kind=kind,
        efficiency=np.where(alive, relative, 0.0),
        layer=layer,
        threshold=np.where(kind == PixelKind.HIGH_THRESHOLD, config.high_threshold, threshold),
        noise=np.where(kind == PixelKind.NOISY, noise, 0.0),
        heat_pipe=np.where(alive, config.heat_pipe_rate * side / side.sum(), 0.0),
        fwhm=fwhm,
        missing_neighbours=_missing_neighbours(instrument, alive),
        config=config,
        channels=instrument.energy.channels,
        plane=n,
    )
