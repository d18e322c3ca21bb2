"""The trigger as the camera runs it: photons in, alerts out, in a stream.

Time is cut into slices of 2.56 s, an eighth of the cycle of the image trigger, that do not depend on how
photons are handed over. At the end of a slice the best excess of its count rates is imaged; at the end of a
cycle all its exposures are searched. What comes out goes through the logic of alerts in the order in which
the camera knows it: an excess of count rates 1.5 s after its slice, an image 4 s after its cycle (guesses).

While the camera turns by more than a tenth of a degree in a cycle there is no image of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.catalogue import SourceCatalogue
from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, GoodTimeIntervals, PhotonBlock, Scale
from eicpy.imaging import Mask
from eicpy.instruments import Instrument
from eicpy.orbit import Attitude, Pointing, Track
from eicpy.trigger.alert import Alert, Excess
from eicpy.trigger.configuration import CYCLE, TriggerConfiguration
from eicpy.trigger.on_board.alert_logic import AlertLogic, Candidate, Decision
from eicpy.trigger.on_board.binning import AHEAD, PhotonBinner
from eicpy.trigger.on_board.count_rate import CountRateTrigger
from eicpy.trigger.on_board.identification import KnownSources, SourceFits
from eicpy.trigger.on_board.image_trigger import ImageTrigger, SkyExcess
from eicpy.trigger.on_board.outbursts import SourceWatch, WatchedExposure
from eicpy.trigger.on_board.positions import PositionFinder, View
from eicpy.trigger.on_board.recent import CycleImages, Photons, PhotonStore, WaitingPhotons, without_spikes
from eicpy.typing import FloatArray

__all__ = ["RATE_BIN", "SLICE", "Margin", "OnboardTrigger", "Reaction"]

SLICE = CYCLE / 8
"""s: how often count rates are looked at."""
RATE_BIN = 0.08
"""s: bins of the count rates that come with each slice."""
_COUNT_RATE_DELAY, _IMAGE_DELAY = 1.5, 4.0
"""s after the end of a slice or cycle (guesses)."""
_KEPT_SLICES = 24
"""A minute: the longest window of count rates, and what searching it waits for."""
_NEAR = 2
"""Pixels of the sky image within which two peaks are one place."""
_SLICES_AT_ONCE = 24
_TURN = float(np.radians(0.1))
_STILL = float(np.radians(0.02))
"""A fiftieth of the side of a pixel of the sky image: the camera has not moved."""
_MOST_PEAKS = 5
"""Places in one cycle's images that are looked at: the best is a known source, the next perhaps not."""

Margin = tuple[float, str, int, float]
"""(time, kind, band, best significance over its threshold)."""


@dataclass(slots=True)
class Reaction:
    """What a trigger says since it was last asked.

    Parameters
    ----------
    excesses
        Windows of count rates and exposures above their thresholds, in time order.
    alerts
        Messages, in time order.
    decisions
        Every position that was looked at and what became of it: what would have fired.
    images
        For each alert the detector image from which its position comes, shape (pixels, pixels).
    margins
        How near each search came to its thresholds.
    rates
        Of each slice: begin, s, and counts of each band in bins of 0.08 s, shape (bins, bands).
    """

    excesses: list[Excess] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    images: list[FloatArray] = field(default_factory=list)
    margins: list[Margin] = field(default_factory=list)
    rates: list[tuple[float, npt.NDArray[np.int64]]] = field(default_factory=list)


