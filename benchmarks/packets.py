"""Packets: speed from a file to columns, beside ccsdspy.

Event packets have 1002 bytes: a PUS header with a CUC time of 4 + 2 bytes, 123 photons of eight bytes in the
fields of the ECLAIRs reference layout, a CRC-16; eight APIDs, sequence counts that roll over. Housekeeping
packets have 117 bytes with 40 parameters of 1 to 64 bits, integers and floats; three APIDs.

Ours: memory map, index, CRC-16 of every packet, columns per APID. ccsdspy: split by APID, columns per APID in
its fastest way (the photons as 64-bit words that numpy takes apart), no CRC, on a slice of the same file. The
contestants take turns; processor time is taken, the best of several rounds; compilation is left out.

    python benchmarks/packets.py
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.packets import (
    PacketHeaderRule,
    PacketLayout,
    decode,
    encode,
    index_packets,
    map_file,
)

PER_PACKET = 123
EVENT_APIDS = tuple(range(810, 818))
HK_APIDS = tuple(range(820, 823))
TURNS = 7
FIELDS = {"TIME": 32, "DETNUM": 13, "CHANNEL": 10, "MULTIPLICITY": 4, "FLAGS": 5}
HK_TYPES = (
    [("float", 64)] * 2
    + [("float", 32)] * 6
    + [("uint", 32)] * 5
    + [("uint", 16)] * 9
    + [("int", 16)] * 4
    + [("uint", 8)] * 6
    + [("uint", 12)] * 4
    + [("uint", 3)] * 2
    + [("uint", 1)] * 2
)

EVENTS = PacketLayout.parse(
    "name,bit_offset,bit_width,type,repeat\n"
    + "".join(f"{name},{80 if name == 'TIME' else ''},{bits},uint,fill\n" for name, bits in FIELDS.items())
)
HOUSEKEEPING = PacketLayout.parse(
    "name,bit_offset,bit_width,type\n"
    + "".join(f"P{i:02},{80 if i == 0 else ''},{bits},{kind}\n" for i, (kind, bits) in enumerate(HK_TYPES))
)


def rules(apids: tuple[int, ...]) -> list[PacketHeaderRule]:
    return [PacketHeaderRule(apid, "crc16", "pus-a", 32, 16) for apid in apids]


def mixed(parts: list[np.ndarray], size: int) -> bytes:
    """Packets of equal size of several APIDs, one after the other in turn."""
    return np.stack([part.reshape(-1, size) for part in parts], axis=1).tobytes()


def event_file(path: Path, packets: int) -> None:
    rng = np.random.default_rng(1)
    n = packets // len(EVENT_APIDS)
    parts = []
    for apid, rule in zip(EVENT_APIDS, rules(EVENT_APIDS), strict=True):
        photons = {name: rng.integers(0, 1 << bits, n * PER_PACKET) for name, bits in FIELDS.items()}
        counts = np.full(n, PER_PACKET)
        parts.append(
            encode(EVENTS, apid, np.arange(n) + 16000, np.arange(n), 0, {}, photons, counts, header=rule)
        )
    path.write_bytes(mixed(parts, 1002))


def housekeeping_file(path: Path, packets: int) -> None:
    rng = np.random.default_rng(2)
    n = packets // len(HK_APIDS)
    parts = []
    for apid, rule in zip(HK_APIDS, rules(HK_APIDS), strict=True):
        columns: dict[str, Any] = {}
        for i, (kind, bits) in enumerate(HK_TYPES):
            if kind == "float":
                columns[f"P{i:02}"] = rng.normal(size=n)
            else:
                low = -(1 << bits - 1) if kind == "int" else 0
                columns[f"P{i:02}"] = rng.integers(low, low + (1 << bits), n)
        parts.append(encode(HOUSEKEEPING, apid, np.arange(n) + 16000, np.arange(n), 0, columns, header=rule))
    path.write_bytes(mixed(parts, 117))


def ours(path: Path, apids: tuple[int, ...], layout: PacketLayout) -> dict[int, dict[str, np.ndarray]]:
    raw = map_file(path)
    index = index_packets(raw, rules(apids))
    result = {}
    for apid in apids:
        packets = decode(raw, index[(index.apid == apid) & index.good], layout)
        result[apid] = {**packets.columns, **packets.repeated}
    return result


def ccsdspy_fields(fields: list[Any]) -> Any:
    import ccsdspy
    from ccsdspy import PacketArray, PacketField

    logging.getLogger("ccsdspy").setLevel(logging.ERROR)
    head = [PacketArray(name="PUS", data_type="uint", bit_length=8, array_shape=10)]
    tail = [PacketField(name="CRC", data_type="uint", bit_length=16)]
    return ccsdspy.FixedLength([*head, *fields, *tail])


def ccsdspy_events(path: Path) -> dict[int, dict[str, np.ndarray]]:
    from ccsdspy import PacketArray
    from ccsdspy.utils import split_by_apid

    result = {}
    with path.open("rb") as file:
        streams = split_by_apid(file)
    array = PacketArray(name="PHOTONS", data_type="uint", bit_length=64, array_shape=PER_PACKET)
    for apid, stream in streams.items():
        words = ccsdspy_fields([array]).load(stream)["PHOTONS"].reshape(-1)
        result[apid] = {
            "TIME": (words >> 32).astype(np.uint32),
            "DETNUM": (words >> 19 & 0x1FFF).astype(np.uint16),
            "CHANNEL": (words >> 9 & 0x3FF).astype(np.uint16),
            "MULTIPLICITY": (words >> 5 & 0xF).astype(np.uint8),
            "FLAGS": (words & 0x1F).astype(np.uint8),
        }
    return result


def ccsdspy_housekeeping(path: Path) -> dict[int, dict[str, np.ndarray]]:
    from ccsdspy import PacketField
    from ccsdspy.utils import split_by_apid

    fields = [
        PacketField(name=f"P{i:02}", data_type=kind, bit_length=bits)
        for i, (kind, bits) in enumerate(HK_TYPES)
    ]
    with path.open("rb") as file:
        streams = split_by_apid(file)
    return {apid: ccsdspy_fields(fields).load(stream) for apid, stream in streams.items()}


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall time of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.process_time() - cpu, time.perf_counter() - wall


def agree(left: dict[int, dict[str, np.ndarray]], right: dict[int, dict[str, np.ndarray]]) -> None:
    """Stop unless both contestants read the same numbers."""
    for apid, columns in left.items():
        for name, values in columns.items():
            if not np.array_equal(values, right[apid][name], equal_nan=values.dtype.kind == "f"):
                raise SystemExit(f"APID {apid}, {name}: the contestants disagree")


def compare(
    work: str,
    target: float,
    folder: Path,
    make: Callable[[Path, int], None],
    packets: tuple[int, int],
    mine: Callable[[Path], dict[int, dict[str, np.ndarray]]],
    theirs: Callable[[Path], dict[int, dict[str, np.ndarray]]],
) -> dict[str, Any]:
    whole, part = folder / "whole.bin", folder / "part.bin"
    make(whole, packets[0])
    make(part, packets[1])
    agree(mine(part), theirs(part))
    mine(whole)
    times = [(seconds(lambda: mine(whole)), seconds(lambda: theirs(part))) for _ in range(TURNS)]
    size, small = whole.stat().st_size / 1e6, part.stat().st_size / 1e6
    cpu = size / min(t[0][0] for t in times), small / min(t[1][0] for t in times)
    wall = size / min(t[0][1] for t in times), small / min(t[1][1] for t in times)
    return {
        "work": work,
        "ours": f"{cpu[0]:.0f} MB/s processor, {wall[0]:.0f} MB/s wall, CRC checked",
        "peer": f"ccsdspy: {cpu[1]:.0f} MB/s processor, {wall[1]:.0f} MB/s wall, no CRC",
        "ratio": cpu[0] / cpu[1],
        "target": target,
        "unit": "×",
    }


def rows() -> list[dict[str, Any]]:
    """Measurements for ``run.py``."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            compare(
                "event packets: file → index → CRC → columns",
                10.0,
                Path(folder),
                event_file,
                (120_000, 24_000),
                lambda path: ours(path, EVENT_APIDS, EVENTS),
                ccsdspy_events,
            ),
            compare(
                "housekeeping packets, 40 parameters: file → index → CRC → columns",
                7.0,
                Path(folder),
                housekeeping_file,
                (420_000, 90_000),
                lambda path: ours(path, HK_APIDS, HOUSEKEEPING),
                ccsdspy_housekeeping,
            ),
        ]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for row in rows():
        print(f"{row['work']}\n  ours: {row['ours']}\n  {row['peer']}")
        print(f"  {row['ratio']:.1f} × (at least {row['target']:.0f} ×)")


if __name__ == "__main__":
    main()
