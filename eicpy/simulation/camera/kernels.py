"""The inner loop: one photon after the other, from the sky to a channel.

Arrival times are exponential gaps at the highest possible total rate; a photon whose component shines less
at that moment is thrown away (thinning), which is exact for any light curve. Component, pixel and energy come
from alias tables (Walker 1977; Vose 1991, IEEE Trans. Softw. Eng. 17, 972): half a random word each, whatever
the size of the table. Then: absorption in extra dead layers, escape of a fluorescence photon, lost or into a
neighbour, trapping of holes by the depth, division of charge between neighbours, resolution, threshold,
dead time of the sector, the pixel's own channel.

The kernels take arrays (grouped in named tuples) only, and the same state of the random numbers gives the
same photons compiled or not. Inside the loop helpers get numbers, not arrays: handing arrays on costs
reference counts. What a photon looks up at random is packed into few bytes, because the second cache is what
limits the speed: an entry of an alias table is one word, the constants of a pixel are sixteen bytes.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.kernels import inline_kernel, kernel
from eicpy.simulation.camera.random_numbers import State, bits, normal, uniform
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
    "packed_alias",
]


LOST_THRESHOLD, LOST_RANGE, LOST_DEAD_TIME, LOST_VETO = range(4)
"""Positions in the array that counts what was not recorded."""
_BELOW, _BEYOND = -1, -2
"""Channels that are none: below the threshold, beyond the range."""
ROOM = 3
"""Deposits that one photon can leave: its own, a fluorescence photon's, a share of its charge."""
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_S11 = np.uint64(11)
_TO_UNIT, _LOW_TO_UNIT = 2.0**-53, 2.0**-32

Float32Array = npt.NDArray[np.float32]
Alias = npt.NDArray[np.uint64]
"""A packed alias table: of each entry the chance to stay in units of 2⁻³², and below it the other choice."""


class Components(NamedTuple):
    """What shines during a step; k components."""

    rate: FloatArray
    """Highest detected rate, counts per second, shape (k,)."""
    curve: FloatArray
    """(start, rise, decay) of the light curve, s; rise < 0: steady. Shape (k, 3)."""
    noise: BoolArray
    """Electronic noise: no absorption, no escape, no resolution. Shape (k,)."""
    pixel: Alias
    """Alias tables over the pixels, shape (k, n_pixels)."""
    spectrum: IntArray
    """Which spectrum of the tables, shape (k,)."""
    origin: IntArray
    """Number under which the photons are counted, shape (k,)."""


class Tables(NamedTuple):
    """All spectra, one after the other."""

    first: IntArray
    """Where each spectrum begins, and the end; shape (spectra + 1,)."""
    alias: Alias
    """Alias tables over the bins, shape (bins,)."""
    bins: Float32Array
    """Lower edge and width of each bin, keV; a width of 0 for a line. Shape (bins, 2)."""


class Pixels(NamedTuple):
    """Truth about the pixels as the kernel wants it; see :meth:`of`."""

    measure: Float32Array
    """Channels per keV, channel of 0 keV, threshold (keV, infinite for a dead pixel), variance of the
    electronics (keV²); shape (n_pixels, 4)."""
    loss: Float32Array
    """Extra dead layer, and share of the light that is taken; shape (n_pixels, 2)."""
    weak: BoolArray
    """Whether `loss` says anything; shape (n_pixels,)."""
    sector: npt.NDArray[np.uint8]
    """Shape (n_pixels,)."""

    @classmethod
    def of(
        cls,
        gain: FloatArray,
        offset: FloatArray,
        threshold: FloatArray,
        variance: FloatArray,
        layer: FloatArray,
        taken: FloatArray,
        sector: IntArray,
    ) -> "Pixels":
        """From what each pixel is, arrays of shape (n_pixels,)."""
        measure = np.stack([1 / gain, -offset / gain, threshold, variance], axis=1).astype(np.float32)
        loss = np.stack([layer, taken], axis=1).astype(np.float32)
        weak = np.asarray((layer > 0) | (taken < 1))
        return cls(measure, loss, weak, sector.astype(np.uint8))


class Constants(NamedTuple):
    """Numbers of the camera."""

    tick: float
    """s."""
    sigma_slope: float
    """b of σ² = a + b·E, keV; a is each pixel's own."""
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
    veto: bool
    """Whether events of several pixels are not sent."""
    channels: int
    columns: int


class Response(NamedTuple):
    """Tables of the crystals by energy; n entries, m lines."""

    line: FloatArray
    """Energies of the lines that escape, keV, shape (m,)."""
    escape: FloatArray
    """Cumulative chances: each line lost, then each line to a neighbour; shape (n, 2·m)."""
    any_escape: Float32Array
    """The last of them, shape (n,)."""
    thickness: Float32Array
    """Attenuation lengths in the thickness, shape (n,)."""


