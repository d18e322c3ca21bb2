"""Learning from the data what no definition says: which APIDs there are, their checksum, their headers.

The walk goes from header to header and, where it is lost, looks for the next position from which a chain of
headers or a right checksum leads on. What it meets on the way is counted per APID; a few packets of each
are kept as samples. An APID is accepted after two packets with a right checksum (one, where other APIDs have
shown that kind), or three that continue each other's sequence count, or when the walk reached the end of the
data without a fault.

A secondary header is accepted only if all samples agree on it, and a time only if it also runs forward;
otherwise the index has none. Every decision says on what it rests.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import ChecksumKind, is_right
from eicpy.packets.primary_header import (
    APIDS,
    COUNT_MASK,
    COUNTERS,
    HEADER_BYTES,
    LENGTH_EXCESS,
    apid_at,
    counter_at,
    is_version_0,
    packet_length_at,
    sequence_count_at,
)
from eicpy.packets.rules import DEFAULT_TIME_BYTE, ApidDecision, ApidTables

__all__ = ["SAMPLES", "survey"]

SAMPLES = 64
"""Packets of an APID whose checksum is tried and whose headers are compared."""
SEARCH_BUDGET = 1 << 24
"""Bytes looked at off the walk before the survey rests on what it has."""
_SHORT = 4096

Ints = npt.NDArray[np.signedinteger[Any]]


@kernel
def _chain_length(buffer: ByteArray, position: int, most: int) -> int:
    """Headers of version 0 that follow one another, at most `most`; the exact end counts as three more."""
    depth = 0
    while depth < most:
        if position == buffer.size and depth > 0:
            return min(depth + 3, most)
        if position + HEADER_BYTES > buffer.size or not is_version_0(buffer, position):
            return depth
        position += packet_length_at(buffer, position)
        if position > buffer.size:
            return depth
        depth += 1
    return depth


@kernel
def _counts_continue(buffer: ByteArray, position: int) -> bool:
    """Whether two of the next five headers are of one counter and have consecutive sequence counts."""
    counters = np.full(5, -1, dtype=np.int64)
    counts = np.zeros(5, dtype=np.int64)
    for i in range(5):
        if position + HEADER_BYTES > buffer.size or not is_version_0(buffer, position):
            return False
        counters[i] = counter_at(buffer, position)
        counts[i] = sequence_count_at(buffer, position)
        for j in range(i):
            if counters[j] == counters[i] and ((counts[i] - counts[j]) & COUNT_MASK) == 1:
                return True
        position += packet_length_at(buffer, position)
    return False


@kernel
def _may_restart(buffer: ByteArray, position: int) -> bool:
    """Whether the walk may start again here: a long chain, consecutive counts, or a right checksum."""
    if position + HEADER_BYTES > buffer.size or not is_version_0(buffer, position):
        return False
    length = packet_length_at(buffer, position)
    if position + length > buffer.size:
        return False
    depth = _chain_length(buffer, position, 8)
    if depth >= 8 or (depth >= 2 and _counts_continue(buffer, position)):
        return True
    if depth >= 2 or (depth == 1 and length <= _SHORT):
        for kind in (1, 3):
            if is_right(buffer, position, length, kind):
                return True
    return False


@kernel
def _leads_to_packet(buffer: ByteArray, position: int, met: Ints) -> bool:
    """Whether a packet may stand here and another, or the end, follows."""
    if not is_version_0(buffer, position):
        return False
    follower = position + packet_length_at(buffer, position)
    if follower == buffer.size:
        return True
    if follower + HEADER_BYTES > buffer.size or not is_version_0(buffer, follower):
        return False
    return bool(met[apid_at(buffer, follower)] > 0 or _chain_length(buffer, follower, 3) >= 3)


@kernel
def _count_packet(
    buffer: ByteArray, position: int, met: Ints, right: Ints, continued: Ints, last: Ints, samples: Ints
) -> None:
    """Count a packet for its APID."""
    apid = apid_at(buffer, position)
    count = sequence_count_at(buffer, position)
    length = packet_length_at(buffer, position)
    if met[apid] < samples.shape[1]:
        samples[apid, met[apid]] = position
        for kind in (1, 2, 3):
            if is_right(buffer, position, length, kind):
                right[apid, kind] += 1
    counter = counter_at(buffer, position)
    if last[counter] >= 0 and ((count - last[counter]) & COUNT_MASK) == 1:
        continued[apid] += 1
    last[counter] = count
    met[apid] += 1


@kernel
def _walk(
    buffer: ByteArray, budget: int, met: Ints, right: Ints, continued: Ints, last: Ints, samples: Ints
) -> bool:
    """Count packets per APID; True if the walk reached the end without a fault."""
    position = 0
    anchor = 0
    run = 0
    clean = True
    stands = _chain_length(buffer, 0, 1) == 1
    while True:
        if stands:
            _count_packet(buffer, position, met, right, continued, last, samples)
            position += packet_length_at(buffer, position)
            run += 1
            if position + HEADER_BYTES > buffer.size:
                return clean and position == buffer.size
            stands = _leads_to_packet(buffer, position, met)
            continue
        clean = False
        # A short run began at a position that only looked like a header: its length is not to be trusted.
        position = (anchor if run < 3 else position) + 1
        while not _may_restart(buffer, position):
            position += 1
            budget -= 1
            if budget <= 0 or position + HEADER_BYTES > buffer.size:
                return False
        anchor = position
        run = 0
        stands = True


def _header_starts(
    buffer: ByteArray, samples: npt.NDArray[np.int64], size: int, *, commands: bool
) -> npt.NDArray[np.uint8] | None:
    """First bytes of the sampled packets that can carry a secondary header; None if there are none."""
    room = samples + size <= buffer.size
    samples = samples[room]
    if len(samples) == 0:
        return None
    starts: npt.NDArray[np.uint8] = buffer[samples[:, None] + np.arange(size)]
    starts = starts[starts[:, 0] >> 3 == (3 if commands else 1)]
    lengths = (starts[:, 4].astype(np.int64) << 8) + starts[:, 5] + LENGTH_EXCESS
    starts = starts[lengths >= size]
    return starts if len(starts) else None


def _runs_forward(coarse: npt.NDArray[np.int64]) -> bool:
    """Whether a time could be one: it passes, never far back, and does not leap over years."""
    if len(coarse) < 3 or coarse[0] == 0:
        return False
    steps = np.diff(coarse)
    return bool((steps >= -1).mean() > 0.9 and coarse[-1] > coarse[0] and np.abs(steps).max() < 40_000_000)


def _secondary(buffer: ByteArray, samples: npt.NDArray[np.int64]) -> tuple[str, int | None]:
    """Secondary header that all samples agree on, and the byte of its coarse time if that runs forward."""
    starts = _header_starts(buffer, samples, 20, commands=False)
    if starts is None:
        return _secondary_of_commands(buffer, samples), None
    if (starts[:, 6] == 0x10).all() and (starts[:, 7] > 0).all():
        kind = "pus-a"
    elif (starts[:, 6] >> 4 == 2).all() and (starts[:, 7] > 0).all():
        kind = "pus-c"
    else:
        return "none", None
    byte = DEFAULT_TIME_BYTE[kind]
    coarse = np.zeros(len(starts), dtype=np.int64)
    for i in range(4):
        coarse = (coarse << 8) | starts[:, byte + i]
    return kind, byte if _runs_forward(coarse) else None


def _secondary_of_commands(buffer: ByteArray, samples: npt.NDArray[np.int64]) -> str:
    """Secondary header that all sampled telecommands agree on: version 1 or 2, and a type."""
    starts = _header_starts(buffer, samples, 11, commands=True)
    if starts is None or not (starts[:, 7] > 0).all():
        return "none"
    versions = np.unique(starts[:, 6] >> 4).tolist()
    return {1: "pus-a", 2: "pus-c"}.get(versions[0], "none") if len(versions) == 1 else "none"


def _checksum(met: int, right: npt.NDArray[np.int64]) -> tuple[ChecksumKind, str]:
    """Checksum of an APID from how many of its samples agree with each kind."""
    tried = min(met, SAMPLES)
    best = int(np.argmax(right[1:])) + 1
    agreed = int(right[best])
    if agreed and (2 * agreed >= tried or (agreed >= 2 and 20 * agreed >= tried)):
        kind = ChecksumKind(best)
        return kind, f"{kind.name.lower()} right in {agreed} of {tried} sampled packets"
    return ChecksumKind.NONE, f"no known checksum right in {tried} sampled packets"


def survey(buffer: ByteArray, checksum: str = "auto") -> ApidTables:
    """Learn the APIDs of some data, their checksums and their secondary headers.

    Parameters
    ----------
    buffer
        Shape (n_bytes,), uint8, read-only.
    checksum
        ``auto``, or the kind that all APIDs carry.

    Returns
    -------
    ApidTables
        With one decision, and its reason, for each APID that is accepted.
    """
    met = np.zeros(APIDS, dtype=np.int64)
    right = np.zeros((APIDS, 4), dtype=np.int64)
    continued = np.zeros(APIDS, dtype=np.int64)
    samples = np.zeros((APIDS, SAMPLES), dtype=np.int64)
    last = np.full(COUNTERS, -1, dtype=np.int64)
    clean = _walk(buffer, SEARCH_BUDGET, met, right, continued, last, samples)
    asked = None if checksum == "auto" else ChecksumKind.of(checksum)
    tables = ApidTables()
    solid = (right.max(axis=1) >= 2) | (continued >= 2)
    # One right checksum is enough where packets that are accepted anyway carry the same kind.
    trusted = [kind for kind in (1, 2, 3) if (right[solid, kind] >= 2).any() or kind == asked]
    for apid in np.flatnonzero(met).tolist():
        if not (solid[apid] or clean or right[apid, trusted].any()):
            continue
        kind, reason = _checksum(int(met[apid]), right[apid])
        if asked is not None:
            kind, reason = asked, "asked for"
        secondary, time_byte = _secondary(buffer, samples[apid, : min(int(met[apid]), SAMPLES)])
        if secondary != "none":
            reason += f", all look like {secondary.upper()}"
            reason += " with a time that runs forward" if time_byte is not None else " without a clear time"
        decision = ApidDecision(apid, kind, secondary, reason)
        tables.decide(decision, time_byte=time_byte, coarse_bits=32, fine_bits=16)
    return tables
