"""Point sources: when each is hidden, with which light curve it shines, how it lights the plane.

What does not depend on where the camera looks is worked out once: the times at which the Earth's limb crosses
a source are exact to a tenth of a millisecond, and no interval in which photons are made crosses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eicpy.catalogue import Spectrum, load_catalogue
from eicpy.errors import BadArgumentError
from eicpy.imaging.diffuse import flatten
from eicpy.imaging.mask import Mask
from eicpy.orbit import CircularOrbit, body_direction, tangents, unit_vector
from eicpy.simulation.camera import background
from eicpy.simulation.camera.illumination import STEP, Component
from eicpy.simulation.config import (
    BodyConfig,
    BurstConfig,
    SimulationConfig,
    SourceConfig,
    VariabilityConfig,
)
from eicpy.simulation.sky.bursts import PulseSlice, pulse_slices
from eicpy.typing import BoolArray, FloatArray

__all__ = ["Item", "Path", "PointSource", "ShadowMaker", "catalogue_sources", "occultations", "path_of"]
__all__ += ["point_components"]

Item = SourceConfig | BodyConfig | BurstConfig
"""What may shine."""
MOST_COMPONENTS = 250
"""A photon keeps the number of its component in a byte."""
_GRID = 5.0
_BISECTIONS = 17
_STEADY = (0.0, -1.0, 0.0)
_UNIT = 1e-12
_FLICKER = {
    "LMXB": VariabilityConfig(rms=0.1, index=1.0),
    "HMXB": VariabilityConfig(rms=0.3, index=1.3),
}
"""How X-ray binaries flicker on 10 s to hours, by kind: guesses of the usual size."""
_TOO_LITTLE = 1e-4
"""Counts s⁻¹ cm⁻²: a twentieth of a count per second over the plane."""


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where a source stands: a place in the sky, or the way of a body, between whose entries it is straight.

    Parameters
    ----------
    time
        Seconds after the start of the simulation, shape (n,).
    vector
        Unit vectors (ICRS), shape (n, 3).
    """

    time: FloatArray
    vector: FloatArray

    @property
    def moves(self) -> bool:
        """Whether it is a body of the solar system."""
        return len(self.time) > 1

    def at(self, time: FloatArray) -> FloatArray:
        """Unit vectors (ICRS) at times, seconds after the start, shape (n, 3)."""
        if not self.moves:
            return np.broadcast_to(self.vector[0], (len(time), 3))
        mixed = np.stack([np.interp(time, self.time, self.vector[:, n]) for n in range(3)], axis=-1)
        return np.asarray(mixed / np.linalg.norm(mixed, axis=-1, keepdims=True))


def path_of(item: Item, orbit: CircularOrbit, start: float, duration: float) -> Path:
    """The way of a source, a body as the satellite sees it, or a burst."""
    if not isinstance(item, BodyConfig):
        return Path(np.zeros(1), unit_vector(np.radians(item.ra), np.radians(item.dec))[None])
    time = np.append(np.arange(0.0, duration, STEP), duration)
    return Path(time, body_direction(item.body, start + time, orbit.position(start + time)))


@dataclass(frozen=True, slots=True, eq=False)
class PointSource:
    """A point source: where it is, what shines of it when.

    Parameters
    ----------
    name
        Its name.
    ra, dec
        ICRS, degrees.
    ty, tz
        Tangents where the camera looked at `time`; NaN behind it.
    lit
        Mean share of a pixel that it lit then.
    rate
        Counts per second over the plane then, when not hidden, before thresholds: at its peak for a burst, at
        a factor of 1 for a source with a light curve.
    time
        Start of a burst, else 0: seconds after the start of the simulation.
    components
        (begin, end, number): from when to when which component shines, seconds after the start.
    factors
        (time, factor) of its light curve in steps, shape (n, 2).
    hidden
        Intervals in which the Earth hides it, seconds after the start, shape (n, 2).
    path
        Where it stands in the course of time.
    """

    name: str
    ra: float
    dec: float
    ty: float
    tz: float
    lit: float
    rate: float
    time: float
    components: tuple[tuple[float, float, int], ...]
    factors: FloatArray
    hidden: FloatArray
    path: Path

    @property
    def component(self) -> int:
        """Number of its first component."""
        return self.components[0][2]

    @property
    def direction(self) -> FloatArray:
        """Unit vector (ICRS) at `time`."""
        return np.asarray(self.path.at(np.array([self.time]))[0])

    def is_hidden(self, time: float) -> bool:
        """Whether the Earth hides it."""
        return bool(((self.hidden[:, 0] <= time) & (time < self.hidden[:, 1])).any())

    def factor(self, time: float) -> float:
        """Factor of its light curve in steps."""
        position = int(np.searchsorted(self.factors[:, 0], time, side="right"))
        return float(self.factors[position - 1, 1]) if position else 1.0

    @property
    def borders(self) -> list[float]:
        """Times at which something of it changes."""
        parts = [t for begin, end, _ in self.components for t in (begin, end) if np.isfinite(t)]
        return [*parts, *self.factors[:, 0].tolist(), *self.hidden.ravel().tolist()]


