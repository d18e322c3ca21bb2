"""A night of several runs: what was lost between them, and what came while the instrument was configured."""

from itertools import pairwise

import numpy as np
import pytest

from eicpy.decoding import RunningContinuity
from eicpy.instruments import load
from eicpy.packets import index_packets
from eicpy.pipeline import NightProducts, run_nights
from eicpy.runs import RunArchive
from eicpy.simulation import SimulationConfig, write_simulation

ECLAIRS = load("eclairs")


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """Forty seconds of the camera, nothing wrong with them: bytes and index."""
    config = SimulationConfig(name="whole", duration=40.0, seed=7, start="2026-11-20T20:00:00", saa=False)
    data = write_simulation(config, tmp_path_factory.mktemp("whole")).packets.read_bytes()
    return data, index_packets(data, ECLAIRS.headers)


def archived(settings, data, index, cuts, gap, suffixes):
    """Write the stream as runs, with the first `gap` packets of each but the first never received."""
    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    edges = [0, *cuts, len(index)]
    lost = []
    for (first, stop), suffix in zip(pairwise(edges), suffixes, strict=True):
        begin = first + (gap if first else 0)
        lost += index.apid[first:begin].tolist()
        offset = index.offset[begin]
        end = index.offset[stop] if stop < len(index) else len(data)
        with archive.create(source="tcp 127.0.0.1", suffix=suffix) as writer:
            writer.append(data[offset:end])
    return archive, lost


def test_packets_lost_while_the_receiver_changed_runs_are_lost(settings, stream, no_reports):
    data, index = stream
    cuts = (len(index) // 3, len(index) // 2)
    archive, lost = archived(settings, data, index, cuts, 5, ("", "configuration", ""))
    (outcome,) = run_nights("eclairs", None, None, settings, workers=0)
    record = outcome.record
    assert len(lost) == 10
    assert {apid: p.lost for apid, p in record.packets.items() if p.lost} == {
        str(apid): lost.count(apid) for apid in set(lost)
    }
    assert sum(one.packets for one in record.losses if one.kind == "lost") == len(lost)
    live = RunningContinuity(ECLAIRS)
    for run in archive.runs():
        live.add(run.index(ECLAIRS))
    assert sum(one.lost for one in live.counts.values()) == len(lost), "as a live page counts"


def test_runs_between_which_reception_stood_still_lost_nothing_between_them(settings, stream, no_reports):
    data, index = stream
    archive, _ = archived(settings, data, index, (len(index) // 2,), 50, ("", ""))
    file = archive.run(2).folder / "run.json"
    text = file.read_text()
    opened = archive.run(2).metadata.opened
    file.write_text(text.replace(f'"{opened:%Y-%m-%d}T{opened:%H:%M:%S}', '"2026-12-24T00:00:00'))
    (outcome,) = run_nights("eclairs", None, None, settings, workers=0)
    assert outcome.record.lost == 0


def test_photons_of_a_configuration_are_in_no_product_and_its_housekeeping_is_monitored(
    settings, stream, no_reports
):
    data, index = stream
    half = len(index) // 2
    archived(settings, data, index, (half,), 0, ("", "configuration"))
    (outcome,) = run_nights("eclairs", None, None, settings, workers=0)
    record = outcome.record
    apid = ECLAIRS.packets["photons"].apid
    assert (record.runs, record.configuration_runs) == ([1, 2], [2])
    assert record.packets_aside == np.count_nonzero(index.apid[half:] == apid) > 0
    assert sum(p.received for p in record.packets.values()) == len(index), "all are counted"
    night = NightProducts.open(outcome.folder)
    boundary = night.parameter("ECL_TEMPTH01").time
    assert boundary[-1] - boundary[0] > 35, "the housekeeping of both runs"
    assert 0 < night.good_time.exposure < 25
    assert 0.9 * record.photons < night.spectra.sum() < record.photons, "those that hit one pixel alone"
    assert night.photon_files[0].stat().st_size > 0
