"""Streams of packets whose truth is known, made without the code under test."""

import binascii
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest


def make_packet(
    apid: int,
    count: int,
    data: bytes,
    *,
    flags: int = 3,
    checksum: str = "crc16",
    secondary: bool = False,
) -> bytes:
    """A packet with its checksum, by struct and binascii alone."""
    trailer = 0 if checksum == "none" else 2
    head = struct.pack(">HHH", secondary << 11 | apid, flags << 14 | count % 16384, len(data) + trailer - 1)
    packet = head + data
    if checksum == "crc16":
        return packet + binascii.crc_hqx(packet, 0xFFFF).to_bytes(2, "big")
    if checksum == "xor16":
        assert len(packet) % 2 == 0
        words = np.frombuffer(packet, dtype=">u2")
        return packet + int(np.bitwise_xor.reduce(words)).to_bytes(2, "big")
    return packet


@dataclass
class Damaged:
    """A damaged stream and what is true of it."""

    raw: bytes
    intact: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    foreign: int = 0


def damage(packets: list[bytes], rng: np.random.Generator, flips: int = 50) -> Damaged:
    """One bad length, 100 lost bytes, 300 foreign bytes, bit flips, a duplicate and a truncated tail."""
    chosen = rng.choice(np.arange(5, len(packets) - 5, 4), flips + 4, replace=False).tolist()
    bad_length, lost, foreign, twice = chosen[:4]
    flipped = set(chosen[4:])
    truth = Damaged(b"")
    pieces: list[bytes] = []
    at = 0
    for number, whole in enumerate(packets):
        packet = whole
        harmed = True
        if number in flipped:
            changed = bytearray(packet)
            bit = int(rng.integers(0, 8 * len(changed)))
            changed[bit >> 3] ^= 1 << (bit & 7)
            packet = bytes(changed)
        elif number == bad_length:
            changed = bytearray(packet)
            changed[4:6] = (
                (int.from_bytes(changed[4:6], "big") + int(rng.integers(1, 65536))) % 65536
            ).to_bytes(2, "big")
            packet = bytes(changed)
        elif number == lost:
            cut = int(rng.integers(6, len(packet) - 100))
            packet = packet[:cut] + packet[cut + 100 :]
        elif number == len(packets) - 1:
            packet = packet[: len(packet) // 2]
        else:
            harmed = False
        (truth.damaged if harmed else truth.intact).append(at)
        pieces.append(packet)
        at += len(packet)
        if number == twice:
            pieces.append(packet)
            truth.intact.append(at)
            at += len(packet)
        if number == foreign:
            pieces.append(rng.integers(0, 256, 300, dtype=np.uint8).tobytes())
            truth.foreign = 300
            at += 300
    truth.raw = b"".join(pieces)
    return truth


def make_stream(
    rng: np.random.Generator,
    number: int,
    *,
    size: int | None = 986,
    apids: int = 8,
    checksum: str = "crc16",
    first_count: int = 16000,
) -> list[bytes]:
    """Packets of several APIDs, each with its own running count; random sizes where `size` is None."""
    counts = dict.fromkeys(range(100, 100 + apids), first_count)
    packets = []
    for _ in range(number):
        apid = int(rng.integers(100, 100 + apids))
        length = size if size is not None else 2 * int(rng.integers(5, 400))
        data = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        packets.append(make_packet(apid, counts[apid], data, checksum=checksum))
        counts[apid] += 1
    return packets


@pytest.fixture(scope="session")
def packet() -> Callable[..., bytes]:
    """Maker of one packet."""
    return make_packet


@pytest.fixture(scope="session")
def stream() -> Callable[..., list[bytes]]:
    """Maker of a list of packets."""
    return make_stream


@pytest.fixture(scope="session")
def harm() -> Callable[..., Damaged]:
    """Maker of a damaged stream."""
    return damage
