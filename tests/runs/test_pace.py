"""The pace of a playback, with a clock that the test moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.runs import Pacer

NAN = float("nan")


def due(seconds, speed=1.0, longest=10.0, *, parts=None):
    pacer = Pacer(speed, longest, lambda: 100.0)
    pieces = np.split(np.array(seconds, np.float64), parts or [])
    return (np.concatenate([pacer.due(piece) for piece in pieces]) - 100.0).tolist()


def test_at_the_pace_of_the_on_board_time_and_faster():
    assert due([5, 6, 6.5, 9]) == [0, 1, 1.5, 4]
    assert due([5, 6, 6.5, 9], 10.0) == pytest.approx([0, 0.1, 0.15, 0.4])
    assert due([5, 6, 6.5, 9], 0.5) == [0, 2, 3, 8]


def test_packets_without_a_time_go_with_the_one_before():
    assert due([NAN, NAN, 5, NAN, 6, NAN]) == [0, 0, 0, 0, 1, 1]
    assert due([NAN, NAN]) == [0, 0]


def test_a_late_packet_is_due_at_once_and_delays_nothing():
    assert due([5, 7, 6, 8]) == [0, 2, 2, 3]


def test_gaps_of_hours_and_clocks_that_were_set_are_shortened():
    assert due([5, 7200, 7201]) == [0, 10, 11]
    assert due([7200, 5, 6, 7]) == [0, 0, 1, 2]
    assert due([0, 50, 51], 10.0, 2.0) == pytest.approx([0, 2, 2.1])
    assert due([5, 1e9, 6, 7]) == [0, 10, 10, 11]  # one wrong time ahead costs one wait


def test_after_a_pause_nothing_rushes():
    now = [0.0]
    pacer = Pacer(1.0, clock=lambda: now[0])
    assert pacer.due(np.array([1.0, 2.0])).tolist() == [0, 1]
    now[0] = 50.0
    pacer.restart()
    assert pacer.due(np.array([3.0, 4.0])).tolist() == [50, 51]


@given(
    st.lists(st.one_of(st.just(NAN), st.floats(-1e6, 1e6)), max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.sampled_from([0.5, 1.0, 100.0]),
)
def test_it_does_not_depend_on_the_pieces_and_never_goes_back(seconds, parts, speed):
    whole = due(seconds, speed)
    assert due(seconds, speed, parts=sorted(min(p, len(seconds)) for p in parts)) == whole
    steps = np.diff(whole)
    assert (steps >= 0).all()
    assert (steps <= 10.0 + 1e-6).all()


@pytest.mark.parametrize(("speed", "longest"), [(0.0, 1.0), (-1.0, 1.0), (NAN, 1.0), (1.0, -1.0), (1.0, NAN)])
def test_a_pace_that_cannot_be_is_refused(speed, longest):
    with pytest.raises(BadArgumentError):
        Pacer(speed, longest)
