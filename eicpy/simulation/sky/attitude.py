"""How the simulated satellite looks, what the camera on it sees, and what the ground is told.

Three attitudes: the satellite's true one, that of the camera, which sits a little askew on it, and the one
that the ground gets in a file, with an error of its own. Their random numbers come from a stream of the seed.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from eicpy.orbit import (
    Attitude,
    Misalignment,
    Observation,
    Pointing,
    SlewProfile,
    Wander,
    anti_solar_pointing,
    body_direction,
    plan_attitude,
    sun_roll,
)
from eicpy.orbit import quaternions as q
from eicpy.simulation.config import PointingConfig
from eicpy.typing import FloatArray

__all__ = ["SimulatedAttitude", "attitude_pieces", "observations", "simulate_attitude"]

_ARCSEC = np.radians(1 / 3600)
_MARGIN = 4.0
_DIRECTIONS = 3
"""Directions between which the anti-solar plan changes."""
_STILL = 1e-9
"""Radians per second: rounding of quaternions, not a motion."""
_SLEWING, _COARSE, _FINE = np.radians(0.01), np.radians(0.1), np.radians(0.02)


@dataclass(frozen=True, slots=True)
class SimulatedAttitude:
    """The attitudes of a simulation.

    Parameters
    ----------
    satellite
        True, of the satellite's axes.
    camera
        True, of the camera's line of sight.
    ground
        Of the satellite's axes, as the ground is told.
    observations
        The plan.
    """

    satellite: Attitude
    camera: Attitude
    ground: Attitude
    observations: tuple[Observation, ...]

    @property
    def moves(self) -> bool:
        """Whether the camera ever looks elsewhere."""
        return bool(self.camera.rate.max() > _STILL)


def observations(config: PointingConfig, start: float, stop: float) -> tuple[Observation, ...]:
    """The plan of a configuration, slews included, in the order of the times (s since 2017)."""
    if config.plan == "fixed":
        p = Pointing(*(float(np.radians(a)) for a in (config.ra, config.dec, config.roll)))
        plan = [Observation(start, p)]
    else:
        times = np.arange(start, stop, config.observation)
        plan = [
            Observation(float(t), anti_solar_pointing(body_direction("sun", t), n % _DIRECTIONS))
            for n, t in enumerate(times)
        ]
    for slew in config.slews:
        time = start + slew.start
        ra, dec = np.radians([slew.ra, slew.dec])
        if slew.roll is None:
            target = sun_roll(float(ra), float(dec), body_direction("sun", time))
        else:
            target = Pointing(float(ra), float(dec), float(np.radians(slew.roll)))
        plan.append(Observation(time, target))
    return tuple(sorted(plan, key=lambda o: o.start))


def simulate_attitude(config: PointingConfig, start: float, duration: float, seed: int) -> SimulatedAttitude:
    """The attitudes of a configuration from a little before the start to a little after the end.

    Raises
    ------
    BadArgumentError
        For a slew that begins before the one before has ended.
    """
    stop = start + duration
    plan = observations(config, start, stop)
    time = start - _MARGIN + np.arange(int((duration + 2 * _MARGIN) * config.cadence) + 2) / config.cadence
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    wander = Wander(config.jitter * _ARCSEC, drift=config.drift * _ARCSEC / 3600)
    satellite = plan_attitude(
        plan, time, profile=SlewProfile(), wander=wander if config.jitter or config.drift else None, rng=rng
    )
    camera = satellite
    if any(config.misalignment):
        camera = satellite.aligned(Misalignment.of(*(a * _ARCSEC for a in config.misalignment)))
    ground = satellite
    if any(config.ground_bias) or config.ground_noise:
        error = np.array(config.ground_bias) * _ARCSEC
        error = error + config.ground_noise * _ARCSEC * rng.standard_normal((len(time), 3))
        turned = q.multiply(q.from_rotation_vector(error), satellite.quaternion)
        ground = Attitude(time, turned, satellite.longest, "attitude of the ground")
    return SimulatedAttitude(satellite, camera, ground, plan)


def attitude_pieces(camera: Attitude, start: float, stop: float) -> FloatArray:
    """Times between which the camera is taken to stand still, the bounds among them.

    A piece lasts until it has turned by 0.02°, or by 0.1° while it slews faster than 0.01°/s. Shadows are
    those of its middle, so that they are off by half of that where it turns evenly: a fiftieth and a tenth of
    the side of a pixel of the sky image.
    """
    rate = camera.rate
    slewing = np.concatenate([[False], rate > _SLEWING, [False]])
    change = np.flatnonzero(slewing[1:] != slewing[:-1])
    edges = np.concatenate([[start], np.clip(camera.time[change], start, stop), [stop]])
    parts = [
        camera.pieces(_COARSE if number % 2 else _FINE, float(a), float(b))
        for number, (a, b) in enumerate(itertools.pairwise(edges))
        if b > a
    ]
    return np.unique(np.concatenate(parts))
