"""Changes and drift of pixels: what was asked for happens when it was asked for, and the truth says so."""

import numpy as np
import pytest
from astropy.io import fits
from pydantic import ValidationError

from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.packets import PacketLayout, decode, index_packets
from eicpy.simulation import (
    DriftConfig,
    ExcursionConfig,
    PhotonStream,
    PixelChange,
    build_bench,
    build_scene,
    preset,
    write_simulation,
)
from eicpy.simulation.camera.drift import PlaneDrift
from eicpy.simulation.camera.history import active_times, chosen_pixels

ECLAIRS = load("eclairs")
CALM = preset("quiet").model_copy(update={"duration": 60.0})
GRID = ECLAIRS.pixels
SECTOR, MODULE = GRID.sector(np.arange(6400)), GRID.module(np.arange(6400))


def photons(config, build=build_scene, steps=6):
    stream = PhotonStream(build(config))
    blocks = list(stream.blocks(steps))
    names = ("tick", "detnum", "channel")
    columns = {n: np.concatenate([getattr(b, n) for b in blocks]) for n in names}
    columns["time"] = columns.pop("tick") * 20e-6 - stream.scene.start
    return columns, stream.scene


def changed(*changes, **more):
    return photons(CALM.model_copy(update={"changes": changes} | more))


def energies(columns, scene):
    d = scene.detector
    return d.gain[columns["detnum"]] * (columns["channel"] + 0.5) + d.offset[columns["detnum"]]


@pytest.fixture(scope="module")
def calm():
    return photons(CALM)[0]


def test_a_module_and_a_sector_fail_and_come_back():
    columns, _ = changed(
        PixelChange(time=13.3, what="off", modules=(17,)),
        PixelChange(time=20.0, stop=41.7, what="off", sectors=(3,)),
    )
    time, detnum = columns["time"], columns["detnum"]
    assert (np.diff(time) >= 0).all()
    assert time[MODULE[detnum] == 17].max() < 13.3
    third = time[SECTOR[detnum] == 3]
    assert not ((third >= 20.0) & (third < 41.7)).any()
    assert (third >= 41.7).sum() / 18.3 == pytest.approx((third < 20.0).sum() / 20.0, rel=0.06)


def test_photons_of_changes_do_not_depend_on_the_blocks(calm):
    config = CALM.model_copy(
        update={
            "changes": (
                PixelChange(time=5.0, what="noise", value=300.0, detnum=(5,), on=3.0, off=4.0),
                PixelChange(time=31.0, what="threshold", value=6.0),
            ),
            "drift": DriftConfig(gain_per_kelvin=1e-3, polarisation=0.02),
        }
    )
    one, two = photons(config)[0], photons(config, steps=1)[0]
    assert all(np.array_equal(one[name], two[name]) for name in one)
    early = photons(CALM.model_copy(update={"changes": (PixelChange(time=50.0, what="off"),)}))[0]
    same = early["time"] < 50.0
    assert np.array_equal(early["detnum"][same], calm["detnum"][: same.sum()])
    assert same.all()


def test_a_threshold_is_raised_at_a_time_and_each_pixel_keeps_its_deviation(calm):
    columns, scene = changed(PixelChange(time=25.0, what="threshold", value=6.5, sectors=(0, 1)))
    energy, time, detnum = energies(columns, scene), columns["time"], columns["detnum"]
    mine = SECTOR[detnum] < 2
    after = mine & (time >= 25.0)
    lowest = 6.5 + scene.detector.deviation[detnum[after]]
    assert (energy[after] >= lowest - 0.08).all()
    assert ((energy < 6.0) & mine & (time < 25.0)).sum() > 3000
    assert ((energy < 6.0) & ~mine & (time >= 25.0)).sum() > 10_000
    assert np.std(scene.detector.deviation) == pytest.approx(0.1, rel=0.05)


def test_efficiency_and_layer_take_their_share():
    columns, scene = changed(
        PixelChange(time=0.0, what="efficiency", value=0.5, sectors=(2,)),
        PixelChange(time=0.0, what="layer", value=1.5, sectors=(4,)),
    )
    energy, sector = energies(columns, scene), SECTOR[columns["detnum"]]
    low, high = (np.bincount(sector[(energy > a) & (energy < b)], minlength=8) for a, b in ((4, 6), (12, 50)))
    assert low[2] / low[3] == pytest.approx(0.5, abs=0.04)
    assert high[2] / high[3] == pytest.approx(0.5, abs=0.04)
    assert low[4] / low[3] == pytest.approx(0.37, abs=0.06)  # exp(−1.4·1.5·(4/5)^3.5)
    assert high[4] / high[3] == pytest.approx(1.0, abs=0.06)


