"""Where BokehJS comes from: never from the network."""

import os
from pathlib import Path

import pytest

from eicpy.dashboard import figures, notebook
from eicpy.errors import BadArgumentError


@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.delenv("VOILA_PREHEAT", raising=False)
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)


@pytest.mark.parametrize("place", [None, "", "inline"])
def test_bokehjs_is_within_the_notebook_by_default(place):
    assert notebook.resources(place).mode == "inline"


def test_a_report_takes_bokehjs_from_beside_it():
    files = notebook.resources("assets:../../../assets").js_files
    assert files == ["../../../assets/static/js/bokeh.min.js"]


@pytest.mark.parametrize("place", ["cdn", "assets:", "assets:https://cdn.example/x", "assets:/etc", "x:y"])
def test_an_address_elsewhere_is_refused(place):
    with pytest.raises(BadArgumentError, match="EIC_BOKEH_RESOURCES"):
        notebook.resources(place)


def test_under_voila_nothing_is_loaded(monkeypatch, elsewhere):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setattr(notebook, "output_notebook", lambda *_a, **_k: pytest.fail("loaded BokehJS"))
    notebook.use_bokeh()


def test_elsewhere_the_runner_decides(monkeypatch, elsewhere):
    asked = []
    monkeypatch.setattr(notebook, "output_notebook", lambda where, **_k: asked.append(where))
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "assets:a")
    notebook.use_bokeh()
    assert asked[0].js_files == [f"a{os.sep}static/js/bokeh.min.js".replace(os.sep, "/")]


def test_several_figures_wrap_in_a_row():
    row = notebook.side_by_side(figures.histogram([1.0]), figures.histogram([2.0]), width=300)
    assert row.styles["flex-wrap"] == "wrap"
    assert all(f.styles["flex"] == "1 1 300px" for f in row.children)


def test_bokehjs_of_the_installed_bokeh_is_there_to_be_copied():
    import bokeh

    script = Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js"
    assert f'"{bokeh.__version__}"' in script.read_text(encoding="utf-8")
