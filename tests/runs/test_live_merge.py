"""Runs that are still being written, merged within a window: each packet once, in order, nothing lost."""

import threading
from collections import deque

import pytest
from eicpy_fixtures.merging import PACKETS, PROTOTYPE, archive_of, oracle, packet
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import LIMIT

from eicpy.decoding import PacketCounts
from eicpy.errors import BadArgumentError, ConflictError
from eicpy.packets import index_packets
from eicpy.runs import Cursor, Increment, ProvideOptions, RunArchive, provide
from eicpy.runs.provider.live_merge import LiveMerge
from eicpy.runs.provider.walk import RunWalk


class Pieces:
    """A source that gives what it is fed."""

    def __init__(self, run):
        self.run, self.ended, self._waiting, self._at = run, False, deque(), 0

    def feed(self, *packets):
        self._waiting.append(b"".join(packets))

    def pull(self):
        if not self._waiting:
            return None
        data = self._waiting.popleft()
        index = index_packets(data, PROTOTYPE.headers).shifted(self._at)
        start, self._at = self._at, self._at + len(data)
        return Increment(index, data, start, PROTOTYPE, self.run, self.cursor)

    @property
    def finished(self):
        return self.ended and not self._waiting

    @property
    def cursor(self):
        return Cursor(self.run, self._at)

    @property
    def counts(self):
        return {}

    def behind(self, cursor):
        return self._at - cursor.offset + sum(map(len, self._waiting))

    def close(self):
        pass


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stations(clock):
    one, two = Pieces(1), Pieces(2)
    return one, two, LiveMerge([one, two], PROTOTYPE, 10.0, clock=clock)


def drain(merge):
    """All that may be given now."""
    found = []
    while (part := merge.pull()) is not None:
        found += [raw for _, raw in part.packets()]
    return found


def end(merge, *sources):
    for source in sources:
        source.ended = True
    found = drain(merge)
    assert merge.finished
    assert merge.held == 0
    return found


