"""Parts of a run in the housekeeping archive: which of its bytes were archived as they came.

A part is a source of the archive named by run and bytes, so that whoever archives the same run again, after
a crash or at night, skips the parts that are archived already.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from eicpy.housekeeping.archive import HousekeepingArchive

__all__ = ["archived_ranges", "archived_rows", "part_name"]

_NAME = re.compile(r"run-\d{6,}-bytes-(\d+)-(\d+)")


def part_name(run: int, start: int, stop: int) -> str:
    """Name of the source that holds all packets of a kind that begin in [start, stop) of a run's raw file.

    >>> part_name(12, 0, 5010)
    'run-000012-bytes-0-5010'
    """
    return f"run-{run:06d}-bytes-{start}-{stop}"


def archived_ranges(archive: HousekeepingArchive, packet: str, run: int) -> list[tuple[int, int]]:
    """Ranges of bytes of a run whose packets are in the archive as parts of it.

    Parameters
    ----------
    archive
        The archive.
    packet
        Name of the packet.
    run
        Number of the run.

    Returns
    -------
    list of tuple
        (first byte, byte after the last) of each.
    """
    named = [
        _NAME.fullmatch(source) for _, source in archive.catalogue.sources(packet, f"run-{run:06d}-bytes-")
    ]
    return [(int(name[1]), int(name[2])) for name in named if name is not None]


def archived_rows(ranges: Iterable[tuple[int, int]], offset: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which packets begin in a range.

    Parameters
    ----------
    ranges
        As from :func:`archived_ranges`.
    offset
        Bytes at which the packets begin, shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.
    """
    held = np.zeros(len(offset), np.bool_)
    for start, stop in ranges:
        held |= (offset >= start) & (offset < stop)
    return held
