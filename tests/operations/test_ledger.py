"""The ledger and the other tables, on SQLite and on PostgreSQL."""

import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError, FailedError
from eicpy.housekeeping import Severity
from eicpy.operations import (
    ExcursionEntry,
    ExcursionState,
    ProductEntry,
    ReleaseState,
    StepState,
    add_product,
    begin_step,
    decide_release,
    excursions,
    finish_step,
    handle_excursion,
    latest_accepted,
    products,
    propose_release,
    record_excursions,
    releases,
    run_step,
    step_key,
    steps,
)
from eicpy.operations.models import StepRow

NIGHT = {"instrument": "eclairs", "night": "2026-11-20", "name": "gain"}


@given(
    st.lists(st.text(max_size=8), max_size=5), st.dictionaries(st.text(max_size=5), st.integers(), max_size=4)
)
def test_a_key_depends_on_inputs_and_configuration_but_not_on_their_order(inputs, configuration):
    key = step_key("gain", inputs, configuration)
    assert key == step_key("gain", inputs[::-1], dict(reversed(configuration.items())))
    assert key != step_key("gain", [*inputs, "one more"], configuration)
    assert key != step_key("gain", inputs, {**configuration, "one more": 1})
    assert key != step_key("spectra", inputs, configuration)


def test_a_step_that_is_done_is_not_run_again_unless_asked(database, tmp_path):
    with run_step(database, key="k", **NIGHT) as ticket:
        assert ticket.todo
        ticket.products.append(str(tmp_path / "a.fits"))
        ticket.message = "fine"
    with run_step(database, key="k", **NIGHT) as ticket:
        assert not ticket.todo
        assert (ticket.products, ticket.message) == ([str(tmp_path / "a.fits")], "fine")
    with run_step(database, key="k", **NIGHT, redo=True) as ticket:
        assert ticket.todo
    assert [step.state for step in steps(database, night="2026-11-20")] == [StepState.DONE]


def test_a_step_that_did_not_do_all_it_should_has_failed_and_keeps_what_it_made(database):
    with run_step(database, key="k", **NIGHT) as ticket:
        ticket.failed, ticket.message = True, "one of two"
        ticket.products.append("a.fits")
    (step,) = steps(database)
    assert (step.state, step.message, step.products) == (StepState.FAILED, "one of two", ["a.fits"])
    assert begin_step(database, key="k", **NIGHT).todo


def test_a_failed_step_says_why_and_is_run_again(database):
    with pytest.raises(ZeroDivisionError), run_step(database, key="k", **NIGHT):
        1 / 0  # noqa: B018, the failure is what is tested
    (step,) = steps(database, instrument="eclairs")
    assert (step.state, step.message) == (StepState.FAILED, "ZeroDivisionError: division by zero")
    assert begin_step(database, key="k", **NIGHT).todo


def test_a_step_that_runs_is_not_run_twice_but_one_whose_process_died_is_taken_over(database):
    begin_step(database, key="k", **NIGHT)
    with pytest.raises(FailedError, match="is being run by"):
        begin_step(database, key="k", **NIGHT)
    with database.write() as session:
        step = session.query(StepRow).one()
        host, pid, birth = step.owner.rsplit(":", 2)
        step.owner = f"{host}:{pid}:{int(birth) - 1}"  # the process number was used again
    assert begin_step(database, key="k", **NIGHT).todo


def test_a_step_of_a_dead_process_is_taken_over(database):
    process = multiprocessing.get_context("spawn").Process(target=_nothing)
    process.start()
    process.join()
    begin_step(database, key="k", **NIGHT)
    with database.write() as session:
        step = session.query(StepRow).one()
        step.owner = f"{step.owner.split(':')[0]}:{process.pid}:1"
    assert begin_step(database, key="k", **NIGHT).todo


def _nothing():
    pass


def test_times_of_a_step_are_utc(database):
    begin_step(database, key="k", **NIGHT)
    finish_step(database, "k", StepState.DONE)
    (step,) = steps(database)
    assert step.finished_at.tzinfo is UTC
    assert step.started_at <= step.finished_at


