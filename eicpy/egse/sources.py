"""What is sent: a file, a run of the archive, or a simulation while it is computed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from eicpy.egse.stream_chunk import ByteArray, StreamChunk
from eicpy.errors import BadArgumentError, BadDataError, NotFoundError, readable
from eicpy.inputs import kind_of_file
from eicpy.instruments import Instrument
from eicpy.packets import HeaderRule, PacketIndexer

__all__ = ["FileSource", "NoSource", "PacketSource", "SimulatorSource"]

_CHUNK = 1 << 18


class PacketSource(Protocol):
    """A stream of packets that can be sent."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def total(self) -> float:
        """How much there is, in units of its own."""

    @property
    def done(self) -> float:
        """How much of that was given, with the chunk that was given last."""

    def chunks(self) -> Iterator[StreamChunk]:
        """The stream from its beginning."""

    def truth(self) -> dict[str, Any]:
        """What is known about its contents, for JSON."""


@dataclass
class FileSource:
    """The packets of a file, or of the raw file of a run.

    Parameters
    ----------
    file
        The file.
    headers
        Header rules of its APIDs; None to learn them from the data.
    start
        Byte to start at.
    blind
        For a stream whose packets nobody asks for: its bytes in blocks without an index.
    block_size
        Bytes of a block.
    name
        For people.

    Raises
    ------
    BadArgumentError
        If the file is not there.
    BadDataError
        If it cannot be read.
    """

    file: Path
    headers: Sequence[HeaderRule] | None = None
    start: int = 0
    blind: bool = False
    block_size: int = _CHUNK
    name: str = ""
    done: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.file = Path(self.file)
        self.name = self.name or readable(self.file)
        kind = kind_of_file(self.file)
        if kind is not None:
            raise BadArgumentError(f"{readable(self.file)}: {kind}; expected a file of packets")
        if not self.file.is_file():
            raise NotFoundError(f"{readable(self.file)}: no such file")
        try:
            self._size = self.file.stat().st_size
            with self.file.open("rb"):
                pass
        except OSError as error:
            raise BadDataError(f"could not be read: {error.strerror}", file=self.file) from error

    @property
    def total(self) -> float:
        """Bytes."""
        return float(self._size)

    def chunks(self) -> Iterator[StreamChunk]:
        """The file from `start`; a file that still grows is sent as far as it goes now."""
        self.done = float(self.start)
        if self._size <= self.start:
            return
        data = np.memmap(self.file, np.uint8, mode="r")[self.start :]
        blocks = (data[at : at + self.block_size] for at in range(0, len(data), self.block_size))
        made = (
            (StreamChunk.blind(c) for c in blocks)
            if self.blind
            else indexed(blocks, self.headers, self.start)
        )
        for chunk in made:
            self.done += len(chunk.data)
            yield chunk

    def truth(self) -> dict[str, Any]:
        """The file's name and size."""
        return {"file": self.name, "size": self._size, "start": self.start}


@dataclass(frozen=True)
class NoSource:
    """Nothing: for a session that sends telecommands alone."""

    name: str = "no source"
    total: float = 0.0
    done: float = 0.0

    def chunks(self) -> Iterator[StreamChunk]:
        """None."""
        return iter(())

    def truth(self) -> dict[str, Any]:
        """Nothing to report."""
        return {}


@dataclass
class SimulatorSource:
    """A simulation, computed while it is sent.

    Parameters
    ----------
    name
        Of the simulation.
    instrument
        The detector.
    blocks
        Makes the blocks of bytes, each with the seconds of the simulation that are then done.
    total
        Seconds of the whole simulation.
    about
        Gives what is known about the contents, once they are made.
    """

    name: str
    instrument: Instrument
    blocks: Callable[[], Iterable[tuple[float, ByteArray]]]
    total: float
    about: Callable[[], dict[str, Any]]
    done: float = field(default=0.0, init=False)
    _begun: Iterator[StreamChunk] | None = field(default=None, init=False, repr=False)

    def prepare(self) -> None:
        """Compute the first packets now, so that they are ready when the line opens.

        The first call after an installation compiles for tens of seconds; a receiver that waited that long on
        an open connection would take it for a fault.
        """
        computed = self._computed()
        first = next(computed, None)
        self._begun = computed if first is None else chain([first], computed)

    def chunks(self) -> Iterator[StreamChunk]:
        """The packets in the order in which the detector sends them."""
        begun, self._begun = self._begun, None
        return self._computed() if begun is None else begun

    def _computed(self) -> Iterator[StreamChunk]:
        self.done = 0.0
        reached = 0.0

        def blocks() -> Iterator[ByteArray]:
            nonlocal reached
            for seconds, block in self.blocks():
                reached = seconds
                yield block

        for chunk in indexed(blocks(), self.instrument.headers):
            self.done = reached
            yield chunk

    def truth(self) -> dict[str, Any]:
        """What the simulation says of itself."""
        return self.about()


def indexed(
    blocks: Iterable[ByteArray], headers: Sequence[HeaderRule] | None, start: int = 0
) -> Iterator[StreamChunk]:
    """Chunks of whole packets, from blocks that end anywhere.

    Parameters
    ----------
    blocks
        Successive bytes.
    headers
        Header rules of the APIDs; None to learn them from the data.
    start
        Place of the first byte in the source.
    """
    indexer = PacketIndexer(headers)
    waiting: ByteArray = np.empty(0, np.uint8)
    done = 0
    for block in blocks:
        index = indexer.feed(block)
        waiting = np.concatenate([waiting, block]) if len(waiting) else block
        whole = indexer.consumed - done
        if whole:
            yield StreamChunk.of(waiting[:whole], index.shifted(start), start + done)
            waiting = waiting[whole:]
            done += whole
    rest = indexer.finish()
    if len(waiting):
        yield StreamChunk.of(waiting, rest.shifted(start), start + done)
