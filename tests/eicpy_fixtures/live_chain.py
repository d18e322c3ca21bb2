"""Packets of the reference layout with known contents, and a receiver in a thread."""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, fields

import numpy as np
import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition import ListenAddress, ReceiveCallbacks, ReceiveRules, RunTexts, receive
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive


@pytest.fixture(scope="session")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="session")
def meddea():
    return load("meddea")


@pytest.fixture
def archive(tmp_path):
    return RunArchive(tmp_path / "archive" / "eclairs", "eclairs")


@dataclass(frozen=True)
class Truth:
    """Photons as they were put into packets."""

    raw: bytes
    ticks: np.ndarray
    detnum: np.ndarray
    channel: np.ndarray
    multiplicity: np.ndarray
    lengths: np.ndarray


@pytest.fixture(scope="session")
def photon_packets(eclairs):
    """Makes photon packets with their truth: `first_tick` counts 20 µs since the epoch."""
    layout = PacketLayout.read(eclairs.layout_file("photons"))
    kind, header = eclairs.packets["photons"], eclairs.header(eclairs.packets["photons"].apid)

    def make(
        n_packets, *, seed=1, first_tick=15_000_000_000_000, span=50_000_000, destination=0x5555, first=0
    ):
        rng = np.random.default_rng(seed)
        counts = rng.integers(0, 120, n_packets)
        counts[0] = 1
        n = int(counts.sum())
        ticks = first_tick + np.sort(rng.integers(0, span, n))
        row = np.cumsum(counts) - counts
        start = ticks[np.minimum(row, n - 1)]
        fields = {
            "TIME": ticks % 2**32,
            "DETNUM": rng.integers(0, 6400, n),
            "CHANNEL": rng.integers(0, 1024, n),
            "MULTIPLICITY": rng.integers(1, 16, n),
        }
        raw = encode(
            layout,
            PacketHeaders(
                kind.apid,
                np.arange(first, first + n_packets),
                start // 50_000,
                (start % 50_000) * 2**24 // 50_000,
                service=kind.service,
                subservice=kind.subservice,
                destination=destination,
            ),
            {},
            fields,
            counts,
            header=header,
        )
        lengths = np.full(n_packets, 0) + counts * 8
        return Truth(
            raw.tobytes(),
            ticks,
            fields["DETNUM"],
            fields["CHANNEL"],
            fields["MULTIPLICITY"],
            lengths + (len(raw) - int(lengths.sum())) // n_packets,
        )

    return make


@pytest.fixture
def receiving(archive, eclairs):
    """Starts a receiver in a thread; gives its port and its summary to come."""
    stops = []

    def start(*, archive=archive, instrument=eclairs, station=None, **options):
        stop, listening, result = threading.Event(), Future(), Future()
        options |= {"stop": stop, "on_listening": lambda _host, port: listening.set_result(port)}
        kinds = {
            "address": ListenAddress,
            "rules": ReceiveRules,
            "texts": RunTexts,
            "callbacks": ReceiveCallbacks,
        }
        objects = {
            name: kind(**{f.name: options.pop(f.name) for f in fields(kind) if f.name in options})
            for name, kind in kinds.items()
        }
        assert not options

        def run():
            try:
                result.set_result(receive(archive, instrument, station=station, **objects))
            except BaseException as error:  # noqa: BLE001, it is raised where the result is asked for
                result.set_exception(error)
                if not listening.done():
                    listening.set_exception(error)

        thread = threading.Thread(target=run)
        thread.start()
        stops.append((stop, thread))
        return listening.result(LIMIT), result, stop

    yield start
    for stop, thread in stops:
        stop.set()
        thread.join(LIMIT)


@pytest.fixture
def archived(archive):
    """Waits until so many bytes are in the runs of the archive."""

    def wait(size, archive=archive):
        wait_until(lambda: sum(run.size for run in archive.runs()) >= size, f"{size} bytes in the archive")

    return wait


@dataclass(frozen=True)
class Bench:
    """Packets of the prototype, one at a time."""

    instrument: object
    layouts: dict

    def telemetry(self, count, name="housekeeping"):
        return self._packet(name, count, coarse=1000 + count)

    def command(self, name, count):
        return self._packet(name, count, command=True)

    def start(self, count=0):
        return self.command("start-measurement", count)

    def stop(self, count=1):
        return self.command("stop-measurement", count)

    def _packet(self, name, count, *, coarse=0, command=False):
        kind = self.instrument.packets[name]
        packet = encode(
            self.layouts[name],
            PacketHeaders(
                kind.apid,
                [count],
                coarse,
                0,
                service=kind.service,
                subservice=kind.subservice,
                command=command,
            ),
            {},
            dict.fromkeys(self.layouts[name].repeated, 0),
            [0] if name == "photons" else None,
            header=self.instrument.header(kind.apid),
        )
        return packet.tobytes()


@pytest.fixture(scope="session")
def bench():
    prototype = load("dpix-prototype")
    layouts = {name: PacketLayout.read(prototype.layout_file(name)) for name in prototype.packets}
    return Bench(prototype, layouts)
