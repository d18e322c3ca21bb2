"""How much diffuse sky each pixel sees, and how much of it the Earth covers.

A pixel at (y, z) sees the sky through the mask opening, the tangents |y + H·ty| < M/2 and
|z + H·tz| < M/2. Over many cells the mask transmits its open fraction f, so that the pixel's étendue is

    f · A_pixel · ∬ cos⁴θ dty dtz        (cosθ for the projected area, cos³θ for the solid angle)

over that opening. Pixels in the middle see more sky than those in the corners: the well known bowl shape of
the cosmic background on the plane. The integrand splits along the axes but for cos⁴θ and the Earth, hence a
product of three matrices. It is written out: a linear algebra library would start threads for it, and on a
busy machine they cost several times the whole simulation in waiting.
"""

import numpy as np

from eicpy.instruments import MaskGeometry
from eicpy.kernels import kernel
from eicpy.typing import FloatArray

__all__ = ["DiffuseSky", "flatten"]


@kernel
def _sandwich(a: FloatArray, x: FloatArray) -> FloatArray:
    """``a · x · aᵀ`` for an `a` of many zeros, shapes (n, m) and (m, m)."""
    n, m = a.shape
    left = np.zeros((n, m))
    for i in range(n):
        for k in range(m):
            if a[i, k] != 0:
                for j in range(m):
                    left[i, j] += a[i, k] * x[k, j]
    result = np.zeros((n, n))
    for j in range(n):
        for k in range(m):
            if a[j, k] != 0:
                for i in range(n):
                    result[i, j] += left[i, k] * a[j, k]
    return result


class DiffuseSky:
    """The étendue of every pixel.

    Parameters
    ----------
    geometry
        The mask above the plane.
    pixels
        Pixels along a side of the plane.
    cells
        Cells of sky along an axis.
    etendue
        Of the whole plane, cm² sr; None: as the geometry gives it.

    Attributes
    ----------
    full
        Étendue of each pixel with no Earth in the field, cm² sr, shape (pixels, pixels), indexed [z, y].
    """

    def __init__(
        self, geometry: MaskGeometry, pixels: int, cells: int = 90, *, etendue: float | None = None
    ) -> None:
        g, edge = geometry, geometry.edge
        step = 2 * edge / cells
        t = -edge + step * (np.arange(cells) + 0.5)
        centre = (np.arange(pixels) + 0.5) * g.plane_side / pixels - g.plane_side / 2
        depth = (g.side / 2 - np.abs(centre[:, None] + g.distance * t)) / (g.distance * step)
        self._open = np.clip(depth + 0.5, 0.0, 1.0)
        ty, tz = np.meshgrid(t, t)
        inverse = 1 / np.sqrt(1 + ty**2 + tz**2)
        self._direction = (inverse, ty * inverse, tz * inverse)
        self._cell = np.arctan(step)
        weight = inverse**4
        if etendue is None:
            etendue = float(_sandwich(self._open, weight).sum()) * g.open_fraction * g.pixel_area * step**2
        self._weight = weight * etendue / _sandwich(self._open, weight).sum()
        self.full: FloatArray = _sandwich(self._open, self._weight)

    def visible(self, nadir: FloatArray, limb_angle: float) -> FloatArray:
        """Share of each sky cell that the Earth does not cover.

        Parameters
        ----------
        nadir
            Direction of the Earth's centre in the line-of-sight frame, shape (3,).
        limb_angle
            Half-angle of the Earth, radians.
        """
        x, y, z = self._direction
        cosine = x * nadir[0] + y * nadir[1] + z * nadir[2]
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        return np.asarray(np.clip((angle - limb_angle) / self._cell + 0.5, 0.0, 1.0))

    def split(self, nadir: FloatArray, limb_angle: float) -> tuple[FloatArray, FloatArray]:
        """Étendue towards the open sky and towards the Earth.

        Returns
        -------
        tuple of numpy.ndarray
            Two maps in cm² sr, shape (pixels, pixels), indexed [z, y]; their sum is :attr:`full`.
        """
        hidden = 1 - self.visible(nadir, limb_angle)
        if not hidden.any():
            return self.full, np.zeros_like(self.full)
        earth = _sandwich(self._open, self._weight * hidden)
        return np.maximum(self.full - earth, 0.0), earth

    def earth_maps(
        self, nadir: FloatArray, limb_angle: float, sun: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Étendue towards the Earth, weighted with how its surface is seen and lit.

        Parameters
        ----------
        nadir
            Direction of the Earth's centre in the line-of-sight frame, shape (3,).
        limb_angle
            Half-angle of the Earth, radians.
        sun
            Direction of the Sun in the same frame; None: it is not asked for.

        Returns
        -------
        tuple of numpy.ndarray
            Weighted with μ·(1 + μ)/2, μ the cosine under which the ray leaves the ground (Sazonov et al.
            2007: the limb is darker); and with the cosine of the Sun's zenith angle there, 0 at night. Shape
            (pixels, pixels), indexed [z, y], cm² sr.
        """
        x, y, z = self._direction
        hidden = 1 - self.visible(nadir, limb_angle)
        cosine = np.clip(x * nadir[0] + y * nadir[1] + z * nadir[2], 0.0, 1.0)
        radius = np.sin(limb_angle)  # of the Earth, in distances of the satellite
        upright = np.sqrt(np.clip(1 - (1 - cosine**2) / radius**2, 0.0, 1.0))
        seen = _sandwich(self._open, self._weight * hidden * upright * (1 + upright) / 2)
        if sun is None:
            return seen, np.zeros_like(seen)
        way = cosine - radius * upright
        normal = [(way * d - n) / radius for d, n in zip((x, y, z), nadir, strict=True)]
        noon = np.clip(sum(n * s for n, s in zip(normal, sun, strict=True)), 0.0, 1.0)
        return seen, _sandwich(self._open, self._weight * hidden * noon)


def flatten(image: FloatArray) -> FloatArray:
    """A picture [z, y] as values in the order of ``detnum``: the inverse of ``PixelGrid.image``."""
    return np.ascontiguousarray(image[..., ::-1]).reshape(*image.shape[:-2], -1)
