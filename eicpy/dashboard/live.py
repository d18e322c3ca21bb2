"""What the live page shows of the photons: a window on the stream, in bounded memory.

The newest photons are kept in a ring. Detector image and spectrum count those of the ring that lie
within the chosen time window: a photon is added once when it comes and taken out once when it leaves
the window, so that a tick costs as much as the photons that came and went, not as those that are kept.
The light curve is that of the night (:class:`eicpy.events.LightCurveAccumulator`), its bins moving along;
bands, exposure and good time are those of :mod:`eicpy.events` too. Only a new choice (window, energy,
module, pixel) counts the ring again.

A bin without any photon of the whole detector is a gap, not a rate of zero, if at least 20 were
expected there (a Poisson chance of 2·10⁻⁹); so telemetry that is missing does not look like a dark sky.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.events import (
    Coverage,
    DeadTime,
    EnergyBands,
    EventList,
    GoodTimeIntervals,
    LightCurve,
    LightCurveAccumulator,
    PhotonBlock,
    PixelScale,
    Scale,
    tick_of,
    treat_multiples,
)
from eicpy.events.coverage import EXPECTED_FOR_A_GAP
from eicpy.instruments import Instrument
from eicpy.typing import BoolArray, IntArray

__all__ = ["MovingLightCurve", "PhotonSelection", "PhotonView", "Ring", "whole_photons"]

_PIECE = 1 << 18


@dataclass(frozen=True)
class PhotonSelection:
    """What the reader wants to see.

    Parameters
    ----------
    window
        Time before the newest photon, s.
    low, high
        Energies at the channels' centres on the nominal scale, keV.
    modules
        Modules of spectrum and light curve; None: all.
    pixel
        A pixel to show by a spectrum of its own; None: none.
    span
        Times from and to which image and spectrum count, s; None: the window. The light curve shows the
        window in any case.
    """

    window: float
    low: float
    high: float
    modules: frozenset[int] | None = None
    pixel: int | None = None
    span: tuple[float, float] | None = None

    @property
    def bands(self) -> EnergyBands:
        """The chosen energies as a band; where they are none, one that holds no channel."""
        return EnergyBands([(self.low, max(self.high, float(np.nextafter(self.low, np.inf))))])

    def channels(self, instrument: Instrument) -> BoolArray:
        """Channels in the chosen energies, shape (channels,)."""
        scale = instrument.energy
        channel = np.arange(scale.channels, dtype=np.int16)
        nominal = PixelScale.uniform(1, scale.gain, scale.offset)
        return np.asarray(self.bands.sort(np.zeros_like(channel), channel, nominal) == 1)

    def pixels(self, instrument: Instrument) -> BoolArray:
        """Pixels in the chosen modules, shape (pixels,)."""
        count = instrument.pixels.count
        if self.modules is None:
            return np.ones(count, dtype=bool)
        return np.isin(instrument.pixels.module(np.arange(count)), list(self.modules))


def whole_photons(photons: EventList, instrument: Instrument) -> EventList:
    """Photons that hit several pixels joined, on the nominal scale; beyond the last channel is the last."""
    tick, energy, grid = tick_of(instrument), instrument.energy, instrument.pixels
    if tick is None:
        return photons
    scale = PixelScale.uniform(grid.count, energy.gain, energy.offset)
    whole = treat_multiples(photons, "combine", scale=scale, grid=grid, tick=tick)
    if whole is not photons:
        np.minimum(whole.channel, energy.channels - 1, out=whole.channel)
    return whole


class Ring:
    """The newest photons, in the order in which they came.

    Parameters
    ----------
    capacity
        Photons kept, 12 bytes each.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.total = 0
        self._time = np.empty(capacity)
        self._detnum = np.empty(capacity, dtype=np.int16)
        self._channel = np.empty(capacity, dtype=np.int16)

    @property
    def oldest(self) -> int:
        """Number, from the start of the stream, of the oldest photon that is kept."""
        return max(0, self.total - self.capacity)

    def append(self, photons: PhotonBlock) -> None:
        """Keep photons (the newest, where there are more than fit)."""
        count = len(photons.time)
        skipped = max(0, count - self.capacity)
        rows = (self.total + np.arange(skipped, count)) % self.capacity
        self._time[rows] = photons.time[skipped:]
        self._detnum[rows] = photons.detnum[skipped:]
        self._channel[rows] = photons.channel[skipped:]
        self.total += count

    def read(self, start: int, stop: int) -> EventList:
        """Photons by their numbers."""
        rows = np.arange(start, stop) % self.capacity
        return EventList(self._time[rows], self._detnum[rows], self._channel[rows])


