"""On-board time to Terrestrial Time: epoch + coarse + fine·tick, a perfect clock until it is correlated.

On-board time is two integers up to here. The short counters of photons are made whole with the time
of their packet, in integers too, so that no photon moves by a rounding.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.instruments import Instrument
from eicpy.packets import PacketIndex
from eicpy.packets.primary_header import APIDS
from eicpy.times import to_seconds

__all__ = ["epoch_seconds", "onboard_seconds", "packet_seconds", "packet_ticks"]


def epoch_seconds(instrument: Instrument) -> float:
    """Time at which the on-board counter was 0, s (TT since MJDREFI 57754).

    Raises
    ------
    BadDataError
        If the instrument's epoch is no date.
    """
    try:
        return _epoch(instrument.time.epoch, instrument.time.scale)
    except ValueError as error:
        raise BadDataError(
            f"got epoch {instrument.time.epoch!r}, expected an ISO date", file=instrument.folder
        ) from error


@cache
def _epoch(date: str, scale: str) -> float:
    from astropy.time import Time  # noqa: PLC0415, takes most of a second: only where a time is needed

    return float(to_seconds(Time(date, scale=scale)))


def onboard_seconds(index: PacketIndex, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Seconds that the on-board counter had counted; NaN for packets without a time.

    Parameters
    ----------
    index
        Packets.
    instrument
        Its header rules give the length of a unit of fine time.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), float64.
    """
    tick = np.zeros(APIDS)
    for header in instrument.headers:
        tick[header.apid] = header.fine_tick
    seconds = index.coarse + np.maximum(index.fine, 0) * tick[index.apid]
    return np.where(index.coarse < 0, np.nan, seconds)


def packet_seconds(index: PacketIndex, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Times of packets, s (TT since MJDREFI 57754); NaN for packets without a time.

    Parameters
    ----------
    index
        Packets.
    instrument
        Its time rule is applied.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), float64.

    See Also
    --------
    epoch_seconds : the epoch of the on-board time.
    eicpy.times.to_time : seconds as a Time.
    """
    return epoch_seconds(instrument) + onboard_seconds(index, instrument)


def packet_ticks(index: PacketIndex, instrument: Instrument, tick: float) -> npt.NDArray[Any]:
    """Times of packets as whole ticks of a photon counter since the epoch.

    Good to a tick, which is enough to supply the high bits of a counter of which the photons carry
    the low ones.

    Parameters
    ----------
    index
        Packets; all have a time.
    instrument
        Its header rules are applied.
    tick
        Length of a tick, s.

    Returns
    -------
    numpy.ndarray
        Shape (n_packets,), int64.
    """
    return np.rint(onboard_seconds(index, instrument) / tick).astype(np.int64)
