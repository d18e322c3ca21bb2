"""Slow drift of all pixels: the temperature of the plane, and the polarisation of its crystals.

The temperature of a sector is the one that its housekeeping reports (``DPIX_TEMPELS1`` …) but for the noise
of the sensor, with its excursions. The gain follows it,

    g(T) = g₀·(1 + c·(T − T₀)),

and the crystals polarise: space charge builds up while the high voltage is on, and ever less charge is
collected,

    q(t) = 1 − L·(1 − exp(−t/τ)),

with t the time since the high voltage came up, which it does behind the South Atlantic Anomaly. CdTe with
Schottky contacts does polarise (arXiv:1003.0455: stable for more than a day at −20 °C and 600 V; in flight it
is 300 V); c, L and τ in flight are not public. They are guesses, and c and L are 0 by default.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from eicpy.simulation.config import DriftConfig, ExcursionConfig
from eicpy.typing import FloatArray

__all__ = ["Drift", "NoDrift", "PlaneDrift", "trapezoid"]

_SWING = 0.4
"""Swing of the plane's temperature with the orbit, K (guess)."""
_STEP = 0.05
"""What one sector is warmer than the one before, K (guess)."""


class Drift(Protocol):
    """What all pixels have in common at a time."""

    moves: bool
    """Whether anything drifts at all."""

    def gain(self, time: FloatArray) -> FloatArray:
        """Factor on the gains of each sector, shape (n, sectors)."""

    def charge(self, time: FloatArray) -> FloatArray:
        """Share of the charge that is collected, shape (n,)."""


class NoDrift:
    """Nothing drifts."""

    moves = False

    def gain(self, time: FloatArray) -> FloatArray:
        """1."""
        return np.ones((len(time), 1))

    def charge(self, time: FloatArray) -> FloatArray:
        """1."""
        return np.ones(len(time))


def trapezoid(time: FloatArray, excursion: ExcursionConfig) -> FloatArray:
    """Weight of an excursion, 0 to 1: edges of a tenth of its duration, at most 10 s."""
    edge = min(excursion.duration / 10, 10.0)
    after, before = time - excursion.start, excursion.start + excursion.duration - time
    return np.clip(np.minimum(after, before) / edge, 0.0, 1.0)


class PlaneDrift:
    """Drift of a plane in orbit.

    Parameters
    ----------
    config
        What drifts.
    sectors
        Number of sectors.
    period
        Of the orbit, s.
    off
        Times without high voltage, s after the start of the simulation.
    excursions
        Of housekeeping; those of a sector's temperature are real.
    """

    def __init__(
        self,
        config: DriftConfig,
        sectors: int,
        period: float,
        off: Sequence[tuple[float, float]],
        excursions: Sequence[ExcursionConfig],
    ) -> None:
        self.moves = config.moves
        self._config = config
        self._number = np.arange(1, sectors + 1)
        self._period = period
        self._up = np.array([-config.powered, *(stop for _, stop in off)])
        self._excursions = [
            [e for e in excursions if e.parameter == f"DPIX_TEMPELS{k}"] for k in self._number
        ]

    def normal_temperature(self, time: FloatArray) -> FloatArray:
        """Temperature of each sector without excursions, °C, shape (n, sectors)."""
        phase = np.asarray(time)[:, None] / self._period + self._number / 8
        swing = _SWING * np.sin(2 * np.pi * phase)
        return np.asarray(self._config.temperature + _STEP * self._number + swing)

    def temperature(self, time: FloatArray) -> FloatArray:
        """Temperature of each sector, °C, shape (n, sectors)."""
        result = self.normal_temperature(time)
        for column, excursions in enumerate(self._excursions):
            for excursion in excursions:
                weight = trapezoid(time, excursion)
                result[:, column] += weight * (excursion.value - result[:, column])
        return result

    def gain(self, time: FloatArray) -> FloatArray:
        """Factor on the gains of each sector, shape (n, sectors)."""
        c = self._config
        return 1 + c.gain_per_kelvin * (self.temperature(time) - c.reference)

    def charge(self, time: FloatArray) -> FloatArray:
        """Share of the charge that is collected, shape (n,)."""
        last = np.searchsorted(self._up, time, side="right") - 1
        since = np.maximum(time - self._up[np.maximum(last, 0)], 0.0)
        return np.asarray(1 + self._config.polarisation * np.expm1(-since / self._config.polarisation_time))
