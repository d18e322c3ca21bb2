"""A processor 50 times slower than the input: nobody waits for it, no memory grows, and it gets everything.

Packets of 1 kB come at a pace for some minutes, once without any processor and once with one that takes 50
times as long for a packet as there is until the next. Told are the rate of reception and the processor time
of the receiver in both turns, and the largest memory of receiver and processor after a tenth of the time and
at the end. Then the processor is started again without its delay, and must have every packet once.

    python benchmarks/slow_processor.py [--seconds 120] [--rate 12.5e6] [--factor 50]
"""

import argparse
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kills import COARSE, NAME, Archived, Sender, Stream, caught_up, commands, free_port, wait_for, works

from eicpy.acquisition.status import Station
from eicpy.processors import Supervisor
from eicpy.runs import RunArchive
from eicpy.settings import Settings

PART = ("numbers",)
PACKET = 996


@dataclass
class Turn:
    """What was seen of the receiver and the processor."""

    rate: float
    """MB/s."""
    core: float
    """Of the receiver, in percent of a core."""
    memory: dict[str, tuple[float, float]]
    """Largest resident memory early and at the end, MB."""
    behind: float
    """MB that the processor had not done yet."""


def memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Recorded(Stream):
    """The same thousand packets of each block made beforehand, so that the sender keeps its pace."""

    def packet(self, number: int) -> bytes:
        block = number // 1000
        if block not in self._blocks:
            self._blocks[block] = self._make(1000 * block)
            self._blocks.pop(block - 2, None)
        return self._blocks[block][number % 1000]


def turn(home: Path, seconds: float, rate: float, delay: float | None) -> tuple[Turn, bool | None]:
    settings, port, stream = Settings.at(home), free_port(), Recorded()
    archive, station = RunArchive(settings.archive(NAME), NAME), Station(settings.live(NAME))
    home.mkdir(exist_ok=True)
    chosen = {"receiver"} if delay is None else {"receiver", *PART}
    parts = [c for c in commands(home, port, "-p", f"delay={delay or 0}") if c.name in chosen]
    sender = Sender(port, stream, Archived(archive, stream.instrument), rate)
    with Supervisor(parts, logs=home / "logs", station=station) as chain:
        sender.start()
        wait_for(lambda: archive.runs() and archive.runs()[-1].size > 0)
        if delay is not None:
            wait_for(lambda: works(station.status(PART[0])))
        pids = {name: chain.states[name].pid or 0 for name in chosen}
        begun, size = time.monotonic(), archive.runs()[-1].size
        busy = processor_time(pids["receiver"])
        time.sleep(seconds / 10)
        early = {name: memory(pid) for name, pid in pids.items()}
        time.sleep(0.9 * seconds)
        passed = time.monotonic() - begun
        seen = Turn(
            rate=(archive.runs()[-1].size - size) / passed / 1e6,
            core=100 * (processor_time(pids["receiver"]) - busy) / passed,
            memory={name: (early[name], memory(pid)) for name, pid in pids.items()},
            behind=0.0 if delay is None else station.status(PART[0]).values["behind"] / 1e6,
        )
        sender.stop.set()
        sender.join()
    return seen, None if delay is None else _all_there(settings, home, archive)


def _all_there(settings: Settings, home: Path, archive: RunArchive) -> bool:
    """Start the processor again without a delay; whether it has every packet once."""
    station = Station(settings.live(NAME))
    parts = [command for command in commands(home, 0) if command.name in PART]
    with Supervisor(parts, logs=home / "logs", station=station) as chain:
        wait_for(lambda: caught_up(station, archive, PART), 600.0)
        assert chain.states[PART[0]].restarts == 0
    file = settings.home / "processors" / NAME / PART[0] / "outputs" / "numbers.i64"
    numbers = Archived(archive, Stream().instrument).numbers()
    return bool(np.array_equal(np.fromfile(file, "<i8") - COARSE, numbers)) and bool(
        np.array_equal(numbers, np.arange(len(numbers)))
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=12.5e6, help="bytes per second")
    parser.add_argument("--factor", type=float, default=50.0)
    given = parser.parse_args()
    delay = given.factor * PACKET / given.rate
    with tempfile.TemporaryDirectory(prefix="eicpy-slow-") as folder:
        alone, _ = turn(Path(folder) / "alone", given.seconds, given.rate, None)
        slow, complete = turn(Path(folder) / "slow", given.seconds, given.rate, delay)
    for what, seen in (("alone", alone), (f"with a processor {given.factor:g} times slower", slow)):
        grown = "; ".join(f"{n} {a:.0f} MB, at the end {b:.0f} MB" for n, (a, b) in seen.memory.items())
        print(f"{what}: {seen.rate:.2f} MB/s, receiver {seen.core:.0f} % of a core; memory: {grown}")
    print(f"the processor was {slow.behind:.0f} MB behind; it has every packet once: {complete}")
    steady = all(late < early + 64 for early, late in slow.memory.values())
    return 0 if complete and steady and slow.rate > 0.95 * alone.rate else 1


if __name__ == "__main__":
    sys.exit(main())
