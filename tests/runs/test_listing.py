"""The list of runs agrees with the folder whatever is done to it, and is read no oftener than it changes."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eicpy.runs import listing as module
from eicpy.runs import provide
from eicpy.runs.listing import Listing


def truth(folder: Path) -> list[str]:
    """Names of the folders of runs, by a plain look at each entry."""
    found = []
    for entry in folder.iterdir() if folder.is_dir() else ():
        head, dash, suffix = entry.name.partition("-")
        is_number = (
            head.isascii() and head.isdecimal() and (len(head) == 6 or (len(head) > 6 and head[0] != "0"))
        )
        if is_number and int(head) > 0 and bool(dash) == bool(suffix) and entry.is_dir():
            found.append((int(head), entry.name))
    return [name for _, name in sorted(found)]


NAMES = st.sampled_from(
    ["000001", "000002", "000002-configuration", "000003-x", "1234567", "0000001", "000000", "2026-11-21",
     "12", "000004-", "²00001", ".000005.new", ".000004.discarded", "last-number"]
)  # fmt: skip
KINDS = st.sampled_from(["folder", "file", "remove", "rename", "all"])
ACTIONS = st.lists(st.tuples(KINDS, NAMES, NAMES), max_size=20)


@given(ACTIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_it_agrees_with_the_folder_after_any_change(tmp_path_factory, actions):
    folder = tmp_path_factory.mktemp("archive") / "eclairs"
    listing = Listing(str(folder))
    for action, name, other in actions:
        _do(folder, action, name, other)
        now = listing.now()
        assert list(now.folders()) == truth(folder)
        assert now.numbers == tuple(sorted({int(n.partition("-")[0]) for n in truth(folder)}))
        assert list(now.folders(2)) == truth(folder)[-2:]


def _do(folder: Path, action: str, name: str, other: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    if action == "all":
        shutil.rmtree(folder)
    elif action == "remove":
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    elif path.exists():
        if action == "rename" and not (folder / other).exists():
            path.rename(folder / other)
    elif action in {"folder", "file"}:
        path.mkdir() if action == "folder" else path.touch()


class Disk:
    """A folder whose state shows no change, as within the grain of its times, and a clock."""

    def __init__(self, monkeypatch, folder, grain_ns):
        self.now, self.state = 100.0, (1, 2, 3_000_000_000 + grain_ns, 0, 0, 0)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Listing, "_state", lambda _listing: self.state)
        self.listing = Listing(str(folder))


@pytest.mark.parametrize(("fraction", "grain"), [(1, 0.05), (0, 2.5)])
def test_two_changes_within_the_grain_of_the_times_are_both_seen(tmp_path, monkeypatch, fraction, grain):
    disk = Disk(monkeypatch, tmp_path, fraction)
    (tmp_path / "000001").mkdir()
    assert disk.listing.now().numbers == disk.listing.glance().numbers == (1,)
    (tmp_path / "000002").mkdir()  # in the same tick: the state of the folder is the same
    assert disk.listing.now().numbers == (1, 2)
    (tmp_path / "000003").mkdir()
    assert disk.listing.glance().numbers == (1, 2)
    disk.now += grain + 0.01
    assert disk.listing.glance().numbers == (1, 2, 3)


def test_a_disk_that_keeps_no_times_is_read_now_and_then(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, tmp_path, 1)
    disk.listing.now()
    disk.now += 1.0
    disk.listing.now()
    (tmp_path / "000001").mkdir()
    assert disk.listing.now().numbers == ()
    disk.now += 2.5
    assert disk.listing.now().numbers == disk.listing.glance().numbers == (1,)


def test_a_run_made_in_this_process_is_known_without_reading_the_folder_and_one_copied_in_is_seen(
    archive, monkeypatch
):
    archive.create(source="x").close()
    read, listdir = [], os.listdir
    monkeypatch.setattr(module.os, "listdir", lambda folder: read.append(folder) or listdir(folder))
    monkeypatch.setattr(module, "_GRAIN", 1e6)
    monkeypatch.setattr(module, "_TRUSTED", 1e6)
    for number in range(2, 7):
        assert archive.create(source="x").close().number == number
    assert str(archive.folder) not in read
    shutil.copytree(archive.run(6).folder, archive.folder / "000041-copy")
    assert archive.names().last == 41
    assert archive.create(source="x").close().number == 42
    assert [run.number for run in archive.runs()] == [1, 2, 3, 4, 5, 6, 41, 42]


@pytest.mark.parametrize("runs", [1, 12])
def test_a_reader_that_waits_reads_the_folder_as_rarely_whatever_the_number_of_runs(
    archive, eclairs, monkeypatch, runs
):
    for _ in range(runs):
        archive.create(source="x").close()
    read, listdir = [], os.listdir
    monkeypatch.setattr(module, "_TRUSTED", 1e6)
    monkeypatch.setattr(module.os, "listdir", lambda folder: read.append(folder) or listdir(folder))
    with provide(archive, eclairs) as provider:
        for _ in range(100):
            assert not provider.poll()
            assert provider.behind == 0
    assert read.count(str(archive.folder)) <= 3
    assert provider.cursor.run == runs


def test_a_number_that_somebody_took_since_the_folder_was_read_is_not_used(archive, monkeypatch):
    archive.create(source="x").close()
    archive.create(source="x").close()
    before = archive.names()
    (archive.folder / "000003").mkdir()
    (archive.folder / "000003" / "raw.ccsds").write_bytes(b"copied in")
    monkeypatch.setattr(Listing, "at_hand", lambda _listing: before)
    assert archive.create(source="x").close().number == 4
    assert archive.run(3).raw_file.read_bytes() == b"copied in"


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"seven", b"\xff\xfe"])
def test_a_last_number_that_a_power_failure_spoilt_hinders_nothing(archive, caplog, content):
    for _ in range(3):
        archive.create(source="x").close()
    (archive.folder / "last-number").write_bytes(content)
    assert archive.create(source="x").close().number == 4
    assert "holds no number" in caplog.text
    assert (archive.folder / "last-number").read_text() == "4\n"


def test_a_list_never_shows_a_run_without_the_one_before_it(archive, monkeypatch):
    """A reader goes on to the next number: a run missing when a later one showed would be passed over."""
    monkeypatch.setattr(module, "_BREATH", 1e9)  # as where reading the list was held up for long
    listing, mkdir = archive._listing, Path.mkdir

    def seen_by_another_thread(path, *arguments, **named):
        mkdir(path, *arguments, **named)
        listing.now()

    for number in range(1, 8):
        with monkeypatch.context() as context:
            if number % 2:  # another thread reads while the run is being made, and its list lacks it
                context.setattr(Path, "mkdir", seen_by_another_thread)
            archive.create(source="x").close()
        assert listing.glance().numbers in [tuple(range(1, n + 1)) for n in range(number + 1)]
    assert listing.now().numbers == tuple(range(1, 8))


def test_a_list_that_changes_while_it_is_read_is_read_again(archive, monkeypatch):
    for _ in range(3):
        archive.create(source="x").close()
    listdir, missed = os.listdir, ["000004"]

    def in_pieces(folder):
        found = listdir(folder)
        if missed:  # made behind the place that was read, and another one before it
            (archive.folder / missed.pop()).mkdir()
            (archive.folder / "000005").mkdir()
            return [*found, "000005"]
        return found

    monkeypatch.setattr(module.os, "listdir", in_pieces)
    assert Listing(str(archive.folder)).now().numbers == (1, 2, 3, 4, 5)


STEPS = {
    "number-drafted": ("pathlib.Path.rename", 0),
    "number-written": ("pathlib.Path.mkdir", 1),
    "draft-made": ("eicpy.runs.metadata.RunMetadata.write", 0),
    "draft-complete": ("pathlib.Path.rename", 2),
    "placed": ("eicpy.runs.archive.RunWriter", 0),
    "opened": ("eicpy.runs.listing.Listing.placed", 0),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_of_a_new_run_leaves_whole_runs_and_no_number_twice(
    archive, monkeypatch, step
):
    archive.create(source="x").close()
    where, before = STEPS[step]
    child = os.fork()
    if child == 0:
        calls = iter(range(10))
        _replace(where, lambda original, *a, **k: os._exit(9) if next(calls) == before else original(*a, **k))
        archive.create(source="killed")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    run = archive.create(source="after").close()
    assert run.number == (2 if step == "number-drafted" else 3)
    known = archive.runs()
    assert [r.number for r in known] == ([1, 2, 3] if step in {"placed", "opened"} else [1, run.number])
    assert {r.metadata.source for r in known} <= {"x", "killed", "after"}
    assert sorted(p.name for p in archive.folder.glob(".0*")) == []
    assert [r.number for r in archive.unfinished()] == ([2] if step in {"placed", "opened"} else [])


def _replace(where: str, instead) -> None:
    """Replace something in this process, which is about to end."""
    import importlib

    owner, _, name = where.rpartition(".")
    try:
        holder = importlib.import_module(owner)
    except ModuleNotFoundError:
        room, _, kind = owner.rpartition(".")
        holder = getattr(importlib.import_module(room), kind)
    original = getattr(holder, name)
    setattr(holder, name, lambda *arguments, **named: instead(original, *arguments, **named))
