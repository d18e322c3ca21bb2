"""A packet cut by the boundary of two files: whole once, in whatever order the halves come."""

import gzip
import json

import pytest
from eicpy_fixtures.housekeeping_packets import housekeeping_packets

from eicpy.errors import BadDataError, ExitCode
from eicpy.ingestion import IngestState, ingest, ingest_file, take_file
from eicpy.instruments import load
from eicpy.operations import open_database
from eicpy.operations.file_rows import files
from eicpy.packets import PacketHeaderRule, inspect_files
from eicpy.runs import RunArchive, run_label
from eicpy.runs.provider.cursor import Follower
from eicpy.settings import Settings


@pytest.fixture(scope="module")
def eclairs():
    return load("eclairs")


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def database(settings):
    with open_database(settings) as opened:
        yield opened


@pytest.fixture
def archive(settings):
    return RunArchive(settings.archive("eclairs"), "eclairs")


@pytest.fixture(scope="module")
def stream(eclairs):
    """Twenty packets of housekeeping, one after the other."""
    return housekeeping_packets(eclairs, range(20))


@pytest.fixture
def take(tmp_path, eclairs, database, archive):
    def one(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return ingest_file(path, eclairs, database, archive)

    return one


def _good(archive, eclairs):
    """Sequence counts of the intact packets of all runs."""
    counts = []
    for run in archive.runs():
        index = run.index(eclairs)
        counts += index.sequence_count[index.good].tolist()
    return counts


def _cuts(stream):
    length = len(stream) // 20
    return [11 * length + into for into in (1, 5, 6, length // 2, length - 1)]


@pytest.mark.parametrize("which", range(5))
def test_halves_are_joined_wherever_the_cut_lies(which, take, stream, eclairs, archive):
    cut = _cuts(stream)[which]
    first, second = take("a", stream[:cut]), take("b", stream[cut:])
    assert (first.packets, second.packets) == (11, 9)
    assert (second.damaged, second.foreign_bytes) == (0, 0)
    assert _good(archive, eclairs) == list(range(20))
    assert first.run.raw_file.read_bytes() == stream[:cut], "a closed run is not altered"
    size = second.run.metadata.begins_in.size
    assert second.run.raw_file.read_bytes() == stream[cut - size :]
    assert "whole in run 2" in first.run.metadata.remarks[0]
    assert "whole here" in second.run.metadata.remarks[0]


def test_the_second_half_may_come_first(take, stream, eclairs, archive):
    cut = _cuts(stream)[3]
    second, first = take("b", stream[cut:]), take("a", stream[:cut])
    assert (second.packets, first.packets, first.damaged) == (8, 12, 0)
    assert sorted(_good(archive, eclairs)) == list(range(20))
    assert first.run.metadata.ends_in.run == second.run.number
    assert "whole in run 2" in second.run.metadata.remarks[0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1), (1, 0, 2), (2, 0, 1)])
def test_three_pieces_in_any_order_give_each_packet_once(order, take, stream, eclairs, archive):
    cuts = [0, len(stream) // 3 + 7, 2 * len(stream) // 3 + 3, len(stream)]
    for i in order:
        take(f"part{i}", stream[cuts[i] : cuts[i + 1]])
    assert sorted(_good(archive, eclairs)) == list(range(20))


def test_pieces_shorter_than_two_packets(take, stream, eclairs, archive):
    stream = stream[: 8 * len(stream) // 20]
    step = len(stream) // 8 + 9
    for at in range(0, len(stream), step):
        take(f"piece{at:06}", stream[at : at + step])
    assert sorted(_good(archive, eclairs)) == list(range(8))


def test_ingested_again_nothing_comes_twice(take, stream, eclairs, archive):
    cut = _cuts(stream)[3]
    for _ in range(2):
        first, second = take("a", stream[:cut]), take("b", stream[cut:])
    assert (first.state, second.state) == (IngestState.KNOWN, IngestState.KNOWN)
    longer = take("c", stream[cut : cut + 5 * len(stream) // 20])
    assert longer.run.metadata.begins_in is None, "the half was used already"
    assert longer.foreign_bytes > 0
    assert len([c for c in _good(archive, eclairs) if c == 11]) == 1


def test_files_that_overlap_are_not_joined(take, stream, eclairs, archive):
    length = len(stream) // 20
    take("a", stream[: 11 * length + 9])
    second = take("b", stream[8 * length + 9 :])
    assert second.run.metadata.begins_in is None
    assert second.foreign_bytes == length - 9


def test_what_never_continues_is_named_as_before(take, stream, eclairs, archive):
    first = take("a", stream[: _cuts(stream)[3]])
    other = take("b", housekeeping_packets(eclairs, range(500, 510)))
    assert (first.packets, first.damaged) == (11, 1)
    assert (other.packets, other.damaged, other.foreign_bytes) == (10, 0, 0)
    assert first.run.metadata.remarks == ()


def test_the_rest_of_a_packet_and_nothing_else_is_taken(take, stream, eclairs, archive, tmp_path, database):
    cut = _cuts(stream)[3]
    end = 12 * len(stream) // 20
    with pytest.raises(BadDataError, match="no packet at all"):
        take("rest", stream[cut:end])
    take("a", stream[:cut])
    assert take("rest", stream[cut:end]).packets == 1
    assert _good(archive, eclairs) == list(range(12))


def test_compressed_pieces_are_joined_too(take, stream, eclairs, archive):
    cut = _cuts(stream)[3]
    take("a.gz", gzip.compress(stream[:cut]))
    second = take("b.gz", gzip.compress(stream[cut:]))
    assert _good(archive, eclairs) == list(range(20))
    assert second.run.metadata.source_kind == "gzip-compressed"


class _Death(BaseException):
    """Stands for the death of the process."""


@pytest.mark.parametrize("step", ["claim", "create", "append", "settle", "stored"])
def test_death_in_between_joins_once(step, take, stream, eclairs, archive, monkeypatch):
    import eicpy.ingestion.packet_files as module

    def die(*_arguments, **_named):
        raise _Death

    cut = _cuts(stream)[3]
    take("a", stream[:cut])
    targets = {
        "claim": (RunArchive, "create"),
        "create": (module.FileContents, "blocks"),
        "append": (module.RunWriter, "close"),
        "settle": (module, "settle_ends"),
        "stored": (module, "mark_stored"),
    }
    monkeypatch.setattr(*targets[step], die)
    with pytest.raises(_Death):
        take("b", stream[cut:])
    monkeypatch.undo()
    assert take("b", stream[cut:]).packets == 9
    assert _good(archive, eclairs) == list(range(20))
    assert json.loads((archive.folder / "open-ends.json").read_text()) == []


def test_a_torn_list_of_open_ends_stops_nothing(take, stream, archive):
    (archive.folder).mkdir(parents=True, exist_ok=True)
    (archive.folder / "open-ends.json").write_text("[{")
    assert take("a", stream[: _cuts(stream)[2]]).packets == 11


def test_without_a_checksum_the_counts_decide(packet_pair):
    whole, cut, later = packet_pair
    rules = type("I", (), {"headers": [PacketHeaderRule(5)]})()
    joined = list(inspect_files([whole / "a", whole / "b"], instrument=rules))
    assert [report.packets for report in joined] == [4, 6]
    apart = list(inspect_files([whole / "a", whole / "later"], instrument=rules))
    assert [report.joined for report in apart] == [(), ()], "as long, of another time"
    assert cut < later


@pytest.fixture
def packet_pair(tmp_path):
    """Files of packets of equal length without a checksum; `later` fits in length alone."""
    raw = b"".join(
        (5).to_bytes(2, "big") + (0xC000 | n).to_bytes(2, "big") + (19).to_bytes(2, "big") + bytes([n]) * 20
        for n in range(20)
    )
    cut, later = 4 * 26 + 9, 14 * 26 + 9
    (tmp_path / "a").write_bytes(raw[:cut])
    (tmp_path / "b").write_bytes(raw[cut : 10 * 26])
    (tmp_path / "later").write_bytes(raw[later:])
    return tmp_path, cut, later


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("which", range(5))
def test_a_joined_packet_counts_once_wherever_it_is_counted(
    which, order, tmp_path, stream, eclairs, settings
):
    cut = _cuts(stream)[which]
    parts = [tmp_path / "a", tmp_path / "b"]
    for path, data in zip(parts, (stream[:cut], stream[cut:]), strict=True):
        path.write_bytes(data)
    told = []
    outcomes = ingest([parts[i] for i in order], "eclairs", settings, on_outcome=told.append)
    assert [one.exit_code for one in outcomes] == [ExitCode.CLEAN] * 2
    assert len(told) == 3, "the first again, as it is now"
    assert told[-1] == outcomes[0]
    assert "0 damaged, 0 foreign bytes" in outcomes[0].summary
    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    received = 0
    for run in archive.runs():
        index = run.index(eclairs)
        assert (int((~index.good).sum()), index.foreign_bytes) == (0, 0)
        with Follower(run, eclairs) as follower:
            while not follower.finished:
                packets = follower.poll().index
                assert packets.good.all()
                assert not packets.foreign_bytes
            received += sum(one.received for one in follower.counts.values())
            assert not any(one.damaged or one.lost for one in follower.counts.values())
            assert follower.cursor.offset == run.size
    assert received == 20
    labels = [run_label(run, eclairs, count=True) for run in archive.runs()]
    assert sum(label.packets for label in labels) == 20
    assert not any(label.lost or label.damaged for label in labels)
    with open_database(settings) as database:
        assert all("0 damaged, 0 foreign bytes" in row.message for row in files(database))
    raw = [run.raw_file for run in archive.runs()]
    reports = list(inspect_files([raw[i] for i in order], instrument=eclairs))
    if min(cut % (len(stream) // 20), -cut % (len(stream) // 20)) >= 4:
        assert sum(report.packets for report in reports) == 20
        assert all(report.is_clean for report in reports)


def test_a_half_that_nothing_completes_is_not_clean(tmp_path, stream, settings):
    cut = _cuts(stream)[3]
    (tmp_path / "a").write_bytes(stream[:cut])
    (one,) = ingest([tmp_path / "a"], "eclairs", settings)
    assert one.exit_code is ExitCode.BAD_DATA
    (tmp_path / "b").write_bytes(stream[cut:])
    (other,) = ingest([tmp_path / "b"], "eclairs", settings)
    (again,) = ingest([tmp_path / "a"], "eclairs", settings)
    assert (other.exit_code, again.exit_code) == (ExitCode.CLEAN, ExitCode.CLEAN)


def test_consecutive_files_are_reported_without_the_cut(tmp_path, stream, eclairs):
    cut = _cuts(stream)[3]
    (tmp_path / "a").write_bytes(stream[:cut])
    (tmp_path / "b").write_bytes(stream[cut:])
    first, second = inspect_files([tmp_path / "a", tmp_path / "b"], instrument=eclairs)
    assert (first.packets, second.packets) == (11, 9)
    assert (first.is_clean, second.is_clean) == (True, True)
    assert second.index.offset[0] < 0
    one, other = inspect_files([tmp_path / "b", tmp_path / "a"], instrument=eclairs)
    assert (one.is_clean, other.is_clean) == (False, False)


def test_the_case_of_twenty_packets(shared_data):
    folder = shared_data / "cases" / "telemetry"
    if not folder.is_dir():
        pytest.skip("these cases are not there")
    reports = list(inspect_files([folder / "cut-part1.bin", folder / "cut-part2.bin"]))
    assert [report.packets for report in reports] == [11, 9]
    assert all(report.is_clean for report in reports)


def test_the_folder_of_an_instrument_takes_them_as_well(tmp_path, eclairs, database, archive, stream):
    cut = _cuts(stream)[1]
    for name, data in (("a", stream[:cut]), ("b", stream[cut:])):
        (tmp_path / name).write_bytes(data)
        take_file(tmp_path / name, eclairs, database, archive)
    assert _good(archive, eclairs) == list(range(20))
