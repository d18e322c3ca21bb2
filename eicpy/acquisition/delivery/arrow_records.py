"""Records that repeat within packets as Arrow columns: a list of structures for each packet.

A field is a number of its own width and sign, or float64 where it has a calibration, or a text; several
values are a list and bytes are binary. Half-precision floats are widened, as few readers know them. A record
without a field (see :mod:`eicpy.packets.alternatives`) has null there.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from eicpy.acquisition.delivery.packet_columns import RecordField, Records

__all__ = ["field_array", "record_array", "spread"]


def field_array(field: RecordField) -> Any:
    """Array of a field: one entry a record (or a packet), null where it is absent."""
    values, absent = field.values, field.absent
    if field.spec.kind == "bytes":
        plain = pa.array([row.tobytes() for row in values], pa.binary())
    elif values.ndim == 1:
        return _numbers(values, absent)
    else:
        ends = np.arange(len(values) + 1, dtype=np.int64) * values.shape[1]
        plain = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), _numbers(values.reshape(-1), None))
    if absent is None or not absent.any():
        return plain
    return plain.take(_places(~absent))


def record_array(records: Records) -> Any:
    """List of structures for each packet, or for each record around them."""
    columns = {name: field_array(field) for name, field in records.fields.items()}
    columns |= {name: record_array(inner) for name, inner in records.inner.items()}
    structures = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
    ends = np.concatenate([[0], np.cumsum(records.within)])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), structures)


def spread(array: Any, rows: npt.NDArray[np.intp], length: int) -> Any:
    """The entries of an array in these rows of a column; the other rows are null."""
    filled = np.zeros(length, np.bool_)
    filled[rows] = True
    return array.take(_places(filled, array_rows=np.cumsum(filled) - 1))


def _numbers(values: npt.NDArray[Any], absent: npt.NDArray[np.bool_] | None) -> Any:
    if values.dtype.kind in "OU":
        return pa.array(values.astype(object), pa.string(), mask=absent)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    return pa.array(values, pa.from_numpy_dtype(values.dtype), mask=absent)


def _places(filled: npt.NDArray[np.bool_], array_rows: npt.NDArray[Any] | None = None) -> Any:
    rows = np.arange(len(filled)) if array_rows is None else array_rows
    return pa.array(rows, pa.int64(), mask=~filled)
