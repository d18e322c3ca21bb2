"""Packets on a pipe, for a program in any language: their bytes, a JSON object for each, or Arrow tables.

``raw`` is the packets one after the other, nothing between them: each tells its own length in bytes 4 and
5. Damaged packets are left out, since their length cannot be trusted, and counted. ``jsonl`` is a line for
each packet, damaged ones included and named. ``arrow`` is an Arrow IPC stream with the same columns for
all its batches: what the headers say, and the parameters of the packets where they are of one kind.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from eicpy.decoding.times import packet_seconds
from eicpy.instruments import Instrument
from eicpy.packets import PacketStatus, decode
from eicpy.runs.provider.cursor import Increment
from eicpy.runs.provider.newest import runs_of
from eicpy.runs.provider.selection import Selection, kind_names, packet_layout
from eicpy.times import to_time

__all__ = [
    "Format",
    "JsonLines",
    "PacketWriter",
    "Parameters",
    "RawPackets",
    "packet_writer",
    "parameters",
    "simulated_rows",
    "utc_texts",
]

_LATEST = 2.5e11
"""Latest time that has a date of four digits, s."""

Format: TypeAlias = Literal["raw", "jsonl", "arrow"]


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
            self.stream.write(b"".join(packet for _, packet in whole.packets()))
            self.stream.flush()

    def close(self) -> None:
        """Nothing ends a stream of packets."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of the packets of one kind in an increment.

    Parameters
    ----------
    rows
        Rows of the packets, shape (n,); damaged ones, and those shorter than their table, are not among them.
    raw
        Raw numbers by name, shape (n,), or (n, elements).
    values
        Engineering values, float64, or texts, by name, shape (n,); only of parameters with one value.
    """

    rows: npt.NDArray[np.intp]
    raw: Mapping[str, npt.NDArray[Any]]
    values: Mapping[str, npt.NDArray[Any]]


def parameters(increment: Increment, kind: str, names: npt.NDArray[Any]) -> Parameters:
    """Decode the packets of one kind.

    Parameters
    ----------
    increment
        Any packets.
    kind
        Name of the kind, as in the instrument's description.
    names
        Name of the kind of each packet: `kind_names` of the increment.
    """
    layout = packet_layout(increment.instrument, kind)
    rows = np.flatnonzero((names == kind) & increment.index.good)
    decoded = decode(increment.data, increment.local[rows], layout)
    if not decoded.complete.all():
        rows = rows[decoded.complete]
        decoded = decode(increment.data, increment.local[rows], layout)
    values: dict[str, npt.NDArray[Any]] = {}
    for name, numbers in decoded.columns.items():
        if numbers.ndim == 1:
            texts = layout.texts(name, numbers)
            values[name] = layout.calibrate(name, numbers) if texts is None else texts
    return Parameters(rows, decoded.columns, values)


def simulated_rows(increment: Increment) -> list[bool | None]:
    """Whether each packet says that it is simulated; None where it cannot tell."""
    index, instrument = increment.index, increment.instrument
    mark = instrument.simulated_destination
    able = np.isin(index.apid, [h.apid for h in instrument.headers if h.secondary == "pus-c"])
    able &= index.good & ~index.command
    if mark is None:
        able[:] = False
    told = (index.destination == mark).tolist() if mark is not None else [False] * len(index)
    return [said if can else None for said, can in zip(told, able.tolist(), strict=True)]


@dataclass
class JsonLines:
    """A JSON object on a line for each packet.

    Parameters
    ----------
    stream
        Where they go.
    with_photons
        Whether the photons of photon packets are written, as one list for each of their fields.
    """

    stream: BinaryIO
    with_photons: bool = False

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
            for place, row in enumerate(found.rows.tolist()):
                lines[row]["values"] = {name: _plain(v[place]) for name, v in found.values.items()}
            if self.with_photons and rule is not None and rule.packet == kind:
                for row in found.rows.tolist():
                    lines[row]["photons"] = _photons(increment.part(row, row + 1))


def utc_texts(increment: Increment) -> list[str | None]:
    """UTC of each packet as an ISO date with microseconds; None where an intact packet tells no time."""
    seconds = packet_seconds(increment.index, increment.instrument)
    told = np.isfinite(seconds) & increment.index.good & (seconds < _LATEST)
    if not told.any():
        return [None] * len(seconds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dubious year")  # its leap seconds are not known
        times = to_time(np.where(told, seconds, 0.0)).utc
        times.precision = 6
        texts = times.isot.tolist()
    return [f"{text}Z" if known else None for text, known in zip(texts, told.tolist(), strict=True)]


def _photons(increment: Increment) -> dict[str, list[Any]]:
    photons = increment.photons
    return {
        "time": photons.time.tolist(),
        "detnum": photons.detnum.tolist(),
        "channel": photons.channel.tolist(),
        "multiplicity": photons.multiplicity.tolist(),
    }


def _plain(value: Any) -> Any:
    """A number or text as JSON knows it; what is no number is null."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not np.isfinite(plain) else plain


def packet_writer(
    form: Format,
    stream: BinaryIO,
    instrument: Instrument,
    selection: Selection,
    *,
    with_photons: bool = False,
) -> PacketWriter:
    """Writer of a format.

    Parameters
    ----------
    form
        ``raw``, ``jsonl`` or ``arrow``.
    stream
        Where the bytes go.
    instrument
        Whose packets they are.
    selection
        What is followed: an Arrow stream has columns for the parameters of one kind.
    with_photons
        Whether photons are written: in JSON beside their packet, in Arrow a row for each.
    """
    if form == "raw":
        return RawPackets(stream)
    if form == "jsonl":
        return JsonLines(stream, with_photons)
    from eicpy.acquisition.delivery.arrow import ArrowStream  # noqa: PLC0415, pyarrow takes its time

    return ArrowStream(stream, instrument, selection.kinds, with_photons=with_photons)