def test_noise_begins_at_a_time_and_an_intermittent_pixel_comes_and_goes():
    changes = (
        PixelChange(time=30.0, what="noise", value=50.0, detnum=(4000,)),
        PixelChange(time=5.0, stop=55.0, what="noise", value=400.0, detnum=(100,), on=2.0, off=3.0),
    )
    columns, scene = changed(*changes)
    of_new = columns["time"][columns["detnum"] == 4000]
    assert (of_new < 30).sum() < 50
    assert (of_new >= 30).sum() == pytest.approx(50 * 30, rel=0.12)
    held = [one for one in scene.history.active if one.number == 1]
    assert len(held) > 5
    time = columns["time"][columns["detnum"] == 100]
    inside = np.zeros(len(time), bool)
    for one in held:
        inside |= (time >= one.start) & (time < one.stop)
    length = sum(one.stop - one.start for one in held)
    assert inside.sum() == pytest.approx(400 * length, rel=0.1)
    assert (~inside).sum() < 80


def test_coming_and_going_has_the_lengths_that_were_asked_for():
    change = PixelChange(time=100.0, what="noise", value=1.0, on=2.0, off=8.0)
    held = active_times([change], 20_000.0, seed=1)
    starts, stops = (np.array([getattr(one, n) for one in held]) for n in ("start", "stop"))
    assert starts[0] == 100.0
    assert (starts[1:] > stops[:-1]).all()
    assert np.mean(stops - starts) == pytest.approx(2.0, rel=0.1)
    assert np.mean(starts[1:] - stops[:-1]) == pytest.approx(8.0, rel=0.1)
    assert active_times([change], 20_000.0, seed=2) != held


def test_gain_and_offset_move_the_lines():
    bench = preset("bench").model_copy(update={"duration": 300.0})
    changes = (
        PixelChange(time=0.0, what="gain", value=1.05),
        PixelChange(time=0.0, what="offset", value=0.5),
    )
    means = []
    for some in ((), changes[:1], changes):
        columns, scene = photons(bench.model_copy(update={"changes": some}), build_bench)
        energy = energies(columns, scene)
        means.append(energy[np.abs(energy - 58.0) < 4].mean())
    channels = (59.54 - 3.0) / 0.145
    assert means[1] - means[0] == pytest.approx(-0.145 * channels * (1 - 1 / 1.05), abs=0.4)
    assert means[2] - means[1] == pytest.approx(-0.5 / 1.05, abs=0.15)


def test_a_change_on_the_bench_cuts_its_measurements():
    config = preset("bench").model_copy(
        update={"duration": 300.0, "changes": (PixelChange(time=250.0, stop=262.5, what="off"),)}
    )
    columns, _ = photons(config, build_bench)
    time = columns["time"]
    assert not ((time >= 250.0) & (time < 262.5)).any()
    assert ((time >= 262.5) & (time < 275.0)).sum() == pytest.approx(
        ((time >= 237.5) & (time < 250.0)).sum(), rel=0.1
    )


def test_the_plane_drifts_with_its_temperature_and_polarises():
    excursion = ExcursionConfig(parameter="DPIX_TEMPELS3", start=500.0, duration=200.0, value=-10.0)
    config = DriftConfig(gain_per_kelvin=2e-3, polarisation=0.04, polarisation_time=1000.0, powered=300.0)
    drift = PlaneDrift(config, 8, 5800.0, [(2000.0, 2500.0)], [excursion])
    time = np.array([600.0, 900.0, 1999.0, 2600.0])
    assert drift.temperature(time)[0, 2] == pytest.approx(-10.0)
    assert drift.temperature(time)[1, 2] == drift.normal_temperature(time)[1, 2]
    assert np.abs(drift.normal_temperature(time) + 20).max() < 0.9
    assert drift.gain(time)[0, 2] == pytest.approx(1.02)
    expected = 1 - 0.04 * (1 - np.exp(-np.array([0.9, 1.2, 2.299, 0.1])))
    assert drift.charge(time) == pytest.approx(expected)


