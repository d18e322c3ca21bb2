"""PhotonArrays of a simulation as a stream, block after block, each with the component that made it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eicpy.errors import FailedError
from eicpy.simulation.camera.illumination import STEP, PhotonSource, SteadyInterval
from eicpy.simulation.camera.kernels import ROOM, PhotonArrays, make_photons
from eicpy.simulation.camera.random_numbers import first_state
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
        Deposits not recorded so far: below threshold, out of range, dead time, veto.
    several
        Events of several deposits so far, by the number of deposits that were recorded: 0 to 3.
    counts
        Recorded photons so far by component.
    """

    def __init__(self, scene: PhotonSource) -> None:
        self.scene = scene
        self.lost = np.zeros(4, np.int64)
        self.several = np.zeros(ROOM + 1, np.int64)
        self.counts = np.zeros(len(scene.components), np.int64)
        self._last = np.full(scene.instrument.pixels.sectors, -1.0)
        self._room = _room(0)
        self._size = 0

    def blocks(self, steps: int = 6) -> Iterator[SimulatedPhotons]:
        """Blocks of `steps` steps of ten seconds; the photons do not depend on `steps`."""
        for first in range(0, self.scene.steps, steps):
            numbers = range(first, min(first + steps, self.scene.steps))
            busy = np.zeros((len(numbers), round(STEP), len(self._last)), np.int64)
            self._room, n = _room(self._size), 0
            for number in numbers:
                for part in self.scene.segments(number):
                    n = self._add(n, number, part, busy[number - first])
            end = min((numbers[-1] + 1) * STEP, self.scene.config.duration)
            seconds = busy.reshape(-1, len(self._last))[: math.ceil(end - first * STEP)]
            dead = np.asarray(seconds * self.scene.constants.dead_time, np.float64)
            yield SimulatedPhotons(first * STEP, end, *_head(self._room, n), dead)

    def _add(self, n: int, step: int, segment: SteadyInterval, busy: IntArray) -> int:
        """Photons of a part of a step behind `n` others; the new number."""
        scene, live = self.scene, segment.live
        seconds = float((live[:, 1] - live[:, 0]).sum())
        components = segment.shining() if seconds > 0 else None
        if components is None or not len(components.rate):
            return n
        expected = float(components.rate.sum()) * seconds * 1.2
        size = n + int(expected + 10 * np.sqrt(expected)) + 1000
        if size > len(self._room.tick):
            self._size = max(size, self._size + self._size // 2)
            room = _room(self._size)
            for name in PhotonArrays._fields:
                getattr(room, name)[:n] = getattr(self._room, name)[:n]
            self._room = room
        n = make_photons(
            first_state(np.random.SeedSequence(scene.config.seed, spawn_key=segment.key)),
            step * STEP,
            round((scene.start + step * STEP) / scene.constants.tick),
            live,
            components,
            scene.tables,
            segment.pixels,
            scene.response,
            scene.constants,
            self._last,
            self.lost,
            self.several,
            self.counts,
            busy,
            self._room,
            n,
        )
        if n >= len(self._room.tick) - ROOM:
            raise FailedError(f"step {step}: more than the {size} photons that its rates allow for")
        return n


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
