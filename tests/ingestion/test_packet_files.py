"""Ingest: once, whatever happens in between."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.errors import BadDataError, FailedError
from eicpy.ingestion import IngestState, ingest_file, register_run
from eicpy.instruments import load
from eicpy.operations import FileState, files, find_file, open_database
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive
from eicpy.settings import Settings


@pytest.fixture(scope="session")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="session")
def packets(eclairs):
    """Makes the bytes of n housekeeping packets; `first` makes contents differ."""
    layout = PacketLayout.read(eclairs.layout_file("ecl"))
    kind = eclairs.packets["ecl"]

    def make(n, first=0, destination=0):
        count = np.arange(first, first + n)
        raw = encode(
            layout,
            PacketHeaders(
                kind.apid,
                count,
                count + 10**8,
                0,
                service=kind.service,
                subservice=kind.subservice,
                destination=destination,
            ),
            {layout.structure.name: kind.structure},
            header=eclairs.header(kind.apid),
        )
        return raw.tobytes()

    return make


@pytest.fixture
def archive(settings):
    return RunArchive(settings.archive("eclairs"), "eclairs")


@pytest.fixture
def file(tmp_path, packets):
    path = tmp_path / "pass.ccsds"
    path.write_bytes(packets(200))
    return path


def test_a_file_becomes_a_run_once(file, eclairs, database, archive):
    seen = []
    outcome = ingest_file(
        file, eclairs, database, archive, progress=lambda done, total: seen.append((done, total))
    )
    assert (outcome.state, outcome.packets, outcome.damaged, outcome.foreign_bytes) == (
        IngestState.STORED,
        200,
        0,
        0,
    )
    assert outcome.run.raw_file.read_bytes() == file.read_bytes()
    assert outcome.run.metadata.source == str(file)
    assert seen[-1] == (2 * file.stat().st_size,) * 2
    copy = shutil.copy(file, file.with_name("another name"))
    again = ingest_file(copy, eclairs, database, archive)
    assert (again.state, again.run, again.packets) == (IngestState.KNOWN, outcome.run, 200)
    assert len(archive.runs()) == 1
    row = find_file(database, "eclairs", outcome.sha256)
    assert (row.state, row.run, row.name, row.size) == (
        FileState.STORED,
        1,
        "pass.ccsds",
        file.stat().st_size,
    )


def test_damaged_and_foreign_bytes_are_archived_and_counted(file, packets, eclairs, database, archive):
    raw = bytearray(packets(50))
    length = len(raw) // 50
    raw[10 * length + 40] ^= 0xFF
    file.write_bytes(bytes(raw[: 20 * length]) + b"\x55" * 300 + bytes(raw[20 * length :]))
    outcome = ingest_file(file, eclairs, database, archive)
    assert (outcome.packets, outcome.damaged, outcome.foreign_bytes) == (49, 1, 300)
    assert outcome.run.raw_file.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("destination", "expected"), [(0, False), (0x5555, True)])
def test_the_run_knows_whether_its_packets_are_simulated(
    file, packets, eclairs, database, archive, destination, expected
):
    file.write_bytes(packets(3, destination=destination))
    assert ingest_file(file, eclairs, database, archive).run.metadata.simulated is expected


class TestRefused:
    def _refused(self, path, eclairs, database, archive, match):
        with pytest.raises(BadDataError, match=match) as caught:
            ingest_file(path, eclairs, database, archive)
        assert caught.value.file == path
        assert archive.runs() == []
        (row,) = files(database, state=FileState.REFUSED)
        assert row.path == str(path)
        assert row.message == str(caught.value)

    def test_empty(self, tmp_path, eclairs, database, archive):
        (tmp_path / "empty").touch()
        self._refused(tmp_path / "empty", eclairs, database, archive, "got an empty file, expected packets")

    def test_missing(self, tmp_path, eclairs, database, archive):
        self._refused(tmp_path / "none", eclairs, database, archive, "could not be read: No such file")

    def test_a_folder(self, tmp_path, eclairs, database, archive):
        self._refused(tmp_path, eclairs, database, archive, "got a folder, expected a file of packets")

    def test_unreadable(self, file, eclairs, database, archive, monkeypatch):
        file.chmod(0)
        if os.geteuid() == 0:  # whom no permission stops: refuse as the system would refuse others
            opened = os.open

            def refusing(path, *arguments, **named):
                if str(path) == str(file):
                    raise PermissionError(13, "Permission denied", str(path))
                return opened(path, *arguments, **named)

            monkeypatch.setattr("eicpy.inputs.os.open", refusing)
        self._refused(file, eclairs, database, archive, "could not be read: Permission denied")

    def test_no_packets_at_all(self, tmp_path, eclairs, database, archive):
        path = tmp_path / "text"
        path.write_text("Dear colleagues, please find attached the packets. " * 40)
        self._refused(path, eclairs, database, archive, r"no packet at all .* eclairs \(APID 8")

    def test_another_instrument(self, shared_data, eclairs, database, archive):
        path = shared_data / "packets" / "padre_meddea" / "padreMDA0_240916122901.dat"
        self._refused(path, eclairs, database, archive, "got packets of APID 160 in 4690 bytes, expected")

    def test_what_was_refused_may_come_right(self, tmp_path, packets, eclairs, database, archive):
        path = tmp_path / "file"
        path.touch()
        self._refused(path, eclairs, database, archive, "empty")
        path.write_bytes(packets(1))
        assert ingest_file(path, eclairs, database, archive).state is IngestState.STORED

    def test_a_file_that_changes_while_it_is_read(
        self, file, packets, eclairs, database, archive, monkeypatch
    ):
        identify = _module()._identify

        def changed(path, *rest):
            identity = identify(path, *rest)
            path.write_bytes(packets(5, first=7))
            return identity

        monkeypatch.setattr(_module(), "_identify", changed)
        with pytest.raises(BadDataError, match="changed while it was read"):
            ingest_file(file, eclairs, database, archive)
        assert archive.runs() == []
        monkeypatch.undo()
        assert ingest_file(file, eclairs, database, archive).packets == 5


def _module():
    import eicpy.ingestion.packet_files as module

    return module


class _Death(BaseException):
    """Stands for the death of the process at a certain step: nothing catches it."""


def _die(*_arguments, **_named):
    raise _Death


def _die_after(step):
    def dying(*arguments, **named):
        _LEFT.append(step(*arguments, **named))
        raise _Death

    return dying


_LEFT = []
"""What the dead would have held in memory: kept, so that files stay open until we close them."""


STEPS = {
    "before the claim": lambda m: m.setattr(_module(), "claim_file", _die),
    "after the claim": lambda m: m.setattr(_module(), "claim_file", _die_after(_module().claim_file)),
    "after the run was opened": lambda m: m.setattr(RunArchive, "create", _die_after(RunArchive.create)),
    "in the middle of the copy": lambda m: m.setattr(_module().RunWriter, "append", _nth(_module(), 7)),
    "before the run is closed": lambda m: m.setattr(_module().RunWriter, "close", _die),
    "after the run was closed": lambda m: m.setattr(_module(), "mark_stored", _die),
    "after all": lambda m: m.setattr(_module(), "mark_stored", _die_after(_module().mark_stored)),
}


def _nth(module, k):
    append, calls = module.RunWriter.append, iter(range(1000))

    def dying(writer, data):
        if next(calls) == k:
            append(writer, data[: len(data) // 2])
            raise _Death
        return append(writer, data)

    return dying


@pytest.mark.parametrize("step", STEPS)
def test_death_at_each_step_is_survived(step, file, eclairs, database, archive, monkeypatch):
    monkeypatch.setattr(_module(), "_CHUNK", 1000)
    STEPS[step](monkeypatch)
    with pytest.raises(_Death):
        ingest_file(file, eclairs, database, archive)
    for writer in _leftover_writers(archive):
        writer.release()  # what the kernel does for a dead process
    monkeypatch.undo()
    outcome = ingest_file(file, eclairs, database, archive)
    assert outcome.packets == 200
    (run,) = archive.runs()
    assert run.raw_file.read_bytes() == file.read_bytes()
    assert run.metadata.sha256 == outcome.sha256
    assert [row.state for row in files(database)] == [FileState.STORED]
    assert ingest_file(file, eclairs, database, archive).state is IngestState.KNOWN


def _leftover_writers(archive):
    import gc

    # type() and not isinstance(): other tests leave weak references behind that can no longer be asked.
    writers = [thing for thing in gc.get_objects() if type(thing) is _module().RunWriter]
    return [writer for writer in writers if writer.run.raw_file.is_relative_to(archive.folder)]


def test_a_partial_copy_of_other_bytes_is_made_again(file, eclairs, database, archive):
    sha256 = ingest_file(file, eclairs, database, archive).sha256
    other = RunArchive(archive.folder.with_name("other"), "eclairs")
    with open_database(Settings.at(archive.folder / "other")) as fresh:
        writer = other.create(source=str(file), expected_sha256=sha256)
        writer.append(b"not what is in the file")
        writer.release()
        outcome = ingest_file(file, eclairs, fresh, other)
    assert outcome.run.number == 2
    assert outcome.run.raw_file.read_bytes() == file.read_bytes()
    assert [run.number for run in other.runs()] == [2]


def test_a_lost_database_does_not_double_what_is_in_the_archive(file, eclairs, database, archive, tmp_path):
    ingest_file(file, eclairs, database, archive)
    with open_database(Settings.at(tmp_path / "new")) as fresh:
        outcome = ingest_file(file, eclairs, fresh, archive)
        assert outcome.run.number == 1
        assert [row.run for row in files(fresh)] == [1]
    assert len(archive.runs()) == 1


def test_what_was_received_is_not_ingested_again(file, eclairs, database, archive):
    with archive.create(source="tcp 127.0.0.1") as writer:
        writer.append(file.read_bytes())
    register_run(archive.run(1), eclairs, database)
    register_run(archive.run(1), eclairs, database)
    assert ingest_file(file, eclairs, database, archive).state is IngestState.KNOWN
    assert len(files(database)) == 1


def test_a_full_disk_stops_the_ingest_and_the_next_call_completes_it(
    file, eclairs, database, archive, monkeypatch
):
    write, room = os.write, [20_000]

    def small_disk(descriptor, data):
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(_module(), "_CHUNK", 4096)
    monkeypatch.setattr("eicpy.runs.writer.os.write", small_disk)
    with pytest.raises(FailedError, match="No space left on device"):
        ingest_file(file, eclairs, database, archive)
    assert file.read_bytes().startswith(archive.run(1).raw_file.read_bytes())
    assert archive.run(1).size == 4 * 4096  # a whole number of appends
    monkeypatch.undo()
    outcome = ingest_file(file, eclairs, database, archive)
    assert outcome.state is IngestState.RESUMED
    assert outcome.run.raw_file.read_bytes() == file.read_bytes()


CONCURRENT = """
    import os, sys, time
    from pathlib import Path
    from eicpy.runs import RunArchive
    from eicpy.instruments import load
    from eicpy.ingestion import ingest_file
    from eicpy.operations import open_database
    from eicpy.settings import Settings
    import eicpy.ingestion.packet_files

    eicpy.ingestion.packet_files._CHUNK = 512
    settings, eclairs = Settings.at(Path(sys.argv[1]), sys.argv[2]), load("eclairs")
    archive = RunArchive(settings.archive("eclairs"), "eclairs")
    gate, opener = os.pipe()

    def work(answers):
        os.close(opener)
        os.read(gate, 1)  # until the parent lets all begin
        with open_database(settings) as database:
            for file in sys.argv[3:]:
                state = ingest_file(Path(file), eclairs, database, archive).state
                os.write(answers, f"{state} ".encode())

    children = []
    for _ in range(2):
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            work(into)
            os._exit(0)
        os.close(into)
        children.append((child, out))
    os.close(opener)
    for child, out in children:
        with open(out) as answers:
            print(answers.read())
        os.waitpid(child, 0)