class MovingLightCurve:
    """A light curve whose bins move along with the newest photon, from the night's own accumulator.

    Parameters
    ----------
    step
        Width of a bin, s, made one of whole ticks; bins begin at whole multiples of it.
    count
        Number of bins.
    bands
        One band, keV.
    scale
        Gain and offset of the pixels.
    tick
        Unit of the photons' times, s; None where they are no whole units.
    dead
        Dead time of the sectors; None where it is not known.
    """

    def __init__(
        self,
        step: float,
        count: int,
        bands: EnergyBands,
        scale: Scale,
        *,
        tick: float | None = None,
        dead: DeadTime | None = None,
    ) -> None:
        self._ticks = 0 if tick is None else max(1, round(step / tick))
        self.step, self.count = (step if tick is None else round(self._ticks * tick, 9)), count
        self._bands, self._scale, self._tick, self._dead = bands, scale, tick, dead
        self._recorded, self._wanted = (np.zeros(len(scale.gain), np.int64) for _ in range(2))
        self._chosen: LightCurveAccumulator | None = None
        self._all: LightCurveAccumulator | None = None
        self.complete_from = -np.inf
        """Time from which nothing is missing because of our own memory, s."""
        self.newest = -np.inf

    def add(self, photons: EventList, wanted_pixel: BoolArray) -> None:
        """Count photons, and move the bins so that the newest lies in the last one."""
        if not len(photons):
            return
        self.newest = max(self.newest, float(photons.time.max()))
        first = self._bin_of(self.newest) - self.count + 1
        if self._chosen is None or self._all is None:
            span = (first * self.step, (first + self.count) * self.step)
            self._chosen = LightCurveAccumulator(*span, self.step, self._bands, tick=self._tick)
            self._all = LightCurveAccumulator(*span, self.step, [(0.0, 1.0)], tick=self._tick)
            self._first = first
            self.complete_from = max(self.complete_from, float(photons.time.min()))
        for curve in (self._chosen, self._all):
            curve.advance(first - self._first)
        self._first = first
        wanted = photons[wanted_pixel[photons.detnum]]
        self._chosen.add(wanted, self._scale)
        self._recorded += np.bincount(photons.detnum, minlength=self._recorded.size)
        self._wanted += np.bincount(wanted.detnum, minlength=self._wanted.size)
        self._all.add(photons, self._scale, np.ones(len(photons), dtype=np.uint8))  # all in the band

    def _bin_of(self, time: float) -> int:
        """Number of the bin that holds a time, from the reference of the times."""
        if self._tick is None:
            return int(np.floor(time / self.step))
        return int(np.rint(time / self._tick)) // self._ticks

    def result(self, gti: GoodTimeIntervals) -> LightCurve:
        """The bins that are complete; one without a photon where many were expected has no good time.

        Parameters
        ----------
        gti
            Good time.
        """
        if self._chosen is None or self._all is None:
            none = np.zeros((1, 0), dtype=np.int64)
            return LightCurve(0.0, self.step, self._bands.bands, none, np.empty(0))
        edges = self._chosen.edges
        curve, counts = self._chosen.result(), self._all.result().counts[0]
        exposure = gti.exposure_in(edges)
        if np.median(counts[counts > 0]) >= EXPECTED_FOR_A_GAP:
            exposure[counts == 0] = 0.0
        live = None
        if self._dead is not None:
            live = self._dead.live_in_bins(exposure, counts, self._dead.load(self._recorded, self._wanted))
        begin = int(np.searchsorted(edges[:-1], self.complete_from))
        end = max(begin, int(np.searchsorted(edges[1:], self.newest, side="right")))
        return LightCurve(
            float(edges[begin]),
            self.step,
            curve.bands,
            curve.counts[:, begin:end],
            exposure[begin:end],
            self._tick,
            None if live is None else live[begin:end],
        )


