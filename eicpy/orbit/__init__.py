"""Where the satellite is, where it looks, what the Earth hides, when it crosses the anomaly."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.orbit.circular import EARTH_RADIUS, CircularOrbit, sidereal_time
    from eicpy.orbit.pointing import Pointing, unit_vector
    from eicpy.orbit.saa import SaaPolygon, saa_passages
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "EARTH_RADIUS",
    "CircularOrbit",
    "Pointing",
    "SaaPolygon",
    "saa_passages",
    "sidereal_time",
    "unit_vector",
]
