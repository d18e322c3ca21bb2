import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.packets import PacketIndex, PacketStatus, continuity, index_packets


def index_of(
    counts, times=None, apid=100, status=None, flags=None, destination=0, service=0, subservice=0, length=10
):
    n = len(counts)
    times = np.full(n, np.nan) if times is None else np.asarray(times, dtype=float)
    timed = ~np.isnan(times)
    ticks = np.where(timed, np.round(np.nan_to_num(times) * 65536), -1).astype(np.int64)
    return PacketIndex(
        offset=np.arange(n, dtype=np.int64) * 10,
        length=np.broadcast_to(np.asarray(length, dtype=np.int32), (n,)),
        apid=np.broadcast_to(np.asarray(apid, dtype=np.uint16), (n,)),
        service=np.broadcast_to(np.asarray(service, np.uint8), (n,)),
        subservice=np.broadcast_to(np.asarray(subservice, np.uint8), (n,)),
        sequence_flags=np.full(n, 3, np.uint8) if flags is None else np.asarray(flags, np.uint8),
        sequence_count=np.asarray(counts, dtype=np.int64).astype(np.uint16),
        coarse=np.where(timed, ticks // 65536, -1),
        fine=np.where(timed, ticks % 65536, -1),
        destination=np.broadcast_to(np.asarray(destination, np.uint16), (n,)),
        status=np.zeros(n, np.uint8) if status is None else np.asarray(status, np.uint8),
        command=np.zeros(n, np.bool_),
    )


def judge(counts, times=None, **options):
    one = continuity(index_of(counts, times, **options))[100]
    return one.lost, one.duplicated, one.out_of_order


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([16382, 16383, 0, 1], (0, 0, 0)),
        ([16380, 16383, 0, 5, 6], (6, 0, 0)),
        ([1, 2, 2, 3], (0, 1, 0)),
        ([1, 2, 2, 7, 8], (4, 1, 0)),
        ([1, 3, 2, 4], (0, 0, 1)),
        ([16383, 1, 0, 2], (0, 0, 1)),
        ([5], (0, 0, 0)),
        ([1, 5, 3, 3, 6], (2, 1, 1)),
        ([3, 4, 5, 3, 4, 5, 6], (0, 3, 0)),
    ],
)
def test_gaps_duplicates_and_reordering_are_told_apart(counts, expected):
    assert judge(counts) == expected


def test_gaps_say_where_and_how_many():
    one = continuity(index_of([16380, 16383, 0, 5, 6]))[100]
    assert [(gap.first, gap.missing, gap.after, gap.before) for gap in one.gaps] == [
        (16381, 2, 0, 1),
        (1, 4, 2, 3),
    ]
    assert (one.first, one.last) == (0, 4)


def test_time_tells_nothing_from_a_whole_turn_lost():
    counts = np.concatenate([np.arange(100), np.arange(100, 200)])
    times = 1000.0 + np.arange(200) * 0.5
    assert judge(counts, times) == (0, 0, 0)
    times[100:] += 16384 * 0.5
    assert judge(counts, times) == (16384, 0, 0)
    times[100:] += 16384 * 0.5
    assert judge(counts, times) == (2 * 16384, 0, 0)
    assert judge(counts) == (0, 0, 0)


def test_a_pause_is_no_loss():
    counts = np.arange(200)
    times = 1000.0 + np.arange(200) * 0.5
    for pause in (10.0, 600.0, 4000.0, 16384 * 0.5 * 1.4):
        paused = times.copy()
        paused[100:] += pause
        assert judge(counts, paused) == (0, 0, 0)


def test_time_tells_a_duplicate_from_a_turn():
    counts = [0, 1, 2, 2, 3]
    assert judge(counts, [0.5, 1.5, 2.5, 2.5, 3.5]) == (0, 1, 0)
    assert judge(counts, [0.5, 1.5, 2.5, 2.5 + 16384, 3.5 + 16384]) == (16383, 0, 0)


@pytest.mark.parametrize("value", [0, 16383, 77])
@pytest.mark.parametrize("timed", [True, False])
def test_a_counter_that_stands_still_does_not_count(value, timed):
    one = continuity(index_of([value] * 50, np.arange(50) * 1.0 + 1 if timed else None))[100]
    assert (one.lost, one.duplicated, one.out_of_order, one.not_counting) == (0, 0, 0, 50)
    assert one.counting == "does not count"
    assert one.is_clean


def test_time_tells_more_than_half_a_turn_lost_from_reordering():
    counts = [*range(100), *range(10100, 10200)]
    times = 10.0 + np.array([*range(100), *range(10100, 10200)], dtype=float)
    assert judge(counts, times) == (10000, 0, 0)


def test_a_damaged_packet_closes_its_gap():
    status = np.zeros(6, dtype=np.uint8)
    status[2] = PacketStatus.BAD_CHECKSUM
    one = continuity(index_of([1, 2, 3, 4, 6, 7], status=status))[100]
    assert (one.received, one.lost, one.damaged) == (5, 1, 1)
    status[2] = PacketStatus.BAD_HEADER
    one = continuity(index_of([1, 2, 3, 4, 6, 7], status=status))[100]
    assert (one.received, one.lost, one.damaged) == (5, 2, 0)


def test_apids_are_judged_apart_and_types_together():
    index = index_of([7, 1, 8, 2, 9, 4, 10, 5], apid=[1, 2, 1, 2, 1, 2, 1, 2])
    judged = continuity(index)
    assert judged[1].is_clean
    assert judged[2].lost == 1
    assert judged[2].rows.tolist() == [1, 3, 5, 7]
    assert continuity(PacketIndex.empty()) == {}


def test_an_apid_without_an_intact_packet_has_no_first():
    one = continuity(index_of([1, 2], status=[1, 1]))[100]
    assert (one.received, one.damaged, one.first, one.lost) == (0, 2, -1, 0)


@given(st.integers(0, 16383), st.lists(st.integers(0, 400), unique=True, max_size=200), st.integers(0, 2**31))
def test_lost_packets_are_counted_across_the_rollover(first, missing, seed):
    sent = np.arange(500) + first
    kept = np.delete(sent, missing)
    inner = [m for m in missing if kept[0] < first + m < kept[-1]]
    assert judge(kept % 16384) == (len(inner), 0, 0)
    rng = np.random.default_rng(seed)
    swapped = kept.copy()
    at = int(rng.integers(len(kept) - 90, len(kept) - 1))  # where few are missing it is plain which is late
    swapped[[at, at - 1]] = swapped[[at - 1, at]]
    lost, duplicated, late = judge(swapped % 16384)
    assert (lost, duplicated, late) == (len(inner), 0, 1)


def test_idle_packets_are_counted_but_never_judged():
    header = bytes([0x07, 0xFF, 0xC0, 0x00, 0x00, 0x03])  # version 0, APID 2047, count 0, four bytes of data
    found = continuity(index_packets((header + b"\x55\x55\x55\x55") * 20000, checksum="none"))[2047]
    assert (found.received, found.is_clean) == (20000, True)


def test_the_result_is_a_mapping_that_prints_as_a_table():
    found = continuity(index_of([1, 2, 5, 5, 6]))
    assert list(found) == [100]
    assert found[100].lost == 2
    head, row = repr(found).splitlines()
    assert head.split("  ")[0] == "APID"
    assert row.split() == ["100", "5", "2", "1", "0", "0", "1"]
    assert "<td>2</td>" in found._repr_html_()
    assert repr(continuity(PacketIndex.empty())) == "no packets"
