"""Candidates for bad pixels: how often good ones are named, and how many bad ones are found."""

import numpy as np
import pytest
from scipy.stats import binom

from eicpy.calibration import PixelStatus
from eicpy.calibration.pixels import pixel_status
from eicpy.calibration.pixels.tails import probability_high, probability_low
from eicpy.errors import BadArgumentError
from eicpy.instruments import PixelGrid, load
from eicpy.products import Provenance, definition, read_product, write_product

GRID = PixelGrid(rows=80, columns=80, module_rows=8, module_columns=4, sectors=8)
I, J = GRID.ij(np.arange(GRID.count))
SURFACE = 1.0 + 0.1 * (J / 80 - 0.5) - 0.3 * (I / 80 - 0.5) ** 2
DEAD, WEAK, HOT, GOOD = slice(0, 50), slice(50, 100), slice(100, 150), slice(150, None)
PLACES = np.random.default_rng(8).permutation(GRID.count)


def plane(rng, mean, scatter):
    """Counts of a plane with 50 dead, 50 weak (30 %) and 50 noisy (300 %) pixels, scattered over it."""
    efficiency = np.clip(1.0 + scatter * rng.standard_normal(GRID.count), 0.6, None)
    efficiency[PLACES[DEAD]] = 0.0
    efficiency[PLACES[WEAK]] *= 0.3
    efficiency[PLACES[HOT]] *= 3.0
    return rng.poisson(mean * SURFACE * efficiency)


@pytest.mark.parametrize(
    ("mean", "scatter"), [(10, 0.0), (10, 0.05), (281, 0.05), (1688, 0.05), (20000, 0.03)]
)
def test_false_alarms_are_as_many_as_asked_for(mean, scatter):
    rng = np.random.default_rng(mean)
    alarms = trials = 0
    for _ in range(10):
        health = pixel_status(plane(rng, mean, scatter), GRID, false_alarm=1e-3)
        alarms += np.count_nonzero(health.status[PLACES[GOOD]])
        trials += GRID.count - 150
    # two sides of 1e-3 each; fewer where counts are so few that probabilities come in steps; 30 % more
    # where the gamma distribution's upper tail is not quite the normal one that was drawn
    assert alarms <= binom.ppf(0.999, trials, 1.3 * 2e-3)
    if mean > 100:
        assert alarms >= binom.ppf(0.001, trials, 0.7 * 2e-3)


@pytest.mark.parametrize(("mean", "weak", "hot"), [(10, 0.02, 0.8), (100, 0.95, 1.0), (1688, 1.0, 1.0)])
def test_bad_pixels_are_found(mean, weak, hot):
    rng = np.random.default_rng(mean)
    found = np.zeros(3)
    for _ in range(5):
        health = pixel_status(plane(rng, mean, 0.05), GRID, false_alarm=1e-3)
        status = health.status[PLACES]
        found += (
            np.mean(status[DEAD] == PixelStatus.DEAD),
            np.mean(status[WEAK] == PixelStatus.LOW_EFFICIENCY),
            np.mean(status[HOT] == PixelStatus.NOISY),
        )
    assert found[0] == 5.0
    assert found[1] / 5.0 >= weak
    assert found[2] / 5.0 >= hot


def test_poisson_noise_alone_would_not_be_calibrated():
    counts = plane(np.random.default_rng(1), 1688, 0.05)[PLACES[GOOD]]
    mean = 1688 * SURFACE[PLACES[GOOD]]
    low, high = probability_low(counts, mean, 0.0), probability_high(counts, mean, 0.0)
    assert np.mean((low < 3e-7) | (high < 3e-7)) > 0.005  # a nominal 5 σ, exceeded by 1 % of good pixels


def test_the_scatter_of_good_pixels_is_measured():
    health = pixel_status(plane(np.random.default_rng(2), 2000, 0.05), GRID)
    assert health.scatter == pytest.approx(0.05, rel=0.05)
    assert pixel_status(plane(np.random.default_rng(2), 2000, 0.0), GRID).scatter < 0.01


