"""One execution of a processor: from a checkpoint until it is asked to stop, is done, or an error ends it.

Everything it leaves agrees at each checkpoint: first its outputs are forced to the disk, then one file with
their sizes, the cursor and its own state replaces the one before. Whatever ends an execution in between, the
next one starts from that file and cuts the outputs back to it.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eicpy.acquisition.status import StatusReport
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.files import is_full_disk
from eicpy.processors.adapter import ProcessorAdapter
from eicpy.processors.checkpoint import Checkpoint
from eicpy.processors.context import Context
from eicpy.processors.parameters import status_parameters
from eicpy.runs import Increment, Run
from eicpy.runs.provider.cursor import Cursor
from eicpy.runs.provider.provide import Provider

__all__ = ["BatchError", "BatchRules", "Execution", "ProcessorError"]

_log = logging.getLogger(__name__)

FIRST_BATCH, LARGEST_BATCH = 64, 4096
"""Packets; the first is small because its time is not known yet."""
BATCH_SECONDS = 0.25
"""About the time that a batch takes, so that the processor stops and reports its status soon."""
REPORT_SECONDS = 0.5
LOOK_SECONDS = 0.2
"""Between two looks at whether the run has ended."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1e-3, 1e-2


class ProcessorError(FailedError):
    """An exception in a processor, with the packet it was given."""


class BatchError(ProcessorError):
    """A batch of several packets failed; which of them is not known yet."""

    def __init__(self, message: str, end: Cursor) -> None:
        super().__init__(message)
        self.end = end
        """The position after the batch."""


@dataclass(frozen=True, kw_only=True)
class BatchRules:
    """How many packets an execution gives to its processor at once, and how often it saves.

    Parameters
    ----------
    interval
        Between two checkpoints at most, s.
    packets
        Packets in a batch at most; None: as many as are available, adapted to the time they take.
    singly_until
        One packet at a time up to this position, because a batch before it failed.
    """

    interval: float
    packets: int | None
    singly_until: Cursor | None = None


