"""Photons that hit several pixels, against the truth of a simulation and against pairs made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eicpy import instruments
from eicpy.errors import BadArgumentError
from eicpy.events import DeadTime, EventList, PixelScale, multiples_card, readouts, treat_multiples
from eicpy.simulation import preset
from eicpy.simulation.camera.photons import PhotonStream
from eicpy.simulation.scene import build_scene

ECLAIRS = instruments.load("eclairs")
GRID = ECLAIRS.pixels
TICK = 20e-6
SCALE = PixelScale.uniform(GRID.count, 0.145, 3.0)


def treated(photons: EventList, multiples: str, scale: PixelScale = SCALE) -> EventList:
    return treat_multiples(photons, multiples, scale=scale, grid=GRID, tick=TICK)  # type: ignore[arg-type]


def stream(tau: float) -> tuple[EventList, float]:
    """Half a minute of 20 kc/s, of which one photon in eight shares its charge with a neighbour."""
    config = preset("quiet").model_copy(update={"duration": 30.0, "background_rate": 20_000.0, "seed": 4})
    detector = config.detector.model_copy(update={"dead_time": tau, "charge_sharing": 0.25})
    blocks = list(PhotonStream(build_scene(config.model_copy(update={"detector": detector}))).blocks(6))
    columns = [
        np.concatenate([getattr(b, n) for b in blocks]) for n in ("tick", "detnum", "channel", "multiplicity")
    ]
    first = columns[0].min() // 50_000 * 50_000
    return EventList((columns[0] - first) * TICK, *columns[1:]), 30.0


def test_rates_at_20_kc_are_right_to_half_a_percent_with_doubles_on():
    truth, seconds = stream(0.0)
    seen, _ = stream(TICK)
    photons = float((1.0 / truth.multiplicity).sum())  # each of a photon's n events says n
    assert photons / seconds > 15_000
    whole = treated(seen, "combine")
    dead = DeadTime.of(ECLAIRS)
    assert dead is not None
    made_dead = np.bincount(seen.detnum[readouts(seen, GRID, TICK)], minlength=GRID.count)
    live = dead.live_times(seconds, made_dead)
    rate = (np.bincount(whole.detnum, minlength=GRID.count) / live).sum()
    assert rate == pytest.approx(photons / seconds, rel=5e-3)
    assert len(seen) / float(live.mean()) > 1.03 * photons / seconds, "counted as they come they are too many"
    assert len(whole) < 0.98 * photons, "without the live time they are too few"


def test_joined_photons_have_the_energies_of_those_that_hit_one_pixel():
    """Sharing takes energy from an event, and joining gives it back: the same spectrum as without sharing."""
    seen, _ = stream(0.0)
    alone, whole = treated(seen, "single"), treated(seen, "combine")
    shared = whole[whole.multiplicity > 1]
    assert len(alone) + len(shared) == len(whole)
    assert len(shared) == pytest.approx(
        float((1.0 / seen.multiplicity[seen.multiplicity > 1]).sum()), rel=1e-3
    )
    split = seen[seen.multiplicity > 1].energy(SCALE)
    assert split.sum() == pytest.approx(shared.energy(SCALE).sum(), abs=0.08 * len(shared))


@given(
    pixels=st.lists(st.integers(0, 6399), min_size=1, max_size=8, unique=True),
    ticks=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    channels=st.lists(st.integers(0, 400), min_size=8, max_size=8),
    seed=st.integers(0, 5),
)
def test_groups_are_those_of_a_plain_search(pixels, ticks, channels, seed):
    """Neighbours are brought about by folding the pixels into a corner of the plane."""
    detnum = np.unique([(p % 5) * 80 + (p // 5) % 5 for p in pixels])
    n = detnum.size
    rng = np.random.default_rng(seed)
    tick, channel = np.array(ticks[:n]), np.array(channels[:n])
    multiplicity = rng.integers(1, 3, n)
    photons = EventList(3.1e8 + tick * TICK, detnum, channel, multiplicity)
    groups: list[set[int]] = []
    for a in range(n):
        touching = [
            g
            for g in groups
            if any(
                multiplicity[a] > 1
                and multiplicity[b] > 1
                and tick[a] == tick[b]
                and abs(detnum[a] // 80 - detnum[b] // 80) <= 1
                and abs(detnum[a] % 80 - detnum[b] % 80) <= 1
                for b in g
            )
        ]
        groups = [g for g in groups if g not in touching] + [{a}.union(*touching)]
    whole = treated(photons, "combine")
    assert len(whole) == len(groups)
    energy = photons.energy(SCALE)
    expected = sorted(round(float(energy[list(g)].sum()), 3) for g in groups)
    np.testing.assert_allclose(sorted(whole.energy(SCALE)), expected, atol=0.0726)
    np.testing.assert_array_equal(readouts(photons, GRID, TICK).sum(), len(groups))  # one sector


def test_the_three_ways():
    photons = EventList(
        [1.0, 1.0, 2.0, 3.0, 3.0], [100, 101, 7, 500, 700], [300, 71, 80, 50, 60], [2, 2, 1, 2, 2]
    )
    assert treated(photons, "all") is photons
    assert treated(photons, "single").detnum.tolist() == [7]
    whole = treated(photons, "combine")
    assert whole.detnum.tolist() == [100, 7, 500, 700], "pixels that do not touch are no photon"
    assert whole.channel.tolist() == [392, 80, 50, 60]  # 46.57 + 13.37 keV = 59.94 keV
    assert whole.multiplicity.tolist() == [2, 1, 2, 2]
    with pytest.raises(BadArgumentError, match="single, all, combine"):
        treated(photons, "double")
    assert multiples_card("single")["MULTIPLE"][0] == "single"


def test_two_sectors_are_dead_for_one_photon_between_them():
    sector = GRID.sector(np.arange(GRID.count))
    a = next(p for p in range(GRID.count - 80) if sector[p] != sector[p + 80])
    photons = EventList([1.0, 1.0, 2.0, 2.0], [a, a + 80, a, a - 1], [50, 60, 50, 60], [2, 2, 2, 2])
    assert readouts(photons, GRID, TICK).tolist()[:2] == [True, True]
    assert readouts(photons, GRID, TICK).sum() == 3
    assert len(treated(photons, "combine")) == 2


def test_a_pixel_without_a_scale_joins_nothing():
    gain = np.full(GRID.count, 0.145)
    gain[101] = np.nan
    photons = EventList([1.0, 1.0], [100, 101], [300, 71], [2, 2])
    whole = treated(photons, "combine", PixelScale(gain, np.full(GRID.count, 3.0)))
    assert whole.detnum.tolist() == [100, 101]
