"""The camera's line of sight as a frame of astropy's coordinates.

``SkyCoord.transform_to(EclairsFrame(attitude=…, obstime=…))`` gives directions as the camera sees them, and
the way back. In the frame longitude runs in the plane of x and y, from the line of sight towards +y; latitude
from there towards +z. Where no attitude is given the frame still holds directions of the camera; what it
cannot do is tell where they lie in the sky, and it says so.
"""

from typing import Any, Protocol

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import (
    ICRS,
    Attribute,
    BaseCoordinateFrame,
    DynamicMatrixTransform,
    TimeAttribute,
    UnitSphericalRepresentation,
    frame_transform_graph,
)

from eicpy.errors import BadArgumentError, MissingDataError
from eicpy.orbit import directions
from eicpy.orbit.attitude import Misalignment
from eicpy.times import to_seconds
from eicpy.typing import FloatArray

__all__ = ["EclairsFrame"]


class _Rotating(Protocol):
    def rotation_at(self, time: npt.ArrayLike) -> FloatArray:
        """Matrices from ICRS vectors to the frame, shape (…, 3, 3)."""


class EclairsFrame(BaseCoordinateFrame):  # type: ignore[misc]  # astropy has no types
    """The line-of-sight frame of the camera.

    Parameters
    ----------
    *args
        Longitude and latitude in the frame as angles, or a representation; nothing for the frame itself.
    attitude
        An :class:`~eicpy.orbit.Attitude`, or a :class:`~eicpy.orbit.Pointing` where it does not change.
        None: the frame is that of a camera that looks nobody knows where.
    obstime
        Time or array of times; not needed where the pointing does not change.
    misalignment
        How the camera sits on the satellite whose attitude is given; None where it is the camera's own.

    See Also
    --------
    Attitude.aligned : An attitude with the misalignment put in once for all.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from eicpy.orbit import Pointing
    >>> camera = EclairsFrame(attitude=Pointing.of(80 * u.deg, 20 * u.deg))
    >>> crab = SkyCoord(83.6331 * u.deg, 22.0145 * u.deg).transform_to(camera)
    >>> ty, tz = crab.frame.tangents
    >>> f"{ty:.4f} {tz:.4f}"
    '0.0589 0.0359'
    """

    default_representation = UnitSphericalRepresentation
    attitude = Attribute(default=None, doc="where the satellite looks")
    obstime = TimeAttribute(default=None, doc="time, or array of times")
    misalignment = Attribute(default=None, doc="how the camera sits on the satellite")

    @classmethod
    def of_tangents(cls, ty: npt.ArrayLike, tz: npt.ArrayLike, **attributes: Any) -> "EclairsFrame":
        """Directions given as tangents; attributes as for the frame."""
        vector = directions.tangent_vector(ty, tz)
        longitude, latitude = directions.right_ascension(vector)
        return cls(longitude * u.rad, latitude * u.rad, **attributes)

    @classmethod
    def of_theta_phi(
        cls, theta: u.Quantity[u.deg], phi: u.Quantity[u.deg], **attributes: Any
    ) -> "EclairsFrame":
        """Directions given as angle from the line of sight and angle from +y towards +z."""
        t, p = u.Quantity(theta).to_value(u.rad), u.Quantity(phi).to_value(u.rad)
        x, y, z = np.cos(t), np.sin(t) * np.cos(p), np.sin(t) * np.sin(p)
        longitude, latitude = directions.right_ascension(np.stack(np.broadcast_arrays(x, y, z), axis=-1))
        return cls(longitude * u.rad, latitude * u.rad, **attributes)

    @property
    def vectors(self) -> FloatArray:
        """Unit vectors in the frame, shape (…, 3)."""
        xyz = self.represent_as(UnitSphericalRepresentation).to_cartesian().xyz
        return np.moveaxis(np.asarray(xyz.value, np.float64), 0, -1)

    @property
    def tangents(self) -> tuple[Any, Any]:
        """Tangents (ty, tz); NaN behind the camera."""
        return directions.tangents(self.vectors)

    @property
    def theta_phi(self) -> tuple[u.Quantity, u.Quantity]:
        """Angle from the line of sight, and angle from +y towards +z, as the alerts give them."""
        x, y, z = np.moveaxis(self.vectors, -1, 0)
        phi = np.arctan2(z, y) % (2 * np.pi)
        return np.arctan2(np.hypot(y, z), x) * u.rad, phi * u.rad

    def matrix(self) -> FloatArray:
        """Matrices from ICRS vectors to the frame, shape (…, 3, 3).

        Raises
        ------
        MissingDataError
            Without an attitude, or where it is not known at a time.
        BadArgumentError
            Without a time where the attitude depends on it, and for what is no attitude.
        """
        attitude: _Rotating | None = self.attitude
        if attitude is None:
            raise MissingDataError(
                "got camera coordinates without an attitude, so their place in the sky is not known; "
                "give EclairsFrame an attitude (read_attitude) or a Pointing"
            )
        if not hasattr(attitude, "rotation_at"):
            raise BadArgumentError(
                f"got {type(attitude).__name__} as attitude, expected an Attitude or a Pointing"
            )
        if self.obstime is None and hasattr(attitude, "known"):
            raise BadArgumentError(
                "got an attitude that changes and no time, expected EclairsFrame(obstime=…) too"
            )
        time = 0.0 if self.obstime is None else to_seconds(self.obstime)
        rotation = attitude.rotation_at(time)
        if self.misalignment is None:
            return rotation
        if not isinstance(self.misalignment, Misalignment):
            raise BadArgumentError(
                f"got {type(self.misalignment).__name__} as misalignment, expected Misalignment(matrix)"
            )
        return np.asarray(self.misalignment.matrix @ rotation)


@frame_transform_graph.transform(DynamicMatrixTransform, ICRS, EclairsFrame)  # type: ignore[untyped-decorator]
def _into_the_frame(_: ICRS, frame: EclairsFrame) -> FloatArray:
    return frame.matrix()


@frame_transform_graph.transform(DynamicMatrixTransform, EclairsFrame, ICRS)  # type: ignore[untyped-decorator]
def _out_of_the_frame(frame: EclairsFrame, _: ICRS) -> FloatArray:
    return np.swapaxes(frame.matrix(), -1, -2)


frame_transform_graph._add_merged_transform(EclairsFrame, ICRS, EclairsFrame)  # noqa: SLF001, as astropy's own frames do
