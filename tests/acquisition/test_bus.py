"""Packets as messages: in the process, and through a real NATS server that is killed on the way."""

import contextlib
import json
import logging
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from waiting import LIMIT, wait_until

from eicpy.acquisition.delivery.packet_messages import (
    BusReader,
    BusWriter,
    messages,
    open_packet_bus,
    subject_of,
)
from eicpy.acquisition.delivery.passing import CursorFile
from eicpy.acquisition.delivery.publisher import publish
from eicpy.acquisition.status import Station
from eicpy.cli import main
from eicpy.errors import BadArgumentError, ExitCode, FailedError
from eicpy.messaging import MemoryBus, Message
from eicpy.packets import index_packets
from eicpy.runs import Cursor, RunArchive, Selection, provide


def everything(archive, eclairs, runs=1):
    with provide(archive, eclairs, runs) as provider:
        return provider.step(10**6)


@pytest.fixture
def kept(archive, photon_packets):
    raw = bytearray(photon_packets(50).raw)
    raw[-3] ^= 1
    with archive.create(source="x") as writer:
        writer.append(b"\x55" * 9 + bytes(raw))
    return archive


def take(reader, count, most=7):
    """So many packets, acknowledged as they come."""
    found, end = [], time.monotonic() + LIMIT
    while len(found) < count and time.monotonic() < end:
        found += [packet for _, packet in reader.poll(most).packets()]
        reader.done()
    return found


class TestMessages:
    def test_a_message_is_a_packet_and_says_what_it_is(self, kept, eclairs):
        every = messages(everything(kept, eclairs))
        assert [m.subject for m in every[:49]] == ["eic.eclairs.tm.810.photons"] * 49
        assert every[49].subject == "eic.eclairs.tm.810.damaged"
        assert len({m.key for m in every}) == 50
        raw = b"".join(m.data for m in every)
        assert b"\x55" * 9 + raw == kept.run(1).raw_file.read_bytes()

    def test_subjects_hold_no_words_of_their_own(self):
        assert subject_of("a.b *>", command=True, apid=1, kind="x y") == "eic.a_b___.tc.1.x_y"
        assert subject_of("eclairs") == "eic.eclairs.*.*.*"


class TestMemory:
    def test_what_is_published_twice_is_read_once(self, kept, eclairs):
        bus, whole = MemoryBus(), everything(kept, eclairs)
        writer = BusWriter(bus)
        writer.write(whole)
        writer.write(whole)
        with BusReader(bus, Selection(eclairs)) as reader:
            assert take(reader, 50) == [packet for _, packet in whole.packets()]
            assert not reader.poll()

    def test_a_reader_gets_what_it_asked_for(self, kept, eclairs):
        bus = MemoryBus()
        BusWriter(bus).write(everything(kept, eclairs))
        wishes = (
            ({"apids": (810,)}, 50),
            ({"kinds": ("photons",)}, 49),
            ({"apids": (801, 802)}, 0),
            ({"commands": True}, 0),
            ({"apids": (801, 810), "commands": False}, 50),
        )
        for wish, count in wishes:
            with BusReader(bus, Selection(eclairs, **wish)) as reader:
                assert sum(len(reader.poll(9)) for _ in range(20)) == count

    def test_a_consumer_goes_on_with_what_it_did_not_acknowledge(self, kept, eclairs):
        bus, whole = MemoryBus(), everything(kept, eclairs)
        BusWriter(bus).write(whole)
        each = [packet for _, packet in whole.packets()]
        for expected, acknowledge in ((each[:20], True), (each[20:40], False), (each[20:40], True)):
            with BusReader(bus, Selection(eclairs), "display") as reader:
                assert [packet for _, packet in reader.poll(20).packets()] == expected
                if acknowledge:
                    reader.done()
        with BusReader(bus, Selection(eclairs), new=True) as reader:
            assert not reader.poll()

    def test_photons_are_decoded_from_messages_one_of_them_damaged(self, kept, eclairs):
        bus, whole = MemoryBus(), everything(kept, eclairs)
        BusWriter(bus).write(whole)
        with BusReader(bus, Selection(eclairs)) as reader:
            found = reader.poll(100)
        assert np.array_equal(found.photons.detnum, whole.photons.detnum)
        assert found.photons.damaged_packets == 1
        assert found.index.offset.tolist() == list(range(1, 51))
        assert found.cursor.offset == 50

    def test_foreign_messages_are_told_and_hide_no_packet(self, kept, eclairs):
        bus, each = MemoryBus(), messages(everything(kept, eclairs))[:4]
        hostile = [
            Message(each[0].subject, "a", b""),
            Message(each[0].subject, "b", b"\xff" * 11),
            Message(each[0].subject, "c", b"\xff" * 5 + each[2].data),
            Message("eic.eclairs.more.words.than.there.are", "d", each[3].data),
        ]
        order = [hostile[0], each[0], hostile[1], each[1], hostile[3], hostile[2], each[3]]
        bus.publish(order)
        with BusReader(bus, Selection(eclairs)) as reader:
            found = reader.poll()
        assert [packet for _, packet in found.packets()] == [m.data for m in each]
        assert found.index.foreign_bytes == 16
        assert [(gap.offset, gap.length) for gap in found.index.skipped] == [(3, 11), (6, 5)]
        with BusReader(bus, Selection(eclairs)) as reader:
            one_by_one = [reader.poll(1) for _ in range(6)]
        assert sum(part.index.foreign_bytes for part in one_by_one) == 16


