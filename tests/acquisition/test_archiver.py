"""Runs switch between packets, on commands in the stream and on orders; no byte is lost or doubled."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.acquisition import Archiver, RunTexts
from eicpy.acquisition.reception.closing import Closer
from eicpy.acquisition.reception.duplicate_commands import CommandCopies
from eicpy.acquisition.reception.framing import Framer
from eicpy.acquisition.status import Order
from eicpy.errors import BadArgumentError, FailedError
from eicpy.instruments import MeasurementRule, MeasurementSwitch
from eicpy.runs import RunArchive

relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Line:
    """Streams into an archiver, as the receiver does it."""

    def __init__(self, folder, instrument, **options):
        self.archive = RunArchive(folder, instrument.name)
        self.instrument = instrument
        self.sealed = []
        options.setdefault("close", self._close)
        self.archiver = Archiver(self.archive, instrument, source=lambda: "test", **options)
        self.framers = {}

    def _close(self, writer):
        self.sealed.append(writer.run.number)
        writer.complete()

    def send(self, *chunks, stream="A"):
        framer = self.framers.setdefault(stream, Framer(self.instrument.headers))
        for chunk in chunks:
            self.archiver.take(stream, framer.feed(chunk))

    def flush(self, stream="A"):
        self.archiver.take(stream, self.framers[stream].flush())

    def order(self, kind, **fields):
        return self.archiver.execute(Order(kind=kind, by="Ada", **fields))

    def end(self):
        for stream, framer in self.framers.items():
            self.archiver.take(stream, framer.finish())
        self.archiver.finish()
        return [(run.folder.name, run.raw_file.read_bytes()) for run in self.archive.runs()]


@pytest.fixture
def line(tmp_path, bench):
    return Line(tmp_path, bench.instrument)


@pytest.fixture
def plain(tmp_path, eclairs):
    return Line(tmp_path, eclairs)


def test_the_start_command_is_the_first_packet_of_its_run_and_the_stop_command_the_last(line, bench):
    tm = [bench.telemetry(i) for i in range(6)]
    start, stop = bench.start(), bench.stop()
    line.send(tm[0] + tm[1] + start + tm[2] + tm[3] + stop + tm[4] + tm[5])
    assert line.end() == [
        ("000001-configuration", tm[0] + tm[1]),
        ("000002", start + tm[2] + tm[3] + stop),
        ("000003-configuration", tm[4] + tm[5]),
    ]
    assert line.sealed == [1, 2, 3]


def test_a_new_start_ends_the_measurement_before(line, bench):
    parts = [bench.start(0) + bench.telemetry(0), bench.start(1) + bench.telemetry(1)]
    line.send(*parts)
    assert line.end() == [("000001", parts[0]), ("000002", parts[1])]


def test_a_stop_outside_a_measurement_is_a_packet_like_others(line, bench):
    raw = bench.stop(0) + bench.telemetry(0) + bench.stop(1)
    line.send(raw)
    assert line.end() == [("000001-configuration", raw)]


def test_a_measurement_is_assumed_where_the_description_says_so(tmp_path, bench):
    rule = bench.instrument.measurement.model_copy(update={"assumed": True})
    line = Line(tmp_path, bench.instrument.model_copy(update={"measurement": rule}))
    parts = [bench.telemetry(0) + bench.stop(0), bench.telemetry(1), bench.start(1) + bench.telemetry(2)]
    line.send(b"".join(parts))
    assert line.end() == [("000001", parts[0]), ("000002-configuration", parts[1]), ("000003", parts[2])]


def test_only_intact_commands_switch(line, bench):
    damaged = bytearray(bench.start())
    damaged[-1] ^= 1
    raw = bench.telemetry(0) + bytes(damaged) + bench.telemetry(1)
    line.send(raw)
    assert line.end() == [("000001-configuration", raw)]


def test_an_argument_decides_where_the_rule_names_one(tmp_path, bench):
    rule = MeasurementRule(
        start=MeasurementSwitch(packet="configure", field="KEY", value=0),
        stop=MeasurementSwitch(packet="configure", field="KEY", value=9),
    )
    line = Line(tmp_path, bench.instrument.model_copy(update={"measurement": rule}))
    start, other = bench.command("configure", 0), bench.start(1)
    line.send(other + start + other)
    assert line.end() == [("000001-configuration", other), ("000002", start + other)]


@relaxed
@given(data=st.data())
def test_whatever_the_pieces_the_runs_are_the_same_and_hold_all_bytes(tmp_path_factory, bench, data):
    what = data.draw(st.lists(st.sampled_from("tttabj"), min_size=1, max_size=30))
    packets, runs, measuring = [], [[]], False
    for i, kind in enumerate(what):
        if kind == "a":
            packet, measuring = bench.start(i), True
            runs.append([packet])
        else:
            packet = {"b": bench.stop, "t": bench.telemetry}.get(kind, lambda _: b"\xff" * 7)(i)
            runs[-1].append(packet)
            if kind == "b" and measuring:
                measuring = False
                runs.append([])
        packets.append(packet)
    raw = b"".join(packets)
    line = Line(tmp_path_factory.mktemp("archive"), bench.instrument)
    at = 0
    for size in data.draw(st.lists(st.integers(1, 90), max_size=40)):
        line.send(raw[at : at + size])
        at += size
    line.send(raw[at:])
    kept = line.end()
    assert b"".join(content for _, content in kept) == raw
    assert [content for _, content in kept] == [b"".join(run) for run in runs if run]


@relaxed
@given(data=st.data())
def test_with_orders_at_any_moment_all_bytes_are_kept_in_order(tmp_path_factory, bench, data):
    raw = b"".join(
        bench.start(i) if i % 7 == 3 else bench.stop(i) if i % 7 == 6 else bench.telemetry(i)
        for i in range(25)
    )
    line = Line(tmp_path_factory.mktemp("archive"), bench.instrument)
    at = 0
    for size in data.draw(st.lists(st.integers(1, 120), max_size=30)):
        line.send(raw[at : at + size])
        at += size
        kind = data.draw(st.sampled_from(["none", "start", "stop", "configure", "end", "flush"]))
        try:
            if kind == "flush":
                line.flush()
            elif kind != "none":
                line.order("configure" if kind == "end" else kind, on=kind != "end")
        except BadArgumentError:
            pass
    line.send(raw[at:])
    assert b"".join(content for _, content in line.end()) == raw
    assert line.archiver.archived == len(raw)


def test_a_command_whose_beginning_was_given_out_stays_whole(line, bench):
    start, telemetry = bench.start(), bench.telemetry(0)
    line.send(telemetry + start[:5])
    line.flush()
    line.send(start[5:] + telemetry)
    assert line.end() == [("000001-configuration", telemetry + start), ("000002", telemetry)]


class TestTwoStreams:
    def test_the_second_copy_of_a_command_does_not_switch(self, line, bench):
        def raw(station):
            return bench.start() + bench.telemetry(station) + bench.stop()

        line.send(raw(1), stream="A")
        line.send(raw(2), stream="B")
        assert line.end() == [("000001", raw(1)), ("000002-configuration", raw(2))]

    def test_nor_does_a_repeated_one_but_one_after_a_restart_of_the_bench_does(self, line, bench):
        for _ in range(2):
            line.send(bench.start() + bench.start() + bench.stop() + bench.stop())
        names = [name for name, _ in line.end()]
        assert names == ["000001", "000002-configuration", "000003", "000004-configuration"]

    @relaxed
    @given(data=st.data())
    def test_any_interleaving_of_two_streams_switches_once_for_each_command(self, data):
        commands = [b"start 0", b"stop 1", b"start 2", b"stop 3", b"start 0", b"stop 1"]
        copies, at = CommandCopies(), {"A": 0, "B": 0}
        for name in at:
            copies.begin(name)
        new = []
        while min(at.values()) < len(commands):
            name = data.draw(st.sampled_from([n for n in at if at[n] < len(commands)]))
            if not copies.is_copy(name, commands[at[name]]):
                new.append(commands[at[name]])
            at[name] += 1
        assert new == commands

    def test_a_stream_that_comes_after_another_has_gone_brings_no_copies(self):
        copies = CommandCopies()
        assert not copies.is_copy("A", b"start")
        copies.end("A")
        assert not copies.is_copy("B", b"start")
        copies.begin("C")
        copies.end("B")
        assert copies.is_copy("C", b"start")


class TestOrders:
    def test_without_a_rule_all_is_one_run_until_an_order(self, plain, photon_packets):
        raw = [photon_packets(3, first=3 * i).raw for i in range(4)]
        plain.send(raw[0])
        assert plain.archiver.mode == "automatic"
        assert plain.order("start", text="flat field", setup="241Am") == "run 2 is open"
        plain.send(raw[1])
        assert "run 2 is closed" in plain.order("stop")
        plain.send(raw[2])
        assert plain.order("start") == "run 4 is open"
        plain.send(raw[3])
        assert plain.end() == [
            ("000001", raw[0]),
            ("000002", raw[1]),
            ("000003-configuration", raw[2]),
            ("000004", raw[3]),
        ]
        metadata = plain.archive.run(2).metadata
        assert (metadata.operator, metadata.setup, metadata.comment) == ("Ada", "241Am", "flat field")
        assert plain.archive.run(3).metadata.comment == ""

    def test_configuration_is_marked_and_its_end_goes_back(self, plain, photon_packets):
        raw = [photon_packets(3, first=3 * i).raw for i in range(3)]
        plain.send(raw[0])
        plain.order("configure", text="high voltage up")
        plain.send(raw[1])
        with pytest.raises(BadArgumentError, match="already"):
            plain.order("configure")
        plain.order("configure", on=False)
        assert plain.archiver.mode == "automatic"
        plain.send(raw[2])
        assert [name for name, _ in plain.end()] == ["000001", "000002-configuration", "000003"]
        assert plain.archive.run(2).metadata.comment == "high voltage up"

    def test_a_cut_packet_goes_whole_into_the_run_that_follows_the_order(self, plain, photon_packets):
        raw = photon_packets(2).raw
        plain.send(raw[:-5])
        plain.order("start")
        plain.send(raw[-5:])
        (_, first), (_, second) = plain.end()
        assert first + second == raw
        assert photon_packets(2).lengths[1] == len(second)

    def test_what_cannot_be_done_is_said(self, line, plain):
        with pytest.raises(BadArgumentError, match="no measurement is under way"):
            line.order("stop")
        with pytest.raises(BadArgumentError, match="no run is open"):
            line.order("comment", text="x")
        with pytest.raises(BadArgumentError, match="start command"):
            line.order("configure", on=False)
        with pytest.raises(BadArgumentError, match="none was begun"):
            plain.order("configure", on=False)

    def test_comments_are_added_below_one_another_with_their_history(self, plain, photon_packets):
        plain.archiver.texts = RunTexts(comment="first")
        plain.send(photon_packets(2).raw)
        plain.order("comment", text="second")
        plain.order("comment", text="third")
        plain.end()
        metadata = plain.archive.run(1).metadata
        assert metadata.comment == "first\nsecond\nthird"
        assert [change.by for change in metadata.history] == ["Ada", "Ada"]

    def test_a_start_command_right_after_the_order_does_not_leave_an_empty_run(self, line, bench):
        line.order("start")
        line.send(bench.start() + bench.telemetry(0))
        assert line.end() == [("000001", bench.start() + bench.telemetry(0))]


class TestNoSpace:
    def test_what_could_not_be_written_is_held_and_written_later_switches_and_all(self, line, bench):
        parts = [bench.telemetry(0), bench.start(), bench.telemetry(1), bench.stop(), bench.telemetry(2)]
        line.send(parts[0])
        full = pytest.MonkeyPatch()
        full.setattr("eicpy.runs.writer.os.write", _full)
        full.setattr("eicpy.runs.metadata.RunMetadata.write", _full)
        try:
            with pytest.raises(FailedError, match="No space"):
                line.send(b"".join(parts[1:4]))
            assert line.archiver.is_blocked
            line.send(parts[4])
            assert line.archiver.held == len(b"".join(parts[1:]))
            assert line.order("start") == "a run is opened when there is space"
            with pytest.raises(FailedError):
                line.archiver.retry()
        finally:
            full.undo()
        line.archiver.retry()
        assert (line.archiver.held, line.archiver.is_blocked) == (0, False)
        assert line.end() == [
            ("000001-configuration", parts[0]),
            ("000002", b"".join(parts[1:4])),
            ("000003-configuration", parts[4]),
            ("000004", b""),
        ]


def _full(*_arguments):
    raise FailedError("No space left on device") from OSError(28, "No space left on device")


def test_a_rule_that_cannot_be_followed_costs_no_byte_and_is_told(tmp_path, bench, caplog):
    rule = MeasurementRule(
        start=MeasurementSwitch(packet="configure", field="NONE_SUCH", value=1),
        stop=MeasurementSwitch(packet="stop-measurement"),
    )
    line = Line(tmp_path, bench.instrument.model_copy(update={"measurement": rule}))
    raw = bench.command("configure", 0) + bench.telemetry(0)
    line.send(raw, raw)
    assert line.end() == [("000001-configuration", raw + raw)]
    assert "NONE_SUCH" in (line.archiver.error or "")
    assert caplog.text.count("NONE_SUCH") == 1


class TestClosing:
    def test_hash_index_and_extract_follow_in_another_thread(self, tmp_path, bench):
        closed = []
        archive = RunArchive(tmp_path, "dpix-prototype")
        closer = Closer(archive, bench.instrument, lambda run, count: closed.append((run.number, count)))
        line = Line(tmp_path, bench.instrument, close=closer.submit)
        start, telemetry, stop = bench.start(), bench.telemetry(0), bench.stop()
        line.send(start + telemetry + b"\xff" * 9 + bench.telemetry(1, "photons") + stop)
        line.end()
        closer.close()
        assert [(number, c.packets, c.damaged, c.foreign_bytes) for number, c in closed] == [(1, 4, 0, 9)]
        run = archive.run(1)
        assert run.metadata.sha256 == run.sha256()
        assert (run.folder / "index.npz").is_file()
        assert (run.folder / "tc-hk.ccsds").read_bytes() == start + telemetry + stop

    def test_what_fails_is_told_and_left_unfinished_and_done_when_there_is_space(self, tmp_path, bench):
        closed = []
        archive = RunArchive(tmp_path, "dpix-prototype")
        closer = Closer(archive, bench.instrument, lambda run, _count: closed.append(run.number))
        writer = archive.create(source="x")
        writer.append(bench.telemetry(0))
        writer.seal()
        full = pytest.MonkeyPatch()
        full.setattr("eicpy.runs.metadata.RunMetadata.write", _full)
        closer.submit(writer)
        while not closer.errors:
            pass
        full.undo()
        assert closed == []
        assert [run.number for run in archive.unfinished()] == [1]
        closer.retry()
        closer.close()
        assert closed == [1]
        assert archive.unfinished() == []
