"""Quick look and monitor in a real browser: drawn, driven, offline, side by side on one server."""

import re
from dataclasses import dataclass
from urllib.parse import urlparse

import numpy as np
import pytest
from raw_http import log_in, status_of
from waiting import wait_until

from eicpy.acquisition.status import Station, StatusReport
from eicpy.dashboard import Server, ServerOptions
from eicpy.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RECEIVING = {
    "run": 2, "received": 5_000_000, "rate": 1.5e6, "packets": 900, "damaged": 0, "foreign_bytes": 0,
    "links": [{"address": "10.0.0.7", "transport": "tcp", "state": "connected", "bytes": 5, "age": 0.2}],
    "apids": {"810": {"received": 900, "lost": 3, "duplicated": 0, "out_of_order": 0, "damaged": 0}},
    "commands": {}, "disk_free": 10**11, "disk_seconds": 1e6, "udp_dropped": 0, "mode": "automatic",
}  # fmt: skip
STICKS_OUT = """() => {
  const all = [];
  const walk = (root) => {  // figures live in shadow roots
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(".bk-Figure, .eic-panel, .eic-panel select, .eic-panel input, .eic-panel button"))
        all.push(element.getBoundingClientRect());
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document);
  return all.filter(b => b.width > 0).map(b => [b.left, b.right]);
}"""


@dataclass
class Pages:
    """A server with all pages, its set-up, a station that tells, and the orders that reached it."""

    server: Server
    settings: Settings
    orders: list
    receiver: StatusReport
    cookie: str
    """Of a log-in as ada, as it goes into a header."""

    @property
    def cookies(self):
        """The same for a browser."""
        name, _equals, value = self.cookie.partition("=")
        return [{"name": name, "value": value, "url": self.server.url}]


@pytest.fixture(scope="module")
def pages(tmp_path_factory, short_packets, chain):
    settings = chain.two_runs(Settings.at(tmp_path_factory.mktemp("home")), short_packets)
    station, orders = Station(settings.live("eclairs")), []
    with (
        station.report("receiver", role="receiver") as receiver,
        chain.take_orders(station, lambda order: orders.append(order) or f"done: {order.kind}"),
        Server(settings, ServerOptions(port=0, prepared=False, orders=True)) as server,
    ):
        receiver.update(state="receiving", values=RECEIVING)
        yield Pages(server, settings, orders, receiver, log_in(server, name="ada"))


def _choose(page, label, words):
    """Choose the option of a control that begins with words."""
    control = page.page.get_by_label(label, exact=True)
    texts = [t.replace("\xa0", " ") for t in control.locator("option").all_text_contents()]
    control.select_option(label=next(t for t in texts if t.startswith(words)))


def _counts(page):
    values = page.columns("series-0", "counts")["counts"]
    return np.nansum(np.array([np.nan if v is None else v for v in values], dtype=float))


def _fits_in(page, width):
    parts = "[...document.querySelectorAll('html, body, #rendered_cells')]"
    assert max(page.page.evaluate(f"{parts}.map(e => e.scrollWidth - e.clientWidth)")) <= 0
    edges = page.page.evaluate(STICKS_OUT)
    assert len(edges) >= 8
    assert min(left for left, _right in edges) >= 0
    assert max(right for _left, right in edges) <= width + 0.5


def _clean(page):
    assert [u for u in page.requests if urlparse(u).hostname not in {"127.0.0.1", None}] == []
    assert page.errors == []
    assert page.violations == []
    assert "There was an error when executing cell" not in page.text("body")


def test_the_quick_look_plays_steps_chooses_and_compares(pages, open_page):
    page = open_page(f"{pages.server.url}quicklook", cookies=pages.cookies).wait_for_figures()
    assert "Quick look" in page.text("h1")
    _choose(page, "Source", "1 ")
    wait_until(lambda: "PLAYBACK ×1: run 1" in page.text(".eic-playing"), what="the playback")

    page.page.get_by_role("button", name="Step").click()
    wait_until(lambda: "PAUSED" in page.text(".eic-playing"), what="the pause of a step")
    wait_until(lambda: _counts(page) > 0, what="photons")
    before = _counts(page)
    page.page.get_by_label("by packets").fill("100")
    page.page.get_by_label("by packets").press("Tab")
    page.page.get_by_role("button", name="Step").click()
    wait_until(lambda: _counts(page) > before, what="the photons of a step")

    page.page.get_by_role("button", name="Go on").click()
    _choose(page, "Pace", "as fast")
    wait_until(lambda: "PLAYED TO THE END" in page.text(".eic-playing"), what="the end")
    whole = _counts(page)

    _choose(page, "Compare with", "2 ")
    wait_until(lambda: "As run 2" in page.text(".eic-playing"), what="the comparison")
    wait_until(lambda: len(page.columns("bands", "top")["top"]) > 10, what="the bands of the comparison")
    _choose(page, "Image", "ratio")
    wait_until(lambda: "rate over run 2" in page.titles()[0], what="the ratio of the images")

    # The light curve is the second figure; the tool that chooses times is the active one.
    box = page.page.locator(".bk-Figure").nth(1).bounding_box()
    left, middle = box["x"] + 0.5 * box["width"], box["y"] + 0.45 * box["height"]
    page.page.mouse.move(left, middle)
    page.page.mouse.down()
    page.page.mouse.move(left + 0.2 * box["width"], middle, steps=4)
    page.page.mouse.up()
    wait_until(lambda: 0 < _counts(page) < 0.6 * whole, what="the spectrum of the chosen times")
    page.page.get_by_role("button", name="All times").click()
    wait_until(lambda: _counts(page) == whole, what="the whole spectrum again")
    _clean(page)


