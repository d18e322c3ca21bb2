"""Flares of the Sun that the Earth reflects, and showers of particles: no bursts, but much like them."""

from dataclasses import dataclass

import numpy as np

from eicpy.instruments import Instrument
from eicpy.simulation import spectral_laws
from eicpy.simulation.camera import background
from eicpy.simulation.camera.detector import Detector
from eicpy.simulation.camera.illumination import Component
from eicpy.simulation.config import EnvironmentConfig, FlareConfig, ShowerConfig
from eicpy.typing import FloatArray

__all__ = ["Incident", "flare_component", "incidents", "shower_component"]

_TRACK_WIDTH = 0.7
"""Half the width of a track, pixels (guess)."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happens once, seconds after the start of the simulation.

    Parameters
    ----------
    config
        What.
    component
        Number of its component.
    """

    config: FlareConfig | ShowerConfig
    component: int

    @property
    def of_the_sun(self) -> bool:
        """Whether it is a flare."""
        return isinstance(self.config, FlareConfig)

    def lasts(self, time: float) -> bool:
        """Whether it goes on at a time."""
        return self.config.start <= time < self.config.start + self.config.end


def incidents(config: EnvironmentConfig, first: int) -> tuple[Incident, ...]:
    """The incidents of a configuration, their components numbered from `first` on."""
    each: list[FlareConfig | ShowerConfig] = [*config.flares, *config.showers]
    return tuple(Incident(one, first + n) for n, one in enumerate(each))


def flare_component(flare: FlareConfig, pixels: int) -> Component:
    """Light of the Sun that the sunlit Earth reflects, per cm² sr of étendue under an overhead Sun."""
    energy = background.energy_grid()
    sun = spectral_laws.sun_of_a_flare(energy, flare.flux, flare.temperature)
    table = background.source_table(sun * spectral_laws.reflected_share(energy) / np.pi)
    return Component(flare.name, table, np.zeros(pixels), (flare.start, flare.rise, flare.decay))


def shower_component(shower: ShowerConfig, instrument: Instrument, detector: Detector) -> Component:
    """Counts over its pixels."""
    grid = instrument.pixels
    detnum = np.arange(len(detector))
    curve = (shower.start, shower.rise, shower.decay)
    if shower.where == "module":
        weight = (grid.module(detnum) == shower.number % grid.modules) * (detector.efficiency > 0)
        table = background.noise_table().scaled(shower.peak)
        return Component(shower.name, table, _shared(weight), curve, noise=True)
    weight = detector.efficiency
    if shower.where == "track":
        weight = weight * _track(grid.ij(detnum), grid.rows, shower.number)
    table = background.exponential(2.6, 200.0, shower.folding).scaled(shower.peak)
    return Component(shower.name, table, _shared(weight), curve)


def _shared(weight: FloatArray) -> FloatArray:
    return np.asarray(weight / max(float(weight.sum()), 1e-300))


def _track(place: tuple[FloatArray, FloatArray], side: int, number: int) -> FloatArray:
    """Pixels along a straight line through the plane, drawn by its number."""
    rng = np.random.default_rng(np.random.SeedSequence(number, spawn_key=(5,)))
    angle, middle = rng.uniform(0, np.pi), rng.uniform(0.3, 0.7, 2) * side
    away = (place[0] - middle[0]) * np.sin(angle) - (place[1] - middle[1]) * np.cos(angle)
    return np.asarray(np.abs(away) < _TRACK_WIDTH, np.float64)
