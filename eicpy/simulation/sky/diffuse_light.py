"""The diffuse sky and the Earth in it, in the course of time.

How the sky and the Earth lie over the plane is worked out at knots: the steps of the simulation, and wherever
the camera has turned by a degree. Between two knots both maps shine, the earlier one less and less and the
later one more and more: rate and shape go over linearly, and at a knot nothing jumps.
"""

from dataclasses import dataclass

import numpy as np

from eicpy.imaging.diffuse import DiffuseSky, flatten
from eicpy.orbit import Attitude, CircularOrbit, body_direction, cutoff_rigidity
from eicpy.simulation import spectral_laws
from eicpy.simulation.camera.illumination import STEP, ActiveComponent, Component
from eicpy.simulation.camera.kernels import packed_alias
from eicpy.typing import FloatArray

__all__ = ["DiffuseLight", "DiffuseNumbers"]

_KEPT = 16


@dataclass(frozen=True, slots=True)
class DiffuseNumbers:
    """Numbers of the components.

    Parameters
    ----------
    cosmic
        The open sky.
    albedo
        The Earth at its measured mean brightness.
    reflection, atmosphere
        The Earth by its causes; None: `albedo` stands for both.
    flares
        Reflected light of the Sun: number, begin and end, seconds after the start.
    """

    cosmic: int
    albedo: int
    reflection: int | None = None
    atmosphere: int | None = None
    flares: tuple[tuple[int, float, float], ...] = ()


class DiffuseLight:
    """What the diffuse sky and the Earth bring at any time.

    Parameters
    ----------
    sky
        Étendue of the pixels.
    orbit, camera
        Where the satellite is, and how the camera looks.
    start, duration
        s since 2017-01-01T00:00:00 UTC, and s.
    efficiency
        Of the pixels, shape (n_pixels,).
    turns
        Where the camera has turned by a degree, the bounds among them, seconds after the start.
    """

    def __init__(
        self,
        sky: DiffuseSky,
        orbit: CircularOrbit,
        camera: Attitude,
        start: float,
        duration: float,
        efficiency: FloatArray,
        turns: FloatArray,
    ) -> None:
        self._sky, self._orbit, self._camera = sky, orbit, camera
        self._start, self._efficiency = start, efficiency
        steps = np.append(np.arange(0.0, duration, STEP), duration)
        self._knots = np.unique(np.concatenate([steps, turns]))
        self._known: dict[int, list[ActiveComponent]] = {}
        self.numbers = DiffuseNumbers(0, 1)
        self.modulation = 0.6
        self.components: list[Component] = []

    def changes(self, begin: float, end: float) -> bool:
        """Whether the Earth is in the field at some knot from `begin` to `end`."""
        first = max(int(np.searchsorted(self._knots, begin, side="right")) - 1, 0)
        last = min(int(np.searchsorted(self._knots, end)), len(self._knots) - 1)
        return any(len(self._knot(n)) > 1 for n in range(first, last + 1))

    def at(self, time: float) -> list[ActiveComponent]:
        """What shines, with its rate; flares at their peak."""
        last = len(self._knots) - 1
        after = int(np.clip(np.searchsorted(self._knots, time, side="right"), 1, last))
        early, late = self._knot(after - 1), self._knot(after)
        if len(early) == len(late) == 1:
            return late
        begin, end = self._knots[after - 1], self._knots[after]
        share = float((time - begin) / (end - begin))
        lasting = {n for n, a, b in self.numbers.flares if a <= time < b}
        flares = {n for n, _, _ in self.numbers.flares}
        return [
            (number, rate * part, alias)
            for part, lights in ((1 - share, early), (share, late))
            for number, rate, alias in lights
            if number not in flares or number in lasting
        ]

    def _knot(self, index: int) -> list[ActiveComponent]:
        if index not in self._known:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[index] = self._light_at(float(self._knots[index]))
        return self._known[index]

    def _light_at(self, seconds: float) -> list[ActiveComponent]:
        time = self._start + seconds
        at = np.array([time])
        rotation = self._camera.rotation_at(time)
        place = self._orbit.position(at)[0]
        nadir = rotation @ (-place / self._orbit.radius)
        sky, earth = self._sky.split(nadir, self._orbit.limb_angle)
        if not earth.any():
            return self._shine(self.numbers.cosmic, sky)
        n = self.numbers
        found = self._shine(n.cosmic, sky)
        if n.reflection is None or n.atmosphere is None:
            return found + self._shine(n.albedo, earth)
        found += self._shine(n.reflection, earth)
        level = spectral_laws.atmosphere_level(float(cutoff_rigidity(place[None], at)[0]), self.modulation)
        upright, sunlit = self._sky.earth_maps(
            nadir, self._orbit.limb_angle, rotation @ body_direction("sun", time) if n.flares else None
        )
        found += self._shine(n.atmosphere, upright * level)
        for number, begin, end in n.flares:
            if begin - STEP < seconds < end + STEP:
                found += self._shine(number, sunlit)
        return found

    def _shine(self, number: int, image: FloatArray) -> list[ActiveComponent]:
        weight = flatten(image) * self._efficiency
        rate = self.components[number].table.total * float(weight.sum())
        return [(number, rate, packed_alias(weight))] if rate > 0 else []
