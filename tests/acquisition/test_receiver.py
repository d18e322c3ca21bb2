"""Sender and receiver over real sockets on the loopback."""

import asyncio
import random
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
from waiting import LIMIT

from eicpy.acquisition import ReceiveRules, receive
from eicpy.egse import send
from eicpy.errors import BadArgumentError, FailedError
from eicpy.packets import index_packets

REAL = {
    "europa": "packets/europa_clipper/ecm_raw2.bin",
    "hit": "packets/imap/hit/sci_sample.ccsds",
    "meddea photons": "packets/padre_meddea/padreMDA0_240916122901.dat",
    "meddea spectra": "packets/padre_meddea/padreMDA2_240916122851.dat",
}


@pytest.mark.parametrize("name", REAL)
def test_real_packets_come_out_as_they_went_in(name, shared_data, receiving, meddea):
    file = shared_data / REAL[name]
    port, result, _ = receiving(until_disconnect=True, instrument=meddea)
    seen = []
    sent = send(file, "127.0.0.1", port, progress=lambda done, total: seen.append((done, total)))
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == file.read_bytes()
    assert summary.size == sent.size == seen[-1][0] == seen[-1][1] == file.stat().st_size
    assert summary.run.metadata.sha256 == summary.run.sha256()
    if name.startswith("meddea"):
        assert (summary.packets, summary.damaged, summary.foreign_bytes) == (4, 0, 0)


def test_what_was_simulated_is_marked_so(photon_packets, receiving, tmp_path):
    for destination, expected in ((0x5555, True), (0, False)):
        (tmp_path / "file").write_bytes(photon_packets(5, destination=destination).raw)
        port, result, _ = receiving(until_disconnect=True)
        send(tmp_path / "file", "127.0.0.1", port)
        assert result.result(LIMIT).run.metadata.simulated is expected


def test_a_silent_peer_ends_the_reception_where_that_was_asked_for(photon_packets, receiving):
    raw = photon_packets(40).raw
    port, result, _ = receiving(until_idle=0.2)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(raw)
        assert result.result(LIMIT).run.raw_file.read_bytes() == raw


def test_a_rate_is_kept(photon_packets, receiving, tmp_path):
    (tmp_path / "file").write_bytes(photon_packets(40).raw)
    port, result, _ = receiving(until_disconnect=True)
    sent = send(tmp_path / "file", "127.0.0.1", port, rate=sent_bytes(tmp_path) / 0.5)
    assert sent.seconds >= 0.45
    assert result.result(LIMIT).packets == 40


def sent_bytes(folder):
    return (folder / "file").stat().st_size


def test_duration_ends_a_reception_without_data_and_no_number_is_used(receiving, archive):
    _, result, _ = receiving(duration=0.1)
    summary = result.result(LIMIT)
    assert (summary.run, summary.size) == (None, 0)
    assert archive.runs() == []
    assert "nothing came" in summary._repr_html_()


def test_only_peers_are_accepted(photon_packets, receiving, tmp_path):
    (tmp_path / "file").write_bytes(photon_packets(4000).raw)
    port, result, stop = receiving(peers=["192.0.2.1"])
    with pytest.raises(FailedError, match="is this host one of the receiver's peers"):
        send(tmp_path / "file", "127.0.0.1", port)
    stop.set()
    summary = result.result(LIMIT)
    assert (summary.size, summary.connections, summary.refused) == (0, 0, {"127.0.0.1": 1})


def test_a_packet_cut_by_a_lost_connection_is_whole_again(photon_packets, receiving):
    raw = photon_packets(50).raw
    port, result, stop = receiving()
    for part in (raw[:1234], raw[1234:1235], raw[1235:]):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        connection.close()
    stop.set()
    summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == raw
    assert (summary.packets, summary.damaged, summary.foreign_bytes, summary.connections) == (50, 0, 0, 3)


