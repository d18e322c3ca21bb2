"""Housekeeping is archived while it comes, and judged; neither a kill nor the night doubles it."""

import numpy as np
import pytest

from eicpy.housekeeping import HousekeepingArchive, Severity
from eicpy.operations import excursions, open_database
from eicpy.pipeline import run_nights
from eicpy.processors import Job, find_processor, run_processor
from eicpy.processors.housekeeping_parts import HousekeepingParts
from eicpy.runs import RunArchive

TEMPERATURES = [-20.0] * 10 + [-17.0, -16.0, -14.0, -16.0] + [-20.0] * 10
"""A warning that becomes an alarm for a second, from sample 10 to 13."""


def process(settings, bench, **options):
    job = Job(find_processor("housekeeping"), bench.name, once=True, **options)
    return run_processor(job, settings)


@pytest.fixture
def run_of(settings):
    def make(bench, *pieces, between=lambda: None):
        with RunArchive(settings.archive(bench.name), bench.name).create(source="test") as writer:
            for piece in pieces:
                writer.append(piece)
                between()
            return writer.close()

    return make


def rows(settings, bench):
    """Rows of the kind of packet in the files of the archive, repeated ones counted too."""
    archive = HousekeepingArchive(settings.housekeeping(bench.name))
    return sum(file.rows for file in archive.catalogue.files(bench.kind))


def values(settings, bench):
    return HousekeepingArchive(settings.housekeeping(bench.name)).read(bench.parameter).values


def found(settings, bench):
    with open_database(settings) as database:
        return [e for e in excursions(database, instrument=bench.name) if e.parameter == bench.parameter]


def test_values_are_archived_and_limits_judged(settings, bench, run_of):
    run_of(bench, bench.seconds(0, TEMPERATURES))
    process(settings, bench)
    np.testing.assert_allclose(values(settings, bench), TEMPERATURES, atol=0.002)
    (stay,) = found(settings, bench)
    assert (stay.level, stay.stop - stay.start, stay.limit) == (Severity.ALARM, 3.0, -15.0)
    assert stay.value == pytest.approx(-14.0, abs=0.002)
    assert stay.state == "new"


def test_an_excursion_is_the_same_however_the_packets_are_cut(settings, bench, run_of):
    pieces = [bench.seconds(n, TEMPERATURES[n : n + 1]) for n in range(len(TEMPERATURES))]
    run_of(bench, *pieces, between=lambda: process(settings, bench, interval=0.0))
    process(settings, bench)
    (stay,) = found(settings, bench)
    assert (stay.level, stay.stop - stay.start, stay.limit) == (Severity.ALARM, 3.0, -15.0)
    np.testing.assert_allclose(values(settings, bench), TEMPERATURES, atol=0.002)
    assert rows(settings, bench) == len(TEMPERATURES)


def test_a_life_that_ended_between_the_archive_and_the_checkpoint_doubles_nothing(
    settings, bench, run_of, monkeypatch
):
    def process_and_die():
        with monkeypatch.context() as patch:
            patch.setattr("eicpy.processors.checkpoint.Checkpoint.write", dying)
            with pytest.raises(KeyboardInterrupt):
                process(settings, bench, interval=0.0)

    def dying(self, folder):
        if self.packets:
            raise KeyboardInterrupt
        with (folder / "checkpoint.json").open("w") as stream:
            stream.write(self.model_dump_json())

    first, second = bench.seconds(0, TEMPERATURES[:12]), bench.seconds(12, TEMPERATURES[12:])
    run_of(bench, first, second, between=process_and_die)
    assert rows(settings, bench) == len(TEMPERATURES)
    process(settings, bench)
    assert rows(settings, bench) == len(TEMPERATURES)
    np.testing.assert_allclose(values(settings, bench), TEMPERATURES, atol=0.002)
    assert len(found(settings, bench)) == 1


def test_the_night_that_works_on_the_same_run_doubles_nothing(settings, bench, run_of, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_, **__: [])  # not what is tested
    run_of(bench, bench.seconds(0, TEMPERATURES))
    process(settings, bench)
    before = found(settings, bench)
    (outcome,) = run_nights(bench.name, None, None, settings, workers=0)
    assert not outcome.record.failures
    assert outcome.record.alarms > 0
    assert rows(settings, bench) == len(TEMPERATURES)
    after = found(settings, bench)
    assert [(e.id, e.level, e.start, e.stop, e.value, e.limit, e.night) for e in after] == [
        (e.id, e.level, e.start, e.stop, e.value, e.limit, e.night) for e in before
    ]


def test_after_the_night_nothing_is_read_twice(settings, bench, run_of, monkeypatch):
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_, **__: [])
    run_of(bench, bench.seconds(0, TEMPERATURES))
    run_nights(bench.name, None, None, settings, workers=0)
    process(settings, bench)
    np.testing.assert_allclose(values(settings, bench), TEMPERATURES, atol=0.002)
    assert len(found(settings, bench)) == 1


def test_parts_of_a_run_are_joined_at_its_end(settings, bench, run_of):
    pieces = [bench.seconds(n, TEMPERATURES[n : n + 1]) for n in range(10)]
    run_of(bench, *pieces, between=lambda: process(settings, bench))
    archive = HousekeepingArchive(settings.housekeeping(bench.name))
    assert len(archive.catalogue.files(bench.kind)) == 10
    process(settings, bench)
    assert len(archive.catalogue.files(bench.kind)) == 1
    assert rows(settings, bench) == 10


def test_limits_can_be_left_alone(settings, bench, run_of):
    run_of(bench, bench.seconds(0, TEMPERATURES))
    process(settings, bench, parameters={"limits": "false"})
    assert rows(settings, bench) == len(TEMPERATURES)
    assert found(settings, bench) == []


def test_the_real_housekeeping_of_meddea(settings, shared_data):
    with RunArchive(settings.archive("meddea"), "meddea").create(source="PADRE") as writer:
        for file in sorted((shared_data / "packets" / "padre_meddea").glob("padreMD*.dat")):
            writer.append(file.read_bytes())
    job = Job(find_processor("housekeeping"), "meddea", once=True)
    assert run_processor(job, settings).packets == 12
    archive = HousekeepingArchive(settings.housekeeping("meddea"))
    assert len(archive.parameters()) > 20
    assert find_processor("housekeeping").target is HousekeepingParts
