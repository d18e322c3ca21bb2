"""The South Atlantic Anomaly: where trapped protons are too many to observe.

The contour is a polygon in longitude and latitude, read from a table. The one that ECLAIRs flies is not
public; the table in ``instruments/eclairs`` is ours: a plausible shape for 618 km that costs the share of
time that is reported for the mission (about 13 %).
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.orbit.circular import CircularOrbit
from eicpy.typing import BoolArray, FloatArray

__all__ = ["SaaPolygon", "saa_passages"]


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

    @classmethod
    def from_csv(cls, file: Path) -> Self:
        """Read a contour.

        Parameters
        ----------
        file
            A comment line ``# name``, then columns longitude_deg, latitude_deg: one row a corner.

        Raises
        ------
        BadDataError
            For a missing column or a value that is not a number.
        """
        with Path(file).open(newline="", encoding="utf-8") as stream:
            name = stream.readline().lstrip("# ").strip()
            try:
                corners = [
                    (float(r["longitude_deg"]), float(r["latitude_deg"])) for r in csv.DictReader(stream)
                ]
            except (KeyError, TypeError, ValueError) as error:
                raise BadDataError(
                    f"got {error}, expected numbers in the columns longitude_deg and latitude_deg", file=file
                ) from error
        return cls(name, tuple(x for x, _ in corners), tuple(y for _, y in corners))

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


def saa_passages(
    orbit: CircularOrbit, polygon: SaaPolygon, start: float, stop: float, *, step: float = 1.0
) -> list[tuple[float, float]]:
    """Passages through the anomaly.

    Parameters
    ----------
    orbit
        The orbit.
    polygon
        The contour.
    start, stop
        Seconds since 2017-01-01T00:00:00 UTC.
    step
        The track is looked at every `step` seconds from `start` on; borders are good to that.

    Returns
    -------
    list of tuple
        (first second inside, first second outside), clipped to [start, stop].

    See Also
    --------
    CircularOrbit.ground_track : The track that is compared with the contour.
    """
    time = np.asarray(start + step * np.arange(int(np.ceil((stop - start) / step))), np.float64)
    inside = np.zeros(len(time) + 2, np.bool_)
    for first in range(0, len(time), 100_000):  # an hour of memory for a mission of time
        part = time[first : first + 100_000]
        inside[1 + first : 1 + first + len(part)] = polygon.contains(*orbit.ground_track(part))
    change = np.flatnonzero(inside[1:] != inside[:-1])
    borders = start + step * change
    return [(float(a), min(float(b), stop)) for a, b in zip(borders[::2], borders[1::2], strict=True)]
