"""A full simulated day of ECLAIRs, 2.7·10⁸ photons: from the file of packets to the finished reports.

Two processes on two cores. Wall time counts ingest, decoding, calibration, products and reports, each as
the commands ``eic ingest`` and ``eic night``; memory is the largest sum of the resident sets of all
processes at once, which counts shared pages several times and is therefore too large rather than too small.

    python benchmarks/night.py [--seconds 86400] [--keep FOLDER]

With fewer seconds the time is extrapolated from that run and one of a quarter of its length, and the row
says so. The day needs about 10 GB of disk.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from eicpy.simulation import write_simulation
from eicpy.simulation.configure import simulation_config

DAY = 86400.0
TARGET_MINUTES, TARGET_GIB = 15.0, 4.0
EIC = [sys.executable, "-c", "from eicpy.cli import main; main()"]


@dataclass
class Measured:
    """What a command took."""

    seconds: float
    peak: int


def measure(arguments: list[str], home: Path, *, most: int) -> Measured:
    """Run ``eic`` and watch the memory of all its processes; `most` is the worst exit status that is fine."""
    environment = os.environ | {"EIC_HOME": str(home)}
    began = time.monotonic()
    process = subprocess.Popen([*EIC, *arguments], env=environment, stdout=subprocess.DEVNULL)
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            peak[0] = max(peak[0], resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    ended.set()
    watcher.join()
    if code > most:
        raise RuntimeError(f"eic {' '.join(arguments)} ended with {code}")
    return Measured(time.monotonic() - began, peak[0])


def resident(pid: int) -> int:
    """Resident memory of a process and all its descendants, bytes."""
    total = 0
    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


@dataclass
class Night:
    """What a night took."""

    photons: float
    ingest: float
    night: float
    peak: int


def one(seconds: float, folder: Path) -> Night:
    """Simulate some seconds of the camera and run them from packets to reports."""
    made = write_simulation(simulation_config("full-day", duration=seconds), folder / "simulated")
    home = folder / "home"
    ingest = measure(["ingest", str(made.packets), "-i", "eclairs"], home, most=1)
    night = measure(["night", "-i", "eclairs", "--workers", "2"], home, most=1)
    return Night(made.photons, ingest.seconds, night.seconds, max(ingest.peak, night.peak))


def run(seconds: float, folder: Path) -> list[dict[str, object]]:
    """Measure a day, or extrapolate it from two shorter runs: a fixed part and one that grows."""
    whole = one(seconds, folder / "long")
    work, ingest, night = "a simulated day", whole.ingest, whole.night
    if seconds < DAY:
        part = one(seconds / 4, folder / "short")
        growth = (DAY - seconds) / (0.75 * seconds)
        ingest += growth * max(whole.ingest - part.ingest, 0.0)
        night += growth * max(whole.night - part.night, 0.0)
        work = f"a simulated day, EXTRAPOLATED from {seconds / 4:.0f} s and {seconds:.0f} s of data"
    gib = whole.peak / 2**30
    return [
        {
            "work": f"{work}: {whole.photons:.2e} photons, packets to finished reports, 2 processes",
            "ours": f"ingest {ingest / 60:.1f} min + night {night / 60:.1f} min", "peer": "none does this",
            "ratio": (ingest + night) / 60, "target": TARGET_MINUTES, "unit": "min",
        },
        {
            "work": f"the same{'' if seconds >= DAY else ' (not extrapolated)'}, peak memory",
            "ours": f"{gib:.2f} GiB", "peer": "none does this", "ratio": gib,
            "target": TARGET_GIB, "unit": "GiB",
        },
    ]  # fmt: skip


def rows() -> list[dict[str, object]]:
    """Measure; the variable EIC_BENCHMARK_SECONDS takes less than a day of data."""
    with tempfile.TemporaryDirectory(prefix="eicpy-night-") as folder:
        return run(float(os.environ.get("EIC_BENCHMARK_SECONDS", DAY)), Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=DAY)
    parser.add_argument("--keep", type=Path, help="work in this folder and leave everything there")
    options = parser.parse_args()
    if options.keep:
        print(*run(options.seconds, options.keep), sep="\n")
    else:
        os.environ["EIC_BENCHMARK_SECONDS"] = str(options.seconds)
        print(*rows(), sep="\n")
