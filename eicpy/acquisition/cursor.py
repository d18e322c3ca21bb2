"""Walking a run in bounded memory: the same steps for a run that is being received and one that is closed.

A cursor reads the raw file from where it was, indexes what is new (the incomplete tail waits for more
bytes), and decodes it. The raw file is the queue: a slow reader loses nothing and holds up nobody.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from eicpy.acquisition.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.decoding import alerts, housekeeping, photons, spectra
from eicpy.acquisition.metadata import METADATA_NAME
from eicpy.acquisition.run import Run
from eicpy.acquisition.tally import PacketCounts, Tally
from eicpy.errors import BadArgumentError, BadDataError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, PacketIndexer

__all__ = ["Cursor", "Follower", "Increment", "blocks", "follow"]

_CHUNK = 1 << 22
_MOST_UNCOUNTED = 4096
_TRUSTED = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in the archive: all packets before it were given.

    Parameters
    ----------
    run
        Number of the run; 0 is before all runs.
    offset
        Byte in its raw file, where a packet begins or the file ends.

    Examples
    --------
    >>> Cursor.from_json(Cursor(12, 5010).to_json())
    Cursor(run=12, offset=5010)
    """

    run: int
    offset: int = 0

    def to_json(self) -> str:
        """As a text that :meth:`from_json` reads."""
        return json.dumps({"run": self.run, "offset": self.offset})

    @classmethod
    def from_json(cls, text: str | bytes) -> "Cursor":
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        BadArgumentError
            For a text that is no cursor.
        """
        try:
            fields = json.loads(text)
            run, offset = fields["run"], fields["offset"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadArgumentError(
                f'got {text!r}, expected a cursor such as {{"run": 12, "offset": 5010}}'
            ) from error
        if not (type(run) is type(offset) is int and run >= 0 and offset >= 0):
            raise BadArgumentError(f"got cursor {text!r}, expected whole numbers from 0 for run and offset")
        return cls(run, offset)


@dataclass(frozen=True)
class Increment:
    """Packets in the order in which they are given, and what is in them, decoded when asked for.

    Parameters
    ----------
    index
        The packets; offsets count from the start of the raw file.
    data
        Bytes that hold them: a piece of the raw file, or the packets alone (see `packed`).
    start
        Offset of `data` in the raw file.
    instrument
        Whose tables decode them.
    run
        Number of the run; of packets out of several runs, that of the last one (see `row_runs`).
    cursor
        The place after these packets.
    packed
        The same packets with offsets in `data`, where `data` is no piece of the raw file.
    row_runs
        Number of the run of each packet, shape (n_packets,), where there are several.
    """

    index: PacketIndex
    data: bytes
    start: int
    instrument: Instrument
    run: int = 0
    cursor: Cursor = Cursor(0)
    packed: PacketIndex | None = field(default=None, repr=False)
    row_runs: npt.NDArray[np.int64] | None = field(default=None, repr=False)

    @classmethod
    def nothing(cls, instrument: Instrument, cursor: Cursor = Cursor(0)) -> "Increment":
        """No packets."""
        return cls(PacketIndex.empty(), b"", 0, instrument, cursor.run, cursor)

    def __len__(self) -> int:
        return len(self.index)

    def __bool__(self) -> bool:
        """Whether there is anything: packets, or bytes that are none."""
        return len(self.index) > 0 or len(self.index.skipped) > 0

    def split(self, packets: int) -> Iterator["Increment"]:
        """In pieces of at most `packets`; skipped ranges stay with the first piece."""
        if len(self) <= packets:
            if self:
                yield self
            return
        for first in range(0, len(self), packets):
            yield self.part(first, first + packets)

    def part(self, first: int, stop: int) -> "Increment":
        """Packets from `first` up to, not with, `stop`; skipped ranges stay with the first packet."""
        stop = min(stop, len(self))
        index = self.index[first:stop]
        if first == 0:
            index = replace(index, skipped=self.index.skipped)
        cursor, run = self.cursor, self.run
        if self.row_runs is not None and stop > first:
            run = int(self.row_runs[stop - 1])
        if stop < len(self):
            cursor = self._cursor_before(stop)
        return replace(
            self,
            index=index,
            run=run,
            cursor=cursor,
            packed=None if self.packed is None else self.packed[first:stop],
            row_runs=None if self.row_runs is None else self.row_runs[first:stop],
        )

    def chosen(self, rows: npt.NDArray[np.bool_]) -> "Increment":
        """Only some of the packets; the place after them stays after all of them."""
        if rows.all():
            return self
        return replace(
            self,
            index=replace(self.index[rows], skipped=self.index.skipped),
            packed=None if self.packed is None else self.packed[rows],
            row_runs=None if self.row_runs is None else self.row_runs[rows],
        )

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """Each packet as its row in the index and its bytes."""
        starts, lengths = self.local.offset.tolist(), self.local.length.tolist()
        for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            yield row, self.data[start : start + length]

    @cached_property
    def local(self) -> PacketIndex:
        """The packets, with offsets in `data`."""
        return self.index.shifted(-self.start) if self.packed is None else self.packed

    @cached_property
    def photons(self) -> PhotonColumns:
        """Photons in these packets."""
        return photons(self.data, self.local, self.instrument)

    @cached_property
    def housekeeping(self) -> Mapping[str, HousekeepingTable]:
        """Housekeeping in these packets, by kind of packet."""
        return housekeeping(self.data, self.local, self.instrument)

    @cached_property
    def spectra(self) -> SpectraColumns:
        """On-board spectra in these packets."""
        return spectra(self.data, self.local, self.instrument)

    @cached_property
    def alerts(self) -> Mapping[str, HousekeepingTable]:
        """Alerts in these packets, by kind of packet."""
        return alerts(self.data, self.local, self.instrument)

    def _cursor_before(self, row: int) -> Cursor:
        """The place before a packet that is not the first one."""
        if self.row_runs is None:
            return Cursor(self.run, int(self.index.offset[row]))
        last = row - 1
        end = int(self.index.offset[last]) + int(self.index.length[last])
        return Cursor(int(self.row_runs[last]), end)


@dataclass
class Follower:
    """A cursor in a run. Use :func:`follow`.

    Parameters
    ----------
    run
        The run, open or closed.
    instrument
        Whose packets are expected.
    start
        Byte of the raw file to begin at, where a packet begins. What came before is not known here: the
        sequence counts begin anew.
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
        self._closing = _Closing(self.run)
        self._tally = Tally(self.instrument)
        self._uncounted: list[PacketIndex] = []

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Received, lost, duplicated, late and damaged packets so far, by APID."""
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
        closed = self._closing()  # before reading: what is there then is all
        chunk = self._stream.read(most) or b""
        if not chunk and (size := os.fstat(self._stream.fileno()).st_size) < self.position:
            self._go_back(size)
        self.position += len(chunk)
        index = self._indexer.feed(chunk) if chunk else PacketIndex.empty()
        if closed and len(chunk) < most:
            index = self._end(index)
        return self._increment(self._placed(index))

    def finish(self) -> Increment:
        """Take what was read as all there is, of a run that nobody writes any longer.

        Returns
        -------
        Increment
            What remained of an incomplete packet, marked as truncated.
        """
        index = PacketIndex.empty() if self._finished else self._end(PacketIndex.empty())
        return self._increment(self._placed(index))

    def moved(self, run: Run) -> None:
        """Take note that the folder of the run was given another name."""
        self.run, self._closing = run, _Closing(run)

    @property
    def cursor(self) -> Cursor:
        """The place after the packets that were given."""
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
        place = min(self.cursor.offset, size)
        _log.warning(
            "run %d lost its last %d bytes, as of an append that failed; going on at byte %d",
            self.run.number, self.position - size, place,
        )  # fmt: skip
        self._indexer = PacketIndexer(self.instrument.headers)
        self.start = self.position = place
        self._stream.seek(place)

    def _end(self, index: PacketIndex) -> PacketIndex:
        self._finished = True
        return PacketIndex.concatenate([index, self._indexer.finish()])

    def _placed(self, index: PacketIndex) -> PacketIndex:
        """An index with offsets in the raw file, noted to be counted."""
        placed = index.shifted(self.start) if self.start else index
        if len(placed):
            self._uncounted.append(placed)
            if sum(map(len, self._uncounted)) >= _MOST_UNCOUNTED:
                self._count()
        return placed

    def _count(self) -> None:
        """Judge what came since the last time at once: the judgement looks at a stretch of packets."""
        if self._uncounted:
            self._tally.add(PacketIndex.concatenate(self._uncounted))
            self._uncounted = []

    def _increment(self, index: PacketIndex) -> Increment:
        number, data, start = self.run.number, b"", 0
        if len(index):
            start = int(index.offset[0])
            size = int(index.offset[-1]) + int(index.length[-1]) - start
            data = os.pread(self._stream.fileno(), size, start)
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
    """Follow a run: each ``poll()`` gives what is new.

    Parameters
    ----------
    run
        Open (bytes still come) or closed.
    instrument
        Whose packets are expected.
    start
        Byte of the raw file to begin at, where a packet begins: the offset of a :class:`Cursor`.

    Returns
    -------
    Follower
        At the start of the run. Close it when done, or use it as a context manager.
    """
    return Follower(run, instrument, start)


def blocks(run: Run, instrument: Instrument, packets_per_block: int = 4096) -> Iterator[Increment]:
    """Walk what a run holds now, in blocks of bounded size.

    Parameters
    ----------
    run
        Open or closed.
    instrument
        Whose packets are expected.
    packets_per_block
        Packets in a block at most.

    Yields
    ------
    Increment
        Successive packets, with photons and housekeeping decoded when asked for.
    """
    end = run.size
    with follow(run, instrument) as cursor:
        while not cursor.finished:
            increment = cursor.poll()
            yield from increment.split(packets_per_block)
            if cursor.position >= end and run.is_open:
                return
