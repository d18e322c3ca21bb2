"""What is archived of a file that holds its packets in something else."""

import gzip
import hashlib

import numpy as np
import pytest
from eicpy_fixtures.housekeeping_packets import housekeeping_packets
from eicpy_fixtures.transfer_frames import FrameBuilder, split, without_idle

from eicpy.errors import BadDataError, ExitCode
from eicpy.ingestion import FileOutcome, IngestState, ingest_file
from eicpy.instruments import load
from eicpy.operations import FileState, files, open_database
from eicpy.runs import RunArchive
from eicpy.settings import Settings


@pytest.fixture(scope="module")
def packets():
    return housekeeping_packets(load("eclairs"), range(300))


@pytest.fixture
def take(tmp_path):
    settings = Settings.at(tmp_path / "home")
    archive = RunArchive(settings.archive("eclairs"), "eclairs")

    def one(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        with open_database(settings) as database:
            try:
                return ingest_file(path, load("eclairs"), database, archive)
            finally:
                one.rows = files(database)

    return one


def test_of_a_compressed_file_its_packets_are_kept_and_the_file_is_named(take, packets):
    data = gzip.compress(packets)
    outcome = take("pass.gz", data)
    metadata = outcome.run.metadata
    assert outcome.run.raw_file.read_bytes() == packets
    assert metadata.expected_sha256 == outcome.sha256 == hashlib.sha256(data).hexdigest()
    assert metadata.sha256 == hashlib.sha256(packets).hexdigest()
    assert metadata.source_kind == "gzip-compressed"
    assert FileOutcome.of(outcome).exit_code is ExitCode.CLEAN
    assert "gzip-compressed" in FileOutcome.of(outcome).summary
    again = take("pass.gz", data)
    assert (again.state, again.run, again.notes) == (IngestState.KNOWN, outcome.run, outcome.notes)


def test_frames_with_one_lost_are_taken_and_not_called_whole(take, packets):
    frames = FrameBuilder("TM", 1115).pack(1, split(packets))
    outcome = take("pass.cadu", b"".join(frames[:4] + frames[5:]))
    assert "TM transfer frames" in outcome.run.metadata.source_kind
    assert not outcome.is_whole
    assert outcome.damaged == 0
    assert FileOutcome.of(outcome).exit_code is ExitCode.BAD_DATA
    kept = without_idle(split(outcome.run.raw_file.read_bytes()))
    assert set(kept) < set(split(packets))
    assert any("1 missing" in remark for remark in outcome.run.metadata.remarks)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(100_000), "only zero bytes"),
        (b"", "empty file"),
        (b"\x28\xb5\x2f\xfd" + bytes(range(99)), "zstd -d"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(take, data, words):
    with pytest.raises(BadDataError, match=words):
        take("file", data)
    assert [row.state for row in take.rows] == [FileState.REFUSED]
    assert words in take.rows[0].message


def test_a_bomb_is_refused_and_leaves_no_run(take, monkeypatch):
    monkeypatch.setattr("eicpy.packets.containers.compressed.FREE", 1 << 20)
    with pytest.raises(BadDataError, match="decompression bomb"):
        take("bomb.gz", gzip.compress(np.random.default_rng(1).bytes(10) + bytes(5_000_000)))
    assert [row.state for row in take.rows] == [FileState.REFUSED]


def test_an_interrupted_extraction_is_completed(take, packets, monkeypatch):
    import eicpy.ingestion.packet_files as module

    class Death(BaseException):
        pass

    def die(*_arguments, **_named):
        raise Death

    data = gzip.compress(packets)
    monkeypatch.setattr(module.RunWriter, "close", die)
    with pytest.raises(Death):
        take("pass.gz", data)
    monkeypatch.undo()
    outcome = take("pass.gz", data)
    assert outcome.state is IngestState.RESUMED
    assert outcome.run.raw_file.read_bytes() == packets
