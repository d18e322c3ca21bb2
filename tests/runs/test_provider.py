"""The provider: live and playback with one call, nothing lost, nothing twice."""

import shutil
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.decoding import PacketCounts, packet_seconds
from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketIndex, PacketLayout, checksum_crc16, encode, index_packets
from eicpy.runs import Cursor, ProvideOptions, RunArchive, follow, kind_names, provide


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 0.0

    def __call__(self):
        return self.now


@dataclass
class Packets:
    """Housekeeping packets with a known time each."""

    raw: bytes
    each: list = field(default_factory=list)


@pytest.fixture(scope="session")
def make_packets(eclairs):
    """Housekeeping packets (APID 801) at given on-board seconds."""
    layout = PacketLayout.read(eclairs.layout_file("ecl"))
    kind = eclairs.packets["ecl"]

    def make(seconds, *, first=0, apid=None):
        seconds = np.asarray(seconds, np.float64)
        counts = first + np.arange(len(seconds))
        fields = {layout.structure.name: np.full(len(seconds), kind.structure)}
        raw = encode(
            layout,
            PacketHeaders(
                kind.apid,
                counts,
                np.floor(seconds).astype(np.int64),
                ((seconds % 1) * 2**24).astype(np.int64),
                service=kind.service,
                subservice=kind.subservice,
            ),
            fields,
            {},
            np.zeros(len(seconds), np.int64),
            header=eclairs.header(kind.apid),
        ).tobytes()
        return Packets(raw, cut(raw, index_packets(raw, eclairs.headers)))

    return make


def cut(raw, index):
    return [raw[o : o + n] for o, n in zip(index.offset.tolist(), index.length.tolist(), strict=True)]


def packet_seconds_of(packets, eclairs, row):
    index = index_packets(packets.raw, eclairs.headers)
    return float(packet_seconds(index, eclairs)[row])


def with_checksum(packet):
    return packet + checksum_crc16(packet).to_bytes(2, "big")


def closed(archive, raw):
    with archive.create(source="x") as writer:
        writer.append(raw)
    return writer.run


def drain(provider, most=None):
    """All that a playback gives; closes it."""
    found = []
    with provider:
        while not provider.finished:
            found += [packet for _, packet in provider.poll(most).packets()]
        return found


def given_now(provider):
    """What a live provider has to give now."""
    found, idle = [], 0
    while idle < 3:
        increment = provider.poll()
        idle = 0 if increment else idle + 1
        found += [packet for _, packet in increment.packets()]
    return found


class TestCursor:
    def test_it_survives_as_text(self):
        assert Cursor.from_json(Cursor(3, 99).to_json()) == Cursor(3, 99)
        assert Cursor(2, 900) < Cursor(3, 0)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 1}', '{"run": -1, "offset": 0}',
                                      '{"run": "1", "offset": 0}', '{"run": true, "offset": 0}'])  # fmt: skip
    def test_what_is_no_cursor_is_refused(self, text):
        with pytest.raises(BadArgumentError, match="cursor"):
            Cursor.from_json(text)


class TestResume:
    def test_a_follower_gives_the_rest_from_every_boundary(self, archive, photon_packets, eclairs):
        run = closed(archive, photon_packets(60).raw)
        whole = run.index(eclairs)
        for row in range(len(whole)):
            with follow(run, eclairs, int(whole.offset[row])) as follower:
                parts = []
                while not follower.finished:
                    parts.append(follower.poll(777).index)
            assert PacketIndex.concatenate(parts) == whole[row:]
            assert follower.cursor == Cursor(1, run.size)

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_a_provider_stopped_anywhere_gives_the_rest(
        self, tmp_path_factory, photon_packets, eclairs, data
    ):
        archive = RunArchive(tmp_path_factory.mktemp("archive"), "eclairs")
        raws = [photon_packets(n, first=f).raw for n, f in ((30, 0), (1, 30), (25, 31))]
        raws[0] = b"\x55" * 9 + raws[0]
        raws[2] = raws[2][:-4]
        for raw in raws:
            closed(archive, raw)
        whole = [p for raw in raws for p in cut(raw, index_packets(raw, eclairs.headers))]
        found, cursor = [], None
        while True:
            with provide(archive, eclairs, runs=None, start=cursor) as provider:
                most = data.draw(st.integers(1, 20))
                for _ in range(data.draw(st.integers(1, 3))):
                    found += [packet for _, packet in provider.poll(most).packets()]
                cursor = Cursor.from_json(provider.cursor.to_json())
                if provider.finished:
                    break
        assert found == whole

    def test_good_packets_are_the_same_from_every_boundary_of_a_damaged_run(
        self, archive, photon_packets, eclairs
    ):
        raw = bytearray(photon_packets(40).raw)
        rng = np.random.default_rng(7)
        for place in rng.integers(0, len(raw), 12).tolist():
            raw[place] ^= 1 << int(rng.integers(0, 8))
        del raw[9000:9050]
        run = closed(archive, bytes(raw))
        whole = run.index(eclairs)
        assert 20 < whole.good.sum() < 40
        for row in range(len(whole)):
            with provide(archive, eclairs, runs=1, start=Cursor(1, int(whole.offset[row]))) as provider:
                parts = [i.index for i in provider.stream()]
            rest = PacketIndex.concatenate(parts)
            assert rest[rest.good] == whole[row:][whole[row:].good]

    def test_a_cursor_beyond_what_a_run_still_holds_goes_on_at_its_end(
        self, archive, photon_packets, eclairs, caplog
    ):
        closed(archive, photon_packets(5).raw)
        with provide(archive, eclairs, start=Cursor(1, 10**6)) as provider:
            assert given_now(provider) == []
            assert "fewer than" in caplog.text


