"""Packets as Arrow tables: columns that any language reads without parsing.

The columns are fixed when the stream begins. There are those of the headers; of packets of one kind, their
parameters as well (engineering values, or texts); of photons, a row for each photon instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from eicpy.acquisition.delivery.packet_columns import parameters, simulated_rows
from eicpy.decoding.times import packet_seconds
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.runs.provider.cursor import Increment
from eicpy.runs.provider.newest import runs_of
from eicpy.runs.provider.selection import kind_names, packet_layout

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
    ) -> None:
        if with_photons and instrument.photons is None:
            raise BadArgumentError(
                f"got photons of {instrument.name}, expected a detector that sends photons"
            )
        self._stream = stream
        self._instrument = instrument
        self._with_photons = with_photons
        self._kind = kinds[0] if len(kinds) == 1 and not with_photons else None
        self.schema = self._schema()
        self._writer = pa.ipc.new_stream(stream, self.schema)
        stream.flush()

    def write(self, increment: Increment) -> None:
        """Write a batch and hand it on at once."""
        columns = self._photons(increment) if self._with_photons else self._packets(increment)
        if len(next(iter(columns.values()))):
            arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in self.schema]
            self._writer.write_batch(pa.record_batch(arrays, schema=self.schema))
            self._stream.flush()

    def close(self) -> None:
        """Write what ends the stream."""
        self._writer.close()
        self._stream.flush()

    def _schema(self) -> Any:
        types: dict[str, Any] = dict(_PHOTONS if self._with_photons else _HEADER)
        notes: dict[str, dict[str, str]] = dict(_TIME_UNIT)
        if self._kind is not None:
            layout = packet_layout(self._instrument, self._kind)
            empty = Increment.nothing(self._instrument)
            for name, values in parameters(empty, self._kind, kind_names(empty)).values.items():
                column = f"parameter_{name}" if name in types else name
                types[column] = pa.string() if values.dtype.kind in "OU" else pa.float64()
                notes[column] = {"unit": layout.units.get(name, "")}
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
                columns[f"parameter_{name}" if name in _HEADER else name] = column
        return columns

    def _photons(self, increment: Increment) -> Mapping[str, Any]:
        photons = increment.photons
        return {name: getattr(photons, name) for name in _PHOTONS}
