"""What shines on the camera, and what hides it.

A step of ten seconds is the grain of the simulation: each has its own random stream, drawn from the seed and
the step's number. So the same photons come out whatever the size of the blocks in which they are asked for. A
step is cut where something changes within it: the camera turns, the Earth's limb crosses a source, a burst
begins, ends, or gets another spectrum. Within an interval that is left nothing changes but the light of
pulses, which the kernel follows photon by photon.
"""

import itertools
from dataclasses import replace

import astropy.units as u
import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.imaging.mask import Mask, random_mask
from eicpy.instruments import Instrument, load
from eicpy.orbit import CircularOrbit, Pointing, SaaPolygon, right_ascension, saa_passages, tangents
from eicpy.simulation.camera import background
from eicpy.simulation.camera.detector import Detector, draw_detector
from eicpy.simulation.camera.illumination import (
    STEP,
    ActiveComponent,
    Alias,
    Component,
    PhotonSource,
    SteadyInterval,
)
from eicpy.simulation.camera.kernels import Components, alias_table
from eicpy.simulation.config import BodyConfig, BurstConfig, SimulationConfig, SourceConfig
from eicpy.simulation.sky.attitude import SimulatedAttitude, attitude_pieces, simulate_attitude
from eicpy.simulation.sky.diffuse import DiffuseSky, flatten
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
from eicpy.typing import FloatArray

__all__ = ["STEP", "Component", "PointSource", "Scene", "build_scene"]


COSMIC, ALBEDO, CAMERA, HEAT_PIPE, NOISE, FIRST_SOURCE = range(6)
"""Numbers of the components; point sources follow."""
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
        contour = SaaPolygon.from_csv(instrument.folder / instrument.saa)
        passages = saa_passages(self.orbit, contour, self.start, stop) if config.saa else []
        self.saa = [(a - self.start, b - self.start) for a, b in passages]
        """Passages through the anomaly, seconds after the start."""
        self._pieces = attitude_pieces(self.attitude.camera, float(self.start), stop) - self.start
        if config.bodies:  # they move: looked for anew in each step
            steps = np.arange(0.0, config.duration, STEP)
            self._pieces = np.unique(np.round(np.concatenate([self._pieces, steps]), 6))
        self._turns = self.attitude.camera.pieces(_DIFFUSE_TURN, float(self.start), stop) - self.start
        self._sky = DiffuseSky(instrument.mask, instrument.pixels.rows)
        self._shadows = ShadowMaker(self.mask, detector.efficiency)
        self.components, self.sources = self._light()
        self.prepare(self.components)
        borders = [t for source in self.sources for t in source.borders]
        self._borders = np.unique(np.round(np.concatenate([self._pieces, self._turns, borders]), 6))
        self._piece_lights: tuple[int, list[_Light]] = (-1, [])
        self._even = alias_table(detector.efficiency)
        self._earth: tuple[float, list[ActiveComponent]] = (np.nan, [])

    def segments(self, step: int) -> list[SteadyInterval]:
        """The parts of a step between which something changes."""
        begin = step * STEP
        end = min(begin + STEP, self.config.duration)
        inner = self._borders[(self._borders > begin) & (self._borders < end)]
        edges = np.concatenate([[begin], inner, [end]])
        if len(edges) == 2:
            return [self._interval((1, step), step, begin, end)]
        return [
            self._interval((1, step, number), step, float(a), float(b))
            for number, (a, b) in enumerate(itertools.pairwise(edges))
        ]

    def _interval(self, key: tuple[int, ...], step: int, begin: float, end: float) -> SteadyInterval:
        live = np.clip(self.live(step) + step * STEP, begin, end)
        live = live[live[:, 1] > live[:, 0]] - step * STEP
        return SteadyInterval(key, live, self.pixels, lambda: self.shining((begin + end) / 2))

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
            weight, lit = self._shadows.weight(ty, tz)
            lit_parts = [replace(p, weight=weight) for p in parts]
            dark = float(self._shadows.dark(ty, tz).sum()) if any(p.beyond for p in parts) else 0.0
            rate = max(self._source_rate(p, dark) for p in lit_parts)
            factors = () if isinstance(item, BurstConfig) else item.light_curve
            place = (float(ra), float(dec)) if isinstance(item, BodyConfig) else (item.ra, item.dec)
            hidden = self._hidden(path)
            points.append(
                PointSource(item.name, *place, ty, tz, lit, rate, time, tuple(times), factors, hidden, path)
            )
            components += lit_parts
        return components, points

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
            (n, self.components[n].rate, self._aliases[n])
            for n in (CAMERA, HEAT_PIPE, NOISE)
            if n in self._aliases
        ]
        chosen += self._diffuse(time)
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
        weight, _ = self._shadows.weight(ty, tz)
        if weight.sum() <= 0:
            return None
        hard = any(self.components[number].beyond for _, _, number in source.components)
        dark = self._shadows.dark(ty, tz) if hard else np.zeros(1)
        return _area_of(weight), _area_of(dark) if dark.sum() > 0 else None

    def _diffuse(self, time: float) -> list[ActiveComponent]:
        """Cosmic background and Earth, as in the middle of the step, or of its part between two turns."""
        if COSMIC not in self._aliases:
            return []
        if not self.config.earth:
            return [(COSMIC, self.components[COSMIC].rate, self._aliases[COSMIC])]
        step = int(time // STEP) * STEP
        turn = int(np.clip(np.searchsorted(self._turns, time, side="right"), 1, len(self._turns) - 1))
        begin, end = max(step, self._turns[turn - 1]), min(step + STEP, self._turns[turn])
        middle = float(begin + end) / 2 if len(self._turns) > 2 else step + STEP / 2
        if self._earth[0] != middle:
            self._earth = (middle, self._diffuse_at(self.start + middle))
        return self._earth[1]

    def _diffuse_at(self, time: float) -> list[ActiveComponent]:
        rotation = self.attitude.camera.rotation_at(min(time, self.start + self.config.duration))
        nadir = rotation @ (-self.orbit.position(np.array([time]))[0] / self.orbit.radius)
        maps = self._sky.split(nadir, self.orbit.limb_angle)
        if not maps[1].any():
            return [(COSMIC, self.components[COSMIC].rate, self._aliases[COSMIC])]
        result = []
        for n, image in zip((COSMIC, ALBEDO), maps, strict=True):
            weight = flatten(image) * self.detector.efficiency
            if weight.sum() > 0:
                result.append((n, self.components[n].table.total * float(weight.sum()), alias_table(weight)))
        return result


def _area_of(weight: FloatArray) -> _Area:
    return float(weight.sum()), alias_table(weight)


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
