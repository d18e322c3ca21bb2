"""The coded mask and its shadow on the detector plane.

A source in direction (ty, tz) (tangents of its angles from the pointing) casts the mask's shadow on the
plane: the ray that ends at y on the plane has crossed the mask at y + H·ty. The share of a pixel that is
lit is therefore the open area of the mask under the pixel's own outline, moved by H·t and divided by the
pixel's area. Cells and pixels are rectangles, so the overlap along each axis separates and

    shadow = A_z(tz) · mask · A_y(ty)ᵀ

with A the share of a pixel's width that each cell covers: exact fractional coverage, no sampling. Averaged
over a random mask this is the smooth transmission cosθ·o(ty)·o(tz), with o the share of the plane that the
mask covers at all.

The pattern that flies is not public. This one is random with 40 % open cells, drawn from a seed so that
all closed cells hang together with the frame (a self-supporting plate): *not the flight mask*. The mask's
thickness (vignetting in the cells) and its transparency are left out.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from eicpy.errors import BadArgumentError
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Mask", "random_mask", "transmission"]


MASK_SIDE = 53.97
"""Side of the mask, cm; with the next two, a fit to the public off-axis transmission (rms 3·10⁻⁴)."""
MASK_DISTANCE = 45.81
"""From the plane to the mask, cm."""
PLANE_SIDE = 36.0
"""Side of the detector plane, cm: 80 pixels of 4.5 mm."""
PIXEL_SIDE = 0.4
"""Sensitive side of a pixel, cm."""
CELLS = 46
"""Cells along a side (from memory of the project; no public source)."""


def transmission(ty: FloatArray, tz: FloatArray) -> FloatArray:
    """Smooth off-axis transmission relative to on-axis: cosθ·o(ty)·o(tz).

    Parameters
    ----------
    ty, tz
        Tangents of the angles from the pointing, arrays of one shape.
    """
    covered = [
        np.clip((MASK_SIDE + PLANE_SIDE) / 2 - MASK_DISTANCE * np.abs(t), 0, PLANE_SIDE) / PLANE_SIDE
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
    pixels
        Pixels along a side of the plane.
    """

    pattern: BoolArray
    name: str
    pixels: int = 80

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
        pitch = PLANE_SIDE / self.pixels
        cells = self.pattern.shape[0]
        centre = (np.arange(self.pixels) + 0.5) * pitch - PLANE_SIDE / 2 + MASK_DISTANCE * t
        edges = np.linspace(-MASK_SIDE / 2, MASK_SIDE / 2, cells + 1)
        low = np.maximum(centre[:, None] - PIXEL_SIDE / 2, edges[None, :-1])
        high = np.minimum(centre[:, None] + PIXEL_SIDE / 2, edges[None, 1:])
        return np.asarray(np.clip(high - low, 0, None) / PIXEL_SIDE)

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

    def _repr_html_(self) -> str:
        return (
            f"<b>{self.name}</b>: {self.pattern.shape[0]}×{self.pattern.shape[1]} cells, "
            f"{self.open_fraction:.1%} open"
        )


def random_mask(seed: int = 1, *, cells: int = CELLS, open_fraction: float = 0.4) -> Mask:
    """A self-supporting random mask.

    Raises
    ------
    BadArgumentError
        If no connected plate with so many open cells is found.

    Examples
    --------
    >>> mask = random_mask(1)
    >>> mask.pattern.shape, round(mask.open_fraction, 2)
    ((46, 46), 0.4)
    """
    pattern = _pattern(seed, cells, round(open_fraction * cells * cells))
    return Mask(pattern, f"random mask, seed {seed}, not the flight mask")
