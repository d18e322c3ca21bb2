"""What a good pixel should count, and how much good pixels scatter: both from the plane itself.

Expected counts are a sum of parts with free strengths,

    μ_p = ε_p · [surface(y, z) + Σ_k a_k · shadow_k(p)] + Σ_k h_k · exp(−d_p/w_k):

a polynomial surface (the sky background through the mask, with the Earth in a part of it), the shadows that
known sources throw, and noise of heat pipes that falls with the distance d from two sides; ε is what is
known of each pixel besides, such as the share of the band that its channels cover. Strengths come out of
each exposure, so that a source may have any brightness. Crystals of a module come from one batch and share
one readout: each module has a factor (:mod:`.modules`), which belongs to ε.

Fit and scatter are M-estimates with Tukey's biweight, which bad pixels do not pull: residuals z = (n − μ)/σ
with σ² = μ + s²·μ² get the weight (1 − (z/c)²)², and instead of zero and one, the weighted mean and mean
square of z are set to what *this* distribution (:mod:`eicpy.calibration.pixels.tails`) gives at these
counts, since that of ten counts is skewed and cut, and a tail at 3.7 σ doubles when σ is 5 % too small.

Residuals of a fit are shorter than errors: with p free numbers and n pixels their scatter comes out too
small. To first order in p/n, with ψ = w·z, χ = w·(z² − q), q such that E χ = 0, and V = E ψ²/(E ψ′)²,

    δ ln σ² = (p/n)·[−E χ′ψ/E ψ′ + ½·V·E χ″]/(½·E χ′z) = −1.61·p/n.

A pixel that stands out has no weight in the fit, so that its expected counts are a prediction, with an error
of its own; in variance it is V·p/n of a pixel's on average. Neglected, the two name a tenth too many.

References: Beaton & Tukey 1974, Technometrics 16, 147; Huber & Ronchetti 2009, Robust Statistics, §6 and §7.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial import legendre

from eicpy.calibration.pixels.modules import module_factors
from eicpy.calibration.pixels.tails import probability_low
from eicpy.instruments.pixels import PixelGrid
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["PlaneFit", "fit_plane"]

DEAD_SHARE = 0.05
"""Share of the expected counts below which a pixel counts as dead."""
PIPE_WIDTHS = (1.0, 2.0, 4.0)
"""e-folding distances, in pixels, of which the profile of the heat pipes is mixed."""
_BESIDE_PIPES = 4
"""Highest degree of the surface beside heat pipes: the sixth hardly differs from a rise at two sides."""
_PIPE_SIGMA = 5.0
"""Standard deviations that heat pipes must have to be believed."""
_CLIP = 3.5
_BINS = 8.0
"""Bins in a standard deviation in which large counts are summed."""
_SHORTER = 1.61
"""By how much residuals' squares are short, in units of p/n; see above."""
_PREDICTED = 1.17
"""Variance V of an M-estimate in units of that of the mean."""
_ROUNDS = 20
_ODD_SHARE = 0.2
"""Share of counting pixels that may be odd; with more, the plane falls in parts."""
_ORDINARY = 0.95
_STEP = 1.5
_BETWEEN = 0.2
"""Distance, in the logarithm, of the means for which moments are computed; others are interpolated."""
_FEWEST, _MOST = 3, 25
_LARGE, _MIDDLE = 1600, 60
"""Pixels from which the surface is of the sixth degree, of the second; a smaller plane has a constant."""
_PRIOR = {1: 1.0, 2: 1.0}
_PRIOR_OTHERS = 0.3
"""How large terms of the surface may be, relative to its level: matters where half of a plane is dead."""


@dataclass(frozen=True, slots=True)
class PlaneFit:
    """What a good pixel should count.

    Parameters
    ----------
    expected
        Counts of a good pixel, shape (n_pixels,); NaN where nothing can be said.
    heat_pipes
        Part of it that heat pipes add; same shape.
    scatter
        Relative scatter of good pixels beyond Poisson noise.
    error
        Relative error of what is expected, rms over the plane.
    light
        Counts that each known source brings to the plane, and their error, shape (sources, 2).
    """

    expected: FloatArray
    heat_pipes: FloatArray
    scatter: float
    error: float = 0.0
    light: FloatArray = field(default_factory=lambda: np.empty((0, 2)))


