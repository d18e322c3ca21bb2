"""Where the satellite was: places and velocities at times, between which it moves smoothly.

Between two entries the place is the cubic that has both places and both velocities (Hermite): at 1 Hz and
7 km/s it is good to a fraction of a millimetre. Entries that lie further apart than `longest` have a gap
between them that is not bridged.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError, MissingDataError
from eicpy.orbit import entries
from eicpy.orbit.circular import CircularOrbit
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Track"]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Places in the order of their times.

    Parameters
    ----------
    time
        Seconds TT since 2017-01-01T00:00:00 UTC, increasing, shape (n,).
    position, velocity
        Inertial equatorial frame of J2000, km and km/s, shape (n, 3).
    longest
        Longest time between two entries that is interpolated, s.
    name
        Where it comes from, for messages.

    Raises
    ------
    BadDataError
        For arrays of other shapes, times that do not increase, places inside the Earth.
    """

    time: FloatArray
    position: FloatArray
    velocity: FloatArray
    longest: float = 60.0
    name: str = "orbit"

    def __post_init__(self) -> None:
        n = len(self.time)
        if self.position.shape != (n, 3) or self.velocity.shape != (n, 3) or n < 1:
            raise BadDataError(
                f"{self.name}: got {n} times, places {self.position.shape} and velocities "
                f"{self.velocity.shape}, expected (n,), (n, 3) and (n, 3) with n ≥ 1"
            )
        entries.check_order(self.time, self.name)
        radius = np.linalg.norm(self.position, axis=1)
        if not (radius > 6300.0).all():
            raise BadDataError(
                f"{self.name}: got a place {radius.min():.6g} km from the Earth's centre, "
                "expected more than 6300"
            )

    @classmethod
    def of_orbit(cls, orbit: CircularOrbit, time: FloatArray) -> "Track":
        """Places of an orbit at times."""
        time = np.asarray(time, np.float64)
        return cls(time, orbit.position(time), orbit.velocity(time), name="circular orbit")

    def __len__(self) -> int:
        return len(self.time)

    def known(self, time: npt.ArrayLike) -> BoolArray:
        """Whether the place is known at times."""
        return entries.known(self.time, time, self.longest)

    def position_at(self, time: npt.ArrayLike) -> FloatArray:
        """Places at times, km, shape (…, 3).

        Raises
        ------
        MissingDataError
            If the place is not known at one of the times.
        """
        time = np.asarray(time, np.float64)
        unknown = ~self.known(time)
        if unknown.any():
            raise MissingDataError(
                f"{self.name}: got {int(unknown.sum())} of {time.size} times without position, the first "
                f"{float(time[unknown].ravel()[0]):.3f} s; it is known from {self.time[0]:.3f} to "
                f"{self.time[-1]:.3f} s"
            )
        if len(self) == 1:
            return np.broadcast_to(self.position[0], (*time.shape, 3))
        first = entries.entry_before(self.time, time)
        step = (self.time[first + 1] - self.time[first])[..., None]
        s = (time - self.time[first])[..., None] / step
        return np.asarray(
            (1 + 2 * s) * (1 - s) ** 2 * self.position[first]
            + s * (1 - s) ** 2 * step * self.velocity[first]
            + s**2 * (3 - 2 * s) * self.position[first + 1]
            + s**2 * (s - 1) * step * self.velocity[first + 1]
        )
