"""The walk along the packets of a counter: what goes on as expected at once, the rest when it is clear.

A packet whose count is one step on is part of the chain. At any other the walk stops and collects packets
until the counter goes on steadily again, or until there are enough; then :mod:`eicpy.packets.counts.runs`
finds what happened, and the walk goes on behind the last packet that nothing later can put in doubt. As only
the packets of the counter decide how many are collected, the same is found however the stream is cut.
"""

import numpy as np
import numpy.typing as npt

from eicpy.packets.bits import kernel
from eicpy.packets.counts.evidence import (
    AHEAD_OF,
    ASK,
    CHUNK,
    DAMAGES,
    EVER,
    FILLED,
    HELD,
    INTERVAL,
    KEY,
    LAST,
    LEAST_DIGEST,
    MISSING,
    NEAR,
    REFUSED,
    SAMPLES,
    SPREAD,
    STARTED,
    TIME,
    UNTIL,
    units,
)
from eicpy.packets.counts.runs import Counter, Packets, Story, explain, is_regular
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = [
    "AHEAD",
    "DAMAGED",
    "DUPLICATE",
    "FIRST",
    "LATE",
    "OUT_OF_STEP",
    "RESTARTED",
    "STANDING",
    "UNCONFIRMED",
    "Verdicts",
    "commit",
    "intact_rows",
    "settled",
    "walk",
]

FIRST, AHEAD, DUPLICATE, LATE, DAMAGED, RESTARTED, OUT_OF_STEP, STANDING, UNCONFIRMED = range(9)

_STEADY = 16
_SOLID = 4
_DOUBTFUL = 1.5
_SUSPECT = 14.0
_WITHIN = 32
_LASTING = 31
_BEHIND = 16

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Digests = npt.NDArray[np.uint32]
Bools = npt.NDArray[np.bool_]
Verdicts = tuple[Ints, Ints, Ints]
"""Of each packet: what it is, its unwrapped count, how many are missing just before it (−1: it was counted as
missing, and has come)."""


@kernel
def _keep_ahead(counter: Counter) -> None:
    """Remember only the damaged packets that are still to be passed."""
    numbers, kept = counter.numbers, 0
    for i in range(numbers[DAMAGES]):
        steps = units(numbers[LAST], counter.damaged[i, 0], counter.step[1], counter.step[2])
        if counter.damaged[i, 0] >= 0 and 0 < steps <= _WITHIN:
            counter.damaged[kept, 0], counter.damaged[kept, 1] = counter.damaged[i, 0], counter.damaged[i, 1]
            kept += 1
    numbers[DAMAGES] = kept


@kernel
def _take_damaged(packets: Packets, counter: Counter, row: int, out: Verdicts) -> None:
    """A damaged packet closes the gap where its count says it belongs."""
    numbers, count = counter.numbers, packets.count[row]
    what, place, missing = out
    what[row], place[row], missing[row] = DAMAGED, numbers[AHEAD_OF], 0
    if not numbers[STARTED]:
        return
    if counter.digest[count] == MISSING:
        counter.digest[count] = FILLED
        place[row], missing[row] = counter.place[count], -1
        return
    if numbers[DAMAGES] == counter.damaged.shape[0]:
        numbers[DAMAGES] -= 1
        for i in range(numbers[DAMAGES]):
            counter.damaged[i, 0], counter.damaged[i, 1] = (
                counter.damaged[i + 1, 0],
                counter.damaged[i + 1, 1],
            )
    counter.damaged[numbers[DAMAGES], 0] = count
    counter.damaged[numbers[DAMAGES], 1] = row
    numbers[DAMAGES] += 1


@kernel
def _is_damaged(counter: Counter, count: int, place: Ints, at: int) -> bool:
    """Whether a damaged packet came with a missing count; then that is its place."""
    for i in range(counter.numbers[DAMAGES]):
        if counter.damaged[i, 0] == count:
            if counter.damaged[i, 1] >= 0:  # not one of an earlier piece of the stream
                place[counter.damaged[i, 1]] = at
            counter.damaged[i, 0] = -1
            return True
    return False


@kernel
def _remember(packets: Packets, counter: Counter, row: int, at: int) -> None:
    count = packets.count[row]
    counter.digest[count] = packets.digest[row]
    counter.place[count] = at


