"""Where the camera looks, and sky directions in its own frame.

The line-of-sight frame has x along the pointing; y and z span the detector plane (see
``eicpy.instruments.pixels``). `roll` is the angle of +z from north towards east; y = z × x, so that at
roll 0 y points east. Directions are given as tangents ty = y/x and tz = z/x.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np

from eicpy.typing import FloatArray

__all__ = ["Pointing", "unit_vector"]


def unit_vector(ra: float, dec: float) -> FloatArray:
    """Unit vector of a direction given in radians, shape (3,)."""
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


@dataclass(frozen=True, slots=True)
class Pointing:
    """A fixed pointing; right ascension, declination and roll in radians (ICRS)."""

    ra: float
    dec: float
    roll: float

    @classmethod
    def of(
        cls, ra: u.Quantity[u.deg], dec: u.Quantity[u.deg], roll: u.Quantity[u.deg] = 0 * u.deg
    ) -> "Pointing":
        """Pointing from quantities."""
        return cls(*(float(a.to_value(u.rad)) for a in (ra, dec, roll)))

    @property
    def rotation(self) -> FloatArray:
        """Matrix from ICRS vectors to the line-of-sight frame, shape (3, 3)."""
        x = unit_vector(self.ra, self.dec)
        east = np.array([-np.sin(self.ra), np.cos(self.ra), 0.0])
        z = np.cos(self.roll) * np.cross(x, east) + np.sin(self.roll) * east
        return np.stack([x, np.cross(z, x), z])

    @property
    def quaternion(self) -> FloatArray:
        """The same rotation as (scalar, x, y, z), scalar ≥ 0, shape (4,).

        References
        ----------
        Shuster 1993, Journal of the Astronautical Sciences 41, 439.
        """
        r = self.rotation
        square = np.array(
            [
                1 + r[0, 0] + r[1, 1] + r[2, 2],
                1 + r[0, 0] - r[1, 1] - r[2, 2],
                1 - r[0, 0] + r[1, 1] - r[2, 2],
                1 - r[0, 0] - r[1, 1] + r[2, 2],
            ]
        )
        q = np.sqrt(np.maximum(square, 0.0)) / 2
        big = int(q.argmax())
        products = {
            (0, 1): r[2, 1] - r[1, 2],
            (0, 2): r[0, 2] - r[2, 0],
            (0, 3): r[1, 0] - r[0, 1],
            (1, 2): r[0, 1] + r[1, 0],
            (1, 3): r[0, 2] + r[2, 0],
            (2, 3): r[1, 2] + r[2, 1],
        }
        for other in range(4):
            if other != big:
                q[other] = products[min(big, other), max(big, other)] / (4 * q[big])
        return np.asarray(q if q[0] >= 0 else -q)

    def tangents(self, ra: float, dec: float) -> tuple[float, float]:
        """Tangents (ty, tz) of a direction in radians; NaN behind the camera.

        Examples
        --------
        >>> ty, tz = Pointing(0.0, 0.0, 0.0).tangents(0.1, 0.0)
        >>> round(float(ty), 4), round(float(tz), 4)
        (0.1003, 0.0)
        """
        x, y, z = self.rotation @ unit_vector(ra, dec)
        return (float(y / x), float(z / x)) if x > 0 else (float("nan"), float("nan"))
