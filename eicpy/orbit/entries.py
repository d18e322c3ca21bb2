"""Entries in the order of their times, between which something is interpolated where they are near enough.

Attitude and position are both known in this way: at an entry, and between two that are at most `longest`
apart. What lies further apart has a gap between them, which is never bridged.
"""

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["check_order", "entry_before", "known"]


def check_order(time: FloatArray, name: str) -> None:
    """Refuse times that are not finite, or do not increase.

    Parameters
    ----------
    time
        s, shape (n,).
    name
        Where they come from, for the message.

    Raises
    ------
    BadDataError
        For such times.
    """
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise BadDataError(f"{name}: got times that do not increase, expected each later than the last")


def entry_before(entries: FloatArray, time: npt.ArrayLike) -> IntArray:
    """Number of the entry with which interpolation begins, of two or more; of the shape of `time`."""
    before = np.searchsorted(entries, time, side="right") - 1
    return np.asarray(np.clip(before, 0, len(entries) - 2))


def known(entries: FloatArray, time: npt.ArrayLike, longest: float) -> BoolArray:
    """Whether something is known at times: at an entry, or between two that are near enough.

    Parameters
    ----------
    entries
        Times of the entries, increasing, s, shape (n,).
    time
        s, any shape.
    longest
        Longest time between two entries that is interpolated, s.

    Returns
    -------
    numpy.ndarray
        bool, of the shape of `time`.
    """
    time = np.asarray(time, np.float64)
    before = np.searchsorted(entries, time, side="right") - 1
    first, second = np.clip(before, 0, None), np.clip(before + 1, None, len(entries) - 1)
    inside = (before >= 0) & (before < len(entries) - 1)
    near = entries[second] - entries[first] <= longest
    return np.asarray((inside & near) | ((before >= 0) & (entries[first] == time)))