class ShadowMaker:
    """How point sources light the pixels of a camera.

    Parameters
    ----------
    mask
        Above the plane.
    efficiency
        Of the pixels, shape (n_pixels,).
    """

    def __init__(self, mask: Mask, efficiency: FloatArray) -> None:
        self._mask = mask
        self._efficiency = efficiency

    def weights(self, ty: float, tz: float) -> tuple[FloatArray, FloatArray]:
        """Perpendicular, efficient area of each pixel below open cells and below closed ones, cm²."""
        if not self._in_field(ty, tz):  # a grazing ray is more than the mask's depth can be followed for
            return np.zeros(len(self._efficiency)), np.zeros(len(self._efficiency))
        lit = self._mask.shadow(ty, tz)
        dark = np.maximum(self._mask.covered(ty, tz) - lit, 0.0)
        return self._area(lit, ty, tz), self._area(dark, ty, tz)

    def lit(self, ty: float, tz: float) -> float:
        """Mean share of a pixel that is below open cells."""
        return float(self._mask.shadow(ty, tz).mean()) if self._in_field(ty, tz) else 0.0

    def _in_field(self, ty: float, tz: float) -> bool:
        return max(abs(ty), abs(tz)) < self._mask.geometry.edge  # False for NaN, behind the camera

    def _area(self, share: FloatArray, ty: float, tz: float) -> FloatArray:
        cosine = float(np.nan_to_num(1 / np.sqrt(1 + ty**2 + tz**2)))
        return self._mask.geometry.pixel_area * cosine * flatten(share) * self._efficiency

    def outside(self, vectors: FloatArray) -> BoolArray:
        """Whether directions in the camera's frame, shape (…, 3), light nothing."""
        ty, tz = tangents(vectors)
        edge = self._mask.geometry.edge
        return np.asarray(~((np.abs(ty) < edge) & (np.abs(tz) < edge)))


def catalogue_sources(config: SimulationConfig) -> list[SourceConfig]:
    """The sources of the catalogue that a configuration asks for and does not name itself."""
    if config.catalogue is None:
        return []
    named = {s.name for s in config.sources} | {b.name for b in config.bodies}
    named |= {b.name for b in config.bursts}
    found = []
    for source in load_catalogue("hard-x-ray").brighter(config.catalogue * _UNIT):
        if source.name not in named:
            s = source.spectrum
            energy = s.energy if np.isfinite(s.energy) else None
            found.append(
                SourceConfig(
                    name=source.name,
                    ra=source.ra,
                    dec=source.dec,
                    norm=s.norm,
                    index=s.index,
                    shape=s.shape,
                    energy=energy,
                    variability=_FLICKER.get(source.kind) if config.flicker else None,
                )
            )
    return found


def occultations(orbit: CircularOrbit, start: float, duration: float, path: Path) -> FloatArray:
    """Intervals in which the Earth hides a source.

    Parameters
    ----------
    orbit
        Of the satellite.
    start, duration
        Seconds since 2017-01-01T00:00:00 UTC, and how long, s.
    path
        Where it stands.

    Returns
    -------
    numpy.ndarray
        (ingress, egress), seconds after `start`, clipped to the duration, shape (n, 2).
    """
    limb = np.cos(orbit.limb_angle)

    def hidden(time: FloatArray) -> BoolArray:
        return np.asarray(-(orbit.position(start + time) * path.at(time)).sum(axis=-1) / orbit.radius > limb)

    time = np.append(np.arange(0.0, duration, _GRID), duration)
    behind = hidden(time)
    change = np.flatnonzero(behind[1:] != behind[:-1])
    low, high, late = time[change], time[change + 1], behind[change + 1]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        changed = hidden(middle) == late
        low, high = np.where(changed, low, middle), np.where(changed, middle, high)
    edges = np.concatenate([[0.0] if behind[0] else [], high, [duration] if behind[-1] else []])
    return np.asarray(edges, np.float64).reshape(-1, 2)


def point_components(
    sources: Sequence[SourceConfig | BodyConfig], bursts: tuple[BurstConfig, ...], first: int
) -> list[tuple[Item, list[tuple[float, float, int]], list[Component]]]:
    """Components of each source and burst, numbered from `first` on, with no light on the plane yet.

    Raises
    ------
    BadArgumentError
        For more components than a photon can name.
    """
    result: list[tuple[Item, list[tuple[float, float, int]], list[Component]]] = []
    number = first
    for source in sources:
        component = _component(source.name, source.spectrum)
        result.append((source, [(-np.inf, np.inf, number)], [component]))
        number += 1
    for burst in bursts:
        slices = pulse_slices(burst)
        names = (
            [burst.name] if len(slices) == 1 else [f"{burst.name}, part {n + 1}" for n in range(len(slices))]
        )
        parts = [_slice(name, part) for name, part in zip(names, slices, strict=True)]
        times = [(part.begin, part.end, number + n) for n, part in enumerate(slices)]
        result.append((burst, times, parts))
        number += len(parts)
    if number > MOST_COMPONENTS:
        raise BadArgumentError(
            f"got {number} components (sources, and parts of bursts with a spectrum of their own), expected "
            f"{MOST_COMPONENTS} at most; take fewer sources of the catalogue or fewer bursts"
        )
    return result


def _slice(name: str, part: PulseSlice) -> Component:
    return _component(name, part.spectrum, part.curve)


def _component(name: str, spectrum: Spectrum, curve: tuple[float, float, float] = _STEADY) -> Component:
    """With its parts apart, unless what passes closed cells and comes back is too little to matter."""
    flux = spectrum.density(background.energy_grid())
    light, *beyond = background.source_tables(flux)
    if beyond[0].total + beyond[1].total < _TOO_LITTLE:
        return Component(name, background.source_table(flux), np.zeros(0), curve)
    return Component(name, light, np.zeros(0), curve, beyond=tuple(beyond))
