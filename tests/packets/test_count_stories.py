"""Sequence counts against a sender that knows what it did, and against all stories there are."""

import itertools
import tracemalloc
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packets.test_continuity import index_of

from eicpy.decoding import RunningContinuity
from eicpy.instruments import load
from eicpy.packets import PacketCounts, PacketIndex, continuity, index_packets, inspect_file
from eicpy.packets.counts import runs as stories
from eicpy.packets.counts import streams
from eicpy.packets.counts.evidence import link
from eicpy.packets.counts.models import new_counter
from eicpy.packets.counts.streams import packet_columns

NUMBERS = [f.name for f in fields(PacketCounts)][:-1]


class Sender:
    """Sends packets of a counter, does what it is told on the way, and writes down what it did."""

    def __init__(self, seed, *, step=1, start=None, interval=10):
        self.rng = np.random.default_rng(seed)
        self.step, self.interval = step, interval
        self.count = int(self.rng.integers(16384)) if start is None else start
        self.clock = 1000
        self.sent = []  # (count, time)
        self.truth = Counter()

    def packet(self, count=None):
        self.sent.append((self.count if count is None else count % 16384, self.clock))
        self.pass_over()

    def pass_over(self):
        self.count = (self.count + self.step) % 16384
        self.clock += self.interval

    def steady(self, packets=24):
        for _ in range(packets):
            self.packet()

    def gap(self):
        """Any number is lost, a whole turn among them."""
        missing = int(self.rng.choice([1, 2, 7, 60, 900, 5000, 9000, 15000]))
        for _ in range(missing):
            self.pass_over()
        self.truth["lost"] += missing

    def stray(self):
        """One bit or all of a count are wrong."""
        for _ in range(int(self.rng.integers(1, 4))):
            flip = 1 << int(self.rng.integers(2, 14))
            away = int(self.rng.integers(40, 16000))
            wrong = self.count ^ flip if self.rng.random() < 0.5 else self.count + away
            self.packet(wrong)
            self.truth["out_of_step"] += 1
            self.steady(int(self.rng.integers(2, 6)))

    def stray_together(self):
        """Several wrong counts one after another."""
        for _ in range(3):
            self.packet(self.count + int(self.rng.integers(300, 16000)))
        self.truth["out_of_step"] += 3

    def duplicate(self):
        again = int(self.rng.integers(1, 20))
        self.sent += self.sent[-again:]
        self.truth["duplicated"] += again

    def interleaved(self):
        """What came before comes again between what is new."""
        old = self.sent[-15:]
        for again in old:
            self.packet()
            self.sent.append(again)
        self.truth["duplicated"] += len(old)

    def late(self):
        """A block overtakes another."""
        first = len(self.sent)
        self.steady(int(self.rng.integers(2, 9)))
        second = len(self.sent)
        self.steady(int(self.rng.integers(10, 15)))
        self.sent[first:] = self.sent[second:] + self.sent[first:second]
        self.truth["out_of_order"] += second - first

    def restart(self):
        self.count = 0
        self.clock += int(self.rng.choice([0, 600]))
        self.truth["restarted"] += 1

    def restart_elsewhere(self):
        self.count = (self.count - int(self.rng.integers(300, 7000)) * self.step) % 16384
        self.truth["restarted"] += 1

    def stand_still(self):
        held = (self.count - self.step) % 16384
        for _ in range(30):
            self.packet(held)
        self.count = (held + self.step) % 16384
        self.truth["not_counting"] += 30

    def index(self, **options):
        counts, times = zip(*self.sent, strict=True)
        return index_of(counts, np.asarray(times, float), **options)

    def expected(self, counting=""):
        return PacketCounts(**{"received": len(self.sent), "counting": counting, **self.truth})


EVENTS = [
    "gap", "stray", "stray_together", "duplicate", "interleaved", "late", "restart", "restart_elsewhere",
]  # fmt: skip


@given(st.lists(st.sampled_from(EVENTS), max_size=12), st.integers(0, 2**32))
@settings(max_examples=60)
def test_what_was_done_to_a_counter_is_found(events, seed):
    sender = Sender(seed)
    sender.steady(40)
    for event in events:
        getattr(sender, event)()
        sender.steady()
    one = continuity(sender.index())[100]
    assert one.counts == sender.expected()
    assert sum(gap.missing for gap in one.gaps) == one.lost
    seen = sum(f.packets for f in one.findings() if f.word == "gap")
    assert seen == one.lost, "what comes late is missing no longer"


