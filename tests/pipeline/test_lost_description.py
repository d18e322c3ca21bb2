"""A run whose description is lost or damaged still has its bytes."""

import pytest

from eicpy.acquisition import RunArchive
from eicpy.pipeline import ingest, run_night


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe"])
def test_its_photons_are_kept_and_others_can_be_ingested(
    filled, simulated, no_reports, tmp_path, content, caplog
):
    (run,) = RunArchive(filled.archive("eclairs"), "eclairs").runs()
    description = run.folder / "run.json"
    description.unlink()
    if content is not None:
        description.write_bytes(content)
    record = run_night("eclairs", "2026-11-20", "2026-11-22", filled, workers=0).record
    assert record.photons > 100_000
    assert "run.json" in caplog.text
    other = tmp_path / "other.ccsds"
    other.write_bytes(simulated.packets.read_bytes()[:100_000])
    (outcome,) = ingest([other], "eclairs", filled)
    assert "stored" in outcome.summary
