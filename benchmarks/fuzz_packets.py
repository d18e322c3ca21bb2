"""Fuzz the finding, judging and decoding of packets: a long job, guided by the coverage of the kernels.

    make fuzz FUZZ_TIME=600

Needs atheris, which is no dependency of the project: the target puts it into an environment of its own.
``NUMBA_DISABLE_JIT=1``, which it sets, lets the fuzzer see which lines of the kernels
an input reaches, and every access to memory is checked (:mod:`eicpy.packets.plain_bits`). The corpus is
a folder, filled as it goes; what goes wrong is left as ``crash-*`` or ``timeout-*``; give that file as the
only argument to see it again.

An input is read as a list of what happens to a stream: packets of telemetry and telecommands, with gaps,
copies, flipped bits, cuts and bytes that belong to nothing. What must hold, whatever it was, is in `check`.
"""

import binascii
import random
import struct
import sys
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import xor
from types import FunctionType

import numpy as np

from eicpy.instruments import load
from eicpy.packets import (
    PacketHeaderRule,
    PacketIndex,
    PacketIndexer,
    PacketLayout,
    PacketStatus,
    continuity,
    decode,
    index_packets,
    packet_identity,
    segment_groups,
    select,
)

__all__ = ["Case", "build", "check", "main"]

APIDS = (900, 901, 910, 12)
CHECKSUMS = ("crc16", "none", "xor16", "iso16")
MOST_BYTES = 6000


@dataclass
class Case:
    """A stream, how it is cut, and what is known of it."""

    checksum: str
    described: bool
    raw: bytes = b""
    chunks: list[int] = field(default_factory=list)
    intact: list[int] = field(default_factory=list)
    """Where undamaged packets begin."""

    @property
    def rules(self) -> tuple[PacketHeaderRule, ...] | None:
        """Header rules, or None to learn all from the stream."""
        if not self.described:
            return None
        secondary = ("pus-c", "pus-c", "pus-a", "none")
        return tuple(
            PacketHeaderRule(a, self.checksum, s, fine_bits=24) for a, s in zip(APIDS, secondary, strict=True)
        )


