"""The index page of all nights: honest about failures, losses and its own age."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from eicpy.pipeline import NightRecord, ReportRecord, night_records, write_index
from eicpy.pipeline.record import PacketRecord


def put(settings, night, status, instrument="eclairs", finished="", **more):
    record = NightRecord(
        instrument=instrument, title=instrument.upper(), night=night, start="2026-11-20T00:00:00+00:00",
        stop="2026-11-21T00:00:00+00:00", status=status, finished=finished, **more,
    )  # fmt: skip
    record.write(settings.products(instrument) / night)
    return record


def hours_ago(hours):
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")


@pytest.fixture
def page(settings):
    put(
        settings, "20261120", "complete", finished=hours_ago(2), photons=270_123_456, alarms=2,
        packets={"810": PacketRecord(received=270_120, lost=3)},
        reports=[
            ReportRecord(notebook="m", title="The night", status="complete", page="a/b.html", finished=""),
            ReportRecord(notebook="g", title="Gain", status="failed", page="a/c.html", finished=""),
        ],
    )  # fmt: skip
    put(settings, "20261121", "failed", message="no space left <script>alert(1)</script>")
    put(settings, "20240916", "complete", instrument="meddea", finished=hours_ago(100))
    put(settings, "20240917", "running", instrument="dpix", began=hours_ago(30), simulated=True)
    return write_index(settings)


def test_every_night_is_there_newest_first_with_its_numbers(page):
    text = page.read_text()
    assert re.findall(r'data-night="(\d+)" data-instrument="(\w+)"', text) == [
        ("20240917", "dpix"), ("20261121", "eclairs"), ("20261120", "eclairs"), ("20240916", "meddea"),
    ]  # fmt: skip
    assert "270\u202f123\u202f456" in text
    assert 'href="a/b.html"' in text
    assert 'class="failed">Gain' in text
    assert "complete, with losses" in text


def test_what_needs_attention_and_what_is_simulated_is_seen_at_once(page):
    text = page.read_text()
    assert "2 nights need attention" in text
    assert text.count('class="simulated"') == 1


def test_nothing_is_asked_of_another_machine_and_messages_are_text(page):
    text = page.read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?:https?:)?//", text)
    assert "<script>alert" not in text


def test_an_empty_set_up_has_a_page_that_says_what_to_do(settings):
    assert "eic night --instrument" in write_index(settings).read_text()


def test_a_record_that_cannot_be_read_is_a_failed_night(settings):
    folder = settings.products("eclairs") / "20261120"
    folder.mkdir(parents=True)
    (folder / "night.json").write_text("{")
    (record,) = night_records(settings)
    assert record.status == "failed"
    assert "night.json" in record.message
    assert "night.json" in write_index(settings).read_text()


@pytest.mark.browser
def test_the_page_tells_its_age_in_two_languages_and_fits_a_telephone(page, browser):
    with browser.new_page(viewport={"width": 390, "height": 800}) as view:
        asked = []
        view.on("request", lambda request: asked.append(request.url))
        view.goto(page.as_uri())
        ages = {a.evaluate("e => e.className"): a.inner_text() for a in view.locator("[data-success]").all()}
        assert "2 h ago" in ages["age"]
        assert "too old" in ages["age stale"]
        assert "No night has succeeded yet" in view.locator(".never").inner_text()
        assert view.locator(".night.stale").get_attribute("data-instrument") == "dpix"
        assert view.locator(".attention").is_visible()
        view.locator("#language").click()
        assert "il y a 2 h" in view.locator(".age:not(.stale):not(.never)").first.inner_text()
        assert view.locator("text=en échec").first.is_visible()
        assert not view.locator("text=failed >> visible=true").count()
        assert view.evaluate("document.documentElement.scrollWidth") <= 390
        assert all(url.startswith("file:") for url in asked)
