"""A step that is left running: by a process that died elsewhere, that lives, or that comes back."""

from datetime import timedelta

import pytest
from alembic import command
from sqlalchemy import create_engine, text
from waiting import wait_until

from eicpy.errors import InUseError
from eicpy.operations import StepState, begin_step, finish_step, open_database, run_step, steps, takeovers
from eicpy.operations import heartbeat as heartbeats
from eicpy.operations import takeover as taking
from eicpy.operations.migration import migration_config
from eicpy.operations.models import StepRow
from eicpy.process import process_identity

NIGHT = {"instrument": "eclairs", "night": "20261120", "name": "night"}
AWAY = "old-container:18636:4711"


@pytest.fixture
def quick(monkeypatch):
    """Nobody waits: what happens while a step is watched is for the test to say."""
    made = Clock()
    monkeypatch.setattr(taking, "time", made)
    return made.happens


class Clock:
    """The clock of the watch, on which things happen instead of a wait."""

    def __init__(self):
        self.now, self.happens = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for event in self.happens:
            event()


def left_running(database, key="k", *, age=0.0, began=None, signs=True):
    """Leave a step running on another host, with the last sign of life so many seconds ago."""
    ticket = begin_step(database, key=key, **NIGHT)
    with database.write() as session:
        step = session.query(StepRow).filter_by(key=key).one()
        now = heartbeats.database_time(session)
        step.owner = AWAY
        step.started_at = now - timedelta(seconds=age if began is None else began)
        if signs:
            step.beats, step.beat_at = 7, now - timedelta(seconds=age)
        else:
            step.claim = ""
    return ticket


def beat(database, key="k"):
    with database.write() as session:
        session.query(StepRow).filter_by(key=key).one().beats += 1


def test_one_that_lives_elsewhere_is_left_alone_and_the_message_tells_what_to_do(database):
    left_running(database, age=12.0, began=3 * 86400.0)
    with pytest.raises(InUseError) as caught:
        begin_step(database, key="k", **NIGHT, redo=True)
    said = str(caught.value)
    began = steps(database)[0].started_at
    assert f"run by {AWAY} since {began:%Y-%m-%d %H:%M:%S} UTC, its last sign of life is 1" in said
    assert "--take-over" in said
    assert takeovers(database) == []


def test_one_that_has_been_silent_is_watched_and_taken_over_and_that_is_recorded(database, quick):
    old = left_running(database, age=400.0)
    ticket = begin_step(database, key="k", **NIGHT, actor="cron")
    assert ticket.todo
    (row,) = takeovers(database, instrument="eclairs", night="20261120")
    assert (row.taken_from, row.taken_by, row.actor) == (AWAY, process_identity(), "cron")
    assert row.reason.startswith("no sign of life since 20")
    assert row.beat_at > row.started_at - timedelta(seconds=1)
    assert [(s.state, s.actor) for s in steps(database)] == [(StepState.RUNNING, "cron")]
    with pytest.raises(InUseError, match=r"was taken over by another one, .* on \d{4}-\d\d-\d\d at "):
        finish_step(database, old, StepState.DONE, products=["by the dead"])
    finish_step(database, ticket, StepState.DONE, products=["by the living"])
    assert [(s.state, s.products) for s in steps(database)] == [(StepState.DONE, ["by the living"])]


@pytest.mark.parametrize("leap", [-86400.0, 86400.0, 400.0])
def test_a_clock_that_jumps_takes_no_step_from_a_process_that_lives(database, quick, leap):
    left_running(database, age=leap)
    quick.append(lambda: beat(database))
    with pytest.raises(InUseError, match="is being run by old-container"):
        begin_step(database, key="k", **NIGHT)
    assert takeovers(database) == []


@pytest.mark.parametrize("leap", [-86400.0, 86400.0])
def test_a_clock_that_jumps_keeps_no_dead_step_for_ever(database, quick, leap):
    left_running(database, age=leap)
    assert begin_step(database, key="k", **NIGHT).todo


