"""The description of a detector, read from its ``instrument.toml``.

Everything that generic code needs to know about a detector is a field here; there is no
``if instrument == ...`` anywhere else.
"""

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments.pixels import PixelGrid

__all__ = [
    "EnergyScale",
    "GainRule",
    "GoodTimeRule",
    "HealthRule",
    "HousekeepingRule",
    "Instrument",
    "PacketHeader",
    "PacketKind",
    "PhotonRule",
    "PhotonTime",
    "PixelTerm",
    "SpectraRule",
    "TimeRule",
    "available",
    "load",
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeRule(_Model):
    """How on-board time becomes Terrestrial Time: epoch + coarse + fine·tick, a perfect clock for now."""

    epoch: str
    """ISO date at which the on-board counter was 0."""
    scale: Literal["utc", "tai", "tt"]
    """Scale of `epoch`; from there on the on-board clock counts SI seconds."""


class PacketHeader(_Model):
    """What the packets of an APID look like before their own fields."""

    apid: int = Field(ge=0, le=2047)
    checksum: Literal["none", "crc16", "xor16", "iso16"]
    secondary: Literal["none", "pus-a", "pus-c", "own"]
    """``own``: a secondary header of the detector's own, whose fields stand in the layout table."""
    coarse_bits: int = 32
    """Width of the coarse time (seconds)."""
    fine_bits: int = 16
    """Width of the fine time."""
    fine_tick: float = 2.0**-16
    """Length of a unit of fine time, s."""
    time_offset: int | None = None
    """Byte, from the start of the packet, of the coarse time; None where a PUS header tells it."""


class PacketKind(_Model):
    """One kind of packet: how it is recognised and which table lays it out."""

    apid: int
    service: int | None = None
    subservice: int | None = None
    structure: int | None = None
    """Value of the structure id (the field of type ``structure``), where packets share their type."""
    command: bool = False
    """Whether it is a telecommand; its fields follow a PUS header of 4 (pus-a) or 5 (pus-c) bytes."""
    layout: str
    """File name of the layout table, in the instrument's folder."""
    kind: Literal["photons", "housekeeping", "spectra", "alert", "verification", "other"]


class PhotonTime(_Model):
    """Where the time of a photon stands."""

    field: str
    tick: float
    """Length of a unit, s."""
    counted_from: Literal["packet", "epoch"]
    """``packet``: ticks after the packet's time. ``epoch``: the low bits of a counter that runs since
    the epoch; the packet's time supplies the high bits."""
    bits: int = 32


class PixelTerm(_Model):
    """A term of detnum = Σ scale·field."""

    field: str
    scale: int = 1


class PhotonRule(_Model):
    """Which fields of which packet are a photon."""

    packet: str
    time: PhotonTime
    pixel: tuple[PixelTerm, ...]
    channel: str
    multiplicity: str | None = None
    """Field that counts the pixels hit at once; 1 everywhere where None."""


class HousekeepingRule(_Model):
    """Which packets carry housekeeping; parameters, units and limits stand in their layout tables."""

    packets: tuple[str, ...]


class SpectraRule(_Model):
    """On-board accumulated spectra: repeated (pixel id, histogram) records."""

    packet: str
    pixel: tuple[PixelTerm, ...]
    counts: str
    """Field that holds the histogram, `bins` values a record."""
    bins: int
    live_time: str | None = None
    live_tick: float = 1.0
    """Length of a unit of live time, s."""


class GainRule(_Model):
    """That gain and offset are fitted to the fluorescence lines of the background, pixel by pixel."""

    median_counts: float = Field(gt=0)
    """Counts that half of the pixels must have before a fit is tried."""


class HealthRule(_Model):
    """That pixels are judged by what a smooth surface over the plane lets expect of them.

    Only for a plane whose pixels are alike and see nearly the same.
    """

    false_alarm: float = Field(gt=0, lt=0.5)
    """Probability, per pixel and side, that a good one is named."""


class GoodTimeRule(_Model):
    """A condition on a housekeeping parameter that makes a time good: listed values, or a range."""

    description: str
    """What the condition ensures."""
    parameter: str
    allowed: tuple[float, ...] = ()
    """Values that fulfil it (raw ones of a parameter with texts); empty where a range is given."""
    low: float | None = None
    """Lowest value that fulfils it."""
    high: float | None = None
    """Highest value that fulfils it."""
    margin: float = Field(default=0.0, ge=0)
    """Taken off where the condition begins or ends to hold, s."""
    longest_gap: float = Field(gt=0)
    """Longest time between two samples across which the condition may hold, s."""

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if bool(self.allowed) == (self.low is not None or self.high is not None):
            raise ValueError(f"{self.parameter}: give either 'allowed', or 'low' and 'high' or one of them")
        return self

    def holds(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether each value fulfils the condition; NaN never does."""
        value: npt.NDArray[Any] = np.asarray(values, dtype=np.float64)
        if self.allowed:
            return np.isin(value, self.allowed)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return np.asarray((value >= low) & (value <= high))


class EnergyScale(_Model):
    """The nominal scale: E = gain·(channel + 0.5) + offset at the channel's centre."""

    channels: int
    gain: float
    """keV per channel."""
    offset: float
    """keV."""
    low: float
    """Lower end of the useful range, keV."""
    high: float
    """Upper end of the useful range, keV."""
    bands: tuple[tuple[float, float], ...]
    """Bands of the nightly images and light curves, keV."""
    note: str = ""
    """Where the scale comes from."""


class Instrument(_Model):
    """A detector."""

    name: str
    title: str
    note: str
    """Where the definition comes from and what it is not."""
    card_prefix: str
    """Start of the product names, for example ECL."""
    telescope: str
    instrument: str
    time: TimeRule
    pixels: PixelGrid
    energy: EnergyScale
    headers: tuple[PacketHeader, ...]
    packets: dict[str, PacketKind]
    photons: PhotonRule | None = None
    housekeeping: HousekeepingRule | None = None
    spectra: SpectraRule | None = None
    gain: GainRule | None = None
    """None for a detector whose energy scale is not found from its background."""
    health: HealthRule | None = None
    """None for a detector whose pixels cannot be judged by their neighbours."""
    good_time: dict[Annotated[str, Field(pattern="^[A-Z0-9]{1,8}$")], GoodTimeRule] = {}
    """Conditions of good time by the name of the criterion, besides TLM (telemetry came without a gap)."""
    simulated_destination: int | None = None
    """PUS-C destination id that marks packets as simulated; None where packets cannot tell."""
    folder: Annotated[Path, Field(exclude=True)]

    def header(self, apid: int) -> PacketHeader | None:
        """Header rule of an APID; None for an APID that is not this detector's."""
        return next((h for h in self.headers if h.apid == apid), None)

    def layout_file(self, packet: str) -> Path:
        """Layout table of a kind of packet."""
        return self.folder / self.packets[packet].layout


def _root() -> Path:
    return Path(str(files("eicpy.instruments")))


def available() -> tuple[str, ...]:
    """Names of the detectors that are known."""
    return tuple(sorted(f.parent.name for f in _root().glob("*/instrument.toml")))


@cache
def load(name: str) -> Instrument:
    """Read the description of a detector.

    Raises
    ------
    BadArgumentError
        For a name that is not known.
    BadDataError
        For a description that does not fit the model.
    """
    if name not in available():
        raise BadArgumentError(f"got instrument {name!r}, expected one of {', '.join(available())}")
    file = _root() / name / "instrument.toml"
    try:
        return Instrument(folder=file.parent, **tomllib.loads(file.read_text()))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise BadDataError(
            str(error), file=file, advice="eicpy/instruments/description.py tells what each entry is"
        ) from error