@kernel
def _learn_interval(counter: Counter, time: float, advance: int) -> None:
    """Follow the time from one count to the next; a pause counts as four intervals at most."""
    numbers, seconds = counter.numbers, counter.seconds
    step = (time - seconds[TIME]) / advance
    if not step >= 0:
        return
    if numbers[SAMPLES] == 0 or seconds[INTERVAL] == 0:
        seconds[INTERVAL], seconds[SPREAD] = step, 0.0
    else:
        weight = 1.0 / (min(numbers[SAMPLES], _LASTING) + 1)
        step = min(step, 4.0 * seconds[INTERVAL])
        seconds[SPREAD] += weight * (abs(step - seconds[INTERVAL]) - seconds[SPREAD])
        seconds[INTERVAL] += weight * (step - seconds[INTERVAL])
    numbers[SAMPLES] += advance == 1


@kernel
def _go_on(packets: Packets, counter: Counter, row: int, advance: int, out: Verdicts) -> None:
    """A packet of the chain."""
    numbers, seconds = counter.numbers, counter.seconds
    what, place, missing = out
    numbers[AHEAD_OF] += advance
    what[row], place[row], missing[row] = AHEAD, numbers[AHEAD_OF], 0
    _remember(packets, counter, row, numbers[AHEAD_OF])
    numbers[LAST], numbers[KEY], numbers[HELD] = packets.count[row], packets.key[row], -1
    if numbers[DAMAGES]:
        _keep_ahead(counter)
    if not np.isnan(packets.time[row]):
        if 1 <= advance <= NEAR:
            _learn_interval(counter, packets.time[row], advance)
        seconds[TIME] = packets.time[row]


