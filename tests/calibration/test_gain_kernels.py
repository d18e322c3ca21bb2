"""Each kernel against a plain numpy twin, finite differences or another optimiser."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import erf, ndtr, xlogy

from eicpy.calibration import LineModel
from eicpy.calibration.gain.camera_spectrum import align, block_windows, counts_in_windows, parameter_bounds
from eicpy.calibration.gain.kernel import fit_pixels
from eicpy.calibration.gain.linear_steps import errors, marquardt_step
from eicpy.calibration.gain.model import deviance_sums, evaluate_block, predict
from eicpy.calibration.gain.poisson import LOG_LOW, LOG_STEP, deviance_moments, moment_table
from eicpy.calibration.gain.posterior import scale_posteriors
from eicpy.instruments import load

LINES = LineModel.of(load("eclairs"))
N_CHANNELS = 1024


def continuum_shape(energy):
    """Shape of the continua, with something that falls as an edge does."""
    return 1.0 + 0.2 * np.sin(energy / 13.0) - 0.1 * ndtr((energy - 26.7) / 0.5)


@pytest.fixture
def arrays():
    flat = LINES.arrays()
    low, step = np.array([block.low - 2.0 for block in LINES.blocks]), np.full(len(LINES.blocks), 0.05)
    energy = low[:, np.newaxis] + 0.05 * np.arange(500)
    near = 1e-4
    slope = (continuum_shape(energy + near) - continuum_shape(energy - near)) / (2.0 * near)
    return flat._replace(
        stretch=1.0 + 0.01 * np.arange(flat.energy.size),
        shape=np.stack([continuum_shape(energy), slope], axis=-1),
        shape_low=low,
        shape_step=step,
    )


@pytest.fixture
def theta():
    parameters = [0.1457, 2.93]
    for block in LINES.blocks:
        parameters += [0.7, 30.0, -8.0, 2.0] + [150.0 + 20.0 * k for k in range(len(block.groups))]
    return np.array(parameters)


@pytest.fixture
def windows(theta):
    return block_windows(LINES, theta[:1], theta[1:2], N_CHANNELS)[0]


def twin_predict(theta, windows, arrays):
    """The model of gain_model's docstring, in numpy."""
    out = np.full(N_CHANNELS, np.nan)
    baseline = continuum_shape(theta[0] * (np.arange(N_CHANNELS) + 0.5) + theta[1])
    for b, (first, last) in enumerate(windows):
        start = arrays.first_parameter[b]
        u = 2.0 * (np.arange(last - first) + 0.5) / (last - first) - 1.0
        mu = baseline[first:last] * np.polynomial.polynomial.polyval(u, theta[start + 1 : start + 4])
        edges = theta[0] * np.arange(first, last + 1) + theta[1]
        for k in range(arrays.first_line[b], arrays.first_line[b + 1]):
            z = (edges - arrays.energy[k]) / (theta[start] * arrays.stretch[k])
            strength = theta[start + 4 + arrays.group[k]] * arrays.fraction[k]
            mu = mu + strength * 0.5 * np.diff(erf(z / np.sqrt(2.0)))
        out[first:last] = mu
    return out


def twin_jacobian(theta, windows, arrays):
    """Derivatives of the twin by central differences, shape (n_channels in blocks, n_parameters)."""
    columns = []
    for p in range(theta.size):
        step = np.zeros(theta.size)
        step[p] = 1e-5 * max(abs(theta[p]), 0.1)
        up = twin_predict(theta + step, windows, arrays)
        down = twin_predict(theta - step, windows, arrays)
        columns.append((up - down) / (2.0 * step[p]))
    return np.stack(columns, axis=1)


def twin_deviance(counts, mu):
    return 2.0 * np.sum(mu - counts + xlogy(counts, counts / mu))


def twin_objective(theta, counts, windows, arrays, mean, precision):
    mu = twin_predict(theta, windows, arrays)
    inside = np.isfinite(mu)
    if np.any(mu[inside] <= 0.0):
        return np.inf
    return twin_deviance(counts[inside], mu[inside]) + np.sum(precision * (theta - mean) ** 2)


def test_predicted_counts_are_those_of_the_twin(theta, windows, arrays):
    ours = predict(theta, windows, arrays, N_CHANNELS)
    twin = twin_predict(theta, windows, arrays)
    # a line is cut at 5.5 σ, where 4e-8 of it is left
    np.testing.assert_allclose(ours, twin, rtol=0, atol=150.0 * 4e-8)


