"""Shapes of the background on the detector plane."""

import numpy as np

from eicpy.typing import FloatArray

__all__ = ["quadratic_shapes"]


def quadratic_shapes(pixels: int) -> FloatArray:
    """1, y, z, y² − ⅓, z² − ⅓ and y·z over the plane, y and z from −1 to 1.

    Parameters
    ----------
    pixels
        Pixels along a side of the plane.

    Returns
    -------
    numpy.ndarray
        Shape (6, pixels, pixels), indexed [shape, z, y].
    """
    x = (np.arange(pixels) + 0.5) / pixels * 2 - 1
    y, z = np.broadcast_arrays(x[None, :], x[:, None])
    return np.stack([np.ones_like(y), y, z, y**2 - 1 / 3, z**2 - 1 / 3, y * z])
