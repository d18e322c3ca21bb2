"""What shines on the camera, step by step of ten seconds, and what hides it.

A step is the grain of the simulation: the orbit is looked at in its middle, and each step has its own
random stream, drawn from the seed and the step's number. So the same photons come out whatever the size of
the blocks in which they are asked for.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.imaging.mask import Mask, random_mask
from eicpy.instruments import Instrument, load
from eicpy.orbit import CircularOrbit, Pointing, SaaPolygon, saa_passages, unit_vector
from eicpy.simulation import background, sky
from eicpy.simulation.config import BurstConfig, SimulationConfig, SourceConfig
from eicpy.simulation.detector import Detector, draw_detector
from eicpy.simulation.diffuse import DiffuseSky, flatten
from eicpy.simulation.illumination import STEP, ActiveComponent, Component, PhotonSource, SteadyInterval
from eicpy.simulation.kernels import Components, alias_table
from eicpy.typing import FloatArray

__all__ = ["STEP", "Component", "PointSource", "Scene", "build_scene"]


COSMIC, ALBEDO, CAMERA, HEAT_PIPE, NOISE, FIRST_SOURCE = range(6)
"""Numbers of the components; point sources follow."""


@dataclass(frozen=True, slots=True)
class PointSource:
    """A point source in the field: where it is and how it lights the plane."""

    name: str
    ra: float
    dec: float
    ty: float
    tz: float
    component: int
    lit: float
    """Mean share of a pixel that it lights."""
    rate: float
    """Counts per second over the plane when not hidden (a burst: at its peak), before thresholds."""

    @property
    def direction(self) -> FloatArray:
        """Unit vector (ICRS)."""
        return unit_vector(np.radians(self.ra), np.radians(self.dec))


def _point_component(
    source: SourceConfig | BurstConfig, shadow: FloatArray, area: float, detector: Detector
) -> Component:
    energy = background.energy_grid()
    weight = area * shadow * detector.efficiency
    if isinstance(source, SourceConfig):
        flux = sky.power_law(energy, source.norm, source.index)
        return Component(source.name, background.source_table(flux), weight)
    shape = sky.cutoff_power_law(energy, 1.0, source.index, source.cutoff)
    low, high = background.integral(shape, 4.0, 120.0), source.peak_flux
    table = background.source_table(shape * high / low)
    return Component(source.name, table, weight, (source.start, source.rise, source.decay))


class Scene(PhotonSource):
    """The camera, its orbit and everything that shines; made by :func:`build_scene`.

    Parameters
    ----------
    config
        The configuration.
    instrument
        The camera.
    detector
        The truth about its pixels.
    """

    def __init__(self, config: SimulationConfig, instrument: Instrument, detector: Detector) -> None:
        super().__init__(config, instrument, detector)
        self.config: SimulationConfig = config
        o, p = config.orbit, config.pointing
        self.orbit = CircularOrbit.of(
            float(self.start), o.altitude * u.km, o.inclination * u.deg, o.node * u.deg, o.argument * u.deg
        )
        self.pointing = Pointing.of(p.ra * u.deg, p.dec * u.deg, p.roll * u.deg)
        if instrument.mask is None or instrument.saa is None:
            raise BadArgumentError(
                f"got {instrument.name}, expected a camera that has [mask] and saa in its description"
            )
        self.mask: Mask = random_mask(instrument.mask, instrument.pixels.rows, config.mask_seed)
        stop = self.start + config.duration
        contour = SaaPolygon.from_csv(instrument.folder / instrument.saa)
        passages = saa_passages(self.orbit, contour, self.start, stop) if config.saa else []
        self.saa = [(a - self.start, b - self.start) for a, b in passages]
        """Passages through the anomaly, seconds after the start."""
        self._sky = DiffuseSky(instrument.mask, instrument.pixels.rows)
        self.components, self.sources = self._light()
        self.prepare(self.components)

    def segments(self, step: int) -> list[SteadyInterval]:
        """The step as one: what shines changes from step to step only."""
        return [SteadyInterval((1, step), self.live(step), self.pixels, lambda: self.shining(step))]

    def _light(self) -> tuple[list[Component], list[PointSource]]:
        d, one = self.detector, self.detector.efficiency
        components = [
            Component("cosmic background", background.cosmic_table(), flatten(self._sky.full) * one),
            Component("albedo of the Earth", background.albedo_table(), np.zeros(len(d))),
            Component(
                "camera",
                background.camera_table(self.config.background_rate, self.config.lines),
                one / d.plane,
            ),
            Component("heat pipes", background.heat_pipe_table(), d.heat_pipe),
            Component("noisy pixels", background.noise_table(), d.noise, noise=True),
        ]
        if self.config.background_rate == 0:
            components[COSMIC] = Component("cosmic background", background.cosmic_table(), np.zeros(len(d)))
        sources = []
        points: list[SourceConfig | BurstConfig] = [*self.config.sources, *self.config.bursts]
        for source in points:
            ty, tz = self.pointing.tangents(np.radians(source.ra), np.radians(source.dec))
            shadow = self.mask.shadow(ty, tz)
            cosine = float(np.nan_to_num(1 / np.sqrt(1 + ty**2 + tz**2)))
            component = _point_component(source, flatten(shadow), self.mask.geometry.pixel_area * cosine, d)
            sources.append(
                PointSource(
                    source.name,
                    source.ra,
                    source.dec,
                    ty,
                    tz,
                    len(components),
                    float(shadow.mean()),
                    component.rate,
                )
            )
            components.append(component)
        return components, sources

    def live(self, step: int) -> FloatArray:
        """Intervals with high voltage in a step, s after its start, shape (m, 2)."""
        begin = step * STEP
        end = min(begin + STEP, self.config.duration)
        intervals = []
        for a, b in self.saa:
            if b <= begin or a >= end:
                continue
            if a > begin:
                intervals.append((begin, a))
            begin = b
        if begin < end:
            intervals.append((begin, end))
        return np.array(intervals, np.float64).reshape(-1, 2) - step * STEP

    def hidden(self, step: int) -> list[bool]:
        """Whether the Earth hides each point source in the middle of a step."""
        middle = np.array([self.start + (step + 0.5) * STEP])
        return [
            bool(self.config.earth and self.orbit.earth_angle(middle, s.direction)[0] < self.orbit.limb_angle)
            for s in self.sources
        ]

    def shining(self, step: int) -> Components:
        """The components of a step, as the kernel wants them; none where nothing shines."""
        chosen: list[ActiveComponent] = [
            (n, self.components[n].rate, self._aliases[n])
            for n in (CAMERA, HEAT_PIPE, NOISE)
            if n in self._aliases
        ]
        chosen += self._diffuse(step)
        begin = step * STEP
        for source, hidden in zip(self.sources, self.hidden(step), strict=True):
            n = source.component
            start, rise, decay = self.components[n].curve
            over = rise >= 0 and not (start < begin + STEP and begin < start + rise + 10 * decay)
            if not hidden and not over and n in self._aliases:
                chosen.append((n, self.components[n].rate, self._aliases[n]))
        return self.components_of(chosen)

    def _diffuse(self, step: int) -> list[ActiveComponent]:
        if COSMIC not in self._aliases:
            return []
        whole = [(COSMIC, self.components[COSMIC].rate, self._aliases[COSMIC])]
        if not self.config.earth:
            return whole
        middle = np.array([self.start + (step + 0.5) * STEP])
        nadir = self.pointing.rotation @ (-self.orbit.position(middle)[0] / self.orbit.radius)
        maps = self._sky.split(nadir, self.orbit.limb_angle)
        if not maps[1].any():
            return whole
        result = []
        for n, image in zip((COSMIC, ALBEDO), maps, strict=True):
            weight = flatten(image) * self.detector.efficiency
            if weight.sum() > 0:
                result.append((n, self.components[n].table.total * float(weight.sum()), alias_table(weight)))
        return result


def build_scene(config: SimulationConfig) -> Scene:
    """The scene of a configuration: the detector is drawn from the seed's own stream.

    Raises
    ------
    BadArgumentError
        If nothing shines.
    """
    instrument = load(config.instrument)
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0,)))
    scene = Scene(config, instrument, draw_detector(instrument, config.detector, rng))
    if not any(c.rate > 0 for c in scene.components):
        raise BadArgumentError("nothing shines: got no background, no noise and no source")
    return scene
