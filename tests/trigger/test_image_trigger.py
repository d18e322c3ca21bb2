"""The image trigger: exposures are sums of cycles, known things are no excess, new ones are found."""

import astropy.units as u
import numpy as np
import pytest

from eicpy.catalogue import load_catalogue
from eicpy.errors import BadArgumentError
from eicpy.imaging import DiffuseSky, random_mask
from eicpy.instruments import load
from eicpy.orbit import Pointing, earth_radius
from eicpy.trigger import ImageSettings, ImageTrigger, TriggerConfiguration
from eicpy.trigger.on_board.identification import detected_photons

CAMERA = load("eclairs")
MASK = random_mask(CAMERA.mask, 80, 1)
POINTING = Pointing.of(83 * u.deg, 25 * u.deg, 270 * u.deg)
CYCLE = 20.48
RATE = np.array([0, 700.0, 1200.0, 600.0, 500.0, 0])
"""Counts per second in the segments of the flight bands."""
CONFIGURATION = TriggerConfiguration(image=ImageSettings(stacks=(0, 1, 2)), alert_threshold=6.5)


def cycles(number, seed, *, source=None, flux=0.0, known=False):
    """Counts of cycles: a flat background, perhaps a source with a flux (counts of a lit pixel) in each."""
    rng = np.random.default_rng(seed)
    mean = np.repeat(RATE * CYCLE / 6400, 6400).reshape(6, 80, 80)
    if source is not None:
        mean[2:4] = mean[2:4] + 0.5 * flux * MASK.shadow(*source)
    if known:
        edges = (5, 8, 20, 50, 120)
        for one in ImageTrigger(CONFIGURATION, MASK, None, CATALOGUE)._known.visible(POINTING):
            cosine = 1 / np.sqrt(1 + one.ty**2 + one.tz**2)
            for n in range(4):
                rate = detected_photons(one.source, edges[n], edges[n + 1]) * 0.16 * cosine
                mean[n + 1] = mean[n + 1] + rate * CYCLE * MASK.shadow(one.ty, one.tz)
    return [rng.poisson(mean).astype(float) for _ in range(number)]


CATALOGUE = load_catalogue("hard-x-ray")


def run(trigger, counts, pointing=POINTING, start=0.0):
    return [trigger.add(start + n * CYCLE, c, pointing, None, CYCLE) for n, c in enumerate(counts)]


def test_a_source_is_found_in_each_exposure_at_its_place():
    place = (0.21, -0.13)
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    found = run(trigger, cycles(4, 1, source=place, flux=1.3))
    stacks = {one.excess.scale for one in found[3]}
    assert stacks == {0, 1, 2}
    step = trigger.decoder(POINTING, None).tangent[1] - trigger.decoder(POINTING, None).tangent[0]
    for one in found[3]:
        if one.excess.band in (1, 2):
            assert abs(one.peak.ty - place[0]) < step
            assert abs(one.peak.tz - place[1]) < step
    best = found[3][0]
    assert best.excess.scale == 2
    assert best.excess.start == 0.0
    assert best.excess.stop == pytest.approx(4 * CYCLE)
    assert best.image.exposure == pytest.approx(4 * CYCLE)
    assert best.excess.counts - best.excess.background == pytest.approx(
        4 * 1.3 * (1.0 if best.excess.band in (2, 3) else 0.5) * MASK.shadow(*place).sum(), rel=0.3
    )


def test_an_exposure_is_the_image_of_the_sum_of_its_cycles():
    place = (0.05, 0.3)
    counts = cycles(4, 2, source=place, flux=1.5)
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    best = run(trigger, counts)[3][0]
    low, high = {0: (1, 2), 1: (1, 3), 2: (2, 4), 3: (2, 5)}[best.excess.band]
    total = np.sum(counts, axis=0)[low:high].sum(axis=0)
    image = trigger.decoder(POINTING, None).image(total)
    there = np.isfinite(best.image.flux)
    assert np.allclose(best.image.flux[there], image.flux[there], rtol=1e-3, atol=1e-3)
    assert np.allclose(best.image.variance[there], image.variance[there], rtol=1e-3)


def test_known_sources_are_no_excess_but_what_is_beside_them_is():
    quiet = ImageTrigger(CONFIGURATION, MASK, None, CATALOGUE)
    assert not any(run(quiet, cycles(4, 3, known=True)))
    blind = ImageTrigger(CONFIGURATION, MASK, None, None)
    assert all(run(blind, cycles(2, 3, known=True)))  # the Crab
    trigger = ImageTrigger(CONFIGURATION, MASK, None, CATALOGUE)
    place = (-0.3, 0.2)
    found = run(trigger, cycles(4, 4, source=place, flux=2.0, known=True))[3]
    assert found
    assert abs(found[0].peak.ty - place[0]) < 0.02


def test_sums_begin_anew_when_the_camera_turns_or_a_cycle_is_missing():
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    counts = cycles(4, 5)
    other = Pointing.of(84 * u.deg, 25 * u.deg, 270 * u.deg)
    stacks = []
    for n, pointing in enumerate((POINTING, POINTING, other, other)):
        trigger.margins.clear()
        trigger.add(n * CYCLE, counts[n], pointing, None, CYCLE)
        stacks.append({m.stack for m in trigger.margins})
    assert stacks == [{0}, {0, 1}, {0}, {0, 1}]
    trigger.margins.clear()
    trigger.add(6 * CYCLE, counts[0], other, None, CYCLE)
    assert {m.stack for m in trigger.margins} == {0}


