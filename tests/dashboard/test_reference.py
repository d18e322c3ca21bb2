"""A run beside another: differences that are there are found, differences by chance are called chance."""

import numpy as np
import pytest

from eicpy.dashboard.live import PhotonSelection, PhotonView
from eicpy.dashboard.reference import BANDS, Reference, chance, compare, significance
from eicpy.events import Coverage, EventList
from eicpy.instruments import load
from eicpy.runs import RunArchive

CAMERA = load("eclairs")
EVERYTHING = PhotonSelection(window=1000.0, low=4.0, high=150.0)


def _photons(rate, seconds, seed, *, line=0.0):
    """A flat spectrum over the pixels; `line` of the photons lie in a line at 30 keV."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate * seconds)
    channel = rng.integers(20, 1000, count)
    in_line = rng.random(count) < line
    channel[in_line] = int((30.0 - CAMERA.energy.offset) / CAMERA.energy.gain)
    return EventList(
        3e8 + np.sort(rng.uniform(0, seconds, count)),
        rng.integers(0, CAMERA.pixels.count, count).astype(np.int16),
        channel.astype(np.int16),
    )


def _view(photons, chosen=EVERYTHING):
    view = PhotonView(CAMERA, chosen)
    view.add(photons)
    return view


@pytest.fixture
def reference(tmp_path):
    """A reference that saw given photons, without the packets in between."""
    run = RunArchive(tmp_path / "runs", "eclairs").create(source="test").close()

    def make(photons):
        made = Reference(run, CAMERA)
        made.add(photons)
        made.finish()
        return made

    return make


def test_significance_is_that_of_a_normal_deviate_where_nothing_differs():
    rng = np.random.default_rng(7)
    sigma = significance(rng.poisson(300, 20_000), rng.poisson(1000, 20_000), 0.3)
    assert abs(sigma.mean()) < 0.03  # 20 000 values: 4 standard errors
    assert sigma.std() == pytest.approx(1.0, abs=0.02)


def test_significance_has_the_sign_of_the_difference_and_equals_the_published_formula():
    """Li & Ma (1983), eq. 17, written out."""
    on, off, alpha = 130.0, 900.0, 0.1
    expected = np.sqrt(
        2 * (
            on * np.log((1 + alpha) / alpha * on / (on + off))
            + off * np.log((1 + alpha) * off / (on + off))
        )
    )  # fmt: skip
    assert significance(on, off, alpha) == pytest.approx(expected)
    assert significance(50, off, alpha) < -4
    assert significance(0, 0, alpha) == 0.0
    assert significance(20, 0, alpha) > 0


def test_the_chance_of_the_largest_of_many_bands():
    rng = np.random.default_rng(3)
    largest = np.abs(rng.normal(size=(4000, BANDS))).max(axis=1)
    for sigma in (2.0, 3.0):
        assert chance(sigma, BANDS) == pytest.approx((largest >= sigma).mean(), abs=0.03)
    assert chance(0.0, BANDS) == 1.0


def test_an_equal_run_is_as_the_reference_whatever_its_length(reference):
    compared = compare(_view(_photons(900.0, 100.0, 1)), reference(_photons(900.0, 400.0, 2)))
    assert compared.ratio == pytest.approx(0.25, rel=1e-2)
    assert compared.rate == pytest.approx(1.0, abs=4 * compared.rate_error)
    assert abs(compared.rate_sigma) < 4
    assert compared.by_chance > 1e-4
    assert compared.mean == pytest.approx(900.0, rel=0.02)
    assert np.nanstd(compared.image_sigma) == pytest.approx(1.0, abs=0.1)


def test_a_line_is_found_in_its_band_and_a_rate_in_its_size(reference):
    brighter = _photons(1100.0, 100.0, 1, line=0.05)
    compared = compare(_view(brighter), reference(_photons(1000.0, 200.0, 2)))
    low, high = compared.edges[compared.worst : compared.worst + 2]
    assert low <= 30.0 <= high
    assert compared.sigma[compared.worst] > 10
    assert compared.by_chance < 1e-10
    assert compared.rate == pytest.approx(1.1, abs=4 * compared.rate_error)


def test_a_gap_is_no_exposure(reference):
    steady = _photons(1000.0, 100.0, 2)
    gap = (steady.time > 3e8 + 30) & (steady.time < 3e8 + 80)
    broken = EventList(*(column[~gap] for column in (steady.time, steady.detnum, steady.channel)))
    view = _view(broken)
    assert view.exposure == pytest.approx(50.0, abs=0.5)
    assert compare(view, reference(steady)).rate == pytest.approx(1.0, abs=0.03)


def test_without_exposure_there_is_no_comparison(reference):
    assert compare(PhotonView(CAMERA, EVERYTHING), reference(_photons(10.0, 10.0, 1))) is None


def test_chosen_times_count_alone(reference):
    photons = _photons(1000.0, 100.0, 5)
    span = (3e8 + 20.0, 3e8 + 30.0)
    inside = (photons.time >= span[0]) & (photons.time <= span[1])
    view = _view(photons, PhotonSelection(window=1000.0, low=4.0, high=150.0, span=span))
    assert view.spectrum.sum() == inside.sum()
    assert view.exposure == pytest.approx(10.0, abs=0.01)
    later = EventList(photons.time + 100.0, photons.detnum, photons.channel)
    view.add(later)
    assert view.spectrum.sum() == inside.sum(), "what comes later lies outside"
    view.select(EVERYTHING)
    assert view.spectrum.sum() == 2 * len(photons.time)


def test_photons_that_the_ring_forgets_leave_the_chosen_times_too():
    photons = _photons(1000.0, 10.0, 5)
    chosen = PhotonSelection(window=1000.0, low=4.0, high=150.0, span=(3e8, 3e8 + 1000.0))
    view = PhotonView(CAMERA, chosen, capacity=3000)
    for first in range(0, len(photons.time), 700):
        view.add(
            EventList(*(c[first : first + 700] for c in (photons.time, photons.detnum, photons.channel)))
        )
    assert view.spectrum.sum() == 3000


def test_exposure_does_not_take_scatter_for_a_gap():
    rng = np.random.default_rng(1)
    slow = Coverage()
    slow.add(np.sort(rng.uniform(0, 1000.0, 500)))  # 0.5 count/s: pauses of seconds are usual
    assert slow.gti.exposure == pytest.approx(1000.0, rel=0.02)
