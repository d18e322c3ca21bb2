"""The pages by other doors than our own server: the Voilà of a Jupyter server, as on Binder."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LIMIT, wait_until

from eicpy.dashboard.frame import PageLinks, door, header, heartbeat, style_sheet
from eicpy.instruments import available, load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

ROOT = Path(__file__).resolve().parents[2]
CANVASES = """() => {
  const count = root => [...root.querySelectorAll("*")].reduce(
    (sum, e) => sum + (e.tagName === "CANVAS") + (e.shadowRoot ? count(e.shadowRoot) : 0), 0);
  return count(document);
}"""


def test_links_lead_where_the_door_has_pages(monkeypatch):
    eclairs, texts = load("eclairs"), Texts("en")
    others = [name for name in available() if name != "eclairs"]
    monkeypatch.setenv("EIC_DASHBOARD_DOOR", "ours")
    assert door() == "ours"
    ours = header(eclairs, others, texts, page="")
    assert 'href="quicklook?instrument=eclairs&amp;lang=en"' in ours
    assert 'href="reports/"' in ours
    monkeypatch.delenv("EIC_DASHBOARD_DOOR")
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    voila = header(eclairs, others, texts, page="quicklook")
    assert 'href="camera.ipynb?instrument=eclairs&amp;lang=en"' in voila
    assert 'href="quicklook.ipynb?instrument=meddea&amp;lang=en"' in voila
    assert "reports/" not in voila
    monkeypatch.delenv("SERVER_SOFTWARE")
    assert door() == "notebook"
    assert "<a " not in header(eclairs, others, texts, page=""), "an open notebook has no other page"


def test_the_style_goes_with_the_page_and_says_when_the_kernel_is_silent():
    sheet = style_sheet()
    assert sheet.startswith("<style>")
    assert ".eic-verdict.alarm" in sheet
    for outside in ("#rendered_cells", "body.jp-Notebook", "http"):
        assert outside not in sheet, "it would change what is around the page"
    texts = Texts("fr")
    assert "eic-silence" not in heartbeat(0, texts), "not before its clock runs"
    assert f'<span class="eic-silence" role="alert">{texts("kernel_silent")}' in heartbeat(1, texts)
    assert re.search(r"\.eic-silence \{[^}]*animation: eic-silence 0s linear 4s forwards", sheet)


def test_a_notebook_on_binder_links_to_the_pages(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ada/")
    links = PageLinks()
    assert "/user/ada/voila/render/dashboards/monitor.ipynb?lang=en" in repr(links)
    for address in links.addresses.values():
        assert (ROOT / address.removeprefix("/user/ada/voila/render/").partition("?")[0]).is_file()


@pytest.fixture
def jupyter(tmp_path, simulated_packets):
    """A Jupyter server with Voilà in it, in the folder of the project, as Binder starts one."""
    settings = Settings.at(tmp_path / "home")
    writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="test")
    writer.append(simulated_packets.read_bytes()[: 4 << 20])
    writer.close(simulated=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
        f"--ServerApp.root_dir={ROOT}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=welcome",
        "--ServerApp.jpserver_extensions={'voila.server_extension': True}",
    ]  # fmt: skip
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | own | {"EIC_HOME": str(settings.home), "PYTHONPATH": python_path}
    with (tmp_path / "jupyter.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def answers():
        assert process.poll() is None, (tmp_path / "jupyter.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, what="the Jupyter server")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(timeout=LIMIT)


def test_by_the_voila_of_a_jupyter_server_the_page_has_figures_and_colours(jupyter, open_page):
    """Its template knows neither BokehJS nor our style: both come with the notebook."""
    opened = open_page(f"{jupyter}voila/render/dashboards/camera.ipynb?token=welcome&lang=fr")
    opened.wait_for_figures()
    page = opened.page
    assert page.evaluate(CANVASES) >= 4
    assert "javascript error" not in page.inner_text("body").lower()
    simulated = Texts("fr")("data_simulated")
    assert simulated in page.inner_text(".eic-verdict")
    colours = "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).display]"
    background, display = page.eval_on_selector(".eic-verdict", colours)
    assert background != "rgba(0, 0, 0, 0)", "a verdict has a colour"
    assert display == "flex"
    assert page.get_attribute(".eic-links a", "href").startswith("quicklook.ipynb?")
    assert page.eval_on_selector(".eic-silence", "e => getComputedStyle(e).position") == "fixed"
