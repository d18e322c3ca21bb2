"""Candidates for bad pixels: how often good ones are named, and how many bad ones are found."""

import numpy as np
import pytest
from scipy.stats import binom, poisson

from eicpy.calibration import PixelStatus
from eicpy.calibration.pixels import counts_in_bands, pixel_status, pixel_status_by_band
from eicpy.calibration.pixels.plane import fit_plane
from eicpy.calibration.pixels.tails import limits, probability_high, probability_low
from eicpy.calibration.table import Inputs, Treatment, calibration_table
from eicpy.errors import BadArgumentError
from eicpy.events import PixelScale
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


@pytest.mark.parametrize(("mean", "scatter"), [(10, 0.0), (100, 0.05), (1688, 0.05), (20000, 0.03)])
def test_false_alarms_are_as_many_as_asked_for_on_both_sides(mean, scatter):
    rng = np.random.default_rng(mean)
    low = high = trials = 0
    for _ in range(4):
        health = pixel_status(plane(rng, mean, scatter), GRID, false_alarm=3e-3)
        good = PLACES[GOOD]
        low += np.count_nonzero(health.counts[good] <= health.limits.low[good])
        high += np.count_nonzero(health.counts[good] >= health.limits.high[good])
        trials += good.size
    # 20 % on either side of what is asked for, and the statistics of some 75 alarms
    for alarms in (low, high):
        assert binom.ppf(0.001, trials, 0.8 * 3e-3) <= alarms <= binom.ppf(0.999, trials, 1.2 * 3e-3)


def test_the_scatter_is_not_short_by_what_the_surface_took_from_it():
    small = PixelGrid(rows=40, columns=40, module_rows=40, module_columns=40, sectors=1)
    rng, mean, planes = np.random.default_rng(21), 1700.0, 30
    one, no_source = np.ones(small.count), np.empty((0, small.count))
    found = []
    for _ in range(planes):
        counts = rng.poisson(mean * (1.0 + 0.05 * rng.standard_normal(small.count)))
        found.append(fit_plane(counts.astype(float), small, one, no_source).scatter)
    variance = np.mean(np.square(found)) + 1.0 / mean
    # uncorrected the 28 terms of the surface take 2.8 %; the statistics are 1.70/40/√30 = 0.8 %
    assert variance == pytest.approx(0.05**2 + 1.0 / mean, rel=0.016)


def test_modules_that_differ_are_no_scatter_of_their_pixels():
    rng = np.random.default_rng(22)
    module = GRID.module(np.arange(GRID.count))
    factor = 1.0 + 0.03 * rng.standard_normal(GRID.modules)
    factor[17] = 0.6  # a module that is ill is not excused
    counts = rng.poisson(1700.0 * factor[module] * (1.0 + 0.05 * rng.standard_normal(GRID.count)))
    health = pixel_status(counts, GRID, false_alarm=1e-3)
    assert health.scatter == pytest.approx(0.05, abs=0.002)
    well = module != 17
    # each of 32 pixels is known to 5.6 %, the module to 1.0 %
    assert np.std(health.expected[well] / (1700.0 * factor[module][well])) < 0.014
    assert np.mean(health.status[~well] == PixelStatus.LOW_EFFICIENCY) > 0.9


@pytest.mark.parametrize(
    ("mean", "scatter"), [(0.5, 0.05), (10, 0.05), (281, 0.05), (1700, 0.05), (1700, 0.1)]
)
def test_probabilities_are_those_of_poisson_counts_with_normal_efficiencies(mean, scatter):
    x = np.linspace(-9.0, 9.0, 20001)
    weight = np.exp(-0.5 * x**2)
    sigma = np.sqrt(mean + (scatter * mean) ** 2)
    counts = np.unique(np.round(mean + sigma * np.array([-4.5, -3.7, -1.0, 0.0, 1.0, 3.7, 4.5])).clip(0))
    rate = mean * np.maximum(1.0 + scatter * x, 0.0)
    at_most = np.array([np.average(poisson.cdf(n, rate), weights=weight) for n in counts])
    at_least = np.array([np.average(poisson.sf(n - 1, rate), weights=weight) for n in counts])
    means = np.full(counts.size, float(mean))
    np.testing.assert_allclose(probability_low(counts, means, scatter), at_most, rtol=3e-3)
    np.testing.assert_allclose(probability_high(counts, means, scatter), at_least, rtol=3e-3)