def test_connections_at_once_do_not_cut_each_others_packets(photon_packets, receiving, archived, eclairs):
    parts = [photon_packets(150, seed=k, first=1000 * k).raw for k in range(4)]
    port, result, stop = receiving()
    rng = random.Random(7)  # noqa: S311, sizes of pieces, not secrets

    def speak(raw, sizes):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            at = 0
            for size in sizes:
                connection.sendall(raw[at : at + size])
                at += size
            connection.sendall(raw[at:])

    threads = [
        threading.Thread(target=speak, args=(raw, [rng.randrange(1, 1500) for _ in range(60)]))
        for raw in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    archived(sum(map(len, parts)))
    stop.set()
    summary = result.result(LIMIT)
    assert (summary.packets, summary.damaged, summary.foreign_bytes) == (600, 0, 0)
    raw = summary.run.raw_file.read_bytes()
    index = index_packets(raw, eclairs.headers)
    for k, part in enumerate(parts):
        mine = index[(index.sequence_count // 1000) == k]
        pieces = zip(mine.offset.tolist(), mine.length.tolist(), strict=True)
        assert b"".join(raw[o : o + n] for o, n in pieces) == part


def test_foreign_bytes_are_archived_and_counted(photon_packets, receiving, tmp_path):
    raw = photon_packets(10).raw
    (tmp_path / "file").write_bytes(b"\x55" * 100 + raw)
    port, result, _ = receiving(until_disconnect=True)
    send(tmp_path / "file", "127.0.0.1", port)
    summary = result.result(LIMIT)
    assert (summary.size, summary.packets, summary.foreign_bytes) == (len(raw) + 100, 10, 100)


def test_a_stop_keeps_what_has_come(photon_packets, receiving, archived):
    raw = photon_packets(10).raw
    port, result, stop = receiving()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(raw)
        archived(len(raw))
        stop.set()
        summary = result.result(LIMIT)
    assert summary.run.raw_file.read_bytes() == raw
    assert not summary.run.is_open


def test_in_a_notebook_whose_own_loop_runs(archive, eclairs):
    async def cell():
        return receive(archive, eclairs, rules=ReceiveRules(duration=0.1))

    assert asyncio.run(cell()).run is None


RECEIVER = """
    import sys
    from pathlib import Path
    from eicpy.runs import RunArchive
    from eicpy.acquisition import ReceiveCallbacks, receive
    from eicpy.instruments import load

    receive(RunArchive(Path(sys.argv[1]), "eclairs"), load("eclairs"),
            callbacks=ReceiveCallbacks(on_listening=lambda host, port: print(port, flush=True)))
"""


def _receiver(archive):
    command = [sys.executable, "-c", textwrap.dedent(RECEIVER), archive.folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def test_a_killed_receiver_leaves_a_run_that_the_next_one_closes(
    photon_packets, receiving, archive, archived
):
    raw = photon_packets(10).raw
    process = _receiver(archive)
    with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as connection:
        connection.sendall(raw)
        archived(len(raw))
        process.kill()
        process.wait()
        process.stdout.close()
    assert [run.number for run in archive.abandoned()] == [1]
    receiving(duration=0.1)[1].result(LIMIT)
    assert archive.run(1).metadata.sha256 == archive.run(1).sha256()
    assert archive.run(1).raw_file.read_bytes() == raw


def test_a_signal_ends_the_reception_and_closes_the_run(photon_packets, archive, archived):
    raw = photon_packets(10).raw
    process = _receiver(archive)
    with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as connection:
        connection.sendall(raw)
        archived(len(raw))
        process.terminate()
        assert process.wait(LIMIT) == 0
        process.stdout.close()
    assert archive.run(1).metadata.size == len(raw)


def test_bad_arguments_and_absent_receivers_are_named(receiving, tmp_path, eclairs):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BadArgumentError, match="bytes per second above 0"):
        send(tmp_path / "file", "127.0.0.1", 1, rate=0)
    with pytest.raises(BadArgumentError, match="no such file"):
        send(tmp_path / "none", "127.0.0.1", 1)
    with pytest.raises(FailedError, match="no receiver answers"):
        send(tmp_path / "file", "127.0.0.1", 1, connect_timeout=0.1)
    with pytest.raises(BadArgumentError, match="expected peers as addresses"):
        receiving(peers=["the egse"])
    port, _, _ = receiving()
    with pytest.raises(FailedError, match="cannot be listened on"):
        receiving(port=port)
