"""Packets that lie in several runs are counted once."""

import numpy as np
import pytest

from eicpy.ingestion import ingest
from eicpy.instruments import load
from eicpy.packets import index_packets
from eicpy.pipeline import run_night
from eicpy.pipeline.cross_run_duplicates import find_repeats

START, STOP = "2026-11-20T18:00:00", "2026-11-21T06:00:00"


@pytest.fixture(autouse=True)
def without_reports(monkeypatch):
    """Leave the notebooks out: they have tests of their own."""
    monkeypatch.setattr("eicpy.pipeline.night_run.make_reports", lambda *_, **__: [])


@pytest.mark.parametrize("part_first", [True, False])
def test_a_dump_and_a_part_of_it_give_the_photons_of_the_dump(settings, simulated, tmp_path, part_first):
    whole = simulated.packets.read_bytes()
    part = tmp_path / "part.ccsds"
    part.write_bytes(whole[len(whole) // 3 : len(whole) // 2])
    both = [part, simulated.packets] if part_first else [simulated.packets, part]
    ingest(both[:1], "eclairs", settings)
    alone = run_night("eclairs", START, STOP, settings, workers=0).record
    ingest(both[1:], "eclairs", settings)
    record = run_night("eclairs", START, STOP, settings, workers=0).record
    found = index_packets(whole, load("eclairs").headers)
    lone = np.unique(found.sequence_count[found.good & (found.apid == 810)])
    assert record.photons > 0
    if not part_first:
        assert record.photons == alone.photons
        assert record.exposure == pytest.approx(alone.exposure)
    assert record.packets["810"].received - record.packets["810"].duplicated == len(lone)


def test_only_the_same_bytes_at_the_same_time_are_a_repeat(simulated, tmp_path):
    eclairs = load("eclairs")
    whole = simulated.packets.read_bytes()
    changed = bytearray(whole)
    index = index_packets(whole, eclairs.headers, "none")
    changed[int(index.offset[3]) + int(index.length[3]) // 2] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    (first, second, within) = find_repeats(
        [(4, simulated.packets, index), (7, tmp_path / "changed", index), (2, simulated.packets, index[:5])]
    )
    timed = index.good & (index.coarse >= 0)
    assert not within.any()
    assert np.array_equal(np.flatnonzero(first), np.flatnonzero(timed[:5]))
    expected = timed.copy()
    expected[3] = False
    assert np.array_equal(second, expected)
