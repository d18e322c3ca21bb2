"""Records of network captures: pcap (libpcap) and pcapng files.

References
----------
draft-ietf-opsawg-pcap (pcap), draft-ietf-opsawg-pcapng (pcapng); the numbers of link types are those of
``tcpdump.org/linktypes``.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from eicpy.packets.containers.blocks import Blocks
from eicpy.packets.containers.findings import Findings

__all__ = ["Record", "capture_kind", "records"]

_PCAP = {
    b"\xa1\xb2\xc3\xd4": ">", b"\xd4\xc3\xb2\xa1": "<",
    b"\xa1\xb2\x3c\x4d": ">", b"\x4d\x3c\xb2\xa1": "<",
}  # fmt: skip
_PCAPNG, _ORDER = b"\x0a\x0d\x0d\x0a", 0x1A2B3C4D
_INTERFACE, _SIMPLE, _ENHANCED, _OBSOLETE = 1, 3, 6, 2
_LONGEST = 1 << 24
"""A longer record or block is damage, bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """A frame of the network as it was captured.

    Attributes
    ----------
    link
        Link type.
    data
        What was kept of it.
    missing
        Bytes that the capture cut off.
    """

    link: int
    data: bytes
    missing: int


def capture_kind(head: bytes) -> str:
    """``pcap`` or ``pcapng``; empty for anything else."""
    if head[:4] in _PCAP and len(head) >= 24:
        return "pcap"
    order = {head[8:12], head[8:12][::-1]}
    return "pcapng" if head[:4] == _PCAPNG and _ORDER.to_bytes(4, "big") in order else ""


class _Reader:
    """Takes pieces of known length out of blocks."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks()
        self._held = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next bytes; fewer at the end."""
        while len(self._held) - self._at < size:
            block = next(self._blocks, None)
            if block is None:
                break
            self._held = self._held[self._at :] + block
            self._at = 0
        piece = self._held[self._at : self._at + size]
        self._at += len(piece)
        return piece


def records(blocks: Blocks, findings: Findings) -> Iterator[Record]:
    """Records of a capture in their order; ends, with a remark, at damage.

    Parameters
    ----------
    blocks
        The file.
    findings
        Takes the damage.
    """
    reader = _Reader(blocks)
    head = reader.take(4)
    yield from (_pcapng(reader, head, findings) if head == _PCAPNG else _pcap(reader, head, findings))


def _pcap(reader: _Reader, magic: bytes, findings: Findings) -> Iterator[Record]:
    order = _PCAP[magic]
    header = reader.take(20)
    link = struct.unpack(f"{order}I", header[16:20])[0] & 0xFFFF if len(header) == 20 else 0
    number = 0
    while head := reader.take(16):
        number += 1
        kept, length = struct.unpack(f"{order}II", head[8:16]) if len(head) == 16 else (_LONGEST + 1, 0)
        data = reader.take(kept) if kept <= _LONGEST else b""
        if len(data) < kept:
            what = "the file ends inside it" if len(head) < 16 or data else f"it has {kept} bytes"
            findings.remark(f"capture: record {number} is damaged ({what}); those before it were read")
            return
        yield Record(link, data, max(0, length - kept))


def _pcapng(reader: _Reader, magic: bytes, findings: Findings) -> Iterator[Record]:
    order, links, number = "<", list[tuple[int, int]](), 0
    head = magic + reader.take(4)
    while head:
        number += 1
        body_head = b""
        if head[:4] == _PCAPNG:  # a new section may have another byte order
            body_head = reader.take(4)
            order = ">" if body_head == _ORDER.to_bytes(4, "big") else "<"
            links = []
        kind, total = struct.unpack(f"{order}II", head) if len(head) == 8 else (0, 0)
        left = total - 8 - len(body_head)
        rest = reader.take(left) if 4 <= left <= _LONGEST else b""
        if len(rest) < max(left, 4):
            findings.remark(f"capture: block {number} is damaged or cut; those before it were read")
            return
        body = (body_head + rest)[:-4]
        if kind == _INTERFACE and len(body) >= 8:
            links.append(struct.unpack(f"{order}H2xI", body[:8]))
        elif (record := _packet_block(kind, body, order, links)) is not None:
            yield record
        head = reader.take(8)


def _packet_block(kind: int, body: bytes, order: str, links: list[tuple[int, int]]) -> Record | None:
    """The record of a block; None for a block of another kind."""
    if kind == _ENHANCED and len(body) >= 20:
        interface, kept, length = struct.unpack(f"{order}I8xII", body[:20])
    elif kind == _OBSOLETE and len(body) >= 20:
        interface, kept, length = struct.unpack(f"{order}H10xII", body[:20])
    elif kind == _SIMPLE and len(body) >= 4 and links:
        interface, length = 0, struct.unpack(f"{order}I", body[:4])[0]
        kept = min(length, links[0][1] or length)
        return Record(links[0][0], body[4 : 4 + kept], length - kept)
    else:
        return None
    link = links[interface][0] if interface < len(links) else -1
    return Record(link, body[20 : 20 + kept], max(0, length - kept))
