"""The cheapest story of some packets of a counter.

Consecutive packets whose counts go up by one step are a run. Either a run says where the counter is, then it
is part of the chain; or it does not: duplicates, late packets, wrong counts. The chain is found by dynamic
programming over the runs: the cost of a link and of the runs beside it
(:mod:`eicpy.packets.counts.evidence`) add up.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel
from eicpy.packets.counts.evidence import (
    AGAIN,
    ALIKE,
    FRESH,
    HELD,
    INTERVAL,
    LAST,
    LEAST_DIGEST,
    MISSING,
    NEAR,
    OTHER,
    REPEATED,
    SAMPLES,
    SPREAD,
    STARTED,
    TIME,
    link,
    off_chain,
    units,
)
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = ["Counter", "Packets", "Story", "explain", "is_regular"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Digests = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]

_REACH = 64
"""Runs that the chain may pass over."""
_ENOUGH = 8
_BEFORE = 8
"""Runs before one that it may be late behind."""


class Packets(NamedTuple):
    """Packets of a counter in the order of the stream, arrays of shape (n,).

    Parameters
    ----------
    count, time
        Sequence count; time in s or NaN.
    digest
        The same for the same packet, ``uint32`` from 3 on.
    sure
        Whether the digest is of the time or the bytes, and not of the headers alone.
    good
        Whether it is intact.
    key
        Packets of different keys may be counted by different counters.
    """

    count: Ints  # type: ignore[assignment]  # the column, not the method of every tuple
    time: Floats
    digest: Digests
    sure: Bools
    good: Bools
    key: Ints


class Counter(NamedTuple):
    """What is known of a counter; all arrays are written.

    Parameters
    ----------
    numbers, seconds
        See :mod:`eicpy.packets.counts.evidence`.
    step
        Its step, the power of two in it, the inverse of the odd rest modulo 16384.
    digest, place
        Of each count, what came with it last, and the unwrapped count that this was; shape (16384,).
    damaged
        Count and row of the last damaged packets, shape (16, 2).
    """

    numbers: Ints
    seconds: Floats
    step: Ints
    digest: Digests
    place: Ints
    damaged: Ints


class Story(NamedTuple):
    """What is believed of some packets.

    Parameters
    ----------
    cost
        How much it takes, bits.
    rows, begin
        Intact packets; where each run begins in `rows`, with the end.
    what
        Of each run: 0 it begins a chain, 1 it goes on, 2 duplicate, 3 late, 5 restarted, 6 out of step, 7 not
        counting, 8 not confirmed.
    advance
        Of each run in the chain: steps from the one before.
    """

    cost: float
    rows: Ints
    begin: Ints
    what: Ints
    advance: Ints


@kernel
def is_regular(numbers: Ints, seconds: Floats) -> int:
    """1 if packets come regularly, as far as is known."""
    known = numbers[SAMPLES] >= 2 and seconds[INTERVAL] > 0
    return 1 if known and seconds[SPREAD] < 0.15 * seconds[INTERVAL] else 0


@kernel
def _kinds(packets: Packets, counter: Counter, rows: Ints, latest: Ints) -> Ints:
    """Whether the count of each packet came before, and with what."""
    numbers, shift, inverse = counter.numbers, counter.step[1], counter.step[2]
    half = (COUNT_MODULUS >> shift) // 2
    kinds = np.zeros(rows.size, np.int64)
    for k in range(rows.size):
        row = rows[k]
        count = packets.count[row]
        before = latest[count]
        if before >= 0:
            same = packets.digest[row] == packets.digest[before]
            kinds[k] = (AGAIN if packets.sure[row] else ALIKE) if same else OTHER
        elif numbers[STARTED] and counter.digest[count] >= LEAST_DIGEST:
            steps = units(numbers[LAST], count, shift, inverse)
            behind = steps == 0 or steps > half
            if counter.digest[count] == packets.digest[row]:
                kinds[k] = AGAIN if packets.sure[row] else (ALIKE if behind else FRESH)
            else:
                kinds[k] = OTHER if behind else FRESH
        if kinds[k] != AGAIN and kinds[k] != ALIKE:
            latest[count] = row
    for k in range(rows.size):
        latest[packets.count[rows[k]]] = -1
    _mark_standstill(packets, counter, rows, kinds)
    return kinds


@kernel
def _mark_standstill(packets: Packets, counter: Counter, rows: Ints, kinds: Ints) -> None:
    """Packets that come with one count again and again: three that differ, or four that may not."""
    numbers, shift, inverse = counter.numbers, counter.step[1], counter.step[2]
    k = 0
    while k < rows.size:
        count = packets.count[rows[k]]
        stop = k + 1
        differ = 0
        copies = 0
        while stop < rows.size and packets.count[rows[stop]] == count:
            differ += kinds[stop] == OTHER
            copies += kinds[stop] == AGAIN
            stop += 1
        length = stop - k - copies
        if numbers[HELD] == count or length >= (3 if differ else 4):
            goes_on = 0
            if k > 0:
                goes_on = units(packets.count[rows[k - 1]], count, shift, inverse) == 1
            elif numbers[STARTED]:
                goes_on = units(numbers[LAST], count, shift, inverse) == 1
            for i in range(k + (1 if goes_on else 0), stop):
                if kinds[i] != AGAIN:
                    kinds[i] = REPEATED
        k = stop


@kernel
def _runs(packets: Packets, counter: Counter, rows: Ints, kinds: Ints) -> Ints:
    """Where runs begin, with the end."""
    shift, inverse = counter.step[1], counter.step[2]
    regular, interval = is_regular(counter.numbers, counter.seconds), counter.seconds[INTERVAL]
    longest = interval * (COUNT_MODULUS >> shift) / 2
    begin = np.empty(rows.size + 1, np.int64)
    runs = 0
    for k in range(rows.size):
        new = k == 0 or kinds[k] != kinds[k - 1]
        if not new:
            first, second = packets.count[rows[k - 1]], packets.count[rows[k]]
            if kinds[k] == REPEATED:
                new = first != second
            else:
                new = units(first, second, shift, inverse) != 1
                new |= regular and packets.time[rows[k]] - packets.time[rows[k - 1]] > longest
        if new:
            begin[runs] = k
            runs += 1
    begin[runs] = rows.size
    return begin[: runs + 1]


@kernel
def _beside(
    packets: Packets, counter: Counter, rows: Ints, kinds: Ints, begin: Ints
) -> tuple[Floats, Ints, Ints]:
    """Of each run, what it costs outside the chain, what it is there, and whether that is certain."""
    numbers, step, shift, inverse = counter.numbers, counter.step[0], counter.step[1], counter.step[2]
    half = (COUNT_MODULUS >> shift) // 2
    runs = begin.size - 1
    cost, what, certain = np.zeros(runs), np.zeros(runs, np.int64), np.zeros(runs, np.int64)
    newest = counter.seconds[TIME] if numbers[STARTED] else np.nan
    for r in range(runs):
        row = rows[begin[r]]
        count, time = packets.count[row], packets.time[row]
        behind = 0
        exact = 0
        if numbers[STARTED]:
            steps = units(numbers[LAST], count, shift, inverse)
            behind |= r < _BEFORE and (steps == 0 or steps > half)
            exact |= steps == 1 and r > 0
        for q in range(max(0, r - _REACH), r):
            steps = units(packets.count[rows[begin[q + 1] - 1]], count, shift, inverse)
            behind |= q >= r - _BEFORE and (steps == 0 or steps > half)
            exact |= steps == 1 and q < r - 1
        if counter.digest[count] == MISSING:
            exact |= counter.digest[(count - step) & (COUNT_MODULUS - 1)] != MISSING
        cost[r], what[r], certain[r] = off_chain(
            kinds[begin[r]], begin[r + 1] - begin[r], 1 if time < newest else 0, 1 if time > newest else 0,
            behind, exact,
        )  # fmt: skip
        last = packets.time[rows[begin[r + 1] - 1]]
        if not last <= newest and not np.isnan(last):
            newest = last
    return cost, what, certain


@kernel
def _pace(packets: Packets, counter: Counter, rows: Ints) -> tuple[float, int]:
    """Interval from one count to the next, s, and whether packets come regularly, as `link` asks.

    From these packets, where the counter does not know it yet. Where other packets were counted in between,
    of which none came, the interval is no constant.
    """
    numbers, seconds = counter.numbers, counter.seconds
    known = is_regular(numbers, seconds)
    if numbers[SAMPLES] >= _ENOUGH:
        return seconds[INTERVAL], 2 * known
    intervals = np.empty(rows.size)
    number, direct = 0, 0
    for k in range(1, rows.size):
        first, second = rows[k - 1], rows[k]
        steps = units(packets.count[first], packets.count[second], counter.step[1], counter.step[2])
        interval = (packets.time[second] - packets.time[first]) / max(steps, 1)
        if 1 <= steps <= NEAR and interval >= 0:
            place = number  # in order: numba takes seconds to compile a sort of its own
            while place > 0 and intervals[place - 1] > interval:
                intervals[place] = intervals[place - 1]
                place -= 1
            intervals[place] = interval
            number += 1
            direct += steps == 1
    if number < 2 or number < numbers[SAMPLES]:
        return seconds[INTERVAL], known
    middle = intervals[number // 2]
    spread = intervals[(3 * number) // 4] - intervals[number // 4]
    # An interval that was seen over jumps alone cannot confirm them.
    regular = 1 if middle > 0 and spread < 0.3 * middle and 2 * direct >= number else 0
    return middle, 2 * regular if number >= _ENOUGH else regular


@kernel
def _own_interval(packets: Packets, rows: Ints, begin: int, stop: int, interval: float) -> float:
    """Interval of a counter, or the shorter one of a run behind a jump."""
    if stop - begin >= 3:
        own: float = (packets.time[rows[stop - 1]] - packets.time[rows[begin]]) / (stop - 1 - begin)
        if 0 < own < interval:
            return own
    return interval


@kernel
def explain(  # noqa: C901, PLR0912, calls of kernels with arrays cost more than the step itself
    packets: Packets, counter: Counter, rows: Ints, latest: Ints, final: int
) -> Story:
    """Find the cheapest story.

    Parameters
    ----------
    packets
        Packets of the counter.
    counter
        What is known of it; only read.
    rows
        The intact packets that are to be explained, at most some hundreds, in order.
    latest
        Working memory, shape (16384,), −1 before and after.
    final
        1 if nothing comes behind them: what nothing confirms is then called so.
    """
    numbers, shift, inverse = counter.numbers, counter.step[1], counter.step[2]
    modulus = COUNT_MODULUS >> shift
    kinds = _kinds(packets, counter, rows, latest)
    begin = _runs(packets, counter, rows, kinds)
    interval, regular = _pace(packets, counter, rows)
    outside, what, certain = _beside(packets, counter, rows, kinds, begin)
    runs = begin.size - 1
    total, strays = np.zeros(runs + 1), np.zeros(runs + 1, np.int64)
    for r in range(runs):
        total[r + 1] = total[r] + outside[r]
        strays[r + 1] = strays[r] + (begin[r + 1] - begin[r] if what[r] >= 6 else 0)
    best, before = np.full(runs + 1, np.inf), np.full(runs + 1, -1, np.int64)
    anew, advance = np.zeros(runs + 1, np.int64), np.zeros(runs + 1, np.int64)
    confirmed = np.zeros(runs + 1, np.int64)
    best[0] = 0.0
    for i in range(1, runs + 1):
        kind = kinds[begin[i - 1]]
        if kind in (ALIKE, AGAIN, REPEATED):
            continue
        row = rows[begin[i - 1]]
        own = _own_interval(packets, rows, begin[i - 1], begin[i], interval)
        for j in range(i - 1, max(-1, i - 1 - _REACH), -1):
            aside = best[j] + total[i - 1] - total[j]
            if aside == np.inf:
                continue
            if j == 0 and not numbers[STARTED]:
                cost, restarted, steps, fits = 0.0, 0, 0, 1
            else:
                last = numbers[LAST] if j == 0 else packets.count[rows[begin[j] - 1]]
                time = counter.seconds[TIME] if j == 0 else packets.time[rows[begin[j] - 1]]
                elapsed = (packets.time[row] - time) / own if interval > 0 else np.nan
                if (interval > 0 and np.isnan(elapsed)) or not interval > 0:
                    elapsed = -1.0 if packets.time[row] < time else np.nan
                cost, restarted, steps, fits = link(
                    units(last, packets.count[row], shift, inverse), elapsed, strays[i - 1] - strays[j],
                    1 if packets.count[row] == 0 else 0, regular, modulus,
                )  # fmt: skip
            if aside + cost < best[i]:
                best[i], before[i], anew[i], advance[i] = aside + cost, j, restarted, steps
                confirmed[i] = fits
    end = runs
    for i in range(runs, -1, -1):
        if best[i] + total[runs] - total[i] < best[end] + total[runs] - total[end]:
            end = i
    cost = best[end] + total[runs] - total[end]
    i = end
    while i > 0:
        starts = before[i] == 0 and not numbers[STARTED]
        what[i - 1] = 0 if starts else (5 if anew[i] else 1)
        i = before[i]
    if final:
        _doubt(begin, what, certain, advance, confirmed, 1 if numbers[STARTED] else 0)
    return Story(cost, rows, begin, what, advance[1:])


@kernel
def _doubt(begin: Ints, what: Ints, certain: Ints, advance: Ints, confirmed: Ints, started: int) -> None:
    """Call what stands at the end and jumps not confirmed: no packet and no time speaks for it."""
    sure = -1
    believed = started
    for r in range(what.size):
        if what[r] == 0 or what[r] == 1 or what[r] == 5:
            single = begin[r + 1] - begin[r] == 1
            jumps = what[r] == 5 or (what[r] == 1 and advance[r + 1] > 1 and not confirmed[r + 1])
            closer = r + 1 < what.size and what[r + 1] == 3 and certain[r + 1]
            if not (single and jumps) or _goes_on(what, r) or (closer and advance[r + 1] == 2):
                sure = r
                believed += begin[r + 1] - begin[r]
    for r in range(what.size):
        if (r > sure or believed <= 1) and (
            what[r] == 6 or (what[r] == 3 and not certain[r]) or (r > sure and (what[r] == 1 or what[r] == 5))
        ):
            what[r] = 8


@kernel
def _goes_on(what: Ints, r: int) -> bool:
    """Whether a later run is in the chain too."""
    later = r + 1
    while later < what.size and not (what[later] == 1 or what[later] == 5):
        later += 1
    return later < what.size
