"""Columns of housekeeping: from arrays to Parquet and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from eicpy.errors import BadArgumentError, BadDataError
from eicpy.housekeeping.catalogue import Parameter
from eicpy.packets import Limits

if TYPE_CHECKING:
    from eicpy.figures.theme import Figure

__all__ = ["TIME", "Series", "make_series", "read_file", "split_days", "to_numpy", "to_table"]

TIME = "TIME"
"""Name of the time column."""
_DAY = 86400.0


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Values of a parameter.

    Parameters
    ----------
    parameter
        Which.
    time
        Times, s TT since the reference, sorted.
    values
        Values: numbers (float64 or integers; NaN where a packet did not carry it) or texts.

    See Also
    --------
    HousekeepingArchive.read : Where series come from.
    check_limits : Excursions of a series beyond its limits.
    """

    parameter: Parameter
    time: npt.NDArray[np.float64]
    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return int(self.time.size)

    def plot(self, limits: Limits | None = None, title: str = "") -> "Figure":
        """Draw the values against UTC, in the parameter's unit.

        Parameters
        ----------
        limits
            Drawn, and values beyond them marked.
        title
            What is shown; the parameter's name where empty.

        Raises
        ------
        BadArgumentError
            For texts.
        """
        from eicpy.figures.plots import housekeeping  # noqa: PLC0415, only figures need Bokeh

        if self.values.dtype.kind == "U":
            raise BadArgumentError(f"got the texts of {self.parameter.name}, expected numbers to draw")
        return housekeeping(
            self.time, self.values, limits, self.parameter.name, self.parameter.unit, title=title
        )

    def __repr__(self) -> str:
        return f"<{self.parameter.packet}.{self.parameter.name}: {len(self)} values>"


def to_table(packet: str, time: npt.ArrayLike, columns: Mapping[str, npt.ArrayLike]) -> pa.Table:
    """Columns as a table sorted by time."""
    times = np.asarray(time, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)):
        raise BadArgumentError(
            f"got times of shape {times.shape} for {packet}, expected one axis, all finite"
        )
    if not packet or any(c in packet for c in "/\\.\0"):
        raise BadArgumentError(f"got packet name {packet!r}, expected one without / \\ and .")
    order = np.argsort(times, kind="stable")
    arrays = {TIME: times[order]}
    for name, values in columns.items():
        array = np.asarray(values)
        if name == TIME or array.shape != times.shape:
            raise BadArgumentError(
                f"got column {name} of shape {array.shape}, "
                f"expected {times.shape} and another name than {TIME}"
            )
        if array.dtype.kind not in "biufU":
            array = array.astype(np.str_)
        arrays[name] = array[order].astype(array.dtype.newbyteorder("="), copy=False)
    return pa.table({name: pa.array(array) for name, array in arrays.items()})


def split_days(table: pa.Table) -> list[pa.Table]:
    """Cut a table that is sorted by time at midnight."""
    number = np.floor(table.column(TIME).to_numpy() / _DAY)
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(number)]
    return [table.slice(a, b - a) for a, b in pairwise(edges) if b > a]


def read_file(path: Path, columns: list[str] | None) -> pa.Table:
    """Read columns of a Parquet file; a damaged one is bad data."""
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise BadDataError(f"got a damaged Parquet file: {error}", file=path) from error


def to_numpy(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Column as an array; a missing number is NaN, a missing text is empty."""
    if pa.types.is_string(column.type):
        return np.asarray(column.fill_null("").to_pylist(), dtype=np.str_)
    if column.null_count:
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy())


def make_series(
    parameter: Parameter, time: npt.NDArray[np.float64], values: npt.NDArray[Any], start: float, stop: float
) -> Series:
    """Values of [start, stop), sorted by time; rows that came twice come once."""
    keep = (time >= start) & (time < stop)
    time, values = time[keep], values[keep]
    order = np.argsort(time, kind="stable")
    time, values = time[order], values[order]
    same = values[1:] == values[:-1]
    if values.dtype.kind == "f":
        same |= np.isnan(values[1:]) & np.isnan(values[:-1])
    fresh = np.concatenate(([True], ~(same & (np.diff(time) == 0)))) if time.size else np.empty(0, dtype=bool)
    return Series(parameter, time[fresh], values[fresh])