def test_what_is_imaged_between_cycles_does_not_join_two_pointings():
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    counts = cycles(2, 6)
    other = Pointing.of(84 * u.deg, 25 * u.deg, 270 * u.deg)
    trigger.add(0.0, counts[0], POINTING, None, CYCLE)
    trigger.decoder(other, None)  # an excess of count rates is imaged
    trigger.margins.clear()
    trigger.add(CYCLE, counts[1], other, None, CYCLE)
    assert {m.stack for m in trigger.margins} == {0}


def test_a_slow_drift_begins_anew_when_it_has_left_the_first_pointing():
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    stacks = []
    for n, one in enumerate(cycles(4, 7)):
        trigger.margins.clear()
        trigger.add(n * CYCLE, one, Pointing.of((83 + 0.03 * n) * u.deg, 0 * u.deg, 0 * u.deg), None, CYCLE)
        stacks.append({m.stack for m in trigger.margins})
    assert stacks == [{0}, {0, 1}, {0}, {0, 1}]


def test_the_earth_is_taken_out_and_what_it_hides_is_not_searched():
    quiet = ImageTrigger(CONFIGURATION, MASK, None, None)
    pointing = Pointing.of(0 * u.deg, 0 * u.deg, 0 * u.deg)
    angle = np.radians(65.7 + 15)  # the limb comes up to 15° from the axis
    earth = -7000.0 * pointing.rotation.T @ np.array([np.cos(angle), np.sin(angle), 0.0])
    sky = DiffuseSky(CAMERA.mask, 80)
    hidden = sky.split(np.array([np.cos(angle), np.sin(angle), 0.0]), float(earth_radius(earth)))[1]
    shape = (sky.full - 0.8 * hidden) / sky.full.mean()
    rng, mean = np.random.default_rng(11), (RATE * CYCLE / 6400)[:, None, None] * shape
    unaware = ImageTrigger(CONFIGURATION, MASK, None, None)
    for n in range(12):
        counts = rng.poisson(mean).astype(float)
        assert quiet.add(n * CYCLE, counts, pointing, earth, CYCLE) == []
        unaware.add(n * CYCLE, counts, pointing, None, CYCLE)
    scatter = [m.scatter for m in quiet.margins]
    blind = [m.scatter for m in unaware.margins if m.stack == 2]
    assert np.mean(scatter) == pytest.approx(1, abs=0.02)
    assert np.mean(blind) > 1.05
    assert not quiet._open_sky(pointing, earth).all()
    with_earth, without = quiet.decoder(pointing, earth), quiet.decoder(pointing, None)
    assert len(with_earth.extra) == 1
    assert len(without.extra) == 0
    # Each is prepared once: neither makes the other anew, nor an Earth that moves outside the field.
    assert quiet.decoder(pointing, earth) is with_earth
    behind = 7000.0 * pointing.rotation[0]
    assert quiet.decoder(pointing, behind) is without
    assert quiet.decoder(pointing, 1.001 * behind) is without


def test_a_scatter_above_one_raises_the_threshold():
    place = (0.21, -0.13)
    rng = np.random.default_rng(8)
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    pattern = 1.0 + 0.25 * np.sin(np.arange(80) / 2.0)  # stripes that no shape holds
    mean = cycles(1, 0)[0] * 0 + (RATE * CYCLE / 6400)[:, None, None] * pattern
    mean[2:4] += 0.45 * MASK.shadow(*place)
    trigger.add(0.0, rng.poisson(mean).astype(float), POINTING, None, CYCLE)
    margins = [m for m in trigger.margins if m.band == 1]
    assert margins[0].scatter > 1.5
    assert margins[0].ratio == pytest.approx(margins[0].significance / (6.5 * margins[0].scatter))


def test_without_attitude_the_camera_s_own_coordinates_are_searched():
    trigger = ImageTrigger(CONFIGURATION, MASK, None, CATALOGUE)
    found = run(trigger, cycles(2, 9, source=(0.1, 0.1), flux=2.5), pointing=None)
    assert found[1]
    assert found[1][0].image.pointing is None
    assert {m.stack for m in trigger.margins} == {0, 1}


def test_cycles_without_counts_or_time_are_named_and_skipped():
    trigger = ImageTrigger(CONFIGURATION, MASK, None, None)
    counts = cycles(1, 10)[0]
    assert trigger.add(0.0, counts, POINTING, None, 3.0) == []
    assert trigger.add(CYCLE, counts * 0, POINTING, None, CYCLE) == []
    assert trigger.skipped == {"too little live time": 1, "no counts": 1}


@pytest.mark.parametrize(
    ("counts", "says"),
    [(np.ones((4, 80, 80)), r"expected \(6, 80, 80\)"), (np.full((6, 80, 80), np.nan), "not finite")],
)
def test_counts_that_cannot_be_are_refused(counts, says):
    with pytest.raises(BadArgumentError, match=says):
        ImageTrigger(CONFIGURATION, MASK, None, None).add(0.0, counts, POINTING, None, CYCLE)


def test_a_plane_without_pixels_is_refused():
    with pytest.raises(BadArgumentError, match="pixels are left"):
        ImageTrigger(CONFIGURATION, MASK, np.zeros((80, 80)), None)
