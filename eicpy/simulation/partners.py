"""What the partners see of a simulated burst: GRM and MXT beside the camera, Fermi-GBM elsewhere.

Drawn from the burst's truth with a random stream of the seed and the burst's name, so that it is consistent:
what the Earth hides from a partner, it does not see; a faint burst has no trigger; a position has the error
that it states.

- **GRM**: three detectors tilted by 30° to the line of sight, 120° apart, of 200 cm²; counts in bins of 50 ms
  in 15-50, 50-300 and 300-5000 keV (our bands), with background and Poisson noise. It triggers where two
  detectors have 5 σ in 50-300 keV in one bin of 0.1, 1 or 4 s.
- **MXT**: once a slew has brought the burst within half a degree of the line of sight. Its radius is that in
  which the true position lies in 90 % of all cases, 25″ of a systematic error included.
- **GBM**: on an orbit of its own (535 km, 25.6°, drawn). It triggers on 0.7 photons cm⁻² s⁻¹ in 50-300 keV in
  a second. The error it states is statistical, 68 %; its positions scatter by 3.7° more (Connaughton et al.
  2015, ApJS 216, 32).

Areas, tilt, time scales and the threshold of GBM are public figures; efficiency, background, the threshold of
GRM, how errors fall with brightness, and the probability of a burst are guesses.
"""

import zlib
from dataclasses import dataclass
from typing import Literal

import astropy.units as u
import numpy as np

from eicpy.orbit import EARTH_RADIUS, CircularOrbit, right_ascension, separation, unit_vector
from eicpy.simulation.config import BurstConfig, PulseConfig
from eicpy.simulation.scene import Scene
from eicpy.simulation.sky.bursts import burst_flux, burst_truth, pulse_light, pulse_slices
from eicpy.simulation.sky.points import PointSource
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = ["GRM_BANDS", "GrmLightCurve", "Sighting", "grm_light_curve", "happened", "sightings"]

