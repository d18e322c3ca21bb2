"""Ten thousand runs in an archive: what a reader, a receiver, a playback and a list of runs pay for them.

An archive of finished runs of a packet each is written directly, then each of these is done at each number
of runs, in a process of its own: told are processor time and the time that passed of the work itself, after
all was imported and compiled. "First" is an archive that was never looked at by this version; "next" is
another process that finds the index of finished runs beside it.

    python benchmarks/many_runs.py [--runs 1 100 10000] [--keep FOLDER]
"""

import argparse
import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eicpy.acquisition.reception.archiver import RunTexts
from eicpy.acquisition.reception.held_sockets import GivenSockets
from eicpy.acquisition.reception.options import ReceiveRules
from eicpy.acquisition.reception.session import Reception, _warm
from eicpy.instruments import load
from eicpy.runs import Cursor, RunArchive, provide
from eicpy.runs.metadata import RunMetadata
from eicpy.runs.runs_table import runs_table

NAME = "eclairs"


def packet(count: int) -> bytes:
    """A telemetry packet without a secondary header."""
    return bytes([8, 1, 0xC0 | count >> 8 & 63, count & 255, 0, 9]) + bytes(10)


def build(folder: Path, runs: int) -> None:
    """Write finished runs as the archive does, without its locks and its waits for the disk."""
    folder.mkdir(parents=True)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(1, runs + 1):
        run = folder / f"{number:06d}"
        run.mkdir()
        raw, moment = packet(number), begin + timedelta(minutes=number)
        (run / "raw.ccsds").write_bytes(raw)
        metadata = RunMetadata(
            number=number, instrument=NAME, source="benchmark", opened=moment, closed=moment, size=len(raw),
            sha256=hashlib.sha256(raw).hexdigest(), simulated=True,
        )  # fmt: skip
        (run / "run.json").write_text(metadata.model_dump_json(indent=2))
    (folder / "last-number").write_text(f"{runs}\n")


def measured(work: Callable[[], object], times: int = 1) -> dict[str, float]:
    """Processor time and time, ms, of one out of some."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    return {
        "cpu": (time.process_time() - cpu) / times * 1e3,
        "wall": (time.perf_counter() - wall) / times * 1e3,
    }


def start_receiver(archive: RunArchive) -> None:
    """Start a receiver until it listens, then stop it; the runs that were left are looked for meanwhile."""

    async def serve() -> None:
        reception = Reception(archive, load(NAME), ReceiveRules(), RunTexts(), None)
        begun = time.perf_counter()
        async with reception.listening(lambda: GivenSockets.bind("127.0.0.1", 0, None), None):
            listening.append((time.perf_counter() - begun) * 1e3)

    asyncio.run(serve())


listening: list[float] = []


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """All figures of an archive."""
    archive, instrument = RunArchive(folder, NAME), load(NAME)
    _warm(instrument)
    found = {"unfinished runs looked for": measured(archive.unfinished)}
    start_receiver(archive)
    found["receiver listens"] = {"cpu": float("nan"), "wall": listening[-1]}
    with provide(archive, instrument) as live:
        while live.poll() or live.cursor != Cursor(archive.names().last, len(packet(0))):
            time.sleep(0.01)
        time.sleep(0.2)
        live.poll()
        found["idle live reader, a poll"] = measured(live.poll, 2000)
        found["idle live reader, a look at what is behind"] = measured(lambda: live.behind, 200)
    begun = (time.process_time(), time.perf_counter())
    with provide(archive, instrument, None) as playback:
        assert playback.poll()
    found["playback of all runs begins"] = {
        "cpu": (time.process_time() - begun[0]) * 1e3, "wall": (time.perf_counter() - begun[1]) * 1e3,
    }  # fmt: skip
    found["a run of a number"] = measured(lambda: archive.run(1), 100)
    found["a hash looked for"] = measured(lambda: archive.find("0" * 64), 5)
    writers = []
    found["a new run"] = measured(lambda: writers.append(archive.create(source="benchmark")), 5)
    for writer in writers:
        archive.discard(writer)
    found["list of the newest 20 runs"] = measured(lambda: runs_table(archive, 20))
    found["list of all runs"] = measured(lambda: runs_table(archive))
    return found


def main() -> None:
    """Build the archives, measure each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument("--keep", type=Path, help="Folder in which the archives are left.")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measure(options.measure)))
        return
    folder = options.keep or Path(tempfile.mkdtemp())
    results: dict[str, dict[str, dict[str, float]]] = {}
    try:
        for runs in options.runs:
            archive = folder / str(runs)
            if not archive.exists():
                build(archive, runs)
            shutil.rmtree(archive / ".index", ignore_errors=True)
            for turn in ("first", "next"):
                command = [sys.executable, __file__, "--measure", str(archive)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                results[f"{runs}, {turn}"] = json.loads(done.stdout)
    finally:
        if options.keep is None:
            shutil.rmtree(folder)
    print("ms of processor time (ms that passed)".ljust(45), *(name.rjust(22) for name in results))
    for work in next(iter(results.values())):
        cells = [f"{r[work]['cpu']:.3f} ({r[work]['wall']:.3f})".rjust(22) for r in results.values()]
        print(work.ljust(45), *cells)


if __name__ == "__main__":
    main()
