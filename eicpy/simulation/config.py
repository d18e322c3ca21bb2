"""What a simulated night is made of: one model, checked before anything is computed.

A simulation is a pure function of its configuration: the same configuration and seed give the same
bytes. All numbers that are guesses are marked so, here or in ``docs/decisions/0004-simulation.md``.
"""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from eicpy.catalogue.spectrum import Shape, Spectrum

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


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectorConfig(Model):
    """How the pixels differ from each other."""

    gain_scatter: float = Field(default=0.01, ge=0, lt=0.2)
    """Relative scatter (1 σ) of the gains around the nominal one."""
    offset_scatter: float = Field(default=0.1, ge=0, lt=2)
    """Scatter (1 σ) of the offsets around the nominal one, keV."""
    gain_shift: float = Field(default=0.0, gt=-0.2, lt=0.2)
    """Relative change of all gains since the last calibration table."""
    gain_shift_scatter: float = Field(default=0.0, ge=0, lt=0.2)
    """Scatter (1 σ) from pixel to pixel of that change."""
    efficiency_scatter: float = Field(default=0.05, ge=0, lt=0.5)
    """Relative scatter (1 σ) of the efficiencies (guess)."""
    dead_fraction: float = Field(default=0.004, ge=0, le=1)
    """Share of pixels that count nothing (guess)."""
    noisy_fraction: float = Field(default=0.003, ge=0, le=1)
    """Share of pixels with electronic noise above threshold (guess)."""
    low_efficiency_fraction: float = Field(default=0.05, ge=0, le=1)
    """Share of pixels with low efficiency below 8 keV: one production batch (guess)."""
    high_threshold_fraction: float = Field(default=0.02, ge=0, le=1)
    """Share of pixels whose threshold was raised against cross-talk (guess)."""
    threshold: float = Field(default=3.7, gt=0)
    """Mean low threshold, keV (guess; the flight range begins at 4 keV)."""
    threshold_scatter: float = Field(default=0.1, ge=0)
    """Scatter (1 σ) of the thresholds, keV (guess)."""
    high_threshold: float = Field(default=8.0, gt=0)
    """Threshold of the pixels where it was raised, keV (guess)."""
    heat_pipe_rate: float = Field(default=60.0, ge=0)
    """Counts per second of the noise at the two sides where the heat pipes run, below 8 keV (guess)."""
    dead_time: float = Field(default=20e-6, ge=0)
    """Non-paralysable dead time of a sector after a photon, s (guess)."""
    escape: bool = True
    """Fluorescence photons of cadmium and tellurium leave their crystal: lost, or into a neighbour; the
    chances follow from cross sections and the size of a crystal (:mod:`eicpy.simulation.camera.escape`)."""
    hole_length: float | None = Field(default=None, gt=0)
    """Mean drift length of holes, mm: light that is stopped deep gives less charge, a tail below each line.
    None: no tail. The tail in flight is not known; 3 mm is what μτ = 10⁻⁴ cm²/V gives at 300 V (guess)."""
    electron_length: float = Field(default=90.0, gt=0)
    """The same of electrons, mm; used with `hole_length` only (guess: μτ = 3·10⁻³ cm²/V at 300 V)."""
    charge_sharing: float = Field(default=0.0, ge=0, lt=1)
    """Share of photons whose charge divides between two neighbouring pixels, evenly in 0 to ½ for the
    lesser part. The crystals of ECLAIRs are 6400 single ones: 0; a pixelated crystal has some per cent to
    some ten."""
    multiples: Literal["sent", "vetoed"] = "sent"
    """What the camera does with an event of several pixels (escape, divided charge): each photon is sent
    with the number of pixels as its multiplicity, or none. Photons that meet by chance are not told apart."""
    fwhm: float = Field(default=1.1, gt=0)
    """Electronic resolution, keV FWHM (default of the public gain/offset software)."""
    fwhm_slope: float = Field(default=0.0341, ge=0)
    """Growth of FWHM² with energy, keV: 1.8 keV at 59.6 keV, as in the 2010 screening."""
    fwhm_scatter: float = Field(default=0.0, ge=0, lt=0.5)
    """Relative scatter (1 σ) of the electronic resolution from pixel to pixel."""


