r"""Where a source is, how bright, and how well both are known: maximum likelihood on the detector image.

The model of :mod:`eicpy.imaging.deconvolution`, now with the source anywhere between the pixels of the sky,

    μ = ε · (Σ c_k P_k + Σ_s f_s S(t_s)),

fitted to the counts by maximum likelihood (Cash 1979, ApJ 228, 939), directions, fluxes and background
together, by Fisher scoring: μ' F⁻¹ with the expected information F = Σ ∂μ ∂μᵀ / μ. The covariance is F⁻¹ at
the maximum, the Cramér–Rao bound of the fitted model.

The share S(t) is piecewise linear in t, with kinks wherever an edge of a cell meets an edge of a pixel. Its
slope is therefore taken over a finite step, as wide as the position is uncertain: the information within
the error, and not that of one point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.imaging.circles import circle_radius
from eicpy.imaging.mask import Mask
from eicpy.imaging.shapes import quadratic_shapes
from eicpy.typing import BoolArray, FloatArray

__all__ = ["FittedSource", "Localisation", "localise", "sky_scale"]

_MOST_STEPS = 40
_MOST_SHORTER = 8
_ENOUGH = 0.02
"""A step shorter than this share of the error is the last."""
_LEAST_MEAN = 1e-6
"""Expected counts are kept above this: a likelihood needs them positive."""


@dataclass(frozen=True, slots=True)
class FittedSource:
    """A source in the camera's frame.

    Parameters
    ----------
    ty, tz
        Tangents of its direction.
    flux
        Counts of a pixel that is lit fully.
    covariance
        Of (ty, tz, flux), shape (3, 3); all else fitted along with them. Rows and columns of a direction
        that was given are zero.
    """

    ty: float
    tz: float
    flux: float
    covariance: FloatArray

    @property
    def significance(self) -> float:
        """Flux over its error, position fitted along."""
        return float(self.flux / np.sqrt(self.covariance[2, 2]))

    def sky_covariance(self) -> FloatArray:
        """Covariance of two small angles on the sky along ty and tz, radians², shape (2, 2).

        A gnomonic projection stretches: along the direction away from the axis dθ = cos²θ dt, across it
        cosθ dt.
        """
        e = sky_scale(self.ty, self.tz)
        return np.asarray(e @ self.covariance[:2, :2] @ e.T)

    def radius(self, confidence: float = 0.9) -> float:
        """Radius of the circle about the position that holds the truth with a probability, radians."""
        return circle_radius(self.sky_covariance(), confidence)


@dataclass(frozen=True, slots=True)
class Localisation:
    """Sources and background fitted together.

    Parameters
    ----------
    sources
        In the order in which they were given.
    background
        Coefficients of the shapes, shape (shapes,).
    deviance
        Twice the logarithm of the likelihood lost against a perfect model.
    converged
        False where the last step was still longer than a fiftieth of the error.
    steps
        How many steps were made.
    """

    sources: tuple[FittedSource, ...]
    background: FloatArray
    deviance: float
    converged: bool
    steps: int


def sky_scale(ty: float, tz: float) -> FloatArray:
    """Derivative of small angles on the sky by tangents, shape (2, 2): its square is the metric."""
    r2 = ty**2 + tz**2
    cos2 = 1 / (1 + r2)
    # metric of the gnomonic projection: g = cos²θ (1 − cos²θ t tᵀ)
    t = np.array([ty, tz])
    metric = cos2 * (np.eye(2) - cos2 * np.outer(t, t))
    return np.asarray(np.linalg.cholesky(metric).T)


def localise(
    mask: Mask,
    counts: npt.ArrayLike,
    directions: Sequence[tuple[float, float]],
    *,
    efficiency: FloatArray | None = None,
    shapes: FloatArray | None = None,
    known: Sequence[tuple[float, float]] = (),
) -> Localisation:
    """Fit sources and background to a detector image.

    Parameters
    ----------
    mask
        The mask.
    counts
        Counts of each pixel, shape (pixels, pixels), indexed [z, y].
    directions
        First guesses (ty, tz), good to about a cell of the mask.
    efficiency
        As of :class:`~eicpy.imaging.SkyDecoder`.
    shapes
        As of :class:`~eicpy.imaging.SkyDecoder`.
    known
        Directions (ty, tz) of sources whose flux alone is fitted; they come after the others.

    Returns
    -------
    Localisation
        Sources and background.

    Raises
    ------
    BadArgumentError
        If the image does not fit the mask or nothing is left to fit.
    """
    n = mask.pixels
    data = np.asarray(counts, np.float64)
    weight = np.ones((n, n)) if efficiency is None else np.asarray(efficiency, np.float64)
    p = quadratic_shapes(n) if shapes is None else np.asarray(shapes, np.float64)
    if data.shape != (n, n) or weight.shape != (n, n):
        raise BadArgumentError(f"image of shape {data.shape} on a plane of {n} × {n} pixels")
    good = (weight > 0).ravel()
    plane = _Plane(mask, good, weight.ravel()[good], p.reshape(len(p), -1)[:, good] * weight.ravel()[good])
    return _fit(plane, data.ravel()[good], np.reshape(directions, (-1, 2)).astype(np.float64), [*known])


@dataclass(frozen=True, slots=True)
class _Plane:
    """Pixels that are used: where they are, their efficiencies, the shapes of the background on them."""

    mask: Mask
    good: BoolArray
    weight: FloatArray
    shapes: FloatArray

    @property
    def pitch(self) -> float:
        return self.mask.geometry.plane_side / self.mask.pixels / self.mask.geometry.distance

    def seen(self, share: FloatArray) -> FloatArray:
        return np.asarray(share.ravel()[self.good] * self.weight)

    def share(self, at: npt.ArrayLike) -> FloatArray:
        ty, tz = np.asarray(at, np.float64)
        return self.seen(self.mask.shadow(float(ty), float(tz)))

    def slopes(self, at: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """S, and its derivatives by ty and tz over ± width."""
        ty, tz = float(at[0]), float(at[1])
        middle = self.mask.passing(ty, tz)
        y, y_up, y_down = (self.mask.share(ty + w).T for w in (0.0, width[0], -width[0]))
        z, z_up, z_down = (self.mask.share(tz + w) for w in (0.0, width[1], -width[1]))
        along, across = z @ middle, middle @ y
        by_y = along @ (y_up - y_down) / (2 * width[0])
        by_z = (z_up - z_down) @ across / (2 * width[1])
        return self.seen(along @ y), self.seen(by_y), self.seen(by_z)


@dataclass(slots=True)
class _Model:
    """Parameters of the model: directions of the free sources, then what the counts are linear in."""

    plane: _Plane
    t: FloatArray
    linear: FloatArray
    fixed: FloatArray
    """What the known sources and the background look like, shape (known + shapes, pixels)."""

    def mean(self) -> FloatArray:
        return self._mean(np.array([self.plane.share(at) for at in self.t]).reshape(len(self.t), -1))

    def _mean(self, shares: FloatArray) -> FloatArray:
        n = len(self.t)
        return np.maximum(self.linear[:n] @ shares + self.linear[n:] @ self.fixed, _LEAST_MEAN)

    def derivatives(self, width: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean, and its derivatives by (ty, tz of each source, then all that is linear)."""
        parts = [self.plane.slopes(at, w) for at, w in zip(self.t, width, strict=True)]
        shares = np.array([part[0] for part in parts]).reshape(len(parts), -1)
        slopes = [f * slope for f, part in zip(self.linear, parts, strict=False) for slope in part[1:]]
        return self._mean(shares), np.vstack([*slopes, shares, self.fixed])

    def moved(self, step: FloatArray) -> "_Model":
        n = len(self.t)
        t = self.t + step[: 2 * n].reshape(n, 2)
        return _Model(self.plane, t, self.linear + step[2 * n :], self.fixed)


