"""Faults on the line, on demand: each where it is asked for or at a rate, each written down."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from eicpy.egse.stream_chunk import StreamChunk
from eicpy.errors import BadArgumentError
from eicpy.files import atomic_file
from eicpy.simulation.packets.faults import flip_bits, foreign_bytes, generator, hash_uniform, some_bytes_kept
from eicpy.typing import IntArray

__all__ = ["KINDS", "Disconnect", "LineFault", "LineFaults", "Occurrence", "Stall", "write_fault_record"]


KINDS = (
    "lost", "duplicated", "swapped", "damaged", "truncated", "foreign", "stalled", "disconnected"
)  # fmt: skip
_SHORTEST = 8
"""A shorter piece is a packet cut off already, and is let through, bytes."""
_STREAM = 5
"""Key of the random numbers of this module, apart from those of the simulation."""
STATEMENT = "faults put in on purpose by eicpy: this damage is neither the detector's nor the line's"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """How often something happens, or where.

    Parameters
    ----------
    rate
        Share of the packets, 0 to 1.
    places
        Packets, counted from 1 since the beginning of the stream.

    Examples
    --------
    >>> Occurrence.parse("0.01").rate
    0.01
    >>> Occurrence.parse("@120,@4000").places
    (120, 4000)
    """

    rate: float = 0.0
    places: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1 or any(place < 1 for place in self.places):
            raise BadArgumentError(
                f"got rate {self.rate} and places {self.places}, "
                "expected a share from 0 to 1, and packets from 1"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rate such as ``0.01``, or packet numbers such as ``@120`` or ``@120,@4000``.

        Raises
        ------
        BadArgumentError
            For anything else.
        """
        parts = [part.strip() for part in text.split(",")]
        try:
            if all(part.startswith("@") for part in parts):
                return cls(places=tuple(int(part[1:]) for part in parts))
            return cls(rate=float(text))
        except ValueError as error:
            raise BadArgumentError(
                f"got {text!r}, expected a share of the packets (0.01) or packets (@120 or @120,@4000)"
            ) from error


@dataclass(frozen=True, slots=True)
class LineFault:
    """Something that was done to the stream.

    Parameters
    ----------
    kind
        One of `KINDS`.
    packet
        Number of the packet in the stream, from 1.
    apid, sequence_count, command
        What its header says.
    place
        Its first byte in the source, −1 if it is not from there.
    offset
        Byte of what was sent where the fault shows: where the packet stands or would stand, foreign
        bytes begin, the line stood still or broke.
    size
        Bits flipped for ``damaged``, bytes kept for ``truncated`` or sent before the break for
        ``stalled`` and ``disconnected``, bytes put in for ``foreign``, else the packet's length.
    values
        What else there is to say.
    """

    kind: str
    packet: int
    apid: int
    sequence_count: int
    command: bool
    place: int
    offset: int
    size: int
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stall:
    """The line stands still."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The line breaks off and is opened again."""


