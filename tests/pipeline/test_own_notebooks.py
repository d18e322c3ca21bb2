"""Notebooks of a user's own become reports of every night, beside those of eicpy."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from eicpy.errors import ExitCode
from eicpy.nights.index_page import write_index
from eicpy.nights.record import NightRecord
from eicpy.operations import open_database, steps
from eicpy.pipeline import night_reports
from eicpy.pipeline.night import NightOutcome
from eicpy.pipeline.night_reports import make_reports, notebook_report
from eicpy.reports.notebooks import own_notebooks
from eicpy.reports.report import ReportOutcome

NIGHT = {"title": "ECLAIRs", "start": "", "stop": "", "status": "complete", "simulated": True, "key": "k"}
OPENS = "import eicpy\nnight = eicpy.open_night()\nassert night.record.night == '20260101', night\nnight"


@pytest.fixture
def nights(settings, monkeypatch):
    """Two nights that need no report of eicpy's."""
    monkeypatch.setattr(night_reports, "calibration_tables", lambda _instrument: {})
    (settings.home / "notebooks").mkdir(parents=True)
    real = night_reports._run

    def run(notebook, *arguments):
        if notebook.own:
            return real(notebook, *arguments)
        arguments[2].mkdir(parents=True, exist_ok=True)
        (arguments[2] / "report.html").write_text("made")
        return ReportOutcome("complete", arguments[2], notebook.name, "", 0.0)

    monkeypatch.setattr(night_reports, "_run", run)
    for name in ("20260101", "20260102"):
        NightRecord(instrument="eclairs", night=name, **NIGHT).write(settings.products("eclairs") / name)
    return settings


