"""Reports in French: no English is left in them, whatever is shown: words, tables, figures, numbers."""

import ast
import re

import nbformat
import pytest
from bokeh.models import Axis, ColorBar, Label, LegendItem, Title
from eicpy_fixtures.languages import untranslated, visible_texts

from eicpy.errors import BadArgumentError
from eicpy.ingestion import ingest
from eicpy.pipeline import NightProducts, run_night, run_nights
from eicpy.reports.notebooks import nightly_notebook
from eicpy.settings import Settings
from eicpy.text import Texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory, simulated):
    """The simulated minute as a night: a part with losses and an excursion or two."""
    home = Settings.at(tmp_path_factory.mktemp("languages") / "home")
    ingest([simulated.packets], "eclairs", home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
        outcome = run_nights("eclairs", None, None, home, workers=0)[0]
    return outcome.folder


def texts_of_a_figure(layout):
    for model in layout.references():
        match model:
            case Title() | Label():
                yield model.text
            case Axis():
                yield model.axis_label or ""
            case ColorBar():
                yield model.title or ""
            case LegendItem():
                yield getattr(model.label, "value", "") or ""


def shown(name, folder, language, monkeypatch):
    """Run a notebook of the night here, without a kernel; return all texts that it shows."""
    monkeypatch.setenv("EIC_LANGUAGE", language)
    figures, html, texts = [], [], set()
    monkeypatch.setattr("eicpy.figures.notebook.use_bokeh", lambda: None)
    monkeypatch.setattr("eicpy.figures.notebook.bokeh_show", figures.append)
    names = {}
    for cell in nbformat.read(nightly_notebook(name), 4).cells:
        if cell.cell_type == "markdown":
            texts |= {line for line in Texts(language).translated(cell.source).splitlines() if line}
            continue
        body = ast.parse(cell.source).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), name, "exec"), names)  # noqa: S102, a notebook of ours
        if "parameters" in cell.metadata.get("tags", ()):
            names |= {"folder": str(folder), "instrument": "eclairs"}
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)  # noqa: S307, as above
            html.append(value._repr_html_() if hasattr(value, "_repr_html_") else "")
    for layout in figures:
        texts |= set(texts_of_a_figure(layout))
    return (
        texts
        | visible_texts("".join(re.sub("<style.*?</style>", "", h, flags=re.DOTALL) for h in html))["en"]
    )


@pytest.mark.parametrize("name", ["monitoring", "gain"])
def test_nothing_in_a_french_report_is_english(name, folder, monkeypatch):
    english = shown(name, folder, "en", monkeypatch)
    french = shown(name, folder, "fr", monkeypatch)
    night = NightProducts.open(folder)
    names = {spec.description for spec in night.housekeeping(most=1000)} | {
        "ECLAIRs aboard SVOM",
        "minute.ccsds",
    }
    assert len(english) > 30
    names |= {f"{table.message[:1].upper()}{table.message[1:]}." for table in night.record.tables.values()}
    left = untranslated(english & french, names)
    assert not left, "\n".join(sorted(left))
    numbers = {text for text in french if re.fullmatch(r"-?[0-9]+[.][0-9]+", text)}
    assert numbers == set(), "the decimal mark of the language"


def test_a_language_that_there_is_not_is_refused_before_anything_is_done(settings, monkeypatch):
    monkeypatch.setenv("EIC_LANGUAGE", "klingon")
    with pytest.raises(BadArgumentError, match="expected one of en, fr"):
        run_night("eclairs", "2026-11-20", "2026-11-21", settings)
    assert not settings.home.exists()
