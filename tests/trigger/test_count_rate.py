import itertools

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy import stats

from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, GoodTimeIntervals
from eicpy.instruments import load
from eicpy.trigger import (
    Binned,
    CountRateSettings,
    CountRateTrigger,
    TriggerConfiguration,
    Zone,
    plane_atoms,
)
from eicpy.trigger.on_board.count_rate import CURVATURE, CURVATURE_AFTER_GAP, LONG_GAP, SETTLING

ECLAIRS = load("eclairs")
START = 3.0e8
BIN = 0.005
SMALL = TriggerConfiguration(
    bands=((5, 20), (8, 50)),
    count_rate=CountRateSettings(
        zones=(Zone(name="full"), Zone(name="left", y=(0, 40))), background_reach=60.0, threshold=4.0
    ),
)


def made(counts, start=START):
    return Binned(start, np.ascontiguousarray(counts, np.int32), [])


def poisson(rng, seconds, rate=300.0, configuration=SMALL, shape=None):
    """Counts of fine bins, atoms and segments at a rate of the whole plane in s⁻¹, perhaps changing."""
    bins = round(seconds / BIN)
    atoms = plane_atoms(configuration.count_rate.zones, 80, 80)[1].shape[1]
    segments = EnergyBands(configuration.bands).segments
    mean = np.broadcast_to(rate * BIN / atoms / segments, (bins,)).copy()
    if shape is not None:
        mean *= shape((np.arange(bins) + 0.5) * BIN)
    return rng.poisson(mean[:, None, None], (bins, atoms, segments)).astype(np.int32)


def cells_of(counts, configuration):
    _, belongs = plane_atoms(configuration.count_rate.zones, 80, 80)
    banded = EnergyBands(configuration.bands).combine(counts)
    return np.einsum("za,tab->tbz", belongs.astype(int), banded).reshape(len(counts), -1)


def plain_fit(totals, live, step, gap, reach, since):
    """Rate per step as a parabola with a prior on its curvature, of each cell; None without enough past."""
    k = np.arange(max(step - reach, 0), max(step - gap, 0))
    k = k[live[k] > 0]
    if live[k].sum() < 8 or len(k) < 4:
        return None
    t = k + 0.5 - step
    u = np.array([np.ones(len(t)), t, t**2 / 2])
    gram = (live[k] * u) @ u.T
    kappa = (CURVATURE + CURVATURE_AFTER_GAP * np.exp(-since * 2.56 / SETTLING)) * 2.56**2
    fits = []
    for n in totals[k].T:
        rate = (n.sum() + 0.5) / live[k].sum()
        inverse = np.linalg.inv(gram + np.diag([0, 0, 1 / (rate * kappa**2)]))
        theta = inverse @ (u @ n)
        free = max(len(k) - 2.0, 1.0)
        scatter = ((n**2 / live[k]).sum() - theta @ (u @ n)) / rate / free
        wide = scatter if scatter > 1 + 4 * np.sqrt(2 / free) else 1.0
        fits.append((theta, wide * rate * inverse, 0.2 * rate))
    return fits


