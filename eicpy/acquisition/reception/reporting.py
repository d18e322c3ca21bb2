"""What the receiver tells about itself, twice a second."""

import shutil
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex

if TYPE_CHECKING:
    from eicpy.acquisition.reception.session import Reception
    from eicpy.acquisition.status import StatusReport

__all__ = ["ReceptionReport"]

_SPAN = 3.0
"""Time over which the rate is taken, s."""
_MOST_UNCOUNTED = 1 << 15
_LINKS = 64
"""Links that are told of at most."""
_APIDS = 128
"""APIDs that are told of at most, of telemetry and of commands each: damaged bytes can look like any."""


class ReceptionReport:
    """Tells the status of a reception, if there is a station to tell it to.

    Parameters
    ----------
    reception
        Of what.
    instrument
        Whose packets are counted.
    """

    def __init__(self, reception: "Reception", instrument: Instrument) -> None:
        self._reception = reception
        self._tally = RunningContinuity(instrument)
        self._known = {header.apid for header in instrument.headers}
        self._uncounted: list[PacketIndex] = []
        self._rows = 0
        self._ticks = {header.apid: header.fine_tick for header in instrument.headers}
        self._run = 0
        self._latest = -np.inf
        self._heard: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.status: StatusReport | None = None
        self.error: str | None = None
        """What is wrong now."""
        self._told: str | None = None
        self.rate = 0.0
        """Bytes per second."""

    def seen(self, index: PacketIndex) -> None:
        """Count packets, many at a time: judging each chunk beside its forerunners would cost more."""
        if self.status is None or not len(index):
            return
        self._notice_repetition(index)
        self._uncounted.append(index)
        self._rows += len(index)
        if self._rows > _MOST_UNCOUNTED:
            self._count()

    def _notice_repetition(self, index: PacketIndex) -> None:
        """Judge a run that is older than what came before by itself: it is a measurement sent again."""
        opened = self._reception.archiver.opened
        run = opened[-1].number if opened else 0
        time = index.time(self._ticks)[index.good & (index.coarse >= 0)]
        if not len(time):
            return
        if run != self._run and time.min() < self._latest:
            self._count()
            self._tally.begin_anew()
            self._latest = -np.inf
        self._run = run
        self._latest = max(self._latest, float(time.max()))

    def tell(self, *, ended: bool = False) -> None:
        """Write the status."""
        now = time.monotonic()
        received = self._received()
        while len(self._heard) > 1 and now - self._heard[0][0] > _SPAN:
            self._heard.popleft()
        self._heard.append((now, received))
        span = now - self._heard[0][0]
        self.rate = (received - self._heard[0][1]) / span if span > 0 else 0.0
        if self.status is None:
            return
        self._count()
        error = self.error or self._reception.archiver.error
        self.status.update(
            state="closing" if ended else self._state(now),
            error=error,
            recovered=error is None and self._told is not None,
            values=self._values(now, received),
        )
        self._told = error

    def _count(self) -> None:
        if self._uncounted:
            self._tally.add(PacketIndex.concatenate(self._uncounted))
            self._uncounted, self._rows = [], 0

    def _received(self) -> int:
        return self._reception.archiver.archived + self._reception.archiver.held

    def _state(self, now: float) -> str:
        if self._reception.is_full:
            return "no space"
        return "receiving" if self._reception.first and now - self._reception.last < 2.0 else "waiting"

    def _values(self, now: float, received: int) -> dict[str, Any]:
        reception, archiver = self._reception, self._reception.archiver
        run = archiver.opened[-1] if archiver.opened else None
        free = _free(reception.archive.folder)
        listening = [f"tcp {reception.tcp_address[0]}:{reception.tcp_address[1]}"]
        if reception.datagrams is not None:
            listening.append(f"udp {reception.datagrams.address[0]}:{reception.datagrams.address[1]}")
        return {
            "run": None if run is None else run.number,
            "suffix": "" if run is None else run.suffix,
            "run_size": 0 if run is None else run.size,
            "received": received,
            "archived": archiver.archived,
            "rate": self.rate,
            "packets": reception.count.packets,
            "damaged": reception.count.damaged,
            "foreign_bytes": reception.count.foreign_bytes,
            "links": self._links(now),
            "apids": self._counts(self._tally.counts),
            "commands": self._counts(self._tally.commands),
            "apids_not_told": sum(
                max(len(counts) - _APIDS, 0) for counts in (self._tally.counts, self._tally.commands)
            ),
            "disk_free": free,
            "disk_seconds": free / self.rate if free is not None and self.rate > 0 else None,
            "udp_dropped": reception.udp_dropped,
            "listening": listening,
            "mode": archiver.mode,
        }

    def _counts(self, counts: Mapping[int, PacketCounts]) -> dict[str, dict[str, int]]:
        """By APID; of too many those of the instrument, then those of which most came."""
        told = sorted(counts, key=lambda apid: (apid not in self._known, -counts[apid].received))[:_APIDS]
        return {str(apid): vars(counts[apid]) for apid in sorted(told)}

    def _links(self, now: float) -> list[dict[str, Any]]:
        reception = self._reception
        refused = [("tcp", address) for address in reception.refused]
        if reception.datagrams is not None:
            refused += [("udp", address) for address in list(reception.datagrams.refused)]
        silent = [connection for connection in reception.open if connection.stream is None]
        links: list[dict[str, Any]] = [
            {
                "address": stream.address,
                "transport": stream.transport,
                "state": "connected" if stream.connected else "waiting",
                "bytes": stream.received,
                "age": now - stream.last,
            }
            for stream in reception.streams.all
        ]
        links += [
            {"address": c.address, "transport": "tcp", "state": "connected", "bytes": 0, "age": now - c.since}
            for c in silent
        ]
        links += [
            {"address": address, "transport": transport, "state": "refused", "bytes": 0, "age": None}
            for transport, address in refused
        ]
        return links[:_LINKS]


def _free(folder: Path) -> int | None:
    """Bytes that are free where the runs lie; None where the disk does not answer."""
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free
    except OSError:
        return None
