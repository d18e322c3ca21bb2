"""Packets that several runs of the archive hold: a dump sent twice, a transfer begun again.

Ground stations overlap and transfers are repeated, so the same packet may be in two runs. Its photons
must be counted once. Two packets are the same where APID, sequence count, length and on-board time agree
*and* every byte does; packets that carry no time are never taken for one another, since a short message
may well come again. The run with the lower number keeps the packet, so that a run that is added later
changes nothing of what was made from those before it. :class:`eicpy.runs.Deduplicator` serves readers that
see packets once, with a bounded memory; it takes packets without a time for copies, which is wrong here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eicpy.packets import PacketIndex

__all__ = ["find_repeats"]


def find_repeats(parts: Sequence[tuple[int, Path, PacketIndex]]) -> list[npt.NDArray[np.bool_]]:
    """Find the intact packets that a run with a lower number holds as well.

    Parameters
    ----------
    parts
        Number of the run, its raw file and its packets. Within one run nothing is compared.

    Returns
    -------
    list of numpy.ndarray
        For each part, whether each packet is in a run with a lower number, shape (packets,).
    """
    repeats = [np.zeros(len(index), np.bool_) for _, _, index in parts]
    if len(parts) < 2:
        return repeats
    part = np.concatenate([np.full(len(index), n, np.int32) for n, (_, _, index) in enumerate(parts)])
    run = np.concatenate([np.full(len(index), number, np.int64) for number, _, index in parts])
    row = np.concatenate([np.arange(len(index)) for _, _, index in parts])
    timed = np.flatnonzero(np.concatenate([index.good & (index.coarse >= 0) for _, _, index in parts]))
    columns = [
        np.concatenate([getattr(index, name).astype(np.int64) for _, _, index in parts])[timed]
        for name in ("coarse", "fine", "apid", "sequence_count", "length")
    ]
    order = np.lexsort((run[timed], *columns))
    alike = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in columns:
        alike &= np.diff(column[order]) == 0
    buffers = [
        np.memmap(file, np.uint8, "r") if len(index) else np.empty(0, np.uint8) for _, file, index in parts
    ]
    held: dict[bytes, int] = {}
    before = -2
    for here in np.flatnonzero(alike).tolist():
        if here != before + 1:
            held = {}
        for place in (here, here + 1) if here != before + 1 else (here + 1,):
            entry = timed[order[place]]
            which, position = int(part[entry]), int(row[entry])
            index = parts[which][2]
            begin = int(index.offset[position])
            content = buffers[which][begin : begin + int(index.length[position])].tobytes()
            holder = held.setdefault(content, parts[which][0])
            repeats[which][position] = holder != parts[which][0]
        before = here
    return repeats
