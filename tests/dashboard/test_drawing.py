"""What a page is made of: first words, scripts in one file, cells as they are run."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import bokeh
import nbformat
import pytest

from eicpy.acquisition.status import read_overview
from eicpy.dashboard.server.drawing import PageTemplate, cell_markup, read_notebook, with_signs_of_life
from eicpy.dashboard.server.first_words import first_header, first_words
from eicpy.dashboard.server.known import known_words, tell
from eicpy.dashboard.server.request import PageRequest
from eicpy.dashboard.server.scripts import bundle, chunks
from eicpy.health import verdict_box
from eicpy.instruments import load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "eicpy" / "dashboard" / "template"


@pytest.fixture(scope="module")
def settings(tmp_path_factory, simulated_packets):
    settings = Settings.at(tmp_path_factory.mktemp("home"))
    writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="test", setup="Am-241 <30 cm>")
    writer.append(simulated_packets.read_bytes()[: 1 << 20])
    writer.close(simulated=True)
    return settings


def _without_age(text):
    return re.sub(r"\d[\d.,]*\s(s|min|h|d)\b", "AGE", text.replace("\xa0", " ").replace("\u202f", " "))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_is_known_is_the_verdict_of_all_pages_with_set_up_and_age(settings, language):
    texts = Texts(language)
    known = known_words(settings, PageRequest(f"lang={language}&instrument=eclairs"))
    verdict = read_overview(settings, load("eclairs")).verdict
    assert verdict.reading is None, "all of it was read"
    assert _without_age(known).startswith(_without_age(verdict_box(verdict, texts)))
    assert texts("data_simulated") in known
    assert "Am-241 &lt;30 cm&gt;" in known, "escaped"
    assert texts("setup") in known


def test_without_it_there_is_no_verdict_at_all(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("os.nice", lambda _more: None)  # for this process it would be for ever
    request = PageRequest("instrument=eclairs")
    words = first_words(settings, request, "monitor")
    assert "data-level" not in words
    assert Texts("en")("opening") in words
    assert first_words(settings, request, "monitor", "<i>known</i>").startswith("<i>known</i>")
    assert known_words(settings, PageRequest("instrument=nonsense")) == ""
    assert first_header(PageRequest("instrument=nonsense"), "") == ""
    tell({"query": "instrument=nonsense", "file": str(tmp_path / "known.html")})
    assert (tmp_path / "known.html").read_text() == ""


def test_the_scripts_are_one_file_whose_last_part_starts_them():
    text = bundle()
    assert f'"{bokeh.__version__}"' in text
    files = [path.name for path in chunks(Path(bokeh.__file__).parents[4] / "share" / "jupyter")]
    assert len(files) > 60, "those of another version of Voilà would be loaded one by one"
    names = [json.loads(name) for name in re.findall(r'^/\* ("[^"]+") \*/', text, re.MULTILINE)]
    assert names == ["voila-style.js", "bokeh.min.js", *files]
    assert text.index("9212.voila.js") < text.rindex("webpackChunk_JUPYTERLAB_CORE_OUTPUT")


def test_the_page_has_the_kernel_it_will_have_and_no_script_of_its_own():
    notebook = read_notebook(ROOT / "dashboards" / "camera.ipynb")
    template = PageTemplate(TEMPLATE, lambda name: f"/files/{name}?v=1", {"baseUrl": "/"})
    begin = template.begin(notebook, "the-kernel", "fr")
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', begin)[1])
    assert config["kernelId"] == "the-kernel"
    assert config["fullMathjaxUrl"] == "/files/no-math.js", "nothing there to be set by MathJax"
    assert begin.index("jupyter-config-data") < begin.index('src="/files/page.js')
    whole = begin + template.middle + template.end
    assert not re.search(r"<script(?![^>]*(src=|json))[^>]*>", whole)
    assert '<html lang="fr">' in whole
    notebook.cells.append(nbformat.v4.new_markdown_cell("$E = mc^2$"))
    assert "no-math" not in template.begin(notebook, "the-kernel", "en")


def test_a_cell_is_written_without_its_code_and_escaped():
    shown = nbformat.v4.new_output("display_data", {"text/html": "<b>&</b></script>"})
    said = nbformat.v4.new_output("stream", name="stdout", text="1 < 2")
    failed = nbformat.v4.new_output("error", ename="E", evalue="e", traceback=["<stripped>"])
    cell = nbformat.v4.new_code_cell("secret = 1", outputs=[shown, said, failed])
    text = cell_markup(cell)
    assert "secret" not in text
    assert text.count("</script>") == 1
    assert "1 &lt; 2" in text
    assert "&lt;stripped&gt;" in text
    assert json.loads(re.search(r"json\">(.*?)</script>", text)[1])["data"] == {
        "text/html": "<b>&</b></script>"
    }
    assert '{"text/markdown": "*old*"}' in cell_markup(nbformat.v4.new_markdown_cell("*old*"))
    assert cell_markup(nbformat.v4.new_raw_cell("x")) == ""


def test_a_page_that_is_long_in_coming_gives_signs_of_life():
    async def scenario():
        go_on, closed = asyncio.Event(), []

        async def parts():
            try:
                yield "one"
                await go_on.wait()
                yield "two"
            finally:
                closed.append(True)

        got = []
        async with aclosing(with_signs_of_life(parts(), 0.01)) as page:
            async for part in page:
                got.append(part)
                if part.startswith("<!--"):
                    go_on.set()
        return got, closed

    with ThreadPoolExecutor(1) as thread:  # in this one a browser's loop may be running
        got, closed = thread.submit(asyncio.run, scenario()).result()
    assert got[0] == "one"
    assert got[-1] == "two"
    assert set(got[1:-1]) == {"<!-- drawing -->\n"}
    assert closed == [True]
