"""What a page shows when what it is opened on is empty, wrong or goes away: words, never a traceback."""

import shutil

import ipywidgets
import pytest

from eicpy.dashboard.pages import camera, monitor, quicklook
from eicpy.instruments.skeleton import new_description
from eicpy.runs import RunArchive
from eicpy.settings import Settings

PAGES = {"camera": camera.open_page, "quick look": quicklook.open_page, "monitor": monitor.open_page}


@pytest.fixture(params=PAGES)
def opened(request, tmp_path, monkeypatch):
    """Open a page of an empty set-up by an address."""

    def opener(query="", home=tmp_path / "home"):
        monkeypatch.setenv("EIC_HOME", str(home))
        monkeypatch.setenv("QUERY_STRING", query)
        monkeypatch.setenv("EIC_DASHBOARD_DOOR", "ours")
        return PAGES[request.param]()

    return opener


def _words(widget):
    """All that a page says."""
    if isinstance(widget, ipywidgets.HTML):
        return widget.value
    return "\n".join(map(_words, getattr(widget, "children", ())))


def _tick(widget):
    """Let the clock of a page tick twice, and return what it says then."""
    (clock,) = (child for child in widget.children if isinstance(child, ipywidgets.Play))
    for value in (1, 2):
        clock.value = value
    words = _words(widget)
    assert "Something went wrong" not in words
    assert "Traceback" not in words
    return words


def test_an_empty_set_up_says_that_nothing_was_received(opened, tmp_path):
    words = _tick(opened("instrument=eclairs"))
    assert "ATTENTION" in words
    assert "no receiver was ever started here" in words
    assert str(tmp_path) not in words
    assert not (tmp_path / "home" / "archive").exists(), "looking makes nothing"


UNKNOWN = ("%2e%2e%2f%2e%2e%2fetc", "%00", "<script>alert(1)</script>", "x" * 9000)
NONSENSE = ("&".join(f"a{n}=1" for n in range(500)), "lang=%FF%FE&lang=xx", "=&=&;;%", "lang[]=fr")


@pytest.mark.parametrize("opened", ["camera"], indirect=True)  # all pages are opened by one function
def test_an_unknown_detector_is_refused_in_words(opened):
    for name in UNKNOWN:
        words = _words(opened(f"instrument={name}"))
        assert "This page cannot be opened" in words
        assert "expected one of" in words
        assert "<script>" not in words
        assert len(words) < 2000


@pytest.mark.parametrize("opened", ["camera"], indirect=True)
@pytest.mark.parametrize("query", NONSENSE)
def test_parameters_of_nonsense_change_nothing(opened, query):
    assert "no receiver was ever started here" in _tick(opened(query))


@pytest.mark.parametrize("opened", ["camera"], indirect=True)
def test_a_detector_without_limits_is_shown_and_not_called_well(opened, tmp_path):
    table = new_description("mine", tmp_path / "home" / "instruments") / "housekeeping.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    cells = [row.split(",", 12) for row in rows]
    table.write_text("\n".join([head, *(",".join([*c[:8], "", "", "", "", c[12]]) for c in cells)]))
    words = _tick(opened("instrument=mine&lang=fr"))
    assert "AUCUN" in words
    assert "eic-verdict nominal" not in words


@pytest.fixture
def settings(tmp_path, short_packets, chain, monkeypatch):
    monkeypatch.setattr("eicpy.dashboard.playback.LOOK_AGAIN", 0.0)
    monkeypatch.setattr("eicpy.dashboard.pages.quicklook.LIST_EVERY", 0.0)
    return chain.two_runs(Settings.at(tmp_path / "home"), short_packets)


def _remove(settings, number):
    shutil.rmtree(RunArchive(settings.archive("eclairs"), "eclairs").run(number).folder)


def test_runs_are_deleted_under_an_open_page(settings, opened):
    widget = opened("instrument=eclairs", settings.home)
    _tick(widget)
    for number in (2, 1):
        _remove(settings, number)
        _tick(widget)


def _control(widget, description):
    if getattr(widget, "description", None) == description:
        return widget
    found = (_control(child, description) for child in getattr(widget, "children", ()))
    return next((one for one in found if one is not None), None)


def test_a_run_that_is_chosen_was_deleted(settings, monkeypatch):
    monkeypatch.setenv("EIC_HOME", str(settings.home))
    monkeypatch.setenv("EIC_DASHBOARD_DOOR", "ours")
    widget = quicklook.open_page()
    _tick(widget)
    _remove(settings, 1)
    _control(widget, "Compare with").value = "run-1"
    _control(widget, "Source").value = "run-1"
    assert "Run 1 is no longer in the archive: choose another." in _words(widget)
    _control(widget, "Source").value = "live"
    words = _tick(widget)
    assert "no longer in the archive" not in words
    assert "RUN 2 ENDED" in words