def test_lines_are_integrals_over_channels(theta, windows, arrays):
    alone = theta.copy()
    for b, start in enumerate(arrays.first_parameter):
        alone[start + 1 : start + 4] = 1e-6, 0.0, 0.0
        total = alone[start + 4 : start + 4 + arrays.n_groups[b]].sum()
        first, last = windows[b]
        inside = predict(alone, windows, arrays, N_CHANNELS)[first:last].sum()
        assert inside == pytest.approx(total, rel=0.01)


def test_derivatives_are_those_of_the_twin(theta, windows, arrays):
    twin = twin_jacobian(theta, windows, arrays)
    for b, (first, last) in enumerate(windows):
        q = 6 + arrays.n_groups[b]
        mu, jacobian = np.empty(last - first), np.empty((last - first, q))
        evaluate_block(theta, b, first, last, arrays, mu, jacobian)
        start = arrays.first_parameter[b]
        own = twin[first:last][:, [0, 1, *range(start, start + q - 2)]]
        scale = np.abs(own).max(axis=0)
        np.testing.assert_allclose(jacobian / scale, own / scale, atol=1e-5)


@pytest.fixture
def problem(theta, windows, arrays):
    rng = np.random.default_rng(17)
    mu = np.nan_to_num(predict(theta, windows, arrays, N_CHANNELS))
    counts = rng.poisson(mu, (3, N_CHANNELS)).astype(float)
    mean = np.tile(theta, (3, 1))
    precision = np.zeros_like(mean)
    precision[:, [2, 10, 16]] = 1.0 / 0.1**2
    return counts, mean, precision


def run(problem, theta, windows, arrays, **kwargs):
    counts, mean, precision = problem
    n = len(counts)
    guess = np.tile(theta, (n, 1))
    guess[:, 0] *= 1.002
    lower, upper = parameter_bounds(guess, arrays)
    return fit_pixels(
        counts, guess, np.tile(windows, (n, 1, 1)), arrays, mean, precision,
        lower, upper, kwargs.get("max_iterations", 100), 1e-6,
    )  # fmt: skip


def test_the_fit_is_the_maximum_that_scipy_finds(problem, theta, windows, arrays):
    fitted, _, _, deviance, objective, _, converged = run(problem, theta, windows, arrays)
    assert converged.all()
    counts, mean, precision = problem
    scale = np.maximum(np.abs(theta), 0.1)
    for i in range(len(counts)):
        args = (counts[i], windows, arrays, mean[i], precision[i])
        assert twin_objective(fitted[i], *args) == pytest.approx(objective[i], abs=1e-3)
        mu = twin_predict(fitted[i], windows, arrays)
        inside = np.isfinite(mu)
        assert twin_deviance(counts[i, inside], mu[inside]) == pytest.approx(deviance[i], abs=1e-3)
        best = minimize(lambda x, a=args: twin_objective(x * scale, *a), fitted[i] / scale, method="BFGS")
        assert best.fun > objective[i] - 0.02


def test_errors_are_the_inverse_of_the_observed_information(problem, theta, windows, arrays):
    fitted, variance, covariance, *_ = run(problem, theta, windows, arrays)
    counts, mean, precision = problem
    args = (counts[0], windows, arrays, mean[0], precision[0])
    n = theta.size
    step = np.sqrt(variance[0]) * 0.05
    hessian = np.empty((n, n))
    for p in range(n):
        for r in range(p + 1):
            a, b = np.eye(n)[p] * step, np.eye(n)[r] * step
            ends = [
                twin_objective(fitted[0] + s * a + t * b, *args) * s * t for s in (1, -1) for t in (1, -1)
            ]
            hessian[p, r] = hessian[r, p] = 0.5 * sum(ends) / (4.0 * step[p] * step[r])
    scale = 1.0 / np.sqrt(np.diag(hessian))
    inverse = np.linalg.inv(hessian * np.outer(scale, scale)) * np.outer(scale, scale)
    np.testing.assert_allclose(variance[0], np.diag(inverse), rtol=0.02)
    assert covariance[0] == pytest.approx(inverse[0, 1], rel=0.02)


def test_each_pixel_is_fitted_for_itself(problem, theta, windows, arrays):
    together = run(problem, theta, windows, arrays)
    alone = run(tuple(part[1:2] for part in problem), theta, windows, arrays)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[1:2], b)


def test_a_width_at_its_bound_does_not_stop_the_others(problem, theta, windows, arrays):
    counts, mean, _ = problem  # without prior terms one width runs away, to three times the guess
    guess = theta.copy()
    guess[16] = 0.6
    fitted, *_, converged = run((counts, mean, np.zeros_like(mean)), guess, windows, arrays)
    assert np.any(fitted[:, 16] == 3.0 * guess[16])
    assert converged.all()


