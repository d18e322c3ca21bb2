import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.events import EnergyBands, EventList, PixelScale
from eicpy.instruments import load
from eicpy.trigger import CountRateSettings, PhotonBinner, TriggerConfiguration, Zone, plane_atoms

ECLAIRS = load("eclairs")
START = 3.1e8


def plain(photons, configuration, scale, start, bins):
    """Counts of fine bins, atoms and segments, and images of whole cycles, photon by photon in numpy."""
    bands = EnergyBands(configuration.bands)
    energy = scale.gain[photons.detnum] * (photons.channel + 0.5) + scale.offset[photons.detnum]
    segment = np.searchsorted(bands.edges, energy, side="right")
    y, z = ECLAIRS.pixels.yz(photons.detnum.astype(int))
    atoms, belongs = plane_atoms(configuration.count_rate.zones, 80, 80)
    used = np.isfinite(energy) & ~np.isin(photons.detnum, configuration.ignored_pixels)
    at = np.floor((photons.time - start) / 0.005).astype(int)
    used &= (at >= 0) & (at < bins)
    counts = np.zeros((bins, belongs.shape[1], bands.segments), np.int32)
    np.add.at(counts, (at[used], atoms[z, y][used], segment[used]), 1)
    images = np.zeros((bins // 4096 + 1, bands.segments, 80, 80))
    np.add.at(images, (at[used] // 4096, segment[used], z[used], y[used]), 1)
    return counts, images[: bins // 4096]


def drawn(rng, seconds, rate=400):
    n = rng.poisson(rate * seconds)
    time = np.sort(rng.uniform(0, seconds, n)) + rng.uniform(0, 2e-4, n) + START
    return EventList(time, rng.integers(0, 6400, n), rng.integers(0, 1024, n) // 3)


def scale_with_gaps(rng):
    gain, offset = rng.normal(0.145, 0.002, 6400), rng.normal(3.0, 0.05, 6400)
    gain[rng.choice(6400, 300, replace=False)] = np.nan
    return PixelScale(gain, offset)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.floats(0, 45), max_size=6))
def test_counts_are_those_of_plain_numpy_in_blocks_of_any_size(seed, cuts):
    rng = np.random.default_rng(seed)
    zones = (Zone(name="full"), Zone(name="a", y=(3, 50), z=(10, 30)), Zone(name="b", y=(40, 80)))
    configuration = TriggerConfiguration(
        bands=((5, 8), (7, 30)),
        count_rate=CountRateSettings(zones=zones),
        ignored_pixels=tuple(rng.choice(6400, 50, replace=False).tolist()),
    )
    scale, photons = scale_with_gaps(rng), drawn(rng, 45.0)
    counts, images = plain(photons, configuration, scale, START, 9000)
    binner = PhotonBinner(configuration, ECLAIRS, scale, START)
    given_out = []
    for cut in [*sorted(cuts), 45.0]:
        # Photons of a block reach beyond its border, some before earlier ones of the same block.
        sent = np.searchsorted(photons.time, START + cut + 0.1) if cut < 45 else len(photons)
        before = sum(len(b) for b in given_out[0::2])
        block = photons[before:sent] if sent > before else photons[:0]
        given_out += [block, binner.add(block, START + cut)]
    pieces = given_out[1::2]
    assert np.array_equal(np.concatenate([p.counts for p in pieces]), counts)
    made = [image for p in pieces for image in p.images]
    assert [begin for begin, _ in made] == pytest.approx([START, START + 20.48])
    assert np.array_equal([image for _, image in made], images)
    assert binner.late == 0
    assert np.allclose([p.start for p in pieces[1:]], [p.stop for p in pieces[:-1]], atol=1e-6)


def nominal():
    return PixelScale.uniform(6400, 0.145, 3.0)


def test_a_photon_that_comes_too_late_is_counted_as_such():
    binner = PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), 0.0)
    binner.add(EventList([0.1, 5.0], [1, 2], [50, 50]), 1.0)
    assert (binner.waiting, binner.late) == (1, 0)
    binned = binner.add(EventList([0.5, -1.0, 1.5, 2.5], [1, 2, 3, 6400], [50, 50, 50, 50]), 6.0)
    assert (binner.waiting, binner.late, binner.out_of_range) == (0, 2, 1)
    assert binned.counts.sum() == 2


def test_photons_without_a_time_and_negative_pixels_are_out_of_range():
    binner = PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), 0.0)
    binned = binner.add(EventList([np.nan, 0.5], [1, -1], [50, 50]), 1.0)
    assert binner.out_of_range == 2
    assert binned.counts.sum() == 0


def test_photons_of_a_far_future_do_not_wait_for_it():
    binner = PhotonBinner(TriggerConfiguration(), ECLAIRS, PixelScale.uniform(6400, 0.145, 3.0), START)
    times = [START + 1.0, START + 500.0, START + 700.0, START + 1e9, np.inf]
    binner.add(EventList(times, [1] * 5, [100] * 5), START + 10.0)
    assert (binner.waiting, binner.out_of_range) == (1, 3)
    counted = sum(b.counts.sum() for b in binner.pieces(EventList([], [], []), START + 600.0))
    assert (counted, binner.waiting, binner.out_of_range) == (1, 0, 3)


def test_pieces_are_what_one_call_gives_and_are_short():
    rng = np.random.default_rng(3)
    photons = drawn(rng, 700.0, rate=20)
    whole = PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), START).add(photons, START + 700)
    pieces = list(
        PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), START).pieces(photons, START + 700)
    )
    assert len(pieces) == 3
    assert np.array_equal(np.concatenate([p.counts for p in pieces]), whole.counts)
    assert np.array_equal([i for p in pieces for _, i in p.images], [image for _, image in whole.images])


def test_a_jump_of_days_is_refused_and_pieces_take_it():
    binner = PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), 0.0)
    with pytest.raises(BadArgumentError, match="begin again after the gap"):
        binner.add(EventList([0.1], [1], [50]), 20_000.0)
    assert sum(len(p.counts) for p in binner.pieces(EventList([0.1], [1], [50]), 20_000.0)) == 4_000_000


@pytest.mark.parametrize(
    ("configuration", "scale", "message"),
    [
        ({}, PixelScale.uniform(64, 0.145, 3.0), "64 pixels"),
        ({"ignored_pixels": (6400,)}, nominal(), "ignored pixel 6400"),
        ({"count_rate": CountRateSettings(zones=(Zone(name="far", y=(0, 81)),))}, nominal(), "far"),
    ],
)
def test_what_does_not_fit_the_plane_is_refused(configuration, scale, message):
    with pytest.raises(BadArgumentError, match=message):
        PhotonBinner(TriggerConfiguration(**configuration), ECLAIRS, scale, 0.0)


@pytest.mark.parametrize("until", [np.nan, np.inf])
def test_a_border_must_be_a_time(until):
    binner = PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), 0.0)
    with pytest.raises(BadArgumentError, match="expected a time"):
        binner.add(EventList([0.1], [1], [50]), until)
    with pytest.raises(BadArgumentError, match="expected a time"):
        PhotonBinner(TriggerConfiguration(), ECLAIRS, nominal(), until)
