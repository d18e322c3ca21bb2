import numpy as np
import pytest
from scipy import signal

from eicpy.errors import BadArgumentError
from eicpy.imaging import Mask, SkyDecoder, find_sources, quadratic_shapes, random_mask, upper_limit
from eicpy.instruments import load

G = load("eclairs").mask
PLANE = 80
THIN = G.model_copy(update={"thickness": 0.0})
SMALL = G.model_copy(update={"cells": 9, "side": 6.1, "plane_side": 4.5, "pixel_side": 0.4, "sky_pixels": 24})


@pytest.fixture(scope="module")
def mask() -> Mask:
    return random_mask(THIN, PLANE, 3)


@pytest.fixture(scope="module")
def decoder(mask: Mask) -> SkyDecoder:
    return SkyDecoder(mask)


def solved(mask, efficiency, counts, ty, tz):
    """Flux and variance by a plain weighted least-squares fit of one direction."""
    good = (efficiency > 0).ravel()
    e, n = efficiency.ravel()[good], counts.ravel()[good]
    shapes = quadratic_shapes(mask.pixels).reshape(6, -1)[:, good]
    design = np.vstack([shapes, mask.shadow(ty, tz).ravel()[good]])
    inverse = np.linalg.inv((design * e) @ design.T)
    c = np.linalg.solve((shapes * e) @ shapes.T, shapes @ n)
    return (inverse @ (design @ n))[-1], (inverse @ ((design * (e * (c @ shapes))) @ design.T) @ inverse)[
        -1, -1
    ]


@pytest.mark.parametrize("cell", [(100, 100), (60, 130), (40, 28), (175, 99)])
def test_flux_and_variance_are_those_of_a_fit_of_background_and_source(mask, cell):
    rng = np.random.default_rng(1)
    efficiency = rng.uniform(0.7, 1.1, (PLANE, PLANE)) * (rng.random((PLANE, PLANE)) > 0.1)
    efficiency[8:16, 4:8] = 0
    counts = rng.poisson(7 * efficiency).astype(float)
    counts[efficiency == 0] = 1e4  # a pixel that is left out may hold anything
    decoder = SkyDecoder(mask, efficiency)
    z, y = cell
    seen = decoder.decode(counts)
    flux, variance = solved(mask, efficiency, counts, decoder.tangent[y], decoder.tangent[z])
    assert seen.flux[z, y] == pytest.approx(flux, rel=2e-4, abs=2e-5)
    assert seen.variance[z, y] == pytest.approx(variance, rel=1e-3)
    assert decoder.flux_at(counts, decoder.tangent[y], decoder.tangent[z]) == pytest.approx(
        (flux, np.sqrt(variance)), rel=1e-6
    )


def test_a_finer_grid_agrees_where_it_meets_the_coarse_one_and_with_a_fit_between(mask, decoder):
    counts = np.random.default_rng(2).poisson(5.0, (PLANE, PLANE)).astype(float)
    fine = SkyDecoder(mask, oversampling=2)
    coarse, seen = decoder.decode(counts), fine.decode(counts)
    assert fine.tangent[::2] == pytest.approx(decoder.tangent)
    known = np.isfinite(coarse.flux)
    assert seen.flux[::2, ::2][known] == pytest.approx(coarse.flux[known], rel=1e-3, abs=1e-5)
    flux, variance = solved(mask, np.ones((PLANE, PLANE)), counts, fine.tangent[151], fine.tangent[203])
    assert (seen.flux[203, 151], seen.variance[203, 151]) == pytest.approx(
        (flux, variance), rel=1e-3, abs=1e-5
    )


def test_without_a_source_the_sky_has_unit_variance_and_no_mean(decoder):
    rng = np.random.default_rng(3)
    y, z = np.meshgrid(*2 * [np.linspace(-1, 1, PLANE)])
    background = 4.0 + 0.8 * y - 0.5 * z**2 + 0.3 * y * z
    seen = np.array([decoder.decode(rng.poisson(background)).significance for _ in range(60)])
    inner = seen[:, decoder.coded > 0.1]
    # Neighbours are correlated: about a thousand independent directions each.
    assert inner.std() == pytest.approx(1.0, abs=0.02)
    assert inner.mean() == pytest.approx(0.0, abs=0.02)
    assert seen[:, (decoder.coded > 0.02) & (decoder.coded < 0.1)].std() == pytest.approx(1.0, abs=0.04)
    assert np.isnan(seen[:, decoder.coded <= 0.02]).all()


def test_few_counts_do_not_make_the_error_small_where_they_are_few(decoder):
    rng = np.random.default_rng(4)
    seen = np.array([decoder.decode(rng.poisson(0.05, (PLANE, PLANE))).significance for _ in range(60)])
    assert seen[:, decoder.coded > 0.1].std() == pytest.approx(1.0, abs=0.03)


