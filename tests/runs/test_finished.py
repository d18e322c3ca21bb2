"""What is known of finished runs is always what their descriptions say, whatever becomes of the index."""

import json
import os
import shutil

import pytest

from eicpy.runs import RunArchive
from eicpy.runs import finished as module
from eicpy.runs.finished import FinishedRuns, finished_runs
from eicpy.runs.metadata import METADATA_NAME, RunMetadata


@pytest.fixture
def index(archive):
    """The index of the archive on the disk."""
    return archive.folder / ".index" / "finished.jsonl"


@pytest.fixture
def anew():
    """Forget all that is in memory, as another process would see the archive."""
    finished_runs.cache_clear()
    yield finished_runs.cache_clear
    finished_runs.cache_clear()


def fill(archive, states):
    """Runs in some states: finished, open, sealed, copying, copied."""
    for n, state in enumerate(states, 1):
        copy = {"expected_sha256": f"{n:064x}"} if state in {"copying", "copied"} else {}
        writer = archive.create(source="x", **copy)
        writer.append(f"run {n}".encode())
        if state in {"finished", "copied"}:
            writer.close()
            continue
        if state == "sealed":
            writer.seal()
        writer.release()


STATES = ["finished", "open", "copied", "sealed", "copying", "finished", "finished"]


def check(archive):
    """All that is asked of the index agrees with the descriptions."""
    runs = archive.runs()
    metadata = {run.number: run.metadata for run in runs}
    assert [r.number for r in archive.unfinished()] == [
        n for n, m in metadata.items() if m.sha256 is None and m.expected_sha256 is None
    ]
    assert [r.number for r in archive.abandoned()] == [n for n, m in metadata.items() if m.closed is None]
    for n, m in metadata.items():
        for sha256 in filter(None, (m.sha256, m.expected_sha256)):
            assert archive.find(sha256).number == n
    assert archive.find("f" * 64) is None


def test_it_agrees_with_the_descriptions_the_first_time_the_next_time_and_in_the_next_process(
    archive, anew, index
):
    fill(archive, STATES)
    check(archive)
    check(archive)
    anew()
    check(archive)
    rows = [row for line in index.read_bytes().splitlines() if line for row in json.loads(line)]
    assert sorted(row[0] for row in rows) == ["000001", "000003", "000006", "000007"]


def test_an_archive_of_before_is_read_once_and_then_only_what_changed(archive, anew, monkeypatch):
    fill(archive, STATES)
    read, original = [], module._read
    monkeypatch.setattr(module, "_read", lambda folder, name: read.append(name) or original(folder, name))
    archive.unfinished()
    assert len(read) == len(STATES)
    read.clear()
    archive.unfinished()
    anew()
    archive.unfinished()
    assert sorted(set(read)) == ["000002", "000004", "000005"]  # those that are not finished
    archive.recover()
    read.clear()
    assert archive.unfinished() == []
    anew()
    archive.unfinished()
    assert sorted(set(read)) == ["000002", "000004", "000005"]


SPOILT = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "no text": lambda file: file.write_bytes(b"\xff\x00\n" + file.read_bytes()[::-1]),
    "other kinds": lambda file: file.write_text(
        '[["000002",1,2,3,"a"],["000002"],7,null,[["000002"],1,2,3,"b"]]\n{}\n3\n'
    ),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("how", SPOILT)
def test_an_index_that_was_spoilt_changes_no_answer_and_is_made_again(archive, anew, index, how):
    fill(archive, STATES)
    archive.unfinished()
    SPOILT[how](index)
    anew()
    check(archive)
    fill_again = archive.create(source="later").close()
    anew()
    check(archive)
    assert archive.find(fill_again.metadata.sha256).number == fill_again.number


def test_a_run_restored_from_before_it_was_finished_is_found_unfinished(archive, anew):
    writer = archive.create(source="x")
    writer.append(b"data")
    writer.seal()
    before = (writer.run.folder / METADATA_NAME).read_bytes()
    run = writer.complete()
    assert archive.unfinished() == []
    (run.folder / METADATA_NAME).write_bytes(before)
    assert [r.number for r in archive.unfinished()] == [1]
    anew()
    assert [r.number for r in archive.unfinished()] == [1]
    assert archive.recover() == [run]


def test_runs_that_were_removed_renamed_or_copied_in_by_hand(archive, anew):
    fill(archive, STATES)
    check(archive)
    sha256 = archive.run(6).metadata.sha256
    shutil.rmtree(archive.run(1).folder)
    archive.run(6).folder.rename(archive.folder / "000006-good")
    shutil.copytree(archive.run(7).folder, archive.folder / "000019")
    assert archive.find(sha256).folder.name == "000006-good"
    assert archive.find(archive.run(7).metadata.sha256).number == 19
    shutil.rmtree(archive.folder / "000019")
    check(archive)


def test_an_archive_that_may_not_be_written_is_read_all_the_same(archive, anew, index, monkeypatch):
    def refuse(path, flags, *rest, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, *rest, **named)

    fill(archive, STATES)
    opened = os.open
    monkeypatch.setattr(module.os, "open", refuse)
    check(archive)
    assert not index.exists()


def test_the_file_does_not_grow_without_end(archive, anew, index, monkeypatch):
    monkeypatch.setattr(module, "_SPARE_ROWS", 5)
    fill(archive, ["finished"] * 3)
    for _ in range(12):
        for run in archive.runs():
            metadata = run.metadata
            metadata.model_copy(update={"comment": metadata.comment + "x"}).write(run.folder)
        archive.unfinished()
        rows = sum(len(json.loads(line)) for line in index.read_bytes().splitlines() if line)
        assert rows <= 2 * 3 + 5 + 3
    check(archive)


@pytest.mark.parametrize("step", ["half a line", "before the rename"])
def test_a_process_killed_while_it_writes_the_index_changes_no_answer(archive, anew, step, monkeypatch):
    if step == "before the rename":
        monkeypatch.setattr(module, "_SPARE_ROWS", -100)
    fill(archive, STATES)
    child = os.fork()
    if child == 0:
        write = os.write
        if step == "half a line":
            module.os.write = lambda descriptor, data: (
                write(descriptor, data[: len(data) // 2]) and os._exit(9)
            )
        else:
            os.fsync = lambda _descriptor: os._exit(9)
            type(archive.folder).rename = lambda *_paths: os._exit(9)
        archive.unfinished()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    check(archive)
    anew()
    check(archive)


def test_several_processes_that_write_it_at_once_do_no_harm(archive, anew, index):
    fill(archive, ["finished"] * 8)
    names = archive.names().folders()
    children = []
    for _ in range(4):
        children.append(os.fork())
        if children[-1] == 0:
            for first in range(8):
                FinishedRuns(str(archive.folder)).unfinished(names[first:] + names[:first])
            os._exit(0)
    assert all(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children)
    for line in index.read_bytes().splitlines():
        assert not line or json.loads(line)
    check(archive)


def test_a_description_of_a_hash_without_an_end_is_not_finished(archive, anew):
    run = archive.create(source="x").close()
    fields = run.metadata.model_dump() | {"closed": None}
    RunMetadata(**fields).write(run.folder)
    assert [r.number for r in RunArchive(archive.folder, "eclairs").abandoned()] == [1]
