"""Modules count a little more or less than their neighbours: one batch of crystals, one readout.

Pixels of a module share a factor 1 + u on top of their own efficiencies. Taken for scatter of single pixels
it would not only widen their distribution but skew it: the product of two normal scatters of 3 % and 5 % has
a skewness of 0.07, which names a third too many of the bright and a third too few of the weak.

Of a module whose pixels show excesses x_i (relative) with weights w_i (inverse variances) the mean is known
to 1/√W, W = Σw. Where modules scatter by τ the best estimate is the shrunk mean (the posterior mean of a
normal prior),

    u = (Σ w·x)/(W + τ⁻²),

which costs W/(W + τ⁻²) free numbers. τ is measured on the plane; where it does not stand out, modules are
alike. A module that stands out from the others is not excused: its pixels are odd.

Reference: Robinson 1991, Statistical Science 6, 15.
"""

import numpy as np

from eicpy.typing import FloatArray, IntArray

__all__ = ["module_factors"]

_FEWEST = 30
"""Modules, below which they do not show how they scatter."""
_ROBUST = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""
_SEEN = 0.5
"""Variance τ² in units of that of a module's mean, from which modules count as different (3 σ with 200)."""
_ODD = 3.5
"""Standard deviations of the modules' means, from which a module is not one of them."""


def module_factors(excess: FloatArray, weight: FloatArray, module: IntArray) -> tuple[FloatArray, float]:
    """Return the factor of each module, and how many free numbers they cost.

    Parameters
    ----------
    excess
        Of each pixel over what is expected of all modules alike, relative, shape (n_pixels,).
    weight
        Inverse variance of that; 0 for odd pixels. Same shape.
    module
        Number of its module, same shape.

    Returns
    -------
    factor
        Shape (highest module + 1,).
    free
        Number of free numbers that this took.
    """
    total = np.bincount(module, weight)
    sums = np.bincount(module, weight * excess)
    factor = np.ones(total.size)
    typical = float(np.median(total[total > 0.0])) if (total > 0.0).any() else 0.0
    seen = total > 0.5 * typical
    if typical == 0.0 or np.count_nonzero(seen) < _FEWEST:
        return factor, 0.0
    mean = sums[seen] / total[seen]
    own = float(np.median(1.0 / total[seen]))
    away = np.abs(mean - np.median(mean))
    scatter = _ROBUST * float(np.median(away))
    variance = scatter**2 - own
    if variance < _SEEN * own:
        return factor, 0.0
    kept = total[seen] / (total[seen] + 1.0 / variance)
    kept[away > _ODD * scatter] = 0.0
    factor[seen] = 1.0 + kept * mean
    return factor, float(kept.sum())