class PixelChange(Model):
    """Something that happens to pixels at a time: a failure, a telecommand, a defect that begins.

    Those that hold at the same time act one after the other, in the order in which they are given.
    """

    time: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    stop: float | None = Field(default=None, gt=0)
    """Until when, s after the start; None: to the end."""
    what: Literal["off", "threshold", "efficiency", "layer", "noise", "gain", "offset"]
    """``off``: nothing is recorded, a failure. ``threshold``: the new low threshold, keV, to which each pixel
    adds its own deviation; by a telecommand, with its reports. ``efficiency``: factor on it, at most 1.
    ``layer``: extra dead layers, which take light below 8 keV (Xie et al. 2024). ``noise``: counts per second
    more. ``gain``: factor. ``offset``: keV more."""
    value: float = 0.0
    """How much; not used for ``off``."""
    detnum: tuple[int, ...] = ()
    """Pixels that change."""
    modules: tuple[int, ...] = ()
    """Modules (XRDPIX) all of whose pixels change."""
    sectors: tuple[int, ...] = ()
    """Sectors all of whose pixels change; with no pixel, module and sector named, the whole plane does."""
    on: float | None = Field(default=None, ge=0.1)
    """It comes and goes: mean length of the times in which it holds, s; exponential, drawn from the seed."""
    off: float | None = Field(default=None, ge=0.1)
    """Mean length of the times in between, s."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.on is None) != (self.off is None):
            msg = f"got on={self.on} and off={self.off}, expected both or none"
            raise ValueError(msg)
        if self.stop is not None and self.stop <= self.time:
            msg = f"got stop={self.stop}, expected after time={self.time}"
            raise ValueError(msg)
        least, most = {"efficiency": (0.0, 1.0), "gain": (0.1, 10.0), "offset": (-10.0, 10.0)}.get(
            self.what, (0.0, 1e4)
        )
        if not least <= self.value <= most:
            msg = f"got {self.what} {self.value}, expected {least:g} to {most:g}"
            raise ValueError(msg)
        return self


class DriftConfig(Model):
    """Slow drift of all pixels; nothing drifts by default. All numbers are guesses."""

    temperature: float = Field(default=-20.0, ge=-60, le=40)
    """Mean temperature of the detection plane, °C, as housekeeping reports it; the orbit swings it by 0.4."""
    reference: float = -20.0
    """Temperature at which the pixels have their gains, °C."""
    gain_per_kelvin: float = Field(default=0.0, gt=-0.05, lt=0.05)
    """Relative growth of all gains with the temperature of their sector."""
    polarisation: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the charge that is lost long after the high voltage came up (polarisation of the crystals)."""
    polarisation_time: float = Field(default=21600.0, gt=0)
    """Time in which 63 % of that is reached, s; while the high voltage is down it heals at once."""
    powered: float = Field(default=0.0, ge=0)
    """How long before the start the high voltage came up, s."""

    @property
    def moves(self) -> bool:
        """Whether anything drifts."""
        return self.gain_per_kelvin != 0 or self.polarisation > 0


Degrees = Annotated[float, Field(ge=0, lt=360)]
Declination = Annotated[float, Field(ge=-90, le=90)]
Angles = tuple[float, float, float]


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


class VariabilityConfig(Model):
    """How a source flickers: red noise (:mod:`eicpy.simulation.sky.red_noise`)."""

    rms: float = Field(gt=0, le=1)
    """Relative standard deviation over the simulation."""
    index: float = Field(default=1.0, ge=0, le=3)
    """Power goes as frequency^−index."""
    step: float = Field(default=10.0, ge=1)
    """s."""


