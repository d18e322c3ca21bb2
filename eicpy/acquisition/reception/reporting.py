"""The status of the receiver, written twice a second."""

import shutil
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from eicpy.acquisition.reception.admission import ConnectionTable, GaveWay
from eicpy.acquisition.reception.framing import StreamCount
from eicpy.acquisition.reception.streams import Stream
from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, timeless_identity
from eicpy.packets.buffers import Buffer
from eicpy.runs.run import Run

if TYPE_CHECKING:
    from eicpy.acquisition.status import StatusReport
    from eicpy.typing import UInt64Array

__all__ = ["ReceptionReport", "ReceptionState"]

_SPAN = 3.0
"""Time over which the rate is taken, s."""
_MOST_UNCOUNTED = 1 << 15
_LINKS = 64
"""Links that are reported at most."""
_APIDS = 128
"""APIDs that are reported at most, of telemetry and of commands each: damaged bytes can look like any."""


@dataclass(frozen=True, kw_only=True)
class ReceptionState:
    """A reception at one moment.

    Parameters
    ----------
    run
        Opened last; None before the first.
    archived, held
        Bytes in the archive, and bytes that wait for space.
    error
        Why the archive cannot be written now.
    mode
        Of the measurement.
    is_full
        Whether reading has stopped, for want of space or of the archive.
    last
        When bytes came last, on the monotonic clock; 0 if none have.
    count
        Packets, damaged packets and foreign bytes.
    udp_dropped
        Datagrams that came and were lost.
    listening
        Addresses of UDP and TCP that are listened on.
    streams, connections
        All streams, and the open connections.
    refused
        Transport and address of those who were not let in.
    gave_way
        Connections that were closed because there were too many, by why it was these.
    """

    run: Run | None
    archived: int
    held: int
    error: str | None
    mode: str | None
    is_full: bool
    last: float
    count: StreamCount
    udp_dropped: int
    listening: list[str]
    streams: Iterable[Stream]
    connections: ConnectionTable
    refused: list[tuple[str, str]]
    gave_way: Counter[GaveWay]


