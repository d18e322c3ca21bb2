"""Lines over real sockets on the loopback."""

import socket
import struct
import threading

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.egse import (
    FileSource,
    LineFaults,
    Occurrence,
    SendingSession,
    SendPlan,
    SimulatorSource,
    TcpLink,
    UdpLink,
    Unpaced,
    send,
)
from eicpy.errors import BadArgumentError, FailedError
from eicpy.packets import index_packets
from eicpy.settings import Settings

_MANY = 40
"""Rounds of the night that no buffer between two sockets can hold."""


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


def test_a_file_arrives_as_it_is(night, listening):
    listener = listening()
    seen = []
    summary = send(night.packets, "127.0.0.1", listener.port, progress=lambda done, _: seen.append(done))
    assert bytes(listener.received[0]) == night.packets.read_bytes()
    assert summary.size == seen[-1] == night.packets.stat().st_size
    assert summary.connections == 1


def test_a_file_goes_on_at_a_byte_and_again(night, listening, settings):
    listener = listening()
    send(night.packets, "127.0.0.1", listener.port, start=1500)
    assert bytes(listener.received[0]) == night.packets.read_bytes()[1500:]
    plan = SendPlan(str(night.packets), "127.0.0.1", listener.port, loop=3)
    assert plan.open(settings).run().size == 3 * night.packets.stat().st_size
    assert bytes(listener.received[1]) == 3 * night.packets.read_bytes()


def test_a_break_on_purpose_opens_a_new_connection(night, listening, eclairs):
    listener = listening()
    faults = LineFaults({"disconnected": Occurrence(places=(3, 30))}, resume="continue")
    source = FileSource(night.packets, eclairs.headers)
    summary = SendingSession(source, TcpLink("127.0.0.1", listener.port), Unpaced(), faults).run()
    assert summary.connections == len(listener.received) == 3
    assert b"".join(listener.received) == night.packets.read_bytes()
    assert len(listener.received[0]) == faults.faults[0].offset


@pytest.mark.parametrize("reconnect", [False, True])
def test_a_receiver_that_broke_the_line_before_it_was_to_be_broken(reconnect):
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = TcpLink("127.0.0.1", server.getsockname()[1], connect_timeout=LIMIT, reconnect=reconnect)
        connection, _ = server.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # without a good-bye
        if reconnect:
            link.interrupt()
            assert link.connections == 2
        else:
            with pytest.raises(FailedError, match="closed the connection"):
                link.interrupt()
        link.abort()


def test_a_receiver_that_goes_away_and_comes_back_gets_the_rest(night, eclairs):
    """The first takes a part and is gone; another listens at its place later. Whole packets come to it."""
    first = socket.create_server(("127.0.0.1", 0))
    first.settimeout(LIMIT)
    port = first.getsockname()[1]
    got, told, listener_made = [], [], threading.Event()

    def receive():
        connection, _ = first.accept()
        first.close()
        data = bytearray()
        with connection:
            while len(data) < 50_000:
                data += connection.recv(1 << 12)
        got.append(bytes(data))
        listener_made.wait(LIMIT)
        with socket.create_server(("127.0.0.1", port)) as second:
            second.settimeout(LIMIT)
            connection, _ = second.accept()
            data = bytearray()
            with connection:
                while chunk := connection.recv(1 << 16):
                    data += chunk
            got.append(bytes(data))

    thread = threading.Thread(target=receive)
    thread.start()

    def report(text):
        told.append(text)
        listener_made.set()

    link = TcpLink("127.0.0.1", port, connect_timeout=LIMIT, reconnect=True, report=report)
    summary = SendingSession(FileSource(night.packets, eclairs.headers), link, Unpaced(), loop=_MANY).run()
    thread.join(LIMIT)
    assert summary.connections == 2
    assert "went away after" in told[0]
    assert "bytes" in told[0]
    assert "is reachable again" in told[1]
    original = _MANY * night.packets.read_bytes()
    assert original.startswith(got[0])
    assert original.endswith(got[1])
    index = index_packets(np.frombuffer(got[1], np.uint8), eclairs.headers)
    assert int(index.offset[0]) == 0
    assert index.good.all()
    assert summary.packets == _MANY * sum(night.summary["packets_sent"].values())


def test_without_reconnecting_it_fails_and_tells_how_much_went_out(night, listening, eclairs):
    listener = listening(most=20_000)
    session = SendingSession(
        FileSource(night.packets, eclairs.headers), TcpLink("127.0.0.1", listener.port), Unpaced(), loop=0
    )
    with pytest.raises(FailedError, match=r"closed the connection after about \d+ bytes"):
        session.run()


def test_datagrams_hold_whole_packets(night, eclairs):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(LIMIT)
        link = UdpLink("127.0.0.1", receiver.getsockname()[1], datagram=4096)
        source = FileSource(night.packets, eclairs.headers)
        received = []
        for chunk in source.chunks():
            before = link.datagrams
            link.send(chunk)
            received += [receiver.recv(1 << 16) for _ in range(link.datagrams - before)]
        link.close()
    assert b"".join(received) == night.packets.read_bytes()
    assert max(map(len, received)) <= 4096
    packets = [index_packets(np.frombuffer(d, np.uint8), eclairs.headers) for d in received]
    assert all(index.good.all() and not index.skipped for index in packets)
    assert max(len(index) for index in packets) >= 4
    assert sum(len(index) for index in packets) == link.packets
    assert f"in {len(received)} datagrams" in link.sent


