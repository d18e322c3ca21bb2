"""The command eic: what it prints and what it returns."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from waiting import LIMIT, wait_until

from eicpy import __version__
from eicpy.cli import main
from eicpy.errors import ExitCode
from eicpy.simulation import FaultConfig, SimulationConfig, write_simulation

COMMANDS = sorted(main.commands)


@pytest.fixture
def eic(tmp_path):
    """Call the command in a set-up of its own."""

    def call(*arguments: object, **options: object):
        text = ["--home", str(tmp_path / "home"), *map(str, arguments)]
        return CliRunner().invoke(main, text, catch_exceptions=False, **options)

    return call


@pytest.fixture(scope="module")
def packets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packets")
    config = SimulationConfig(name="clean", duration=5.0, seed=2, saa=False)
    return write_simulation(config, folder).packets


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    faults = FaultConfig(lost=0.02, damaged=0.02)
    return write_simulation(
        SimulationConfig(name="bad", duration=20.0, seed=2, saa=False, faults=faults), folder
    ).packets


def test_the_commands_of_the_issue_are_there():
    expected = "packets ingest watch night report simulate send receive dashboards accept reject"
    assert set(expected.split()) <= set(COMMANDS)


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)])
def test_help_tells_what_a_command_does(eic, command):
    result = eic(*command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 6


def test_version(eic):
    assert __version__ in eic("--version").output


def test_help_does_not_load_the_rooms():
    code = (
        "import sys, eicpy.cli; from click.testing import CliRunner; "
        "CliRunner().invoke(eicpy.cli.main, ['--help']); "
        "print(sorted({'numpy', 'astropy', 'papermill', 'bokeh', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("night",),
        ("night", "-i", "nonsense"),
        ("night", "-i", "eclairs", "--from", "yesterday"),
        ("ingest", "-i", "eclairs"),
        ("packets", "missing.ccsds"),
        ("packets", "--checksum", "md5", __file__),
        ("report", "missing.ipynb"),
        ("report", "monitoring", "-p", "bin_second=3"),
        ("report", "monitoring", "-p", "bin_seconds=three"),
        ("report", "monitoring", "-p", "bin_seconds"),
        ("simulate", "nonsense"),
        ("simulate", "demo", "--duration", "-5"),
        ("send", __file__, "--to", "nowhere"),
        ("accept", "AUX-ECL-PIX-CAL-20260101F01.fits"),
    ],
)
def test_a_wrong_call_returns_2_with_a_sentence_and_no_traceback(eic, arguments):
    result = eic(*arguments)
    assert result.exit_code == ExitCode.BAD_ARGUMENTS
    assert result.stderr.strip()
    assert "Traceback" not in result.stderr


def test_packets_of_a_clean_file(eic, packets):
    result = eic("packets", packets, "--json")
    assert result.exit_code == ExitCode.CLEAN
    told = json.loads(result.stdout)
    assert told["damaged"] == told["foreign_bytes"] == 0
    assert told["packets"] == sum(a["received"] for a in told["apids"].values())
    keys = "received lost duplicated out_of_order damaged first last groups_complete groups_incomplete"
    assert all(set(keys.split()) <= set(a) for a in told["apids"].values())
    assert eic("packets", packets).exit_code == ExitCode.CLEAN


def test_packets_of_a_damaged_file_return_1(eic, damaged, packets):
    result = eic("packets", packets, damaged, "--json")
    assert result.exit_code == ExitCode.BAD_DATA
    clean, bad = map(json.loads, result.stdout.splitlines())
    assert clean["damaged"] == 0
    assert bad["damaged"] > 0
    assert sum(a["lost"] for a in bad["apids"].values()) > 0


def test_what_cannot_be_taken_returns_1_and_does_not_stop_the_others(eic, packets, tmp_path):
    (tmp_path / "empty.ccsds").write_bytes(b"")
    (tmp_path / "text.txt").write_text("no packets in here\n" * 50)
    result = eic("ingest", tmp_path / "empty.ccsds", packets, tmp_path / "text.txt", "-i", "eclairs")
    assert result.exit_code == ExitCode.BAD_DATA
    lines = result.stdout.splitlines()
    assert [("refused" in line, "stored" in line) for line in lines] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip


def test_a_file_of_another_instrument_is_refused(eic, packets):
    result = eic("ingest", packets, "-i", "meddea")
    assert result.exit_code == ExitCode.BAD_DATA
    assert "expected packets of meddea" in result.stdout


def test_ingest_watch_and_night_to_the_end(eic, packets, tmp_path, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
    assert eic("ingest", packets, "-i", "eclairs").exit_code == ExitCode.CLEAN
    again = eic("ingest", packets, "-i", "eclairs")
    assert "known" in again.stdout
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "same.ccsds").write_bytes(packets.read_bytes())
    watched = eic("watch", inbox, "-i", "eclairs", "--once")
    assert watched.exit_code == ExitCode.CLEAN
    assert "known" in watched.stdout
    night = eic("night", "-i", "eclairs", "--from", "2026-11-20", "--to", "2026-11-21")
    assert night.exit_code == ExitCode.CLEAN, night.output
    assert "complete" in night.stdout
    assert "index.html" in night.stdout
    second = eic("night", "-i", "eclairs")
    assert second.exit_code == ExitCode.CLEAN
    assert "nothing new" in second.stdout
    assert (tmp_path / "home/reports/index.html").is_file()


def test_a_night_with_losses_returns_1(eic, damaged, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
    assert eic("ingest", damaged, "-i", "eclairs").exit_code == ExitCode.BAD_DATA
    result = eic("night", "-i", "eclairs")
    assert result.exit_code == ExitCode.BAD_DATA
    assert re.search(r"[1-9]\d* packets lost", result.stdout)


def test_a_night_without_data_says_what_to_do(eic):
    result = eic("night", "-i", "eclairs")
    assert result.exit_code == ExitCode.CLEAN
    assert "eic ingest" in result.stdout


def test_progress_is_plain_lines_where_nobody_looks(eic, packets):
    result = eic("ingest", packets, "-i", "eclairs")
    assert re.search(r"^\d\d:\d\d:\d\d ingest: clean\.ccsds 100 %$", result.stderr, re.MULTILINE)
    assert "\x1b" not in result.stderr


def test_a_failed_report_returns_3_and_stays(eic, tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    path = tmp_path / "failing.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1 / 0")]), path)
    result = eic("report", path, "--out", tmp_path / "out")
    assert result.exit_code == ExitCode.FAILED
    assert "ZeroDivisionError" in result.stderr
    assert "This report failed" in (tmp_path / "out/report.html").read_text()
    from eicpy.operations import StepState, open_database, steps
    from eicpy.settings import Settings

    with open_database(Settings.at(tmp_path / "home")) as database:
        assert [s.state for s in steps(database)] == [StepState.FAILED]


def test_a_mistake_of_our_own_returns_3_and_not_1(eic, monkeypatch, packets):
    def broken(*_a, **_k):
        raise AssertionError("never")

    monkeypatch.setattr("eicpy.ingestion.ingest", broken)
    assert eic("ingest", packets, "-i", "eclairs").exit_code == ExitCode.FAILED


def test_an_unwritable_home_returns_3(packets, tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        main, ["--home", str(tmp_path / "file"), "ingest", str(packets), "-i", "eclairs"]
    )
    assert result.exit_code == ExitCode.FAILED
    assert "Traceback" not in result.stderr


def test_send_and_receive_over_tcp(packets, tmp_path):
    home = tmp_path / "home"
    port_file = tmp_path / "port"
    command = [sys.executable, "-c", "from eicpy.cli import main; main()", "--home", str(home)]
    receiver = subprocess.Popen(
        [*command, "receive", "-i", "eclairs", "--once", "--port-file", str(port_file)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: port_file.exists() or receiver.poll() is not None, "a receiver that listens")
    runner = CliRunner()
    sent = runner.invoke(main, ["send", str(packets), "--to", f"127.0.0.1:{port_file.read_text().strip()}"])
    output, _ = receiver.communicate(timeout=LIMIT)
    assert sent.exit_code == ExitCode.CLEAN, sent.output
    assert receiver.returncode == ExitCode.CLEAN
    assert "run 1:" in output
    assert (home / "archive/eclairs/000001/raw.ccsds").read_bytes() == packets.read_bytes()
    known = runner.invoke(main, ["--home", str(home), "ingest", str(packets), "-i", "eclairs"])
    assert "known" in known.stdout


@pytest.mark.parametrize("option", ["--timeout", "--patience"])  # the second is the name of before
def test_nobody_listening_returns_3(packets, option):
    result = CliRunner().invoke(main, ["send", str(packets), "--to", "127.0.0.1:1", option, "0.1"])
    assert result.exit_code == ExitCode.FAILED


def test_a_week_is_simulated_night_by_night(eic, tmp_path):
    result = eic("simulate", "week", "--duration", 1, "--out", tmp_path / "made")
    assert result.exit_code == ExitCode.CLEAN, result.output
    nights = [f"week-{n}" for n in range(1, 8)]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == nights
    for night in nights:
        cards = {path.name[:11] for path in (tmp_path / "made" / night).glob("SVO-*.fits")}
        assert cards == {"SVO-ATT-CNV", "SVO-ORB-CNV"}
        assert str(tmp_path / "made" / night / f"{night}.ccsds") in result.output
    refused = eic("simulate", "week", "--seed", 3)
    assert refused.exit_code == ExitCode.BAD_ARGUMENTS
    assert "whose 7 nights have their own" in refused.output


def test_simulate_writes_packets_and_truth(eic, tmp_path):
    result = eic("simulate", "quiet", "--duration", 3, "--seed", 7, "--out", tmp_path / "made")
    assert result.exit_code == ExitCode.CLEAN
    assert Path(result.stdout.strip()).is_file()
    assert (tmp_path / "made/truth.json").is_file()


def test_a_file_that_is_not_there_does_not_silence_the_others(eic, packets, tmp_path):
    result = eic("packets", "--json", packets, tmp_path / "missing", tmp_path, packets)
    assert result.exit_code == ExitCode.BAD_ARGUMENTS
    assert len(result.stdout.splitlines()) == 2
    assert "no such file" in result.stderr
    assert "expected a file" in result.stderr


def test_the_first_page_of_help_keeps_its_lines(eic):
    lines = eic("--help").output.splitlines()
    assert any(line.strip().startswith("eic ingest FILE") for line in lines)
    assert not any("\\b" in line for line in lines)


def test_a_night_that_ends_before_it_begins_is_a_bad_argument(eic):
    result = eic("night", "-i", "eclairs", "--from", "2027-03-02", "--to", "2027-03-01")
    assert result.exit_code == ExitCode.BAD_ARGUMENTS
    assert "expected an end after the begin" in result.stderr


def test_a_chain_without_a_screen_takes_no_orders_without_a_token(eic, monkeypatch):
    """A token that is made would be printed into a log."""
    monkeypatch.delenv("EIC_DASHBOARD_TOKEN", raising=False)
    done = eic("acquire", "-i", "eclairs", "--orders", "--headless")
    assert done.exit_code == ExitCode.BAD_ARGUMENTS
    assert "EIC_DASHBOARD_TOKEN" in done.output


@pytest.mark.parametrize("wrong", [("--host-name", "https://x"), ("--kernels", "0"), ("--port", "70000")])
def test_the_dashboards_refuse_what_cannot_be(eic, wrong):
    assert eic("dashboards", *wrong).exit_code == ExitCode.BAD_ARGUMENTS
