"""The energy scales that come out, against the ones that went in."""

from dataclasses import replace

import numpy as np
import pytest

from eicpy.calibration import (
    GainFitSettings,
    GainStatus,
    GainTable,
    LineModel,
    fit_gain,
    pass_fraction,
)
from eicpy.calibration.gain.start import StartingScales, starting_scales
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.simulation import simulate_spectra
from eicpy.simulation.config import DetectorConfig

CAMERA = load("eclairs")
LINES, REQUIREMENT = LineModel.of(CAMERA), CAMERA.energy.requirement


def energy_errors(table, truth):
    """Reconstructed minus true energy, keV, at the check energies; shape (n_energies, n_pixels)."""
    E = np.array(REQUIREMENT.energies)[:, None]
    return table.gain * (E - truth.offset) / truth.gain + table.offset - E


def cramer_rao(camera, exposure, gain=0.145, offset=3.0):
    """Smallest σ_E of an unbiased estimate with free strengths, widths and continua, keV.

    From the generator's own expected counts by finite differences, without the package's kernels.
    """
    smooth = camera.expected_smooth(gain, offset)
    groups = camera.expected_lines(gain, offset)
    mu = smooth + sum(groups.values())

    def slope(which, step):
        ends = []
        for sign in (1.0, -1.0):
            at = np.array([gain, offset, 1.0])
            at[which] += sign * step
            ends.append(camera.expected_lines(*at))
        return {name: (ends[0][name] - ends[1][name]) / (2.0 * step) for name in groups}

    by_gain, by_offset, by_width = slope(0, 1e-7), slope(1, 1e-5), slope(2, 1e-4)
    columns = [np.zeros(mu.size), np.zeros(mu.size)]
    inside = np.zeros(mu.size, bool)
    energy = gain * (np.arange(mu.size) + 0.5) + offset
    for block in LINES.blocks:
        here = (energy > block.low) & (energy < block.high)
        inside |= here
        u = (2.0 * energy - block.low - block.high) / (block.high - block.low)
        columns[0] += here * sum(by_gain[name] for name in block.groups)
        columns[1] += here * sum(by_offset[name] for name in block.groups)
        columns += [here * sum(by_width[name] for name in block.groups)]
        columns += [here * smooth * u**k for k in range(3)]
        columns += [here * groups[name] for name in block.groups]
    jacobian = np.stack(columns, axis=1)[inside] * exposure
    information = jacobian.T @ (jacobian / (mu[inside, None] * exposure))
    scale = 1.0 / np.sqrt(np.diag(information))
    covariance = np.linalg.inv(information * np.outer(scale, scale)) * np.outer(scale, scale)
    channel = (np.array(REQUIREMENT.energies) - offset) / gain
    return np.sqrt(channel**2 * covariance[0, 0] + 2.0 * channel * covariance[0, 1] + covariance[1, 1])


def test_nearly_all_pixels_of_a_short_exposure_are_good(short_fit, short_exposure):
    assert short_fit.table.good.mean() > 0.99  # a pixel whose scale is in doubt is not called good
    wrong = np.abs(energy_errors(short_fit.table, short_exposure.table)[3]) > 0.8
    assert (wrong & short_fit.table.good).mean() < 0.001


def test_errors_are_within_5_percent_of_the_cramer_rao_bound_from_30_ks(camera, short_fit, short_exposure):
    good = short_fit.table.good
    rms = np.sqrt(np.mean(energy_errors(short_fit.table, short_exposure.table)[:, good] ** 2, axis=1))
    ratio = rms / cramer_rao(camera, short_exposure.exposure)
    # 1/√(2·1200) = 2.0 % of statistics; the camera's widths and strengths make it better than the bound
    # of a pixel that knows nothing of its neighbours
    assert np.all(ratio < 1.05), ratio


def test_pulls_are_of_unit_width_from_30_ks(short_fit, short_exposure):
    good = short_fit.table.good
    error = energy_errors(short_fit.table, short_exposure.table)[:, good]
    pull = error / short_fit.table.sigma_energy(np.array(REQUIREMENT.energies))[:, good]
    # what the plane may have missed of the scatter makes them a little long, not short
    width = 0.7413 * np.diff(np.quantile(pull, (0.25, 0.75), axis=1), axis=0)[0]
    for found in (pull.std(axis=1), width):
        assert np.all((found > 0.80) & (found < 1.06)), found


def test_the_bias_is_below_5_ev(short_fit, short_exposure):
    good = short_fit.table.good
    error = energy_errors(short_fit.table, short_exposure.table)[:, good]
    standard_error = error.std(axis=1) / np.sqrt(good.sum())
    assert np.all(np.abs(error.mean(axis=1)) < 0.005 + 2.5 * standard_error), error.mean(axis=1)


