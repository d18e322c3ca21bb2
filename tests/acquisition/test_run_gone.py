"""A run or the whole archive is taken away while it is written: said at once, nothing after it is lost."""

import shutil
import socket
import subprocess

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.reception import archiver as archiver_module
from eicpy.acquisition.reception.archiver import Archiver
from eicpy.acquisition.reception.closing import Closer
from eicpy.acquisition.reception.framing import Framer
from eicpy.acquisition.status import Order, OverviewReader, Station, send_order
from eicpy.errors import FailedError, GoneError
from eicpy.runs import RunArchive, provide
from eicpy.settings import Settings


class Live:
    """A receiver over the loopback, and a sender."""

    def __init__(self, receiving, bench, folder):
        self.home, self.bench = Settings.at(folder), bench
        self.archive = RunArchive(self.home.archive("dpix-prototype"), "dpix-prototype")
        self.station = Station(self.home.live("dpix-prototype"))
        port, self.result, self.stop = receiving(
            archive=self.archive, instrument=bench.instrument, station=self.station
        )
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.first = bench.telemetry(0) + bench.telemetry(1)
        self.send(self.first)
        wait_until(lambda: self.raw() == self.first, "the first packets in the archive")

    def send(self, data):
        self.connection.sendall(data)

    def raw(self):
        files = [run.raw_file for run in self.archive.runs()]
        return b"".join(file.read_bytes() for file in files if file.exists())

    def values(self):
        return self.station.status("receiver").values

    def end(self):
        self.connection.close()
        self.stop.set()
        return self.result.result(LIMIT)


@pytest.fixture
def live(receiving, bench, tmp_path):
    return Live(receiving, bench, tmp_path)


def _move(live, run):
    run.folder.rename(live.archive.folder.parent / "elsewhere")


def _replace(_live, run):
    content = run.raw_file.read_bytes()
    run.raw_file.unlink()
    run.raw_file.write_bytes(content)


def _replace_folder(live, run):
    _move(live, run)
    shutil.copytree(live.archive.folder.parent / "elsewhere", run.folder)


TAKEN = {
    "folder deleted": (lambda _live, run: shutil.rmtree(run.folder), "was deleted", False),
    "file deleted": (lambda _live, run: run.raw_file.unlink(), "was deleted", False),
    "file replaced": (_replace, "was deleted", True),
    "folder moved away": (_move, "was moved away", False),
    "folder replaced": (_replace_folder, "was replaced", True),
    "archive deleted": (lambda live, _run: shutil.rmtree(live.archive.folder), "was deleted", False),
}


@pytest.mark.parametrize("how", TAKEN)
def test_it_is_said_at_once_and_what_comes_goes_into_a_new_run(live, bench, how, caplog):
    take, words, stays = TAKEN[how]
    take(live, live.archive.run(1))
    said = wait_until(lambda: live.values().get("run_gone"), "the status to say so though nothing comes")
    assert words in said
    assert f"its {len(live.first)} bytes are no longer there" in said
    overview = OverviewReader(live.home, bench.instrument).read()
    assert {r.code: r.values for r in overview.verdict.reasons}["run-gone"]["text"] == said
    assert [(entry.by, entry.run, entry.what) for entry in live.station.read_journal()] == [
        ("receiver", 1, said)
    ]
    assert "RUN 1 IS GONE" in caplog.text
    later = b"".join(bench.telemetry(n) for n in range(2, 30))
    live.send(later)
    wait_until(lambda: live.archive.run(2).size == len(later), "all that came later in run 2")
    assert live.values()["runs_gone"] == 1
    summary = live.end()
    assert summary.run.raw_file.read_bytes() == later
    assert summary.run.metadata.sha256 == summary.run.sha256()
    assert "goes on where run 1 was taken away" in summary.run.metadata.comment
    assert (summary.size, summary.packets) == (len(later), 30)
    assert summary.problems == (said,)
    assert live.raw() == (live.first if stays else b"") + later


def test_a_folder_that_is_given_another_suffix_is_followed(live, bench):
    run = live.archive.run(1)
    run.folder.rename(live.archive.folder / "000001-good")
    live.send(bench.telemetry(2))
    wait_until(lambda: live.raw() == live.first + bench.telemetry(2))
    summary = live.end()
    assert (
        [r.folder.name for r in summary.runs]
        == [r.folder.name for r in live.archive.runs()]
        == ["000001-good"]
    )
    assert (summary.problems, summary.run.metadata.sha256) == ((), summary.run.sha256())


def test_an_order_that_ends_a_run_that_is_gone_begins_the_next_with_its_own_words(live, bench):
    shutil.rmtree(live.archive.run(1).folder)
    send_order(live.station, Order(kind="start", by="Ada", text="the next"))
    live.send(bench.telemetry(2))
    wait_until(lambda: live.raw() == bench.telemetry(2))
    summary = live.end()
    assert summary.run.metadata.comment == "the next"
    assert summary.size == len(bench.telemetry(2))
    assert len(summary.problems) == 1


