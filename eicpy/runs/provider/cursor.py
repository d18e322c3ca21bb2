"""Walking a run in bounded memory: the same steps for a run that is being received and one that is closed.

A cursor reads the raw file from where it was, indexes what is new (the incomplete tail waits for more
bytes), and decodes it. The raw file is the queue: a slow reader loses nothing and delays no other.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from eicpy.decoding.running_continuity import PacketCounts, RunningContinuity
from eicpy.errors import BadDataError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, PacketIndexer, timeless_identity
from eicpy.packets.joining import without_beginning, without_end
from eicpy.runs.metadata import METADATA_NAME
from eicpy.runs.provider.increment import Cursor, Increment
from eicpy.runs.run import Run

if TYPE_CHECKING:
    from eicpy.typing import UInt64Array

__all__ = ["Cursor", "Follower", "Increment", "blocks", "follow"]

_CHUNK = 1 << 22
_MOST_UNCOUNTED = 4096
_TRUSTED = 0.5

_log = logging.getLogger(__name__)


@dataclass
class Follower:
    """A cursor in a run. Use :func:`follow`.

    Parameters
    ----------
    run
        The run, open or closed.
    instrument
        Describes the packets that are expected.
    start
        Byte of the raw file to begin at, where a packet begins. What came before is not known here: the
        sequence counts start again.
    """

    run: Run
    instrument: Instrument
    start: int = 0
    position: int = field(default=0, init=False)
    """Bytes of the raw file up to which was read."""

    def __post_init__(self) -> None:
        self._indexer = PacketIndexer(self.instrument.headers)
        self._stream = self.run.raw_file.open("rb", buffering=0)
        self._stream.seek(self.start)
        self.position = self.start
        self._finished = False
        self._begin = -1
        self._closing = _Closing(self.run)
        self._tally = RunningContinuity(self.instrument)
        self._uncounted: list[PacketIndex] = []
        self._identities: list[UInt64Array] = []

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Received, lost, duplicated, out of order and damaged packets so far, by APID."""
        self._count()
        return self._tally.counts

    def poll(self, most: int = _CHUNK) -> Increment:
        """What is new since the last call.

        Parameters
        ----------
        most
            Bytes to read at most; what is left is for the next call.

        Returns
        -------
        Increment
            Empty if nothing is new. When the run is closed and read to its end, what remained of an
            incomplete packet comes with it, marked as truncated.
        """
        if self._finished:
            return self._increment(PacketIndex.empty())
        closed = self._closing()  # before reading: a closed run holds no more than is read now
        chunk = self._stream.read(most) or b""
        if not chunk and (size := os.fstat(self._stream.fileno()).st_size) < self.position:
            self._go_back(size)
        self.position += len(chunk)
        index = self._indexer.feed(chunk) if chunk else PacketIndex.empty()
        index = self._without_half(index)
        if closed and len(chunk) < most:
            index = self._end(index)
        return self._increment(index)

    def finish(self) -> Increment:
        """Take the bytes that were read as all of the run, which has no writer any longer.

        Returns
        -------
        Increment
            What remained of an incomplete packet, marked as truncated.
        """
        index = PacketIndex.empty() if self._finished else self._end(PacketIndex.empty())
        return self._increment(index)

    def moved(self, run: Run) -> None:
        """Take note that the folder of the run was given another name."""
        self.run, self._closing = run, _Closing(run)

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is read is still the one in the archive: it was not removed or replaced."""
        try:
            return os.path.samestat(self.run.raw_file.stat(), os.fstat(self._stream.fileno()))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # of a disk that does not answer nothing is known

    @property
    def cursor(self) -> Cursor:
        """The position after the packets that were given."""
        return Cursor(self.run.number, self.start + self._indexer.consumed)

    @property
    def behind(self) -> int:
        """Bytes in the raw file that were not read yet."""
        return self.run.size - self.position

    @property
    def finished(self) -> bool:
        """Whether the run is closed and was read to its end."""
        return self._finished

    def close(self) -> None:
        """Close the raw file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _go_back(self, size: int) -> None:
        """Forget bytes that were cut off again: an append that a full disk interrupted leaves none."""
        position = min(self.cursor.offset, size)
        _log.warning(
            "run %d lost its last %d bytes, as of an append that failed; going on at byte %d",
            self.run.number, self.position - size, position,
        )  # fmt: skip
        self._indexer = PacketIndexer(self.instrument.headers)
        self.start = self.position = position
        self._stream.seek(position)

    def _end(self, index: PacketIndex) -> PacketIndex:
        self._finished = True
        index = PacketIndex.concatenate([index, self._without_half(self._indexer.finish())])
        _, end = self._own_bytes()
        return index if end >= self.position else without_end(index, end - self.start)

    def _without_half(self, index: PacketIndex) -> PacketIndex:
        """An index without the half of a packet at the beginning that is whole in another run."""
        if not (len(index) or index.skipped):
            return index
        if self._begin < 0:
            self._begin = 0 if self.start else self._own_bytes()[0]
        return without_beginning(index, self._begin) if self._begin else index

    def _own_bytes(self) -> tuple[int, int]:
        try:
            return self.run.metadata.own_bytes(self.position)
        except BadDataError:
            return 0, self.position

    def _note(self, index: PacketIndex, data: bytes, start: int) -> None:
        """Note packets to be counted."""
        self._uncounted.append(index)
        self._identities.append(timeless_identity(index.shifted(-start), data))
        if sum(map(len, self._uncounted)) >= _MOST_UNCOUNTED:
            self._count()

    def _count(self) -> None:
        """Judge all packets since the last time together: the judgement needs many of them."""
        if self._uncounted:
            self._tally.add(PacketIndex.concatenate(self._uncounted), np.concatenate(self._identities))
            self._uncounted, self._identities = [], []

    def _increment(self, index: PacketIndex) -> Increment:
        number, data, start = self.run.number, b"", 0
        index = index.shifted(self.start) if self.start else index
        if len(index):
            start = int(index.offset[0])
            size = int(index.offset[-1]) + int(index.length[-1]) - start
            data = os.pread(self._stream.fileno(), size, start)
            self._note(index, data, start)
        return Increment(index, data, start, self.instrument, number, self.cursor)


