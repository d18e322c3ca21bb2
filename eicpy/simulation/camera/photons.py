"""PhotonArrays of a simulation as a stream, block after block, each with the component that made it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import FailedError
from eicpy.simulation.camera.illumination import STEP, PhotonSource, SteadyInterval
from eicpy.simulation.camera.kernels import ROOM, PhotonArrays, make_photons
from eicpy.typing import FloatArray, IntArray

__all__ = ["PhotonStream", "SimulatedPhotons"]


@dataclass(frozen=True, slots=True)
class SimulatedPhotons:
    """PhotonArrays of some steps, in the order of their times.

    Parameters
    ----------
    begin, end
        Bounds of the block, s after the start of the simulation.
    tick
        Time, 20 µs ticks since 2017-01-01T00:00:00 UTC, shape (n,).
    detnum, channel, multiplicity
        As the camera records them, shape (n,).
    origin
        Number of the component that made it (index into ``Scene.components``), shape (n,).
    dead_time
        Truth: time in which each sector was dead in each second of the block, s; shape (seconds, sectors). A
        dead time belongs to the second in which it began. The live time of a sector is the time in which the
        high voltage was on less this.
    """

    begin: float
    end: float
    tick: IntArray
    detnum: npt.NDArray[np.int16]
    channel: npt.NDArray[np.int16]
    multiplicity: npt.NDArray[np.uint8]
    origin: npt.NDArray[np.uint8]
    dead_time: FloatArray

    def __len__(self) -> int:
        return len(self.tick)


class PhotonStream:
    """The photons of a scene.

    Parameters
    ----------
    scene
        What shines.

    Attributes
    ----------
    lost
        Deposits not recorded so far: below threshold, out of range, dead time.
    counts
        Recorded photons so far by component.
    """

    def __init__(self, scene: PhotonSource) -> None:
        self.scene = scene
        self.lost = np.zeros(3, np.int64)
        self.counts = np.zeros(len(scene.components), np.int64)
        self._last = np.full(scene.instrument.pixels.sectors, -1.0)

    def blocks(self, steps: int = 6) -> Iterator[SimulatedPhotons]:
        """Blocks of `steps` steps of ten seconds; the photons do not depend on `steps`."""
        for first in range(0, self.scene.steps, steps):
            numbers = range(first, min(first + steps, self.scene.steps))
            busy = np.zeros((len(numbers), round(STEP), len(self._last)), np.int64)
            parts = [
                self._segment(n, part, busy[n - first]) for n in numbers for part in self.scene.segments(n)
            ]
            parts = parts or [_head(_room(0), 0)]
            columns = [np.concatenate([getattr(p, name) for p in parts]) for name in PhotonArrays._fields]
            columns[0] += round(self.scene.start / self.scene.constants.tick)
            end = min((numbers[-1] + 1) * STEP, self.scene.config.duration)
            seconds = busy.reshape(-1, len(self._last))[: math.ceil(end - first * STEP)]
            dead = np.asarray(seconds * self.scene.constants.dead_time, np.float64)
            yield SimulatedPhotons(first * STEP, end, *PhotonArrays(*columns), dead)

    def _segment(self, step: int, segment: SteadyInterval, busy: IntArray) -> PhotonArrays:
        scene = self.scene
        live = segment.live
        seconds = float((live[:, 1] - live[:, 0]).sum())
        components = segment.shining() if seconds > 0 else None
        expected = 0.0 if components is None else float(components.rate.sum()) * seconds * 1.2
        size = int(expected + 10 * np.sqrt(expected)) + 1000
        photons = _room(size)
        if components is None or not len(components.rate):
            return _head(photons, 0)
        seed = np.random.SeedSequence(scene.config.seed, spawn_key=segment.key)
        n = make_photons(
            np.random.default_rng(seed),
            step * STEP,
            live,
            components,
            scene.tables,
            segment.pixels,
            scene.response,
            scene.constants,
            self._last,
            self.lost,
            busy,
            photons,
        )
        if n >= size - ROOM:
            raise FailedError(f"step {step}: more than the {size} photons that its rates allow for")
        photons = _head(photons, n)
        origin = scene.owner[components.spectrum].astype(np.uint8)[photons.origin]
        self.counts += np.bincount(origin, minlength=len(self.counts))
        return photons._replace(origin=origin)


def _room(size: int) -> PhotonArrays:
    return PhotonArrays(
        np.empty(size, np.int64),
        np.empty(size, np.int16),
        np.empty(size, np.int16),
        np.empty(size, np.uint8),
        np.empty(size, np.uint8),
    )


def _head(photons: PhotonArrays, n: int) -> PhotonArrays:
    tick, detnum, channel, multiplicity, origin = photons
    return PhotonArrays(tick[:n], detnum[:n], channel[:n], multiplicity[:n], origin[:n])
