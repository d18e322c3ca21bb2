import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.trigger import Excesses, search_all_windows, significance


def every_window(counts, expected, longest, threshold):
    """For each end the best of all windows, every one looked at."""
    n, b = (np.concatenate([[0], np.cumsum(series)]) for series in (counts, expected))
    stop = np.arange(1, len(n))
    length = np.arange(1, min(longest, len(counts)) + 1)
    start = stop[:, None] - length
    inside = start >= 0
    start = np.maximum(start, 0)
    more, base = n[stop, None] - n[start], b[stop, None] - b[start]
    value = np.where(inside, significance(more, np.where(inside, base, 1.0)), -np.inf).max(axis=1)
    return [(int(t), v) for t, v in zip(stop, value, strict=True) if v >= threshold]


def drawn(rng):
    bins, longest = rng.integers(1, 160), rng.integers(1, 45)
    mean = 10 ** rng.uniform(-1.5, 1.5)
    expected = mean * np.exp(rng.normal(0, 0.3, bins))
    counts = rng.poisson(expected)
    if rng.random() < 0.5:
        at = rng.integers(0, bins)
        counts[at : at + rng.integers(1, 30)] += rng.poisson(rng.exponential(2) * np.sqrt(mean) + 0.1)
    return counts, expected, int(longest), float(rng.uniform(0.5, 4))


def test_it_is_exactly_the_search_of_every_window():
    """Ten thousand random series: few and many counts, bursts and longest windows of all lengths."""
    rng = np.random.default_rng(2)
    windows = 0
    for _ in range(10_000):
        counts, expected, longest, threshold = drawn(rng)
        found = search_all_windows(counts, expected, longest=longest, threshold=threshold)
        truth = every_window(counts, expected, longest, threshold)
        assert found.stop.tolist() == [stop for stop, _ in truth]
        assert np.allclose(found.significance, [value for _, value in truth], rtol=1e-9)
        windows += len(truth)
        n, b = np.concatenate([[0], np.cumsum(counts)]), np.concatenate([[0.0], np.cumsum(expected)])
        own = significance(n[found.stop] - n[found.start], b[found.stop] - b[found.start])
        assert np.allclose(own, found.significance, rtol=1e-9)
        assert (found.stop - found.start <= longest).all()
    assert windows > 100_000


@settings(max_examples=200)
@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=60),
    mean=st.floats(0.01, 20),
    longest=st.integers(1, 70),
)
def test_any_series_of_counts(counts, mean, longest):
    expected = np.full(len(counts), mean)
    found = search_all_windows(counts, expected, longest=longest, threshold=1.0)
    truth = every_window(counts, expected, longest, 1.0)
    assert found.stop.tolist() == [stop for stop, _ in truth]


def test_one_excess_for_each_group():
    found = Excesses(
        np.array([10, 11, 40, 41, 200]), np.array([15, 16, 45, 60, 210]), np.array([5.0, 7.0, 6.0, 5.5, 9.0])
    )
    best = found.apart(10)
    assert list(zip(best.start, best.stop, best.significance, strict=True)) == [
        (11, 16, 7.0),
        (40, 45, 6.0),
        (200, 210, 9.0),
    ]
    assert len(found.apart(1000)) == 1
    assert len(search_all_windows([], [], longest=3, threshold=5).apart(3)) == 0


def test_at_few_counts_the_significance_is_that_of_the_poisson_chance():
    """The textbook (n − b)/√b makes 1e-3 of what has a chance of 1e-9."""
    from scipy import stats

    for counts, expected in ((6, 0.8), (12, 2.0), (60, 25.0)):
        half = (stats.poisson.sf(counts - 1, expected) + stats.poisson.sf(counts, expected)) / 2
        assert float(significance(counts, expected)) == pytest.approx(stats.norm.isf(half), abs=0.2)
        textbook = (counts - expected) / np.sqrt(expected)
        assert stats.norm.sf(textbook) < 0.01 * half
    assert significance(0, 2.0) == -2.0
    assert significance([3.0], [3.0]) == [0.0]


@pytest.mark.parametrize(
    ("counts", "expected", "options", "words"),
    [
        ([1, 2], [1.0], {}, "expected one series"),
        ([1, 2], [1.0, 0.0], {}, "reach down to 0.0"),
        ([1, 2], [1.0, np.nan], {}, "finite ones above zero"),
        ([1], [1.0], {"longest": 0}, "longest=0"),
        ([1], [1.0], {"threshold": 0.0}, "threshold=0.0"),
    ],
)
def test_what_cannot_be_is_refused(counts, expected, options, words):
    with pytest.raises(BadArgumentError, match=words):
        search_all_windows(counts, expected, **({"longest": 2, "threshold": 1.0} | options))
