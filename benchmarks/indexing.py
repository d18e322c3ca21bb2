"""Indexing of healthy streams, per packet, beside another state of the package; memory of many counters.

    python benchmarks/indexing.py [--against CHECKOUT] [--turns 9] [--only WORD]

Packets of four APIDs with a PUS-A header, with a CRC-16 and without any checksum, of 1008, 123 and 36 bytes.
They are indexed with their rules given and with everything learnt, and surveyed alone, which is the part of
the learning. Two processes take turns if another checkout is given: processor time, the best of the turns.

Memory: 2000 APIDs with 20 packets each, whose sequence counts are random, judged in pieces.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from eicpy.packets import PacketHeaderRule, PacketHeaders, PacketLayout, encode, index_packets
from eicpy.packets.buffers import as_byte_array
from eicpy.packets.survey import survey

APIDS = (810, 811, 812, 813)
BYTES = PacketLayout.parse("name,bit_offset,bit_width,type,repeat\nBYTE,80,8,uint,fill\n")
SIZES = {1008: 20_000, 123: 100_000, 36: 200_000}
HOSTILE_APIDS = 2000


def stream(size: int, packets: int, checksum: str) -> bytes:
    """Packets of the APIDs in turn."""
    rng = np.random.default_rng(1)
    each, body = packets // len(APIDS), size - (18 if checksum == "crc16" else 16)
    parts = []
    for apid in APIDS:
        headers = PacketHeaders(apid, np.arange(each) + 16000, np.arange(each), 0)
        values = {"BYTE": rng.integers(0, 256, each * body)}
        rule = PacketHeaderRule(apid, checksum, "pus-a", 32, 16)
        parts.append(encode(BYTES, headers, {}, values, np.full(each, body), header=rule).reshape(each, -1))
    return np.stack(parts, axis=1).tobytes()


def works() -> dict[str, tuple[Callable[[], object], int]]:
    """What is measured, and of how many packets."""
    found: dict[str, tuple[Callable[[], object], int]] = {}
    for checksum in ("crc16", "none"):
        rules = [PacketHeaderRule(apid, checksum, "pus-a", 32, 16) for apid in APIDS]
        for size, packets in SIZES.items():
            raw = stream(size, packets, checksum)
            name = f"{checksum}, {size} bytes"
            found[f"{name}, learnt"] = partial(index_packets, raw), packets
            found[f"{name}, rules"] = partial(index_packets, raw, rules), packets
            found[f"{name}, survey"] = partial(survey, as_byte_array(raw)), packets
    return found


def resident() -> float:
    """Memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def hostile_memory() -> float:
    """Memory that many counters take, MB."""
    from eicpy.packets.counts.streams import CountedStream, packet_columns  # not in every checkout

    rng = np.random.default_rng(2)
    apids = np.tile(np.arange(HOSTILE_APIDS), 20)
    counts = rng.integers(0, 16384, len(apids))
    words = np.stack([apids, 0xC000 | counts, np.zeros_like(apids)], axis=1).astype(">u2")
    packets = np.concatenate([words.view(np.uint8), np.full((len(apids), 1), 7, np.uint8)], axis=1)
    index = index_packets(packets.tobytes(), [PacketHeaderRule(apid) for apid in range(HOSTILE_APIDS)])
    columns = packet_columns(index)
    few = index[:2000]
    CountedStream().feed(few.apid, np.arange(len(few)), packet_columns(few), final=True)  # compile
    judge = CountedStream()
    before = resident()
    judge.feed(index.apid, np.arange(len(index)), columns)
    return resident() - before


def serve() -> None:
    """Measure what the other process asks for, ns per packet."""
    known = works()
    for work, _ in known.values():
        work()
    print(json.dumps(list(known)), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(hostile_memory(), flush=True)
            continue
        work, packets = known[line.strip()]
        begun = time.process_time()
        work()
        print((time.process_time() - begun) / packets * 1e9, flush=True)


def contestant(checkout: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def asked(process: "subprocess.Popen[str]", name: str) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(name + "\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout of the package")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--only", default="", help="works whose name has this word")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    here = Path(__file__).resolve().parent.parent
    processes = [contestant(path) for path in (here, options.against) if path is not None]
    for process in processes:
        assert process.stdout is not None
        names = json.loads(process.stdout.readline())
    for name in (name for name in names if options.only in name):
        rounds = [[asked(process, name) for process in processes] for _ in range(options.turns)]
        best = np.min(rounds, axis=0)
        ratio = f", {best[0] / best[1]:.2f} × the other" if len(best) > 1 else ""
        print(f"{name:28}" + ", ".join(f"{ns:7.1f}" for ns in best) + f" ns per packet{ratio}", flush=True)
    if options.only in "memory":
        print(f"memory of {HOSTILE_APIDS} counters: {asked(processes[0], 'memory'):.0f} MB")
    for process in processes:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
