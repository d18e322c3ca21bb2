"""The index as the server shows it: the verdict of now, and nobody waits for data that are being read."""

import threading

import pytest
from eicpy_fixtures.nights import settings, simulated  # noqa: F401, fixtures
from waiting import wait_until

from eicpy.acquisition.status.overview import OverviewReader
from eicpy.dashboard.server import home as module
from eicpy.dashboard.server.home import HomePage
from eicpy.errors import BadDataError
from eicpy.ingestion import ingest

PAGES = {"/": "page_camera", "/monitor": "page_monitor", "/reports/": "reports"}


@pytest.fixture
def home(settings, simulated):  # noqa: F811
    ingest([simulated.packets], "eclairs", settings)
    return HomePage(settings, PAGES)


def test_the_page_has_the_verdict_of_now_and_leads_to_the_pages(home):
    wait_until(lambda: "at the end of run 1" in home.render("en"))
    page = home.render("fr")
    assert "packets lost of APID" in page, "the verdict of the live pages"
    assert 'href="../?instrument=eclairs&amp;lang=fr"' in page
    assert 'href="../monitor?instrument=eclairs&amp;lang=fr"' in page
    assert 'href="../reports/' not in page
    assert "MeDDEA" not in page, "nothing was ever received from it"


def test_a_reader_does_not_wait_for_data_that_are_being_read(home, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.0)
    go_on, read = threading.Event(), OverviewReader.read
    monkeypatch.setattr(OverviewReader, "read", lambda self: go_on.wait() and read(self))
    page = home.render("en")
    assert "READING" in page
    assert 'content="5"' in page, "and asks again soon"
    go_on.set()
    wait_until(lambda: "at the end of run 1" in home.render("en"))


def test_what_cannot_be_judged_keeps_nobody_from_the_page(home, monkeypatch):
    def fail(_self):
        raise BadDataError("no description")

    monkeypatch.setattr(OverviewReader, "read", fail)
    assert "READING" in home.render("en")
