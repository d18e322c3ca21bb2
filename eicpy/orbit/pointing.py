"""Where the camera looks at one moment.

The line-of-sight frame has x along the pointing; y and z span the detector plane (see
``eicpy.instruments.pixels``). `roll` is the angle of +z from north towards east; y = z × x, so that at
roll 0 y points east.
"""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt

from eicpy.orbit import directions, quaternions
from eicpy.orbit.directions import right_ascension, unit_vector
from eicpy.typing import FloatArray

__all__ = ["Pointing"]


@dataclass(frozen=True, slots=True)
class Pointing:
    """A fixed pointing; right ascension, declination and roll in radians (ICRS).

    See Also
    --------
    Attitude : A pointing that changes with time.
    EclairsFrame : The camera's frame for astropy's coordinates.
    """

    ra: float
    dec: float
    roll: float

    @classmethod
    def of(
        cls, ra: u.Quantity[u.deg], dec: u.Quantity[u.deg], roll: u.Quantity[u.deg] = 0 * u.deg
    ) -> "Pointing":
        """Pointing from quantities."""
        return cls(*(float(a.to_value(u.rad)) for a in (ra, dec, roll)))

    @classmethod
    def of_rotation(cls, rotation: FloatArray) -> "Pointing":
        """Pointing of a matrix from ICRS vectors to the line-of-sight frame, shape (3, 3)."""
        x, _, z = rotation
        ra, dec = right_ascension(x)
        east = np.array([-np.sin(ra), np.cos(ra), 0.0])
        roll = float(np.arctan2(z @ east, z @ np.cross(x, east))) % (2 * np.pi)
        return cls(float(ra), float(dec), roll)

    @property
    def rotation(self) -> FloatArray:
        """Matrix from ICRS vectors to the line-of-sight frame, shape (3, 3)."""
        x = unit_vector(self.ra, self.dec)
        east = np.array([-np.sin(self.ra), np.cos(self.ra), 0.0])
        z = np.cos(self.roll) * np.cross(x, east) + np.sin(self.roll) * east
        return np.stack([x, np.cross(z, x), z])

    @property
    def quaternion(self) -> FloatArray:
        """The same rotation as (scalar, x, y, z), scalar ≥ 0, shape (4,)."""
        return quaternions.from_matrix(self.rotation)

    def rotation_at(self, time: npt.ArrayLike) -> FloatArray:
        """The same matrix for every time, shape (…, 3, 3), as :meth:`Attitude.rotation_at` gives it."""
        return np.broadcast_to(self.rotation, (*np.shape(time), 3, 3))

    def tangents(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Any, Any]:
        """Tangents (ty, tz) of directions in radians; NaN behind the camera.

        Examples
        --------
        >>> ty, tz = Pointing(0.0, 0.0, 0.0).tangents(0.1, 0.0)
        >>> round(float(ty), 4), round(float(tz), 4)
        (0.1003, 0.0)
        """
        return directions.tangents(unit_vector(ra, dec) @ self.rotation.T)
