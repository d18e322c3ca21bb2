"""The other end of the line: what electrical ground support equipment (EGSE) sends to a receiver.

A :class:`SendingSession` sends a source (a file, a run of the archive, a simulation) over a
line (TCP or UDP), at a pace, with faults put in on demand and written down. :class:`SendPlan` makes one
from the words of ``eic send``.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.egse.commands import CommandDesk, PlacedCommand
    from eicpy.egse.counters import KeptCounts
    from eicpy.egse.line_faults import KINDS, Disconnect, LineFault, LineFaults, Occurrence, Stall
    from eicpy.egse.links import Link, TcpLink, UdpLink
    from eicpy.egse.opening import open_source
    from eicpy.egse.pace import AtRate, Clock, OnBoard, Pace, Unpaced
    from eicpy.egse.plan import SendPlan
    from eicpy.egse.session import SendingSession, SendSummary, send
    from eicpy.egse.sources import FileSource, NoSource, PacketSource, SimulatorSource
    from eicpy.egse.stream_chunk import StreamChunk
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "KINDS",
    "AtRate",
    "Clock",
    "CommandDesk",
    "Disconnect",
    "FileSource",
    "KeptCounts",
    "LineFault",
    "LineFaults",
    "Link",
    "NoSource",
    "Occurrence",
    "OnBoard",
    "Pace",
    "PacketSource",
    "PlacedCommand",
    "SendPlan",
    "SendSummary",
    "SendingSession",
    "SimulatorSource",
    "Stall",
    "StreamChunk",
    "TcpLink",
    "UdpLink",
    "Unpaced",
    "open_source",
    "send",
]
