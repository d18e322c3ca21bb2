"""What shines on the camera, and what hides it.

A step of ten seconds is the grain of the simulation: each has its own random stream, drawn from the seed and
the step's number. So the same photons come out whatever the size of the blocks in which they are asked for. A
step is cut where something changes within it: the camera turns, the Earth's limb crosses a source, a burst
begins, ends, or gets another spectrum. Within an interval that is left nothing changes but the light of
pulses, which the kernel follows photon by photon. What goes on slowly but all the time, the Earth in the
field or particles near the anomaly, is followed every two seconds.
"""

import itertools
from dataclasses import replace

import astropy.units as u
import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.imaging.diffuse import DiffuseSky, flatten
from eicpy.imaging.mask import Mask, random_mask
from eicpy.instruments import Instrument, load
from eicpy.orbit import CircularOrbit, Pointing, SaaPolygon, right_ascension, saa_passages, tangents
from eicpy.simulation.camera import background
from eicpy.simulation.camera.detector import Detector, draw_detector
from eicpy.simulation.camera.drift import PlaneDrift
from eicpy.simulation.camera.illumination import (
    STEP,
    ActiveComponent,
    Alias,
    Component,
    PhotonSource,
    SteadyInterval,
)
from eicpy.simulation.camera.kernels import Components, packed_alias
from eicpy.simulation.config import BodyConfig, BurstConfig, SimulationConfig, SourceConfig
from eicpy.simulation.sky.attitude import SimulatedAttitude, attitude_pieces, simulate_attitude
from eicpy.simulation.sky.diffuse_light import DiffuseLight, DiffuseNumbers
from eicpy.simulation.sky.environment import ParticleEnvironment
from eicpy.simulation.sky.incidents import Incident, flare_component, incidents, shower_component
from eicpy.simulation.sky.points import (
    Item,
    Path,
    PointSource,
    ShadowMaker,
    catalogue_sources,
    occultations,
    path_of,
    point_components,
)
from eicpy.simulation.sky.red_noise import flicker, together
from eicpy.typing import FloatArray

__all__ = ["STEP", "Component", "PointSource", "Scene", "build_scene"]


COSMIC, ALBEDO, CAMERA, HEAT_PIPE, NOISE, FIRST_SOURCE = range(6)
"""Numbers of the components; point sources follow."""
_SLOW = 2.0
"""How often what changes slowly is followed, s."""
_AHEAD = 600.0
"""How far ahead rates of particles are worked out, s."""
_DIFFUSE_TURN = np.radians(1.0)
"""How far the camera may turn before the Earth is looked for anew in its field."""
_Area = tuple[float, Alias]
"""Area of the plane, cm², and its share among the pixels."""
_Light = tuple[_Area, _Area | None] | None
"""Open area for a source, and that behind closed cells where it matters; None where it lights nothing."""


