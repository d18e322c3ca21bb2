"""A dashboard that shows a simulated camera while its packets come in."""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from waiting import LIMIT, wait_until

from eicpy.dashboard import Server, ServerOptions
from eicpy.settings import Settings

HERE = Path(__file__).resolve().parent
READ_SOURCE = """([name, column]) => {
  for (const document of Bokeh.documents) {
    for (const model of document._all_models.values()) {
      if (model.name !== name || !model.data_source) continue;
      const raw = model.data_source.data;
      const data = raw instanceof Map ? Object.fromEntries(raw) : raw;
      if (column in data) {
        return Object.fromEntries(Object.entries(data).map(([key, value]) =>
          [key, Array.from(key === "image" ? value[0] : value).map(v => Number.isFinite(v) ? v : null)]));
      }
    }
  }
  return null;
}"""
TRIVIAL = """{"cells": [{"cell_type": "code", "execution_count": null, "id": "a", "metadata": {},
"outputs": [], "source": ["import ipywidgets\\n", "ipywidgets.HTML('<h1>trivial</h1>')"]}],
"metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
"nbformat": 4, "nbformat_minor": 5}"""


class OpenPage:
    """The live page in a tab, and what it asked for."""

    def __init__(self, browser, url, *, width=1280, height=1000, cookies=(), **options):
        # The context outlives the tab, as a browser does: the page's farewell goes out after it closed.
        self.context = browser.new_context(viewport={"width": width, "height": height}, **options)
        self.context.add_cookies(list(cookies))
        self.page = self.context.new_page()
        self.page.set_default_timeout(1000 * LIMIT)
        self.requests, self.errors, self.violations, self.closed = [], [], [], False
        self.page.on("console", self._note_violation)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)

    def _note_violation(self, message):
        if "Content Security Policy" in message.text:
            self.violations.append(message.text)

    def wait_for_figures(self, count=4):
        """Until the figures are drawn and the clock, which starts with the last one, ticks.

        Not by a function in the page: the driver would make it from text, which the page's policy forbids.
        """
        ticking = ".eic-heartbeat:not([data-tick='0']):not([data-tick='1'])"
        self.page.wait_for_selector(ticking, state="attached")
        assert self.page.evaluate("Bokeh.documents.length") >= count
        return self

    def columns(self, renderer, column):
        """Columns of the data source of a named renderer; `column` tells figures apart."""
        return self.page.evaluate(READ_SOURCE, [renderer, column])

    def titles(self):
        """Titles of the figures."""
        return self.page.evaluate("Bokeh.documents.map(d => d.roots()[0].title.text)")

    def text(self, selector):
        """Words that are shown."""
        return self.page.inner_text(selector)

    @property
    def kernel(self):
        """Id of the page's kernel."""
        return self.page.evaluate(
            "JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId"
        )

    def close_tab(self):
        """As a reader does."""
        self.closed = True
        self.page.close(run_before_unload=True)

    def close(self):
        """Leave the page, so that its kernel ends, and forget it."""
        if not self.closed:
            self.page.goto("about:blank")
        self.context.close()


@pytest.fixture(scope="class")
def camera_page(browser, live):
    """The live page on a desktop, open for the tests of a class only: drawing it takes a whole core."""
    page = OpenPage(browser, live.server.url).wait_for_figures()
    yield page
    page.close()


@pytest.fixture
def open_page(browser):
    """Open pages, and close them after the test."""
    opened = []

    def opener(url, **options):
        opened.append(OpenPage(browser, url, **options))
        return opened[-1]

    yield opener
    for page in opened:
        page.close()


@dataclass
class Live:
    """A dashboard and the feeder of its run."""

    server: Server
    settings: Settings
    feeder: "subprocess.Popen[bytes]"

    def stop_feeding(self):
        """Let the camera fall silent; its run stays open."""
        if not self.feeder.stdin.closed:
            self.feeder.stdin.close()
        self.feeder.wait(timeout=LIMIT)


def start_feeder(home, file, *, speed, at_once):
    return subprocess.Popen(
        [sys.executable, str(HERE / "feeder.py"), str(home), "eclairs", str(file), str(speed), str(at_once)],
        stdin=subprocess.PIPE,
        env=os.environ | {"EIC_HOME": str(home)},
    )


@pytest.fixture(scope="session")
def simulated_packets(tmp_path_factory):
    """Half an hour of a simulated camera, with an excursion and without losses."""
    from eicpy.simulation import ExcursionConfig, SimulationConfig, write_simulation

    excursion = ExcursionConfig(parameter="DPIX_VCTRLHVELS6", start=0.0, duration=1800.0, value=-318.0)
    config = SimulationConfig(name="live", duration=1800.0, background_rate=1200.0, saa=False, earth=False)
    night = write_simulation(
        config.model_copy(update={"excursions": (excursion,)}), tmp_path_factory.mktemp("simulated")
    )
    return night.packets


@pytest.fixture(scope="session")
def short_packets(tmp_path_factory):
    """Two minutes of a simulated camera, as bytes."""
    from eicpy.simulation import SimulationConfig, write_simulation

    config = SimulationConfig(name="quick", duration=120.0, background_rate=300.0, saa=False, earth=False)
    return write_simulation(config, tmp_path_factory.mktemp("simulated")).packets.read_bytes()


def two_runs(settings, packets):
    """Put two closed runs of the same packets into the archive of a set-up."""
    from eicpy.runs import RunArchive

    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    for comment in ("first, <b>cold</b>", "second"):
        writer = archive.create(source="test", comment=comment)
        writer.append(packets)
        writer.close(simulated=True)
    return settings


def write_photon_table(path, count, *, seed=1):
    """A photon file in the plain layout; with another seed than 1 it says that it is simulated."""
    import numpy as np
    from astropy.io import fits

    rng = np.random.default_rng(seed)
    columns = [
        fits.Column("TIME", "D", array=3e8 + np.sort(rng.uniform(0, 60.0, count))),
        fits.Column("DETNUM", "I", array=rng.integers(0, 6400, count)),
        fits.Column("PHA", "I", array=rng.integers(0, 1024, count)),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["SIMULATE"] = seed > 1
    table.writeto(path)
    return path


@contextmanager
def take_orders(station, handle):
    """The receiver's side of the orders, in a thread."""
    from eicpy.acquisition.status import serve_orders

    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve():
        async with serve_orders(station, handle):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(LIMIT)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def chain():
    """What several tests do with a live chain."""
    return SimpleNamespace(two_runs=two_runs, write_photon_table=write_photon_table, take_orders=take_orders)


@pytest.fixture(scope="session")
def live(tmp_path_factory, simulated_packets):
    """The dashboard of a camera that sends twice as fast as it could, for a quarter of an hour."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings.at(home)
    feeder = start_feeder(home, simulated_packets, speed=2, at_once=200)
    try:
        wait_until(
            lambda: any(raw.stat().st_size for raw in home.glob("archive/eclairs/*/raw.ccsds")),
            what="the first packets of the feeder, whose kernels may have to be compiled",
        )
        with Server(settings, ServerOptions(port=0)) as server:
            yield Live(server, settings, feeder)
    finally:
        if not feeder.stdin.closed:
            feeder.stdin.close()
        feeder.wait(timeout=LIMIT)


@pytest.fixture
def trivial_notebook(tmp_path):
    file = tmp_path / "trivial.ipynb"
    file.write_text(TRIVIAL)
    return file