class TestNats:
    def test_published_twice_is_delivered_once_even_after_the_window(
        self, nats_server, kept, eclairs, monkeypatch
    ):
        monkeypatch.setattr("eicpy.messaging.nats_bus._DUPLICATE_WINDOW", 0.1)
        server, whole = nats_server(), everything(kept, eclairs)
        each = [packet for _, packet in whole.packets()]
        for part in (whole.part(0, 30), whole):
            bus = open_packet_bus(server.url, "eclairs")
            BusWriter(bus).write(part)
            bus.close()
            time.sleep(0.3)  # longer than the window in which the server itself remembers
        with BusReader(open_packet_bus(server.url, "eclairs"), Selection(eclairs)) as reader:
            assert take(reader, 50) == each
            assert not reader.poll()

    def test_selection_new_and_durable(self, nats_server, kept, eclairs):
        server, whole = nats_server(), everything(kept, eclairs)
        bus = open_packet_bus(server.url, "eclairs")
        with BusReader(open_packet_bus(server.url, "eclairs"), Selection(eclairs), new=True) as live:
            BusWriter(bus).write(whole.part(0, 20))
            assert len(take(live, 20)) == 20
        with BusReader(open_packet_bus(server.url, "eclairs"), Selection(eclairs), new=True) as live:
            assert not live.poll()
            BusWriter(bus).write(whole)
            assert len(take(live, 30)) == 30
        for first, last in ((0, 25), (25, 49)):
            chosen = Selection(eclairs, kinds=("photons",))
            with BusReader(open_packet_bus(server.url, "eclairs"), chosen, "display") as reader:
                found = take(reader, last - first, most=last - first)
                assert found == [packet for _, packet in whole.part(first, last).packets()]
        bus.close()
        with (
            contextlib.closing(open_packet_bus(server.url, "eclairs")) as bus,
            pytest.raises(BadArgumentError, match="another name"),  # at once: waiting helps nobody
        ):
            bus.subscribe(subject_of("eclairs"), "display")

    def test_names_are_recalled_where_the_last_messages_were_deleted(self, nats_server, kept, eclairs):
        server, whole = nats_server(), everything(kept, eclairs)
        each = [packet for _, packet in whole.packets()]
        with contextlib.closing(open_packet_bus(server.url, "eclairs")) as bus:
            BusWriter(bus).write(whole.part(0, 10))
            for number in (9, 10):
                assert bus.connection.run(partial(bus.connection.jetstream.delete_msg, "EIC_ECLAIRS", number))
        with contextlib.closing(open_packet_bus(server.url, "eclairs")) as bus:
            bus.connection.timeout = 0.0
            BusWriter(bus).write(whole)
        with BusReader(open_packet_bus(server.url, "eclairs"), Selection(eclairs)) as reader:
            assert take(reader, 48) == each[:8] + each[10:]

    def test_a_server_that_is_restarted_is_waited_for(self, nats_server, kept, eclairs):
        server, whole = nats_server(), everything(kept, eclairs)
        each = [packet for _, packet in whole.packets()]
        bus = open_packet_bus(server.url, "eclairs")
        with BusReader(open_packet_bus(server.url, "eclairs"), Selection(eclairs), "display") as reader:
            BusWriter(bus).write(whole.part(0, 20))
            found = take(reader, 20)
            server.stop(signal.SIGKILL)
            publishing = threading.Thread(target=BusWriter(bus).write, args=(whole.part(20, 50),))
            publishing.start()
            wait_until(bus.connection.broken.done, "the publisher to miss the server")
            server.start()
            publishing.join(LIMIT)
            assert found + take(reader, 30) == each
        bus.close()

    def test_nobody_there_and_a_wrong_password(self, nats_server, tmp_path, monkeypatch, caplog):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            with pytest.raises(FailedError, match=r"127\.0\.0\.1.*nats-server") as told:
                open_packet_bus(f"nats://me:secret@127.0.0.1:{taken.getsockname()[1]}", "eclairs")
        assert "secret" not in str(told.value)
        caplog.set_level(logging.DEBUG)
        server = nats_server("--user", "me", "--pass", "secret")
        with pytest.raises(FailedError, match="EIC_NATS_CREDENTIALS"):
            open_packet_bus(server.url, "eclairs")
        open_packet_bus(server.url.replace("//", "//me:secret@"), "eclairs").close()
        file = tmp_path / "who"
        file.write_text("me:secret\n")
        monkeypatch.setenv("EIC_NATS_CREDENTIALS", str(file))
        open_packet_bus(server.url, "eclairs").close()
        file.write_text("me:wrong-secret\n")
        with pytest.raises(FailedError) as told:
            open_packet_bus(server.url, "eclairs")
        monkeypatch.setenv("EIC_NATS_CREDENTIALS", str(tmp_path / "none"))
        with pytest.raises(BadArgumentError, match="EIC_NATS_CREDENTIALS"):
            open_packet_bus(server.url, "eclairs")
        assert "secret" not in caplog.text + str(told.value)


