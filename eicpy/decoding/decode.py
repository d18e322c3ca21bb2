"""From packets to photons, housekeeping, spectra and alerts, by the instrument's own tables.

Nothing here knows a detector: which packets are what, which field is the pixel, the channel or the
time, and how wide a counter is, all stand in the instrument's description. Damaged packets are counted
and give no values; photons of a pixel or channel that does not exist are counted and left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.decoding.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.decoding.kernels import photon_columns
from eicpy.decoding.layouts import packet_layouts
from eicpy.decoding.times import epoch_seconds, packet_seconds, packet_ticks
from eicpy.instruments import Instrument, PixelTerm
from eicpy.packets import (
    AlternativePackets,
    DecodedPackets,
    PacketIndex,
    PacketLayout,
    decode_alternatives,
    select,
)
from eicpy.packets.bits import Buffer

__all__ = [
    "alerts",
    "housekeeping",
    "is_simulated",
    "photons",
    "spectra",
]


def is_simulated(index: PacketIndex, instrument: Instrument) -> bool | None:
    """Whether any packet says that it is simulated.

    Parameters
    ----------
    index
        Packets.
    instrument
        Its ``simulated_destination`` marks simulated packets.

    Returns
    -------
    bool or None
        None where the instrument has no such mark, or no packet could carry it.
    """
    mark = instrument.simulated_destination
    apids = [h.apid for h in instrument.headers if h.secondary == "pus-c"]
    # The source of a command says nothing about the detector.
    able = index.good & ~index.command & np.isin(index.apid, apids)
    if mark is None or not able.any():
        return None
    return bool((index.destination[able] == mark).any())


def photons(buffer: Buffer, index: PacketIndex, instrument: Instrument) -> PhotonColumns:
    """Photons of the photon packets in an index.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    instrument
        Its photon rule is applied; without one there are no photons.

    Returns
    -------
    PhotonColumns
        In the order of the packets.

    See Also
    --------
    housekeeping : the parameters of housekeeping packets.
    spectra : spectra that were made on board.
    packet_seconds : the times of packets.
    """
    rule = instrument.photons
    if rule is None:
        return PhotonColumns.empty()
    kind = _decode_kind(buffer, index, instrument, rule.packet, timed=True)
    raw = _Records(kind, rule.channel)
    if rule.time.counted_from == "packet":
        start = packet_seconds(kind.index, instrument)
        high = np.empty(0, np.int64)
    else:
        start = np.full(len(kind.index), epoch_seconds(instrument))
        high = packet_ticks(kind.index, instrument, rule.time.tick)
    time, detnum, channel, multiplicity, bad = photon_columns(
        raw[rule.time.field],
        raw.sum(rule.pixel),
        raw[rule.channel],
        raw[rule.multiplicity] if rule.multiplicity else np.empty(0, np.uint8),
        raw.packet,
        start,
        high,
        rule.time.bits,
        rule.time.tick,
        instrument.pixels.count,
        instrument.energy.channels,
    )
    baseline = None
    if rule.baseline is not None:
        baseline = raw.where_present(rule.baseline)
        if bad.any():  # what the loop left out, this leaves out
            known = _exists(raw.sum(rule.pixel), instrument.pixels.count)
            baseline = baseline[known & _exists(raw[rule.channel], instrument.energy.channels)]
    return PhotonColumns(
        time, detnum, channel, multiplicity, int(bad[0]), int(bad[1]), kind.damaged,
        baseline=baseline, undecided_packets=int(kind.found.undecided.sum()),
    )  # fmt: skip


def housekeeping(buffer: Buffer, index: PacketIndex, instrument: Instrument) -> dict[str, HousekeepingTable]:
    """Housekeeping parameters, by kind of packet.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    instrument
        Its housekeeping packets are decoded.

    Returns
    -------
    dict of str to HousekeepingTable
        One table for each kind, empty where no packet came.

    See Also
    --------
    photons : the photons of photon packets.
    eicpy.packets.decode : raw columns of one kind of packet.
    """
    rule = instrument.housekeeping
    return {} if rule is None else {name: _table(buffer, index, instrument, name) for name in rule.packets}


def alerts(buffer: Buffer, index: PacketIndex, instrument: Instrument) -> dict[str, HousekeepingTable]:
    """Alert packets, by kind; parameters and result as in :func:`housekeeping`."""
    names = [name for name, kind in instrument.packets.items() if kind.kind == "alert"]
    return {name: _table(buffer, index, instrument, name) for name in names}


def spectra(buffer: Buffer, index: PacketIndex, instrument: Instrument) -> SpectraColumns:
    """Spectra that were accumulated on board.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    instrument
        Its spectra rule is applied; without one there are no spectra.

    Returns
    -------
    SpectraColumns
        One row a pixel and packet.
    """
    rule = instrument.spectra
    if rule is None:
        nothing = np.empty(0)
        return SpectraColumns(nothing, nothing.astype(np.int16), np.empty((0, 0), np.int64), nothing)
    kind = _decode_kind(buffer, index, instrument, rule.packet)
    raw = _Records(kind, rule.counts)
    detnum = raw.sum(rule.pixel)
    known = _exists(detnum, instrument.pixels.count)
    counts = raw[rule.counts].reshape(len(detnum), rule.bins)[known].astype(np.int64)
    live_time = raw[rule.live_time] * rule.live_tick if rule.live_time else np.full(len(detnum), np.nan)
    return SpectraColumns(
        packet_seconds(kind.index, instrument)[raw.packet][known],
        detnum[known].astype(np.int16),
        counts,
        live_time[known].astype(np.float64),
        int(np.count_nonzero(~known)),
        kind.damaged,
    )


@dataclass(frozen=True)
class _Kind:
    """The intact packets of one kind, decoded."""

    index: PacketIndex
    layout: PacketLayout
    found: AlternativePackets
    damaged: int

    @property
    def decoded(self) -> DecodedPackets:
        return self.found.decoded


def _decode_kind(
    buffer: Buffer, index: PacketIndex, instrument: Instrument, name: str, *, timed: bool = False
) -> _Kind:
    """Decode the packets of a kind; those damaged, shorter than their table or without time are counted."""
    layouts = packet_layouts(instrument, name)
    chosen = index[select(buffer, index, instrument.packets[name], layouts[0])]
    good = chosen[chosen.good & (chosen.coarse >= 0)] if timed else chosen[chosen.good]
    found = decode_alternatives(buffer, good, layouts)
    if not found.decoded.complete.all():
        good = good[found.decoded.complete]
        found = decode_alternatives(buffer, good, layouts)
    return _Kind(good, layouts[0], found, len(chosen) - len(good))


def _exists(numbers: npt.NDArray[Any], count: int) -> npt.NDArray[np.bool_]:
    """Which numbers of pixels, or of channels, there are."""
    exists: npt.NDArray[np.bool_] = (numbers >= 0) & (numbers < count)
    return exists


class _Records:
    """Fields of the records that hold a field, one value a record, wherever the fields stand."""

    def __init__(self, kind: _Kind, field: str) -> None:
        self.decoded, self._absent = kind.decoded, kind.found.absent
        self.packet = np.arange(len(self.decoded))
        for name, group in kind.layout.groups.items():
            if any(spec.name == field for spec, _ in group.fields):
                self.packet = self.decoded.groups[name].packet

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Values of a field; one that stands once in a packet counts for all its records."""
        if name in self.decoded.repeated:
            return self.decoded.repeated[name]
        return self.decoded.columns[name][self.packet]

    def where_present(self, name: str) -> npt.NDArray[np.int16]:
        """Values of a field of fewer than 16 bits; −1 for records that are without it."""
        values = self[name].astype(np.int16)
        if name in self._absent:
            values[self._absent[name]] = -1
        return values

    def sum(self, terms: tuple[PixelTerm, ...]) -> npt.NDArray[Any]:
        """Σ scale·field of each record; a single plain field is returned unchanged."""
        if len(terms) == 1 and terms[0].scale == 1:
            return self[terms[0].field]
        total = np.zeros(len(self.packet), np.int64)
        for term in terms:
            total += term.scale * self[term.field].astype(np.int64)
        return total


def _table(buffer: Buffer, index: PacketIndex, instrument: Instrument, name: str) -> HousekeepingTable:
    kind = _decode_kind(buffer, index, instrument, name)
    raw = kind.decoded.columns
    values: dict[str, npt.NDArray[np.float64]] = {}
    texts: dict[str, npt.NDArray[Any]] = {}
    for parameter, numbers in raw.items():
        if numbers.ndim > 1:
            continue  # bytes and arrays are no housekeeping values
        words = kind.layout.texts(parameter, numbers)
        if words is None:
            values[parameter] = kind.layout.calibrate(parameter, numbers)
        else:
            texts[parameter] = words
            values[parameter] = numbers.astype(np.float64)
    time = packet_seconds(kind.index, instrument)
    return HousekeepingTable(name, time, raw, values, texts, kind.layout, kind.damaged)
