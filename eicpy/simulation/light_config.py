"""What shines, as asked for: sources, bodies, bursts, the background in time."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from eicpy.catalogue.spectrum import Shape, Spectrum
from eicpy.simulation.model import Declination, Degrees, Model

__all__ = [
    "BodyConfig",
    "BurstConfig",
    "EnvironmentConfig",
    "FlareConfig",
    "PulseConfig",
    "Shining",
    "ShowerConfig",
    "SourceConfig",
    "VariabilityConfig",
]


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

    @property
    def all_pulses(self) -> tuple[PulseConfig, ...]:
        """Its pulses, at least one."""
        return self.pulses or (PulseConfig(rise=self.rise, decay=self.decay),)

    @property
    def end(self) -> float:
        """When it is followed no longer: seconds after its start."""
        return max(pulse.start + pulse.end for pulse in self.all_pulses)

    @model_validator(mode="before")
    @classmethod
    def _of_before(cls, entries: Any) -> Any:
        """Configurations of before said whether there are alerts; now the trigger on board decides."""
        if isinstance(entries, dict) and "alert" in entries:
            return {name: value for name, value in entries.items() if name != "alert"}
        return entries

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        Spectrum(self.shape, 1.0, self.index, self.cutoff, self.beta)  # refuses what cannot be
        return self


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
