"""What is no file, and names that are no text."""

import os
from pathlib import Path

import pytest

from eicpy.errors import BadDataError, ExitCode, readable
from eicpy.ingestion import ingest, ingest_file
from eicpy.instruments import load
from eicpy.operations import FileState
from eicpy.operations.file_rows import files
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.simulation import SimulationConfig, write_simulation

STRANGE = [b"not-utf8-\xff\xfe", b"two\nlines", b"<script>alert(1)<", b"\x1b[31mred"]


@pytest.fixture(scope="module")
def some_packets(tmp_path_factory):
    config = SimulationConfig(name="few", duration=2.0, seed=3, saa=False)
    return write_simulation(config, tmp_path_factory.mktemp("few")).packets.read_bytes()


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_is_stored_and_told_in_a_line(tmp_path, some_packets, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    try:
        path.write_bytes(some_packets)
    except OSError:
        pytest.skip("this file system takes no such name")
    told = []
    settings = Settings.at(tmp_path / "home")
    again = [ingest([path], "eclairs", settings, on_outcome=told.append) for _ in range(2)]
    assert [o.exit_code for (o,) in again] == [ExitCode.CLEAN] * 2
    assert [o for (o,) in again] == told
    assert "known" in told[1].summary
    assert told[0].summary.isprintable()
    told[0].summary.encode()


def test_a_pipe_and_a_folder_are_refused_at_once(tmp_path, database):
    eclairs, archive = load("eclairs"), RunArchive(tmp_path / "archive", "eclairs")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(BadDataError, match="expected a file of packets"):
            ingest_file(path, eclairs, database, archive)
    assert [row.state for row in files(database)] == [FileState.REFUSED] * 2


@pytest.mark.parametrize("text", ["plain.ccsds", "Ångström μ.ccsds"])
def test_ordinary_names_are_left_as_they_are(text):
    assert readable(text) == text
