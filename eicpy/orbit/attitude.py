"""How the satellite looks in the course of time: a series of quaternions.

Between two entries the satellite turns about one axis at a constant rate. Entries that lie further apart
than `longest` have a gap between them: the attitude there is not known, and never bridged.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError, MissingDataError
from eicpy.orbit import entries, quaternions
from eicpy.orbit.pointing import Pointing
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Attitude", "Misalignment"]

_JUST_BELOW, _NEAR, _CHORDS = 0.9995, 4e-4, 20
"""A piece ends a little before the tolerance, at most so far from there; chords that are drawn at most."""
_UNIT_NORM = 1e-3
"""How far from 1 the norm of a quaternion may be that was rounded to 32 bits or fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class Misalignment:
    """How the camera sits on the satellite: the rotation from the attitude's axes to its line of sight.

    Parameters
    ----------
    matrix
        Shape (3, 3): what a vector in the axes of the attitude is in the camera's frame.

    Raises
    ------
    BadDataError
        For a matrix that is no rotation.
    """

    matrix: FloatArray

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64)
        proper = matrix.shape == (3, 3) and np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
        if not proper or np.linalg.det(matrix) < 0:
            raise BadDataError(f"got a misalignment {matrix.tolist()}, expected a rotation matrix of 3 × 3")
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def of(cls, x: float, y: float, z: float) -> "Misalignment":
        """The rotation about the vector (x, y, z) by its length, radians."""
        return cls(quaternions.to_matrix(quaternions.from_rotation_vector([x, y, z])))


@dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """Quaternions in the order of their times.

    Parameters
    ----------
    time
        Seconds TT since 2017-01-01T00:00:00 UTC, increasing, shape (n,).
    quaternion
        (scalar, x, y, z) of the rotation from ICRS to the frame, shape (n, 4); made of unit norm.
    longest
        Longest time between two entries that is interpolated, s.
    name
        Where it comes from, for messages.

    Raises
    ------
    BadDataError
        For arrays of other shapes, times that do not increase or are not finite, quaternions that are not
        of unit norm.

    See Also
    --------
    Pointing : An attitude that never changes.
    eicpy.orbit.read_attitude : Reads one from an SVO-ATT-CNV file.

    Examples
    --------
    >>> import numpy as np
    >>> first, second = Pointing(0.0, 0.0, 0.0), Pointing(0.2, 0.0, 0.0)
    >>> attitude = Attitude(np.array([0.0, 1.0]), np.stack([first.quaternion, second.quaternion]))
    >>> round(attitude.pointing_at(0.25).ra, 9)
    0.05
    """

    time: FloatArray
    quaternion: FloatArray
    longest: float = 2.0
    name: str = "attitude"

    def __post_init__(self) -> None:
        time = np.asarray(self.time, np.float64)
        q = np.asarray(self.quaternion, np.float64)
        if time.ndim != 1 or len(time) < 1 or q.shape != (len(time), 4):
            raise BadDataError(
                f"{self.name}: got times of shape {time.shape} and quaternions of shape {q.shape}, "
                "expected (n,) and (n, 4) with n ≥ 1"
            )
        entries.check_order(time, self.name)
        norm = np.linalg.norm(q, axis=1)
        bad = ~(np.abs(norm - 1) < _UNIT_NORM)
        if bad.any():
            number = int(bad.argmax())
            raise BadDataError(
                f"{self.name}: got a quaternion of norm {norm[number]:.6g} at {time[number]:.3f} s, "
                "expected 1"
            )
        q = q / norm[:, None]
        flips = np.where((q[1:] * q[:-1]).sum(axis=1) < 0, -1.0, 1.0)  # q and −q are one rotation
        q[1:] *= np.cumprod(flips)[:, None]
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "quaternion", q)

    @classmethod
    def steady(cls, pointing: Pointing, time: npt.ArrayLike, **fields: Any) -> "Attitude":
        """A pointing that does not change, as entries at some times."""
        time = np.asarray(time, np.float64)
        return cls(time, np.tile(pointing.quaternion, (len(time), 1)), **fields)

    def __len__(self) -> int:
        return len(self.time)

    @property
    def span(self) -> tuple[float, float]:
        """First and last time."""
        return float(self.time[0]), float(self.time[-1])

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """Times between which nothing is known, within the span."""
        wide = np.flatnonzero(np.diff(self.time) > self.longest)
        return [(float(self.time[n]), float(self.time[n + 1])) for n in wide]

    def known(self, time: npt.ArrayLike) -> BoolArray:
        """Whether the attitude is known at times: at an entry, or between two that are near enough."""
        return entries.known(self.time, time, self.longest)

    def quaternion_at(self, time: npt.ArrayLike) -> FloatArray:
        """Quaternions at times, shape (…, 4); NaN where the attitude is not known."""
        time = np.asarray(time, np.float64)
        if len(self) == 1:
            q = np.broadcast_to(self.quaternion[0], (*time.shape, 4))
        else:
            first = entries.entry_before(self.time, time)
            share = (time - self.time[first]) / (self.time[first + 1] - self.time[first])
            q = quaternions.slerp(self.quaternion[first], self.quaternion[first + 1], np.clip(share, 0, 1))
        return np.where(self.known(time)[..., None], q, np.nan)

    def rotation_at(self, time: npt.ArrayLike) -> FloatArray:
        """Matrices from ICRS vectors to the frame at times, shape (…, 3, 3).

        Raises
        ------
        MissingDataError
            If the attitude is not known at one of the times.
        """
        time = np.asarray(time, np.float64)
        unknown = ~self.known(time)
        if unknown.any():
            raise MissingDataError(
                f"{self.name}: got {int(unknown.sum())} of {time.size} times without attitude, the first "
                f"{float(time[unknown].ravel()[0]):.3f} s; it is known from {self.span[0]:.3f} to "
                f"{self.span[1]:.3f} s with {len(self.gaps)} gaps of more than {self.longest:g} s"
            )
        return quaternions.to_matrix(self.quaternion_at(time))

    def pointing_at(self, time: float) -> Pointing:
        """Where the frame looks at a time.

        Raises
        ------
        MissingDataError
            If the attitude is not known then.
        """
        return Pointing.of_rotation(self.rotation_at(time))

    @property
    def rate(self) -> FloatArray:
        """Rate at which it turns from each entry to the next, radians per second, shape (n − 1,)."""
        return np.asarray(quaternions.turn(self.quaternion[:-1], self.quaternion[1:]) / np.diff(self.time))

    def aligned(self, misalignment: Misalignment) -> "Attitude":
        """The attitude of the camera that sits like this on the satellite."""
        turned = quaternions.multiply(quaternions.from_matrix(misalignment.matrix), self.quaternion)
        return replace(self, quaternion=turned)

    def pieces(self, tolerance: float, start: float, stop: float) -> FloatArray:
        """Times at which it has turned by more than a tolerance since the piece before began.

        Parameters
        ----------
        tolerance
            Radians.
        start, stop
            Bounds, at which pieces begin and end as well.

        Returns
        -------
        numpy.ndarray
            Borders of the pieces, the bounds among them, shape (pieces + 1,).
        """
        borders = [start]
        inner = self.time[(self.time > start) & (self.time < stop)]
        while True:
            then = self.quaternion_at(borders[-1])
            ahead = inner[np.searchsorted(inner, borders[-1], side="right") :]
            crossing = _first_beyond(self, then, borders[-1], ahead, stop, tolerance)
            if crossing is None:
                return np.append(borders, stop)
            borders.append(crossing)

    def _repr_html_(self) -> str:
        return (
            f"<b>{self.name}</b>: {len(self):,} quaternions, {self.span[1] - self.span[0]:,.0f} s, "
            f"{len(self.gaps)} gaps of more than {self.longest:g} s"
        )


def _first_beyond(
    attitude: Attitude, then: FloatArray, begin: float, entries: FloatArray, stop: float, tolerance: float
) -> float | None:
    """First moment after `begin` at which the turn since then is larger; None before `stop`."""
    before = begin
    for first in range(0, len(entries) + 1, 4096):
        times = entries[first : first + 4096]
        if first + 4096 > len(entries):
            times = np.append(times, stop)
        beyond = (
            quaternions.turn(np.broadcast_to(then, (len(times), 4)), attitude.quaternion_at(times))
            > tolerance
        )
        if not beyond.any():
            before = float(times[-1])
            continue
        number = int(beyond.argmax())
        low = before if number == 0 else float(times[number - 1])
        high = float(times[number])
        return _crossing(attitude, then, low, high, tolerance)
    return None


def _crossing(attitude: Attitude, then: FloatArray, low: float, high: float, tolerance: float) -> float:
    """When the turn since `then` reaches the tolerance, between two moments: the chord, drawn again."""
    target = tolerance * _JUST_BELOW

    def turned(time: float) -> float:
        return float(quaternions.turn(then, attitude.quaternion_at(time)))

    below, above = turned(low), turned(high)
    for _ in range(_CHORDS):
        middle = low + (high - low) * (target - below) / (above - below)
        at = turned(middle)
        if abs(at - target) < tolerance * _NEAR:
            return middle
        if at > target:
            high, above = middle, at
        else:
            low, below = middle, at
    return high
