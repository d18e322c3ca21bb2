"""Connections without end against a receiver: what a real sender loses, and what memory the receiver takes.

A receiver in a process of its own is attacked in turn by nobody, by connections that send nothing, a byte or
a text, before and after a real sender has begun; then a bench connects for each packet without closing. Told
are the packets that were archived, the connections that were closed to make room, the time until the last
packet was archived, and the largest memory of the receiver.

    python benchmarks/many_connections.py [--connections 600] [--packets 5000]
"""

import argparse
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eicpy.acquisition.status import Station
from eicpy.instruments import load
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.settings import Settings

NAME = "eclairs"
GARBAGE = {
    "nobody": None,
    "send nothing": b"",
    "send a byte": b"\x55",
    "send a text": b"GET / HTTP/1.1\r\n\r\n",
}


def packets(count: int) -> list[bytes]:
    """Packets of one photon each."""
    instrument = load(NAME)
    layout, kind = PacketLayout.read(instrument.layout_file("photons")), instrument.packets["photons"]
    n = np.arange(count)
    headers = PacketHeaders(
        kind.apid, n, 300_000_000 + n // 100, 0, service=kind.service, subservice=kind.subservice
    )
    repeated = {name: np.ones(count, np.int64) for name in ("TIME", "DETNUM", "CHANNEL", "MULTIPLICITY")}
    raw = encode(
        layout, headers, {}, repeated, np.ones(count, np.int64), header=instrument.header(kind.apid)
    ).tobytes()
    size = len(raw) // count
    return [raw[at : at + size] for at in range(0, len(raw), size)]


class Receiver:
    """A receiver in a process of its own, in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.at(folder)
        ready = folder / "port"
        command = [sys.executable, "-m", "eicpy.cli", "receive", "-i", NAME, "--port-file", str(ready)]
        self.process = subprocess.Popen(
            command, env=os.environ | {"EIC_HOME": str(folder)}, stdout=subprocess.PIPE, text=True
        )
        while not ready.exists():
            time.sleep(0.05)
        self.port = int(ready.read_text())
        self.station = Station(self.settings.live(NAME))

    def connect(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(data)
        return connection

    def values(self) -> dict[str, object]:
        status = self.station.status("receiver")
        return {} if status is None else status.values

    def memory(self) -> float:
        """Largest resident memory, MB."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=600)[0].strip().splitlines()[-1]


def attacked(work: Callable[[Receiver, list[socket.socket]], int]) -> None:
    """Let somebody work against a new receiver and tell what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        receiver = Receiver(Path(folder))
        before, held = receiver.memory(), []
        begun = time.monotonic()
        wanted = work(receiver, held)
        while receiver.values().get("packets") != wanted and time.monotonic() - begun < 120:
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        time.sleep(1.0)
        values, memory = receiver.values(), receiver.memory()
        for each in held:
            each.close()
        print(
            f"  {values.get('packets')} of {wanted} packets archived after {seconds:.1f} s; "
            f"open {values.get('connections')}, closed {values.get('gave_way')}; "
            f"memory {before:.0f} → {memory:.0f} MB"
        )
        print(f"  {receiver.end()}")


def main() -> None:
    """Do all and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--connections", type=int, default=600)
    parser.add_argument("--packets", type=int, default=5000)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[1], 4096), limit[1]))
    each = packets(options.packets)

    for name, garbage in GARBAGE.items():
        print(f"{options.connections} connections: {name}")

        def send(receiver: Receiver, held: list[socket.socket], garbage: bytes | None = garbage) -> int:
            if garbage is not None:
                held += [receiver.connect(garbage) for _ in range(options.connections)]
            sender = receiver.connect(b"".join(each[: len(each) // 2]))
            held.append(sender)
            if garbage is not None:
                held += [receiver.connect(garbage) for _ in range(options.connections)]
            sender.sendall(b"".join(each[len(each) // 2 :]))
            return len(each)

        attacked(send)

    print(f"{options.connections} connections of a bench that does not close them, a packet each")

    def reconnect(receiver: Receiver, held: list[socket.socket]) -> int:
        held += [receiver.connect(each[n]) for n in range(options.connections)]
        return options.connections

    attacked(reconnect)


if __name__ == "__main__":
    main()
