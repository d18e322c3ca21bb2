"""The receiver tells how it is, and takes orders."""

import json
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner
from waiting import LIMIT, wait_until

from eicpy.acquisition.status import Order, Station, send_order
from eicpy.cli import main
from eicpy.errors import ExitCode, FailedError
from eicpy.runs import RunArchive


def test_status_and_orders_of_a_live_receiver(bench, receiving, tmp_path):
    station = Station(tmp_path / "live")
    archive = RunArchive(tmp_path / "archive", "dpix-prototype")
    port, result, stop = receiving(
        archive=archive, instrument=bench.instrument, station=station, operator="Ada", setup="55Fe"
    )

    def values():
        return station.statuses()["receiver"].values

    assert station.statuses()["receiver"].state == "waiting"
    assert values()["listening"] == [f"tcp 127.0.0.1:{port}"]
    assert (values()["run"], values()["mode"], values()["links"]) == (None, "configuration", [])
    damaged = bytearray(bench.telemetry(4))
    damaged[-1] ^= 1
    before = bench.telemetry(0) + bench.start() + bench.telemetry(1) + bench.telemetry(3)
    sent = before + bytes(damaged) + b"\xff" * 9 + bench.telemetry(5)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(sent)
        told = wait_until(lambda: values() if values()["archived"] == len(sent) else None)
        assert json.loads(json.dumps(told)) == told
        assert (told["run"], told["suffix"], told["mode"]) == (2, "", "measurement")
        assert told["run_size"] == len(sent) - len(bench.telemetry(0))
        assert (told["received"], told["packets"], told["damaged"], told["foreign_bytes"]) == (
            len(sent), 5, 1, 9,
        )  # fmt: skip
        assert told["apids"]["901"] == {
            "received": 4, "lost": 1, "duplicated": 0, "out_of_order": 0, "damaged": 1, "restarted": 0,
            "out_of_step": 0, "not_counting": 0, "unconfirmed": 1, "counting": "",
        }  # fmt: skip
        assert told["commands"]["900"]["received"] == 1
        (link,) = told["links"]
        assert (link["address"], link["transport"], link["state"]) == ("127.0.0.1", "tcp", "connected")
        assert link["bytes"] == len(sent)
        assert told["disk_free"] > 0
        assert told["disk_seconds"] is None or told["disk_seconds"] > 0
        assert station.statuses()["receiver"].state == "receiving"
        answer = send_order(station, Order(kind="start", text="flat field", by="Grace"))
        assert answer == "run 3 is open"
        assert values()["run"] == 3
        send_order(station, Order(kind="comment", text="well", by="Grace"))
        send_order(station, Order(kind="configure", by="Grace"))
        with pytest.raises(FailedError, match="no measurement is under way"):
            send_order(station, Order(kind="stop", by="Grace"))
    stop.set()
    summary = result.result(LIMIT)
    assert [run.folder.name for run in summary.runs] == ["000001-configuration", "000002", "000003"]
    first, third = archive.run(1).metadata, archive.run(3).metadata
    assert (first.operator, first.setup) == ("Ada", "55Fe")
    assert (third.operator, third.setup, third.comment) == ("Grace", "55Fe", "flat field\nwell")
    assert [entry.by for entry in station.read_journal()] == ["Grace"] * 4
    status = station.statuses()["receiver"]
    assert (status.state, status.alive, status.error) == ("stopped", False, None)


def test_one_receiver_for_a_station(eclairs, receiving, tmp_path, archive):
    station = Station(tmp_path / "live")
    receiving(station=station)
    with pytest.raises(FailedError, match="receiver is running already"):
        receiving(station=station)


def test_what_two_stations_count_at_once_is_told_of_both_links(bench, receiving, tmp_path):
    station = Station(tmp_path / "live")
    port, result, stop = receiving(instrument=bench.instrument, station=station, timeout=0.2)
    with (
        socket.create_connection(("127.0.0.1", port)) as one,
        socket.create_connection(("127.0.0.1", port)) as two,
    ):
        one.sendall(bench.telemetry(0))
        two.sendall(bench.telemetry(0) + bench.telemetry(1))
        links = wait_until(
            lambda: [
                links
                for links in [station.statuses()["receiver"].values["links"]]
                if sum(link["bytes"] for link in links) == 3 * len(bench.telemetry(0))
            ]
        )[0]
        assert len(links) == 2
        two.close()
        wait_until(lambda: len(station.statuses()["receiver"].values["links"]) == 1)
    stop.set()
    result.result(LIMIT)


