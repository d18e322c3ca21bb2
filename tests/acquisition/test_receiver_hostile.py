"""Peers that do everything wrong, and spoilt files: reception goes on, in bounded memory and files."""

import os
import shutil
import socket
import threading
from collections import Counter
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.acquisition.reception import archiver as archiver_module
from eicpy.acquisition.reception.archiver import Archiver
from eicpy.acquisition.reception.closing import Closer
from eicpy.acquisition.reception.datagrams import MOST_STRANGERS, count_stranger
from eicpy.acquisition.reception.duplicate_commands import CommandCopies
from eicpy.acquisition.reception.framing import Framer
from eicpy.acquisition.reception.streams import Streams
from eicpy.acquisition.status import Order, Station, send_order
from eicpy.errors import FailedError
from eicpy.runs import RunArchive, edit_run
from eicpy.runs.runs_table import runs_table


def _raw(archive):
    return b"".join(run.raw_file.read_bytes() for run in archive.runs())


def _files_in(folder):
    links = list(Path("/proc/self/fd").iterdir())
    return [link for link in links if link.is_symlink() and str(folder) in str(link.readlink())]


def _is_closed(connection):
    connection.settimeout(LIMIT)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


class TestSpoiltFiles:
    def test_a_run_whose_description_was_spoilt_ends_and_the_next_one_begins(
        self, bench, receiving, tmp_path
    ):
        archive = RunArchive(tmp_path / "archive", "dpix-prototype")
        sent = [bench.telemetry(0), bench.start() + bench.telemetry(1), bench.stop(), bench.telemetry(2)]
        port, result, _ = receiving(archive=archive, instrument=bench.instrument, until_disconnect=True)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent[0])
            wait_until(lambda: _raw(archive) == sent[0])
            (archive.run(1).folder / "run.json").write_text("{")
            connection.sendall(b"".join(sent[1:]))
        summary = result.result(LIMIT)
        assert _raw(archive) == b"".join(sent)
        assert [run.number for run in summary.runs] == [1, 2, 3]
        assert any("run.json" in problem for problem in summary.problems)

    def test_bytes_are_held_when_no_run_can_be_numbered(self, bench, tmp_path):
        archive = RunArchive(tmp_path, "dpix-prototype")
        (tmp_path / "last-number").mkdir()
        closed = []
        archiver = Archiver(archive, bench.instrument, closed.append, lambda: "test")
        framer = Framer(bench.instrument.headers)
        with pytest.raises(FailedError, match="no run could be numbered"):
            archiver.take("A", framer.feed(bench.telemetry(0) + bench.telemetry(1)))
        (tmp_path / "last-number").rmdir()
        (tmp_path / "last-number").write_text("7")
        archiver.retry()
        archiver.take("A", framer.finish())
        assert archiver.writer.run.number == 8
        assert _raw(archive) == bench.telemetry(0) + bench.telemetry(1)
        archiver.abandon()

    def test_a_run_of_which_half_was_removed_hinders_nothing(self, bench, receiving, tmp_path):
        archive = RunArchive(tmp_path / "archive", "dpix-prototype")
        archive.create(source="test").release()
        archive.run(1).raw_file.unlink()
        assert archive.unfinished() == archive.abandoned() == []
        assert "unreadable" in runs_table(archive)
        port, result, _ = receiving(archive=archive, instrument=bench.instrument, until_disconnect=True)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(bench.telemetry(0))
        assert result.result(LIMIT).run.number == 2

    def test_a_comment_that_cannot_be_written_is_the_operators_trouble_alone(
        self, bench, receiving, tmp_path, monkeypatch
    ):
        def refuse(_run, **_changes):
            raise FailedError("run.json: could not be written")

        archive, station = RunArchive(tmp_path / "archive", "dpix-prototype"), Station(tmp_path / "live")
        port, result, _ = receiving(
            archive=archive, instrument=bench.instrument, station=station, until_disconnect=True
        )
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(bench.telemetry(0))
            wait_until(lambda: _raw(archive))
            monkeypatch.setattr(archiver_module, "edit_run", refuse)
            with pytest.raises(FailedError, match="could not be written"):
                send_order(station, Order(kind="comment", text="well", by="Ada"))
            monkeypatch.setattr(archiver_module, "edit_run", edit_run)
            connection.sendall(bench.telemetry(1))
        assert result.result(LIMIT).problems == ()
        assert _raw(archive) == bench.telemetry(0) + bench.telemetry(1)

    def test_an_append_that_cannot_be_taken_back_is_told(self, tmp_path, monkeypatch):
        def refuse(*_arguments):
            raise OSError(5, "Input/output error")

        writer = RunArchive(tmp_path, "dpix-prototype").create(source="test")
        monkeypatch.setattr(os, "write", refuse)
        monkeypatch.setattr(os, "ftruncate", refuse)
        with pytest.raises(FailedError, match="could not be taken back"):
            writer.append(b"abc")
        writer.release()

    def test_a_disk_that_does_not_say_how_full_it_is_ends_no_reception(
        self, bench, receiving, tmp_path, monkeypatch
    ):
        def refuse(_folder):
            raise OSError(116, "Stale file handle")

        monkeypatch.setattr(shutil, "disk_usage", refuse)
        archive, station = RunArchive(tmp_path / "archive", "dpix-prototype"), Station(tmp_path / "live")
        port, result, _ = receiving(
            archive=archive, instrument=bench.instrument, station=station, until_disconnect=True
        )
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(bench.telemetry(0))
            told = wait_until(lambda: station.status("receiver").values)
            assert (told["disk_free"], told["disk_seconds"]) == (None, None)
        assert result.result(LIMIT).packets == 1