@pytest.mark.parametrize("mean", [3.0, 10.0, 281.0])
def test_limits_spend_the_probability_asked_for_though_counts_come_in_steps(mean):
    means = mean * SURFACE
    found = limits(means, 0.05, 1e-3)
    assert np.mean(probability_high(found.high, means, 0.05)) == pytest.approx(1e-3, rel=0.02)
    assert np.mean(probability_low(found.low, means, 0.05)) <= 1e-3
    if mean > 8:  # below, even no count at all is no rarity
        assert np.mean(probability_low(found.low, means, 0.05)) == pytest.approx(1e-3, rel=0.02)


@pytest.mark.parametrize(("mean", "weak", "hot"), [(10, 0.02, 0.8), (100, 0.95, 1.0), (1688, 1.0, 1.0)])
def test_bad_pixels_are_found(mean, weak, hot):
    rng = np.random.default_rng(mean)
    found = np.zeros(3)
    for _ in range(2):
        health = pixel_status(plane(rng, mean, 0.05), GRID, false_alarm=1e-3)
        status = health.status[PLACES]
        found += (
            np.mean(status[DEAD] == PixelStatus.DEAD),
            np.mean(status[WEAK] == PixelStatus.LOW_EFFICIENCY),
            np.mean(status[HOT] == PixelStatus.NOISY),
        )
    assert found[0] == 2.0
    assert found[1] / 2.0 >= weak
    assert found[2] / 2.0 >= hot


def test_poisson_noise_alone_would_not_be_calibrated():
    counts = plane(np.random.default_rng(1), 1688, 0.05)[PLACES[GOOD]]
    mean = 1688 * SURFACE[PLACES[GOOD]]
    low, high = probability_low(counts, mean, 0.0), probability_high(counts, mean, 0.0)
    assert np.mean((low < 3e-7) | (high < 3e-7)) > 0.005  # a nominal 5 σ, exceeded by 1 % of good pixels


def test_the_scatter_of_good_pixels_is_measured():
    health = pixel_status(plane(np.random.default_rng(2), 2000, 0.05), GRID)
    assert health.scatter == pytest.approx(0.05, rel=0.05)
    assert pixel_status(plane(np.random.default_rng(2), 2000, 0.0), GRID).scatter < 0.01


def lit_by_a_source(rng):
    """Share of each pixel that a source lights through a mask of cells of 2 × 3 pixels."""
    cells = rng.random((40, 27)) < 0.4
    return np.kron(cells, np.ones((2, 3)))[:, :80].ravel().astype(float)


@pytest.mark.parametrize("bright", [0.5, 3.0])
def test_a_known_source_hides_no_fault_and_is_none(bright):
    rng = np.random.default_rng(6)
    lit = lit_by_a_source(rng)
    counts = rng.poisson(
        300.0 * (SURFACE + bright / 0.4 * lit) * (1.0 + 0.05 * rng.standard_normal(GRID.count))
    )
    bad = PLACES[:200]
    counts[bad[:100]] //= 2
    counts[bad[100:]] *= 2
    health = pixel_status(counts, GRID, shadows=lit)
    assert (health.status[bad[:100]] == PixelStatus.LOW_EFFICIENCY).mean() > 0.95
    assert (health.status[bad[100:]] == PixelStatus.NOISY).mean() > 0.95
    assert np.count_nonzero(health.status[PLACES[200:]]) <= 6
    assert health.scatter == pytest.approx(0.05, abs=0.01)
    assert not health.blind