class LineFaults:
    """Lets a stream through, but for some of its packets.

    Which packets are hit follows from the seed and their number in the stream alone, so that the same
    stream sent again is hit at the same positions, and two seeds are two ground stations.

    Parameters
    ----------
    plan
        How often or where each kind of fault happens; see `KINDS`.
    seed
        Seed.
    stall
        Length of a stall, s.
    resume
        After a break in the middle of a packet: ``repeat`` the packet from its start, or ``continue``
        with its next byte.
    whole
        The line carries whole packets only (UDP): a stall comes before a packet, not within it.

    Attributes
    ----------
    faults
        What was done so far.
    size
        Bytes let through so far.
    """

    def __init__(
        self,
        plan: dict[str, Occurrence],
        *,
        seed: int = 1,
        stall: float = 2.0,
        resume: Literal["repeat", "continue"] = "repeat",
        whole: bool = False,
    ) -> None:
        unknown = set(plan) - set(KINDS)
        rates = [plan[kind].rate if kind in plan else 0.0 for kind in KINDS]
        if unknown or sum(rates) > 1:
            raise BadArgumentError(
                f"got faults {sorted(plan)} with rates that add up to {sum(rates)}, "
                f"expected some of {', '.join(KINDS)} and at most 1"
            )
        if whole and "disconnected" in plan:
            raise BadArgumentError("got a disconnect over UDP, which has no connection; use TCP")
        self._limits = np.cumsum(rates)
        self._places = {place: kind for kind in KINDS if kind in plan for place in plan[kind].places}
        self._seed, self._stall, self._resume, self._whole = seed, stall, resume, whole
        self._number = 0
        self._held: StreamChunk | None = None
        self._arrived: Counter[tuple[int, bool]] = Counter()
        self.faults: list[LineFault] = []
        self.size = 0

    def apply(self, chunk: StreamChunk) -> Iterator[StreamChunk | Stall | Disconnect]:
        """What goes out for a chunk, in order."""
        self._count(chunk)
        if self._held is not None:
            chunk, self._held = StreamChunk.join([self._held, chunk]), None
        if not len(chunk):
            return
        numbers = self._number + np.cumsum(chunk.packet)
        self._number = int(numbers[-1])
        done = 0
        for row, kind in self._chosen(chunk, numbers):
            if row < done:  # it went out with the packet it was swapped with
                continue
            yield from self._through(chunk[done:row])
            one, number = chunk[row : row + 1], int(numbers[row])
            done = row + 1
            if kind != "swapped":
                yield from self._fault(kind, one, number)
            elif done == len(chunk):  # it waits for the one to swap it with
                self._held, self._number = one, number - 1
            elif chunk.packet[done]:
                yield from self._swap(one, chunk[done : done + 1], number)
                done += 1
            else:
                yield from self._through(one)
        yield from self._through(chunk[done:])

    def finish(self) -> Iterator[StreamChunk]:
        """What was held back at the end: a last packet has nothing to be swapped with."""
        if self._held is not None:
            held, self._held = self._held, None
            yield from self._through(held)

    def truth(self) -> dict[str, Any]:
        """The numbers of the stream and its faults, for JSON."""
        return {
            "seed": self._seed,
            "bytes_sent": self.size,
            "packets": {
                "telemetry": {str(a): n for (a, command), n in sorted(self._arrived.items()) if not command},
                "telecommands": {str(a): n for (a, command), n in sorted(self._arrived.items()) if command},
            },
            "faults": [asdict(fault) for fault in self.faults],
        }

    def _count(self, chunk: StreamChunk) -> None:
        for command in (False, True):
            mine = chunk.packet & (chunk.command == command)
            for apid, n in zip(*np.unique(chunk.apid[mine], return_counts=True), strict=True):
                self._arrived[int(apid), command] += int(n)

    def _chosen(self, chunk: StreamChunk, numbers: IntArray) -> Iterator[tuple[int, str]]:
        """Pieces that are hit, in order, and by what."""
        choice = np.searchsorted(self._limits, hash_uniform(self._seed, _STREAM, numbers), side="right")
        for place, kind in self._places.items():
            choice[numbers == place] = KINDS.index(kind)
        choice[~chunk.packet | (chunk.size < _SHORTEST)] = len(KINDS)
        for row in np.flatnonzero(choice < len(KINDS)).tolist():
            yield row, KINDS[choice[row]]

    def _through(self, chunk: StreamChunk) -> Iterator[StreamChunk]:
        if len(chunk):
            self.size += len(chunk.data)
            yield chunk

    def _swap(self, first: StreamChunk, second: StreamChunk, number: int) -> Iterator[StreamChunk]:
        self._note("swapped", first, number, len(first.data), {"with_packet": number + 1})
        yield from self._through(second)
        yield from self._through(first)

    def _fault(self, kind: str, one: StreamChunk, number: int) -> Iterator[StreamChunk | Stall | Disconnect]:
        rng = generator(self._seed, _STREAM, number)
        if kind == "lost":
            self._note(kind, one, number, len(one.data))
        elif kind == "duplicated":
            self._note(kind, one, number, len(one.data))
            yield from self._through(one)
            yield from self._through(one)
        elif kind == "damaged":
            data, bits = flip_bits(one.data, rng)
            self._note(kind, one, number, bits)
            yield from self._through(one.with_bytes(data, packet=True))
        elif kind == "truncated":
            kept = some_bytes_kept(one.data, rng)
            self._note(kind, one, number, kept)
            yield from self._through(one.with_bytes(one.data[:kept], packet=False))
        elif kind == "foreign":
            data = foreign_bytes(rng)
            self._note(kind, one, number, len(data))
            yield from self._through(one.with_bytes(data, packet=False))
            yield from self._through(one)
        else:
            yield from self._break(kind, one, number)

    def _break(self, kind: str, one: StreamChunk, number: int) -> Iterator[StreamChunk | Stall | Disconnect]:
        """Stand still or break off in the middle of a packet."""
        if self._whole:
            self._note(kind, one, number, 0, {"seconds": self._stall})
            yield Stall(self._stall)
            yield from self._through(one)
            return
        half = len(one.data) // 2
        yield from self._through(one.with_bytes(one.data[:half], packet=False))
        if kind == "stalled":
            self._note(kind, one, number, half, {"seconds": self._stall})
            yield Stall(self._stall)
        else:
            self._note(kind, one, number, half, {"resume": self._resume})
            yield Disconnect()
        again = 0 if kind == "disconnected" and self._resume == "repeat" else half
        yield from self._through(one.with_bytes(one.data[again:], packet=True))

    def _note(
        self, kind: str, one: StreamChunk, number: int, size: int, values: dict[str, Any] | None = None
    ) -> None:
        fault = LineFault(
            kind, number, int(one.apid[0]), int(one.count[0]), bool(one.command[0]), int(one.place[0]),
            self.size, size, values or {},
        )  # fmt: skip  # what it is, where it is
        self.faults.append(fault)


def write_fault_record(file: Path, values: dict[str, Any]) -> None:
    """Write what was done to a stream as JSON.

    Parameters
    ----------
    file
        Replaced as a whole.
    values
        The stream's own truth, and that of its faults.

    Raises
    ------
    FailedError
        If it cannot be written.
    """
    head = {"statement": STATEMENT, "eicpy": version("eicpy")}
    with atomic_file(file) as stream:
        stream.write(json.dumps(head | values, indent=1).encode())
