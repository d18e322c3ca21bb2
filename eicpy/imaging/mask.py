"""The coded mask and its shadow on the detector plane.

A source in direction (ty, tz) (tangents of its angles from the pointing) casts the mask's shadow on the
plane: the ray that ends at y on the plane has crossed the middle of the mask at y + H·ty. The share of a
pixel that is lit is therefore the open area of the mask under the pixel's own outline, moved by H·t and
divided by the pixel's area. Cells and pixels are rectangles, so the overlap along each axis separates and

    shadow = A_z(tz) · mask · A_y(ty)ᵀ

with A the share of a pixel's width that each cell covers: exact fractional coverage, no sampling. Averaged
over a random mask this is the smooth transmission cosθ·o(ty)·o(tz), with o the share of the plane that the
mask covers at all. A mask with depth (walls between the cells, bars of the frame, tantalum that is thin for
hard photons) keeps that form with more columns: :mod:`eicpy.imaging.depth`.

The pattern that flies is not public. The one made here is random, drawn from a seed so that all closed
cells hang together with the frame (a self-supporting plate): *not the flight mask*.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from eicpy.errors import BadArgumentError
from eicpy.imaging import depth
from eicpy.imaging.absorption import optical_depth
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

    def shadow(self, ty: float, tz: float, energy: float | None = None) -> FloatArray:
        """Share of each pixel that a source lights.

        Parameters
        ----------
        ty, tz
            Tangents of the source's angles from the pointing; NaN (behind the camera) lights nothing.
        energy
            keV: closed cells let pass what `absorber` of the geometry does not take, and so do their edges;
            None, or an absorber of 0: they are opaque.

        Returns
        -------
        numpy.ndarray
            Shape (pixels, pixels), indexed [z, y], between 0 and 1. The projection of the pixel's area
            (cosθ) is not in it.

        Raises
        ------
        BadArgumentError
            For a mask so thick that a ray crosses three cells along an axis.

        See Also
        --------
        covered : The same of a mask all of whose cells are open.
        """
        if not (np.isfinite(ty) and np.isfinite(tz)):
            return np.zeros((self.pixels, self.pixels))
        lit = self.share(tz) @ self.passing(ty, tz, energy) @ self.share(ty).T
        return np.asarray(np.clip(lit, 0.0, 1.0))  # the sums carry rounding of a few 1e-16

    def covered(self, ty: float, tz: float) -> FloatArray:
        """Share of each pixel whose rays go through the cells of the mask, open or closed, and not its frame.

        Parameters
        ----------
        ty, tz
            As for :meth:`shadow`.

        Returns
        -------
        numpy.ndarray
            Shape (pixels, pixels), indexed [z, y]. Less :meth:`shadow` it is what lies behind closed cells.
        """
        if not (np.isfinite(ty) and np.isfinite(tz)):
            return np.zeros((self.pixels, self.pixels))
        return np.outer(self.share(tz).sum(axis=1), self.share(ty).sum(axis=1))

    def share(self, t: float) -> FloatArray:
        """Share of each pixel's width seen through each cell and inner edge, shape (pixels, 2·cells − 1).

        Parameters
        ----------
        t
            Tangent of the source's angle along this axis.
        """
        return depth.shares(self.geometry, self.pattern.shape[0], self.pixels, float(t))

    def passing(self, ty: float, tz: float, energy: float | None = None) -> FloatArray:
        """What each pair of cells or edges lets through.

        The shadow is ``share(tz) @ passing(ty, tz) @ share(ty).T``.

        Parameters
        ----------
        ty, tz, energy
            As for :meth:`shadow`.

        Returns
        -------
        numpy.ndarray
            Shape (2·cells − 1, 2·cells − 1), between 0 and 1.
        """
        dark = np.inf
        if energy is not None and self.geometry.absorber > 0:
            dark = optical_depth(energy, self.geometry.absorber) * float(np.sqrt(1 + ty**2 + tz**2))
        return depth.passing(self.pattern, dark, opposite=ty * tz < 0)

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
