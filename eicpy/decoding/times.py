"""On-board time to Terrestrial Time: epoch + coarse + fine·tick, a perfect clock until it is correlated.

On-board time is two integers up to here. The short counters of photons are made whole with the time
of their packet, in integers too, so that no photon moves by a rounding.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import erfa
import numpy as np
import numpy.typing as npt

from eicpy.errors import BadDataError
from eicpy.instruments import Instrument
from eicpy.instruments.packet_rules import PacketHeader
from eicpy.packets import PacketIndex
from eicpy.packets.primary_header import APIDS
from eicpy.times import DAY, day_number, to_seconds

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
        Shape (n_packets,), float64. Of a day-segmented time, seconds since the epoch of the instrument.
    """
    seconds = _counted(index, instrument)
    for header, rows in _day_segmented(index, instrument):
        seconds[rows] = _day_seconds(index, rows, header) - epoch_seconds(instrument)
    return seconds


def packet_seconds(index: PacketIndex, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Times of packets, s (TT since MJDREFI 57754); NaN for packets without a time.

    Day-segmented times (CDS) are those of UTC: each day begins where the table of leap seconds says, and in a
    leap second the time goes on. They do not ask the epoch of the instrument.

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

    References
    ----------
    CCSDS 301.0-B-4, Time Code Formats, section 3.3 (day segmented time code).
    """
    seconds = epoch_seconds(instrument) + _counted(index, instrument)
    for header, rows in _day_segmented(index, instrument):
        seconds[rows] = _day_seconds(index, rows, header)
    return seconds


def _counted(index: PacketIndex, instrument: Instrument) -> npt.NDArray[np.float64]:
    """Coarse and fine time together, s; NaN for packets without a time."""
    tick = np.zeros(APIDS)
    for header in instrument.headers:
        tick[header.apid] = header.fine_tick
    seconds = index.coarse + np.maximum(index.fine, 0) * tick[index.apid]
    return np.where(index.coarse < 0, np.nan, seconds)


def _day_segmented(
    index: PacketIndex, instrument: Instrument
) -> Iterator[tuple[PacketHeader, npt.NDArray[np.int64]]]:
    """Headers with a day-segmented time, and the packets that have them and a time."""
    for header in instrument.headers:
        if header.day_epoch:
            rows = np.flatnonzero((index.apid == header.apid) & (index.coarse >= 0))
            if len(rows):
                yield header, rows


def _day_seconds(
    index: PacketIndex, rows: npt.NDArray[np.int64], header: PacketHeader
) -> npt.NDArray[np.float64]:
    """Times of packets with a day-segmented time, s (TT since MJDREFI 57754)."""
    from astropy.time import Time  # noqa: PLC0415, takes most of a second: only where a time is needed

    day, second = np.divmod(index.coarse[rows], DAY)
    days, which = np.unique(day, return_inverse=True)
    with warnings.catch_warnings():
        # Leap seconds are not known for the far future, where a clock that was never set may be.
        warnings.simplefilter("ignore", category=erfa.ErfaWarning)
        begins = to_seconds(Time(day_number(header.day_epoch) + days, format="mjd", scale="utc"))
    within = second + index.fine[rows] * header.fine_tick
    return np.asarray(begins[which] + within, dtype=np.float64)


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
