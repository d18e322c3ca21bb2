"""A report made by hand says in the ledger which detector and which night it was made for."""

import pytest

from eicpy.operations import StepState, open_database, steps
from eicpy.pipeline.night_reports import notebook_report
from eicpy.pipeline.record import NightRecord
from eicpy.reports.report import ReportOutcome

NIGHT = {"title": "MeDDEA", "start": "", "stop": "", "status": "complete"}
CELLS = {
    "of-a-night": "folder: str = ''\ninstrument: str = 'meddea'",
    "of-a-date": "night: str = ''\ninstrument: str = 'eclairs'",
    "of-nothing": "bins: int = 3",
}


@pytest.fixture
def no_kernel(monkeypatch):
    """A report that takes no time."""

    def run(path, parameters, place, **_):
        return ReportOutcome("complete", place, path.stem, "", 0.0, dict(parameters))

    monkeypatch.setattr("eicpy.reports.report.run_report", run)


@pytest.fixture
def nights(settings):
    """Two nights of one detector."""
    for name in ("20260101", "20260102"):
        folder = settings.products("meddea") / name
        folder.mkdir(parents=True)
        NightRecord(instrument="meddea", night=name, **NIGHT).write(folder)
    return settings


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("of-a-night", {"folder": "20260101"}, ("meddea", "20260101")),
        ("of-a-night", {}, ("meddea", "20260102")),  # the latest, as the notebook takes it
        ("of-a-night", {"folder": "nowhere"}, ("meddea", "")),
        ("of-a-date", {"night": "20260103"}, ("eclairs", "20260103")),
        ("of-a-date", {"instrument": "meddea"}, ("meddea", "")),
        ("of-nothing", {}, ("", "")),
    ],
)
def test_the_row_of_the_ledger_names_them(nights, make_notebook, no_kernel, name, given, expected):
    if "folder" in given:
        given = given | {"folder": str(nights.products("meddea") / given["folder"])}
    notebook_report(make_notebook(parameters=CELLS[name], name=name), given, nights)
    with open_database(nights) as database:
        (row,) = steps(database)
    assert (row.instrument, row.night) == expected
    assert (row.name, row.state) == (f"report {name}", StepState.DONE)