class _Closing:
    """Whether a run was closed; its description is read again only when it may have changed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stamp: tuple[int, int, int] | None = None
        self._looked = 0.0
        self._closed = False

    def __call__(self) -> bool:
        if self._closed:
            return True
        try:
            status = (self._run.folder / METADATA_NAME).stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        now = time.monotonic()
        if stamp is None or stamp != self._stamp or now - self._looked > _TRUSTED:
            self._closed = self._look()
            self._stamp, self._looked = stamp, now
        return self._closed

    def _look(self) -> bool:
        try:
            return not self._run.is_open
        except BadDataError as error:
            if not self._run.raw_file.exists() or self._run.is_written:
                return False  # of a run that was removed or renamed, or is about to be described
            _log.warning("the bytes of the run are used all the same: %s", error)
            return True


def follow(run: Run, instrument: Instrument, start: int = 0) -> Follower:
    """Follow a run: each ``poll()`` returns what is new.

    Parameters
    ----------
    run
        Open (bytes still come) or closed.
    instrument
        Describes the packets that are expected.
    start
        Byte of the raw file to begin at, where a packet begins: the offset of a :class:`Cursor`.

    Returns
    -------
    Follower
        At the start of the run. Close it when done, or use it as a context manager.

    See Also
    --------
    blocks : the packets of a closed run.
    provide : several runs, with a selection and at a pace.
    """
    return Follower(run, instrument, start)


def blocks(run: Run, instrument: Instrument, packets_per_block: int = 4096) -> Iterator[Increment]:
    """Walk what a run holds now, in blocks of bounded size.

    Parameters
    ----------
    run
        Open or closed.
    instrument
        Describes the packets that are expected.
    packets_per_block
        Packets in a block at most.

    Yields
    ------
    Increment
        Successive packets, with photons and housekeeping decoded when asked for.

    See Also
    --------
    follow : the packets of a run as it grows.
    provide : several runs, with a selection and at a pace.
    """
    end = run.size
    with follow(run, instrument) as cursor:
        while not cursor.finished:
            increment = cursor.poll()
            yield from increment.split(packets_per_block)
            if cursor.position >= end and run.is_open:
                return
