"""Several runs merged in the order of time, each packet once, judged by a slow and plain oracle."""

import numpy as np
import pytest
from eicpy_fixtures.merging import PACKETS, PROTOTYPE, archive_of, oracle, packet
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.decoding import PacketCounts, packet_seconds
from eicpy.errors import BadArgumentError, ConflictError
from eicpy.packets import index_packets
from eicpy.runs import Cursor, Deduplicator, ProvideOptions, provide
from eicpy.runs.provider.deduplicate import remember
from eicpy.runs.provider.merge import MergedRuns


def drain(provider, most=None):
    with provider:
        found = []
        while not provider.finished:
            found += [raw for _, raw in provider.poll(most).packets()]
        return found


@settings(max_examples=120)
@given(runs=st.lists(st.lists(PACKETS, max_size=12), min_size=1, max_size=3))
def test_it_is_what_the_oracle_says(tmp_path_factory, runs):
    archive, numbers = archive_of(tmp_path_factory.mktemp("merge"), runs)
    assert drain(provide(archive, PROTOTYPE, numbers, unique=True)) == oracle(runs)


@settings(max_examples=30)
@given(data=st.data())
def test_two_stations_with_gaps_and_delays_make_one_whole_pass(tmp_path_factory, data):
    numbered = [(901, n // 3 * 2 + n % 3 - 1) if n % 3 else (910, n // 3) for n in range(120)]
    numbered = [(1000 + n // 8, apid, count + 16370) for n, (apid, count) in enumerate(numbered)]
    whole = [packet(apid, count, now, fill=count) for now, apid, count in sorted(numbered)]
    first = data.draw(st.lists(st.booleans(), min_size=120, max_size=120))
    second = [not seen or data.draw(st.booleans()) for seen in first]
    delay = data.draw(st.integers(0, 30))
    one = [p for p, seen in zip(whole, first, strict=True) if seen]
    two = [p for p, seen in zip(whole, second, strict=True) if seen]
    two = two[delay:] + two[:delay]  # a part of the pass is sent after the rest
    archive, numbers = archive_of(tmp_path_factory.mktemp("merge"), [one, two])
    provider = provide(archive, PROTOTYPE, numbers, unique=True)
    found = drain(provider, data.draw(st.integers(1, 50)))
    assert found == whole
    assert provider.counts == {901: PacketCounts(received=80), 910: PacketCounts(received=40)}


@settings(max_examples=20)
@given(data=st.data())
def test_stopped_anywhere_it_gives_the_rest(tmp_path_factory, data):
    runs = data.draw(st.lists(st.lists(PACKETS, min_size=1, max_size=9), min_size=2, max_size=3))
    archive, numbers = archive_of(tmp_path_factory.mktemp("merge"), runs)
    found, cursor = [], None
    while True:
        with provide(archive, PROTOTYPE, numbers, start=cursor, unique=True) as provider:
            found += [raw for _, raw in provider.poll(data.draw(st.integers(1, 5))).packets()]
            assert (provider.behind == 0) == provider.finished
            cursor = provider.cursor
            if provider.finished:
                break
    assert found == oracle(runs)


class TestPlaces:
    @pytest.fixture
    def merged(self, tmp_path):
        runs = [[packet(901, n, 100 + n) for n in range(k, 20, 2)] for k in (0, 1)]
        return archive_of(tmp_path, runs)

    def test_from_a_packet_and_from_a_time(self, merged):
        archive, numbers = merged
        whole = drain(provide(archive, PROTOTYPE, numbers, unique=True))
        assert whole == [packet(901, n, 100 + n) for n in range(20)]
        assert (
            drain(provide(archive, PROTOTYPE, numbers, unique=True, options=ProvideOptions(from_packet=5)))
            == whole[5:]
        )
        moment = float(packet_seconds(archive.run(2).index(PROTOTYPE), PROTOTYPE)[3])
        assert (
            drain(provide(archive, PROTOTYPE, numbers, unique=True, options=ProvideOptions(from_time=moment)))
            == whole[7:]
        )
        assert (
            drain(
                provide(
                    archive, PROTOTYPE, numbers, unique=True, options=ProvideOptions(from_time=moment + 1e6)
                )
            )
            == []
        )

    def test_a_place_that_is_none_is_refused(self, merged):
        archive, numbers = merged
        for wish in ({"start": Cursor(1, 3)}, {"options": ProvideOptions(from_packet=21)}):
            with pytest.raises(BadArgumentError):
                provide(archive, PROTOTYPE, numbers, unique=True, **wish)

    def test_a_run_that_is_still_written_is_no_whole_run(self, merged):
        archive, numbers = merged
        writer = archive.create(source="x")
        with pytest.raises(ConflictError, match="still written"):
            MergedRuns(archive, PROTOTYPE, [*numbers, 3])
        writer.release()

    def test_damage_and_foreign_bytes_are_told_and_nothing_good_is_lost(self, tmp_path):
        each = [packet(901, n, 100 + n) for n in range(20)]
        bad = bytearray(each[5])
        bad[-4] ^= 1
        archive, numbers = archive_of(tmp_path, [[b"\x55" * 9, *each[:5], bytes(bad), *each[6:]], each])
        with provide(archive, PROTOTYPE, numbers, unique=True) as provider:
            parts = list(provider.stream(packets=3))
        assert sum(part.index.foreign_bytes for part in parts) == 9
        given_ = [(raw, bool(part.index.good[row])) for part in parts for row, raw in part.packets()]
        assert [raw for raw, good in given_ if good] == each
        assert [raw for raw, good in given_ if not good] == [bytes(bad)]


class TestMemory:
    def test_it_is_a_plain_set_as_long_as_it_remembers(self):
        rng = np.random.default_rng(3)
        keys = rng.integers(0, 300, 4000).astype(np.uint64)
        repeats, seen = Deduplicator(1000), set()
        for part in np.array_split(keys, 17):
            expected = []
            for key in part.tolist():
                expected.append((key or 1) not in seen)
                seen.add(key or 1)
            assert repeats.fresh_keys(part).tolist() == expected

    def test_it_forgets_the_oldest_and_never_too_early(self):
        repeats = Deduplicator(100)
        keys = np.arange(1, 1001, dtype=np.uint64)
        for key in keys:
            assert repeats.fresh_keys(keys[int(key) - 1 : int(key)]).all()
            back = keys[max(0, int(key) - 90) : int(key)]
            assert not repeats.fresh_keys(back).any()
        assert repeats.fresh_keys(keys[:100]).all()

    def test_the_tables_are_never_more_than_half_full(self):
        new, old = np.zeros(8, np.uint64), np.zeros(8, np.uint64)
        fresh = np.empty(5, np.bool_)
        assert remember(np.array([8, 16, 8, 0, 1], np.uint64), new, old, fresh) == 3
        assert fresh.tolist() == [True, True, False, True, False]

    def test_packets_without_a_time_are_told_apart_when_their_count_has_gone_round(self):
        raw = b"".join(packet(900, n) for n in (*range(16384), *range(5), 3))
        index = index_packets(raw, PROTOTYPE.headers)
        assert (index.coarse < 0).all()
        fresh = Deduplicator().fresh(raw, index)
        assert fresh[:-1].all()
        assert not fresh[-1]
