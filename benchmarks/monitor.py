"""What looking costs: processor time of the terminal monitor while the chain receives 12.5 MB/s.

A receiver, a sender of photon packets of 1002 bytes at the rate of the DISCoS network, and two processors
whose status changes twice a second (told by this script, so that their work does not weigh on the machine);
the monitor as a person starts it, in a terminal of 80×24 and in one of 200×60. Its processor time, of all its
threads, user and system, is taken from the kernel over the same seconds in which the chain receives.

    python benchmarks/monitor.py [--seconds 20]
"""

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.acquisition.status import Station
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.settings import Settings

RATE = 12_500_000
PER_PACKET = 123
TERMINALS = {"80×24": (24, 80), "200×60": (60, 200)}
TARGET = 2.0
SETTLING = 6.0
EIC = [sys.executable, "-m", "eicpy.cli"]
TICK = os.sysconf("SC_CLK_TCK")


def photon_packets(packets: int = 16384) -> bytes:
    """As many as the sequence count has values, so that the file can be sent again and again."""
    eclairs = load("eclairs")
    kind = eclairs.packets["photons"]
    photons = packets * PER_PACKET
    rng = np.random.default_rng(1)
    ticks = 15_000_000_000_000 + np.arange(photons) * 8
    start = ticks[::PER_PACKET]
    fields = {
        "TIME": ticks % 2**32,
        "DETNUM": rng.integers(0, 6400, photons),
        "CHANNEL": rng.integers(0, 1024, photons),
        "MULTIPLICITY": rng.integers(1, 16, photons),
    }
    return encode(
        PacketLayout.read(eclairs.layout_file("photons")),
        PacketHeaders(
            kind.apid,
            np.arange(packets),
            start // 50_000,
            (start % 50_000) * 2**24 // 50_000,
            service=kind.service,
            subservice=kind.subservice,
            destination=eclairs.simulated_destination,
        ),
        {},
        fields,
        np.full(packets, PER_PACKET),
        header=eclairs.header(kind.apid),
    ).tobytes()


def wait_for(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true():
            return value
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds} s for {what}")


@contextmanager
def receiver(settings: Settings, station: Station) -> Iterator[tuple[str, int]]:
    """A receiver, and where it listens."""
    process = subprocess.Popen(
        [*EIC, "receive", "-i", "eclairs"], env=os.environ | {"EIC_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip

    def listening() -> str | None:
        status = station.status("receiver")
        return status.values["listening"][0] if status and status.values.get("listening") else None

    try:
        host, _, port = wait_for(listening, "the receiver").removeprefix("tcp ").rpartition(":")
        yield host, int(port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def sender(address: tuple[str, int], packets: bytes) -> Iterator[None]:
    """Send at the rate until the block ends."""
    stop = threading.Event()

    def run() -> None:
        step, begun, sent = RATE // 50, time.monotonic(), 0
        with contextlib.suppress(OSError), socket.create_connection(address) as connection:
            while not stop.is_set():
                at = sent % len(packets)
                piece = packets[at : at + step]
                connection.sendall(piece)
                sent += len(piece)
                if begun + sent / RATE < time.monotonic() - 1.0:  # a stall is not made good in a burst
                    begun = time.monotonic() - sent / RATE
                time.sleep(max(begun + sent / RATE - time.monotonic(), 0.0))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def processors(station: Station) -> Iterator[None]:
    """Statuses of two processors that change as those of real ones do."""
    stop = threading.Event()

    def run() -> None:
        with ExitStack() as stack:
            told = [
                stack.enter_context(station.report(n, role="processor")) for n in ("photons", "housekeeping")
            ]
            done = 0
            while not stop.wait(0.5):
                done += 6237
                for report in told:
                    values = {
                        "mode": "next", "run": 1, "offset": done * 1002, "behind": done % 997 * 1002,
                        "packets": done, "skipped": 0, "restarts": 0, "parameters": {"photons": done * 123},
                    }  # fmt: skip
                    report.update(state="running", values=values)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def monitor(settings: Settings, size: tuple[int, int]) -> Iterator[tuple[int, list[int]]]:
    """The monitor in a terminal: its process id, and the bytes it has written."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        [*EIC, "monitor", "-i", "eclairs"], stdin=slave, stdout=slave, stderr=slave,
        env=os.environ | {"EIC_HOME": str(settings.home), "TERM": "xterm-256color"}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    written, stop = [0], threading.Event()

    def drain() -> None:
        with contextlib.suppress(OSError):
            while not stop.is_set():
                if select.select([master], [], [], 0.2)[0]:
                    written[0] += len(os.read(master, 1 << 16))

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        wait_for(lambda: written[0] > 2000, "the screen")
        yield process.pid, written
    finally:
        os.write(master, b"q")
        process.wait(30)
        stop.set()
        thread.join()
        os.close(master)


def processor_seconds(pid: int) -> float:
    """User and system time of a process and all its threads, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def one(settings: Settings, station: Station, name: str, seconds: float) -> dict[str, object]:
    with monitor(settings, TERMINALS[name]) as (pid, written):
        time.sleep(SETTLING)
        status = station.status("receiver")
        received, cpu, drawn, begun = (
            status.values["received"],
            processor_seconds(pid),
            written[0],
            time.monotonic(),
        )
        time.sleep(seconds)
        cpu, wall = processor_seconds(pid) - cpu, time.monotonic() - begun
        rate = (station.status("receiver").values["received"] - received) / wall / 1e6
        drawn = written[0] - drawn
    if not drawn:
        raise RuntimeError("the monitor drew nothing")
    return {
        "work": f"monitor on a terminal of {name}, redrawn every second while {rate:.1f} MB/s come in",
        "ours": f"{1000 * cpu / wall:.1f} ms of processor per second, {drawn / wall / 1000:.1f} kB/s drawn",
        "peer": "none does this", "ratio": 100 * cpu / wall, "target": TARGET, "unit": "% of a core",
    }  # fmt: skip


def rows(seconds: float = 20.0) -> list[dict[str, object]]:
    packets = photon_packets()
    with tempfile.TemporaryDirectory(prefix="eicpy-monitor-") as folder, ExitStack() as stack:
        settings = Settings.at(Path(folder))
        station = Station(settings.live("eclairs"))
        address = stack.enter_context(receiver(settings, station))
        stack.enter_context(processors(station))
        stack.enter_context(sender(address, packets))
        return [one(settings, station, name, seconds) for name in TERMINALS]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    print(*rows(parser.parse_args().seconds), sep="\n")
