"""Kill the parts of a live chain, 100 times at random moments under load, and count what is left.

A sender gives packets of 1 kB, each with a number of its own, to a receiver; three processors follow: one
writes the numbers of the packets, ``photons`` the photon files, ``housekeeping`` the archive of parameters.
A supervisor keeps all four running; each is killed (``kill -9``) at random moments. TCP tells a sender only
that bytes have left: when its connection breaks, it asks the archive for the last packet that is there and
goes on after it, as a test bench does that sends again what was not received.

At the end every packet must be in the archive once and in order, none that was there before a kill may be
gone after it, and each processor must have every packet once.

    python benchmarks/kills.py [--kills 100] [--rate 2e6] [--seed 1]
"""

import argparse
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from eicpy.acquisition import RunArchive
from eicpy.acquisition.station import Station, Status
from eicpy.housekeeping import HousekeepingArchive
from eicpy.instruments import Instrument, load
from eicpy.packets import PacketLayout, encode
from eicpy.processors import Command, Supervisor, eic_command
from eicpy.settings import Settings

NAME = "eclairs"
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
            layout, packet.apid, numbers % 16384, COARSE + numbers, 0, columns, repeated, counts,
            header=self.instrument.header(packet.apid), service=packet.service,
            subservice=packet.subservice, destination=self.instrument.simulated_destination,
        )  # fmt: skip


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


def commands(home: Path, port: int, *options: str) -> Iterator[Command]:
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


def at_work(name: str, chain: Supervisor, station: Station) -> bool:
    """Whether a part has packets in hand, in the process that runs now."""
    status = station.status(name)
    if status is None or not status.alive or status.pid != chain.states[name].pid:
        return False
    return status.values.get("received", 0) > 0 if name == "receiver" else status.state == "running"


def kill_some(
    chain: Supervisor, station: Station, archived: Archived, kills: int, rng: random.Random
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
        os.kill(chain.states[name].pid or sys.exit(f"{name} is not there"), signal.SIGKILL)
        done[name] += 1
        if name == "receiver":
            gone += max(0, before - archived.count())
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eicpy-kills-") as folder:
        home = Path(folder)
        settings = Settings.at(home)
        archive, stream, port = RunArchive(settings.archive(NAME), NAME), Stream(), free_port()
        archived, station = Archived(archive, stream.instrument), Station(settings.live(NAME))
        sender = Sender(port, stream, archived, given.rate)
        rng = random.Random(given.seed)  # noqa: S311, moments
        begun = time.monotonic()
        with Supervisor(
            commands(home, port), logs=home / "logs", station=station, limit=10**6, longest_wait=0.2
        ) as chain:
            sender.start()
            wait_for(lambda: all(works(station.status(name)) for name in PARTS[1:]))
            done, gone = kill_some(chain, station, archived, given.kills, rng)
            wait_for(lambda: all(at_work(name, chain, station) for name in PARTS))
            sender.stop.set()
            sender.join()
            last = archive.runs()[-1].number
            chain_ends = archived.count()
            wait_for(lambda: archive.runs()[-1].number >= last and caught_up(station, archive))
            restarts = {name: chain.states[name].restarts for name in PARTS}
            os.kill(chain.states["receiver"].pid, signal.SIGTERM)  # closes the last run
            wait_for(lambda: not archive.runs()[-1].is_open)
            time.sleep(2.0)  # the processors see its end
        seconds = time.monotonic() - begun
        verdicts = check(settings, archived, gone)
        size = sum(run.size for run in archive.runs())
        print(
            f"\n{given.kills} kills in {seconds:.0f} s ({', '.join(f'{n} {done[n]}' for n in PARTS)}), "
            f"{len(archive.runs())} runs, {size / 1e6:.0f} MB archived of {sender.sent_bytes / 1e6:.0f} MB "
            f"sent over {sender.connections} connections; restarts "
            f"{', '.join(f'{n} {restarts[n]}' for n in PARTS)}; {chain_ends} packets"
        )
        for what, holds in verdicts.items():
            print(f"{'yes' if holds else 'NO '} {what}")
        return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