def test_the_image_is_the_correlation_of_a_peer_when_all_is_simple():
    """With whole pixels and a flat background it is scipy's correlation with a balanced mask."""
    mask = random_mask(SMALL.model_copy(update={"thickness": 0.0}), 10, 2)
    decoder = SkyDecoder(mask, shapes=np.ones((1, 10, 10)))
    counts = np.random.default_rng(5).poisson(20, (10, 10)).astype(float)
    pitch = SMALL.plane_side / 10
    place = (np.arange(10 + 23) + 0.5) * pitch - SMALL.plane_side / 2 + decoder.tangent[0] * SMALL.distance
    edges = np.linspace(-SMALL.side / 2, SMALL.side / 2, SMALL.cells + 1)
    low = np.maximum(place[:, None] - 0.2, edges[:-1])
    share = np.clip(np.minimum(place[:, None] + 0.2, edges[1:]) - low, 0, None) / 0.4
    seen = share @ mask.pattern @ share.T
    one = np.ones((10, 10))
    sums = [signal.correlate(a, b, mode="valid") for a, b in ((seen, counts), (seen, one), (seen**2, one))]
    got = decoder.decode(counts).flux
    with np.errstate(divide="ignore", invalid="ignore"):  # where the mask does not reach
        expected = (sums[0] - sums[1] * counts.mean()) / (sums[2] - sums[1] ** 2 / 100)
    known = np.isfinite(got)
    assert known.sum() > 200
    assert got[known] == pytest.approx(expected[known], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.31, -0.22), (-0.6, 0.45)])
def test_what_the_walls_of_the_cells_take_is_put_right(at):
    mask = random_mask(G, PLANE, 3)
    decoder = SkyDecoder(mask)
    y, z = (int(np.abs(decoder.tangent - t).argmin()) for t in at)
    counts = 2.0 + 5.0 * mask.shadow(decoder.tangent[y], decoder.tangent[z])
    assert decoder.decode(counts).flux[z, y] == pytest.approx(5.0, rel=0.015)
    assert decoder.flux_at(counts, decoder.tangent[y], decoder.tangent[z])[0] == pytest.approx(5.0, rel=1e-6)


def test_a_known_source_is_taken_out_with_its_noise():
    mask = random_mask(G, PLANE, 3)
    rng = np.random.default_rng(6)
    bright, faint = (0.05, -0.03), (-0.08, 0.02)
    shadow = mask.shadow(*bright)
    decoder = SkyDecoder(mask)
    first = 0
    seen = []
    for _ in range(12):
        background = 9.6 + 20_000 / shadow.sum() * shadow
        flux = 8 * np.sqrt(background.mean() / (mask.shadow(*faint) - 0.4).var() / PLANE**2)
        found = find_sources(decoder, rng.poisson(background + flux * mask.shadow(*faint)), threshold=40.0)
        assert len(found.peaks) == 1
        source = found.found.sources[0]
        assert np.hypot(source.ty - bright[0], source.tz - bright[1]) < 1e-3
        top = found.residual.peaks(4.0)[0]
        first += bool(np.hypot(top.ty - faint[0], top.tz - faint[1]) < 0.02)
        seen.append(found.residual.significance[decoder.coded > 0.3])
    assert first >= 11
    assert np.std(seen) == pytest.approx(1.02, abs=0.03)  # the faint one is in it


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda m: SkyDecoder(m, np.zeros((PLANE, PLANE))), "0 pixels are left for 6 shapes"),
        (lambda m: SkyDecoder(m, np.full((PLANE, PLANE), np.nan)), "finite and not negative"),
        (lambda m: SkyDecoder(m, np.ones((4, 4))), r"expected \(80, 80\)"),
        (lambda m: SkyDecoder(m, shapes=np.ones((2, PLANE, PLANE))), "cannot be told apart"),
        (lambda m: SkyDecoder(m, shapes=np.ones((PLANE, PLANE))), "shapes of shape"),
        (lambda m: SkyDecoder(m).decode(np.ones((3, 3))), "got an image of shape"),
        (lambda m: SkyDecoder(m).decode(np.full((PLANE, PLANE), np.inf)), "finite counts"),
        (lambda _: upper_limit(1.0, 0.0), "above zero"),
        (lambda _: upper_limit(1.0, 1.0, 1.0), "between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(mask, make, words):
    with pytest.raises(BadArgumentError, match=words):
        make(mask)


def test_limits_hold_as_often_as_they_say():
    rng = np.random.default_rng(7)
    truth = rng.uniform(0, 9, 60_000)  # as the limit takes it to be: equal chances above zero
    flux = truth + rng.normal(size=len(truth))
    limit = np.array([upper_limit(f, 1.0, 0.9) for f in flux])
    for low, high in ((-9.0, 0.0), (0.0, 2.0), (2.0, 4.0)):
        seen = (flux >= low) & (flux < high)
        assert (truth[seen] < limit[seen]).mean() == pytest.approx(0.9, abs=0.015)
