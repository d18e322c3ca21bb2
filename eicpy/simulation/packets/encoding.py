"""From photons and parameters to packets, as the camera would send them.

A photon packet closes when it is full or when its first photon is a second old, whichever comes first; its
time is that of its first photon, the moment it is sent that of its last one (or of the second's end). All
packets are sent in the order of those moments. Nothing depends on the blocks in which photons arrive.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.kernels import kernel
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.simulation.camera.photons import SimulatedPhotons
from eicpy.typing import ByteArray, IntArray

__all__ = ["PHOTONS_PER_PACKET", "Encoder", "PacketBatch", "PhotonPacker", "merge"]


PHOTONS_PER_PACKET = 122
"""PhotonArrays of a full packet of 1002 bytes."""
TICKS_PER_SECOND = 50_000
_FINE = 24
_MOST_AT_ONCE = 15
"""Multiplicity that stands for itself and all above."""


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets, one after the other, in the order in which they are sent.

    Parameters
    ----------
    data
        Their bytes.
    length
        Bytes of each, shape (n,).
    sent
        Moment at which each is sent, 20 µs ticks since the epoch, shape (n,).
    apid, count
        APID and number of the packet within its APID since the start (not modulo 2¹⁴), shape (n,).
    """

    data: ByteArray
    length: IntArray
    sent: IntArray
    apid: IntArray
    count: IntArray

    def __len__(self) -> int:
        return len(self.length)


