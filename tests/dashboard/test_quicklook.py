"""The quick look without a browser: playback, steps, modes, comparison, and values from outside."""

import numpy as np
import pytest

from eicpy.dashboard.pages.quicklook import QuickLookPage
from eicpy.dashboard.playback import Playing, StreamSource
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.runs import RunArchive
from eicpy.settings import Settings
from eicpy.text import Texts

CAMERA = load("eclairs")


@pytest.fixture
def settings(tmp_path, short_packets, chain):
    """A set-up with two closed runs of the same packets."""
    return chain.two_runs(Settings.at(tmp_path / "home"), short_packets)


@pytest.fixture
def source(settings):
    source = StreamSource(settings, CAMERA)
    yield source
    source.close()


@pytest.fixture
def page(settings):
    page = QuickLookPage(settings, CAMERA, Texts("en"))
    yield page
    page.source.close()


def _play_all(page):
    page.controls.speed.value = "2"
    for _ in range(200):
        page.look()
        if page.source.finished:
            return
    pytest.fail("the playback did not end")


def _photons(source):
    total = 0
    while (increment := source.poll()) is not None:
        total += len(increment.photons.time)
    return total


def test_playback_gives_what_the_file_holds_once(source):
    source.play(Playing(run=1, speed=None))
    first = _photons(source)
    assert source.finished
    assert source.simulated
    assert first > 30_000
    source.restart()
    assert _photons(source) == first


def test_steps_pause_and_pace_lose_nothing(source):
    source.play(Playing(run=2, speed=None))
    whole = _photons(source)
    source.restart()
    stepped = sum(len(source.step(50).photons.time) for _ in range(5))
    assert source.playing.paused
    assert source.poll() is None, "a playback that is paused gives nothing by itself"
    source.play(Playing(run=2, speed=None))
    assert stepped + _photons(source) == whole


@pytest.mark.parametrize("playing", [Playing(run=99), Playing(run=1, speed=7.0), Playing(run=-1)])
def test_what_is_not_offered_is_refused(settings, playing):
    with pytest.raises(BadArgumentError):
        StreamSource(settings, CAMERA).play(playing)


def test_the_page_plays_a_run_and_compares_it_with_another(page):
    page.controls.source.value = "run-1"
    assert "PLAYBACK ×1: run 1" in page.playing.value
    _play_all(page)
    assert "PLAYED TO THE END: run 1" in page.playing.value
    assert "simulated data" in page.playing.value
    page.controls.reference.value = "run-2"
    for _ in range(50):
        page.look()
    compared = page.photons.compared
    assert compared.rate == pytest.approx(1.0, abs=1e-9), "the same packets"
    assert np.abs(compared.sigma).max() < 1e-6
    assert "As run 2" in page.playing.value
    assert "nominal" in page.playing.value
    page.controls.picture.value = "sigma"
    assert "against run 2" in page.photons.image.plot.title.text
    shown = page.photons.image.source("image").data["image"][0]
    assert np.nanmax(np.abs(shown)) < 1e-3
    page.controls.mode.value = "last"
    assert page.photons.compared is None
    assert "passes packets over" in page.playing.value


def test_a_slow_machine_compares_nothing_before_all_of_the_reference_is_counted(page, monkeypatch):
    """Each look has no time but for one piece of the reference: it never shows counts that are half there."""
    page.controls.source.value = "run-1"
    _play_all(page)
    monkeypatch.setattr("eicpy.dashboard.pages.quicklook.READING_TIME", -1.0)
    page.controls.reference.value = "run-2"
    for _ in range(50):
        page.look()
        assert "Differs" not in page.playing.value
        assert page.photons.compared is None or page.photons.compared.rate == pytest.approx(1.0, abs=1e-9)
    assert "As run 2" in page.playing.value


def test_a_span_dragged_on_the_light_curve_counts_alone(page):
    page.controls.source.value = "run-1"
    _play_all(page)
    whole = page.photons.view.spectrum.sum()
    time = page.photons.light_curve.source("series-0").data["time"]
    page._choose_span(time[10], time[20])
    part = page.photons.view.spectrum.sum()
    assert 0 < part < 0.3 * whole
    assert page.photons.light_curve.span.visible
    for first, last in ((None, None), ("x", 3), (float("nan"), 1.0), (float("inf"), 0.0)):
        page._choose_span(time[10], time[20])
        page._choose_span(first, last)
        assert page.photons.view.spectrum.sum() == whole


