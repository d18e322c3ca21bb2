"""Gain and offset of a pixel with weak lines: mean and covariance of the posterior, compiled.

When errors are not short beside a line's width the likelihood is no parabola: its highest point is not its
middle, and its curvature there promises too much just where a fluctuation made the lines look sharp. Pixels
that are chosen by their errors are then those whose errors came out too small. Mean and covariance of the
posterior do not depend on how one came to look at them.

With φ = (gain, offset) and ν all other parameters, ν is integrated by Laplace's method (Tierney & Kadane
1986, J. Am. Stat. Assoc. 81, 82),

    p(φ) ∝ ∫ L·p(ν) dν ≈ L(φ, ν̂(φ))·p(ν̂)·|A_νν(φ)|^(−1/2),

with ν̂(φ) the maximum at fixed φ: it is followed linearly from the fit, and reached by a Newton step, whose
promise corrects the likelihood to second order. A_νν is the expected information. φ is summed over a lattice
of 1.6 σ of the fit's covariance out to 3.2 σ; equal sums of a smooth function that vanishes outside converge
faster than any power of the step (Trefethen & Weideman 2014, SIAM Review 56, 385). Where the sum finds
another centre or another width it is done again there, and what is left at its border says whether it holds
the posterior.
"""

import math

import numpy as np

from eicpy.calibration.gain.kernel import freeze
from eicpy.calibration.gain.likelihood import Point, Prior, Workspace, assemble, new_point, workspace
from eicpy.calibration.gain.linear_steps import marquardt_step
from eicpy.calibration.gain.lines import LineArrays
from eicpy.kernels import kernel
from eicpy.typing import FloatArray, IntArray

__all__ = ["scale_posteriors"]

STEP = 1.6  # σ, of the lattice
RADIUS = 4  # of the lattice, squared and in steps
BORDER = 3  # beyond which a point is at the border, squared and in steps
PASSES = 3  # lattices at most
STEPS = 3  # Newton steps of the other parameters at most
CLOSE = 0.1  # rise of 2·ln L that a further step may still promise
HELD = 0.956  # of a normal distribution's variance, that the lattice holds
NARROWEST = 0.04  # variance in σ², below which a lattice sees a single point
NEAR, ALIKE = 0.4, 1.3  # σ and ratio of σ within which a lattice was laid right


@kernel
def _followed(at: Point, move: FloatArray, work: Workspace) -> bool:
    """Complete a move of gain and offset by how the other parameters follow; False without a solution."""
    n = at.theta.size
    right = np.zeros(n)
    for p in range(2, n):
        right[p] = -at.information[p, 0] * move[0] - at.information[p, 1] * move[1]
    work.frozen[:] = False
    work.frozen[:2] = True
    if not marquardt_step(
        at.information, right, work.frozen, 0.0, work.scale, work.matrix, work.factor, work.step
    ):
        return False
    move[2:] = work.step[2:]
    return True


@kernel
def _others_step(at: Point, prior: Prior, work: Workspace) -> float:
    """Newton step of all parameters but gain and offset, within bounds; the rise of 2·ln L it promises."""
    freeze(at, prior, work.frozen)
    work.frozen[:2] = True
    if not marquardt_step(
        at.information, at.score, work.frozen, 0.0, work.scale, work.matrix, work.factor, work.step
    ):
        return np.nan
    promised = 0.0
    for p in range(2, at.theta.size):
        work.step[p] = min(max(work.step[p], prior.lower[p] - at.theta[p]), prior.upper[p] - at.theta[p])
        promised += at.score[p] * work.step[p]
    return promised


@kernel
def _log_marginal(
    counts: FloatArray, windows: IntArray, lines: LineArrays, prior: Prior, at: Point, work: Workspace
) -> float:
    """Logarithm of the posterior of the gain and offset of `at`, up to a constant."""
    n = at.theta.size
    if not prior.lower[0] < at.theta[0] < prior.upper[0]:
        return -np.inf
    for p in range(2, n):
        at.theta[p] = min(max(at.theta[p], prior.lower[p]), prior.upper[p])
    objective, promised = np.inf, np.inf
    for _ in range(STEPS):
        _, objective = assemble(counts, windows, lines, prior, at, work)
        promised = _others_step(at, prior, work) if objective < np.inf else np.nan
        if not promised >= CLOSE:
            break
        at.theta[2:] += work.step[2:]
    if math.isnan(promised):
        return -np.inf
    volume = 0.0
    for p in range(2, n):
        if not work.frozen[p]:
            volume += math.log(work.scale[p]) - math.log(work.factor[p, p])
    density: float = -0.5 * (objective - promised) + volume
    return density


