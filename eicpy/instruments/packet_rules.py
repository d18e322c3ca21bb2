"""How packets are read: headers, kinds, times, and which fields are photons, housekeeping and spectra."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from eicpy.errors import BadArgumentError
from eicpy.instruments.model import DescriptionModel
from eicpy.times import CDS_TICKS, check_day_segments

__all__ = [
    "HousekeepingRule",
    "PacketHeader",
    "PacketKind",
    "PhotonRule",
    "PhotonTime",
    "PixelTerm",
    "SpectraRule",
    "TimeRule",
]


class TimeRule(DescriptionModel):
    """How on-board time becomes Terrestrial Time: epoch + coarse + fine·tick, a perfect clock for now."""

    epoch: str
    """ISO date at which the on-board counter was 0."""
    scale: Literal["utc", "tai", "tt"]
    """Scale of `epoch`; from there on the on-board clock counts SI seconds."""


class PacketHeader(DescriptionModel):
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


class PacketKind(DescriptionModel):
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


class PhotonTime(DescriptionModel):
    """Which field is the time of a photon."""

    field: str
    tick: float
    """Length of a unit, s."""
    counted_from: Literal["packet", "epoch"]
    """``packet``: ticks after the packet's time. ``epoch``: the low bits of a counter that runs since
    the epoch; the packet's time supplies the high bits."""
    bits: int = 32


class PixelTerm(DescriptionModel):
    """A term of detnum = Σ scale·field."""

    field: str
    scale: int = 1


class PhotonRule(DescriptionModel):
    """Which fields of which packet are a photon."""

    packet: str
    time: PhotonTime
    pixel: tuple[PixelTerm, ...]
    channel: str
    multiplicity: str | None = None
    """Field that counts the pixels hit at once; 1 everywhere where None."""
    stream: str = ""
    """DSTREAM of products made of them, the way by which they come down: XBand, VHF …; empty: not known."""
    baseline: str | None = None
    """Field with the level of the readout before the photon, not taken off its channel; it may stand in an
    alternative table of the packet alone. None where no photon carries one."""


class HousekeepingRule(DescriptionModel):
    """Which packets carry housekeeping; parameters, units and limits stand in their layout tables."""

    packets: tuple[str, ...]


class SpectraRule(DescriptionModel):
    """On-board accumulated spectra: repeated (pixel id, histogram) records."""

    packet: str
    pixel: tuple[PixelTerm, ...]
    counts: str
    """Field that holds the histogram, `bins` values a record."""
    bins: int
    live_time: str | None = None
    live_tick: float = 1.0
    """Length of a unit of live time, s."""
