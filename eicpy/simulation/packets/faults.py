"""What happens to packets on the way, each fault written down.

Whether a packet is hit follows from the seed, its APID and its number alone: a hash (splitmix64, Steele et
al. 2014, OOPSLA) makes a uniform number of them. So faults do not depend on the blocks of the simulation.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadArgumentError
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.simulation.config import FaultConfig
from eicpy.simulation.packets.encoding import TICKS_PER_SECOND, PacketBatch
from eicpy.typing import ByteArray, FloatArray

__all__ = [
    "Fault",
    "FaultInjector",
    "flip_bits",
    "foreign_bytes",
    "generator",
    "hash_uniform",
    "some_bytes_kept",
]


KINDS = ("lost", "damaged", "duplicated", "truncated", "foreign")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault.

    Parameters
    ----------
    kind
        lost, damaged, duplicated, truncated or foreign.
    apid, sequence_count
        Of the packet (the one that follows, for foreign bytes).
    time
        When the packet was sent, s since 2017-01-01T00:00:00 UTC.
    offset
        Byte in the file where it shows: where the packet stands or would stand, or foreign bytes begin.
    size
        Bytes concerned: bits flipped for a damaged packet, bytes kept for a truncated one, bytes put in
        for foreign ones, the packet's length else.
    """

    kind: str
    apid: int
    sequence_count: int
    time: float
    offset: int
    size: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def hash_uniform(seed: int, *keys: npt.ArrayLike) -> FloatArray:
    """Uniform numbers in [0, 1) that depend on the seed and integer keys only (splitmix64)."""
    state: npt.NDArray[np.uint64] = np.array(seed, np.uint64)
    with np.errstate(over="ignore"):  # the hash is arithmetic modulo 2^64
        for key in keys:
            state = state ^ np.asarray(key).astype(np.uint64)
            state = state + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def generator(seed: int, *keys: int) -> np.random.Generator:
    """Random numbers for what happens to one packet, which depend on the seed and its keys only."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=keys))


def flip_bits(packet: ByteArray, rng: np.random.Generator) -> tuple[ByteArray, int]:
    """A copy of a packet with one to eight bits flipped after its primary header, and how many."""
    size = int(rng.integers(1, 9))
    bits = rng.choice(8 * (packet.size - 6), size, replace=False) + 48
    packet = packet.copy()
    np.bitwise_xor.at(packet, bits // 8, (1 << (bits % 8)).astype(np.uint8))
    return packet, size


def some_bytes_kept(packet: ByteArray, rng: np.random.Generator) -> int:
    """How many bytes are left of a packet whose tail is missing: its header and a little more at least."""
    return int(rng.integers(min(7, packet.size - 1), packet.size))


def foreign_bytes(rng: np.random.Generator) -> ByteArray:
    """8 to 64 bytes that belong to nothing."""
    size = int(rng.integers(8, 65))
    return rng.integers(0, 256, size).astype(np.uint8)


class FaultInjector:
    """Lets packets through, but for some.

    Parameters
    ----------
    config
        Shares of each fault and gaps.
    seed
        Seed of the simulation.
    start
        Start of the simulation, s since the epoch, for the gaps.

    Attributes
    ----------
    faults
        All faults so far.
    offset
        Bytes written so far.
    """

    def __init__(self, config: FaultConfig, seed: int, start: float) -> None:
        shares = [getattr(config, kind) for kind in KINDS]
        if sum(shares) > 1:
            raise BadArgumentError(f"shares of faults add up to {sum(shares)}, expected at most 1")
        self._limits = np.cumsum(shares)
        self._gaps = [(start + a, start + b) for a, b in config.gaps]
        self._seed = seed
        self.faults: list[Fault] = []
        self.offset = 0

    def apply(self, batch: PacketBatch) -> list[ByteArray]:
        """Bytes that arrive of a batch, in pieces to be written one after the other."""
        time = batch.sent / TICKS_PER_SECOND
        u = hash_uniform(self._seed, 3, batch.apid, batch.count)
        choice = np.searchsorted(self._limits, u, side="right")
        for a, b in self._gaps:
            choice[(time >= a) & (time < b)] = 0
        begin = np.cumsum(batch.length) - batch.length
        pieces: list[ByteArray] = []
        done = 0
        for i in np.flatnonzero(choice < len(KINDS)).tolist():
            self._emit(pieces, batch.data[done : begin[i]])
            packet = batch.data[begin[i] : begin[i] + batch.length[i]]
            self._fault(pieces, KINDS[choice[i]], packet, int(batch.apid[i]), int(batch.count[i]), time[i])
            done = int(begin[i] + batch.length[i])
        self._emit(pieces, batch.data[done:])
        return pieces

    def _emit(self, pieces: list[ByteArray], piece: ByteArray) -> None:
        if piece.size:
            pieces.append(piece)
            self.offset += piece.size

    def _fault(
        self,
        pieces: list[ByteArray],
        kind: str,
        packet: ByteArray,
        apid: int,
        count: int,
        time: float,
    ) -> None:
        rng = generator(self._seed, 3, apid, count)
        at, size = self.offset, packet.size
        if kind == "damaged":
            packet, size = flip_bits(packet, rng)
            self._emit(pieces, packet)
        elif kind == "duplicated":
            self._emit(pieces, packet)
            self._emit(pieces, packet)
        elif kind == "truncated":
            size = some_bytes_kept(packet, rng)
            self._emit(pieces, packet[:size])
        elif kind == "foreign":
            foreign = foreign_bytes(rng)
            size = foreign.size
            self._emit(pieces, foreign)
            self._emit(pieces, packet)
        self.faults.append(Fault(kind, apid, count % COUNT_MODULUS, float(time), at, size))
