"""The Earth's magnetic field as a dipole: which cosmic rays reach the satellite.

A particle of rigidity p·c/q from straight above reaches a place if it has more than the vertical cut-off,

    R = 14.5 GV · cos⁴Λ / r²

with the geomagnetic latitude Λ and the distance r from the centre in radii of the Earth (Störmer's formula
with the constant of Smart & Shea 2005, Adv. Space Res. 36, 2012: 14.5/L²). The dipole is centred, its pole
that of IGRF-13 for 2020 (80.65° N, 72.68° W): real cut-offs differ by up to a quarter (guess), most in the
South Atlantic.
"""

import numpy as np

from eicpy.orbit.circular import ground_point
from eicpy.orbit.directions import unit_vector
from eicpy.typing import FloatArray

__all__ = ["cutoff_rigidity", "geomagnetic_latitude"]

_POLE = unit_vector(np.radians(-72.68), np.radians(80.65))
_EQUATOR = 14.5
_RADIUS = 6371.2


def geomagnetic_latitude(position: FloatArray, time: FloatArray) -> FloatArray:
    """Latitude in the dipole's frame, radians.

    Parameters
    ----------
    position
        Inertial equatorial frame, km, shape (n, 3).
    time
        Seconds since 2017-01-01T00:00:00 UTC, shape (n,).
    """
    longitude, latitude, _ = ground_point(position, time)
    place = unit_vector(np.radians(longitude), np.radians(latitude))
    return np.asarray(np.arcsin(np.clip(place @ _POLE, -1.0, 1.0)))


def cutoff_rigidity(position: FloatArray, time: FloatArray) -> FloatArray:
    """Vertical cut-off rigidity, GV, shape (n,); parameters as for :func:`geomagnetic_latitude`.

    Examples
    --------
    >>> place = np.array([[6989.0, 0.0, 0.0]])
    >>> bool(9 < cutoff_rigidity(place, np.zeros(1))[0] < 12.1)
    True
    """
    radius = np.linalg.norm(position, axis=-1) / _RADIUS
    return np.asarray(_EQUATOR * np.cos(geomagnetic_latitude(position, time)) ** 4 / radius**2)
