"""How the energy scales moved since the last table: what all pixels know together.

A change of temperature or voltage moves all gains by nearly the same share; from pixel to pixel the changes
scatter. With d_i = (relative change of the gain, change of the offset) of a pixel, its own spectrum says
d̂_i with covariance V_i, and the plane

    d_i ~ N(m, T),  T = diag(T_gain², T_offset²),   so that   d̂_i ~ N(m, T + V_i).

m and T maximise the likelihood of all d̂_i (Fisher scoring). Each pixel is then held by the last table, moved
by m, as by a measurement of variance

    T² + 2·σ(T²) + 0.2·V + σ(m)²:

what was found of the scatter and what may have been missed, by statistics or because the pixels' own errors
V are a little off. On a night on which nothing scatters that is an upper limit, and so are the errors that
come of it.

A value that was kept for longer than the others may have gone further: as a random walk, with the root of
its age.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.calibration.gain.table import GainStatus, GainTable
from eicpy.typing import BoolArray, FloatArray

__all__ = ["PlaneShift", "shift_of_the_plane", "widening"]

PLANE_MINIMUM = 100  # pixels, below which the plane says nothing
MISSED = 2.0  # σ(T²), by which the scatter may be larger than was found
SYSTEMATIC = 0.2  # of a pixel's own variance, the other number known: what errors that are off may hide
CLIP = 5.0  # σ; changes beyond belong to pixels that went their own way
STEPS = 50
SIGNIFICANT = 5.0  # σ, from which a shift of the plane moves pixels that have nothing to say themselves
BESIDE = 2.0  # times a pixel's own error, from which a common change of the offset is believed
NEVER_FITTED = 10.0  # times the others' scatter, for a pixel on the nominal scale among fitted ones


@dataclass(frozen=True, slots=True)
class PlaneShift:
    """Distribution of the changes of all scales since the last table: gain (relative) and offset (keV).

    Parameters
    ----------
    mean, mean_covariance
        Common to all pixels, shapes (2,) and (2, 2).
    variance
        T², shape (2,).
    uncertainty
        Covariance of the two T², shape (2, 2).
    own_variance
        Of a typical pixel's own change, error squared, the other of gain and offset known, shape (2,).
    """

    mean: FloatArray
    mean_covariance: FloatArray
    variance: FloatArray
    uncertainty: FloatArray
    own_variance: FloatArray

    @property
    def mean_error(self) -> FloatArray:
        """Of `mean`, shape (2,)."""
        error: FloatArray = np.sqrt(np.diag(self.mean_covariance))
        return error

    @property
    def held_variance(self) -> FloatArray:
        """Of a pixel's change beforehand, shape (2,)."""
        missed = MISSED * np.sqrt(np.diag(self.uncertainty)) + SYSTEMATIC * self.own_variance
        held: FloatArray = np.maximum(self.variance + missed + self.expected[1] ** 2, 1e-12)
        return held

    @property
    def precision(self) -> FloatArray:
        """What a pixel's change is held by, shape (2,)."""
        return 1.0 / self.held_variance

    @property
    def significant(self) -> bool:
        """Whether the plane as a whole moved."""
        return bool(self.mean @ np.linalg.solve(self.mean_covariance, self.mean) > SIGNIFICANT**2)

    @property
    def expected(self) -> tuple[FloatArray, FloatArray]:
        """What a pixel's scale is expected to have moved by, and the error of that, shapes (2,).

        A change of the offset that does not stand out, of its error and beside those of single pixels, is
        taken for none, and for an error; the gain's is then what goes with none.
        """
        least = max(SIGNIFICANT * self.mean_error[1], BESIDE * np.sqrt(self.own_variance[1]))
        if abs(self.mean[1]) > least:
            return self.mean, self.mean_error
        slope = self.mean_covariance[0, 1] / self.mean_covariance[1, 1]
        error = np.sqrt(self.mean_covariance[0, 0] - slope * self.mean_covariance[0, 1])
        missed = np.hypot(self.mean[1], self.mean_error[1])
        return np.array([self.mean[0] - slope * self.mean[1], 0.0]), np.array([error, missed])

    @property
    def common(self) -> FloatArray:
        """What a pixel with nothing to say moves by, shape (2,); nothing where the plane did not move."""
        return self.expected[0] if self.significant else np.zeros(2)


def shift_of_the_plane(change: FloatArray, covariance: FloatArray, usable: BoolArray) -> PlaneShift | None:
    """Mean and scatter of the changes, by maximum likelihood; None where there are too few pixels.

    Parameters
    ----------
    change
        Of each pixel, from its own spectrum alone, shape (n_pixels, 2).
    covariance
        Of these, shape (n_pixels, 2, 2).
    usable
        Pixels to count.
    """
    known = usable & np.isfinite(change).all(axis=1) & np.isfinite(covariance).all(axis=(1, 2))
    known &= np.linalg.det(np.where(known[:, np.newaxis, np.newaxis], covariance, np.eye(2))) > 0.0
    if np.count_nonzero(known) < PLANE_MINIMUM:
        return None
    d, own = change[known], covariance[known]
    mean = np.median(d, axis=0)
    median_variance = np.median(np.diagonal(own, axis1=1, axis2=2), axis=0)
    squared = np.maximum(np.median((d - mean) ** 2, axis=0) / 0.4549 - median_variance, 0.0)
    information, uncertainty = np.eye(2), np.eye(2)
    for _ in range(STEPS):
        inverse = np.linalg.inv(own + np.diag(squared + 1e-16))
        pulled = np.einsum("nab,nb->na", inverse, d - mean)
        inside = np.einsum("na,na->n", pulled, d - mean) < CLIP**2
        inverse, pulled = inverse[inside], pulled[inside]
        uncertainty = np.linalg.inv(0.5 * np.sum(inverse**2, axis=0))
        score = 0.5 * np.sum(pulled**2 - np.diagonal(inverse, axis1=1, axis2=2), axis=0)
        information = inverse.sum(axis=0)
        mean = mean + np.linalg.solve(information, pulled.sum(axis=0))
        step = uncertainty @ score
        new = np.maximum(squared + step, 0.0)
        moved, squared = np.abs(new - squared), new
        if np.all(moved < 1e-3 * np.sqrt(np.diag(uncertainty))):
            break
    mean_covariance: FloatArray = np.linalg.inv(information).astype(np.float64)
    alone = 1.0 / np.median(np.diagonal(np.linalg.inv(own), axis1=1, axis2=2), axis=0)
    return PlaneShift(mean, mean_covariance, squared, uncertainty, alone)


def widening(previous: GainTable) -> FloatArray:
    """How much further than the others a pixel may have gone since its value was fitted, shape (n_pixels,).

    Parameters
    ----------
    previous
        The last table, with the time of each value.
    """
    wider = np.ones(len(previous))
    known = np.isfinite(previous.age)
    times = np.unique(previous.time[known])
    if times.size > 1:  # tables follow each other at about the distance of the times in this one
        wider[known] = np.sqrt(1.0 + np.maximum(previous.age[known], 0.0) / float(np.median(np.diff(times))))
    never = (previous.status & np.uint8(GainStatus.NOMINAL)) != 0
    if not never.all():
        wider[never] = NEVER_FITTED
    return wider
