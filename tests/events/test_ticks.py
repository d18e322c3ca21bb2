"""Bins of whole ticks: each holds as many, wherever they begin, as integers say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from eicpy import instruments
from eicpy.errors import BadArgumentError
from eicpy.events import EventList, GoodTimeIntervals, LightCurveAccumulator, PixelScale, TickBins, counting
from eicpy.events import tick_of as tick_of_instrument

TICK = 2e-5
ONE = PixelScale.uniform(1, 0.145, 3.0)
BAND = [(0.0, 200.0)]


def photon_at_each_tick(first: int, count: int) -> EventList:
    """One photon a tick, as decoding gives its time: a whole number of ticks as seconds."""
    time = (first + np.arange(count, dtype=np.int64)) * TICK
    return EventList(time, np.zeros(count), np.full(count, 100))


@pytest.mark.parametrize("width", [1, 5, 50, 500])
@pytest.mark.parametrize("start", [3.0e8, 311968800.123457, 5.1e8 + 1e-5])
def test_every_bin_holds_as_many_ticks(width: int, start: float) -> None:
    first = int(start / TICK) - 3
    curve = LightCurveAccumulator(start, start + 200 * width * TICK, width * TICK, BAND, tick=TICK)
    curve.add(photon_at_each_tick(first, 203 * width + 10), ONE)
    result = curve.result()
    assert_array_equal(result.counts[0], np.full(result.exposure.size, width))
    assert result.exposure.size in (200, 201)
    assert 0 <= result.start - start + 0.02 * TICK < TICK
    assert result.tick == TICK


def test_without_a_tick_bins_of_a_tenth_of_a_millisecond_beat() -> None:
    """What the whole ticks are for: the same photons in bins of seconds."""
    curve = LightCurveAccumulator(3.0e8, 3.0e8 + 0.2, 1e-4, BAND)
    curve.add(photon_at_each_tick(15_000_000_000_000, 10_000), ONE)
    assert set(curve.result().counts[0].tolist()) != {5}


@settings(deadline=None)  # the first call compiles
@given(
    st.integers(0, 2**45), st.integers(1, 10_000_000), st.integers(1, 40),
    st.lists(st.integers(-100, 500_000_000), max_size=50), st.sampled_from([2e-5, 2.0**-16, 1e-6]),
)  # fmt: skip
def test_ticks_are_counted_as_integers_are(
    first: int, width: int, bins: int, after: list[int], tick: float
) -> None:
    first = int(first * TICK / tick / 4)  # within the time that float64 holds to a hundredth of a tick
    edges = [first + k * width + d for k in range(bins) for d in (-1, 0)]
    ticks = np.array([first + n for n in after] + edges, dtype=np.int64)
    segments = (np.arange(ticks.size) % 3).astype(np.uint8)
    counts = np.zeros((bins, 3), dtype=np.int64)
    outside = counting.count_ticks(ticks * tick, segments, 1.0 / tick, first, 1.0 / width, counts)
    place = (ticks - first) // width
    good = (place >= 0) & (place < bins)
    twin = np.zeros_like(counts)
    np.add.at(twin, (place[good], segments[good]), 1)
    assert_array_equal(counts, twin)
    assert outside == np.count_nonzero(~good)


def test_a_curve_of_ticks_advances_and_adds_up() -> None:
    photons = photon_at_each_tick(15_000_000_000_000, 1000)
    late, moved = (
        LightCurveAccumulator(begin, begin + 0.01, 1e-3, BAND, tick=TICK) for begin in (3.0e8 + 0.004, 3.0e8)
    )
    moved.advance(4)
    for curve in (late, moved):
        curve.add(photons, ONE)
    assert_array_equal(late.edges, moved.edges)
    moved += late
    assert_array_equal(moved.result().counts, 2 * late.result().counts)
    assert moved.result().rebin(5).tick == TICK
    whole = LightCurveAccumulator(
        3.0e8, 3.0e8 + 0.01, 1e-3, BAND, tick=TICK, gti=GoodTimeIntervals(3.0e8, 3.0e8 + 0.0055)
    )
    whole.add(photons, ONE)
    assert_allclose(whole.result().exposure[4:7], [1e-3, 5e-4, 0.0], atol=1e-7)


@pytest.mark.parametrize("step", [1e-5, 3e-5, 1 / 3, 1.00001])
def test_a_width_that_is_no_whole_number_of_ticks_is_refused(step: float) -> None:
    with pytest.raises(BadArgumentError, match="whole ticks of 2e-05 s, such as"):
        LightCurveAccumulator(0.0, 10.0, step, BAND, tick=TICK)


def test_an_instrument_says_what_its_times_are_made_of() -> None:
    assert tick_of_instrument(instruments.load("eclairs")) == TICK
    assert tick_of_instrument(instruments.load("meddea")) is None  # counted from each packet
    bins = TickBins.of(3.0e8, 0.1, TICK)
    assert (bins.width, bins.step, bins.edge(10)) == (5000, 0.1, 3.0e8 + 1)
