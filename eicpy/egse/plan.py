"""From the words of a command line to a session."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from eicpy.egse.commands import CommandDesk, PlacedCommand
from eicpy.egse.counters import KeptCounts
from eicpy.egse.line_faults import LineFaults, Occurrence
from eicpy.egse.links import Link, TcpLink, UdpLink
from eicpy.egse.opening import open_source
from eicpy.egse.pace import AtRate, OnBoard, Pace, Unpaced
from eicpy.egse.session import SendingSession, Stage, chunk_bytes
from eicpy.egse.sources import NoSource, PacketSource, SimulatorSource
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.settings import Settings
from eicpy.simulation.packets.commands import Refusal

__all__ = ["SendPlan"]


@dataclass(frozen=True)
class SendPlan:
    """What is to be sent, where to and how.

    Parameters
    ----------
    source
        A file, ``run:NUMBER`` or ``simulator:PRESET``; None: telecommands alone, as time goes.
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
    reconnect, connect_timeout
        Whether to go on when the receiver goes away, and how long to try to connect, s.
    faults
        For some of :data:`eicpy.egse.KINDS` how often or where, as :meth:`Occurrence.parse` reads it.
    seed, stall, resume
        As for :class:`eicpy.egse.LineFaults`.
    truth
        File for what was done to which packet.
    commands
        Telecommands of the operator, as :meth:`PlacedCommand.parse` reads them.
    answer
        Whether the instrument answers telecommands of the source too.
    refuse
        What it refuses: acceptance or completion.

    Raises
    ------
    BadArgumentError
        For parameters that contradict each other.

    See Also
    --------
    send : sends a source over a line.
    """

    source: str | None
    host: str
    port: int
    instrument: str | None = None
    udp: bool = False
    datagram: int = 1472
    speed: float | None = None
    rate: float | None = None
    loop: int = 1
    reconnect: bool = False
    connect_timeout: float = 10.0
    faults: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    stall: float = 2.0
    resume: Literal["repeat", "continue"] = "repeat"
    truth: Path | None = None
    commands: Sequence[str] = ()
    answer: bool = False
    refuse: Refusal | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and self.rate is not None:
            raise BadArgumentError(f"got speed {self.speed} and rate {self.rate}, expected one of them")
        if self.source is None and not self.commands:
            raise BadArgumentError("got nothing to send, expected a source, telecommands, or both")
        if self._has_desk and self.instrument is None:
            raise BadArgumentError("got telecommands without an instrument, expected its name (-i NAME)")

    @property
    def looks_at_packets(self) -> bool:
        """Whether anything asks where packets are; if not, a file goes out as bytes."""
        asked = self.udp, self.speed is not None, self.reconnect, self.faults, self.truth, self._has_desk
        return any(asked)

    @property
    def _has_desk(self) -> bool:
        return bool(self.commands or self.answer)

    def open(
        self,
        settings: Settings,
        *,
        progress: Callable[[int, int], None] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> SendingSession:
        """Open the source and the line.

        Parameters
        ----------
        settings
            Where the archive lies.
        progress
            Called with (done, in all), in the units of the source.
        report
            Called with a text: a simulation that is prepared before the line is opened; when the
            line breaks and when it is back.

        Raises
        ------
        BadArgumentError
            For a source, a fault or a pace that cannot be.
        FailedError
            If nobody answers.
        """
        source = self._source(settings)
        pace, faults, stages = self._pace(), self._line_faults(), self._stages(settings)
        if isinstance(source, SimulatorSource):
            report(f"preparing {source.name}; the first time this takes up to a minute")
            source.prepare()
        return SendingSession(
            source,
            self._link(report),
            pace,
            faults=faults,
            stages=stages,
            loop=self.loop,
            truth=self.truth,
            progress=progress,
        )

    def _source(self, settings: Settings) -> PacketSource:
        if self.source is None:
            return NoSource()
        return open_source(
            self.source,
            settings,
            self.instrument,
            blind=not self.looks_at_packets,
            block_size=chunk_bytes(self.rate),
        )

    def _pace(self) -> Pace:
        if self.speed is not None or self.source is None:
            return OnBoard(self.speed or 1.0)
        return Unpaced() if self.rate is None else AtRate(self.rate)

    def _stages(self, settings: Settings) -> list[Stage]:
        if not self._has_desk:
            return []
        assert self.instrument is not None  # __post_init__ saw to that
        placed = [PlacedCommand.parse(text) for text in self.commands]
        detector = load(self.instrument)
        # With a source the same session again is the same bytes: two of them are two ground stations.
        kept = KeptCounts(settings.home / "egse" / f"{detector.name}.json") if self.source is None else None
        return [CommandDesk(detector, placed, answer_source=self.answer, refuse=self.refuse, kept=kept)]

    def _line_faults(self) -> LineFaults | None:
        if not self.faults and self.truth is None:
            return None
        plan = {kind: Occurrence.parse(text) for kind, text in self.faults.items()}
        return LineFaults(plan, seed=self.seed, stall=self.stall, resume=self.resume, whole=self.udp)

    def _link(self, report: Callable[[str], None]) -> Link:
        if self.udp:
            return UdpLink(self.host, self.port, datagram=self.datagram, lenient=self.reconnect)
        return TcpLink(
            self.host,
            self.port,
            connect_timeout=self.connect_timeout,
            reconnect=self.reconnect,
            report=report,
        )
