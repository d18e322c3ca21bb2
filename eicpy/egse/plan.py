"""From the words of a command line to a session."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from eicpy.egse.line_faults import LineFaults, Occurrence
from eicpy.egse.links import Link, TcpLink, UdpLink
from eicpy.egse.opening import open_source
from eicpy.egse.pace import AtRate, OnBoard, Pace, Unpaced
from eicpy.egse.session import Session, chunk_bytes
from eicpy.errors import BadArgumentError
from eicpy.settings import Settings

__all__ = ["SendPlan"]


@dataclass(frozen=True)
class SendPlan:
    """What is to be sent, where to and how.

    Parameters
    ----------
    source
        A file, ``run:NUMBER`` or ``simulator:PRESET``.
    host, port
        The receiver.
    instrument
        Name of the detector; needed for a run.
    udp, datagram
        UDP instead of TCP, and the most bytes of a datagram.
    speed, rate
        By the packets' on-board time, so many times faster; or bytes per second. One of them at most.
    loop
        How often; 0 without end.
    reconnect, patience
        Whether to go on when the receiver goes away, and how long to try to connect, s.
    faults
        For some of :data:`eicpy.egse.KINDS` how often or where, as :meth:`Occurrence.parse` reads it.
    seed, stall, resume
        As for :class:`eicpy.egse.LineFaults`.
    truth
        File for what was done to which packet.

    Raises
    ------
    BadArgumentError
        For parameters that contradict each other.
    """

    source: str
    host: str
    port: int
    instrument: str | None = None
    udp: bool = False
    datagram: int = 1472
    speed: float | None = None
    rate: float | None = None
    loop: int = 1
    reconnect: bool = False
    patience: float = 10.0
    faults: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    stall: float = 2.0
    resume: Literal["repeat", "continue"] = "repeat"
    truth: Path | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and self.rate is not None:
            raise BadArgumentError(f"got speed {self.speed} and rate {self.rate}, expected one of them")

    @property
    def looks_at_packets(self) -> bool:
        """Whether anything asks where packets are; if not, a file goes out as bytes."""
        return bool(self.udp or self.speed is not None or self.reconnect or self.faults or self.truth)

    def open(
        self,
        settings: Settings,
        *,
        progress: Callable[[int, int], None] | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Session:
        """Open the source and the line.

        Parameters
        ----------
        settings
            Where the archive lies.
        progress
            Called with (done, in all) of what the source counts.
        tell
            Is told when the line breaks and when it is back.

        Raises
        ------
        BadArgumentError
            For a source, a fault or a pace that cannot be.
        FailedError
            If nobody answers.
        """
        source = open_source(
            self.source,
            settings,
            self.instrument,
            blind=not self.looks_at_packets,
            chunk=chunk_bytes(self.rate),
        )
        pace, faults = self._pace(), self._line_faults()
        return Session(
            source,
            self._link(tell),
            pace,
            faults=faults,
            loop=self.loop,
            truth=self.truth,
            progress=progress,
        )

    def _pace(self) -> Pace:
        if self.speed is not None:
            return OnBoard(self.speed)
        return Unpaced() if self.rate is None else AtRate(self.rate)

    def _line_faults(self) -> LineFaults | None:
        if not self.faults and self.truth is None:
            return None
        plan = {kind: Occurrence.parse(text) for kind, text in self.faults.items()}
        return LineFaults(plan, seed=self.seed, stall=self.stall, resume=self.resume, whole=self.udp)

    def _link(self, tell: Callable[[str], None]) -> Link:
        if self.udp:
            return UdpLink(self.host, self.port, datagram=self.datagram, lenient=self.reconnect)
        return TcpLink(self.host, self.port, patience=self.patience, reconnect=self.reconnect, tell=tell)
