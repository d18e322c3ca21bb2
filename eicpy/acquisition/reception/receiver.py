"""The receiver: archives what it is sent over TCP and UDP, before anything else sees it.

It listens on the loopback unless told otherwise, and accepts only the peers it was given. Connections and
senders come and go (:mod:`.streams`); their whole packets go to the archiver, which knows where runs end.
Foreign and damaged bytes are archived like all others, and counted. When the disk is full, reading stops
until there is space: senders over TCP wait, datagrams are lost and counted.
"""

import asyncio
import ipaddress
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape

from eicpy.acquisition.reception.archiver import RunTexts
from eicpy.acquisition.reception.held_sockets import GivenSockets
from eicpy.acquisition.reception.session import Reception, Rules
from eicpy.acquisition.status import Station
from eicpy.errors import BadArgumentError
from eicpy.instruments import Instrument
from eicpy.runs.archive import RunArchive
from eicpy.runs.run import Run

__all__ = ["LOOPBACK", "ReceiveSummary", "receive"]

LOOPBACK = ("127.0.0.1", "::1")


@dataclass
class ReceiveSummary:
    """What was received.

    Parameters
    ----------
    run
        The run that was opened last; None if nothing came.
    runs
        All runs that were opened, oldest first.
    size
        Bytes in the archive.
    packets, damaged, foreign_bytes
        Valid packets, damaged packets, and bytes that are part of no packet.
    connections
        Connections accepted.
    refused
        Addresses that are no peers, with how often they tried.
    udp_dropped
        Datagrams that came and were lost.
    seconds
        From the first byte to the last, s.
    problems
        What went wrong and was got over, or is left to the next start.
    """

    run: Run | None = None
    runs: tuple[Run, ...] = ()
    size: int = 0
    packets: int = 0
    damaged: int = 0
    foreign_bytes: int = 0
    connections: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    udp_dropped: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        numbers = ", ".join(str(run.number) for run in self.runs)
        run = f"run {numbers}" if numbers else "nothing came"
        refused = ", ".join(f"{escape(peer)} ({n}×)" for peer, n in self.refused.items()) or "none"
        return (
            f"<p>Received: {run}, {self.size} bytes, {self.packets} packets, {self.damaged} damaged, "
            f"{self.foreign_bytes} foreign bytes, {self.connections} connections, "
            f"{self.udp_dropped} datagrams lost, refused: {refused}</p>"
        )


def receive(
    archive: RunArchive,
    instrument: Instrument,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    udp: tuple[str, int] | None = None,
    sockets: GivenSockets | None = None,
    peers: Sequence[str] = LOOPBACK,
    until_idle: float | None = None,
    duration: float | None = None,
    until_disconnect: bool = False,
    operator: str = "",
    setup: str = "",
    comment: str = "",
    position: str = "",
    patience: float = 5.0,
    station: Station | None = None,
    stop: threading.Event | None = None,
    on_listening: Callable[[str, int], None] | None = None,
    on_listening_udp: Callable[[str, int], None] | None = None,
    on_progress: Callable[[ReceiveSummary], None] | None = None,
    on_run: Callable[[Run], None] | None = None,
) -> ReceiveSummary:
    """Receive packets over TCP, and UDP where asked, into runs, until told to stop.

    Stops on SIGTERM or SIGINT (when called in the main thread), when `stop` is set, or as the options
    say. The run is closed with what has come. Runs that a dead receiver left unfinished are completed.

    Parameters
    ----------
    archive
        Where runs are opened.
    instrument
        Whose header rules tell packets apart, and whose measurement rule, where it has one, tells by which
        commands runs begin and end. Packets of others are archived all the same.
    host, port
        Address to listen on for connections; port 0 takes a free one.
    udp
        Address and port to listen on for datagrams.
    sockets
        Bound already, for example held by the chain that starts receivers; `host`, `port` and `udp` are
        then ignored.
    peers
        Addresses that may send; by default this machine alone.
    until_idle
        Stop after this long without a byte, s, once something has come.
    duration
        Stop after this long, s.
    until_disconnect
        Stop when the last connection that had sent something closes.
    operator, setup, comment, position
        Kept in the description of the runs.
    patience
        How long the rest of a packet is awaited that a lost connection, or a silent one, has cut, s.
    station
        Where the receiver tells how it is and takes orders.
    stop
        Set by another thread to stop.
    on_listening, on_listening_udp
        Called with the address and the port when connections, or datagrams, are accepted.
    on_progress
        Called every 50 ms with the summary so far.
    on_run
        Called in another thread with each run that is complete, those of a dead receiver too.

    Returns
    -------
    ReceiveSummary
        What was received.

    Raises
    ------
    BadArgumentError
        For an address that is none.
    FailedError
        If an address cannot be listened on, another receiver of the station runs, or the archive cannot be
        written for another reason than a full disk. What was archived before is intact, and its run is
        closed or, where even that fails, left open for the next start.
    """
    reception = Reception(
        archive,
        instrument,
        Rules(
            until_idle=until_idle,
            duration=duration,
            until_disconnect=until_disconnect,
            peers=_addresses(peers),
            patience=patience,
            stop=stop or threading.Event(),
        ),
        RunTexts(operator, setup, comment, position),
        on_run,
    )

    def summary() -> ReceiveSummary:
        return _summarise(reception)

    async def serve() -> None:
        async with reception.listening(lambda: sockets or GivenSockets.bind(host, port, udp), station):
            if on_listening is not None:
                on_listening(*reception.tcp_address)
            if on_listening_udp is not None and reception.datagrams is not None:
                on_listening_udp(*reception.datagrams.address)
            await reception.run(None if on_progress is None else lambda: on_progress(summary()))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(serve())
        return summary()
    with ThreadPoolExecutor(1) as beside:  # in a notebook, whose own loop runs in this thread
        try:
            beside.submit(asyncio.run, serve()).result()
        finally:
            reception.rules.stop.set()
    return summary()


def _summarise(reception: Reception) -> ReceiveSummary:
    runs = tuple(reception.archiver.opened)
    count = reception.count
    return ReceiveSummary(
        run=runs[-1] if runs else None,
        runs=runs,
        size=reception.archiver.archived,
        packets=count.packets,
        damaged=count.damaged,
        foreign_bytes=count.foreign_bytes,
        connections=reception.connections,
        refused=dict(reception.refused),
        udp_dropped=reception.udp_dropped,
        seconds=reception.last - reception.first,
        problems=tuple(reception.problems),
    )


def _addresses(peers: Sequence[str]) -> frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return frozenset(ipaddress.ip_address(peer) for peer in peers)
    except ValueError as error:
        raise BadArgumentError(f"{error}; expected peers as addresses, for example 192.168.1.20") from error