class TestWindow:
    def test_a_station_that_is_late_by_less_takes_its_place(self, stations):
        one, two, merge = stations
        each = [packet(901, n, 100 + n) for n in range(40)]
        found = []
        for n in range(0, 40, 2):
            one.feed(each[n])
            if n >= 8:
                two.feed(each[n - 7])
            found += drain(merge)
            assert found == each[: len(found)]
            assert merge.held <= 12
        two.feed(*each[33::2])
        assert found + end(merge, one, two) == each
        assert merge.late == {}
        assert merge.counts == {901: PacketCounts(received=40)}

    def test_what_comes_later_is_given_at_once_and_counted(self, stations, caplog):
        one, two, merge = stations
        each = [packet(901, n, 100 + n) for n in range(40)]
        one.feed(*each[::2])
        found = drain(merge)
        assert found == each[:25:2]  # the last that is sure is 136 s
        two.feed(each[3], each[5], each[4], each[31])
        assert drain(merge) == [each[3], each[5]]
        assert merge.late == {2: 2}
        assert "run 2 come later than the window of 10 s" in caplog.text
        assert merge.repeated == 1
        found += [each[3], each[5], *end(merge, one, two)]
        assert sorted(found) == sorted({*each[::2], each[3], each[5], each[31]})
        assert merge.late == {2: 2}

    def test_what_is_held_is_given_when_nothing_comes(self, stations, clock):
        one, _, merge = stations
        each = [packet(901, n, 100 + n) for n in range(5)]
        one.feed(*each)
        assert drain(merge) == []
        clock.now = 9.9
        assert drain(merge) == []
        clock.now = 10.0
        assert drain(merge) == each

    def test_one_wrong_time_does_not_hurry_the_rest(self, stations):
        one, two, merge = stations
        each = [packet(901, n, 100 + n) for n in range(30)]
        far = packet(910, 0, 4_000_000)
        one.feed(*each[:10:2], far, *each[10::2])
        two.feed(*each[1:8:2])
        assert drain(merge) == [*each[:9], *each[10:16:2]]
        two.feed(*each[19::2])
        assert end(merge, one, two) == [each[16], *each[18:], far]
        assert merge.late == {}

    def test_a_clock_that_is_set_is_believed_after_two_packets(self, stations):
        one, two, merge = stations
        old, new = ([packet(901, n, at + n) for n in range(20)] for at in (100, 9000))
        for source in (one, two):
            source.feed(*old, *new)
        assert drain(merge) == [*old, *new[:8]]
        assert merge.late == {}

    def test_memory_is_that_of_the_window(self, stations):
        one, two, merge = stations
        most = given_ = 0
        for n in range(0, 4000, 4):
            each = [packet(901, k, 1000 + k // 2, fill=k) for k in range(n, n + 4)]
            one.feed(*each[:3])
            two.feed(*each[1:])
            given_ += len(drain(merge))
            most = max(most, merge.held)
            assert sum(len(held.packets.data) for held in merge._held) <= 60 * len(each[0])
        assert most <= 50
        assert given_ + len(end(merge, one, two)) == 4000

    def test_a_run_without_times_is_awaited_for_the_window(self, stations, clock):
        one, two, merge = stations
        commands = [packet(900, n) for n in range(3)]
        two.feed(*commands)
        one.feed(packet(901, 0, 100), packet(901, 1, 101))
        assert drain(merge) == []
        clock.now = 11.0
        assert sorted(drain(merge)) == sorted([*commands, packet(901, 0, 100), packet(901, 1, 101)])

    @pytest.mark.parametrize("window", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_window_that_is_none_is_refused(self, window):
        with pytest.raises(BadArgumentError, match="window"):
            LiveMerge([Pieces(1)], PROTOTYPE, window)
        with pytest.raises(BadArgumentError, match="window"):
            ProvideOptions(window=window)


@settings(max_examples=120)
@given(runs=st.lists(st.lists(PACKETS, max_size=12), min_size=1, max_size=3), data=st.data())
def test_in_a_window_that_holds_all_it_is_the_merge_of_finished_runs(runs, data):
    sources = [Pieces(n + 1) for n in range(len(runs))]
    merge = LiveMerge(sources, PROTOTYPE, 1e6)
    found = []
    for source, run in zip(sources, runs, strict=True):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(run)), max_size=3)))
        for begin, stop in zip([0, *cuts], [*cuts, len(run)], strict=True):
            source.feed(*run[begin:stop])
    found += drain(merge)
    assert found == []
    assert end(merge, *sources) == oracle(runs)


