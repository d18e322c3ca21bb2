"""From raw photon fields to photon columns, one pass, compiled. Arrays in, arrays out."""

from typing import Any

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel

__all__ = ["photon_columns"]

Columns = tuple[
    npt.NDArray[np.float64],
    npt.NDArray[np.int16],
    npt.NDArray[np.int16],
    npt.NDArray[np.uint8],
    npt.NDArray[np.int64],
]


@kernel
def photon_columns(
    ticks: npt.NDArray[Any],
    detnum: npt.NDArray[Any],
    channel: npt.NDArray[Any],
    multiplicity: npt.NDArray[Any],
    packet: npt.NDArray[np.int64],
    start: npt.NDArray[np.float64],
    high: npt.NDArray[np.int64],
    bits: int,
    tick: float,
    pixels: int,
    channels: int,
) -> Columns:
    """Photon columns of the photons whose pixel and channel exist.

    The whole count of a counter of which only the low `bits` are sent is the number nearest to its
    packet's, `high`, that ends in them: counts wrap every 2**bits.

    Parameters
    ----------
    ticks
        Raw time of each photon, shape (n,), any unsigned integer.
    detnum, channel, multiplicity
        Raw values, shape (n,); `multiplicity` may be empty: 1 everywhere.
    packet
        Row of the packet of each photon, shape (n,).
    start
        Time from which the ticks of each packet count, s, shape (n_packets,).
    high
        Time of each packet in ticks, shape (n_packets,); empty where ticks count from the packet.
    bits
        Width of the counter.
    tick
        Length of a tick, s.
    pixels, channels
        How many of them exist.

    Returns
    -------
    time, detnum, channel, multiplicity, bad
        Columns of the good photons; `bad` counts those whose pixel, and whose channel, does not exist.
    """
    n = len(ticks)
    time = np.empty(n, np.float64)
    pixel_out = np.empty(n, np.int16)
    channel_out = np.empty(n, np.int16)
    multiplicity_out = np.empty(n, np.uint8)
    bad = np.zeros(2, np.int64)
    unwrap = len(high) > 0
    counted = len(multiplicity) > 0
    half = np.int64(1) << (bits - 1)
    kept = 0
    for i in range(n):
        pixel = np.int64(detnum[i])
        pulse = np.int64(channel[i])
        if pixel < 0 or pixel >= pixels:
            bad[0] += 1
            continue
        if pulse < 0 or pulse >= channels:
            bad[1] += 1
            continue
        row = packet[i]
        count = np.int64(ticks[i])
        if unwrap:
            count += ((high[row] - count + half) >> bits) << bits
        time[kept] = start[row] + count * tick
        pixel_out[kept] = pixel
        channel_out[kept] = pulse
        multiplicity_out[kept] = min(int(multiplicity[i]), 255) if counted else 1
        kept += 1
    return time[:kept], pixel_out[:kept], channel_out[:kept], multiplicity_out[:kept], bad