def fit_plane(
    n: FloatArray, grid: PixelGrid, illumination: FloatArray, shadows: FloatArray, *, heat_pipes: bool = False
) -> PlaneFit:
    """Fit expected counts and scatter to a plane.

    Parameters
    ----------
    n
        Counts of each pixel, shape (n_pixels,); NaN: unknown.
    grid
        Where the pixels are.
    illumination
        Factor of each pixel, same shape.
    shadows
        What each known source lights, up to a factor, shape (sources, n_pixels).
    heat_pipes
        Look for noise along the two sides in y. Where it is weaker than five standard deviations there is
        none.
    """
    valid = np.isfinite(n)
    if not valid.any() or not np.nansum(n) > 0.0:
        return PlaneFit(np.full(n.size, np.nan), np.zeros(n.size), 0.0, light=np.zeros((len(shadows), 2)))
    pipes = _pipes(grid) if heat_pipes and grid.columns > 4 * max(PIPE_WIDTHS) else np.empty((0, n.size))
    model = _Model.of(grid, illumination, shadows, pipes, _level(n[valid] / illumination[valid]))
    fit = model.fit(n, valid)
    if len(pipes) and not model.pipes_are_seen:
        model = _Model.of(grid, illumination, shadows, np.empty((0, n.size)), model.level)
        fit = model.fit(n, valid)
    return fit


def _level(n: FloatArray) -> float:
    """Middle of the pixels that count at all: half of a plane may be off."""
    live = n[n > DEAD_SHARE * np.quantile(n, 0.75)]
    return float(np.median(live)) if live.size else float(np.mean(n))


def _surface(grid: PixelGrid, highest: int) -> tuple[FloatArray, FloatArray]:
    """Terms of the surface, shape (terms, n_pixels), and how large each may be."""
    degree = min(highest, 6 if grid.count >= _LARGE else 2 if grid.count >= _MIDDLE else 0)
    i, j = grid.ij(np.arange(grid.count))
    y, z = 2.0 * j / max(grid.columns - 1, 1) - 1.0, 2.0 * i / max(grid.rows - 1, 1) - 1.0
    in_y, in_z = legendre.legvander(y, degree).T, legendre.legvander(z, degree).T
    both = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]
    allowed = [np.inf if a + b == 0 else _PRIOR.get(a + b, _PRIOR_OTHERS) for a, b in both]
    return np.stack([in_y[a] * in_z[b] for a, b in both]), np.array(allowed)


def _pipes(grid: PixelGrid) -> FloatArray:
    """Profiles of heat pipes along the two sides in y, shape (profiles, n_pixels)."""
    y, _ = grid.yz(np.arange(grid.count))
    distances = (y, grid.columns - 1 - y)
    return np.stack([np.exp(-d / w) for d in distances for w in PIPE_WIDTHS])


