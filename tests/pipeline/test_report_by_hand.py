"""A report made by hand says in the ledger which detector and which night it was made for."""

import pytest

from eicpy.operations import StepState, open_database, steps
from eicpy.pipeline.night_reports import notebook_report
from eicpy.pipeline.record import NightRecord
from eicpy.pipeline.report import ReportOutcome

NIGHT = {"title": "MeDDEA", "start": "", "stop": "", "status": "complete"}
PARAMETERS = "folder: str = ''\ninstrument: str = 'meddea'"


@pytest.fixture
def no_kernel(monkeypatch):
    """A report that takes no time."""

    def run(path, parameters, place, **_):
        values = {"folder": "", "instrument": "meddea"} | parameters if "night" in path.stem else parameters
        return ReportOutcome("complete", place, path.stem, "", 0.0, values)

    monkeypatch.setattr("eicpy.pipeline.report.run_report", run)


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
        ("night", {"folder": "20260101"}, ("meddea", "20260101")),
        ("night", {}, ("meddea", "20260102")),  # the latest, as the notebook takes it
        ("night", {"folder": "nowhere"}, ("meddea", "")),
        ("other", {"instrument": "eclairs"}, ("eclairs", "")),
        ("other", {"instrument": "eclairs", "night": "20260103"}, ("eclairs", "20260103")),
        ("other", {}, ("", "")),
    ],
)
def test_the_row_of_the_ledger_names_them(nights, make_notebook, no_kernel, name, given, expected):
    if "folder" in given:
        given = given | {"folder": str(nights.products("meddea") / given["folder"])}
    notebook_report(make_notebook(parameters=PARAMETERS, name=name), given, nights)
    with open_database(nights) as database:
        (row,) = steps(database)
    assert (row.instrument, row.night) == expected
    assert (row.name, row.state) == (f"report {name}", StepState.DONE)
