"""Where the satellite is and how it looks, what it sees of Sun, Moon and Earth, the anomaly."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.orbit.attitude import Attitude, Misalignment
    from eicpy.orbit.bodies import (
        BODIES,
        apparent_radius,
        body_direction,
        earth_angle,
        earth_radius,
        surroundings,
    )
    from eicpy.orbit.circular import EARTH_RADIUS, CircularOrbit, ground_point, sidereal_time
    from eicpy.orbit.directions import (
        right_ascension,
        separation,
        sky_pixels,
        sky_tangents,
        tangent_vector,
        tangents,
        tangents_of,
        theta_phi,
        unit_vector,
    )
    from eicpy.orbit.files import read_attitude, read_orbit, write_attitude, write_orbit
    from eicpy.orbit.frame import EclairsFrame
    from eicpy.orbit.geomagnetic import cutoff_rigidity, geomagnetic_latitude
    from eicpy.orbit.plan import (
        Observation,
        SlewProfile,
        Wander,
        anti_solar_pointing,
        plan_attitude,
        sun_roll,
    )
    from eicpy.orbit.pointing import Pointing
    from eicpy.orbit.saa import SaaPolygon, saa_passages
    from eicpy.orbit.track import Track
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "BODIES",
    "EARTH_RADIUS",
    "Attitude",
    "CircularOrbit",
    "EclairsFrame",
    "Misalignment",
    "Observation",
    "Pointing",
    "SaaPolygon",
    "SlewProfile",
    "Track",
    "Wander",
    "anti_solar_pointing",
    "apparent_radius",
    "body_direction",
    "cutoff_rigidity",
    "earth_angle",
    "earth_radius",
    "geomagnetic_latitude",
    "ground_point",
    "plan_attitude",
    "read_attitude",
    "read_orbit",
    "right_ascension",
    "saa_passages",
    "separation",
    "sidereal_time",
    "sky_pixels",
    "sky_tangents",
    "sun_roll",
    "surroundings",
    "tangent_vector",
    "tangents",
    "tangents_of",
    "theta_phi",
    "unit_vector",
    "write_attitude",
    "write_orbit",
]
