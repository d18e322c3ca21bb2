"""From the frames of a network to what they carry: UDP and TCP over IP, on Ethernet, raw, or Linux cooked.

Datagrams (UDP) are taken in the order of the capture. Of a TCP connection each direction is a stream of its
own, put together by sequence number (RFC 9293, section 3.4): what was sent again is left out, what came out
of order is put in its place, and a hole that is never filled is named. Fragments of IPv4 are put together.

References
----------
RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768 (UDP), RFC 9293 (TCP).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["LINK_NAMES", "Fragments", "Segment", "TcpStream", "segment_of"]

LINK_NAMES = {
    0: "BSD loopback", 1: "Ethernet", 12: "raw IP", 14: "raw IP", 101: "raw IP", 108: "loopback",
    113: "Linux cooked", 228: "raw IPv4", 229: "raw IPv6", 276: "Linux cooked",
}  # fmt: skip
"""Link types that are read."""
_RAW = {12, 14, 101, 228, 229}
_IP4, _IP6, _VLANS = 0x0800, 0x86DD, {0x8100, 0x88A8, 0x9100}
_TCP, _UDP = 6, 17
_EXTENSIONS = {0, 43, 60}
"""IPv6 headers before the transport that are passed over."""
_HALF, _SPACE = 1 << 31, 1 << 32
_HELD = 1 << 22
"""Bytes of a TCP stream that are held back for a missing piece before it is given up."""


class Segment(NamedTuple):
    """What a network frame carried: a datagram, or a piece of a stream."""

    protocol: int
    flow: tuple[bytes, bytes, int, int]
    """Addresses and ports of sender and receiver."""
    sequence: int
    """Sequence number of the first byte (TCP); −1 of a datagram."""
    opens: bool
    """Whether it opens a stream (SYN)."""
    data: bytes

    @property
    def is_datagram(self) -> bool:
        """Whether it is UDP."""
        return self.protocol == _UDP


@dataclass
class Fragments:
    """Fragments of IPv4 datagrams that wait for the rest; the oldest are given up."""

    most: int = 256
    waiting: dict[tuple[bytes, bytes, int, int], dict[int, tuple[bytes, bool]]] = field(default_factory=dict)
    given_up: int = 0

    def add(self, key: tuple[bytes, bytes, int, int], start: int, data: bytes, *, last: bool) -> bytes | None:
        """Add a fragment; the whole payload once all are there."""
        if key not in self.waiting and len(self.waiting) >= self.most:
            self.waiting.pop(next(iter(self.waiting)))
            self.given_up += 1
        parts = self.waiting.setdefault(key, {})
        parts[start] = data, last
        whole = bytearray()
        for at in sorted(parts):
            if at > len(whole):
                return None
            piece, ends = parts[at]
            whole[at:] = piece
            if ends:
                del self.waiting[key]
                return bytes(whole)
        return None


def segment_of(link: int, data: bytes, fragments: Fragments) -> Segment | None:
    """What a captured frame carries; None where it is neither UDP nor TCP, or not whole."""
    kind, at = _network(link, data)
    if kind == _IP4 and len(data) >= at + 20:
        packet = data[at : at + max(int.from_bytes(data[at + 2 : at + 4], "big"), 20)]
        start = 4 * (packet[0] & 0xF)
        addresses = packet[12:16], packet[16:20]
        place = int.from_bytes(packet[6:8], "big")
        body: bytes | None = packet[start:]
        if place & 0x3FFF:
            key = (*addresses, int.from_bytes(packet[4:6], "big"), packet[9])
            body = fragments.add(key, 8 * (place & 0x1FFF), packet[start:], last=not place & 0x2000)
        return None if body is None else _transport(packet[9], addresses, body)
    if kind == _IP6 and len(data) >= at + 40:
        length = int.from_bytes(data[at + 4 : at + 6], "big")
        addresses = data[at + 8 : at + 24], data[at + 24 : at + 40]
        header, body = data[at + 6], data[at + 40 : at + 40 + length]
        while header in _EXTENSIONS and len(body) >= 8:
            header, body = body[0], body[8 * (body[1] + 1) :]
        return _transport(header, addresses, body)
    return None


def _network(link: int, data: bytes) -> tuple[int, int]:
    """Network protocol of a frame, and where its packet begins."""
    if link in _RAW:
        return _by_version(data, 0)
    if link in {0, 108}:
        return _by_version(data, 4)
    if link == 276:
        return int.from_bytes(data[:2], "big"), 20
    at = 14 if link == 113 else 12
    kind = int.from_bytes(data[at : at + 2], "big")
    at += 2
    while kind in _VLANS:
        kind, at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    return kind, at


def _by_version(data: bytes, at: int) -> tuple[int, int]:
    version = data[at] >> 4 if len(data) > at else 0
    return {4: _IP4, 6: _IP6}.get(version, 0), at


def _transport(protocol: int, addresses: tuple[bytes, bytes], body: bytes) -> Segment | None:
    if protocol == _UDP and len(body) >= 8:
        source, target, length = (int.from_bytes(body[i : i + 2], "big") for i in (0, 2, 4))
        end = length if length >= 8 else len(body)
        return Segment(_UDP, (*addresses, source, target), -1, opens=False, data=body[8:end])
    if protocol == _TCP and len(body) >= 20:
        source, target = (int.from_bytes(body[i : i + 2], "big") for i in (0, 2))
        sequence = int.from_bytes(body[4:8], "big")
        opens = bool(body[13] & 2)
        data = body[4 * (body[12] >> 4) :]
        return Segment(_TCP, (*addresses, source, target), (sequence + opens) % _SPACE, opens, data)
    return None


class TcpStream:
    """One direction of a TCP connection, put together by sequence number."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.held: dict[int, bytes] = {}
        self.holes = 0
        self.missing = 0

    def add(self, segment: Segment) -> list[bytes]:
        """Add a piece; what now follows on without a hole."""
        ready: list[bytes] = []
        if segment.opens and self.next is not None and segment.sequence != self.next:
            ready += self.flush()  # the ports are used by a new connection
            self.next = segment.sequence
        if self.next is None:
            self.next = segment.sequence
        if segment.data:
            ahead = (segment.sequence - self.next) % _SPACE
            held = self.held.get(segment.sequence, b"")
            if ahead >= _HALF:
                overlap = _SPACE - ahead
                if overlap < len(segment.data):
                    self._take(segment.data[overlap:], ready)
            elif ahead == 0:
                self._take(segment.data, ready)
            elif len(segment.data) > len(held):
                self.held[segment.sequence] = segment.data
        self._fill(ready)
        while sum(map(len, self.held.values())) > _HELD:
            self._skip()
            self._fill(ready)
        return ready

    def flush(self) -> list[bytes]:
        """End of the capture: what is held, the holes named."""
        ready: list[bytes] = []
        while self.held:
            self._skip()
            self._fill(ready)
        return ready

    def _take(self, data: bytes, ready: list[bytes]) -> None:
        assert self.next is not None
        ready.append(data)
        self.next = (self.next + len(data)) % _SPACE

    def _skip(self) -> None:
        """Go on behind a hole."""
        assert self.next is not None
        at = self.next
        nearest = min(self.held, key=lambda start: (start - at) % _SPACE)
        self.holes += 1
        self.missing += (nearest - at) % _SPACE
        self.next = nearest

    def _fill(self, ready: list[bytes]) -> None:
        """Take what was held and now follows on."""
        moved = bool(self.held)
        while moved:
            moved = False
            for start in list(self.held):
                assert self.next is not None
                behind = (self.next - start) % _SPACE
                if behind < _HALF:
                    data = self.held.pop(start)[behind:]
                    if data:
                        self._take(data, ready)
                    moved = True
