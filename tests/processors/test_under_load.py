"""Processors as commands: slow ones, crashing ones, and a disk that is full."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Station
from eicpy.errors import ExitCode
from eicpy.processors import Job, Supervisor, eic_command, find_processor, run_processor
from eicpy.processors.outputs import Output

EXAMPLES = Path(__file__).with_name("examples.py")


def outputs(settings, name):
    return settings.home / "processors" / "eclairs" / name / "outputs"


@pytest.fixture
def command(settings):
    """Starts `eic process`; it is ended with the test."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "eicpy.cli", "process", *arguments, "-i", "eclairs"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def memory(pid):
    """Largest resident memory so far, MB."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def test_a_slow_processor_gets_everything_in_bounded_memory(settings, archive, big_packets, command):
    """64 MB are written at once; the processor takes 2 ms a packet of 32 kB, and is told to stop midway."""
    data = big_packets(2000)
    with archive.create(source="test") as writer:
        writer.append(data[: 1 << 20])
        process = command(f"{EXAMPLES}:raw", "-p", "delay=0.002", "--checkpoint", "0.2")
        station = Station(settings.live("eclairs"))
        wait_until(lambda: (s := station.status("raw")) is not None and s.values.get("packets", 0) > 20)
        before = memory(process.pid)
        for first in range(1 << 20, len(data), 1 << 20):
            writer.append(data[first : first + (1 << 20)])  # nobody waits for the processor
        wait_until(lambda: station.status("raw").values["packets"] > 400)
        behind = station.status("raw").values["behind"]
        assert behind > 10_000_000
        assert memory(process.pid) - before < 64
        process.send_signal(signal.SIGTERM)
        _, problems = process.communicate(timeout=LIMIT)
        assert process.returncode == ExitCode.TERMINATED
        assert problems.startswith("eic: stopped by SIGTERM: its position is saved")
    summary = run_processor(Job(find_processor(f"{EXAMPLES}:raw"), "eclairs", once=True), settings)
    assert summary.packets == 2000
    assert (outputs(settings, "raw") / "packets.ccsds").read_bytes() == data


def test_ctrl_c_ends_it_well_and_it_tells_what_it_did(closed_run, command, settings):
    closed_run(30)
    process = command(f"{EXAMPLES}:numbers")
    station = Station(settings.live("eclairs"))
    wait_until(lambda: (s := station.status("numbers")) is not None and s.values.get("packets") == 30)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == ExitCode.INTERRUPTED
    assert told.startswith("numbers: 30 packets; ")
    assert told.endswith("numbers.txt\n")


def test_wrong_parameters_and_failures_have_their_exit_codes(closed_run, command):
    closed_run(30)
    wrong = command(f"{EXAMPLES}:failing", "-p", "at=x")
    failing = command(f"{EXAMPLES}:failing", "-p", "at=11", "--once")
    _, problems = wrong.communicate(timeout=LIMIT)
    assert wrong.returncode == 2
    assert "Expected: at: int" in problems
    _, problems = failing.communicate(timeout=LIMIT)
    assert failing.returncode == 3
    assert problems.splitlines()[-1].startswith("eic: ValueError: not this one at run 1, offset ")
    assert problems.splitlines()[-1].endswith("APID 810, count 11")


def test_a_crashing_processor_is_given_up_and_disturbs_nobody(settings, archive, photon_packets, tmp_path):
    station = Station(settings.live("eclairs"))
    commands = [
        eic_command("dying", "process", f"{EXAMPLES}:dying", "-i", "eclairs"),
        eic_command("failing", "process", f"{EXAMPLES}:failing", "-i", "eclairs", "-p", "at=40"),
        eic_command("numbers", "process", f"{EXAMPLES}:numbers", "-i", "eclairs"),
    ]
    with (
        archive.create(source="test") as writer,
        Supervisor(commands, logs=tmp_path / "logs", station=station, limit=1) as chain,
    ):
        writer.append(photon_packets(100))
        wait_until(lambda: chain.states["dying"].state == chain.states["failing"].state == "given up")
        writer.append(photon_packets(100, 100))
        wait_until(lambda: (s := station.status("numbers")) is not None and s.values.get("packets") == 200)
        assert chain.states["numbers"].restarts == 0
        assert (chain.states["failing"].restarts, chain.states["dying"].restarts) == (1, 1)
        assert chain.states["dying"].error == "killed by SIGABRT"
        wait_until(lambda: station.status("failing").state == "given up")
        assert re.search(r"at run 1, offset \d+, APID 810, count 40", station.status("failing").error)
        assert station.status("failing").values["restarts"] == 1
    assert {state.state for state in chain.states.values()} == {"given up", "stopped"}
    assert chain.states["numbers"].error == ""
    written = (outputs(settings, "numbers") / "numbers.txt").read_text().split()
    assert [int(number) for number in written] == list(range(200))


def test_on_a_full_disk_it_waits_loudly_and_goes_on(settings, closed_run, monkeypatch):
    monkeypatch.setattr("eicpy.processors.runner.RETRY_SECONDS", 0.05)
    closed_run(50)
    full, seen, flush = [True], [], Output.flush

    def refusing(self):
        if full[0] and self.size > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(self)

    monkeypatch.setattr(Output, "flush", refusing)
    station = Station(settings.live("eclairs"))
    job = Job(find_processor(f"{EXAMPLES}:numbers"), "eclairs", once=True, packets=7, interval=0.0)
    thread = threading.Thread(target=lambda: seen.append(run_processor(job, settings)))
    thread.start()
    try:
        wait_until(lambda: (s := station.status("numbers")) is not None and s.state == "no space")
        assert "No space left on device" in station.status("numbers").error
    finally:
        full[0] = False
        thread.join(LIMIT)
    assert seen[0].packets == 50
    assert station.status("numbers").error is None
    lines = (outputs(settings, "numbers") / "numbers.txt").read_text().split()
    assert [int(line) for line in lines] == list(range(50))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_full_disk_damages_nothing_that_was_written(settings, archive, closed_run, small_disk):
    closed_run(15_000)  # 2.8 MB of packets
    folder = settings.home / "processors"
    folder.symlink_to(small_disk)
    ballast = small_disk / "ballast"
    station, seen = Station(settings.live("eclairs")), []
    job = Job(find_processor(f"{EXAMPLES}:numbers"), "eclairs", once=True, packets=100, interval=0.0)
    ballast.write_bytes(bytes((2 << 20) - 40_000))
    thread = threading.Thread(target=lambda: seen.append(run_processor(job, settings)))
    thread.start()
    try:
        wait_until(lambda: (s := station.status("numbers")) is not None and s.state == "no space")
        assert station.status("numbers").alive
    finally:
        ballast.unlink()
        thread.join(LIMIT)
    assert seen[0].packets == 15_000
    lines = (outputs(settings, "numbers") / "numbers.txt").read_text().split()
    assert [int(line) for line in lines] == list(range(15_000))