@kernel
def _moments(
    counts: FloatArray,
    fitted: Point,
    windows: IntArray,
    lines: LineArrays,
    prior: Prior,
    at: Point,
    work: Workspace,
    scale: FloatArray,
) -> float:
    """Lay one lattice by `scale` and overwrite that; return the share at the border, NaN for nothing.

    `scale` is the mean of gain and offset, their variances, and their covariance.
    """
    n = fitted.theta.size
    first, second, centre = np.zeros(n), np.zeros(n), np.zeros(n)
    first[0] = math.sqrt(scale[2])
    first[1] = scale[4] / first[0]
    second[1] = math.sqrt(max(scale[3] - first[1] * first[1], 1e-6 * scale[3]))
    centre[0], centre[1] = scale[0] - fitted.theta[0], scale[1] - fitted.theta[1]
    if not (_followed(fitted, first, work) and _followed(fitted, second, work)):
        return np.nan
    if not _followed(fitted, centre, work):
        return np.nan
    reach = int(math.sqrt(RADIUS))
    size = (2 * reach + 1) ** 2
    a, b, log_density = np.zeros(size), np.zeros(size), np.full(size, -np.inf)
    number = 0
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            if i * i + j * j <= RADIUS:
                a[number], b[number] = STEP * i, STEP * j
                for p in range(n):
                    at.theta[p] = fitted.theta[p] + centre[p] + a[number] * first[p] + b[number] * second[p]
                log_density[number] = _log_marginal(counts, windows, lines, prior, at, work)
                number += 1
    highest = log_density[:number].max()
    if not highest > -np.inf:
        return np.nan
    total = border = mean_a = mean_b = aa = ab = bb = 0.0
    for k in range(number):
        weight = math.exp(log_density[k] - highest)
        total += weight
        if a[k] * a[k] + b[k] * b[k] > BORDER * STEP * STEP + 1e-9:
            border += weight
        mean_a += weight * a[k]
        mean_b += weight * b[k]
        aa += weight * a[k] * a[k]
        ab += weight * a[k] * b[k]
        bb += weight * b[k] * b[k]
    mean_a, mean_b = mean_a / total, mean_b / total
    aa, ab, bb = aa / total - mean_a**2, ab / total - mean_a * mean_b, bb / total - mean_b**2
    aa, bb, ab = max(aa / HELD, NARROWEST), max(bb / HELD, NARROWEST), ab / HELD
    scale[0] += mean_a * first[0]
    scale[1] += mean_a * first[1] + mean_b * second[1]
    scale[2] = aa * first[0] ** 2
    scale[3] = aa * first[1] ** 2 + 2.0 * ab * first[1] * second[1] + bb * second[1] ** 2
    scale[4] = aa * first[0] * first[1] + ab * first[0] * second[1]
    away = max(abs(mean_a), abs(mean_b)) / NEAR
    wider = max(aa, bb, 1.0 / aa, 1.0 / bb) / ALIKE**2
    return border / total if max(away, wider) <= 1.0 else 1.0 + border / total


@kernel
def scale_posteriors(
    counts: FloatArray,
    theta: FloatArray,
    covariance: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Posterior of gain and offset of many pixels, each for itself.

    Parameters
    ----------
    counts
        Shape (n_pixels, n_channels).
    theta
        Fitted parameters, shape (n_pixels, n_parameters).
    covariance
        Variances of gain and offset and their covariance, of the fit, shape (n_pixels, 3).
    windows, lines, prior_mean, prior_precision, lower, upper
        As of :func:`~eicpy.calibration.gain.kernel.fit_pixels`.

    Returns
    -------
    scale
        Mean gain and offset, their variances, and their covariance, shape (n_pixels, 5).
    border
        Share of the posterior at the border of the lattice, shape (n_pixels,); NaN where there is none. A
        normal distribution has 1 in 100 there.
    """
    n_pixels = theta.shape[0]
    scale, border = np.empty((n_pixels, 5)), np.full(n_pixels, np.nan)
    work = workspace(windows, lines)
    fitted, at = new_point(theta.shape[1]), new_point(theta.shape[1])
    for i in range(n_pixels):
        scale[i, :2] = theta[i, :2]
        scale[i, 2:] = covariance[i]
        if not (scale[i, 2] > 0.0 and scale[i, 3] > 0.0 and abs(scale[i, 4]) < np.inf):
            continue
        prior = Prior(prior_mean[i], prior_precision[i], lower[i], upper[i])
        fitted.theta[:] = theta[i]
        assemble(counts[i], windows[i], lines, prior, fitted, work)
        for _ in range(PASSES):
            border[i] = _moments(counts[i], fitted, windows[i], lines, prior, at, work, scale[i])
            if not border[i] >= 1.0:
                break
    return scale, border
