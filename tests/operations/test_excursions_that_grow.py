"""An excursion that is found while it lasts: one row, whose level rises and never falls."""

import pytest

from eicpy.housekeeping import Severity
from eicpy.operations import (
    ExcursionEntry,
    ExcursionState,
    excursions,
    handle_excursion,
    open_database,
    record_excursions,
)
from eicpy.settings import Settings


@pytest.fixture
def database(tmp_path):
    with open_database(Settings.at(tmp_path)) as database:
        yield database


def record(database, level, stop, value, limit):
    entry = ExcursionEntry("T1", level, 100.0, stop, value, limit, "degC")
    return record_excursions(database, "eclairs", "20261121", [entry])[0]


def test_a_warning_that_becomes_an_alarm_is_one_excursion_that_is_looked_at_anew(database):
    first = record(database, Severity.WARNING, 101.0, 31.0, 30.0)
    handle_excursion(database, first.id, actor="duty")
    record(database, Severity.ALARM, 103.0, 41.0, 40.0)
    (row,) = excursions(database)
    assert (row.id, row.level, row.state) == (first.id, Severity.ALARM, ExcursionState.NEW)
    assert (row.stop, row.value, row.limit) == (103.0, 41.0, 40.0)


def test_an_alarm_stays_one_when_it_is_found_again_before_it_became_one(database):
    record(database, Severity.ALARM, 103.0, 41.0, 40.0)
    record(database, Severity.WARNING, 101.0, 31.0, 30.0)
    (row,) = excursions(database)
    assert (row.level, row.stop, row.value, row.limit) == (Severity.ALARM, 103.0, 41.0, 40.0)


def test_one_that_lasts_keeps_what_was_decided_about_it(database):
    first = record(database, Severity.WARNING, 101.0, 31.0, 30.0)
    handle_excursion(database, first.id, actor="duty", comment="known")
    record(database, Severity.WARNING, 102.0, 32.0, 30.0)
    (row,) = excursions(database)
    assert (row.state, row.stop, row.value, row.comment) == (ExcursionState.HANDLED, 102.0, 32.0, "known")
