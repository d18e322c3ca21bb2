"""A circular low orbit: where the satellite is, what is below it, how much sky the Earth hides.

The semi-major axis a = R + h gives the period 2π·√(a³/μ): 97 min at 618 km. The flattening of the Earth
turns the node by −(3/2)·J₂·(R/a)²·n·cos i, −6.3° a day there (first order, secular terms only).

Accuracy, on purpose modest: the orbit is a model, not an ephemeris. Sidereal time is the IAU 1982 series
with UT1 = UTC (0.9 s, 0.004°) and no leap second after 2017-01-01; the equator of date is taken for that
of J2000 (0.4° in 2026); latitudes are geocentric (0.2°); the Earth is a sphere. Nothing is downloaded.
"""

import math
from dataclasses import dataclass

import astropy.units as u
import numpy as np

from eicpy.orbit.directions import separation
from eicpy.typing import FloatArray

__all__ = ["EARTH_RADIUS", "CircularOrbit", "ground_point", "sidereal_time"]


EARTH_RADIUS = 6371.0
"""Mean radius, km."""
_EQUATORIAL_RADIUS = 6378.137
_MU = 398600.4418
_J2 = 1.08262668e-3
_DAYS_FROM_J2000 = 57754.0 - 51544.5


def sidereal_time(time: FloatArray) -> FloatArray:
    """Greenwich mean sidereal time, radians in [0, 2π).

    Parameters
    ----------
    time
        Seconds since 2017-01-01T00:00:00 UTC.

    References
    ----------
    Aoki et al. 1982, A&A 105, 359.
    """
    days = np.asarray(time, np.float64) / 86400.0 + _DAYS_FROM_J2000
    degrees = 280.46061837 + 360.98564736629 * days + 0.000387933 * (days / 36525.0) ** 2
    return np.asarray(np.radians(degrees % 360.0))


def ground_point(position: FloatArray, time: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Longitude east in [−180, 180) and latitude of the point below places, degrees, and altitude, km.

    Parameters
    ----------
    position
        Inertial equatorial frame, km, shape (n, 3).
    time
        Seconds since 2017-01-01T00:00:00 UTC, shape (n,).
    """
    x, y, z = np.moveaxis(np.asarray(position, np.float64), -1, 0)
    radius = np.sqrt(x * x + y * y + z * z)
    longitude = np.degrees(np.arctan2(y, x) - sidereal_time(time))
    latitude = np.degrees(np.arcsin(np.clip(z / radius, -1.0, 1.0)))
    return (longitude + 180.0) % 360.0 - 180.0, latitude, radius - EARTH_RADIUS


@dataclass(frozen=True, slots=True)
class CircularOrbit:
    """A circular orbit.

    Parameters
    ----------
    epoch
        Time at which `node` and `argument` hold, seconds since 2017-01-01T00:00:00 UTC.
    altitude
        km above a sphere of 6371 km.
    inclination, node, argument
        Inclination, right ascension of the ascending node, angle from the node, radians.

    See Also
    --------
    saa_passages : Times inside the anomaly.
    Pointing : Direction of the camera.
    """

    epoch: float
    altitude: float
    inclination: float
    node: float
    argument: float

    @classmethod
    def of(
        cls,
        epoch: float,
        altitude: u.Quantity[u.km] = 618 * u.km,
        inclination: u.Quantity[u.deg] = 29 * u.deg,
        node: u.Quantity[u.deg] = 0 * u.deg,
        argument: u.Quantity[u.deg] = 0 * u.deg,
    ) -> "CircularOrbit":
        """Orbit from quantities; the defaults are the mean of the positions in public alerts, 2025-26.

        Examples
        --------
        >>> round(CircularOrbit.of(0.0).period / 60, 1)
        96.9
        """
        angles = (inclination.to_value(u.rad), node.to_value(u.rad), argument.to_value(u.rad))
        return cls(epoch, float(altitude.to_value(u.km)), *(float(a) for a in angles))

    @property
    def radius(self) -> float:
        """Distance from the Earth's centre, km."""
        return EARTH_RADIUS + self.altitude

    @property
    def period(self) -> float:
        """Time from node to node in inertial space, s."""
        return 2 * math.pi * math.sqrt(self.radius**3 / _MU)

    @property
    def node_rate(self) -> float:
        """Drift of the ascending node, radians per second."""
        flattening = 1.5 * _J2 * (_EQUATORIAL_RADIUS / self.radius) ** 2
        return -flattening * 2 * math.pi / self.period * math.cos(self.inclination)

    @property
    def limb_angle(self) -> float:
        """Half-angle under which the Earth is seen, radians."""
        return math.asin(EARTH_RADIUS / self.radius)

    def position(self, time: FloatArray) -> FloatArray:
        """Position in the inertial equatorial frame, km.

        Parameters
        ----------
        time
            Seconds since 2017-01-01T00:00:00 UTC, shape (n,).

        Returns
        -------
        numpy.ndarray
            Shape (n, 3).
        """
        elapsed = np.asarray(time, np.float64) - self.epoch
        phase = self.argument + 2 * np.pi * elapsed / self.period
        node = self.node + self.node_rate * elapsed
        along, across = np.cos(phase), np.sin(phase)
        x = along * np.cos(node) - across * math.cos(self.inclination) * np.sin(node)
        y = along * np.sin(node) + across * math.cos(self.inclination) * np.cos(node)
        z = across * math.sin(self.inclination)
        return self.radius * np.stack([x, y, z], axis=-1)

    def velocity(self, time: FloatArray) -> FloatArray:
        """Velocity in the inertial equatorial frame, km/s, shape (n, 3): the derivative of the position."""
        elapsed = np.asarray(time, np.float64) - self.epoch
        phase = self.argument + 2 * np.pi * elapsed / self.period
        node = self.node + self.node_rate * elapsed
        cosine = math.cos(self.inclination)
        speed = 2 * math.pi / self.period
        along, across = -np.sin(phase) * speed, np.cos(phase) * speed
        x = along * np.cos(node) - across * cosine * np.sin(node)
        y = along * np.sin(node) + across * cosine * np.cos(node)
        place = self.position(time)
        turning = self.node_rate * np.stack([-place[..., 1], place[..., 0], 0 * x], axis=-1)
        return np.asarray(
            self.radius * np.stack([x, y, across * math.sin(self.inclination)], axis=-1) + turning
        )

    def ground_track(self, time: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Longitude east in [−180, 180) and latitude of the point below the satellite, degrees."""
        longitude, latitude, _ = ground_point(self.position(time), time)
        return longitude, latitude

    def earth_angle(self, time: FloatArray, direction: FloatArray) -> FloatArray:
        """Angle between a direction and the Earth's centre, radians.

        Parameters
        ----------
        time
            Shape (n,).
        direction
            Unit vector in the inertial frame, shape (3,) or (n, 3).

        Returns
        -------
        numpy.ndarray
            Shape (n,); the direction is hidden where it is below :attr:`limb_angle`.
        """
        return np.asarray(separation(-self.position(time), direction))