class PhotonView:
    """The photons of the stream as the reader wants to see them.

    Parameters
    ----------
    instrument
        Number of pixels and channels, nominal energies, modules.
    selection
        The first choice.
    capacity
        Photons kept.
    bins
        Bins of the light curve.
    """

    def __init__(
        self, instrument: Instrument, selection: PhotonSelection, capacity: int = 1 << 22, bins: int = 300
    ) -> None:
        self.instrument = instrument
        self.ring = Ring(capacity)
        self.newest = -np.inf
        self.without_time = 0
        self.coverage = Coverage()
        self._bins = bins
        nominal = instrument.energy
        self._scale = PixelScale.uniform(instrument.pixels.count, nominal.gain, nominal.offset)
        self._tick = tick_of(instrument)
        self._dead = DeadTime.of(instrument)
        self.select(selection)

    def select(self, selection: PhotonSelection) -> None:
        """Choose, and count the ring again."""
        self.selection = selection
        self._wanted_channel = selection.channels(self.instrument)
        self._wanted_pixel = selection.pixels(self.instrument)
        self.image: IntArray = np.zeros(self.instrument.pixels.count, dtype=np.int64)
        self.spectrum: IntArray = np.zeros(self.instrument.energy.channels, dtype=np.int64)
        self.pixel_spectrum: IntArray = np.zeros(self.instrument.energy.channels, dtype=np.int64)
        self._curve = MovingLightCurve(
            selection.window / self._bins, self._bins, selection.bands, self._scale, tick=self._tick,
            dead=self._dead,
        )  # fmt: skip
        self._low = self.ring.oldest
        if self.ring.oldest > 0:
            self._curve.complete_from = float(self.ring.read(self._low, self._low + 1).time[0])
        self._enter(self._low, self.ring.total)
        self._expire()

    def add(self, photons: PhotonBlock) -> None:
        """Add photons, one that hit several pixels as one; those without a time are only counted."""
        known = np.isfinite(photons.time)
        if not known.all():
            self.without_time += int((~known).sum())
            photons = EventList.of(photons)[known]
        photons = whole_photons(EventList.of(photons), self.instrument)
        count = len(photons.time)
        if not count:
            return
        self.coverage.add(photons.time)
        # What the ring is about to overwrite leaves the counts first.
        self._leave(max(self._low, self.ring.oldest), self.ring.total + count - self.ring.capacity)
        before = self.ring.total
        self.ring.append(photons)
        self._enter(max(before, self.ring.oldest), self.ring.total)
        self._expire()

    def light_curve(self) -> LightCurve:
        """Light curve in the chosen energies and modules; a gap has no good time."""
        return self._curve.result(self.coverage.gti)

    @property
    def covered(self) -> float:
        """Span of the photons that image and spectrum count, s."""
        start, stop = self._counted
        return max(0.0, stop - start)

    @property
    def exposure(self) -> float:
        """Time in which they were counted, s: their span less the gaps in the data."""
        start, stop = self._counted
        if not stop > start:
            return 0.0
        # both ends are counted, and an interval does not hold its own
        return (self.coverage.gti & GoodTimeIntervals(start, np.nextafter(stop, np.inf))).exposure

    @property
    def _counted(self) -> tuple[float, float]:
        if self._low >= self.ring.total:
            return 0.0, 0.0
        oldest = float(self.ring.read(self._low, self._low + 1).time[0])
        if self.selection.span is None:
            return oldest, self.newest
        start, stop = self.selection.span
        return max(start, oldest), min(stop, self.newest)

    @property
    def step(self) -> float:
        """Width of a bin of the light curve, s."""
        return self._curve.step

    def _enter(self, start: int, stop: int) -> None:
        for first in range(start, stop, _PIECE):
            photons = self.ring.read(first, min(first + _PIECE, stop))
            self.newest = max(self.newest, float(photons.time.max()))
            self._count(photons, 1)
            self._curve.add(photons, self._wanted_pixel)

    def _leave(self, start: int, stop: int) -> None:
        stop = min(stop, self.ring.total)
        for first in range(start, stop, _PIECE):
            self._count(self.ring.read(first, min(first + _PIECE, stop)), -1)
        self._low = max(self._low, stop)

    def _expire(self) -> None:
        """Take out the photons that are older than the window; a chosen span does not move along."""
        if self.selection.span is not None:
            self._low = max(self._low, self.ring.oldest)
            return
        start = self.newest - self.selection.window
        self._low = max(self._low, self.ring.oldest)
        while self._low < self.ring.total:
            stop = min(self._low + _PIECE, self.ring.total)
            inside = self.ring.read(self._low, stop).time >= start
            first = int(np.argmax(inside)) if inside.any() else stop - self._low
            self._leave(self._low, self._low + first)
            if inside.any():
                return

    def _count(self, photons: EventList, sign: int) -> None:
        if self.selection.span is not None:
            inside = (photons.time >= self.selection.span[0]) & (photons.time <= self.selection.span[1])
            photons = photons[inside]
        detnum, channel = photons.detnum, photons.channel
        in_band = self._wanted_channel[channel]
        self.image += sign * np.bincount(detnum[in_band], minlength=len(self.image))
        in_modules = self._wanted_pixel[detnum]
        self.spectrum += sign * np.bincount(channel[in_modules], minlength=len(self.spectrum))
        if self.selection.pixel is not None:
            own = channel[detnum == self.selection.pixel]
            self.pixel_spectrum += sign * np.bincount(own, minlength=len(self.pixel_spectrum))
