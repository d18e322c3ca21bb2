"""Two nights at once on one home, a night that is taken over, a disk that is full at each of its steps."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from eicpy.errors import ExitCode, FailedError, InUseError
from eicpy.ingestion import ingest
from eicpy.operations import StepState, begin_step, open_database, steps, takeovers
from eicpy.pipeline import run_night, run_nights
from eicpy.products import read_product
from eicpy.settings import Settings

START, MIDNIGHT, STOP = "2026-11-20T18:00:00", "2026-11-21T00:00:00", "2026-11-21T06:00:00"


def comparable(settings):
    """Everything in the products of all nights that is data."""
    found = {}
    for path in sorted(settings.products("eclairs").rglob("*.fits")):
        for table in read_product(path).tables.values():
            found |= {(path.name, table.name, c): v for c, v in table.columns.items()}
    return found


def assert_same(one, other):
    one, other = comparable(one), comparable(other)
    assert one.keys() == other.keys()
    for key, values in one.items():
        assert np.array_equal(values, other[key], equal_nan=values.dtype.kind == "f"), key


@pytest.fixture
def undisturbed(tmp_path, simulated, no_reports):
    settings = Settings.at(tmp_path / "undisturbed")
    ingest([simulated.packets], "eclairs", settings)
    return settings


def once(what, action):
    """Progress that does something when it comes to a step for the first time."""
    done = []

    def progress(_done, _total, said=""):
        if what in said and not done:
            done.append(said)
            action()

    return progress


def test_a_night_that_runs_is_not_run_a_second_time(filled, no_reports):
    refused = []

    def second():
        with pytest.raises(InUseError, match="step night of 20261120 is being run by") as caught:
            run_night("eclairs", START, STOP, filled)
        refused.append(caught.value)
        # with other inputs it is another step, and writes into the same folder
        with pytest.raises(InUseError, match="step night of 20261120 is being run by"):
            run_night("eclairs", START, MIDNIGHT, filled)

    outcome = run_night("eclairs", START, STOP, filled, progress=once("photons", second))
    assert outcome.record.status == "complete"
    assert refused[0].exit_code is ExitCode.FAILED


def test_two_different_nights_at_once_are_what_they_are_one_after_the_other(filled, undisturbed):
    for interval in ((START, MIDNIGHT), (MIDNIGHT, STOP)):
        run_night("eclairs", *interval, undisturbed)
    second = []
    first = run_night(
        "eclairs", START, MIDNIGHT, filled,
        progress=once("photons", lambda: second.append(run_night("eclairs", MIDNIGHT, STOP, filled))),
    )  # fmt: skip
    assert [o.record.status for o in (first, *second)] == ["complete"] * 2
    assert_same(undisturbed, filled)
    index = (filled.reports / "index.html").read_text()
    assert "20261120" in index
    assert "20261121" in index


def test_a_night_that_is_taken_over_stops_and_leaves_the_record_to_the_other(filled, no_reports):
    def other_process():
        with open_database(filled) as database:
            (step,) = steps(database)
            begin_step(
                database, key=step.key, instrument="eclairs", night=step.night, name="night",
                take_over=True, actor="ada",
            )  # fmt: skip

    with pytest.raises(InUseError, match="this one stops"):
        run_night("eclairs", START, STOP, filled, progress=once("photons", other_process))
    record = json.loads((filled.products("eclairs") / "20261120/night.json").read_text())
    assert record["status"] == "running"
    with open_database(filled) as database:
        assert [s.state for s in steps(database)] == [StepState.RUNNING]
        assert [t.actor for t in takeovers(database)] == ["ada"]
    (outcome,) = [run_night("eclairs", START, STOP, filled, take_over=True)]
    assert outcome.record.status == "complete"


STAGES = ["segment-01", "night.json", "ECL-EVT-CAL", "ECL-QLK", ".parquet", "index.html"]
"""Parts of the names of files that a night writes."""


def test_a_disk_that_is_full_at_each_step_is_told_and_the_next_call_goes_on(filled, undisturbed, monkeypatch):
    run_nights("eclairs", START, MIDNIGHT, undisturbed)
    rename, full = Path.rename, []

    def no_space(partial, target):
        name = Path(target).name
        stage = next((s for s in STAGES if s in name and s not in full), None)
        if stage is not None:
            full.append(stage)
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(partial, target)

    monkeypatch.setattr(Path, "rename", no_space)
    told = []
    for _ in range(len(STAGES) + 1):
        before = len(full)
        try:
            (outcome,) = run_nights("eclairs", START, MIDNIGHT, filled)
        except FailedError as error:
            told.append(str(error))
        else:
            if len(full) == before:
                break
            assert outcome.exit_code is ExitCode.FAILED
            told += outcome.record.failures
    assert sorted(full) == sorted(STAGES)
    assert all("No space left on device" in text for text in told)
    assert outcome.record.status == "complete"
    assert not list(filled.home.rglob("*.partial"))
    assert_same(undisturbed, filled)