def test_photons_follow_the_drift():
    """The plane cooled by 15 K: what it sends reads 3 % higher; polarised, 3 % lower."""
    base, scene = photons(CALM)
    means = []
    for drift in (
        DriftConfig(temperature=-35.0, gain_per_kelvin=2e-3),
        DriftConfig(polarisation=0.03, polarisation_time=1.0, powered=100.0),
    ):
        columns, _ = changed(drift=drift)
        energy = energies(columns, scene)
        means.append(np.median(energy[(energy > 15) & (energy < 120)]))
    reference = energies(base, scene)
    for mean, factor in zip(means, (1 / 0.97, 0.97), strict=True):
        part = reference[(reference > 15 / factor) & (reference < 120 / factor)]
        assert mean == pytest.approx(np.median(part) * factor, rel=0.01)


def test_truth_and_housekeeping_say_what_happened(tmp_path):
    config = preset("demo").model_copy(
        update={
            "name": "changing",
            "start": "2026-11-20T18:32:00",
            "duration": 61.0,
            "bursts": (),
            "excursions": (),
            "changes": (
                PixelChange(time=20.0, what="off", modules=(0, 1)),
                PixelChange(time=30.0, what="threshold", value=5.0, sectors=(7,)),
            ),
            "drift": DriftConfig(temperature=-21.0, gain_per_kelvin=1e-3),
        }
    )
    night = write_simulation(config, tmp_path)
    with fits.open(night.tables) as hdus:
        changes, drift = hdus["CHANGES"].data, hdus["DRIFT"].data
        assert changes["WHAT"].tolist() == ["off", "threshold"]
        assert changes["START"] - night.summary["start"] == pytest.approx([20.0, 30.0])
        assert np.array_equal(changes["DETNUM"][0], np.flatnonzero(MODULE < 2))
        assert np.array_equal(changes["DETNUM"][1], np.flatnonzero(SECTOR == 7))
        assert drift["TEMPERATURE"].shape == (7, 8)
        assert np.allclose(drift["GAIN"], 1 + 1e-3 * (drift["TEMPERATURE"] + 20.0))
        assert (drift["CHARGE"] == 1).all()
        assert hdus["CHANGES"].header["SIMULATE"]
    buffer = np.fromfile(night.packets, np.uint8)
    index = index_packets(buffer, ECLAIRS.headers)
    rows = index[(index.apid == 802) & (index.subservice == 25)]
    layout = PacketLayout.read(ECLAIRS.layout_file("dpix"))
    columns = decode(buffer, rows, layout).columns
    time = rows.time() - night.summary["start"]
    off = layout.calibrate("DPIX_NOFFELS1", columns["DPIX_NOFFELS1"])
    assert (off[time >= 20] > off[time < 20].max()).all()
    assert 50 < off[-1] - off[0] <= 64  # two modules, of which some pixels were dead before
    threshold = layout.calibrate("DPIX_THRELS8", columns["DPIX_THRELS8"])
    assert threshold[time > 30] == pytest.approx(5.0, abs=0.02)
    temperature = layout.calibrate("DPIX_TEMPELS1", columns["DPIX_TEMPELS1"])
    assert temperature[:7] == pytest.approx(drift["TEMPERATURE"][0, 0], abs=0.1)
    done = index[(index.apid == 800) & (index.subservice == 7)]
    assert done.time() - night.summary["start"] == pytest.approx([30.9], abs=1e-3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"detnum": (6400,)}, "got a change of detnum \\[6400\\], expected 0 to 6399"),
        ({"modules": (200,)}, "expected 0 to 199"),
        ({"sectors": (-1,)}, "expected 0 to 7"),
    ],
)
def test_a_change_of_what_does_not_exist_is_refused(change, expected):
    with pytest.raises(BadArgumentError, match=expected):
        chosen_pixels(PixelChange(time=1.0, what="off", **change), ECLAIRS)


def test_a_change_that_comes_and_goes_too_often_is_refused():
    change = PixelChange(time=1.0, what="off", on=0.1, off=0.1)
    with pytest.raises(BadArgumentError, match="expected at most 100000 times"):
        active_times([change], 39 * 86400.0, seed=1)


@pytest.mark.parametrize(
    "fields",
    [
        {"what": "efficiency", "value": 1.5},
        {"what": "gain", "value": 0.0},
        {"what": "off", "on": 3.0},
        {"what": "off", "stop": 0.5},
        {"what": "noise", "value": -1.0},
    ],
)
def test_a_change_that_cannot_be_is_refused(fields):
    with pytest.raises(ValidationError):
        PixelChange(time=1.0, **fields)
