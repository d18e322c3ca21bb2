"""Packets without a checksum, found in damaged streams whose truth is known: a long job.

    python benchmarks/bare_packets.py [--streams 30] [--packets 400] [--first-seed 0]

Each stream has 1 to 6 APIDs, packets of variable length whose payload is random, sparse or zero, 2 % of them
with one flipped bit anywhere, bytes of no packet in between, and packets that are missing. Some streams have
a spacing: bytes before or behind every packet. They are indexed with rules given and without any. Counted are

missed
    intact packets that are not in the index as good, with their own extent;
invented
    good packets of an APID that the stream does not have;
false
    good packets where none begins;
accepted
    damaged packets that are good in the index. Without a checksum a flipped bit of the payload cannot show,
    nor one that makes another likely header: these are counted by the field that was hit, and are no fault.

The result must be the same for pieces of the stream as for the whole.
"""

import argparse
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from eicpy.packets import PacketHeaderRule, PacketIndex, PacketIndexer, PacketStatus, index_packets

__all__ = ["SPACINGS", "Stream", "Tally", "judge", "make_stream"]

PAYLOADS = ("random", "sparse", "zero")
FIELDS = ("version", "type", "secondary", "apid", "flags", "count", "length", "payload")
_FIELD_OF_BIT = (
    ["version"] * 3 + ["type", "secondary"] + ["apid"] * 11 + ["flags"] * 2 + ["count"] * 14 + ["length"] * 16
)


@dataclass
class Stream:
    """A stream and what is true of it."""

    raw: bytes
    apids: tuple[int, ...]
    intact: dict[int, int] = field(default_factory=dict)
    """Length of each intact packet by its position."""
    damaged: dict[int, str] = field(default_factory=dict)
    """Field in which a bit is flipped, by the position of the packet."""

    @property
    def rules(self) -> list[PacketHeaderRule]:
        """Header rules of all APIDs."""
        return [PacketHeaderRule(apid) for apid in self.apids]


def packet(apid: int, count: int, body: bytes) -> bytes:
    """A telemetry packet without a secondary header or a checksum."""
    return struct.pack(">HHH", apid, 3 << 14 | count % 16384, len(body) - 1) + body


def _payload(kind: str, size: int, rng: np.random.Generator) -> bytes:
    if kind == "zero":
        return bytes(size)
    body = rng.integers(0, 256, size, dtype=np.uint8)
    if kind == "sparse":
        body[rng.random(size) < 0.9] = 0
    return body.tobytes()


def no_spacing(_rng: np.random.Generator, _packet: bytes) -> tuple[bytes, bytes]:
    """Nothing between packets."""
    return b"", b""


SPACINGS = {
    "none": no_spacing,
    "EB90 before": lambda _rng, _packet: (b"\xeb\x90", b""),
    "2 foreign before": lambda rng, _packet: (rng.bytes(2), b""),
    "4 foreign before": lambda rng, _packet: (rng.bytes(4), b""),
    "8 foreign before": lambda rng, _packet: (rng.bytes(8), b""),
    "24 foreign before": lambda rng, _packet: (rng.bytes(24), b""),
    "32-bit length before": lambda _rng, packet: (struct.pack(">I", len(packet)), b""),
    "2 behind": lambda rng, _packet: (b"", rng.bytes(2)),
    "12 zeros behind": lambda _rng, _packet: (b"", bytes(12)),
    "filled to 4": lambda _rng, packet: (b"", bytes(-len(packet) % 4)),
    "filled to 8": lambda _rng, packet: (b"", bytes(-len(packet) % 8)),
    "2 or 8 before": lambda rng, _packet: (rng.bytes(int(rng.choice([2, 8]))), b""),
}
"""What stands before and behind each packet."""


def make_stream(
    rng: np.random.Generator,
    packets: int = 400,
    *,
    spacing: str = "none",
    flips: float = 0.02,
    garbage: float = 0.01,
    gaps: float = 0.01,
    payload: str | None = None,
    apids: int | None = None,
    apid_flips: bool = False,
) -> Stream:
    """A stream as it is described above; what is None is chosen at random."""
    chosen = rng.choice(
        np.arange(1, 2047), int(rng.integers(1, 7)) if apids is None else apids, replace=False
    )
    kind = payload or str(rng.choice(PAYLOADS))
    counts = {int(apid): int(rng.integers(0, 16384)) for apid in chosen}
    longest = int(rng.choice([40, 120, 300]))
    stream = Stream(b"", tuple(counts))
    parts: list[bytes] = []
    at = 0

    def add(part: bytes) -> int:
        nonlocal at
        parts.append(part)
        at += len(part)
        return at - len(part)

    for _ in range(packets):
        apid = int(rng.choice(chosen))
        if rng.random() < gaps:
            counts[apid] += int(rng.integers(1, 50))
        whole = packet(apid, counts[apid], _payload(kind, int(rng.integers(1, longest)), rng))
        counts[apid] += 1
        before, behind = SPACINGS[spacing](rng, whole)
        add(before)
        if rng.random() < flips:
            bit = int(rng.integers(5, 16) if apid_flips else rng.integers(0, 8 * len(whole)))
            changed = bytearray(whole)
            changed[bit >> 3] ^= 128 >> (bit & 7)
            where = _FIELD_OF_BIT[bit] if bit < len(_FIELD_OF_BIT) else "payload"
            stream.damaged[add(bytes(changed))] = where
        else:
            stream.intact[add(whole)] = len(whole)
        add(behind)
        if rng.random() < garbage:
            add(rng.bytes(int(rng.integers(1, 200))))
    stream.raw = b"".join(parts)
    return stream


