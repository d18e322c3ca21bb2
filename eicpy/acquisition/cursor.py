"""Walking a run in bounded memory: the same steps for a run that is being received and one that is closed.

A cursor reads the raw file from where it was, indexes what is new (the incomplete tail waits for more
bytes), and decodes it. The raw file is the queue: a slow reader loses nothing and holds up nobody.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from eicpy.acquisition.columns import HousekeepingTable, PhotonColumns, SpectraColumns
from eicpy.acquisition.decoding import alerts, housekeeping, photons, spectra
from eicpy.acquisition.run import Run
from eicpy.acquisition.tally import PacketCounts, Tally
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex, PacketIndexer

__all__ = ["Follower", "Increment", "blocks", "follow"]

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Increment:
    """Packets that follow one another in a run, and what is in them, decoded when asked for.

    Parameters
    ----------
    index
        The packets; offsets count from the start of the raw file.
    data
        The bytes from `start` that hold them.
    start
        Offset of `data` in the raw file.
    instrument
        Whose tables decode them.
    """

    index: PacketIndex
    data: bytes
    start: int
    instrument: Instrument

    def __len__(self) -> int:
        return len(self.index)

    def split(self, packets: int) -> Iterator["Increment"]:
        """In pieces of at most `packets`; skipped ranges stay with the first piece."""
        if len(self) <= packets:
            if len(self) or self.index.skipped:
                yield self
            return
        for first in range(0, len(self), packets):
            piece = self.index[first : first + packets]
            if first == 0:
                piece = replace(piece, skipped=self.index.skipped)
            yield Increment(piece, self.data, self.start, self.instrument)

    @cached_property
    def _local(self) -> PacketIndex:
        return self.index.shifted(-self.start)

    @cached_property
    def photons(self) -> PhotonColumns:
        """Photons in these packets."""
        return photons(self.data, self._local, self.instrument)

    @cached_property
    def housekeeping(self) -> Mapping[str, HousekeepingTable]:
        """Housekeeping in these packets, by kind of packet."""
        return housekeeping(self.data, self._local, self.instrument)

    @cached_property
    def spectra(self) -> SpectraColumns:
        """On-board spectra in these packets."""
        return spectra(self.data, self._local, self.instrument)

    @cached_property
    def alerts(self) -> Mapping[str, HousekeepingTable]:
        """Alerts in these packets, by kind of packet."""
        return alerts(self.data, self._local, self.instrument)


@dataclass
class Follower:
    """A cursor in a run. Use :func:`follow`.

    Parameters
    ----------
    run
        The run, open or closed.
    instrument
        Whose packets are expected.
    """

    run: Run
    instrument: Instrument
    position: int = field(default=0, init=False)
    """Bytes read."""

    def __post_init__(self) -> None:
        self._indexer = PacketIndexer(self.instrument.headers)
        self._stream = self.run.raw_file.open("rb", buffering=0)
        self._finished = False
        self._tally = Tally(self.instrument)

    @property
    def counts(self) -> Mapping[int, PacketCounts]:
        """Received, lost, duplicated, late and damaged packets so far, by APID."""
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
        closed = not self._finished and not self.run.is_open  # before reading: what is there then is all
        chunk = self._stream.read(most) or b""
        self.position += len(chunk)
        index = PacketIndex.empty() if self._finished else self._indexer.feed(chunk)
        if closed and len(chunk) < most:
            index = PacketIndex.concatenate([index, self._indexer.finish()])
            self._finished = True
        self._tally.add(index)
        return self._increment(index)

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

    def _increment(self, index: PacketIndex) -> Increment:
        if not len(index):
            return Increment(index, b"", 0, self.instrument)
        start = int(index.offset[0])
        size = int(index.offset[-1]) + int(index.length[-1]) - start
        return Increment(index, os.pread(self._stream.fileno(), size, start), start, self.instrument)


def follow(run: Run, instrument: Instrument) -> Follower:
    """Follow a run: each ``poll()`` gives what is new.

    Parameters
    ----------
    run
        Open (bytes still come) or closed.
    instrument
        Whose packets are expected.

    Returns
    -------
    Follower
        At the start of the run. Close it when done, or use it as a context manager.
    """
    return Follower(run, instrument)


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
