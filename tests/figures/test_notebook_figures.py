"""Where BokehJS comes from: never from the network."""

from pathlib import Path

import pytest
from bokeh.io.state import curstate

from eicpy.errors import BadArgumentError
from eicpy.figures import notebook, plots


@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)


@pytest.mark.parametrize("place", ["", "inline"])
def test_bokehjs_is_within_the_notebook_by_default(monkeypatch, elsewhere, place):
    asked = []
    monkeypatch.setattr(notebook, "output_notebook", lambda where, **_k: asked.append(where.mode))
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", place)
    notebook.use_bokeh()
    assert asked == ["inline"]


def test_a_report_takes_bokehjs_from_its_page(monkeypatch, elsewhere):
    monkeypatch.setattr(notebook, "output_notebook", lambda *_a, **_k: pytest.fail("loaded BokehJS"))
    kinds: list[str] = []
    monkeypatch.setattr(curstate(), "output_notebook", kinds.append, raising=False)
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "page")
    notebook.use_bokeh()
    assert kinds == ["jupyter"]


@pytest.mark.parametrize("place", ["cdn", "assets:a", "https://cdn.example/x", "/etc"])
def test_an_address_elsewhere_is_refused(monkeypatch, elsewhere, place):
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", place)
    with pytest.raises(BadArgumentError, match="EIC_BOKEH_RESOURCES"):
        notebook.use_bokeh()


@pytest.mark.parametrize("ours", [True, False])
def test_under_voila_bokehjs_comes_once(monkeypatch, elsewhere, ours):
    """With the page of our own server; as a script where another one shows the notebook."""
    shown = []
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "page" if ours else "")
    monkeypatch.setattr(notebook, "output_notebook", lambda *_a, **_k: pytest.fail("loaded BokehJS"))
    monkeypatch.setattr("IPython.display.display", lambda html: shown.append(html.data))
    monkeypatch.setattr(curstate(), "output_notebook", lambda _kind: None, raising=False)
    notebook.use_bokeh()
    if ours:
        assert not shown
    else:
        (script,) = shown
        assert script.startswith("<script>")
        assert script.rstrip().endswith("</script>")
        assert "</script" not in script.rstrip()[: -len("</script>")], "it would end there"
        assert len(script) < 2_000_000


def test_several_figures_wrap_in_columns_of_one_width():
    row = notebook.side_by_side(plots.histogram([1.0]), plots.histogram([2.0]), width=300)
    assert row.styles["display"] == "grid"
    assert "auto-fit" in row.styles["grid-template-columns"]
    assert "min(300px, 100%)" in row.styles["grid-template-columns"]


def test_no_figure_shows_nothing(monkeypatch):
    monkeypatch.setattr(notebook, "bokeh_show", lambda *_a: pytest.fail("showed something"))
    notebook.show()


def test_bokehjs_of_the_installed_bokeh_is_there_to_be_copied():
    import bokeh

    script = Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js"
    assert f'"{bokeh.__version__}"' in script.read_text(encoding="utf-8")
