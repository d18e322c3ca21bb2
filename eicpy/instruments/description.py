"""The description of a detector, read from its ``instrument.toml``.

Everything that generic code needs to know about a detector is a field here; there is no
``if instrument == ...`` anywhere else.
"""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from eicpy.errors import BadArgumentError
from eicpy.instruments.lines import Block, read_blocks
from eicpy.instruments.mask_geometry import MaskGeometry
from eicpy.instruments.pixels import PixelGrid
from eicpy.times import CDS_TICKS, check_day_segments
from eicpy.typing import FloatArray

__all__ = [
    "DeadTimeRule",
    "EnergyRequirement",
    "EnergyScale",
    "GainRule",
    "GoodTimeRule",
    "HealthRule",
    "HousekeepingRule",
    "Instrument",
    "LineTables",
    "MeasurementRule",
    "MeasurementSwitch",
    "PacketHeader",
    "PacketKind",
    "PhotonRule",
    "PhotonTime",
    "PixelTerm",
    "SpectraRule",
    "TimeRule",
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
    """Headers of the packets of an APID, before their own fields."""

    apid: int = Field(ge=0, le=2047)
    checksum: Literal["none", "crc16", "xor16", "iso16"]
    secondary: Literal["none", "pus-a", "pus-c", "own"]
    """``own``: a secondary header of the detector's own, with its fields in the layout table."""
    coarse_bits: int = 32
    """Width of the coarse time (seconds)."""
    fine_bits: int = 16
    """Width of the fine time."""
    fine_tick: float = 2.0**-16
    """Length of a unit of fine time, s."""
    time_offset: int | None = None
    """Byte, from the start of the packet, of the coarse time; None where a PUS header gives it."""
    day_epoch: str = ""
    """Date (UTC) of day 0, 1958-01-01 by the standard, where the time is day segmented (CDS, CCSDS
    301.0-B-4): `coarse_bits` are then those of the day (16 or 24), `fine_bits` those of the millisecond of
    the day and what is below (32, 48 or 64), and the epoch of ``[time]`` is not asked."""

    @model_validator(mode="before")
    @classmethod
    def _day_tick(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("day_epoch"):
            tick = CDS_TICKS.get(given.get("fine_bits", 32), 1e-3)
            return {"coarse_bits": 16, "fine_bits": 32, "fine_tick": tick, **given}
        return given

    @model_validator(mode="after")
    def _day_segments(self) -> Self:
        if self.day_epoch:
            try:
                check_day_segments(self.day_epoch, self.coarse_bits, self.fine_bits)
            except BadArgumentError as error:
                raise ValueError(f"APID {self.apid}: {error}") from error
            if self.fine_tick != CDS_TICKS[self.fine_bits]:
                raise ValueError(
                    f"APID {self.apid}: got fine_tick {self.fine_tick}, expected {CDS_TICKS[self.fine_bits]}"
                )
        return self


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
    alternatives: tuple[str, ...] = ()
    """Further tables, where the instrument may be told to send other records and no header says so: a packet
    is laid out by the table that fits it (:func:`eicpy.packets.decode_alternatives`)."""
    kind: Literal["photons", "housekeeping", "spectra", "alert", "verification", "command", "other"]


class PhotonTime(_Model):
    """Which field is the time of a photon."""

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
    baseline: str | None = None
    """Field with the level of the readout before the photon, not taken off its channel; it may stand in an
    alternative table of the packet alone. None where no photon carries one."""


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


class LineTables(_Model):
    """Tables of the lines that carry the energy scale, files in the instrument's folder."""

    lines: str
    """Columns block, group, element, transition, energy_kev, fraction."""
    blocks: str
    """Parts of the spectrum that are fitted: columns block, low_kev, high_kev."""
    edges: str | None = None
    """Absorption edges: columns block, element, edge, energy_kev."""
    fwhm: float = Field(gt=0)
    """First guess of the resolution, keV; the fit finds its own in each block."""


class GainRule(_Model):
    """That gain and offset are fitted to the fluorescence lines of the background, pixel by pixel."""

    median_counts: float = Field(gt=0)
    """Counts that half of the pixels must have before a fit is tried."""
    lines: LineTables | None = None
    """None in descriptions of before; then no gain table is made."""


class HealthRule(_Model):
    """That pixels are judged by what a smooth surface over the plane lets expect of them.

    Only for a plane of like pixels that see nearly the same.
    """

    false_alarm: float = Field(gt=0, lt=0.5)
    """Probability, per pixel and side, that a good one is named."""
    bands: tuple[tuple[float, float], ...] = ()
    """Bands in which they are judged, keV, the lowest first; by default those of light curves and images."""
    heat_pipes: bool = False
    """Whether noise of heat pipes is looked for along the two sides in y, in the lowest band."""


class GoodTimeRule(_Model):
    """A condition on a housekeeping parameter that makes a time good: listed values, or a range."""

    description: str
    """What the condition ensures."""
    otherwise: str = ""
    """What a time is called in which it does not hold: "South Atlantic Anomaly"."""
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


class MeasurementSwitch(_Model):
    """A packet, usually a telecommand, by which a measurement begins or ends."""

    packet: str
    """Name of the kind of packet."""
    field: str | None = None
    """Field, an argument of the telecommand, that decides; None where the packet alone does."""
    value: int | None = None
    """Raw value that the field must have."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.field is None) != (self.value is None):
            raise ValueError(f"{self.packet}: give both 'field' and 'value', or neither")
        return self


class MeasurementRule(_Model):
    """Which packets in the stream open a run, and which close it."""

    start: MeasurementSwitch
    stop: MeasurementSwitch
    assumed: bool = False
    """Whether a measurement is taken to be under way until a packet says otherwise: for telemetry that comes
    without its telecommands, as from orbit. Else what comes before the first start is configuration."""


class DeadTimeRule(_Model):
    """For how long a sector takes no photon after each one; those lost do not make it longer."""

    length: float = Field(gt=0)
    """s."""
    note: str = ""
    """Where the figure comes from."""


class EnergyRequirement(_Model):
    """Largest error of the reconstructed energy that a detector may have.

    Examples
    --------
    >>> EnergyRequirement(low=0.3, high=0.5, limit=80.0, energies=(15.0, 150.0)).at(150.0)
    0.5
    """

    low: float = Field(gt=0)
    """Up to `limit`, keV."""
    high: float = Field(gt=0)
    """Above `limit`, keV."""
    limit: float
    """keV."""
    energies: tuple[float, ...] = Field(min_length=1)
    """Energies at which it is checked, keV."""

    def at(self, energy: float) -> float:
        """Largest error allowed at an energy, keV."""
        return self.low if energy <= self.limit else self.high


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
    requirement: EnergyRequirement | None = None
    """None where no requirement is known."""
    note: str = ""
    """Where the scale comes from."""

    @property
    def edges(self) -> FloatArray:
        """Energies at the channels' edges, keV, shape (channels + 1,)."""
        return np.asarray(self.gain * np.arange(self.channels + 1) + self.offset)

    @property
    def centres(self) -> FloatArray:
        """Energies at the channels' centres, keV, shape (channels,)."""
        return np.asarray(self.gain * (np.arange(self.channels) + 0.5) + self.offset)


class Instrument(_Model):
    """A detector."""

    name: str
    title: str
    note: str
    """Source of the definition, and its limits."""
    card_prefix: str
    """Start of the product names, for example ECL."""
    telescope: str
    fits_instrument: str = Field(validation_alias=AliasChoices("fits_instrument", "instrument"))
    """INSTRUME of the FITS files; ``instrument`` in descriptions of before."""
    time: TimeRule
    pixels: PixelGrid
    energy: EnergyScale
    headers: tuple[PacketHeader, ...]
    packets: dict[str, PacketKind]
    mask: MaskGeometry | None = None
    """None for a detector without a coded mask."""
    saa: str | None = None
    """File, in the instrument's folder, with the contour of the South Atlantic Anomaly; None: not known."""
    photons: PhotonRule | None = None
    housekeeping: HousekeepingRule | None = None
    spectra: SpectraRule | None = None
    dead_time: DeadTimeRule | None = None
    """None where it is not known: live time is then the good time."""
    measurement: MeasurementRule | None = None
    """None for a detector without packets that open or close a run."""
    gain: GainRule | None = None
    """None for a detector with an energy scale that is not found from its background."""
    health: HealthRule | None = None
    """None for a detector with pixels that cannot be judged by their neighbours."""
    good_time: dict[Annotated[str, Field(pattern="^[A-Z0-9]{1,8}$")], GoodTimeRule] = {}
    """Conditions of good time by the name of the criterion, besides TLM (telemetry came without a gap)."""
    simulated_destination: int | None = None
    """PUS-C destination id that marks packets as simulated; None where packets do not say."""
    order: int = Field(default=100, validation_alias=AliasChoices("order", "place"))
    """Order in lists of detectors: low first, then by name. The first is shown where none was asked for;
    ``place`` in descriptions of before."""
    folder: Annotated[Path, Field(exclude=True)]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        apids = {header.apid for header in self.headers}
        for name, kind in self.packets.items():
            if kind.apid not in apids:
                raise ValueError(f"packets.{name}: got APID {kind.apid}, expected one that has [[headers]]")
        for entry, name in self._named_packets():
            if name not in self.packets:
                known = ", ".join(self.packets) or "none: there is no [packets.NAME]"
                raise ValueError(f"{entry}: got packet {name!r}, expected one of {known}")
        return self

    @model_validator(mode="after")
    def _lines_have_a_requirement(self) -> Self:
        if self.gain is not None and self.gain.lines is not None and self.energy.requirement is None:
            raise ValueError("gain.lines: expected [energy.requirement], by which a gain table is judged")
        return self

    def has(self, name: str) -> bool:
        """Whether the description has a part of this name, or packets of this kind.

        Parameters
        ----------
        name
            ``mask``, ``spectra``, ``gain``, ``alert`` …
        """
        return bool(getattr(self, name, None)) or any(kind.kind == name for kind in self.packets.values())

    def _rows(self) -> list[tuple[str, str]]:
        """The summary as rows of a table."""
        grid, scale = self.pixels, self.energy
        last = scale.offset + scale.gain * scale.channels
        return [
            ("name", f"{self.name}: {self.title}"),
            ("pixels", f"{grid.count} ({grid.rows} rows of {grid.columns}), {grid.modules} modules"),
            ("channels", f"{scale.channels}, {scale.offset:g} to {last:g} keV"),
            ("packets", ", ".join(f"{name} (APID {kind.apid})" for name, kind in self.packets.items())),
            ("note", self.note),
        ]

    def __repr__(self) -> str:
        return f"<Instrument {self.name}: {self.title}>"

    def __str__(self) -> str:
        return "\n".join(f"{name:<10}{text}" for name, text in self._rows())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in self._rows())
        return f"<table>{rows}</table>"

    def _named_packets(self) -> Iterator[tuple[str, str]]:
        """Entries that name a kind of packet, and the name."""
        if self.photons is not None:
            yield "photons.packet", self.photons.packet
        if self.spectra is not None:
            yield "spectra.packet", self.spectra.packet
        if self.housekeeping is not None:
            yield from (("housekeeping.packets", name) for name in self.housekeeping.packets)
        if self.measurement is not None:
            yield "measurement.start.packet", self.measurement.start.packet
            yield "measurement.stop.packet", self.measurement.stop.packet

    def header(self, apid: int) -> PacketHeader | None:
        """Header rule of an APID; None for an APID that is not this detector's."""
        return next((h for h in self.headers if h.apid == apid), None)

    def line_blocks(self) -> tuple[Block, ...]:
        """Read the lines that carry the energy scale.

        Returns
        -------
        tuple of Block
            Empty for a detector with a scale that is not found from lines.

        Raises
        ------
        BadDataError
            For a table that cannot be read.
        """
        tables = None if self.gain is None else self.gain.lines
        if tables is None:
            return ()
        edges = None if tables.edges is None else self.folder / tables.edges
        return read_blocks(self.folder / tables.lines, self.folder / tables.blocks, edges)

    def layout_file(self, packet: str) -> Path:
        """Layout table of a kind of packet; where there are several, the first."""
        return self.folder / self.packets[packet].layout

    def layout_files(self, packet: str) -> tuple[Path, ...]:
        """Layout table of a kind of packet, and its alternatives."""
        kind = self.packets[packet]
        return tuple(self.folder / name for name in (kind.layout, *kind.alternatives))
