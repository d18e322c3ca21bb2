"""The South Atlantic Anomaly: where trapped protons are too many to observe.

The contour is a polygon in longitude and latitude. The one that ECLAIRs flies is not public; ours is a
plausible shape for 618 km that costs the share of time that is reported for the mission (about 13 %).
"""

from dataclasses import dataclass

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.orbit.circular import CircularOrbit
from eicpy.typing import BoolArray, FloatArray

__all__ = ["REFERENCE_SAA", "SaaPolygon", "saa_passages"]


@dataclass(frozen=True, slots=True)
class SaaPolygon:
    """A closed contour; it must not cross the date line.

    Parameters
    ----------
    name
        What it is, for headers and captions.
    longitude, latitude
        Corners, degrees.
    """

    name: str
    longitude: tuple[float, ...]
    latitude: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.longitude) != len(self.latitude) or len(self.longitude) < 3:
            raise BadArgumentError(
                f"got {len(self.longitude)} longitudes and {len(self.latitude)} latitudes, "
                "expected as many of each, at least 3"
            )

    def contains(self, longitude: FloatArray, latitude: FloatArray) -> BoolArray:
        """Whether points (degrees, arrays of one shape) lie inside, by the even-odd rule."""
        lon, lat = np.broadcast_arrays(np.asarray(longitude, float), np.asarray(latitude, float))
        inside = np.zeros(lon.shape, np.bool_)
        corners = list(zip(self.longitude, self.latitude, strict=True))
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > lat) != (y1 > lat)
            inside ^= crosses & (lon < x0 + (lat - y0) * (x1 - x0) / (y1 - y0))
        return inside


REFERENCE_SAA = SaaPolygon(
    name="eicpy reference SAA contour, not the flight one",
    longitude=(-92.0, -89.0, -77.0, -60.0, -42.0, -25.0, -7.0, 12.0, 30.0, 30.0),
    latitude=(-35.0, -20.0, -7.0, -0.5, 0.5, -5.0, -14.0, -21.0, -27.0, -35.0),
)
"""Our contour."""


def saa_passages(
    orbit: CircularOrbit, start: float, stop: float, *, polygon: SaaPolygon = REFERENCE_SAA, step: float = 1.0
) -> list[tuple[float, float]]:
    """Passages through the anomaly.

    Parameters
    ----------
    orbit
        The orbit.
    start, stop
        Seconds since 2017-01-01T00:00:00 UTC.
    polygon
        The contour.
    step
        The track is looked at every `step` seconds from `start` on; borders are good to that.

    Returns
    -------
    list of tuple
        (first second inside, first second outside), clipped to [start, stop].
    """
    time = np.asarray(start + step * np.arange(int(np.ceil((stop - start) / step))), np.float64)
    inside = np.zeros(len(time) + 2, np.bool_)
    for first in range(0, len(time), 100_000):  # an hour of memory for a mission of time
        part = time[first : first + 100_000]
        inside[1 + first : 1 + first + len(part)] = polygon.contains(*orbit.ground_track(part))
    change = np.flatnonzero(inside[1:] != inside[:-1])
    borders = start + step * change
    return [(float(a), min(float(b), stop)) for a, b in zip(borders[::2], borders[1::2], strict=True)]
