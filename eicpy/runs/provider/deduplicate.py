"""Packets that were given already: two ground stations, or a transfer that is repeated, send them twice.

Two packets are the same where all their bytes are. As the sequence count is among the bytes, and so is
the time where a packet has one, a packet that comes again is a copy. Where a packet carries no time, the
same bytes may stand for another packet once the count of its APID has wrapped: such packets are
distinguished by the number of wraps.

The memory is bounded: a copy is known while fewer than :data:`REMEMBERED` packets came between the two. The
night compares whole runs by their bytes (:mod:`eicpy.pipeline.cross_run_duplicates`): there no copy may be
missed however far apart the two are, and a packet without a time is never one.
"""

import numpy as np

from eicpy.packets import PacketIndex, packet_identity
from eicpy.packets.bits import Buffer, kernel
from eicpy.packets.primary_header import COUNT_MODULUS
from eicpy.typing import BoolArray, IntArray, UInt64Array

__all__ = ["REMEMBERED", "Deduplicator"]

REMEMBERED = 1 << 19
"""Packets that are remembered at least."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


class Deduplicator:
    """Remembers the packets that were given, and recognises those that come again.

    Parameters
    ----------
    remembered
        Packets that are remembered at least; memory is 32 bytes for each.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._most = max(1, remembered)
        slots = 1 << (2 * self._most - 1).bit_length()
        self._new: UInt64Array = np.zeros(slots, np.uint64)
        self._old: UInt64Array = np.zeros(slots, np.uint64)
        self._held = 0
        self._counted: dict[int, int] = {}

    def fresh(self, buffer: Buffer, index: PacketIndex) -> BoolArray:
        """Which packets were not given before; from now on they count as given.

        Parameters
        ----------
        buffer
            The bytes that the index was made from.
        index
            Packets that follow those of the calls before.

        Returns
        -------
        numpy.ndarray
            Shape (n_packets,), bool.
        """
        return self.fresh_keys(self.keys(buffer, index))

    def keys(self, buffer: Buffer, index: PacketIndex) -> UInt64Array:
        """Identities of packets; of those without a time, with the wraps of their count."""
        keys = packet_identity(buffer, index)
        timeless = np.flatnonzero(index.coarse < 0)
        if len(timeless):
            wrap = self._wraps(index[timeless])
            keys[timeless] ^= wrap.astype(np.uint64) * _MIX
        return keys

    def fresh_keys(self, keys: UInt64Array) -> BoolArray:
        """Which keys are new, in order; the first of several equal ones is."""
        fresh = np.empty(len(keys), np.bool_)
        done = 0
        while done < len(keys):
            room = self._most - self._held
            if room <= 0:
                self._old, self._new = self._new, self._old
                self._new[:] = 0
                self._held = 0
                continue
            some = keys[done : done + room]
            self._held += int(remember(some, self._new, self._old, fresh[done : done + room]))
            done += len(some)
        return fresh

    def _wraps(self, index: PacketIndex) -> IntArray:
        """How often the sequence count of each packet's APID has wrapped."""
        wraps = np.empty(len(index), np.int64)
        sources = index.counter
        for source in np.unique(sources).tolist():
            rows = np.flatnonzero(sources == source)
            counts = index.sequence_count[rows].astype(np.int64)
            last = self._counted.get(source, int(counts[0]))
            steps = np.diff(counts, prepend=last)
            whole = last + np.cumsum((steps + COUNT_MODULUS // 2) % COUNT_MODULUS - COUNT_MODULUS // 2)
            self._counted[source] = int(whole[-1])
            wraps[rows] = whole // COUNT_MODULUS
        return wraps


@kernel
def remember(keys: UInt64Array, new: UInt64Array, old: UInt64Array, fresh: BoolArray) -> int:
    """Enter keys into a table and say which are in neither table yet; how many were entered.

    Tables are open: a key stands at its own number modulo the length, or after it; 0 is an empty slot,
    so the key 0 is taken as 1.

    Parameters
    ----------
    keys
        Shape (n,).
    new, old
        Table that is written and table that is only read; a power of two long, at most half full.
    fresh
        Written: whether each key is in neither, shape (n,).
    """
    entered = 0
    mask = np.uint64(new.size - 1)
    for i in range(keys.size):
        key = keys[i] if keys[i] != np.uint64(0) else np.uint64(1)
        slot = key & mask
        while old[slot] != np.uint64(0) and old[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        known = old[slot] == key
        slot = key & mask
        while new[slot] != np.uint64(0) and new[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        fresh[i] = not known and new[slot] != key
        if new[slot] != key:
            new[slot] = key
            entered += 1
    return entered
