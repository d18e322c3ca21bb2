"""Too many connections: who has proved itself by packets stays, whoever else comes and however many."""

import itertools
import socket
from collections import Counter
from functools import partial

import numpy as np
import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.reception import admission, session
from eicpy.acquisition.reception.admission import ConnectionTable
from eicpy.acquisition.reception.connection import Connection
from eicpy.acquisition.reception.framing import Framer
from eicpy.acquisition.reception.streams import Stream, Streams
from eicpy.acquisition.status import OverviewReader, Station
from eicpy.runs import RunArchive
from eicpy.settings import Settings

MOST, RESERVED = 12, 4


@pytest.fixture
def few(monkeypatch):
    """Receivers have few places, and nobody is too young to have sent something."""
    monkeypatch.setattr(session, "ConnectionTable", partial(ConnectionTable, MOST, RESERVED))
    monkeypatch.setattr(admission, "_YOUNG", 0.0)


@pytest.fixture
def live(bench, receiving, tmp_path):
    """A receiver over the loopback: its port, its archive, its station, and a function that ends it."""
    home = Settings.at(tmp_path)
    archive = RunArchive(home.archive("dpix-prototype"), "dpix-prototype")
    station = Station(home.live("dpix-prototype"))
    port, result, stop = receiving(archive=archive, instrument=bench.instrument, station=station)

    def end():
        stop.set()
        return result.result(LIMIT)

    live = Live(port, home, archive, station, end)
    yield live
    for each in live.opened:
        each.close()


class Live:
    def __init__(self, port, home, archive, station, end):
        self.port, self.home, self.archive, self.station, self.end = port, home, archive, station, end
        self.opened = []

    def connect(self, data=b""):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.opened.append(connection)
        connection.sendall(data)
        return connection

    def archived(self):
        return b"".join(run.raw_file.read_bytes() for run in self.archive.runs())

    def has(self, *packets):
        wait_until(lambda: all(packet in self.archived() for packet in packets), "the packets in the archive")

    def values(self):
        return self.station.status("receiver").values


