"""What a run is called, and the few numbers behind it, against the truth of the simulator."""

import json
from datetime import UTC, datetime

import pytest

from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.runs import LABEL_HEADS, RunArchive, RunLabel, edit_run, run_label
from eicpy.runs.runs_table import runs_table
from eicpy.runs.summary import SUMMARY_NAME, count_run, kept_summary, summary_of
from eicpy.text import Texts

ECLAIRS = load("eclairs")


@pytest.fixture
def archive(filled):
    return RunArchive(filled.archive("eclairs"), "eclairs")


def test_the_label_says_when_the_data_were_taken_how_long_and_what_was_lost(archive, simulated):
    run = archive.newest()
    edit_run(run, actor="Ada", setup="on board")
    lost = sum(fault.kind == "lost" for fault in simulated.faults)
    assert run_label(run, ECLAIRS).packets is None, "nobody counted them yet"
    label = run_label(run, ECLAIRS, count=True)
    assert (label.number, label.setup, label.lost, label.damaged) == (1, "on board", lost, 0)
    assert label.source == simulated.packets.name, "the file, without the folder in which it lay"
    assert abs((label.start - datetime(2026, 11, 20, 23, 59, 40, tzinfo=UTC)).total_seconds()) < 3
    assert 55 < label.duration < 61
    assert run_label(run, ECLAIRS) == label, "once counted, it is known to all"
    assert label.words(Texts("en")).startswith("1 · on board · minute.ccsds · 2026-11-20 23:59:4")
    assert f"{lost} perdus" in label.words(Texts("fr"))
    assert len(label.cells(Texts("fr"))) == len(LABEL_HEADS)


def test_eic_runs_shows_the_same_words(archive):
    label = run_label(archive.newest(), ECLAIRS, count=True)
    head, line = runs_table(archive).splitlines()
    assert all(Texts("en")(key) in head for key in LABEL_HEADS)
    assert all(cell in line for cell in label.cells(Texts("en")))


@pytest.mark.parametrize("damage", ["", "{", '{"stamp": "other", "summary": {}}', '{"stamp": 3}', '[1, "x"]'])
def test_a_summary_that_is_torn_or_stale_is_made_again(archive, damage):
    run = archive.newest()
    whole = summary_of(run, ECLAIRS)
    kept = (run.folder / SUMMARY_NAME).read_text()
    (run.folder / SUMMARY_NAME).write_text(damage)
    assert kept_summary(run, ECLAIRS) is None
    assert summary_of(run, ECLAIRS) == whole
    assert json.loads((run.folder / SUMMARY_NAME).read_text()) == json.loads(kept)


def test_a_run_that_is_open_is_counted_and_not_kept(tmp_path, simulated):
    archive = RunArchive(tmp_path / "archive", "eclairs")
    writer = archive.create(source="tcp://127.0.0.1:5555")
    writer.append(simulated.packets.read_bytes()[:100_000])
    label = run_label(writer.run, ECLAIRS, count=True)
    assert label.packets > 10
    assert label.is_open
    assert label.source == "tcp://127.0.0.1:5555"
    assert not (writer.run.folder / SUMMARY_NAME).exists()
    assert label.with_counts(3, 2, 1).cells(Texts("en"))[-3:] == ("3", "2", "1")
    writer.close()


def test_a_run_whose_description_does_not_read_has_its_number(archive):
    run = archive.newest()
    (run.folder / "run.json").write_text("{")
    assert run_label(run, ECLAIRS, count=True) == RunLabel(1)
    assert RunLabel(1).cells(Texts("fr"))[0] == "1"
    assert "unreadable" in runs_table(archive)


def test_a_configuration_run_says_so_in_the_readers_language():
    label = RunLabel(8, suffix="configuration", comment="x" * 1000, setup="y" * 1000)
    assert label.words(Texts("en")).startswith("8 configuration · yyy")
    assert len(label.words(Texts("en"))) < 100
    assert RunLabel(8, suffix="other").name(Texts("fr")) == "8 other"


def test_a_packet_with_a_wrong_time_is_no_end(settings, simulated):
    ingest([simulated.packets], "eclairs", settings)
    run = RunArchive(settings.archive("eclairs"), "eclairs").newest()
    index = run.index(ECLAIRS)
    index.coarse[len(index) // 2] = 0
    wrong = count_run(index, run.raw_file, ECLAIRS)
    assert wrong.last - wrong.first < 61
