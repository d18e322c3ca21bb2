"""When bytes go out, told by a clock of our own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.egse import AtRate, FileSource, OnBoard, SendingSession, SendPlan, StreamChunk, Unpaced
from eicpy.errors import BadArgumentError
from eicpy.settings import Settings


class Clock:
    """As the fixture; hypothesis wants a new one for each example."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def play(raw, tmp_path, eclairs, line, clock, pace, **how):
    (tmp_path / "file").write_bytes(raw)
    source = FileSource(tmp_path / "file", eclairs.headers, **how)
    return SendingSession(source, line, pace, clock=clock).run()


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_packets_go_out_by_their_own_time(second_packets, tmp_path, eclairs, line, clock, speed):
    summary = play(second_packets(20), tmp_path, eclairs, line, clock, OnBoard(speed, clock))
    assert line.data == second_packets(20)
    assert len(line.sent_at) == 20
    assert np.diff(line.sent_at) == pytest.approx(1 / speed)
    assert summary.seconds == pytest.approx(19 / speed)
    assert summary.packets == 20


def test_long_waits_are_cut_so_that_a_stop_is_heard(second_packets, tmp_path, eclairs, line, clock):
    raw = second_packets(1) + second_packets(1, first=1055, count=1)
    play(raw, tmp_path, eclairs, line, clock, OnBoard(1.0, clock))
    assert max(clock.naps) <= 0.5
    assert sum(clock.naps) == pytest.approx(55.0)


def test_time_that_begins_anew_is_played_anew(second_packets, tmp_path, eclairs, line, clock):
    raw = second_packets(3, first=5000) + second_packets(3, first=1000)
    play(raw, tmp_path, eclairs, line, clock, OnBoard(1.0, clock))
    assert np.array(line.sent_at) - 100 == pytest.approx([0, 1, 2, 3, 4])
    assert line.pieces[2] == second_packets(3, first=5000)[-len(line.pieces[0]) :] + second_packets(1)


def test_a_packet_a_little_older_waits_for_nobody(second_packets, tmp_path, eclairs, line, clock):
    raw = second_packets(2, first=1000) + second_packets(1, first=999) + second_packets(1, first=1002)
    play(raw, tmp_path, eclairs, line, clock, OnBoard(1.0, clock))
    assert np.array(line.sent_at) - 100 == pytest.approx([0, 1, 2])


def test_what_has_no_time_goes_with_what_stands_before_it(second_packets, tmp_path, eclairs, line, clock):
    raw = second_packets(1) + b"\xff" * 40 + second_packets(2, first=1010, count=1)
    play(raw, tmp_path, eclairs, line, clock, OnBoard(2.0, clock))
    assert line.data == raw
    assert np.unique(line.sent_at) - 100 == pytest.approx([0, 5, 5.5])
    at_once = b"".join(p for p, t in zip(line.pieces, line.sent_at, strict=True) if t == 100)
    assert at_once == second_packets(1) + b"\xff" * 40


def test_a_rate_is_kept_packet_by_packet(second_packets, tmp_path, eclairs, line, clock):
    raw = second_packets(50)
    size = len(raw) // 50
    summary = play(raw, tmp_path, eclairs, line, clock, AtRate(10 * size, clock))
    assert line.data == raw
    assert np.array(line.sent_at) - 100 == pytest.approx(0.1 * np.arange(1, 51), abs=2e-3)
    assert summary.seconds == pytest.approx(5.0, abs=2e-3)


def test_without_a_pace_nobody_waits(second_packets, tmp_path, eclairs, line, clock):
    play(second_packets(50), tmp_path, eclairs, line, clock, Unpaced())
    assert clock.naps == []
    assert line.data == second_packets(50)


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_a_pace_that_cannot_be_is_refused(wrong):
    with pytest.raises(BadArgumentError, match="expected bytes per second above 0"):
        AtRate(wrong)
    with pytest.raises(BadArgumentError, match="expected a number above 0"):
        OnBoard(wrong)


@given(st.lists(st.one_of(st.none(), st.integers(0, 5000)), max_size=30), st.floats(0.5, 100))
def test_any_times_are_played_in_order_to_the_end(seconds, speed):
    clock = Clock()
    times = [np.nan if s is None else float(s) for s in seconds]
    parts = [StreamChunk.single(np.array([n], np.uint8), packet=True, time=t) for n, t in enumerate(times)]
    pace = OnBoard(speed, clock)
    out = [piece for part in parts for piece in pace.release(part)]
    assert b"".join(piece.data.tobytes() for piece in out) == bytes(range(len(parts)))
    assert clock.now < 100 + sum(seconds_forward(times)) / speed + 1


def seconds_forward(times):
    known = [t for t in times if not np.isnan(t)]
    return [max(b - a, 0.0) for a, b in pairwise(known)]


@pytest.mark.parametrize("rate", [float("inf"), float("nan"), 0.0, -5.0])
def test_a_rate_that_cannot_be_is_refused_before_the_line_is_opened(tmp_path, rate):
    file = tmp_path / "some.bin"
    file.write_bytes(b"\x00" * 10)
    with pytest.raises(BadArgumentError, match="expected bytes per second above 0"):
        SendPlan(str(file), "127.0.0.1", 9, rate=rate).open(Settings.at(tmp_path))
