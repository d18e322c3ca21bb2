"""What the live page shows of the photons: a window on the stream, in bounded memory.

The newest photons are kept in a ring. Detector image and spectrum count those of the ring that lie
within the chosen time window: a photon is added once when it comes and taken out once when it leaves
the window, so that a tick costs as much as the photons that came and went, not as those that are kept.
Rates are counted in bins of fixed width that move along. Only a new choice (window, energy, module,
pixel) counts the ring anew.

A bin without any photon of the whole detector is a gap, not a rate of zero, if at least 20 were
expected there (a Poisson chance of 2·10⁻⁹); so telemetry that is missing does not look like a dark sky.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eicpy.dashboard.exposure import EXPECTED_FOR_A_GAP, Exposure
from eicpy.instruments import Instrument
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["PhotonView", "Photons", "RateBins", "Ring", "Selection", "nominal_channels"]

_PIECE = 1 << 18


class Photons(Protocol):
    """Columns of photons, shape (n,)."""

    @property
    def time(self) -> FloatArray:
        """Times, s TT since 2017-01-01."""

    @property
    def detnum(self) -> npt.NDArray[np.int16]:
        """Pixel numbers."""

    @property
    def channel(self) -> npt.NDArray[np.int16]:
        """Channels (PHA)."""


@dataclass(frozen=True)
class Selection:
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
        A pixel whose own spectrum is wanted; None: none.
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

    def channels(self, instrument: Instrument) -> BoolArray:
        """Channels in the chosen energies, shape (channels,)."""
        centres = nominal_channels(instrument)
        return (centres >= self.low) & (centres <= self.high)

    def pixels(self, instrument: Instrument) -> BoolArray:
        """Pixels in the chosen modules, shape (pixels,)."""
        count = instrument.pixels.count
        if self.modules is None:
            return np.ones(count, dtype=bool)
        return np.isin(instrument.pixels.module(np.arange(count)), list(self.modules))


def nominal_channels(instrument: Instrument) -> FloatArray:
    """Energies at the channels' centres on the nominal scale, keV."""
    scale = instrument.energy
    return np.asarray(scale.gain * (np.arange(scale.channels) + 0.5) + scale.offset)


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

    def append(self, photons: Photons) -> None:
        """Keep photons (the newest, where there are more than fit)."""
        count = len(photons.time)
        skipped = max(0, count - self.capacity)
        places = (self.total + np.arange(skipped, count)) % self.capacity
        self._time[places] = photons.time[skipped:]
        self._detnum[places] = photons.detnum[skipped:]
        self._channel[places] = photons.channel[skipped:]
        self.total += count

    def read(self, start: int, stop: int) -> tuple[FloatArray, npt.NDArray[np.int16], npt.NDArray[np.int16]]:
        """Times, pixels and channels of photons by their numbers."""
        places = np.arange(start, stop) % self.capacity
        return self._time[places], self._detnum[places], self._channel[places]


