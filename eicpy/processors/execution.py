"""One life of a processor: from a checkpoint on, until it is told to stop, is done, or something breaks.

Everything it leaves agrees at each checkpoint: first its outputs are forced to the disk, then one file with
their sizes, the cursor and its own state takes the place of the one before. Whatever ends this life in
between, the next one begins at that file and cuts the outputs back to it.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from eicpy.acquisition.status import StatusReport
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.files import is_full_disk
from eicpy.processors.adapter import Stage
from eicpy.processors.checkpoint import Checkpoint
from eicpy.processors.context import Context
from eicpy.processors.parameters import status_parameters
from eicpy.runs import Increment, Run
from eicpy.runs.provider.cursor import Cursor
from eicpy.runs.provider.provide import Provider

__all__ = ["BatchError", "ProcessorError", "Session"]

_log = logging.getLogger(__name__)

FIRST_BATCH, LARGEST_BATCH = 64, 4096
"""Packets; the first is small because nobody knows yet how long it takes."""
BATCH_SECONDS = 0.25
"""A batch is made as long as takes about so long: the processor answers to a stop, and tells how it is."""
TELL_SECONDS = 0.5
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
        """The place after the batch."""


class Session:
    """One life of a processor.

    Parameters
    ----------
    stage
        The processor.
    context
        Its surroundings, as they were at the checkpoint.
    provider
        Gives the packets from the checkpoint on.
    checkpoint
        Where it begins.
    report
        Where it tells how it is.
    save
        Writes a checkpoint.
    interval
        Between two checkpoints at most, s.
    packets
        Packets in a batch at most; None: as many as are there, adapted to how long they take.
    singly_until
        One packet at a time up to this place, because a batch before it failed.
    """

    def __init__(
        self,
        stage: Stage,
        context: Context,
        provider: Provider,
        checkpoint: Checkpoint,
        report: StatusReport,
        *,
        save: Callable[[Checkpoint], None],
        interval: float,
        packets: int | None,
        singly_until: Cursor | None = None,
    ) -> None:
        self.stage, self.context, self.provider, self.report = stage, context, provider, report
        self.packets = checkpoint.packets
        context.run = checkpoint.run
        self._save = save
        self._interval = interval
        self._most, self._fixed = packets or FIRST_BATCH, packets
        self._singly_until = singly_until
        self._saved_at = self._told_at = self._looked_at = time.monotonic()
        self._dirty = False
        self._troubled = False
        self._cursor = checkpoint.cursor

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Work until told to stop, or until a playback is done.

        Parameters
        ----------
        stop
            Set to stop after the batch at hand.
        once
            Stop also when everything that is in the archive was processed.

        Raises
        ------
        ProcessorError
            If the processor raised an exception; :class:`BatchError` if the packet is not known.
        """
        self._guarded("begin", self.stage.begin)
        self.tell("running")
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
        self._guarded("save", self.stage.save)
        self._guarded("end", self.stage.end)
        self._write()
        self.tell("stopping")

    def save(self) -> None:
        """Save the cursor together with the outputs and the state."""
        self._guarded("save", self.stage.save)
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
        if self._troubled:
            self._troubled = False
            self.report.update(recovered=True)
            self.tell("running")

    def troubled(self) -> None:
        """Keep the state that was told until something was saved again."""
        self._troubled = True

    def tell(self, state: str | None = None) -> None:
        """Tell how the processor is."""
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
        self._told_at = time.monotonic()
        self.report.update(state=None if self._troubled else state, values=values)

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
            self.stage.process(batch)
        # a processor may raise anything, or leave; what it was given is what its author needs to know
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
        if now - self._told_at >= TELL_SECONDS:
            self.tell()

    def _end_run_if_over(self) -> None:
        """End a run that is closed and was read to its end, also where no other follows."""
        self._looked_at = time.monotonic()
        if self.context.run is None:
            return
        run = self._run_at_hand()
        over = run is None or (
            not run.is_open and self._cursor.run == run.number and self._cursor.offset >= run.size
        )
        if over:
            self._end_run()

    def _end_run(self) -> None:
        if self.context.run is None:
            return
        run = self._run_at_hand()
        if run is None:
            _log.warning("run %d was removed; what was made of it so far stays", self.context.run)
        else:
            self._guarded("end_run", lambda: self.stage.end_run(run))
        self.context.run = None
        self.save()

    def _run_at_hand(self) -> Run | None:
        """The run that was begun and has not ended; None where it was removed meanwhile."""
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