@pytest.mark.parametrize("event", [*EVENTS, "stand_still"])
@pytest.mark.parametrize("seed", range(4))
def test_each_word_alone(event, seed):
    sender = Sender(seed)
    sender.steady(40)
    for _ in range(3):
        getattr(sender, event)()
        sender.steady()
    counting = "does not count" if event == "stand_still" else ""
    assert continuity(sender.index())[100].counts == sender.expected(counting)


@pytest.mark.parametrize("step", [2, 3, 7, 64, 100, 8192, 16383])
def test_a_counter_in_steps_of_n(step):
    """Its gaps are counted in its steps."""
    sender = Sender(step, step=step)
    sender.steady(300)
    if step != 8192:  # two counts in all: no gap is ever seen
        for _ in range(5):
            sender.pass_over()
        sender.truth["lost"] += 5
        sender.steady(100)
    one = continuity(sender.index())[100]
    assert one.counts == sender.expected(f"counts in steps of {step if step < 16383 else -1}")
    few = Sender(step, step=step)
    few.steady(8)
    assert continuity(few.index())[100].lost == 0


def mixed(seed, names, packets, lost=()):
    """Packets of several counters in turn, some lost; index columns and how many."""
    rng = np.random.default_rng(seed)
    counts = {name: int(rng.integers(16384)) for name in names}
    rows = []
    missing = 0
    for i in range(packets):
        name = names[int(rng.integers(len(names)))] if i >= len(names) else names[i]
        counts[name] += 1
        if i in lost:
            missing += 1
            continue
        rows.append((counts[name] % 16384, name, 1000 + 3 * i))
    return [np.array(column) for column in zip(*rows, strict=True)], missing


@pytest.mark.parametrize("packets", [60, 2000])
@pytest.mark.parametrize("lost", [(), (20, 33)])
def test_a_counter_for_each_destination_or_type(packets, lost):
    (counts, names, times), missing = mixed(packets, [1, 2, 3], packets, lost)
    for options, words in (
        ({"destination": names}, "counts per destination"),
        ({"service": 3, "subservice": names}, "counts per type"),
    ):
        one = continuity(index_of(counts, times, **options))[100]
        assert one.counts == PacketCounts(received=len(counts), lost=missing, counting=words)
        assert sum(gap.missing for gap in one.gaps) == missing


def test_two_destinations_with_the_same_counts():
    counts = np.repeat(np.arange(30), 2)
    one = continuity(index_of(counts, 1000.0 + np.arange(60), destination=np.tile([1, 2], 30)))[100]
    assert one.counts == PacketCounts(received=60, counting="counts per destination")


def test_types_under_one_counter_are_one_counter():
    (names, _, times), _ = mixed(5, [1, 2, 3], 3000)
    counts = np.arange(3000)
    kept = np.sort(np.random.default_rng(6).choice(3000, 2900, replace=False))
    kept = kept[(kept > 10) & (kept < 2990)]
    index = index_of(counts[kept], times[kept], service=3, subservice=names[kept] % 7)
    assert continuity(index)[100].counts == PacketCounts(len(kept), int(np.ptp(kept)) + 1 - len(kept))


@pytest.mark.parametrize("lost", [(), (50, 51, 700)])
def test_one_counter_for_all_apids(lost):
    rng = np.random.default_rng(1)
    kept = np.delete(np.arange(1000), lost)
    apid = rng.integers(100, 104, 1000)[kept]
    judged = continuity(index_of((kept + 16000) % 16384, 1000.0 + kept, apid=apid))
    assert sum(one.lost for one in judged.values()) == len(lost)
    assert sum(sum(gap.missing for gap in one.gaps) for one in judged.values()) == len(lost)
    assert {one.counting for one in judged.values()} == {"one counter for all APIDs"}
    assert all(one.received == (apid == number).sum() for number, one in judged.items())


@pytest.mark.parametrize("seed", range(3))
def test_random_counts_do_not_count(seed):
    counts = np.random.default_rng(seed).integers(0, 16384, 900)
    one = continuity(index_of(counts, 1000.0 + np.arange(900)))[100]
    assert (one.lost, one.counting) == (0, "does not count")
    assert one.not_counting >= 850


def test_other_packets_in_between_do_not_make_a_restart():
    """As of STIX on Solar Orbiter: one type was downlinked, once in 2320 s, under the count of all types."""
    steps = [*map(int, "331432323233233224232331"), 4, 94, 3, 3, 2, 29, 3, 3, 3, 2]
    counts = 1388 + np.cumsum([0, *steps])
    one = continuity(index_of(counts, 6e8 + 2320.0 * np.arange(len(counts))))[100]
    lost = int(counts[-2] - counts[0]) + 1 - (len(counts) - 1)
    assert one.counts == PacketCounts(received=len(counts), lost=lost, unconfirmed=1)


