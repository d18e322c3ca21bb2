"""The prototype on the bench: what was measured and commanded comes back from its packets."""

import json

import numpy as np
import pytest
from astropy.io import fits

from eicpy.decoding import photons
from eicpy.decoding.measurement import measurement_switches
from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.packets import PacketLayout, PacketStatus, continuity, decode, index_packets, select
from eicpy.simulation import (
    BenchCommand,
    BenchConfig,
    FaultConfig,
    PhotonStream,
    PixelKind,
    TelemetryStream,
    build_bench,
    preset,
    read_config,
    read_night,
    write_simulation,
)
from eicpy.simulation.bench.isotopes import ISOTOPES, lines_of

BENCH = preset("bench")
PROTOTYPE = load("dpix-prototype")


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return write_simulation(BENCH, tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def buffer(night):
    return np.fromfile(night.packets, np.uint8)


@pytest.fixture(scope="module")
def index(buffer):
    return index_packets(buffer, PROTOTYPE.headers)


def table(buffer, index, kind):
    layout = PacketLayout.read(PROTOTYPE.layout_file(kind))
    rows = np.flatnonzero(select(buffer, index, PROTOTYPE.packets[kind], layout))
    return layout, rows, decode(buffer, index[rows], layout)


def parameter(buffer, index, name):
    layout, rows, decoded = table(buffer, index, "housekeeping")
    return index.time()[rows], layout.calibrate(name, decoded.columns[name])


def test_the_stream_is_whole_and_says_that_it_is_simulated(index, night):
    assert (index.status == PacketStatus.GOOD).all()
    assert not index.skipped
    assert (index.destination == PROTOTYPE.simulated_destination).all()
    for command in (True, False):
        found = continuity(index[index.command == command])
        assert all(c.lost == c.duplicated == c.out_of_order == 0 for c in found.values())
    assert night.summary["simulated"] is True
    sent = {int(apid): n for apid, n in night.summary["packets_sent"].items()}
    assert sent == {apid: int(((index.apid == apid) & ~index.command).sum()) for apid in sent}
    assert night.summary["telecommands_sent"] == {"900": int(index.command.sum())}


def test_every_photon_comes_back(buffer, index, night):
    found = photons(buffer, index, PROTOTYPE)
    blocks = list(PhotonStream(build_bench(BENCH)).blocks())
    tick, detnum, channel = (
        np.concatenate([getattr(b, name) for b in blocks]) for name in ("tick", "detnum", "channel")
    )
    assert len(found) == night.photons == len(tick) > 300_000
    assert np.abs(found.time - tick * 20e-6).max() < 1e-6
    assert np.array_equal(found.detnum, detnum)
    assert np.array_equal(found.channel, channel)
    assert found.bad_pixel == found.bad_channel == 0


def test_photons_come_in_the_two_measurements_only(buffer, index, night):
    found = photons(buffer, index, PROTOTYPE)
    first, second = night.summary["measurements"]
    inside = [(found.time >= m["start"]) & (found.time < m["stop"]) for m in (first, second)]
    assert (inside[0] | inside[1]).all()
    assert first["source"] is None
    assert second["source"] == "241Am"
    rates = [n.sum() / (m["stop"] - m["start"]) for n, m in zip(inside, (first, second), strict=True)]
    assert rates[0] < 200
    assert rates[1] == pytest.approx(1500, rel=0.15)


def test_the_lines_of_the_source_stand_at_their_energies(buffer, index, night):
    """With each pixel's own true gain and offset."""
    found = photons(buffer, index, PROTOTYPE)
    with fits.open(night.tables) as hdus:
        pixels = hdus["PIXELS"].data
        lines = hdus["LINES"].data["ENERGY"]
        assert hdus["PIXELS"].header["SOURCE"] == "241Am"
    single = (found.multiplicity == 1) & (found.time > night.summary["measurements"][1]["start"])
    detnum = found.detnum[single]
    energy = pixels["GAIN"][detnum] * (found.channel[single] + 0.5) + pixels["OFFSET"][detnum]
    counts, edges = np.histogram(energy, np.arange(50.0, 70.0, 0.1))
    near = np.abs(edges[:-1] - 59.5) < 1.5
    mean = np.average(edges[:-1][near] + 0.05, weights=counts[near])
    assert mean == pytest.approx(59.54, abs=0.05)
    assert 59.54 in lines
    peak, valley = (((energy > a) & (energy < a + 1)).sum() for a in (59.0, 65.0))
    assert peak > 20 * valley


def test_dead_pixels_are_silent_and_noisy_ones_are_loud(buffer, index, night):
    found = photons(buffer, index, PROTOTYPE)
    with fits.open(night.tables) as hdus:
        kind = hdus["PIXELS"].data["KIND"]
    counts = np.bincount(found.detnum, minlength=800)
    assert (kind == PixelKind.DEAD).sum() == 4
    assert counts[kind == PixelKind.DEAD].max() == 0
    assert counts[kind == PixelKind.GOOD].min() > 100
    low = found.channel < (6.5 - 3.0) / 0.145
    of_noise = np.bincount(found.detnum[low], minlength=800)
    assert of_noise[kind == PixelKind.NOISY].mean() > 3 * of_noise[kind == PixelKind.GOOD].mean()


def test_the_threshold_that_was_configured_holds_from_the_next_measurement_on(buffer, index, night):
    found = photons(buffer, index, PROTOTYPE)
    energy = 0.145 * (found.channel + 0.5) + 3.0
    lowest = [
        np.percentile(energy[(found.time >= m["start"]) & (found.time < m["stop"])], 0.05)
        for m in night.summary["measurements"]
    ]
    assert [m["threshold"] for m in night.summary["measurements"]] == [4.5, 5.0]
    assert lowest[1] - lowest[0] == pytest.approx(0.5, abs=0.25)


def test_every_telecommand_has_its_three_reports(buffer, index, night):
    commands = np.flatnonzero(index.command)
    told = night.summary["telecommands"]
    assert len(commands) == len(told) == 7
    for kind, delay in (("accepted", 0.1), ("started", 0.3), ("completed", 0.9)):
        _, rows, decoded = table(buffer, index, kind)
        assert decoded.columns["TC_SEQUENCE"].tolist() == index.sequence_count[commands].tolist()
        assert (decoded.columns["TC_APID"] == 900).all()
        assert (decoded.columns["TC_TYPE"] == 1).all()
        assert index.time()[rows] == pytest.approx([t["time"] + delay for t in told], abs=1e-4)
        assert (rows > commands).all()


def test_measurements_begin_and_end_by_the_telecommands(buffer, index):
    switches = measurement_switches(buffer, index, PROTOTYPE)
    assert [switch.starts for switch in switches] == [True, False, True, False]


def test_housekeeping_tells_what_was_commanded_and_counted(buffer, index, night):
    start = night.summary["start"]
    time, mode = parameter(buffer, index, "DPX_MODE")
    assert len(time) == 480
    for one in night.summary["measurements"]:
        assert (mode[(time > one["start"]) & (time < one["stop"])] == 3).all()
    assert (mode[(time > start + 211) & (time < start + 225)] == 2).all()
    assert mode[0] == mode[-1] == 1
    _, rate = parameter(buffer, index, "DPX_RATE")
    assert rate.sum() == night.photons
    _, threshold = parameter(buffer, index, "DPX_THRESHOLD")
    assert sorted(set(threshold.tolist())) == pytest.approx([3.7, 4.5, 5.0])
    _, accepted = parameter(buffer, index, "DPX_TCACC")
    assert accepted[-1] == 7
    _, rows, decoded = table(buffer, index, "housekeeping")
    telemetry = np.cumsum(~index.command)[rows]
    assert np.abs(decoded.columns["DPX_TMCNT"].astype(int) - telemetry).max() <= 2


def test_housekeeping_stays_within_its_limits(buffer, index):
    layout, _, decoded = table(buffer, index, "housekeeping")
    for name, limits in layout.limits.items():
        value = layout.calibrate(name, decoded.columns[name])
        assert limits.warning_low is None or value.min() >= limits.warning_low, name
        assert limits.warning_high is None or value.max() <= limits.warning_high, name


def test_a_refused_telecommand_has_no_effect_and_says_so(tmp_path):
    commands = (
        BenchCommand(time=2.0, command="start-measurement", arguments={"RUN_MODE": 2}, refuse="acceptance"),
        BenchCommand(time=4.0, command="configure", arguments={"KEY": 1, "VALUE": 9000}, refuse="completion"),
        BenchCommand(time=6.0, command="start-measurement", arguments={"RUN_MODE": 2}),
    )
    config = BENCH.model_copy(update={"duration": 12.5, "commands": commands})
    made = write_simulation(config, tmp_path)
    (one,) = made.summary["measurements"]
    assert one["start"] == made.summary["start"] + 6.3
    assert one["stop"] == made.summary["start"] + 12.5
    assert one["threshold"] is None
    buffer = np.fromfile(made.packets, np.uint8)
    index = index_packets(buffer, PROTOTYPE.headers)
    for kind, expected in (("rejected", [0]), ("failed", [1]), ("completed", [2])):
        _, _, decoded = table(buffer, index, kind)
        assert decoded.columns["TC_SEQUENCE"].tolist() == expected
    _, rejected = parameter(buffer, index, "DPX_TCREJ")
    assert rejected[-1] == 1
    _, result = parameter(buffer, index, "DPX_CONFRESULT")
    assert result[-1] == 2


def test_bytes_depend_on_the_seed_only(tmp_path, night):
    def made(**how):
        stream = TelemetryStream(BENCH.model_copy(update=how.pop("update", {})), **how)
        return b"".join(piece.tobytes() for _, pieces in stream.blocks() for piece in pieces)

    original = night.packets.read_bytes()
    assert made(block_steps=1) == made(block_steps=100) == original
    assert made(update={"seed": 1}) != original


def test_faults_of_the_line_are_in_the_truth(tmp_path):
    config = BENCH.model_copy(update={"duration": 60.0, "faults": FaultConfig(lost=0.1)})
    made = write_simulation(config, tmp_path)
    index = index_packets(np.fromfile(made.packets, np.uint8), PROTOTYPE.headers)
    sent = sum(made.summary["packets_sent"].values()) + sum(made.summary["telecommands_sent"].values())
    assert len(index) == sent - len(made.faults)
    assert made.faults


def test_a_campaign_is_read_again(night):
    again = read_night(night.truth.parent)
    assert again == night
    assert isinstance(again.config, BenchConfig)
    assert read_config(json.loads(BENCH.model_dump_json())) == BENCH
    assert read_config(json.loads(preset("demo").model_dump_json())) == preset("demo")


def test_isotopes():
    assert all(0 < energy < 150 and 0 < share < 1 for name in ISOTOPES for energy, share in lines_of(name))
    with pytest.raises(BadArgumentError, match="expected one of 241Am"):
        lines_of("238U")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"instrument": "eclairs"}, "a \\[measurement\\] rule|expected one of eclairs"),
        ({"source": "238U"}, "got source '238U'"),
        ({"commands": (BenchCommand(time=1.0, command="dance"),)}, "got command 'dance'"),
        ({"housekeeping": {"DPX_NOTHING": 1.0}}, "which no packet carries"),
        ({"housekeeping": {"DPX_MODE": "mood"}}, "got housekeeping series 'mood'"),
    ],
)
def test_a_campaign_that_cannot_be_is_refused(tmp_path, changes, expected):
    config = BENCH.model_copy(update={"duration": 5.0} | changes)
    with pytest.raises(BadArgumentError, match=expected):
        write_simulation(config, tmp_path)