class Shining(Model):
    """What shines, steady or with a light curve in steps.

    N(E) is `norm` times one of the shapes of :class:`eicpy.catalogue.Spectrum`: for a power law
    norm·(E/keV)^−index photons cm⁻² s⁻¹ keV⁻¹.
    """

    name: str
    norm: float = Field(ge=0)
    index: float
    shape: Shape = "power law"
    energy: float | None = Field(default=None, gt=0)
    """Cut-off energy, peak of a band, or kT, keV."""
    beta: float = 2.3
    """Photon index of the high energies of a band."""
    nh: float = Field(default=0.0, ge=0)
    """Absorbing column, 10²² cm⁻²."""
    light_curve: tuple[tuple[float, float], ...] = ()
    """(seconds after the start of the simulation, factor on the flux from then on), in order; 1 before the
    first."""
    variability: VariabilityConfig | None = None
    """Flicker on top of it; None: none."""

    @property
    def spectrum(self) -> Spectrum:
        """The spectrum at a factor of 1."""
        energy = float("inf") if self.energy is None else self.energy
        return Spectrum(self.shape, self.norm, self.index, energy, self.beta, self.nh)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        _ = self.spectrum  # refuses what cannot be
        times = [time for time, _ in self.light_curve]
        if times != sorted(set(times)) or any(factor < 0 for _, factor in self.light_curve):
            msg = f"{self.name}: got a light curve {self.light_curve}, expected increasing times, factors ≥ 0"
            raise ValueError(msg)
        return self


class SourceConfig(Shining):
    """A source at a place in the sky."""

    ra: Degrees
    dec: Declination


class BodyConfig(Shining):
    """Sun, Moon or a planet, where the satellite sees it; a point, though the Moon is half a degree wide."""

    body: Literal["sun", "moon", "mercury", "venus", "mars", "jupiter", "saturn"]


class PulseConfig(Model):
    """A pulse of a burst, exp(2·rise/decay − rise²/(decay·t) − t/decay) of its peak at t after its start.

    Norris et al. 2005, ApJ 627, 324, written with the time of the peak: τ₁ = rise²/decay, τ₂ = decay.
    """

    start: float = Field(default=0.0, ge=0)
    """Seconds after the start of the burst."""
    rise: float = Field(default=1.0, gt=0)
    """From the start to the peak, s."""
    decay: float = Field(default=8.0, gt=0)
    """e-folding time late in the pulse, s."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Its peak as a share of the burst's `peak_flux`."""

    @property
    def end(self) -> float:
        """When it is followed no longer, at e⁻¹⁰ of its peak: seconds after its start."""
        return 2 * self.rise + 10 * self.decay


class BurstConfig(Model):
    """A burst: pulses, each of which may soften as it goes on."""

    name: str
    start: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    rise: float = Field(default=1.0, gt=0)
    """Of a burst of one pulse: from the start to the peak, s."""
    decay: float = Field(default=8.0, gt=0)
    """Of a burst of one pulse: e-folding time late in the pulse, s."""
    pulses: tuple[PulseConfig, ...] = ()
    """The pulses of a burst of several; then `rise` and `decay` are not used."""
    ra: Degrees
    dec: Declination
    peak_flux: float = Field(gt=0, le=10_000)
    """Photons cm⁻² s⁻¹ in 4-120 keV at the peak of a pulse whose share is 1."""
    kind: str = "burst"
    """What it is, for the truth: long, short, x-ray flash, magnetar, x-ray burst, stellar flare."""
    shape: Shape = "cut-off"
    index: float = 1.0
    """Photon index of low energies: N(E) ∝ E^−index·exp(−E/cutoff) for a cut-off."""
    cutoff: float = Field(default=100.0, gt=0)
    """Cut-off energy, peak of E²·N of a band, or kT, at the start of a pulse, keV."""
    beta: float = 2.3
    """Photon index of the high energies of a band."""
    softening: float = Field(default=0.0, ge=0, le=3)
    """How that energy falls in a pulse: by (1 + t/(rise + decay))^−softening."""
    alert: bool = True
    """The on-board trigger sends alert packets."""

    @property
    def all_pulses(self) -> tuple[PulseConfig, ...]:
        """Its pulses, at least one."""
        return self.pulses or (PulseConfig(rise=self.rise, decay=self.decay),)

    @property
    def end(self) -> float:
        """When it is followed no longer: seconds after its start."""
        return max(pulse.start + pulse.end for pulse in self.all_pulses)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        Spectrum(self.shape, 1.0, self.index, self.cutoff, self.beta)  # refuses what cannot be
        return self


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


