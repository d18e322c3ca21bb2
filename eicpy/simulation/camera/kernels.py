"""The inner loop: one photon after the other, from the sky to a channel.

Arrival times are exponential gaps at the highest possible total rate; a photon whose component shines less
at that moment is thrown away (thinning), which is exact for any light curve. Pixel and energy come from
alias tables (Walker 1977; Vose 1991, IEEE Trans. Softw. Eng. 17, 972): one random number each, whatever the
size of the table. Then: absorption in extra dead layers, escape of a fluorescence photon, lost or into a
neighbour, trapping of holes by the depth, division of charge between neighbours, resolution, threshold,
dead time of the sector, the pixel's own channel.

The kernels take arrays (grouped in named tuples) only, and the same generator gives the same photons
compiled or not. Inside the loop helpers get numbers, not arrays: handing arrays on costs reference counts,
five times the time of the physics.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.kernels import kernel
from eicpy.typing import BoolArray, FloatArray, IntArray

__all__ = [
    "Components",
    "Constants",
    "PhotonArrays",
    "Pixels",
    "Response",
    "Tables",
    "alias_table",
    "make_photons",
]


LOST_THRESHOLD, LOST_RANGE, LOST_DEAD_TIME = 0, 1, 2
"""Positions in the array that counts what was not recorded."""
_BELOW, _BEYOND = -1, -2
"""Channels that are none: below the threshold, beyond the range."""
ROOM = 3
"""Deposits that one photon can leave: its own, a fluorescence photon's, a share of its charge."""


class Components(NamedTuple):
    """What shines during a step; k components."""

    rate: FloatArray
    """Highest detected rate, counts per second, shape (k,)."""
    curve: FloatArray
    """(start, rise, decay) of the light curve, s; rise < 0: steady. Shape (k, 3)."""
    noise: BoolArray
    """Electronic noise: no absorption, no escape, no resolution. Shape (k,)."""
    pixel_stay: FloatArray
    """Alias tables over the pixels, shape (k, n_pixels)."""
    pixel_other: IntArray
    """Alias tables over the pixels, shape (k, n_pixels)."""
    spectrum: IntArray
    """Which spectrum of the tables, shape (k,)."""


class Tables(NamedTuple):
    """All spectra, one after the other."""

    first: IntArray
    """Where each spectrum begins, and the end; shape (spectra + 1,)."""
    stay: FloatArray
    other: IntArray
    low: FloatArray
    """Lower edge of a bin, keV."""
    width: FloatArray
    """Width of a bin, keV; 0 for a line."""


class Pixels(NamedTuple):
    """Truth about the pixels, shape (n_pixels,)."""

    gain: FloatArray
    offset: FloatArray
    layer: FloatArray
    threshold: FloatArray
    """keV; infinite for a dead pixel."""
    sector: IntArray


class Constants(NamedTuple):
    """Numbers of the camera."""

    tick: float
    """s."""
    sigma_constant: float
    """a of σ² = a + b·E, keV²."""
    sigma_slope: float
    """b, keV."""
    grid: float
    """Entries per keV of the tables of the response."""
    escape_edge: float
    """keV; infinite where nothing escapes."""
    electron: float
    """Drift length of electrons relative to the thickness."""
    hole: float
    """Drift length of holes relative to the thickness; 0: no tail."""
    sharing: float
    """Share of photons whose charge divides."""
    dead_time: float
    """s."""
    channels: int
    columns: int


class Response(NamedTuple):
    """Tables of the crystals by energy; n entries, m lines."""

    line: FloatArray
    """Energies of the lines that escape, keV, shape (m,)."""
    escape: FloatArray
    """Cumulative chances: each line lost, then each line to a neighbour; shape (n, 2·m)."""
    thickness: FloatArray
    """Attenuation lengths in the thickness, shape (n,)."""


class PhotonArrays(NamedTuple):
    """PhotonArrays in the order of their times; ticks count from the start of the simulation."""

    tick: IntArray
    detnum: npt.NDArray[np.int16]
    channel: npt.NDArray[np.int16]
    multiplicity: npt.NDArray[np.uint8]
    origin: npt.NDArray[np.uint8]
    """Number of the component."""


