"""The trigger as a stream: a burst among photons is found, the same however the photons come."""

import itertools

import numpy as np
import pytest

from eicpy.catalogue import CatalogueSource, SourceCatalogue
from eicpy.errors import BadArgumentError
from eicpy.events import GoodTimeIntervals, PixelScale
from eicpy.imaging import random_mask
from eicpy.instruments import load
from eicpy.orbit import Attitude, Pointing, separation, tangent_vector
from eicpy.trigger import ImageSettings, TriggerConfiguration
from eicpy.trigger.on_board.identification import detected_photons
from eicpy.trigger.on_board.recent import Photons, without_spikes
from eicpy.trigger.on_board.stream import SLICE, OnboardTrigger

ECLAIRS = load("eclairs")
MASK = random_mask(ECLAIRS.mask, 80, 1)
CONFIGURATION = TriggerConfiguration(image=ImageSettings(stacks=(0, 1)))
SCALE = PixelScale.uniform(6400, ECLAIRS.energy.gain, ECLAIRS.energy.offset)
START = 311969400.0
POINTING = Pointing(*np.radians([80.0, 20.0, 30.0]))
AT = 0.21, -0.13
LENGTH = 110.0
RATE = 1500.0


def shine(sources=(), *, dark=(), seed=4):
    """Photons of a flat background and of sources (rate on the plane, begin, end, direction, energies)."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(RATE * LENGTH)
    time, detnum = rng.uniform(0, LENGTH, n), rng.integers(0, 6400, n)
    energy = 5 * (120 / 5) ** (rng.random(n) ** 1.5)
    parts = [(time, detnum, energy)]
    for rate, begin, end, direction, (low, high) in sources:
        n = rng.poisson(rate * (end - begin))
        shadow = MASK.shadow(*direction)[:, ::-1].ravel()
        where = rng.choice(6400, n, p=shadow / shadow.sum())
        parts.append((rng.uniform(begin, end, n), where, rng.uniform(low, high, n)))
    time, detnum, energy = (np.concatenate(column) for column in zip(*parts, strict=True))
    lit = np.ones(len(time), bool)
    for begin, end in dark:
        lit &= (time < begin) | (time >= end)
    order = np.argsort(time[lit])
    channel = (energy[lit][order] - ECLAIRS.energy.offset) / ECLAIRS.energy.gain
    return Photons(
        START + time[lit][order],
        detnum[lit][order].astype(np.int16),
        channel.astype(np.int16),
        np.ones(lit.sum(), np.uint8),
    )


def react(photons, cuts=(), *, live=None, configuration=CONFIGURATION, attitude=True, catalogue=None):
    """Everything said to photons that come in blocks."""
    known = Attitude.steady(POINTING, START + np.arange(-10.0, LENGTH + 20)) if attitude else None
    trigger = OnboardTrigger(
        configuration, ECLAIRS, MASK, scale=SCALE, attitude=known, catalogue=catalogue, start=START
    )
    whole = None
    edges = START + np.array([0.0, *cuts, LENGTH])
    for a, b in itertools.pairwise(edges):
        first, last = np.searchsorted(photons.time, [a, b])
        lit = None if live is None else live & GoodTimeIntervals([a], [b])
        said = trigger.add(photons.part(int(first), int(last)), b, lit)
        if whole is None:
            whole = said
        else:
            for name in type(said).__slots__:
                getattr(whole, name).extend(getattr(said, name))
    return whole


BURST = (700.0, 75.0, 83.0, AT, (8, 80))


@pytest.fixture(scope="module")
def photons():
    return shine([BURST])


@pytest.fixture(scope="module")
def said(photons):
    return react(photons)


def test_a_burst_is_found_where_and_when_it_was(said):
    first, best = said.alerts[0], said.alerts[-1]
    assert {a.sequence for a in said.alerts} == {0}
    assert abs(first.excess.start - START - 75) < 3
    assert 0 < first.time - START - 75 < 12
    assert separation(tangent_vector(best.ty, best.tz), tangent_vector(*AT)) < best.radius
    assert best.slew_request
    assert best.flux == pytest.approx(700 * 8, rel=0.25)
    assert best.fitted == pytest.approx(700 * 8, rel=0.25)
    chosen = next(d for d in said.decisions if d.alert is best)
    truth = tangent_vector(*AT) @ POINTING.rotation
    assert np.degrees(separation(np.array(chosen.candidate.direction), truth)) < 0.3


def test_what_it_says_holds_together(said):
    assert [d.alert for d in said.decisions if d.alert] == said.alerts
    assert len(said.images) == len(said.alerts)
    slices = int(LENGTH / SLICE)
    assert [begin for begin, _ in said.rates] == pytest.approx(START + SLICE * np.arange(slices))
    assert all(rates.shape == (32, 4) for _, rates in said.rates)
    counts = sum(rates[:, 3].sum() for _, rates in said.rates)
    assert counts == pytest.approx(RATE * LENGTH * 0.75, rel=0.1)
    assert {kind for _, kind, _, _ in said.margins} >= {"count rate"}
    assert np.nanmax([value for _, kind, _, value in said.margins if kind == "count rate"]) > 1


@pytest.mark.parametrize(
    "cuts", [(10.0, 20.0, 60.0, 79.99), tuple(np.arange(3.3, 110, 3.3)), (76.8, 76.81, 82.0, 100.0)]
)
def test_blocks_make_no_difference(photons, said, cuts):
    other = react(photons, cuts)
    assert other.alerts == said.alerts
    assert other.excesses == said.excesses
    assert [d.verdict for d in other.decisions] == [d.verdict for d in said.decisions]
    assert str(other.margins) == str(said.margins)  # NaN is NaN
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(other.rates, said.rates, strict=True))


def test_without_an_attitude_positions_are_those_of_the_camera(photons, said):
    other = react(photons, attitude=False)
    assert [(a.ty, a.tz) for a in other.alerts] == [(a.ty, a.tz) for a in said.alerts]
    assert {d.candidate.direction for d in other.decisions} == {None}


def test_nothing_fires_where_the_voltage_went_down_and_up():
    photons = shine(dark=[(60.0, 72.0)])
    live = GoodTimeIntervals([START, START + 72], [START + 60, START + LENGTH])
    assert react(photons, (30.0, 65.0, 90.0), live=live).alerts == []


def test_no_photons_are_no_mistake():
    nothing = shine(dark=[(0.0, LENGTH)])
    assert react(nothing).alerts == []
    assert react(nothing, live=GoodTimeIntervals()).alerts == []


@pytest.mark.parametrize(("factor", "alerted"), [(1.0, False), (12.0, True)])
def test_a_source_that_appears_is_told_in_outburst_only(factor, alerted):
    ra, dec = np.degrees(_place(AT))
    source = CatalogueSource("Known X-1", "LMXB", float(ra), float(dec), 3e-9, 2.1, "made up")
    usual = detected_photons(source, 8.0, 50.0) * ECLAIRS.mask.pixel_area * MASK.shadow(*AT).sum()
    photons = shine([(factor * usual, 75.0, LENGTH, AT, (8, 50))])
    said = react(photons, catalogue=SourceCatalogue("made up", [source]))
    assert bool(said.alerts) == alerted
    for alert in said.alerts:
        assert (alert.source, alert.source_name, alert.outburst) == (1, "Known X-1", True)
    assert all(d.verdict != "alert" or d.candidate.outburst for d in said.decisions)


def test_ignored_pixels_are_not_used():
    noisy = shine([BURST])
    rng = np.random.default_rng(1)
    loud = Photons(
        np.sort(START + rng.uniform(60, 100, 20_000)), np.full(20_000, 1234, np.int16),
        np.full(20_000, 100, np.int16), np.ones(20_000, np.uint8),
    )  # fmt: skip
    both = Photons.join([noisy, loud]).sorted()
    ignored = CONFIGURATION.model_copy(update={"ignored_pixels": (1234,)})
    quiet = react(noisy, configuration=ignored)
    assert react(both, configuration=ignored).alerts == quiet.alerts


def test_a_pixel_that_becomes_noisy_is_no_source():
    rng = np.random.default_rng(3)
    n = 3000
    loud = Photons(
        np.sort(START + rng.uniform(70, 100, n)), np.full(n, 78, np.int16), np.full(n, 20, np.int16),
        np.ones(n, np.uint8),
    )  # fmt: skip
    assert react(Photons.join([shine(), loud]).sorted()).alerts == []


def test_spikes_are_taken_out_and_sources_stay():
    rng = np.random.default_rng(2)
    counts = rng.poisson(2.0 + 30 * MASK.shadow(0.7, 0.7), (3, 80, 80)).astype(float)
    assert without_spikes(counts) is counts
    counts[1, 4, 5] = 2000
    quiet = without_spikes(counts)
    assert quiet[1, 4, 5] == pytest.approx(counts[1].mean(), rel=0.2)
    quiet[:, 4, 5] = counts[:, 4, 5]
    assert np.array_equal(quiet, counts)


def test_a_few_counts_of_chance_are_no_alert():
    """A shower lights the whole plane for 10 ms: an image of some ten counts has high peaks at its edges."""
    photons = shine()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n = 120
        shower = Photons(
            np.sort(START + 90 + rng.uniform(0, 0.01, n)), rng.integers(0, 6400, n).astype(np.int16),
            rng.integers(60, 600, n).astype(np.int16), np.ones(n, np.uint8),
        )  # fmt: skip
        said = react(Photons.join([photons, shower]).sorted())
        assert any(e.kind == "count rate" for e in said.excesses)
        assert said.alerts == []


def test_wrong_times_are_counted_and_change_nothing(photons, said):
    wrong = Photons(
        np.append(photons.time, [np.nan, np.inf, START + LENGTH + 601.0]),
        *(np.append(getattr(photons, name), [1, 1, 1]) for name in ("detnum", "channel", "multiplicity")),
    )
    known = Attitude.steady(POINTING, START + np.arange(-10.0, LENGTH + 20))
    trigger = OnboardTrigger(CONFIGURATION, ECLAIRS, MASK, scale=SCALE, attitude=known, start=START)
    assert trigger.add(wrong, START + LENGTH).alerts == said.alerts
    assert trigger.wrong_times == 3


def test_nothing_is_prepared_before_it_is_needed(photons):
    trigger = OnboardTrigger(CONFIGURATION, ECLAIRS, MASK, scale=SCALE, start=START)
    trigger.add(photons.part(0, int(np.searchsorted(photons.time, START + 15))), START + 15)
    assert trigger._image is None


def test_what_cannot_be_is_refused(photons):
    with pytest.raises(BadArgumentError, match="finite time"):
        OnboardTrigger(CONFIGURATION, ECLAIRS, MASK, scale=SCALE, start=np.nan)
    trigger = OnboardTrigger(CONFIGURATION, ECLAIRS, MASK, scale=SCALE, start=START)
    trigger.add(photons.part(0, 10), START + 5)
    with pytest.raises(BadArgumentError, match="after those until"):
        trigger.add(photons.part(0, 10), START + 4)


def _place(at):
    vector = tangent_vector(*at) @ POINTING.rotation
    return np.arctan2(vector[1], vector[0]) % (2 * np.pi), np.arcsin(vector[2])
