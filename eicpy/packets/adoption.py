"""Belief in an APID that no definition names and that the survey did not see: it must be seen again.

A flipped bit of the APID makes a header of another APID that is right in all else. An APID is therefore
adopted only if a packet of it has a checksum that other packets here carry, or after `ENOUGH` packets that
stood between others and counted on from one to the next. Idle packets, whose APID is fixed, need not
count; if a known APID differs from theirs by a single bit, they are believed no more than others.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import Word, kernel
from eicpy.packets.buffers import ByteArray
from eicpy.packets.checksum import is_right
from eicpy.packets.index_rows import CANDIDATE, SIGHTINGS
from eicpy.packets.primary_header import (
    COUNT_MASK,
    IDLE_APID,
    VERSION_SHIFT,
    apid_at,
    counter_at,
    sequence_count_at,
    word_at,
)

__all__ = ["ENOUGH", "adopted_kind", "is_near_known"]

Ints = npt.NDArray[np.signedinteger[Any]]

ENOUGH = 3
"""Packets of an APID whose sequence counts follow one another, after which it is believed."""


@kernel
def is_near_known(apid: int, known: Ints) -> bool:
    """Whether an APID that is known (not below 0) differs from another by one bit."""
    near = 0
    for bit in range(11):
        near += known[apid ^ (1 << bit)] >= 0
    return near > 0


@kernel
def adopted_kind(buffer: ByteArray, position: int, length: int, checksum: Ints, memory: Ints) -> Word:
    """Checksum kind of an APID that is met between good packets, or −1 if it is not believed yet."""
    if word_at(buffer, position) >> VERSION_SHIFT:
        return -1
    for kind in (1, 2, 3):
        used = False
        for known in checksum:
            if known == kind:
                used = True
                break
        if used and is_right(buffer, position, length, kind):
            return kind
    apid = apid_at(buffer, position)
    if apid == IDLE_APID and not is_near_known(apid, checksum):
        return 0
    counter = counter_at(buffer, position)
    count = sequence_count_at(buffer, position)
    last = memory[CANDIDATE, counter]
    follows = last >= 0 and (count - last) & COUNT_MASK == 1
    memory[SIGHTINGS, counter] = memory[SIGHTINGS, counter] + 1 if follows else 1
    memory[CANDIDATE, counter] = count
    return 0 if memory[SIGHTINGS, counter] >= ENOUGH else -1
