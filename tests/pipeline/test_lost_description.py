"""A run whose description or bytes are damaged in the archive: what is left is used, the rest is named."""

import pytest

from eicpy.ingestion import ingest
from eicpy.pipeline import run_night
from eicpy.runs import RunArchive


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


def test_bytes_that_the_archive_lost_are_named(filled, no_reports):
    (run,) = RunArchive(filled.archive("eclairs"), "eclairs").runs()
    size = run.size
    with run.raw_file.open("r+b") as file:
        file.truncate(size - 50_000)
    record = run_night("eclairs", "2026-11-20", "2026-11-22", filled, workers=0).record
    assert record.photons > 100_000
    assert any(f"50000 bytes at byte {size - 50_000}: lost" in line for line in record.skipped)
    assert not record.clean
