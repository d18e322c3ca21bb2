"""Datagrams: taken without loss, or the loss is counted; from peers alone."""

import socket

import pytest
from waiting import LIMIT, wait_until

from eicpy.errors import FailedError
from eicpy.packets import index_packets


@pytest.fixture
def udp_receiving(receiving):
    """Starts a receiver; gives a function that sends datagrams from a socket of its own, and the rest."""
    sockets = []

    def start(**options):
        ports = []
        _, result, stop = receiving(
            udp=("127.0.0.1", 0), on_listening_udp=lambda _host, port: ports.append(port), **options
        )
        wait_until(lambda: ports)

        def sender():
            out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            out.connect(("127.0.0.1", ports[0]))
            sockets.append(out)
            return out

        return sender, result, stop

    yield start
    for out in sockets:
        out.close()


def _packets(truth):
    ends = truth.lengths.cumsum().tolist()
    return [truth.raw[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def test_a_datagram_holds_one_packet_or_several(photon_packets, udp_receiving):
    truth = photon_packets(60)
    packets = _packets(truth)
    sender, result, stop = udp_receiving()
    out = sender()
    for i in range(30):
        out.send(packets[i])
    for i in range(30, 60, 10):
        out.send(b"".join(packets[i : i + 10]))
    stop.set()  # what the kernel holds is taken first
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == truth.raw
    assert (summary.packets, summary.damaged, summary.foreign_bytes, summary.udp_dropped) == (60, 0, 0, 0)
    assert summary.run.metadata.source.startswith("udp 127.0.0.1:")


def test_senders_at_once_do_not_cut_each_others_packets(photon_packets, udp_receiving, eclairs):
    truths = [photon_packets(300, seed=k, first=1000 * k) for k in range(3)]
    sender, result, stop = udp_receiving()
    outs = [sender() for _ in truths]
    for batch in zip(*map(_packets, truths), strict=True):
        for out, packet in zip(outs, batch, strict=True):
            out.send(packet)
    stop.set()  # what the kernel holds is taken first
    summary = result.result(LIMIT)
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (900, 0, 0)
    raw = summary.run.raw_file.read_bytes()
    index = index_packets(raw, eclairs.headers)
    for k, truth in enumerate(truths):
        mine = index[index.sequence_count // 1000 == k]
        pieces = zip(mine.offset.tolist(), mine.length.tolist(), strict=True)
        assert b"".join(raw[o : o + n] for o, n in pieces) == truth.raw


def test_tcp_and_udp_at_once_and_two_datagram_senders_switch_a_run_once(bench, udp_receiving, tmp_path):
    raw = [bench.start(), *(bench.telemetry(i) for i in range(5)), bench.stop()]
    sender, result, stop = udp_receiving(instrument=bench.instrument)
    one, two = sender(), sender()
    for packet in raw:
        one.send(packet)
        two.send(packet)
    stop.set()  # what the kernel holds is taken first
    summary = result.result(LIMIT)
    assert [run.suffix for run in summary.runs] in (["", "configuration"], [""])
    kept = b"".join(run.raw_file.read_bytes() for run in summary.runs)
    assert sorted(kept) == sorted(b"".join(raw) * 2)
    assert summary.runs[0].raw_file.read_bytes().startswith(raw[0])


def test_strangers_are_refused_logged_once_and_counted(photon_packets, udp_receiving, caplog):
    sender, result, stop = udp_receiving(peers=["192.0.2.1"])
    out = sender()
    for _ in range(50):
        out.send(photon_packets(1).raw)
    stop.set()
    summary = result.result(LIMIT)
    assert (summary.run, summary.size, summary.refused) == (None, 0, {"127.0.0.1": 50})
    assert caplog.text.count("refused 127.0.0.1") == 1


def test_what_the_kernel_drops_is_counted(photon_packets, udp_receiving, monkeypatch):
    monkeypatch.setattr("eicpy.acquisition.reception.sockets._BUFFER", 2048)
    monkeypatch.setattr("eicpy.acquisition.reception.sockets._SO_RCVBUFFORCE", socket.SO_RCVBUF)
    sender, result, stop = udp_receiving()
    out, packet = sender(), _packets(photon_packets(4, seed=3))[2]
    sent = 0
    for _ in range(20):
        for _ in range(500):
            out.send(packet)
        sent += 500
    stop.set()
    summary = result.result(LIMIT)
    assert summary.udp_dropped > 0
    assert summary.size + summary.udp_dropped * len(packet) == sent * len(packet)


def test_an_address_that_cannot_be_listened_on_is_named(udp_receiving, receiving):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(FailedError, match=rf"127.0.0.1:{port} \(udp\): cannot be listened on"):
            receiving(udp=("127.0.0.1", port))
