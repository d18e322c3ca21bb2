"""Where a source can be: the likelihood of every direction about the best one.

The error of a position from the curvature at the maximum (:mod:`eicpy.imaging.localisation`) is right for a
strong source. Near the threshold it is not: the likelihood is wider than its top, for another direction can
fit nearly as well. So the likelihood itself is computed on a grid, flux and background fitted anew in each
direction (with the weights of the best fit), and a circle is drawn that holds the stated share of it. Its
middle is the mean, which has less error than the maximum.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.imaging.localisation import FittedSource, Localisation, sky_scale
from eicpy.imaging.mask import Mask
from eicpy.imaging.shapes import quadratic_shapes
from eicpy.typing import FloatArray

__all__ = ["PositionPosterior", "position_posterior"]

_SIGMAS = 4.5
"""Half the side of the grid, in errors of the curvature; eight pitches of the plane at most."""


@dataclass(frozen=True)
class PositionPosterior:
    """Probability of directions, a uniform density before.

    Parameters
    ----------
    ty, tz
        Tangents of the grid, shape (points,) each.
    probability
        Shape (points, points), indexed [z, y], sum 1.
    """

    ty: FloatArray
    tz: FloatArray
    probability: FloatArray

    @cached_property
    def mean(self) -> tuple[float, float]:
        """Tangents (ty, tz) of the mean direction."""
        p = self.probability
        return float(p.sum(axis=0) @ self.ty), float(p.sum(axis=1) @ self.tz)

    def radius(self, confidence: float = 0.9) -> float:
        """Radius of the circle about the mean that holds a share of the probability, radians.

        The probability is taken to be constant over each cell of the grid; the circle is a circle on the sky.
        """
        if not 0 < confidence < 1:
            raise BadArgumentError(f"confidence is {confidence}; expected a share between 0 and 1, as 0.9")
        scale = sky_scale(*self.mean)
        fine = (np.arange(4) + 0.5) / 4 - 0.5
        y = (self.ty[:, None] + fine * (self.ty[1] - self.ty[0])).ravel() - self.mean[0]
        z = (self.tz[:, None] + fine * (self.tz[1] - self.tz[0])).ravel() - self.mean[1]
        yy, zz = np.meshgrid(y, z)
        distance = np.hypot(scale[0, 0] * yy + scale[0, 1] * zz, scale[1, 0] * yy + scale[1, 1] * zz).ravel()
        weight = np.kron(self.probability, np.full((4, 4), 1 / 16)).ravel()
        order = np.argsort(distance)
        held = np.cumsum(weight[order])
        return float(np.interp(confidence, held, distance[order]))


def position_posterior(
    mask: Mask,
    counts: npt.ArrayLike,
    fit: Localisation,
    source: int = 0,
    *,
    efficiency: FloatArray | None = None,
    shapes: FloatArray | None = None,
    points: int = 13,
) -> PositionPosterior:
    """Compute the likelihood of directions about a fitted source.

    Parameters
    ----------
    mask
        The mask.
    counts
        Counts of each pixel, shape (pixels, pixels).
    fit
        Sources and background as fitted; the other sources stay where they are, their fluxes are fitted anew.
    source
        Which of them.
    efficiency, shapes
        As for :func:`~eicpy.imaging.localise`.
    points
        Directions along a side of the grid.

    Returns
    -------
    PositionPosterior
        On a grid about the fitted direction.
    """
    n = mask.pixels
    weight = np.ones((n, n)) if efficiency is None else np.asarray(efficiency, np.float64)
    base = quadratic_shapes(n) if shapes is None else np.asarray(shapes, np.float64)
    at = fit.sources[source]
    shadows = [mask.shadow(s.ty, s.tz) for s in fit.sources]
    mean = np.tensordot(fit.background, base, axes=1) + sum(
        s.flux * shadow for s, shadow in zip(fit.sources, shadows, strict=True)
    )
    mean = np.maximum(mean, 1e-6)
    # Weighted least squares of d = counts/ε with weights ε/μ, as float32: half a million numbers each row.
    w = np.where(weight > 0, weight / mean, 0.0)
    root = np.sqrt(w).ravel()
    data = np.divide(np.asarray(counts, np.float64), weight, out=np.zeros((n, n)), where=weight > 0).ravel()
    others = [base.reshape(len(base), -1)]
    others += [s.reshape(1, -1) for k, s in enumerate(shadows) if k != source]
    q, _ = np.linalg.qr((np.vstack(others) * root).T)
    rest = data * root
    rest = (rest - q @ (q.T @ rest)).astype(np.float32)
    ty, tz = _grid(mask, at, points)
    lit = _shadows(mask, ty, tz) * root.astype(np.float32)
    along = lit @ q.astype(np.float32)
    norm = np.einsum("ij,ij->i", lit, lit) - np.einsum("ij,ij->i", along, along)
    score = np.maximum(lit @ rest, 0.0)
    gain = 0.5 * np.square(score, dtype=np.float64) / np.maximum(norm, 1e-12)
    probability = np.exp(gain - gain.max()).reshape(points, points)
    return PositionPosterior(ty, tz, probability / probability.sum())


def _grid(mask: Mask, at: FittedSource, points: int) -> tuple[FloatArray, FloatArray]:
    pitch = mask.geometry.plane_side / mask.pixels / mask.geometry.distance
    error = np.sqrt(np.diag(at.covariance)[:2])
    half = np.clip(_SIGMAS * error, None, 8 * pitch)
    step = np.linspace(-1, 1, points)
    return at.ty + half[0] * step, at.tz + half[1] * step


def _shadows(mask: Mask, ty: FloatArray, tz: FloatArray) -> Any:
    """Shadows of a grid of directions, shape (z × y, pixels²)."""
    n, middle = mask.pixels, mask.passing(float(ty.mean()), float(tz.mean())).astype(np.float32)
    along_z = np.vstack([mask.share(t) for t in tz]).astype(np.float32)
    along_y = np.vstack([mask.share(t) for t in ty]).astype(np.float32)
    full = along_z @ middle @ along_y.T  # (z, row) × (y, column)
    grid = full.reshape(len(tz), n, len(ty), n).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(grid).reshape(-1, n * n)