class _Model:
    """Design of the fit, and its strengths relative to the level."""

    def __init__(
        self, design: FloatArray, allowed: FloatArray, shadows: int, pipes: int, level: float
    ) -> None:
        self.design, self.allowed, self.level = design, allowed, level
        terms = len(design)
        self.surface = slice(0, terms - shadows - pipes)
        self.added = slice(terms - shadows - pipes, terms)
        self.shadows = slice(terms - shadows - pipes, terms - pipes)
        self.pipes = slice(terms - pipes, terms)
        self.strength: FloatArray = np.zeros(terms)
        self.strength[0] = 1.0
        self.information: FloatArray = np.zeros((terms, terms))
        self.module: IntArray = np.zeros(design.shape[1], np.int64)
        self.factor: FloatArray = np.ones(design.shape[1])
        self.free = float(terms)

    @classmethod
    def of(
        cls, grid: PixelGrid, illumination: FloatArray, shadows: FloatArray, pipes: FloatArray, level: float
    ) -> "_Model":
        surface, allowed = _surface(grid, _BESIDE_PIPES if len(pipes) else 6)
        design = np.concatenate([surface * illumination, shadows * illumination, pipes])
        free = np.full(len(shadows) + len(pipes), np.inf)
        model = cls(design, np.concatenate([allowed, free]), len(shadows), len(pipes), level)
        model.module = np.asarray(grid.module(np.arange(grid.count)), np.int64)
        return model

    def expected(self) -> FloatArray:
        lit = slice(0, self.pipes.start)
        values = self.level * (self.strength[lit] @ self.design[lit]) * self.factor
        values += self.level * (self.strength[self.pipes] @ self.design[self.pipes])
        return np.asarray(np.maximum(values, 0.02 * self.level * self.design[0]))

    def fit(self, n: FloatArray, valid: BoolArray) -> PlaneFit:
        expected = self.expected()
        live = valid & (n > DEAD_SHARE * expected)
        relative = (n[live] if live.any() else n[valid]) / self.level - 1.0
        total = 1.4826 * float(np.median(np.abs(relative - np.median(relative))))
        variance = max(total**2 - 1.0 / self.level, 0.0)
        for _ in range(_ROUNDS):
            before = expected
            moments = _Moments(expected[valid], np.sqrt(variance))
            self._solve(n, valid, moments)
            self._compare_modules(n, valid, moments)
            expected = self.expected()
            longer = np.sqrt(1.0 + _SHORTER * self.free / np.count_nonzero(valid))
            change = moments.more_variance(n[valid], expected[valid], np.sqrt(variance), longer)
            change = max(change, -variance)
            variance += change
            settled = np.abs(expected - before) < 1e-3 * np.sqrt(expected + variance * expected**2)
            if settled.all() and abs(change) < 1e-3 * (variance + 1.0 / self.level):
                break
        live = valid & (n > DEAD_SHARE * expected)
        odd = _biweight((n[live] - expected[live]) / np.sqrt(expected + variance * expected**2)[live]) <= 0.0
        if live.any() and np.mean(odd) > _ODD_SHARE:
            expected, variance = self._broad(n, valid & (n > DEAD_SHARE * self.level))
        pipes = self.level * (self.strength[self.pipes] @ self.design[self.pipes])
        ordinary = variance + float(np.median(1.0 / expected))
        error = np.sqrt(_PREDICTED * self.free / np.count_nonzero(valid) * ordinary)
        return PlaneFit(expected, pipes, float(np.sqrt(variance)), float(error), self._light())

    def _compare_modules(self, n: FloatArray, valid: BoolArray, moments: "_Moments") -> None:
        """Set the factor of each module from what its pixels count more or less than the surface says."""
        pipes = self.level * (self.strength[self.pipes] @ self.design[self.pipes])
        alike = (self.expected() - pipes) / self.factor
        weight = moments.weight(n[valid])
        excess = n[valid] - moments.sigma * moments.bias - pipes[valid] - alike[valid]
        factor, free = module_factors(
            excess / alike[valid], weight * (alike[valid] / moments.sigma) ** 2, self.module[valid]
        )
        self.factor = factor[self.module]
        self.free = float(np.count_nonzero(self.strength)) + free

    def _solve(self, n: FloatArray, valid: BoolArray, moments: "_Moments") -> None:
        """Weighted least squares; what can only add, and would be negative, is left out."""
        design = self.design[:, valid] * self.level
        design[: self.pipes.start] *= self.factor[valid]
        weight = moments.weight(n[valid])
        target = n[valid] - moments.sigma * moments.bias
        scaled = design * (weight / moments.sigma**2)
        information = scaled @ design.T + np.diag(1.0 / self.allowed**2)
        right = scaled @ target
        used = np.ones(len(design), np.bool_)
        while True:
            strength = np.zeros(len(design))
            part = information[np.ix_(used, used)]
            strength[used] = np.linalg.lstsq(part, right[used], rcond=1e-12)[0]
            negative = np.flatnonzero(strength[self.added] < 0.0) + self.added.start
            if not negative.size:
                break
            used[negative[np.argmin(strength[negative])]] = False
        self.strength, self.information = strength, information

    def _broad(self, n: FloatArray, live: BoolArray) -> tuple[FloatArray, float]:
        """Expected counts and scatter of a plane that falls in parts: the parts are all taken for good.

        The shadow of a bright source that is not known makes two populations, lit and not; a robust fit would
        settle on one of them and call the other one odd.
        """
        self.strength[:] = 0.0
        self.strength[0] = 1.0
        self.factor[:] = 1.0
        for _ in range(3):
            expected = self.expected()
            scaled = self.design[:, live] * self.level / expected[live] ** 2
            information = scaled @ (self.design[:, live].T * self.level) + np.diag(1.0 / self.allowed**2)
            self.strength = np.asarray(np.linalg.lstsq(information, scaled @ n[live], rcond=1e-12)[0])
        expected = self.expected()
        squares = np.sort(((n - expected) / expected)[live] ** 2)[: int(np.ceil(_ORDINARY * live.sum()))]
        return expected, max(float(np.mean(squares) - np.mean(1.0 / expected[live])), 0.0)

    def _light(self) -> FloatArray:
        """Counts of each source over the plane and their error, shape (sources, 2)."""
        if self.shadows.start == self.shadows.stop:
            return np.empty((0, 2))
        whole = self.level * self.design[self.shadows].sum(axis=1)
        error = np.sqrt(np.clip(np.diag(np.linalg.pinv(self.information, rcond=1e-12)), 0.0, None))
        return np.asarray(np.stack([whole * self.strength[self.shadows], whole * error[self.shadows]], -1))

    @property
    def pipes_are_seen(self) -> bool:
        """Whether what heat pipes add at the edge is more than its error."""
        used = self.strength != 0.0
        pipes = np.zeros(used.size)
        profiles = self.design[self.pipes]
        pipes[self.pipes] = profiles[:, profiles.sum(axis=0) >= profiles.sum(axis=0).max()].mean(axis=1)
        error = np.linalg.lstsq(self.information[np.ix_(used, used)], pipes[used], rcond=1e-12)[0]
        return bool(self.strength @ pipes > _PIPE_SIGMA * np.sqrt(max(float(pipes[used] @ error), 1e-300)))


