"""Threshold scans: from the packets alone come back the threshold and the noise of every pixel."""

import numpy as np
import pytest
from astropy.io import fits

from eicpy.errors import BadArgumentError
from eicpy.instruments import load
from eicpy.packets import PacketLayout, PacketStatus, continuity, decode, index_packets, select
from eicpy.simulation import (
    BenchCommand,
    PhotonStream,
    PixelChange,
    ScanConfig,
    TelemetryStream,
    build_bench,
    preset,
    write_simulation,
)
from eicpy.simulation.bench.scan import Scanner
from eicpy.simulation.packets.encoding import Encoder

SCAN = preset("scan")
PROTOTYPE = load("dpix-prototype")


def scanned(data, instrument=PROTOTYPE):
    """Thresholds (keV), pulses per step, and counts of shape (steps, pixels), from packets."""
    index = index_packets(data, instrument.headers)
    layout = PacketLayout.read(instrument.layout_file("threshold-scan"))
    rows = np.flatnonzero(select(data, index, instrument.packets["threshold-scan"], layout))
    decoded = decode(data, index[rows], layout)
    step, first = decoded.columns["SCAN_STEP"].astype(int), decoded.columns["SCAN_FIRST"].astype(int)
    counts = np.full((step.max() + 1, instrument.pixels.count), -1)
    for row, values in enumerate(np.split(decoded.repeated["SCAN_COUNTS"], np.cumsum(decoded.counts)[:-1])):
        counts[step[row], first[row] : first[row] + len(values)] = values
    threshold = layout.calibrate("SCAN_THRESHOLD", decoded.columns["SCAN_THRESHOLD"])[first == 0]
    return index, threshold, int(decoded.columns["SCAN_PULSES"][0]), counts


def moments(threshold, share, pulses):
    """Middle and width of S-curves by their moments, with the errors that counting gives."""
    step = threshold[1] - threshold[0]
    middle = threshold[0] - step / 2 + step * share.sum(axis=0)
    away = threshold[:, None] - middle
    second = (threshold[0] - step / 2 - middle) ** 2 + 2 * step * (share * away).sum(axis=0)
    width = np.sqrt(second - step**2 / 12)
    scatter = share * (1 - share) / pulses
    error = step * np.sqrt(scatter.sum(axis=0))
    return middle, error, width, step * np.sqrt((scatter * away**2).sum(axis=0)) / width


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return write_simulation(SCAN, tmp_path_factory.mktemp("scan"))


@pytest.fixture(scope="module")
def packets(night):
    return scanned(np.fromfile(night.packets, np.uint8))


def test_a_scan_sends_counts_and_no_photons(night, packets):
    index, threshold, pulses, counts = packets
    assert (index.status == PacketStatus.GOOD).all()
    assert all(not found.lost for found in continuity(index[~index.command]).values())
    assert night.photons == 0
    assert threshold == pytest.approx(4.0 + 0.05 * np.arange(80))
    assert pulses == 1000
    assert counts.min() == 0
    (one,) = night.summary["measurements"]
    assert one["scan"] is True
    when = index.time()[index.apid == 911]
    assert when[0] == pytest.approx(one["start"] + 1, abs=1e-3)
    assert when[-1] == pytest.approx(one["start"] + 80, abs=1e-3)
    layout = PacketLayout.read(PROTOTYPE.layout_file("housekeeping"))
    data = np.fromfile(night.packets, np.uint8)
    rows = np.flatnonzero(select(data, index, PROTOTYPE.packets["housekeeping"], layout))
    columns = decode(data, index[rows], layout).columns
    sent = np.cumsum(~index.command)[rows]
    assert np.abs(columns["DPX_TMCNT"].astype(int) - sent).max() <= 2 + len(when) // 80
    assert columns["DPX_RUNMODE"][-1] == 3


