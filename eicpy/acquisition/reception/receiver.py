"""The receiver: archives what it is sent over TCP and UDP, before anything else sees it.

It listens on the loopback by default, and accepts only the peers it was given. Connections and
senders come and go (:mod:`.streams`); their whole packets go to the archiver, which knows where runs end.
Foreign and damaged bytes are archived like all others, and counted. When the disk is full, reading stops
until there is space: senders over TCP wait, datagrams are lost and counted.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape

from eicpy.acquisition.reception.archiver import RunTexts
from eicpy.acquisition.reception.options import (
    LOOPBACK,
    ListenAddress,
    ReceiveRules,
)
from eicpy.acquisition.reception.session import Reception
from eicpy.acquisition.status import Station
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.runs.archive import RunArchive
from eicpy.runs.run import Run

__all__ = ["LOOPBACK", "ReceiveCallbacks", "ReceiveSummary", "receive"]


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
    gave_way
        Connections that were closed because there were too many.
    udp_dropped
        Datagrams that came and were lost.
    seconds
        From the first byte to the last, s.
    problems
        Problems that were overcome, or are left to the next start.
    """

    run: Run | None = None
    runs: tuple[Run, ...] = ()
    size: int = 0
    packets: int = 0
    damaged: int = 0
    foreign_bytes: int = 0
    connections: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    gave_way: int = 0
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
            f"{self.udp_dropped} datagrams lost, {self.gave_way} connections closed for others, "
            f"refused: {refused}</p>"
        )


@dataclass(frozen=True, kw_only=True)
class ReceiveCallbacks:
    """What a receiver calls while it runs.

    Parameters
    ----------
    on_listening, on_listening_udp
        Called with the address and the port when connections, or datagrams, are accepted.
    on_progress
        Called every 50 ms with the summary so far.
    on_run
        Called in another thread with each run that is complete, those of a dead receiver too.
    """

    on_listening: Callable[[str, int], None] | None = None
    on_listening_udp: Callable[[str, int], None] | None = None
    on_progress: Callable[[ReceiveSummary], None] | None = None
    on_run: Callable[[Run], None] | None = None


@accept_old_keywords(
    renamed={"patience": "timeout"},
    address=ListenAddress,
    rules=ReceiveRules,
    texts=RunTexts,
    callbacks=ReceiveCallbacks,
)
def receive(
    archive: RunArchive,
    instrument: Instrument,
    *,
    address: ListenAddress | None = None,
    rules: ReceiveRules | None = None,
    texts: RunTexts | None = None,
    station: Station | None = None,
    callbacks: ReceiveCallbacks | None = None,
) -> ReceiveSummary:
    """Receive packets over TCP, and UDP where asked, into runs, until asked to stop.

    Stops on SIGTERM or SIGINT (when called in the main thread), or as the rules say. The run is closed with
    what has come. Runs that a dead receiver left unfinished are completed.

    Parameters
    ----------
    archive
        Where runs are opened.
    instrument
        Its header rules distinguish the packets; its measurement rule, where it has one, says by which
        commands runs begin and end. Packets of others are archived all the same.
    address
        Where to listen; by default on a free port of the loopback.
    rules
        When to stop, and who may send; by default this machine alone, until a signal comes.
    texts
        Kept in the description of the runs.
    station
        Where the receiver reports its status and takes orders.
    callbacks
        Called when something happens.

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

    See Also
    --------
    eicpy.egse.send : the other end of the line.
    eicpy.runs.provide : reads what is being received, live.
    """
    address, callbacks = address or ListenAddress(), callbacks or ReceiveCallbacks()
    reception = Reception(archive, instrument, rules or ReceiveRules(), texts or RunTexts(), callbacks.on_run)

    def summary() -> ReceiveSummary:
        return _summarise(reception)

    def progress() -> None:
        if callbacks.on_progress is not None:
            callbacks.on_progress(summary())

    async def serve() -> None:
        async with reception.listening(address.bind, station):
            if callbacks.on_listening is not None:
                callbacks.on_listening(*reception.tcp_address)
            if callbacks.on_listening_udp is not None and reception.datagrams is not None:
                callbacks.on_listening_udp(*reception.datagrams.address)
            await reception.run(progress)

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
        size=reception.archived,
        packets=count.packets,
        damaged=count.damaged,
        foreign_bytes=count.foreign_bytes,
        connections=reception.connections,
        refused=dict(reception.refused),
        gave_way=reception.open.gave_way.total(),
        udp_dropped=reception.udp_dropped,
        seconds=reception.last - reception.first,
        problems=tuple(reception.problems),
    )
