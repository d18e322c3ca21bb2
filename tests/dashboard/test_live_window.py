"""The window on the stream: what is added and taken out must equal what a fresh count gives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.dashboard.live import MovingLightCurve, PhotonSelection, PhotonView, Ring
from eicpy.events import (
    Coverage,
    DeadTime,
    EnergyBands,
    EventList,
    GoodTimeIntervals,
    LightCurveAccumulator,
    PixelScale,
)
from eicpy.instruments import load

CAMERA = load("eclairs")
TICK = 2e-5
EVERYTHING = PhotonSelection(window=60.0, low=4.0, high=150.0)


def _photons(count, rate=100.0, seed=1, start=3.0e8):
    rng = np.random.default_rng(seed)
    return EventList(
        np.round((start + np.sort(rng.uniform(0, count / rate, count))) / TICK) * TICK,
        rng.integers(0, CAMERA.pixels.count, count).astype(np.int16),
        rng.integers(0, CAMERA.energy.channels, count).astype(np.int16),
    )


def _expected(photons, selection):
    """What the page must show, counted the plain way."""
    scale = CAMERA.energy
    energy = scale.gain * (photons.channel + 0.5) + scale.offset
    inside = photons.time >= photons.time.max() - selection.window
    band = (energy >= selection.low) & (energy <= selection.high)
    modules = (
        np.ones(len(inside), dtype=bool)
        if selection.modules is None
        else np.isin(CAMERA.pixels.module(photons.detnum.astype(int)), list(selection.modules))
    )
    image = np.bincount(photons.detnum[inside & band], minlength=CAMERA.pixels.count)
    spectrum = np.bincount(photons.channel[inside & modules], minlength=scale.channels)
    return image, spectrum, photons.time[band & modules]


@settings(max_examples=25)
@given(
    cuts=st.lists(st.integers(0, 20_000), min_size=1, max_size=6),
    window=st.sampled_from([5.0, 60.0, 1e4]),
    low=st.sampled_from([4.0, 20.0, 200.0]),
    modules=st.sampled_from([None, frozenset({3, 77}), frozenset()]),
    seed=st.integers(0, 5),
)
def test_counting_piece_by_piece_equals_counting_at_once(cuts, window, low, modules, seed):
    photons = _photons(20_000, seed=seed)
    selection = PhotonSelection(window=window, low=low, high=150.0, modules=modules, pixel=5)
    view = PhotonView(CAMERA, selection, capacity=1 << 15)
    borders = [0, *sorted(cuts), 20_000]
    for first, last in pairwise(borders):
        view.add(photons[first:last])
    image, spectrum, chosen = _expected(photons, selection)
    np.testing.assert_array_equal(view.image, image)
    np.testing.assert_array_equal(view.spectrum, spectrum)
    curve = view.light_curve()
    edges = curve.start + np.arange(curve.exposure.size + 1) * curve.step
    np.testing.assert_array_equal(curve.counts[0], np.histogram(chosen, bins=edges - TICK / 2)[0])


def test_choosing_anew_equals_having_chosen_from_the_start():
    photons = _photons(30_000)
    later = PhotonSelection(window=60.0, low=20.0, high=80.0, modules=frozenset({1, 2}), pixel=40)
    view = PhotonView(CAMERA, EVERYTHING, capacity=1 << 15)
    view.add(photons)
    view.select(later)
    other = PhotonView(CAMERA, later, capacity=1 << 15)
    other.add(photons)
    np.testing.assert_array_equal(view.image, other.image)
    np.testing.assert_array_equal(view.spectrum, other.spectrum)
    np.testing.assert_array_equal(view.pixel_spectrum, other.pixel_spectrum)
    np.testing.assert_array_equal(view.light_curve().rate, other.light_curve().rate)


def test_memory_is_bounded_and_what_no_longer_fits_is_taken_out_of_the_counts():
    photons = _photons(5_000)
    view = PhotonView(CAMERA, PhotonSelection(window=1e6, low=0.0, high=1e3), capacity=1000)
    for first in range(0, 5_000, 700):
        view.add(photons[first : first + 700])
    image, spectrum, _chosen = _expected(photons[-1000:], PhotonSelection(1e6, 0.0, 1e3))
    np.testing.assert_array_equal(view.image, image)
    np.testing.assert_array_equal(view.spectrum, spectrum)
    assert view.covered == pytest.approx(photons.time[-1] - photons.time[-1000])


def test_an_increment_larger_than_the_ring_leaves_its_newest_photons():
    photons = _photons(5_000)
    view = PhotonView(CAMERA, PhotonSelection(window=1e6, low=0.0, high=1e3), capacity=1000)
    view.add(photons[:10])
    view.add(photons[10:])
    np.testing.assert_array_equal(view.image, _expected(photons[-1000:], PhotonSelection(1e6, 0.0, 1e3))[0])


def test_photons_without_a_time_are_counted_and_not_shown():
    photons = _photons(100)
    photons.time[::10] = np.nan
    view = PhotonView(CAMERA, EVERYTHING, capacity=1000)
    view.add(photons)
    assert view.without_time == 10
    assert view.ring.total == 90


def test_an_empty_stream_shows_nothing():
    view = PhotonView(CAMERA, EVERYTHING, capacity=10)
    assert not view.image.any()
    assert view.light_curve().exposure.size == 0
    assert view.covered == 0.0


def _moving(time, *, wanted=True):
    """A light curve in 40 bins of 1 s of photons in one pixel, wanted or not."""
    curve = MovingLightCurve(1.0, 40, EnergyBands([(4.0, 150.0)]), PixelScale.uniform(1, 0.145, 3.0))
    photons = EventList(time, np.zeros(len(time)), np.full(len(time), 200))
    coverage = Coverage()
    for part in photons.blocks(1 + len(photons) // 3):
        curve.add(part, np.array([wanted]))
        coverage.add(part.time)
        curve.result(coverage.gti)
    found = curve.result(coverage.gti)
    return found.time, found.rate[0]


def test_a_bin_without_any_photon_is_a_gap_only_where_photons_were_expected():
    middles, rates = _moving(np.r_[np.arange(0, 10, 0.01), np.arange(20, 30.5, 0.01)])
    assert np.isnan(rates[(middles > 10) & (middles < 20)]).all()
    assert np.isfinite(rates[(middles > 21) & (middles < 30)]).all()
    middles, rates = _moving(np.array([0.0, 1.5, 7.5, 12.0]))
    assert rates[(middles > 3) & (middles < 7)].tolist() == [0.0] * 4


def test_a_dark_choice_is_a_rate_of_zero_not_a_gap():
    middles, rates = _moving(np.arange(0, 10, 0.01), wanted=False)
    assert (rates[(middles > 1) & (middles < 9)] == 0).all()


def test_a_gap_shorter_than_a_second_is_none_of_low_rate():
    curve = MovingLightCurve(0.2, 100, EnergyBands([(4.0, 150.0)]), PixelScale.uniform(1, 0.145, 3.0))
    time = np.r_[np.arange(0, 5, 0.001), np.arange(5.6, 10, 0.001)]
    curve.add(EventList(time, np.zeros(len(time)), np.full(len(time), 200)), np.array([True]))
    found = curve.result(GoodTimeIntervals(0.0, 10.0))
    inside = (found.time > 5) & (found.time < 5.6)
    assert np.isnan(found.rate[0][inside]).all()
    assert inside.sum() == 3
    np.testing.assert_allclose(found.rate[0][~inside], 1000.0, rtol=0.02)


@settings(max_examples=20)
@given(
    cuts=st.lists(st.integers(0, 20_000), min_size=1, max_size=5),
    window=st.sampled_from([40.0, 150.0]),
    band=st.sampled_from([(4.0, 20.0), (4.0, 150.0), (20.0, 50.0)]),
    gap=st.sampled_from([0.0, 7.3, 40.0]),
    seed=st.integers(0, 3),
)
def test_live_and_night_show_the_same_curve(cuts, window, band, gap, seed):
    photons = _photons(20_000, seed=seed)
    photons.time[12_000:] += gap
    view = PhotonView(
        CAMERA, PhotonSelection(window=window, low=band[0], high=band[1]), capacity=1 << 15, bins=100
    )
    for first, last in pairwise([0, *sorted(cuts), 20_000]):
        view.add(photons[first:last])
        view.light_curve()  # a page draws at every step
    live = view.light_curve()
    scale = PixelScale.uniform(CAMERA.pixels.count, CAMERA.energy.gain, CAMERA.energy.offset)
    stop = live.start + (live.exposure.size - 0.5) * live.step  # the last bin reaches beyond
    night = LightCurveAccumulator(live.start, stop, live.step, [band], gti=view.coverage.gti, tick=TICK)
    night.add(photons, scale)
    expected = night.result()
    assert (live.step, live.bands) == (window / 100, (band,))
    assert live.exposure.size > 50
    np.testing.assert_array_equal(live.counts, expected.counts)
    # times of 10 years have steps of 0.06 µs, and the bins begin one or a hundred steps away
    np.testing.assert_allclose(live.exposure, expected.exposure, rtol=0, atol=1e-6)
    dead = DeadTime.of(CAMERA)
    assert dead is not None
    load = dead.load(np.bincount(photons.detnum, minlength=CAMERA.pixels.count))
    alive = dead.live_in_bins(expected.exposure, night.recorded, load)
    # what each sector had before the ring lost it is not known: dead times of a part in 3000 are alike
    np.testing.assert_allclose(live.live, alive, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(live.rate[0] * live.live, np.where(live.exposure > 0, live.counts[0], np.nan))
    assert live.exposure.sum() == pytest.approx(min(window, 200.0), abs=gap + 3 * live.step)


def test_a_photon_that_hit_two_pixels_counts_once_and_bins_are_whole_ticks():
    """A photon each third tick, every tenth of them in two pixels."""
    tick = 15_000_000_000_000 + 3 * np.arange(30_000)
    double = np.arange(30_000) % 10 == 0
    order = np.argsort(np.r_[tick, tick[double]], kind="stable")
    time = np.r_[tick, tick[double]][order] * 2e-5
    detnum = np.r_[np.full(30_000, 100), np.full(3_000, 101)][order]
    multiplicity = np.r_[1 + double, np.full(3_000, 2)][order]
    photons = EventList(time, detnum, np.full(33_000, 200), multiplicity)
    view = PhotonView(CAMERA, PhotonSelection(window=0.06, low=0.0, high=1e3), bins=100)
    view.add(photons)
    curve = view.light_curve()
    assert curve.step == 6e-4
    assert (curve.counts[0] == 10).all()
    assert view.spectrum.sum() == view.image.sum() == 1001
    np.testing.assert_allclose(curve.live, 6e-4 - 10 * 2e-5, rtol=2e-4)  # one sector has them all
    np.testing.assert_allclose(curve.rate[0], 10 / 4e-4, rtol=2e-4)


def test_ring_gives_back_what_it_keeps():
    photons = _photons(2_500)
    ring = Ring(1000)
    for first in range(0, 2_500, 333):
        ring.append(photons[first : first + 333])
    kept = ring.read(ring.oldest, ring.total)
    np.testing.assert_array_equal(kept.time, photons.time[-1000:])
    np.testing.assert_array_equal(kept.detnum, photons.detnum[-1000:])
    np.testing.assert_array_equal(kept.channel, photons.channel[-1000:])
