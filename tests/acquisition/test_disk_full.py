"""A full disk: reception stops loudly, nothing is damaged, and it goes on when there is space."""

import contextlib
import os
import resource
import socket
import subprocess
import threading

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.reception.archiver import Archiver
from eicpy.acquisition.status import Station
from eicpy.egse import send
from eicpy.errors import FailedError
from eicpy.runs import RunArchive


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def limited():
    """Limits the size of files, which the kernel refuses as it refuses on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size or before[0], before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def tries(monkeypatch):
    """Attempts to write again what a full disk did not take; the first shows that it was noticed."""
    made, retry = [], Archiver.retry

    def counted(archiver):
        made.append(None)
        retry(archiver)

    monkeypatch.setattr(Archiver, "retry", counted)
    return made


def test_reading_stops_and_goes_on_when_a_small_disk_has_space_again(
    small_disk, photon_packets, receiving, tmp_path, caplog, tries
):
    raw = photon_packets(6_500).raw
    (tmp_path / "file").write_bytes(raw)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((4 << 20) - 1_500_000))
    station = Station(tmp_path / "live")
    archive = RunArchive(small_disk / "archive", "eclairs")
    port, result, _ = receiving(archive=archive, station=station, until_disconnect=True)
    sender = threading.Thread(target=send, args=(tmp_path / "file", "127.0.0.1", port))
    sender.start()
    wait_until(lambda: station.statuses()["receiver"].state == "no space")
    status = station.statuses()["receiver"]
    assert "No space left on device" in status.error
    assert raw.startswith(archive.run(1).raw_file.read_bytes())
    assert status.values["archived"] <= archive.run(1).size
    wait_until(lambda: len(tries) > 2, "attempts, in vain")
    assert station.statuses()["receiver"].state == "no space"
    assert sender.is_alive()
    ballast.unlink()
    summary = result.result(LIMIT)
    sender.join()
    assert 3_000_000 < len(raw) < 3_800_000, "the file fits the disk without the ballast alone"
    assert summary.run.raw_file.read_bytes() == raw
    assert summary.run.metadata.sha256 == summary.run.sha256()
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (6_500, 0, 0)
    assert len(summary.problems) == 1
    assert caplog.text.count("NO SPACE") == 1
    assert "space is available again" in caplog.text
    assert station.statuses()["receiver"].error is None


def test_packets_stay_whole_when_several_send_over_a_full_disk(
    limited, photon_packets, receiving, archived, tries
):
    parts = [photon_packets(400, seed=k, first=1000 * k).raw for k in range(3)]
    port, result, stop = receiving()
    limited(sum(map(len, parts)) // 2)
    threads = [threading.Thread(target=_speak, args=(port, part)) for part in parts]
    for thread in threads:
        thread.start()
    wait_until(lambda: tries, "the full disk")
    limited(0)
    for thread in threads:
        thread.join()
    archived(sum(map(len, parts)))
    stop.set()
    summary = result.result(LIMIT)
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (1200, 0, 0)
    assert summary.size == sum(map(len, parts))


def _speak(port, raw):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for at in range(0, len(raw), 10_000):
            connection.sendall(raw[at : at + 10_000])


def test_datagrams_that_come_meanwhile_are_lost_and_counted(
    limited, photon_packets, receiving, archive, tries, tmp_path
):
    station = Station(tmp_path / "live")
    truth = photon_packets(40)
    ends = [0, *truth.lengths.cumsum().tolist()]
    ports = []
    _, result, stop = receiving(
        udp=("127.0.0.1", 0), on_listening_udp=lambda _host, port: ports.append(port), station=station
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        wait_until(lambda: ports)
        out.connect(("127.0.0.1", ports[0]))

        def speak(first, stop):
            for i in range(first, stop):
                out.send(truth.raw[ends[i] : ends[i + 1]])

        speak(0, 20)
        wait_until(lambda: archive.runs() and archive.run(1).size == ends[20])
        limited(ends[20])
        speak(20, 21)
        wait_until(lambda: tries, "the full disk")
        speak(21, 30)
        wait_until(lambda: station.status("receiver").values["udp_dropped"] == 9, "nine lost datagrams")
        limited(0)
        wait_until(lambda: archive.run(1).size == ends[21])
        speak(30, 40)
        wait_until(lambda: archive.run(1).size == ends[21] + ends[40] - ends[30])
    stop.set()
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == truth.raw[: ends[21]] + truth.raw[ends[30] :]
    assert summary.udp_dropped == 9
    assert (summary.damaged, summary.foreign_bytes) == (0, 0)


def test_a_stop_on_a_full_disk_says_how_much_is_not_archived(
    limited, photon_packets, receiving, archive, tries
):
    raw = photon_packets(1000).raw
    port, result, stop = receiving()
    limited(len(raw) // 2)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(raw)
        wait_until(lambda: tries, "the full disk")
        stop.set()
        with pytest.raises(FailedError, match="bytes that were received are not in the archive"):
            result.result(LIMIT)
    limited(0)
    assert raw.startswith(archive.run(1).raw_file.read_bytes())
    assert archive.run(1).is_open
    archive.recover()
    assert archive.run(1).metadata.sha256 == archive.run(1).sha256()


def test_another_failure_than_a_full_disk_ends_reception_with_what_came_before_intact(
    photon_packets, receiving, archive, monkeypatch
):
    raw = photon_packets(50).raw
    port, result, _ = receiving()
    write = os.write

    def broken(descriptor, data):
        if len(data) > 3000:
            raise OSError(5, "Input/output error")
        return write(descriptor, data)

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(raw[:1000])
        wait_until(lambda: archive.runs() and archive.run(1).size > 0)
        monkeypatch.setattr("eicpy.runs.writer.os.write", broken)
        with contextlib.suppress(OSError):
            connection.sendall(raw[1000:])
        with pytest.raises(FailedError, match="Input/output error"):
            result.result(LIMIT)
    monkeypatch.undo()
    assert raw.startswith(archive.run(1).raw_file.read_bytes())
