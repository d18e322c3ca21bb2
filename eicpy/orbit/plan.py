"""A plan of observations made into an attitude: slews with a rate profile, drift, jitter.

A slew turns about one axis. Its rate grows linearly to the highest rate, stays, and falls linearly again,
so that a slew by the angle α takes α/rate + rate/acceleration, or 2·√(α/acceleration) where the highest rate
is not reached. The reference slew of the mission takes 89 s; by which angle is not public. Here that is 45°,
at 0.6°/s with 14 s for each ramp: a guess.

Between slews the satellite is not still: it drifts at a constant rate about an axis that is drawn for each
observation, and jitters: on each axis a first-order autoregressive process of a given size and time.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from eicpy.errors import BadArgumentError
from eicpy.orbit import quaternions
from eicpy.orbit.attitude import Attitude
from eicpy.orbit.directions import separation, unit_vector
from eicpy.orbit.pointing import Pointing
from eicpy.typing import FloatArray

__all__ = ["Observation", "SlewProfile", "Wander", "anti_solar_pointing", "plan_attitude", "sun_roll"]

_GALACTIC_POLE = unit_vector(math.radians(192.85948), math.radians(27.12825))
"""North pole of the Galaxy, ICRS (ESA 1997, The Hipparcos and Tycho Catalogues, volume 1, section 1.5.3)."""
_SCORPIUS_X1 = unit_vector(math.radians(244.9795), math.radians(-15.6402))
_AVOIDED = math.radians(50.0)
"""Sco X-1 and a belt of ± 20° along the plane of the Galaxy are kept out where that is possible."""
_BELT = math.sin(math.radians(20.0))


@dataclass(frozen=True, slots=True)
class SlewProfile:
    """How fast the satellite turns.

    Parameters
    ----------
    rate
        Highest rate, radians per second.
    acceleration
        Radians per second squared.
    """

    rate: float = math.radians(0.6)
    acceleration: float = math.radians(0.6) / 14.0

    def __post_init__(self) -> None:
        if not (self.rate > 0 and self.acceleration > 0):
            raise BadArgumentError(
                f"got a slew of {self.rate} rad/s and {self.acceleration} rad/s², expected > 0"
            )

    def duration(self, angle: float) -> float:
        """Time of a slew by an angle (radians), s.

        Examples
        --------
        >>> round(SlewProfile().duration(math.radians(45.0)), 6)
        89.0
        """
        if angle <= self.rate**2 / self.acceleration:
            return 2 * math.sqrt(max(angle, 0.0) / self.acceleration)
        return angle / self.rate + self.rate / self.acceleration

    def share(self, elapsed: FloatArray, angle: float) -> FloatArray:
        """Share of the angle that is done so many seconds after the beginning, 0 to 1."""
        total = self.duration(angle)
        if total == 0:
            return np.ones_like(np.asarray(elapsed, np.float64))
        t = np.clip(np.asarray(elapsed, np.float64), 0.0, total)
        ramp = min(self.rate / self.acceleration, total / 2)
        done = np.where(
            t < ramp,
            self.acceleration * t**2 / 2,
            np.where(
                t <= total - ramp,
                self.acceleration * ramp * (t - ramp / 2),
                angle - self.acceleration * (total - t) ** 2 / 2,
            ),
        )
        return np.asarray(done / angle)


@dataclass(frozen=True, slots=True)
class Observation:
    """A pointing from a time on: then the slew towards it begins.

    Parameters
    ----------
    start
        Seconds TT since 2017-01-01T00:00:00 UTC.
    pointing
        Where the satellite looks when it has arrived.
    """

    start: float
    pointing: Pointing


@dataclass(frozen=True, slots=True)
class Wander:
    """How little still the satellite holds.

    Parameters
    ----------
    jitter
        Standard deviation about each axis, radians.
    memory
        Time in which the jitter forgets, s.
    drift
        Rate of the drift, radians per second.
    """

    jitter: float = 0.0
    memory: float = 5.0
    drift: float = 0.0


def plan_attitude(
    observations: Sequence[Observation],
    time: FloatArray,
    *,
    profile: SlewProfile | None = None,
    wander: Wander | None = None,
    rng: np.random.Generator | None = None,
    name: str = "attitude",
) -> Attitude:
    """The attitude of a plan.

    Parameters
    ----------
    observations
        In the order of their times. Before the second begins the satellite looks as the first says.
    time
        Times of the entries, s, increasing and evenly spaced, shape (n,).
    profile
        How fast it slews; the reference slew where None.
    wander
        Drift and jitter; none where None.
    rng
        Source of random numbers for drift and jitter.
    name
        Of the attitude.

    Raises
    ------
    BadArgumentError
        For no observation, and for a slew that begins before the one before has ended.
    """
    if not observations:
        raise BadArgumentError("got a plan without observation, expected one at least")
    slew = profile or SlewProfile()
    time = np.asarray(time, np.float64)
    q = np.tile(observations[0].pointing.quaternion, (len(time), 1))
    arrived = -math.inf
    for last, now in itertools.pairwise(observations):
        if now.start < arrived:
            raise BadArgumentError(
                f"got an observation at {now.start:.1f} s while the slew to the one before lasts until "
                f"{arrived:.1f} s, expected a later one"
            )
        first, second = last.pointing.quaternion, now.pointing.quaternion
        angle = float(quaternions.turn(first, second))
        arrived = now.start + slew.duration(angle)
        after = time >= now.start
        q[after] = quaternions.slerp(first, second, slew.share(time[after] - now.start, angle))
    if wander is not None and rng is not None:
        starts = [observation.start for observation in observations[1:]]
        q = quaternions.multiply(quaternions.from_rotation_vector(_wander(time, starts, wander, rng)), q)
    longest = 2.0 if len(time) < 2 else max(2.0, 1.5 * float(np.diff(time).max()))
    return Attitude(time, q, longest, name)


def _wander(time: FloatArray, starts: list[float], wander: Wander, rng: np.random.Generator) -> FloatArray:
    """Small rotations about the camera's axes, radians, shape (n, 3)."""
    step = float(time[1] - time[0]) if len(time) > 1 else 1.0
    memory = math.exp(-step / wander.memory)
    noise = rng.standard_normal((len(time), 3))
    noise[1:] *= math.sqrt(1 - memory**2)
    jitter = wander.jitter * lfilter([1.0], [1.0, -memory], noise, axis=0)
    begin = np.array([time[0], *starts])
    axes = rng.standard_normal((len(begin), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    number = np.clip(np.searchsorted(begin, time, side="right") - 1, 0, None)
    return np.asarray(jitter + wander.drift * (time - begin[number])[:, None] * axes[number])


def sun_roll(ra: float, dec: float, sun: FloatArray) -> Pointing:
    """The pointing towards a direction (radians) whose roll holds the Sun in the plane of x and −z.

    Which side of the satellite faces the Sun is not public; this is eicpy's choice.
    """
    x, east = unit_vector(ra, dec), np.array([-math.sin(ra), math.cos(ra), 0.0])
    away = -(sun - (sun @ x) * x)
    roll = math.atan2(float(away @ east), float(away @ np.cross(x, east)))
    return Pointing(ra, dec, roll % (2 * math.pi))


def anti_solar_pointing(sun: FloatArray, number: int = 0) -> Pointing:
    """A pointing like those of the B1 law: away from the Sun, the plane of the Galaxy and Sco X-1.

    Parameters
    ----------
    sun
        Unit vector towards the Sun, ICRS, shape (3,).
    number
        The best direction is 0; those that follow keep 20° from those before.

    Returns
    -------
    Pointing
        At most 45° from the point opposite to the Sun.

    Notes
    -----
    Public about the law: it is nearly anti-solar, so that the Earth crosses the field in every orbit, and
    exposure is largest at the poles of the Galaxy (Cordier et al. 2012, arXiv:1208.2493). The rest is
    eicpy's: a grid around the anti-solar point, ranked by the distance from the plane of the Galaxy, those
    within 20° of it or 50° of Sco X-1 last, the nearer to the anti-solar point first where that is equal.
    """
    back = -np.asarray(sun, np.float64) / np.linalg.norm(sun)
    side = np.cross(back, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    up = np.cross(side, back)
    rings = [(0.0, 1), (15.0, 8), (30.0, 16), (45.0, 24)]
    grid = [(ring, 2 * math.pi * k / count) for ring, count in rings for k in range(count)]
    angle, turn = np.radians([a for a, _ in grid]), np.array([t for _, t in grid])
    around = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * up
    candidates = np.cos(angle)[:, None] * back + np.sin(angle)[:, None] * around
    latitude = np.abs(candidates @ _GALACTIC_POLE)
    worth = latitude - 2.0 * (latitude < _BELT) - 2.0 * (separation(candidates, _SCORPIUS_X1) < _AVOIDED)
    worth -= 0.1 * angle
    chosen: list[FloatArray] = []
    for best in np.argsort(-worth, kind="stable"):
        if all(float(separation(candidates[best], other)) > math.radians(20.0) for other in chosen):
            chosen.append(candidates[best])
        if len(chosen) > number:
            break
    x, y, z = chosen[min(number, len(chosen) - 1)]
    return sun_roll(
        math.atan2(y, x) % (2 * math.pi), math.asin(max(-1.0, min(1.0, float(z)))), np.asarray(sun)
    )
