"""The Poisson-likelihood fit of one pixel, compiled; see :mod:`eicpy.calibration.gain.fit`.

Fisher scoring replaces the second derivatives of the log likelihood by their expectation

    A = Σ_c ∂μ_c·∂μ_cᵀ/μ_c,   step = A⁻¹·Σ_c ∂μ_c·(n_c − μ_c)/μ_c,

which needs first derivatives only and is positive definite. The covariance at the end is the inverse of
the *observed* information, −∂² ln L: with weak lines the expected one promises up to 8 % too much
(Efron & Hinkley 1978, Biometrika 65, 457). A Marquardt term keeps early steps honest: a step that lowers
the likelihood is shortened.

Kernels take and return arrays only; each has a numpy twin in the tests.
"""

import math

import numpy as np

from eicpy.calibration.gain.likelihood import (
    Point,
    Prior,
    Workspace,
    assemble,
    new_point,
    observed_information,
    workspace,
)
from eicpy.calibration.gain.linear_steps import errors, marquardt_step
from eicpy.calibration.gain.lines import LineArrays
from eicpy.kernels import kernel
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["fit_pixels", "freeze"]

FIRST_DAMPING = 1e-3
LEAST_DAMPING, MOST_DAMPING = 1e-9, 1e8


@kernel
def freeze(at: Point, prior: Prior, frozen: BoolArray) -> None:
    """Mark the parameters that are pressed against a bound: they must not spoil the others' step."""
    for p in range(frozen.size):
        below = at.theta[p] <= prior.lower[p] and at.score[p] < 0.0
        frozen[p] = below or (at.theta[p] >= prior.upper[p] and at.score[p] > 0.0)


@kernel
def _try_step(here: Point, there: Point, prior: Prior, damping: float, work: Workspace) -> float:
    """Go from `here` to `there`; return the rise of 2·ln L that the step promises, NaN without a step."""
    freeze(here, prior, work.frozen)
    solved = marquardt_step(
        here.information, here.score, work.frozen, damping, work.scale, work.matrix, work.factor, work.step
    )
    if not solved:
        return np.nan
    promised = 0.0
    for p in range(here.theta.size):
        there.theta[p] = min(max(here.theta[p] + work.step[p], prior.lower[p]), prior.upper[p])
        promised += here.score[p] * (there.theta[p] - here.theta[p])
    return abs(promised)


@kernel
def _fit_one(
    counts: FloatArray,
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    prior: Prior,
    max_iterations: int,
    tolerance: float,
    here: Point,
    there: Point,
    work: Workspace,
    variance: FloatArray,
) -> tuple[float, float, float, int, bool]:
    """Fit one pixel in place; covariance, deviance, deviance with the prior's terms, steps, converged."""
    here.theta[:] = theta
    deviance, objective = assemble(counts, windows, lines, prior, here, work)
    damping, steps, converged = FIRST_DAMPING, 0, False
    while objective < np.inf and steps < max_iterations and damping <= MOST_DAMPING:
        steps += 1
        promised = _try_step(here, there, prior, damping, work)
        converged = promised < tolerance and damping < 1.0
        if converged or math.isnan(promised):
            break
        deviance_there, objective_there = assemble(counts, windows, lines, prior, there, work)
        if objective_there <= objective:
            here, there = there, here
            deviance, objective = deviance_there, objective_there
            damping = max(0.1 * damping, LEAST_DAMPING)
        else:
            damping = max(10.0 * damping, 1e-2)
    theta[:] = here.theta
    variance[:] = np.nan
    if not objective < np.inf:
        return np.nan, deviance, objective, steps, False
    observed_information(counts, theta, windows, lines, prior.precision, work, there.information)
    covariance = errors(
        there.information, here.information, work.scale, work.matrix, work.factor, work.step, variance
    )
    return covariance, deviance, objective, steps, converged and not math.isnan(covariance)


@kernel
def fit_pixels(
    counts: FloatArray,
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    max_iterations: int,
    tolerance: float,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, IntArray, BoolArray]:
    """Fit many pixels, each for itself.

    Parameters
    ----------
    counts
        Shape (n_pixels, n_channels).
    theta
        First guess, shape (n_pixels, n_parameters); not changed.
    windows
        First and last + 1 channel of each block, shape (n_pixels, n_blocks, 2).
    lines
        The model's lines and the shape of its continua.
    prior_mean, prior_precision
        Shape (n_pixels, n_parameters); precision 0 where nothing is known beforehand.
    lower, upper
        Bounds of the parameters, same shape.
    max_iterations
        Steps tried at most.
    tolerance
        Converged when a step promises less than this rise of 2·ln L.

    Returns
    -------
    tuple
        Parameters and their variances, both (n_pixels, n_parameters); covariance of gain and offset;
        deviance; deviance with the prior's terms; iterations; whether it converged.
    """
    n_pixels = counts.shape[0]
    fitted = theta.copy()
    variance, covariance = np.empty_like(theta), np.empty(n_pixels)
    deviance, objective = np.empty(n_pixels), np.empty(n_pixels)
    iterations = np.zeros(n_pixels, np.int64)
    converged = np.zeros(n_pixels, np.bool_)
    work = workspace(windows, lines)
    here, there = new_point(theta.shape[1]), new_point(theta.shape[1])
    for i in range(n_pixels):
        prior = Prior(prior_mean[i], prior_precision[i], lower[i], upper[i])
        covariance[i], deviance[i], objective[i], iterations[i], converged[i] = _fit_one(
            counts[i], fitted[i], windows[i], lines, prior, max_iterations, tolerance, here, there, work,
            variance[i],
        )  # fmt: skip
    return fitted, variance, covariance, deviance, objective, iterations, converged