class _Bytes:
    """The input of the fuzzer, taken from the front; 0 behind its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at].ljust(size, b"\0")


def packet(apid: int, count: int, body: bytes, *, command: bool, flags: int, checksum: str) -> bytes:
    """A packet, made without the code that is tested."""
    if checksum == "xor16" and len(body) % 2:
        body += b"\0"
    trailer = 0 if checksum == "none" else 2
    word = command << 12 | 0x0800 | apid
    head = struct.pack(">HHH", word, flags << 14 | count % 16384, len(body) + trailer - 1)
    return head + body + _CHECKSUMS[checksum](head + body)


def _crc16(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def _xor16(data: bytes) -> bytes:
    return bytes([reduce(xor, data[0::2], 0), reduce(xor, data[1::2], 0)])


def _iso16(data: bytes) -> bytes:
    first = second = 0
    for byte in data:
        first = (first + byte) % 255
        second = (second + first) % 255
    return bytes([255 - (first + second) % 255, second or 255])


_CHECKSUMS = {"none": lambda _: b"", "crc16": _crc16, "xor16": _xor16, "iso16": _iso16}


def build(data: bytes) -> Case:
    """The stream that an input stands for."""
    source = _Bytes(data[:MOST_BYTES])
    mode = source.byte()
    case = Case(CHECKSUMS[mode & 3], described=bool(mode & 4))
    generator = random.Random(source.byte())  # noqa: S311  # where to cut is no secret
    if mode & 128:
        case.raw = source.take(max(len(data) - source.at, 0))
    else:
        _write(case, source)
    left = len(case.raw)
    while left > 0:
        case.chunks.append(min(left, generator.choice((1, 2, 5, 6, 7, 30, 100, 1000))))
        left -= case.chunks[-1]
    return case


def _write(case: Case, source: _Bytes) -> None:
    counts: dict[tuple[int, bool], int] = {}
    parts: list[bytes] = []
    last = b""
    at = 0
    while source and at < MOST_BYTES:
        what = source.byte()
        apid, command = APIDS[what >> 3 & 3], bool(what & 32)
        whole = True
        if what & 7 == 7:
            part, whole = source.take(source.byte() & 63), False
        elif what & 7 == 6:
            counts[apid, command] = counts.get((apid, command), 0) + source.byte()
            continue
        elif what & 7 == 5 and last:
            part = last
        else:
            count = counts.get((apid, command), 0)
            counts[apid, command] = count + 1
            shape = source.byte()
            flags = source.byte() & 3 if what & 64 else 3
            start = bytes([0x2D, 210, 1 + (shape & 1)]) if what & 128 else source.take(3)
            body = start + source.take(shape >> 2)
            last = part = packet(apid, count, body, command=command, flags=flags, checksum=case.checksum)
            if what & 7 == 4:
                part, whole = _harmed(part, source), False
        if whole:
            case.intact.append(at)
        parts.append(part)
        at += len(part)
    case.raw = b"".join(parts)


def _harmed(part: bytes, source: _Bytes) -> bytes:
    """A packet with a flipped bit, or without its end."""
    how = source.byte()
    if how & 1:
        return part[: (how >> 1) % len(part)]
    bit = (how << 8 | source.byte()) % (8 * len(part))
    changed = bytearray(part)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


@cache
def _layouts() -> dict[str, PacketLayout]:
    detector = load("dpix-prototype")
    return {name: PacketLayout.read(detector.layout_file(name)) for name in detector.packets}


def check(case: Case) -> None:
    """What must hold of every stream.

    Raises
    ------
    AssertionError
        If it does not.
    """
    index = index_packets(case.raw, case.rules)
    _covers(index, len(case.raw))
    indexer, at, pieces = PacketIndexer(case.rules), 0, []
    for size in case.chunks:
        pieces.append(indexer.feed(case.raw[at : at + size]))
        at += size
    pieces.append(indexer.finish())
    assert PacketIndex.concatenate(pieces) == index, "the result depends on how the stream was cut"
    if case.described and case.checksum == "crc16":
        _nothing_lost(case, index)
    judged = {commands: continuity(index, commands=commands) for commands in (False, True)}
    named = int((index.status != PacketStatus.BAD_HEADER).sum())
    told = sum(one.received + one.damaged for direction in judged.values() for one in direction.values())
    assert told == named, f"{told} packets are judged, {named} are there"
    for commands, of_apids in judged.items():
        for groups in segment_groups(index, of_apids, commands=commands).values():
            assert sum(len(group.rows) for group in groups) == len(groups.rows)
    with np.errstate(over="ignore"):  # the arithmetic modulo 2**64 of plain numpy warns
        assert len(packet_identity(case.raw, index)) == len(index)
    kinds = load("dpix-prototype").packets
    for name, layout in _layouts().items():
        chosen = index[select(case.raw, index, kinds[name], layout)]
        decoded = decode(case.raw, chosen, layout)
        assert len(decoded) == len(chosen)


def _covers(index: PacketIndex, size: int) -> None:
    places = sorted(
        [*zip(index.offset.tolist(), index.length.tolist(), strict=True)]
        + [(gap.offset, gap.length) for gap in index.skipped]
    )
    at = 0
    for start, length in places:
        assert start == at, f"byte {at} is told {'twice' if start < at else 'nowhere'}"
        assert length > 0, f"nothing is told at byte {at}"
        at += length
    assert at == size, f"{at} bytes are told, {size} are there"


def _nothing_lost(case: Case, index: PacketIndex) -> None:
    """Every intact packet is found, unless something else with a right checksum lies over it."""
    good = set(index.offset[index.good].tolist())
    missing = [at for at in case.intact if at not in good]
    if not missing:
        return
    others = [place for place in _all_right(case.raw) if place[0] not in set(case.intact)]
    for at in missing:
        end = at + int.from_bytes(case.raw[at + 4 : at + 6], "big") + 7
        covered = any(start < end and at < stop for start, stop in others)
        assert covered, f"the intact packet at byte {at} is lost"


def _all_right(raw: bytes) -> list[tuple[int, int]]:
    """Every place where a known APID and a right checksum stand, by brute force."""
    found = []
    for at in range(len(raw) - 7):
        word, _, length = struct.unpack_from(">HHH", raw, at)
        whole = raw[at : at + length + 7]
        known = word >> 13 == 0 and word & 2047 in APIDS and len(whole) == length + 7 >= 8
        if known and binascii.crc_hqx(whole, 0xFFFF) == 0:
            found.append((at, at + length + 7))
    return found


def main(arguments: list[str]) -> None:
    """Fuzz until told to stop; arguments are those of libFuzzer."""
    import atheris  # no dependency of the project

    def once(data: bytes) -> None:
        check(build(data))

    for name, module in list(sys.modules.items()):
        if name.startswith("eicpy.packets"):
            for thing in vars(module).values():
                for function in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
                    if isinstance(function, FunctionType) and function.__module__ == name:
                        atheris.instrument_func(function)
    atheris.Setup(arguments, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
