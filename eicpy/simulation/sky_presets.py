"""Ready-made simulations of a sky: ten minutes with a burst, and a week of nights.

The week is seven evenings of the same camera in November 2026, when the Moon is full on the last: bursts, and
one of each kind of what public alerts took for one: a burst of a known source, the flare of a star, a faint
extended source, an outburst, the Moon.
"""

from functools import cache
from typing import Any

import numpy as np

from eicpy.catalogue import load_catalogue
from eicpy.orbit import body_direction, right_ascension, sun_roll, tangent_vector
from eicpy.simulation.config import (
    BodyConfig,
    BurstConfig,
    DetectorConfig,
    DriftConfig,
    EnvironmentConfig,
    FaultConfig,
    FlareConfig,
    OrbitConfig,
    PixelChange,
    PointingConfig,
    PulseConfig,
    ShowerConfig,
    SimulationConfig,
    SlewConfig,
    SourceConfig,
)
from eicpy.simulation.sky.attitude import observations
from eicpy.simulation.sky.bursts import BurstKind, draw_burst
from eicpy.times import to_seconds

__all__ = ["WEEK", "burst_preset", "week_night"]

WEEK = tuple(f"week-{n}" for n in range(1, 8))
"""Names of the nights of the week."""
_HOLD: dict[str, Any] = {
    "jitter": 3.0,
    "drift": 10.0,
    "misalignment": (60.0, -40.0, 30.0),
    "ground_bias": (3.0, -2.0, 4.0),
    "ground_noise": 2.0,
}
"""How still the satellite holds, how the camera sits on it, how the ground's attitude errs: guesses."""
_DETECTOR = DetectorConfig(gain_shift=0.002, gain_shift_scatter=0.003)
_CATALOGUE = 100.0
_FIRST_DAY, _NIGHT, _SEED, _CAMERA = 18, 10800.0, 20261118, 20261118
_EARLY, _LATE = 4200.0, 9600.0
"""When something happens, s: then the Earth hides none of it."""
_ENVIRONMENTS = {
    2: EnvironmentConfig(
        showers=(
            ShowerConfig(name="shower of particles", start=1500.0, peak=9000.0),
            ShowerConfig(
                name="track of a particle", start=3300.0, peak=1e5, rise=5e-4, decay=5e-4, where="track"
            ),
        )
    ),
    3: EnvironmentConfig(
        showers=(
            ShowerConfig(
                name="noisy module", start=9000.0, peak=250.0, rise=5.0, decay=60.0, where="module", number=77
            ),
        )
    ),
    6: EnvironmentConfig(flares=(FlareConfig(start=7400.0, goes="C1.0"),)),
}
"""What the background does in a night beyond the usual."""
_NODE_DRIFT = 6.33
"""Degrees per day by which the orbit's node goes back."""
_TEMPERATURES = (-20.0, -20.1, -20.2, -20.2, -20.0, -19.8, -19.7)
"""Mean temperature of the detection plane in each night, °C (guess)."""
_DEFECTS: tuple[tuple[int, PixelChange], ...] = (
    (2, PixelChange(time=5000.0, what="noise", value=30.0, detnum=(3210,))),
    (3, PixelChange(time=2000.0, what="noise", value=60.0, detnum=(1234,), on=20.0, off=200.0)),
    (5, PixelChange(time=7000.0, what="off", modules=(117,))),
    (6, PixelChange(time=3600.0, what="threshold", value=4.5, sectors=(2,))),
)
"""What happens to the camera, and in which night: a pixel becomes noisy, one comes and goes, a module fails,
thresholds are raised. It lasts through the nights that follow."""
_PERSEUS = SourceConfig(
    name="Perseus cluster", ra=49.9507, dec=41.5117, norm=0.12, index=1.4, shape="cut-off", energy=6.5
)
"""Hot gas of kT 6.5 keV, about 10⁻⁹ erg cm⁻² s⁻¹ in 2-10 keV, as a point."""


def burst_preset() -> SimulationConfig:
    """Ten minutes: the Crab and what is around it, a burst of three pulses, and the slew to it."""
    burst = BurstConfig(
        name="simulated burst",
        kind="long",
        start=120.0,
        ra=97.0,
        dec=8.0,
        peak_flux=5.0,
        shape="band",
        index=1.0,
        cutoff=220.0,
        beta=2.4,
        softening=0.8,
        pulses=(
            PulseConfig(rise=0.8, decay=1.6, share=0.6),
            PulseConfig(start=6.0, rise=1.0, decay=3.0, share=1.0),
            PulseConfig(start=17.0, rise=2.0, decay=5.0, share=0.4),
        ),
    )
    slew = SlewConfig(start=150.0, ra=burst.ra, dec=burst.dec)
    return SimulationConfig(
        name="burst",
        start="2026-11-20T18:10:00",
        duration=600.0,
        seed=20261121,
        detector=_DETECTOR,
        pointing=PointingConfig(roll=273.0, slews=(slew,), **_HOLD),
        catalogue=_CATALOGUE,
        flicker=True,
        partners=True,
        environment=EnvironmentConfig(),
        bursts=(burst,),
    )