class OnboardTrigger:
    """The count-rate trigger, the image trigger and the logic of alerts, as a stream of bounded memory.

    Parameters
    ----------
    configuration
        What decides whether it fires.
    instrument
        The camera.
    mask
        Its mask.
    scale
        Gain and offset of each pixel, as known on board.
    efficiency
        Of each pixel relative to a good one, shape (pixels, pixels), indexed [z, y]; 0 for one that is left
        out. None: all are good.
    catalogue
        The sources known on board; None: none are.
    attitude
        How the camera looks, as known on board; None: positions are in the camera's frame only.
    track
        Where the satellite is; None: the Earth is not looked for.
    start
        s: begin of the first cycle.

    Attributes
    ----------
    wrong_times
        Photons that were left out so far: without a time, or with one ten minutes after their block.

    See Also
    --------
    AlertLogic : The rules for alerts.
    """

    def __init__(
        self,
        configuration: TriggerConfiguration,
        instrument: Instrument,
        mask: Mask,
        *,
        scale: Scale,
        efficiency: FloatArray | None = None,
        catalogue: SourceCatalogue | None = None,
        attitude: Attitude | None = None,
        track: Track | None = None,
        start: float,
    ) -> None:
        if not np.isfinite(start):
            raise BadArgumentError(f"got a trigger that starts at {start} s; expected a finite time")
        self.configuration = configuration
        self._instrument, self._mask = instrument, mask
        self._catalogue, self._attitude, self._track = catalogue, attitude, track
        self._start = float(start)
        pixels = instrument.pixels
        ignored = np.array(configuration.ignored_pixels, np.intp)
        self._efficiency = efficiency
        if len(ignored):
            kept = np.ones(pixels.count)
            kept[ignored] = 0.0
            image = pixels.image(kept)
            self._efficiency = image if efficiency is None else np.asarray(efficiency) * image
        self._bands = EnergyBands(configuration.bands)
        self._binner = PhotonBinner(configuration, instrument, scale, self._start)
        self._count_rate = CountRateTrigger(configuration, instrument)
        self._waiting = WaitingPhotons()
        self._recent = PhotonStore(self._bands, pixels, scale, ignored, _KEPT_SLICES)
        cycles = 2 ** max(configuration.image.stacks, default=0)
        self._cycles = CycleImages(self._bands, cycles)
        self._watch = SourceWatch(configuration.image.stacks)
        self._logic = AlertLogic(configuration)
        known = KnownSources(configuration, catalogue, mask)
        self._finder = PositionFinder(configuration, known)
        self._sources = SourceFits(known)
        self._image: ImageTrigger | None = None
        self._pointing: Pointing | None = None
        self._live: GoodTimeIntervals | None = None
        self._done = 0
        self._until = self._start
        self.wrong_times = 0

    def add(self, photons: PhotonBlock, until: float, live: GoodTimeIntervals | None = None) -> Reaction:
        """Photons, and what the trigger says to them.

        Parameters
        ----------
        photons
            Photons earlier than `until`; those of slices that are done already are too late.
        until
            s: all photons before this have been handed over.
        live
            Times in which the camera could count; None: always.

        Returns
        -------
        Reaction
            Of the slices that are now complete.

        Raises
        ------
        BadArgumentError
            If `until` lies before that of the last call.
        """
        whole = Reaction()
        for one in self.slices(photons, until, live):
            for name in Reaction.__slots__:
                getattr(whole, name).extend(getattr(one, name))
        return whole

    def slices(
        self, photons: PhotonBlock, until: float, live: GoodTimeIntervals | None = None
    ) -> Iterator[Reaction]:
        """As :meth:`add`, with a reaction for each slice of 2.56 s that is now complete."""
        if not until >= self._until:
            raise BadArgumentError(f"got photons until {until} s after those until {self._until} s")
        if live is not None or self._live is not None:
            new = GoodTimeIntervals([self._until], [until]) if live is None else live
            old = self._live if self._live is not None else GoodTimeIntervals([self._start], [self._until])
            self._live = (old | new) & GoodTimeIntervals([self._end(self._done) - 2000.0], [until])
        self._until = until
        self.wrong_times += self._waiting.add(photons, until + AHEAD)
        last = int((until - self._start) / SLICE + 1e-9)
        while self._done < last:
            yield from self._piece(min(last - self._done, _SLICES_AT_ONCE))

    def _end(self, number: int) -> float:
        return self._start + number * SLICE

    def _piece(self, slices: int) -> Iterator[Reaction]:
        """Some slices: counted in one go, decided one after the other."""
        first = self._done
        edges = np.asarray(self._start + np.arange(first, first + slices + 1) * SLICE, np.float64)
        parts = self._waiting.take(edges)
        binned = self._binner.add(Photons.join(parts), float(edges[-1]))
        rates = self._rates(np.asarray(binned.counts), slices)
        excesses: list[list[Excess]] = [[] for _ in parts]
        for excess in self._count_rate.add(binned, self._live):
            excesses[self._slice_of(excess.stop) - first].append(excess)
        images = {self._slice_of(start + CYCLE): (float(start), counts) for start, counts in binned.images}
        margins = self._count_rate.margins
        for n, photons in enumerate(parts):
            end = float(edges[n + 1])
            reaction = Reaction(excesses=list(excesses[n]), rates=[(float(edges[n]), rates[n])])
            for at in np.flatnonzero(np.abs(margins.start - edges[n]) < 0.5 * SLICE):
                reaction.margins += [
                    (end, "count rate", band, float(value)) for band, value in enumerate(margins.ratio[at])
                ]
            self._recent.add(float(edges[n]), end, photons)
            if excesses[n]:
                self._look_at(max(excesses[n], key=lambda e: e.significance), end, reaction)
            if first + n in images:
                start, counts = images[first + n]
                self._cycle(start, np.asarray(counts), reaction)
            self._done += 1
            yield reaction

    def _slice_of(self, stop: float) -> int:
        """Number of the slice in which a window ends."""
        return int(np.ceil((stop - self._start) / SLICE - 1e-6)) - 1

    def _rates(self, counts: npt.NDArray[Any], slices: int) -> npt.NDArray[np.int64]:
        """Counts of the whole plane by band, in coarser bins, shape (slices, bins, bands)."""
        bins = round(SLICE / RATE_BIN)
        coarse = counts.reshape(slices * bins, -1, *counts.shape[1:]).sum(axis=(1, 2), dtype=np.int64)
        if coarse.shape[-1] < self._bands.segments:
            coarse = np.pad(coarse, ((0, 0), (1, 1)))
        return np.asarray(self._bands.combine(coarse).reshape(slices, bins, -1), np.int64)

    def _exposure(self, start: float, stop: float) -> float:
        if self._live is None:
            return stop - start
        return float((self._live & GoodTimeIntervals([start], [stop])).exposure)

    def _images(self) -> ImageTrigger:
        if self._image is None:
            self._image = ImageTrigger(self.configuration, self._mask, self._efficiency, self._catalogue)
        return self._image

    def _looks(self, start: float, stop: float) -> tuple[Pointing | None, bool]:
        """Where the camera looks in the middle of a time, and whether it holds still.

        The pointing is the same object as long as the camera has not moved.
        """
        if self._attitude is None:
            return None, True
        times = np.array([start, (start + stop) / 2, stop])
        if not self._attitude.known(times).all():
            return None, True
        axes = self._attitude.rotation_at(times)
        turned = float(np.linalg.norm(axes[0] - axes[2], axis=-1).max())
        now = Pointing.of_rotation(axes[1])
        old = now if self._pointing is None else self._pointing
        if float(np.linalg.norm(axes[1] - old.rotation, axis=-1).max()) < _STILL:
            now = old
        self._pointing = now
        return now, turned < _TURN

    def _earth(self, time: float) -> FloatArray | None:
        if self._track is None or not bool(self._track.known(time)):
            return None
        return np.asarray(self._track.position_at(time))

    def _look_at(self, excess: Excess, end: float, reaction: Reaction) -> None:
        """Image an excess of count rates."""
        pointing, still = self._looks(excess.start, excess.stop)
        exposure = self._exposure(excess.start, excess.stop)
        if not still or exposure <= 0:
            return
        earth = self._earth((excess.start + excess.stop) / 2)
        decoder = self._images().decoder(pointing, earth)
        counts = without_spikes(self._recent.image(excess.start, excess.stop, excess.band)[None])[0]
        view = View(counts, excess, end + _COUNT_RATE_DELAY, decoder, pointing, exposure, earth)
        found = self._finder.highest(view) + self._finder.outbursts(view)
        self._decide([(c, counts) for c in found], reaction)

    def _cycle(self, start: float, counts: FloatArray, reaction: Reaction) -> None:
        """Search the exposures that end with a cycle."""
        stop, images = start + CYCLE, self._images()
        pointing, still = self._looks(start, stop)
        exposure = self._exposure(start, stop)
        counts = without_spikes(counts)
        self._cycles.add(start, counts)
        if not still or exposure <= 0:
            self._watch.forget()
            return
        earth = self._earth((start + stop) / 2)
        found = images.add(start, counts, pointing, earth, exposure)
        reaction.excesses += [one.excess for one in found]
        reaction.margins += [(m.time, "image", m.band, m.ratio) for m in images.margins]
        images.margins.clear()
        flaring = [] if pointing is None else self._flaring(start, counts, pointing, exposure)
        if not found and not flaring:
            return
        decoder = images.decoder(pointing, earth)

        def view(excess: Excess) -> View:
            image = self._cycles.image(excess.start, excess.stop, excess.band)
            seconds = self._exposure(excess.start, excess.stop)
            return View(image, excess, stop + _IMAGE_DELAY, decoder, pointing, seconds, earth)

        looked = []
        for one in _apart(found)[:_MOST_PEAKS]:
            seen = view(one.excess)
            looked += [(c, seen.counts) for c in self._finder.highest(seen, one.image, one.peak)]
        for excess in flaring:
            seen = view(excess)
            if bright := self._finder.outbursts(seen):
                reaction.excesses.append(excess)
                looked += [(c, seen.counts) for c in bright]
        self._decide(looked, reaction)

    def _flaring(self, start: float, counts: FloatArray, pointing: Pointing, exposure: float) -> list[Excess]:
        """For each known source that may be in outburst the best of the exposures that end with a cycle."""
        decoder = self._images().decoder(pointing, None)
        fit = self._sources.fluxes(decoder, pointing)
        best: dict[int, tuple[float, WatchedExposure]] = {}
        for seen in self._watch.add(start, exposure, fit, self._cycles.of_bands(counts)):
            bright = self._sources.bright(fit, seen.flux, seen.variance, seen.band, seen.exposure)
            if not bright:
                continue
            snr = np.where(seen.variance > 0, seen.flux / np.sqrt(np.abs(seen.variance)), -np.inf)
            n = max(bright, key=lambda k: float(snr[k]))
            if n not in best or snr[n] > best[n][0]:
                best[n] = float(snr[n]), seen
        excesses = []
        for n, (value, seen) in best.items():
            total = float(self._cycles.image(seen.start, seen.stop, seen.band).sum())
            rest = total - float(seen.flux[n]) * decoder.lit(fit.sources[n].ty, fit.sources[n].tz)
            excesses.append(
                Excess("image", seen.start, seen.stop, seen.stack, seen.band, -1, int(total), rest, value)
            )
        return excesses

    def _decide(self, found: list[tuple[Candidate, FloatArray]], reaction: Reaction) -> None:
        for candidate, counts in sorted(found, key=lambda pair: -pair[0].significance):
            decision = self._logic.add(candidate)
            reaction.decisions.append(decision)
            if decision.alert is not None:
                reaction.alerts.append(decision.alert)
                reaction.images.append(counts)


def _apart(found: list[SkyExcess]) -> list[SkyExcess]:
    """Excesses of a cycle, the best of each place in the image: what is weaker there changes nothing."""
    kept: list[SkyExcess] = []
    for one in found:
        if all(max(abs(one.peak.y - k.peak.y), abs(one.peak.z - k.peak.z)) > _NEAR for k in kept):
            kept.append(one)
    return kept
