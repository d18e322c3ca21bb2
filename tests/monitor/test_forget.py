"""A part that has ended is shown no more once somebody has seen it."""

import pytest
from click.testing import CliRunner

from eicpy.acquisition.status import Station
from eicpy.cli import main
from eicpy.settings import Settings


def forget(home, *parts):
    options = [word for part in parts for word in ("--forget", part)]
    return CliRunner().invoke(
        main, ["--home", str(home), "monitor", "-i", "eclairs", "--operator", "Ada", *options]
    )


def test_a_part_that_failed_is_forgotten_and_the_journal_says_so(tmp_path):
    station = Station(Settings.at(tmp_path).live("eclairs"))
    with pytest.raises(RuntimeError), station.report("playback", role="processor"):
        raise RuntimeError("no such run")
    assert station.status("playback").state == "failed"
    assert forget(tmp_path, "playback").exit_code == 0
    assert station.statuses() == {}
    assert [(e.by, e.what) for e in station.read_journal()] == [("Ada", "forget playback")]


def test_what_lives_or_is_not_there_is_not_forgotten(tmp_path):
    station = Station(Settings.at(tmp_path).live("eclairs"))
    with station.report("photons", role="processor"):
        assert forget(tmp_path, "photons").exit_code == 2
        assert forget(tmp_path, "photos").exit_code == 2
        assert station.status("photons").alive
    assert station.read_journal() == []