def test_a_measurement_sent_again_into_a_new_run_counts_by_itself(bench, receiving, tmp_path):
    station = Station(tmp_path / "live")
    port, result, stop = receiving(instrument=bench.instrument, station=station)

    def counts(received):
        told = station.statuses()["receiver"].values["apids"].get("901", {})
        return told if told.get("received") == received else None

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(bench.start() + b"".join(bench.telemetry(count) for count in range(10)))
        assert wait_until(lambda: counts(10))["lost"] == 0
        send_order(station, Order(kind="start", text="the same once more", by="Grace"))
        connection.sendall(b"".join(bench.telemetry(count) for count in (0, 1, 3)))
        assert wait_until(lambda: counts(13)) == {
            "received": 13, "lost": 1, "duplicated": 0, "out_of_order": 0, "damaged": 0, "restarted": 0,
            "out_of_step": 0, "not_counting": 0, "unconfirmed": 0, "counting": "",
        }  # fmt: skip
    stop.set()
    result.result(LIMIT)


class TestCommands:
    def test_runs_are_listed_and_corrected(self, tmp_path, bench):
        archive = RunArchive(tmp_path / "archive/dpix-prototype", "dpix-prototype")
        archive.create(source="bench", suffix="configuration", operator="Ada").close(comment="two\nlines")
        with archive.create(source="bench") as writer:
            writer.append(bench.start() + bench.telemetry(0))
        archive.run(2).index(bench.instrument)

        def eic(*arguments):
            return CliRunner().invoke(main, ["--home", str(tmp_path), *arguments])

        listed = eic("runs", "-i", "dpix-prototype").stdout.splitlines()
        assert listed[1].split()[:2] == ["1", "configuration"]
        assert listed[1].endswith("Ada       two; lines")
        packets, lost, damaged, state = listed[2].split()[-6:-2]
        assert (packets, lost, damaged, state) == ("1", "0", "0", "closed"), "telemetry, as on live pages"
        assert len(eic("runs", "-i", "dpix-prototype", "--last", "1").stdout.splitlines()) == 2
        edited = eic("runs", "edit", "2", "-i", "dpix-prototype", "--comment", "good", "--by", "Grace")
        assert edited.exit_code == 0, edited.output
        assert archive.run(2).metadata.comment == "good"
        assert archive.run(2).metadata.history[0].by == "Grace"
        assert "no run of eclairs yet" in eic("runs", "-i", "eclairs").stdout
        assert eic("runs").exit_code == 2
        assert eic("runs", "edit", "2", "-i", "dpix-prototype").exit_code == 2
        assert eic("runs", "edit", "9", "-i", "dpix-prototype", "--comment", "x").exit_code == 2

    def test_receive_writes_runs_into_the_ledger_and_a_signal_closes_them(self, tmp_path, bench):
        port_file = tmp_path / "port"
        command = [
            sys.executable, "-m", "eicpy.cli", "--home", str(tmp_path / "home"), "receive",
            "-i", "dpix-prototype", "--port-file", str(port_file), "--udp", "127.0.0.1:0",
            "--operator", "Ada", "--setup", "55Fe", "--comment", "try", "--position", "20 cm",
        ]  # fmt: skip
        receiver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wait_until(lambda: port_file.exists() or receiver.poll() is not None)
        raw = bench.telemetry(0) + bench.start() + bench.telemetry(1) + bench.stop()
        with socket.create_connection(("127.0.0.1", int(port_file.read_text()))) as connection:
            connection.sendall(raw)
            files = tmp_path / "home/archive/dpix-prototype"
            wait_until(lambda: sum(f.stat().st_size for f in files.glob("*/raw.ccsds")) == len(raw))
            receiver.terminate()
            output, _ = receiver.communicate(timeout=LIMIT)
        assert receiver.returncode == ExitCode.TERMINATED
        assert "(udp)" in output
        assert f"runs 1-configuration, 2: {len(raw)} bytes, 4 packets, 0 damaged" in output
        metadata = RunArchive(files, "dpix-prototype").run(2).metadata
        assert (metadata.operator, metadata.setup, metadata.comment, metadata.position) == (
            "Ada", "55Fe", "try", "20 cm",
        )  # fmt: skip
        (tmp_path / "copy").write_bytes((files / "000002/raw.ccsds").read_bytes())
        known = CliRunner().invoke(
            main, ["--home", str(tmp_path / "home"), "ingest", str(tmp_path / "copy"), "-i", "dpix-prototype"]
        )
        assert "known" in known.stdout
