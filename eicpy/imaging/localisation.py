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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.imaging.mask import Mask
from eicpy.imaging.shapes import quadratic_shapes
from eicpy.typing import FloatArray

__all__ = ["FittedSource", "Localisation", "localise", "sky_scale"]

_MOST_STEPS = 40
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
        from eicpy.imaging.circles import circle_radius  # noqa: PLC0415

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
        False where the last step was still longer than a hundredth of the error.
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
    fit = _Fit(mask, data.ravel()[good], weight.ravel()[good], p.reshape(len(p), -1)[:, good], good)
    return fit.run([*directions], [*known])


class _Fit:
    """One fit: parameters are (ty, tz, f) of each free source, f of each known one, then the shapes."""

    def __init__(
        self, mask: Mask, data: FloatArray, weight: FloatArray, shapes: FloatArray, good: npt.NDArray[np.bool_]
    ) -> None:
        self._mask, self._data, self._weight, self._good = mask, data, weight, good
        self._shapes = shapes * weight
        pitch = mask.geometry.plane_side / mask.pixels / mask.geometry.distance
        self._step = 0.05 * pitch
        self._longest = 0.5 * pitch

    def _share(self, ty: float, tz: float) -> FloatArray:
        return np.asarray(self._mask.shadow(ty, tz).ravel()[self._good] * self._weight)

    def _slopes(self, ty: float, tz: float, width: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """S and its derivatives over ± width."""
        mask, middle = self._mask, self._mask.passing(ty, tz)
        y, y_up, y_down = (mask.share(ty + w).T for w in (0.0, width[0], -width[0]))
        z, z_up, z_down = (mask.share(tz + w) for w in (0.0, width[1], -width[1]))
        half, across = z @ middle, middle @ y
        shares = half @ y, half @ y_up, half @ y_down, z_up @ across, z_down @ across
        centre, y_up, y_down, z_up, z_down = (s.ravel()[self._good] * self._weight for s in shares)
        return centre, (y_up - y_down) / (2 * width[0]), (z_up - z_down) / (2 * width[1])

    def run(self, free: list[tuple[float, float]], known: list[tuple[float, float]]) -> Localisation:
        n = len(free)
        known_shares = [self._share(*t) for t in known]
        t = np.array(free, np.float64).reshape(n, 2)
        width = np.full((n, 2), self._step)
        linear = self._linear([self._share(*at) for at in t] + known_shares)
        value = -np.inf
        damping = 0.0
        converged = False
        for step in range(1, _MOST_STEPS + 1):
            shares, rows = [], []
            for s in range(n):
                centre, by_y, by_z = self._slopes(t[s, 0], t[s, 1], width[s])
                shares.append(centre)
                rows += [linear[s] * by_y, linear[s] * by_z]
            design = np.vstack([*rows, *shares, *known_shares, self._shapes])
            mean = np.maximum(linear @ design[2 * n :], _LEAST_MEAN)
            gradient = design @ (self._data / mean - 1)
            information = (design / mean) @ design.T
            scale = np.sqrt(np.diag(information))
            scale[scale == 0] = 1.0
            normal = information / np.outer(scale, scale) + damping * np.eye(len(scale))
            move = np.linalg.solve(normal, gradient / scale) / scale
            covariance = np.linalg.pinv(information)
            error = np.sqrt(np.clip(np.diag(covariance), 1e-300, None))
            # Not further than half a pitch at once: beyond it S has changed.
            along = move[: 2 * n]
            longest = np.abs(along).max(initial=0.0)
            if longest > self._longest:
                move = move * (self._longest / longest)
            trial_t, trial, new = self._try(t, linear, move, n, known_shares)
            value = self._likelihood(mean)
            for _ in range(8):
                if new >= value - 1e-9 * abs(value):
                    break
                move = move / 3
                trial_t, trial, new = self._try(t, linear, move, n, known_shares)
            t, linear = trial_t, trial
            width = np.clip(error[: 2 * n].reshape(n, 2), 0.02 * self._step / 0.05, self._longest)
            if np.abs(move / error).max() < 1e-2:
                converged = True
                break
        return self._result(t, linear, width, n, known, known_shares, converged, step)

    def _try(
        self, t: FloatArray, linear: FloatArray, move: FloatArray, n: int, known: list[FloatArray]
    ) -> tuple[FloatArray, FloatArray, float]:
        moved, values = t + move[: 2 * n].reshape(n, 2), linear + move[2 * n :]
        design = np.vstack([*(self._share(*at) for at in moved), *known, self._shapes])
        return moved, values, self._likelihood(np.maximum(values @ design, _LEAST_MEAN))

    def _likelihood(self, mean: FloatArray) -> float:
        return float(self._data @ np.log(mean) - mean.sum())

    def _linear(self, shares: list[FloatArray]) -> FloatArray:
        """Fluxes and background by least squares, to begin with."""
        design = np.vstack([*shares, self._shapes])
        v = np.maximum(self._weight * self._data.sum() / self._weight.sum(), _LEAST_MEAN)
        return np.asarray(np.linalg.lstsq((design / v) @ design.T, (design / v) @ self._data, rcond=None)[0])

    def _result(
        self,
        t: FloatArray,
        linear: FloatArray,
        width: FloatArray,
        n: int,
        known: list[tuple[float, float]],
        known_shares: list[FloatArray],
        converged: bool,
        steps: int,
    ) -> Localisation:
        rows, shares = [], []
        for s in range(n):
            centre, by_y, by_z = self._slopes(t[s, 0], t[s, 1], width[s])
            shares.append(centre)
            rows += [linear[s] * by_y, linear[s] * by_z]
        design = np.vstack([*rows, *shares, *known_shares, self._shapes])
        mean = np.maximum(linear @ design[2 * n :], _LEAST_MEAN)
        covariance = np.linalg.pinv((design / mean) @ design.T)
        sources = []
        for s, at in enumerate([*map(tuple, t), *known]):
            index = [2 * s, 2 * s + 1, 2 * n + s] if s < n else [2 * n + s]
            of = np.zeros((3, 3))
            of[-len(index) :, -len(index) :] = covariance[np.ix_(index, index)]
            sources.append(FittedSource(float(at[0]), float(at[1]), float(linear[s]), of))
        seen = self._data > 0
        deviance = 2 * (
            (self._data[seen] * np.log(self._data[seen] / mean[seen])).sum() - (self._data - mean).sum()
        )
        return Localisation(
            tuple(sources), linear[n + len(known) :], float(deviance), converged, steps
        )
