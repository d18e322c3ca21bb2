"""The Poisson-likelihood fit of one pixel, compiled; see :mod:`eicpy.calibration.gain.fit`.

Fisher scoring replaces the second derivatives of the log likelihood by their expectation

    A = Σ_c ∂μ_c·∂μ_cᵀ/μ_c,   step = A⁻¹·Σ_c ∂μ_c·(n_c − μ_c)/μ_c,

which needs first derivatives only and is positive definite. The covariance at the end is the inverse of
the *observed* information, −∂² ln L: with weak lines the expected one promises up to 8 % too much
(Efron & Hinkley 1978, Biometrika 65, 457). A Marquardt term keeps early steps honest: a step that lowers
the likelihood is shortened.
Prior terms (a mean and a precision for each parameter, 0 for none) enter as Gaussian measurements.

Kernels take and return arrays only; each has a numpy twin in the tests.
"""

import math

import numpy as np

from eicpy.calibration.gain.linear_steps import errors, marquardt_step
from eicpy.calibration.gain.lines import LineArrays
from eicpy.calibration.gain.model import INV_SQRT_2PI, REACH, SMALLEST, evaluate_block
from eicpy.kernels import kernel
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["fit_pixels"]


@kernel
def _spread(local: FloatArray, start: int, q: int, information: FloatArray) -> None:
    """Add a block's matrix to that of all parameters (lower triangles)."""
    for p in range(q):
        place_p = p if p < 2 else start + p - 2
        for r in range(p + 1):
            place_r = r if r < 2 else start + r - 2
            information[place_p, place_r] += local[p, r]


@kernel
def _add_block(
    counts: FloatArray,
    first: int,
    last: int,
    start: int,
    n_groups: int,
    mu: FloatArray,
    jacobian: FloatArray,
    information: FloatArray,
    score: FloatArray,
    local: FloatArray,
) -> float:
    """Add a block to the Fisher information (lower triangle) and the score; return its deviance."""
    q = 6 + n_groups
    for p in range(q):
        for r in range(p + 1):
            local[p, r] = 0.0
    deviance = 0.0
    for k in range(last - first):
        expected = mu[k]
        if not expected > SMALLEST:
            return np.inf
        n = counts[first + k]
        weight = 1.0 / expected
        pull = (n - expected) * weight
        deviance += expected - n
        if n > 0.0:
            deviance += n * math.log(n * weight)
        row = jacobian[k]
        for p in range(q):
            value = row[p]
            if value != 0.0:
                column = p if p < 2 else start + p - 2
                score[column] += value * pull
                scaled = value * weight
                for r in range(p + 1):
                    local[p, r] += scaled * row[r]
    _spread(local, start, q, information)
    return 2.0 * deviance


@kernel
def _assemble(
    counts: FloatArray,
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
    mu: FloatArray,
    jacobian: FloatArray,
    local: FloatArray,
    information: FloatArray,
    score: FloatArray,
) -> tuple[float, float]:
    """Fisher information, score, deviance and deviance with the prior terms, at `theta`."""
    n = theta.size
    for p in range(n):
        score[p] = 0.0
        for r in range(n):
            information[p, r] = 0.0
    deviance = 0.0
    for b in range(lines.first_parameter.size):
        evaluate_block(theta, b, windows[b, 0], windows[b, 1], lines, mu, jacobian)
        deviance += _add_block(
            counts,
            windows[b, 0],
            windows[b, 1],
            lines.first_parameter[b],
            lines.n_groups[b],
            mu,
            jacobian,
            information,
            score,
            local,
        )
        if not deviance < np.inf:
            return np.inf, np.inf
    penalty = 0.0
    for p in range(n):
        if prior_precision[p] > 0.0:
            difference = prior_mean[p] - theta[p]
            information[p, p] += prior_precision[p]
            score[p] += prior_precision[p] * difference
            penalty += prior_precision[p] * difference * difference
    return deviance, deviance + penalty


@kernel
def _add_bending(
    counts: FloatArray,
    theta: FloatArray,
    block: int,
    first: int,
    last: int,
    lines: LineArrays,
    mu: FloatArray,
    bending: FloatArray,
) -> None:
    """Add Σ_c (n/μ − 1)·∂²μ of a block, lower triangle: what the lines' own second derivatives say.

    Only gain, offset, σ and strengths bend the model. Of F = S·f·Φ(z) at a channel's edge,
    F_ab = S·f·φ·(z_ab − z·z_a·z_b) with z = (gain·c + offset − E)/σ.
    """
    start = lines.first_parameter[block]
    gain, offset, sigma = theta[0], theta[1], theta[start]
    for line in range(lines.first_line[block], lines.first_line[block + 1]):
        centre = (lines.energy[line] - offset) / gain
        width = sigma * lines.stretch[line]
        reach = REACH * width / gain
        low = min(max(first, math.floor(centre - reach)), last)
        high = max(min(last, math.ceil(centre + reach)), low)
        column = start + 4 + lines.group[line]
        strength = theta[column]
        step = gain / width
        z = (gain * low + offset - lines.energy[line]) / width
        gauss = lines.fraction[line] * INV_SQRT_2PI * math.exp(-0.5 * z * z)
        ratio, curvature = math.exp(-step * (z + 0.5 * step)), math.exp(-step * step)
        before = 0.0
        for edge in range(low, high + 1):
            after = counts[edge] / mu[edge - first] - 1.0 if edge < high else 0.0
            z = (gain * edge + offset - lines.energy[line]) / width
            weight = (before - after) * gauss
            before = after
            gauss *= ratio  # exp(−z²/2) from edge to edge, as in the model
            ratio *= curvature
            bent = weight * strength
            bending[0, 0] -= bent * z * edge * edge / (width * width)
            bending[1, 0] -= bent * z * edge / (width * width)
            bending[1, 1] -= bent * z / (width * width)
            bending[start, 0] += bent * (z * z - 1.0) * edge / (width * sigma)
            bending[start, 1] += bent * (z * z - 1.0) / (width * sigma)
            bending[start, start] += bent * z * (2.0 - z * z) / (sigma * sigma)
            bending[column, 0] += weight * edge / width
            bending[column, 1] += weight / width
            bending[column, start] -= weight * z / sigma