class PhotonArrays(NamedTuple):
    """PhotonArrays in the order of their times; ticks count from the reference of times."""

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
def packed_alias(weight: FloatArray) -> Alias:
    """The same table with one word for each entry.

    The chance to stay is rounded to 2⁻³², and what stays for sure is its own other choice.

    Parameters
    ----------
    weight
        Weights ≥ 0, not all 0, shape (n,).

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    stay, other = alias_table(weight)
    table = np.empty(len(weight), np.uint64)
    for i in range(len(weight)):
        chance = min(max(stay[i], 0.0) * 2.0**32, 2.0**32 - 1)
        table[i] = (np.uint64(chance) << _HALF) | np.uint64(other[i])
    return table


@inline_kernel
def _shine(x: float, rise: float, decay: float) -> float:
    """Light of a pulse relative to its peak, x seconds after its start (Norris et al. 2005, ApJ 627, 324)."""
    if x <= 0 or x > 2 * rise + 10 * decay:
        return 0.0
    return math.exp((2 * rise - rise * rise / x - x) / decay)


@inline_kernel
def _transmitted(layer: float, E: float) -> float:
    """What an extra dead layer lets through (:func:`eicpy.simulation.camera.detector.layer_transmission`)."""
    r = 4.0 / E
    return math.exp(-1.4 * layer * (r * r * r * math.sqrt(r)))


@inline_kernel
def _collected(u: float, thickness: float, electron: float, hole: float) -> float:
    """Charge from a drawn depth relative to that from the surface; lengths relative to the thickness."""
    depth = -math.log1p(u * math.expm1(-thickness)) / thickness
    charge = -electron * math.expm1((depth - 1) / electron) - hole * math.expm1(-depth / hole)
    return charge / (-electron * math.expm1(-1 / electron))


@inline_kernel
def _neighbour(u: float, p: int, n_pixels: int, columns: int) -> int:
    """One of the four neighbours of a pixel; −1 beyond the border."""
    side = int(u * 4)
    row = p // columns + (side == 0) - (side == 1)
    column = p % columns + (side == 2) - (side == 3)
    if row < 0 or row * columns >= n_pixels or column < 0 or column >= columns:
        return -1
    return row * columns + column


@inline_kernel
def _channel(measured: float, per_kev: float, zero: float, threshold: float, channels: int) -> int:
    """Channel of a measured energy (keV), or why there is none."""
    if measured < threshold:
        return _BELOW
    channel = measured * per_kev + zero
    return int(channel) if 0 <= channel < channels else _BEYOND


@kernel
def make_photons(  # noqa: C901, PLR0912, PLR0915  # one photon's way, step by step
    state: State,
    begin: float,
    first_tick: int,
    live: FloatArray,
    components: Components,
    tables: Tables,
    pixels: Pixels,
    response: Response,
    c: Constants,
    last: FloatArray,
    lost: IntArray,
    several: IntArray,
    counts: IntArray,
    busy: IntArray,
    out: PhotonArrays,
    n: int,
) -> int:
    """PhotonArrays of one step in the order of their times.

    Parameters
    ----------
    state
        Of the random numbers, see :func:`eicpy.simulation.camera.random_numbers.first_state`.
    begin
        Start of the step, s after the start of the simulation; a whole number of ticks.
    first_tick
        Tick of the start of the step.
    live
        Intervals with high voltage within the step, s after `begin`, shape (m, 2).
    components, tables, pixels, response, c
        What shines, its spectra, the pixels, the crystals' tables, the constants.
    last
        Time of the last photon of each sector, s after the start of the simulation; updated.
    lost
        PhotonArrays that were not recorded (below threshold, out of range, dead time, veto); updated.
    several
        Events of several deposits, by the number of those that were recorded, shape (4,); updated.
    counts
        PhotonArrays that were recorded, by component; updated.
    busy
        Dead times that began in each second of the step and each sector, shape (seconds, sectors); updated.
    out
        Filled with the photons.
    n
        Where in `out` they begin.

    Returns
    -------
    int
        Where they end. ``len(out.tick) − 3`` or more: the arrays were too short.
    """
    rate, curve, noise, pixel_alias, spectrum, number = components
    table_first, table_alias, table_bins = tables
    measure, loss, weak, sector = pixels
    line, escape, any_escape, thickness = response
    tick, detnum, channel, multiplicity, origin = out
    component_alias = packed_alias(rate)
    n_components = np.uint64(len(rate))
    total = 0.0
    for r in rate:
        total += r
    gap = 1 / total
    n_pixels, size = len(weak), len(tick) - ROOM
    pixel_count = np.uint64(n_pixels)
    bin_count = np.empty(len(rate), np.uint64)
    for i in range(len(rate)):
        bin_count[i] = table_first[spectrum[i] + 1] - table_first[spectrum[i]]
    hit_pixel, hit_channel = np.empty(ROOM, np.int64), np.empty(ROOM, np.int64)
    hit_energy = np.empty(ROOM)
    lines, last_second, last_entry = len(line), len(busy) - 1, len(thickness) - 1
    ticks_per_second = round(1 / c.tick)
    for m in range(len(live)):
        t, stop = live[m, 0], live[m, 1]
        while n < size:
            word, state = bits(state)
            t -= math.log(1.0 - np.float64(np.int64(word >> _S11)) * _TO_UNIT) * gap
            if t >= stop:
                break
            word, state = bits(state)
            u = (word & _LOW) * n_components
            k = np.int64(u >> _HALF)
            entry = component_alias[k]
            if (u & _LOW) >= entry >> _HALF:
                k = np.int64(entry & _LOW)
            place = np.float64(np.int64(word >> _HALF)) * _LOW_TO_UNIT
            if curve[k, 1] >= 0:
                v, state = uniform(state)
                if v >= _shine(begin + t - curve[k, 0], curve[k, 1], curve[k, 2]):
                    continue
            word, state = bits(state)
            u = (word & _LOW) * pixel_count
            p = np.int64(u >> _HALF)
            entry = pixel_alias[k, p]
            if (u & _LOW) >= entry >> _HALF:
                p = np.int64(entry & _LOW)
            u = (word >> _HALF) * bin_count[k]
            first = table_first[spectrum[k]]
            b = first + np.int64(u >> _HALF)
            entry = table_alias[b]
            if (u & _LOW) >= entry >> _HALF:
                b = first + np.int64(entry & _LOW)
            E = table_bins[b, 0] + table_bins[b, 1] * place
            hits = 1
            if not noise[k]:
                if weak[p]:
                    v, state = uniform(state)
                    if v >= loss[p, 1] * _transmitted(loss[p, 0], E):
                        continue
                at = min(int(E * c.grid), last_entry)
                if c.escape_edge < E:
                    v, state = uniform(state)
                    if v < any_escape[at]:
                        way = 0
                        while way < 2 * lines - 1 and v >= escape[at, way]:
                            way += 1
                        E -= line[way % lines]
                        if way >= lines:
                            v, state = uniform(state)
                            hit_energy[1] = line[way - lines]
                            hit_pixel[1] = _neighbour(v, p, n_pixels, c.columns)
                            hits = 2 if hit_pixel[1] >= 0 else 1
                if c.hole > 0:
                    v, state = uniform(state)
                    E *= _collected(v, thickness[at], c.electron, c.hole)
                if c.sharing > 0:
                    v, state = uniform(state)
                    if v < c.sharing:
                        v, state = uniform(state)
                        part = 0.5 * v * E
                        E -= part
                        v, state = uniform(state)
                        q = _neighbour(v, p, n_pixels, c.columns)
                        if q >= 0 and hits == 2 and q == hit_pixel[1]:
                            hit_energy[1] += part
                        elif q >= 0:
                            hit_pixel[hits], hit_energy[hits] = q, part
                            hits += 1
                v, state = normal(state)
                E += math.sqrt(measure[p, 3] + c.sigma_slope * E) * v
            now = begin + t
            if hits == 1:  # nearly all: without the arrays of several deposits, a sixth faster
                found = _channel(E, measure[p, 0], measure[p, 1], measure[p, 2], c.channels)
                if found < 0:
                    lost[LOST_THRESHOLD if found == _BELOW else LOST_RANGE] += 1
                    continue
                s = sector[p]
                if now - last[s] < c.dead_time:
                    lost[LOST_DEAD_TIME] += 1
                    continue
                last[s] = now
                busy[min(int(t), last_second), s] += 1
                tick[n] = first_tick + int(t * ticks_per_second)
                detnum[n] = p
                channel[n] = found
                multiplicity[n] = 1
                origin[n] = number[k]
                counts[number[k]] += 1
                n += 1
                continue
            hit_pixel[0], hit_energy[0] = p, E
            for h in range(1, hits):
                v, state = normal(state)
                variance = measure[hit_pixel[h], 3] + c.sigma_slope * hit_energy[h]
                hit_energy[h] += math.sqrt(variance) * v
            good = 0
            for h in range(hits):
                q = hit_pixel[h]
                found = _channel(hit_energy[h], measure[q, 0], measure[q, 1], measure[q, 2], c.channels)
                if found < 0:
                    lost[LOST_THRESHOLD if found == _BELOW else LOST_RANGE] += 1
                elif now - last[sector[q]] < c.dead_time:
                    lost[LOST_DEAD_TIME] += 1
                    found = _BELOW
                hit_channel[h] = found
                good += found >= 0
            several[good] += 1
            for h in range(hits):
                if hit_channel[h] >= 0:
                    s = sector[hit_pixel[h]]
                    if last[s] != now:
                        busy[min(int(t), last_second), s] += 1
                    last[s] = now
                    if c.veto and good > 1:
                        lost[LOST_VETO] += 1
                        continue
                    tick[n] = first_tick + int(t * ticks_per_second)
                    detnum[n] = hit_pixel[h]
                    channel[n] = hit_channel[h]
                    multiplicity[n] = good
                    origin[n] = number[k]
                    counts[number[k]] += 1
                    n += 1
    return n