def test_the_commands_from_the_archive_to_a_pipe_on_another_host(
    nats_server, tmp_path, photon_packets, eclairs
):
    server, raw = nats_server(), photon_packets(30).raw
    with RunArchive(tmp_path / "home" / "archive" / "eclairs", "eclairs").create(source="x") as writer:
        writer.append(raw)
    here, there = (["--home", str(tmp_path / name)] for name in ("home", "elsewhere"))
    done = CliRunner().invoke(main, [*here, "publish", "-i", "eclairs", "--bus", server.url, "--run", "1"])
    assert (done.exit_code, done.output) == (0, "published 30 packets, 0 of them damaged\n")
    arguments = [
        "follow",
        "all",
        "-i",
        "eclairs",
        "--bus",
        server.url,
        "--format",
        "numbered",
        "--consumer",
        "me",
    ]
    eic = [sys.executable, "-m", "eicpy.cli", *there]
    process = subprocess.Popen([*eic, *arguments], stdout=subprocess.PIPE)
    try:
        numbered = process.stdout.read(len(raw) + 30 * 12)
        ends = np.cumsum(index_packets(raw, eclairs.headers).length + 12).tolist()
        each = [numbered[first:end] for first, end in zip([0, *ends], ends, strict=False)]
        assert b"".join(one[12:] for one in each) == raw
        assert [struct.unpack(">IQ", one[:12]) for one in each] == [(0, n) for n in range(1, 31)]
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=LIMIT)
        assert (process.returncode, rest) == (ExitCode.TERMINATED, b"")
    finally:
        process.kill()
        process.wait()


def test_the_publisher_tells_the_monitor_how_far_it_is(kept, eclairs, tmp_path):
    station, bus = Station(tmp_path / "live"), MemoryBus()
    keep = CursorFile(tmp_path / "place")
    with station.report("publish-live", role="processor") as report, provide(kept, eclairs, 1) as provider:
        passed = publish(provider, bus, keep, stop=threading.Event(), report=report)
        status = station.status("publish-live")
    assert (passed.packets, passed.damaged, passed.foreign_bytes) == (50, 1, 9)
    assert status.alive
    assert status.state == "publishing"
    assert (status.values["packets"], status.values["behind"]) == (50, 0)
    assert keep.load() == Cursor(1, kept.run(1).size)
    with BusReader(bus, Selection(eclairs)) as reader:
        assert len(take(reader, 50)) == 50


