"""The live page in a real browser, fed by the simulated camera through the run archive."""

import re
import urllib.error
import urllib.request
from urllib.parse import urlparse

import bokeh
import numpy as np
import pytest
from waiting import LIMIT, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BOXES = """() => {
  const wanted = ".bk-Figure, .eic-controls, .eic-verdict, .eic-facts, .eic-panel";
  const all = [];
  const walk = (root) => {  // figures live in shadow roots
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(wanted)) all.push(element.getBoundingClientRect());
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document);
  return all.map(b => [b.left, b.right]);
}"""


def _floats(values):
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def _status(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


FRAMES = """() => Bokeh.index.roots.filter(view => view.frame).map(view => {
  const {left, width, height} = view.frame.bbox;
  const {x_range, y_range} = view.model;
  return {left: view.el.getBoundingClientRect().left + left, width, height,
          x: x_range.end - x_range.start, y: y_range.end - y_range.start};
})"""
PLACE = """([y, z]) => {
  const view = Bokeh.index.roots.find(view => view.frame && view.model.title.text.startsWith("Image"));
  const box = view.el.getBoundingClientRect();
  return [box.left + view.frame.x_scale.compute(y), box.top + view.frame.y_scale.compute(z)];
}"""
TOOLTIP = """() => {
  const words = [];
  const walk = (root) => {  // tooltips live in shadow roots
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(".bk-tooltip-row-label")) words.push(element.parentElement.textContent.trim());
      if (element.shadowRoot) walk(element.shadowRoot);
    }
  };
  walk(document);
  return words;
}"""
NUMBERS = """() => [...Bokeh.documents[0]._all_models.values()]
  .find(m => m.type === "NumeralTickFormatter").doFormat([0.25, -1234.5], {})"""


def _laid_out(page):
    """Left and right edges of all boxes of the page; None while one of them is still to be laid out.

    Found and measured in one script: between two, the page replaces boxes (twice a second), and one
    that is replaced measures 0 to 0.
    """
    edges = page.evaluate(BOXES)
    return edges if len(edges) >= 8 and all(right > left for left, right in edges) else None


def _fits(page, width):
    """Nothing sticks out of the page."""
    parts = "[...document.querySelectorAll('html, body, #rendered_cells')]"
    assert max(page.page.evaluate(f"{parts}.map(e => e.scrollWidth - e.clientWidth)")) <= 0
    for left, right in wait_until(lambda: _laid_out(page.page), what="every box to have a width"):
        assert left >= 0
        assert right <= width + 0.5
        assert right - left >= 250


def _first_figure_ends(page):
    box = page.page.locator(".bk-Figure").first.bounding_box()
    return box["y"] + box["height"]


def _frames(page):
    """Frames of the figures: left edge on the page, size, ranges; None while they are being drawn."""
    found = page.page.evaluate(FRAMES)
    return found if len(found) == 4 and all(frame["width"] > 0 for frame in found) else None


def _point(page, y, z, inside):
    """Where a point of a pixel is now; the page moves when its verdict grows."""
    return page.page.evaluate(PLACE, [y + inside, z + inside])


def _hovers(page, y, z, inside):
    page.page.mouse.move(*_point(page, y, z, inside))
    return f"y, z: {y}, {z}" in page.page.evaluate(TOOLTIP)


def _clicks(page, y, z, inside):
    page.page.mouse.click(*_point(page, y, z, inside))
    return f"Pixel y {y}, z {z} " in page.text("body")


def test_a_telephone_shows_the_first_figure_at_once(live, open_page):
    page = open_page(f"{live.server.url}?lang=fr", width=390, height=844).wait_for_figures()
    _fits(page, 390)
    wait_until(lambda: _first_figure_ends(page) <= 844, what="the first figure on the first screen")


def test_a_wide_dark_page_in_french(live, open_page):
    """Above the fold, edges in line, square pixels, the pixel under the cursor, dark paper, words, search."""
    address = f"{live.server.url}?lang=fr"
    page = open_page(address, width=1280, height=800, color_scheme="dark").wait_for_figures()
    _fits(page, 1280)
    wait_until(lambda: _first_figure_ends(page) <= 800, what="the first figure above the fold")
    frames = wait_until(lambda: _frames(page), what="frames")
    image, *others = sorted(frames, key=lambda frame: frame["left"])
    assert max(f["left"] for f in others) - min(f["left"] for f in others) <= 0.5
    assert image["width"] / image["x"] == pytest.approx(image["height"] / image["y"], rel=1e-3)
    for style in ("light", "dark"):
        page.page.emulate_media(color_scheme=style)
        paper = page.page.evaluate("getComputedStyle(document.querySelector('.eic-panel')).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is (style == "light")
        asked = "getComputedStyle(Bokeh.index.roots.find(view => view.frame).el)"
        told = page.page.evaluate(f"{asked}.getPropertyValue('--bk-background-fill-color')")
        assert (told == "#ffffff") is (style == "light")
    assert page.page.evaluate(NUMBERS) == ["0,25", "-1234,5"]

    for y, z in ((17, 5), (60, 79), (0, 0)):
        for inside in (0.02, 0.98):
            wait_until(lambda at=(y, z, inside): _hovers(page, *at), what="the pixel under the cursor")
            wait_until(lambda at=(y, z, inside): _clicks(page, *at), what="the pixel that was clicked")

    rows = page.page.locator("table.eic-table tbody tr")
    wait_until(lambda: rows.count() > 80, what="all parameters")
    page.page.get_by_label("Chercher").fill("TEMPERATURE caloduc")
    wait_until(lambda: rows.count() == 4, what="the heat pipes alone")
    assert "température du caloduc 1" in rows.first.inner_text()
    options = page.page.get_by_label("Paramètre").locator("option")
    wait_until(lambda: options.count() == 4, what="the choice of the heat pipes")
    page.page.get_by_label("Chercher").fill("xyzzy")
    wait_until(lambda: "aucun paramètre ne contient" in page.text("body"), what="that nothing was found")
    assert page.errors == []


def test_french_by_the_address_and_by_the_control(live, open_page):
    page = open_page(f"{live.server.url}?lang=fr").wait_for_figures()
    assert "EN DIRECT" in page.text(".eic-verdict")
    assert page.titles()[0].startswith("Image, 4–150 keV")
    axes = page.page.evaluate("Bokeh.documents.map(d => d.roots()[0].below[0].axis_label)")
    assert axes == ["y (pixel)", "énergie (keV)", "temps (UTC)", "temps (UTC)"]
    page.page.get_by_label("Langue").select_option(label="English")
    wait_until(lambda: "LIVE" in page.text(".eic-verdict"), what="English")
    wait_until(lambda: "Detector image" in page.titles()[0], what="a title in English")


def test_an_unknown_instrument_is_refused_in_words(live, open_page):
    page = open_page(f"{live.server.url}?instrument=%3Cimg%20src%3Dx%3E")
    page.page.wait_for_selector("[role=alert]")
    assert "expected one of" in page.text("[role=alert]")
    assert page.page.locator("[role=alert] img").count() == 0
    assert "Traceback" not in page.page.content()


def test_an_instrument_without_a_run_says_so(live, open_page):
    page = open_page(f"{live.server.url}?instrument=meddea").wait_for_figures()
    assert "NO RUN" in page.text(".eic-verdict")
    empty = "Bokeh.documents.map(d => d.roots()[0].center.find(c => c.name == 'no-data').visible)"
    assert page.page.evaluate(empty) == [True] * 4


def test_the_theme_is_not_taken_from_the_address(live, open_page):
    page = open_page(f'{live.server.url}?theme="><img src=x onerror="window.broken=1">').wait_for_figures()
    assert page.page.evaluate("window.broken === undefined")
    assert "onerror" not in page.page.content()


def test_the_kernel_is_gone_when_the_tab_is_closed(live, open_page):
    page = open_page(live.server.url).wait_for_figures()
    address = f"{live.server.url}api/kernels/{page.kernel}"
    assert _status(address) == 200
    page.close_tab()
    wait_until(lambda: _status(address) == 404, what="the end of the kernel")


class TestOneOpenPage:
    """A page that stays open for all of these, and is closed before others open theirs."""

    def test_page_renders_with_the_installed_bokeh_and_nothing_from_elsewhere(self, camera_page):
        page = camera_page
        assert "There was an error when executing cell" not in page.text("body")
        assert page.page.evaluate("Bokeh.version") == bokeh.__version__
        assert "ECLAIRs" in page.text("h1")
        assert len(page.titles()) == 4
        assert page.columns("image", "image")["image"]
        foreign = [u for u in page.requests if urlparse(u).hostname not in {"127.0.0.1", None}]
        assert foreign == []
        assert page.errors == []
        assert page.violations == []

    def test_verdict_status_and_table_say_how_the_camera_is(self, camera_page):
        page = camera_page
        wait_until(lambda: "READING" not in page.text(".eic-verdict"), what="the newest data to be read")
        verdict = page.text(".eic-verdict")
        assert "LIVE" in verdict
        assert "simulated data" in verdict
        assert "DPIX_VCTRLHVELS6" in verdict  # the simulated excursion, beyond its warning limit
        assert "ATTENTION now" in verdict
        facts = page.text(".eic-facts")
        for word in ("Run", "Newest data", "ago", "Packets", "Lost", "Damaged"):
            assert word in facts
        first = page.page.locator(".eic-table tbody tr").first.inner_text()
        assert "DPIX_VCTRLHVELS6" in first
        assert "WARNING" in first

    def test_it_updates_without_a_hole_while_data_arrive(self, camera_page):
        page = camera_page
        before = page.columns("series-0", "rate")
        newest = max(before["time"])

        def later():
            return max(page.columns("series-0", "rate")["time"]) > newest + 20_000

        wait_until(later, what="twenty seconds of data more in the light curve")
        after = page.columns("series-0", "rate")
        time, rate = _floats(after["time"]) / 1e3, _floats(after["rate"])
        known = np.flatnonzero(np.isfinite(rate))
        inside = slice(known[0], known[-1] + 1)
        assert np.isfinite(rate[inside]).all(), "a hole in the light curve"
        np.testing.assert_allclose(np.diff(time[inside]), 1.0, atol=1e-3)
        assert rate[inside].min() > 0.5 * np.median(rate[inside])
        assert time[known[-1]] * 1e3 > newest, "the newest bins are those that came while the page was open"

    def test_a_click_shows_the_spectrum_of_a_pixel(self, camera_page):
        page = camera_page
        assert not any(page.columns("pixel", "left")["left"])
        page.page.locator(".bk-Figure .bk-Canvas").first.click()
        wait_until(lambda: len(page.columns("pixel", "left")["left"]) == 1, what="the mark of a pixel")
        wait_until(lambda: "detnum" in page.text(".eic-caption"), what="the values of the pixel")
        counts = int(re.search(r": (\d+) counts", page.text(".eic-caption").replace("\u202f", "")).group(1))
        own = wait_until(lambda: np.nansum(_floats(page.columns("series-1", "counts")["counts"])))
        assert 0 < own < 3 * counts + 20
        page.page.get_by_role("button", name="Forget pixel").click()
        wait_until(lambda: not page.columns("pixel", "left")["left"], what="the pixel to be forgotten")

    def test_a_parameter_is_drawn_with_its_limits(self, camera_page):
        page = camera_page
        assert page.titles()[3] == "DPIX_VCTRLHVELS6", "the worst parameter comes first"
        choice = page.page.get_by_label("Parameter")
        names = choice.locator("option").all_text_contents()
        choice.select_option(index=[n.split()[0] for n in names].index("ECL_TEMPTH01"))
        wait_until(lambda: page.titles()[3] == "ECL_TEMPTH01", what="another parameter")
        axis = "Bokeh.documents[3].roots()[0].left[0].axis_label"
        wait_until(lambda: page.page.evaluate(axis) == "ECL_TEMPTH01 (°C)", what="its unit")
        limits = "Bokeh.documents[3].roots()[0].center.filter(c => c.name == 'limit' && 'location' in c)"
        wait_until(lambda: page.page.evaluate(f"{limits}.length") >= 2, what="its limits")

    def test_controls_change_the_figures(self, camera_page):
        page = camera_page
        everything = sum(page.columns("series-0", "counts")["counts"][5:-5])

        page.page.get_by_label("Modules").select_option(label="module 17")
        wait_until(lambda: "module 17" in page.titles()[1], what="the title of the spectrum")
        wait_until(
            lambda: np.nansum(_floats(page.columns("series-0", "counts")["counts"])) < 0.05 * everything,
            what="the spectrum of one module",
        )
        wait_until(
            lambda: len(page.columns("modules", "left")["left"]) == 1, what="the outline of the module"
        )
        wait_until(lambda: np.nanmedian(_floats(page.columns("series-0", "rate")["rate"])) < 100)

        handle = page.page.locator(".eic-controls .noUi-handle-lower")
        handle.focus()
        for _ in range(10):
            handle.press("ArrowRight")
        wait_until(lambda: "14–150 keV" in page.titles()[0], what="energies in the title of the image")

        page.page.get_by_label("Time").select_option(label="1 min")
        wait_until(lambda: np.ptp(page.columns("series-0", "rate")["time"]) < 65_000, what="the last minute")
        assert page.errors == []

    def test_a_websocket_that_does_not_offer_the_first_version_is_closed(self, live, camera_page):
        import websocket

        page = camera_page
        address = f"ws://127.0.0.1:{live.server.port}/api/kernels/{page.kernel}/channels"
        client = websocket.create_connection(address, timeout=LIMIT, enable_multithread=False)
        try:
            code, frame = client.recv_data_frame()
            assert code == websocket.ABNF.OPCODE_CLOSE
            assert int.from_bytes(frame.data[:2], "big") == 1002
        finally:
            client.shutdown()
        tick = "+document.querySelector('.eic-heartbeat').dataset.tick"
        before = page.page.evaluate(tick)
        wait_until(lambda: page.page.evaluate(tick) > before + 2, what="the clock to tick on")

    def test_a_silent_camera_is_not_called_well(self, live, camera_page):
        """Last: afterwards nothing comes any more."""
        page = camera_page
        live.stop_feeding()
        wait_until(lambda: "NO NEW DATA" in page.text(".eic-verdict"), what="the page to notice the silence")
        assert "now" not in page.text(".eic-verdict strong")