def test_a_packet_longer_than_a_datagram_travels_alone_and_foreign_bytes_apart(second_packets, eclairs):
    raw = second_packets(2) + b"\x07" * 300 + second_packets(1, count=2)
    data = np.frombuffer(raw, np.uint8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(LIMIT)
        link = UdpLink("127.0.0.1", receiver.getsockname()[1], datagram=100)
        from eicpy.egse import StreamChunk

        link.send(StreamChunk.of(data, index_packets(data, eclairs.headers)))
        received = [receiver.recv(1 << 16) for _ in range(link.datagrams)]
        link.close()
    one = len(second_packets(1))
    assert [len(d) for d in received] == [one, one, 100, 100, 100, one]
    assert b"".join(received) == raw


def test_udp_tells_when_nobody_listens(night, eclairs):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    source = FileSource(night.packets, eclairs.headers)
    with pytest.raises(FailedError, match="nobody listens"):
        SendingSession(source, UdpLink("127.0.0.1", port), Unpaced()).run()
    lenient = UdpLink("127.0.0.1", port, lenient=True)
    SendingSession(FileSource(night.packets, eclairs.headers), lenient, Unpaced()).run()
    with pytest.raises(BadArgumentError, match="expected 1 to 65507"):
        UdpLink("127.0.0.1", port, datagram=0)


def test_nobody_listening_fails_after_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(FailedError, match="no receiver answers"):
        TcpLink("127.0.0.1", port, connect_timeout=0.2)


def test_a_simulation_streams_as_it_is_computed_and_equals_its_file(listening, settings, tmp_path):
    from eicpy.simulation import preset, write_simulation

    listener = listening()
    plan = SendPlan("simulator:bench", "127.0.0.1", listener.port, truth=tmp_path / "truth.json")
    plan.open(settings).run()
    made = write_simulation(preset("bench"), tmp_path / "made")
    assert bytes(listener.received[0]) == made.packets.read_bytes()


def test_a_run_is_played_from_the_archive(night, listening, settings):
    from eicpy.runs import RunArchive

    writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="test")
    writer.append(night.packets.read_bytes())
    run = writer.close()
    listener = listening()
    plan = SendPlan(f"run:{run.number}", "127.0.0.1", listener.port, instrument="eclairs", speed=1000.0)
    summary = plan.open(settings).run()
    assert bytes(listener.received[0]) == night.packets.read_bytes()
    assert summary.packets == sum(night.summary["packets_sent"].values())
    with pytest.raises(BadArgumentError, match=r"expected run:NUMBER and the instrument"):
        SendPlan("run:1", "127.0.0.1", listener.port).open(settings)


def test_plans_that_contradict_themselves_are_refused():
    with pytest.raises(BadArgumentError, match="expected one of them"):
        SendPlan("file", "", 1, speed=1.0, rate=1.0)
    with pytest.raises(BadArgumentError, match="nothing to send"):
        SendPlan(None, "", 1)
    with pytest.raises(BadArgumentError, match="expected its name"):
        SendPlan(None, "", 1, commands=["configure"])


REAL = {
    "europa": "packets/europa_clipper/ecm_raw2.bin",
    "hit": "packets/imap/hit/sci_sample.ccsds",
    "meddea": "packets/padre_meddea/padreMDA0_240916122901.dat",
}


@pytest.mark.parametrize("name", REAL)
def test_real_packets_of_any_instrument_go_out_unaltered_packet_by_packet(
    name, shared_data, listening, settings
):
    file = shared_data / REAL[name]
    listener = listening()
    plan = SendPlan(str(file), "127.0.0.1", listener.port, speed=1e9, reconnect=True)
    summary = plan.open(settings).run()
    assert bytes(listener.received[0]) == file.read_bytes()
    assert summary.packets == len(index_packets(np.fromfile(file, np.uint8)))


def test_a_simulation_is_prepared_before_anybody_is_called(settings):
    """What the line needs first is computed while no connection waits for it, and nothing comes twice."""
    told = []
    port = socket.create_server(("127.0.0.1", 0))
    port.settimeout(0.0)

    def report(text):
        told.append(text)
        with pytest.raises(BlockingIOError):
            port.accept()

    with port:
        plan = SendPlan("simulator:bench", "127.0.0.1", port.getsockname()[1])
        session = plan.open(settings, report=report)
        session.link.abort()
    assert told == ["preparing simulator:bench; the first time this takes up to a minute"]
    assert session.source.done > 0.0


def test_what_was_prepared_is_sent_once_in_every_round(eclairs, night):
    data = np.fromfile(night.packets, np.uint8)
    halves = [(1.0, data[: len(data) // 2]), (2.0, data[len(data) // 2 :])]
    source = SimulatorSource("simulator:test", eclairs, lambda: halves, 2.0, dict)
    source.prepare()
    assert source.done == 1.0
    for _ in range(2):
        assert b"".join(chunk.data.tobytes() for chunk in source.chunks()) == data.tobytes()
        assert source.done == 2.0
