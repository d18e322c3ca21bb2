"""Kill the parts of a live chain, 100 times at random moments under load, and count what is left.

A sender gives packets of 1 kB, each with a number of its own, to a receiver; three processors follow: one
writes the numbers of the packets, ``photons`` the photon files, ``housekeeping`` the archive of parameters.
All four are commands of ``eic``; each is killed (``kill -9``) at random moments while it works, and started
again. So that 100 kills take minutes, a command is forked from a process that has imported and compiled
everything. TCP tells a sender only
that bytes have left: when its connection breaks, it asks the archive for the last packet that is there and
goes on after it, as a test bench does that sends again what was not received.

At the end every packet must be in the archive once and in order, none that was there before a kill may be
gone after it, and each processor must have every packet once.

    python benchmarks/kills.py [--kills 100] [--rate 2e6] [--seed 1]
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits

from eicpy.acquisition.status import Station, Status
from eicpy.housekeeping import HousekeepingArchive
from eicpy.instruments import Instrument, load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.processors import ChainCommand, eic_command
from eicpy.runs import RunArchive
from eicpy.settings import Settings

NAME = "eclairs"
CLI = "eicpy.cli"
COARSE = 300_000_000
PHOTONS = 120
BLOCK = 1000
HOUSEKEEPING_EVERY = 8
PARTS = ("receiver", "numbers", "photons", "housekeeping")
PROCESSOR = '''"""numbers.py: the on-board second of each intact packet, which is its number here."""

import time


def numbers(batch, context, *, delay: float = 0.0):
    if delay:
        time.sleep(delay * len(batch))
    good = batch.index.good
    context.output("numbers.i64").write(batch.index.coarse[good].astype("<i8"))
'''


@dataclass
class Stream:
    """Packets without end: number n is made at on-board second COARSE + n."""

    instrument: Instrument = field(default_factory=lambda: load(NAME))
    _blocks: dict[int, list[bytes]] = field(default_factory=dict)

    def packet(self, number: int) -> bytes:
        block, row = divmod(number, BLOCK)
        if block not in self._blocks:
            self._blocks = {block: self._make(block * BLOCK)}
        return self._blocks[block][row]

    def _make(self, first: int) -> list[bytes]:
        numbers = np.arange(first, first + BLOCK)
        is_photons = numbers % HOUSEKEEPING_EVERY != 0
        of_photons, of_parameters = numbers[is_photons], numbers[~is_photons]
        repeated = np.repeat(of_photons, PHOTONS)
        ticks = (COARSE + repeated) * 50_000 + np.tile(np.arange(PHOTONS), len(of_photons))
        fields = {
            "TIME": ticks % 2**32,
            "DETNUM": repeated % 6400,
            "CHANNEL": repeated % 1000,
            "MULTIPLICITY": np.ones(len(repeated), np.int64),
        }
        made = [b""] * BLOCK
        counts = np.full(len(of_photons), PHOTONS)
        for numbers_of, data in (
            (of_photons, self._encode("photons", of_photons, {}, fields, counts)),
            (of_parameters, self._encode("dpix", of_parameters, {"DPIX_HKSTRUCT": 2}, None, None)),
        ):
            for number, row in zip(numbers_of, data.reshape(len(numbers_of), -1), strict=True):
                made[number - first] = row.tobytes()
        return made

    def _encode(self, kind: str, numbers: Any, columns: Any, repeated: Any, counts: Any) -> Any:
        packet = self.instrument.packets[kind]
        layout = PacketLayout.read(self.instrument.layout_file(kind))
        return encode(
            layout,
            PacketHeaders(
                packet.apid,
                numbers % 16384,
                COARSE + numbers,
                0,
                service=packet.service,
                subservice=packet.subservice,
                destination=self.instrument.simulated_destination,
            ),
            columns,
            repeated,
            counts,
            header=self.instrument.header(packet.apid),
        )


class Archived:
    """How many intact packets the archive holds; runs that are closed are counted once."""

    def __init__(self, archive: RunArchive, instrument: Instrument) -> None:
        self.archive, self.instrument = archive, instrument
        self._known: dict[tuple[int, int], int] = {}

    def count(self) -> int:
        total = 0
        for run in self.archive.runs():
            key = (run.number, run.size)
            if key not in self._known:
                self._known[key] = int(run.index(self.instrument).good.sum())
            total += self._known[key]
        return total

    def numbers(self) -> np.ndarray:
        parts = [(index := run.index(self.instrument)).coarse[index.good] for run in self.archive.runs()]
        return np.concatenate(parts) - COARSE


class Sender(threading.Thread):
    """Sends packet after packet at a pace; after a broken connection it goes on where the archive ends."""

    def __init__(self, port: int, stream: Stream, archived: Archived, rate: float) -> None:
        super().__init__(daemon=True)
        self.port, self.stream, self.archived, self.rate = port, stream, archived, rate
        self.stop = threading.Event()
        self.sent_bytes = self.connections = 0

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
                    self.connections += 1
                    self._send(line, self.archived.count())
            except OSError:
                self.stop.wait(0.05)

    def _send(self, line: socket.socket, number: int) -> None:
        begun, sent = time.monotonic(), 0
        while not self.stop.is_set():
            packet = self.stream.packet(number)
            line.sendall(packet)
            number += 1
            sent += len(packet)
            self.sent_bytes += len(packet)
            self.stop.wait(max(0.0, begun + sent / self.rate - time.monotonic()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def commands(home: Path, port: int, *options: str) -> Iterator[ChainCommand]:
    (home / "numbers.py").write_text(PROCESSOR)
    processor = f"{home / 'numbers.py'}:numbers"
    yield eic_command(
        "receiver", "--home", str(home), "receive", "-i", NAME, "--port", str(port), role="receiver"
    )
    for name, place in (("numbers", processor), ("photons", "photons"), ("housekeeping", "housekeeping")):
        extra = options if name == "numbers" else ()
        yield eic_command(
            name, "--home", str(home), "process", place, "-i", NAME, "--checkpoint", "0.5", *extra
        )


def wait_for(holds: Callable[[], object], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit("waited in vain: the chain does not come up, or does not come to its end")
        time.sleep(0.05)


class Chain:
    """The commands, forked from a process in which they ran once; a context manager that ends them."""

    def __init__(self, home: Path, parts: Iterable[ChainCommand]) -> None:
        self._arguments = {c.name: list(c.arguments[c.arguments.index(CLI) + 1 :]) for c in parts}
        program = [sys.executable, __file__, "--nursery", str(home)]
        self._nursery = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids: dict[str, int] = {}
        self._answer()

    def start(self, name: str) -> None:
        self.pids[name] = self._ask("start", *self._arguments[name])

    def end(self, name: str, number: int) -> int:
        """Send a signal, by process id, and give how the process ended."""
        os.kill(self.pids[name], number)
        return self._ask("wait", str(self.pids.pop(name)))

    def __enter__(self) -> Self:
        for name in self._arguments:
            self.start(name)
        return self

    def __exit__(self, *exception: object) -> None:
        for name in list(self.pids):
            code = self.end(name, signal.SIGTERM)
            if code != 128 + signal.SIGTERM:
                print(f"{name} ended with {code}")
        self._nursery.communicate()

    def _ask(self, *words: str) -> int:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(words) + "\n")
        self._nursery.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._nursery.stdout is not None
        return int(self._nursery.stdout.readline())


def nursery(home: Path) -> None:
    """Run the processors once, and then fork a command for each line that asks for one."""
    import eicpy.acquisition.reception.receiver
    import eicpy.operations  # noqa: F401, to be there when a command is forked
    from eicpy.cli import main as eic

    log = os.open(home / "parts.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(log, 1)
    os.dup2(log, 2)
    with tempfile.TemporaryDirectory() as folder:
        place, stream = Path(folder), Stream()
        (place / "numbers.py").write_text(PROCESSOR)
        with RunArchive(Settings.at(place).archive(NAME), NAME).create(source="warm") as writer:
            writer.append(b"".join(stream.packet(number) for number in range(100)))
        for command in commands(place, 0):
            words = list(command.arguments[command.arguments.index(CLI) + 1 :])
            if "process" in words:
                eic([*words, "--once"], standalone_mode=False)
    print(0, file=answers, flush=True)
    for line in sys.stdin:
        word, *rest = json.loads(line)
        if word == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(int(rest[0]), 0)[1])
        elif not (answer := os.fork()):
            try:
                code = eic(rest, standalone_mode=False) or 0
            except BaseException:  # noqa: BLE001, the process ends with it
                traceback.print_exc()
                code = 3
            os._exit(int(code))
        print(answer, file=answers, flush=True)


def at_work(name: str, chain: Chain, station: Station) -> bool:
    """Whether a part has packets in hand, in the process that runs now."""
    status = station.status(name)
    if status is None or not status.alive or status.pid != chain.pids[name]:
        return False
    return status.values.get("received", 0) > 0 if name == "receiver" else status.state == "running"


def kill_some(
    chain: Chain, station: Station, archived: Archived, kills: int, rng: random.Random
) -> tuple[Counter[str], int]:
    """Kill random parts at work; gives how often each, and how many packets were gone after a kill."""
    done: Counter[str] = Counter()
    gone = 0
    while sum(done.values()) < kills:
        time.sleep(rng.uniform(0.05, 1.0))
        ready = [name for name in PARTS if at_work(name, chain, station)]
        if not ready:
            continue
        name = rng.choice(ready)
        before = archived.count() if name == "receiver" else 0
        if chain.end(name, signal.SIGKILL) != -signal.SIGKILL:
            sys.exit(f"{name} had ended by itself")
        done[name] += 1
        if name == "receiver":
            gone += max(0, before - archived.count())
        chain.start(name)
        print(f"\r{sum(done.values())} kills", end="", file=sys.stderr, flush=True)
    return done, gone


def works(status: Status | None) -> bool:
    return status is not None and status.alive and (status.values.get("packets") or 0) > 0


def caught_up(station: Station, archive: RunArchive, parts: Sequence[str] = PARTS[1:]) -> bool:
    newest = archive.runs()[-1].number
    told = [station.status(name) for name in parts]
    return all(
        s is not None and s.alive and s.values.get("behind") == 0 and s.values.get("run") == newest
        for s in told
    )


def check(settings: Settings, archived: Archived, gone: int) -> dict[str, bool]:
    numbers = archived.numbers()
    total = len(numbers)
    expected = np.arange(total)
    file = settings.home / "processors" / NAME / "numbers" / "outputs" / "numbers.i64"
    products = sorted(settings.products(NAME).rglob("*.fits"))
    rows = sum(fits.getheader(product, 1)["NAXIS2"] for product in products)
    ended = all(fits.getheader(product, 1)["RUNENDED"] for product in products)
    of_parameters = int((expected % HOUSEKEEPING_EVERY == 0).sum())
    parameters = HousekeepingArchive(settings.housekeeping(NAME))
    return {
        f"archive: {total} packets, each once and in order": np.array_equal(numbers, expected),
        "archive: no packet that was there before a kill is gone after it": gone == 0,
        "archive: every run is closed": not archived.archive.abandoned(),
        "numbers: every packet once and in order": np.array_equal(
            np.fromfile(file, "<i8") - COARSE, expected
        ),
        f"photons: {rows} in {len(products)} files, every photon once": ended
        and rows == PHOTONS * (total - of_parameters),
        f"housekeeping: {of_parameters} rows, every packet once": of_parameters
        == sum(f.rows for f in parameters.catalogue.files("dpix")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=2e6, help="bytes per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nursery", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.nursery:
        nursery(given.nursery)
        return 0
    with tempfile.TemporaryDirectory(prefix="eicpy-kills-") as folder:
        home = Path(folder)
        settings = Settings.at(home)
        archive, stream, port = RunArchive(settings.archive(NAME), NAME), Stream(), free_port()
        archived, station = Archived(archive, stream.instrument), Station(settings.live(NAME))
        sender = Sender(port, stream, archived, given.rate)
        rng = random.Random(given.seed)  # noqa: S311, moments
        begun = time.monotonic()
        with Chain(home, commands(home, port)) as chain:
            sender.start()
            wait_for(lambda: all(works(station.status(name)) for name in PARTS[1:]))
            done, gone = kill_some(chain, station, archived, given.kills, rng)
            wait_for(lambda: all(at_work(name, chain, station) for name in PARTS))
            sender.stop.set()
            sender.join()
            last = archive.runs()[-1].number
            chain_ends = archived.count()
            wait_for(lambda: archive.runs()[-1].number >= last and caught_up(station, archive))
            code = chain.end("receiver", signal.SIGTERM)  # closes the last run
            wait_for(lambda: not archive.runs()[-1].is_open)
            time.sleep(2.0)  # the processors see its end
        seconds = time.monotonic() - begun
        verdicts = check(settings, archived, gone)
        size = sum(run.size for run in archive.runs())
        print(
            f"\n{given.kills} kills in {seconds:.0f} s ({', '.join(f'{n} {done[n]}' for n in PARTS)}), "
            f"{len(archive.runs())} runs, {size / 1e6:.0f} MB archived of {sender.sent_bytes / 1e6:.0f} MB "
            f"sent over {sender.connections} connections; {chain_ends} packets; exit code {code}"
        )
        for what, holds in verdicts.items():
            print(f"{'yes' if holds else 'NO '} {what}")
        return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
