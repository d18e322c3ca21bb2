"""Learning from the data what no definition tells: which APIDs there are, their checksum, their headers.

The walk goes from header to header and, where it is lost, looks for the next place from which a chain of
headers or a right checksum leads on. What it meets on the way is counted per APID; a few packets of each
are kept as samples. An APID is believed after two packets with a right checksum (one, where other APIDs have
shown that kind), or three that continue each other's sequence count, or when the walk reached the end of the
data without a fault.

A secondary header is believed only if all samples agree on it, and a time only if it also runs forward;
otherwise the index has none. Every decision says on what it rests.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import ByteArray, Word, kernel
from eicpy.packets.checksum import ChecksumKind, is_right
from eicpy.packets.rules import APIDS, COUNTERS, DEFAULT_TIME_BYTE, ApidDecision, ApidTables

__all__ = ["SAMPLES", "survey"]

SAMPLES = 64
"""Packets of an APID whose checksum is tried and whose headers are compared."""
SEARCH_BUDGET = 1 << 24
"""Bytes looked at off the walk before the survey rests on what it has."""
_SHORT = 4096
LANE_BITS = 0x17FF
"""Bits of a header's first word that tell the counter: packet type and APID."""

Ints = npt.NDArray[np.signedinteger[Any]]


@kernel
def _word(buffer: ByteArray, position: int) -> Word:
    return (np.int64(buffer[position]) << 8) | np.int64(buffer[position + 1])


@kernel
def _depth(buffer: ByteArray, position: int, most: int) -> int:
    """Headers of version 0 that follow one another, at most `most`; the exact end counts as three more."""
    depth = 0
    while depth < most:
        if position == buffer.size and depth > 0:
            return min(depth + 3, most)
        if position + 6 > buffer.size or buffer[position] >= 32:
            return depth
        position += _word(buffer, position + 4) + 7
        if position > buffer.size:
            return depth
        depth += 1
    return depth


@kernel
def _runs_on(buffer: ByteArray, position: int) -> bool:
    """Whether two of the next five headers are of one counter and have consecutive sequence counts."""
    lanes = np.full(5, -1, dtype=np.int64)
    counts = np.zeros(5, dtype=np.int64)
    for i in range(5):
        if position + 6 > buffer.size or buffer[position] >= 32:
            return False
        lanes[i] = _word(buffer, position) & LANE_BITS
        counts[i] = _word(buffer, position + 2) & 16383
        for j in range(i):
            if lanes[j] == lanes[i] and ((counts[i] - counts[j]) & 16383) == 1:
                return True
        position += _word(buffer, position + 4) + 7
    return False


@kernel
def _anchor(buffer: ByteArray, position: int) -> bool:
    """Whether the walk may start again here: a long chain, consecutive counts, or a right checksum."""
    if position + 6 > buffer.size or buffer[position] >= 32:
        return False
    length = _word(buffer, position + 4) + 7
    if position + length > buffer.size:
        return False
    depth = _depth(buffer, position, 8)
    if depth >= 8 or (depth >= 2 and _runs_on(buffer, position)):
        return True
    if depth >= 2 or (depth == 1 and length <= _SHORT):
        for kind in (1, 3):
            if is_right(buffer, position, length, kind):
                return True
    return False


@kernel
def _hop(buffer: ByteArray, position: int, met: Ints) -> bool:
    """Whether a packet may stand here and another, or the end, follows."""
    if buffer[position] >= 32:
        return False
    follower = position + _word(buffer, position + 4) + 7
    if follower == buffer.size:
        return True
    if follower + 6 > buffer.size or buffer[follower] >= 32:
        return False
    return bool(met[_word(buffer, follower) & 2047] > 0 or _depth(buffer, follower, 3) >= 3)


@kernel
def _note(
    buffer: ByteArray, position: int, met: Ints, right: Ints, continued: Ints, last: Ints, samples: Ints
) -> None:
    """Count a packet for its APID."""
    apid = _word(buffer, position) & 2047
    count = _word(buffer, position + 2) & 16383
    length = _word(buffer, position + 4) + 7
    if met[apid] < samples.shape[1]:
        samples[apid, met[apid]] = position
        for kind in (1, 2, 3):
            if is_right(buffer, position, length, kind):
                right[apid, kind] += 1
    lane = apid | ((_word(buffer, position) >> 1) & 2048)
    if last[lane] >= 0 and ((count - last[lane]) & 16383) == 1:
        continued[apid] += 1
    last[lane] = count
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
    stands = _depth(buffer, 0, 1) == 1
    while True:
        if stands:
            _note(buffer, position, met, right, continued, last, samples)
            position += _word(buffer, position + 4) + 7
            run += 1
            if position + 6 > buffer.size:
                return clean and position == buffer.size
            stands = _hop(buffer, position, met)
            continue
        clean = False
        # A short run began at a place that only looked like a header: its length is not to be trusted.
        position = (anchor if run < 3 else position) + 1
        while not _anchor(buffer, position):
            position += 1
            budget -= 1
            if budget <= 0 or position + 6 > buffer.size:
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
    lengths = (starts[:, 4].astype(np.int64) << 8) + starts[:, 5] + 7
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
        With one decision, and its reason, for each APID that is believed.
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
    # One right checksum is believed where packets that are believed anyway carry the same kind.
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
