"""All pages on one set-up at one moment: camera, quick look, monitors, JSON, report and index."""

import html
import re
from contextlib import ExitStack

import pytest
from eicpy_fixtures.health_streams import BEYOND, camera, put, stream
from waiting import wait_until

from eicpy.acquisition.status import OverviewReader, Station, read_overview
from eicpy.acquisition.status.overview_status import SILENT_AFTER
from eicpy.dashboard.pages.camera import CameraPage
from eicpy.dashboard.pages.monitor import MonitorPage
from eicpy.dashboard.pages.quicklook import QuickLookPage
from eicpy.dashboard.source import ArchiveSource
from eicpy.health import LEVELS
from eicpy.housekeeping import Severity
from eicpy.monitor import plain_text
from eicpy.operations import excursions, handle_excursion, open_database
from eicpy.pipeline import NightProducts, run_nights, write_index
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

__all__ = ["camera", "stream"]

READING = re.compile("<li>(reading|lecture de) ")
AGES = re.compile(r"[0-9.,]+ (s|min|h) ago|il y a [0-9.,]+ (s|min|h)")


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


def taken(settings, camera, data, **how):
    put(RunArchive(settings.archive(camera.name), camera.name), data, **how)


def boxes(settings, camera, language):
    """The box of each page, as a reader sees it."""
    texts = Texts(language)
    health = OverviewReader(settings, camera, reading_time=60.0)
    pages = {
        "camera": CameraPage(camera, ArchiveSource(settings, camera), texts, health),
        "quick look": QuickLookPage(settings, camera, texts),
        "monitor": MonitorPage(settings, camera, texts),
    }
    with ExitStack() as stack:
        stack.callback(health.close)
        for page in pages.values():
            wait_until(
                lambda page=page: page.look() or not READING.search(page.verdict.value), what="the data"
            )
        return {name: page.verdict.value for name, page in pages.items()}


def said(box):
    """Level, headline and sentences of a box, without the words in small frames."""
    (level,) = re.findall('data-level="(\\w+)"', box)
    (head,) = re.findall("<strong>(.*?)</strong>", box)
    lines = re.findall("<li>(.*?)</li>", box)
    plain = [html.unescape(re.sub("<.*?>", "", line)) for line in (head, *lines)]
    return level, [AGES.sub("…", line) for line in plain]


@pytest.mark.parametrize(
    ("until", "level", "words", "language"),
    [
        (15.0, "nominal", "", "en"),
        (60.0, "warning", "810", "fr"),
        (118.0, "warning", BEYOND, "en"),
    ],
)
def test_live_pages_and_terminal(settings, camera, stream, until, level, words, language):
    taken(settings, camera, stream.data[: stream.until(until)])
    shown = {name: said(box) for name, box in boxes(settings, camera, language).items()}
    assert len({str(one) for one in shown.values()}) == 1, shown
    found, lines = shown["camera"]
    assert found == level
    assert words in " ".join(lines)
    overview = read_overview(settings, camera, timeout=0.0)
    assert overview.to_json()["verdict"]["level"] == LEVELS[Severity[level.upper()]].lower()
    if language == "en":
        terminal = AGES.sub("…", plain_text(overview))
        for line in lines:
            assert line in terminal


def test_with_a_chain_and_a_run_that_is_open(settings, camera, stream, monkeypatch):
    monkeypatch.setattr("eicpy.health.telemetry.SILENT_AFTER", 1e9)  # however slow the machine is
    monkeypatch.setitem(SILENT_AFTER, "receiver", 1e9)
    taken(settings, camera, stream.data[: stream.until(60.0)], close=False)
    with Station(settings.live(camera.name)).report("receiver", role="receiver") as receiver:
        receiver.update(state="receiving", values={"run": 1, "links": [], "apids": {}, "disk_seconds": 600.0})
        shown = {name: said(box) for name, box in boxes(settings, camera, "en").items()}
    assert len({str(one) for one in shown.values()}) == 1, shown
    level, lines = shown["quick look"]
    assert level == "alarm"
    assert lines[0].startswith("ALARM now")
    assert "disk full in 10 min" in lines[1]
    assert any("lost of APID 810" in line for line in lines)


@pytest.mark.slow
def test_the_night_says_of_its_end_what_the_pages_say_and_who_acknowledged_it(
    settings, camera, stream, no_reports
):
    taken(settings, camera, stream.data[: stream.until(118.0)])
    (outcome,) = run_nights("eclairs", None, None, settings, workers=0)
    night = NightProducts.open(settings.products("eclairs") / outcome.record.night)
    level, lines = said(boxes(settings, camera, "en")["camera"])
    night_level, night_lines = said(night.verdict._repr_html_())
    assert night_level == level == "warning"
    assert night_lines == ["ATTENTION in this night", *lines[1:]]
    english, french = re.findall(
        '(?s)<div class="(?:en|fr)">(<div class="eic-verdict.*?</ul></div>)</div>', page_of(settings)
    )
    assert said(english)[1][:4] == night_lines[:4]
    assert "dépasse sa limite" in " ".join(said(french)[1])

    with open_database(settings) as database:
        (row,) = excursions(database, instrument="eclairs")
        handle_excursion(database, row.id, actor="ada", comment="known heater")
    words = "acknowledged by ada: known heater → nothing: it was looked at"
    assert words in " ".join(said(boxes(settings, camera, "en")["camera"])[1])
    assert words in plain_text(read_overview(settings, camera, timeout=0.0))
    again = NightProducts.open(night.folder)
    assert words in " ".join(said(again.verdict._repr_html_())[1])
    assert "acknowledged by ada: known heater" in html.unescape(page_of(settings))


def page_of(settings):
    return write_index(settings).read_text()


@pytest.fixture
def no_reports(monkeypatch):
    """Let a night end before its reports."""
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_a, **_k: [])
