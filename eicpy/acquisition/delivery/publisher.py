"""Publishing the archive on a bus, by a reader whose place is saved when the bus has acknowledged."""

import threading
import time

from eicpy.acquisition.delivery.packet_messages import BusWriter
from eicpy.acquisition.delivery.passing import CursorFile, Passed, pass_on
from eicpy.acquisition.status import StatusReport
from eicpy.messaging import Bus
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.provide import Provider

__all__ = ["publish"]

_TOLD_EVERY = 0.5
_BATCH = 2048


def publish(
    provider: Provider,
    bus: Bus,
    keep: CursorFile,
    *,
    stop: threading.Event,
    report: StatusReport | None = None,
) -> Passed:
    """Publish packets until told to stop, or until a playback ends.

    Parameters
    ----------
    provider
        Where they come from, at the place that `keep` holds.
    bus
        Where they go.
    keep
        Where the place is saved; never ahead of what the bus has acknowledged.
    stop
        Set to end.
    report
        Tells the monitor how far it is; None for nobody.

    Returns
    -------
    Passed
        What was published.

    Raises
    ------
    FailedError
        If the bus is away for too long, or the place cannot be saved. Nothing is lost: the next call goes on.
    """
    teller = _Teller(provider, BusWriter(bus), report)

    def kept(cursor: Cursor) -> None:
        keep.save(cursor)
        teller.tell()

    def idle() -> bool:
        teller.tell()
        return False

    teller.tell(state="publishing")
    try:
        return pass_on(provider, teller, stop=stop, keep=kept, gone=idle, most_packets=_BATCH)
    finally:
        teller.tell(at_once=True)


class _Teller:
    """Publishes, and tells now and then how far it is."""

    def __init__(self, provider: Provider, writer: BusWriter, report: StatusReport | None) -> None:
        self._provider = provider
        self._writer = writer
        self._report = report
        self._packets = 0
        self._told = 0.0

    def write(self, increment: Increment) -> None:
        """Publish packets; all are kept by the bus when this returns."""
        self._writer.write(increment)
        self._packets += len(increment)

    def close(self) -> None:
        """Nothing ends a bus."""

    def tell(self, state: str | None = None, *, at_once: bool = False) -> None:
        """Update the status, unless it was told a moment ago."""
        now = time.monotonic()
        if self._report is None or (state is None and not at_once and now - self._told < _TOLD_EVERY):
            return
        self._told = now
        cursor = self._provider.cursor
        self._report.update(
            state=state,
            values={
                "mode": "next",
                "run": cursor.run or None,
                "offset": cursor.offset,
                "behind": self._provider.behind,
                "packets": self._packets,
                "skipped": 0,
                "restarts": 0,
                "parameters": {},
            },
        )