"""


def test_two_processes_with_the_same_files_store_each_once(settings, tmp_path, packets, archive):
    names = []
    for i in range(8):
        names.append(str(tmp_path / f"{i}.ccsds"))
        (tmp_path / f"{i}.ccsds").write_bytes(packets(100, first=1000 * i))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CONCURRENT), settings.home, settings.database_url, *names],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    one, other = (line.split() for line in done.stdout.splitlines())
    assert [sorted(pair) for pair in zip(one, other, strict=True)] == [["known", "stored"]] * 8
    assert len(archive.runs()) == 8


KILLS = """
    import os, random, signal, sys, time
    from pathlib import Path
    from eicpy.runs import RunArchive
    from eicpy.instruments import load
    from eicpy.ingestion import ingest_file
    from eicpy.operations import open_database
    from eicpy.settings import Settings
    import eicpy.ingestion.packet_files

    eicpy.ingestion.packet_files._CHUNK = 2048
    settings, eclairs = Settings.at(Path(sys.argv[1]), sys.argv[2]), load("eclairs")
    archive, rng = RunArchive(settings.archive("eclairs"), "eclairs"), random.Random(20261121)

    def ingest(file, settings, archive):
        with open_database(settings) as database:
            ingest_file(Path(file), eclairs, database, archive)

    spare = Settings.at(settings.home / "spare")
    ingest(sys.argv[3], spare, RunArchive(spare.archive("eclairs"), "eclairs"))  # compiles kernels
    def ingest_killed(file, calls):  # at a call of any function: a moment that no clock measures
        left = calls

        def count(*_):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        ingest(file, settings, archive)
        sys.setprofile(None)
        return calls - left

    ingest(sys.argv[3], settings, archive)  # what is done once is not counted
    usual, kills = ingest_killed(sys.argv[4], -1), 0
    for file in sys.argv[5:]:
        for attempt in range(4):
            child = os.fork()
            if child == 0:
                ingest_killed(file, rng.randrange(1, int(0.9 * usual)) if attempt < 3 else -1)
                os._exit(0)
            rng.random()  # else each child would draw the same moment
            _, status = os.waitpid(child, 0)
            kills += os.WIFSIGNALED(status)
            if status == 0:
                break
        else:
            sys.exit(f"{file} was not ingested in the end")
    print(kills)
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_or_doubled(settings, tmp_path, packets, archive):
    names = []
    for i in range(30):
        names.append(str(tmp_path / f"{i}.ccsds"))
        (tmp_path / f"{i}.ccsds").write_bytes(packets(400, first=1000 * i))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLS), settings.home, settings.database_url, *names],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12
    stored = sorted(run.raw_file.read_bytes() for run in archive.runs())
    assert stored == sorted(Path(name).read_bytes() for name in names)
    assert all(run.metadata.sha256 == run.sha256() and not run.is_open for run in archive.runs())
    with open_database(settings) as database:
        rows = files(database)
    assert [row.state for row in rows] == [FileState.STORED] * len(names)
    assert {row.run for row in rows} == {run.number for run in archive.runs()}
