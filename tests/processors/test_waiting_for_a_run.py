"""A playback of a run that is still open waits for its end, and says so."""

import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.runs import RunArchive
from eicpy.settings import Settings


@pytest.mark.parametrize(("options", "waits"), [((), True), (("--once",), False)])
def test_a_run_that_is_open_is_waited_for_and_that_is_said(tmp_path, options, waits):
    settings = Settings.at(tmp_path)
    call = [
        "--home",
        str(tmp_path),
        "process",
        "photons",
        "-i",
        "eclairs",
        "--run",
        "1",
        "-p",
        "unfinished=2",
    ]
    with RunArchive(settings.archive("eclairs"), "eclairs").create(source="bench"):
        told = CliRunner().invoke(main, [*call, *options])
    assert ("run 1 is still open: waiting for its end" in told.output) is waits
    after = CliRunner().invoke(main, [*call, *options])
    assert "still open" not in after.output