def test_many_losses_are_still_losses():
    rng = np.random.default_rng(3)
    for share in (0.5, 0.1, 0.02):
        kept = np.flatnonzero(rng.random(30000) < share)
        kept = np.concatenate([np.arange(-20, 0), kept, np.arange(30000, 30020)])
        one = continuity(index_of(kept % 16384, 5000.0 + kept))[100]
        assert one.counts == PacketCounts(received=len(kept), lost=30040 - len(kept)), share


@pytest.mark.parametrize("end", [[3000], [3000, 9000], [0]])
def test_what_nothing_confirms_is_no_loss(end):
    counts = [*range(2000, 2100), *end]
    one = continuity(index_of(counts, 100.0 + np.arange(len(counts))))[100]
    assert one.counts == PacketCounts(received=100 + len(end), unconfirmed=len(end))
    assert not one.is_clean
    words = [finding.word for finding in one.findings()]
    assert words == ["unconfirmed"]


def test_the_time_confirms_the_last_packet():
    counts = [*range(100), 1099]
    times = 100.0 + np.array(counts)
    assert continuity(index_of(counts, times))[100].counts == PacketCounts(received=101, lost=999)


def test_the_bytes_tell_a_restart_from_packets_that_come_again(packet):
    first = b"".join(packet(5, n, bytes([n]) * 20, checksum="none") for n in range(50))
    other = b"".join(packet(5, n, bytes([200 - n]) * 20, checksum="none") for n in range(50))
    for raw, expected in (
        (first + first, PacketCounts(received=100, duplicated=50)),
        (first + other, PacketCounts(received=100, restarted=1)),
    ):
        index = index_packets(raw, checksum="none")
        assert continuity(index, buffer=raw)[5].counts == expected
    assert continuity(index)[5].duplicated == 50, "by the headers alone they are the same"


INSTRUMENT = load("eclairs")


def pieces(index, cuts):
    edges = sorted({0, len(index), *(cut % (len(index) + 1) for cut in cuts)})
    return [index[a:b] for a, b in itertools.pairwise(edges)]


@given(
    st.lists(st.sampled_from([*EVENTS, "stand_still"]), max_size=8),
    st.integers(0, 2**32),
    st.lists(st.integers(0, 2**20), max_size=6),
    st.sampled_from(["plain", "destination", "shared"]),
)
@example(["stray", "interleaved", "stand_still"], 0, [], "destination")
@settings(max_examples=40)
def test_live_is_as_the_file_however_it_is_cut(events, seed, cuts, kind):
    """At every moment the counts are those of a file with the packets so far."""
    senders = [Sender(seed + i) for i in range(1 if kind == "plain" else 2)]
    for sender in senders:
        sender.steady(30)
        for event in events:
            getattr(sender, event)()
            sender.steady(20)
    packets = [(*one, number) for number, sender in enumerate(senders) for one in sender.sent]
    if kind != "plain":
        packets.sort(key=lambda one: one[1])
    counts, times, which = (np.array(column) for column in zip(*packets, strict=True))
    names = {"destination": which} if kind == "destination" else {"apid": 100 + which}
    counts = np.arange(len(counts)) % 16384 if kind == "shared" else counts
    index = index_of(counts, times.astype(float), **names)
    tally = RunningContinuity(INSTRUMENT)
    done = 0
    for piece in pieces(index, cuts):
        tally.add(piece)
        done += len(piece)
        expected = continuity(index[:done], {})
        assert tally.counts == {apid: one.counts for apid, one in expected.items()}
    found = [f for one in continuity(index).values() for f in one.findings()]
    if len(found) <= 200:
        assert sorted(tally.findings) == sorted(found)


