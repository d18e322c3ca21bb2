"""What a simulated night is made of: one model, checked before anything is computed.

A simulation is a pure function of its configuration: the same configuration and seed give the same
bytes. All numbers that are guesses are marked so, here or in ``docs/decisions/0004-simulation.md``.
"""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from eicpy.simulation.light_config import (
    BodyConfig,
    BurstConfig,
    EnvironmentConfig,
    FlareConfig,
    PulseConfig,
    ShowerConfig,
    SourceConfig,
    VariabilityConfig,
)
from eicpy.simulation.model import Angles, Declination, Degrees, Model
from eicpy.simulation.pixel_config import DetectorConfig, DriftConfig, PixelChange
from eicpy.trigger.configuration import TriggerConfiguration

__all__ = [
    "BodyConfig",
    "BurstConfig",
    "DetectorConfig",
    "DriftConfig",
    "EnvironmentConfig",
    "ExcursionConfig",
    "FaultConfig",
    "FlareConfig",
    "OrbitConfig",
    "PixelChange",
    "PointingConfig",
    "PulseConfig",
    "ShowerConfig",
    "SimulationConfig",
    "SlewConfig",
    "SourceConfig",
    "StreamConfig",
    "VariabilityConfig",
]


class SlewConfig(Model):
    """A slew to another pointing, degrees (ICRS)."""

    start: float = Field(gt=0)
    """Seconds after the start of the simulation."""
    ra: Degrees
    dec: Declination
    roll: float | None = None
    """Angle from north to +z, towards east; None: as the Sun wants it."""


class PointingConfig(Model):
    """Where the satellite looks, degrees (ICRS), and how still it holds."""

    ra: float = Field(default=80.0, ge=0, lt=360)
    dec: float = Field(default=20.0, ge=-90, le=90)
    roll: float = 0.0
    """Angle from north to +z, towards east."""
    plan: Literal["fixed", "anti-solar"] = "fixed"
    """anti-solar: away from the Sun, the plane of the Galaxy and Sco X-1, one direction after the other; then
    ra, dec and roll are not used."""
    observation: float = Field(default=21600.0, ge=600)
    """Length of each observation of the anti-solar plan, s."""
    slews: tuple[SlewConfig, ...] = ()
    """Slews beside those of the plan: to a burst, for example. The next observation of the plan ends them."""
    jitter: float = Field(default=0.0, ge=0, le=3600)
    """Standard deviation about each axis, arcsec."""
    drift: float = Field(default=0.0, ge=0, le=3600)
    """Arcsec per hour, about an axis that is drawn for each observation."""
    misalignment: Angles = (0.0, 0.0, 0.0)
    """Rotation from the axes of the satellite to the camera's line of sight: a vector about whose direction
    it turns by its length, arcsec."""
    ground_bias: Angles = (0.0, 0.0, 0.0)
    """Constant error of the attitude that the ground gets, a rotation vector in its axes, arcsec."""
    ground_noise: float = Field(default=0.0, ge=0, le=3600)
    """Its noise from entry to entry, standard deviation about each axis, arcsec."""
    cadence: float = Field(default=1.0, ge=1, le=4)
    """Quaternions per second."""


class OrbitConfig(Model):
    """The circular orbit."""

    altitude: float = Field(default=618.0, gt=200, lt=2000)
    """km."""
    inclination: float = Field(default=29.0, ge=0, le=180)
    """Degrees."""
    node: float = Field(default=300.0, ge=0, lt=360)
    """Right ascension of the ascending node at the start, degrees."""
    argument: float = Field(default=180.0, ge=0, lt=360)
    """Angle from the node at the start, degrees."""


class ExcursionConfig(Model):
    """A housekeeping parameter that leaves its normal value for a while: a trapezoid in time."""

    parameter: str
    start: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    duration: float = Field(gt=0)
    """s."""
    value: float
    """Engineering value at the plateau."""