def test_threshold_and_noise_come_back_within_their_errors(night, packets):
    _, threshold, pulses, counts = packets
    with fits.open(night.tables) as hdus:
        pixels = hdus["PIXELS"].data
        deviation, fwhm, alive = pixels["DEVIATION"], pixels["FWHM"], pixels["EFFICIENCY"] > 0
        assert pixels["THRESHOLD"][0] - deviation[0] in (3.7, 8.0)
    assert alive.sum() == 796
    assert (counts[:, ~alive] == 0).all()
    middle, error, width, width_error = moments(threshold, counts[:, alive] / pulses, pulses)
    sigma = fwhm[alive] / np.sqrt(8 * np.log(2))
    assert np.std(sigma) / np.mean(sigma) == pytest.approx(0.1, rel=0.15)
    for pull in (
        (middle - (6.0 - deviation[alive])) / error,
        (width - sigma) / width_error,
    ):
        assert np.mean(pull) == pytest.approx(0.0, abs=4 / np.sqrt(len(pull)))
        assert np.std(pull) == pytest.approx(1.0, abs=0.1)
    assert error.max() < 0.02


def test_noise_alone_crosses_low_thresholds():
    scan = ScanConfig(when={"RUN_MODE": 3}, first=1.0, step=0.5, steps=4, pulse=60.0, pulses=1)
    config = SCAN.model_copy(
        update={
            "duration": 25.0,
            "scan": scan,
            "detector": SCAN.detector.model_copy(update={"fwhm_scatter": 0.0}),
        }
    )
    pieces = [p.tobytes() for _, some in TelemetryStream(config).blocks() for p in some]
    _, threshold, _, counts = scanned(np.frombuffer(b"".join(pieces), np.uint8))
    detector = build_bench(config).detector
    alive = detector.efficiency > 0
    real = threshold[:, None] + detector.deviation[alive]
    expected = 1e5 * np.exp(-0.5 * (real / (1.1 / 2.3548)) ** 2) + 1
    pull = (counts[:, alive] - expected) / np.sqrt(expected)
    bright = expected > 20
    assert bright.sum() > 1500
    assert np.std(pull[bright]) == pytest.approx(1.0, abs=0.1)


def test_a_scan_that_is_stopped_early_has_fewer_steps_and_a_failed_module_counts_nothing():
    commands = (
        BenchCommand(time=2.0, command="start-measurement", arguments={"RUN_MODE": 3}),
        BenchCommand(time=12.5, command="stop-measurement"),
        BenchCommand(time=14.0, command="start-measurement", arguments={"RUN_MODE": 2}),
    )
    changes = (PixelChange(time=6.0, what="off", modules=(3,)),)
    config = SCAN.model_copy(update={"duration": 20.0, "commands": commands, "changes": changes})
    made = [
        b"".join(p.tobytes() for _, some in TelemetryStream(config, steps).blocks() for p in some)
        for steps in (1, 6)
    ]
    assert made[0] == made[1]
    _, threshold, _, counts = scanned(np.frombuffer(made[0], np.uint8))
    assert len(threshold) == 10
    module = PROTOTYPE.pixels.module(np.arange(800))
    assert counts[:3, module == 3].max() == 1000
    assert counts[5:, module == 3].max() == 0
    photons = np.concatenate([b.tick for b in PhotonStream(build_bench(config)).blocks()])
    start = build_bench(config).start
    assert len(photons) > 3000
    assert photons.min() * 20e-6 >= start + 14.3


def test_the_whole_camera_is_scanned():
    config = SCAN.model_copy(
        update={
            "instrument": "eclairs", "duration": 8.0, "settings": {}, "housekeeping": {}, "photon_header": {},
            "commands": (BenchCommand(time=2.0, command="start-measurement", arguments={"RUN_MODE": 3}),),
        }
    )  # fmt: skip
    pieces = [p.tobytes() for _, some in TelemetryStream(config).blocks() for p in some]
    counts = scanned(np.frombuffer(b"".join(pieces), np.uint8), load("eclairs"))[-1]
    assert counts.shape == (5, 6400)
    assert np.median(counts) == 1000


def test_a_detector_without_packets_for_scans_is_refused():
    scene = build_bench(SCAN)
    encoder = Encoder(scene.instrument)
    del encoder.layouts["threshold-scan"]
    with pytest.raises(BadArgumentError, match="expected an instrument with packet 'threshold-scan'"):
        Scanner(scene, encoder)
