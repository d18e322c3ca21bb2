"""A report made by hand says in the ledger which detector and which night its notebook opened."""

import pytest

from eicpy.opened import Opened
from eicpy.operations import StepState, open_database, steps
from eicpy.pipeline.night_reports import notebook_report
from eicpy.reports.report import ReportOutcome


def night(name, instrument="meddea"):
    return Opened("night", f"/{name}/night.json", None, instrument, name)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        ([night("20260101")], ("meddea", "20260101")),
        ([night("20260101"), Opened("product", "/x.fits")], ("meddea", "20260101")),
        ([night("20260101"), night("20260102")], ("meddea", "")),
        ([night("20260101"), night("20260101", "eclairs")], ("", "20260101")),
        ([Opened("packets", "/x.ccsds", None, "eclairs")], ("eclairs", "")),
        ([], ("", "")),
    ],
)
def test_the_row_of_the_ledger_names_what_was_opened(settings, make_notebook, monkeypatch, opened, expected):
    """Whatever the parameters are called."""

    def run(path, parameters, folder, **_):
        return ReportOutcome("complete", folder, path.stem, "", 0.0, dict(parameters), tuple(opened))

    monkeypatch.setattr("eicpy.reports.report.run_report", run)
    notebook = make_notebook(parameters="instrument: str = 'other'\nfolder: str = '/nowhere'", name="by-hand")
    notebook_report(notebook, {}, settings)
    with open_database(settings) as database:
        (row,) = steps(database)
    assert (row.instrument, row.night) == expected
    assert (row.name, row.state) == ("report by-hand", StepState.DONE)
