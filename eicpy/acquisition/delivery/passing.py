"""Handing packets on to another program: through a pipe, with a position that survives a restart."""

import contextlib
import io
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from eicpy.acquisition.delivery.formats import PacketWriter
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.files import atomic_file
from eicpy.inputs import check_file
from eicpy.moved import moved_names
from eicpy.runs.provider.cursor import Cursor, Increment

__all__ = ["CursorFile", "IncrementSource", "Passed", "open_pipe", "pass_on", "reader_is_gone"]

__getattr__ = moved_names(__name__)

_SHORTEST_WAIT = 1e-3
_LONGEST_WAIT = 1e-2


class IncrementSource(Protocol):
    """Packets are polled from it: a :class:`~eicpy.runs.Provider`, or a bus."""

    def poll(self, most_packets: int | None = None) -> Increment:
        """Return what is available now."""

    @property
    def cursor(self) -> Cursor:
        """The position after what was polled."""

    @property
    def finished(self) -> bool:
        """Whether nothing more can come."""


@dataclass(frozen=True)
class CursorFile:
    """A position in the archive, kept in a file.

    It is replaced by a rename: a process that is killed leaves the old position or the new one.

    Parameters
    ----------
    file
        The file; its folder exists.
    """

    file: Path

    def load(self) -> Cursor | None:
        """Return the position; None if none was saved.

        Raises
        ------
        BadDataError
            If the file is no cursor.
        BadArgumentError
            For a folder, a pipe or a device.
        """
        if self.file.exists():
            check_file(self.file, "a position")
        try:
            text = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadDataError(f"could not be read: {error.strerror}", file=self.file) from error
        try:
            return Cursor.from_json(text)
        except BadArgumentError as error:
            raise BadDataError(
                str(error), file=self.file, advice="remove it to start from the beginning"
            ) from error

    def save(self, cursor: Cursor) -> None:
        """Save a position.

        Raises
        ------
        FailedError
            If it cannot be written; the old one is kept.
        """
        with atomic_file(self.file, durable=False) as file:
            file.write(f"{cursor.to_json()}\n".encode())


@dataclass
class Passed:
    """What was handed on."""

    packets: int = 0
    damaged: int = 0
    foreign_bytes: int = 0
    reader_left: bool = False
    """Whether the other end of the pipe was closed."""

    def add(self, increment: Increment) -> None:
        """Count packets."""
        self.packets += len(increment)
        self.damaged += len(increment) - int(increment.index.good.sum())
        self.foreign_bytes += increment.index.foreign_bytes


def pass_on(
    source: IncrementSource,
    writer: PacketWriter,
    *,
    stop: threading.Event,
    keep: Callable[[Cursor], None] | None = None,
    gone: Callable[[], bool] = lambda: False,
    most_packets: int | None = None,
) -> Passed:
    """Write packets as they come, until a playback ends, the reader leaves, or `stop` is set.

    Parameters
    ----------
    source
        Where they come from.
    writer
        How and where they are written.
    stop
        Set to end.
    keep
        Called with the position after packets once these were handed on: what is saved is never ahead of
        what the reader was given.
    gone
        Whether the reader has left; asked while nothing comes.
    most_packets
        Packets in a piece at most.
    """
    passed = Passed()
    wait = _SHORTEST_WAIT
    kept = source.cursor
    try:
        while not stop.is_set() and not source.finished:
            before = source.cursor
            increment = source.poll(most_packets)
            if increment:
                writer.write(increment)
                passed.add(increment)
                wait = _SHORTEST_WAIT
            if keep is not None and (increment or source.cursor != kept):
                keep(source.cursor)
                kept = source.cursor
            if not increment and source.cursor == before:
                if gone():
                    passed.reader_left = True
                    break
                stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        if not passed.reader_left:
            writer.close()
    except BrokenPipeError:
        passed.reader_left = True
    return passed


def reader_is_gone(stream: BinaryIO) -> bool:
    """Whether the other end of a pipe was closed; False for what is no pipe."""
    poller = select.poll()
    try:
        poller.register(stream.fileno(), 0)
    except (io.UnsupportedOperation, ValueError):
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))


@contextlib.contextmanager
def open_pipe(stream: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Write bytes to standard output, to which nothing else is written from then on.

    Parameters
    ----------
    stream
        Another one instead.

    Yields
    ------
    BinaryIO
        Whatever is left in it when the reader has gone is dropped in silence.
    """
    pipe: BinaryIO = sys.stdout.buffer if stream is None else stream
    try:
        yield pipe
        pipe.flush()
    except BrokenPipeError:
        pass
    finally:
        if stream is None and reader_is_gone(
            pipe
        ):  # else the interpreter complains when it flushes at its end
            with open(os.devnull, "wb") as nothing:  # noqa: PTH123, a device, not a path
                os.dup2(nothing.fileno(), pipe.fileno())