@kernel
def _begin(packets: Packets, counter: Counter, row: int, kind: int, out: Verdicts) -> None:
    """The first packet of a chain; unwrapped counts leave room behind those before."""
    numbers = counter.numbers
    what, _place, _missing = out
    if numbers[EVER]:
        numbers[AHEAD_OF] = (numbers[AHEAD_OF] // COUNT_MODULUS + 2) * COUNT_MODULUS + packets.count[row]
    else:
        numbers[AHEAD_OF] = COUNT_MODULUS + packets.count[row]
    numbers[STARTED] = numbers[EVER] = 1
    _go_on(packets, counter, row, 0, out)
    what[row] = kind


@kernel
def _pass_gap(counter: Counter, advance: int, strays: Ints, number: int, place: Ints) -> int:
    """Note what is missing between two packets of the chain; how many.

    The missing counts are filled first by the damaged packets that bear them, then by those whose counts are
    wrong: they came, and only their counts are not known.
    """
    numbers, step = counter.numbers, counter.step[0]
    lost = advance - 1
    filled = 0
    # Of several turns only the last is remembered.
    for i in range(max(1, advance - COUNT_MODULUS), advance):
        count = (numbers[LAST] + i * step) & (COUNT_MODULUS - 1)
        at = numbers[AHEAD_OF] + i
        counter.place[count] = at
        if numbers[DAMAGES] and _is_damaged(counter, count, place, at):
            counter.digest[count] = FILLED
            lost -= 1
        elif filled < number:
            counter.digest[count] = FILLED
            place[strays[filled]] = at
            filled += 1
            lost -= 1
        else:
            counter.digest[count] = MISSING
    return lost


@kernel
def _step_aside(packets: Packets, counter: Counter, row: int, kind: int, out: Verdicts) -> None:
    """A packet that does not tell where the counter is."""
    numbers, count = counter.numbers, packets.count[row]
    what, place, missing = out
    what[row], place[row], missing[row] = kind, numbers[AHEAD_OF], 0
    if kind == STANDING:
        numbers[HELD] = count
    elif kind == UNCONFIRMED:
        # Where its count says; what is missing before it is no loss.
        steps = units(numbers[LAST], count, counter.step[1], counter.step[2])
        place[row] += steps if steps > 0 else 2 * COUNT_MODULUS
    elif kind == DUPLICATE and counter.digest[count] == packets.digest[row]:
        place[row] = counter.place[count]
    elif kind == LATE:
        if counter.digest[count] == MISSING:
            missing[row] = -1
            place[row] = counter.place[count]
        else:
            steps = units(count, numbers[LAST], counter.step[1], counter.step[2])
            place[row] = numbers[AHEAD_OF] - max(steps, 0)
        if counter.digest[count] < LEAST_DIGEST:
            _remember(packets, counter, row, place[row])


@kernel
def commit(packets: Packets, counter: Counter, story: Story, start: int, stop: int, out: Verdicts) -> None:
    """Write what is believed of the packets from `start` to `stop` and let the counter go on behind them."""
    _, rows, begin, what, advance = story
    strays = np.empty(rows.size, np.int64)
    number = 0
    k = 0
    run = 0
    for row in range(start, stop):
        if not packets.good[row]:
            _take_damaged(packets, counter, row, out)
            continue
        while begin[run + 1] <= k:
            run += 1
        kind = what[run]
        if kind not in (FIRST, AHEAD, RESTARTED):
            _step_aside(packets, counter, row, kind, out)
            if kind in (OUT_OF_STEP, STANDING):
                strays[number] = row
                number += 1
        elif begin[run] < k:
            _go_on(packets, counter, row, 1, out)
        elif kind == AHEAD:
            lost = 0
            if advance[run] > 1:
                lost = _pass_gap(counter, advance[run], strays, number, out[1])
            _go_on(packets, counter, row, advance[run], out)
            out[2][row] = lost
            number = 0
        else:
            _begin(packets, counter, row, kind, out)
            number = 0
        k += 1


@kernel
def intact_rows(packets: Packets, start: int, stop: int) -> Ints:
    """Rows of the intact packets of a range."""
    rows = np.empty(stop - start, np.int64)
    number = 0
    for row in range(start, stop):
        if packets.good[row]:
            rows[number] = row
            number += 1
    return rows[:number]


@kernel
def settled(story: Story, stop: int) -> int:
    """Packet up to which nothing later changes the story.

    That is behind the last solid run of the chain, or one that many others follow.
    """
    _, rows, begin, what, _ = story
    for run in range(what.size - 1, -1, -1):
        in_chain = what[run] < DUPLICATE or what[run] == RESTARTED
        if in_chain and begin[run + 1] - begin[run] >= _SOLID:
            if rows.size - begin[run + 1] <= CHUNK // 2:
                return int(rows[begin[run + 1] - 1]) + 1
            break
    for run in range(what.size - 1, -1, -1):
        in_chain = what[run] < DUPLICATE or what[run] == RESTARTED
        if in_chain and rows.size - begin[run + 1] >= _BEHIND:
            if rows.size - begin[run + 1] <= CHUNK // 2:
                return int(rows[begin[run + 1] - 1]) + 1
            break
    return stop


@kernel
def _collect(packets: Packets, counter: Counter, start: int, early: int) -> tuple[int, bool, bool]:
    """Packets to be judged together: their end, whether there are enough, whether their keys vary."""
    shift, inverse = counter.step[1], counter.step[2]
    number, steady, last = 0, 0, -1
    key = counter.numbers[KEY] if counter.numbers[STARTED] else -1
    varied = False
    for row in range(start, packets.count.size):
        if not packets.good[row]:
            continue
        varied |= key >= 0 and packets.key[row] != key
        key = packets.key[row]
        steady = steady + 1 if last >= 0 and units(last, packets.count[row], shift, inverse) == 1 else 1
        last = packets.count[row]
        number += 1
        if number == CHUNK or (early and not varied and steady == _STEADY):
            return row + 1, True, varied
    return packets.count.size, False, varied


@kernel
def _stride(
    count: Ints, time: Floats, digest: Digests, good: Bools, key: Ints, numbers: Ints, seconds: Floats, step:
    int, longest: float, known: Digests, known_place: Ints, what: Ints, place: Ints, missing: Ints, start:
    int,
) -> int:  # fmt: skip  # packets, counter, out
    """As many `_go_on` by one step as there are: the same in registers, for nearly all packets are such."""
    last, ahead, samples = numbers[LAST], numbers[AHEAD_OF], numbers[SAMPLES]
    newest, interval, spread = seconds[TIME], seconds[INTERVAL], seconds[SPREAD]
    row = start
    while row < count.size and good[row] and ((count[row] - last) & (COUNT_MODULUS - 1)) == step:
        now = time[row]
        if not np.isnan(now):
            elapsed = now - newest
            if elapsed > longest * interval:
                break  # a whole turn may be missing
            if elapsed >= 0:
                if samples == 0 or interval == 0:
                    interval, spread = elapsed, 0.0
                else:
                    weight = 1.0 / (samples + 1) if samples < _LASTING else 1.0 / (_LASTING + 1)
                    elapsed = min(elapsed, 4.0 * interval)
                    spread += weight * (abs(elapsed - interval) - spread)
                    interval += weight * (elapsed - interval)
                samples += 1
            newest = now
        last = count[row]
        ahead += 1
        what[row], place[row], missing[row] = AHEAD, ahead, 0
        known[last] = digest[row]
        known_place[last] = ahead
        row += 1
    if row > start:
        numbers[LAST], numbers[AHEAD_OF], numbers[SAMPLES] = last, ahead, samples
        numbers[KEY], numbers[HELD] = key[row - 1], -1
        seconds[TIME], seconds[INTERVAL], seconds[SPREAD] = newest, interval, spread
    return row


@kernel
def _step_on(  # noqa: C901, one decision for each packet
    packets: Packets, counter: Counter, start: int, out: Verdicts
) -> int:
    """Take packets as long as it is plain what they are; where that ends."""
    numbers, seconds = counter.numbers, counter.seconds
    shift, inverse = counter.step[1], counter.step[2]
    half = (COUNT_MODULUS >> shift) / 2.0
    row = start - 1
    while row + 1 < packets.count.size:
        row += 1
        if numbers[STARTED] and not numbers[DAMAGES]:
            row = _stride(
                packets.count, packets.time, packets.digest, packets.good, packets.key, numbers, seconds,
                counter.step[0], half, counter.digest, counter.place, out[0], out[1], out[2], row,
            )  # fmt: skip
            if row == packets.count.size:
                break
        if not packets.good[row]:
            _take_damaged(packets, counter, row, out)
            continue
        count = packets.count[row]
        if count == numbers[HELD]:
            _step_aside(packets, counter, row, STANDING, out)
            continue
        if not numbers[STARTED]:
            return row
        steps = units(numbers[LAST], count, shift, inverse)
        elapsed = packets.time[row] - seconds[TIME]
        if steps == 1:
            if elapsed > half * seconds[INTERVAL] and is_regular(numbers, seconds):
                return row
            _go_on(packets, counter, row, 1, out)
        elif 1 < steps <= numbers[DAMAGES] + 1 and _all_damaged(counter, steps):
            lost = _pass_gap(counter, steps, numbers, 0, out[1])
            _go_on(packets, counter, row, steps, out)
            out[2][row] = lost
        elif packets.sure[row] and counter.digest[count] == packets.digest[row]:
            _step_aside(packets, counter, row, DUPLICATE, out)
        elif elapsed < 0 and counter.digest[count] == MISSING:
            _step_aside(packets, counter, row, LATE, out)
        else:
            return row
    return packets.count.size


@kernel
def _all_damaged(counter: Counter, steps: int) -> bool:
    """Whether all counts that are passed over are those of damaged packets."""
    for i in range(1, steps):
        count = (counter.numbers[LAST] + i * counter.step[0]) & (COUNT_MODULUS - 1)
        found = False
        for k in range(counter.numbers[DAMAGES]):
            found |= counter.damaged[k, 0] == count
        if not found:
            return False
    return True


@kernel
def walk(
    packets: Packets, counter: Counter, start: int, latest: Ints, final: int, accept: int, out: Verdicts
) -> int:
    """Judge packets of a counter.

    Parameters
    ----------
    packets
        Packets in order.
    counter
        What is known of their counter; written.
    start
        The first packet to judge.
    latest
        Working memory of `explain`.
    final
        1 if no more come.
    accept
        1 to take the first story as it is; else one that is hard to believe is left to the caller:
        ``numbers[ASK]`` is 1 then, and ``numbers[UNTIL]`` the end of the packets that it is of.
    out
        Written for the packets that are judged.

    Returns
    -------
    int
        The first packet that was not judged.
    """
    numbers = counter.numbers
    numbers[ASK] = 0
    size = packets.count.size
    while start < size:
        start = _step_on(packets, counter, start, out)
        if start == size:
            break
        early = True
        while True:
            stop, enough, varied = _collect(packets, counter, start, 1 if early else 0)
            if not enough and not final:
                return start
            ends = final and stop == size
            rows = intact_rows(packets, start, stop)
            story = explain(packets, counter, rows, latest, 1 if ends else 0)
            last = story.what[story.what.size - 1]
            hard = story.cost > max(numbers[REFUSED], _SUSPECT if varied else _DOUBTFUL * rows.size)
            in_chain = last < DUPLICATE or last == RESTARTED
            if early and not ends and rows.size < CHUNK and (hard or not in_chain):
                early = False
                continue
            break
        if hard and not accept:
            numbers[ASK], numbers[UNTIL] = 1, stop
            return start
        if accept:
            numbers[REFUSED] = np.int64(1.5 * story.cost)
        else:
            numbers[REFUSED] -= numbers[REFUSED] // 32
        accept = 0
        if not ends:
            stop = settled(story, stop)
        commit(packets, counter, story, start, stop, out)
        start = stop
    return start
