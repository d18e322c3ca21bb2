"""A source before a detector on the bench: what is measured when, and what shines.

The source is a point on the axis of the plane; a pixel at a distance r from the middle sees it weaker by
(d / √(d² + r²))³: the distance, and the slant. Its lines are weighted with the absorption of the detector;
a quarter of the photons is scattered before they arrive, with an exponential spectrum that ends at the
highest line (guess). The background is an exponential of 40 keV (guess).
"""

import itertools
from dataclasses import dataclass
from functools import partial

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument, MeasurementSwitch, load
from eicpy.simulation.bench.config import BenchCommand, BenchConfig, matches
from eicpy.simulation.bench.isotopes import lines_of
from eicpy.simulation.camera import background
from eicpy.simulation.camera.background import SpectrumTable
from eicpy.simulation.camera.detector import Detector, draw_detector, efficiency
from eicpy.simulation.camera.illumination import STEP, Component, PhotonSource, SteadyInterval
from eicpy.simulation.camera.kernels import Components, Pixels
from eicpy.simulation.packets.commands import Telecommand, Timing

__all__ = ["BenchScene", "Measurement", "build_bench", "measurements"]


LABORATORY, NOISE, SOURCE = range(3)
"""Numbers of the components."""
TIMING = Timing()
"""A telecommand takes effect when its start is reported."""
_SCATTERED = 0.25
_FOLDING = 40.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """A time in which photons are sent.

    Parameters
    ----------
    begin, end
        s after the start of the simulation.
    arguments
        Of the telecommand that started it.
    source
        Whether the source is there.
    threshold
        Low threshold that was set, keV; None: each pixel's own.
    scan
        Whether thresholds are scanned, without photons.
    """

    begin: float
    end: float
    arguments: dict[str, int]
    source: bool
    threshold: float | None
    scan: bool = False


def _switches(switch: MeasurementSwitch, command: BenchCommand) -> bool:
    wanted = {} if switch.field is None or switch.value is None else {switch.field: switch.value}
    return command.command == switch.packet and matches(command.arguments, wanted)


def measurements(config: BenchConfig, instrument: Instrument) -> list[Measurement]:
    """The measurements of a campaign, in order; telecommands that fail have no effect.

    Raises
    ------
    BadArgumentError
        For an instrument whose description does not say what starts a measurement.
    """
    rule = instrument.measurement
    if rule is None:
        raise BadArgumentError(f"got {instrument.name}, expected an instrument with a [measurement] rule")
    setting = config.settings.get("threshold")
    threshold: float | None = None
    running: tuple[float, dict[str, int], float | None] | None = None
    found = []

    def close(end: float) -> None:
        if running is not None:
            begin, arguments, set_to = running
            source = config.source is not None and matches(arguments, config.source_when)
            scan = config.scan is not None and matches(arguments, config.scan.when)
            found.append(Measurement(begin, min(end, config.duration), arguments, source, set_to, scan))

    for command in sorted(config.commands, key=lambda c: c.time):
        now = command.time + TIMING.start
        if command.refuse is not None or now >= config.duration:
            continue
        if setting is not None and setting.is_set_by(command):
            threshold = setting.value(command)
        if _switches(rule.start, command) or _switches(rule.stop, command):
            close(now)
            running = (now, command.arguments, threshold) if _switches(rule.start, command) else None
    close(config.duration)
    return found


def _source_table(name: str, rate: float) -> SpectrumTable:
    """Detected spectrum of a source, of a given number of counts per second."""
    lines = np.array(lines_of(name))
    energy = lines[:, 0]
    direct = SpectrumTable(energy, np.zeros(len(energy)), lines[:, 1] * efficiency(energy))
    scattered = background.exponential(4.0, float(energy.max()), _FOLDING)
    return background.join(
        direct.scaled(rate * (1 - _SCATTERED) / direct.total), scattered.scaled(rate * _SCATTERED)
    )


class BenchScene(PhotonSource):
    """A detector on the bench and what shines on it; made by :func:`build_bench`.

    Parameters
    ----------
    config
        The configuration.
    instrument
        The detector's description.
    detector
        The truth about its pixels.
    """

    def __init__(self, config: BenchConfig, instrument: Instrument, detector: Detector) -> None:
        super().__init__(config, instrument, detector)
        self.config: BenchConfig = config
        for command in config.commands:
            Telecommand(command.command, command.arguments).check(instrument)
        self.measurements = measurements(config, instrument)
        self.prepare(self._light())

    def _light(self) -> list[Component]:
        config, detector = self.config, self.detector
        alive = detector.efficiency
        grid = self.instrument.pixels
        y, z = grid.yz(np.arange(len(detector)))
        square = (y - (grid.columns - 1) / 2) ** 2 + (z - (grid.rows - 1) / 2) ** 2
        slant = (1 + square / config.source_distance**2) ** -1.5
        components = [
            Component(
                "laboratory",
                background.exponential(4.0, 180.0, _FOLDING).scaled(config.background_rate),
                alive / alive.sum(),
            ),
            Component("noisy pixels", background.noise_table(), detector.noise, noise=True),
        ]
        if config.source is not None:
            table = _source_table(config.source, config.source_rate)
            components.append(Component(config.source, table, alive * slant / (alive * slant).sum()))
        return components

    def segments(self, step: int) -> list[SteadyInterval]:
        """The measurements of a step, each with what shines in it, cut where pixels change."""
        start, stop = step * STEP, min((step + 1) * STEP, self.config.duration)
        found = []
        for number, one in enumerate(self.measurements):
            begin, end = max(one.begin, start), min(one.end, stop)
            if begin >= end or one.scan:
                continue
            borders = self.history.borders
            edges = [begin, *borders[(borders > begin) & (borders < end)].tolist(), end]
            for part, (a, b) in enumerate(itertools.pairwise(edges)):
                key = (1, step, number) if len(edges) == 2 else (1, step, number, part)
                middle = (a + b) / 2
                shining = partial(self._shining, one, middle)
                live = np.array([[a - start, b - start]])
                found.append(SteadyInterval(key, live, self._pixels(one, middle), shining))
        return found

    def _shining(self, one: Measurement, time: float) -> Components:
        numbers = [LABORATORY, *([SOURCE] if one.source else [])]
        chosen = [(n, self.components[n].rate, self._aliases[n]) for n in numbers if n in self._aliases]
        return self.components_of(chosen[:1] + self.noise_at(time, NOISE) + chosen[1:])

    def _pixels(self, one: Measurement, time: float) -> Pixels:
        """The pixels with the threshold that was set; each keeps its own deviation."""
        pixels = self.history.pixels(time)
        if one.threshold is None:
            return pixels
        measure = pixels.measure.copy()
        measure[:, 2] += one.threshold - self.detector.config.threshold
        return pixels._replace(measure=measure)


def build_bench(config: BenchConfig) -> BenchScene:
    """The scene of a campaign: the detector is drawn from the seed's own stream.

    Raises
    ------
    BadArgumentError
        For an instrument, a source or a telecommand that is not known.
    """
    instrument = load(config.instrument)
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0,)))
    return BenchScene(config, instrument, draw_detector(instrument, config.detector, rng))