@kernel
def _observed(
    counts: FloatArray,
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    prior_precision: FloatArray,
    mu: FloatArray,
    jacobian: FloatArray,
    local: FloatArray,
    information: FloatArray,
) -> None:
    """Observed information −∂²ln L, lower triangle, prior terms included."""
    n = theta.size
    bending = np.zeros((n, n))
    for p in range(n):
        for r in range(n):
            information[p, r] = 0.0
        information[p, p] = prior_precision[p]
    for b in range(lines.first_parameter.size):
        first, last, start = windows[b, 0], windows[b, 1], lines.first_parameter[b]
        evaluate_block(theta, b, first, last, lines, mu, jacobian)
        local[:] = 0.0
        for k in range(last - first):
            weight = counts[first + k] / (mu[k] * mu[k])
            row = jacobian[k]
            for p in range(6 + lines.n_groups[b]):
                scaled = weight * row[p]
                if scaled != 0.0:
                    for r in range(p + 1):
                        local[p, r] += scaled * row[r]
        _spread(local, start, 6 + lines.n_groups[b], information)
        _add_bending(
            counts, theta, b, first, last, lines, mu, bending
        )  # fmt: skip
    for p in range(n):
        for r in range(p + 1):
            information[p, r] -= bending[p, r]


@kernel
def _fit_one(
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
    variance: FloatArray,
) -> tuple[float, float, float, int, bool]:
    """Fit one pixel in place; covariance, deviance, penalised deviance, iterations, converged."""
    n = theta.size
    longest = 0
    widest = 0
    for b in range(lines.first_parameter.size):
        longest = max(longest, windows[b, 1] - windows[b, 0])
        widest = max(widest, 6 + lines.n_groups[b])
    mu, jacobian, local = np.empty(longest), np.empty((longest, widest)), np.empty((widest, widest))
    information, score = np.empty((n, n)), np.empty(n)
    information_new, score_new = np.empty((n, n)), np.empty(n)
    scale, matrix, factor, step = np.empty(n), np.empty((n, n)), np.empty((n, n)), np.empty(n)
    trial, frozen = np.empty(n), np.zeros(n, np.bool_)
    deviance, objective = _assemble(
        counts,
        theta,
        windows,
        lines,
        prior_mean,
        prior_precision,
        mu,
        jacobian,
        local,
        information,
        score,
    )
    damping = 1e-3
    converged = False
    iteration = 0
    while objective < np.inf and iteration < max_iterations:
        iteration += 1
        for p in range(n):  # a parameter that is pressed against its bound must not spoil the others' step
            frozen[p] = (theta[p] <= lower[p] and score[p] < 0.0) or (theta[p] >= upper[p] and score[p] > 0.0)
        if not marquardt_step(information, score, frozen, damping, scale, matrix, factor, step):
            break
        promised = 0.0
        for p in range(n):
            trial[p] = min(max(theta[p] + step[p], lower[p]), upper[p])
            promised += score[p] * (trial[p] - theta[p])
        if abs(promised) < tolerance and damping < 1.0:
            converged = True
            break
        deviance_new, objective_new = _assemble(
            counts,
            trial,
            windows,
            lines,
            prior_mean,
            prior_precision,
            mu,
            jacobian,
            local,
            information_new,
            score_new,
        )
        if objective_new <= objective:
            theta[:] = trial
            deviance, objective = deviance_new, objective_new
            information, information_new = information_new, information
            score, score_new = score_new, score
            damping = max(0.1 * damping, 1e-9)
        else:
            damping = max(10.0 * damping, 1e-2)
            if damping > 1e8:
                break
    covariance = np.nan
    variance[:] = np.nan
    if objective < np.inf:
        _observed(counts, theta, windows, lines, prior_precision, mu, jacobian, local, information_new)
        covariance = errors(information_new, information, scale, matrix, factor, step, variance)
    return covariance, deviance, objective, iteration, converged and not math.isnan(covariance)


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
    for i in range(n_pixels):
        covariance[i], deviance[i], objective[i], iterations[i], converged[i] = _fit_one(
            counts[i],
            fitted[i],
            windows[i],
            lines,
            prior_mean[i],
            prior_precision[i],
            lower[i],
            upper[i],
            max_iterations,
            tolerance,
            variance[i],
        )
    return fitted, variance, covariance, deviance, objective, iterations, converged
