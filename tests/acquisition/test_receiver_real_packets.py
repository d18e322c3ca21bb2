"""Real packets over the sockets: they come out as they went in, and each is found."""

import random
import socket

import pytest
from waiting import LIMIT, wait_until

from eicpy.instruments import PacketHeader
from eicpy.packets import index_packets

FILES = {
    "STIX": ("packets/stix/stix_21_6_30_lb_packets.bin", 36),
    "IMAP-HIT, segmented groups": ("packets/imap/hit/sci_sample.ccsds", None),
    "Europa Clipper": ("packets/europa_clipper/ecm_raw2.bin", 1030),
}


@pytest.fixture(params=FILES)
def real(request, shared_data, meddea):
    """Bytes of the file, their packets, and an instrument that knows their headers."""
    name, count = FILES[request.param]
    raw = (shared_data / name).read_bytes()
    index = index_packets(raw)
    assert count in {None, len(index)}
    assert index.good.all()
    headers = tuple(
        PacketHeader(apid=apid, checksum=decision.checksum.name.lower(), secondary="none")
        for apid, decision in sorted(index.decisions.items())
    )
    instrument = meddea.model_copy(update={"headers": headers, "photons": None, "packets": {}})
    return raw, index, instrument


def test_over_tcp_in_any_pieces(real, receiving):
    raw, index, instrument = real
    rng = random.Random(3)  # noqa: S311, sizes of pieces, not secrets
    port, result, _ = receiving(until_disconnect=True, instrument=instrument)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        at = 0
        while at < len(raw):
            size = rng.choice([1, 7, 500, 20_000, 60_000])
            connection.sendall(raw[at : at + size])
            at += size
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == raw
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (len(index), 0, 0)
    assert (summary.run.index(instrument).offset == index.offset).all()


def test_over_udp_a_packet_in_each_datagram(real, receiving):
    raw, index, instrument = real
    ports = []
    _, result, stop = receiving(
        instrument=instrument, udp=("127.0.0.1", 0),
        on_listening_udp=lambda _host, port: ports.append(port),
    )  # fmt: skip
    wait_until(lambda: ports)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", ports[0]))
        for offset, length in zip(index.offset.tolist(), index.length.tolist(), strict=True):
            out.send(raw[offset : offset + length])
    stop.set()  # what the kernel holds is taken first
    summary = result.result(LIMIT)
    assert summary.udp_dropped == 0
    assert summary.run.raw_file.read_bytes() == raw
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (len(index), 0, 0)
