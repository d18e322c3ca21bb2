"""Directions in the sky, written in every way that the camera knows.

In the line-of-sight frame of the camera x points along the line of sight; y and z span the detector plane
(see ``eicpy.instruments.pixels``). The projection of a coded mask is gnomonic, so that a direction is first
of all a pair of tangents, ty = y/x and tz = z/x. The alerts give it as theta, the angle from the line of
sight, and phi, counted from +y towards +z; a sky image gives it as a pixel, whose side is one pitch of the
plane seen from the distance of the mask:

    pixel = (n − 1)/2 + t · distance / pitch

All functions take arrays; angles are radians.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.instruments import MaskGeometry
from eicpy.typing import FloatArray

__all__ = [
    "right_ascension",
    "separation",
    "sky_pixels",
    "sky_tangents",
    "tangent_vector",
    "tangents",
    "tangents_of",
    "theta_phi",
    "unit_vector",
]

_TURN = 2 * np.pi


def unit_vector(ra: npt.ArrayLike, dec: npt.ArrayLike) -> FloatArray:
    """Unit vectors of directions given in radians, shape (…, 3)."""
    ra, dec = np.broadcast_arrays(np.asarray(ra, np.float64), np.asarray(dec, np.float64))
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def right_ascension(vector: FloatArray) -> tuple[Any, Any]:
    """Right ascension in [0, 2π) and declination of vectors of any length, shape (…, 3)."""
    x, y, z = np.moveaxis(np.asarray(vector, np.float64), -1, 0)
    ra = np.arctan2(y, x) % _TURN
    return np.where(ra >= _TURN, 0.0, ra)[()], np.arctan2(z, np.hypot(x, y))[()]


def separation(a: FloatArray, b: FloatArray) -> Any:
    """Angle between vectors of any length, shapes (…, 3); exact for small angles and for large ones."""
    across = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.arctan2(across, (np.asarray(a) * np.asarray(b)).sum(axis=-1))[()]


def tangents(vector: FloatArray) -> tuple[Any, Any]:
    """Tangents (ty, tz) of vectors in the line-of-sight frame, shape (…, 3); NaN behind the camera."""
    x, y, z = np.moveaxis(np.asarray(vector, np.float64), -1, 0)
    ahead = np.where(x > 0, x, np.nan)
    return (y / ahead)[()], (z / ahead)[()]


def tangent_vector(ty: npt.ArrayLike, tz: npt.ArrayLike) -> FloatArray:
    """Unit vectors in the line-of-sight frame of tangents, shape (…, 3): the reverse of :func:`tangents`."""
    ty, tz = np.broadcast_arrays(np.asarray(ty, np.float64), np.asarray(tz, np.float64))
    x = 1 / np.sqrt(1 + ty**2 + tz**2)
    return np.stack([x, x * ty, x * tz], axis=-1)


def theta_phi(ty: npt.ArrayLike, tz: npt.ArrayLike) -> tuple[Any, Any]:
    """Angle from the line of sight, and angle from +y towards +z in [0, 2π), of tangents."""
    phi = np.arctan2(tz, ty) % _TURN
    return np.arctan(np.hypot(ty, tz))[()], np.where(phi >= _TURN, 0.0, phi)[()]


def tangents_of(theta: npt.ArrayLike, phi: npt.ArrayLike) -> tuple[Any, Any]:
    """Tangents of theta and phi; NaN from 90° on."""
    theta = np.asarray(theta, np.float64)
    radius = np.where(np.abs(theta) < np.pi / 2, np.tan(theta), np.nan)
    return (radius * np.cos(phi))[()], (radius * np.sin(phi))[()]


def sky_pixels(geometry: MaskGeometry, pixels: int, ty: npt.ArrayLike, tz: npt.ArrayLike) -> tuple[Any, Any]:
    """Pixel (y, z) of the sky image for tangents; whole numbers are middles of pixels.

    Parameters
    ----------
    geometry
        The mask above the plane.
    pixels
        Pixels along a side of the plane.
    ty, tz
        Tangents of the direction.
    """
    pitch, centre = _sky_pixel(geometry, pixels)
    return (centre + np.asarray(ty) / pitch)[()], (centre + np.asarray(tz) / pitch)[()]


def sky_tangents(geometry: MaskGeometry, pixels: int, y: npt.ArrayLike, z: npt.ArrayLike) -> tuple[Any, Any]:
    """Tangents of pixels of the sky image: the reverse of :func:`sky_pixels`."""
    pitch, centre = _sky_pixel(geometry, pixels)
    return ((np.asarray(y) - centre) * pitch)[()], ((np.asarray(z) - centre) * pitch)[()]


def _sky_pixel(geometry: MaskGeometry, pixels: int) -> tuple[float, float]:
    return geometry.plane_side / pixels / geometry.distance, (geometry.sky_pixels - 1) / 2
