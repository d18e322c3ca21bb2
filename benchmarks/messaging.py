"""Messages over NATS on this host: how many packets a second are published and read.

A nats-server of its own keeps a stream on the disk. Published: packets of 1000 bytes made messages, sent and
acknowledged, in order. Read: polled in order, found in their bytes and checked, the position saved for every
1024. Beside it nats-py alone publishes the same bytes without any acknowledgement. Ours and the peer take
turns in one process; judged by its processor time, the best of some turns, because the machine may be busy;
the wall time of that turn and the processor time of the server are reported too.

    python benchmarks/messaging.py
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.acquisition.delivery.packet_messages import BusReader, BusWriter, open_packet_bus
from eicpy.instruments import Instrument, load
from eicpy.messaging import Bus
from eicpy.packets import PacketHeaders, PacketLayout, encode, index_packets
from eicpy.runs import Cursor, Increment, Selection

PACKETS = 20_480
BATCH = 2048
TURNS = 5
ASKED = 12_500
WORDS = PacketLayout.parse("name,bit_offset,bit_width,type,repeat\nWORD,128,64,uint,fill\n")


@contextlib.contextmanager
def nats_server(folder: Path) -> Iterator[tuple[str, int]]:
    """URL and process of a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["nats-server", "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"nats://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


def packets(instrument: Instrument, turn: int) -> list[Increment]:
    """Packets that no other turn has, in pieces as a provider gives them."""
    rng = np.random.default_rng(turn)
    header = instrument.header(810)
    words = rng.integers(0, 1 << 62, PACKETS * 122)
    n = np.arange(PACKETS)
    raw = encode(
        WORDS, PacketHeaders(810, n, n, 0), {}, {"WORD": words}, np.full(PACKETS, 122), header=header
    ).tobytes()
    size = len(raw) // PACKETS
    pieces = []
    for first in range(0, PACKETS, BATCH):
        data = raw[first * size : (first + BATCH) * size]
        index = index_packets(data, instrument.headers)
        if not index.good.all() or len(index) != BATCH:
            raise SystemExit("the packets of the benchmark are not intact")
        pieces.append(Increment(index, data, 0, instrument, 0, Cursor(0)))
    return pieces


@dataclass(frozen=True)
class Cost:
    """Messages a second by the processor time of the client and by wall time; that of the server, µs each."""

    processor: float
    wall: float
    server: float


def cost(pid: int, work: Callable[[], object]) -> Cost:
    server, wall, cpu = _processor_of(pid), time.monotonic(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return Cost(PACKETS / cpu, PACKETS / wall, (_processor_of(pid) - server) / PACKETS * 1e6)


def _processor_of(pid: int) -> float:
    """Processor time of a process, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Peer:
    """nats-py alone."""

    def __init__(self, url: str) -> None:
        import nats
        from nats.js import api

        self._loop = asyncio.new_event_loop()
        self._client: Any = self.run(nats.connect(url))
        self._jetstream = self._client.jetstream()
        self.run(self._jetstream.add_stream(api.StreamConfig(name="PEER", subjects=["peer"])))

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    async def publish(self, data: list[bytes]) -> None:
        for first in range(0, len(data), BATCH):
            for one in data[first : first + BATCH]:
                await self._client.publish("peer", one)
            await self._client.flush()

    def close(self) -> None:
        self.run(self._client.close())
        self._loop.close()


def read(url: str, instrument: Instrument, name: str, first: int) -> None:
    """Read what one turn published."""
    with BusReader(open_packet_bus(url, instrument.name), Selection(instrument), name) as reader:
        count = 0
        while count < PACKETS:
            count += len(reader.poll())
            reader.done()
        if reader.cursor.offset != first + PACKETS or count != PACKETS:
            raise SystemExit(f"read {count} packets up to message {reader.cursor.offset}")


def rows() -> list[dict[str, Any]]:
    """Measurements for ``run.py``."""
    if shutil.which("nats-server") is None:
        raise SystemExit("there is no nats-server on this machine (Debian: apt-get install nats-server)")
    found: dict[str, list[Cost]] = {"peer": [], "published": [], "read": []}
    with tempfile.TemporaryDirectory() as folder, nats_server(Path(folder)) as (url, pid):
        peer = Peer(url)
        with contextlib.closing(open_packet_bus(url, "eclairs")) as bus:
            bus.subscribe("eic.eclairs.*.*.*", "reader").close()
            for turn in range(TURNS):
                for name, costs in _turn(peer, bus, url, pid, turn).items():
                    found[name].append(costs)
        peer.close()
    best = {name: max(costs, key=lambda one: one.processor) for name, costs in found.items()}
    return [
        {
            "work": "packets published on NATS in order, each acknowledged",
            "ours": _words(best["published"]),
            "peer": f"nats-py alone, nothing acknowledged: {_words(best['peer'])}; {ASKED}/s asked for",
            "ratio": best["published"].processor / ASKED,
            "target": 1.0,
            "unit": f"× {ASKED}/s",
        },
        {
            "work": "packets read from NATS in order, checked, position saved",
            "ours": _words(best["read"]),
            "peer": f"{ASKED}/s asked for",
            "ratio": best["read"].processor / ASKED,
            "target": 1.0,
            "unit": f"× {ASKED}/s",
        },
    ]


def _turn(peer: Peer, bus: Bus, url: str, pid: int, turn: int) -> dict[str, Cost]:
    instrument = load("eclairs")
    pieces = packets(instrument, turn)
    data = [packet for piece in pieces for _, packet in piece.packets()]
    return {
        "peer": cost(pid, lambda: peer.run(peer.publish(data))),
        "published": cost(pid, lambda: [BusWriter(bus).write(piece) for piece in pieces]),
        "read": cost(pid, lambda: read(url, instrument, "reader", turn * PACKETS)),
    }


def _words(one: Cost) -> str:
    return f"{one.processor:.0f}/s processor, {one.wall:.0f}/s wall, server {one.server:.0f} µs each"


if __name__ == "__main__":
    for row in rows():
        print(f"{row['work']}\n  ours: {row['ours']}\n  {row['peer']}\n  {row['ratio']:.3g} {row['unit']}")