def test_bytes_that_come_between_two_looks_are_given_to_readers_once_and_are_in_the_next_run(
    bench, tmp_path, monkeypatch
):
    archive, said = RunArchive(tmp_path / "archive", "dpix-prototype"), []
    archiver = Archiver(
        archive, bench.instrument, lambda writer: writer.release(), lambda: "test",
        on_gone=lambda run, error: said.append((run.number, str(error))),
    )  # fmt: skip
    framer, each = Framer(bench.instrument.headers), [bench.telemetry(n) for n in range(40)]
    given, raw = [], b""
    monkeypatch.setattr("eicpy.runs.provider.walk._LOOK", 0.0)
    with provide(archive, bench.instrument) as provider:
        for n, packet in enumerate(each):
            archiver.take("A", framer.feed(packet))
            given += [packet for _, packet in provider.poll().packets()]
            if n % 10 == 5:
                raw += archiver.writer.run.raw_file.read_bytes()
                shutil.rmtree(archiver.writer.run.folder)
        archiver.take("A", framer.finish())
        raw += archiver.writer.run.raw_file.read_bytes()
        while piece := provider.poll():
            given += [packet for _, packet in piece.packets()]
    assert raw == b"".join(each)
    assert given == each
    assert [number for number, _ in said] == [1, 2, 3, 4]
    assert archiver.archived == archiver.writer.size
    archiver.abandon()


def test_deleted_while_bytes_are_being_written_they_are_in_the_next_run(bench, tmp_path, monkeypatch):
    archive = RunArchive(tmp_path / "archive", "dpix-prototype")
    archiver = Archiver(archive, bench.instrument, lambda writer: writer.release(), lambda: "test")
    framer = Framer(bench.instrument.headers)
    archiver.take("A", framer.feed(bench.telemetry(0) * 2))
    write = archiver_module.os.write

    def deleting(descriptor, data):
        if archiver.writer.run.number == 1:
            shutil.rmtree(archiver.writer.run.folder)
        return write(descriptor, data)

    monkeypatch.setattr("eicpy.runs.writer.os.write", deleting)
    archiver.take("A", framer.feed(bench.telemetry(1)))
    archiver.take("A", framer.finish())
    assert archiver.writer.run.number == 2
    assert archiver.writer.run.raw_file.read_bytes().endswith(bench.telemetry(1))
    archiver.abandon()


def test_a_run_deleted_before_it_is_complete_is_not_counted_as_archived(bench, tmp_path):
    archive = RunArchive(tmp_path / "archive", "dpix-prototype")
    closer = Closer(archive, bench.instrument)
    writer = archive.create(source="test")
    writer.append(bench.telemetry(0))
    writer.seal()
    shutil.rmtree(writer.run.folder)
    closer.submit(writer)
    closer.close()
    (error,) = closer.errors
    assert isinstance(error, GoneError)
    assert f"its {len(bench.telemetry(0))} bytes are no longer there" in str(error)
    assert closer.gone == len(bench.telemetry(0))


def test_an_archive_that_cannot_be_written_is_waited_for_and_nothing_is_lost(live, bench, caplog):
    """A file in the way stands for a disk that is read-only: whoever runs the tests may write anywhere."""
    aside = live.archive.folder.with_name("aside")
    live.archive.folder.rename(aside)
    live.archive.folder.write_text("in the way")
    wait_until(lambda: live.station.status("receiver").state == "no archive")
    live.send(bench.telemetry(2))
    overview = OverviewReader(live.home, bench.instrument).read()
    assert {"no-archive", "run-gone", "receiver-error"} <= {r.code for r in overview.verdict.reasons}
    live.archive.folder.unlink()
    aside.rename(live.archive.folder)
    wait_until(lambda: live.raw() == live.first + bench.telemetry(2))
    assert [run.number for run in live.archive.runs()] == [1, 2]
    wait_until(lambda: live.station.status("receiver").error is None)
    summary = live.end()
    assert summary.run.number == 2
    assert "archive is available again" in caplog.text


def test_a_disk_that_is_unmounted_is_waited_for_and_nothing_is_written_where_it_was(
    bench, tmp_path, monkeypatch
):
    archive = RunArchive(tmp_path / "mount" / "archive", "dpix-prototype")
    archiver = Archiver(archive, bench.instrument, lambda writer: writer.release(), lambda: "test")
    framer = Framer(bench.instrument.headers)
    archiver.take("A", framer.feed(bench.telemetry(0) * 2))
    (tmp_path / "mount").rename(tmp_path / "disk")
    (tmp_path / "mount").mkdir()
    monkeypatch.setattr(archiver_module, "_device", lambda _folder: 7)
    with pytest.raises(FailedError, match="the disk that the archive was on is not there any more"):
        archiver.take("A", framer.feed(bench.telemetry(1)))
    with pytest.raises(FailedError, match="is waited for"):
        archiver.retry()
    assert list((tmp_path / "mount").iterdir()) == []
    (tmp_path / "mount").rmdir()
    (tmp_path / "disk").rename(tmp_path / "mount")
    archiver.retry()
    archiver.take("A", framer.finish())
    raw = b"".join(run.raw_file.read_bytes() for run in archive.runs())
    assert raw == bench.telemetry(0) * 2 + bench.telemetry(1)
    archiver.abandon()


def test_a_disk_that_is_read_only_is_waited_for(receiving, bench, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        (disk / "archive").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        archive, station = RunArchive(disk / "archive", "dpix-prototype"), Station(tmp_path / "live")
        port, result, stop = receiving(archive=archive, instrument=bench.instrument, station=station)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(bench.telemetry(0) * 2)
            wait_until(lambda: station.status("receiver").state == "no archive")
            assert "Read-only file system" in station.status("receiver").error
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            wait_until(lambda: archive.runs() and archive.run(1).size >= len(bench.telemetry(0)))
        stop.set()
        assert result.result(LIMIT).size == 2 * len(bench.telemetry(0))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