def test_one_that_ends_while_it_is_watched_is_done(database, quick):
    old = left_running(database, age=400.0)
    quick.append(lambda: finish_step(database, old, StepState.DONE, products=["a"]))
    ticket = begin_step(database, key="k", **NIGHT)
    assert (ticket.todo, ticket.products) == (False, ["a"])


def test_one_that_gives_no_signs_of_life_is_believed_for_a_day(database, quick):
    left_running(database, age=80_000.0, signs=False)
    with pytest.raises(InUseError, match="it gives no signs of life"):
        begin_step(database, key="k", **NIGHT)
    left_running(database, "l", age=90_000.0, signs=False)
    assert begin_step(database, key="l", **NIGHT).todo


def test_a_person_takes_over_what_runs_and_the_other_one_stops_and_records_nothing(database):
    second = []

    def run():
        with run_step(database, key="k", **NIGHT) as first:
            second.append(begin_step(database, key="k", **NIGHT, take_over=True, actor="ada"))
            with pytest.raises(InUseError, match="this one stops"):
                first.check(ask=True)
            assert first.lost
            with pytest.raises(InUseError, match="this one stops"):
                first.check()

    with pytest.raises(InUseError, match="was taken over"):
        run()
    assert [s.state for s in steps(database)] == [StepState.RUNNING]
    finish_step(database, second[0], StepState.DONE, message="well")
    assert [(s.state, s.message) for s in steps(database)] == [(StepState.DONE, "well")]
    assert [(t.actor, t.reason) for t in takeovers(database)] == [("ada", "by command of ada")]


def test_an_error_of_one_that_was_taken_over_is_not_recorded_over_its_successor(database):
    def run():
        with run_step(database, key="k", **NIGHT):
            begin_step(database, key="k", **NIGHT, take_over=True)
            1 / 0  # noqa: B018, the failure is what is tested

    with pytest.raises(ZeroDivisionError):
        run()
    assert [s.state for s in steps(database)] == [StepState.RUNNING]


def test_a_running_step_gives_signs_of_life(database, monkeypatch):
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.01)
    with run_step(database, key="k", **NIGHT):
        wait_until(lambda: steps(database)[0].beats > 3, "signs of life")
        (step,) = steps(database)
        assert step.beat_at >= step.started_at
    beats = steps(database)[0].beats
    assert steps(database)[0].state is StepState.DONE
    assert steps(database)[0].beats == beats


def test_two_versions_of_a_night_do_not_run_at_once(database, quick):
    """Another input makes another key, and the same folder."""
    with run_step(database, key="before the file came", **NIGHT, alone=True):
        with pytest.raises(InUseError, match="is being run by"):
            begin_step(database, key="after it came", **NIGHT, alone=True)
        other = NIGHT | {"night": "20261121"}
        assert begin_step(database, key="another night", **other, alone=True).todo
    left_running(database, "dead", age=400.0)
    assert begin_step(database, key="after it came", **NIGHT, alone=True).todo
    dead = next(s for s in steps(database) if s.key == "dead")
    assert dead.state is StepState.FAILED
    assert dead.message.startswith("no sign of life since")


def test_a_database_of_before_with_a_running_step_is_brought_up_to_date(settings, quick):
    settings.home.mkdir()
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO step "
                "(key, instrument, night, name, state, owner, started_at, message, products) VALUES ('k', "
                "'eclairs', '20261020', 'night', 'running', :owner, '2026-10-20 03:26:28', '', '[]')"
            ),
            {"owner": AWAY},
        )
    engine.dispose()
    with open_database(settings) as database:
        (step,) = steps(database)
        assert (step.actor, step.claim, step.beats, step.beat_at) == ("", "", 0, None)
        assert begin_step(database, key="k", **NIGHT | {"night": "20261020"}).todo
        (row,) = takeovers(database)
        assert f"{row.started_at:%Y-%m-%d %H:%M:%S}" == "2026-10-20 03:26:28"