@pytest.mark.parametrize("bright", [0.2, 1.0, 3.0])
def test_where_a_source_is_not_known_the_result_says_that_it_is_blind(bright):
    rng = np.random.default_rng(6)
    lit = lit_by_a_source(rng)
    counts = rng.poisson(300.0 * (SURFACE + bright / 0.4 * lit))
    counts[PLACES[:100]] = 0
    health = pixel_status(counts, GRID)
    assert health.blind
    assert health.smallest_loss < 0.5
    good = health.status[PLACES[100:]]
    assert np.mean(good == PixelStatus.NOISY) < 2e-3  # half of the plane is lit, and no fault for that
    assert np.mean(good == PixelStatus.LOW_EFFICIENCY) < 2e-3
    # a dead pixel is dead, or unknown; it is not good
    assert np.isin(health.status[PLACES[:100]], (PixelStatus.DEAD, PixelStatus.UNKNOWN)).all()


def test_half_of_the_changes_that_the_result_names_are_found():
    rng = np.random.default_rng(12)
    clean = pixel_status(rng.poisson(500.0 * (1.0 + 0.05 * rng.standard_normal(GRID.count))), GRID)
    efficiency = 1.0 + 0.05 * rng.standard_normal(GRID.count)
    efficiency[PLACES[:200]] *= clean.smallest_loss
    efficiency[PLACES[200:400]] *= clean.smallest_excess
    status = pixel_status(rng.poisson(500.0 * efficiency), GRID).status
    assert np.mean(status[PLACES[:200]] == PixelStatus.LOW_EFFICIENCY) == pytest.approx(0.5, abs=0.15)
    assert np.mean(status[PLACES[200:400]] == PixelStatus.NOISY) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("share", [0.3, 0.52])
def test_a_plane_of_which_much_is_off_is_judged(share):
    rng = np.random.default_rng(14)
    counts = rng.poisson(281.0 * SURFACE * (1.0 + 0.05 * rng.standard_normal(GRID.count)))
    off = GRID.count * share > I * 80 + J
    counts[off] = 0
    health = pixel_status(counts, GRID)
    assert (health.status[off] == PixelStatus.DEAD).all()
    assert np.count_nonzero(health.status[~off]) <= 6


BANDS = ((4.0, 8.0), (8.0, 20.0), (20.0, 120.0))
Y_SIDE = np.minimum(GRID.yz(np.arange(GRID.count))[0], 79 - GRID.yz(np.arange(GRID.count))[0])


def three_bands(rng, low=1.0, added=0.0):
    """Counts in three bands of pixels with one efficiency; `low` and `added` act in the lowest."""
    efficiency = 1.0 + 0.05 * rng.standard_normal(GRID.count)
    factors = np.stack([low * efficiency + added, efficiency, efficiency])
    return rng.poisson(np.array([[1000.0], [1200.0], [800.0]]) * SURFACE * factors)


def test_each_kind_shows_in_its_bands():
    rng = np.random.default_rng(15)
    low = np.ones(GRID.count)
    low[PLACES[:100]], low[PLACES[100:200]] = 0.6, 0.03
    counts = three_bands(rng, low)
    counts[:, PLACES[200:250]] = 0
    counts[0, PLACES[250:300]] += 600
    health = pixel_status_by_band(counts, GRID, BANDS)
    found = health.status[PLACES]
    assert (found[:100] == PixelStatus.LOW_EFFICIENCY).mean() > 0.97
    assert (found[100:200] == PixelStatus.HIGH_THRESHOLD).all()
    assert (found[200:250] == PixelStatus.DEAD).all()
    assert (found[250:300] == PixelStatus.NOISY).all()
    assert np.count_nonzero(found[300:]) <= 6
    # in the sum the dead layer is a loss of an eighth, as efficiencies scatter
    assert np.mean(pixel_status(counts.sum(axis=0), GRID).status[PLACES[:100]] == 0) > 0.5


