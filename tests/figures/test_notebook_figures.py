"""Where BokehJS comes from: never from the network."""

import base64
import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from bokeh.io.state import curstate

from eicpy.errors import BadArgumentError
from eicpy.figures import notebook, plots
from eicpy.figures.bokeh_script import core_script
from eicpy.figures.timeline import keep_extremes


@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.delenv("SERVER_SOFTWARE", raising=False)


@pytest.fixture
def shown(monkeypatch):
    """What is put into the notebook."""
    outputs = []
    monkeypatch.setattr(notebook, "_run_in_page", outputs.append)
    return outputs


@pytest.mark.parametrize("place", ["", "inline"])
def test_bokehjs_is_within_the_notebook_by_default_once_and_small(monkeypatch, elsewhere, shown, place):
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", place)
    notebook.use_bokeh()
    (script,) = shown
    assert len(script) < 600_000
    packed = re.search(r'atob\("([^"]+)"\)', script)[1]
    assert gzip.decompress(base64.b64decode(packed)).decode() == core_script()
    assert "http" not in script.replace(packed, "")


def test_a_report_takes_bokehjs_from_its_page(monkeypatch, elsewhere, shown):
    kinds: list[str] = []
    monkeypatch.setattr(curstate(), "output_notebook", kinds.append, raising=False)
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "page")
    notebook.use_bokeh()
    assert (kinds, shown) == (["jupyter"], [])


@pytest.mark.parametrize("place", ["cdn", "assets:a", "https://cdn.example/x", "/etc"])
def test_an_address_elsewhere_is_refused(monkeypatch, elsewhere, place):
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", place)
    with pytest.raises(BadArgumentError, match="EIC_BOKEH_RESOURCES"):
        notebook.use_bokeh()


@pytest.mark.parametrize("ours", [True, False])
def test_under_voila_bokehjs_comes_once(monkeypatch, elsewhere, shown, ours):
    """With the page of our own server; as a script where another one shows the notebook."""
    texts = []
    monkeypatch.setattr(notebook, "_put_into_page", texts.append)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "page" if ours else "")
    notebook.use_bokeh()
    assert not shown
    assert texts == ([] if ours else [f"<script>{core_script()}</script>"])
    assert "</script" not in core_script(), "it would end there"
    assert len(core_script()) < 2_000_000


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


@pytest.mark.browser
def test_a_notebook_shows_its_figure_from_what_it_holds(monkeypatch, elsewhere, shown, tmp_path, browser):
    """The outputs as a front end runs them: the script that loads, then the figure's, which waits for it."""
    from bokeh.embed.notebook import notebook_content

    monkeypatch.setenv("EIC_BOKEH_RESOURCES", "inline")
    notebook.use_bokeh()
    script, division, _ = notebook_content(plots.histogram([1.0, 2.0]))
    page = tmp_path / "notebook.html"
    page.write_text(f"<body><script>{shown[0]}</script>{division}<script>{script}</script></body>")
    with browser.new_page() as view:
        wrong, asked = [], []
        view.on("pageerror", lambda error: wrong.append(str(error)))
        view.on("request", lambda request: asked.append(request.url))
        view.goto(page.as_uri())
        view.locator("canvas").first.wait_for()
    assert not wrong
    assert [url for url in asked if url.startswith("http")] == []


def test_thinning_keeps_extremes_and_gaps():
    random = np.random.default_rng(4)
    values = random.normal(size=50_000)
    values[31_234], values[777], values[20_000:20_010] = 40.0, -30.0, np.nan
    time = np.arange(50_000.0)
    times, kept = keep_extremes(time, values, 1000)
    assert len(kept) <= 1010
    assert (np.nanmax(kept), np.nanmin(kept)) == (40.0, -30.0)
    assert np.array_equal(values[times.astype(int)], kept, equal_nan=True)
    assert (np.diff(times) > 0).all()
    assert np.isnan(kept[(times >= 20_000) & (times < 20_010)]).any()
    few = keep_extremes(time[:10], values[:10], 10)
    assert np.array_equal(few[1], values[:10])
    nothing = keep_extremes(time[:100], np.full(100, np.nan), 10)
    assert np.isnan(nothing[1]).all()
