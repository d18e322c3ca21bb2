import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.trigger import search_all_windows, two_sided_background

STEP = 0.32  # s
BINS = 3750
TIME = (np.arange(BINS) + 0.5) * STEP
ORBIT = 1500 * (1 + 0.3 * np.sin(2 * np.pi * TIME / 5800 + 1)) * STEP
OPTIONS = {"reach": 400, "gap": 40, "bins": 3}


def pulse(t90, fluence):
    """A fast rise and an exponential fall (Norris et al. 2005)."""
    x = np.maximum(TIME - 600, 1e-9)
    shape = np.where(TIME > 600, np.exp(-(t90 * 0.08) / x - x / (t90 / 2.3)), 0.0)
    return fluence * shape / shape.sum()


def test_it_follows_the_orbit_and_knows_its_error():
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(40):
        found = two_sided_background(rng.poisson(ORBIT), **OPTIONS)
        pulls.append(((found.expected - ORBIT) / found.error)[800:3000:275])
    pulls = np.array(pulls)
    assert pulls.std() == pytest.approx(1.0, abs=0.15)
    assert abs(pulls.mean()) < 0.3


def test_a_long_burst_does_not_eat_its_own_background():
    counts = ORBIT + pulse(50, 30_000)
    found = two_sided_background(counts, **OPTIONS)
    peak = slice(int(605 / STEP), int(630 / STEP))
    assert found.expected[peak].sum() == pytest.approx(ORBIT[peak].sum(), rel=0.02)


def test_most_of_the_long_bursts_that_a_known_background_finds_are_found():
    rng = np.random.default_rng(3)
    longest = int(20.48 / STEP)

    def best(counts, expected, background=None):
        found = search_all_windows(counts, expected, longest=longest, threshold=3.0)
        value = found.significance
        if background is not None:
            value = background.diluted(value, found.start, found.stop)
        near = (found.stop * STEP > 590) & (found.start * STEP < 720)
        return value[near].max(initial=0.0)

    known = ours = 0
    for t90 in 10 ** rng.uniform(1, np.log10(60), 60):
        counts = rng.poisson(ORBIT + pulse(t90, 2200))
        background = two_sided_background(counts, **OPTIONS)
        known += best(counts, ORBIT) > 6.5
        ours += best(counts, background.expected, background) > 6.5
    assert known >= 45
    assert ours >= 0.85 * known


def test_a_gap_in_the_data_and_the_ends():
    rng = np.random.default_rng(4)
    counts = rng.poisson(ORBIT)
    dark = (TIME > 500) & (TIME < 700)
    counts[dark] = 0
    found = two_sided_background(counts, left_out=dark, **OPTIONS)
    assert np.isfinite(found.expected).all()
    for part in (TIME < 20, TIME > 1180, (TIME > 480) & (TIME < 500)):
        assert found.expected[part].mean() == pytest.approx(ORBIT[part].mean(), rel=0.05)
    assert np.isnan(two_sided_background(np.zeros(BINS), **OPTIONS).expected).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(BadArgumentError, match="give a reach beyond the gap"):
        two_sided_background(np.ones(10), reach=5, gap=4)
