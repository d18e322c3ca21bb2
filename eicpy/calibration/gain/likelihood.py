"""The Poisson likelihood of one pixel's spectrum with its derivatives, compiled.

With the expected counts μ_c of the model (:mod:`eicpy.calibration.gain.model`),

    ln L = Σ_c n_c·ln μ_c − μ_c − ½·Σ_p P_p·(θ_p − θ̄_p)²,

where the prior terms (a mean and a precision P for each parameter, 0 for none) enter as Gaussian
measurements. The expected information needs first derivatives only and is positive definite: steps go by it.
The observed information −∂² ln L knows how sharp this very maximum is: errors come from it.

Kernels take and return arrays only; each has a numpy twin in the tests.
"""

import math
from typing import NamedTuple

import numpy as np

from eicpy.calibration.gain.lines import LineArrays
from eicpy.calibration.gain.model import INV_SQRT_2PI, REACH, SMALLEST, evaluate_block
from eicpy.kernels import kernel
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["Point", "Prior", "Workspace", "assemble", "new_point", "observed_information", "workspace"]


class Prior(NamedTuple):
    """What is known of each parameter of a pixel beforehand; all of shape (n_parameters,).

    Parameters
    ----------
    mean, precision
        Precision 0 where nothing is known.
    lower, upper
        Bounds.
    """

    mean: FloatArray
    precision: FloatArray
    lower: FloatArray
    upper: FloatArray


class Point(NamedTuple):
    """Parameters, and the information (lower triangle) and score at them."""

    theta: FloatArray
    information: FloatArray
    score: FloatArray


class Workspace(NamedTuple):
    """Arrays that the fits of all pixels use one after the other.

    Parameters
    ----------
    mu, jacobian, local
        Of a block: expected counts, their derivatives, and the block's information.
    scale, matrix, factor, step, frozen
        Of a Marquardt step.
    """

    mu: FloatArray
    jacobian: FloatArray
    local: FloatArray
    scale: FloatArray
    matrix: FloatArray
    factor: FloatArray
    step: FloatArray
    frozen: BoolArray


@kernel
def workspace(windows: IntArray, lines: LineArrays) -> Workspace:
    """Arrays to work in for pixels with these windows, shape (n_pixels, n_blocks, 2)."""
    n, longest, widest = lines.n_parameters, 0, 0
    for b in range(lines.first_parameter.size):
        widest = max(widest, 6 + lines.n_groups[b])
        for i in range(windows.shape[0]):
            longest = max(longest, windows[i, b, 1] - windows[i, b, 0])
    return Workspace(
        np.empty(longest), np.empty((longest, widest)), np.empty((widest, widest)), np.empty(n),
        np.empty((n, n)), np.empty((n, n)), np.empty(n), np.zeros(n, np.bool_),
    )  # fmt: skip


@kernel
def new_point(n: int) -> Point:
    """A point of `n` parameters, empty."""
    return Point(np.empty(n), np.empty((n, n)), np.empty(n))


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
def assemble(
    counts: FloatArray, windows: IntArray, lines: LineArrays, prior: Prior, at: Point, work: Workspace
) -> tuple[float, float]:
    """Fisher information and score at a point; its deviance, and that with the prior terms.

    Parameters
    ----------
    counts
        Of one pixel, shape (n_channels,).
    windows
        First and last + 1 channel of each block, shape (n_blocks, 2).
    lines
        The model's lines and the shape of its continua.
    prior
        What is known of each parameter beforehand.
    at
        The point; its information and score are overwritten.
    work
        Arrays to work in.
    """
    at.score[:] = 0.0
    at.information[:] = 0.0
    deviance = 0.0
    for b in range(lines.first_parameter.size):
        first, last = windows[b, 0], windows[b, 1]
        evaluate_block(at.theta, b, first, last, lines, work.mu, work.jacobian)
        deviance += _add_block(
            counts, first, last, lines.first_parameter[b], lines.n_groups[b], work.mu, work.jacobian,
            at.information, at.score, work.local,
        )  # fmt: skip
        if not deviance < np.inf:
            return np.inf, np.inf
    penalty = 0.0
    for p in range(at.theta.size):
        if prior.precision[p] > 0.0:
            difference = prior.mean[p] - at.theta[p]
            at.information[p, p] += prior.precision[p]
            at.score[p] += prior.precision[p] * difference
            penalty += prior.precision[p] * difference * difference
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
def observed_information(
    counts: FloatArray,
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    precision: FloatArray,
    work: Workspace,
    information: FloatArray,
) -> None:
    """Observed information −∂²ln L, lower triangle, prior terms included."""
    n = theta.size
    mu, jacobian, local = work.mu, work.jacobian, work.local
    bending = np.zeros((n, n))
    for p in range(n):
        for r in range(n):
            information[p, r] = 0.0
        information[p, p] = precision[p]
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
        _add_bending(counts, theta, b, first, last, lines, mu, bending)
    for p in range(n):
        for r in range(p + 1):
            information[p, r] -= bending[p, r]
