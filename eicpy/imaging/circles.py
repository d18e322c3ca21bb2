"""Circles that hold a direction, and limits that hold a flux, with a stated probability."""

import numpy as np
from scipy import optimize, special

from eicpy.errors import BadArgumentError
from eicpy.typing import FloatArray

__all__ = ["circle_radius", "upper_limit"]


def circle_radius(covariance: FloatArray, confidence: float = 0.9) -> float:
    """Radius of the circle about the mean that holds a share of a normal distribution in two dimensions.

    Parameters
    ----------
    covariance
        Shape (2, 2), positive definite.
    confidence
        The share, between 0 and 1.

    Returns
    -------
    float
        In the unit whose square the covariance is in.

    Examples
    --------
    >>> round(circle_radius(np.eye(2), 0.9), 4)  # √(−2 ln 0.1)
    2.146
    """
    if not 0 < confidence < 1:
        raise BadArgumentError(f"confidence is {confidence}; expected a share between 0 and 1, as 0.9")
    narrow, wide = np.linalg.eigvalsh(covariance)
    if not narrow > 0:
        raise BadArgumentError("the covariance of the position is not positive: there is no circle to draw")
    # P(r) by the angle around: the radius in units of the ellipse depends on the angle alone (trapezes over
    # a period converge faster than any power).
    angle = (np.arange(64) + 0.5) * (2 * np.pi / 64)
    q = np.cos(angle) ** 2 / wide + np.sin(angle) ** 2 / narrow
    norm = 1 / np.sqrt(narrow * wide)

    def inside(r: float) -> float:
        return float(norm * np.mean(-special.expm1(-0.5 * r**2 * q) / q)) - confidence

    return float(optimize.brentq(inside, 1e-6 * np.sqrt(narrow), 20 * np.sqrt(wide)))


def upper_limit(flux: float, error: float, confidence: float = 0.9) -> float:
    """Limit below which the flux lies with a probability, given that it is not negative.

    The flux that was measured is normal about the true one with a known error, and all true fluxes from zero
    on are taken to be equally likely before (Helene 1983, Nucl. Instrum. Methods 212, 319): a limit that does
    not become smaller than the noise allows where the sky fluctuated down.

    Parameters
    ----------
    flux
        As measured; may be negative.
    error
        One standard deviation, > 0.
    confidence
        The probability, between 0 and 1.

    Returns
    -------
    float
        In the unit of `flux`.

    Raises
    ------
    BadArgumentError
        For a confidence or an error that is none.

    Examples
    --------
    >>> round(upper_limit(0.0, 1.0), 3), round(upper_limit(-2.0, 1.0), 3), round(upper_limit(5.0, 1.0), 3)
    (1.645, 0.837, 6.282)
    """
    if not 0 < confidence < 1:
        raise BadArgumentError(f"confidence is {confidence}; expected a share between 0 and 1, as 0.9")
    if not (np.isfinite(flux) and error > 0):
        raise BadArgumentError(f"flux {flux}, error {error}; expected numbers, the error above zero")
    below = special.log_ndtr(flux / error)  # of the whole that lies above zero
    return float(flux - error * special.ndtri_exp(below + np.log1p(-confidence)))
