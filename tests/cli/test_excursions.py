"""Excursions listed and acknowledged from the command line."""

import json

import pytest
from click.testing import CliRunner

from eicpy.cli import main
from eicpy.housekeeping import Severity
from eicpy.operations import ExcursionEntry, open_database, record_excursions
from eicpy.settings import Settings


@pytest.fixture
def call(tmp_path):
    settings = Settings.at(tmp_path)
    found = [
        ExcursionEntry("T1", Severity.ALARM, 100.0, 160.0, -31.5, -30.0, "degC"),
        ExcursionEntry("T2", Severity.WARNING, 200.0, 210.0, 41.0, 40.0, "degC"),
    ]
    with open_database(settings) as database:
        record_excursions(database, "eclairs", "20170101", found)

    def run(*arguments):
        return CliRunner().invoke(main, ["--home", str(tmp_path), *arguments], catch_exceptions=False)

    return run


def test_listed_acknowledged_and_listed_again(call):
    listed = call("excursions", "--instrument", "eclairs")
    assert listed.exit_code == 0
    assert (
        "alarm    2017-01-01 00:01:40 to 2017-01-01 00:02:40 UTC  T1 -31.5 (limit -30) degC" in listed.output
    )
    done = call("acknowledge", "1", "--comment", "known heater", "--by", "ada")
    assert done.exit_code == 0
    assert done.output == "excursion 1 (T1, alarm) acknowledged by ada\n"
    assert "T1" not in call("excursions").output
    rows = [json.loads(line) for line in call("excursions", "--all", "--json").output.splitlines()]
    assert [(row["parameter"], row["state"], row["by"], row["comment"]) for row in rows] == [
        ("T1", "handled", "ada", "known heater"), ("T2", "new", "", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("acknowledge", "1", "99", "--comment", "x", "--by", "a"), 2, "got excursion 99"),
        (("acknowledge", "1"), 2, "--comment"),
        (("acknowledge", "0", "--comment", "x"), 2, "0"),
        (("acknowledge", "1", "--comment", "x", "--by", " "), 2, "no name"),
    ],
)
def test_what_is_wrong_acknowledges_nothing(call, arguments, code, words):
    result = call(*arguments)
    assert result.exit_code == code
    assert words in result.output
    assert "T1" in call("excursions").output


def test_nothing_is_left(call):
    assert call("acknowledge", "1", "2", "--comment", "seen", "--by", "a").exit_code == 0
    assert call("excursions").output == "every excursion was acknowledged\n"
