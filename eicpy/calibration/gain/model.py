"""The model of a pixel's spectrum around its lines, compiled; see :mod:`eicpy.calibration.gain.fit`.

In a block of m channels from `first`, with u = (c − first + ½ − m/2)/(m/2) running from −1 to 1:

    μ_c = κ(E_c)·(b₀ + b₁·u + b₂·u²) + Σ_lines S_group·f_line·[Φ(z_{c+1}) − Φ(z_c)],
    z_c = (gain·c + offset − E_line)/(σ·w_line),   E_c = gain·(c + ½) + offset,

with Φ the normal distribution function: counts are integrals over the channel, not values at its
centre. κ, the shape of the continuum, and w, how
lines widen with energy inside a block, are measured in the camera's spectrum (1 where it gives none).
κ belongs to energies, not to channels: an absorption edge moves with the gain as a line does, and is as good
a mark of the scale. It comes as a table of values and slopes, between which a cubic (Hermite) goes.

Kernels take and return arrays only; each has a numpy twin in the tests.
"""

import math

import numpy as np

from eicpy.calibration.gain.lines import LineArrays
from eicpy.kernels import inline_kernel, kernel
from eicpy.typing import FloatArray, IntArray

__all__ = ["INV_SQRT_2PI", "REACH", "SMALLEST", "deviance_sums", "evaluate_block", "predict"]


REACH = 5.5  # a line is followed to this many σ; beyond lies 4e-8 of it
SMALLEST = 1e-9  # expected counts below this are no model of a spectrum
SQRT_HALF = math.sqrt(0.5)
INV_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)


@inline_kernel
def _error_function(z: float, gauss: float) -> float:
    """erf(z/√2), where gauss = exp(−z²/2) is known already; differs from the library's by 1e-16 at most.

    Rational approximations of Cody (1969, Mathematics of Computation 23, 631), for |z| below 5.65.
    """
    x = abs(z) * SQRT_HALF
    if x > 4.0:
        return math.erf(z * SQRT_HALF)
    if x < 0.46875:
        y = x * x
        p = (
            ((1.85777706184603153e-1 * y + 3.16112374387056560) * y + 1.13864154151050156e2) * y
            + 3.77485237685302021e2
        ) * y + 3.20937758913846947e3
        q = (
            ((y + 2.36012909523441209e1) * y + 2.44024637934444173e2) * y + 1.28261652607737228e3
        ) * y + 2.84423683343917062e3
        return math.copysign(x * p / q, z)
    p = (
        (
            (
                ((2.15311535474403846e-8 * x + 5.64188496988670089e-1) * x + 8.88314979438837594) * x
                + 6.61191906371416295e1
            )
            * x
            + 2.98635138197400131e2
        )
        * x
        + 8.81952221241769090e2
    ) * x + 1.71204761263407058e3
    p = (p * x + 2.05107837782607147e3) * x + 1.23033935479799725e3
    q = (
        (((x + 1.57449261107098347e1) * x + 1.17693950891312499e2) * x + 5.37181101862009858e2) * x
        + 1.62138957456669019e3
    ) * x + 3.29079923573345963e3
    q = ((q * x + 4.36261909014324716e3) * x + 3.43936767414372164e3) * x + 1.23033935480374942e3
    return math.copysign(1.0 - gauss * p / q, z)


@inline_kernel
def _cubic(table: FloatArray, cell: int, t: float, step: float) -> tuple[float, float]:
    """Value and slope at `t` (0 to 1) within a cell of a table of values and slopes."""
    y, z = table[cell, 0], table[cell + 1, 0]
    a, b = table[cell, 1] * step - (z - y), (z - y) - table[cell + 1, 1] * step
    rest = 1.0 - t
    value = rest * y + t * z + t * rest * (rest * a + t * b)
    slope = z - y + (rest - t) * (rest * a + t * b) + t * rest * (b - a)
    return value, slope / step