@pytest.fixture
def kernels(monkeypatch):
    """Reports without a kernel: how many were run, and what they are to end with."""
    state = {"runs": [], "status": "complete"}

    def run(path, parameters, folder, **options):
        state["runs"].append((path.stem, dict(parameters), options["environment"]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.html").write_text("made")
        return ReportOutcome(state["status"], folder, path.stem, "cell 1: words", 0.0)

    monkeypatch.setattr("eicpy.reports.report.run_report", run)
    return state


def reports_of(settings, name="20260101", *, redo=False):
    folder = settings.products("eclairs") / name
    record = NightRecord.read(folder)
    with open_database(settings) as database:
        made = make_reports(record, folder, settings, database, redo=redo, progress=lambda _what: None)
    record.status = record.outcome
    record.write(folder)
    return record, [report.notebook for report in made]


@pytest.mark.slow
def test_a_notebook_in_the_folder_becomes_a_report_that_knows_what_it_shows(nights, make_notebook):
    """What it opens is the night that is run, says that it is simulated, and is named with its hash."""
    make_notebook(
        OPENS, parameters="level: float = 3.0", name="my rates", folder=nights.notebooks / "eclairs"
    )
    make_notebook("print('before')", "1 / 0", name="failing", folder=nights.notebooks)
    (nights.notebooks / "broken.ipynb").write_bytes(b'{"cells": [')
    record, made = reports_of(nights)
    assert made == ["monitoring", "broken", "failing", "my rates"]
    by_name = {report.notebook: report for report in record.reports}
    assert {name: report.status for name, report in by_name.items()} == {
        "monitoring": "complete", "broken": "failed", "failing": "failed", "my rates": "complete",
    }  # fmt: skip
    assert record.status == "complete"
    assert NightOutcome(record, nights.home, new=True).exit_code is ExitCode.FAILED
    assert "ZeroDivisionError" in by_name["failing"].message

    folder = nights.reports / "eclairs/20260101/my rates"
    page, stored = (folder / "report.html").read_text(), json.loads((folder / "report.json").read_text())
    assert 'class="eic-simulated"' in page
    assert "ECLAIRs, 2026-01-01" in page
    assert stored["provenance"]["simulated"] is True
    assert [i["name"] for i in stored["provenance"]["inputs"]] == ["my rates.ipynb", "night.json"]
    assert all(len(i["sha256"]) == 64 for i in stored["provenance"]["inputs"])
    assert "This report failed" in (nights.reports / "eclairs/20260101/broken/report.html").read_text()

    index = write_index(nights).read_text()
    assert 'href="eclairs/20260101/my%20rates/report.html"' in index
    assert "ZeroDivisionError" in index
    assert "needs attention" in index


def test_it_runs_each_night_and_again_when_it_changes(nights, make_notebook, kernels):
    path = make_notebook(
        "1", parameters="folder: str = ''\nbins: int = 3", name="mine", folder=nights.notebooks
    )
    for name in ("20260101", "20260102"):
        assert reports_of(nights, name)[1] == ["monitoring", "mine"]
        assert reports_of(nights, name)[1] == []
    (_, first, environment), (_, second, _) = kernels["runs"]
    assert [first, second] == [
        {"folder": str(nights.products("eclairs") / name)} for name in ("20260101", "20260102")
    ]
    assert environment["EIC_HOME"] == str(nights.home)
    path.write_text(path.read_text().replace('"1"', '"2"'))
    assert reports_of(nights)[1] == ["mine"]


def test_one_that_fails_for_good_is_tried_three_times_and_stays_failed(nights, make_notebook, kernels):
    path = make_notebook(name="mine", folder=nights.notebooks)
    kernels["status"] = "failed"
    assert [reports_of(nights)[1] for _ in range(5)] == [["monitoring", "mine"], ["mine"], ["mine"], [], []]
    record, _ = reports_of(nights)
    quiet = NightOutcome(record, nights.home, new=False)
    assert quiet.exit_code is ExitCode.FAILED
    assert "report mine: cell 1: words" in quiet.summary
    path.unlink()
    record, _ = reports_of(nights)
    assert [report.notebook for report in record.reports] == ["monitoring"]
    assert NightOutcome(record, nights.home, new=False).exit_code is ExitCode.CLEAN


def test_a_failing_report_of_eicpy_leaves_the_night_incomplete(nights):
    record, _ = reports_of(nights)
    record.reports[0].status = "failed"
    assert record.outcome == "incomplete"


def test_the_folder_of_the_detector_comes_first_and_hidden_files_are_left_out(make_notebook, tmp_path):
    for name, folder in [("a", ""), ("a", "eclairs"), ("b", "meddea"), (".c", ""), ("gain", "")]:
        make_notebook(name=name, folder=tmp_path / "notebooks" / folder)
    found = own_notebooks("eclairs", tmp_path / "notebooks", frozenset({"gain"}))
    assert [(n.name, n.path.parent.name, bool(n.problem)) for n in found] == [
        ("a", "eclairs", False), ("gain (own)", "notebooks", True),
    ]  # fmt: skip
    assert own_notebooks("eclairs", tmp_path / "nowhere", frozenset()) == []


def test_a_package_brings_notebooks_by_entry_point(monkeypatch, tmp_path):
    points = [
        EntryPoint("theirs", "their:NOTEBOOK", "eicpy.reports"),
        EntryPoint("lost", "their:NOTHING", "eicpy.reports"),
    ]
    monkeypatch.setattr("eicpy.registry.entry_points", lambda **_: points)
    monkeypatch.setattr(
        "eicpy.registry.load_object", lambda name: "/x/y.ipynb" if name.endswith("NOTEBOOK") else None
    )
    lost, theirs = own_notebooks("eclairs", tmp_path, frozenset())
    assert (theirs.name, str(theirs.path), theirs.problem) == ("theirs", "/x/y.ipynb", "")
    assert lost.name == "lost"
    assert lost.problem


def test_it_is_found_by_its_name_by_hand(nights, make_notebook, kernels):
    make_notebook(name="mine", folder=nights.notebooks / "eclairs")
    outcome = notebook_report(Path("mine"), {}, nights)
    assert outcome.folder.parent == nights.reports / "notebooks/mine"
    with open_database(nights) as database:
        assert [row.name for row in steps(database)] == ["report mine"]