@settings(max_examples=60)
@given(data=st.data())
def test_each_packet_comes_once_and_all_but_the_late_in_order(data):
    whole = [packet(901, n, 1000 + n // 2, fill=n) for n in range(80)]
    heard = data.draw(st.lists(st.sampled_from([(0,), (1,), (0, 1)]), min_size=80, max_size=80))
    delay = data.draw(st.integers(0, 30))
    sources = [Pieces(1), Pieces(2)]
    merge = LiveMerge(sources, PROTOTYPE, 5.0)
    found = []
    for n in range(80 + delay):
        if n < 80 and 0 in heard[n]:
            sources[0].feed(whole[n])
        if n >= delay and 1 in heard[n - delay]:
            sources[1].feed(whole[n - delay])
        found += drain(merge)
    found += end(merge, *sources)
    assert sorted(found) == sorted(whole)
    behind = sum(whole.index(p) < max(map(whole.index, found[:n]), default=0) for n, p in enumerate(found))
    assert sum(merge.late.values()) == sum(
        index_time(p) < max(map(index_time, found[:n]), default=0) for n, p in enumerate(found)
    )
    if delay < 2 * 5:
        assert behind == 0


def index_time(raw):
    return int.from_bytes(raw[13:17], "big")


class TestArchive:
    """The same through `provide`, with runs that writers hold open."""

    @pytest.fixture
    def open_runs(self, tmp_path):
        archive = RunArchive(tmp_path, PROTOTYPE.name)
        writers = [archive.create(source=f"station {n}") for n in (1, 2)]
        yield archive, writers
        for writer in writers:
            writer.release()

    def test_two_open_runs_then_closed_give_what_the_finished_merge_gives(self, open_runs):
        archive, (one, two) = open_runs
        each = [packet(901, n, 100 + n) for n in range(60)]
        found = []
        with provide(archive, PROTOTYPE, [1, 2], unique=True) as provider:
            for n in range(0, 60, 6):
                one.append(b"".join(each[n : n + 4]))
                two.append(b"".join(each[n + 2 : n + 6]))
                found += polled(provider)
                assert found == each[: len(found)]
                assert not provider.finished
            assert len(found) > 40
            one.close()
            two.close()
            for part in provider.stream(timeout_event()):
                found += [raw for _, raw in part.packets()]
            assert provider.finished
            assert (provider.repeated, provider.late) == (20, {})
            assert provider.cursor == Cursor(0)
        assert found == each
        with provide(archive, PROTOTYPE, [1, 2], unique=True) as provider:
            assert isinstance(provider._source.cursor, Cursor)
            assert b"".join(raw for part in provider.stream() for _, raw in part.packets()) == b"".join(each)

    def test_a_position_in_it_is_refused(self, open_runs):
        archive, (one, _) = open_runs
        one.append(packet(901, 0, 100))
        options = [{"start": Cursor(1, 3)}, *({"options": ProvideOptions(**o)} for o in POSITIONS)]
        for wish in options:
            with pytest.raises(ConflictError, match="still written"):
                provide(archive, PROTOTYPE, [1, 2], unique=True, **wish)

    def test_a_window_without_unique_is_refused(self, open_runs):
        with pytest.raises(BadArgumentError, match="unique"):
            provide(open_runs[0], PROTOTYPE, [1, 2], options=ProvideOptions(window=3.0))

    def test_two_stations_in_one_run_are_ordered_too(self, open_runs):
        archive, (one, two) = open_runs
        two.close()
        each = [packet(901, n, 100 + n) for n in range(40)]
        mixed = [p for n in range(40) for p in ([each[n]] if n < 5 else [each[n], each[n - 5]])]
        two_stations = ProvideOptions(window=8.0)
        with provide(archive, PROTOTYPE, 1, unique=True, options=two_stations) as provider:
            one.append(b"".join(mixed[:40]))
            found = polled(provider)
            assert found
            position, known = provider.cursor, list(found)
            one.append(b"".join(mixed[40:]))
            one.close()
            for part in provider.stream(timeout_event()):
                found += [raw for _, raw in part.packets()]
            assert provider.cursor == Cursor(1, archive.run(1).size)
        assert found == each
        with provide(archive, PROTOTYPE, 1, unique=True, start=position, options=two_stations) as provider:
            rest = [raw for part in provider.stream() for _, raw in part.packets()]
        assert {*known, *rest} == {*each}  # some come again, none is lost

    def test_finished_runs_in_a_walk_give_the_same(self, tmp_path):
        each = [packet(901, n, 100 + n) for n in range(50)]
        archive, numbers = archive_of(tmp_path, [each[::2], each[1::2]])
        walks = [RunWalk(archive, PROTOTYPE, [number]) for number in numbers]
        merge = LiveMerge(walks, PROTOTYPE)
        found = []
        while not merge.finished:
            part = merge.pull()
            found += [] if part is None else [raw for _, raw in part.packets()]
        merge.close()
        assert found == each


POSITIONS = ({"from_packet": 1}, {"from_time": 0.0})


def polled(provider):
    found = []
    while part := provider.poll():
        found += [raw for _, raw in part.packets()]
    return found


def timeout_event():
    stop = threading.Event()
    timer = threading.Timer(LIMIT, stop.set)
    timer.daemon = True
    timer.start()
    return stop