def test_the_model_itself_is_biased_by_less_than_5_ev(camera):
    # no noise: the expected counts of another generator; what remains is what the model cannot describe
    for gain, offset in ((0.145, 3.0), (0.1423, 3.2)):
        expected = camera.expected(gain, offset)[np.newaxis] * 1e8  # errors short beside a line
        fit = fit_gain(expected, start=GainTable.nominal(1, 0.145, 3.0), lines=LINES)
        truth = GainTable.nominal(1, gain, offset)
        assert np.all(np.abs(energy_errors(fit.fitted, truth)) < 0.005)


@pytest.fixture(scope="module")
def long_night():
    rng = np.random.default_rng(7)
    config = DetectorConfig(gain_shift=0.01, gain_shift_scatter=0.015)
    night = simulate_spectra(300e3, rng, n_pixels=800, config=config, lines="bright")
    detector = night.detector
    n = len(detector)
    start = replace(GainTable.nominal(n, 0.145, 3.0), gain=detector.table_gain, offset=detector.table_offset)
    return night, start, fit_gain(night.counts, start=start, lines=LINES)


def test_the_simulated_camera_is_recovered_without_bias_and_with_right_errors(long_night):
    night, start, fit = long_night
    truth = replace(start, gain=night.detector.gain, offset=night.detector.offset)
    good = fit.table.good
    dead = night.counts.sum(axis=1) < 300
    assert (good | dead).mean() > 0.995
    error = energy_errors(fit.table, truth)[:, good]
    sigma = fit.table.sigma_energy(np.array(REQUIREMENT.energies))[:, good]
    standard_error = error.std(axis=1) / np.sqrt(good.sum())
    assert np.all(np.abs(error.mean(axis=1)) < 0.006 + 2.5 * standard_error), error.mean(axis=1)
    width = (error / sigma).std(axis=1)
    # offsets did not move: errors of low energies are what may have been missed of that
    assert np.all(width < 1.06), width
    assert np.all(width[2:] > 0.85), width
    assert pass_fraction(fit, REQUIREMENT, truth=truth, pixels=good).all_energies > 0.99


def test_dead_pixels_keep_the_last_value_and_say_so(long_night):
    night, start, fit = long_night
    dead = night.counts.sum(axis=1) == 0
    assert dead.any()
    expected = GainStatus.TOO_FEW_COUNTS | GainStatus.KEPT_PREVIOUS | GainStatus.NOMINAL
    assert np.all(fit.table.status[dead] == expected)
    np.testing.assert_array_equal(fit.table.gain[dead], start.gain[dead])
    np.testing.assert_array_equal(fit.table.offset[dead], start.offset[dead])
    assert np.all(np.isnan(fit.table.sigma_energy(50.0)[dead]))


def test_the_deviance_tells_nothing_wrong_about_right_fits(short_fit):
    goodness = short_fit.goodness[short_fit.table.good]
    assert abs(np.median(goodness)) < 0.15
    assert 0.9 < goodness.std() < 1.1


def test_line_strengths_and_widths_of_the_camera_are_found(camera, short_fit, short_exposure):
    found = dict(zip(short_fit.lines.parameter_names, short_fit.camera.parameters, strict=True))
    share = short_exposure.exposure * len(short_exposure.table) / 6400
    for group, lines in camera.lines.items():
        if group.endswith("Ka"):
            assert found[f"{group} counts"] == pytest.approx(sum(r for _, r in lines) * share, rel=0.06)
    assert found["Pb K sigma"] == pytest.approx(camera.sigma(75.0), rel=0.05)


def test_threads_do_not_change_a_bit(short_exposure):
    some = slice(0, 150)
    columns = {k: v[some] for k, v in short_exposure.previous.to_columns().items()}
    start = GainTable.from_columns(columns)
    one = fit_gain(short_exposure.counts[some], start=start, lines=LINES)
    two = fit_gain(short_exposure.counts[some], start=start, lines=LINES, settings=GainFitSettings(threads=3))
    np.testing.assert_array_equal(one.parameters, two.parameters)
    np.testing.assert_array_equal(one.table.status, two.table.status)


def test_expected_counts_lie_on_the_data(short_fit, short_exposure):
    pixel = int(np.flatnonzero(short_fit.table.good)[0])
    model = short_fit.expected(pixel)
    inside = np.isfinite(model)
    total = short_exposure.counts[pixel, inside].sum()
    assert model[inside].sum() == pytest.approx(total, rel=0.02)