class _Moments:
    """Biweight moments of good pixels at their expected counts, interpolated between some means."""

    def __init__(self, expected: FloatArray, scatter: float) -> None:
        self.expected = expected
        self.sigma = np.sqrt(expected + (scatter * expected) ** 2)
        span = float(np.log(expected.max() / expected.min()))
        number = int(np.clip(np.ceil(span / _BETWEEN) + 1, _FEWEST, _MOST))
        means = np.geomspace(expected.min(), expected.max() * (1.0 + 1e-6), number)
        bias, square = _moments(means[:, np.newaxis], scatter)
        at, known = np.log(expected), np.log(means)
        self.bias = np.interp(at, known, bias)
        self.square = np.interp(at, known, square)

    def weight(self, n: FloatArray) -> FloatArray:
        return _biweight((n - self.expected) / self.sigma)

    def more_variance(
        self, n: FloatArray, expected: FloatArray, scatter: float, longer: float = 1.0
    ) -> float:
        """By how much the square of the scatter falls short, at newer expected counts.

        Errors are `longer` than residuals by this factor.
        """
        sigma = np.sqrt(expected + (scatter * expected) ** 2)
        z = longer * (n - expected) / sigma
        weight = _biweight(z)
        ratio = float(np.sum(weight * z**2) / np.sum(weight * self.square))
        return _STEP * (ratio - 1.0) * float(np.median((sigma / expected) ** 2))


def _moments(mean: FloatArray, scatter: float) -> tuple[FloatArray, FloatArray]:
    """Return the weighted mean and mean square of z, each divided by the mean weight: outliers have none."""
    sigma = np.sqrt(mean + (scatter * mean) ** 2)
    step = np.maximum(1.0, np.round(sigma / _BINS))
    half = (_CLIP + 0.2) * sigma
    edges = np.arange(np.ceil(2.0 * np.max(half / step)) + 2.0)
    below = np.maximum(np.floor(mean - half), 0.0) - 1.0 + step * edges  # last counts of each bin
    probability = np.diff(probability_low(below, mean, scatter))
    z = (below[:, 1:] - 0.5 * (step - 1.0) - mean) / sigma
    weight = _biweight(z) * probability
    total = np.sum(weight, axis=1)
    return np.sum(weight * z, axis=1) / total, np.sum(weight * z**2, axis=1) / total


def _biweight(z: FloatArray) -> FloatArray:
    return np.asarray(np.clip(1.0 - (z / _CLIP) ** 2, 0.0, None) ** 2)
