"""Ctrl-C and SIGTERM: what was kept, how to go on, and an exit code that means nothing else."""

import os
import signal
import subprocess
import sys

import click
import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook
from waiting import LIMIT, wait_until

from eicpy.cli import main
from eicpy.cli.console import LongCommand
from eicpy.errors import ExitCode
from eicpy.process import interrupt_on_signals, stop_asked, stop_on_signals

LONG = [
    "acquire", "dashboards", "follow", "ingest", "night", "process",
    "publish", "receive", "report", "send", "simulate", "watch",
]  # fmt: skip
ENDED = {signal.SIGINT: ("Ctrl-C", ExitCode.INTERRUPTED), signal.SIGTERM: ("SIGTERM", ExitCode.TERMINATED)}
WORK = {
    "ingest": ("eicpy.ingestion.ingest", ["ingest", "a.bin", "-i", "eclairs"]),
    "night": ("eicpy.pipeline.run_nights", ["night", "-i", "eclairs"]),
    "simulate": ("eicpy.simulation.write_simulation", ["simulate", "quiet", "--duration", "1"]),
    "report": ("eicpy.pipeline.notebook_report", ["report", "monitoring"]),
    "dashboards": ("eicpy.dashboard.serve", ["dashboards"]),
}


@pytest.fixture
def eic(tmp_path):
    return lambda *arguments: CliRunner().invoke(main, ["--home", str(tmp_path), *arguments])


def test_the_codes_are_those_of_shells():
    assert {n: 128 + n for n in ENDED} == {n: int(code) for n, (_, code) in ENDED.items()}


@pytest.mark.parametrize("name", LONG)
def test_every_long_command_says_what_a_signal_leaves(eic, name):
    command = main.commands[name]
    assert isinstance(command, LongCommand)
    said = " ".join(eic(name, "--help").output.split())
    assert f"after Ctrl-C 130, after SIGTERM 143: {command.when_stopped}." in said


@pytest.mark.parametrize("number", ENDED)
@pytest.mark.parametrize("name", WORK)
def test_work_in_one_piece_is_left_at_once(eic, monkeypatch, name, number):
    place, arguments = WORK[name]

    def work(*_arguments, **_options):
        signal.raise_signal(number)
        pytest.fail("the work went on")

    monkeypatch.setattr(place, work)
    before = [signal.getsignal(n) for n in ENDED]
    result = eic(*arguments)
    who, code = ENDED[number]
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1] == f"eic: stopped by {who}: {main.commands[name].when_stopped}"
    assert "Traceback" not in result.stderr
    assert [signal.getsignal(n) for n in ENDED] == before


@pytest.mark.parametrize("number", ENDED)
def test_work_in_pieces_ends_between_two_of_them(eic, monkeypatch, number):
    def watch(*_arguments, **_options):
        with stop_on_signals() as stop:
            signal.raise_signal(number)
            assert stop.wait(LIMIT)
            assert stop_asked()
        assert not stop_asked()
        return []

    monkeypatch.setattr("eicpy.ingestion.watch", watch)
    result = eic("watch", "inbox", "-i", "eclairs")
    who, code = ENDED[number]
    assert result.exit_code == code
    assert result.stderr.startswith(f"eic: stopped by {who}: the files that were taken are kept")


def test_a_failure_stays_one_though_a_signal_came(eic, monkeypatch):
    def fails(*_arguments, **_options):
        with stop_on_signals():
            signal.raise_signal(signal.SIGTERM)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eicpy.ingestion.watch", fails)
    result = eic("watch", "inbox", "-i", "eclairs")
    assert (result.exit_code, result.stderr) == (ExitCode.FAILED, "eic: No space left on device\n")


def test_a_question_that_is_not_answered_is_no_lost_packet(eic, monkeypatch):
    def asks(*_arguments, **_options):
        raise click.Abort

    monkeypatch.setattr("eicpy.pipeline.run_nights", asks)
    assert eic("night", "-i", "eclairs").exit_code == ExitCode.INTERRUPTED


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_on_signals() as received:
            signal.raise_signal(signal.SIGINT)
        assert received == []
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_report_that_is_stopped_takes_its_kernel_with_it(tmp_path):
    kernel = tmp_path / "kernel"
    cell = (
        "import os, signal, pathlib\n"
        f"pathlib.Path({str(kernel)!r}).write_text(str(os.getpid()))\n"
        "signal.pause()"
    )
    nbformat.write(new_notebook(cells=[new_code_cell(cell)]), tmp_path / "waits.ipynb")
    process = subprocess.Popen(
        [sys.executable, "-m", "eicpy.cli", "--home", tmp_path / "home", "report", tmp_path / "waits.ipynb"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        wait_until(lambda: process.poll() is not None or (kernel.exists() and kernel.read_text()), "a kernel")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == ExitCode.TERMINATED, said
    assert said.splitlines()[-1] == "eic: stopped by SIGTERM: no report was written; call it again"
    assert "Traceback" not in said
    assert not list((tmp_path / "home").rglob("report.*"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(kernel.read_text()), 0)
