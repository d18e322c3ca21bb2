"""The index page of all nights: honest about failures, losses and its own age."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from eicpy_fixtures.languages import untranslated, visible_texts

from eicpy.errors import FailedError
from eicpy.health import Reason, Verdict
from eicpy.housekeeping import Severity
from eicpy.instruments import load
from eicpy.nights import Home, NightRecord, ReportRecord, night_records, render_index, write_index
from eicpy.nights.record import ExcursionRecord, PacketRecord
from eicpy.operations import ExcursionEntry, handle_excursion, open_database, record_excursions
from eicpy.runs import RunArchive, run_label
from eicpy.text import Texts


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


def excursion(settings, **more):
    values = {
        "parameter": "ECL_TEMPTH01", "level": Severity.ALARM, "start": 311975304.0, "stop": 311976196.0,
        "value": -13.5, "limit": -15.0, "unit": "deg_C",
    }  # fmt: skip
    with open_database(settings) as database:
        return record_excursions(database, "eclairs", "20261120", [ExcursionEntry(**values | more)])[0].id


def test_the_page_says_what_to_do_with_the_command_until_it_was_done_anywhere(settings):
    """An excursion is acknowledged in the database, by a command or a page: the next look shows it."""
    record = put(settings, "20261120", "complete", finished=hours_ago(2))
    record.excursions = [
        ExcursionRecord(
            parameter="ECL_TEMPTH01", level="alarm", start=311975304.0, stop=311976196.0, value=-13.5,
            limit=-15.0, unit="deg_C",
        )
    ]  # fmt: skip
    record.write(settings.products("eclairs") / "20261120")
    number = excursion(settings)
    before = render_index(settings, Home())
    assert f"eic acknowledge {number} --comment" in before
    assert "1 night in alarm" in before
    assert "−13.5 °C" in before
    assert "−13,5 °C" in before
    with open_database(settings) as database:
        handle_excursion(database, number, actor="Ada", comment="heater")
    after = render_index(settings, Home())
    assert "eic acknowledge" not in after.replace("eic acknowledge NUMBER", "")
    assert "in alarm" not in after
    assert "acknowledged by Ada" in after
    assert "Nothing: no excursion to acknowledge" in after


def test_many_excursions_are_counted_and_alarms_come_first(settings):
    for n in range(12):
        excursion(settings, start=100.0 * n, stop=100.0 * n + 5, level=Severity.WARNING)
    alarm = excursion(settings, start=1.0, stop=2.0)
    page = render_index(settings, Home())
    named = re.findall(r'data-excursion="(\d+)"', page)
    assert named[0] == str(alarm)
    assert len(named) == 8
    assert "and 5 more" in page


def test_the_home_page_has_the_verdict_of_now_and_ways_to_the_pages(settings):
    lost = Reason("lost", {"apid": 810, "name": "", "command": 0, "packets": 3, "first": 1.0, "last": 2.0})
    pages = {"../": "page_camera", "../quicklook": "page_quicklook", "../monitor": "page_monitor"}
    page = render_index(settings, Home(verdicts={"eclairs": Verdict((lost,))}, pages=pages, language="fr"))
    assert '<html lang="fr">' in page
    assert "3 packets lost of APID 810" in page
    assert "3 paquets perdus" in page
    for address in pages:
        assert f'href="{address}?instrument=eclairs&amp;lang=fr"' in page
    assert 'http-equiv="refresh"' in page
    assert "eic dashboards" not in page


def test_a_file_says_that_it_does_not_know_the_present(page):
    text = page.read_text()
    assert "it does not know the present" in text
    assert "<code>eic dashboards</code>" in text
    assert "http-equiv" not in text
    assert "../monitor" not in text


def test_a_database_that_does_not_answer_is_said(settings, monkeypatch):
    def away(*_a):
        raise FailedError("no answer")

    monkeypatch.setattr("eicpy.nights.index_page.open_database", away)
    page = render_index(settings, Home())
    assert "The database does not answer" in page
    assert "Nothing: no excursion" not in page


def test_runs_have_their_labels_and_configuration_is_named(settings, filled):
    put(settings, "20261120", "complete", runs=[1, 7], configuration_runs=[7], packets_aside=1234)
    archive = RunArchive(filled.archive("eclairs"), "eclairs")
    label = run_label(archive.run(1), load("eclairs"), count=True)
    page = render_index(settings)
    assert label.words(Texts("en")) in page
    assert label.words(Texts("fr")) in page
    assert "Run 7 holds what came while the instrument was configured" in page
    assert "1\u202f234 paquets" in page


def test_everything_on_the_page_is_in_both_languages(page, settings):
    """What is shown in French has no English left: the two differ, or are names and numbers."""
    excursion(settings)
    verdicts = {"eclairs": Verdict()}
    text = render_index(settings, Home(verdicts=verdicts, pages={"../": "page_camera"}))
    seen = visible_texts(text)
    outside = (
        "no space left <script>alert(1)</script>",
        "The night",
        "g:",
        "eclairs",
        "ECLAIRs aboard SVOM",
        "Français",
    )
    left = untranslated(seen["en"] & seen["fr"], outside)
    assert left == set(), "shown in both languages alike"


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
