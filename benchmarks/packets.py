"""Packets: speed from a file to columns, beside ccsdspy.

Event packets have 1002 bytes: a PUS header with a CUC time of 4 + 2 bytes, 123 photons of eight bytes in the
fields of the ECLAIRs reference layout, a CRC-16; eight APIDs, sequence counts that roll over. Housekeeping
packets have 117 bytes with 40 parameters of 1 to 64 bits, integers and floats; three APIDs.

Ours: memory map, index, CRC-16 of every packet, columns per APID. ccsdspy: columns per APID, the photons as
64-bit words that numpy takes apart, which is its fastest way; no CRC. It is used in two ways, of which
the faster counts: split by APID first, as its manual says; or read all packets as one APID, which works
because here all have one layout, and sort them afterwards. All read the same file and take turns; processor
time is taken, the best of several rounds; compilation is left out.

    python benchmarks/packets.py
"""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from eicpy.packets import (
    PacketHeaderRule,
    PacketHeaders,
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
            encode(
                EVENTS,
                PacketHeaders(apid, np.arange(n) + 16000, np.arange(n), 0),
                {},
                photons,
                counts,
                header=rule,
            )
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
        parts.append(
            encode(
                HOUSEKEEPING, PacketHeaders(apid, np.arange(n) + 16000, np.arange(n), 0), columns, header=rule
            )
        )
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


def peer_split(path: Path, fields: list[Any]) -> dict[int, dict[str, np.ndarray]]:
    """Split the file by APID, then read each part."""
    from ccsdspy.utils import split_by_apid

    with path.open("rb") as file:
        streams = split_by_apid(file)
    return {apid: ccsdspy_fields(fields).load(stream) for apid, stream in streams.items()}


def peer_together(path: Path, fields: list[Any]) -> dict[int, dict[str, np.ndarray]]:
    """Read all packets as if they were of one APID, then sort them."""
    columns = ccsdspy_fields(fields).load(str(path), include_primary_header=True)
    apids = columns["CCSDS_APID"]
    names = [name for name in columns if name not in {"PUS", "CRC"} and not name.startswith("CCSDS")]
    return {apid: {n: columns[n][apids == apid] for n in names} for apid in np.unique(apids).tolist()}


Peer = Callable[[Path, list[Any]], dict[int, dict[str, np.ndarray]]]


def peer_events(path: Path, read: Peer) -> dict[int, dict[str, np.ndarray]]:
    from ccsdspy import PacketArray

    array = PacketArray(name="PHOTONS", data_type="uint", bit_length=64, array_shape=PER_PACKET)
    result = {}
    for apid, columns in read(path, [array]).items():
        words = columns["PHOTONS"].reshape(-1)
        result[apid] = {
            "TIME": (words >> 32).astype(np.uint32),
            "DETNUM": (words >> 19 & 0x1FFF).astype(np.uint16),
            "CHANNEL": (words >> 9 & 0x3FF).astype(np.uint16),
            "MULTIPLICITY": (words >> 5 & 0xF).astype(np.uint8),
            "FLAGS": (words & 0x1F).astype(np.uint8),
        }
    return result


def peer_housekeeping(path: Path, read: Peer) -> dict[int, dict[str, np.ndarray]]:
    from ccsdspy import PacketField

    fields = [
        PacketField(name=f"P{i:02}", data_type=kind, bit_length=bits)
        for i, (kind, bits) in enumerate(HK_TYPES)
    ]
    return read(path, fields)


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
    path: Path,
    mine: Callable[[Path], dict[int, dict[str, np.ndarray]]],
    theirs: Callable[[Path, Peer], dict[int, dict[str, np.ndarray]]],
) -> dict[str, Any]:
    roads: dict[str, Peer] = {"split by APID": peer_split, "read together": peer_together}
    for road in roads.values():
        agree(mine(path), theirs(path, road))
    contestants = {"ours": lambda: mine(path)} | {
        name: partial(theirs, path, road) for name, road in roads.items()
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, run in contestants.items():
            times[name].append(seconds(run))
    size = path.stat().st_size / 1e6
    cpu, wall = ({name: size / min(t[i] for t in pairs) for name, pairs in times.items()} for i in (0, 1))
    best = max(roads, key=cpu.__getitem__)
    peers = ", ".join(f"{name} {cpu[name]:.0f} MB/s processor, {wall[name]:.0f} MB/s wall" for name in roads)
    return {
        "work": work,
        "ours": f"{cpu['ours']:.0f} MB/s processor, {wall['ours']:.0f} MB/s wall, CRC checked",
        "peer": f"ccsdspy, {size:.0f} MB: {peers}; no CRC",
        "ratio": cpu["ours"] / cpu[best],
        "target": target,
        "unit": "×",
    }


def rows() -> list[dict[str, Any]]:
    """Measurements for ``run.py``."""
    with tempfile.TemporaryDirectory() as folder:
        events, parameters = Path(folder) / "events.bin", Path(folder) / "housekeeping.bin"
        event_file(events, 120_000)
        housekeeping_file(parameters, 480_000)
        return [
            compare(
                "event packets: file → index → CRC → columns",
                12.0,
                events,
                lambda path: ours(path, EVENT_APIDS, EVENTS),
                peer_events,
            ),
            compare(
                "housekeeping packets, 40 parameters: file → index → CRC → columns",
                7.0,
                parameters,
                lambda path: ours(path, HK_APIDS, HOUSEKEEPING),
                peer_housekeeping,
            ),
        ]


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    for row in rows():
        print(f"{row['work']}\n  ours: {row['ours']}\n  {row['peer']}")
        print(f"  {row['ratio']:.1f} × (at least {row['target']:.0f} ×)")


if __name__ == "__main__":
    main()