GARBAGE = {
    "nothing": b"",
    "one byte": b"\x55",
    "like a header": b"\x08",
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
def test_connections_that_never_sent_a_packet_give_way_to_one_that_does(few, live, bench, what):
    for _ in range(5 * MOST):
        live.connect(GARBAGE[what])
    packets = [bench.telemetry(n) for n in range(20)]
    sender = live.connect(b"".join(packets))
    live.has(*packets)
    for _ in range(5 * MOST):
        live.connect(GARBAGE[what])
    packets = [bench.telemetry(n) for n in range(20, 40)]
    sender.sendall(b"".join(packets))
    live.has(*packets)
    wait_until(lambda: sum(live.values()["gave_way"].values()) == 9 * MOST + 1, "all but a few to be closed")
    assert set(live.values()["gave_way"]) <= {"silent", "foreign"}
    assert live.values()["connections"] == MOST
    summary = live.end()
    assert (summary.packets, summary.connections, summary.refused) == (40, 10 * MOST + 1, {})
    assert summary.gave_way == 9 * MOST + 1


def test_one_that_sends_a_byte_now_and_then_and_no_packet_never_closes_one_that_sent_packets(
    few, live, bench
):
    good = [live.connect(bench.telemetry(n)) for n in range(MOST // 2)]
    live.has(*(bench.telemetry(n) for n in range(MOST // 2)))
    slow = [live.connect(bytes([k])) for k in range(4 * MOST)]
    for one in slow:
        try:
            one.sendall(b"\x00")
        except OSError:
            continue  # was closed
    packets = [bench.telemetry(100 + n) for n in range(len(good))]
    for one, packet in zip(good, packets, strict=True):
        one.sendall(packet)
    live.has(*packets)


def test_a_bench_that_connects_again_and_again_without_closing_loses_nothing(few, live, bench):
    packets = [bench.telemetry(n) for n in range(4 * MOST)]
    for packet in packets:
        live.connect(packet)
    live.has(*packets)
    wait_until(lambda: live.values()["gave_way"] == {"idle": 3 * MOST}, "the silent ones to be closed")
    summary = live.end()
    assert (summary.packets, summary.refused) == (len(packets), {})


def test_lost_connections_do_not_push_out_a_sender_of_datagrams(bench):
    taken = []
    streams = Streams(bench.instrument, lambda _stream, piece: taken.append(bytes(piece.fresh)), print, 5.0)
    packet = bench.telemetry(0)
    streams.feed(streams.of_sender("127.0.0.1:9", 0.0), packet[:9], 0.0)
    for n in range(1, 600):
        lost = streams.of_connection("127.0.0.1", memoryview(b"\x55"), 1e-3 * n)
        streams.feed(lost, b"\x55", 1e-3 * n)
        streams.disconnect(lost, 1e-3 * n)
    streams.feed(streams.of_sender("127.0.0.1:9", 1.0), packet[9:], 1.0)
    assert packet[9:] not in taken
    streams.end_all()
    assert packet in taken


def test_the_monitor_says_how_many_were_closed_and_calls_nobody_refused_who_was_not(few, live, bench, caplog):
    for _ in range(3 * MOST):
        live.connect(b"\x55")
    live.connect(bench.telemetry(0))
    live.has(bench.telemetry(0))
    wait_until(lambda: sum(live.values()["gave_way"].values()) == 3 * MOST + 1 - live.values()["connections"])
    overview = OverviewReader(live.home, bench.instrument).read()
    reasons = {reason.code: reason.values for reason in overview.verdict.reasons}
    assert reasons["connections-closed"]["connections"] == overview.receiver.gave_way > 0
    assert "link-refused" not in reasons
    assert overview.links[0].received == len(bench.telemetry(0))  # who sends packets comes first
    assert caplog.text.count("it sent no packet of the instrument") == 1


class Scripted(Connection):
    """A connection without a socket, of an address, that has sent something or nothing."""

    def __init__(self, table, address, since):
        super().__init__(table)
        self.table, self.address, self.since, self.unread = table, address, since, False

    def sends(self, now, *, good):
        self.stream = self.stream or Stream(self.address, "tcp", Framer([]), now)
        self.stream.last = now
        self.stream.good += good

    def leave(self):
        self.table.discard(self)


@pytest.fixture
def moments(monkeypatch):
    clock = itertools.count(1000.0)
    now = [next(clock)]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(admission, "_has_bytes", lambda connection: connection.unread)
    return lambda: now.__setitem__(0, next(clock)) or now[0]


@pytest.mark.parametrize("seed", range(5))
def test_whoever_comes_the_table_is_bounded_and_who_proved_itself_is_closed_by_its_like_alone(moments, seed):
    rng = np.random.default_rng(seed)
    table, every = ConnectionTable(MOST, RESERVED), []
    for _ in range(600):
        now = moments()
        before = {c for c in table if c.has_proved_itself}
        if rng.random() < 0.5 or not every:
            every.append(Scripted(table, str(rng.choice(list("AAAAAB"))), now))
            table.add(every[-1])
        else:
            every[rng.integers(len(every))].sends(now, good=rng.random() < 0.3)
            table.trim()
        gone = before - set(table)
        assert len(table) <= MOST + RESERVED
        proved = [c for c in table if c.has_proved_itself]
        assert len(proved) <= MOST
        assert not gone or len(proved) == MOST
        for one in gone:  # it was the silent longest of the address that holds most
            held = Counter(c.address for c in [*proved, one])
            assert held[one.address] >= max(held.values()) - 1
            assert all(c.stream.last >= one.stream.last for c in proved if c.address == one.address)


def test_the_address_that_holds_most_gives_way_and_a_lone_other_one_stays(moments):
    table = ConnectionTable(MOST, RESERVED)
    lone = Scripted(table, "B", moments())
    table.add(lone)
    for _ in range(10 * MOST):
        now = moments()
        one = Scripted(table, "A", now)
        table.add(one)
        one.sends(now, good=False)
    assert lone in set(table)
    assert table.gave_way["foreign"] == 10 * MOST + 1 - MOST


def test_none_is_closed_whose_bytes_wait_to_be_read(moments):
    table = ConnectionTable(MOST, RESERVED)
    for _ in range(2 * MOST):
        one = Scripted(table, "A", moments())
        one.unread = True
        table.add(one)
    assert len(table) == 2 * MOST
    for one in list(table):
        one.unread = False
    table.trim()
    assert len(table) == MOST


def test_a_connection_takes_little_memory_unless_it_sends_much(bench):
    taken = []
    streams = Streams(bench.instrument, lambda _stream, piece: taken.append(bytes(piece.fresh)), print, 5.0)

    class Taker:
        is_full, scratch = False, memoryview(bytearray(1 << 16))

        def take(self, connection, chunk):
            if connection.stream is None:
                connection.stream = streams.of_connection("A", chunk, 0.0)
            streams.feed(connection.stream, chunk, 0.0)

    def send(connection, data):
        room = connection.get_buffer(-1)
        assert len(room) >= len(data)
        room[: len(data)] = data
        connection.buffer_updated(len(data))

    packet = bench.telemetry(0)
    one = Connection(Taker())
    for _ in range(3):
        send(one, packet + packet[:5])
        send(one, packet[5:])
    assert one.stream.framer.spare < 200_000
    for _ in range(6):
        send(one, packet * (len(one.get_buffer(-1)) // len(packet)))
    assert one.stream.framer.spare > 1 << 20
    send(one, packet[:9])
    streams.tick(10.0)
    assert one.stream.framer.spare == 0
    send(one, packet[9:])
    assert b"".join(taken) == packet * (len(b"".join(taken)) // len(packet))
