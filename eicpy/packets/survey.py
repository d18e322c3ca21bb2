"""Learning from the data what no definition says: which APIDs there are, their checksum, their headers.

The walk of :mod:`.survey_walk` counts what it meets per APID and keeps a few packets of each as samples. An
APID is believed only from sightings that agree:

- two packets with a right checksum (one, where other APIDs have shown that kind and it led to a packet), or
- three that continue each other's sequence count, or
- any number, when the walk reached the end of the data without a fault, or when two that continue each
  other's sequence count are most of a file of few packets.

It is not believed if most of its packets fill a gap in the sequence counts of an APID that is far more
frequent: those are damaged headers. Idle packets need not count, but must come twice.

Where less than half of the data is explained, the packets may be spaced: the walk is repeated with the bytes
between packets, or the alignment, from which the headers follow one another, if that explains more.

A secondary header is accepted only if all samples agree on it, and a time only if it also runs forward;
otherwise the index has none. Every decision says on what it rests.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import ChecksumKind
from eicpy.packets.primary_header import IDLE_APID, LENGTH_EXCESS
from eicpy.packets.rules import DEFAULT_TIME_BYTE, ApidDecision, ApidTables
from eicpy.packets.survey_spacing import find_spacing
from eicpy.packets.survey_walk import SAMPLES, SEARCH_BUDGET, Seen, walk

__all__ = ["survey"]

_FEW_SEARCHED = 1 << 16
"""Bytes searched off the walk among which no packet has a right checksum by chance."""

_FEW_PACKETS = 4
"""Packets of a file so short that two which count on are enough, where they are most of it."""


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
    asked = None if checksum == "auto" else ChecksumKind.of(checksum)
    seen, believed = _look(buffer, 0, 1, asked)
    if 2 * int(seen.extent[believed].sum()) < len(buffer):
        spacing, alignment = find_spacing(buffer)
        spaced, others = _look(buffer, spacing, alignment, asked)
        if spaced.extent[others].sum() > seen.extent[believed].sum():
            seen, believed = spaced, others
    tables = ApidTables()
    for apid in believed:
        met = int(seen.met[apid])
        kind, reason = _checksum(met, seen.right[apid])
        if asked is not None:
            kind, reason = asked, "asked for"
        secondary, time_byte = _secondary(buffer, seen.samples[apid, : min(met, SAMPLES)])
        if secondary != "none":
            reason += f", all look like {secondary.upper()}"
            reason += " with a time that runs forward" if time_byte is not None else " without a clear time"
        decision = ApidDecision(apid, kind, secondary, reason)
        tables.decide(decision, time_byte=time_byte, coarse_bits=32, fine_bits=16)
    return tables


def _look(
    buffer: ByteArray, spacing: int, alignment: int, asked: ChecksumKind | None
) -> tuple[Seen, list[int]]:
    """Walk with a spacing: what is seen, and the APIDs that are believed."""
    seen = Seen.nothing()
    clean, searched = walk(buffer, spacing, alignment, SEARCH_BUDGET, seen)
    checked = seen.right.max(axis=1) >= 2
    plausible = (2 * seen.flips <= seen.met) | (4 * seen.met > seen.met[seen.like])
    few = bool(seen.met.sum() <= _FEW_PACKETS)
    enough = (seen.continued >= 2) | (few & (seen.continued == 1) & (2 * seen.extent > len(buffer)))
    # Much of what instruments send is zero, so that APID 0 must count on more often than others.
    share = np.where(np.arange(len(seen.met)) == 0, 2, 8)
    solid = checked | (enough & plausible & (share * seen.continued >= seen.met))
    # One right checksum is enough where packets that are accepted anyway carry the same kind.
    trusted = [kind for kind in (1, 2, 3) if (seen.right[solid, kind] >= 2).any() or kind == asked]
    once = seen.right[:, trusted].any(axis=1) & ((seen.linked > 0) | (searched < _FEW_SEARCHED))
    believed = solid | once | (clean & plausible)
    believed[IDLE_APID] |= bool(seen.met[IDLE_APID] >= 2 and plausible[IDLE_APID])
    return seen, np.flatnonzero(believed & (seen.met > 0)).tolist()
