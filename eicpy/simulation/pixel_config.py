"""The camera's pixels as asked for: what they are, what happens to them, how they drift."""

from typing import Literal, Self

from pydantic import Field, model_validator

from eicpy.simulation.model import Model

__all__ = ["DetectorConfig", "DriftConfig", "PixelChange"]


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
