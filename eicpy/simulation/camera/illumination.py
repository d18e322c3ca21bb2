"""What shines on a plane of pixels, in the shape in which the kernels want it; common to all simulations.

A step is the grain of a simulation: each has its own random stream, drawn from the seed and the step's
number. So the same photons come out whatever the size of the blocks in which they are asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.simulation.camera.background import SpectrumTable
from eicpy.simulation.camera.detector import Detector
from eicpy.simulation.camera.escape import GRID, THICKNESS, absorption_grid, escape_table
from eicpy.simulation.camera.kernels import Components, Constants, Pixels, Response, Tables, alias_table
from eicpy.simulation.camera.structure import vacancies
from eicpy.simulation.config import StreamConfig
from eicpy.times import to_seconds
from eicpy.typing import FloatArray, IntArray

__all__ = ["STEP", "ActiveComponent", "Alias", "Component", "PhotonSource", "SteadyInterval"]

Alias = tuple[FloatArray, IntArray]
ActiveComponent = tuple[int, float, Alias]
"""A spectrum that shines: its number, its rate (counts per second), its alias table over the pixels."""

STEP = 10.0
"""Length of a step, s."""
_STEADY = (0.0, -1.0, 0.0)
_MOST_AT_ONCE = 255
"""The kernel keeps the position of a kind of light in a byte."""


@dataclass(frozen=True, slots=True)
class Component:
    """One kind of light or noise.

    Parameters
    ----------
    name
        For the truth.
    table
        Spectrum; its total is the rate for a pixel weight of 1.
    weight
        Weight of each pixel, shape (n_pixels,).
    curve
        (start, rise, decay) of the light curve, s; rise < 0: steady.
    noise
        Electronic noise, which knows no absorption and no resolution.
    beyond
        Further spectra, which lie otherwise over the pixels.
    """

    name: str
    table: SpectrumTable
    weight: FloatArray
    curve: tuple[float, float, float] = _STEADY
    noise: bool = False
    beyond: tuple[SpectrumTable, ...] = ()

    @property
    def rate(self) -> float:
        """Counts per second over the plane, before thresholds."""
        return self.table.total * float(self.weight.sum())


@dataclass(frozen=True, slots=True)
class SteadyInterval:
    """A part of a step in which neither the detector nor the sources change.

    Parameters
    ----------
    key
        Of its random stream.
    live
        Intervals in which photons are recorded, s after the start of the step, shape (m, 2).
    pixels
        The pixels as they are then.
    shining
        Gives what shines; asked for where there is a live interval only.
    """

    key: tuple[int, ...]
    live: FloatArray
    pixels: Pixels
    shining: Callable[[], Components]


class PhotonSource:
    """A detector and everything that shines on it; its kinds say what that is in each step.

    Parameters
    ----------
    config
        The configuration.
    instrument
        The detector's description.
    detector
        The truth about its pixels.
    """

    components: Sequence[Component]
    tables: Tables
    pixels: Pixels

    def __init__(self, config: StreamConfig, instrument: Instrument, detector: Detector) -> None:
        self.config = config
        self.instrument = instrument
        self.detector = detector
        self.start = round(float(to_seconds(config.start)))
        """Start, whole seconds since 2017-01-01T00:00:00 UTC."""
        width = 8 * np.log(2)
        self.constants = Constants(
            tick=2e-5 if instrument.photons is None else instrument.photons.time.tick,
            sigma_constant=float(detector.config.fwhm**2 / width),
            sigma_slope=float(detector.config.fwhm_slope / width),
            grid=GRID,
            escape_edge=vacancies("Cd")[0] if detector.config.escape else np.inf,
            electron=detector.config.electron_length / (10 * THICKNESS),
            hole=(detector.config.hole_length or 0.0) / (10 * THICKNESS),
            sharing=detector.config.charge_sharing,
            dead_time=detector.config.dead_time,
            channels=detector.channels,
            columns=instrument.pixels.columns,
        )
        table = escape_table()
        self.response = Response(
            line=table.line,
            escape=np.cumsum(np.concatenate([table.lost, table.neighbour], axis=1), axis=1),
            thickness=absorption_grid() * THICKNESS,
        )

    def prepare(self, components: Sequence[Component]) -> None:
        """Take the components, and make the tables of the kernels of them."""
        self.components = components
        further = [(n, table) for n, c in enumerate(components) for table in c.beyond]
        self.tables = _join_tables([c.table for c in components] + [table for _, table in further])
        self.owner = np.array([*range(len(components)), *(n for n, _ in further)], np.int64)
        """Number of the component of each spectrum."""
        self.beyond = {n: len(components) + i for i, (n, _) in reversed(list(enumerate(further)))}
        """Number of the first further spectrum of a component that has some."""
        self._aliases = {n: alias_table(c.weight) for n, c in enumerate(components) if c.rate > 0}
        detector = self.detector
        self.pixels = Pixels(
            detector.gain,
            detector.offset,
            detector.layer,
            np.where(detector.efficiency > 0, detector.threshold, np.inf),
            np.asarray(self.instrument.pixels.sector(np.arange(len(detector))), np.int64),
        )

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(np.ceil(self.config.duration / STEP))

    def segments(self, step: int) -> list[SteadyInterval]:
        """The parts of a step, in order."""
        raise NotImplementedError

    def components_of(self, chosen: list[ActiveComponent]) -> Components:
        """Spectra that shine, as the kernel wants them.

        Raises
        ------
        BadArgumentError
            For more than a photon can name.
        """
        if len(chosen) > _MOST_AT_ONCE:
            raise BadArgumentError(
                f"got {len(chosen)} kinds of light at once, expected {_MOST_AT_ONCE} at most; "
                "take fewer sources"
            )
        numbers = [n for n, _, _ in chosen]
        owners = [self.components[self.owner[n]] for n in numbers]
        return Components(
            rate=np.array([rate for _, rate, _ in chosen], np.float64),
            curve=np.array([c.curve for c in owners], np.float64).reshape(-1, 3),
            noise=np.array([c.noise for c in owners], np.bool_),
            pixel_stay=np.array([stay for _, _, (stay, _) in chosen], np.float64),
            pixel_other=np.array([other for _, _, (_, other) in chosen], np.int64),
            spectrum=np.array(numbers, np.int64),
        )


def _join_tables(tables: list[SpectrumTable]) -> Tables:
    aliases = [
        alias_table(t.rate) if t.total > 0 else (np.ones(len(t.rate)), np.arange(len(t.rate))) for t in tables
    ]
    return Tables(
        first=np.concatenate([[0], np.cumsum([len(t.rate) for t in tables])]).astype(np.int64),
        stay=np.concatenate([stay for stay, _ in aliases]),
        other=np.concatenate([other for _, other in aliases]),
        low=np.concatenate([t.low for t in tables]),
        width=np.concatenate([t.width for t in tables]),
    )
