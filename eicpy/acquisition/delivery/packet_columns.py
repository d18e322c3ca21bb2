"""Columns of packets that are handed on: parameters, records, UTC, and whether they are simulated."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.decoding.layouts import packet_layouts
from eicpy.decoding.times import packet_seconds
from eicpy.packets import FieldSpec, GroupRows, Identity, PacketLayout, TextCalibration, decode_alternatives
from eicpy.runs.provider.cursor import Increment
from eicpy.times import to_time

__all__ = ["Parameters", "RecordField", "Records", "parameters", "simulated_rows", "utc_texts"]

_LATEST = 2.5e11
"""Latest time that has a date of four digits, s."""


@dataclass(frozen=True)
class RecordField:
    """A field of records.

    Parameters
    ----------
    spec
        The row of the layout table.
    values
        Shape (n_records,) or (n_records, elements): texts or engineering values (float64) where the field
        has a calibration, else raw numbers in their own type.
    absent
        Shape (n_records,), bool: which records are without the field; None for none.
    """

    spec: FieldSpec
    values: npt.NDArray[Any]
    absent: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Records:
    """The records of a group in the packets of one kind.

    Parameters
    ----------
    within
        Number of records in each packet, or in each record around them.
    fields
        By name, in the order of the table.
    inner
        Records within these records, by the name of their first field.
    """

    within: npt.NDArray[np.int64]
    fields: Mapping[str, RecordField]
    inner: Mapping[str, "Records"] = field(default_factory=dict)


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
    several
        Parameters of several values, and bytes, by name: as fields of a record are.
    records
        Records of each group, by the name of its first field; those within others are in their `inner`.
    """

    rows: npt.NDArray[np.intp]
    raw: Mapping[str, npt.NDArray[Any]]
    values: Mapping[str, npt.NDArray[Any]]
    several: Mapping[str, RecordField]
    records: Mapping[str, Records]


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
    layouts = packet_layouts(increment.instrument, kind)
    layout = layouts[0]
    rows = np.flatnonzero((names == kind) & increment.index.good)
    found = decode_alternatives(increment.data, increment.local[rows], layouts)
    if not found.decoded.complete.all():
        rows = rows[found.decoded.complete]
        found = decode_alternatives(increment.data, increment.local[rows], layouts)
    decoded = found.decoded
    values: dict[str, npt.NDArray[Any]] = {}
    several: dict[str, RecordField] = {}
    for name, numbers in decoded.columns.items():
        if numbers.ndim == 1:
            texts = layout.texts(name, numbers)
            values[name] = layout.calibrate(name, numbers) if texts is None else texts
        else:
            several[name] = RecordField(layout[name], _readable(layout[name], numbers))
    specs = _specs(layouts)
    fields = {
        group: {
            n: RecordField(spec, _readable(spec, decoded.repeated[n]), found.absent.get(n)) for n, spec in own
        }
        for group, own in specs.items()
    }
    return Parameters(rows, decoded.columns, values, several, _nested(decoded.groups, fields))


def _specs(layouts: tuple[PacketLayout, ...]) -> dict[str, list[tuple[str, FieldSpec]]]:
    """Fields of each group, those of the first layout first."""
    found: dict[str, dict[str, FieldSpec]] = {name: {} for name in layouts[0].groups}
    for layout in layouts:
        for name, group in layout.groups.items():
            for spec, _ in group.fields:
                if spec.is_data:
                    found[name].setdefault(spec.name, spec)
    return {name: list(specs.items()) for name, specs in found.items()}


def _nested(
    groups: Mapping[str, GroupRows],
    fields: Mapping[str, Mapping[str, RecordField]],
    parent: str | None = None,
) -> dict[str, Records]:
    """Groups within a group, or within the packets themselves."""
    return {
        name: Records(
            rows.counts if rows.within is None else rows.within, fields[name], _nested(groups, fields, name)
        )
        for name, rows in groups.items()
        if rows.parent == parent
    }


def _readable(spec: FieldSpec, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Texts or engineering values of a field that has some, else its raw numbers."""
    if isinstance(spec.calibration, TextCalibration):
        return spec.calibration.texts(raw)
    return raw if isinstance(spec.calibration, Identity) else spec.calibration(raw)


def simulated_rows(increment: Increment) -> list[bool | None]:
    """Whether each packet says that it is simulated; None where its kind cannot carry the mark."""
    index, instrument = increment.index, increment.instrument
    mark = instrument.simulated_destination
    able = np.isin(index.apid, [h.apid for h in instrument.headers if h.secondary == "pus-c"])
    able &= index.good & ~index.command
    if mark is None:
        able[:] = False
    simulated = (index.destination == mark).tolist() if mark is not None else [False] * len(index)
    return [said if can else None for said, can in zip(simulated, able.tolist(), strict=True)]


def utc_texts(increment: Increment) -> list[str | None]:
    """UTC of each packet as an ISO date with microseconds; None for a packet without a time."""
    seconds = packet_seconds(increment.index, increment.instrument)
    known = np.isfinite(seconds) & increment.index.good & (seconds < _LATEST)
    if not known.any():
        return [None] * len(seconds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*dubious year")  # its leap seconds are not known
        times = to_time(np.where(known, seconds, 0.0)).utc
        times.precision = 6
        texts = times.isot.tolist()
    return [f"{text}Z" if is_known else None for text, is_known in zip(texts, known.tolist(), strict=True)]