def test_values_that_were_not_offered_change_nothing(page):
    controls = page.controls
    for control in (controls.source, controls.speed, controls.mode, controls.reference, controls.picture):
        control.options = (*control.options, ("x", "run-../../etc"), ("y", ("z",)))
        for value in ("run-../../etc", ("z",)):
            control.value = value
    controls.packets.max = 10**9  # bounds are the browser's to change
    controls.packets.value = 10**9
    page.look()
    assert controls.run is None
    assert controls.reference_run is None
    assert controls.playing == Playing()
    assert controls.shown_picture == "counts"
    assert controls.step_packets == 1000
    assert "error" not in page.playing.value


def test_runs_are_offered_with_what_a_reader_knows_them_by_and_new_ones_appear(page, settings):
    labels = [label for label, _value in page.controls.source.options]
    assert any(label.startswith("2 · test · ") and label.endswith(" · second") for label in labels)
    page.controls.source.value = "run-1"
    RunArchive(settings.archive("eclairs"), "eclairs").create(source="test").close()
    page._listed = float("-inf")
    page.look()
    assert "run-3" in [value for _label, value in page.controls.source.options]
    assert page.controls.source.value == "run-1", "what is played goes on"
    assert page.source.playing.run == 1


def test_a_reader_chooses_french(page):
    page.language.value = "fr"
    assert "Choisissez un run" in page.playing.value
    assert page.photons.difference.plot.yaxis.axis_label == "écart (σ)"


def test_without_any_run_the_page_waits(tmp_path):
    page = QuickLookPage(Settings.at(tmp_path), CAMERA, Texts("en"))
    page.look()
    assert "NO RUN" in page.playing.value


def test_dropped_files_reach_the_page_the_newest_by_itself(page, settings, tmp_path, chain):
    """The prototype monitor: dropped, hashed, kept once, shown; refused with the reason on the page."""
    from eicpy.ingestion import watch

    inbox = tmp_path / "inbox"
    inbox.mkdir()
    page.controls.source.value = "files"
    assert "NO FILE YET" in page.playing.value
    assert "eic watch" in page.table.value
    shown = []
    try:
        for seed, count in ((1, 5000), (2, 7000)):
            chain.write_photon_table(inbox / f"drop-{seed}.fits", count, seed=seed)
            (inbox / "<b>bad.fits").write_bytes(b"SIMPLE  =" + b" " * 3000)
            watch(inbox, "eclairs", settings, once=True)
            page.files._looked = float("-inf")
            page.look()
            shown.append(page.photons.view.spectrum.sum())
            assert f"NEWEST FILE: drop-{seed}.fits" in page.playing.value
            assert ("simulated data" in page.playing.value) == (seed == 2)
        assert shown == [5000, 7000]
        assert "REFUSED" in page.table.value
        assert "&lt;b&gt;bad.fits" in page.table.value
        assert "7000 photons in" in page.facts.value
        page.controls.reference.value = "run-2"
        for _ in range(20):
            page.look()
        assert "Differs from run 2" in page.playing.value
        page.controls.source.value = "run-1"
        assert "run 1" in page.playing.value
        assert page.files is None
    finally:
        if page.files is not None:
            page.files.close()


def test_a_copy_that_is_gone_is_said(page, settings, tmp_path, chain):
    from eicpy.ingestion import ingest, photon_folder

    (outcome,) = ingest([chain.write_photon_table(tmp_path / "a.fits", 100)], "eclairs", settings)
    assert outcome.summary.startswith("a.fits: stored: 100 photons")
    for copy in photon_folder(settings, "eclairs").glob("*.fits"):
        copy.unlink()
    page.controls.source.value = "files"
    page.look()
    page.files.close()
    assert ".fits" in page.files.problem
    assert page.files.problem.split(":")[0][:20] in page.playing.value
