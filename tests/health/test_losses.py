"""The clock of the data: the same in any pieces, and not moved by a wrong time."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eicpy.health.losses import DataClock, confirmed_times

TIMES = st.lists(
    st.one_of(st.integers(0, 400).map(float), st.floats(0.0, 400.0), st.just(float("nan"))), max_size=60
)


def plain(times):
    """The latest time that two timed packets in a row confirm, packet by packet."""
    confirmed, newest, before = [], -np.inf, -np.inf
    for time in times:
        if np.isfinite(time):
            newest, before = max(newest, min(time, before)), time
        confirmed.append(newest)
    return confirmed


@given(TIMES)
def test_confirmed_times_are_those_of_the_plain_walk(times):
    assert confirmed_times(np.array(times)).tolist() == plain(times)


@given(TIMES, st.lists(st.integers(0, 60), max_size=5))
def test_the_clock_is_the_same_in_any_pieces(times, cuts):
    offset = 100 * np.arange(len(times))
    whole, pieces = DataClock(1e9), DataClock(1e9)
    whole.add(offset, np.array(times))
    edges = [0, *sorted(min(cut, len(times)) for cut in cuts), len(times)]
    for start, stop in pairwise(edges):
        pieces.add(offset[start:stop], np.array(times[start:stop]))
    assert pieces.newest == whole.newest
    assert [pieces.at(o) for o in offset] == [whole.at(o) for o in offset]


def test_one_packet_with_a_time_of_next_year_does_not_move_the_clock():
    clock = DataClock(600.0)
    times = np.arange(100.0)
    times[50] = 3e7
    clock.add(10 * np.arange(100), times)
    assert clock.newest == 98.0
    assert not clock.went_back


def test_what_is_older_than_is_kept_is_forgotten():
    clock = DataClock(10.0)
    for start in range(0, 1000, 10):
        clock.add(np.arange(start, start + 10), np.arange(start, start + 10.0))
    assert len(clock._places) <= 12
    assert clock.at(5) == -np.inf
    assert clock.at(995) == 994.0


def test_data_that_go_back_are_noticed():
    clock = DataClock(600.0)
    clock.add(np.arange(200), np.arange(1000.0, 1200.0))
    clock.add(np.arange(200, 220), np.arange(0.0, 20.0))
    assert clock.went_back
