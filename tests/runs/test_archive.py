"""The run archive: bytes as received, numbers never used twice, nothing half done."""

import os
import resource
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.errors import BadArgumentError, BadDataError, FailedError
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive, edit_run


@pytest.fixture
def archive(tmp_path):
    return RunArchive(tmp_path / "archive" / "eclairs", "eclairs")


def test_keeps_bytes_exactly_and_says_where_each_append_went(archive):
    writer = archive.create(source="bench")
    assert [writer.append(part) for part in (b"abc", b"", b"\x00\xff" * 5)] == [0, 3, 3]
    assert writer.run.raw_file.read_bytes() == b"abc" + b"\x00\xff" * 5  # before the run is closed
    run = writer.close(comment="first light", simulated=True)
    metadata = run.metadata
    assert (metadata.number, metadata.size, metadata.comment, metadata.simulated) == (
        1,
        13,
        "first light",
        True,
    )
    assert metadata.sha256 == run.sha256()
    assert metadata.closed >= metadata.opened


def test_numbers_grow_and_survive_the_removal_of_the_newest_run(archive):
    for expected in (1, 2, 3):
        assert archive.create(source="x").close().number == expected
    newest = archive.run(3)
    for file in newest.folder.iterdir():
        file.unlink()
    newest.folder.rmdir()
    assert archive.create(source="x").close().number == 4
    assert [run.number for run in archive.runs()] == [1, 2, 4]


def test_what_a_killed_process_left_half_made_goes_with_the_next_run(archive):
    archive.create(source="x").close()
    for name in (".000002.new", ".000001.discarded"):
        (archive.folder / name).mkdir()
        (archive.folder / name / "raw.ccsds").write_bytes(b"half")
    assert archive.create(source="x").close().number == 2
    assert [run.number for run in archive.runs()] == [1, 2]
    assert not list(archive.folder.glob(".0*"))


def test_a_run_says_that_it_is_closed_after_its_bytes_are_on_the_disk(archive, monkeypatch):
    writer, fsync, forced = archive.create(source="x"), os.fsync, []

    def noted(descriptor):
        if os.fstat(descriptor).st_ino == writer.run.raw_file.stat().st_ino:
            forced.append((os.fstat(descriptor).st_size, writer.run.is_open))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    writer.append(b"abc")
    writer.close()
    assert forced[0] == (3, True)


def test_an_open_run_is_held_by_one_writer_and_reopens_after_it_is_gone(archive):
    writer = archive.create(source="x")
    writer.append(b"before ")
    assert writer.run.is_open
    assert writer.run.is_written
    assert archive.abandoned() == []
    with pytest.raises(FailedError, match="written by another process"):
        archive.reopen(1)
    writer.release()
    assert [run.number for run in archive.abandoned()] == [1]
    again = archive.reopen(1)
    assert again.append(b"after") == 7
    run = again.close()
    assert run.raw_file.read_bytes() == b"before after"
    assert run.metadata.sha256 == run.sha256()
    with pytest.raises(BadArgumentError, match="closed"):
        archive.reopen(1)


def test_recovery_closes_what_a_crash_left_but_leaves_copies_of_files_to_the_ingest(archive):
    for expected_sha256 in (None, "0" * 64):
        writer = archive.create(source="x", expected_sha256=expected_sha256)
        writer.append(b"data")
        writer.release()
    assert [run.number for run in archive.recover()] == [1]
    assert archive.run(1).metadata.size == 4
    assert archive.run(2).is_open
    assert archive.find("0" * 64).number == 2
    assert archive.find("1" * 64) is None


def test_a_run_that_does_not_exist_is_named(archive):
    with pytest.raises(BadArgumentError, match="got run 7, expected no run yet"):
        archive.run(7)
    archive.create(source="x").close()
    with pytest.raises(BadArgumentError, match="from 1 to 1"):
        archive.run(7)


def test_an_unreadable_description_is_bad_data(archive):
    run = archive.create(source="x").close()
    (run.folder / "run.json").write_text("{")
    with pytest.raises(BadDataError, match=r"run\.json"):
        _ = run.metadata


def test_a_writer_left_by_an_error_leaves_its_run_open(archive):
    def interrupted():
        with archive.create(source="x") as writer:
            writer.append(b"kept")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert archive.run(1).is_open
    with archive.reopen(1) as writer:
        writer.append(b" and more")
    assert archive.run(1).metadata.size == 13


def test_shown_in_a_notebook_without_markup_from_outside(archive):
    run = archive.create(source="<script>").close()
    assert "<script>" not in run._repr_html_() + archive._repr_html_()
    assert "&lt;script&gt;" in run._repr_html_()


