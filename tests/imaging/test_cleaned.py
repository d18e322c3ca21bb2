"""What is taken out of counts on the way, against a decoder that was prepared for it."""

import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.imaging import (
    CleanedDecoder,
    DiffuseSky,
    SkyDecoder,
    SmoothVariance,
    quadratic_shapes,
    random_mask,
)
from eicpy.instruments import load

CAMERA = load("eclairs")
LIMB = float(np.radians(65.7))


@pytest.fixture(scope="module")
def base():
    return SkyDecoder(random_mask(CAMERA.mask, 80, 1))


@pytest.fixture(scope="module")
def smooth(base):
    return SmoothVariance(base)


@pytest.fixture(scope="module")
def earth():
    """The Earth up to ten degrees from the axis."""
    angle = LIMB + np.radians(10)
    sky = DiffuseSky(CAMERA.mask, 80)
    return sky, sky.split(np.array([np.cos(angle), np.sin(angle), 0.0]), LIMB)[1]


def expectation(base, earth, source=(0.2, -0.1)):
    sky, hidden = earth
    return 9.0 * (sky.full - 0.6 * hidden) / sky.full.mean() + 4.0 * base.mask.shadow(*source)


def test_the_etendue_of_the_plane_is_that_of_its_geometry():
    sky = DiffuseSky(CAMERA.mask, 80)
    fine = DiffuseSky(CAMERA.mask, 80, 180)
    assert sky.full.sum() == pytest.approx(354.5, rel=1e-3)  # cm² sr, of the public off-axis map
    assert sky.full.sum() == pytest.approx(fine.full.sum(), rel=1e-3)


def test_flux_and_variance_are_those_of_a_decoder_that_was_prepared(base, smooth, earth):
    source = (0.2, -0.1)
    extra = np.stack([base.mask.shadow(*source), earth[1] / earth[0].full.mean()])
    cleaned = CleanedDecoder(base, smooth, extra, np.array([source]))
    prepared = base.with_shapes(np.concatenate([quadratic_shapes(80), extra]))
    counts = np.random.default_rng(5).poisson(expectation(base, earth)).astype(float)
    quick, exact = cleaned.image(counts), prepared.image(counts)
    there = np.isfinite(quick.flux) & (base.coded > 0.05)
    assert there.sum() > 0.7 * np.isfinite(exact.flux).sum()
    error = np.sqrt(exact.variance[there])
    # Beside a source twice as bright as the Crab.
    assert np.std((quick.flux - exact.flux)[there] / error) < 0.02
    ratio = quick.variance[there] / exact.variance[there]
    assert np.median(ratio) == pytest.approx(1, abs=0.01)
    assert np.percentile(np.abs(ratio - 1), 95) < 0.05


def test_nothing_is_left_where_there_is_nothing_else(base, smooth, earth):
    source = (0.2, -0.1)
    extra = np.stack([base.mask.shadow(*source), earth[1], earth[0].full])
    mean = expectation(base, earth)
    taken = CleanedDecoder(base, smooth, extra, np.array([source])).take(mean)
    assert np.abs(taken.rest).max() < 1e-6
    assert np.allclose(taken.background, mean)
    # The bowl of the cosmic background is no exact quadratic: without it a per cent is left in the corners.
    bowl = CleanedDecoder(base, smooth, extra[:2], np.array([source])).take(mean)
    assert 0.01 < np.abs(bowl.rest).max() / mean.mean() < 0.02


def test_null_images_have_unit_scatter_with_the_earth_and_a_source_in_the_field(base, smooth, earth):
    source = (0.2, -0.1)
    extra = np.stack([base.mask.shadow(*source), earth[1]])
    cleaned = CleanedDecoder(base, smooth, extra, np.array([source]))
    mean, rng = expectation(base, earth), np.random.default_rng(6)
    values = [
        s[np.isfinite(s) & (base.coded > 0.05)]
        for s in (cleaned.image(rng.poisson(mean).astype(float)).significance for _ in range(40))
    ]
    assert np.std(np.concatenate(values)) == pytest.approx(1, abs=0.02)
    without = CleanedDecoder(base, smooth, np.empty((0, 80, 80)), np.empty((0, 2)))
    s = without.image(rng.poisson(mean).astype(float)).significance
    assert np.std(s[np.isfinite(s) & (base.coded > 0.05)]) > 1.2  # neither taken out


def test_shapes_that_others_hold_are_passed_over(base, smooth, earth):
    twice = np.stack([earth[1], 2 * earth[1], np.ones((80, 80))])
    once = CleanedDecoder(base, smooth, earth[1][None], np.empty((0, 2)))
    again = CleanedDecoder(base, smooth, twice, np.empty((0, 2)))
    counts = np.random.default_rng(7).poisson(expectation(base, earth)).astype(float)
    assert np.allclose(once.take(counts).rest, again.take(counts).rest, atol=1e-6)


def test_shapes_of_another_plane_are_refused(base, smooth):
    with pytest.raises(BadArgumentError, match=r"expected \(any, 80, 80\)"):
        CleanedDecoder(base, smooth, np.ones((1, 79, 80)), np.empty((0, 2)))
