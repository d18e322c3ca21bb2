"""A short simulated night, made once, and notebooks that take no time."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from eicpy.ingestion import ingest
from eicpy.settings import Settings
from eicpy.simulation import FaultConfig, SimulatedNight, SimulationConfig, write_simulation

NotebookMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedNight:
    """A minute of the camera, a little of it lost, doubled and damaged on the way."""
    config = SimulationConfig(
        name="minute",
        duration=60.0,
        seed=5,
        start="2026-11-20T23:59:40",
        saa=False,
        faults=FaultConfig(lost=3e-3, duplicated=3e-3),
    )
    return write_simulation(config, tmp_path_factory.mktemp("simulated"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty set-up."""
    return Settings.at(tmp_path / "home")


@pytest.fixture
def filled(settings: Settings, simulated: SimulatedNight) -> Settings:
    """A set-up with the simulated minute in its archive."""
    ingest([simulated.packets], "eclairs", settings)
    return settings


@pytest.fixture
def make_notebook(tmp_path: Path) -> NotebookMaker:
    """Write a notebook with a cell of parameters and some of code."""

    def make(*code: str, parameters: str = "", name: str = "small", folder: Path | None = None) -> Path:
        notebook = new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
        notebook.cells = [new_markdown_cell(f"# The {name} report")]
        if parameters:
            notebook.cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        notebook.cells += [new_code_cell(c) for c in code]
        path = (folder or tmp_path) / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return make


@pytest.fixture
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a night end before its reports: for tests that are not about them."""
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
