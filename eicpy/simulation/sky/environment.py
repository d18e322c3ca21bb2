"""What particles do to the background in the course of an orbit.

- Cosmic rays above the geomagnetic cut-off R reach the satellite: their counts go as R^−slope, with a mean of
  1 over the day that begins with the simulation.
- Around a passage through the anomaly trapped particles leave counts that fall as exp(−t/wing time) before
  and after it.
- Protons inside make radioactive nuclei. With λ = ln 2/half-life a passage of length T leaves
  A·(1 − exp(−λT))·exp(−λt) counts per second at t after its end, for A after an endless one. Passages of the
  day before the start count as well.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.orbit import CircularOrbit, SaaPolygon, cutoff_rigidity, saa_passages
from eicpy.simulation.config import EnvironmentConfig
from eicpy.typing import FloatArray

__all__ = ["ParticleEnvironment"]

_DAY = 86400.0
_COARSE = 60.0
_FORGOTTEN = 2 * _DAY
"""How long a passage is remembered, s."""
_REACH = 8.0
"""Wing times after which a wing is over: 0.03 % of its height."""


@dataclass(frozen=True, slots=True, eq=False)
class ParticleEnvironment:
    """Rates of particles, all times in seconds after the start of the simulation.

    Parameters
    ----------
    config
        What is on, and how much.
    orbit
        Of the satellite.
    start
        Of the simulation, s since 2017-01-01T00:00:00 UTC.
    passages
        (begin, end) of passages through the anomaly, those of the day before among them, shape (n, 2).
    level
        Mean of cut-off^−slope over a day.
    """

    config: EnvironmentConfig
    orbit: CircularOrbit
    start: float
    passages: FloatArray
    level: float

    @classmethod
    def of(
        cls,
        config: EnvironmentConfig,
        orbit: CircularOrbit,
        contour: SaaPolygon | None,
        start: float,
        duration: float,
    ) -> "ParticleEnvironment":
        """The environment of an orbit; without a contour there is no anomaly."""
        passages = np.zeros((0, 2))
        if contour is not None:
            margin = _REACH * config.wing_time
            found = saa_passages(orbit, contour, start - _DAY, start + duration + margin)
            passages = np.array(found, np.float64).reshape(-1, 2) - start
        time = start + np.arange(0.0, _DAY, _COARSE)
        cutoff = cutoff_rigidity(orbit.position(time), time)
        return cls(config, orbit, start, passages, float((cutoff**-config.rigidity_slope).mean()))

    def cutoff(self, time: FloatArray) -> FloatArray:
        """Vertical cut-off rigidity, GV, shape (n,)."""
        return cutoff_rigidity(self.orbit.position(self.start + time), self.start + time)

    def cosmic_rays(self, time: FloatArray) -> FloatArray:
        """Counts of cosmic rays relative to their mean, shape (n,)."""
        if not self.config.rigidity:
            return np.ones(len(time))
        return np.asarray(self.cutoff(time) ** -self.config.rigidity_slope / self.level)

    def trapped(self, time: FloatArray) -> FloatArray:
        """Counts per second of trapped particles, shape (n,); those at the border inside a passage."""
        away = np.full(len(time), np.inf)
        near = (self.passages[:, 1] > time.min(initial=np.inf) - _DAY) & (
            self.passages[:, 0] < time.max(initial=-np.inf) + _DAY
        )
        for begin, end in self.passages[near]:
            away = np.minimum(away, np.maximum(np.maximum(begin - time, time - end), 0.0))
        return np.asarray(self.config.wings * np.exp(-away / self.config.wing_time))

    def activation(self, time: FloatArray) -> FloatArray:
        """Counts per second of decays, shape (n,)."""
        result = np.zeros(len(time))
        begun = self.passages[self.passages[:, 0] < time.max(initial=-np.inf)]
        recent = begun[begun[:, 1] > time.min(initial=np.inf) - _FORGOTTEN]
        for begin, end in recent:
            for minutes, rate in self.config.activation:
                decay = np.log(2) / (60.0 * minutes)
                inside = np.clip(time - begin, 0.0, end - begin)
                after = np.maximum(time - end, 0.0)
                result += rate * -np.expm1(-decay * inside) * np.exp(-decay * after)
        return result

    def is_fast(self, begin: float, end: float) -> bool:
        """Whether the rate changes much within some seconds: near a passage."""
        reach = _REACH * self.config.wing_time
        near = (self.passages[:, 0] - reach < end) & (self.passages[:, 1] + reach > begin)
        return bool(near.any()) and self.config.wings > 0
