"""The live chain on the loopback: how fast the receiver takes packets, and how soon a reader has them.

Rate: another process sends 1002-byte packets as fast as they are taken. Ours: everything that the receiver
does with them – read, index, CRC-16, archive, counters, status – and, told apart, the closing of the run:
hash, packet index, the file of commands and housekeeping. Beside it the socket reader of space_packet_parser,
which yields the packets one by one, and neither checks nor keeps them: with its own buffer (4 KiB; on the
first 20 MB alone, it would take minutes) and with one of 256 KiB; the faster counts. All on one and the same
core, the sender wherever the system puts it. Judged by processor time, the best of some turns, because the
machine may be busy; wall time is told too.

Delay: packets are sent at 12.5 MB/s, the bench network of DISCoS, one at a time, and followed by a reader in
a third process; the delay of a packet is from just before it is sent until the reader has it, found and
checked.

    python benchmarks/live.py
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.acquisition import ReceiveCallbacks, ReceiveRules, receive
from eicpy.acquisition.status import Station
from eicpy.instruments import Instrument, load
from eicpy.packets import PacketHeaders, PacketLayout, encode, index_packets
from eicpy.runs import RunArchive

SIZE = 1002
APIDS = tuple(range(810, 818))
TURNS = 3
OURS_REPEATS = 5
PACKETS = 104_000
PACE = 12.5e6
SECONDS = 10.0
WORDS = PacketLayout.parse("name,bit_offset,bit_width,type,repeat\nWORD,80,64,uint,fill\n")


def bench_instrument() -> Instrument:
    """An instrument whose packets have the header of the benchmark: PUS-A, CUC 4 + 2, CRC-16."""
    like = load("eclairs")
    rule = like.headers[0].model_copy(update={"checksum": "crc16", "secondary": "pus-a", "fine_bits": 16})
    headers = tuple(rule.model_copy(update={"apid": apid}) for apid in APIDS)
    return like.model_copy(update={"headers": headers})


def packet_file(path: Path, packets: int, instrument: Instrument) -> None:
    rng = np.random.default_rng(1)
    n = packets // len(APIDS)
    parts = [
        encode(
            WORDS,
            PacketHeaders(apid, np.arange(n), np.arange(n), 0),
            {},
            {"WORD": rng.integers(0, 1 << 62, n * 123)},
            np.full(n, 123),
            header=instrument.header(apid),
        )
        for apid in APIDS
    ]
    path.write_bytes(np.stack([part.reshape(n, SIZE) for part in parts], axis=1).tobytes())


def child(*arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(Path(__file__).resolve()), *map(str, arguments)])


@contextmanager
def one_core() -> Iterator[None]:
    """Stay on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True)
class Rates:
    """MB/s of a reception, by wall and by processor time; then both with the closing of the run."""

    wall: float
    processor: float
    closed_wall: float
    closed_processor: float


def ours(folder: Path, packets: Path, instrument: Instrument) -> Rates:
    senders: list[subprocess.Popen[bytes]] = []
    marks: list[tuple[int, float, float]] = []

    def begin(host: str, port: int) -> None:
        senders.append(child("send", host, port, packets, OURS_REPEATS))

    def watch(summary: Any) -> None:
        if not marks or summary.size != marks[-1][0] or not summary.size:
            marks.append((summary.size, time.monotonic(), time.process_time()))

    with one_core():
        summary = receive(
            RunArchive(folder / "archive", "bench"), instrument, rules=ReceiveRules(until_disconnect=True),
            station=Station(folder / "live"),
            callbacks=ReceiveCallbacks(on_listening=begin, on_progress=watch),
        )  # fmt: skip
        closed = (time.monotonic(), time.process_time())
    if senders[0].wait() or summary.packets != OURS_REPEATS * PACKETS or summary.damaged:
        raise SystemExit(f"got {summary.packets} packets, {summary.damaged} damaged")
    shutil.rmtree(summary.runs[0].folder)
    size = summary.size / 1e6
    _, wall, cpu = [mark for mark in marks if not mark[0]][-1]
    return Rates(
        size / summary.seconds,
        size / (marks[-1][2] - cpu),
        size / (closed[0] - wall),
        size / (closed[1] - cpu),
    )