@pytest.fixture
def degenerate(draw_truth):
    """Three hundred pixels, some of them spoilt."""
    truth = draw_truth(300, 60e3, np.random.default_rng(5))
    counts = truth.counts.copy()
    counts[0] = 0.0
    counts[1, 500] = np.nan
    counts[2, 10] = -1.0
    counts[3, 160] += 3000.0  # one noisy channel, between the lines of Cd and Te
    counts[4] = np.random.default_rng(1).poisson(5.0, 1024)  # no lines at all
    counts[5] = 0.0
    counts[5, 700] = 5000.0  # one noisy channel, outside the blocks, in a dead pixel
    counts[6, 100] = np.inf
    return truth, counts


def test_spoilt_pixels_get_a_status_and_keep_the_last_value(degenerate):
    truth, counts = degenerate
    fit = fit_gain(counts, start=truth.previous, lines=LINES)
    status = fit.table.status
    assert status[0] == GainStatus.TOO_FEW_COUNTS | GainStatus.KEPT_PREVIOUS
    for pixel in (1, 2, 6):
        assert status[pixel] == GainStatus.BAD_DATA | GainStatus.KEPT_PREVIOUS
    assert status[3] & GainStatus.KEPT_PREVIOUS
    assert status[4] & GainStatus.AMBIGUOUS
    assert status[5] & GainStatus.TOO_FEW_COUNTS
    np.testing.assert_array_equal(fit.table.gain[:7], truth.previous.gain[:7])
    assert (status[7:] == 0).mean() > 0.98
    assert np.isnan(fit.expected(0)).all()
    assert "KEPT_PREVIOUS" in fit._repr_html_()


def test_a_plane_without_counts_keeps_everything():
    start = GainTable.nominal(5, 0.145, 3.0)
    fit = fit_gain(np.zeros((5, 1024)), start=start, lines=LINES)
    assert np.all(fit.table.status & GainStatus.TOO_FEW_COUNTS)
    assert fit.camera is None
    assert np.isnan(fit.expected(2)).all()
    assert "5 TOO_FEW_COUNTS" in fit._repr_html_()


def test_identical_spiky_spectra_end_in_a_status_not_in_a_crash():
    counts = np.zeros((4, 1024))
    counts[:, [150, 400, 500]] = 1000.0
    fit = fit_gain(counts, start=GainTable.nominal(4, 0.145, 3.0), lines=LINES)
    assert np.all(np.isfinite(fit.table.gain))


@pytest.mark.parametrize("shape", [(5, 1024), (6, 100), (1024,), (0, 1024)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(BadArgumentError, match=r"expected|needs"):
        fit_gain(np.ones(shape), start=GainTable.nominal(6, 0.145, 3.0), lines=LINES)


def test_progress_ends_at_one(draw_truth):
    truth = draw_truth(20, 100e3, np.random.default_rng(3))
    seen = []
    fit_gain(truth.counts, start=truth.previous, lines=LINES, progress=seen.append, reference_time=5.0)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("ambiguity", [GainFitSettings().ambiguity, 1e9])
def test_of_several_starting_scales_the_one_that_fits_best_wins(draw_truth, monkeypatch, ambiguity):
    """Of every tenth pixel the first is wrong by 4 %. How much worse it fits says what is ambiguous."""
    truth = draw_truth(200, 100e3, np.random.default_rng(12), offset_moved=0.0)
    spoilt = np.arange(200) % 10 == 0

    def wrong_first(*arguments, **options):
        right = starting_scales(*arguments, **options)
        gain = np.stack([np.where(spoilt, 0.96 * right.gain[0], right.gain[0]), right.gain[0]])
        return StartingScales(gain, np.stack([right.offset[0]] * 2), right.significance)

    monkeypatch.setattr("eicpy.calibration.gain.fit.starting_scales", wrong_first)
    fit = fit_gain(
        truth.counts, start=truth.previous, lines=LINES, settings=GainFitSettings(ambiguity=ambiguity)
    )
    found = np.abs(energy_errors(fit.fitted, truth.table)[3]) < 0.5
    ambiguous = (fit.table.status & GainStatus.AMBIGUOUS) > 0
    assert found[spoilt].mean() > 0.8
    assert found[~spoilt].all()
    assert not ambiguous[~spoilt].any()
    assert ambiguous[spoilt].any() == (ambiguity > 1e6)


def test_a_few_pixels_alone_are_fitted_too(draw_truth):
    truth = draw_truth(3, 100e3, np.random.default_rng(11))
    fit = fit_gain(truth.counts, start=truth.previous, lines=LINES, reference_time=7.0)
    pull = energy_errors(fit.table, truth.table) / fit.table.sigma_energy(np.array(REQUIREMENT.energies))
    assert fit.table.good.all()
    assert np.all(np.abs(pull) < 4.0)
    assert fit.table.reference_time == 7.0