GRM_BANDS = ((15.0, 50.0), (50.0, 300.0), (300.0, 5000.0))
"""keV."""
BIN = 0.05
"""s."""
_AREA, _TILT = 200.0, np.radians(30.0)
_BACKGROUND = np.array([500.0, 400.0, 300.0])
"""Counts per second of a detector in each band."""
_BEFORE, _AFTER = 100.0, 100.0
_SCALES = (0.1, 1.0, 4.0)
_THRESHOLD = 5.0
_MXT_FIELD, _MXT_WAIT, _MXT_SYSTEMATIC = np.radians(0.5), 30.0, 25.0
_GBM_THRESHOLD, _GBM_SYSTEMATIC = 0.7, 3.7
_R90, _R68 = 2.146, 1.515
"""Radii of 90 and 68 % of a two-dimensional Gaussian, σ."""
_EXTRAGALACTIC = ("long", "short", "x-ray flash", "burst")
Status = Literal["seen", "hidden by the Earth", "in the anomaly", "too faint", "no slew to it"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a partner reports of a burst, or why it reports nothing.

    Parameters
    ----------
    partner
        GRM, MXT or GBM.
    burst
        Name of the burst.
    status
        ``seen``, or why not.
    time
        Of the report, s since 2017-01-01T00:00:00 UTC; NaN where there is none.
    ra, dec
        Position, degrees (ICRS); NaN where there is none.
    radius
        Of its error, degrees.
    confidence
        Share of true positions within that radius, as the partner states it.
    significance
        GRM: σ of the trigger. MXT, GBM: 0.
    scale
        Time scale of the trigger, s.
    detectors
        Of GRM, as bits: "101" is the first and the third.
    probability
        That it is a burst, as GBM states it; NaN for the others.
    """

    partner: str
    burst: str
    status: Status
    time: float = np.nan
    ra: float = np.nan
    dec: float = np.nan
    radius: float = np.nan
    confidence: float = np.nan
    significance: float = 0.0
    scale: float = np.nan
    detectors: str = ""
    probability: float = np.nan


@dataclass(frozen=True, slots=True)
class GrmLightCurve:
    """Counts of the three detectors around a burst.

    Parameters
    ----------
    burst
        Its name.
    time
        Beginnings of the bins of 50 ms, s since 2017-01-01T00:00:00 UTC, shape (n,).
    counts
        Shape (n, 3 detectors, 3 bands).
    """

    burst: str
    time: FloatArray
    counts: IntArray

    def _repr_html_(self) -> str:
        return f"<b>SIMULATED GRM light curve</b> of {self.burst}: {len(self.time)} bins of 50 ms"


def _generator(scene: Scene, burst: BurstConfig, stream: int) -> np.random.Generator:
    key = (6, stream, zlib.crc32(burst.name.encode()))
    return np.random.default_rng(np.random.SeedSequence(scene.config.seed, spawn_key=key))


def _source(scene: Scene, burst: BurstConfig) -> PointSource:
    return next(s for s in scene.sources if s.name == burst.name)


def _efficiency(energy: FloatArray) -> FloatArray:
    """Of a detector of sodium iodide: all of soft photons, less and less of hard ones (guess)."""
    return np.asarray(1 / (1 + (energy / 300.0) ** 1.3))


def grm_expected(scene: Scene, burst: BurstConfig, time: FloatArray) -> FloatArray:
    """Expected counts per second of a burst, shape (n, 3, 3); time in s after the start of the simulation."""
    source = _source(scene, burst)
    direction = source.direction
    azimuth = np.radians([0.0, 120.0, 240.0])
    axes = np.stack(
        [np.full(3, np.cos(_TILT)), np.sin(_TILT) * np.cos(azimuth), np.sin(_TILT) * np.sin(azimuth)], axis=-1
    )
    vector = scene.attitude.satellite.rotation_at(scene.start + time) @ direction
    facing = np.maximum(vector @ axes.T, 0.0)
    seen = ~_within(time, source.hidden) & ~_within(time, np.array(scene.saa).reshape(-1, 2))
    result = np.zeros((len(time), 3, len(GRM_BANDS)))
    for part in pulse_slices(burst):
        first, rise, decay = part.curve
        light = pulse_light(PulseConfig(rise=rise, decay=decay), time - first)
        light *= (time >= part.begin) & (time < part.end) & seen
        for band, (low, high) in enumerate(GRM_BANDS):
            energy = np.geomspace(low, high, 60)
            flux = float(np.trapezoid(part.spectrum.density(energy) * _efficiency(energy), energy))
            result[:, :, band] += _AREA * flux * light[:, None] * facing
    return result


def _within(time: FloatArray, intervals: FloatArray) -> BoolArray:
    inside = np.zeros(len(time), np.bool_)
    for begin, end in intervals:
        inside |= (time >= begin) & (time < end)
    return inside


def happened(scene: Scene) -> list[BurstConfig]:
    """The bursts that begin before the end of the simulation."""
    return [burst for burst in scene.config.bursts if burst.start < scene.config.duration]


def grm_light_curve(scene: Scene, burst: BurstConfig) -> GrmLightCurve:
    """Counts from 100 s before a burst to 100 s after its end, or the ends of the simulation."""
    begin = max(burst.start - _BEFORE, 0.0)
    end = min(burst.start + burst.end + _AFTER, scene.config.duration)
    edges = np.asarray(np.arange(round((end - begin) / BIN)) * BIN + begin, np.float64)
    middle = np.asarray(edges + BIN / 2, np.float64)
    on = ~_within(middle, np.array(scene.saa).reshape(-1, 2))
    expected = (grm_expected(scene, burst, middle) + _BACKGROUND) * on[:, None, None] * BIN
    counts = _generator(scene, burst, 0).poisson(expected)
    return GrmLightCurve(burst.name, np.asarray(scene.start + edges, np.float64), counts)


def _grm(scene: Scene, burst: BurstConfig, curve: GrmLightCurve) -> Sighting:
    source = _source(scene, burst)
    if source.is_hidden(burst.start):
        return Sighting("GRM", burst.name, "hidden by the Earth")
    if _within(np.array([burst.start]), np.array(scene.saa).reshape(-1, 2))[0]:
        return Sighting("GRM", burst.name, "in the anomaly")
    best = Sighting("GRM", burst.name, "too faint")
    for scale in _SCALES:
        number = round(scale / BIN)
        bins = len(curve.time) // number
        if bins == 0:
            continue
        counts = curve.counts[: bins * number, :, 1].reshape(bins, number, 3).sum(axis=1)
        background = _BACKGROUND[1] * scale
        excess = (counts - background) / np.sqrt(background)
        second = np.sort(excess, axis=1)[:, 1]  # of three: two have as much
        found = int(second.argmax())
        if second[found] >= _THRESHOLD and second[found] > best.significance:
            bits = "".join("1" if e >= _THRESHOLD else "0" for e in excess[found])
            time = float(curve.time[found * number])
            best = Sighting(
                "GRM",
                burst.name,
                "seen",
                time,
                significance=float(second[found]),
                scale=scale,
                detectors=bits,
            )
    return best


def _moved(direction: FloatArray, sigma: float, rng: np.random.Generator) -> tuple[float, float]:
    """A place that is off by a two-dimensional Gaussian (σ per axis, radians), degrees."""
    aside = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside)
    a, b = sigma * rng.standard_normal(2)
    away = np.hypot(a, b)
    if away == 0:
        turned = direction
    else:
        side = (a * aside + b * np.cross(direction, aside)) / away
        turned = np.cos(away) * direction + np.sin(away) * side
    ra, dec = np.degrees(right_ascension(turned))
    return float(ra), float(dec)


def _mxt(scene: Scene, burst: BurstConfig) -> Sighting:
    source, rng = _source(scene, burst), _generator(scene, burst, 1)
    if burst.kind not in _EXTRAGALACTIC:
        return Sighting("MXT", burst.name, "no slew to it")
    after = np.asarray(np.arange(np.ceil(burst.start), scene.config.duration), np.float64)
    axis = scene.attitude.satellite.rotation_at(scene.start + after)[:, 0]
    there = separation(axis, source.direction) < _MXT_FIELD
    if not there.any() or there[0]:
        return Sighting("MXT", burst.name, "no slew to it")
    visible = there & ~_within(after, source.hidden) & ~_within(after, np.array(scene.saa).reshape(-1, 2))
    if not visible.any():
        return Sighting("MXT", burst.name, "hidden by the Earth")
    fluence = burst_truth(burst, 0.0)["energy_fluence"]
    statistical = float(np.clip(60.0 * (fluence / 1e-6) ** -0.5, 15.0, 280.0))
    radius = float(np.hypot(statistical, _MXT_SYSTEMATIC)) / 3600
    ra, dec = _moved(source.direction, np.radians(radius) / _R90, rng)
    time = float(scene.start + after[visible][0] + _MXT_WAIT)
    return Sighting("MXT", burst.name, "seen", time, ra, dec, radius, 0.9)


def gbm_orbit(scene: Scene) -> CircularOrbit:
    """Where Fermi is in a simulation: drawn from its seed."""
    rng = np.random.default_rng(np.random.SeedSequence(scene.config.seed, spawn_key=(7,)))
    node, argument = rng.uniform(0, 360, 2)
    return CircularOrbit.of(
        float(scene.start), 535 * u.km, 25.6 * u.deg, float(node) * u.deg, float(argument) * u.deg
    )


def _gbm(scene: Scene, burst: BurstConfig) -> Sighting:
    rng, orbit = _generator(scene, burst, 2), gbm_orbit(scene)
    at = np.array([scene.start + burst.start])
    direction = unit_vector(np.radians(burst.ra), np.radians(burst.dec))
    if orbit.earth_angle(at, direction)[0] < np.arcsin(EARTH_RADIUS / orbit.radius):
        return Sighting("GBM", burst.name, "hidden by the Earth")
    if scene.config.saa and scene.contour.contains(*orbit.ground_track(at))[0]:
        return Sighting("GBM", burst.name, "in the anomaly")
    t = np.arange(0.0, burst.end + 1, 0.01)
    hardest = max(pulse_slices(burst), key=lambda p: p.spectrum.photon_flux(50, 300)).spectrum
    share = hardest.photon_flux(50.0, 300.0) / hardest.photon_flux(4.0, 120.0)
    total = np.concatenate([[0.0], np.cumsum(burst_flux(burst, t))]) * 0.01 * share
    peak = float((total[100:] - total[:-100]).max()) * float(np.exp(0.1 * rng.standard_normal()))
    if peak < _GBM_THRESHOLD:
        return Sighting("GBM", burst.name, "too faint")
    start = float(t[np.searchsorted(total, 0.02 * total[-1])])
    statistical = float(np.clip(10.0 * (peak / _GBM_THRESHOLD) ** -0.8, 1.0, 20.0))
    ra, dec = _moved(direction, np.radians(np.hypot(statistical, _GBM_SYSTEMATIC)) / _R68, rng)
    probability = float(rng.beta(20, 2) if burst.kind in _EXTRAGALACTIC else rng.beta(3, 4))
    time = float(at[0]) + start + float(rng.uniform(0.0, 0.1))
    return Sighting(
        "GBM", burst.name, "seen", time, ra, dec, statistical, 0.68, probability=round(probability, 2)
    )


def sightings(scene: Scene, curves: list[GrmLightCurve]) -> list[Sighting]:
    """What each partner reports of each burst; `curves` are those of GRM, as :func:`happened` orders them."""
    found = []
    for burst, curve in zip(happened(scene), curves, strict=True):
        found += [_grm(scene, burst, curve), _mxt(scene, burst), _gbm(scene, burst)]
    return found
