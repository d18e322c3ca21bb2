"""PhotonArrays against their expectation, and each kernel against its Python twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eicpy.errors import BadArgumentError
from eicpy.imaging.diffuse import DiffuseSky, _sandwich, flatten
from eicpy.instruments import load
from eicpy.kernels import Deferred
from eicpy.simulation import (
    BurstConfig,
    DetectorConfig,
    PhotonStream,
    build_scene,
    preset,
)
from eicpy.simulation.camera import kernels as k
from eicpy.simulation.camera import random_numbers
from eicpy.simulation.camera.escape import escape_table
from eicpy.simulation.camera.random_numbers import first_state
from eicpy.simulation.sky.bursts import burst_truth
from eicpy.simulation.spectra import expected_spectra

CALM = preset("quiet").model_copy(update={"duration": 200.0})


def all_photons(config, steps=6):
    stream = PhotonStream(build_scene(config))
    blocks = list(stream.blocks(steps))
    columns = {n: np.concatenate([getattr(b, n) for b in blocks]) for n in k.PhotonArrays._fields}
    return columns, stream


@pytest.fixture(scope="module")
def calm():
    return all_photons(CALM)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-3))
def test_alias_table_gives_back_the_weights(weights):
    weights = np.array(weights)
    stay, other = k.alias_table(weights)
    n = len(weights)
    share = np.minimum(stay, 1.0).copy()
    np.add.at(share, other, 1 - np.minimum(stay, 1.0))
    assert np.allclose(share / n, weights / weights.sum(), atol=1e-12)
    twin = k.alias_table.py_func(weights)
    assert (twin[0] == stay).all()
    assert (twin[1] == other).all()


@settings(max_examples=50)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-3))
def test_packed_alias_table_gives_back_the_weights(weights):
    weights = np.array(weights)
    table = k.packed_alias(weights)
    stay, other = (table >> np.uint64(32)).astype(float) / 2**32, (table & np.uint64(2**32 - 1)).astype(int)
    share = stay.copy()
    np.add.at(share, other, 1 - stay)
    assert np.allclose(share / len(weights), weights / weights.sum(), atol=1e-9)
    assert (share[weights == 0] < 1e-9).all()
    assert np.array_equal(k.packed_alias.py_func(weights), table)


def test_compiled_and_plain_python_make_the_same_photons(monkeypatch):
    detector = DetectorConfig(hole_length=3.0, charge_sharing=0.1)
    config = preset("demo").model_copy(
        update={
            "bursts": (BurstConfig(name="b", start=1, ra=85, dec=15, peak_flux=4),),
            "detector": detector,
        }
    )
    scene = build_scene(config)
    results = []
    for function in (k.make_photons, k.make_photons.py_func):
        if results:
            for module in (k, random_numbers):
                for name, part in list(vars(module).items()):
                    if isinstance(part, Deferred):
                        monkeypatch.setattr(module, name, part.py_func)
        out = k.PhotonArrays(
            np.zeros(9000, np.int64),
            np.zeros(9000, np.int16),
            np.zeros(9000, np.int16),
            np.zeros(9000, np.uint8),
            np.zeros(9000, np.uint8),
        )
        lost, several = np.zeros(4, np.int64), np.zeros(4, np.int64)
        last, busy = np.full(8, -1.0), np.zeros((10, 8), np.int64)
        counts = np.zeros(len(scene.components), np.int64)
        live = np.array([[0.2, 0.8], [1.5, 1.8]])
        with np.errstate(over="ignore"):  # words of 64 bits wrap around
            n = function(
                first_state(np.random.SeedSequence(5)),
                0.0,
                1000,
                live,
                scene.shining(1.5),
                scene.tables,
                scene.pixels,
                scene.response,
                scene.constants,
                last,
                lost,
                several,
                counts,
                busy,
                out,
                0,
            )
        results.append((n, lost, several, last, counts, busy, *(c[:n] for c in out)))
    assert results[0][0] > 2500
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_rate_is_the_published_one(calm):
    columns, stream = calm
    gain, offset = stream.scene.detector.gain, stream.scene.detector.offset
    E = gain[columns["detnum"]] * (columns["channel"] + 0.5) + offset[columns["detnum"]]
    inside = ((E >= 4) & (E < 120)).sum() / 200.0
    assert inside == pytest.approx(3100, rel=0.03)


@pytest.mark.parametrize(
    "detector",
    [
        {},
        {"escape": False},
        {"hole_length": 3.0, "threshold_scatter": 0.0},
        {"charge_sharing": 0.2, "threshold_scatter": 0.0},
        {"hole_length": 2.0, "charge_sharing": 0.1, "dead_fraction": 0.3, "threshold_scatter": 0.0},
    ],
)
def test_single_photons_follow_the_expected_spectra(detector):
    seconds = 100.0
    config = CALM.model_copy(
        update={"duration": seconds, "detector": CALM.detector.model_copy(update=detector)}
    )
    columns, stream = all_photons(config)
    single = columns["multiplicity"] == 1
    counts = np.bincount(columns["channel"][single], minlength=1024)
    dead = 1 - stream.counts.sum() / seconds / 8 * config.detector.dead_time
    expected = expected_spectra(stream.scene.detector, stream.scene.instrument).sum(axis=0) * seconds * dead
    whole = np.add.reduceat(expected, range(0, 1024, 4))
    counts = np.add.reduceat(counts, range(0, 1024, 4))
    enough = whole > 20
    chi2 = ((counts - whole)[enough] ** 2 / whole[enough]).sum()
    assert chi2 / enough.sum() == pytest.approx(1.0, abs=4 * np.sqrt(2 / enough.sum()))
    assert counts.sum() == pytest.approx(whole.sum(), abs=4 * np.sqrt(whole.sum()))


def test_pixels_follow_the_expected_map(calm):
    columns, stream = calm
    counts = np.bincount(columns["detnum"], minlength=6400)
    expected = expected_spectra(stream.scene.detector, stream.scene.instrument).sum(axis=1)
    expected *= counts.sum() / expected.sum()
    assert ((counts - expected) ** 2 / expected).mean() == pytest.approx(1.0, abs=0.08)


def test_times_are_ordered_whole_ticks(calm):
    columns, stream = calm
    assert (np.diff(columns["tick"]) >= 0).all()
    assert columns["tick"].dtype == np.int64
    first = stream.scene.start * 50_000
    assert first <= columns["tick"][0]
    assert columns["tick"][-1] < first + 200 * 50_000
    gaps = np.diff(columns["tick"]) * 20e-6
    assert gaps.mean() == pytest.approx(gaps.std(), rel=0.05)  # exponential gaps


def test_photons_do_not_depend_on_the_blocks(calm):
    columns, _ = calm
    again, _ = all_photons(CALM, steps=1)
    assert all(np.array_equal(columns[n], again[n]) for n in columns)
    other, _ = all_photons(CALM.model_copy(update={"seed": 3}))
    assert len(other["tick"]) != len(columns["tick"])


def test_dead_time_takes_what_a_non_paralysable_counter_loses():
    bright = CALM.model_copy(update={"duration": 20.0, "background_rate": 60_000.0})
    with_dead, stream = all_photons(bright)
    without, _ = all_photons(
        bright.model_copy(update={"detector": bright.detector.model_copy(update={"dead_time": 0.0})})
    )
    n, tau = len(without["tick"]) / 20.0 / 8, 20e-6
    assert len(with_dead["tick"]) / len(without["tick"]) == pytest.approx(1 / (1 + n * tau), rel=5e-3)
    assert stream.lost[k.LOST_DEAD_TIME] > 0
    sector = stream.scene.pixels.sector[with_dead["detnum"]]
    for s in range(8):
        gaps = np.diff(with_dead["tick"][sector == s])
        assert (gaps[gaps > 0] >= 1).all()


def test_the_true_dead_time_is_that_of_each_recorded_event():
    config = CALM.model_copy(update={"duration": 23.0, "background_rate": 20_000.0})
    stream = PhotonStream(build_scene(config))
    for block in stream.blocks(steps=1):
        seconds = int(np.ceil(block.end - block.begin))
        assert block.dead_time.shape == (seconds, 8)
        sector = stream.scene.pixels.sector[block.detnum]
        ticks = block.tick - round((stream.scene.start + block.begin) * 50_000)
        event = np.unique(np.stack([ticks, sector], axis=1), axis=0)
        expected = np.zeros((seconds, 8))
        np.add.at(expected, (event[:, 0] // 50_000, event[:, 1]), 20e-6)
        assert np.allclose(block.dead_time, expected, atol=61e-6)  # two events may share a tick
        assert block.dead_time.sum() == pytest.approx(expected.sum(), rel=1e-3)


def test_three_deposits_from_one_photon():
    detector = CALM.detector.model_copy(update={"charge_sharing": 0.9})
    columns, _ = all_photons(CALM.model_copy(update={"duration": 60.0, "detector": detector}))
    triple = np.flatnonzero(columns["multiplicity"] == 3)
    assert len(triple) > 100
    assert len(triple) % 3 == 0
    assert (columns["tick"][triple[::3]] == columns["tick"][triple[2::3]]).all()
    assert columns["multiplicity"].max() == 3


def test_multiples_are_counted_and_can_be_vetoed():
    detector = CALM.detector.model_copy(update={"charge_sharing": 0.3})
    config = CALM.model_copy(update={"duration": 30.0, "detector": detector})
    sent, stream = all_photons(config)
    number = np.bincount(sent["multiplicity"], minlength=4)
    assert number[2] == 2 * stream.several[2] > 1000
    assert number[3] == 3 * stream.several[3] > 10
    assert stream.several[1] > 1000  # the other deposit stayed below the threshold: looks like one photon
    vetoed, one = all_photons(
        config.model_copy(update={"detector": detector.model_copy(update={"multiples": "vetoed"})})
    )
    assert (vetoed["multiplicity"] == 1).all()
    assert np.array_equal(vetoed["tick"], sent["tick"][sent["multiplicity"] == 1])
    assert one.lost[k.LOST_VETO] == number[2] + number[3]
    assert np.array_equal(one.several, stream.several)


def test_multiple_photons_come_in_neighbouring_pairs(calm):
    columns, stream = calm
    pair = np.flatnonzero(columns["multiplicity"] == 2)
    escapes = escape_table()
    E = np.arange(20.0, 200.0, 0.05)
    scene = stream.scene
    light = sum(
        scene.components[n].rate
        * np.histogram(table.low + table.width / 2, np.append(E, 200.0), weights=table.rate / table.total)[0]
        for n, table in ((0, scene.components[0].table), (2, scene.components[2].table))
    )
    made = 2 * 200.0 * (light * escapes.at(E + 0.025)[1].sum(axis=1)).sum()
    assert 0.001 < len(pair) / len(columns["tick"]) < 0.01
    assert len(pair) == pytest.approx(made, rel=0.15)  # less at the border and below the threshold
    first, second = pair[::2], pair[1::2]
    assert (second == first + 1).all()
    assert (columns["tick"][first] == columns["tick"][second]).all()
    i, j = np.divmod(columns["detnum"][pair].astype(int), 80)
    distance = np.abs(np.diff(i.reshape(-1, 2))) + np.abs(np.diff(j.reshape(-1, 2)))
    assert (distance == 1).all()


def test_thresholds_dead_pixels_and_noise():
    config = CALM.model_copy(update={"detector": DetectorConfig(), "duration": 60.0})
    columns, stream = all_photons(config)
    d = stream.scene.detector
    edge = d.gain * np.arange(1024)[:, None] + d.offset
    upper = edge[columns["channel"] + 0, columns["detnum"]] + d.gain[columns["detnum"]]
    assert (upper >= d.threshold[columns["detnum"]]).all()
    assert not np.isin(columns["detnum"], np.flatnonzero(d.efficiency == 0)).any()
    noisy = np.bincount(columns["detnum"], minlength=6400)[d.noise > 5] / 60
    assert noisy == pytest.approx(d.noise[d.noise > 5] + 0.5, rel=0.4)


def test_the_earth_takes_the_cosmic_background_away():
    scene = build_scene(preset("demo"))
    rates = [scene.shining(10.0 * step + 5.0) for step in range(0, scene.steps, 20)]
    cosmic = np.array([r.rate[r.spectrum == 0].sum() for r in rates])
    albedo = np.array([r.rate[r.spectrum == 1].sum() for r in rates])
    assert cosmic.max() == pytest.approx(scene.components[0].rate)
    assert cosmic.min() < 0.2 * cosmic.max()
    assert albedo[cosmic.argmin()] == albedo.max() > 0
    angle = np.degrees(
        scene.orbit.earth_angle(
            scene.start + 10.0 * np.arange(0, scene.steps, 20) + 5, scene.pointing.rotation[0]
        )
    )
    assert np.corrcoef(angle, cosmic)[0, 1] > 0.85
    assert (cosmic[angle > 65.7 + 65] == cosmic.max()).all()


def test_etendue_against_brute_force():
    sky = DiffuseSky(load("eclairs").mask, 80, etendue=354.5)
    assert sky.full.sum() == pytest.approx(354.5)
    t = np.linspace(-1, 1, 401)
    ty, tz = np.meshgrid(t, t)
    weight = (1 + ty**2 + tz**2) ** -2.0
    ratio = []
    for place in ((39, 39), (0, 0)):
        z, y = (np.array(place) + 0.5) * 0.45 - 18.0
        open_ = (np.abs(y + 45.81 * ty) < 53.97 / 2) & (np.abs(z + 45.81 * tz) < 53.97 / 2)
        ratio.append((weight * open_).sum() / sky.full[place])
    assert ratio[0] == pytest.approx(ratio[1], rel=0.01)
    seen, hidden = sky.split(np.array([1.0, 0, 0]), np.radians(65.7))
    assert np.allclose(seen + hidden, sky.full)
    assert seen.sum() == pytest.approx(0, abs=1e-6)
    assert (flatten(stream_image()) == np.arange(6400)).all()


def test_the_product_of_three_matrices_agrees_with_numpy():
    rng = np.random.default_rng(1)
    a, x = rng.random((7, 9)) * (rng.random((7, 9)) > 0.5), rng.random((9, 9))
    assert np.allclose(_sandwich(a, x), a @ x @ a.T, rtol=1e-13)
    assert np.array_equal(_sandwich(a, x), _sandwich.py_func(a, x))


def stream_image():
    return build_scene(CALM).instrument.pixels.image(np.arange(6400))


def test_a_burst_rises_and_falls_through_the_mask():
    burst = BurstConfig(name="b", start=10.0, rise=2.0, decay=5.0, ra=85, dec=15, peak_flux=8.0)
    config = CALM.model_copy(update={"bursts": (burst,), "duration": 80.0})
    columns, stream = all_photons(config)
    source = stream.scene.sources[0]
    mine = columns["origin"] == source.component
    time = (columns["tick"][mine] / 50_000) - stream.scene.start
    assert time.min() >= 10.0
    assert time.max() <= 10 + burst.end
    recorded = mine.sum() / (source.rate * burst_truth(burst, 0.0)["photon_fluence"] / burst.peak_flux)
    assert recorded == pytest.approx(0.97, abs=0.05)
    shadow = flatten(stream.scene.mask.shadow(source.ty, source.tz))
    image = np.bincount(columns["detnum"][mine], minlength=6400)
    lone = columns["multiplicity"] == 1
    dark = np.bincount(columns["detnum"][mine & lone], minlength=6400)[shadow == 0].sum()
    assert dark < 0.02 * image.sum()  # fluorescence that left, its first pixel below threshold
    assert np.corrcoef(image, shadow * stream.scene.detector.efficiency)[0, 1] > 0.6


def test_a_burst_alone_in_the_dark():
    burst = BurstConfig(name="b", start=12.0, decay=0.5, ra=85, dec=15, peak_flux=8.0)
    config = CALM.model_copy(update={"background_rate": 0.0, "bursts": (burst,), "duration": 60.0})
    columns, stream = all_photons(config)
    second = columns["tick"] / 50_000 - stream.scene.start
    assert len(second) > 500
    assert second.min() >= 12
    assert second.max() < 12 + burst.end


def test_nothing_shines():
    config = CALM.model_copy(update={"background_rate": 0.0})
    with pytest.raises(BadArgumentError, match="nothing shines"):
        build_scene(config)
