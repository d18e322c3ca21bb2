"""Lines as weak as in the public pre-launch background: no bias from edges and tails, and GOOD means it.

Truth is that of benchmarks/gain_truth.py, which shares no code with the fit or the simulator.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from eicpy.calibration import GainStatus, GainTable, LineModel, fit_gain, pass_fraction
from eicpy.calibration.gain.continuum import BlockContinuum, shape_tables
from eicpy.calibration.gain.model import predict
from eicpy.calibration.gain.plane import shift_of_the_plane, widening
from eicpy.calibration.gain.tails import with_tail
from eicpy.instruments import load

_FILE = Path(__file__).parents[2] / "benchmarks" / "gain_truth.py"
_SPECIFICATION = importlib.util.spec_from_file_location("gain_truth", _FILE)
generator = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules["gain_truth"] = generator  # its data classes look for their module
_SPECIFICATION.loader.exec_module(generator)
Background, draw = generator.Background, generator.draw

CAMERA = load("eclairs")
LINES, REQUIREMENT = LineModel.of(CAMERA), CAMERA.energy.requirement
ENERGIES = np.array([4.0, 50.0, 80.0])


def bias_without_noise(background, exposure=3e8):
    """Error of the scale, keV at ENERGIES, of a spectrum that is exactly as expected."""
    gain, offset = np.array([0.145]), np.array([3.0])
    rate = background.expected_smooth(gain, offset) + sum(background.expected_lines(gain, offset).values())
    fit = fit_gain(rate * exposure, start=GainTable.nominal(1, 0.145, 3.0), lines=LINES)
    return fit.fitted.gain * (ENERGIES - 3.0) / 0.145 + fit.fitted.offset - ENERGIES


@pytest.mark.parametrize("strength", ["public", "bright"])
def test_edges_that_recover_leave_no_bias(strength):
    assert np.all(np.abs(bias_without_noise(Background(strength))) < 0.005)


def test_the_public_area_leaves_no_bias(shared_data):
    table = np.loadtxt(shared_data / "response" / "ECLAIRs_rf_eff.txt")
    background = Background(area=lambda energy: np.interp(energy, table[:, 0], table[:, 1]))
    assert np.all(np.abs(bias_without_noise(background)) < 0.010)


@pytest.mark.parametrize("strength", ["public", "bright"])
def test_a_tail_of_15_percent_leaves_a_bias_below_10_ev(strength):
    assert np.all(np.abs(bias_without_noise(Background(strength, tail=0.15))) < 0.010)


@pytest.fixture(scope="module")
def million_seconds():
    truth = draw(Background(), 300, 1e6, np.random.default_rng(4))
    return truth, fit_gain(truth.counts, start=truth.previous, lines=LINES)


def test_the_bias_at_a_million_seconds_is_below_20_ev(million_seconds):
    truth, fit = million_seconds
    good = fit.table.good
    assert good.mean() > 0.98
    error = truth.errors(fit.table, ENERGIES)[:, good]
    standard = error.std(axis=1) / np.sqrt(good.sum())
    assert np.all(np.abs(error.mean(axis=1)) < 0.020 + 2.0 * standard), error.mean(axis=1)


@pytest.fixture(scope="module")
def spoilt():
    """Strong spectra among which some are shifted by 55 channels and some count 300 more in every channel."""
    truth = draw(Background("bright"), 300, 1e5, np.random.default_rng(6))
    counts = truth.counts.copy()
    rng = np.random.default_rng(7)
    counts[:20] += rng.poisson(300.0, (20, counts.shape[1]))
    counts[20:40] = np.roll(counts[20:40], 55, axis=1)
    return truth, fit_gain(counts, start=truth.previous, lines=LINES)


def test_hot_and_shifted_spectra_are_caught(spoilt):
    truth, fit = spoilt
    assert not fit.table.good[:40].any()
    assert np.all(fit.table.status[:20] & GainStatus.BAD_FIT)
    np.testing.assert_array_equal(fit.table.gain[:40], truth.previous.gain[:40])
    assert fit.table.good[40:].mean() > 0.98


def test_good_pixels_of_a_short_exposure_have_right_errors():
    truth = draw(Background(), 400, 1e5, np.random.default_rng(8), offset_moved=0.2)
    fit = fit_gain(truth.counts, start=truth.previous, lines=LINES)
    good = fit.table.good
    assert good.mean() > 0.5
    pull = (truth.errors(fit.table, ENERGIES) / fit.table.sigma_energy(ENERGIES))[:, good]
    assert np.abs(pull).max() < 5.0
    # 1/√(2·n) of statistics
    assert np.all(np.abs(pull.std(axis=1) - 1.0) < 0.10 + 2.5 / np.sqrt(2.0 * good.sum())), pull.std(axis=1)
    quoted = pass_fraction(fit, REQUIREMENT, pixels=good).all_energies
    counted = pass_fraction(fit, REQUIREMENT, truth=truth.table, pixels=good).all_energies
    assert abs(quoted - counted) < 0.03 + 2.0 * np.sqrt(quoted * (1.0 - quoted) / good.sum())


def test_a_pixel_with_nothing_to_say_keeps_its_value_and_its_time_and_moves_with_the_plane():
    truth = draw(Background(), 300, 1e4, np.random.default_rng(9), moved=0.001, common=0.02)
    previous = replace(truth.previous, time=np.full(300, 100.0), reference_time=100.0)
    fit = fit_gain(truth.counts, start=previous, lines=LINES, reference_time=5100.0)
    kept = (fit.table.status & GainStatus.KEPT_PREVIOUS) != 0
    assert kept.mean() > 0.5
    assert np.all(fit.table.age[kept] == 5000.0)
    assert fit.shift.significant
    error = truth.errors(fit.table, np.array([80.0]))[0, kept]
    assert np.abs(error.mean()) < 0.15  # the plane moved by 1.5 keV there
    assert error.std() < 0.12


def test_the_shift_of_the_plane_is_found_and_its_scatter_where_it_shows():
    rng = np.random.default_rng(3)
    own = np.tile([[4e-6, -1e-4], [-1e-4, 1e-2]], (2000, 1, 1))
    change = rng.multivariate_normal([0.01, 0.1], own[0] + np.diag([1e-4, 1e-6]), 2000)
    change[::100] += 1.0  # pixels that went their own way
    shift = shift_of_the_plane(change, own, np.ones(2000, bool))
    assert np.all(np.abs(shift.mean - [0.01, 0.1]) < 4.0 * shift.mean_error)
    assert np.sqrt(shift.variance[0]) == pytest.approx(0.01, rel=0.06)
    assert shift.precision[0] == pytest.approx(1e4, rel=0.12)
    # 1 eV of scatter below 87 eV of error (the gain known): not seen, and no more than may have been missed
    assert 0.4 * 0.087 < np.sqrt(shift.held_variance[1] - shift.mean[1] ** 2) < 0.6 * 0.087
    assert shift.significant
    assert shift.common[1] == 0.0  # 0.1 keV does not stand out beside the pixels' own errors
    assert shift.held_variance[1] > 0.09**2
    large = replace(shift, mean=np.array([0.01, 0.3]))
    np.testing.assert_array_equal(large.common, large.mean)
    assert shift_of_the_plane(change[:50], own[:50], np.ones(50, bool)) is None


def test_a_value_kept_for_long_may_have_gone_further():
    table = replace(
        GainTable.nominal(4, 0.145, 3.0),
        status=np.array([0, 0, GainStatus.KEPT_PREVIOUS, GainStatus.NOMINAL], np.uint8),
        time=np.array([900.0, 900.0, 800.0, np.nan]),
        reference_time=900.0,
    )
    np.testing.assert_allclose(widening(table), [1.0, 1.0, np.sqrt(2.0), 10.0])
    np.testing.assert_array_equal(widening(GainTable.nominal(3, 0.145, 3.0)), np.ones(3))


def test_the_table_of_a_shape_has_its_values_and_slopes():
    block = BlockContinuum(21.0, 33.0, -1.5, 0.5, (26.7, 31.8), 0.03 * np.arange(8.0))
    tables, low, step = shape_tables([block])
    energy = low[0] + step[0] * np.arange(tables.shape[1])
    np.testing.assert_allclose(tables[0, :, 0], block(energy))
    np.testing.assert_allclose(np.gradient(tables[0, :, 0], energy)[1:-1], tables[0, 1:-1, 1], atol=2e-3)


def test_three_gaussians_make_the_tail_of_a_line():
    arrays = LINES.arrays()
    sigma = np.array([0.5, 0.7, 0.8])
    theta = np.zeros(arrays.n_parameters)
    theta[:2] = 0.145, 3.0
    theta[arrays.first_parameter], theta[arrays.first_parameter + 1] = sigma, 1e-3
    theta[arrays.first_parameter[2] + 4] = 1000.0
    windows = np.array([[0, 1], [0, 1], [400, 600]])
    mu = predict(theta, windows, with_tail(arrays, 0.2, 0.025, sigma), 1024)[400:600] - 1e-3
    edges = 0.145 * np.arange(400, 601) + 3.0
    below = np.zeros(edges.size)
    for E, fraction in zip(arrays.energy[-5:-3], arrays.fraction[-5:-3], strict=True):
        z, ratio = (edges - E) / 0.8, 0.8 / (0.025 * E)
        below += fraction * (ndtr(z) + 0.2 * np.exp(z * ratio + 0.5 * ratio**2 + log_ndtr(-z - ratio)))
    np.testing.assert_allclose(mu, 1000.0 * np.diff(below), atol=0.012 * mu.max())
