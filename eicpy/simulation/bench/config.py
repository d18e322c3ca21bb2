"""What a simulated bench campaign is made of: a source before a detector, and telecommands on a timeline."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from eicpy.simulation.config import StreamConfig
from eicpy.simulation.model import Model

__all__ = ["BenchCommand", "BenchConfig", "ScanConfig", "SettingConfig", "matches"]


def matches(arguments: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    """Whether arguments have all values that are wanted; what is not given is 0."""
    return all(arguments.get(name, 0) == value for name, value in wanted.items())


class BenchCommand(Model):
    """A telecommand that the operator sends."""

    time: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    command: str
    """Kind of packet in the instrument's description."""
    arguments: dict[str, int] = Field(default_factory=dict)
    """Raw values of its fields."""
    refuse: Literal["acceptance", "completion"] | None = None
    """What fails; a telecommand that fails has no effect."""


class SettingConfig(Model):
    """A setting of the detector that telecommands change."""

    command: str
    """Kind of the telecommand."""
    when: dict[str, int] = Field(default_factory=dict)
    """Arguments that it must have."""
    field: str
    """Argument that holds the value."""
    unit: float = 1.0
    """Engineering value of 1."""
    initial: float = 0.0
    """Engineering value before the first telecommand."""

    def is_set_by(self, command: BenchCommand) -> bool:
        """Whether a telecommand changes this setting."""
        return command.command == self.command and matches(command.arguments, self.when)

    def value(self, command: BenchCommand) -> float:
        """Engineering value that a telecommand sets."""
        return command.arguments.get(self.field, 0) * self.unit


class ScanConfig(Model):
    """A threshold scan with test pulses, which a measurement of some kind makes instead of photons."""

    when: dict[str, int] = Field(default_factory=dict)
    """Arguments of the start of such a measurement."""
    first: float = Field(default=4.0, ge=0, lt=60)
    """Low threshold of the first step, keV."""
    step: float = Field(default=0.05, gt=0, lt=10)
    """From step to step, keV."""
    steps: int = Field(default=80, ge=1, le=1000)
    pulse: float = Field(default=6.0, gt=0, lt=65)
    """Charge of the test pulses as an energy, keV."""
    pulses: int = Field(default=1000, ge=1, le=65535)
    """Test pulses of each pixel at each step."""
    dwell: float = Field(default=1.0, gt=0)
    """Length of a step, s."""
    noise_rate: float = Field(default=1e5, ge=0)
    """How often the noise of the electronics alone crosses zero upwards, 1/s (guess)."""


class BenchConfig(StreamConfig):
    """One simulated bench campaign.

    PhotonArrays are sent while a measurement runs: from the start to the stop that the instrument's
    description names.
    """

    kind: Literal["bench"] = "bench"
    source: str | None = "241Am"
    """Radioactive source, see :data:`eicpy.simulation.bench.isotopes.ISOTOPES`; None: no source."""
    source_rate: float = Field(default=1500.0, ge=0, le=2e5)
    """PhotonArrays of the source detected per second by all pixels together, before thresholds."""
    source_distance: float = Field(default=200.0, gt=0)
    """From the middle of the plane, in pixel widths: what is farther from the middle sees less."""
    source_when: dict[str, int] = Field(default_factory=dict)
    """Arguments of the start of a measurement in which the source is there; empty: in all."""
    background_rate: float = Field(default=120.0, ge=0, le=2e5)
    """Counts per second of all pixels together that the laboratory and the detector make (guess)."""
    commands: tuple[BenchCommand, ...] = ()
    settings: dict[str, SettingConfig] = Field(default_factory=dict)
    """Settings by name: ``threshold`` (keV, holds from the next measurement on) is simulated; any may be
    reported in housekeeping."""
    scan: ScanConfig | None = None
    """What a threshold scan does; None: there is none."""
    photon_header: dict[str, int] = Field(default_factory=dict)
    """Raw values of the fields of photon packets that are not photons."""
    housekeeping: dict[str, str | float] = Field(default_factory=dict)
    """What a parameter reports: a number, or the name of a series of
    :mod:`eicpy.simulation.bench.housekeeping`. Parameters not named lie in the middle of their limits."""