@pytest.mark.parametrize("apids", [1, 3])
@pytest.mark.parametrize("late", [4, 3])
@pytest.mark.parametrize("pieces_of", [1, 13, 200])
def test_a_gap_that_late_packets_fill_is_no_finding(late, pieces_of, apids):
    """Also where one counter counts several APIDs, and the late ones are of another."""
    lost = list(range(40 + late, 44))
    counts = np.array([*range(40), *range(44, 100), *range(40, 40 + late), *range(100, 160)])
    order = np.where(counts < 100, counts, counts + 4)
    index = index_of(counts, 100.0 + order, apid=100 + counts % apids)
    found = [f for one in continuity(index).values() for f in one.findings()]
    told = sorted((f.word, f.packets) for f in found)
    if apids == 1:
        assert told == [("gap", 1)] * len(lost) + [("out of order", late)]
    else:
        assert sum(n for word, n in told if word == "out of order") == late
        assert [n for word, n in told if word == "gap"] == [1] * len(lost)
    tally = RunningContinuity(INSTRUMENT)
    for piece in pieces(index, range(0, len(index), pieces_of)):
        tally.add(piece)
    assert sorted(tally.findings) == sorted(found)
    assert sum(one.lost for one in tally.counts.values()) == len(lost)


def test_of_very_many_gaps_the_newest_are_filled():
    """What comes late into a gap that is forgotten is not taken off another one."""
    every = np.arange(3000)
    counts = every[every % 8 != 7]
    late = np.array([7, 2975, 2983])
    index = index_of([*counts, *late, *range(3000, 3050)])
    tally = RunningContinuity(INSTRUMENT)
    tally.add(index)
    gaps = [f for f in tally.findings if f.word == "gap"]
    whole = [f for f in continuity(index)[100].findings() if f.word == "gap"]
    assert len(whole) == 375 - 3
    assert gaps == [f for f in whole if f in gaps]
    assert {f.sequence_count for f in gaps}.isdisjoint({2976, 2984})
    assert sum(f.packets for f in gaps) == len(gaps) < len(whole)


@pytest.mark.parametrize("late", [1, 4, 12])
def test_late_packets_of_a_counter_of_all_apids_leave_no_apid_below_zero(late):
    """A gap is named at the packet behind it; what fills it late is of other APIDs."""
    order = np.arange(600)
    gone = (order >= 300) & (order < 312)
    filling = order[gone][:late]
    counts = np.concatenate([order[~gone][:340], filling, order[~gone][340:]])
    apid = np.where(counts == 312, 100, 101 + counts % 3)
    index = index_of(counts, 1000.0 + counts, apid=apid)
    table = continuity(index)
    assert sum(one.lost for one in table.values()) == 12 - late
    assert all(one.lost >= 0 for one in table.values())
    assert sum(one.out_of_order for one in table.values()) == late
    tally = RunningContinuity(INSTRUMENT)
    for piece in pieces(index, range(0, len(index), 7)):
        tally.add(piece)
    assert tally.counts == {apid: one.counts for apid, one in table.items()}


def test_a_run_is_one_finding_in_however_many_pieces_it_comes():
    counts = [*range(100), *[7] * 3000]
    index = index_of(counts, 100.0 + np.arange(len(counts)))
    tally = RunningContinuity(INSTRUMENT)
    for piece in pieces(index, range(0, len(index), 37)):
        tally.add(piece)
    (whole,) = continuity(index)[100].findings()
    assert (whole.word, whole.packets, whole.number) == ("does not count", 3000, 100)
    assert tally.findings == [whole]


def test_packet_by_packet_is_as_at_once():
    sender = Sender(9)
    sender.steady(30)
    for event in EVENTS:
        getattr(sender, event)()
        sender.steady(20)
    index = sender.index()
    tally = RunningContinuity(INSTRUMENT)
    for i in range(len(index)):
        tally.add(index[i : i + 1])
    assert tally.counts[100] == continuity(index)[100].counts
    assert len(tally._telemetry._waiting) < 600


def test_memory_does_not_grow_with_the_stream():
    tally = RunningContinuity(INSTRUMENT)
    rng = np.random.default_rng(2)
    for piece in range(30):
        kept = np.flatnonzero(rng.random(1500) < 0.97) + 1500 * piece
        tally.add(index_of(kept % 16384, 5.0 + kept))
        assert len(tally._telemetry._waiting) < 600
    assert len(tally.findings) <= 600


@pytest.mark.parametrize("kind", ["plain", "destination"])
def test_counters_that_are_packed_between_pieces_judge_the_same(kind, monkeypatch):
    senders = [Sender(3), Sender(4)]
    for sender in senders:
        sender.steady(30)
        for event in [*EVENTS, "stand_still"]:
            getattr(sender, event)()
            sender.steady(20)
    packets = sorted(
        ((*one, n) for n, sender in enumerate(senders) for one in sender.sent), key=lambda p: p[1]
    )
    counts, times, which = (np.array(column) for column in zip(*packets, strict=True))
    names = {"destination": which} if kind == "destination" else {"apid": 100 + which}
    index = index_of(counts, times.astype(float), **names)
    expected = {apid: one.counts for apid, one in continuity(index, {}).items()}
    monkeypatch.setattr(streams, "_MOST_OPEN", 0)
    tally = RunningContinuity(INSTRUMENT)
    for piece in pieces(index, range(0, len(index), 23)):
        tally.add(piece)
        assert not any(lane.counters for lane in tally._telemetry._stream.lanes.values())
    assert tally.counts == expected