class TestFloods:
    def test_senders_with_ever_new_addresses_take_bounded_memory_and_nothing_is_lost(self, bench):
        taken, ended = [], []
        streams = Streams(
            bench.instrument, lambda _stream, piece: taken.append(bytes(piece.fresh)), ended.append, 5.0
        )
        packet = bench.telemetry(0)
        for n in range(2000):
            streams.feed(streams.of_sender(f"127.0.0.1:{n}", n * 1e-6), packet[: 9 + n % 20], n * 1e-6)
        assert len(streams.all) <= 256
        assert streams.waiting <= 256 * len(packet)
        assert len(ended) == 2000 - len(streams.all)
        streams.end_all()
        assert len(b"".join(taken)) == sum(9 + n % 20 for n in range(2000))

    def test_streams_that_brought_no_command_are_forgotten_at_their_end(self):
        copies = CommandCopies()
        copies.begin("long")
        for n in range(100):
            copies.begin(n)
            copies.end(n)
        assert not copies._gone
        assert not copies.is_copy("short", b"start")
        copies.end("short")
        assert copies.is_copy("long", b"start")

    def test_strangers_with_ever_new_addresses_are_counted_in_bounded_memory(self):
        refused = Counter()
        for n in range(10_000):
            count_stranger(refused, f"10.0.{n // 256}.{n % 256}")
        assert len(refused) == MOST_STRANGERS + 1
        assert refused.total() == 10_000

    def test_tiny_datagrams_that_nobody_takes_fill_no_memory(self, monkeypatch):
        import asyncio

        from eicpy.acquisition.reception import datagrams
        from eicpy.acquisition.reception.held_sockets import GivenSockets

        monkeypatch.setattr(datagrams, "_MOST_WAITING", 10_000)

        async def flood():
            sockets = GivenSockets.bind("127.0.0.1", 0, ("127.0.0.1", 0))
            reader = datagrams.DatagramReader(sockets, lambda _address: True, lambda: None)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                for _ in range(500):
                    out.sendto(b"", reader.address)
            await asyncio.get_running_loop().run_in_executor(None, reader.close)
            sockets.close()
            return len(reader.take()), reader.dropped

        kept, dropped = asyncio.run(flood())
        assert kept < 100
        assert kept + dropped == 500

    def test_runs_that_wait_for_their_completion_hold_few_files(self, bench, tmp_path):
        archive = RunArchive(tmp_path / "archive", "dpix-prototype")
        go = threading.Event()
        closer = Closer(archive, bench.instrument, lambda _run, _count: go.wait(LIMIT) and None)
        for _ in range(100):
            writer = archive.create(source="test")
            writer.seal()
            closer.submit(writer)
        held = len(_files_in(archive.folder))
        go.set()
        closer.close()
        assert held < 50
        assert closer.errors == []
        assert all(run.metadata.sha256 for run in archive.runs())
        assert _files_in(archive.folder) == []

    def test_counts_of_very_many_apids_end_no_reception(self, bench, receiving, tmp_path):
        header = bench.instrument.headers[0]
        many = tuple(header.model_copy(update={"apid": apid, "checksum": "none"}) for apid in range(2000))
        instrument = bench.instrument.model_copy(update={"headers": many, "measurement": None})
        packets = b"".join(
            bytes([8 | apid >> 8, apid & 255]) + bench.telemetry(0)[2:] for apid in range(1, 1900)
        )
        archive, station = RunArchive(tmp_path / "archive", "dpix-prototype"), Station(tmp_path / "live")
        port, result, stop = receiving(archive=archive, instrument=instrument, station=station)
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(packets)
            wait_until(lambda: station.status("receiver").values.get("archived") == len(packets))
            told = wait_until(lambda: (v := station.status("receiver").values).get("apids") and v)
            assert len(told["apids"]) == 128
            assert told["apids_not_told"] == 1899 - 128
            assert told["run"] == 1
        stop.set()
        assert result.result(LIMIT).size == len(packets)