@cache
def week_night(name: str) -> SimulationConfig:
    """One of the nights of :data:`WEEK`."""
    number = WEEK.index(name) + 1
    start = f"2026-11-{_FIRST_DAY + number - 1}T18:00:00"
    night = SimulationConfig(
        name=name,
        start=start,
        duration=_NIGHT,
        seed=_SEED + number,
        camera_seed=_CAMERA,
        detector=_DETECTOR,
        changes=_changes(number),
        drift=DriftConfig(temperature=_TEMPERATURES[number - 1], gain_per_kelvin=1e-3, polarisation=0.003),
        orbit=OrbitConfig(node=(300.0 - _NODE_DRIFT * number) % 360.0),
        pointing=PointingConfig(plan="anti-solar", observation=_NIGHT / 2, **_HOLD),
        catalogue=_CATALOGUE,
        flicker=True,
        partners=True,
        environment=_ENVIRONMENTS.get(number, EnvironmentConfig()),
        faults=FaultConfig(lost=1e-4, damaged=2e-5),
    )
    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(3, number)))
    return night.model_copy(update=_CONTENTS[number - 1](night, rng))


def _changes(number: int) -> tuple[PixelChange, ...]:
    """What has happened to the camera up to a night, and in it."""
    return tuple(
        change if night == number else change.model_copy(update={"time": 0.0})
        for night, change in _DEFECTS
        if night <= number
    )


def _drawn(
    night: SimulationConfig, rng: np.random.Generator, kind: BurstKind, start: float, peak: float
) -> BurstConfig:
    """A burst of the population, but for its peak flux, anywhere in the field at its time."""
    begin = float(to_seconds(night.start))
    plan = observations(night.pointing, begin, begin + night.duration)
    looking = [o for o in plan if o.start <= begin + start][-1].pointing
    ty, tz = rng.uniform(-0.6, 0.6, 2)
    ra, dec = np.degrees(right_ascension(tangent_vector(ty, tz) @ looking.rotation))
    name = f"{kind} burst" if kind in ("long", "short") else kind
    return _with_peak(draw_burst(kind, rng, name=name, start=start, ra=float(ra), dec=float(dec)), peak)


def _with_peak(burst: BurstConfig, peak: float) -> BurstConfig:
    return burst.model_copy(update={"peak_flux": peak})


def _towards(night: SimulationConfig, ra: float, dec: float) -> PointingConfig:
    """A fixed pointing, with the roll that the Sun wants."""
    sun = body_direction("sun", to_seconds(night.start))
    roll = float(np.degrees(sun_roll(float(np.radians(ra)), float(np.radians(dec)), sun).roll))
    return PointingConfig(ra=ra, dec=dec, roll=roll, **_HOLD)


def _long(night: SimulationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """A long burst, and the slew to it."""
    burst = _drawn(night, rng, "long", _EARLY, 4.0)
    slew = SlewConfig(start=_EARLY + 60.0, ra=burst.ra, dec=burst.dec)
    return {"bursts": (burst,), "pointing": night.pointing.model_copy(update={"slews": (slew,)})}


def _short(night: SimulationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """A short burst and a flare of a magnetar."""
    return {
        "bursts": (
            _drawn(night, rng, "short", _EARLY, 15.0),
            _drawn(night, rng, "magnetar", _LATE, 40.0),
        )
    }


def _known_source(night: SimulationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """A type-I burst of a known source."""
    source = load_catalogue("hard-x-ray")["4U 0614+091"]
    burst = draw_burst(
        "x-ray burst", rng, name="x-ray burst of 4U 0614+091", start=_EARLY, ra=source.ra, dec=source.dec
    )  # fmt: skip
    return {"bursts": (_with_peak(burst, 4.0),), "pointing": _towards(night, 85.0, 15.0)}


def _star(night: SimulationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """A flare of Algol, near a cluster of galaxies that always shines."""
    star = load_catalogue("active-stars")["Algol"]
    flare = draw_burst(
        "stellar flare", rng, name="flare of Algol", start=_EARLY - 800.0, ra=star.ra, dec=star.dec
    )
    return {
        "bursts": (_with_peak(flare, 0.15),),
        "sources": (_PERSEUS,),
        "pointing": _towards(night, 52.0, 36.0),
    }


def _outburst(night: SimulationConfig, _: np.random.Generator) -> dict[str, Any]:
    """A source of the catalogue that becomes fifteen times brighter within the night."""
    source = load_catalogue("hard-x-ray")["1A 0535+262"]
    s = source.spectrum
    rise = tuple((float(3000 + 300 * n), float(15 ** ((n + 1) / 10))) for n in range(10))
    bright = SourceConfig(
        name=source.name, ra=source.ra, dec=source.dec, norm=s.norm, index=s.index, shape=s.shape,
        energy=s.energy, light_curve=rise,
    )  # fmt: skip
    return {"sources": (bright,), "pointing": _towards(night, 80.0, 22.0)}


def _faint(night: SimulationConfig, rng: np.random.Generator) -> dict[str, Any]:
    """An X-ray flash, and a long burst near the threshold."""
    return {
        "bursts": (
            _drawn(night, rng, "x-ray flash", _EARLY, 1.2),
            _drawn(night, rng, "long", _LATE, 0.7),
        )
    }


def _moon(night: SimulationConfig, _: np.random.Generator) -> dict[str, Any]:
    """The full Moon, which shines in soft X-rays of the Sun; so bright that minutes show it (a guess)."""
    moon = BodyConfig(name="Moon", body="moon", norm=40.0, index=2.0, shape="cut-off", energy=1.6)
    return {"bodies": (moon,), "pointing": _towards(night, 58.0, 18.0)}


_CONTENTS = (_long, _short, _known_source, _star, _outburst, _faint, _moon)
