"""Housekeeping packets of an instrument, one after the other."""

from collections.abc import Iterable

from eicpy.instruments import Instrument
from eicpy.packets import PacketHeaders, PacketLayout, encode

__all__ = ["housekeeping_packets"]


def housekeeping_packets(instrument: Instrument, counts: Iterable[int], kind: str = "ecl") -> bytes:
    """Packets of a kind with these sequence counts, a second apart."""
    packet, layout = instrument.packets[kind], PacketLayout.read(instrument.layout_file(kind))
    count = list(counts)
    headers = PacketHeaders(
        packet.apid, count, [10**8 + c for c in count], 0,
        service=packet.service, subservice=packet.subservice,
    )  # fmt: skip
    values = {layout.structure.name: packet.structure}
    return encode(layout, headers, values, header=instrument.header(packet.apid)).tobytes()
