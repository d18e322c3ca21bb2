"""What was sent over a network, out of a capture of it.

Each direction of each TCP connection is given as a whole, one after the other; before them come all
datagrams in their order. The capture is therefore read once for the datagrams and once for each connection:
bytes of two connections must not be mixed, and memory must not grow with the file.
"""

from collections import Counter
from collections.abc import Iterator

from eicpy.packets.containers.blocks import Blocks
from eicpy.packets.containers.capture_files import records
from eicpy.packets.containers.findings import Findings
from eicpy.packets.containers.network import LINK_NAMES, Fragments, Segment, TcpStream, segment_of
from eicpy.text import counted

__all__ = ["MOST_STREAMS", "capture_words", "captured_bytes"]

MOST_STREAMS = 64
"""Directions of TCP connections that are read, those with the most bytes; others are named."""
_SAMPLE = 10_000

Flow = tuple[bytes, bytes, int, int]


def capture_words(kind: str, blocks: Blocks) -> tuple[str, bool]:
    """A capture in words, and whether its link type can be read."""
    links: Counter[int] = Counter()
    for number, record in enumerate(records(blocks, Findings())):
        links[record.link] += 1
        if number >= _SAMPLE:
            break
    if not links:
        return f"{kind} capture of a network, without a record", True
    names = ", ".join(LINK_NAMES.get(link, f"link type {link}") for link in sorted(links))
    return f"{kind} capture of a network ({names})", any(link in LINK_NAMES for link in links)


def captured_bytes(blocks: Blocks, findings: Findings) -> Blocks:
    """Payload of the datagrams and streams of a capture.

    Parameters
    ----------
    blocks
        The capture.
    findings
        Takes what is missing in it and what was left out.
    """

    def read() -> Iterator[bytes]:
        sizes: Counter[Flow] = Counter()
        for segment in _segments(blocks, findings):
            if segment.is_datagram:
                yield segment.data
            else:
                sizes[segment.flow] += len(segment.data)
        streams = [flow for flow, size in sizes.most_common(MOST_STREAMS) if size]
        for flow in sizes:
            if flow in streams:
                yield from _stream(blocks, flow, findings)
        left = [size for flow, size in sizes.items() if size and flow not in streams]
        if left:
            findings.remark(
                f"capture: {sum(left)} bytes of {len(left)} TCP connections were left out, only the "
                f"{MOST_STREAMS} with the most bytes are read"
            )

    return read


def _segments(blocks: Blocks, findings: Findings) -> Iterator[Segment]:
    """What each record carries; what cannot be read is counted and named."""
    fragments, cut, strange = Fragments(), 0, 0
    for record in records(blocks, findings):
        if record.link not in LINK_NAMES:
            strange += 1
            continue
        segment = segment_of(record.link, record.data, fragments)
        cut += record.missing > 0
        if segment is not None and (segment.data or segment.opens):
            yield segment
    if cut:
        findings.remark(f"capture: {counted(cut, 'record')} not kept whole when they were captured")
    if strange:
        findings.remark(f"capture: {counted(strange, 'record')} of another link type left out")
    if lost := fragments.given_up + len(fragments.waiting):
        findings.remark(f"capture: {counted(lost, 'datagram')} with a missing fragment left out")


def _stream(blocks: Blocks, flow: Flow, findings: Findings) -> Iterator[bytes]:
    """One direction of a connection."""
    stream = TcpStream()
    for segment in _segments(blocks, Findings()):
        if segment.flow == flow and not segment.is_datagram:
            yield from stream.add(segment)
    yield from stream.flush()
    if stream.holes:
        findings.remark(
            f"capture: {stream.missing} bytes missing at {counted(stream.holes, 'place')} of the TCP stream "
            f"from port {flow[2]} to port {flow[3]}"
        )