class TestLive:
    def test_it_goes_on_across_switches_of_runs(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(90.0) + 1000)
        with provide(archive, eclairs) as provider:
            assert given_now(provider) == []
            assert provider.run is None
            assert provider.cursor == Cursor(0)
            found = []
            for first in range(0, 90, 30):
                writer = archive.create(source="x")
                for packet in packets.each[first : first + 30]:
                    writer.append(packet[:50])
                    found += given_now(provider)
                    writer.append(packet[50:])
                writer.close()
            found += given_now(provider)
            assert found == packets.each
            assert provider.run == 3
            assert provider.behind == 0
            assert not provider.finished
            assert provider.counts == {801: PacketCounts(received=90)}

    def test_a_run_that_opens_before_the_last_one_closed(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(20.0))
        first = archive.create(source="x")
        with provide(archive, eclairs) as provider:
            first.append(b"".join(packets.each[:8]))
            found = given_now(provider)
            second = archive.create(source="x")
            second.append(b"".join(packets.each[12:]))
            found += given_now(provider)
            assert found == packets.each[:8]
            assert provider.behind == second.size
            first.append(b"".join(packets.each[8:12]))
            first.close()
            assert found + given_now(provider) == packets.each
            second.release()

    def test_while_another_thread_writes_and_switches(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(400.0))
        stop = threading.Event()

        def write():
            for first in range(0, 400, 20):
                with archive.create(source="x") as writer:
                    for packet in packets.each[first : first + 20]:
                        writer.append(packet)

        thread = threading.Thread(target=write)
        found = []
        with provide(archive, eclairs) as provider:
            thread.start()
            for increment in provider.stream(stop, packets=7):
                assert len(increment) <= 7
                found += [packet for _, packet in increment.packets()]
                if len(found) == 400:
                    stop.set()
        thread.join()
        assert found == packets.each

    def test_it_begins_with_the_newest_run_or_where_it_stopped(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(30.0))
        for first in (0, 10, 20):
            closed(archive, b"".join(packets.each[first : first + 10]))
        with provide(archive, eclairs) as provider:
            assert provider.cursor == Cursor(3)
            assert given_now(provider) == packets.each[20:]
        with provide(archive, eclairs, start=Cursor(1, len(packets.each[0]) * 5)) as provider:
            assert given_now(provider) == packets.each[5:]
        with provide(archive, eclairs, start=Cursor(0)) as provider:
            assert given_now(provider) == packets.each

    def test_a_run_left_open_by_a_crash_does_not_hold_it_up(
        self, archive, make_packets, eclairs, monkeypatch, caplog
    ):
        monkeypatch.setattr("eicpy.runs.provider.walk._GRACE", 0.0)
        monkeypatch.setattr("eicpy.runs.provider.walk._LOOK", 0.0)
        packets = make_packets(np.arange(10.0))
        writer = archive.create(source="x")
        writer.append(b"".join(packets.each[:5]) + packets.each[5][:20])
        writer.release()
        with provide(archive, eclairs) as provider:
            assert given_now(provider) == packets.each[:5]  # no later run: its writer may come back
            closed(archive, b"".join(packets.each[5:]))
            found = given_now(provider)
            assert found == [packets.each[5][:20], *packets.each[5:]]
        assert "left open" in caplog.text

    def test_a_run_that_is_removed_or_renamed_while_it_is_read(
        self, archive, make_packets, eclairs, monkeypatch
    ):
        monkeypatch.setattr("eicpy.runs.provider.walk._LOOK", 0.0)
        packets = make_packets(np.arange(9.0))
        writer = archive.create(source="x")
        writer.append(b"".join(packets.each[:3]))
        with provide(archive, eclairs) as provider:
            found = given_now(provider)
            archive.discard(writer)
            closed(archive, b"".join(packets.each[3:]))
            found += given_now(provider)
        assert found == packets.each

    def test_a_run_that_is_replaced_while_it_is_read_ends_and_the_next_one_follows(
        self, archive, make_packets, eclairs, monkeypatch, caplog
    ):
        monkeypatch.setattr("eicpy.runs.provider.walk._LOOK", 0.0)
        packets = make_packets(np.arange(9.0))
        writer = archive.create(source="x")
        writer.append(b"".join(packets.each[:3]))
        with provide(archive, eclairs) as provider:
            found = given_now(provider)
            writer.run.raw_file.unlink()
            writer.run.raw_file.write_bytes(b"".join(packets.each[:2]))
            closed(archive, b"".join(packets.each[3:]))
            found += given_now(provider)
        writer.release()
        assert found == packets.each
        assert "run 1 was replaced while it was read" in caplog.text

    def test_a_run_that_is_removed_before_its_turn_is_passed_over(
        self, archive, make_packets, eclairs, caplog
    ):
        packets = make_packets(np.arange(9.0))
        for first in (0, 3, 6):
            closed(archive, b"".join(packets.each[first : first + 3]))
        with provide(archive, eclairs, [1, 2, 3]) as provider:
            found = [packet for _, packet in provider.step(3).packets()]
            shutil.rmtree(archive.run(2).folder)
            found += [packet for increment in provider.stream() for _, packet in increment.packets()]
            assert provider.finished
        assert found == packets.each[:3] + packets.each[6:]
        assert "run 2 is passed over" in caplog.text
        with pytest.raises(NotFoundError, match="got run 2"):
            provide(archive, eclairs, [1, 2, 3])

    def test_a_reader_far_behind_knows_how_far_though_runs_come_and_go(self, archive, eclairs, monkeypatch):
        monkeypatch.setattr("eicpy.runs.provider.walk._FEW", 2)
        monkeypatch.setattr("eicpy.runs.provider.walk._SIZES_TRUSTED", 0.0)
        monkeypatch.setattr("eicpy.runs.provider.walk._SHARE", 0)
        for n in range(1, 7):
            closed(archive, bytes(10**n))
        with provide(archive, eclairs, start=Cursor(1, 4)) as provider:
            assert provider.behind == 1111110 - 4
            shutil.rmtree(archive.run(3).folder)
            closed(archive, bytes(5))
            assert provider.behind == 1110110 - 4 + 5
        with provide(archive, eclairs, None) as provider:
            assert provider.behind == 1110115

    @pytest.mark.parametrize("read", [5.5, 6.0])
    def test_bytes_that_a_full_disk_cut_off_again_are_forgotten(
        self, archive, make_packets, eclairs, caplog, read
    ):
        packets = make_packets(np.arange(20.0))
        size = len(packets.each[0])
        writer = archive.create(source="x")
        writer.append(b"".join(packets.each[:5]))
        with provide(archive, eclairs) as provider:
            found = given_now(provider)
            with writer.run.raw_file.open("r+b") as stream:  # an append that fails half way
                stream.seek(0, 2)
                stream.write(packets.each[5][: int((read - 5) * size)])
                stream.flush()
                found += given_now(provider)
                stream.truncate(5 * size)
            assert given_now(provider) == []
            writer.append(b"".join(packets.each[10:]))
            found += given_now(provider)
            writer.release()
        assert found == packets.each[: int(read)] + packets.each[10:]
        assert "append that failed" in caplog.text

    def test_what_is_no_run_is_not_taken_for_one(self, archive, make_packets, eclairs):
        packets = make_packets(range(10))
        with archive.create(source="x") as writer:
            writer.append(packets.raw)
        (archive.folder / "2026-11-21 notes.txt").write_text("a run to look at")
        (archive.folder / "²").mkdir()
        (archive.folder / "000001-copy").mkdir()
        for runs in ("live", None):
            with provide(archive, eclairs, runs) as provider:
                assert [packet for _, packet in provider.poll().packets()] == packets.each

    def test_a_run_without_its_bytes_is_passed_over(self, archive, make_packets, eclairs):
        each = [make_packets(range(10 * n, 10 * n + 10), first=10 * n) for n in range(3)]
        for packets in each:
            with archive.create(source="x") as writer:
                writer.append(packets.raw)
        archive.run(2).raw_file.unlink()  # kept elsewhere
        with provide(archive, eclairs, None) as provider:
            assert sum(len(increment) for increment in provider.stream()) == 20
        start = Cursor(3, len(each[2].raw) // 2)
        options = ProvideOptions(from_time=packet_seconds_of(each[2], eclairs, 5))
        for wish in ({"start": start, "unique": True}, {"options": options}):
            with provide(archive, eclairs, **wish) as provider:
                assert [packet for _, packet in provider.poll().packets()] == each[2].each[5:]

    def test_speed_and_live_do_not_go_together(self, archive, eclairs):
        with pytest.raises(BadArgumentError, match="live"):
            provide(archive, eclairs, speed=1.0)


class TestPlayback:
    @pytest.fixture
    def runs(self, archive, make_packets):
        packets = make_packets(np.arange(30.0) + 100)
        for first in (0, 10, 20):
            closed(archive, b"".join(packets.each[first : first + 10]))
        return packets.each

    def test_of_one_of_some_and_of_all_runs(self, archive, runs, eclairs):
        assert drain(provide(archive, eclairs, 2)) == runs[10:20]
        assert drain(provide(archive, eclairs, [3, 1]), 3) == runs[20:] + runs[:10]
        assert drain(provide(archive, eclairs, None)) == runs
        with provide(archive, eclairs, 1) as provider:
            assert [len(i) for i in provider.stream(packets=4)] == [4, 4, 2]

    def test_from_a_packet_a_time_and_a_place(self, archive, runs, eclairs):
        assert drain(provide(archive, eclairs, None, options=ProvideOptions(from_packet=7))) == runs[7:]
        assert drain(provide(archive, eclairs, 2, options=ProvideOptions(from_packet=10))) == []
        index = archive.run(2).index(eclairs)
        moment = float(packet_seconds(index, eclairs)[4])
        assert drain(provide(archive, eclairs, None, options=ProvideOptions(from_time=moment))) == runs[14:]
        assert (
            drain(provide(archive, eclairs, None, options=ProvideOptions(from_time=moment - 0.5)))
            == runs[14:]
        )
        assert drain(provide(archive, eclairs, None, options=ProvideOptions(from_time=moment + 1e6))) == []
        with provide(archive, eclairs, options=ProvideOptions(from_time=moment)) as live:
            assert given_now(live) == runs[14:]
        assert drain(provide(archive, eclairs, [1, 2], start=Cursor(2, int(index.offset[3])))) == runs[13:20]

    @pytest.mark.parametrize(
        ("wish", "words"),
        [
            ({"runs": 9}, "9"),
            ({"runs": [1, 1]}, "once"),
            ({"runs": []}, "at least one"),
            ({"runs": "today"}, "live"),
            ({"runs": 1, "options": {"from_packet": 11}}, "11"),
            ({"runs": 1, "options": {"from_packet": -1}}, "-1"),
            ({"runs": 1, "options": {"from_packet": 1}, "start": Cursor(1)}, "one position"),
            ({"runs": 1, "options": {"from_packet": 1, "from_time": 0.0}}, "one of them"),
            ({"runs": 1, "start": Cursor(2)}, "run 2"),
            ({"runs": 1, "speed": 0.0}, "speed"),
            ({"runs": 1, "speed": 1.0, "options": {"longest_wait": -1.0}}, "wait"),
            ({"runs": 1, "options": {"mode": "first"}}, "first"),
            ({"runs": 1, "kinds": ["gamma"]}, "gamma"),
            ({"runs": 1, "options": {"apids": [4000]}}, "4000"),
        ],
    )
    @pytest.mark.usefixtures("runs")
    def test_wishes_that_cannot_be_are_refused(self, archive, eclairs, wish, words):
        with pytest.raises(BadArgumentError, match=words):
            provide(archive, eclairs, **wish | {"options": ProvideOptions(**wish.get("options", {}))})

    def test_an_open_run_is_followed_until_it_is_closed(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(4.0))
        writer = archive.create(source="x")
        with provide(archive, eclairs, 1) as provider:
            writer.append(b"".join(packets.each[:2]))
            found = given_now(provider)
            assert not provider.finished
            writer.append(b"".join(packets.each[2:]))
            writer.close()
            assert found + given_now(provider) == packets.each
            assert provider.finished

    def test_selection_of_packets(self, archive, photon_packets, make_packets, eclairs):
        photons, hk = photon_packets(10).raw, make_packets(np.arange(5.0))
        raw = photons + hk.raw
        closed(archive, raw)
        each = cut(raw, index_packets(raw, eclairs.headers))
        for wish in (
            {"options": ProvideOptions(apids=[801])},
            {"kinds": ["ecl"]},
            {"kinds": ["housekeeping"]},
        ):
            assert drain(provide(archive, eclairs, 1, **wish)) == hk.each
        assert drain(provide(archive, eclairs, 1, kinds=["dpix"])) == []
        assert drain(provide(archive, eclairs, 1, kinds=["ecl"], options=ProvideOptions(apids=[810]))) == []
        assert drain(provide(archive, eclairs, 1, options=ProvideOptions(apids=[810, 801]))) == each
        assert drain(provide(archive, eclairs, 1, options=ProvideOptions(commands=True))) == []
        assert drain(provide(archive, eclairs, 1, options=ProvideOptions(commands=False))) == each
        with provide(archive, eclairs, 1) as provider:
            (whole,) = provider.stream()
        assert kind_names(whole).tolist() == ["photons"] * 10 + ["ecl"] * 5

    def test_telecommands_alone_and_telemetry_alone(self, tmp_path):
        prototype = load("dpix-prototype")
        archive = RunArchive(tmp_path / "a", prototype.name)
        tm = with_checksum(bytes.fromhex("0b84c000000f 2001010000 0000 00000001 000000"))
        tc = with_checksum(bytes.fromhex("1b84c0000006 10d2020000"))
        closed(archive, tm + tc + tm)
        assert drain(provide(archive, prototype, 1, options=ProvideOptions(commands=True))) == [tc]
        assert drain(provide(archive, prototype, 1, options=ProvideOptions(commands=False))) == [tm, tm]
        assert drain(provide(archive, prototype, 1, kinds=["stop-measurement"])) == [tc]
        assert (
            drain(provide(archive, prototype, 1, kinds=["command"], options=ProvideOptions(commands=False)))
            == []
        )

    @pytest.mark.usefixtures("runs")
    def test_what_is_not_wanted_moves_the_cursor_all_the_same(self, archive, eclairs):
        provider = provide(archive, eclairs, 1, options=ProvideOptions(apids=[810]))
        assert drain(provider) == []
        assert provider.cursor == Cursor(1, archive.run(1).size)
        assert provider.behind == 0

    def test_foreign_bytes_are_told(self, archive, photon_packets, eclairs):
        closed(archive, b"\x55" * 30 + photon_packets(20).raw)
        with provide(archive, eclairs, 1) as provider:
            assert sum(i.index.foreign_bytes for i in provider.stream(packets=3)) == 30


class TestPace:
    def test_packets_come_at_the_pace_of_their_time(self, archive, make_packets, eclairs):
        clock = Clock(50.0)
        packets = make_packets([10.0, 11.0, 11.5, 14.0])
        closed(archive, packets.raw)
        with provide(archive, eclairs, 1, speed=1.0, options=ProvideOptions(clock=clock)) as provider:
            assert len(provider.poll()) == 1
            assert len(provider.poll()) == 0
            clock.now = 51.4
            assert len(provider.poll()) == 1
            clock.now = 53.9
            assert len(provider.poll()) == 1
            assert not provider.finished
            clock.now = 54.0
            assert len(provider.poll()) == 1
            assert provider.finished

    def test_ten_times_as_fast_and_the_speed_changed_on_the_way(self, archive, make_packets, eclairs):
        clock = Clock()
        closed(archive, make_packets(np.arange(100.0)).raw)
        with provide(archive, eclairs, 1, speed=10.0, options=ProvideOptions(clock=clock)) as provider:
            assert len(provider.poll()) == 1
            clock.now = 1.001
            assert len(provider.poll()) == 10
            provider.speed = 2.0
            assert len(provider.poll()) == 1
            clock.now = 2.002
            assert len(provider.poll()) == 2
            provider.speed = None
            assert len(provider.poll()) == 86
            assert provider.finished

    def test_step_by_step_and_on_after_a_pause(self, archive, make_packets, eclairs):
        clock = Clock()
        packets = make_packets(np.arange(10.0))
        closed(archive, packets.raw)
        with provide(archive, eclairs, 1, speed=1.0, options=ProvideOptions(clock=clock)) as provider:
            provider.pause()
            assert not provider.poll()
            found = [provider.step(), provider.step(3)]
            assert [len(i) for i in found] == [1, 3]
            clock.now = 500.0
            assert not provider.poll()
            provider.resume()
            assert len(provider.poll()) == 1  # and no rush for the time that passed
            clock.now = 501.0
            assert len(provider.poll()) == 1
            assert len(provider.step(99)) == 4
            assert len(provider.step()) == 0
            assert provider.finished

    def test_steps_go_on_into_the_next_run(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(4.0))
        for each in packets.each:
            closed(archive, each)
        with provide(archive, eclairs, None) as provider:
            assert [next(provider.step().packets())[1] for _ in range(4)] == packets.each


class TestLast:
    def test_only_the_newest_of_each_apid_and_the_rest_counted(
        self, archive, photon_packets, make_packets, eclairs
    ):
        hk = make_packets(np.arange(20.0))
        photons = photon_packets(10)
        writer = archive.create(source="x")
        with provide(archive, eclairs, options=ProvideOptions(mode="last")) as provider:
            assert not provider.poll()
            writer.append(hk.raw + photons.raw)
            newest = provider.poll()
            raw = [packet for _, packet in newest.packets()]
            index = index_packets(photons.raw, eclairs.headers)
            assert raw == [hk.each[-1], cut(photons.raw, index)[-1]]
            assert provider.skipped == 28
            assert provider.cursor == Cursor(1, writer.size)
            kept = int(index.length[-1] - photons.lengths[-1])
            assert kept == 0
            last = newest.photons
            assert np.array_equal(last.detnum, photons.detnum[len(photons.detnum) - len(last) :])
            assert not provider.poll()
            writer.append(make_packets([30.0, 31.0, 32.0]).raw)
            assert len(provider.poll(2)) == 2
            assert provider.skipped == 29
            writer.close()

    def test_across_a_switch_of_runs(self, archive, make_packets, eclairs):
        packets = make_packets(np.arange(6.0))
        with provide(archive, eclairs, options=ProvideOptions(mode="last")) as provider:
            for first in (0, 3):
                closed(archive, b"".join(packets.each[first : first + 3]))
            newest = provider.poll(4)
            assert [p for _, p in newest.packets()] == packets.each[2:]
            assert newest.row_runs.tolist() == [1, 2, 2, 2]
            assert newest.run == 2

    def test_of_a_playback_at_its_pace(self, archive, make_packets, eclairs):
        clock, packets = Clock(), make_packets(np.arange(10.0))
        closed(archive, packets.raw)
        with provide(
            archive, eclairs, 1, speed=1.0, options=ProvideOptions(mode="last", clock=clock)
        ) as provider:
            found = []
            for clock.now in (0.0, 0.5, 4.0, 100.0):
                found.append([packet for _, packet in provider.poll().packets()])
            assert found == [packets.each[:1], [], [packets.each[4]], [packets.each[9]]]
            assert provider.skipped == 7
            assert provider.finished


class TestUnique:
    def test_two_stations_in_one_run_fill_each_others_gaps(self, archive, make_packets, eclairs):
        each = make_packets(np.arange(200.0)).each
        rng = np.random.default_rng(5)
        first = rng.random(200) < 0.7
        second = ~first | (rng.random(200) < 0.5)
        late = 17
        sent = []
        for now in range(200 + late):
            if now < 200 and first[now]:
                sent.append(each[now])
            if now >= late and second[now - late]:
                sent.append(each[now - late])
        closed(archive, b"".join(sent))
        provider = provide(archive, eclairs, 1, unique=True)
        found = drain(provider, 9)
        assert len(found) == 200
        assert set(found) == set(each)
        assert provider.repeated == len(sent) - 200
        assert found == list(dict.fromkeys(sent))

    def test_what_was_given_is_known_after_a_restart(self, archive, make_packets, eclairs):
        each = make_packets(np.arange(40.0)).each
        sent = each[:30] + each[10:]
        for first in range(0, len(sent), 12):
            closed(archive, b"".join(sent[first : first + 12]))
        found, cursor = [], None
        while True:
            with provide(archive, eclairs, None, start=cursor, unique=True) as provider:
                found += [packet for _, packet in provider.step(7).packets()]
                cursor = provider.cursor
                if provider.finished:
                    break
        assert found == each
