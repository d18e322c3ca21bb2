"""Disturb a night again and again, and compare what it leaves with an undisturbed one.

A minute of simulated data over midnight (two nights) is worked on by the command ``eic``, each time in a home
of its own, and disturbed:

- ``database``: the PostgreSQL server is killed, at random and at each named step, and started again;
- ``stop``: SIGTERM, SIGINT or SIGKILL at random and at each named step, and the night is called again;
- ``disk``: no space on the disk at each file that a night writes, once each, and the night is called again;
- ``together``: two nights, the same and different ones, are called at the same moment;
- ``workers``: workers of a Dask scheduler are killed while the night runs on it.

All products are then compared with the undisturbed ones: every column of every table, what is in the
housekeeping archive, and the rows of the ledger. Without ``--reports`` no report is made: each takes a
kernel, and they are made from these products.

    python benchmarks/outages.py [--kinds database,stop,…] [--times 10] [--seed 1] [--reports]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from eicpy_fixtures.databases import PostgresServer, postgres_server
from sqlalchemy import create_engine, text

from eicpy.housekeeping import HousekeepingArchive
from eicpy.ingestion import ingest
from eicpy.operations import excursions, open_database, products, steps
from eicpy.products import read_product
from eicpy.settings import Settings
from eicpy.simulation import FaultConfig, SimulationConfig, write_simulation

NAME = "eclairs"
STAGES = ("begin", "housekeeping", "photons", "products", "gain", "end")
"""Steps of a night at which it is disturbed, as its progress names them."""
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")
PROGRAM = """
import errno, os, sys
from pathlib import Path
import eicpy.cli.console as console
from eicpy.pipeline import night_run, plan

plan.SEGMENT_BYTES = 600_000
if not os.environ.get("OUTAGES_REPORTS"):
    night_run.make_reports = lambda *_a, **_k: []
stage, mark = os.environ.get("OUTAGES_STAGE"), Path(os.environ["OUTAGES_MARK"])

def tell(what):
    with mark.open("a") as file:
        file.write(what + "\\n")
    if stage and stage in what:
        gate = mark.with_suffix(".gate")
        while not gate.exists():
            import time
            time.sleep(0.01)

shown = console.TerminalProgress.__call__
def progress(self, done, total, what=""):
    shown(self, done, total, what)
    tell(what)
console.TerminalProgress.__call__ = progress
entered = console.TerminalProgress.__enter__
def enter(self):
    tell("begin")
    return entered(self)
console.TerminalProgress.__enter__ = enter

full = os.environ.get("OUTAGES_FULL")
rename = Path.rename
def no_space(partial, target):
    with mark.with_suffix(".files").open("a") as file:
        file.write(Path(target).name + "\\n")
    if full and Path(target).name == full:
        raise OSError(errno.ENOSPC, "No space left on device")
    return rename(partial, target)
Path.rename = no_space

from eicpy.cli import main
try:
    main()
finally:
    tell("end")
"""


@dataclass
class Bench:
    """Where the nights run, and what they are compared with."""

    folder: Path
    packets: Path
    server: PostgresServer
    reports: bool
    expected: dict[Any, Any] = field(default_factory=dict)
    number: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)

    def home(self, *, on_server: bool) -> Settings:
        """A new home with the packets in its archive; a server has one database, which is emptied."""
        self.number += 1
        place = self.folder / f"home-{self.number}"
        if not on_server:
            settings = Settings.at(place)
        else:
            settings = Settings.at(place, self.server.address)
            engine = create_engine(self.server.address)
            with engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            engine.dispose()
        ingest([self.packets], NAME, settings)
        return settings

    def start(
        self, settings: Settings, *options: str, **variables: str
    ) -> tuple[subprocess.Popen[str], Path]:
        """Call the night; the file returned names the steps that it comes to."""
        mark = self.folder / f"mark-{time.monotonic_ns()}"
        mark.touch()
        given = {f"OUTAGES_{name.upper()}": value for name, value in variables.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--home", str(settings.home), "night", "-i", NAME, *options],
            env=os.environ
            | {"EIC_DATABASE_URL": settings.database_url, "OUTAGES_MARK": str(mark)}
            | ({"OUTAGES_REPORTS": "1"} if self.reports else {})
            | given,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
        )  # fmt: skip
        return process, mark

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Wait for a night; its exit code and all it said."""
        said, _ = process.communicate(timeout=900)
        if "Traceback" in said:
            self.differences["a traceback was shown"] += 1
            print(said, file=sys.stderr)
        self.codes[process.returncode] += 1
        return process.returncode, said

    def complete(self, settings: Settings, *options: str) -> None:
        """Call the night until there is nothing to do, which must be the next time."""
        for _ in range(3):
            code, said = self.finish(self.start(settings, *options)[0])
            if code in {0, 1}:
                return
        self.differences[f"not complete: exit {code}: {said.splitlines()[-1]}"] += 1

    def compare(self, settings: Settings) -> None:
        """Count what differs from the undisturbed nights."""
        found = contents(settings)
        for key in self.expected.keys() | found.keys():
            if not same(self.expected.get(key), found.get(key)):
                self.differences[f"{key}"] += 1
        left = [p.name for p in settings.home.rglob("*.partial")]
        if left:
            self.differences[f"left behind: {left}"] += 1
        shutil.rmtree(settings.home)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return type(one) is type(other) and bool(one == other)


