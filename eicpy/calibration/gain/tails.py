"""Lines with a tail: photons whose charge was not collected whole.

A share f of a line's counts is measured too low by an amount that follows an exponential law of mean τ·E
(holes that are trapped on their way). Blurred with the resolution that is no Gaussian; it is put together
here from three, one for each part of the exponential law, with the part's own mean and variance, so that
the kernels know nothing but Gaussians. Without a tail nothing is added, and nothing costs more.
"""

import numpy as np

from eicpy.calibration.gain.lines import LineArrays

__all__ = ["with_tail"]

_BOUNDS = np.array([0.0, 0.7, 2.0])  # of the parts, in units of the mean; the last one is open
_LENGTH = np.diff(_BOUNDS)
_SHARE = np.append(np.exp(-_BOUNDS[:-1]) - np.exp(-_BOUNDS[1:]), np.exp(-_BOUNDS[-1]))
_MEAN = _BOUNDS + 1.0 - np.append(_LENGTH / np.expm1(_LENGTH), 0.0)
_VARIANCE = 1.0 - np.append(_LENGTH**2 * np.exp(_LENGTH) / np.expm1(_LENGTH) ** 2, 0.0)


def with_tail(lines: LineArrays, share: float, tau: float, sigma: np.ndarray) -> LineArrays:
    """Lines, each as a core and the three parts of its tail.

    Parameters
    ----------
    lines
        Lines without a tail.
    share
        Share of the counts in the tail, 0 to 1.
    tau
        Mean of the tail, in units of the line's energy.
    sigma
        Width of each block, keV, shape (n_blocks,).
    """
    if share == 0.0:
        return lines
    n, parts = lines.energy.size, _SHARE.size + 1
    block = np.repeat(np.arange(lines.n_groups.size), np.diff(lines.first_line))
    mean, variance = np.append(0.0, _MEAN), np.append(0.0, _VARIANCE)
    shares = np.append(1.0 - share, share * _SHARE)
    spread = (tau * lines.energy / sigma[block])[:, np.newaxis]
    return lines._replace(
        energy=(lines.energy[:, np.newaxis] * (1.0 - tau * mean)).ravel(),
        fraction=(lines.fraction[:, np.newaxis] * shares).ravel(),
        stretch=np.sqrt(lines.stretch[:, np.newaxis] ** 2 + variance * spread**2).ravel(),
        group=np.repeat(lines.group, parts),
        first_line=lines.first_line * parts if n else lines.first_line,
    )
