"""The layout tables of the kinds of packets of an instrument, read once."""

from functools import cache
from pathlib import Path

from eicpy.instruments import Instrument
from eicpy.packets import PacketLayout, check_alternatives

__all__ = ["packet_layout", "packet_layouts"]


def packet_layout(instrument: Instrument, kind: str) -> PacketLayout:
    """Layout table of a kind of packet; where there are several, the first."""
    return packet_layouts(instrument, kind)[0]


def packet_layouts(instrument: Instrument, kind: str) -> tuple[PacketLayout, ...]:
    """Layout table of a kind of packet, and its alternatives.

    Raises
    ------
    BadDataError
        For a table that cannot be read, or alternatives that cannot stand for one another.
    """
    return _layouts(instrument.layout_files(kind))


@cache
def _layouts(files: tuple[Path, ...]) -> tuple[PacketLayout, ...]:
    layouts = tuple(PacketLayout.read(file) for file in files)
    check_alternatives(layouts)
    return layouts
