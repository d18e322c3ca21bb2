"""Where measurements begin and end in a stream: by the packets that the instrument's description names."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.instruments import Instrument, MeasurementSwitch
from eicpy.packets import PacketIndex, PacketLayout, decode, select
from eicpy.packets.bits import Buffer

__all__ = ["Switch", "measurement_switches"]


@dataclass(frozen=True, slots=True)
class Switch:
    """A packet by which a measurement begins or ends.

    Parameters
    ----------
    row
        Row of the index.
    starts
        Whether a measurement begins with it; else one ends.
    """

    row: int
    starts: bool


def measurement_switches(buffer: Buffer, index: PacketIndex, instrument: Instrument) -> list[Switch]:
    """Packets by which measurements begin and end, in the order of the stream.

    Only intact packets switch. Where the rule names an argument, a packet too short to hold it does not.

    Parameters
    ----------
    buffer
        The bytes that the index was made from.
    index
        Any packets.
    instrument
        Its measurement rule is applied; without one there are no switches.

    Returns
    -------
    list of Switch
        Empty for most pieces of a stream.

    Raises
    ------
    BadDataError
        If the rule names a field that the packet's table does not have.
    """
    rule = instrument.measurement
    if rule is None or not len(index):
        return []
    starts = _rows(buffer, index, instrument, rule.start)
    stops = _rows(buffer, index, instrument, rule.stop)
    found = [Switch(row, True) for row in starts.tolist()] + [Switch(row, False) for row in stops.tolist()]
    return sorted(found, key=lambda switch: switch.row)


def _rows(
    buffer: Buffer, index: PacketIndex, instrument: Instrument, switch: MeasurementSwitch
) -> npt.NDArray[np.intp]:
    kind = instrument.packets[switch.packet]
    if not (index.apid == kind.apid).any():
        return np.zeros(0, dtype=np.intp)
    file = instrument.layout_file(switch.packet)
    layout = _layout(str(file))
    rows = np.flatnonzero(select(buffer, index, kind, layout) & index.good)
    if switch.field is None or not len(rows):
        return rows
    if switch.field not in layout.single:
        raise BadDataError(
            f"got field {switch.field!r} for the measurement, expected one of {', '.join(layout.single)}",
            file=file,
            advice="eic instrument check reports what else is wrong",
        )
    decoded = decode(buffer, index[rows], layout)
    matches: npt.NDArray[np.bool_] = decoded.complete & (decoded.columns[switch.field] == switch.value)
    return rows[matches]


@cache
def _layout(file: str) -> PacketLayout:
    return PacketLayout.read(file)
