"""A home that may be read and not written: what only reads works, what writes fails in words."""

import ctypes
import os
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.errors import ExitCode
from eicpy.ingestion import ingest
from eicpy.settings import Settings
from eicpy.simulation import SimulationConfig, write_simulation


class CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class CapData(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("effective", "permitted", "inheritable")]


VERSION_3 = 0x20080522
MAY_WRITE_EVERYWHERE = 1 << 1
"""CAP_DAC_OVERRIDE, which root has."""


@contextmanager
def permissions_count():
    """Root may write where nobody else may: not inside this block."""
    if os.geteuid() != 0:
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    header, data = CapHeader(VERSION_3, 0), (CapData * 2)()
    assert library.capget(ctypes.byref(header), data) == 0
    had = data[0].effective
    data[0].effective = had & ~MAY_WRITE_EVERYWHERE
    assert library.capset(ctypes.byref(header), data) == 0
    try:
        yield
    finally:
        data[0].effective = had
        assert library.capset(ctypes.byref(header), data) == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a run in its archive that nobody may write."""
    folder = tmp_path_factory.mktemp("read-only")
    packets = write_simulation(SimulationConfig(name="clean", duration=3.0, saa=False), folder / "s").packets
    ingest([packets], "eclairs", Settings.at(folder / "home"))
    inside = [folder / "home", *(folder / "home").rglob("*")]
    for path in inside:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder / "home"
    for path in inside:
        path.chmod(0o755)


def call(home, *arguments):
    with permissions_count():
        return CliRunner().invoke(main, ["--home", str(home), *arguments])


@pytest.mark.parametrize("arguments", [("runs", "-i", "eclairs"), ("follow", "1", "-i", "eclairs")])
def test_what_only_reads_works(home, arguments):
    result = call(home, *arguments)
    assert (result.exit_code, result.stderr) == (ExitCode.CLEAN, "")
    assert result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("night", "-i", "eclairs"),
        ("ingest", __file__, "-i", "eclairs"),
        ("watch", ".", "-i", "eclairs", "--once"),
        ("report", "monitoring", "-i", "eclairs"),
        ("simulate", "quiet", "--duration", "1"),
        ("receive", "-i", "eclairs"),
        ("process", "photons", "-i", "eclairs", "--once"),
        ("acquire", "-i", "eclairs", "--headless", "--no-processors", "--no-dashboards"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_writes_fails_in_words(home, arguments):
    result = call(home, *arguments)
    assert result.exit_code == ExitCode.FAILED, result.output
    last = result.stderr.splitlines()[-1]
    assert last.startswith("eic: ")
    assert str(home) in last
    assert "Traceback" not in result.stderr
