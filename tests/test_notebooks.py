"""Notebooks are thin, typed, stripped, and run."""

import ast
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest

from eicpy.reports import parameter_model

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"))
MOST_LINES = 40


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem)
def notebook(request):
    return request.param


def code(path):
    return [c for c in nbformat.read(path, 4).cells if c.cell_type == "code"]


def test_there_are_notebooks():
    assert {"monitoring", "gain", "first-steps", "find-a-burst"} <= {p.stem for p in NOTEBOOKS}


def test_outputs_are_stripped_and_cells_have_stable_names(notebook):
    document = nbformat.read(notebook, 4)
    nbformat.validate(document)
    assert all(not c.outputs and c.execution_count is None for c in code(notebook))
    ids = [c["id"] for c in document.cells]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalpha() for name in ids), "ids are words, not random"
    assert document.metadata.kernelspec.name == "python3"


def test_a_notebook_is_thin(notebook):
    """Calls into the package, and little else; imports and parameters are not counted as its work."""
    lines = []
    for cell in code(notebook):
        tree = ast.parse(cell.source)
        assert not any(isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda) for n in ast.walk(tree))
        if "parameters" not in cell.metadata.get("tags", ()):
            lines += [s for s in tree.body if not isinstance(s, ast.Import | ast.ImportFrom)]
    assert len(lines) <= MOST_LINES


def test_each_section_is_told_in_words(notebook):
    cells = nbformat.read(notebook, 4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert sum(c.cell_type == "markdown" for c in cells) >= 5


def test_parameters_are_declared_with_types_and_defaults(notebook):
    cells = [c for c in code(notebook) if "parameters" in c.metadata.get("tags", ())]
    assert len(cells) == 1
    scope: dict[str, object] = {}
    exec(cells[0].source, scope)  # noqa: S102, the notebook's own cell: what a kernel would make of it
    model = parameter_model(notebook)
    assert model.model_fields
    for name, field in model.model_fields.items():
        assert scope[name] == field.default
        assert type(scope[name]) is field.annotation


# a TemporaryDirectory that is made anew removes the one before, and tells it to whoever looks for leaks
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")
def test_the_tutorial_can_be_run_again_from_any_cell(monkeypatch):
    """After another simulation, each cell alone, the last first: it finds what it needs, of that one."""
    monkeypatch.setattr("eicpy.figures.notebook.use_bokeh", lambda: None)
    monkeypatch.setattr("eicpy.show", lambda *_: None)
    cells = [cell.source for cell in code(ROOT / "notebooks/tutorials/first-steps.ipynb")]
    simulating = next(k for k, cell in enumerate(cells) if "eicpy.simulate(" in cell)
    scope: dict[str, object] = {}
    for cell in [cells[0] + "\nduration = 10.0", *cells[1:], "duration = 12.0\n" + cells[simulating]]:
        exec(cell, scope)  # noqa: S102, the notebook's own cells
    exec(cells[-1], scope)  # noqa: S102
    assert np.ptp(scope["table"].time) > 10.0
    for cell in reversed(cells[simulating + 1 : -1]):
        exec(cell, scope)  # noqa: S102
    scope["folder"].cleanup()


@pytest.mark.slow
def test_the_nightly_notebooks_run_on_a_simulated_night(tmp_path, monkeypatch):
    from eicpy.ingestion import ingest
    from eicpy.pipeline import run_nights
    from eicpy.settings import Settings
    from eicpy.simulation import SimulationConfig, write_simulation

    monkeypatch.delenv("EIC_NOTEBOOKS", raising=False)
    made = write_simulation(SimulationConfig(name="short", duration=30.0, seed=3, saa=False), tmp_path)
    settings = Settings.at(tmp_path / "home")
    ingest([made.packets], "eclairs", settings)
    (outcome,) = run_nights("eclairs", None, None, settings)
    assert [(r.notebook, r.status) for r in outcome.record.reports] == [
        ("monitoring", "complete"), ("gain", "complete"),
    ]  # fmt: skip
    page = (settings.reports / "eclairs" / outcome.record.night / "monitoring" / "report.html").read_text()
    assert outcome.record.headline in page
    assert os.path.relpath(settings.reports / "index.html", settings.reports / "eclairs/x/y") in page
