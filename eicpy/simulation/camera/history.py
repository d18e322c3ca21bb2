"""What happens to the pixels in time: changes that begin and end, and a drift that all have in common.

Changes cut the steps of the simulation, so that the pixels stay as they are within an interval; the drift is
that of the middle of the interval, which is ten seconds at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.simulation.camera.detector import Detector
from eicpy.simulation.camera.drift import Drift
from eicpy.simulation.camera.kernels import Alias, Pixels, packed_alias
from eicpy.simulation.config import PixelChange
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["Active", "PixelHistory", "PixelState", "active_times", "chosen_pixels"]

_STREAM = 6
"""Of the random numbers that say when a change comes and goes."""
_MOST = 100_000
"""Times that one change may come."""


@dataclass(frozen=True, slots=True)
class Active:
    """A time in which a change holds, s after the start of the simulation.

    Parameters
    ----------
    start, stop
        From when until when.
    number
        Position of the change in the configuration.
    """

    start: float
    stop: float
    number: int


@dataclass(frozen=True, slots=True)
class PixelState:
    """The pixels between two changes; arrays of shape (n_pixels,)."""

    gain: FloatArray
    offset: FloatArray
    threshold: FloatArray
    layer: FloatArray
    taken: FloatArray
    """Factor on the efficiency."""
    noise: FloatArray
    off: BoolArray
    """Dead, or switched off by a change."""


def active_times(changes: Sequence[PixelChange], duration: float, seed: int) -> list[Active]:
    """When each change holds, in the order of the changes and of time.

    Raises
    ------
    BadArgumentError
        For a change that comes and goes too often.
    """
    found = []
    for number, change in enumerate(changes):
        stop = duration if change.stop is None else min(change.stop, duration)
        if change.on is None or change.off is None:
            found += [Active(change.time, stop, number)] if change.time < stop else []
            continue
        if (stop - change.time) / (change.on + change.off) > _MOST:
            raise BadArgumentError(
                f"got a change with on={change.on} s and off={change.off} s, expected at most {_MOST} times"
            )
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM, number)))
        time = change.time
        while time < stop:
            end = time + change.on * rng.standard_exponential()
            found.append(Active(time, min(end, stop), number))
            time = end + change.off * rng.standard_exponential()
    return found


def chosen_pixels(change: PixelChange, instrument: Instrument) -> IntArray:
    """Pixels that a change is about.

    Raises
    ------
    BadArgumentError
        For a pixel, module or sector that does not exist.
    """
    grid = instrument.pixels
    everything = np.arange(grid.count)
    limits = (
        ("detnum", change.detnum, grid.count, everything),
        ("modules", change.modules, grid.modules, np.asarray(grid.module(everything))),
        ("sectors", change.sectors, grid.sectors, np.asarray(grid.sector(everything))),
    )
    chosen = np.zeros(grid.count, np.bool_)
    for name, numbers, count, belongs in limits:
        wrong = [n for n in numbers if not 0 <= n < count]
        if wrong:
            raise BadArgumentError(f"got a change of {name} {wrong}, expected 0 to {count - 1}")
        chosen |= np.isin(belongs, numbers)
    named = change.detnum or change.modules or change.sectors
    return np.flatnonzero(chosen) if named else everything


class PixelHistory:
    """The pixels at any time.

    Parameters
    ----------
    detector
        The pixels at the start.
    instrument
        Their description.
    changes
        What happens to them.
    duration
        Of the simulation, s.
    seed
        Of the simulation.
    drift
        What all have in common.

    Raises
    ------
    BadArgumentError
        For a change that cannot be.
    """

    def __init__(
        self,
        detector: Detector,
        instrument: Instrument,
        changes: Sequence[PixelChange],
        duration: float,
        seed: int,
        drift: Drift,
    ) -> None:
        self._detector, self._changes, self._drift = detector, changes, drift
        self.sector = np.asarray(instrument.pixels.sector(np.arange(len(detector))), np.int64)
        self.active = active_times(changes, duration, seed)
        """When each change holds."""
        self._chosen = [chosen_pixels(change, instrument) for change in changes]
        times = [t for one in self.active for t in (one.start, one.stop) if 0 < t < duration]
        self.borders = np.unique(np.round(times, 6))
        """When something changes, s after the start."""
        self._duration = duration
        self._entered = -1
        self._pixels: Pixels | None = None
        self._alias: Alias | None = None
        self._enter(0.0)

    def number(self, time: FloatArray) -> IntArray:
        """Number of the state at some times; it grows with time."""
        return np.asarray(np.searchsorted(self.borders, time, side="right"), np.int64)

    def state(self, time: float) -> PixelState:
        """The pixels at a time, without drift."""
        self._enter(time)
        return self._state

    def pixels(self, time: float) -> Pixels:
        """The pixels at a time, with drift, for the kernel."""
        self._enter(time)
        if self._pixels is None or self._drift.moves:
            self._pixels = self._made(time)
        return self._pixels

    def noise(self, time: float) -> tuple[float, Alias] | None:
        """Counts per second of electronic noise, and its alias table; None where there is none."""
        self._enter(time)
        if not self._state.noise.any():
            return None
        if self._alias is None:
            self._alias = packed_alias(self._state.noise)
        return float(self._state.noise.sum()), self._alias

    @property
    def commands(self) -> list[float]:
        """When a telecommand sets a threshold, or sets it back, s after the start."""
        mine = [one for one in self.active if self._changes[one.number].what == "threshold"]
        times = [one.start for one in mine] + [one.stop for one in mine]
        return sorted(t for t in times if 0 < t < self._duration)

    def _enter(self, time: float) -> None:
        number = int(self.number(np.array([time]))[0])
        if number == self._entered:
            return
        self._entered = number
        self._state = self._state_at(time)
        self._pixels = self._alias = None

    def _state_at(self, time: float) -> PixelState:
        d, n = self._detector, len(self._detector)
        gain, offset, threshold = d.gain.copy(), d.offset.copy(), d.threshold.copy()
        layer, taken, noise = d.layer.copy(), np.ones(n), d.noise.copy()
        off = d.efficiency <= 0
        for one in self.active:
            if not round(one.start, 6) <= time < round(one.stop, 6):
                continue
            change, chosen = self._changes[one.number], self._chosen[one.number]
            match change.what:
                case "off":
                    off[chosen] = True
                case "threshold":
                    threshold[chosen] = change.value + d.deviation[chosen]
                case "efficiency":
                    taken[chosen] *= change.value
                case "layer":
                    layer[chosen] += change.value
                case "noise":
                    noise[chosen] += change.value
                case "gain":
                    gain[chosen] *= change.value
                case "offset":
                    offset[chosen] += change.value
        return PixelState(
            gain, offset, threshold, layer, np.where(off, 0.0, taken), np.where(off, 0.0, noise), off
        )

    def _made(self, time: float) -> Pixels:
        state, now = self._state, np.array([time])
        factor = self._drift.gain(now)[0]
        charge = float(self._drift.charge(now)[0])  # less of it looks like a larger gain
        gain = state.gain * (factor[self.sector] if len(factor) > 1 else factor[0])
        return Pixels.of(
            gain / charge,
            state.offset / charge,
            np.where(state.off, np.inf, state.threshold / charge),
            self._detector.fwhm**2 / (8 * np.log(2)),
            state.layer,
            state.taken,
            self.sector,
        )

    def table(self, start: float) -> fits.BinTableHDU:
        """The truth: each time in which a change held.

        Parameters
        ----------
        start
            Start of the simulation, s TT since 2017-01-01.
        """
        changes = [self._changes[one.number] for one in self.active]
        pixels = np.empty(len(self.active), object)
        for row, one in enumerate(self.active):
            pixels[row] = self._chosen[one.number].astype(np.int32)
        columns = [
            fits.Column("START", "D", unit="s", array=[start + one.start for one in self.active]),
            fits.Column("STOP", "D", unit="s", array=[start + one.stop for one in self.active]),
            fits.Column("CHANGE", "J", array=[one.number for one in self.active]),
            fits.Column("WHAT", "12A", array=np.array([c.what for c in changes], "U12")),
            fits.Column("VALUE", "D", array=[c.value for c in changes]),
            fits.Column("DETNUM", "PJ()", array=pixels),
        ]
        return fits.BinTableHDU.from_columns(columns, name="CHANGES")
