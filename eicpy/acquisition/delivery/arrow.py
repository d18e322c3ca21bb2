"""Packets as Arrow tables: columns that any language reads without parsing.

The columns are fixed when the stream begins. There are those of the headers; of packets of one kind, their
parameters as well (engineering values, or texts) and, as lists of structures, the records that repeat within
them; of photons, a row for each photon instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from eicpy.acquisition.delivery.arrow_records import field_array, record_array, spread
from eicpy.acquisition.delivery.packet_columns import Parameters, parameters, simulated_rows
from eicpy.decoding.layouts import packet_layout
from eicpy.decoding.times import packet_seconds
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.runs.provider.cursor import Increment
from eicpy.runs.provider.newest import runs_of
from eicpy.runs.provider.selection import kind_names

__all__ = ["ArrowStream"]

_HEADER = {
    "run": pa.int64(),
    "offset": pa.int64(),
    "length": pa.int32(),
    "apid": pa.uint16(),
    "command": pa.bool_(),
    "service": pa.uint8(),
    "subservice": pa.uint8(),
    "sequence_count": pa.uint16(),
    "coarse": pa.int64(),
    "fine": pa.int64(),
    "time": pa.float64(),
    "status": pa.uint8(),
    "simulated": pa.bool_(),
}
_PHOTONS = {
    "time": pa.float64(),
    "detnum": pa.int16(),
    "channel": pa.int16(),
    "multiplicity": pa.uint8(),
}
_TIME_UNIT = {"time": {"unit": "s", "reference": "TT since MJDREFI 57754"}}


class ArrowStream:
    """An Arrow IPC stream.

    Parameters
    ----------
    stream
        Where it goes.
    instrument
        Describes the packets.
    kinds
        Kinds of packets that are followed; the parameters become columns where it is one.
    with_photons
        Whether there is a row for each photon instead of one for each packet.
    with_records
        Whether records that repeat within packets of one kind, and parameters of several values, are columns.

    Raises
    ------
    BadArgumentError
        If photons are asked for of a detector that has none.
    """

    def __init__(
        self,
        stream: BinaryIO,
        instrument: Instrument,
        kinds: Sequence[str] = (),
        *,
        with_photons: bool = False,
        with_records: bool = True,
    ) -> None:
        if with_photons and instrument.photons is None:
            raise BadArgumentError(
                f"got photons of {instrument.name}, expected a detector that sends photons"
            )
        self._stream = stream
        self._instrument = instrument
        self._with_photons = with_photons
        self._with_records = with_records
        self._kind = kinds[0] if len(kinds) == 1 and not with_photons else None
        self.schema = self._schema()
        self._writer = pa.ipc.new_stream(stream, self.schema)
        stream.flush()

    def write(self, increment: Increment) -> None:
        """Write a batch and hand it on at once."""
        columns = self._photons(increment) if self._with_photons else self._packets(increment)
        if len(next(iter(columns.values()))):
            arrays = [_array(columns[field.name], field.type) for field in self.schema]
            self._writer.write_batch(pa.record_batch(arrays, schema=self.schema))
            self._stream.flush()

    def close(self) -> None:
        """Write what ends the stream."""
        self._writer.close()
        self._stream.flush()

    def _schema(self) -> Any:
        types: dict[str, Any] = dict(_PHOTONS if self._with_photons else _HEADER)
        notes: dict[str, dict[str, str]] = dict(_TIME_UNIT)
        if self._with_photons and self._has_baseline:
            types["baseline"] = pa.int16()
        if self._kind is not None:
            layout = packet_layout(self._instrument, self._kind)
            empty = Increment.nothing(self._instrument)
            found = parameters(empty, self._kind, kind_names(empty))
            for name, values in found.values.items():
                types[_column(name)] = pa.string() if values.dtype.kind in "OU" else pa.float64()
                notes[_column(name)] = {"unit": layout.units.get(name, "")}
            for name, array in self._nested(found).items():
                types[_column(name)] = array.type
                notes[_column(name)] = {"unit": layout.units.get(name, "")} if name in found.several else {}
        fields = [pa.field(name, kind, metadata=notes.get(name)) for name, kind in types.items()]
        about = {"instrument": self._instrument.name, "kind": self._kind or "", "note": self._instrument.note}
        return pa.schema(fields, metadata=about)

    def _packets(self, increment: Increment) -> Mapping[str, Any]:
        index = increment.index
        columns: dict[str, Any] = {name: getattr(index, name, None) for name in _HEADER}
        columns |= {
            "run": runs_of(increment),
            "time": packet_seconds(index, self._instrument),
            "simulated": simulated_rows(increment),
        }
        if self._kind is not None:
            found = parameters(increment, self._kind, kind_names(increment))
            for name, values in found.values.items():
                texts = values.dtype.kind in "OU"
                column: Any = np.full(len(index), None if texts else np.nan, object if texts else np.float64)
                column[found.rows] = values
                columns[_column(name)] = column
            for name, array in self._nested(found).items():
                columns[_column(name)] = spread(array, found.rows, len(index))
        return columns

    def _nested(self, found: Parameters) -> dict[str, Any]:
        """Records, and parameters of several values, one entry for each packet that was decoded."""
        if not self._with_records:
            return {}
        several = {name: field_array(field) for name, field in found.several.items()}
        return several | {name: record_array(records) for name, records in found.records.items()}

    @property
    def _has_baseline(self) -> bool:
        return self._instrument.photons is not None and self._instrument.photons.baseline is not None

    def _photons(self, increment: Increment) -> Mapping[str, Any]:
        photons = increment.photons
        columns: dict[str, Any] = {name: getattr(photons, name) for name in _PHOTONS}
        if photons.baseline is not None:
            columns["baseline"] = pa.array(photons.baseline, mask=photons.baseline < 0)
        return columns


def _column(name: str) -> str:
    """Column of a parameter or of records; the headers come first."""
    return f"parameter_{name}" if name in _HEADER else name


def _array(values: Any, kind: Any) -> Any:
    return values if isinstance(values, pa.Array) else pa.array(values, kind, from_pandas=True)