class FaultConfig(Model):
    """What happens to the packets between the camera and us: shares of all packets."""

    lost: float = Field(default=0.0, ge=0, lt=1)
    damaged: float = Field(default=0.0, ge=0, lt=1)
    """One to eight bits are flipped after the primary header."""
    duplicated: float = Field(default=0.0, ge=0, lt=1)
    truncated: float = Field(default=0.0, ge=0, lt=1)
    """The packet's tail is missing."""
    foreign: float = Field(default=0.0, ge=0, lt=1)
    """Bytes that belong to nothing stand before the packet."""
    gaps: tuple[tuple[float, float], ...] = ()
    """(start, stop) in seconds after the start: every packet sent in between is lost."""


class StreamConfig(Model):
    """What every simulation of a detector has."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    instrument: str
    start: str = "2026-11-20T18:00:00"
    """UTC, ISO 8601, a whole second."""
    duration: float = Field(gt=0, le=40 * 86400.0)
    """s."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    detector: DetectorConfig = DetectorConfig()
    changes: tuple[PixelChange, ...] = ()
    """What happens to pixels in time."""
    faults: FaultConfig = FaultConfig()

    @field_validator("start")
    @classmethod
    def _whole_second(cls, start: str) -> str:
        time = datetime.fromisoformat(start)
        if time.tzinfo is not None or time.microsecond or time.year < 2017:
            msg = f"got start {start}, expected a whole second of UTC, without a zone, from 2017 on"
            raise ValueError(msg)
        return start


class SimulationConfig(StreamConfig):
    """One simulated night."""

    kind: Literal["night"] = "night"
    instrument: Literal["eclairs"] = "eclairs"
    background_rate: float = Field(default=3100.0, ge=0, le=2e5)
    """Counts per second in 4-120 keV of sky and camera, with the Earth out of the field and all pixels
    alike; noisy pixels and heat pipes come on top. The sky part is physics, the camera part fills up."""
    lines: Literal["public", "bright"] = "public"
    """Strength of the fluorescence lines: as in the public pre-launch background, or three to five times
    that, as guessed before; with the bright ones a short run fixes gains, which it cannot with the public
    ones."""
    pointing: PointingConfig = PointingConfig()
    orbit: OrbitConfig = OrbitConfig()
    camera_seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Seed of the pixels, so that several nights have the same camera; None: `seed`."""
    mask_seed: int = Field(default=1, ge=0)
    """Seed of the mask, which is not the flight mask."""
    sources: tuple[SourceConfig, ...] = ()
    bodies: tuple[BodyConfig, ...] = ()
    catalogue: float | None = Field(default=None, ge=0)
    """Every source of the catalogue hard-x-ray with a flux above this shines as well, 10⁻¹² erg cm⁻² s⁻¹ in
    14-195 keV; None: none does."""
    flicker: bool = False
    """X-ray binaries of the catalogue flicker."""
    bursts: tuple[BurstConfig, ...] = ()
    partners: bool = False
    """What GRM, MXT and Fermi-GBM report of the bursts is written beside the packets."""
    drift: DriftConfig = DriftConfig()
    excursions: tuple[ExcursionConfig, ...] = ()
    saa: bool = True
    """High voltage down and no photons inside the South Atlantic Anomaly; False: as if it did not exist."""
    earth: bool = True
    """The Earth hides the sky behind it; False: as if it did not exist."""
    environment: EnvironmentConfig | None = None
    """How the background changes with time; None: by the Earth in the field alone."""
    trigger: TriggerConfiguration | None = TriggerConfiguration()
    """What the trigger on board looks for; None: it is switched off, and nothing of it is sent."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [s.name for s in self.sources] + [b.name for b in self.bodies]
        names += [b.name for b in self.bursts]
        if len(set(names)) < len(names):
            msg = f"got sources and bursts {', '.join(names)}, expected each name once"
            raise ValueError(msg)
        return self
