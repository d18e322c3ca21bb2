"""A simulated night with faults, sent over TCP and followed while it arrives, against the truth beside it."""

from collections import Counter

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.decoding import epoch_seconds
from eicpy.egse import send
from eicpy.runs import blocks, follow
from eicpy.simulation import FaultConfig, preset, write_simulation
from eicpy.times import to_seconds


def _night(folder, **faults):
    config = preset("demo").model_copy(
        update={
            "name": "short",
            "duration": 30.0,
            "faults": FaultConfig(**faults),
            "excursions": (),
            "bursts": (),
        }
    )
    return write_simulation(config, folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return _night(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return _night(
        tmp_path_factory.mktemp("faulty"),
        lost=0.02,
        damaged=0.02,
        duplicated=0.01,
        truncated=0.005,
        foreign=0.01,
    )


def test_every_photon_of_a_clean_night_arrives(clean, receiving, eclairs):
    port, result, _ = receiving(until_disconnect=True)
    send(clean.packets, "127.0.0.1", port)
    summary = result.result(LIMIT)
    assert (summary.damaged, summary.foreign_bytes) == (0, 0)
    assert summary.run.metadata.simulated is True
    parts = [block.photons for block in blocks(summary.run, eclairs)]
    assert sum(len(part) for part in parts) == clean.photons
    assert sum(part.bad_pixel + part.bad_channel + part.damaged_packets for part in parts) == 0
    time = np.concatenate([part.time for part in parts])
    start = to_seconds(clean.config.start)
    assert start - 1e-4 <= time.min()
    assert time.max() <= start + clean.config.duration + 1e-4
    ticks = (time - epoch_seconds(eclairs)) / 2e-5
    assert np.allclose(ticks, np.rint(ticks), atol=0.01)


def test_every_fault_of_a_faulty_night_is_counted(faulty, receiving, eclairs):
    port, result, _ = receiving(until_disconnect=True)
    send(faulty.packets, "127.0.0.1", port)
    run = result.result(LIMIT).run
    assert run.raw_file.read_bytes() == faulty.packets.read_bytes()
    told = Counter((fault.kind, fault.apid) for fault in faulty.faults)
    assert {kind for kind, _ in told} == {"lost", "damaged", "duplicated", "truncated", "foreign"}
    foreign = 0
    with follow(run, eclairs) as cursor:
        while not cursor.finished:
            foreign += cursor.poll(100_000).index.foreign_bytes
        counts = cursor.counts
    photon = eclairs.packets["photons"].apid
    assert counts[photon].lost == told["lost", photon]
    assert counts[photon].duplicated == told["duplicated", photon]
    assert counts[photon].damaged == told["damaged", photon] + told["truncated", photon]
    assert foreign == sum(fault.size for fault in faulty.faults if fault.kind == "foreign")
