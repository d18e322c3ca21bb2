"""The software on board of a simulated camera: its trigger on the simulated photons, and what it sends.

It knows what a camera knows: photons, the energy scale and the table of pixels of the last calibration, its
mask, a catalogue, its attitude and orbit, and when the high voltage is on. Its mask and its table of pixels
are the true ones as they were at the start (what happens to pixels later it does not learn); its attitude is
that of the satellite, on which the camera sits a little askew. Dead and noisy pixels, those with a raised
threshold and those over the heat pipes are left out of its images, in all bands.

A sequence is as shown publicly: alerts, from the first one on light curves of high and low priority, after
the begin of the slew the descriptor and the detector image of the best alert; once a second a recurrent
message. Where the satellite does not turn, descriptor and image come when the sequence ends. Bins, what a
packet holds and all delays are ours.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.catalogue import load_catalogue
from eicpy.events import GoodTimeIntervals, PixelScale
from eicpy.imaging.diffuse import flatten
from eicpy.orbit import Track, right_ascension, separation, tangent_vector, unit_vector
from eicpy.simulation.camera.photons import SimulatedPhotons
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND
from eicpy.simulation.packets.event_packets import EventPacket
from eicpy.simulation.packets.trigger_packets import (
    alert_columns,
    descriptor_columns,
    light_curve,
    recurrent,
    short_hash,
    sub_images,
)
from eicpy.simulation.scene import Scene
from eicpy.trigger import Alert, TriggerConfiguration
from eicpy.trigger.on_board.recent import Photons
from eicpy.trigger.on_board.stream import RATE_BIN, SLICE, OnboardTrigger, Reaction
from eicpy.typing import FloatArray

__all__ = ["OnboardSoftware", "on_board_trigger"]

_CATALOGUE = "hard-x-ray"
_HEAT_PIPE = 0.02
"""Counts per second of heat-pipe noise from which on a pixel is left out of images: five columns on each
side. With three left out soft images of 20 minutes have false peaks at the edge of the field."""
_HIGH_THRESHOLD = 5.0
"""keV: the lowest band of the trigger begins here."""
_ORBIT_STEP = 10.0
_RECURRENT = 0.75
"""s after each whole second."""
_HIGH_SLICES, _HIGH_BINS = 8, 8
"""Slices in a packet of the light curve of high priority, and bins of 0.08 s in one of its own: 0.64 s."""
_LOW_SLICES = 2
_BEFORE, _LONGEST_BEFORE = 20.48, 60.0
"""s: how long before the excess the light curves begin, and how long before the first alert at most."""
_AFTER_SLEW = 3.0
_SLICES_KEPT = 64
_SAME_PLACE = np.radians(1.5)
_IDLE, _RUNNING, _REQUESTED, _HV_DOWN = range(4)


def on_board_trigger(scene: Scene, configuration: TriggerConfiguration) -> OnboardTrigger:
    """The trigger of a simulated camera, with what the camera knows.

    Parameters
    ----------
    scene
        What is simulated.
    configuration
        Of the trigger.
    """
    d, instrument, config = scene.detector, scene.instrument, scene.config
    now = scene.history.state(0.0)
    unusable = now.off | (now.noise > 0) | (now.threshold > _HIGH_THRESHOLD) | (d.heat_pipe > _HEAT_PIPE)
    time = scene.start + np.arange(-_ORBIT_STEP, config.duration + 2 * _ORBIT_STEP, _ORBIT_STEP)
    return OnboardTrigger(
        configuration,
        instrument,
        scene.mask,
        scale=PixelScale(d.table_gain, d.table_offset),
        efficiency=instrument.pixels.image(np.where(unusable, 0.0, d.efficiency * now.taken)),
        catalogue=load_catalogue(_CATALOGUE),
        attitude=scene.attitude.satellite,
        track=Track.of_orbit(scene.orbit, time) if config.earth else None,
        start=float(scene.start),
    )


@dataclass(slots=True)
class _Sequence:
    """A sequence of alerts as it is sent."""

    alerts: list[Alert]
    images: list[FloatArray]
    first_slice: int
    """Where its light curves begin."""
    closing: float
    """When descriptor and image are due: begin of the slew, or end of the sequence; s since the epoch."""
    high: int = 0
    low: int = 0
    is_closed: bool = False

    @property
    def begin(self) -> float:
        return self.alerts[0].time


@dataclass(slots=True)
class OnboardSoftware:
    """The trigger and its packets.

    Parameters
    ----------
    scene
        What is simulated.
    configuration
        Of the trigger.
    """

    scene: Scene
    configuration: TriggerConfiguration
    _trigger: OnboardTrigger | None = None
    _sequences: list[_Sequence] = field(default_factory=list)
    _rates: deque[tuple[int, npt.NDArray[np.int64]]] = field(
        default_factory=lambda: deque(maxlen=_SLICES_KEPT)
    )
    _pending: list[EventPacket] = field(default_factory=list)
    _verdicts: dict[str, int] = field(default_factory=dict)
    _counts: int = 0

    @property
    def observation(self) -> int:
        """Number of the observation."""
        return int(self.scene.config.seed % 2**32)

    def add(self, block: SimulatedPhotons) -> list[EventPacket]:
        """Photons of a block, and the packets that are due in it."""
        if self._trigger is None:
            self._trigger = on_board_trigger(self.scene, self.configuration)
        start = self.scene.start
        photons = Photons(block.tick / TICKS_PER_SECOND, block.detnum, block.channel, block.multiplicity)
        for reaction in self._trigger.slices(photons, start + block.end, self._live(block)):
            self._note(reaction)
        self._pending += self._recurrent(block)
        due = [m for m in self._pending if m.time < block.end]
        self._pending = [m for m in self._pending if m.time >= block.end]
        return sorted(due, key=lambda m: m.time)

    def _live(self, block: SimulatedPhotons) -> GoodTimeIntervals:
        start = self.scene.start
        whole = GoodTimeIntervals([start + block.begin], [start + block.end])
        down = np.reshape(self.scene.saa, (-1, 2)) + start
        return whole - GoodTimeIntervals(down[:, 0], down[:, 1])

    def _note(self, reaction: Reaction) -> None:
        for decision in reaction.decisions:
            self._verdicts[decision.verdict] = self._verdicts.get(decision.verdict, 0) + 1
        (rates,) = reaction.rates
        number = round((rates[0] - self.scene.start) / SLICE)
        self._rates.append((number, rates[1]))
        for alert, image in zip(reaction.alerts, reaction.images, strict=True):
            self._alert(alert, image)
        for sequence in self._sequences:
            self._continue(sequence, number + 1, rates[0] + SLICE)

    def _alert(self, alert: Alert, image: FloatArray) -> None:
        start = self.scene.start
        if alert.number == 0:
            begin = max(alert.excess.start, alert.time - _LONGEST_BEFORE) - _BEFORE - start
            oldest = self._rates[0][0]
            first = max(int(np.floor(begin / SLICE)), oldest)
            self._sequences.append(
                _Sequence([alert], [image], first, alert.time + self.configuration.sequence)
            )
        else:
            mine = self._sequences[alert.sequence]
            mine.alerts.append(alert)
            mine.images = [image]
        mine = self._sequences[alert.sequence]
        if alert.slew_request and not mine.is_closed:
            mine.closing = min(mine.closing, self._slew_after(alert.time, mine.closing))
        quaternion = self.scene.attitude.satellite.quaternion_at(alert.time)
        columns = alert_columns(alert, self.observation, self.scene.mask, self.scene.orbit, quaternion)
        self._pending.append(EventPacket(alert.time - start, "alert", columns))

    def _slew_after(self, time: float, latest: float) -> float:
        """When the satellite begins to turn."""
        begins = [o.start for o in self.scene.attitude.observations[1:] if time < o.start < latest]
        return min(begins, default=latest)

    def _continue(self, sequence: _Sequence, slices: int, now: float) -> None:
        """Light curves, descriptor and detector image that are complete at the end of a slice."""
        start, end = self.scene.start, sequence.begin + self.configuration.sequence
        for kind, whole, merged in (("high", _HIGH_SLICES, _HIGH_BINS), ("low", _LOW_SLICES, 1)):
            while True:
                number = getattr(sequence, kind)
                first = sequence.first_slice + number * whole
                begin = start + first * SLICE
                if first + whole > slices or begin > end:
                    break
                counts = self._counts_of(first, whole, merged)
                late = 0.0 if kind == "high" else 0.5
                sent = max(sequence.begin + 1 + number, begin + whole * SLICE + 1) + late - start
                self._pending.append(
                    light_curve(
                        sent, f"light-curve-{kind}", self.observation, sequence.alerts[0].sequence, number,
                        begin, merged * RATE_BIN, counts,
                    )
                )  # fmt: skip
                setattr(sequence, kind, number + 1)
        if not sequence.is_closed and now >= sequence.closing:
            self._close(sequence)

    def _counts_of(self, first: int, slices: int, merged: int) -> npt.NDArray[np.int64]:
        kept = dict(self._rates)
        bins = round(SLICE / RATE_BIN)
        bands = len(self.configuration.bands)
        parts = [kept.get(first + n, np.zeros((bins, bands), np.int64)) for n in range(slices)]
        return np.asarray(np.concatenate(parts).reshape(-1, merged, bands).sum(axis=1))

    def _close(self, sequence: _Sequence) -> None:
        best, image = sequence.alerts[-1], sequence.images[-1]
        time = sequence.closing - self.scene.start + _AFTER_SLEW
        columns = descriptor_columns(
            best, sequence.begin, len(sequence.alerts), self.observation, self.configuration
        )
        self._pending.append(EventPacket(time, "alert-descriptor", columns))
        counts = np.rint(flatten(image)).astype(np.int64)
        self._pending += sub_images(time + 1.0, self.observation, best, counts)
        sequence.is_closed, sequence.images = True, []

    def _recurrent(self, block: SimulatedPhotons) -> list[EventPacket]:
        start = self.scene.start
        begin = int(block.begin)
        second = block.tick // TICKS_PER_SECOND - (start + begin)
        whole = int(np.ceil(block.end - begin))
        counts = np.bincount(np.clip(second, 0, max(whole - 1, 0)), minlength=whole)
        before = np.concatenate([[self._counts], counts])
        self._counts = int(counts[-1]) if whole else self._counts
        short = short_hash(self.configuration)
        messages = []
        for n in range(whole):
            time = begin + n + _RECURRENT
            if time < self.scene.config.duration:
                mode, sequences, number = self._state(start + time)
                messages.append(
                    recurrent(time, self.observation, mode, sequences, number, int(before[n]), short)
                )
        return messages

    def _state(self, time: float) -> tuple[int, int, int]:
        """Mode, sequences so far and messages of the last at a time."""
        begun = [s for s in self._sequences if s.begin <= time]
        sent = [a for a in begun[-1].alerts if a.time <= time] if begun else []
        mode = _IDLE
        if sent and time < sent[0].time + self.configuration.sequence:
            mode = _REQUESTED if sent[-1].slew_request else _RUNNING
        if any(a <= time - self.scene.start < b for a, b in self.scene.saa):
            mode = _HV_DOWN
        return mode, len(begun), len(sent)

    def facts(self) -> dict[str, Any]:
        """What was sent, for the truth."""
        return {
            "configuration_sha256": self.configuration.digest,
            "verdicts": dict(sorted(self._verdicts.items())),
            "sequences": [self._sequence_facts(s) for s in self._sequences if self._is_sent(s.alerts[0])],
        }

    def _is_sent(self, alert: Alert) -> bool:
        return alert.time - self.scene.start < self.scene.config.duration

    def _sequence_facts(self, sequence: _Sequence) -> dict[str, Any]:
        sent = [a for a in sequence.alerts if self._is_sent(a)]
        slews = [a.time for a in sent if a.slew_request]
        best = sent[-1]
        return {
            "t0": sent[0].time,
            "tb": sent[0].excess.start,
            "slew_request": slews[0] if slews else None,
            "burst": self._burst_of(best),
            "source": best.source_name or None,
            "outburst": best.outburst,
            "alerts": [self._alert_facts(a) for a in sent],
        }

    def _alert_facts(self, alert: Alert) -> dict[str, Any]:
        ra, dec = np.degrees(right_ascension(self._direction(alert)))
        e = alert.excess
        return {
            "time": alert.time,
            "kind": e.kind,
            "start": e.start,
            "stop": e.stop,
            "band": list(self.configuration.bands[e.band]),
            "significance": alert.significance,
            "ty": alert.ty,
            "tz": alert.tz,
            "ra": float(ra),
            "dec": float(dec),
            "radius_90": float(np.degrees(alert.radius)),
            "slew_request": alert.slew_request,
        }

    def _direction(self, alert: Alert) -> FloatArray:
        """As the satellite takes it: in the middle of the window."""
        middle = (alert.excess.start + alert.excess.stop) / 2
        rotation = self.scene.attitude.satellite.rotation_at(middle)
        return np.asarray(tangent_vector(alert.ty, alert.tz) @ rotation)

    def _burst_of(self, alert: Alert) -> str | None:
        """Name of the burst that shone in the window from there; None where none did."""
        start = self.scene.start
        there = self._direction(alert)
        for burst in self.scene.config.bursts:
            begin, end = start + burst.start, start + burst.start + burst.end
            place = unit_vector(np.radians(burst.ra), np.radians(burst.dec))
            overlaps = alert.excess.start < end and alert.excess.stop > begin
            if overlaps and separation(there, place) < _SAME_PLACE:
                return burst.name
        return None
