"""Mean and variance of the Poisson deviance, which is not a χ² when counts are few.

The deviance of one bin, d(n, μ) = 2·(μ − n + n·ln(n/μ)), has mean 1 and variance 2 only for large μ. At
the couple of counts per channel of a pixel's spectrum it is up to 15 % larger, and it vanishes for
μ → 0: a gate on deviance / degrees of freedom would fire on the exposure rather than on the fit. The
moments below (the sums over n, as in Kaastra 2017, A&A 605, A51) turn a deviance into a number of
standard deviations that means the same at any exposure.
"""

from functools import cache

import numpy as np
from scipy.special import gammaln, xlogy

from eicpy.typing import FloatArray

__all__ = ["deviance_moments", "moment_table"]


LOG_LOW, LOG_STEP, N_TABLE = np.log(1e-4), 0.05, 300


def deviance_moments(expected: float) -> tuple[float, float]:
    """Mean and variance of the deviance of one bin.

    Parameters
    ----------
    expected
        Expected counts μ > 0.

    References
    ----------
    W. Cash 1979, ApJ 228, 939; J. S. Kaastra 2017, A&A 605, A51.
    """
    n = np.arange(int(expected + 12.0 * np.sqrt(expected) + 30.0))
    probability = np.exp(xlogy(n, expected) - expected - gammaln(n + 1.0))
    deviance = 2.0 * (expected - n + xlogy(n, n / expected))
    mean = float(probability @ deviance)
    return mean, float(probability @ (deviance - mean) ** 2)


@cache
def moment_table() -> FloatArray:
    """:func:`deviance_moments` on a grid of ln μ, for kernels to interpolate, shape (300, 2)."""
    grid = np.exp(LOG_LOW + LOG_STEP * np.arange(N_TABLE))
    table = np.array([deviance_moments(float(expected)) for expected in grid])
    table.setflags(write=False)
    return table
