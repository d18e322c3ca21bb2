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
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
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
KEEP = ("OUTAGES_STAGE", "OUTAGES_FULL", "OUTAGES_REPORTS")


class Night:
    """The command in a process group of its own, forked from a process that has imported all of it."""

    def __init__(self, nursery: "Nursery", pid: int, output: Path) -> None:
        self.pid, self._nursery, self._output = pid, nursery, output

    def has_ended(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def wait(self) -> tuple[int, str]:
        """Its exit code, and all it said."""
        end = time.monotonic() + 900
        while not self.has_ended() and time.monotonic() < end:
            time.sleep(0.02)
        if not self.has_ended():
            os.killpg(self.pid, signal.SIGKILL)
        return self._nursery.ask({"wait": self.pid}), self._output.read_text()


class Nursery:
    """A process that imports the command once, and forks it for each night."""

    def __init__(self) -> None:
        program = [sys.executable, __file__, "--nursery"]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


def nursery() -> None:
    """Fork a night for each line that asks for one."""
    import eicpy.cli.console
    import eicpy.pipeline.night
    import eicpy.pipeline.night_run
    import eicpy.pipeline.plan
    import eicpy.simulation  # noqa: F401, to be there when a night is forked

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif not (answer := os.fork()):
            code = 3
            try:
                code = night(**request)
            except BaseException:  # noqa: BLE001, the process ends with it
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(answer, file=answers, flush=True)


def night(arguments: list[str], environment: dict[str, str], output: str) -> int:
    """Run the command, say to which step it comes, and let the disk be full where that is asked for."""
    from eicpy.cli import console, main
    from eicpy.pipeline import night_run, plan

    os.setpgid(0, 0)
    os.environ.update(environment)
    for descriptor in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    stage, full, reports = (environment.get(name) for name in KEEP)
    mark = Path(environment["OUTAGES_MARK"])
    plan.SEGMENT_BYTES = 600_000
    if not reports:
        night_run.make_reports = lambda *_a, **_k: []
    shown, entered = console.TerminalProgress.__call__, console.TerminalProgress.__enter__
    rename = Path.rename

    def come_by(what: str) -> None:
        with mark.open("a") as file:
            file.write(what + "\n")
        while stage and stage in what and not mark.with_suffix(".gate").exists():
            time.sleep(0.01)

    def enter(self: Any) -> Any:
        come_by("begin")
        return entered(self)

    def progress(self: Any, done: float, total: float, what: str = "") -> None:
        shown(self, done, total, what)
        come_by(what)

    def no_space(partial: Path, target: Path) -> Path:
        with mark.with_suffix(".files").open("a") as file:
            file.write(Path(target).name + "\n")
        if full and Path(target).name == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(partial, target)

    console.TerminalProgress.__enter__, console.TerminalProgress.__call__ = enter, progress
    Path.rename = no_space
    return main(arguments, standalone_mode=False) or 0


@dataclass
class Bench:
    """Where the nights run, and what they are compared with."""

    folder: Path
    packets: Path
    server: PostgresServer
    nursery: Nursery
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

    def start(self, settings: Settings, *options: str, **variables: str) -> tuple[Night, Path]:
        """Call the night; the file returned names the steps that it comes to."""
        mark = self.folder / f"mark-{time.monotonic_ns()}"
        mark.touch()
        given = {f"OUTAGES_{name.upper()}": value for name, value in variables.items()}
        environment = {"EIC_DATABASE_URL": settings.database_url, "OUTAGES_MARK": str(mark)} | given
        if self.reports:
            environment["OUTAGES_REPORTS"] = "1"
        arguments = ["--home", str(settings.home), "night", "-i", NAME, *options]
        output = mark.with_suffix(".out")
        request = {"arguments": arguments, "environment": environment, "output": str(output)}
        return Night(self.nursery, self.nursery.ask(request), output), mark

    def finish(self, process: Night) -> tuple[int, str]:
        """Wait for a night; its exit code and all it said."""
        code, said = process.wait()
        if "Traceback" in said:
            self.differences["a traceback was shown"] += 1
            print(said, file=sys.stderr)
        self.codes[code] += 1
        return code, said

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


def come_to(mark: Path, stage: str, process: Night) -> bool:
    """Wait until a night comes to a step; False where it ended before."""
    end = time.monotonic() + 600
    while stage not in mark.read_text():
        if process.has_ended() or time.monotonic() > end:
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
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.nursery:
        nursery()
        return 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eicpy-outages-")))
        server = stack.enter_context(postgres_server())
        config = SimulationConfig(
            name="outages", duration=60.0, seed=5, start="2026-11-20T23:59:40", saa=False,
            faults=FaultConfig(lost=3e-3, duplicated=3e-3),
        )  # fmt: skip
        packets = write_simulation(config, folder / "simulated").packets
        bench = Bench(folder, packets, server, Nursery(), given.reports)
        stack.callback(bench.nursery.close)
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