class Scene(PhotonSource):
    """The camera, its orbit and attitude, and everything that shines; made by :func:`build_scene`.

    Parameters
    ----------
    config
        The configuration.
    instrument
        The camera.
    detector
        The truth about its pixels.
    """

    components: list[Component]
    incidents: tuple[Incident, ...] = ()
    """Solar flares and showers."""

    def __init__(self, config: SimulationConfig, instrument: Instrument, detector: Detector) -> None:
        super().__init__(config, instrument, detector)
        self.config: SimulationConfig = config
        o = config.orbit
        self.orbit = CircularOrbit.of(
            float(self.start), o.altitude * u.km, o.inclination * u.deg, o.node * u.deg, o.argument * u.deg
        )
        if instrument.mask is None or instrument.saa is None:
            raise BadArgumentError(
                f"got {instrument.name}, expected a camera that has [mask] and saa in its description"
            )
        self.mask: Mask = random_mask(instrument.mask, instrument.pixels.rows, config.mask_seed)
        self.attitude: SimulatedAttitude = simulate_attitude(
            config.pointing, float(self.start), config.duration, config.seed
        )
        """How the satellite looks, and the camera on it."""
        self.pointing: Pointing = self.attitude.camera.pointing_at(float(self.start))
        """Where the camera looks at the start."""
        stop = self.start + config.duration
        self.contour = SaaPolygon.from_csv(instrument.folder / instrument.saa)
        passages = saa_passages(self.orbit, self.contour, self.start, stop) if config.saa else []
        self.saa = [(a - self.start, b - self.start) for a, b in passages]
        """Passages through the anomaly, seconds after the start."""
        self._pieces = attitude_pieces(self.attitude.camera, float(self.start), stop) - self.start
        if config.bodies:  # they move: looked for anew in each step
            steps = np.arange(0.0, config.duration, STEP)
            self._pieces = np.unique(np.round(np.concatenate([self._pieces, steps]), 6))
        self._turns = self.attitude.camera.pieces(_DIFFUSE_TURN, float(self.start), stop) - self.start
        self._sky = DiffuseSky(instrument.mask, instrument.pixels.rows, etendue=background.FULL_ETENDUE)
        self.environment: ParticleEnvironment | None = None
        """How particles change; None where they do not."""
        if config.environment is not None:
            self.environment = ParticleEnvironment.of(
                config.environment,
                self.orbit,
                self.contour if config.saa else None,
                self.start,
                config.duration,
            )
        self._diffuse_light = DiffuseLight(
            self._sky,
            self.orbit,
            self.attitude.camera,
            float(self.start),
            config.duration,
            detector.efficiency,
            self._turns,
        )
        self._shadows = ShadowMaker(self.mask, detector.efficiency)
        self._particles: dict[str, int] = {}
        self._ahead: tuple[float, FloatArray, dict[str, FloatArray]] = (np.nan, np.zeros(0), {})
        self.components, self.sources = self._light()
        self._add_environment()
        self._diffuse_light.components = self.components
        sectors = instrument.pixels.sectors
        self.drift = PlaneDrift(config.drift, sectors, self.orbit.period, self.saa, config.excursions)
        """What all pixels have in common."""
        self.prepare(self.components, self.drift)
        borders = [t for source in self.sources for t in source.borders] + self.history.borders.tolist()
        for one in self.incidents:
            borders += [one.config.start, one.config.start + one.config.end]
        self._borders = np.unique(np.round(np.concatenate([self._pieces, self._turns, borders]), 6))
        self._piece_lights: tuple[int, list[_Light]] = (-1, [])
        self._even = packed_alias(detector.efficiency)

    def segments(self, step: int) -> list[SteadyInterval]:
        """The parts of a step between which something changes."""
        begin = step * STEP
        end = min(begin + STEP, self.config.duration)
        inner = self._borders[(self._borders > begin) & (self._borders < end)]
        if self._drifts(begin, end):
            slow = np.arange(begin + _SLOW, end - _SLOW / 2, _SLOW)
            inner = np.unique(np.concatenate([inner, slow]))
        edges = np.concatenate([[begin], inner, [end]])
        if len(edges) == 2:
            return [self._interval((1, step), step, begin, end)]
        return [
            self._interval((1, step, number), step, float(a), float(b))
            for number, (a, b) in enumerate(itertools.pairwise(edges))
        ]

    def _drifts(self, begin: float, end: float) -> bool:
        """Whether something changes all the time."""
        if not len(self.live(int(begin // STEP))):
            return False
        if self.environment is not None and self.environment.is_fast(begin, end):
            return True
        return self.config.earth and COSMIC in self._aliases and self._diffuse_light.changes(begin, end)

    def _interval(self, key: tuple[int, ...], step: int, begin: float, end: float) -> SteadyInterval:
        live = np.clip(self.live(step) + step * STEP, begin, end)
        live = live[live[:, 1] > live[:, 0]] - step * STEP
        middle = (begin + end) / 2
        return SteadyInterval(key, live, self.history.pixels(middle), lambda: self.shining(middle))

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
        steady: list[SourceConfig | BodyConfig] = [*self.config.sources, *self.config.bodies]
        steady += [one for one in catalogue_sources(self.config) if self._ever_seen(self._path(one))]
        points: list[PointSource] = []
        for item, times, parts in point_components(steady, self.config.bursts, len(components)):
            time = min(item.start, self.config.duration) if isinstance(item, BurstConfig) else 0.0
            path = self._path(item)
            vector = path.at(np.array([time]))[0]
            ra, dec = np.degrees(right_ascension(vector))
            ty, tz = (
                float(t) for t in tangents(self.attitude.camera.rotation_at(self.start + time) @ vector)
            )
            weight, behind = self._shadows.weights(ty, tz)
            lit = self._shadows.lit(ty, tz)
            lit_parts = [replace(p, weight=weight) for p in parts]
            dark = float(behind.sum())
            rate = max(self._source_rate(p, dark) for p in lit_parts)
            factors = self._light_curve(item)
            place = (float(ra), float(dec)) if isinstance(item, BodyConfig) else (item.ra, item.dec)
            hidden = self._hidden(path)
            points.append(
                PointSource(item.name, *place, ty, tz, lit, rate, time, tuple(times), factors, hidden, path)
            )
            components += lit_parts
        return components, points

    def _light_curve(self, item: Item) -> FloatArray:
        """Factors of a source in steps, with its flicker."""
        if isinstance(item, BurstConfig):
            return np.zeros((0, 2))
        steps = np.array(item.light_curve, np.float64).reshape(-1, 2)
        if item.variability is None:
            return steps
        noise = flicker(item.variability, item.name, self.config.duration, self.config.seed)
        return together(steps, noise)

    def _source_rate(self, part: Component, dark: float) -> float:
        """Counts per second of a part of a source, with what passes closed cells and what comes back."""
        if not part.beyond:
            return part.rate
        closed, back = part.beyond
        return part.rate + closed.total * dark + back.total * float(part.weight.sum())

    def _path(self, item: Item) -> Path:
        return path_of(item, self.orbit, float(self.start), self.config.duration)

    def _ever_seen(self, path: Path) -> bool:
        """Whether a source of the catalogue comes into the field."""
        times = np.concatenate([self._turns, (self._turns[1:] + self._turns[:-1]) / 2])
        rotations = self.attitude.camera.rotation_at(self.start + times)
        return not self._shadows.outside(rotations @ path.vector[0]).all()

    def _hidden(self, path: Path) -> FloatArray:
        if not self.config.earth:
            return np.zeros((0, 2))
        return occultations(self.orbit, float(self.start), self.config.duration, path)

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

    def shining(self, time: float) -> Components:
        """What shines at a time, seconds after the start."""
        chosen: list[ActiveComponent] = [
            (n, self.components[n].rate, self._aliases[n]) for n in (CAMERA, HEAT_PIPE) if n in self._aliases
        ]
        chosen += self.noise_at(time, NOISE)
        chosen += self._diffuse(time) + self._particle_rates(time)
        chosen += [
            (i.component, self.components[i.component].rate, self._aliases[i.component])
            for i in self.incidents
            if not i.of_the_sun and i.lasts(time)
        ]
        for source, light in zip(self.sources, self._lights(time), strict=True):
            if light is None or source.is_hidden(time):
                continue
            factor = source.factor(time)
            for begin, end, number in source.components:
                if begin <= time < end and factor > 0:
                    chosen += self._rays(number, light, factor)
        return self.components_of(chosen)

    def _rays(self, number: int, light: tuple[_Area, _Area | None], factor: float) -> list[ActiveComponent]:
        """What a source brings through open and closed cells, and from behind the plane."""
        (area, alias), dark = light
        component = self.components[number]
        rays = [(number, component.table.total * area * factor, alias)]
        if component.beyond:
            closed, back = component.beyond
            first = self.beyond[number]
            if dark is not None:
                rays.append((first, closed.total * dark[0] * factor, dark[1]))
            rays.append((first + 1, back.total * area * factor, self._even))
        return [ray for ray in rays if ray[1] > 0]

    def _lights(self, time: float) -> list[_Light]:
        """How each source lights the plane where the camera looks then; kept until the camera turns."""
        piece = int(np.searchsorted(self._pieces, time, side="right"))
        if self._piece_lights[0] != piece:
            last = len(self._pieces) - 1
            begin, end = self._pieces[max(piece - 1, 0)], self._pieces[min(piece, last)]
            middle = float(begin + end) / 2
            rotation = self.attitude.camera.rotation_at(self.start + middle)
            lights = [self._light_of(source, middle, rotation) for source in self.sources]
            self._piece_lights = (piece, lights)
        return self._piece_lights[1]

    def _light_of(self, source: PointSource, time: float, rotation: FloatArray) -> _Light:
        vector = rotation @ source.path.at(np.array([time]))[0]
        if self._shadows.outside(vector):
            return None
        ty, tz = (float(t) for t in tangents(vector))
        weight, dark = self._shadows.weights(ty, tz)
        if weight.sum() <= 0:
            return None
        hard = any(self.components[number].beyond for _, _, number in source.components)
        return _area_of(weight), _area_of(dark) if hard and dark.sum() > 0 else None

    def _diffuse(self, time: float) -> list[ActiveComponent]:
        """Cosmic background and Earth."""
        if COSMIC not in self._aliases:
            return []
        if not self.config.earth:
            return [(COSMIC, self.components[COSMIC].rate, self._aliases[COSMIC])]
        return self._diffuse_light.at(time)

    def _particle_rates(self, time: float) -> list[ActiveComponent]:
        """Cosmic rays, trapped particles and decays."""
        if self.environment is None:
            return []
        first = time // _AHEAD * _AHEAD
        if self._ahead[0] != first:
            at = first + np.arange(0.0, _AHEAD + _SLOW, _SLOW)
            rates = {
                "particles": self.environment.cosmic_rays(at),
                "trapped particles": self.environment.trapped(at),
                "activation": self.environment.activation(at),
            }
            self._ahead = (first, at, rates)
        _, at, rates = self._ahead
        now = {name: float(np.interp(time, at, rates[name])) for name in self._particles}
        return [
            (number, self.components[number].rate * now[name], self._aliases[number])
            for name, number in self._particles.items()
            if number in self._aliases and now[name] > 0
        ]

    def _add_environment(self) -> None:
        """Components of the environment; those of sources keep their numbers."""
        config = self.config.environment
        if config is None:
            return
        d, even = self.detector, self.detector.efficiency / self.detector.plane
        rate, lines, c = self.config.background_rate, self.config.lines, self.components
        if rate > 0:
            c[CAMERA] = replace(c[CAMERA], table=background.camera_table_without_particles(rate, lines))
            table = background.particle_table(rate, lines)
            self._particles["particles"] = self._add(Component("particles", table, even))
        if self.config.saa:
            for name in ("trapped particles", "activation"):
                self._particles[name] = self._add(Component(name, background.trapped_table(), even))
        self.incidents = incidents(config, len(c) + 2)
        dark = np.zeros(len(d))
        numbers = DiffuseNumbers(
            COSMIC,
            ALBEDO,
            self._add(Component("sky reflected by the Earth", background.reflection_table(), dark)),
            self._add(Component("atmosphere", background.atmosphere_table(), dark)),
            tuple(
                (i.component, i.config.start, i.config.start + i.config.end)
                for i in self.incidents
                if i.of_the_sun
            ),
        )
        self._diffuse_light.numbers = numbers if config.earth else DiffuseNumbers(COSMIC, ALBEDO)
        self._diffuse_light.modulation = config.modulation
        for flare in config.flares:
            self._add(flare_component(flare, len(d)))
        for shower in config.showers:
            self._add(shower_component(shower, self.instrument, d))

    def _add(self, component: Component) -> int:
        self.components.append(component)
        return len(self.components) - 1


def _area_of(weight: FloatArray) -> _Area:
    return float(weight.sum()), packed_alias(weight)


def build_scene(config: SimulationConfig) -> Scene:
    """The scene of a configuration: the detector is drawn from a stream of its own.

    Raises
    ------
    BadArgumentError
        If nothing shines.
    """
    instrument = load(config.instrument)
    seed = config.seed if config.camera_seed is None else config.camera_seed
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    scene = Scene(config, instrument, draw_detector(instrument, config.detector, rng))
    seen = any(c.rate > 0 for c in scene.components)
    if not seen and not (scene.attitude.moves and scene.sources):
        raise BadArgumentError("nothing shines: got no background, no noise and no source")
    return scene