def _fit(plane: _Plane, data: FloatArray, t: FloatArray, known: list[tuple[float, float]]) -> Localisation:
    n = len(t)
    fixed = np.vstack([*(plane.share(at) for at in known), plane.shapes])
    design = np.vstack([*(plane.share(at) for at in t), fixed])
    variance = np.maximum(plane.weight * data.sum() / plane.weight.sum(), _LEAST_MEAN)
    linear = np.linalg.lstsq((design / variance) @ design.T, (design / variance) @ data, rcond=None)[0]
    model = _Model(plane, t, linear, fixed)
    width = np.full((n, 2), 0.05 * plane.pitch)
    converged, steps = False, 0
    while not converged and steps < _MOST_STEPS:
        steps += 1
        mean, slopes = model.derivatives(width)
        covariance = np.linalg.pinv((slopes / mean) @ slopes.T, hermitian=True)
        error = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
        step = covariance @ (slopes @ (data / mean - 1))
        # Not further than half a pitch at once: beyond it the shadow is another one.
        step *= min(1.0, 0.5 * plane.pitch / np.abs(step[: 2 * n]).max(initial=1e-300))
        model, step = _uphill(model, step, data, _likelihood(mean, data))
        width = np.clip(error[: 2 * n].reshape(n, 2), 0.02 * plane.pitch, 0.5 * plane.pitch)
        converged = bool((np.abs(step) < _ENOUGH * error).all())
    mean, slopes = model.derivatives(width)
    covariance = np.linalg.pinv((slopes / mean) @ slopes.T, hermitian=True)
    return Localisation(
        tuple(_sources(model, known, np.asarray(covariance))),
        model.linear[n + len(known) :],
        _deviance(mean, data),
        converged,
        steps,
    )


def _uphill(model: _Model, step: FloatArray, data: FloatArray, reached: float) -> tuple[_Model, FloatArray]:
    """The model after a step, shortened until the likelihood does not fall."""
    for _ in range(_MOST_SHORTER):
        trial = model.moved(step)
        if _likelihood(trial.mean(), data) >= reached - 1e-9 * abs(reached):
            return trial, step
        step = step / 3
    return model, np.zeros_like(step)


def _likelihood(mean: FloatArray, data: FloatArray) -> float:
    return float(data @ np.log(mean) - mean.sum())


def _deviance(mean: FloatArray, data: FloatArray) -> float:
    seen = data > 0
    return float(2 * ((data[seen] * np.log(data[seen] / mean[seen])).sum() - (data - mean).sum()))


def _sources(
    model: _Model, known: list[tuple[float, float]], covariance: FloatArray
) -> Iterator[FittedSource]:
    n = len(model.t)
    for s, (ty, tz) in enumerate([*model.t, *known]):
        index = [2 * s, 2 * s + 1, 2 * n + s] if s < n else [2 * n + s]
        of = np.zeros((3, 3))
        of[-len(index) :, -len(index) :] = covariance[np.ix_(index, index)]
        yield FittedSource(float(ty), float(tz), float(model.linear[s]), of)
