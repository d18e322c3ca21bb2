import numpy as np
import pytest
from scipy import optimize

from eicpy.errors import BadArgumentError, MissingDataError
from eicpy.imaging import SkyDecoder, random_mask
from eicpy.instruments import load
from eicpy.trigger import SeededSearch, band_spectrum, folded_spectra

RATES = np.array([900.0, 900.0, 700.0, 500.0])
AT = 0.2, -0.1


@pytest.fixture(scope="module")
def decoder():
    return SkyDecoder(random_mask(load("eclairs").mask, 80, 1))


@pytest.fixture(scope="module")
def shares():
    return folded_spectra([5, 8, 20, 50, 120], [4, 10, 120], [0.04, 0.15, 0.15])[0]


def photons(decoder, share, flux, seconds, seed=1, half=60.0):
    """Background, and a source from 0 s on for some seconds."""
    rng = np.random.default_rng(seed)
    n, source = rng.poisson(RATES * 2 * half), decoder.mask.shadow(*AT).ravel()
    more = rng.poisson(flux * seconds * source.sum())
    time = np.concatenate([rng.uniform(-half, half, n.sum()), rng.uniform(0, seconds, more)])
    segment = np.concatenate([np.repeat(np.arange(4), n), rng.choice(4, more, p=share)])
    pixel = np.concatenate([
        rng.integers(0, 6400, n.sum()), rng.choice(6400, more, p=source / source.sum())
    ])  # fmt: skip
    order = np.argsort(time)
    return time[order], segment[order], pixel[order]


def search(decoder, shares, flux, seconds, **options):
    data = photons(decoder, shares[1], flux, seconds)
    return SeededSearch(decoder, *data, shares, 0.0, options.pop("live", (-60.0, 60.0)), **options)


def test_a_burst_is_found_with_its_window_spectrum_and_flux_at_its_position(decoder, shares):
    best = search(decoder, shares, 0.2, 2.0).at(*AT)
    assert best.start == pytest.approx(0.0, abs=0.5)
    assert best.stop - best.start == pytest.approx(2.0, rel=0.5)
    assert best.spectrum == 1
    assert best.flux == pytest.approx(0.2, rel=0.25)
    assert best.statistic > 81


def test_its_position_is_found_in_the_whole_field(decoder, shares):
    best = search(decoder, shares, 0.3, 2.0, reach=2.0).sky(kept=4)
    assert (best.ty, best.tz) == pytest.approx(AT, abs=0.006)
    assert best.spectrum == 1


def test_the_statistic_is_the_likelihood_of_all_pixels(decoder, shares):
    found = search(decoder, shares, 0.2, 2.0)
    best = found.at(*AT)
    inside = (found.time >= best.start) & (found.time < best.stop)
    n = np.zeros((4, 6400))
    np.add.at(n, (found.segment[inside], found.pixel[inside]), 1)
    length = best.stop - best.start
    source = shares[best.spectrum][:, None] * decoder.mask.shadow(*AT).ravel()

    def minus(flux):
        mean = length * (found._rate + flux * source)
        return -2 * (n * np.log(mean) - mean).sum()

    fit = optimize.minimize_scalar(minus, bounds=(0, 5), method="bounded", options={"xatol": 1e-9})
    assert best.flux == pytest.approx(fit.x, rel=1e-4)
    assert best.statistic == pytest.approx(minus(0) - fit.fun, rel=1e-5)


def test_the_linear_score_is_normal_where_nothing_is(decoder, shares):
    found = search(decoder, shares, 0.0, 1.0)
    z = np.concatenate([found.map(t, t + 2.0, 1)[::9, ::9].ravel() for t in np.arange(-20, 18, 2.0)])
    assert np.nanstd(z) == pytest.approx(1.0, abs=0.12)


def test_an_upper_limit_covers_the_flux_as_often_as_it_says(decoder, shares):
    above = []
    for seed in range(60):
        data = photons(decoder, shares[1], 0.05, 1.0, seed)
        found = SeededSearch(decoder, *data, shares, 0.0, (-60.0, 60.0))
        above.append(found.upper_limit(0.0, 1.0, *AT, 1) > 0.05)
    assert sum(above) >= 47  # 54 ± 2.3 are expected of 90 %
    assert found.upper_limit(0, 1, *AT, 1, 0.99) > found.upper_limit(0, 1, *AT, 1, 0.9) > 0


def test_a_band_function_has_its_slopes_and_peak():
    e = np.geomspace(1, 1e4, 4000)
    assert e[np.argmax(e**2 * band_spectrum(e, -1, -2.3, 230))] == pytest.approx(230, rel=0.01)
    high = band_spectrum([2000, 4000], -1, -2.3, 230)
    assert high[1] / high[0] == pytest.approx(2**-2.3)


def test_what_is_missing_is_named(decoder, shares):
    with pytest.raises(MissingDataError, match="0 s before and 0 s after"):
        search(decoder, shares, 0.0, 1.0, live=(-10.0, 10.0))
    found = search(decoder, shares, 0.0, 1.0)
    with pytest.raises(BadArgumentError, match="outside the field"):
        found.at(3.0, 0.0)
    with pytest.raises(BadArgumentError, match="outside the field"):
        found.at(np.nan, 0.0)
    with pytest.raises(MissingDataError, match="beyond the data"):
        found.upper_limit(59.0, 61.0, *AT, 1)
    with pytest.raises(BadArgumentError, match="a length"):
        found.upper_limit(1.0, 1.0, *AT, 1)
    with pytest.raises(BadArgumentError, match="not finite"):
        SeededSearch(decoder, [np.nan], [0], [0], shares, 0.0, (-60, 60))
    with pytest.raises(BadArgumentError, match="segments or"):
        SeededSearch(decoder, [0.0], [9], [0], shares, 0.0, (-60, 60))
