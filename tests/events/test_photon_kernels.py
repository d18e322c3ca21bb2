"""Each kernel against its numpy twin: identical arrays."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from eicpy.events import kernels

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


@given(columns())
def test_spectra(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    low = np.full((PIXELS, CHANNELS), 250, dtype=np.uint8)  # a few photons away from a carry
    high = np.zeros((PIXELS, CHANNELS), dtype=np.uint32)
    photons_each = 5
    outside = 0
    for _ in range(photons_each):
        outside += kernels.count_spectra(detnum, channel, low, high)
    good = known(detnum, channel)
    twin = np.bincount(
        detnum[good].astype(np.int64) * CHANNELS + channel[good], minlength=PIXELS * CHANNELS
    ).reshape(PIXELS, CHANNELS)
    assert_array_equal(low + 256 * high.astype(np.int64), 250 + photons_each * twin)
    assert outside == photons_each * np.count_nonzero(~good)


@given(columns())
def test_segments(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    table = np.random.default_rng(1).integers(0, 6, (PIXELS, CHANNELS)).astype(np.uint8)
    segments = np.empty(detnum.size, dtype=np.uint8)
    beyond = kernels.energy_segments(detnum, channel, table, segments)
    good = known(detnum, channel)
    twin = np.zeros(detnum.size, dtype=np.uint8)
    twin[good] = table[detnum[good], channel[good]]
    assert_array_equal(segments, twin)
    assert beyond == np.count_nonzero((detnum >= 0) & (detnum < PIXELS) & (channel >= CHANNELS))


@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0, 40), max_size=6, unique=True))
def test_table_of_segments(seed: int, edges: list[float]) -> None:
    rng = np.random.default_rng(seed)
    border = np.sort(np.array(edges, dtype=np.float64))
    gain, offset = rng.normal(0.5, 0.3, PIXELS), rng.normal(3.0, 1.0, PIXELS)
    gain[2], offset[3], gain[4] = np.nan, np.inf, 0.0
    table = np.full((PIXELS, CHANNELS), 99, dtype=np.uint8)
    kernels.segment_table(gain, offset, border, table)
    energy = gain[:, None] * (np.arange(CHANNELS) + 0.5) + offset[:, None]
    twin = (energy[..., None] >= border).sum(axis=2)
    twin[~((gain > 0) & np.isfinite(offset))] = 0
    assert_array_equal(table, twin)


@given(columns())
def test_spectra_and_segments_in_one_pass(
    photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]],
) -> None:
    detnum, channel = photons
    table = np.random.default_rng(1).integers(0, 6, (PIXELS, CHANNELS + 3)).astype(np.uint8)
    results = []
    for _ in range(2):
        low = np.full((PIXELS, CHANNELS), 255, dtype=np.uint8)
        results.append((low, np.zeros(low.shape, dtype=np.uint32), np.empty(detnum.size, dtype=np.uint8)))
    outside = kernels.count_spectra_and_sort(detnum, channel, *results[0][:2], table, results[0][2])
    assert outside == kernels.count_spectra(detnum, channel, *results[1][:2])
    kernels.energy_segments(detnum, channel, table[:, :CHANNELS], results[1][2])
    for got, twin in zip(*results, strict=True):
        assert_array_equal(got, twin)


@given(columns())
def test_images(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    segments = (channel % 4).astype(np.uint8)
    counts = np.zeros((PIXELS, 4), dtype=np.int32)
    outside = kernels.count_images(detnum, segments, counts)
    good = (detnum >= 0) & (detnum < PIXELS)
    twin = np.zeros((PIXELS, 4), dtype=np.int32)
    np.add.at(twin, (detnum[good], segments[good]), 1)
    assert_array_equal(counts, twin)
    assert outside == np.count_nonzero(~good)


@given(st.lists(st.floats(-5, 15), max_size=200), st.floats(0.1, 3.0))
def test_light_curve(times: list[float], step: float) -> None:
    time = np.array(times)
    segments = (np.arange(time.size) % 3).astype(np.uint8)
    bins = int(np.ceil(10 / step))
    counts = np.zeros((bins, 3), dtype=np.int64)
    outside = kernels.count_light_curve(time, segments, 0.5, 1.0 / step, counts)
    place = (time - 0.5) * (1.0 / step)
    good = (place >= 0) & (place < bins)
    twin = np.zeros((bins, 3), dtype=np.int64)
    np.add.at(twin, (place[good].astype(np.int64), segments[good]), 1)
    assert_array_equal(counts, twin)
    assert outside == np.count_nonzero(~good)


@given(st.lists(st.floats(-10, 110), max_size=200), st.lists(st.floats(0, 100), max_size=10, unique=True))
def test_intervals(times: list[float], edges: list[float]) -> None:
    border = np.sort(np.array(edges[: len(edges) // 2 * 2], dtype=np.float64))
    start, stop = border[::2].copy(), border[1::2].copy()
    time = np.array([*times, *border.tolist()])
    inside = np.empty(time.size, dtype=np.bool_)
    kernels.inside_intervals(time, start, stop, inside)
    assert_array_equal(inside, ((time[:, None] >= start) & (time[:, None] < stop)).any(axis=1))


@given(columns())
def test_nominal_channels(photons: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]) -> None:
    detnum, channel = photons
    rng = np.random.default_rng(2)
    gain = rng.normal(0.145, 0.02, PIXELS)
    offset = rng.normal(3.0, 0.5, PIXELS)
    gain[3] = np.nan
    pi = np.empty(detnum.size, dtype=np.int16)
    kernels.nominal_channels(detnum, channel, gain, offset, 0.145, 3.0, CHANNELS, pi)
    good = (detnum >= 0) & (detnum < PIXELS) & (detnum != 3)
    twin = np.full(detnum.size, -1, dtype=np.int16)
    energy = gain[detnum[good]] * (channel[good] + 0.5) + offset[detnum[good]]
    twin[good] = np.clip(np.floor((energy - 3.0) / 0.145), 0, CHANNELS - 1)
    assert_array_equal(pi, twin)


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


@given(st.lists(st.floats(0, 100), max_size=100))
def test_step_back(times: list[float]) -> None:
    time = np.array(times, dtype=np.float64)
    worst, latest = kernels.largest_step_back(time, 50.0)
    reach = np.maximum.accumulate(np.concatenate(([50.0], time)))
    assert worst == pytest.approx(np.max(reach[1:] - time, initial=0.0), abs=0)
    assert latest == reach[-1]
