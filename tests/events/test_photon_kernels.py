"""Each kernel against its numpy twin: identical arrays."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from eicpy.events import counting, kernels

PIXELS, CHANNELS = 12, 32


@st.composite
def columns(draw: st.DrawFn) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Pixels and channels, some of them out of range."""
    size = draw(st.integers(0, 300))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (
        rng.integers(-3, PIXELS + 3, size).astype(np.int16),
        rng.integers(-3, CHANNELS + 5, size).astype(np.int16),
    )


def known(detnum: npt.NDArray[np.int16], channel: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    return (detnum >= 0) & (detnum < PIXELS) & (channel >= 0) & (channel < CHANNELS)


def spectra_of(detnum: npt.NDArray[np.int16], channel: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    good = known(detnum, channel)
    cell = detnum[good].astype(np.int64) * CHANNELS + channel[good]
    return np.bincount(cell, minlength=PIXELS * CHANNELS).reshape(PIXELS, CHANNELS)


def segments_of(
    detnum: npt.NDArray[np.int16], channel: npt.NDArray[np.int16], below: npt.NDArray[np.int16]
) -> npt.NDArray[np.uint8]:
    segments = np.zeros(detnum.size, dtype=np.uint8)
    good = (detnum >= 0) & (detnum < len(below))
    segments[good] = (channel[good, None] > below[detnum[good]]).sum(axis=1)
    return segments


@settings(deadline=None)  # the first call compiles
@given(columns(), st.integers(1, 500), st.integers(0, 7))
def test_spectra_and_images(
    photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]], length: int, edges: int
) -> None:
    detnum, channel = photons
    low = np.full((PIXELS, CHANNELS), 250, dtype=np.uint8)  # a few photons away from a carry
    high = np.zeros((PIXELS, CHANNELS), dtype=np.uint32)
    below = np.sort(np.random.default_rng(edges).integers(-1, CHANNELS, (PIXELS, 8)), axis=1).astype(np.int16)
    below[2] = 32767
    images = np.zeros((PIXELS, edges + 1), dtype=np.int32)
    ends = np.zeros(1, dtype=np.int64)
    arrays = (np.empty((1, length), np.uint16), ends, np.empty(counting.GROUP, np.uint16), low, high)
    outside = 0
    for _ in range(5):
        outside += counting.queue_photons(detnum, channel, *arrays, below, images)
    counting.count_queues(*arrays, below, images)
    assert_array_equal(low + 256 * high.astype(np.int64), 250 + 5 * spectra_of(detnum, channel))
    good = known(detnum, channel)
    assert outside == 5 * np.count_nonzero(~good)
    segments = segments_of(detnum[good], channel[good], below[:, :edges])
    twin = np.zeros_like(images)
    np.add.at(twin, (detnum[good], segments), 5)
    assert_array_equal(images, twin)
    assert ends[0] == 0


def test_spectra_and_images_whose_groups_end_within_a_pixel() -> None:
    rng = np.random.default_rng(3)
    pixels, channels = 7, 30_000  # a group is 2.2 pixels
    detnum = rng.integers(0, pixels, 50_000).astype(np.int16)
    channel = np.minimum(rng.exponential(3000, 50_000), channels - 1).astype(np.int16)
    low, high = np.zeros((pixels, channels), np.uint8), np.zeros((pixels, channels), np.uint32)
    below = np.sort(rng.integers(-1, channels, (pixels, 8)), axis=1).astype(np.int16)
    images = np.zeros((pixels, 9), dtype=np.int32)
    groups = -(-low.size // counting.GROUP)
    arrays = (np.empty((groups, 1000), np.uint16), np.zeros(groups, np.int64), np.empty(1 << 16, np.uint16))
    assert counting.queue_photons(detnum, channel, *arrays, low, high, below, images) == 0
    counting.count_queues(*arrays, low, high, below, images)
    twin = np.bincount(detnum.astype(np.int64) * channels + channel, minlength=low.size)
    assert_array_equal((low + 256 * high).reshape(-1), twin)
    expected = np.zeros_like(images)
    np.add.at(expected, (detnum, segments_of(detnum, channel, below)), 1)
    assert_array_equal(images, expected)


@settings(deadline=None)  # the first call compiles
@given(columns(), st.integers(0, 9))
def test_segments(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]], edges: int) -> None:
    detnum, channel = photons
    below = np.random.default_rng(1).integers(-1, CHANNELS, (PIXELS, edges)).astype(np.int16)
    segments = np.full(detnum.size, 99, dtype=np.uint8)
    counting.sort_photons(detnum, channel, below, segments)
    assert_array_equal(segments, segments_of(detnum, channel, below))


@settings(deadline=None, max_examples=30)  # the first call compiles
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(allow_nan=False), max_size=6, unique=True))
def test_channels_below_edges(seed: int, edges: list[float]) -> None:
    rng = np.random.default_rng(seed)
    border = np.sort(np.array([*edges, *rng.uniform(0, 200, 2)], dtype=np.float64))
    gain, offset = rng.normal(0.5, 0.3, PIXELS), rng.normal(3.0, 1.0, PIXELS)
    gain[2], offset[3], gain[4] = np.nan, np.inf, 0.0
    below = np.full((PIXELS, 16), 99, dtype=np.int16)
    counting.channels_below(gain, offset, border, below)
    energy = gain[:, None] * (np.arange(32768) + 0.5) + offset[:, None]
    twin = np.full((PIXELS, 16), 32767)
    for n, edge in enumerate(border):
        twin[:, n] = (energy < edge).sum(axis=1) - 1
    twin[~((gain > 0) & np.isfinite(offset))] = 32767
    assert_array_equal(below, twin)


