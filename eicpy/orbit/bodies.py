"""Sun, Moon, planets and the Earth as the satellite sees them.

From a low orbit the Moon stands up to a degree from where the centre of the Earth sees it, twice its own
diameter. So directions here are from the satellite: the body's place when its light left it, minus the
place of the satellite. Aberration (20″ by the Earth's motion, 5″ by the satellite's) is left out, for stars
as for bodies, so that what stands on one line in the sky does so here too.

The places are those of the ephemerides that come with astropy (Chapront-Touzé & Chapront 1988 for the Moon;
Bretagnon & Francou 1988 and Simon et al. 1994 for Earth and planets): good to a few arcseconds for Sun and
Moon, an arcminute for planets. Nothing is downloaded.
"""

import numpy as np
import numpy.typing as npt

from eicpy.errors import NotFoundError
from eicpy.orbit.circular import EARTH_RADIUS
from eicpy.orbit.directions import separation
from eicpy.times import to_time
from eicpy.typing import FloatArray

__all__ = ["BODIES", "apparent_radius", "body_direction", "earth_angle", "earth_radius", "surroundings"]

BODIES = {
    "sun": 695_700.0,
    "moon": 1_737.4,
    "mercury": 2_439.7,
    "venus": 6_051.8,
    "mars": 3_389.5,
    "jupiter": 69_911.0,
    "saturn": 58_232.0,
}
"""Bodies and their mean radius, km (IAU 2015 nominal for the Sun; Archinal et al. 2018 for the others)."""
_LIGHT = 299_792.458


def _vector(body: str, time: npt.ArrayLike, position: npt.ArrayLike | None) -> FloatArray:
    """From the satellite to a body, km, shape (…, 3)."""
    from astropy.coordinates import get_body_barycentric  # noqa: PLC0415, takes most of a second: only where needed

    if body not in BODIES:
        raise NotFoundError(f"got body {body!r}, expected one of {', '.join(BODIES)}")
    seconds = np.asarray(time, np.float64)

    def place(name: str, at: FloatArray) -> FloatArray:
        xyz = get_body_barycentric(name, to_time(at), ephemeris="builtin").xyz
        return np.moveaxis(np.asarray(xyz.to_value("km"), np.float64), 0, -1)

    observer = place("earth", seconds)
    if position is not None:
        observer = observer + np.asarray(position, np.float64)
    vector = place(body, seconds) - observer
    for _ in range(2):  # the light left it earlier
        vector = place(body, seconds - np.linalg.norm(vector, axis=-1) / _LIGHT) - observer
    return vector


def body_direction(body: str, time: npt.ArrayLike, position: npt.ArrayLike | None = None) -> FloatArray:
    """Unit vectors towards a body, ICRS.

    Parameters
    ----------
    body
        One of :data:`BODIES`.
    time
        Seconds TT since 2017-01-01T00:00:00 UTC, shape (…).
    position
        The satellite's place from the centre of the Earth, km, shape (…, 3); the centre itself where None.

    Returns
    -------
    numpy.ndarray
        Shape (…, 3).

    Raises
    ------
    NotFoundError
        For a body that is not known.
    """
    vector = _vector(body, time, position)
    return np.asarray(vector / np.linalg.norm(vector, axis=-1, keepdims=True))


def apparent_radius(body: str, time: npt.ArrayLike, position: npt.ArrayLike | None = None) -> FloatArray:
    """Half-angle under which a body is seen, radians; parameters as for :func:`body_direction`."""
    vector = _vector(body, time, position)
    return np.asarray(np.arcsin(BODIES[body] / np.linalg.norm(vector, axis=-1)))


def earth_angle(position: FloatArray, direction: FloatArray) -> FloatArray:
    """Angle between directions and the centre of the Earth, radians.

    Parameters
    ----------
    position
        The satellite's place, any unit of length, shape (…, 3).
    direction
        Unit vectors, shape (…, 3).
    """
    return np.asarray(separation(-np.asarray(position), direction))


def earth_radius(position: FloatArray) -> FloatArray:
    """Half-angle under which the Earth is seen from places (km), radians.

    The Earth is a sphere without atmosphere, which takes another 1° at 5 keV.
    """
    return np.asarray(np.arcsin(np.clip(EARTH_RADIUS / np.linalg.norm(position, axis=-1), -1.0, 1.0)))


def surroundings(direction: FloatArray, time: npt.ArrayLike, position: FloatArray) -> dict[str, FloatArray]:
    """Angles from a direction to everything bright or dark around it.

    Parameters
    ----------
    direction
        Unit vectors, ICRS, shape (…, 3).
    time
        Seconds TT since 2017-01-01T00:00:00 UTC, shape (…).
    position
        The satellite's place, km, shape (…, 3).

    Returns
    -------
    dict
        Radians by name: the centres of Sun, Moon and planets, and ``earth limb``, negative where the Earth
        hides the direction.
    """
    angles = {
        body: np.asarray(separation(body_direction(body, time, position), direction)) for body in BODIES
    }
    return angles | {"earth limb": earth_angle(position, direction) - earth_radius(position)}
