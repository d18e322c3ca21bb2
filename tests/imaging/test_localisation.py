import numpy as np
import pytest
from scipy import stats

from eicpy.errors import BadArgumentError
from eicpy.imaging import SkyDecoder, circle_radius, localise, position_posterior, random_mask
from eicpy.imaging.localisation import sky_scale
from eicpy.instruments import load
from eicpy.orbit import separation, tangent_vector

G = load("eclairs").mask
MASK = random_mask(G, 80, 3)
DECODER = SkyDecoder(MASK)
BACKGROUND = 9.6  # 20 s of 3000 counts/s


def flux_for(significance, ty, tz):
    share = MASK.shadow(ty, tz)
    return significance * np.sqrt(BACKGROUND / ((share - share.mean()) ** 2).sum())


@pytest.fixture(scope="module")
def trials():
    """Sources of 9.1 and 25 σ anywhere in the field, with what was found of them."""
    rng = np.random.default_rng(11)
    rows = []
    for k in range(120):
        ty, tz = rng.uniform(-0.7, 0.7, 2)
        flux = flux_for((9.1, 25.0)[k % 2], ty, tz)
        counts = rng.poisson(BACKGROUND + flux * MASK.shadow(ty, tz))
        top = DECODER.image(counts).peaks(4.0)[0]
        fit = localise(MASK, counts, [(top.ty, top.tz)])
        posterior = position_posterior(MASK, counts, fit, points=11)
        rows.append((ty, tz, flux, fit, posterior))
    return rows


def test_positions_and_fluxes_have_no_bias_and_errors_that_mean_it(trials):
    offset = np.array([(f.sources[0].ty - ty, f.sources[0].tz - tz) for ty, tz, _, f, _ in trials])
    cov = np.array([f.sources[0].covariance for *_, f, _ in trials])
    pull = offset / np.sqrt(cov[:, [0, 1], [0, 1]])
    flux = np.array(
        [(f.sources[0].flux - t) / np.sqrt(f.sources[0].covariance[2, 2]) for _, _, t, f, _ in trials]
    )
    assert all(f.converged for *_, f, _ in trials)
    # 120 trials: the mean of a unit pull is known to 0.09, its width to 0.065
    assert np.abs(pull.mean(axis=0)).max() < 0.3
    assert pull.std() < 1.2
    assert abs(flux.mean()) < 0.35
    assert flux.std() == pytest.approx(1.0, abs=0.2)


def test_circles_hold_the_truth_as_often_as_they_say(trials):
    held = dict.fromkeys((0.5, 0.9), 0)
    for ty, tz, _, _, posterior in trials:
        apart = separation(tangent_vector(ty, tz), tangent_vector(*posterior.mean))
        for confidence in held:
            held[confidence] += bool(apart < posterior.radius(confidence))
    assert stats.binomtest(held[0.9], len(trials), 0.9).pvalue > 0.01
    assert stats.binomtest(held[0.5], len(trials), 0.5).pvalue > 0.01


def test_strong_sources_have_the_circle_of_their_covariance(trials):
    for *_, fit, posterior in trials[1:20:2]:
        assert posterior.radius() == pytest.approx(fit.sources[0].radius(), rel=0.25)


def test_two_sources_and_a_known_one_at_once():
    rng = np.random.default_rng(5)
    places = [(0.1, 0.05), (-0.2, 0.12), (0.4, -0.3)]
    fluxes = [flux_for(s, *p) for s, p in zip((40, 30, 30), places, strict=True)]
    counts = rng.poisson(BACKGROUND + sum(f * MASK.shadow(*p) for f, p in zip(fluxes, places, strict=True)))
    fit = localise(MASK, counts, [(0.105, 0.047), (-0.196, 0.123)], known=[places[2]])
    for source, place, flux in zip(fit.sources, places, fluxes, strict=True):
        assert abs(source.flux - flux) < 4 * np.sqrt(source.covariance[2, 2])
        assert np.hypot(source.ty - place[0], source.tz - place[1]) < 2e-3
    assert (fit.sources[2].covariance[:2] == 0).all()
    assert fit.deviance == pytest.approx(6400, abs=5 * np.sqrt(2 * 6400))
    assert fit.sources[0].significance > 30


def test_pixels_that_are_left_out_do_not_move_it():
    counts = np.random.default_rng(6).poisson(BACKGROUND + flux_for(60, 0.1, 0.1) * MASK.shadow(0.1, 0.1))
    counts = counts.astype(float)
    efficiency = np.ones((80, 80))
    efficiency[20:30, 40:60] = 0
    counts[efficiency == 0] = 1e5
    source = localise(MASK, counts, [(0.1, 0.1)], efficiency=efficiency).sources[0]
    assert (source.ty, source.tz) == pytest.approx((0.1, 0.1), abs=2e-3)


def test_small_angles_are_those_on_the_sky():
    for ty, tz in ((0.0, 0.0), (0.5, 0.0), (-0.3, 0.7)):
        scale = sky_scale(ty, tz)
        for step in ((1e-5, 0.0), (0.0, 1e-5), (7e-6, -5e-6)):
            apart = separation(tangent_vector(ty, tz), tangent_vector(ty + step[0], tz + step[1]))
            assert np.linalg.norm(scale @ step) == pytest.approx(apart, rel=1e-4)


def test_circle_of_an_ellipse_by_drawing():
    covariance = np.array([[4.0, 1.5], [1.5, 1.0]])
    drawn = np.random.default_rng(1).multivariate_normal([0, 0], covariance, 400_000)
    assert circle_radius(covariance, 0.9) == pytest.approx(np.quantile(np.hypot(*drawn.T), 0.9), rel=0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda: localise(MASK, np.ones((4, 4)), [(0, 0)]),
        lambda: circle_radius(np.eye(2), 1.0),
        lambda: circle_radius(np.zeros((2, 2))),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(BadArgumentError):
        make()