class Execution:
    """One execution of a processor.

    Parameters
    ----------
    adapter
        The processor.
    context
        Its context, as it was at the checkpoint.
    provider
        Gives the packets from the checkpoint on.
    checkpoint
        Where it starts.
    report
        Its status.
    save
        Writes a checkpoint.
    rules
        How many packets it gives at once, and how often it saves.
    """

    def __init__(
        self,
        adapter: ProcessorAdapter,
        context: Context,
        provider: Provider,
        checkpoint: Checkpoint,
        report: StatusReport,
        *,
        save: Callable[[Checkpoint], None],
        rules: BatchRules,
    ) -> None:
        self.adapter, self.context, self.provider, self.report = adapter, context, provider, report
        self.packets = checkpoint.packets
        context.run = checkpoint.run
        self._save = save
        self._interval = rules.interval
        self._most, self._fixed = rules.packets or FIRST_BATCH, rules.packets
        self._singly_until = rules.singly_until
        self._saved_at = self._reported_at = self._looked_at = time.monotonic()
        self._dirty = False
        self._keeps_state = False
        self._cursor = checkpoint.cursor

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Work until asked to stop, or until a playback is done.

        Parameters
        ----------
        stop
            Set to stop after the current batch.
        once
            Stop also when everything in the archive was processed.

        Raises
        ------
        ProcessorError
            If the processor raised an exception; :class:`BatchError` if the packet is not known.
        """
        self._guarded("begin", self.adapter.begin)
        self.report_status("running")
        pause = SHORTEST_PAUSE
        while not stop.is_set():
            batch = self.provider.poll(self._batch_size())
            if len(batch):
                self._work(batch)
                pause = SHORTEST_PAUSE
            elif self.provider.cursor != self._cursor:
                self._cursor, self._dirty = self.provider.cursor, True
            else:
                done = self.provider.finished or (once and self.provider.behind == 0)
                if done or time.monotonic() - self._looked_at >= LOOK_SECONDS:
                    self._end_run_if_over()
                if done:
                    break
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            self._housekeep()
        if self.provider.finished:
            self._end_run()
        self._guarded("save", self.adapter.save)
        self._guarded("end", self.adapter.end)
        self._write()
        self.report_status("stopping")

    def save(self) -> None:
        """Save the cursor together with the outputs and the state."""
        self._guarded("save", self.adapter.save)
        self._write()

    def _write(self) -> None:
        checkpoint = Checkpoint(
            cursor=self._cursor,
            run=self.context.run,
            packets=self.packets,
            outputs=self.context.outputs.settle(),
            state=self.context.state,
        )
        self._save(checkpoint)
        self.context.outputs.settled()
        self._saved_at, self._dirty, self.context.save_wanted = time.monotonic(), False, False
        if self._keeps_state:
            self._keeps_state = False
            self.report.update(recovered=True)
            self.report_status("running")

    def keep_state(self) -> None:
        """Keep the state in the status (no space) until a checkpoint was saved again."""
        self._keeps_state = True

    def report_status(self, state: str | None = None) -> None:
        """Update the status of the processor."""
        cursor, context = self._cursor, self.context
        values: dict[str, Any] = {
            "mode": context.mode,
            "run": cursor.run or None,
            "offset": cursor.offset,
            "behind": self.provider.behind,
            "packets": self.packets,
            "skipped": self.provider.skipped,
            "restarts": context.restarts,
            "parameters": status_parameters(context.parameters) | _finite(context.reported),
        }
        self._reported_at = time.monotonic()
        self.report.update(state=None if self._keeps_state else state, values=values)

    def _batch_size(self) -> int:
        if self._singly_until is not None:
            if self._cursor < self._singly_until:
                return 1
            self._singly_until = None
            self.save()  # what failed as a batch is behind us
        if self.context.mode == "last":
            return self._fixed or 1
        return self._most

    def _work(self, batch: Increment) -> None:
        if self.context.run is not None and batch.run != self.context.run:
            self._end_run()
        self.context.run = batch.run
        begun = time.monotonic()
        try:
            self.adapter.process(batch)
        # a processor may raise anything, or exit; its author needs to know which packets it was given
        except (Exception, SystemExit) as error:
            if is_full_disk(error):
                raise
            what = f"{type(error).__name__}: {error} at {_position_of(batch)}"
            if len(batch) > 1 and self.context.mode == "next":
                raise BatchError(what, batch.cursor) from error
            raise ProcessorError(what) from error
        self.packets += len(batch)
        self._cursor, self._dirty = batch.cursor, True
        if self._fixed is None:
            fitting = int(BATCH_SECONDS * len(batch) / max(time.monotonic() - begun, 1e-6))
            self._most = max(1, min(fitting, 4 * self._most, LARGEST_BATCH))

    def _housekeep(self) -> None:
        now = time.monotonic()
        if self._dirty and (self.context.save_wanted or now - self._saved_at >= self._interval):
            self.save()
        if now - self._reported_at >= REPORT_SECONDS:
            self.context.outputs.check()
            self.report_status()

    def _end_run_if_over(self) -> None:
        """End a run that is closed and was read to its end, also when no other run follows."""
        self._looked_at = time.monotonic()
        if self.context.run is None:
            return
        run = self._current_run()
        over = run is None or (
            not run.is_open and self._cursor.run == run.number and self._cursor.offset >= run.size
        )
        if over:
            self._end_run()

    def _end_run(self) -> None:
        if self.context.run is None:
            return
        run = self._current_run()
        if run is None:
            _log.warning("run %d was removed; its outputs so far are kept", self.context.run)
        else:
            self._guarded("end_run", lambda: self.adapter.end_run(run))
        self.context.run = None
        self.save()

    def _current_run(self) -> Run | None:
        """The run in progress; None where it was removed meanwhile."""
        assert self.context.run is not None
        try:
            return self.context.archive.run(self.context.run)
        except BadArgumentError:
            return None

    def _guarded(self, step: str, call: Callable[[], None]) -> None:
        try:
            call()
        except (BadDataError, ProcessorError):
            raise
        # as for process()
        except (Exception, SystemExit) as error:
            if is_full_disk(error):
                raise
            where = f" of run {self.context.run}" if self.context.run is not None else ""
            raise ProcessorError(f"{type(error).__name__}: {error} in {step}(){where}") from error


def _finite(values: dict[str, float | str]) -> dict[str, float | str]:
    """Values as JSON takes them: it knows no NaN."""
    return {n: v if isinstance(v, str) or abs(v) < float("inf") else str(v) for n, v in values.items()}


def _position_of(batch: Increment) -> str:
    """Where a batch begins, and how many packets it holds."""
    index = batch.index
    first = (
        f"run {batch.run}, offset {int(index.offset[0])}, APID {int(index.apid[0])}, "
        f"count {int(index.sequence_count[0])}"
    )
    return first if len(batch) == 1 else f"{first} and the {len(batch) - 1} packets after it"
