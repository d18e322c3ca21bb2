"""A report leaves a page, the executed notebook and a record, whatever happens in the notebook."""

import json
import os
import re
import shutil

import bokeh
import nbformat
import pytest
from waiting import LIMIT

from eicpy.errors import BadArgumentError
from eicpy.reports import ReportSubject, run_report

DRAW = """from bokeh.plotting import figure
from eicpy.figures.notebook import show, use_bokeh
use_bokeh()
plot = figure(width=200, height=150)
plot.line([1, 2], [3, bins])
show(plot)"""


@pytest.fixture
def failed(make_notebook, tmp_path):
    path = make_notebook(
        "print('before the failure')", "1 / bins", "print('never')", parameters="bins: int = 2"
    )
    return run_report(path, {"bins": 0}, tmp_path / "report")


def test_a_good_run_leaves_page_notebook_record_and_needs_no_network(make_notebook, tmp_path):
    source = make_notebook(DRAW, parameters="bins: int = 2")
    extra = tmp_path / "input.txt"
    extra.write_text("x")
    outcome = run_report(
        source, {"bins": 5}, tmp_path / "report {odd}", subject=ReportSubject([extra], simulated=True)
    )
    assert (outcome.status, outcome.message, outcome.title) == ("complete", "", "The small report")
    page = outcome.page.read_text()
    own = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", own)
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](?!data:)", page)
    assert page.count(f'"{bokeh.__version__}"') >= 1, "BokehJS is in the page"
    assert sorted(p.name for p in outcome.folder.iterdir()) == ["report.html", "report.ipynb", "report.json"]
    assert "plot.line" not in page  # the code is hidden
    assert len(page) < 2_000_000
    assert outcome.notebook.stat().st_size < 100_000, "the notebook is without BokehJS"
    assert 'class="eic-simulated"' in page
    record = json.loads((outcome.folder / "report.json").read_text())
    assert record["status"] == "complete"
    assert record["parameters"] == {"bins": 5}
    assert [i["name"] for i in record["provenance"]["inputs"]] == ["small.ipynb", "input.txt"]
    assert record["provenance"]["simulated"] is True
    executed = nbformat.read(outcome.notebook, 4)
    assert executed.metadata["eicpy"]["status"] == "complete"
    assert not list(outcome.folder.glob(".*partial*"))


def test_a_failing_cell_leaves_its_traceback_and_a_page_marked_failed(failed):
    assert failed.status == "failed"
    assert "ZeroDivisionError" in failed.message
    page = failed.page.read_text()
    assert 'data-status="failed"' in page
    assert "This report failed" in page
    assert "before the failure" in page
    assert "never" not in re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL).replace("never half", "")
    outputs = [o for c in nbformat.read(failed.notebook, 4).cells for o in c.get("outputs", [])]
    assert any(o.output_type == "error" and o.ename == "ZeroDivisionError" for o in outputs)
    assert json.loads((failed.folder / "report.json").read_text())["status"] == "failed"


def test_a_wrong_parameter_starts_no_kernel(make_notebook, tmp_path, monkeypatch):
    def start(*_a: object, **_k: object) -> None:
        pytest.fail("a kernel was started")

    monkeypatch.setattr("papermill.execute_notebook", start)
    with pytest.raises(BadArgumentError, match="bin"):
        run_report(make_notebook(parameters="bins: int = 2"), {"bin": 5}, tmp_path / "report")
    assert not (tmp_path / "report").exists()


DEATH = "import os; os.kill(os.getpid(), 9)"


@pytest.mark.parametrize(
    ("code", "timeout"),
    [(DEATH, LIMIT), ("while True: pass", 2)],
)
def test_a_kernel_that_dies_or_hangs_is_a_failed_report(make_notebook, tmp_path, code, timeout):
    outcome = run_report(make_notebook(code), {}, tmp_path / "report", timeout=timeout)
    assert outcome.status == "failed"
    assert outcome.message
    assert "This report failed" in outcome.page.read_text()
    assert outcome.notebook.is_file()


