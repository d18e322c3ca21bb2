"""Where the last minutes of a run begin: found in a few small readings, however long the run is.

On-board time grows along a run, so that its last minutes are found by halving: at each probe some bytes are
read, packets found in them as behind damage, and their times compared. No index is needed, so that it works
in a run that is being written.
"""

from itertools import pairwise

import numpy as np

from eicpy.decoding.times import packet_seconds
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndexer
from eicpy.runs.run import Run

__all__ = ["begin_of_last", "time_around"]

SHORT = 8 << 20
"""A run of so many bytes is read whole."""
_PROBES = (1 << 16, 1 << 18, 1 << 20)
"""Bytes read to find the time at a place; more where few hold no packet with a time."""
_AGREE = 60.0
"""Times of two packets that follow each other are this close, s, or one of them is wrong."""


def time_around(run: Run, instrument: Instrument, offset: int) -> float | None:
    """Time of the first packets behind a byte, s (TT since 2017-01-01); None where none has one."""
    for size in _PROBES:
        with run.raw_file.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
        index = PacketIndexer(instrument.headers).feed(data)
        times = packet_seconds(index, instrument)[index.good]
        times = times[np.isfinite(times)]
        for first, second in pairwise(times.tolist()):
            if abs(second - first) < _AGREE:
                return float(first)
    return None


def begin_of_last(run: Run, instrument: Instrument, seconds: float) -> int:
    """Byte from which the last seconds of a run can be read, and somewhat more.

    Parameters
    ----------
    run
        Open or closed.
    instrument
        Describes its packets.
    seconds
        How many, in the time of the data.

    Returns
    -------
    int
        0 for a short run, and for one in which no times are found. A packet need not begin there.
    """
    size = run.size
    if size <= SHORT:
        return 0
    newest = next(
        (t for probe in _PROBES if (t := time_around(run, instrument, max(size - 2 * probe, 0))) is not None),
        None,
    )
    if newest is None:
        return 0
    low, high = 0, size
    while high - low > SHORT // 8:
        middle = (low + high) // 2
        found = time_around(run, instrument, middle)
        if found is None or found > newest - seconds:
            high = middle
        else:
            low = middle
    return low