def test_a_dropped_file_appears_on_the_open_page(pages, open_page, chain, tmp_path):
    from eicpy.ingestion import ingest

    address = f"{pages.server.url}quicklook?lang=fr"
    page = open_page(address, width=390, height=844, cookies=pages.cookies).wait_for_figures()
    _fits_in(page, 390)
    _choose(page, "Source", "dernier fichier")
    wait_until(lambda: "PAS ENCORE DE FICHIER" in page.text(".eic-playing"), what="the mode of files")
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"SIMPLE  =" + b" " * 3000)
    ingest([bad, chain.write_photon_table(tmp_path / "drop.fits", 5000)], "eclairs", pages.settings)
    wait_until(lambda: "DERNIER FICHIER : drop.fits" in page.text(".eic-playing"), what="the dropped file")
    wait_until(lambda: "REFUSÉ" in page.text("body"), what="the refused one")
    axes = "Bokeh.documents.map(d => d.roots()[0].below[0].axis_label)"
    wait_until(lambda: "temps (UTC)" in page.page.evaluate(axes), what="an axis in French")
    _clean(page)


def test_the_monitor_tells_updates_and_gives_orders(pages, open_page):
    """Opened by the link that the server printed, with a name said at the log-in."""
    page = open_page(f"{pages.server.log_in_url}")
    wait_until(lambda: pages.server.token not in page.page.url, what="an address without the token")
    page.page.get_by_label("Your name").fill("ada <b>")
    page.page.get_by_role("button", name="Log in").click()
    page.page.wait_for_url(pages.server.url)
    page.page.goto(f"{pages.server.url}monitor")
    page.wait_for_figures(1)

    def told():
        pages.receiver.update(values=RECEIVING)  # one that is silent for long is not believed
        return "1.50 MB/s" in page.text(".eic-facts")

    wait_until(told, what="the rate that the receiver tells")
    wait_until(lambda: "receiving" in page.text(".eic-verdict"), what="the verdict")
    _fits_in(page, 1280)
    before = len(page.columns("rate", "rate")["rate"])
    wait_until(lambda: len(page.columns("rate", "rate")["rate"]) > before + 1, what="two looks more")
    given = len(pages.orders)
    assert "Orders as ada <b>" in page.text("body")
    page.page.get_by_role("button", name="Configuration begins").click()
    wait_until(lambda: "done: configure" in page.text(".eic-answer"), what="the receiver's answer")
    order = pages.orders[-1]
    assert len(pages.orders) == given + 1
    assert (order.kind, order.on, order.by) == ("configure", True, "ada <b> (page)")
    wait_until(lambda: "configuration begins" in page.text("body"), what="the journal")
    page.page.set_viewport_size({"width": 390, "height": 844})
    figure = page.page.locator(".bk-Figure")
    wait_until(lambda: figure.bounding_box()["width"] < 390, what="the narrow figure")
    _fits_in(page, 390)
    _clean(page)


def test_pages_lead_to_each_other_and_each_has_a_kernel_of_its_own(pages, open_page):
    address = f"{pages.server.url}quicklook?lang=fr&instrument=meddea"
    page = open_page(address, cookies=pages.cookies).wait_for_figures()
    kernel = page.kernel
    page.page.get_by_role("link", name="Moniteur").click()
    page.page.wait_for_url("**/monitor?*")
    page.wait_for_figures(1)
    assert re.search(r"instrument=meddea&lang=fr", page.page.url)
    assert "Moniteur" in page.text("h1")
    assert "AUCUN RÉCEPTEUR" in page.text(".eic-verdict")
    assert page.kernel != kernel

    def gone():
        return status_of(pages.server.port, f"/api/kernels/{kernel}", Cookie=pages.cookie) == 404

    wait_until(gone, what="the end of the kernel that was left")


def test_a_report_draws_its_figures_in_its_sandbox_and_reaches_nothing(pages, open_page):
    from bokeh.embed import file_html
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    plot = figure()
    plot.line([0, 1], [0, 1])
    pages.settings.reports.joinpath("figure.html").write_text(file_html(plot, INLINE))
    page = open_page(f"{pages.server.url}reports/figure.html", cookies=pages.cookies)
    wait_until(lambda: page.page.evaluate("window.Bokeh?.documents.length") == 1, what="the figure")
    _clean(page)
    for address in ("/monitor", "http://127.0.0.1:1/"):
        asked = f"fetch('{address}', {{mode: 'no-cors'}}).then(() => 'fetched', () => 'refused')"
        assert page.page.evaluate(asked) == "refused"
    assert page.violations


ADDRESSES = ("camera.ipynb", "quicklook.ipynb", "quicklook/x", "other", "monitor/../eic.sqlite")


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_other_address_leads_anywhere(pages, address):
    assert status_of(pages.server.port, f"/{address}", Cookie=pages.cookie) == 404