def contents(settings: Settings) -> dict[Any, Any]:
    """Everything that nights leave, without the times at which it was made."""
    found: dict[Any, Any] = {}
    for path in sorted(settings.products(NAME).rglob("*.fits")):
        for table in read_product(path).tables.values():
            found |= {(path.name, table.name, c): v for c, v in table.columns.items()}
    archive = HousekeepingArchive(settings.housekeeping(NAME))
    for packet in sorted({f.packet for f in archive.catalogue.files()}):
        rows = sum(f.rows for f in archive.catalogue.files(packet))
        found["housekeeping", packet] = rows
    with open_database(settings) as database:
        found["products"] = sorted((p.card, Path(p.file).name) for p in products(database))
        found["excursions"] = [
            (e.parameter, str(e.level), e.start, e.stop, e.value) for e in excursions(database)
        ]
        found["steps"] = sorted((s.name, s.night, str(s.state)) for s in steps(database) if s.name == "night")
    return found


def come_to(mark: Path, stage: str, process: subprocess.Popen[str]) -> bool:
    """Wait until a night comes to a step; False where it ended before."""
    end = time.monotonic() + 600
    while stage not in mark.read_text():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def moments(times: int, rng: random.Random, seconds: float) -> Iterator[tuple[str | None, float]]:
    """Each named step, and random times of a night."""
    yield from ((stage, 0.0) for stage in STAGES[:-1])
    yield from ((None, rng.uniform(0.0, seconds)) for _ in range(times))


@contextmanager
def disturbed(bench: Bench, settings: Settings, stage: str | None, after: float) -> Iterator[Any]:
    """A night at the moment at which it is to be disturbed."""
    process, mark = bench.start(settings, **({"stage": stage} if stage else {}))
    if stage:
        come_to(mark, stage, process)
    else:
        come_to(mark, "begin", process)
        time.sleep(after)
    yield process
    mark.with_suffix(".gate").touch()


def database(bench: Bench, times: int, rng: random.Random, seconds: float) -> int:
    count = 0
    for stage, after in moments(times, rng, seconds):
        settings = bench.home(on_server=True)
        with disturbed(bench, settings, stage, after) as process:
            bench.server.kill(rng.choice([signal.SIGQUIT, signal.SIGINT]))
        time.sleep(rng.uniform(0.0, 6.0))
        bench.server.start()
        code, said = bench.finish(process)
        if code not in {0, 1}:
            bench.differences[f"ended by an outage at {stage or 'random'}: {said.splitlines()[-1]}"] += 1
        bench.compare(settings)
        count += 1
    return count