class TestFullDisk:
    """A limit on the size of files stands for the full disk: the kernel refuses in the same way."""

    def test_an_append_is_all_or_nothing(self, archive):
        writer = archive.create(source="x")
        writer.append(b"a" * 60_000)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(FailedError, match=r"60000 bytes at byte 60000: File too large"):
                writer.append(b"b" * 60_000)
            assert writer.run.size == 60_000
            assert writer.append(b"c" * 40_000) == 60_000  # what still fits, fits
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert writer.append(b"d") == 100_000
        run = writer.close()
        assert run.raw_file.read_bytes() == b"a" * 60_000 + b"c" * 40_000 + b"d"
        assert run.metadata.sha256 == run.sha256()

    def test_no_space_for_the_description_leaves_the_run_open_and_whole(self, archive, monkeypatch):
        writer = archive.create(source="x")
        writer.append(b"data")
        monkeypatch.setattr("eicpy.runs.metadata.RunMetadata.write", _no_space)
        with pytest.raises(FailedError):
            writer.close()
        monkeypatch.undo()
        assert archive.run(1).is_open
        assert archive.reopen(1).close().raw_file.read_bytes() == b"data"


def _no_space(*_arguments):
    raise FailedError("No space left on device")


KILLS = """
    import os, random, signal, sys, time
    from pathlib import Path
    from eicpy.runs import RunArchive

    archive, log, rng = RunArchive(Path(sys.argv[1]), "eclairs"), Path(sys.argv[2]), random.Random(20261121)

    def write():
        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while True:
            writer = archive.create(source="kill me")
            os.write(out, b"run %d\\n" % writer.run.number)
            for i in range(100):
                writer.append(i.to_bytes(4, "big") * 64)
                os.write(out, b"%d %d\\n" % (writer.run.number, writer.size))
            writer.close()
            os.write(out, b"closed %d\\n" % writer.run.number)

    def written():
        return log.stat().st_size if log.exists() else 0

    for _ in range(60):
        moment = written() + rng.randrange(1200)  # a run is a kilobyte of the log
        child = os.fork()
        if child == 0:
            write()
        while written() < moment:
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_acknowledged_is_lost_and_no_number_comes_twice(archive, tmp_path):
    log = tmp_path / "log"
    script = textwrap.dedent(KILLS)
    subprocess.run([sys.executable, "-c", script, str(archive.folder), str(log)], check=True, timeout=LIMIT)
    acknowledged: dict[int, int] = {}
    announced: list[int] = []
    closed: set[int] = set()
    for line in log.read_text().splitlines():
        word, number = line.split()
        if word == "run":
            announced.append(int(number))
        elif word == "closed":
            closed.add(int(number))
        else:
            acknowledged[int(word)] = int(number)
    assert len(announced) >= 10
    assert announced == sorted(set(announced))
    whole = b"".join(i.to_bytes(4, "big") * 64 for i in range(100))
    runs = {run.number: run for run in archive.runs()}
    assert set(announced) <= set(runs)
    for number, run in runs.items():
        raw = run.raw_file.read_bytes()
        assert len(raw) >= acknowledged.get(number, 0)
        assert whole.startswith(raw)
        if not run.is_open:
            assert run.metadata.sha256 == run.sha256()
            assert raw == whole
    assert not any(runs[number].is_open for number in closed)
    abandoned = archive.recover()
    assert all(run.metadata.sha256 == run.sha256() for run in abandoned)
    assert not any(run.is_open for run in archive.runs())
    assert archive.create(source="after").close().number > max(runs)
    assert not [f for f in archive.folder.iterdir() if f.suffix in {".new", ".discarded"}]


class TestSuffixes:
    def test_the_suffix_stands_in_the_name_and_numbers_go_on_whatever_it_is(self, archive):
        for suffix in ("", "configuration", "configuration", ""):
            archive.create(source="bench", suffix=suffix).close()
        assert [(run.number, run.suffix, run.folder.name) for run in archive.runs()] == [
            (1, "", "000001"),
            (2, "configuration", "000002-configuration"),
            (3, "configuration", "000003-configuration"),
            (4, "", "000004"),
        ]
        assert archive.run(2).metadata.suffix == "configuration"
        assert "000003-configuration" in archive._repr_html_()

    def test_a_number_is_not_used_again_after_the_newest_run_was_discarded_or_removed(self, archive):
        archive.create(source="x", suffix="configuration").close()
        archive.discard(archive.create(source="x", suffix="configuration"))
        (archive.folder / "last-number").write_text("0\n")  # lost with a disk, for example
        assert archive.create(source="x").close().number == 2
        archive.discard(archive.create(source="x", suffix="configuration"))
        assert archive.create(source="x").close().number == 4

    @pytest.mark.parametrize("suffix", ["-", "a/b", "Conf", "..", "a b"])
    def test_a_suffix_that_is_no_word_uses_no_number(self, archive, suffix):
        with pytest.raises(BadArgumentError, match="expected a word"):
            archive.create(source="x", suffix=suffix)
        assert archive.create(source="x").close().number == 1


class TestDescription:
    def test_texts_are_corrected_with_a_history_while_open_and_after(self, archive):
        writer = archive.create(source="bench", operator="Ada", setup="55Fe", position="20 cm")
        writer.append(b"bytes")
        edit_run(writer.run, actor="Ada", setup="241Am", comment="changed the source")
        run = writer.close(comment="closed")
        edit_run(run, actor="Grace", comment="closed", operator="Ada L.")
        metadata = run.metadata
        assert (metadata.setup, metadata.comment, metadata.operator) == ("241Am", "closed", "Ada L.")
        assert [(c.by, c.field, c.old, c.new) for c in metadata.history] == [
            ("Ada", "setup", "55Fe", "241Am"),
            ("Ada", "comment", "", "changed the source"),
            ("Grace", "operator", "Ada", "Ada L."),
        ]
        assert metadata.sha256 == run.sha256()
        assert run.raw_file.read_bytes() == b"bytes"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"actor": "Ada", "sha256": "0"}, "got sha256, expected some of operator"),
            ({"actor": " ", "comment": "x"}, "no name of who"),
            ({"actor": "Ada", "comment": 7}, "expected a text"),
        ],
    )
    def test_what_is_not_to_be_corrected_is_refused_and_nothing_changes(self, archive, changes, message):
        run = archive.create(source="bench").close()
        before = run.metadata
        with pytest.raises(BadArgumentError, match=message):
            edit_run(run, **changes)
        assert run.metadata == before

    def test_two_who_correct_at_once_lose_nothing(self, archive):
        writer = archive.create(source="bench")

        def correct(name):
            for i in range(10):
                edit_run(writer.run, actor=name, **{name: f"{i + 1}"})

        threads = [threading.Thread(target=correct, args=(name,)) for name in ("operator", "setup")]
        for thread in threads:
            thread.start()
        for _ in range(10):
            writer.describe(simulated=True)
        for thread in threads:
            thread.join()
        metadata = writer.close().metadata
        assert (metadata.operator, metadata.setup, metadata.simulated) == ("10", "10", True)
        assert len(metadata.history) == 20


class TestSealing:
    def test_a_sealed_run_is_closed_for_readers_and_gets_its_hash_later(self, archive):
        writer = archive.create(source="x")
        writer.append(b"data")
        writer.hash_some(2)
        writer.seal()
        assert not writer.run.is_open
        assert writer.run.metadata.sha256 is None
        assert writer.run.stated_sha256 == "not computed yet"
        assert archive.unfinished() == []  # it is being worked on
        run = writer.complete(simulated=False)
        assert run.metadata.sha256 == run.sha256()
        assert (run.metadata.size, run.metadata.simulated) == (4, False)

    def test_what_a_crash_left_between_seal_and_hash_is_completed(self, archive):
        for seal in (True, False):
            writer = archive.create(source="x", suffix="configuration")
            writer.append(b"data")
            if seal:
                writer.seal()
            writer.release()
        assert [run.number for run in archive.unfinished()] == [1, 2]
        assert [run.number for run in archive.recover()] == [1, 2]
        assert archive.run(1).metadata.comment == ""
        assert "died" in archive.run(2).metadata.comment
        assert all(run.metadata.sha256 == run.sha256() for run in archive.runs())
        assert archive.unfinished() == []

    def test_a_run_that_lost_bytes_after_it_was_sealed_is_not_called_whole(self, archive, caplog):
        writer = archive.create(source="x")
        writer.append(b"data")
        writer.seal()
        writer.release()
        os.truncate(writer.run.raw_file, 2)
        assert archive.recover() == []
        assert "got 2 bytes, expected the 4" in caplog.text
        assert archive.run(1).metadata.sha256 is None


class TestCommandsAndHousekeeping:
    def test_holds_housekeeping_as_received_and_nothing_else(self, archive, eclairs, photon_packets):
        photons = photon_packets(20).raw
        name = eclairs.housekeeping.packets[0]
        kind = eclairs.packets[name]
        layout = PacketLayout.read(eclairs.layout_file(name))
        fields = {layout.structure.name: np.full(5, kind.structure)} if layout.structure else {}
        housekeeping = encode(
            layout,
            PacketHeaders(
                kind.apid,
                np.arange(5),
                np.arange(5) + 1000,
                0,
                service=kind.service,
                subservice=kind.subservice,
            ),
            fields,
            header=eclairs.header(kind.apid),
        ).tobytes()
        size = len(housekeeping) // 5
        damaged = bytearray(housekeeping[:size])
        damaged[-3] ^= 1
        writer = archive.create(source="x")
        writer.append(photons + housekeeping[: 2 * size] + bytes(damaged))
        early = writer.run.commands_and_housekeeping(eclairs)
        assert early.read_bytes() == housekeeping[: 2 * size]
        writer.append(photons + housekeeping[2 * size :])
        run = writer.close()
        file = run.commands_and_housekeeping(eclairs)
        assert file == run.folder / "tc-hk.ccsds"
        assert file.read_bytes() == housekeeping
        made = file.stat().st_mtime_ns
        assert run.commands_and_housekeeping(eclairs).stat().st_mtime_ns == made  # not made again
        file.write_bytes(b"torn")
        assert run.commands_and_housekeeping(eclairs).read_bytes() == housekeeping

    def test_a_run_without_any_has_an_empty_file(self, archive, eclairs, photon_packets):
        with archive.create(source="x") as writer:
            writer.append(photon_packets(3).raw)
        assert archive.run(1).commands_and_housekeeping(eclairs).read_bytes() == b""