class FlareConfig(Model):
    """A flare of the Sun, of which the sunlit Earth in the field reflects a part."""

    name: str = "solar flare"
    start: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    goes: str = Field(default="M1.0", pattern=r"^[ABCMX]\d{1,2}(\.\d+)?$")
    """Class: flux in 1-8 Å at the peak; A1 is 10⁻⁸ W m⁻², each letter ten times more."""
    rise: float = Field(default=200.0, gt=0)
    """From the start to the peak, s (guess)."""
    decay: float = Field(default=600.0, gt=0)
    """e-folding time late in the flare, s (guess)."""
    temperature: float = Field(default=1.5, gt=0)
    """kT, keV (guess: 17 million kelvin)."""

    @property
    def flux(self) -> float:
        """W m⁻² in 1-8 Å at the peak."""
        return float(10.0 ** ("ABCMX".index(self.goes[0]) - 8) * float(self.goes[1:]))

    @property
    def end(self) -> float:
        """When it is followed no longer: seconds after its start."""
        return 2 * self.rise + 10 * self.decay


class ShowerConfig(Model):
    """Counts that are no light: a shower of particles, the track of one, a module that becomes noisy."""

    name: str = "shower"
    start: float = Field(ge=0)
    """Seconds after the start of the simulation."""
    rise: float = Field(default=0.02, gt=0)
    """From the start to the peak, s."""
    decay: float = Field(default=0.3, gt=0)
    """e-folding time late in it, s."""
    peak: float = Field(gt=0, le=2e5)
    """Counts per second over its pixels at the peak, before thresholds."""
    where: Literal["plane", "track", "module"] = "plane"
    number: int = Field(default=0, ge=0)
    """Of the module; of the track, each of which lies elsewhere."""
    folding: float = Field(default=60.0, gt=0)
    """e-folding energy of its spectrum, keV; a module's noise is that of a noisy pixel instead (guesses)."""

    @property
    def end(self) -> float:
        """When it is followed no longer: seconds after its start."""
        return 2 * self.rise + 10 * self.decay


class EnvironmentConfig(Model):
    """How the background changes with time; each part can be switched off."""

    rigidity: bool = True
    """Particles follow the geomagnetic cut-off: more towards the poles."""
    rigidity_slope: float = Field(default=1.0, ge=0, le=3)
    """Their rate goes as cut-off^−slope (guess; the integral spectrum of cosmic rays has 1 to 1.7)."""
    wings: float = Field(default=300.0, ge=0, le=1e5)
    """Counts per second of trapped particles at the border of the anomaly (guess); 0: none."""
    wing_time: float = Field(default=40.0, gt=0)
    """e-folding time before and after a passage, s (guess)."""
    activation: tuple[tuple[float, float], ...] = ((25.0, 12.0), (48.5, 6.0), (269.0, 3.0))
    """(half-life, minutes; counts per second after an endless passage): ¹²⁸I, ¹¹¹ᵐCd, ¹¹⁵ᵐIn, which protons
    make of cadmium and tellurium; the rates are guesses."""
    earth: bool = True
    """The Earth reflects the cosmic background and shines itself, brighter in the middle and towards the
    poles; False: one measured mean brightness."""
    modulation: float = Field(default=0.6, gt=0, le=2)
    """Of cosmic rays by the Sun, GV."""
    flares: tuple[FlareConfig, ...] = ()
    showers: tuple[ShowerConfig, ...] = ()

    @field_validator("activation")
    @classmethod
    def _positive(cls, activation: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if any(life <= 0 or rate < 0 for life, rate in activation):
            msg = f"got {activation}, expected half-lives above 0 (minutes) and rates of 0 or more"
            raise ValueError(msg)
        return activation


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

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [s.name for s in self.sources] + [b.name for b in self.bodies]
        names += [b.name for b in self.bursts]
        if len(set(names)) < len(names):
            msg = f"got sources and bursts {', '.join(names)}, expected each name once"
            raise ValueError(msg)
        return self