def stop(bench: Bench, times: int, rng: random.Random, seconds: float) -> int:
    count = 0
    for stage, after in moments(times, rng, seconds):
        number = rng.choice([signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
        settings = bench.home(on_server=False)
        with disturbed(bench, settings, stage, after) as process:
            os.killpg(process.pid, number)  # a terminal and a service manager send it to all
            code, said = bench.finish(process)
        allowed = {-signal.SIGKILL} if number == signal.SIGKILL else {128 + number, -number}
        if code not in allowed | {0, 1}:  # it may just have ended
            bench.differences[f"{number.name} at {stage or 'random'} gave {code}: {said[-300:]}"] += 1
        bench.complete(settings)
        bench.compare(settings)
        count += 1
    return count


def disk(bench: Bench, times: int, _rng: random.Random, _seconds: float) -> int:
    settings = bench.home(on_server=False)
    process, mark = bench.start(settings)
    bench.finish(process)
    names = list(dict.fromkeys(mark.with_suffix(".files").read_text().splitlines()))
    names = [n for n in names if not n.endswith(".npz") or "segment-01" in n][: max(times, 6) * 5]
    bench.compare(settings)
    settings = bench.home(on_server=False)
    for name in names:
        code, said = bench.finish(bench.start(settings, "--redo", full=name)[0])
        if code != 3 or "No space left on device" not in said:
            bench.differences[f"a full disk at {name} gave {code}: {said[-300:]}"] += 1
    bench.complete(settings)
    bench.compare(settings)
    return len(names)


def together(bench: Bench, times: int, _rng: random.Random, _seconds: float) -> int:
    count = 0
    for on_server in (False, True):
        for _ in range(max(times // 4, 1)):
            for options in ((DAYS, DAYS), (DAYS[:2], DAYS[1:])):
                settings = bench.home(on_server=on_server)
                both = [bench.start(settings, "--from", days[0], "--to", days[-1])[0] for days in options]
                ends = [bench.finish(process) for process in both]
                same_nights = options[0] == options[1]
                for code, said in ends:
                    refused = code == 3 and "is being run by" in said
                    if not (code in {0, 1} or (same_nights and refused)):
                        bench.differences[f"two nights at once gave {code}: {said[-300:]}"] += 1
                bench.complete(settings)
                bench.compare(settings)
                count += 1
    return count


def workers(bench: Bench, times: int, rng: random.Random, _seconds: float) -> int:
    from distributed import LocalCluster

    count = 0
    for _ in range(max(times // 2, 1)):
        settings = bench.home(on_server=False)
        with LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50,
            scheduler_kwargs={"dashboard": False},
        ) as cluster:  # fmt: skip
            process, mark = bench.start(settings, "--scheduler", cluster.scheduler_address)
            come_to(mark, "housekeeping", process)
            for _ in range(2):
                time.sleep(rng.uniform(0.0, 1.5))
                nanny = rng.choice(list(cluster.workers.values()))
                if nanny.pid:
                    os.kill(nanny.pid, signal.SIGKILL)
            code, said = bench.finish(process)
            if code not in {0, 1} and "worker" not in said:
                bench.differences[f"killed workers gave {code}: {said[-300:]}"] += 1
            bench.complete(settings, "--scheduler", cluster.scheduler_address)
        bench.compare(settings)
        count += 1
    return count


KINDS: dict[str, Callable[[Bench, int, random.Random, float], int]] = {
    "database": database, "stop": stop, "disk": disk, "together": together, "workers": workers,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--times", type=int, default=10, help="random moments of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reports", action="store_true", help="with the reports of each night")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eicpy-outages-")))
        server = stack.enter_context(postgres_server())
        config = SimulationConfig(
            name="outages", duration=60.0, seed=5, start="2026-11-20T23:59:40", saa=False,
            faults=FaultConfig(lost=3e-3, duplicated=3e-3),
        )  # fmt: skip
        packets = write_simulation(config, folder / "simulated").packets
        bench = Bench(folder, packets, server, given.reports)
        settings = bench.home(on_server=False)
        begun = time.monotonic()
        code, said = bench.finish(bench.start(settings)[0])
        seconds = time.monotonic() - begun
        bench.expected = contents(settings)
        print(f"undisturbed: {seconds:.0f} s, exit {code}, {len(bench.expected)} things to compare")
        print(said)
        for kind in given.kinds.split(","):
            bench.codes.clear()
            before = bench.differences.total()
            rng = random.Random(given.seed)  # noqa: S311, moments
            begun = time.monotonic()
            count = KINDS[kind](bench, given.times, rng, seconds)
            print(
                f"{kind}: {count} disturbances in {time.monotonic() - begun:.0f} s, exit codes "
                f"{dict(bench.codes)}: {bench.differences.total() - before} differences",
                flush=True,
            )
        for what, number in bench.differences.items():
            print(f"{number} x {what}")
    return 1 if bench.differences else 0


if __name__ == "__main__":
    sys.exit(main())
