"""The other end of the line: what electrical ground support equipment (EGSE) sends to a receiver.

A :class:`Session` sends a source (a file, a run of the archive, a simulation while it is computed) over a
line (TCP or UDP), at a pace, with faults put in on demand and written down. :class:`SendPlan` makes one
from the words of ``eic send``.
"""

from eicpy.egse.commands import CommandDesk, PlacedCommand
from eicpy.egse.counters import KeptCounts
from eicpy.egse.line_faults import KINDS, Disconnect, LineFault, LineFaults, Occurrence, Stall
from eicpy.egse.links import Link, TcpLink, UdpLink
from eicpy.egse.opening import open_source
from eicpy.egse.pace import AtRate, Clock, OnBoard, Pace, Unpaced
from eicpy.egse.plan import SendPlan
from eicpy.egse.session import SendSummary, Session, send
from eicpy.egse.sources import FileSource, NoSource, SimulatorSource, Source
from eicpy.egse.stream_chunk import StreamChunk

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
    "PlacedCommand",
    "SendPlan",
    "SendSummary",
    "Session",
    "SimulatorSource",
    "Source",
    "Stall",
    "StreamChunk",
    "TcpLink",
    "UdpLink",
    "Unpaced",
    "open_source",
    "send",
]
