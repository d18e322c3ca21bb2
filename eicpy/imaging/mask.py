"""The coded mask and its shadow on the detector plane.

A source in direction (ty, tz) (tangents of its angles from the pointing) casts the mask's shadow on the
plane: the ray that ends at y on the plane has crossed the mask at y + H·ty. The share of a pixel that is
lit is therefore the open area of the mask under the pixel's own outline, moved by H·t and divided by the
pixel's area. Cells and pixels are rectangles, so the overlap along each axis separates and

    shadow = A_z(tz) · mask · A_y(ty)ᵀ

with A the share of a pixel's width that each cell covers: exact fractional coverage, no sampling. Averaged
over a random mask this is the smooth transmission cosθ·o(ty)·o(tz), with o the share of the plane that the
mask covers at all.

The pattern that flies is not public. The one made here is random, drawn from a seed so that all closed
cells hang together with the frame (a self-supporting plate): *not the flight mask*. The mask's
thickness (vignetting in the cells) and its transparency are left out.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from eicpy.errors import BadArgumentError
from eicpy.instruments import MaskGeometry
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Mask", "random_mask", "transmission"]


def transmission(geometry: MaskGeometry, ty: FloatArray, tz: FloatArray) -> FloatArray:
    """Smooth off-axis transmission relative to on-axis: cosθ·o(ty)·o(tz).

    Parameters
    ----------
    geometry
        The mask above the plane.
    ty, tz
        Tangents of the angles from the pointing, arrays of one shape.

    See Also
    --------
    Mask.shadow : Pixel by pixel, for one mask.
    """
    g = geometry
    covered = [
        np.clip((g.side + g.plane_side) / 2 - g.distance * np.abs(t), 0, g.plane_side) / g.plane_side
        for t in (ty, tz)
    ]
    return np.asarray(covered[0] * covered[1] / np.sqrt(1 + np.square(ty) + np.square(tz)))


@cache
def _pattern(seed: int, cells: int, open_cells: int) -> BoolArray:
    """Open cells one by one in random order, unless that would cut closed cells off the frame."""
    rng = np.random.default_rng(seed)
    closed = np.ones((cells + 2, cells + 2), np.bool_)
    opened = 0
    for cell in rng.permutation(cells * cells):
        z, y = divmod(int(cell), cells)
        closed[z + 1, y + 1] = False
        if ndimage.label(closed)[1] > 1:
            closed[z + 1, y + 1] = True
            continue
        opened += 1
        if opened == open_cells:
            break
    else:
        raise BadArgumentError(f"no self-supporting mask with {open_cells} of {cells}² cells open; use less")
    pattern = ~closed[1:-1, 1:-1]
    pattern.flags.writeable = False
    return pattern


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask above a detector plane.

    Parameters
    ----------
    pattern
        True for an open cell, shape (cells, cells), indexed [z, y] in the line-of-sight frame.
    name
        What it is; says so when it is not the flight mask.
    geometry
        Sizes and distances.
    pixels
        Pixels along a side of the plane.

    See Also
    --------
    random_mask : Draws one.
    transmission : The mean over random masks.

    References
    ----------
    Fenimore and Cannon 1978, Applied Optics 17, 337; Caroli et al. 1987, Space Science Reviews 45, 349.
    """

    pattern: BoolArray
    name: str
    geometry: MaskGeometry
    pixels: int

    @property
    def open_fraction(self) -> float:
        """Share of open cells."""
        return float(self.pattern.mean())

    def overlap(self, t: float) -> FloatArray:
        """Share of each pixel's width seen through each cell, shape (pixels, cells).

        Parameters
        ----------
        t
            Tangent of the source's angle along this axis.
        """
        g = self.geometry
        centre = (np.arange(self.pixels) + 0.5) * (g.plane_side / self.pixels) - g.plane_side / 2
        return self.share(centre + g.distance * t)

    def share(self, centre: FloatArray) -> FloatArray:
        """Share of a pixel's width seen through each cell, shape (positions, cells).

        Parameters
        ----------
        centre
            Where along the mask the line from the source through the pixel's middle crosses it, cm from the
            mask's middle, shape (positions,).
        """
        g = self.geometry
        edges = np.linspace(-g.side / 2, g.side / 2, self.pattern.shape[0] + 1)
        low = np.maximum(centre[:, None] - g.pixel_side / 2, edges[None, :-1])
        high = np.minimum(centre[:, None] + g.pixel_side / 2, edges[None, 1:])
        return np.asarray(np.clip(high - low, 0, None) / g.pixel_side)

    def shadow(self, ty: float, tz: float) -> FloatArray:
        """Share of each pixel that a source lights, exact.

        Parameters
        ----------
        ty, tz
            Tangents of the source's angles from the pointing; NaN (behind the camera) lights nothing.

        Returns
        -------
        numpy.ndarray
            Shape (pixels, pixels), indexed [z, y], between 0 and 1. The projection of the pixel's area
            (cosθ) is not in it.
        """
        if not (np.isfinite(ty) and np.isfinite(tz)):
            return np.zeros((self.pixels, self.pixels))
        lit = self.overlap(tz) @ self.pattern.astype(np.float64) @ self.overlap(ty).T
        return np.asarray(np.clip(lit, 0.0, 1.0))  # the sums carry rounding of a few 1e-16

    def stencil(self, ty: float, tz: float, width: FloatArray) -> tuple[FloatArray, ...]:
        """Shadows of a direction and of its four neighbours: at the middle, y + w, y − w, z + w, z − w.

        Parameters
        ----------
        ty, tz
            Tangents of the direction.
        width
            Steps along ty and tz, shape (2,).
        """
        y = [self.overlap(ty + w) for w in (0.0, width[0], -width[0])]
        z = [self.overlap(tz + w) for w in (0.0, width[1], -width[1])]
        half = z[0] @ self.pattern.astype(np.float64)
        across = self.pattern @ y[0].T
        return half @ y[0].T, half @ y[1].T, half @ y[2].T, z[1] @ across, z[2] @ across

    def _repr_html_(self) -> str:
        return (
            f"<b>{self.name}</b>: {self.pattern.shape[0]}×{self.pattern.shape[1]} cells, "
            f"{self.open_fraction:.1%} open"
        )


def random_mask(
    geometry: MaskGeometry, pixels: int, seed: int = 1, *, open_fraction: float | None = None
) -> Mask:
    """Draw a self-supporting random mask.

    Parameters
    ----------
    geometry
        Sizes, distances and the number of cells.
    pixels
        Pixels along a side of the plane.
    seed
        Of the random numbers.
    open_fraction
        Share of open cells; by default that of `geometry`.

    Raises
    ------
    BadArgumentError
        If no connected plate with that number of open cells is found.

    See Also
    --------
    Mask.shadow : Its shadow on the detector plane.

    References
    ----------
    Fenimore and Cannon 1978, Applied Optics 17, 337; Caroli et al. 1987, Space Science Reviews 45, 349.

    Examples
    --------
    >>> from eicpy.instruments import load
    >>> camera = load("eclairs")
    >>> mask = random_mask(camera.mask, camera.pixels.rows)
    >>> mask.pattern.shape, round(mask.open_fraction, 2)
    ((46, 46), 0.4)
    """
    share = geometry.open_fraction if open_fraction is None else open_fraction
    pattern = _pattern(seed, geometry.cells, round(share * geometry.cells**2))
    return Mask(pattern, f"random mask, seed {seed}, not the flight mask", geometry, pixels)
