"""Spectra, images and light curves against numpy's histograms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from eicpy.errors import BadArgumentError
from eicpy.events import (
    EnergyBands,
    EventList,
    GoodTimeIntervals,
    ImageAccumulator,
    LightCurveAccumulator,
    PhotonAccumulator,
    PixelScale,
    SpectraAccumulator,
)
from eicpy.products import Provenance, read_product, write_product

PIXELS, CHANNELS = 40, 512
BANDS = [(5.0, 8.0), (5.0, 20.0), (8.0, 50.0), (8.0, 120.0)]


def photons(seed: int, size: int) -> tuple[EventList, PixelScale]:
    rng = np.random.default_rng(seed)
    scale = PixelScale(rng.normal(0.145, 0.01, PIXELS), rng.normal(3.0, 0.3, PIXELS))
    scale.gain[7] = np.nan
    return (
        EventList(
            np.sort(rng.uniform(0, 64, size)),
            rng.integers(0, PIXELS, size),
            rng.integers(0, CHANNELS, size),
            rng.integers(1, 4, size),
        ),
        scale,
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2000), st.integers(1, 700))
def test_all_accumulators_are_numpy_histograms(seed: int, size: int, block: int) -> None:
    events, scale = photons(seed, size)
    chain = PhotonAccumulator(PIXELS, CHANNELS, 0.0, 64.0, 0.25, BANDS)
    chain.add_all(events.blocks(block), scale)
    spectra = np.histogram2d(
        events.detnum, events.channel, bins=(PIXELS, CHANNELS), range=((0, PIXELS), (0, CHANNELS))
    )[0]
    assert_array_equal(chain.spectra.counts, spectra)
    assert_array_equal(chain.spectra.total, np.bincount(events.channel, minlength=CHANNELS))
    energy = events.energy(scale)
    curve = chain.light_curve.result()
    for n, (low, high) in enumerate(BANDS):
        inside = (energy >= low) & (energy < high)
        assert_array_equal(chain.images.counts[n], np.bincount(events.detnum[inside], minlength=PIXELS))
        assert_array_equal(curve.counts[n], np.histogram(events.time[inside], bins=256, range=(0, 64))[0])
        assert len(events.select(energy=(low, high), scale=scale)) == np.count_nonzero(inside)
    assert chain.photons == size


def test_parts_add_up_to_the_whole() -> None:
    events, scale = photons(1, 1000)
    whole = PhotonAccumulator(PIXELS, CHANNELS, 0.0, 64.0, 1.0, BANDS)
    whole.add(events, scale)
    parts = [PhotonAccumulator(PIXELS, CHANNELS, 0.0, 64.0, 1.0, BANDS) for _ in range(2)]
    parts[0].add(events[:300], scale)
    parts[1].add(events[300:], scale)
    for name in ("spectra", "images", "light_curve"):
        total = getattr(parts[0], name)
        total += getattr(parts[1], name)
    assert_array_equal(parts[0].spectra.counts, whole.spectra.counts)
    assert_array_equal(parts[0].images.counts, whole.images.counts)
    assert_array_equal(parts[0].light_curve.result().counts, whole.light_curve.result().counts)
    with pytest.raises(BadArgumentError, match="shape"):
        parts[0].spectra += SpectraAccumulator(2, 2)
    with pytest.raises(BadArgumentError, match="steps"):
        parts[0].light_curve += LightCurveAccumulator(0, 64, 2.0, BANDS)


def test_counts_go_far_beyond_one_byte() -> None:
    spectra = SpectraAccumulator(2, 4)
    block = EventList(np.zeros(100_000), np.ones(100_000), np.full(100_000, 3))
    for _ in range(3):
        spectra.add(block)
    other = SpectraAccumulator(2, 4)
    other.add(block)
    spectra += other
    assert spectra.counts[1, 3] == 400_000
    assert spectra.total.tolist() == [0, 0, 0, 400_000]


def test_photons_out_of_range_are_counted_apart() -> None:
    events = EventList([-1.0, 0.5, 99.0], [0, 50, 2], [1, 2, 600])
    scale = PixelScale.uniform(PIXELS, 0.145, 3.0)
    chain = PhotonAccumulator(PIXELS, CHANNELS, 0.0, 64.0, 1.0, BANDS)
    chain.add(events, scale)
    assert (chain.spectra.outside, chain.images.outside, chain.light_curve.outside) == (2, 1, 2)


def test_a_new_scale_counts_from_then_on() -> None:
    events = EventList([0.0], [0], [100])
    images = ImageAccumulator(1, [(10.0, 20.0)])
    images.add(events, PixelScale.uniform(1, 0.145, 3.0))
    images.add(events, PixelScale.uniform(1, 0.145, 30.0))
    assert images.counts.tolist() == [[1]]


def test_images_counted_with_spectra_follow_scales_and_other_photons() -> None:
    events, scale = photons(5, 900)
    other = PixelScale(scale.gain * 1.3, scale.offset + 1.0)
    together, apart = ImageAccumulator(PIXELS, BANDS), ImageAccumulator(PIXELS, BANDS)
    spectra = SpectraAccumulator(PIXELS, CHANNELS - 200)  # some photons are beyond its channels
    for first, its_scale in ((0, scale), (300, other), (600, scale)):
        part = events[first : first + 300]
        spectra.add_with_images(part, its_scale, together)
        apart.add(part, its_scale)
        assert_array_equal(together.counts, apart.counts)
    spectra.add(events)  # the images have nothing to do with these
    assert_array_equal(together.counts, apart.counts)
    assert spectra.counts.sum() + spectra.outside == 1800
    assert spectra.outside > 0
    again = SpectraAccumulator(PIXELS, CHANNELS)
    again.add_with_images(events, scale, together)
    apart.add(events, scale)
    assert_array_equal(together.counts, apart.counts)
    with pytest.raises(BadArgumentError, match="scale"):
        again.add_with_images(events, PixelScale.uniform(3, 0.145, 3.0), together)
    with pytest.raises(BadArgumentError, match="shape"):
        again.add_with_images(events, scale, ImageAccumulator(3, BANDS))


def test_bands_hold_channels_of_any_size() -> None:
    bands = EnergyBands([(4.0, 10_000.0)])
    scale = PixelScale.uniform(1, 0.145, 3.0)
    segments = bands.sort(np.zeros(3, np.int16), np.array([100, 4000, 32767], np.int16), scale)
    assert segments.tolist() == [1, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=6))
def test_bands_are_sums_of_segments(pairs: list[tuple[int, int]]) -> None:
    bands = EnergyBands([(low, low + width) for low, width in pairs])
    energy = np.arange(0, 101) + 0.5
    scale = PixelScale.uniform(1, 1.0, 0.0)
    segments = bands.sort(np.zeros(101, np.int16), np.arange(101, dtype=np.int16), scale)
    counts = bands.combine(np.bincount(segments, minlength=bands.segments))
    expected = [np.count_nonzero((energy >= low) & (energy < high)) for low, high in bands]
    assert counts.tolist() == expected


@pytest.mark.parametrize("bands", [[], [(8.0, 5.0)], [(np.nan, 5.0)], [(n, n + 1) for n in range(300)]])
def test_wrong_bands_are_refused(bands: list[tuple[float, float]]) -> None:
    with pytest.raises(BadArgumentError):
        EnergyBands(bands)


def test_a_light_curve_knows_its_good_time() -> None:
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(0, 100, 50_000))
    gti = GoodTimeIntervals([0.0, 30.25], [20.5, 100.0])
    curve = LightCurveAccumulator(0, 100, 1.0, [(0.0, 200.0)], gti=gti)
    events = EventList(time, np.zeros(time.size), np.full(time.size, 100))
    curve.add(events, PixelScale.uniform(1, 0.145, 3.0))
    result = curve.result()
    assert result.exposure.sum() == pytest.approx(gti.exposure)
    assert result.exposure[20] == 0.5
    assert result.exposure[30] == 0.75
    assert np.isnan(result.rate[0, 25])
    assert curve.outside_gti == np.count_nonzero(~gti.mask(time))
    pulls = (result.rate[0] - 500) / result.rate_error[0]
    assert np.nanstd(pulls) == pytest.approx(1.0, abs=0.3)  # 90 bins: the spread is known to 7 %
    joined = result.rebin(10)
    assert joined.exposure.sum() == pytest.approx(result.exposure.sum())
    assert joined.counts.sum() == result.counts.sum()
    assert_allclose(joined.time[0], 5.0)


def test_a_light_curve_becomes_a_product(tmp_path) -> None:
    from eicpy import instruments

    events, scale = photons(4, 1000)
    curve = LightCurveAccumulator(0, 64, 1.0, BANDS)
    curve.add(events, scale)
    result = curve.result()
    path = write_product(
        tmp_path / "a.fits",
        "ECL-QLK-LCV",
        result.to_tables(),
        issuer=instruments.load("eclairs"),
        provenance=Provenance("test"),
    )
    back = read_product(path)
    assert_array_equal(back.main["COUNTS_4"], result.counts[3])
    assert_array_equal(back["BANDS"]["E_MAX"], [8, 20, 50, 120])
    assert "keV" in result._repr_html_()


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 0, 1), (1, 0, 1), (0, 1, 0)])
def test_wrong_bins_are_refused(start: float, stop: float, step: float) -> None:
    with pytest.raises(BadArgumentError):
        LightCurveAccumulator(start, stop, step, BANDS)