def test_a_fit_that_may_not_step_is_not_converged(problem, theta, windows, arrays):
    *_, iterations, converged = run(problem, theta, windows, arrays, max_iterations=1)
    assert not converged.any()
    assert np.all(iterations == 1)


def test_a_start_without_counts_expected_gives_nan_errors(problem, theta, windows, arrays):
    empty = theta.copy()
    for start in arrays.first_parameter:
        empty[start + 1 : start + 4] = 0.0
    _, variance, covariance, deviance, _, _, converged = run(problem, empty, windows, arrays)
    assert not converged.any()
    assert np.isnan(variance).all()
    assert np.isnan(covariance).all()
    assert np.isinf(deviance).all()


def test_moments_of_a_right_model_are_sums_over_channels(theta, windows, arrays):
    ours = deviance_sums(theta[None], windows[None], arrays, N_CHANNELS, moment_table(), LOG_LOW, LOG_STEP)
    mu = twin_predict(theta, windows, arrays)
    twin = np.sum([deviance_moments(m) for m in mu[np.isfinite(mu)]], axis=0)
    np.testing.assert_allclose(ours[0], twin, rtol=1e-3)


@pytest.mark.parametrize("expected", [0.05, 0.5, 2.0, 20.0, 500.0])
def test_moments_are_those_of_drawn_counts(expected):
    n = np.random.default_rng(2).poisson(expected, 400_000)
    deviance = 2.0 * (expected - n + xlogy(n, n / expected))
    mean, variance = deviance_moments(expected)
    assert mean == pytest.approx(deviance.mean(), rel=0.02)
    assert variance == pytest.approx(deviance.var(), rel=0.05)


def test_many_counts_have_the_moments_of_chi_squared():
    mean, variance = deviance_moments(1e4)
    assert mean == pytest.approx(1.0, abs=1e-3)
    assert variance == pytest.approx(2.0, abs=5e-3)


def twin_align(spectra, gain, offset, common_gain, common_offset):
    """Counts below each common edge, by interpolation of the cumulative counts."""
    out = np.zeros(spectra.shape[1])
    edges = common_gain * np.arange(spectra.shape[1] + 1) + common_offset
    for counts, g, o in zip(spectra, gain, offset, strict=True):
        own = g * np.arange(counts.size + 1) + o
        out += np.diff(np.interp(edges, own, np.concatenate([[0.0], np.cumsum(counts)])))
    return out


@settings(max_examples=30)
@given(
    st.floats(0.13, 0.16),
    st.floats(-1.0, 5.0),
    st.floats(0.13, 0.16),
    st.floats(-1.0, 5.0),
    st.integers(0, 99),
)
def test_alignment_is_that_of_the_twin(gain, offset, common_gain, common_offset, seed):
    spectra = np.random.default_rng(seed).poisson(3.0, (2, 60)).astype(float)
    gains, offsets = np.array([gain, 1.01 * gain]), np.array([offset, offset + 0.3])
    ours = align(spectra, gains, offsets, common_gain, common_offset)
    np.testing.assert_allclose(
        ours, twin_align(spectra, gains, offsets, common_gain, common_offset), atol=1e-9
    )


def test_alignment_on_the_own_scale_changes_nothing():
    spectra = np.random.default_rng(0).poisson(3.0, (1, 50)).astype(float)
    np.testing.assert_allclose(align(spectra, np.array([0.145]), np.array([3.0]), 0.145, 3.0), spectra[0])


def test_counts_in_windows_are_plain_sums():
    counts = np.arange(20.0).reshape(2, 10)
    windows = np.array([[[0, 3], [5, 10]], [[2, 2], [4, 6]]])
    np.testing.assert_array_equal(counts_in_windows(counts, windows), [[3.0, 35.0], [0.0, 29.0]])


def test_steps_solve_the_damped_system():
    rng = np.random.default_rng(12)
    root = rng.standard_normal((6, 6))
    information, score = root @ root.T + np.eye(6), rng.standard_normal(6)
    scale, matrix, factor, step = np.empty(6), np.empty((6, 6)), np.zeros((6, 6)), np.empty(6)
    frozen = np.array([False, False, True, False, False, False])
    assert marquardt_step(information, score, frozen, 0.3, scale, matrix, factor, step)
    free = np.flatnonzero(~frozen)
    damped = information + 0.3 * np.diag(np.diag(information))
    np.testing.assert_allclose(step[free], np.linalg.solve(damped[np.ix_(free, free)], score[free]))
    assert step[2] == 0.0
    assert not marquardt_step(-np.eye(6), score, frozen, 0.0, scale, matrix, factor, step)