@kernel
def alias_table(weight: FloatArray) -> tuple[FloatArray, IntArray]:
    """Vose's alias table of a discrete distribution.

    Parameters
    ----------
    weight
        Weights ≥ 0, not all 0, shape (n,).

    Returns
    -------
    tuple of numpy.ndarray
        Probability to stay and the other choice, shape (n,).
    """
    n = len(weight)
    total = 0.0
    for w in weight:  # a loop: sum() adds in another order when compiled
        total += w
    stay = weight * (n / total)
    other = np.arange(n)
    small = np.empty(n, np.int64)
    large = np.empty(n, np.int64)
    n_small, n_large = 0, 0
    for i in range(n):
        if stay[i] < 1.0:
            small[n_small] = i
            n_small += 1
        else:
            large[n_large] = i
            n_large += 1
    while n_small > 0 and n_large > 0:
        n_small -= 1
        s, g = small[n_small], large[n_large - 1]
        other[s] = g
        stay[g] -= 1.0 - stay[s]
        if stay[g] < 1.0:
            n_large -= 1
            small[n_small] = g
            n_small += 1
    for i in range(n_large):
        stay[large[i]] = 1.0
    for i in range(n_small):  # left over by rounding only
        stay[small[i]] = 1.0
    return stay, other


@kernel
def _shine(x: float, rise: float, decay: float) -> float:
    """Light of a pulse relative to its peak, x seconds after its start (Norris et al. 2005, ApJ 627, 324)."""
    if x <= 0 or x > 2 * rise + 10 * decay:
        return 0.0
    return math.exp((2 * rise - rise * rise / x - x) / decay)


@kernel
def _swallowed(rng: Any, layer: float, E: float) -> bool:
    """Whether an extra dead layer takes a photon."""
    return layer > 0 and rng.random() >= math.exp(-1.4 * layer * (4.0 / E) ** 3.5)


@kernel
def _collected(rng: Any, thickness: float, electron: float, hole: float) -> float:
    """Charge from a drawn depth relative to that from the surface; lengths relative to the thickness."""
    depth = -math.log1p(rng.random() * math.expm1(-thickness)) / thickness
    charge = -electron * math.expm1((depth - 1) / electron) - hole * math.expm1(-depth / hole)
    return charge / (-electron * math.expm1(-1 / electron))


@kernel
def _neighbour(rng: Any, p: int, n_pixels: int, columns: int) -> int:
    """One of the four neighbours of a pixel; −1 beyond the border."""
    side = int(rng.random() * 4)
    row = p // columns + (side == 0) - (side == 1)
    column = p % columns + (side == 2) - (side == 3)
    if row < 0 or row * columns >= n_pixels or column < 0 or column >= columns:
        return -1
    return row * columns + column


@kernel
def _channel(measured: float, threshold: float, gain: float, offset: float, channels: int) -> int:
    """Channel of a measured energy (keV), or why there is none."""
    if measured < threshold:
        return _BELOW
    channel = math.floor((measured - offset) / gain)
    return int(channel) if 0 <= channel < channels else _BEYOND


