import numpy as np
import pytest

from eicpy.errors import BadArgumentError
from eicpy.trigger import FalseAlarms, search_series, two_sided_background

STEP = 0.05
BINS = 24_000
TIME = (np.arange(BINS) + 0.5) * STEP
ORBIT = 400 * (1 + 0.3 * np.sin(2 * np.pi * TIME / 5800 + 1)) * STEP
BOTH = np.array([[1, 0], [0, 1], [1, 1]], np.bool_)


def draw(seed):
    return np.random.default_rng(seed).poisson(ORBIT, (2, BINS))


def test_a_burst_is_found_at_its_time_in_the_sum_of_the_atoms():
    counts = draw(1)
    inside = (TIME > 600) & (TIME < 604)
    counts[:, inside] += np.random.default_rng(2).poisson(6.0, (2, inside.sum()))
    found = search_series(counts, STEP, series=BOTH, names=("a", "b", "both"), start=1000.0)
    (best,) = found.candidates
    assert best.series == "both"
    assert best.start == pytest.approx(1600, abs=0.3)
    assert best.stop == pytest.approx(1604, abs=0.3)
    assert best.background == pytest.approx(2 * ORBIT[inside].sum(), rel=0.15)
    assert best.counts > best.background + 600
    assert "both" in found._repr_html_()


def test_its_background_is_that_of_one_series_alone():
    counts = draw(3)
    counts[:, 10_000:10_100] += 8
    found = search_series(counts, STEP, threshold=6.0)
    alone = two_sided_background(counts[0], reach=400, gap=40, bins=20)
    best = next(c for c in found.candidates if c.start == pytest.approx(500, abs=1))
    first, last = (round(t / STEP) for t in (best.start, best.stop))
    assert best.background == pytest.approx(alone.expected[first:last].sum(), rel=0.02)


def test_no_window_crosses_lost_data_and_edges_raise_no_alarm():
    counts = draw(4)
    live = (TIME < 500) | (TIME > 700)
    counts[:, ~live] = 0
    assert search_series(counts, STEP, live=live, threshold=5.5).candidates == ()
    counts[:, (TIME > 495) & (TIME < 500)] += 20
    counts[:, (TIME > 700) & (TIME < 705)] += 20
    found = search_series(counts, STEP, live=live, threshold=5.5)
    assert len(found.candidates) == 2
    assert found.candidates[0].stop <= 500.01
    assert found.candidates[1].start >= 699.99


@pytest.mark.parametrize("null", ["slid", "drawn"])
def test_false_alarms_come_as_often_in_null_data_as_in_new_data(null):
    options = {"series": BOTH, "threshold": 4.0}
    new = [len(search_series(draw(10 + k), STEP, **options).candidates) for k in range(4)]
    measured = search_series(draw(5), STEP, **options).false_alarms(
        np.random.default_rng(6), trials=4, null=null
    )
    assert measured.days == pytest.approx(4 * 1200 / 86400)
    assert sum(new) > 20
    assert len(measured.significance) == pytest.approx(sum(new), abs=4 * np.sqrt(2 * sum(new)))


def test_a_burst_is_not_its_own_false_alarm():
    counts = draw(7)
    counts[:, 10_000:10_040] += 15
    found = search_series(counts, STEP, series=BOTH)
    measured = found.false_alarms(np.random.default_rng(8), trials=3)
    (best,) = found.with_false_alarms(measured).candidates
    assert best.false_alarms == best.false_alarms_low == 0
    assert best.false_alarms_high == pytest.approx(3.0 / measured.days, rel=0.01)


def test_rates_have_the_interval_of_garwood_and_nothing_below_the_threshold():
    measured = FalseAlarms(np.array([5.6, 5.7, 6.5]), 2.0, 5.5)
    assert measured.per_day(5.5) == pytest.approx((1.5, 0.409, 3.877), abs=0.001)
    assert np.isnan(measured.per_day(5.4)).all()
    assert np.isnan(measured.per_day(np.nan)).all()


def test_too_few_data_give_no_candidate():
    assert search_series(np.zeros((2, 0), np.int64), STEP).candidates == ()
    dark = search_series(draw(9), STEP, live=np.zeros(BINS, np.bool_))
    assert dark.candidates == ()
    assert dark.false_alarms(np.random.default_rng(1)).days == 0


@pytest.mark.parametrize(
    ("atoms", "options", "words"),
    [
        (np.ones(5), {}, "expected \\(atoms, bins\\)"),
        (np.full((1, 5), np.nan), {}, "whole numbers"),
        (-np.ones((1, 5)), {}, "none below zero"),
        (np.ones((1, 5)), {"series": np.zeros((1, 1))}, "none empty"),
        (np.ones((1, 5)), {"live": np.ones(4)}, "live of shape"),
        (np.ones((1, 5)), {"names": ("a", "b")}, "one for each"),
        (np.ones((1, 5)), {"gap": 500.0}, "0 < gap < reach"),
        (np.ones((1, 5)), {"threshold": np.nan}, "threshold above 0"),
    ],
)
def test_what_cannot_be_is_refused(atoms, options, words):
    with pytest.raises(BadArgumentError, match=words):
        search_series(atoms, STEP, **options)