@pytest.mark.parametrize("width", [1.5, 3.3])
def test_heat_pipes_are_a_family_and_no_noisy_pixels(width):
    rng = np.random.default_rng(16)
    pipes = 0.8 * np.exp(-Y_SIDE / width)
    counts = three_bands(rng, added=pipes)
    noisy = np.array([5, 40 * 80 + 78, 20 * 80 + 40])  # two of them among the heat pipes
    counts[0, noisy] *= 3
    health = pixel_status_by_band(counts, GRID, BANDS, heat_pipes=True)
    assert (health.status[noisy] == PixelStatus.NOISY).all()
    assert health.number(PixelStatus.NOISY) <= 6
    assert np.mean(health.status[pipes > 0.3] == PixelStatus.HEAT_PIPE) > 0.97
    assert np.mean(health.status[pipes < 0.1] == PixelStatus.HEAT_PIPE) == 0.0


def test_without_heat_pipes_none_are_found():
    counts = three_bands(np.random.default_rng(16))[0]
    assert pixel_status(counts, GRID, heat_pipes=True).number(PixelStatus.HEAT_PIPE) == 0


def test_what_a_channel_covers_of_a_band_is_no_fault():
    rng = np.random.default_rng(17)
    gain, offset = 0.145 * (1 + 0.01 * rng.standard_normal(400)), 3.0 + 0.1 * rng.standard_normal(400)
    scale = PixelScale(gain, offset)
    edges = gain[:, None] * np.arange(1025) + offset[:, None]
    spectra = rng.poisson(1e5 * -np.diff(np.maximum(edges, 3.0) ** -1.0, axis=1))
    counts, share = counts_in_bands(spectra, scale, [(4.0, 8.0)])
    expected = counts.mean() * share[0]
    assert np.std(counts[0] / expected) < 1.3 / np.sqrt(counts.mean())
    assert np.std(counts[0] / counts.mean()) > 1.5 * np.std(counts[0] / expected)
    gain[7] = np.nan
    assert np.flatnonzero(np.isnan(counts_in_bands(spectra, scale, [(4.0, 8.0)])[0])).tolist() == [7]


def test_the_table_of_a_night_says_how_well_each_band_was_judged(tmp_path):
    camera = load("eclairs")
    table = calibration_table("pixels", camera)
    rng = np.random.default_rng(18)
    spectra = rng.poisson(np.where(np.arange(1024) < 900, 0.4, 0.0), (GRID.count, 1024)).astype(np.int32)
    spectra[17] = 0
    made = table.make(Inputs(spectra, 1000.0, 3e8, Treatment.nominal(camera)), table.nominal())
    path = write_product(
        tmp_path / "a.fits", table.card, {table.card: made.columns}, issuer=camera,
        provenance=Provenance.begin("test"), table_headers={table.card: made.header},
    )  # fmt: skip
    product = read_product(path, table.card).main
    read = table.read(product.columns, product.header)
    assert read.status[17] == PixelStatus.DEAD
    assert [(b.low, b.high) for b in read.bands] == list(camera.health.bands)
    assert read.bands[0].blind  # eleven counts; 33 in the next
    assert not read.bands[2].blind
    assert read.bands[2].smallest_loss < 1.0 < read.bands[2].smallest_excess
    assert [row["judgement"] for row in table.states(read).details] == ["blind", "blind", "sees"]
    before = {n: product.columns[n] for n in ("DETNUM", "STATUS", "RATE", "EXPECTED", "SIGNIFICANCE")}
    assert table.read(before, {}).bands == ()


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
    declared = definition(card).tables[0].columns
    assert list(back.columns) == [c.name for c in declared if not c.family]
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
        (np.ones(6400), {"shadows": np.ones(3)}, "shadows"),
        (np.ones(6400), {"shadows": -np.ones(6400)}, "shadows"),
    ],
)
def test_bad_arguments_are_named(counts, options, words):
    with pytest.raises(BadArgumentError, match=words):
        pixel_status(counts, GRID, **options)
