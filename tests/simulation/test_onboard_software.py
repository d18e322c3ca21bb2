"""The sequence that the simulated camera sends of a burst: made of the photons, complete, with its truth."""

import numpy as np
import pytest

from eicpy.events import EnergyBands, PixelScale
from eicpy.instruments import load
from eicpy.orbit import separation, unit_vector
from eicpy.packets import PacketLayout, continuity, decode, index_packets
from eicpy.simulation import (
    BurstConfig,
    Camera,
    PhotonStream,
    build_scene,
    preset,
    read_config,
    write_simulation,
)
from eicpy.trigger import TriggerConfiguration

ECLAIRS = load("eclairs")
CONFIG = preset("burst").model_copy(
    update={"name": "sequence", "duration": 260.0, "partners": False, "flicker": False}
)
T = 24  # bits of a fraction of a second


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return write_simulation(CONFIG, tmp_path_factory.mktemp("sequence"))


@pytest.fixture(scope="module")
def packets(night):
    buffer = np.fromfile(night.packets, np.uint8)
    return buffer, index_packets(buffer, ECLAIRS.headers)


@pytest.fixture(scope="module")
def photons():
    scene = build_scene(CONFIG)
    blocks = list(PhotonStream(scene).blocks())
    return scene, *(np.concatenate([getattr(b, n) for b in blocks]) for n in ("tick", "detnum", "channel"))


@pytest.fixture(scope="module")
def sequence(night):
    (found,) = [s for s in night.summary["trigger"]["sequences"] if s["burst"] == "simulated burst"]
    return found


def table(packets, name):
    buffer, index = packets
    rule, layout = ECLAIRS.packets[name], PacketLayout.read(ECLAIRS.layout_file(name))
    mine = index[index.apid == rule.apid]
    return layout, decode(buffer, mine, layout), mine.coarse + mine.fine / 2**T


def in_bands(photons):
    scene, tick, detnum, channel = photons
    scale = PixelScale(scene.detector.table_gain, scene.detector.table_offset)
    energy = scale.gain[detnum] * (channel + 0.5) + scale.offset[detnum]
    bands = EnergyBands(TriggerConfiguration().bands)
    return tick * 2e-5, detnum, np.array([(energy >= low) & (energy < high) for low, high in bands])


def test_every_packet_arrives_in_order(packets):
    index = packets[1]
    assert {820, 821, 822, 823, 824, 825} <= set(index.apid.tolist())
    assert all(not one.lost for one in continuity(index).values())


def test_a_burst_has_its_sequence_and_the_truth_says_so(night, sequence):
    burst, start = CONFIG.bursts[0], night.summary["start"]
    assert night.summary["trigger"]["configuration_sha256"] == TriggerConfiguration().digest
    assert 0 < sequence["t0"] - start - burst.start < 15
    assert 0 <= sequence["tb"] - start - burst.start < 5
    place = unit_vector(*np.radians([burst.ra, burst.dec]))
    best = sequence["alerts"][-1]
    off = separation(unit_vector(*np.radians([best["ra"], best["dec"]])), place)
    assert np.degrees(off) < best["radius_90"]
    assert night.summary["trigger"]["verdicts"]["alert"] >= len(sequence["alerts"])
    assert sequence["slew_request"] - start < CONFIG.pointing.slews[0].start  # asked before it turned