@kernel
def make_photons(  # noqa: C901, PLR0912, PLR0915  # one photon's way, step by step; helpers with arrays cost 5×
    rng: Any,
    begin: float,
    live: FloatArray,
    components: Components,
    tables: Tables,
    pixels: Pixels,
    response: Response,
    c: Constants,
    last: FloatArray,
    lost: IntArray,
    busy: IntArray,
    out: PhotonArrays,
) -> int:
    """PhotonArrays of one step in the order of their times.

    Parameters
    ----------
    rng
        ``numpy.random.Generator``.
    begin
        Start of the step, s after the start of the simulation; a whole number of ticks.
    live
        Intervals with high voltage within the step, s after `begin`, shape (m, 2).
    components, tables, pixels, response, c
        What shines, its spectra, the pixels, the crystals' tables, the constants.
    last
        Time of the last photon of each sector, s after the start of the simulation; updated.
    lost
        PhotonArrays that were not recorded (below threshold, out of range, dead time); updated.
    busy
        Dead times that began in each second of the step and each sector, shape (seconds, sectors); updated.
    out
        Filled with the photons.

    Returns
    -------
    int
        Number of photons. ``len(out.tick) − 3`` or more: the arrays were too short.
    """
    rate, curve, noise, pixel_stay, pixel_other, spectrum = components
    table_first, table_stay, table_other, table_low, table_width = tables
    gain, offset, layer, threshold, sector = pixels
    line, escape, thickness = response
    tick, detnum, channel, multiplicity, origin = out
    total = 0.0
    for r in rate:
        total += r
    n_pixels, size = len(gain), len(tick) - ROOM
    first_tick = math.floor(begin / c.tick + 0.5)
    hit_pixel, hit_channel = np.empty(ROOM, np.int64), np.empty(ROOM, np.int64)
    hit_energy = np.empty(ROOM)
    lines, last_second = len(line), len(busy) - 1
    n = 0
    for m in range(len(live)):
        t = live[m, 0]
        while n < size:
            t += rng.standard_exponential() / total
            if t >= live[m, 1]:
                break
            u = rng.random() * total
            k = 0
            while k < len(rate) - 1 and u >= rate[k]:
                u -= rate[k]
                k += 1
            if curve[k, 1] >= 0 and rng.random() >= _shine(begin + t - curve[k, 0], curve[k, 1], curve[k, 2]):
                continue
            u = rng.random() * n_pixels
            p = min(int(u), n_pixels - 1)
            if u - p >= pixel_stay[k, p]:
                p = pixel_other[k, p]
            first = table_first[spectrum[k]]
            bins = table_first[spectrum[k] + 1] - first
            u = rng.random() * bins
            b = min(int(u), bins - 1)
            if u - b >= table_stay[first + b]:
                b = table_other[first + b]
            E = table_low[first + b] + table_width[first + b] * rng.random()
            hits = 1
            hit_pixel[0], hit_energy[0] = p, E
            if not noise[k]:
                if _swallowed(rng, layer[p], E):
                    continue
                entry = min(int(E * c.grid), len(thickness) - 1)
                if c.escape_edge < E:
                    u = rng.random()
                    if u < escape[entry, 2 * lines - 1]:
                        way = 0
                        while u >= escape[entry, way]:
                            way += 1
                        hit_energy[0] = E - line[way % lines]
                        if way >= lines:
                            hit_energy[1] = line[way - lines]
                            hit_pixel[1] = _neighbour(rng, p, n_pixels, c.columns)
                            hits = 2 if hit_pixel[1] >= 0 else 1
                if c.hole > 0:
                    hit_energy[0] *= _collected(rng, thickness[entry], c.electron, c.hole)
                if c.sharing > 0 and rng.random() < c.sharing:
                    part = 0.5 * rng.random() * hit_energy[0]
                    hit_energy[0] -= part
                    q = _neighbour(rng, p, n_pixels, c.columns)
                    if q >= 0 and hits == 2 and q == hit_pixel[1]:
                        hit_energy[1] += part
                    elif q >= 0:
                        hit_pixel[hits], hit_energy[hits] = q, part
                        hits += 1
                for h in range(hits):
                    variance = c.sigma_constant + c.sigma_slope * hit_energy[h]
                    hit_energy[h] += math.sqrt(variance) * rng.standard_normal()
            now = begin + t
            good = 0
            for h in range(hits):
                q = hit_pixel[h]
                found = _channel(hit_energy[h], threshold[q], gain[q], offset[q], c.channels)
                if found < 0:
                    lost[LOST_THRESHOLD if found == _BELOW else LOST_RANGE] += 1
                elif now - last[sector[q]] < c.dead_time:
                    lost[LOST_DEAD_TIME] += 1
                    found = _BELOW
                hit_channel[h] = found
                good += found >= 0
            for h in range(hits):
                if hit_channel[h] >= 0:
                    s = sector[hit_pixel[h]]
                    if last[s] != now:
                        busy[min(int(t), last_second), s] += 1
                    last[s] = now
                    tick[n] = first_tick + math.floor(t / c.tick)
                    detnum[n] = hit_pixel[h]
                    channel[n] = hit_channel[h]
                    multiplicity[n] = good
                    origin[n] = k
                    n += 1
    return n
