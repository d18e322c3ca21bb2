"""Transfer frames around packets, built by the standards' figures alone (CCSDS 132.0-B-3, 732.0-B-4)."""

import binascii
from dataclasses import dataclass, field

import numpy as np

MARKER = bytes.fromhex("1acffc1d")


@dataclass
class FrameBuilder:
    """Builds the frames of a spacecraft; frame counts go on from call to call."""

    service: str = "TM"
    length: int = 1115
    marker: bool = True
    check: bool = True
    control: bool = False
    secondary: int = 0
    """TM: bytes of the secondary header, its first byte included."""
    zone: int = 0
    """AOS: bytes between primary header and M_PDU header."""
    spacecraft: int = 0x123
    symbols: int = 0
    """Check symbols after each frame (random bytes: nobody decodes them here)."""
    master: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))
    kept: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def room(self) -> int:
        """Bytes of a data field."""
        head = 6 + self.secondary if self.service == "TM" else 6 + self.zone + 2
        return self.length - head - 4 * self.control - 2 * self.check

    def frame(self, channel: int, pointer: int, data: bytes, *, synchronous: bool = False) -> bytes:
        """One frame."""
        assert len(data) == self.room
        count = self.counts.get(channel, 0)
        self.counts[channel] = count + 1
        if self.service == "TM":
            word = self.spacecraft << 4 | channel << 1 | self.control
            status = (self.secondary > 0) << 15 | synchronous << 14 | 3 << 11 | pointer
            head = (
                word.to_bytes(2, "big") + bytes([self.master % 256, count % 256]) + status.to_bytes(2, "big")
            )
            if self.secondary:
                head += bytes([self.secondary - 1]) + self.rng.bytes(self.secondary - 1)
        else:
            word = 1 << 14 | self.spacecraft << 6 | channel
            head = word.to_bytes(2, "big") + (count % 2**24).to_bytes(3, "big") + b"\0"
            head += self.rng.bytes(self.zone) + pointer.to_bytes(2, "big")
        self.master += 1
        body = head + data + (self.rng.bytes(4) if self.control else b"")
        if self.check:
            body += binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
        return (MARKER if self.marker else b"") + body + self.rng.bytes(self.symbols)

    def idle(self, channel: int) -> bytes:
        """A frame with idle data only."""
        return self.frame(channel, 0x7FE, bytes([0x55]) * self.room)

    def pack(self, channel: int, packets: list[bytes], *, fill: str = "idle packet") -> list[bytes]:
        """Frames that hold these packets; the last one is filled up."""
        stream, starts = b"", []
        for packet in packets:
            starts.append(len(stream))
            stream += packet
        short = -len(stream) % self.room
        if short and fill == "idle packet":
            if short < 7:
                short += self.room
            starts.append(len(stream))
            stream += (
                (0x07FF).to_bytes(2, "big") + b"\xc0\0" + (short - 7).to_bytes(2, "big") + bytes(short - 6)
            )
        elif short:
            stream += bytes(short)
        frames = []
        for at in range(0, len(stream), self.room):
            inside = [start - at for start in starts if at <= start < at + self.room]
            pointer = inside[0] if inside else 0x7FF
            frames.append(self.frame(channel, pointer, stream[at : at + self.room]))
        return frames


def random_packets(
    rng: np.random.Generator,
    number: int,
    apid: int = 100,
    longest: int = 900,
    *,
    checksum: bool = True,
    first: int = 0,
) -> list[bytes]:
    """Packets of random lengths with running counts."""
    packets = []
    for count in range(first, first + number):
        data = rng.bytes(int(rng.integers(1, longest)))
        trailer = 2 * checksum
        head = b"".join(
            word.to_bytes(2, "big") for word in (apid, 0xC000 | count % 16384, len(data) + trailer - 1)
        )
        packet = head + data
        if checksum:
            packet += binascii.crc_hqx(packet, 0xFFFF).to_bytes(2, "big")
        packets.append(packet)
    return packets


def split(stream: bytes, length: int = 7) -> list[bytes]:
    """Packets that stand one after the other, by their lengths."""
    found, at = [], 0
    while at < len(stream):
        size = int.from_bytes(stream[at + 4 : at + 6], "big") + length
        found.append(stream[at : at + size])
        at += size
    return found


def without_idle(packets: list[bytes]) -> list[bytes]:
    """Packets without those that only fill."""
    return [packet for packet in packets if int.from_bytes(packet[:2], "big") & 0x7FF != 0x7FF]


@dataclass
class Sent:
    """Frames of several virtual channels as they were sent, and what is in them.

    Attributes
    ----------
    frames
        Each with its channel and its number in it.
    packets
        For each channel its packets, each with the numbers of its first and last frame.
    """

    frames: list[tuple[bytes, int, int]]
    packets: dict[int, list[tuple[bytes, int, int]]]

    def all_packets(self) -> set[bytes]:
        """All packets."""
        return {packet for channel in self.packets.values() for packet, _, _ in channel}

    def whole(self, harmed: set[tuple[int, int]]) -> set[bytes]:
        """Packets all of whose frames (channel and number) came unharmed."""
        return {
            packet
            for channel, packets in self.packets.items()
            for packet, first, last in packets
            if not any((channel, number) in harmed for number in range(first, last + 1))
        }


class _Fields(FrameBuilder):
    """Keeps pointers and data fields instead of frames."""

    def frame(self, channel: int, pointer: int, data: bytes, *, synchronous: bool = False) -> bytes:
        del channel, synchronous
        self.kept.append((pointer, data))
        return b""


def send(
    rng: np.random.Generator, builder: FrameBuilder, packets: dict[int, list[bytes]], idle: float = 0.0
) -> Sent:
    """Frames of several channels, mixed at random as a link does, with idle ones in between."""
    fields = {}
    sent = Sent([], {})
    for channel, own in packets.items():
        copy = _Fields(**{name: getattr(builder, name) for name in (
            "service", "length", "marker", "check", "control", "secondary", "zone", "spacecraft", "symbols",
        )})  # fmt: skip
        copy.kept = fields[channel] = []
        copy.pack(channel, own)
        at, sent.packets[channel] = 0, []
        for packet in own:
            last = (at + len(packet) - 1) // builder.room
            sent.packets[channel].append((packet, at // builder.room, last))
            at += len(packet)
    done = dict.fromkeys(fields, 0)
    while left := [channel for channel in fields if done[channel] < len(fields[channel])]:
        if rng.random() < idle:
            only = 7 if builder.service == "TM" else 63
            sent.frames.append((builder.idle(only), only, builder.counts[only] - 1))
            continue
        channel = int(rng.choice(left))
        sent.frames.append((builder.frame(channel, *fields[channel][done[channel]]), channel, done[channel]))
        done[channel] += 1
    return sent