class Encoder:
    """Packets of an instrument, counted per APID, marked as simulated.

    Parameters
    ----------
    instrument
        Its layouts, headers and destination id.

    Attributes
    ----------
    sent, commands
        Packets of telemetry and telecommands so far, by APID; each has its own sequence counter.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.layouts = {name: PacketLayout.read(instrument.layout_file(name)) for name in instrument.packets}
        self.sent: Counter[int] = Counter()
        self.commands: Counter[int] = Counter()

    def packets(
        self,
        kind: str,
        time: IntArray,
        sent: IntArray,
        columns: dict[str, Any],
        repeated: dict[str, Any] | None = None,
        counts: IntArray | None = None,
    ) -> PacketBatch:
        """Encode packets of one kind.

        Parameters
        ----------
        kind
            Name of the kind in the instrument's description.
        time
            On-board time of each packet, ticks since the epoch, shape (n,).
        sent
            When each is sent, ticks, shape (n,).
        columns, repeated, counts
            Raw values as :func:`eicpy.packets.encode` takes them.
        """
        rule = self.instrument.packets[kind]
        counter = self.commands if rule.command else self.sent
        number = counter[rule.apid] + np.arange(len(time))
        counter[rule.apid] += len(time)
        data = self.make(kind, number, time, columns, repeated, counts)
        return PacketBatch(data, _lengths(data, len(time)), sent, np.full(len(time), rule.apid), number)

    def make(
        self,
        kind: str,
        number: IntArray,
        time: IntArray,
        columns: dict[str, Any],
        repeated: dict[str, Any] | None = None,
        counts: IntArray | None = None,
    ) -> ByteArray:
        """Bytes of packets of one kind that are numbered elsewhere; parameters as for :meth:`packets`.

        Parameters
        ----------
        number
            Sequence counts, taken modulo 2¹⁴, shape (n,).
        """
        rule = self.instrument.packets[kind]
        header = self.instrument.header(rule.apid)
        assert header is not None  # a description without a header for its own packet does not load
        layout = self.layouts[kind]
        if layout.structure is not None and rule.structure is not None:
            columns = {layout.structure.name: np.full(len(time), rule.structure)} | columns
        coarse, rest = np.divmod(time, TICKS_PER_SECOND)
        return encode(
            layout,
            PacketHeaders(
                rule.apid,
                number % COUNT_MODULUS,
                coarse,
                (rest << _FINE) // TICKS_PER_SECOND,
                service=rule.service or 0,
                subservice=rule.subservice or 0,
                destination=self.instrument.simulated_destination or 0,
                command=rule.command,
            ),
            columns,
            repeated,
            counts,
            header=header,
        )


@kernel
def _lengths(data: ByteArray, n: int) -> IntArray:
    """Lengths of n packets that follow one another, from their headers."""
    length = np.empty(n, np.int64)
    at = 0
    for i in range(n):
        length[i] = 7 + (np.int64(data[at + 4]) << 8) + np.int64(data[at + 5])
        at += length[i]
    return length


@kernel
def _first_photons(tick: IntArray, end: int, full: int, age: int) -> tuple[IntArray, IntArray, int]:
    """First photon and moment of sending of every packet that closes before `end`, and what remains."""
    first = np.empty(len(tick), np.int64)
    sent = np.empty(len(tick), np.int64)
    n, start = 0, 0
    for i in range(len(tick)):
        if i > start and tick[i] > tick[start] + age:
            first[n], sent[n] = start, tick[start] + age
            n += 1
            start = i
        if i - start + 1 == full:
            first[n], sent[n] = start, tick[i]
            n += 1
            start = i + 1
    if start < len(tick) and tick[start] + age <= end:
        first[n], sent[n] = start, tick[start] + age
        n += 1
        start = len(tick)
    return first[:n], sent[:n], start


class PhotonPacker:
    """Cuts a stream of photons into packets; keeps the open packet for the next block.

    Parameters
    ----------
    encoder
        Where the packets are made.
    header
        Raw values of the fields that are not photons.

    Raises
    ------
    BadArgumentError
        For an instrument whose photons are not recorded in the way that is simulated.
    """

    _COLUMNS = ("tick", "detnum", "channel", "multiplicity")

    def __init__(self, encoder: Encoder, header: Mapping[str, int] | None = None) -> None:
        self._encoder = encoder
        self._header = dict(header or {})
        rule = encoder.instrument.photons
        if rule is None or len(rule.pixel) != 1 or rule.time.counted_from != "epoch":
            raise BadArgumentError(
                f"got {encoder.instrument.name}, expected an instrument whose photons have a pixel number "
                "and a time that is counted from the epoch"
            )
        if round(1 / rule.time.tick) != TICKS_PER_SECOND:
            raise BadArgumentError(
                f"got photons with ticks of {rule.time.tick} s, expected {1 / TICKS_PER_SECOND} s"
            )
        self._rule = rule
        self._open = [
            np.empty(0, np.int64),
            np.empty(0, np.int16),
            np.empty(0, np.int16),
            np.empty(0, np.uint8),
        ]

    def add(self, block: SimulatedPhotons, end: int) -> PacketBatch:
        """Packets that close in a block.

        Parameters
        ----------
        block
            PhotonArrays.
        end
            End of the block, ticks; later than any moment for the last block.
        """
        columns = [
            np.concatenate([kept, getattr(block, name)])
            for kept, name in zip(self._open, self._COLUMNS, strict=True)
        ]
        tick = columns[0]
        first, sent, used = _first_photons(tick, end, PHOTONS_PER_PACKET, TICKS_PER_SECOND)
        self._open = [column[used:] for column in columns]
        counts = np.diff(np.append(first, used))
        rule = self._rule
        repeated = {
            rule.time.field: tick[:used] & (1 << rule.time.bits) - 1,
            rule.pixel[0].field: columns[1][:used],
            rule.channel: columns[2][:used],
        }
        if rule.multiplicity is not None:
            repeated[rule.multiplicity] = np.minimum(columns[3][:used], _MOST_AT_ONCE)
        header = {name: np.full(len(first), value) for name, value in self._header.items()}
        return self._encoder.packets(rule.packet, tick[first], sent, header, repeated, counts)


@kernel
def _gather(data: ByteArray, offset: IntArray, length: IntArray, out: ByteArray) -> None:
    at = 0
    for i in range(len(offset)):
        out[at : at + length[i]] = data[offset[i] : offset[i] + length[i]]
        at += length[i]


def merge(batches: list[PacketBatch]) -> PacketBatch:
    """All packets in the order in which they are sent; at the same moment in the order of the batches."""
    length, sent, apid, count = (
        np.concatenate([getattr(b, n) for b in batches]) for n in ("length", "sent", "apid", "count")
    )
    data = np.concatenate([b.data for b in batches])
    order = np.argsort(sent, kind="stable")
    offset = (np.cumsum(length) - length)[order]
    out = np.empty_like(data)
    _gather(data, offset, length[order], out)
    return PacketBatch(out, length[order], sent[order], apid[order], count[order])