@settings(deadline=None)  # the first call compiles
@given(columns())
def test_images(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    segments = (channel % 4).astype(np.uint8)
    counts = np.zeros((PIXELS, 4), dtype=np.int32)
    outside = counting.count_images(detnum, segments, counts)
    good = (detnum >= 0) & (detnum < PIXELS)
    twin = np.zeros((PIXELS, 4), dtype=np.int32)
    np.add.at(twin, (detnum[good], segments[good]), 1)
    assert_array_equal(counts, twin)
    assert outside == np.count_nonzero(~good)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(-5, 15), max_size=200), st.floats(0.1, 3.0))
def test_light_curve(times: list[float], step: float) -> None:
    time = np.array(times)
    segments = (np.arange(time.size) % 3).astype(np.uint8)
    bins = int(np.ceil(10 / step))
    counts = np.zeros((bins, 3), dtype=np.int64)
    outside = counting.count_light_curve(time, segments, 0.5, 1.0 / step, counts)
    place = (time - 0.5) * (1.0 / step)
    good = (place >= 0) & (place < bins)
    twin = np.zeros((bins, 3), dtype=np.int64)
    np.add.at(twin, (place[good].astype(np.int64), segments[good]), 1)
    assert_array_equal(counts, twin)
    assert outside == np.count_nonzero(~good)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(-10, 110), max_size=200), st.lists(st.floats(0, 100), max_size=10, unique=True))
def test_intervals(times: list[float], edges: list[float]) -> None:
    border = np.sort(np.array(edges[: len(edges) // 2 * 2], dtype=np.float64))
    start, stop = border[::2].copy(), border[1::2].copy()
    time = np.array([*times, *border.tolist()])
    inside = np.empty(time.size, dtype=np.bool_)
    kernels.inside_intervals(time, start, stop, inside)
    assert_array_equal(inside, ((time[:, None] >= start) & (time[:, None] < stop)).any(axis=1))


@settings(deadline=None)  # the first call compiles
@given(columns())
def test_nominal_channels(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    rng = np.random.default_rng(2)
    gain = rng.normal(0.145, 0.02, PIXELS)
    offset = rng.normal(3.0, 0.5, PIXELS)
    gain[3] = np.nan
    offset[4], offset[5] = -50.0, 50.0  # all of these pixels' channels lie below and above the nominal ones
    multiplicity = (np.arange(detnum.size) % 20).astype(np.uint8)
    pi, flag = np.empty(detnum.size, dtype=np.int16), np.empty(detnum.size, dtype=np.uint8)
    kernels.nominal_channels(detnum, channel, gain, offset, 0.145, 3.0, CHANNELS, multiplicity, pi, flag)
    known = (detnum >= 0) & (detnum < PIXELS) & (detnum != 3)
    pixel = np.where(known, detnum, 0)
    place = np.floor((gain[pixel] * (channel + 0.5) + offset[pixel] - 3.0) / 0.145)
    marks = {
        0x10: (channel < 0) | (channel >= CHANNELS),
        0x20: known & (place < 0),
        0x40: known & (place >= CHANNELS),
        0x80: ~known,
    }
    twin = np.minimum(multiplicity, 15)
    for mark, holds in marks.items():
        twin = twin | np.where(holds, mark, 0)
    assert_array_equal(flag, twin)
    assert_array_equal(pi, np.where(twin >= 16, -1, place))


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_pack_and_unpack(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    time = rng.normal(3e8, 1e6, size)
    detnum = rng.integers(0, 6400, size).astype(np.int16)
    channel = rng.integers(-1, 4096, size).astype(np.int16)
    pi = rng.integers(-1, 1024, size).astype(np.int16)
    multiplicity = rng.integers(1, 255, size).astype(np.uint8)
    rows = np.empty((size, 15), dtype=np.uint8)
    kernels.pack_photons(time.view(np.uint64), detnum, channel, pi, multiplicity, 80, rows)
    layout = [("TIME", ">f8"), ("JDET", "u1"), ("IDET", "u1"), ("PHA", ">i2"), ("PI", ">i2"), ("FLAG", "u1")]
    twin = np.empty(size, dtype=layout)
    twin["TIME"], twin["JDET"], twin["IDET"] = time, detnum % 80, detnum // 80
    twin["PHA"], twin["PI"], twin["FLAG"] = channel, pi, multiplicity
    assert_array_equal(rows, twin.view(np.uint8).reshape(size, 15))

    words = np.empty(size, dtype=np.uint64)
    back = [np.empty(size, dtype=np.int16), np.empty(size, dtype=np.int16), np.empty(size, dtype=np.uint8)]
    kernels.unpack_photons(rows, np.array([0, 8, 9, 10, 14]), 80, words, *back)
    assert_array_equal(words.view(np.float64), time)
    for got, expected in zip(back, (detnum, channel, multiplicity), strict=True):
        assert_array_equal(got, expected)
    kernels.unpack_photons(rows, np.array([0, 8, 9, 12, -1]), 80, words, *back)
    assert_array_equal(back[1], pi)
    assert_array_equal(back[2], np.ones(size, dtype=np.uint8))


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(0, 100), max_size=100))
def test_step_back(times: list[float]) -> None:
    time = np.array(times, dtype=np.float64)
    worst, latest = kernels.largest_step_back(time, 50.0)
    reach = np.maximum.accumulate(np.concatenate(([50.0], time)))
    assert worst == pytest.approx(np.max(reach[1:] - time, initial=0.0), abs=0)
    assert latest == reach[-1]