@dataclass
class RateBins:
    """Counts in bins of equal width that move along with the newest time.

    Parameters
    ----------
    step
        Width of a bin, s.
    count
        Number of bins.
    """

    step: float
    count: int
    first: int | None = field(default=None, init=False)
    """Number of the first bin, counted from time 0."""
    complete_from: float = field(default=-np.inf, init=False)
    """Time from which nothing is missing because of our own memory, s."""
    newest: float = field(default=-np.inf, init=False)

    def __post_init__(self) -> None:
        self._chosen: IntArray = np.zeros(self.count, dtype=np.int64)
        self._all: IntArray = np.zeros(self.count, dtype=np.int64)

    def add(self, time: FloatArray, chosen: BoolArray) -> None:
        """Count photons, and move the bins so that the newest lies in the last one."""
        if not len(time):
            return
        number = np.floor(time / self.step).astype(np.int64)
        self.newest = max(self.newest, float(time.max()))
        last = int(number.max())
        if self.first is None:
            self.first = last - self.count + 1
            self.complete_from = max(self.complete_from, float(time.min()))
        shift = last - (self.first + self.count - 1)
        if shift > 0:
            for counts in (self._chosen, self._all):
                kept = counts[shift:].copy()
                counts[:] = 0
                counts[: len(kept)] = kept
            self.first += shift
        place = number - self.first
        inside = place >= 0
        self._all += np.bincount(place[inside], minlength=self.count)
        self._chosen += np.bincount(place[inside & chosen], minlength=self.count)

    def rates(self) -> tuple[FloatArray, FloatArray]:
        """Middles of the bins (s) and rates (count/s); NaN for a gap and for bins not complete yet."""
        if self.first is None:
            return np.empty(0), np.empty(0)
        starts = (self.first + np.arange(self.count)) * self.step
        rates = self._chosen / self.step
        filled = self._all[self._all > 0]
        if len(filled) and np.median(filled) >= EXPECTED_FOR_A_GAP:
            rates[self._all == 0] = np.nan
        rates[(starts < self.complete_from) | (starts + self.step > self.newest)] = np.nan
        began = int(np.argmax(self._all > 0))
        return np.asarray(starts + self.step / 2)[began:], rates[began:]


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
        self, instrument: Instrument, selection: Selection, capacity: int = 1 << 22, bins: int = 300
    ) -> None:
        self.instrument = instrument
        self.ring = Ring(capacity)
        self.newest = -np.inf
        self.without_time = 0
        self._exposure = Exposure()
        self._bins = bins
        scale = instrument.energy
        self.edges: FloatArray = np.asarray(scale.gain * np.arange(scale.channels + 1) + scale.offset)
        self.select(selection)

    def select(self, selection: Selection) -> None:
        """Choose, and count the ring anew."""
        self.selection = selection
        self._wanted_channel = selection.channels(self.instrument)
        self._wanted_pixel = selection.pixels(self.instrument)
        self.image: IntArray = np.zeros(self.instrument.pixels.count, dtype=np.int64)
        self.spectrum: IntArray = np.zeros(self.instrument.energy.channels, dtype=np.int64)
        self.pixel_spectrum: IntArray = np.zeros(self.instrument.energy.channels, dtype=np.int64)
        self._rates = RateBins(selection.window / self._bins, self._bins)
        self._low = self.ring.oldest
        if self.ring.oldest > 0:
            self._rates.complete_from = float(self.ring.read(self._low, self._low + 1)[0][0])
        self._enter(self._low, self.ring.total)
        self._expire()

    def add(self, photons: Photons) -> None:
        """Take in photons that came; those without a time are only counted."""
        known = np.isfinite(photons.time)
        if not known.all():
            self.without_time += int((~known).sum())
            photons = _Columns(photons.time[known], photons.detnum[known], photons.channel[known])
        count = len(photons.time)
        if not count:
            return
        self._exposure.add(photons.time)
        # What the ring is about to overwrite leaves the counts first.
        self._leave(max(self._low, self.ring.oldest), self.ring.total + count - self.ring.capacity)
        before = self.ring.total
        self.ring.append(photons)
        self._enter(max(before, self.ring.oldest), self.ring.total)
        self._expire()

    def light_curve(self) -> tuple[FloatArray, FloatArray]:
        """Middles of the bins (s) and rates (count/s) in the chosen energies and modules; gaps are NaN."""
        return self._rates.rates()

    @property
    def covered(self) -> float:
        """Span of the photons that image and spectrum count, s."""
        start, stop = self._counted
        return max(0.0, stop - start)

    @property
    def exposure(self) -> float:
        """Time in which they were counted, s: their span less the gaps in the data."""
        return self._exposure.between(*self._counted)

    @property
    def _counted(self) -> tuple[float, float]:
        if self._low >= self.ring.total:
            return 0.0, 0.0
        oldest = float(self.ring.read(self._low, self._low + 1)[0][0])
        if self.selection.span is None:
            return oldest, self.newest
        start, stop = self.selection.span
        return max(start, oldest), min(stop, self.newest)

    @property
    def step(self) -> float:
        """Width of a bin of the light curve, s."""
        return self._rates.step

    def _enter(self, start: int, stop: int) -> None:
        for first in range(start, stop, _PIECE):
            time, detnum, channel = self.ring.read(first, min(first + _PIECE, stop))
            self.newest = max(self.newest, float(time.max()))
            self._count(time, detnum, channel, 1)
            self._rates.add(time, self._wanted_channel[channel] & self._wanted_pixel[detnum])

    def _leave(self, start: int, stop: int) -> None:
        stop = min(stop, self.ring.total)
        for first in range(start, stop, _PIECE):
            self._count(*self.ring.read(first, min(first + _PIECE, stop)), -1)
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
            inside = self.ring.read(self._low, stop)[0] >= start
            first = int(np.argmax(inside)) if inside.any() else stop - self._low
            self._leave(self._low, self._low + first)
            if inside.any():
                return

    def _count(
        self, time: FloatArray, detnum: npt.NDArray[Any], channel: npt.NDArray[Any], sign: int
    ) -> None:
        if self.selection.span is not None:
            inside = (time >= self.selection.span[0]) & (time <= self.selection.span[1])
            detnum, channel = detnum[inside], channel[inside]
        in_band = self._wanted_channel[channel]
        self.image += sign * np.bincount(detnum[in_band], minlength=len(self.image))
        in_modules = self._wanted_pixel[detnum]
        self.spectrum += sign * np.bincount(channel[in_modules], minlength=len(self.spectrum))
        if self.selection.pixel is not None:
            own = channel[detnum == self.selection.pixel]
            self.pixel_spectrum += sign * np.bincount(own, minlength=len(self.pixel_spectrum))


@dataclass(frozen=True)
class _Columns:
    time: FloatArray
    detnum: npt.NDArray[np.int16]
    channel: npt.NDArray[np.int16]
