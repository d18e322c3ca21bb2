"""The data's part of the verdict, against simulated truth: losses, limits, and when they were."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from eicpy_fixtures.health_streams import BEYOND, put

from eicpy.health import TelemetryReader, Tense, judge
from eicpy.health import tail as tail_module

WINDOW = 60.0
PATIENT = 60.0


def read(archive, camera, **options):
    return TelemetryReader(archive, camera, window=WINDOW, **options).read(PATIENT)


def codes(state):
    return [reason.code for reason in judge(state).reasons]


def lost(state):
    return {one.apid: one.packets for one in state.losses if one.kind == "lost"}


@pytest.mark.parametrize("until", [30.0, 75.0, 90.0, 120.0, 200.0, 220.0, 240.0])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "tail"])
def test_losses_are_those_of_the_last_minute_of_data(archive, camera, stream, until, whole, monkeypatch):
    if not whole:
        monkeypatch.setattr(tail_module, "SHORT", 1 << 18)
    put(archive, stream.data[: stream.until(until)])
    state = read(archive, camera)
    assert lost(state) == stream.lost(until - WINDOW, until)
    assert state.newest == pytest.approx(stream.times[0] + until, abs=1.5)
    for one in state.losses:
        gap = 20.0 if one.last < stream.times[0] + 100.0 else 210.0
        assert stream.times[0] + gap - 3.0 <= one.first <= one.last <= stream.times[0] + gap + 6.0


def test_what_is_shown_does_not_depend_on_when_the_page_was_opened(archive, camera, stream, monkeypatch):
    monkeypatch.setattr(tail_module, "SHORT", 1 << 18)
    monkeypatch.setattr("eicpy.health.telemetry.SILENT_AFTER", 1e9)
    cuts = [stream.until(seconds) for seconds in (15.0, 25.0, 100.0, 110.0, 150.0, 215.0, 239.0)]
    long_open = TelemetryReader(archive, camera, window=WINDOW)
    writer, done = archive.create(source="test"), 0
    for number, cut in enumerate(cuts):
        if number in {2, 5}:  # reception goes on in another run
            writer.close()
            writer = archive.create(source="test")
        for start in range(done, cut, 300_000):
            writer.append(stream.data[start : min(start + 300_000, cut)])
            seen = long_open.read(PATIENT)
        done = cut
        fresh = read(archive, camera)
        assert judge(replace(seen, age=0.0, reading=None)) == judge(replace(fresh, age=0.0, reading=None))
    assert seen.losses
    writer.release()


def test_the_end_of_the_run_before_counts_and_one_that_does_not_touch_the_minute_does_not(
    archive, camera, stream
):
    first, second = stream.until(25.0), stream.until(40.0)
    put(archive, stream.data[:first], stream.data[first:second])
    assert lost(read(archive, camera)) == stream.lost(0.0, 40.0) != {}
    put(archive, stream.data[second : stream.until(120.0)])
    assert lost(read(archive, camera)) == {}


@pytest.mark.parametrize("copied", [False, True])
def test_packets_lost_between_two_runs_count_where_reception_went_on(archive, camera, stream, copied):
    cut = stream.until(21.0)  # in the gap: the first packet of the second run is the first after it
    known = {"expected_sha256": "0" * 64} if copied else {}
    put(archive, stream.data[:cut], stream.data[cut : stream.until(60.0)], **known)
    assert lost(read(archive, camera)) == ({} if copied else stream.lost(0.0, 60.0))


def test_the_first_look_reads_minutes_not_the_run(archive, camera, stream, monkeypatch):
    monkeypatch.setattr(tail_module, "SHORT", 1 << 18)
    put(archive, stream.data)
    monkeypatch.setattr("eicpy.health.telemetry._PIECE", 1 << 15)
    reading = TelemetryReader(archive, camera, window=10.0).read(0.0).reading
    per_second = len(stream.data) / 240.0
    assert 20.0 * per_second < reading.total < 40.0 * per_second


def test_until_all_is_read_nothing_is_said_of_the_data(archive, camera, stream):
    put(archive, stream.data[: stream.until(120.0)])
    reader = TelemetryReader(archive, camera, window=WINDOW)
    shares = []
    while (state := reader.read(0.0)).reading is not None:
        shares.append(state.reading.share)
        assert judge(state).reasons == ()
        assert str(judge(state).level) == "unknown"
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert shares[-1] < 1.0
    assert codes(state) == ["beyond-warning"]
    assert reader.read(0.0).reading is None


@pytest.mark.parametrize(
    ("until", "code"), [(85.0, None), (115.0, "beyond-warning"), (150.0, "back-inside"), (205.0, None)]
)
def test_a_parameter_beyond_its_limits(archive, camera, stream, until, code):
    put(archive, stream.data[: stream.until(until)], close=False)
    state = read(archive, camera)
    found = [r for r in judge(state).reasons if "parameter" in r.values]
    assert [r.code for r in found] == ([] if code is None else [code])
    for reason in found:
        assert reason.values["parameter"] == BEYOND
        assert reason.values["value"] == pytest.approx(-318.0, abs=0.5)
        assert stream.times[0] + 88.0 <= reason.values["since"] <= stream.times[0] + 105.0
        assert reason.values["longer"] == 0
    assert state.checked == 84


def test_an_excursion_older_than_the_look_back_says_so(archive, camera, stream, monkeypatch):
    monkeypatch.setattr(tail_module, "SHORT", 1 << 18)
    put(archive, stream.data[: stream.until(118.0)])
    state = TelemetryReader(archive, camera, window=4.0).read(PATIENT)
    (reason,) = [r for r in judge(state).reasons if r.code == "beyond-warning"]
    assert reason.values["longer"] == 1


def test_now_at_the_end_and_silent(archive, camera, stream, monkeypatch):
    put(archive, stream.data[: stream.until(15.0)], close=False)
    reader = TelemetryReader(archive, camera, window=WINDOW)
    assert reader.read(PATIENT).tense is Tense.NOW
    monkeypatch.setattr("eicpy.health.telemetry.SILENT_AFTER", -1.0)
    assert reader.read(PATIENT).tense is Tense.SILENT
    assert codes(reader.read(PATIENT)) == ["silent-run"]
    archive.recover()
    assert reader.read(PATIENT).tense is Tense.END
    assert codes(reader.read(PATIENT)) == []


def test_data_that_go_back_in_time_are_judged_alone(archive, camera, stream):
    once = stream.data[stream.until(100.0) : stream.until(120.0)]
    later = stream.data[stream.until(205.0) : stream.until(230.0)]
    put(archive, later + once)
    state = read(archive, camera)
    assert state.newest == pytest.approx(stream.times[0] + 120.0, abs=1.5)
    assert lost(state) == {}
    assert codes(state) == ["beyond-warning"]


def test_foreign_bytes_and_damage_are_dated_by_the_data_around_them(archive, camera, stream):
    data = bytearray(stream.data[: stream.until(60.0)])
    rows = np.flatnonzero((stream.times > stream.times[0] + 40.0) & (stream.index.apid == 810))[:8]
    for row in rows[5:]:
        data[int(stream.index.offset[row]) + 40] ^= 0x10
    at = int(stream.index.offset[rows[0]])
    put(archive, bytes(data[:at]) + b"\xff" * 700 + bytes(data[at:]))
    state = read(archive, camera)
    (damaged,) = [one for one in state.losses if one.kind == "damaged"]
    assert (damaged.apid, damaged.packets) == (810, 3)
    assert damaged.first == pytest.approx(stream.times[0] + 40.0, abs=2.0)
    size, first, last = state.foreign
    assert size == 700
    assert first == last == pytest.approx(stream.times[0] + 40.0, abs=2.0)


def test_an_archive_without_runs_an_empty_run_and_nonsense(archive, camera):
    assert read(archive, camera).tense is Tense.NONE
    put(archive, b"")
    empty = read(archive, camera)
    assert (empty.tense, empty.run) == (Tense.NONE, 1)
    assert str(judge(empty).level) == "unknown"
    put(archive, b"no packets at all " * 4000)
    assert codes(read(archive, camera)) == ["foreign-bytes"]


def test_a_run_that_is_removed_while_it_is_read(archive, camera, stream):
    put(archive, stream.data[: stream.until(60.0)], stream.data[stream.until(100.0) : stream.until(118.0)])
    reader = TelemetryReader(archive, camera, window=WINDOW)
    reader.read(0.0)
    shutil.rmtree(archive.folder / "000002")
    state = reader.read(PATIENT)
    assert state.run == 1
    assert lost(state) == stream.lost(0.0, 60.0)
    shutil.rmtree(archive.folder)
    assert reader.read(PATIENT).tense is Tense.NONE


def test_a_run_that_is_given_another_suffix_is_read_on(archive, camera, stream):
    put(archive, stream.data[: stream.until(30.0)], close=False)
    reader = TelemetryReader(archive, camera, window=WINDOW)
    before = reader.read(PATIENT)
    (archive.folder / "000001").rename(archive.folder / "000001-configuration")
    after = reader.read(PATIENT)
    assert (after.run, after.losses) == (before.run, before.losses)
