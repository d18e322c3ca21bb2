"""The monitor page without a browser: what a chain tells is shown, and orders only where they are allowed."""

import pytest

from eicpy.acquisition.status import Station
from eicpy.dashboard.pages.monitor import MonitorPage
from eicpy.errors import FailedError
from eicpy.instruments import load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

CAMERA = load("eclairs")
RECEIVING = {
    "run": 1, "received": 12_345_678, "rate": 2.5e6, "packets": 1234, "damaged": 2, "foreign_bytes": 0,
    "links": [
        {"address": "<b>10.0.0.7</b>:4000", "transport": "tcp", "state": "connected", "bytes": 5, "age": 0.2}
    ],
    "apids": {"810": {"received": 1200, "lost": 3, "duplicated": 0, "out_of_order": 1, "damaged": 2}},
    "commands": {}, "disk_free": 10**9, "disk_seconds": 1800.0, "udp_dropped": 0,
    "listening": ["tcp 127.0.0.1:5000"], "mode": "configuration",
}  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def station(settings):
    return Station(settings.live("eclairs"))


@pytest.fixture
def receiving(settings, station):
    """A receiver with a run, and a processor that is behind."""
    writer = RunArchive(settings.archive("eclairs"), "eclairs").create(source="test", comment="<i>door</i>")
    writer.append(b"\0" * 2000)
    with (
        station.report("receiver", role="receiver") as receiver,
        station.report("photons", role="processor") as processor,
    ):
        receiver.update(state="receiving", values=RECEIVING)
        processor.update(
            state="working",
            error="odd <value>",
            values={
                "mode": "next",
                "run": 1,
                "offset": 0,
                "behind": 2000,
                "packets": 7,
                "parameters": {"n": 3},
            },
        )
        yield receiver
    writer.release()


def _page(settings, **options):
    return MonitorPage(settings, CAMERA, Texts("en"), **options)


def test_it_shows_what_the_chain_tells(settings, station, receiving):
    station.journal("ada", "start a run", 1)
    page = _page(settings)
    assert "ALARM" in page.verdict.value, "the disk is full in half an hour"
    assert "disk full in 30 min" in page.verdict.value
    assert "receiving" in page.verdict.value
    assert "CONFIGURATION" in page.facts.value
    assert "2.50 MB/s" in page.facts.value
    assert "12.3 MB" in page.facts.value
    assert "810" in page.apids.value
    assert "photons" in page.parts.value
    assert "2.00 kB" in page.parts.value
    assert "n: 3" in page.parts.value
    assert "start a run" in page.journal.value
    assert "ada" in page.journal.value
    assert "odd &lt;value&gt;" in page.journal.value, "the last error"


def test_what_comes_from_outside_is_escaped(settings, receiving):
    page = _page(settings)
    shown = page.run.value + page.links.value + page.parts.value + page.journal.value + page.verdict.value
    for raw in ("<i>door", "<b>10.0.0.7", "odd <value>"):
        assert raw not in shown
    assert "&lt;i&gt;door" in page.run.value
    assert "&lt;b&gt;10.0.0.7" in page.links.value


def test_it_looks_every_second_and_sees_a_part_die(settings, station):
    with station.report("receiver", role="receiver") as receiver:
        receiver.update(state="receiving", values=RECEIVING)
        page = _page(settings)
        time = page.rate.source("rate").data["time"]
        page.look()
        page.look()
        assert len(page.rate.source("rate").data["time"]) == len(time) + 1
        assert page.rate.source("rate").data["rate"][-1] == pytest.approx(2.5)
    page.look()
    page.look()
    assert "nothing receives: the receiver was stopped" in page.verdict.value


def test_without_a_chain_it_says_so(settings):
    page = _page(settings)
    assert "NO RECEIVER" in page.verdict.value
    assert "no receiver was ever started here" in page.verdict.value


def test_orders_are_not_given_where_they_are_not_allowed(settings, station, chain):
    given = []
    with chain.take_orders(station, lambda order: given.append(order) or "done"):
        page = _page(settings)
        assert "eic dashboards --orders" in page.controls.answer.value
        assert page.controls.text not in page.controls.widget.children
        for button in page.controls.buttons.values():
            button.click()  # as a hostile visitor could
    assert given == []
    assert "only looks" in page.controls.answer.value
    assert station.read_journal() == []


def test_orders_reach_the_receiver_with_a_name_and_its_answer_is_shown(settings, station, chain):
    given = []

    def handle(order):
        given.append((order.kind, order.by, order.text, order.on))
        if order.kind == "stop":
            raise FailedError("no run is open")
        return f"<b>{order.kind}</b> done"

    with chain.take_orders(station, handle):
        page = _page(settings, orders=True, operator="ada <b>")
        assert "Orders as ada &lt;b&gt;" in page.controls.who.value
        page.controls.buttons["comment"].click()
        assert "Write a comment" in page.controls.answer.value
        page.controls.text.value = "door open"
        page.controls.buttons["start"].click()
        assert "&lt;b&gt;start&lt;/b&gt; done" in page.controls.answer.value
        page.controls.buttons["configure_on"].click()
        page.controls.buttons["configure_off"].click()
        page.controls.buttons["stop"].click()
        assert "no run is open" in page.controls.answer.value
    kinds = [(kind, on) for kind, _by, _text, on in given]
    assert kinds == [("start", True), ("configure", True), ("configure", False), ("stop", True)]
    assert given[0][2] == "door open"
    assert given[1][2] == "", "a text is sent once"
    assert {name for _kind, name, _text, _on in given} == {"ada <b> (page)"}
    assert "start a run" in page.journal.value, "the journal is read again after an order"


def test_a_visitor_without_a_name_gives_no_orders(settings, station, chain):
    given = []
    with chain.take_orders(station, lambda order: given.append(order) or "done"):
        page = _page(settings, orders=True)
        assert 'href="/login?lang=en&amp;next=/monitor"' in page.controls.who.value
        for button in page.controls.buttons.values():
            button.click()
    assert given == []
    assert "Log in with your name" in page.controls.answer.value


def test_an_order_without_a_receiver_is_answered_in_words(settings):
    page = _page(settings, orders=True, operator="ada")
    page.controls.buttons["start"].click()
    assert "no receiver takes orders here" in page.controls.answer.value