def test_an_error_without_a_word_is_a_failed_report(make_notebook, tmp_path, monkeypatch):
    def stop(*_a: object, **_k: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("papermill.execute_notebook", stop)
    outcome = run_report(make_notebook(), {}, tmp_path / "report")
    assert outcome.status == "failed"
    assert outcome.message.startswith("TimeoutError")
    assert "This report failed" in outcome.page.read_text()


def test_a_page_without_figures_is_small_and_measured_data_carry_no_banner(make_notebook, tmp_path):
    page = run_report(
        make_notebook("1 + 1"), {}, tmp_path / "report", subject=ReportSubject(simulated=False)
    ).page.read_text()
    assert len(page) < 600_000
    assert 'class="eic-simulated"' not in page


@pytest.mark.browser
def test_a_page_alone_shows_its_figure(make_notebook, tmp_path, browser):
    made = run_report(
        make_notebook(DRAW, parameters="bins: int = 2"),
        {},
        tmp_path / "report",
        subject=ReportSubject(simulated=True),
    )
    alone = tmp_path / "mailed" / "some name.html"
    alone.parent.mkdir()
    shutil.copyfile(made.page, alone)
    shutil.rmtree(made.folder)
    with browser.new_page(viewport={"width": 390, "height": 800}) as view:
        asked, wrong = [], []
        view.on("request", lambda request: asked.append(request.url))
        view.on("pageerror", lambda error: wrong.append(str(error)))
        view.goto(alone.as_uri())
        view.wait_for_function("window.Bokeh && Bokeh.documents.length == 1")
        view.locator("canvas").first.wait_for()
        assert view.locator(".eic-simulated").is_visible()
        assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert not wrong
    assert asked == [alone.as_uri()]


FLOOD = """print("x" * 100_000_000)
for _ in range(1000):
    print("y" * 10_000)
"""
HUGE = """from IPython.display import HTML
HTML("<p>" + "z" * 20_000_000 + "</p>")"""
WORDY = "raise ValueError('w' * 10_000_000)"


def test_a_notebook_that_prints_without_end_leaves_a_page_one_can_open(make_notebook, tmp_path):
    """100 MB of text, an output of 20 MB, an error of 10 MB: each is cut, and says so in its place."""
    outcome = run_report(make_notebook("print('small')", FLOOD, HUGE, WORDY), {}, tmp_path / "report")
    assert outcome.status == "failed"
    assert outcome.message.startswith("cell 4: ValueError: www")
    assert len(outcome.message) < 1000
    page = outcome.page.read_text()
    assert len(page) < 2_000_000
    assert outcome.notebook.stat().st_size < 1_000_000
    assert "small" in page
    assert page.count("cut here: a report shows 100000 characters of a cell") == 1
    assert "An output of 19 MB was left out" in page
    assert "yyy" not in page


OPENS = """from eicpy.opened import Opened, VARIABLE, note_opened
import os
note_opened(Opened("night", file, True, "eclairs", "20260101", "ECLAIRs, 2026-01-01"))
note_opened(Opened("night", file, True, "eclairs", "20260101", "ECLAIRs, 2026-01-01"))
with open(os.environ[VARIABLE], "a") as notes:
    notes.write('nonsense\\n{"kind": 3, "path": "x"}\\n[1]\\n')"""


def test_what_the_notebook_opens_is_what_the_report_says(make_notebook, tmp_path):
    """Not what its parameters are called; a note that is none is left out."""
    extra = tmp_path / "night.json"
    extra.write_text("x")
    notebook = make_notebook(OPENS, parameters="file: str = ''")
    outcome = run_report(notebook, {"file": str(extra)}, tmp_path / "report")
    assert (outcome.status, outcome.message) == ("complete", "")
    page = outcome.page.read_text()
    assert 'class="eic-simulated"' in page
    assert "<title>The small report – ECLAIRs, 2026-01-01</title>" in page
    record = json.loads((outcome.folder / "report.json").read_text())
    assert record["provenance"]["simulated"] is True
    assert [i["name"] for i in record["provenance"]["inputs"]] == ["small.ipynb", "night.json"]
    assert [note["night"] for note in record["opened"]] == ["20260101"]
    assert sorted(p.name for p in outcome.folder.iterdir()) == ["report.html", "report.ipynb", "report.json"]


def test_the_environment_is_as_before(make_notebook, tmp_path, monkeypatch):
    monkeypatch.delenv("EIC_BOKEH_RESOURCES", raising=False)
    code = "import os; assert os.environ['EIC_BOKEH_RESOURCES'] == 'page'"
    assert run_report(make_notebook(code), {}, tmp_path / "report").status == "complete"
    assert "EIC_BOKEH_RESOURCES" not in os.environ