def test_thousands_of_counters_take_little_memory():
    """Open they would take 0.2 MB each."""
    apids, each = 700, 20
    index = index_of(
        np.random.default_rng(5).integers(0, 16384, apids * each), np.full(apids * each, np.nan),
        apid=np.tile(np.arange(apids), each),
    )  # fmt: skip
    stream = streams.CountedStream()
    columns = packet_columns(index)
    tracemalloc.start()
    stream.feed(index.apid, np.arange(len(index)), columns)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(stream.lanes) == apids
    assert kept < 40e6


def every_story(packets, counter, rows):
    """Cost of the cheapest story, by trying each set of runs as the chain."""
    latest = np.full(16384, -1, np.int64)
    kinds = stories._kinds(packets, counter, rows, latest)
    begin = stories._runs(packets, counter, rows, kinds)
    interval, regular = stories._pace(packets, counter, rows)
    cost, what, _ = stories._beside(packets, counter, rows, kinds, begin)
    size = len(begin) - 1
    best = np.inf
    for chain in itertools.product([False, True], repeat=size):
        if any(chosen and kinds[begin[r]] >= 2 for r, chosen in enumerate(chain)):
            continue
        total, before, strays = 0.0, None, 0
        for r in range(size):
            if not chain[r]:
                total += cost[r]
                strays += (begin[r + 1] - begin[r]) * (what[r] >= 6)
                continue
            first = rows[begin[r]]
            if before is not None:
                own = stories._own_interval(packets, rows, begin[r], begin[r + 1], interval)
                elapsed = packets.time[first] - packets.time[before]
                elapsed = elapsed / own if interval > 0 else (-1.0 if elapsed < 0 else np.nan)
                steps = (packets.count[first] - packets.count[before]) % 16384
                total += link(steps, elapsed, strays, int(packets.count[first] == 0), regular, 16384)[0]
            before, strays = rows[begin[r + 1] - 1], 0
        best = min(best, total)
    return best


@given(
    st.lists(st.one_of(st.integers(0, 30), st.integers(0, 16383)), min_size=1, max_size=9),
    st.lists(st.integers(0, 40), min_size=9, max_size=9),
    st.booleans(),
)
def test_the_story_is_the_cheapest_there_is(counts, steps, timed):
    times = 100.0 + np.cumsum(steps)[: len(counts)] if timed else None
    packets = packet_columns(index_of(counts, times))
    rows, latest = np.arange(len(counts)), np.full(16384, -1, np.int64)
    story = stories.explain(packets, new_counter(), rows, latest, 0)
    assert story.cost == pytest.approx(every_story(packets, new_counter(), rows))
    assert (latest == -1).all()


CASES = {
    "count-one-wrong.bin": {"received": 20, "out_of_step": 1},
    "count-restarts.bin": {"received": 200, "restarted": 1},
    "count-stuck.bin": {"received": 100, "not_counting": 100, "counting": "does not count"},
}


@pytest.mark.parametrize("name", CASES)
def test_shared_cases(shared_data, name):
    file = shared_data / "cases/telemetry" / name
    if not file.exists():
        pytest.skip(f"no {file.name} in the shared data")
    (apid,) = inspect_file(file).apids.values()
    assert apid.counts == PacketCounts(**CASES[name])


def test_a_restart_does_not_join_segments():
    """Counts 5, 6 of a first and a last segment with a restart between are no group."""
    index = index_of([3, 4, 5, 0, 1, 2], 10.0 + np.arange(6), flags=[3, 3, 1, 2, 3, 3])
    one = continuity(index)[100]
    assert one.restarted == 1
    assert one.count[3] - one.count[2] > 2


def test_an_empty_index_is_empty():
    tally = RunningContinuity(INSTRUMENT)
    tally.add(PacketIndex.empty())
    assert tally.counts == {}
    assert replace(PacketCounts(), lost=1) + PacketCounts(lost=2) == PacketCounts(lost=3)
    assert NUMBERS[0] == "received"
