"""What is to be done about a run that has ended: hash, index, commands and housekeeping; beside reception.

The run is closed for readers before (:meth:`~eicpy.runs.RunWriter.seal`). If the process dies in the
middle, :meth:`~eicpy.runs.RunArchive.unfinished` names the run and the next start does the rest.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from eicpy.acquisition.reception.framing import StreamCount
from eicpy.decoding.decode import is_simulated
from eicpy.errors import EicpyError, FailedError, GoneError
from eicpy.files import is_passing
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.runs.archive import RunArchive
from eicpy.runs.listing import RunNames
from eicpy.runs.run import Run
from eicpy.runs.writer import RunWriter

__all__ = ["Closer"]

_log = logging.getLogger(__name__)

_MOST_HELD = 32
"""Runs that are held open until it is their turn; more are closed meanwhile, because file handles are few."""


class Closer:
    """Completes runs one after the other in a thread of its own.

    Parameters
    ----------
    archive
        Of the runs.
    instrument
        Its rules index them.
    on_closed
        Called in that thread with each run that is complete, and what is in it.
    """

    def __init__(
        self,
        archive: RunArchive,
        instrument: Instrument,
        on_closed: Callable[[Run, StreamCount], None] | None = None,
    ) -> None:
        self._archive = archive
        self._instrument = instrument
        self._on_closed = on_closed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="closing")
        self.errors: list[EicpyError] = []
        """Why runs could not be completed; they are still unfinished."""
        self.gone = 0
        """Bytes of runs that were removed, moved or replaced before they were complete."""
        self._left: list[Run] = []
        self._submitted = self._done = 0

    def submit(self, writer: RunWriter) -> None:
        """Complete a sealed run."""
        self._submitted += 1
        if self._submitted - self._done <= _MOST_HELD:
            self._thread.submit(self._attempt, writer.run, writer)
        else:
            writer.release()
            self._thread.submit(self._attempt, writer.run, None)

    def retry(self) -> None:
        """Try again what failed for want of space, or of the disk."""
        left, self._left = self._left, []
        for run in left:
            self._submitted += 1
            self._thread.submit(self._attempt, run, None)

    def recover(self, names: RunNames) -> None:
        """Complete what a receiver that died has left among some runs; looking for it takes no time here."""
        self._thread.submit(self._recover, names)

    def close(self) -> None:
        """Wait until all is done."""
        self._thread.shutdown(wait=True)

    def _recover(self, names: RunNames) -> None:
        try:
            for run in self._archive.unfinished(names):
                try:
                    writer = self._archive.take_over(run)
                except EicpyError as error:
                    _log.warning("run %d is left as it is: %s", run.number, error)
                else:
                    _log.warning("completing run %d, which a receiver that died had left", run.number)
                    self._submitted += 1
                    self._attempt(run, writer)
        except Exception as error:  # noqa: BLE001, a mistake of ours must not go unheard in this thread
            _log.exception("runs that a receiver that died had left are not complete")
            self.errors.append(FailedError(f"runs that were left unfinished are not complete: {error!r}"))

    def _attempt(self, run: Run, writer: RunWriter | None) -> None:
        try:
            count = self._complete(run, writer or self._archive.take_over(run))
            if self._on_closed is not None:
                self._on_closed(run, count)
        except GoneError as error:
            _log.error("run %d is not complete: %s", run.number, error)
            self.errors.append(error)
            self.gone += 0 if writer is None else writer.size
        except EicpyError as error:
            _log.error("run %d is not complete: %s", run.number, error)
            self.errors.append(error)
            if is_passing(error):
                self._left.append(run)
        except Exception as error:  # noqa: BLE001, a mistake of ours must not go unheard in this thread
            _log.exception("run %d is not complete", run.number)
            self.errors.append(FailedError(f"run {run.number} is not complete: {error!r}"))
        finally:
            self._done += 1

    def _complete(self, run: Run, writer: RunWriter) -> StreamCount:
        try:
            index = _index(run, self._instrument, writer)
            count = StreamCount()
            count.add(index)
            writer.complete(simulated=is_simulated(index, self._instrument))
        finally:
            writer.release()
        run.commands_and_housekeeping(self._instrument)
        return count


def _index(run: Run, instrument: Instrument, writer: RunWriter) -> PacketIndex:
    writer.check()
    try:
        return run.index(instrument)
    except OSError as error:
        writer.check()  # it may have been removed meanwhile
        raise FailedError(f"{run.raw_file}: could not be read: {error.strerror}") from error
