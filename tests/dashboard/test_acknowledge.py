"""Excursions on the monitor page: shown to all, acknowledged by operators alone."""

import pytest

from eicpy.dashboard.widgets.acknowledge import AcknowledgePanel
from eicpy.housekeeping import Severity
from eicpy.instruments import load
from eicpy.operations import (
    ExcursionEntry,
    ExcursionState,
    excursions,
    handle_excursion,
    open_database,
    record_excursions,
)
from eicpy.settings import Settings
from eicpy.text import Texts

CAMERA = load("eclairs")


@pytest.fixture
def settings(tmp_path):
    settings = Settings.at(tmp_path)
    found = [
        ExcursionEntry("<b>T1</b>", Severity.ALARM, 100.0, 160.0, -31.5, -30.0, "degC"),
        ExcursionEntry("T2", Severity.WARNING, 200.0, 210.0, 41.0, 40.0, "degC"),
    ]
    with open_database(settings) as database:
        record_excursions(database, "eclairs", "20170101", found)
        record_excursions(
            database, "meddea", "20170101", [ExcursionEntry("M", Severity.ALARM, 1.0, 2.0, 3.0)]
        )
    return settings


def panel(settings, **options):
    made = AcknowledgePanel(settings, CAMERA, **options)
    made.connect(lambda call: call, lambda: None)
    made.translate(Texts("en"))
    return made


def states(settings):
    with open_database(settings) as database:
        return {row.parameter: (row.state, row.handled_by, row.comment) for row in excursions(database)}


def test_everybody_sees_them_the_newest_first_and_escaped(settings):
    shown = panel(settings, allowed=False)
    assert shown.table.value.index("T2") < shown.table.value.index("T1")
    assert "&lt;b&gt;T1" in shown.table.value
    assert "−31.5 °C" in shown.table.value
    assert "2017-01-01 00:01:40" in shown.table.value
    assert '<td class="name">M<' not in shown.table.value
    assert shown.button not in shown.controls.children


def test_an_operator_acknowledges_with_a_comment(settings):
    made = panel(settings, allowed=True, operator="ada")
    made.button.click()
    assert "comment" in made.answer.value.lower()
    made.choice.value = next(row.id for row in made._rows if row.parameter == "T2")
    made.comment.value = "heater <i>known</i>\x1b[2J"
    made.button.click()
    assert states(settings)["T2"][:2] == (ExcursionState.HANDLED, "ada")
    assert "\x1b" not in states(settings)["T2"][2]
    assert "acknowledged by ada" in made.answer.value
    assert "&lt;i&gt;known" in made.table.value
    assert [label for label, _ in made.choice.options] == ["1 · <b>T1</b> · 2017-01-01 00:01:40"]


@pytest.mark.parametrize("who", [{"allowed": False, "operator": "ada"}, {"allowed": True, "operator": ""}])
def test_nobody_else_does(settings, who):
    made = panel(settings, **who)
    made.comment.value = "mine"
    made.choice.value = 1
    made.acknowledge()
    assert {state for state, _, _ in states(settings).values()} == {ExcursionState.NEW}


def test_only_what_is_offered_can_be_acknowledged(settings):
    made = panel(settings, allowed=True, operator="ada")
    with open_database(settings) as database:
        other = excursions(database, instrument="meddea")[0].id
    made.choice.options = [("forged", other)]
    made.choice.value, made.comment.value = other, "forged"
    made.acknowledge()
    assert "Choose an excursion" in made.answer.value
    assert states(settings)["M"][0] is ExcursionState.NEW


def test_who_acknowledged_is_shown_in_french(settings):
    with open_database(settings) as database:
        handle_excursion(database, 1, actor="Zoé", comment="prévu")
    made = panel(settings, allowed=False)
    made.translate(Texts("fr"))
    assert "acquitté par Zoé : prévu" in made.table.value


def test_a_set_up_without_a_database_shows_none(tmp_path):
    made = panel(Settings.at(tmp_path / "empty"), allowed=True, operator="ada")
    assert "no excursion is recorded" in made.table.value
    assert not (tmp_path / "empty" / "eic.sqlite").exists()