@kernel
def evaluate_block(
    theta: FloatArray,
    block: int,
    first: int,
    last: int,
    lines: LineArrays,
    mu: FloatArray,
    jacobian: FloatArray,
) -> None:
    """Expected counts of a block and their derivatives.

    Parameters
    ----------
    theta
        All parameters.
    block
        Which block.
    first, last
        Channels first … last − 1.
    lines
        The model's lines and the shape of its continua.
    mu
        Output, counts in its first last − first elements.
    jacobian
        Output, shape (m, 6 + groups) at least; columns gain, offset, σ, continuum (3), strengths.
    """
    start = lines.first_parameter[block]
    gain, offset, sigma = theta[0], theta[1], theta[start]
    m = last - first
    q = 6 + lines.n_groups[block]
    half = 0.5 * m
    table, grid = lines.shape[block], lines.shape_step[block]
    for k in range(m):
        u = (k + 0.5 - half) / half
        row = jacobian[k]
        for p in range(q):
            row[p] = 0.0
        centre = first + k + 0.5
        position = (gain * centre + offset - lines.shape_low[block]) / grid
        cell = min(max(int(position), 0), table.shape[0] - 2)
        shape, slope = _cubic(table, cell, min(max(position - cell, 0.0), 1.0), grid)
        row[3] = shape
        row[4] = shape * u
        row[5] = shape * u * u
        level = theta[start + 1] + theta[start + 2] * u + theta[start + 3] * u * u
        mu[k] = shape * level
        row[0] = slope * level * centre
        row[1] = slope * level
    for line in range(lines.first_line[block], lines.first_line[block + 1]):
        centre = (lines.energy[line] - offset) / gain
        width = sigma * lines.stretch[line]
        reach = REACH * width / gain
        low = min(max(first, math.floor(centre - reach)), last)
        high = max(min(last, math.ceil(centre + reach)), low)
        if high == low:
            continue
        column = 6 + lines.group[line]
        strength = theta[start + 4 + lines.group[line]]
        slope = strength * lines.fraction[line] / width
        z = (gain * low + offset - lines.energy[line]) / width
        gauss = math.exp(-0.5 * z * z)
        below, density = _error_function(z, gauss), INV_SQRT_2PI * gauss
        step = gain / width
        ratio, curvature = math.exp(-step * (z + 0.5 * step)), math.exp(-step * step)
        for c in range(low, high):
            z_next = (gain * (c + 1) + offset - lines.energy[line]) / width
            gauss *= ratio  # exp(−z²/2) from edge to edge, good to 1e-13 over the lines' reach
            ratio *= curvature
            above, density_next = _error_function(z_next, gauss), INV_SQRT_2PI * gauss
            part = 0.5 * lines.fraction[line] * (above - below)
            row = jacobian[c - first]
            mu[c - first] += strength * part
            row[column] += part
            row[0] += slope * ((c + 1) * density_next - c * density)
            row[1] += slope * (density_next - density)
            row[2] -= slope * lines.stretch[line] * (z_next * density_next - z * density)
            z, below, density = z_next, above, density_next


@kernel
def predict(theta: FloatArray, windows: IntArray, lines: LineArrays, n_channels: int) -> FloatArray:
    """Expected counts of one pixel in each channel, NaN outside the blocks, shape (n_channels,)."""
    out = np.full(n_channels, np.nan)
    for b in range(lines.first_parameter.size):
        m = windows[b, 1] - windows[b, 0]
        mu, jacobian = np.empty(m), np.empty((m, 6 + lines.n_groups[b]))
        evaluate_block(theta, b, windows[b, 0], windows[b, 1], lines, mu, jacobian)
        out[windows[b, 0] : windows[b, 1]] = mu
    return out


@kernel
def deviance_sums(
    theta: FloatArray,
    windows: IntArray,
    lines: LineArrays,
    n_channels: int,
    table: FloatArray,
    log_low: float,
    log_step: float,
) -> FloatArray:
    """Mean and variance of the deviance that a right model would have.

    Parameters
    ----------
    theta, windows
        Of many pixels, as in :func:`fit_pixels`.
    lines
        The model's lines and the shape of its continua.
    n_channels
        Channels of the spectra.
    table, log_low, log_step
        :func:`eicpy.calibration.gain.poisson.moment_table` and its grid.

    Returns
    -------
    numpy.ndarray
        Shape (n_pixels, 2).
    """
    sums = np.zeros((theta.shape[0], 2))
    last = table.shape[0] - 2
    for i in range(theta.shape[0]):
        expected = predict(theta[i], windows[i], lines, n_channels)
        for c in range(expected.size):
            if expected[c] > SMALLEST:
                position = (math.log(expected[c]) - log_low) / log_step
                k = min(max(int(position), 0), last)
                rest = min(max(position - k, 0.0), 1.0)
                for moment in range(2):
                    sums[i, moment] += (1.0 - rest) * table[k, moment] + rest * table[k + 1, moment]
    return sums