def test_the_shadow_of_a_known_source_is_no_fault():
    rng = np.random.default_rng(6)
    shadow = 1.0 + 0.5 * (rng.random(GRID.count) < 0.4)
    counts = rng.poisson(300.0 * SURFACE * shadow)
    counts[10] = 0
    told = pixel_status(counts, GRID, illumination=shadow)
    assert told.status[10] == PixelStatus.DEAD
    assert np.count_nonzero(told.status) <= 5
    assert told.scatter < 0.03
    # untold, the shadow is taken for scatter of the pixels, which hides faults but raises no alarm
    assert pixel_status(counts, GRID).scatter > 0.1


def test_many_noisy_pixels_do_not_raise_the_surface():
    rng = np.random.default_rng(3)
    counts = rng.poisson(400.0 * SURFACE)
    counts[rng.random(GRID.count) < 0.1] *= 20
    health = pixel_status(counts, GRID)
    assert health.number(PixelStatus.NOISY) == pytest.approx(0.1 * GRID.count, rel=0.1)
    assert np.median(health.expected / (400.0 * SURFACE)) == pytest.approx(1.0, abs=0.01)


def test_unknown_and_silent_pixels_are_not_judged():
    counts = np.random.default_rng(4).poisson(500.0, GRID.count).astype(float)
    counts[3], counts[4] = np.nan, -1.0
    health = pixel_status(counts, GRID)
    assert health.pixels(PixelStatus.UNKNOWN).tolist() == [3, 4]
    # at half a count per pixel nobody can tell a dead one
    faint = pixel_status(np.random.default_rng(4).poisson(0.5, GRID.count), GRID)
    assert faint.number(PixelStatus.DEAD) == 0
    assert faint.number(PixelStatus.UNKNOWN) > 3000
    dark = pixel_status(np.zeros(GRID.count), GRID)
    assert dark.number(PixelStatus.UNKNOWN) == GRID.count


def test_a_small_plane_has_a_constant_surface():
    grid = PixelGrid(rows=4, columns=2, module_rows=4, module_columns=2, sectors=1)
    health = pixel_status([100, 95, 104, 99, 102, 0, 98, 101], grid, false_alarm=1e-3)
    assert health.pixels(PixelStatus.DEAD).tolist() == [5]
    assert health.number(PixelStatus.GOOD) == 7


def test_a_product_holds_the_candidates_without_a_translation(tmp_path):
    health = pixel_status(plane(np.random.default_rng(1), 500, 0.05), GRID)
    card = "AUX-ECL-PIX-STA"
    path = write_product(
        tmp_path / "a.fits",
        card,
        {card: health.to_columns(50.0)},
        issuer=load("eclairs"),
        provenance=Provenance.begin("test"),
    )
    back = read_product(path, card).main
    assert list(back.columns) == [c.name for c in definition(card).tables[0].columns]
    np.testing.assert_array_equal(back["STATUS"], health.status)
    np.testing.assert_allclose(back["RATE"], health.counts / 50.0, rtol=1e-6)
    np.testing.assert_allclose(back["SIGNIFICANCE"], health.significance, rtol=1e-6)


def test_significance_is_normal_for_good_pixels_and_signed():
    rng = np.random.default_rng(7)
    health = pixel_status(rng.poisson(2000.0 * SURFACE), GRID)
    assert np.std(health.significance) == pytest.approx(1.0, abs=0.05)
    assert np.mean(health.significance) == pytest.approx(0.0, abs=0.05)
    faulty = pixel_status(plane(rng, 500, 0.05), GRID)
    assert (faulty.significance[PLACES[HOT]] > 4.0).all()
    assert (faulty.significance[PLACES[DEAD]] < -4.0).all()


def test_rates_need_a_time():
    with pytest.raises(BadArgumentError, match="exposure"):
        pixel_status(np.full(GRID.count, 100), GRID).to_columns(0.0)


def test_a_notebook_shows_the_candidates():
    html = pixel_status(plane(np.random.default_rng(1), 500, 0.05), GRID)._repr_html_()
    assert "<td>dead</td><td>50</td>" in html


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        (np.ones(10), {}, r"\(6400,\)"),
        (np.ones(6400), {"false_alarm": 0.0}, "false alarm"),
        (np.ones(6400), {"illumination": np.ones(3)}, "illumination"),
        (np.ones(6400), {"illumination": np.zeros(6400)}, "illumination"),
    ],
)
def test_bad_arguments_are_named(counts, options, words):
    with pytest.raises(BadArgumentError, match=words):
        pixel_status(counts, GRID, **options)