@dataclass
class Tally:
    """What came of the packets of one or more streams."""

    intact: int = 0
    missed: int = 0
    invented: int = 0
    false: int = 0
    uneven: int = 0
    accepted: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: "Tally") -> Self:
        for name in ("intact", "missed", "invented", "false", "uneven"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.accepted += other.accepted
        return self

    @property
    def found(self) -> float:
        """Part of the intact packets that were found."""
        return 1 - self.missed / max(self.intact, 1)

    def __str__(self) -> str:
        accepted = ", ".join(f"{self.accepted[name]} {name}" for name in FIELDS if self.accepted[name])
        return (
            f"{self.intact} intact, {self.missed} missed ({100 * self.found:.2f} % found), "
            f"{self.invented} invented, {self.false} false, {self.uneven} uneven; "
            f"accepted: {accepted or 'none'}"
        )


def judge(stream: Stream, index: PacketIndex) -> Tally:
    """Compare an index with the truth."""
    good = index.good
    found = dict(zip(index.offset[good].tolist(), index.length[good].tolist(), strict=True))
    apids = dict(zip(index.offset[good].tolist(), index.apid[good].tolist(), strict=True))
    tally = Tally(intact=len(stream.intact))
    tally.missed = sum(found.get(at) != length for at, length in stream.intact.items())
    tally.invented = sum(apid not in stream.apids for apid in apids.values())
    tally.false = sum(at not in stream.intact and at not in stream.damaged for at in found)
    tally.accepted.update(where for at, where in stream.damaged.items() if at in found)
    return tally


def in_pieces(stream: Stream, rules: list[PacketHeaderRule] | None, rng: np.random.Generator) -> PacketIndex:
    """The index of a stream that arrives in pieces."""
    indexer = PacketIndexer(rules, survey_bytes=len(stream.raw) + 1)
    parts, at = [], 0
    while at < len(stream.raw):
        size = int(rng.integers(1, 400))
        parts.append(indexer.feed(stream.raw[at : at + size]))
        at += size
    return PacketIndex.concatenate([*parts, indexer.finish()])


def compare(stream: Stream, rng: np.random.Generator, *, rules: bool, show: bool = False) -> Tally:
    """Index a stream as a whole and in pieces, and compare both with the truth."""
    given = stream.rules if rules else None
    index = index_packets(stream.raw, given)
    tally = judge(stream, index)
    tally.uneven = int(in_pieces(stream, given, rng) != index)
    if show and (tally.missed or tally.invented or tally.false):
        _show(stream, index)
    return tally


def _show(stream: Stream, index: PacketIndex) -> None:
    """Print the rows around each fault."""
    rows = [
        (int(o), int(n), f"APID {a} #{c} {PacketStatus(int(s)).name}")
        for o, n, a, c, s in zip(
            index.offset, index.length, index.apid, index.sequence_count, index.status, strict=True
        )
    ]
    rows = sorted(rows + [(g.offset, g.length, f"-- {g.reason}") for g in index.skipped])
    good = {at: n for (at, n, text) in rows if text.endswith("GOOD")}
    wrong = [at for at, n in stream.intact.items() if good.get(at) != n]
    wrong += [at for at in good if at not in stream.intact and at not in stream.damaged]
    print(f"  APIDs {stream.apids}, {len(stream.raw)} bytes")
    for at in sorted(wrong)[:5]:
        print(f"  at {at}: intact {stream.intact.get(at)}")
        near = [p for p in sorted({**stream.intact, **stream.damaged}) if at - 400 < p < at + 400]
        print("    truth:", [(p, stream.intact.get(p) or stream.damaged[p]) for p in near][:8])
        for row in [r for r in rows if r[0] + r[1] > at - 300 and r[0] < at + 300][:8]:
            print("    index:", *row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=30)
    parser.add_argument("--packets", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--spacing", choices=[*SPACINGS, "all"], default="all")
    parser.add_argument("--apid-flips", action="store_true", help="flip bits of the APID only")
    parser.add_argument("--show", action="store_true", help="print the rows around each fault")
    options = parser.parse_args()
    for spacing in SPACINGS if options.spacing == "all" else [options.spacing]:
        for rules in (True, False):
            total = Tally()
            for seed in range(options.first_seed, options.first_seed + options.streams):
                rng = np.random.default_rng(seed)
                stream = make_stream(rng, options.packets, spacing=spacing, apid_flips=options.apid_flips)
                tally = compare(stream, rng, rules=rules, show=options.show)
                if options.show and (tally.missed or tally.invented or tally.false or tally.uneven):
                    print(f" seed {seed}: {tally}")
                total += tally
            print(f"{spacing}, {'with rules' if rules else 'automatic'}: {total}", flush=True)


if __name__ == "__main__":
    main()