def test_products_by_card_and_time(database):
    for day, start in (("20", 100.0), ("21", 200.0)):
        add_product(
            database,
            ProductEntry(
                "eclairs", "AUX-ECL-PIX-CAL", f"2026-11-{day}", Path(f"/p/{day}"), "a" * 64, start, start + 9
            ),
        )
    add_product(
        database,
        ProductEntry("eclairs", "ECL-EVT-CNV", "2026-11-20", Path("/p/x"), "b" * 64, None, None, True),
    )
    add_product(
        database,
        ProductEntry("eclairs", "ECL-EVT-CNV", "2026-11-20", Path("/p/x"), "c" * 64, None, None, True),
    )
    assert [p.sha256[0] for p in products(database, night="2026-11-20")] == ["a", "c"]
    card = {"instrument": "eclairs", "card": "AUX-ECL-PIX-CAL"}
    assert [p.night for p in products(database, **card)] == ["2026-11-20", "2026-11-21"]


def test_excursions_are_recorded_once_and_handled_once_for_all(database):
    found = [
        ExcursionEntry("T1", Severity.WARNING, 10.0, 20.0, -31.5, -30.0, "°C"),
        ExcursionEntry("T1", Severity.ALARM, 12.0, 15.0, -41.0, -40.0, "°C"),
    ]
    warning, _ = record_excursions(database, "eclairs", "2026-11-20", found)
    handle_excursion(database, warning.id, actor="duty", comment="eclipse")
    longer = ExcursionEntry("T1", Severity.WARNING, 10.0, 25.0, -32.0, -30.0, "°C")
    record_excursions(database, "eclairs", "2026-11-21", [longer])
    assert [(e.level, e.stop, e.state) for e in excursions(database, instrument="eclairs")] == [
        (Severity.WARNING, 25.0, ExcursionState.HANDLED),
        (Severity.ALARM, 15.0, ExcursionState.NEW),
    ]
    assert [e.parameter for e in excursions(database, state=ExcursionState.NEW)] == ["T1"]
    with pytest.raises(BadArgumentError, match="got excursion 99"):
        handle_excursion(database, 99, actor="duty")


def test_calibrations_are_proposed_and_decided(database):
    table = {"instrument": "eclairs", "card": "AUX-ECL-PIX-CAL"}
    first = propose_release(database, **table, file=Path("/p/1"), night="n1", summary={"pass": 0.98})
    second = propose_release(database, **table, file=Path("/p/2"), night="n2")
    assert latest_accepted(database, **table) is None
    decide_release(database, first.id, ReleaseState.ACCEPTED, actor="calib")
    decide_release(database, second.id, ReleaseState.REJECTED, actor="calib", comment="offset of module 7")
    assert latest_accepted(database, **table).file == "/p/1"
    assert latest_accepted(database, **table, before="n1") is None
    third = propose_release(database, **table, file=Path("/p/3"), night="n3")
    decide_release(database, third.id, ReleaseState.ACCEPTED, actor="calib")
    decide_release(database, first.id, ReleaseState.ACCEPTED, actor="calib")  # later, of an earlier night
    assert latest_accepted(database, **table).file == "/p/3"
    assert latest_accepted(database, **table, before="n3").file == "/p/1"
    decide_release(database, third.id, ReleaseState.PROPOSED, actor="calib")
    again = propose_release(database, **table, file=Path("/p/2"), night="n2")
    assert (again.state, again.comment) == (ReleaseState.REJECTED, "offset of module 7")
    assert [r.summary for r in releases(database, state=ReleaseState.ACCEPTED)] == [{"pass": 0.98}]
    with pytest.raises(BadArgumentError, match="got release 99"):
        decide_release(database, 99, ReleaseState.ACCEPTED, actor="calib")


def test_times_of_another_zone_come_back_as_utc(database):
    from datetime import timezone

    begin_step(database, key="k", **NIGHT)
    local = datetime(2026, 11, 21, 3, 0, tzinfo=timezone(timedelta(hours=1)))
    with database.write() as session:
        session.query(StepRow).one().started_at = local
    (step,) = steps(database)
    assert step.started_at == local
    assert step.started_at.utcoffset() == timedelta(0)