def test_errors_come_from_the_observed_information_or_else_the_expected():
    rng = np.random.default_rng(13)
    root = rng.standard_normal((4, 4))
    expected = root @ root.T + np.eye(4)
    work = np.empty(4), np.empty((4, 4)), np.zeros((4, 4)), np.empty(4)
    for observed, used in ((2.0 * expected, 2.0 * expected), (-expected, expected)):
        variance = np.empty(4)
        covariance = errors(observed, expected, *work, variance)
        np.testing.assert_allclose(variance, np.diag(np.linalg.inv(used)))
        assert covariance == pytest.approx(np.linalg.inv(used)[0, 1])
    variance = np.full(4, np.nan)
    assert np.isnan(errors(-expected, -expected, *work, variance))


def twin_posterior(counts, fitted, spread, windows, arrays, prior):
    """Mean and covariance of gain and offset on a lattice, others at their maximum with their volume."""
    mean, precision, lower, upper = prior
    root = np.linalg.cholesky(spread)
    steps = np.array([(a, b) for a in np.arange(-3.6, 3.7, 1.2) for b in np.arange(-3.6, 3.7, 1.2)])
    scales = fitted[:2] + steps @ root.T
    n = len(scales)
    held_mean, held = np.tile(mean, (n, 1)), np.tile(precision, (n, 1))
    held_mean[:, :2], held[:, :2] = scales, 1e16
    theta = np.tile(fitted, (n, 1))
    theta[:, :2] = scales
    every = (np.tile(counts, (n, 1)), theta, np.tile(windows, (n, 1, 1)), arrays, held_mean, held)
    bounds = np.tile(lower, (n, 1)), np.tile(upper, (n, 1))
    best, _, _, _, objective, _, _ = fit_pixels(*every, *bounds, 60, 1e-6)
    log_density = -0.5 * objective
    for k in range(n):
        mu = twin_predict(best[k], windows, arrays)
        inside = np.isfinite(mu)
        jacobian = twin_jacobian(best[k], windows, arrays)
        jacobian = jacobian[inside if len(jacobian) == mu.size else slice(None), 2:]
        information = jacobian.T @ (jacobian / mu[inside, np.newaxis]) + np.diag(precision[2:])
        log_density[k] -= 0.5 * np.linalg.slogdet(information)[1]
    weight = np.exp(log_density - log_density.max())
    centre = weight @ scales / weight.sum()
    return centre, np.cov(scales.T, aweights=weight, bias=True)


def test_the_posterior_of_a_scale_is_that_of_a_dense_lattice(theta, windows, arrays):
    weak = theta.copy()
    for start, groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        weak[start + 4 : start + 4 + groups] *= 0.8
    rng = np.random.default_rng(2)
    counts = rng.poisson(np.nan_to_num(twin_predict(weak, windows, arrays)), (1, N_CHANNELS)).astype(float)
    precision = np.zeros(weak.size)
    for start, groups in zip(arrays.first_parameter, arrays.n_groups, strict=True):
        own = slice(start + 4, start + 4 + groups)
        precision[start], precision[own] = (0.1 * weak[start]) ** -2.0, (0.15 * weak[own]) ** -2.0
    lower, upper = (values[0] for values in parameter_bounds(weak[np.newaxis], arrays))
    prior = (weak, precision, lower, upper)
    rows = [values[np.newaxis] for values in prior]
    pixel = (weak[np.newaxis], windows[np.newaxis], arrays)
    fitted, variance, covariance, *_ = fit_pixels(counts, *pixel, *rows, 60, 1e-6)
    spread = np.array([[variance[0, 0], covariance[0]], [covariance[0], variance[0, 1]]])
    of_fit = np.array([[variance[0, 0], variance[0, 1], covariance[0]]])
    scale, border = scale_posteriors(counts, fitted, of_fit, windows[np.newaxis], arrays, *rows)
    centre, expected = twin_posterior(counts[0], fitted[0], spread, windows, arrays, prior)
    sigma = np.sqrt(np.diag(expected))
    assert np.all(np.abs(scale[0, :2] - centre) < 0.08 * sigma), (scale[0, :2] - centre) / sigma
    np.testing.assert_allclose(np.sqrt(scale[0, 2:4]), sigma, rtol=0.04)
    assert scale[0, 4] / np.sqrt(scale[0, 2] * scale[0, 3]) == pytest.approx(
        expected[0, 1] / sigma.prod(), abs=0.01
    )
    assert 0.0 < border[0] < 0.04
