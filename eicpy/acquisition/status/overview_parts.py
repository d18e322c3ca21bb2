"""What a monitor shows, as plain data with units: the run, the links, the packets, the disk, each part.

Made by :mod:`eicpy.acquisition.status.overview` and drawn by the terminal screen and the browser page alike.
Whatever a part did not report, or reported wrongly, is None: it is shown as not known, never as 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = [
    "ApidView",
    "DiskView",
    "Health",
    "LastError",
    "LinkView",
    "PartView",
    "ProcessorView",
    "ReceiverView",
    "RunView",
]

Health = Literal["alive", "silent", "dead", "failed", "ended"]
"""``alive``: its process lives and reports; ``silent``: it lives and has not reported for long;
``dead``: it is gone without a farewell (killed); ``failed``: it ended with an error; ``ended``: it was
stopped."""


@dataclass(frozen=True, kw_only=True)
class PartView:
    """A part of the chain: a process with a status of its own."""

    name: str
    role: str
    """``receiver``, ``processor``, ``dashboard``, ``chain`` …"""
    health: Health
    state: str
    """In its own word, for example ``receiving``. Of a dead part: the last it said."""
    pid: int | None = None
    started: datetime | None = None
    """UTC."""
    updated: datetime | None = None
    """UTC of the report."""
    age: float | None = None
    """Age of the report, s."""
    error: str | None = None
    """The last it had to say about something wrong."""
    restarts: int = 0
    """How often it was started again after a crash."""
    addresses: tuple[str, ...] = ()
    """Where it can be reached, for example ``tcp 127.0.0.1:5000``."""


@dataclass(frozen=True, kw_only=True)
class ReceiverView(PartView):
    """The receiver."""

    run: int | None = None
    mode: str = ""
    """Who opens runs: ``automatic``, ``measurement``, ``configuration``."""
    received: int | None = None
    """Bytes since it was started."""
    rate: float | None = None
    """Bytes per second, now."""
    packets: int | None = None
    damaged: int | None = None
    foreign_bytes: int | None = None
    """Bytes that are part of no packet; archived all the same."""
    udp_dropped: int | None = None
    """Datagrams that the operating system had no room for: lost."""
    connections: int | None = None
    """Open now."""
    gave_way: int | None = None
    """Connections that were closed because there were too many."""
    runs_gone: int | None = None
    """Runs that were removed, moved or replaced while they were written."""
    run_gone: str = ""
    """What is known of the last of them."""


@dataclass(frozen=True, kw_only=True)
class ProcessorView(PartView):
    """A processor."""

    mode: str = ""
    """``next``: every packet; ``last``: the newest, for a quick look."""
    run: int | None = None
    offset: int | None = None
    """Byte of the run up to which it is done."""
    behind: int | None = None
    """Bytes that are archived and that it has not done yet."""
    behind_seconds: float | None = None
    """How long these took to come, at the pace of reception, s."""
    packets: int | None = None
    """Done since it was started."""
    skipped: int | None = None
    """Left out in mode ``last``."""
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    """Its own, by name."""


@dataclass(frozen=True, kw_only=True)
class LinkView:
    """A connection, or a peer that is waited for."""

    address: str
    transport: str
    """``tcp`` or ``udp``."""
    state: str
    """``connected``, ``waiting``, ``refused``."""
    received: int | None = None
    """Bytes."""
    age: float | None = None
    """Since the last byte, s."""


@dataclass(frozen=True, kw_only=True)
class ApidView:
    """The packets of an APID since the receiver was started."""

    apid: int
    name: str
    """In the instrument's own words, for example ``housekeeping dpix``; empty for one it does not know."""
    command: bool = False
    """Telecommands, which have counters of their own."""
    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    damaged: int = 0
    restarted: int = 0
    """How often its counter was set back."""
    out_of_step: int = 0
    """Packets with a wrong count."""
    not_counting: int = 0
    """Packets whose counter stands still or goes at random."""
    unconfirmed: int = 0
    """The last packets, if their count jumps: what is missing before them is not confirmed."""
    counting: str = ""
    """How the counter counts, where it is not in steps of 1."""
    rate: float | None = None
    """Packets per second since the last reading; None at the first."""

    @property
    def wrong(self) -> int:
        """Packets lost, duplicated, out of order, out of step or damaged."""
        return self.lost + self.duplicated + self.out_of_order + self.out_of_step + self.damaged


@dataclass(frozen=True, kw_only=True)
class RunView:
    """The run that is being written, or the last one."""

    number: int
    suffix: str = ""
    """``configuration`` for data taken while the instrument was configured."""
    size: int | None = None
    """Bytes."""
    opened: datetime | None = None
    """UTC."""
    closed: datetime | None = None
    """UTC; None while it is open."""
    age: float | None = None
    """Since it was opened, s."""
    operator: str = ""
    setup: str = ""
    comment: str = ""
    position: str = ""
    source: str = ""
    simulated: bool | None = None
    """None while that is not known."""

    @property
    def is_open(self) -> bool:
        """Whether bytes may still come."""
        return self.closed is None


@dataclass(frozen=True, kw_only=True)
class DiskView:
    """The disk that holds the archive."""

    folder: str
    total: int
    """Bytes."""
    free: int
    """Bytes that this user may still write."""
    seconds_to_full: float | None = None
    """At the present rate, s; None where nothing comes."""

    @property
    def used(self) -> float:
        """Share in use, 0 to 1."""
        return 1.0 - self.free / self.total if self.total else 1.0


@dataclass(frozen=True, kw_only=True)
class LastError:
    """The newest problem that a part has reported."""

    part: str
    text: str
    time: datetime | None
    """UTC of the status that reports it."""
