"""Which counter the packets of an APID are counted by, and by which steps.

The standard has one counter for each APID, which goes up by 1 (CCSDS 133.0-B-2, 4.1.3.4.3). Some senders do
otherwise: the older packet utilisation standard counts for each APID *and destination*, some count for each
type and subtype, in steps of n, backwards, or not at all. All stories are told
(:mod:`eicpy.packets.counts.runs`) and the cheapest is believed, if it is cheaper by far than the standard
one: what differs from it costs bits of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eicpy.packets.counts.evidence import AHEAD_OF, ASK, CHUNK, EVER, HELD, KEY, SAMPLES, STARTED, UNTIL
from eicpy.packets.counts.packed import PackedCounter, packed
from eicpy.packets.counts.runs import Counter, Packets, explain
from eicpy.packets.counts.walk import DAMAGED, OUT_OF_STEP, STANDING, commit, intact_rows, settled, walk
from eicpy.packets.primary_header import COUNT_MODULUS

__all__ = ["APART", "DESTINATION", "KIND", "NONE", "UNTOLD", "Judged", "Lane", "new_counter"]

Ints = npt.NDArray[np.int64]

DESTINATION, KIND, NONE = "per destination", "per type", "does not count"
"""Ways to count that are no steps of one counter."""
UNTOLD = 1 << 40
"""Key of a segment behind the first, added to what its own header says."""
APART = 1 << 40
"""How far the unwrapped counts of the several counters of an APID lie apart."""
_SWITCH, _SUBDIVIDED, _NEW_COUNTER, _STEPS = 4.0, 6.0, 8.0, 6.0
_AT_RANDOM, _AT_RANDOM_AT_ALL = 7.0, 20.0
_MOST_KEYS = 64
_MOST_COUNTERS = 256
_LEAST = 16
_SEEN = 4
_FEW = 8


def _key_of(key: Ints, way: str) -> Ints:
    return key >> 16 if way == DESTINATION else key & 0xFFFF


def new_counter(step: int = 1) -> Counter:
    """A counter of which nothing is known."""
    numbers = np.zeros(11, np.int64)
    numbers[HELD] = -1
    return Counter(
        numbers,
        np.full(3, np.nan),
        _step(step),
        np.zeros(COUNT_MODULUS, np.uint32),
        np.zeros(COUNT_MODULUS, np.int64),
        np.zeros((16, 2), np.int64),
    )


def _step(step: int) -> Ints:
    """A step, the power of two in it, and the inverse of the odd rest."""
    step %= COUNT_MODULUS
    shift = (step & -step).bit_length() - 1
    return np.array([step, shift, pow(step >> shift, -1, COUNT_MODULUS)], np.int64)


def _copy(counter: Counter) -> Counter:
    columns: list[Any] = [array.copy() for array in counter]
    return Counter(*columns)


class Judged(NamedTuple):
    """What is believed of packets; arrays of shape (n,).

    Parameters
    ----------
    rows
        Which packets, as they were numbered.
    what
        One of the numbers of :mod:`eicpy.packets.counts.walk`.
    place
        Unwrapped count, in steps of the counter; packets of different counters lie far apart.
    missing
        Packets that are missing just before; −1 if this one was counted as missing.
    way
        How the counter counts: its number in the `ways` of the lane.
    """

    rows: Ints
    what: Ints
    place: Ints
    missing: Ints
    way: Ints


@dataclass
class Lane:
    """Judges the packets of a counter, or of an APID that turns out to have several.

    Packets that cannot be judged yet wait, at most some hundreds.
    """

    way: str | int = 1
    """Step of the one counter; or one of the other ways."""
    ways: list[str | int] = field(default_factory=lambda: [1])
    """All ways that were ever believed."""
    latest: Ints = field(default_factory=lambda: np.full(COUNT_MODULUS, -1, np.int64), repr=False)
    """Working memory of `explain`, which lanes that are used one after another may share."""

    def __post_init__(self) -> None:
        self._counter: Counter | None = None
        self._several: dict[int, Counter] = {}
        self._packed: tuple[PackedCounter | None, dict[int, PackedCounter]] | None = None
        self._numbers: dict[tuple[str, int], int] = {}
        self._packets: Packets | None = None
        self._rows = np.zeros(0, np.int64)
        self._key = 0

    @property
    def waiting(self) -> int:
        """Packets that are not judged yet."""
        return len(self._rows)

    @property
    def counters(self) -> int:
        """Counters whose tables lie open in memory."""
        return len(self._several) + (self._counter is not None)

    def pack(self) -> None:
        """Keep only what the tables of the counters hold, until the next packets come."""
        if self.counters:
            one = None if self._counter is None else packed(self._counter)
            self._packed = one, {key: packed(counter) for key, counter in self._several.items()}
            self._counter, self._several = None, {}

    def _unpack(self) -> None:
        if self._packed is not None:
            one, several = self._packed
            self._counter = None if one is None else one.counter()
            self._several = {key: each.counter() for key, each in several.items()}
            self._packed = None

    def copy(self) -> "Lane":
        """The same in memory of its own."""
        other = Lane(self.way, list(self.ways), self.latest)
        other._packed = self._packed
        other._counter = None if self._counter is None else _copy(self._counter)
        other._several = {key: _copy(counter) for key, counter in self._several.items()}
        other._numbers = dict(self._numbers)
        other._packets, other._rows = self._packets, self._rows
        other._key = self._key
        return other

    def feed(self, packets: Packets | None, rows: Ints, *, final: bool = False) -> Judged:
        """Judge more packets.

        Parameters
        ----------
        packets
            The next ones, in order; None for none.
        rows
            Their numbers.
        final
            Whether no more come.
        """
        self._unpack()
        if packets is not None and len(rows):
            packets = self._with_keys(packets)
        if self._packets is not None and len(self._rows):
            waiting = [self._packets] if packets is None else [self._packets, packets]
            packets = Packets(*(np.concatenate(parts) for parts in zip(*waiting, strict=True)))
            rows = np.concatenate([self._rows, rows])
        if packets is None or not len(rows) or (len(rows) < _LEAST and not final and self._counter is None):
            self._packets, self._rows = packets, rows
            return _nothing()
        work = _Work(packets, rows)
        for counter in (self._counter, *self._several.values()):
            if counter is not None:
                counter.damaged[:, 1] = -1  # their rows are those of an earlier piece
        while len(work.waiting) and self._advance(work, final=final):
            pass
        left = work.waiting
        self._packets, self._rows = _take(packets, left), rows[left]
        return work.judged()

    def _with_keys(self, packets: Packets) -> Packets:
        """Give segments behind the first the key of what came before, where their header says nothing."""
        unknown = packets.key == UNTOLD
        key = packets.key & (UNTOLD - 1)
        if unknown.any():
            before = np.maximum.accumulate(np.where(unknown, -1, np.arange(len(key))))
            key = np.where(before < 0, self._key, key[before])
        self._key = int(key[-1])
        return packets._replace(key=key)

    def _advance(self, work: "_Work", *, final: bool) -> bool:
        """Judge as many packets as are counted in one way; whether there may be more to do."""
        if isinstance(self.way, int):
            return self._by_one_counter(work, final=final)
        chosen = work.chunk()
        ends = final and len(chosen) == len(work.waiting)
        if int(work.packets.good[chosen].sum()) < CHUNK and not ends:
            return False
        some = _take(work.packets, chosen)
        way = self._choose(some)
        if way != self.way:
            self._begin(way)
            return True
        if self.way == NONE:
            self._do_not_count(work, chosen)
        else:
            self._by_several(work, chosen, some, ends=ends)
        return True

    def _by_one_counter(self, work: "_Work", *, final: bool) -> bool:
        counter = self._counter = self._counter or new_counter(int(self.way))
        order = work.waiting
        packets = work.packets if len(order) == len(work.rows) else _take(work.packets, order)
        out = tuple(np.zeros(len(order), np.int64) for _ in range(3))
        start, accept = 0, 0
        while True:
            stop = walk(packets, counter, start, self.latest, int(final), accept, out)
            doubtful = bool(counter.numbers[ASK])
            if not doubtful:
                break
            until = int(counter.numbers[UNTIL])
            way = self._choose(_take(packets, slice(stop, until)))
            if way != self.way:
                break
            start, accept = stop, 1
        work.write(order[:stop], tuple(column[:stop] for column in out), self._way_number())
        if doubtful:
            self._begin(way)
        return doubtful

    def _by_several(self, work: "_Work", chosen: Ints, some: Packets, *, ends: bool) -> None:
        keys = _key_of(some.key, str(self.way))
        left = []
        written = 0
        for key in np.unique(keys).tolist():
            mine = np.flatnonzero(keys == key)
            packets = _take(some, mine)
            counter = self._counter_of(key, packets)
            rows = intact_rows(packets, 0, len(mine))
            stop = len(mine)
            out = tuple(np.zeros(stop, np.int64) for _ in range(3))
            if len(rows):
                story = explain(packets, counter, rows, self.latest, int(ends))
                stop = stop if ends else settled(story, stop)
                commit(packets, counter, story, 0, stop, out)
            elif not ends:
                stop = 0
            out[1][:stop] += APART * self._numbers.setdefault((str(self.way), key), len(self._numbers) + 1)
            work.write(chosen[mine[:stop]], tuple(column[:stop] for column in out), self._way_number())
            written += stop
            left.append(mine[stop:])
        if not ends and written < CHUNK // 4:  # nothing is clear: take them as they are rather than wait on
            self._force(work, chosen, some, np.sort(np.concatenate(left)))

    def _force(self, work: "_Work", chosen: Ints, some: Packets, left: Ints) -> None:
        keys = _key_of(some.key[left], str(self.way))
        for key in np.unique(keys).tolist():
            mine = left[keys == key]
            packets = _take(some, mine)
            counter = self._counter_of(key, packets)
            rows = intact_rows(packets, 0, len(mine))
            out = tuple(np.zeros(len(mine), np.int64) for _ in range(3))
            if len(rows):
                story = explain(packets, counter, rows, self.latest, 0)
                commit(packets, counter, story, 0, len(mine), out)
            out[1][:] += APART * self._numbers[str(self.way), key]
            work.write(chosen[mine], out, self._way_number())

    def _do_not_count(self, work: "_Work", chosen: Ints) -> None:
        counter = self._counter = self._counter or new_counter()
        ahead = np.full(len(chosen), counter.numbers[AHEAD_OF])
        what = np.where(work.packets.good[chosen], STANDING, DAMAGED)
        work.write(chosen, (what, ahead, np.zeros(len(chosen), np.int64)), self._way_number())

    def _counter_of(self, key: int, packets: Packets) -> Counter:
        if key not in self._several:
            while len(self._several) >= _MOST_COUNTERS:
                del self._several[next(iter(self._several))]
            self._several[key] = new_counter(self._best_step(new_counter(), packets)[1])
        return self._several[key]

    def _way_number(self) -> int:
        if self.way not in self.ways:
            self.ways.append(self.way)
        return self.ways.index(self.way)

    def _begin(self, way: str | int) -> None:
        """Go on in another way."""
        before = self._counter
        self._several = {}
        if isinstance(way, int):
            if before is None:
                self._counter = new_counter(way)
            else:
                self._counter = before._replace(step=_step(way))
                before.numbers[SAMPLES] = 0
                if not isinstance(self.way, int):
                    before.numbers[STARTED] = 0
        elif way == NONE:
            if before is not None:
                before.numbers[STARTED] = 0
        elif before is not None and before.numbers[STARTED]:
            self._several = {int(_key_of(before.numbers[KEY : KEY + 1], way)[0]): _copy(before)}
        self.way = way

    def _choose(self, packets: Packets) -> str | int:
        """The way to count that explains packets best."""
        size = int(packets.good.sum())
        costs = dict(self._costs(packets, size))
        fresh = self._counter is None or not self._counter.numbers[EVER]
        known = 0.0 if fresh and self.way == 1 else _SWITCH
        now = costs.get(self.way, np.inf)
        best = min(costs, key=lambda way: costs[way] + (0.0 if way == self.way else known))
        return best if costs[best] + known < now else self.way

    def _costs(self, packets: Packets, size: int) -> Iterator[tuple[str | int, float]]:
        counter = self._counter or new_counter()
        if not isinstance(self.way, int):
            counter = new_counter()
        for step in {1, self.way if isinstance(self.way, int) else 1, *_usual_steps(packets)}:
            yield step, self._cost(counter._replace(step=_step(step)), packets) + (_STEPS if step != 1 else 0)
        yield NONE, _AT_RANDOM_AT_ALL + _AT_RANDOM * size
        for way in (DESTINATION, KIND):
            keys = _key_of(packets.key, way)
            every = np.unique(keys[packets.good])
            if 2 <= len(every) <= _MOST_KEYS or (way == self.way and len(every)):
                cost = _SUBDIVIDED
                for key in every.tolist():
                    cost += self._cost_of_key(way, key, _take(packets, np.flatnonzero(keys == key)))
                yield way, cost

    def _cost_of_key(self, way: str, key: int, packets: Packets) -> float:
        known = self._several.get(key) if way == self.way else None
        if known is not None:
            return self._cost(known, packets)
        one = self._counter if isinstance(self.way, int) else None
        if one is not None and one.numbers[STARTED] and _key_of(one.numbers[KEY : KEY + 1], way)[0] == key:
            return self._cost(one, packets)
        return _NEW_COUNTER + self._best_step(new_counter(), packets)[0]

    def _best_step(self, counter: Counter, packets: Packets) -> tuple[float, int]:
        steps = [1, *_usual_steps(packets)]
        costs = [
            (self._cost(counter._replace(step=_step(step)), packets) + (_STEPS if step != 1 else 0), step)
            for step in steps
        ]
        return min(costs)

    def _cost(self, counter: Counter, packets: Packets) -> float:
        rows = intact_rows(packets, 0, len(packets.count))
        if not len(rows):
            return 0.0
        story = explain(packets, counter, rows, self.latest, 0)
        wrong = int(np.diff(story.begin)[story.what == OUT_OF_STEP].sum())
        # A counter that most packets are out of step with is none.
        return float(story.cost) if len(rows) < _FEW or 2 * wrong <= len(rows) else np.inf


class _Work:
    """Packets that are being judged."""

    def __init__(self, packets: Packets, rows: Ints) -> None:
        self.packets, self.rows = packets, rows
        self.waiting = np.arange(len(rows))
        self._written: list[tuple[Ints, ...]] = []

    def chunk(self) -> Ints:
        """The first waiting packets, with as many intact ones as are judged together."""
        first = self.waiting[: 4 * CHUNK]
        good = np.cumsum(self.packets.good[first])
        enough = int(np.searchsorted(good, CHUNK)) + 1
        return first[:enough]

    def write(self, which: Ints, out: tuple[Ints, ...], way: int) -> None:
        """Note what is believed of packets."""
        if not len(which):
            return
        self._written.append((self.rows[which], *out, np.full(len(which), way)))
        if which[-1] - self.waiting[0] + 1 == len(which):
            self.waiting = self.waiting[len(which) :]
        else:
            near = self.waiting[: 8 * CHUNK]
            self.waiting = np.concatenate([near[~np.isin(near, which)], self.waiting[8 * CHUNK :]])

    def judged(self) -> Judged:
        """All that was written."""
        if not self._written:
            return _nothing()
        if len(self._written) == 1:
            return Judged(*self._written[0])
        return Judged(*(np.concatenate(parts) for parts in zip(*self._written, strict=True)))


def _nothing() -> Judged:
    return Judged(*(np.zeros(0, np.int64) for _ in Judged._fields))


def _take(packets: Packets, which: Ints | slice) -> Packets:
    columns: list[Any] = [column[which] for column in packets]
    return Packets(*columns)


def _usual_steps(packets: Packets) -> list[int]:
    """The step from one count to the next that is seen in more than half of all cases, other than 0 and 1."""
    steps = np.diff(packets.count[packets.good]) % COUNT_MODULUS
    if len(steps) < _SEEN:
        return []
    values, seen = np.unique(steps, return_counts=True)
    usual = int(values[np.argmax(seen)])
    enough = int(seen.max()) >= max(_SEEN, len(steps) / 2)
    return [usual] if enough and usual > 1 else []
