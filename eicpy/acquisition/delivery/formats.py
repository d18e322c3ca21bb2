"""Packets on a pipe, for a program in any language: their bytes, a JSON object for each, or Arrow tables.

``raw`` is the packets one after the other, nothing between them: each states its own length in bytes 4 and
5. Damaged packets are left out, since their length cannot be trusted, and counted. ``numbered`` is the same
with a number before each packet, in a form of our own: its run (4 bytes) and its offset in the run (8 bytes),
unsigned, the most significant byte first; on a bus the run is 0 and the offset the number of the message.
``jsonl`` is a line for each packet, damaged ones included and named. ``arrow`` is an Arrow IPC stream with
the same columns for all its batches: what the headers say, and the parameters of the packets where they are
of one kind. Both carry the records that repeat within a packet, as lists of objects or structures.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np

from eicpy.acquisition.delivery.packet_columns import (
    Parameters,
    RecordField,
    Records,
    parameters,
    simulated_rows,
    utc_texts,
)
from eicpy.instruments import Instrument
from eicpy.packets import PacketStatus
from eicpy.runs.provider.cursor import Increment
from eicpy.runs.provider.newest import runs_of
from eicpy.runs.provider.selection import Selection, kind_names

__all__ = [
    "Format",
    "JsonLines",
    "NumberedPackets",
    "PacketWriter",
    "RawPackets",
    "packet_writer",
]

Format: TypeAlias = Literal["raw", "numbered", "jsonl", "arrow"]

_NUMBER = np.dtype([("run", ">u4"), ("offset", ">u8")])


class PacketWriter(Protocol):
    """Writes packets to a stream of bytes."""

    def write(self, increment: Increment) -> None:
        """Write packets and hand them on at once."""

    def close(self) -> None:
        """Write what ends the stream."""


@dataclass
class RawPackets:
    """The bytes of the intact packets.

    Parameters
    ----------
    stream
        Where they go.
    """

    stream: BinaryIO
    left_out: int = field(default=0, init=False)
    """Damaged packets that were not written."""

    def write(self, increment: Increment) -> None:
        """Write the packets and hand them on at once."""
        good = increment.index.good
        self.left_out += len(good) - int(good.sum())
        whole = increment.chosen(good)
        if len(whole):
            self.stream.write(b"".join(self._pieces(whole)))
            self.stream.flush()

    def close(self) -> None:
        """Nothing ends a stream of packets."""

    def _pieces(self, whole: Increment) -> Iterator[bytes]:
        """What is written for packets that are all intact."""
        return (packet for _, packet in whole.packets())


@dataclass
class NumberedPackets(RawPackets):
    r"""The bytes of the intact packets, before each its run and its offset: 12 bytes.

    On a bus the run is 0 and the offset the number that the bus gave the message: a program that keeps the
    number beside the packet has each of them exactly once.

    Examples
    --------
    >>> import struct
    >>> struct.unpack(">IQ", bytes(11) + b"\x07")  # run, number of the message
    (0, 7)
    """

    def _pieces(self, whole: Increment) -> Iterator[bytes]:
        numbers = np.empty(len(whole), _NUMBER)
        numbers["run"], numbers["offset"] = runs_of(whole), whole.index.offset
        for number, (_, packet) in zip(numbers, whole.packets(), strict=True):
            yield number.tobytes()
            yield packet


@dataclass
class JsonLines:
    """A JSON object on a line for each packet.

    Parameters
    ----------
    stream
        Where they go.
    with_photons
        Whether the photons of photon packets are written, as one list for each of their fields.
    with_records
        Whether the records that repeat within a packet are written, as a list of objects for each group, and
        the parameters of several values, as a list (bytes as hexadecimal text).
    """

    stream: BinaryIO
    with_photons: bool = False
    with_records: bool = True

    def write(self, increment: Increment) -> None:
        """Write a line for each packet and hand them on at once."""
        if not len(increment):
            return
        lines = self._headers(increment)
        self._decoded(increment, lines)
        text = "".join(f"{json.dumps(line, ensure_ascii=False, allow_nan=False)}\n" for line in lines)
        self.stream.write(text.encode())
        self.stream.flush()

    def close(self) -> None:
        """Nothing ends a stream of lines."""

    @staticmethod
    def _headers(increment: Increment) -> list[dict[str, Any]]:
        index = increment.index
        timed = (index.coarse >= 0).tolist()
        utc = utc_texts(increment)
        names = kind_names(increment).tolist()
        columns = {
            "run": runs_of(increment).tolist(),
            "offset": index.offset.tolist(),
            "length": index.length.tolist(),
            "apid": index.apid.tolist(),
            "command": index.command.tolist(),
            "service": index.service.tolist(),
            "subservice": index.subservice.tolist(),
            "sequence_flags": index.sequence_flags.tolist(),
            "sequence_count": index.sequence_count.tolist(),
            "coarse": [n if t else None for n, t in zip(index.coarse.tolist(), timed, strict=True)],
            "fine": [n if t else None for n, t in zip(index.fine.tolist(), timed, strict=True)],
            "time": utc,
            "kind": [name or None for name in names],
            "status": [PacketStatus(n).name.lower() for n in index.status.tolist()],
            "simulated": simulated_rows(increment),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _decoded(self, increment: Increment, lines: list[dict[str, Any]]) -> None:
        names = kind_names(increment)
        rule = increment.instrument.photons
        for kind in dict.fromkeys(name for name in names.tolist() if name):
            found = parameters(increment, kind, names)
            for number, row in enumerate(found.rows.tolist()):
                lines[row]["values"] = {name: _plain(v[number]) for name, v in found.values.items()}
            if self.with_records:
                _add_nested(found, lines)
            if self.with_photons and rule is not None and rule.packet == kind:
                for row in found.rows.tolist():
                    lines[row]["photons"] = _photons(increment.part(row, row + 1))


def _photons(increment: Increment) -> dict[str, list[Any]]:
    photons = increment.photons
    columns = {
        "time": photons.time.tolist(),
        "detnum": photons.detnum.tolist(),
        "channel": photons.channel.tolist(),
        "multiplicity": photons.multiplicity.tolist(),
    }
    if photons.baseline is not None:
        columns["baseline"] = [None if level < 0 else level for level in photons.baseline.tolist()]
    return columns


def _add_nested(found: Parameters, lines: list[dict[str, Any]]) -> None:
    """Add the parameters of several values, and the records, to the lines of their packets."""
    for name, field_ in found.several.items():
        for row, value in zip(found.rows.tolist(), _plain_column(field_), strict=True):
            lines[row]["values"][name] = value
    for name, records in found.records.items():
        for row, some in zip(found.rows.tolist(), _plain_records(records), strict=True):
            lines[row].setdefault("records", {})[name] = some


def _plain_records(records: Records) -> list[list[dict[str, Any]]]:
    """Records of each packet, or of each record around them."""
    columns = {name: _plain_column(column) for name, column in records.fields.items()}
    columns |= {name: _plain_records(inner) for name, inner in records.inner.items()}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    ends = np.cumsum(records.within).tolist()
    return [rows[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _plain_column(column: RecordField) -> list[Any]:
    """Values of a field as JSON knows them: null where there is none, or it is not finite."""
    values = column.values
    if column.spec.kind == "bytes":
        plain = [row.tobytes().hex() for row in values]
    elif values.dtype.kind == "f" and not np.isfinite(values).all():
        plain = np.where(np.isfinite(values), values.astype(object), np.array(None)).tolist()
    else:
        plain = values.tolist()
    if column.absent is None:
        return plain
    return [None if is_absent else v for v, is_absent in zip(plain, column.absent.tolist(), strict=True)]


def _plain(value: Any) -> Any:
    """A number or text as JSON knows it; NaN is null."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not np.isfinite(plain) else plain


def packet_writer(
    form: Format,
    stream: BinaryIO,
    instrument: Instrument,
    selection: Selection,
    *,
    with_photons: bool = False,
    with_records: bool = True,
) -> PacketWriter:
    """Writer of a format.

    Parameters
    ----------
    form
        ``raw``, ``numbered``, ``jsonl`` or ``arrow``.
    stream
        Where the bytes go.
    instrument
        Describes the packets.
    selection
        What is followed: an Arrow stream has columns for the parameters of one kind.
    with_photons
        Whether photons are written: in JSON beside their packet, in Arrow a row for each.
    with_records
        Whether what repeats within a packet, and parameters of several values, are written.
    """
    if form == "raw":
        return RawPackets(stream)
    if form == "numbered":
        return NumberedPackets(stream)
    if form == "jsonl":
        return JsonLines(stream, with_photons, with_records)
    from eicpy.acquisition.delivery.arrow import ArrowStream  # noqa: PLC0415, pyarrow takes its time

    return ArrowStream(
        stream, instrument, selection.kinds, with_photons=with_photons, with_records=with_records
    )
