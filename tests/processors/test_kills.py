"""Processors that are killed at random moments, while packets come, end with exactly all of them."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Station
from eicpy.events import EventFile

KILLS = 36
ZYGOTE = Path(__file__).with_name("zygote.py")
NAMES = {"raw": f"{Path(__file__).with_name('examples.py')}:raw", "photons": "photons"}
INTERVALS = {"raw": 0.15, "photons": 0.1}


@contextmanager
def feeding(archive, packets, per_run, pause=0.01, piece=200):
    """Write runs of packets, one after the other, until the block ends; gives how many were written."""
    size = len(packets(1))
    stop, written, failure = threading.Event(), [0], []

    def feed():
        try:
            while not stop.is_set():
                with archive.create(source="test") as writer:
                    end = written[0] + per_run
                    while written[0] < end and not stop.is_set():
                        data = packets(piece, written[0])
                        cut = 1 + written[0] % (size - 1)
                        writer.append(data[:-cut])
                        stop.wait(pause)
                        writer.append(data[-cut:])
                        written[0] += piece
        except Exception as error:  # noqa: BLE001, raised below
            failure.append(error)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join(LIMIT)
    assert not failure, failure


@pytest.fixture
def zygote(settings, photon_packets, tmp_path):
    """Starts processors at once; the processes it starts are its children."""
    (tmp_path / "packets").write_bytes(photon_packets(10))
    command = [sys.executable, str(ZYGOTE), str(settings.home), str(tmp_path / "packets"), *NAMES.values()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"

        def ask(*words):
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield ask


def progress(settings, name):
    """What the checkpoint says, and the bytes that are there beyond it."""
    folder = settings.home / "processors" / "eclairs" / name
    if not (folder / "checkpoint.json").exists():
        return 0, 0
    saved = json.loads((folder / "checkpoint.json").read_text())
    there = 0
    for file in (folder / "outputs").glob("*"):  # made after the first checkpoint
        with suppress(FileNotFoundError):  # it was renamed meanwhile
            there += file.stat().st_size
    return saved["packets"], there - sum(saved["outputs"].values())


def test_killed_at_random_moments_they_end_with_every_packet_once(settings, archive, photon_packets, zygote):
    rng = random.Random(3)  # noqa: S311, moments
    station = Station(settings.live("eclairs"))
    advanced, torn, reached = set(), 0, dict.fromkeys(NAMES, 0)

    def start(name):
        return zygote("start", NAMES[name], INTERVALS[name])

    pids = {name: start(name) for name in NAMES}
    codes = {}
    try:
        with feeding(archive, photon_packets, per_run=8_000) as written:
            for kill in range(KILLS):
                name = list(NAMES)[kill % 2]
                wait_until(
                    lambda name=name: progress(settings, name)[0] > reached[name], "work between kills"
                )
                if rng.random() < 0.5:
                    wait_until(lambda name=name: progress(settings, name)[1] != 0, "bytes not yet saved")
                os.kill(pids[name], signal.SIGKILL)
                assert zygote("wait", pids[name]) == -signal.SIGKILL
                packets, beyond = progress(settings, name)
                advanced.add((name, packets))
                reached[name] = packets
                torn += beyond != 0
                pids[name] = start(name)
        wait_until(lambda: all(is_done(station.status(name), archive) for name in NAMES), "the last run")
        wait_until(lambda: len(photon_files(settings)) == len(archive.runs()), "the file of the last run")
    finally:
        for name, pid in pids.items():
            os.kill(pid, signal.SIGTERM)
            codes[name] = zygote("wait", pid)
    assert codes == {"raw": 0, "photons": 0}
    assert len(advanced) > KILLS // 2, "they had no time to work between the kills"
    assert torn > 2, "no kill came between an output and its checkpoint"

    expected = b"".join(run.raw_file.read_bytes() for run in archive.runs())
    assert expected == photon_packets(written[0])
    outputs = settings.home / "processors" / "eclairs" / "raw" / "outputs"
    assert (outputs / "packets.ccsds").read_bytes() == expected

    files = photon_files(settings)
    assert [int(file.parent.name) for file in files] == [run.number for run in archive.runs()]
    channels = np.concatenate([EventFile(file).read().channel for file in files])
    np.testing.assert_array_equal(channels, np.repeat(np.arange(written[0]), 20) % 1000)
    assert list((settings.home / "processors" / "eclairs" / "photons" / "outputs").iterdir()) == []


def photon_files(settings):
    return sorted(settings.products("eclairs").rglob("*.fits"))


def is_done(status, archive):
    newest = archive.runs()[-1].number
    values = {} if status is None or not status.alive else status.values
    return values.get("behind") == 0 and values.get("run") == newest
