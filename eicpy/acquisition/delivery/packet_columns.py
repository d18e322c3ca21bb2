"""Columns of packets that are handed on: their parameters, their UTC, and whether they are simulated."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.decoding.times import packet_seconds
from eicpy.packets import decode
from eicpy.runs.provider.cursor import Increment
from eicpy.runs.provider.selection import packet_layout
from eicpy.times import to_time

__all__ = ["Parameters", "parameters", "simulated_rows", "utc_texts"]

_LATEST = 2.5e11
"""Latest time that has a date of four digits, s."""


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