def plain(counts, dark, configuration):
    """Every window looked at one by one: (step, scale, first bin, cell) → (counts, background, S)."""
    cells = cells_of(np.where(dark[:, None, None], 0, counts), configuration)
    steps = len(cells) // 512
    totals = cells[: steps * 512].reshape(steps, 512, -1).sum(axis=1)
    live = 1 - dark[: steps * 512].reshape(steps, 512).mean(axis=1)
    reach = int(configuration.count_rate.background_reach / 2.56)
    sums = np.concatenate([np.zeros((1, cells.shape[1]), int), np.cumsum(cells, axis=0)])
    dark_sums = np.concatenate([[0], np.cumsum(dark)])
    fits, in_the_dark, since = [], 0, 0
    for step in range(steps):
        fits.append(plain_fit(totals, live, step, 8, reach, since))
        in_the_dark = 0 if live[step] > 0 else in_the_dark + 1
        if in_the_dark == round(LONG_GAP / 2.56):
            live[: step + 1] = 0
        since = 0 if in_the_dark >= round(LONG_GAP / 2.56) else since + 1
    looked = {}
    for scale in configuration.count_rate.scales:
        for first in range(0, steps * 512 - 2 * 2**scale + 1, 2**scale):
            stop = first + 2 * 2**scale
            fit = fits[first // 512]
            if fit is None or dark_sums[stop] > dark_sums[first]:
                continue
            begin, width = first / 512 - first // 512, (stop - first) / 512
            middle = begin + width / 2
            u = np.array([1, middle, (middle**2 + width**2 / 12) / 2])
            for cell, (theta, covariance, least) in enumerate(fit):
                n = sums[stop, cell] - sums[first, cell]
                b = width * max(u @ theta, least)
                more = n * np.log(n / b) - (n - b) if n > 0 else b
                value = np.sign(n - b) * np.sqrt(2 * more / (1 + width**2 * (u @ covariance @ u) / b))
                looked[(stop - 1) // 512, scale, first, cell] = n, b, float(value)
    return looked


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 20_000), max_size=8))
def test_it_is_the_search_of_every_window_one_by_one_in_pieces_of_any_size(seed, cuts):
    rng = np.random.default_rng(seed)
    counts = poisson(rng, 100.0, rate=10 ** rng.uniform(1.5, 3.0))
    at = rng.integers(10_000, 19_000)
    counts[at : at + rng.integers(2, 2000)] += rng.poisson(rng.exponential(0.3), counts.shape[1:])
    dark = np.zeros(len(counts), bool)
    first = rng.integers(0, 18_000)
    dark[first : first + rng.integers(1, 9000)] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~dark, [False]]).astype(int)))
    live = GoodTimeIntervals(START + edges[0::2] * BIN, START + edges[1::2] * BIN)
    looked = plain(counts, dark, SMALL)

    trigger = CountRateTrigger(SMALL, ECLAIRS)
    excesses, ratios = [], []
    borders = [0, *sorted(cuts), len(counts)]
    for a, b in itertools.pairwise(borders):
        excesses += trigger.add(made(counts[a:b], START + a * BIN), live)
        ratios.append(trigger.margins.ratio)
    ratio = np.concatenate(ratios)

    cells = len({key[3] for key in looked}) or 4
    assert trigger.searched.sum() * cells == len(looked)
    best = np.full((len(counts) // 512, 4), np.nan)
    for (step, _, _, cell), (_, _, value) in looked.items():
        best[step, cell] = np.fmax(best[step, cell], max(value, 0.0) / 4.0)
    best = np.fmax(best[:, 0::2], best[:, 1::2])  # two zones of each band
    # The error of the background is taken at one time for all windows of a step.
    assert np.array_equal(np.isnan(ratio), np.isnan(best))
    assert np.allclose(ratio, best, rtol=0.01, equal_nan=True)

    for e in excesses:
        key = (
            round((e.stop - START) / BIN - 1) // 512,
            e.scale,
            round((e.start - START) / BIN),
            e.band * 2 + e.zone,
        )
        n, b, value = looked[key]
        assert e.counts == n
        assert e.background == pytest.approx(b, rel=1e-5)
        assert e.significance == pytest.approx(value, rel=0.01)
    ends = [e.stop for e in excesses]
    for step in np.flatnonzero(np.nanmax(best, axis=1, initial=0.0) > 1.01):
        top = max(e.significance for e in excesses if step == round((e.stop - START) / BIN - 1) // 512)
        assert top / 4.0 == pytest.approx(np.nanmax(best[step]), rel=0.01)
    assert len(ends) <= 3 * len(best)


def run(counts, configuration, live=None, **options):
    trigger = CountRateTrigger(configuration, ECLAIRS, **options)
    excesses, ratios, starts = [], [], []
    for first in range(0, len(counts), 40_000):
        excesses += trigger.add(made(counts[first : first + 40_000], START + first * BIN), live)
        ratios.append(trigger.margins.ratio)
        starts.append(trigger.margins.start)
    return excesses, np.concatenate(starts) - START, np.concatenate(ratios), trigger


FULL = TriggerConfiguration(
    bands=((5, 20),), count_rate=CountRateSettings(zones=(Zone(name="full"),), background_reach=300.0)
)


def one_cell(n):
    """Counts of a band of one zone: segments below it, in it and above it."""
    counts = np.zeros((len(n), 1, 3), np.int32)
    counts[:, 0, 1] = n
    return counts


def test_at_10_ms_the_root_of_the_deviance_is_normal_where_the_textbook_ratio_is_not():
    """A quarter of the plane holds 0.2 counts of 5–8 keV: 10⁻³ pass 6 by (m − b)/√b, nominally one of 10⁹."""
    rng = np.random.default_rng(4)
    n = rng.poisson(0.1, 4_000_000)
    windows = n[:-1] + n[1:]
    textbook = np.mean((windows - 0.2) / np.sqrt(0.2) > 6)
    assert 5e-4 < textbook < 2e-3
    ten = FULL.model_copy(update={"count_rate": FULL.count_rate.model_copy(update={"scales": (0,)})})
    _, _, ratio, trigger = run(one_cell(n), ten, tail=True)
    share = trigger.tail[0, 0, 0].sum() / trigger.searched[0]
    assert share < 2.5 * stats.norm.sf(3.0)
    assert np.nanmax(ratio) < 1.0  # none above 5.5


def test_every_scale_has_the_tail_of_the_normal_law_with_the_noise_of_the_background_counted():
    rng = np.random.default_rng(5)
    _, _, _, trigger = run(one_cell(rng.poisson(2.0, 8_000_000)), FULL, tail=True)
    passed = trigger.tail[:, 0, 0].sum(axis=-1)
    for scale in range(10):
        expected = stats.norm.sf(3.0) * trigger.searched[scale]
        # Windows that overlap by half are correlated, and so is the background of a minute.
        assert passed[scale] < 1.7 * expected + 5 * np.sqrt(expected) + 3
    assert passed[:4].sum() > 0.3 * stats.norm.sf(3.0) * trigger.searched[:4].sum()


def burst(length, counts, at, bins):
    """Mean counts of a burst with a rise of a tenth and a fall of nine tenths of its length."""
    t = np.maximum((np.arange(bins) + 0.5) * BIN - at, 0)
    shape = np.minimum(t / (0.1 * length), np.exp(np.minimum(0.1 - t / length, 0) / 0.4))
    return counts * shape / shape.sum()


@pytest.mark.parametrize(("length", "scale"), [(0.02, 1), (0.64, 6), (20.0, 10), (80.0, 11)])
def test_a_burst_is_found_by_windows_of_its_length_and_does_not_eat_its_background(length, scale):
    rng = np.random.default_rng(6)
    bins, rate, at = 120_000, 600.0, 400.0
    counts = 12 * np.sqrt(rate * length) + (12 if length < 0.1 else 0)
    n = rng.poisson(rate * BIN + burst(length, counts, at, bins))
    excesses, *_ = run(one_cell(n), FULL)
    best = max(excesses, key=lambda e: e.significance)
    assert abs(best.scale - scale) <= 2
    assert at - 0.2 * length - 0.02 <= best.start <= at + length + START
    assert best.start - START < at + length
    assert best.background == pytest.approx(rate * (best.stop - best.start), rel=0.06)
    assert all(e.stop - START > at for e in excesses)


def test_a_background_that_follows_the_orbit_makes_no_excess():
    """Half of the rate in 96 minutes, for an orbit, at 3000 photons a second.

    An orbit would show in long windows; in these data one of 10 ms holds 47 counts where 16 are expected.
    """
    rng = np.random.default_rng(17)
    t = np.arange(1_152_000) * BIN
    n = rng.poisson(3000 * BIN * (1 + 0.5 * np.sin(2 * np.pi * t / 5760)))
    excesses, _, ratio, _ = run(one_cell(n), FULL)
    assert not [e for e in excesses if e.scale > 0]
    assert np.sort(ratio[np.isfinite(ratio)])[-2] < 1.0
    assert np.isfinite(ratio[40:]).all()


def test_after_the_anomaly_it_searches_soon_and_takes_the_fall_of_the_rate_for_no_burst():
    rng = np.random.default_rng(8)
    t = np.arange(400_000) * BIN
    out = (t < 600) | (t > 1200)
    fall = np.where(t > 1200, 2.0 * np.exp(-(t - 1200) / 120), 0.0) + np.where(
        t < 600, np.exp((t - 600) / 60), 0.0
    )
    n = rng.poisson(np.where(out, 1000 * BIN * (1 + fall), 20_000 * BIN))
    live = GoodTimeIntervals([START, START + 1200], [START + 600, START + 2000])
    excesses, start, ratio, _ = run(one_cell(n), FULL, live)
    assert not [e for e in excesses if e.start - START > 1200]
    searched = start[np.isfinite(ratio[:, 0])]
    assert not ((searched > 600) & (searched < 1200)).any()
    assert searched[searched > 1200][0] < 1200 + 50
    n[260_000:260_400] += rng.poisson(3000 * BIN, 400)
    again, *_ = run(one_cell(n), FULL, live)
    assert any(abs(e.start - START - 1300) < 2 and e.scale > 5 for e in again)


def test_no_window_reaches_into_time_that_is_not_live():
    rng = np.random.default_rng(9)
    n = rng.poisson(1000 * BIN, 60_000)
    n[40_000:41_000] = 500  # noise while the voltage is off
    live = GoodTimeIntervals([START, START + 205], [START + 200, START + 300])
    excesses, *_ = run(one_cell(n), FULL, live)
    assert not excesses
    assert run(one_cell(n), FULL)[0]


def test_a_short_loss_of_data_does_not_begin_the_background_again():
    rng = np.random.default_rng(10)
    n = rng.poisson(1000 * BIN, 60_000)
    live = GoodTimeIntervals([START, START + 202], [START + 200, START + 300])
    _, start, ratio, _ = run(one_cell(n), FULL, live)
    assert np.isfinite(ratio[(start > 60) & (start < 290), 0]).all()


def test_a_source_that_stays_is_announced_and_then_is_background():
    rng = np.random.default_rng(11)
    t = np.arange(300_000) * BIN
    n = rng.poisson(BIN * np.where(t > 600, 1200.0, 1000.0))
    excesses, *_ = run(one_cell(n), FULL)
    ends = np.array([e.stop - START for e in excesses])
    assert 600 < ends.min() < 612
    assert ends.max() < 700


def test_a_step_gives_out_the_best_of_each_group_and_three_at_most():
    rng = np.random.default_rng(12)
    n = rng.poisson(100 * BIN, 40_000)
    first = (30_000 // 512) * 512
    for k in range(5):
        n[first + 40 + 100 * k] += 20 + k
    ten = FULL.model_copy(update={"count_rate": FULL.count_rate.model_copy(update={"scales": (0,)})})
    excesses, *_ = run(one_cell(n), ten)
    mine = [e for e in excesses if (e.stop - START) / BIN <= first + 512]
    assert len(mine) == 3
    assert [e.counts >= 22 for e in mine] == [True] * 3
    assert [e.start for e in mine] == sorted(e.start for e in mine)


def test_thresholds_of_a_table_hold_for_their_scale_band_and_zone():
    rng = np.random.default_rng(13)
    n = rng.poisson(200 * BIN, 40_000)
    n[30_000:30_100] += 4
    base = FULL.count_rate.model_dump()
    table = tuple(((1000.0,),) if scale != 5 else ((6.0,),) for scale in range(12))
    configured = FULL.model_copy(update={"count_rate": CountRateSettings(**(base | {"thresholds": table}))})
    assert {e.scale for e in run(one_cell(n), configured)[0]} == {5}
    assert len({e.scale for e in run(one_cell(n), FULL)[0]}) >= 1


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"background_reach": 30.0}, "before a window"),
        ({"zones": (Zone(name="far", z=(10, 90)),)}, "far"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_, message):
    configuration = TriggerConfiguration(count_rate=CountRateSettings(**settings_))
    with pytest.raises(BadArgumentError, match=message):
        CountRateTrigger(configuration, ECLAIRS)


def test_counts_that_do_not_follow_or_do_not_fit_are_refused():
    trigger = CountRateTrigger(FULL, ECLAIRS)
    trigger.add(made(one_cell(np.ones(100, int))))
    with pytest.raises(BadArgumentError, match="begin with a new trigger"):
        trigger.add(made(one_cell(np.ones(100, int))))
    with pytest.raises(BadArgumentError, match="same configuration"):
        trigger.add(made(np.ones((5, 2, 7)), START + 0.5))
