"""Publishing the archive on a bus, by a reader whose position is saved when the bus has acknowledged."""

import threading
import time

from eicpy.acquisition.delivery.packet_messages import BusWriter
from eicpy.acquisition.delivery.passing import CursorFile, Passed, pass_on
from eicpy.acquisition.status import StatusReport
from eicpy.messaging import Bus
from eicpy.runs.provider.cursor import Cursor, Increment
from eicpy.runs.provider.provide import Provider

__all__ = ["publish"]

_REPORT_EVERY = 0.5
_BATCH = 2048


def publish(
    provider: Provider,
    bus: Bus,
    keep: CursorFile,
    *,
    stop: threading.Event,
    report: StatusReport | None = None,
) -> Passed:
    """Publish packets until `stop` is set, or until a playback ends.

    Parameters
    ----------
    provider
        Where they come from, at the position that `keep` holds.
    bus
        Where they go.
    keep
        Where the position is saved; never ahead of what the bus has acknowledged.
    stop
        Set to end.
    report
        Status of the publisher, for the monitor; None to report none.

    Returns
    -------
    Passed
        What was published.

    Raises
    ------
    FailedError
        If the bus is away for too long, or the position cannot be saved. Nothing is lost: the next call
        resumes.
    """
    reporter = _Reporter(provider, BusWriter(bus), report)

    def kept(cursor: Cursor) -> None:
        keep.save(cursor)
        reporter.report()

    def idle() -> bool:
        reporter.report()
        return False

    reporter.report(state="publishing")
    try:
        return pass_on(provider, reporter, stop=stop, keep=kept, gone=idle, most_packets=_BATCH)
    finally:
        reporter.report(at_once=True)


class _Reporter:
    """Publishes, and reports its progress now and then."""

    def __init__(self, provider: Provider, writer: BusWriter, report: StatusReport | None) -> None:
        self._provider = provider
        self._writer = writer
        self._report = report
        self._packets = 0
        self._reported = 0.0

    def write(self, increment: Increment) -> None:
        """Publish packets; all are kept by the bus when this returns."""
        self._writer.write(increment)
        self._packets += len(increment)

    def close(self) -> None:
        """Nothing ends a bus."""

    def report(self, state: str | None = None, *, at_once: bool = False) -> None:
        """Update the status, unless it was updated a moment ago."""
        now = time.monotonic()
        if self._report is None or (state is None and not at_once and now - self._reported < _REPORT_EVERY):
            return
        self._reported = now
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
