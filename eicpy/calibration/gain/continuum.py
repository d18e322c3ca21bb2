"""The shape of the camera's continuum within a block: a power law, its curvature, and what edges do to it.

Above the K edge of one of the crystal's own elements part of the photons lose a fluorescence photon to a
neighbour or to space. Where the rest stays below the threshold, or the neighbour is hit, the photon is
missing among the singles. The rate falls at the edge and recovers: at once as soon as the rest passes the
threshold, about 1 keV above the edge, and slowly as photons are absorbed deeper in the crystal. A step
alone, which never recovers, leaves a bow behind that looks like the Kβ line of Cd (26.1 keV) and the Kα
line of Te (27.4 keV). Hence

    κ(E) = (E/Ē)^α · [1 + a₃·u³ + a₄·u⁴ − Σ_edges Σ_L s_L·R_L(E − E_edge)],
    R_L(x) = Θ(x)·exp(−x/L) blurred with the resolution, L = ∞, 4 and 1 keV,

where u runs from −1 to 1 over the block. The lines' energies do not depend on it, and neither does κ itself
on a single pixel: its numbers are fitted to the sum of all.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from eicpy.typing import FloatArray

__all__ = ["BlockContinuum", "shape_tables"]

CURVATURE_TOLERANCE = (
    0.05  # of the continuum's level; what a cubic or quartic term may do if the counts insist
)
EDGE_TOLERANCE = 0.1  # relative depth of each part of an edge
RECOVERY = (np.inf, 4.0, 1.0)  # keV over which the parts of an edge recover
MARGIN = 2.0  # keV; how far beyond a block its shape is tabulated
GRID = 256
LIMITS = (0.3, 3.0)  # of the factor on the power law


@dataclass(frozen=True, slots=True)
class BlockContinuum:
    """κ of one block.

    Parameters
    ----------
    low, high
        Ends of the block, keV.
    index
        α of the power law.
    sigma
        Resolution, keV.
    edges
        Absorption edges, keV.
    coefficients
        a₃, a₄, then the parts of each edge, shape (n_terms,).
    """

    low: float
    high: float
    index: float
    sigma: float
    edges: tuple[float, ...]
    coefficients: FloatArray

    @property
    def tolerance(self) -> FloatArray:
        """1 σ around 0 of each coefficient, shape (n_terms,)."""
        return np.array([CURVATURE_TOLERANCE] * 2 + [EDGE_TOLERANCE] * (len(RECOVERY) * len(self.edges)))

    def law(self, energy: FloatArray) -> FloatArray:
        """The power law alone, 1 in the middle of the block."""
        near = np.clip(energy, 0.5 * self.low, 2.0 * self.high)  # whatever scale a fit tries
        result: FloatArray = (near / (0.5 * (self.low + self.high))) ** self.index
        return result

    def terms(self, energy: FloatArray) -> FloatArray:
        """What each coefficient multiplies, shape (energy.size, n_terms)."""
        u = np.clip((2.0 * energy - self.low - self.high) / (self.high - self.low), -2.0, 2.0)
        columns = [u**3, u**4]
        for edge in self.edges:
            x = np.clip((energy - edge) / self.sigma, -100.0, 100.0)
            columns += [-_recovering(x, self.sigma / length) for length in RECOVERY]
        return np.stack(columns, axis=1)

    def __call__(self, energy: FloatArray) -> FloatArray:
        """κ at energies in keV."""
        factor = 1.0 + self.terms(energy) @ self.coefficients
        result: FloatArray = self.law(energy) * np.clip(factor, *LIMITS)
        return result


def _recovering(x: FloatArray, rate: float) -> FloatArray:
    """Θ(x)·exp(−rate·x) blurred with a normal distribution of unit width."""
    if rate == 0.0:
        step: FloatArray = ndtr(x)
        return step
    blurred: FloatArray = np.exp(0.5 * rate**2 - rate * x + log_ndtr(x - rate))
    return blurred


def shape_tables(blocks: list[BlockContinuum]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Tables that kernels interpolate: values and slopes, first energies, steps.

    Returns
    -------
    tuple of numpy.ndarray
        Shapes (n_blocks, n_grid, 2), (n_blocks,), (n_blocks,).
    """
    low = np.array([block.low - MARGIN for block in blocks])
    step = (np.array([block.high + MARGIN for block in blocks]) - low) / (GRID - 1)
    tables = np.empty((len(blocks), GRID, 2))
    for b, block in enumerate(blocks):
        values = block(low[b] + step[b] * np.arange(-2, GRID + 2))
        tables[b, :, 0] = values[2:-2]
        # central differences of fourth order: the resolution is many steps of the grid
        tables[b, :, 1] = (8.0 * (values[3:-1] - values[1:-3]) - (values[4:] - values[:-4])) / (
            12.0 * step[b]
        )
    return tables, low, step
