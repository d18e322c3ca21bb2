"""The files of a night: what went in comes out, every fault is named, every file says it is simulated."""

import json
import tracemalloc
from datetime import datetime, timedelta

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from eicpy.decoding import photons
from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.instruments import load
from eicpy.orbit import separation, tangent_vector
from eicpy.packets import PacketLayout, PacketStatus, continuity, decode, index_packets
from eicpy.simulation import (
    BurstConfig,
    Camera,
    DetectorConfig,
    ExcursionConfig,
    FaultConfig,
    PhotonStream,
    SimulationConfig,
    build_scene,
    preset,
    presets,
    read_night,
    write_simulation,
)
from eicpy.simulation.packets.encoding import _first_photons, _gather, _lengths
from eicpy.simulation.packets.faults import hash_uniform
from eicpy.simulation.packets.housekeeping import Counts, HousekeepingModel
from eicpy.trigger import ImageSettings, TriggerConfiguration
from eicpy.trigger.alert import error_radius

ECLAIRS = load("eclairs")
DEMO = preset("demo")
BURST = BurstConfig(name="burst", start=70.0, ra=85.0, dec=15.0, peak_flux=6.0)
CLEAN = DEMO.model_copy(
    update={
        "name": "clean",
        "start": "2026-11-20T18:32:00",
        "duration": 125.0,
        "bursts": (BURST,),
        "faults": FaultConfig(),
        "excursions": (
            ExcursionConfig(parameter="DPIX_VCTRLHVELS6", start=20.0, duration=60.0, value=-318.0),
            ExcursionConfig(parameter="ECL_TEMPTH01", start=50.0, duration=50.0, value=-13.5),
        ),
    }
)
FAULTY = CLEAN.model_copy(
    update={
        "name": "faulty",
        "faults": FaultConfig(
            lost=0.01, damaged=0.01, duplicated=0.005, truncated=0.003, foreign=0.003, gaps=((100.0, 100.5),)
        ),
    }
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_simulation(CLEAN, tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return write_simulation(FAULTY, tmp_path_factory.mktemp("faulty"))


def read(night):
    buffer = np.fromfile(night.packets, np.uint8)
    return buffer, index_packets(buffer, ECLAIRS.headers)


def table(name, buffer, index):
    layout = PacketLayout.read(ECLAIRS.layout_file(name))
    rule = ECLAIRS.packets[name]
    return layout, decode(
        buffer, index[(index.apid == rule.apid) & (index.subservice == rule.subservice)], layout
    )


def test_every_photon_comes_back(clean):
    buffer, index = read(clean)
    assert (index.status == PacketStatus.GOOD).all()
    assert not index.skipped
    assert all(not c.lost for c in continuity(index).values())
    _, decoded = table("photons", buffer, index)
    blocks = list(PhotonStream(build_scene(CLEAN)).blocks())
    tick, detnum, channel, multiplicity = (
        np.concatenate([getattr(b, n) for b in blocks]) for n in ("tick", "detnum", "channel", "multiplicity")
    )
    assert clean.photons == len(tick) > 300_000
    assert np.array_equal(decoded.repeated["TIME"], tick & 0xFFFFFFFF)
    assert np.array_equal(decoded.repeated["DETNUM"], detnum)
    assert np.array_equal(decoded.repeated["CHANNEL"], channel)
    assert np.array_equal(decoded.repeated["MULTIPLICITY"], multiplicity)


def test_the_packets_time_gives_the_high_bits(clean):
    buffer, index = read(clean)
    _, decoded = table("photons", buffer, index)
    mine = index[index.apid == 810]
    seconds = mine.coarse + mine.fine * 2.0**-24
    first = np.concatenate([b.tick for b in PhotonStream(build_scene(CLEAN)).blocks()])
    start = np.append(0, np.cumsum(decoded.counts))
    expected = first[start[:-1]] * 20e-6
    assert np.abs(seconds - expected).max() < 1e-6
    assert (np.diff(seconds) >= 0).all()


def test_times_survive_the_rollover_of_the_counter(tmp_path):
    rollover = 3631 * 2**32 * 20e-6
    start = datetime(2017, 1, 1) + timedelta(seconds=int(rollover) - 2)  # noqa: DTZ001  # UTC without a zone
    config = CLEAN.model_copy(update={"start": start.isoformat(), "duration": 5.5, "excursions": ()})
    night = write_simulation(config, tmp_path)
    buffer, index = read(night)
    assert not np.isin(820, index.apid)
    found = photons(buffer, index, ECLAIRS)
    block = next(PhotonStream(build_scene(config)).blocks())
    assert np.ptp(block.tick >> 32) == 1
    assert np.abs(found.time - block.tick * 20e-6).max() < 1e-6
    assert (index.apid == 801).sum() == 5


def test_half_a_second_is_a_night_too(tmp_path):
    night = write_simulation(CLEAN.model_copy(update={"duration": 0.5}), tmp_path)
    _, index = read(night)
    assert set(index.apid.tolist()) == {810}
    assert night.photons > 1000


def test_packets_say_they_are_simulated(clean):
    _, index = read(clean)
    assert (index.destination == ECLAIRS.simulated_destination).all()
    assert json.loads(clean.truth.read_text())["simulated"] is True
    with fits.open(clean.tables) as hdus:
        assert all(hdu.header["SIMULATE"] is True for hdu in hdus)
        assert "not the flight mask" in hdus["PIXELS"].header["MASK"]


def test_truth_tables_hold_the_pixels(clean):
    detector = build_scene(CLEAN).detector
    with fits.open(clean.tables) as hdus:
        pixels = hdus["PIXELS"].data
        assert np.array_equal(pixels["GAIN"], detector.gain)
        assert np.array_equal(pixels["KIND"], detector.kind)
        assert np.array_equal(
            ECLAIRS.pixels.detnum(pixels["IDET"].astype(int), pixels["JDET"]), pixels["DETNUM"]
        )
        assert list(hdus["SOURCES"].data["NAME"]) == ["Crab", "burst"]
        assert len(hdus["ORBIT"].data) == 14


def test_housekeeping_counts_the_photons(clean):
    buffer, index = read(clean)
    layout, ecl = table("ecl", buffer, index)
    assert ecl.columns["ECL_CBNRI"].sum() == clean.photons
    assert len(ecl.columns["ECL_CBNRI"]) == 125
    sectors = sum(ecl.columns[f"ECL_CNTELS{n}"].astype(int) for n in range(1, 9))
    assert np.array_equal(sectors, ecl.columns["ECL_CBNRI"])
    mine = np.flatnonzero(index.apid == 801)
    before = mine - ecl.columns["ECL_TMCNT"].astype(int)
    assert np.abs(before).max() <= 3  # packets sent at the same moment
    temperature = layout.calibrate("ECL_TEMPTH01", ecl.columns["ECL_TEMPTH01"])
    assert temperature[:45] == pytest.approx(-20, abs=0.6)
    assert temperature[60:90] == pytest.approx(-13.5, abs=0.01)
    layout, dpix = table("dpix", buffer, index)
    voltage = layout.calibrate("DPIX_VCTRLHVELS6", dpix.columns["DPIX_VCTRLHVELS6"])
    assert len(voltage) == 62
    assert voltage[15:35] == pytest.approx(-318, abs=0.01)
    assert layout.limits["DPIX_VCTRLHVELS6"].warning_low > -318 > layout.limits["DPIX_VCTRLHVELS6"].alarm_low
    other = layout.calibrate("DPIX_VCTRLHVELS5", dpix.columns["DPIX_VCTRLHVELS5"])
    assert other == pytest.approx(-300, abs=1)


def test_a_visible_burst_is_announced(clean):
    buffer, index = read(clean)
    layout, alert = table("alert", buffer, index)
    number = alert.columns["ALERT_MSGCOUNT"]
    assert number.tolist() == list(range(len(number)))
    assert len(number) >= 3
    source = build_scene(CLEAN).sources[1]
    theta = np.radians(layout.calibrate("ALERT_SKYTHETA", alert.columns["ALERT_SKYTHETA"]))
    phi = np.radians(layout.calibrate("ALERT_SKYPHI", alert.columns["ALERT_SKYPHI"]))
    there = tangent_vector(np.tan(theta) * np.cos(phi), np.tan(theta) * np.sin(phi))
    off = separation(there, tangent_vector(source.ty, source.tz))
    significance = alert.columns["ALERT_SKYCNT"] / np.sqrt(alert.columns["ALERT_SKYVAR"])
    assert (np.diff(significance) > 0).all()
    assert (off < [error_radius(snr) for snr in significance]).all()  # R90: of this seed all of them
    assert (significance[number > 0] > 7.5).all()
    assert (significance >= 7.0).all()
    assert np.array_equal(alert.columns["ALERT_SLEWREQUEST"], significance >= 7.5)
    began = alert.columns["ALERT_TIMETBABS"] / 2**24 - clean.summary["start"]
    assert (np.abs(began - BURST.start - BURST.rise) < 6).all()
    (sequence,) = clean.summary["trigger"]["sequences"]
    assert sequence["burst"] == "burst"
    mine = index[index.apid == 820]
    sent = mine.coarse + mine.fine / 2**24
    assert sent[0] == pytest.approx(sequence["t0"], abs=1e-4)
    assert BURST.start < sent[0] - clean.summary["start"] < BURST.start + 8
    assert sequence["tb"] == pytest.approx(began[0] + clean.summary["start"], abs=1e-4)
    assert sequence["slew_request"] == sequence["alerts"][int(np.argmax(significance >= 7.5))]["time"]


def test_an_alert_names_the_sky_pixel_of_the_burst(clean):
    """Detector pixels are 4.5 mm wide and 458.1 mm below the mask; the sky image has 200 × 200 of them."""
    buffer, index = read(clean)
    layout, alert = table("alert", buffer, index)
    source = build_scene(CLEAN).sources[1]
    assert abs(source.ty - source.tz) > 0.05  # else one axis could stand for the other
    for axis, tangent in (("Y", source.ty), ("Z", source.tz)):
        pixel = (200 - 1) / 2 + tangent * 458.1 / 4.5
        assert np.abs(alert.columns[f"ALERT_SKY{axis}PIX"].astype(int) - pixel).max() <= 1
        fitted = layout.calibrate(f"ALERT_SKY{axis}FIT", alert.columns[f"ALERT_SKY{axis}FIT"])
        assert fitted == pytest.approx(pixel, abs=0.25)  # of a pixel of 0.56°


def test_an_alert_tells_where_the_satellite_was_and_how_it_pointed(clean):
    buffer, index = read(clean)
    _, alert = table("alert", buffer, index)
    scene = build_scene(CLEAN)
    quaternion = [alert.columns[f"SAT_ATTITUDEQ{n}"][0] for n in (1, 2, 3, 0)]
    assert np.allclose(Rotation.from_quat(quaternion).as_matrix(), scene.pointing.rotation, atol=1e-6)
    mine = index[index.apid == 820]
    sent = mine.coarse + mine.fine / 2**24
    position = np.stack([alert.columns[f"SAT_POSITION{axis}"] for axis in "XYZ"], axis=-1)
    assert np.allclose(position, scene.orbit.position(sent), atol=0.01)  # km; in the packet float32


def test_every_fault_is_found_and_nothing_else(faulty):
    _, index = read(faulty)
    kinds = {
        kind: [f for f in faulty.faults if f.kind == kind]
        for kind in ("lost", "damaged", "duplicated", "truncated", "foreign")
    }
    assert all(kinds.values())
    found = continuity(index)
    sent = {int(apid): count for apid, count in faulty.summary["packets_sent"].items()}
    arrived = {apid: int(((index.apid == apid) & (index.status == PacketStatus.GOOD)).sum()) for apid in sent}
    for apid, count in sent.items():
        mine = {kind: sum(f.apid == apid for f in faults) for kind, faults in kinds.items()}
        gone = mine["lost"] + mine["damaged"] + mine["truncated"]
        assert arrived[apid] == count - gone + mine["duplicated"]
        if apid in found:
            assert found[apid].duplicated == mine["duplicated"]
    offsets = set(index.offset[index.status == PacketStatus.BAD_CHECKSUM].tolist())
    assert {f.offset for f in kinds["damaged"]} <= offsets
    for fault in kinds["foreign"]:
        assert any(s.offset <= fault.offset < s.offset + s.length for s in index.skipped) or any(
            o <= fault.offset < o + n for o, n in zip(index.offset, index.length, strict=True)
        )


def test_gaps_lose_everything(faulty):
    start = faulty.summary["start"]
    inside = [f for f in faulty.faults if start + 100 <= f.time < start + 100.5]
    assert len(inside) > 10
    assert {f.kind for f in inside} == {"lost"}


def test_bytes_depend_on_the_seed_only(tmp_path, faulty):
    again = write_simulation(FAULTY, tmp_path / "a", block_steps=1)
    assert again.packets.read_bytes() == faulty.packets.read_bytes()
    assert again.faults == faulty.faults
    other = write_simulation(FAULTY.model_copy(update={"seed": 1}), tmp_path / "b")
    assert other.packets.read_bytes() != faulty.packets.read_bytes()


def test_no_photons_inside_the_anomaly(tmp_path):
    config = DEMO.model_copy(
        update={
            "name": "anomaly",
            "duration": 3000.0,
            "bursts": (),
            "excursions": (),
            "background_rate": 200.0,
            "sources": (),
            "detector": DetectorConfig(noisy_fraction=0),
        }
    )
    night = write_simulation(config, tmp_path)
    ((a, b),) = night.summary["saa"]
    buffer, index = read(night)
    mine = index[index.apid == 810]
    assert not ((mine.coarse >= a) & (mine.coarse < b)).any()
    assert (mine.coarse < a).any()
    assert (mine.coarse >= b).any()
    _, ecl = table("ecl", buffer, index)
    time = index.coarse[index.apid == 801]
    inside = (time >= a) & (time < b)
    assert np.array_equal(ecl.columns["ECL_SAAFLAG"] == 1, inside)
    assert ecl.columns["ECL_CBNRI"][(time > a) & (time <= b)].sum() == 0
    layout, dpix = table("dpix", buffer, index)
    voltage = layout.calibrate("DPIX_VCTRLHVELS1", dpix.columns["DPIX_VCTRLHVELS1"])
    time = index.coarse[index.apid == 802]
    assert np.abs(voltage[(time > a + 11) & (time < b - 11)]).max() == 0
    assert np.array_equal(dpix.columns["DPIX_HVON"] == 0, (time >= a) & (time < b))
    commands = index[index.apid == 800]
    assert commands.subservice.tolist() == [1, 3, 7] * 2


def test_memory_does_not_grow_with_the_length(tmp_path):
    # the longest exposure of the trigger that is looked at is complete after 164 s; then the first cycles
    # with the Earth in the field are prepared, and from 600 to 1800 s the peak is the same to 0.1 %
    trigger = TriggerConfiguration(image=ImageSettings(stacks=(0, 1, 2, 3)))
    quiet = CLEAN.model_copy(update={"bursts": (), "excursions": (), "trigger": trigger})

    def peak(duration):
        camera = Camera(build_scene(quiet.model_copy(update={"duration": duration})))
        batches = camera.batches()
        next(batches)
        tracemalloc.start()
        for _ in batches:
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(900.0) < 1.15 * peak(300.0) < 60e6


def test_progress_goes_to_one(tmp_path):
    seen = []
    write_simulation(
        CLEAN.model_copy(update={"duration": 65.0}), tmp_path, progress=seen.append, block_steps=2
    )
    assert seen == sorted(seen)
    assert len(seen) == 4
    assert seen[-1] == 1.0


def test_an_interrupted_simulation_leaves_nothing(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_simulation(CLEAN, tmp_path, progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_fails_with_a_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FailedError, match="file"):
        write_simulation(CLEAN.model_copy(update={"duration": 1.0}), tmp_path / "file" / "deeper")


def test_a_night_is_read_again(clean, tmp_path):
    again = read_night(clean.truth.parent)
    assert again == clean
    assert "simulated" in again._repr_html_().lower()
    with pytest.raises(BadDataError, match="no readable truth"):
        read_night(tmp_path)


def test_an_excursion_of_an_unknown_parameter_is_refused(tmp_path):
    bad = ExcursionConfig(parameter="ECL_NOTHING", start=0, duration=1, value=0)
    with pytest.raises(BadArgumentError, match="ECL_NOTHING"):
        write_simulation(CLEAN.model_copy(update={"excursions": (bad,)}), tmp_path)


def test_presets():
    week = tuple(f"week-{n}" for n in range(1, 8))
    assert presets() == ("demo", "quiet", "day", "full-day", "burst", *week, "bench", "scan")
    assert preset("day").duration == 86400
    with pytest.raises(
        BadArgumentError,
        match="got preset 'night', expected one of demo, quiet, day, full-day, burst, week-1",
    ):
        preset("night")
    with pytest.raises(ValueError, match="extra"):
        SimulationConfig(name="x", duration=1.0, colour="red")


def test_the_hash_is_uniform_and_plain():
    u = hash_uniform(1, 3, 810, np.arange(100_000))
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.histogram(u, 50)[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 90
    assert hash_uniform(1, 3, 810, 77) == u[77]
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.02


def test_limits_are_kept_but_for_the_excursions():
    scene = build_scene(preset("day"))
    camera = Camera(scene)
    model = HousekeepingModel(scene, camera.encoder.layouts)
    time = np.arange(1.0, 86400.0, 20.0)
    n = len(time)
    counts = Counts(np.full((n, 8), 500.0), np.full((n, 4), 1000.0), np.full(n, 90.0))
    left = set()
    for kind in ("ecl", "dpix"):
        layout = camera.encoder.layouts[kind]
        raw = model.raw(kind, time, counts if kind == "ecl" else None, np.arange(n))
        assert set(raw) == set(layout.names) - {layout.structure.name}
        for name, limits in layout.limits.items():
            value = layout.calibrate(name, raw[name])
            low = -np.inf if limits.warning_low is None else limits.warning_low
            high = np.inf if limits.warning_high is None else limits.warning_high
            outside = (value < low) | (value > high)
            for e in scene.config.excursions:
                if e.parameter == name:
                    assert outside[(time > e.start + 15) & (time < e.start + e.duration - 15)].all()
                    outside &= (time < e.start) | (time > e.start + e.duration)
            left |= {name} if outside.any() else set()
    assert left == set()


def test_a_start_between_seconds_and_a_name_twice_are_refused():
    for start in ("2026-11-20T18:00:00.5", "2026-11-20T18:00:00+01:00", "2016-01-01", "soon"):
        with pytest.raises(ValueError, match="start"):
            SimulationConfig(name="x", duration=1.0, start=start)
    with pytest.raises(ValueError, match="expected each name once"):
        SimulationConfig(name="x", duration=1.0, bursts=(BURST, BURST))


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 200), max_size=60), st.integers(1, 5), st.integers(1, 50), st.integers(0, 4000)
)
def test_packets_close_when_full_or_old(gaps, full, age, end):
    tick = np.cumsum(np.array(gaps, np.int64))
    first, sent, used = _first_photons(tick, end, full, age)
    twin = _first_photons.py_func(tick, end, full, age)
    assert np.array_equal(first, twin[0])
    assert np.array_equal(sent, twin[1])
    assert used == twin[2]
    counts = np.diff(np.append(first, used))
    assert ((counts >= 1) & (counts <= full)).all()
    assert (sent <= tick[first] + age).all()
    assert (np.diff(sent) >= 0).all()
    assert (tick[first + counts - 1] <= sent).all()
    assert len(tick) - used < full
    assert used == len(tick) or tick[used] + age > end


def test_gathering_kernels_agree_with_python(clean):
    data = np.fromfile(clean.packets, np.uint8)[:40_000]
    _, index = read(clean)
    length = index.length[np.cumsum(index.length) <= 40_000].astype(np.int64)
    assert np.array_equal(_lengths(data, len(length)), length)
    assert np.array_equal(_lengths.py_func(data.astype(np.int64), len(length)), length)
    offset, back = (np.cumsum(length) - length)[::-1].copy(), length[::-1].copy()
    out = np.zeros(int(length.sum()), np.uint8)
    _gather(data, offset, back, out)
    assert np.array_equal(out, np.concatenate([data[o : o + n] for o, n in zip(offset, back, strict=True)]))
