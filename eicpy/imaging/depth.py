"""A mask with depth: walls between its cells, bars of its frame, rays that cross the edge of a cell.

The cells are holes of depth d. A ray that enters the lower face at x leaves the upper one at x + d·t: it
stays in one cell or, within d·|t| of an edge, crosses into the next. Along an axis a pixel therefore sees n
cells and n − 1 inner edges, and the shadow is again a product of three matrices, A_z · B · A_yᵀ, now with
2n − 1 columns each:

=============  ============  ==========================================================================
along z        along y       B: what passes, for an optical depth x of a closed cell along the ray
=============  ============  ==========================================================================
stays          stays         1 or exp(−x)
stays          crosses       both open 1; one open (1 − exp(−x))/x, the mean over where the edge is met;
                             none exp(−x)
crosses        crosses       three cells, each met for a third of the way on average: the mean over the
                             flat Dirichlet distribution; which third cell depends on the edge that
                             comes first: both ways with equal weight
=============  ============  ==========================================================================

An opaque mask has x = ∞. The means hold for a pixel that sees the whole of an edge; a pixel whose border cuts
one (d·t is a tenth of a pixel at most for ECLAIRs) is off by less than a hundredth. Bars are opaque strips
above the upper face; the frame around the cells is opaque too.

References
----------
Skinner 2008, Applied Optics 47, 2739 (coded masks and what makes real ones worse).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.instruments import MaskGeometry
from eicpy.typing import BoolArray, FloatArray

__all__ = ["passing", "shares"]

_OPAQUE = 1e3


def shares(geometry: MaskGeometry, cells: int, pixels: int, t: float) -> FloatArray:
    """Share of each pixel's width seen through each cell, and across each inner edge.

    Parameters
    ----------
    geometry
        The mask above the plane.
    cells, pixels
        Along a side of the mask and of the plane.
    t
        Tangent of the source's angle along this axis.

    Returns
    -------
    numpy.ndarray
        Shape (pixels, 2·cells − 1): the cells first, then the edges. What is missing to 1 falls on the frame
        or a bar.

    Raises
    ------
    BadArgumentError
        If a ray crosses more than one edge.
    """
    g = geometry
    step = g.thickness * t
    if abs(step) > g.side / cells:
        raise BadArgumentError(
            f"got a ray that moves {abs(step):.2f} cm within the mask, expected less than a cell, "
            f"{g.side / cells:.2f} cm; take a thinner mask or a smaller angle"
        )
    edges = np.linspace(-g.side / 2, g.side / 2, cells + 1)
    first, last = np.minimum(edges, edges - step), np.maximum(edges, edges - step)
    low = np.concatenate([last[:-1], first[1:-1]])
    high = np.concatenate([first[1:], last[1:-1]])
    pitch = g.plane_side / pixels
    centre = (np.arange(pixels) + 0.5) * pitch - g.plane_side / 2 + (g.distance - g.thickness / 2) * t
    begin, end = centre[:, None] - g.pixel_side / 2, centre[:, None] + g.pixel_side / 2
    seen = np.clip(np.minimum(high, end) - np.maximum(low, begin), 0.0, None)
    for number in range(g.bars):
        bar = g.side * ((number + 1) / (g.bars + 1) - 0.5)
        reach = (step, step + g.bar_height * t)
        dark = bar - g.bar_width / 2 - max(reach), bar + g.bar_width / 2 - min(reach)
        below, above = np.maximum(low, dark[0]), np.minimum(high, dark[1])
        seen -= np.clip(np.minimum(above, end) - np.maximum(below, begin), 0.0, None)
    return np.asarray(seen / g.pixel_side)


def passing(pattern: BoolArray, optical_depth: float, *, opposite: bool) -> FloatArray:
    """What each pair of cells or edges lets through: B of the module's description.

    Parameters
    ----------
    pattern
        True for an open cell, shape (n, n).
    optical_depth
        Of a closed cell along the ray; infinite for an opaque one.
    opposite
        The two tangents have opposite signs.

    Returns
    -------
    numpy.ndarray
        Shape (2n − 1, 2n − 1), between 0 and 1.
    """
    plain, corner = _closed_cells(pattern.tobytes(), pattern.shape[0], opposite=opposite)
    one, two, three = _means(optical_depth)
    n = pattern.shape[0]
    result = np.empty((2 * n - 1, 2 * n - 1))
    result[:n, :n] = one[plain[:n, :n]]
    result[:n, n:] = two[plain[:n, n:]]
    result[n:, :n] = two[plain[n:, :n]]
    result[n:, n:] = (three[corner[0]] + three[corner[1]]) / 2
    return result


def _means(x: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What passes one, two and three cells, by how many of them are closed."""
    if x > _OPAQUE:
        return np.eye(1, 2)[0], np.eye(1, 3)[0], np.eye(1, 4)[0]
    through = np.exp(-x)
    if x < 1e-3:
        half, third, thirds = 1 - x / 2, 1 - x / 3, 1 - 2 * x / 3
    else:
        half = (1 - through) / x
        third = 2 * (x - 1 + through) / x**2
        thirds = 2 * (1 - (1 + x) * through) / x**2
    return (
        np.array([1.0, through]),
        np.array([1.0, half, through]),
        np.array([1.0, third, thirds, through]),
    )


@lru_cache(maxsize=8)
def _closed_cells(
    pattern: bytes, n: int, *, opposite: bool
) -> tuple[npt.NDArray[np.int8], tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]]:
    """How many closed cells each pair of cells or edges meets; at corners, by either of the two ways."""
    c = (~np.frombuffer(pattern, np.bool_).reshape(n, n)).astype(np.int8)
    plain = np.zeros((2 * n - 1, 2 * n - 1), np.int8)
    plain[:n, :n] = c
    plain[:n, n:] = c[:, 1:] + c[:, :-1]
    plain[n:, :n] = c[1:] + c[:-1]
    same, other = c[1:, 1:] + c[:-1, :-1], c[1:, :-1] + c[:-1, 1:]
    if opposite:
        return plain, (other + c[1:, 1:], other + c[:-1, :-1])
    return plain, (same + c[1:, :-1], same + c[:-1, 1:])