class ReceptionReport:
    """Reports the status of a reception, where there is a station.

    Parameters
    ----------
    folder
        Where the runs lie.
    instrument
        Describes the packets that are counted.
    """

    def __init__(self, folder: Path, instrument: Instrument) -> None:
        self._folder = folder
        self._tally = RunningContinuity(instrument)
        self._known = {header.apid for header in instrument.headers}
        self._uncounted: list[PacketIndex] = []
        self._identities: list[UInt64Array] = []
        self._rows = 0
        self._ticks = {header.apid: header.fine_tick for header in instrument.headers}
        self._run = 0
        self._latest = -np.inf
        self._heard: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.status: StatusReport | None = None
        self.error: str | None = None
        """What is wrong now."""
        self.waits_for: Literal["space", "archive"] = "space"
        """What is not there while reading has stopped."""
        self._gone: list[str] = []
        self._reported: str | None = None
        self._rises = _Rises()
        self.rate = 0.0
        """Bytes per second."""

    def gone(self, words: str) -> None:
        """A run was taken away while it was written."""
        self._gone.append(words)

    def seen(self, index: PacketIndex, run: int, buffer: Buffer) -> None:
        """Count packets of a run, many at a time: judging each chunk by itself would cost more."""
        if self.status is None or not len(index):
            return
        self._notice_repetition(index, run)
        self._uncounted.append(index)
        self._identities.append(timeless_identity(index, buffer))
        self._rows += len(index)
        if self._rows > _MOST_UNCOUNTED:
            self._count()

    def _notice_repetition(self, index: PacketIndex, run: int) -> None:
        """Judge a run that is older than the one before by itself: it is a measurement sent again."""
        time = index.time(self._ticks)[index.good & (index.coarse >= 0)]
        if not len(time):
            return
        if run != self._run and time.min() < self._latest:
            self._count()
            self._tally.begin_anew()
            self._latest = -np.inf
        self._run = run
        self._latest = max(self._latest, float(time.max()))

    def update(self, state: ReceptionState, *, ended: bool = False) -> None:
        """Write the status."""
        now = time.monotonic()
        received = state.archived + state.held
        while len(self._heard) > 1 and now - self._heard[0][0] > _SPAN:
            self._heard.popleft()
        self._heard.append((now, received))
        span = now - self._heard[0][0]
        self.rate = (received - self._heard[0][1]) / span if span > 0 else 0.0
        if self.status is None:
            return
        self._count()
        error = self.error or state.error
        self.status.update(
            state="closing" if ended else self._word(state, now),
            error=error,
            recovered=error is None and self._reported is not None,
            values=self._values(state, now),
        )
        self._reported = error

    def _count(self) -> None:
        if self._uncounted:
            self._tally.add(PacketIndex.concatenate(self._uncounted), np.concatenate(self._identities))
            self._uncounted, self._identities, self._rows = [], [], 0

    def _values(self, state: ReceptionState, now: float) -> dict[str, Any]:
        run, count = state.run, state.count
        free = _free(self._folder)
        return {
            "run": None if run is None else run.number,
            "suffix": "" if run is None else run.suffix,
            "run_size": 0 if run is None else _size(run),
            "received": state.archived + state.held,
            "archived": state.archived,
            "rate": self.rate,
            "packets": count.packets,
            "damaged": count.damaged,
            "foreign_bytes": count.foreign_bytes,
            "risen": self._rises.seen(
                {
                    "udp-dropped": state.udp_dropped,
                    "connections-closed": state.gave_way.total(),
                    "run-gone": len(self._gone),
                }
            ),
            "runs_gone": len(self._gone),
            "run_gone": self._gone[-1] if self._gone else "",
            "connections": len(state.connections),
            "most_connections": state.connections.most,
            "gave_way": {why: state.gave_way[why] for why in sorted(state.gave_way)},
            "links": [*_links(state, now), *self._rises.refused(state.refused, now)][:_LINKS],
            "apids": self._counts(self._tally.counts),
            "commands": self._counts(self._tally.commands),
            "apids_not_told": sum(
                max(len(counts) - _APIDS, 0) for counts in (self._tally.counts, self._tally.commands)
            ),
            "disk_free": free,
            "disk_seconds": free / self.rate if free is not None and self.rate > 0 else None,
            "udp_dropped": state.udp_dropped,
            "listening": state.listening,
            "mode": state.mode,
        }

    def _word(self, state: ReceptionState, now: float) -> str:
        if state.is_full:
            return f"no {self.waits_for}"
        return "receiving" if state.last and now - state.last < 2.0 else "waiting"

    def _counts(self, counts: Mapping[int, PacketCounts]) -> dict[str, dict[str, int | str]]:
        """By APID; of too many those of the instrument, then those of which most came."""
        reported = sorted(counts, key=lambda apid: (apid not in self._known, -counts[apid].received))[:_APIDS]
        return {str(apid): vars(counts[apid]) for apid in sorted(reported)}


def _links(state: ReceptionState, now: float) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = [
        {
            "address": stream.address,
            "transport": stream.transport,
            "state": "connected" if stream.connected else "waiting",
            "bytes": stream.received,
            "age": now - stream.last,
        }
        for stream in sorted(state.streams, key=lambda stream: (stream.good == 0, -stream.last))
    ]
    links += [
        {"address": c.address, "transport": "tcp", "state": "connected", "bytes": 0, "age": now - c.since}
        for c in state.connections
        if c.stream is None
    ]
    return links[:_LINKS]


class _Rises:
    """When counts last rose, and who was refused since when: a page that is opened later cannot know."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._risen: dict[str, str] = {}
        self._refused: dict[tuple[str, str], float] = {}

    def seen(self, counts: Mapping[str, int]) -> dict[str, str]:
        """When each of some counts last rose, ISO, UTC; those that never did are left out."""
        for name, count in counts.items():
            if count > self._counts.get(name, 0):
                self._risen[name] = datetime.now(tz=UTC).isoformat()
            self._counts[name] = count
        return dict(self._risen)

    def refused(self, peers: Iterable[tuple[str, str]], now: float) -> list[dict[str, Any]]:
        """Links that were refused, by transport and address."""
        self._refused = {peer: self._refused.get(peer, now) for peer in peers}
        return [
            {"address": address, "transport": transport, "state": "refused", "bytes": 0, "age": now - since}
            for (transport, address), since in self._refused.items()
        ]


def _size(run: Run) -> int | None:
    """Bytes of the run; None where it is not there any more, or does not say."""
    try:
        return run.size
    except OSError:
        return None


def _free(folder: Path) -> int | None:
    """Bytes that are free where the runs lie; None where the disk does not answer."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free
    except OSError:
        return None