def peer(packets: Path, step: int | None, count: int) -> tuple[float, float]:
    """MB/s of space_packet_parser's socket reader, wall and processor."""
    from space_packet_parser.generators.ccsds import ccsds_generator

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = child("send", *server.getsockname(), packets, 1, count * SIZE)
        connection, _ = server.accept()
        with connection, one_core(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of the end of the connection
            begun, cpu = time.monotonic(), time.process_time()
            found = size = 0
            for packet in ccsds_generator(connection, buffer_read_size_bytes=step):
                found += 1
                size += len(packet)
            wall, cpu = time.monotonic() - begun, time.process_time() - cpu
    if sender.wait() or found != count:
        raise SystemExit(f"space_packet_parser read {found} of {count} packets")
    return size / 1e6 / wall, size / 1e6 / cpu


def rate(folder: Path) -> list[dict[str, Any]]:
    instrument = bench_instrument()
    packets = folder / "packets"
    packet_file(packets, PACKETS, instrument)
    ours(folder, packets, instrument)  # compiles, warms
    turns: list[Rates] = []
    theirs: dict[str, tuple[float, float]] = {"4 KiB": peer(packets, None, 20_000)}
    for _ in range(TURNS):
        turns.append(ours(folder, packets, instrument))
        theirs["256 KiB"] = max(theirs.get("256 KiB", (0.0, 0.0)), peer(packets, 1 << 18, PACKETS))
    packets.unlink()
    best = Rates(*(max(getattr(turn, f.name) for turn in turns) for f in fields(Rates)))
    fastest = max(processor for _, processor in theirs.values())
    words = ", ".join(f"{name} {c:.0f} MB/s processor, {w:.0f} wall" for name, (w, c) in theirs.items())
    size = OURS_REPEATS * PACKETS * SIZE / 1e6
    return [
        {
            "work": "TCP on the loopback → index, CRC, archive, status; run closed with hash and index",
            "ours": f"{best.closed_processor:.0f} MB/s processor (one core), {best.closed_wall:.0f} wall, "
            f"{size:.0f} MB",
            "peer": "300 MB/s asked for",
            "ratio": best.closed_processor / 300.0,
            "target": 1.0,
            "unit": "× 300 MB/s",
        },
        {
            "work": "TCP on the loopback → packets",
            "ours": f"{best.processor:.0f} MB/s processor, {best.wall:.0f} wall; CRC checked, archived",
            "peer": f"space_packet_parser's socket reader, by its buffer: {words}; no CRC, nothing kept",
            "ratio": best.processor / fastest,
            "target": 5.0,
            "unit": "×",
        },
    ]


def delay(folder: Path) -> dict[str, Any]:
    instrument = bench_instrument()
    packets = folder / "paced"
    count = int(PACE * SECONDS / SIZE) // len(APIDS) * len(APIDS)
    packet_file(packets, count, instrument)
    archive = RunArchive(folder / "paced-archive", "bench")
    children: list[subprocess.Popen[bytes]] = []

    def begin(host: str, port: int) -> None:
        children.append(child("read", archive.folder, folder / "read.npy", count))
        children.append(child("pace", host, port, packets, folder / "sent.npy", folder / "read.npy.ready"))

    cpu = time.process_time()
    summary = receive(
        archive,
        instrument,
        rules=ReceiveRules(until_disconnect=True),
        station=Station(folder / "live"),
        callbacks=ReceiveCallbacks(on_listening=begin),
    )
    cpu = time.process_time() - cpu
    if any(process.wait() for process in children) or summary.packets != count:
        raise SystemExit(f"{summary.packets} of {count} packets came")
    late = (np.load(folder / "read.npy") - np.load(folder / "sent.npy"))[count // 10 :] * 1e3
    half, most, worst = np.percentile(late, [50, 99, 100])
    return {
        "work": f"delay from the socket to a following reader at {PACE / 1e6:g} MB/s",
        "ours": f"median {half:.1f} ms, p99 {most:.1f} ms, worst {worst:.1f} ms of {len(late)} packets; "
        f"receiver {100 * cpu / summary.seconds:.0f} % of a core",
        "peer": "20 ms asked for",
        "ratio": float(most),
        "target": 20.0,
        "unit": "ms",
    }


def rows() -> list[dict[str, Any]]:
    """Measurements for ``run.py``."""
    with tempfile.TemporaryDirectory() as folder:
        return [*rate(Path(folder)), delay(Path(folder))]


def send(host: str, port: str, file: str, repeats: str, size: str = "-1") -> None:
    """Send a file, or its first bytes, as fast as they are taken."""
    with Path(file).open("rb") as stream:
        data = stream.read(int(size))
    with socket.create_connection((host, int(port))) as connection:
        for _ in range(int(repeats)):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def pace(host: str, port: str, file: str, times: str, ready: str) -> None:
    """Send a file packet by packet at its pace, once the reader is ready; note when each was sent."""
    data = memoryview(Path(file).read_bytes())
    sent = np.zeros(len(data) // SIZE)
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not Path(ready).exists():
            time.sleep(0.01)
        begun = time.monotonic()
        for i in range(len(sent)):
            due = begun + i * SIZE / PACE
            while (now := time.monotonic()) < due:
                time.sleep(due - now)
            sent[i] = now
            connection.sendall(data[i * SIZE : (i + 1) * SIZE])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    np.save(times, sent)


def read(folder: str, times: str, count: str) -> None:
    """Follow the newest run; note when each packet is there."""
    from eicpy.runs.provider.provide import provide

    came = np.zeros(int(count))
    seen = 0
    index_packets(bytes(64), bench_instrument().headers)  # loads what is compiled
    with provide(RunArchive(Path(folder), "bench"), bench_instrument()) as provider:
        provider.poll()
        Path(f"{times}.ready").touch()
        for increment in provider.stream():
            came[seen : seen + len(increment)] = time.monotonic()
            seen += len(increment)
            if seen >= len(came):
                break
    np.save(times, came)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", help=argparse.SUPPRESS)
    part = parser.parse_args().part
    if part:
        {"send": send, "pace": pace, "read": read}[part[0]](*part[1:])
        return
    for row in rows():
        print(f"{row['work']}\n  ours: {row['ours']}\n  {row['peer']}")
        sign = "at least" if row["unit"].startswith("×") else "at most"
        print(f"  {row['ratio']:.3g} {row['unit']} ({sign} {row['target']:g})")


if __name__ == "__main__":
    main()