def test_a_recurrent_message_comes_every_second(night, packets, sequence, photons):
    _, recurrent, time = table(packets, "recurrent")
    start = night.summary["start"]
    assert time - start == pytest.approx(np.arange(260) + 0.75, abs=1e-4)
    columns = recurrent.columns
    assert set(columns["RECUR_CONFIG"]) == {int(TriggerConfiguration().digest[:8], 16)}
    counts = np.bincount(photons[1] // 50_000 - start, minlength=260)
    assert np.array_equal(columns["RECUR_COUNTS"][1:], counts[:-1])
    mode = columns["RECUR_MODE"]
    asked = (time > sequence["slew_request"]) & (time < sequence["t0"] + 120)
    assert set(mode[asked]) == {2}  # slew requested
    assert set(mode[time < sequence["t0"]]) == {0}  # idle
    assert columns["RECUR_MSGCOUNT"][np.searchsorted(time, sequence["t0"] + 119)] == len(sequence["alerts"])


@pytest.mark.parametrize(
    ("kind", "width", "packet"), [("light-curve-high", 0.64, 20.48), ("light-curve-low", 0.08, 5.12)]
)
def test_light_curves_hold_the_photons(night, packets, sequence, photons, kind, width, packet):
    layout, curve, sent = table(packets, kind)
    columns = curve.columns
    assert layout.calibrate("LC_BIN", columns["LC_BIN"]) == pytest.approx(width)
    chosen = columns["LC_SEQUENCE"] == night.summary["trigger"]["sequences"].index(sequence)
    number, begin = columns["LC_NUMBER"][chosen], columns["LC_START"][chosen] / 2**T
    assert number.tolist() == list(range(len(number)))
    assert np.diff(begin) == pytest.approx(packet, abs=1e-6)
    assert sequence["tb"] - 25 < begin[0] < sequence["tb"] - 20
    assert begin[-1] + packet > sequence["t0"] + 110
    assert (sent[chosen] > sequence["t0"]).all()
    assert (sent[chosen] >= begin + packet + 1 - 1e-6).all()
    tick, (_, _, bands) = photons[1], in_bands(photons)
    first = np.concatenate([[0], np.cumsum(curve.counts)])
    for n in np.flatnonzero(chosen)[:4]:
        first_tick = round(columns["LC_START"][n] / 2**T * 50_000)
        edges = first_tick + round(width * 50_000) * np.arange(curve.counts[n] + 1)
        for band in range(4):
            expected = np.diff(np.searchsorted(tick[bands[band]], edges))
            found = curve.repeated[f"LC_BAND{band + 1}"][first[n] : first[n + 1]].astype(int)
            assert np.abs(found - expected).sum() <= 12  # photons on an edge
            assert abs(found.sum() - expected.sum()) <= 1


def test_descriptor_and_image_come_after_the_slew_began(night, packets, sequence, photons):
    slew = night.summary["start"] + CONFIG.pointing.slews[0].start
    _, descriptor, sent = table(packets, "alert-descriptor")
    _, image, times = table(packets, "sub-image")
    assert sent[0] > slew
    assert times[0] > sent[0]
    best = sequence["alerts"][descriptor.columns["DESC_MESSAGES"][0] - 1]
    assert descriptor.columns["DESC_SNR"][0] / 100 == pytest.approx(best["significance"], abs=0.01)
    assert descriptor.columns["DESC_T0"][0] / 2**T == pytest.approx(sequence["t0"], abs=1e-4)
    assert image.columns["SUB_FIRST"][:16].tolist() == list(range(0, 6400, 400))
    counts = image.repeated["SUB_COUNTS"][:6400].astype(int)
    time, detnum, bands = in_bands(photons)
    bands_kev = [list(band) for band in TriggerConfiguration().bands]
    inside = bands[bands_kev.index(best["band"])] & (time >= best["start"]) & (time < best["stop"])
    expected = np.bincount(detnum[inside], minlength=6400)
    other = np.flatnonzero(counts != expected)
    assert len(other) < 30  # in noisy pixels stands the mean of all others


def test_without_a_trigger_nothing_of_it_is_sent_and_the_photons_are_the_same():
    batches = {}
    for trigger in (None, TriggerConfiguration()):
        camera = Camera(build_scene(CONFIG.model_copy(update={"trigger": trigger})))
        batch = next(camera.batches(4))
        first = np.cumsum(batch.length) - batch.length
        mine = batch.apid == 810
        batches[trigger] = b"".join(
            batch.data[at : at + n].tobytes() for at, n in zip(first[mine], batch.length[mine], strict=True)
        )
        assert (set(range(820, 826)) & set(batch.apid.tolist()) == set()) == (trigger is None)
        if trigger is None:
            assert camera.facts()["trigger"] is None
    assert len(set(batches.values())) == 1


def test_configurations_of_before_are_read():
    entries = preset("demo").model_dump(mode="json")
    entries["bursts"][0]["alert"] = False
    del entries["trigger"]
    assert read_config(entries).trigger == TriggerConfiguration()
    assert isinstance(read_config(entries).bursts[0], BurstConfig)