def test_the_place_is_not_saved_when_the_bus_did_not_take_the_packets(kept, eclairs, tmp_path):
    bus, keep = MemoryBus(most=10, timeout=0.0), CursorFile(tmp_path / "place")
    slow = bus.subscribe("eic.*.*.*.*", "slow")
    with provide(kept, eclairs, 1) as provider, pytest.raises(FailedError):
        publish(provider, bus, keep, stop=threading.Event())
    assert keep.load() is None
    slow.close()


CONSUMER = """
import json, sys
from pathlib import Path
from eicpy.runs import Selection
from eicpy.acquisition.delivery.packet_messages import BusReader, open_packet_bus
from eicpy.instruments import load

url, out = sys.argv[1], Path(sys.argv[2])
whole = out.read_bytes() if out.exists() else b""
whole = whole[: whole.rfind(b"\\n") + 1]  # a line that a kill cut is not there
out.write_bytes(whole)
known = {json.loads(line)[0] for line in whole.splitlines()}
bus = open_packet_bus(url, "eclairs")
with BusReader(bus, Selection(load("eclairs")), "consumer") as reader, out.open("ab", buffering=0) as stream:
    while True:
        found = reader.poll(50)
        for (row, packet), number in zip(found.packets(), found.index.offset.tolist()):
            if number not in known:
                known.add(number)
                stream.write(json.dumps([number, packet.hex()]).encode() + b"\\n")
        reader.done()
"""


class Parts:
    """A publisher and a consumer, each in its own process, killed and started again."""

    def __init__(self, home, url, out):
        self.out = out
        eic = [sys.executable, "-m", "eicpy.cli", "--home", str(home)]
        self.commands = {
            "publisher": [*eic, "publish", "-i", "eclairs", "--bus", url],
            "consumer": [sys.executable, "-c", CONSUMER, url, str(out)],
        }
        self.running = {}

    def start(self, name):
        self.running[name] = subprocess.Popen(self.commands[name], stdout=subprocess.DEVNULL)

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    @property
    def lines(self):
        return self.out.read_bytes().splitlines() if self.out.exists() else []


def nothing_waits(bus, consumer):
    """Whether a consumer has acknowledged all messages of the stream."""
    _, position = bus.connection.run(lambda: bus._kept(consumer))
    info = bus.connection.run(lambda: bus.connection.jetstream.stream_info(bus.stream))
    return position.last == info.state.last_seq


@pytest.mark.slow
def test_publisher_consumer_and_server_are_killed_and_every_packet_is_there_once(
    nats_server, tmp_path, photon_packets, eclairs
):
    server = nats_server()
    archive = RunArchive(tmp_path / "home" / "archive" / "eclairs", "eclairs")
    raw = photon_packets(4000, span=10**9).raw
    index = index_packets(raw, eclairs.headers)
    each = [raw[o : o + n] for o, n in zip(index.offset.tolist(), index.length.tolist(), strict=True)]
    rng = np.random.default_rng(11)

    def write():
        for part in np.array_split(np.arange(len(each)), 5):
            with archive.create(source="x") as writer:
                for packet in part.tolist():
                    writer.append(each[packet])
                    time.sleep(0.003)  # so that packets still come while parts are killed

    place = tmp_path / "home" / "live" / "eclairs" / "publish-live.cursor"
    place.parent.mkdir(parents=True)
    CursorFile(place).save(Cursor(0))  # from the first run on, however long the publisher takes to start
    writing = threading.Thread(target=write)
    parts = Parts(tmp_path / "home", server.url, tmp_path / "out.jsonl")
    try:
        writing.start()
        for name in parts.commands:
            parts.start(name)
        for kill in range(6):
            moment = min(len(parts.lines) + rng.integers(100, 600), len(each))
            wait_until(lambda moment=moment: len(parts.lines) >= moment, "packets between two kills")
            for name in rng.permutation(list(parts.commands))[: rng.integers(1, 3)].tolist():
                parts.kill(name)
                parts.start(name)
            if kill == 3:
                server.stop(signal.SIGKILL)
                server.start()
        writing.join()
        wait_until(lambda: len(parts.lines) >= len(each), "every packet")
        with contextlib.closing(open_packet_bus(server.url, "eclairs")) as bus:
            wait_until(lambda: nothing_waits(bus, "consumer"), "what may be delivered again")
    finally:
        for name in list(parts.running):
            parts.kill(name)
    found = Counter(bytes.fromhex(json.loads(line)[1]) for line in parts.lines)
    assert found == Counter(each)
