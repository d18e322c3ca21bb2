"""Small files stored together: each once, whole, whatever is beside it and whenever the process dies."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from waiting import LIMIT

from eicpy.errors import ExitCode, FailedError
from eicpy.ingestion import batch, ingest, ingest_file
from eicpy.instruments import load
from eicpy.operations import FileState, files, open_database
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive, whole
from eicpy.settings import Settings


@pytest.fixture(scope="session")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="session")
def packets(eclairs):
    layout, kind = PacketLayout.read(eclairs.layout_file("alert")), eclairs.packets["alert"]

    def make(first, n=4):
        count = np.arange(first, first + n)
        headers = PacketHeaders(
            kind.apid, count, count + 10**8, 0, service=kind.service, subservice=kind.subservice
        )
        return encode(layout, headers, {}, header=eclairs.header(kind.apid)).tobytes()

    return make


@pytest.fixture
def settings(tmp_path):
    return Settings.at(tmp_path / "home")


@pytest.fixture
def archive(settings):
    return RunArchive(settings.archive("eclairs"), "eclairs")


@pytest.fixture
def some(tmp_path, packets):
    paths = [tmp_path / f"{i}.ccsds" for i in range(9)]
    for i, path in enumerate(paths):
        path.write_bytes(packets(100 * i))
    return paths


def stored_once(archive, paths):
    """Each file is one run, and no run is anything else."""
    assert sorted(run.raw_file.read_bytes() for run in archive.runs()) == sorted(
        p.read_bytes() for p in paths
    )
    for run in archive.runs():
        metadata = run.metadata
        assert metadata.sha256 == metadata.expected_sha256 == run.sha256()
        assert (metadata.closed is not None, metadata.size) == (True, run.size)
    assert not [p.name for p in archive.folder.iterdir() if p.name.endswith((".new", ".discarded"))]


def rows_of(settings):
    with open_database(settings) as database:
        return files(database)


def test_they_become_runs_in_their_order(some, settings, archive, eclairs, monkeypatch):
    monkeypatch.setattr(batch, "_TOGETHER", 4)
    outcomes = ingest(some, "eclairs", settings)
    assert [o.exit_code for o in outcomes] == [ExitCode.CLEAN] * 9
    assert [o.summary.split(":")[1].strip() for o in outcomes] == [f"stored, run {i}" for i in range(1, 10)]
    stored_once(archive, some)
    assert [run.raw_file.read_bytes() for run in archive.runs()] == [p.read_bytes() for p in some]
    assert [(row.state, row.run) for row in rows_of(settings)] == [
        (FileState.STORED, i + 1) for i in range(9)
    ]
    assert archive.create(source="next").run.number == 10
    assert all("known" in o.summary for o in ingest(some, "eclairs", settings))


def test_a_run_is_the_same_as_of_a_file_taken_alone(some, settings, archive, eclairs, tmp_path):
    ingest(some[:1], "eclairs", settings)
    other = Settings.at(tmp_path / "other")
    alone = RunArchive(other.archive("eclairs"), "eclairs")
    with open_database(other) as database:
        ingest_file(some[0], eclairs, database, alone)
    one, two = archive.run(1), alone.run(1)
    times = {"opened": one.metadata.opened, "closed": one.metadata.closed}
    assert one.metadata == two.metadata.model_copy(update=times)
    assert sorted(p.name for p in one.folder.iterdir()) == sorted(p.name for p in two.folder.iterdir())
    assert one.index(eclairs) == two.index(eclairs)
    assert (one.folder / "index.npz").stat().st_mtime_ns > 0
    kept, again = rows_of(settings)[0], rows_of(other)[0]
    assert (kept.message, kept.size, kept.sha256) == (again.message, again.size, again.sha256)


def test_the_same_content_twice_is_one_run(some, settings, archive):
    twin = some[0].with_name("twin")
    twin.write_bytes(some[0].read_bytes())
    outcomes = ingest([some[0], twin, some[1]], "eclairs", settings)
    assert [o.summary.split(":")[1].strip() for o in outcomes] == [
        "stored, run 1", "known, run 1", "stored, run 2",
    ]  # fmt: skip
    stored_once(archive, some[:2])


def test_what_is_not_clean_goes_alone_and_in_its_place(some, settings, archive, packets):
    """Damage, foreign bytes, half a packet, nothing, zeros, text: between good files, in the order given."""
    raw = bytearray(packets(5000))
    raw[30] ^= 0xFF
    for path, data in zip(
        some[1:8],
        (bytes(raw), b"\x55" * 40 + packets(6000), packets(7000)[:-9], b"", bytes(5000), b"words " * 99,
         b"\xff" * 300),
        strict=True,
    ):  # fmt: skip
        path.write_bytes(data)
    outcomes = ingest(some, "eclairs", settings)
    assert [o.file for o in outcomes] == some
    assert [o.exit_code for o in outcomes] == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    for outcome, words in zip(
        outcomes[4:8],
        ("an empty file", "only zero bytes in 5000", "no packet", "only bytes 0xFF"),
        strict=True,
    ):
        assert words in outcome.summary
    stored_once(archive, [*some[:4], some[8]])


def test_a_mistake_while_they_are_stored_takes_each_alone(some, settings, archive, monkeypatch, caplog):
    def mistaken(*_):
        raise OverflowError("too large")

    monkeypatch.setattr(batch, "_store_together", mistaken)
    assert [o.exit_code for o in ingest(some, "eclairs", settings)] == [ExitCode.CLEAN] * 9
    stored_once(archive, some)
    assert "OverflowError: too large" in caplog.text


def test_a_full_disk_fails_and_the_next_call_goes_on(some, settings, archive, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(whole, "_force_one", full)
        with pytest.raises(FailedError, match="No space left"):
            ingest(some, "eclairs", settings)
    assert archive.runs() == []
    ingest(some, "eclairs", settings)
    stored_once(archive, some)


def test_a_run_that_was_removed_is_stored_again_when_its_file_comes_again(some, settings, archive):
    import shutil

    ingest(some[:2], "eclairs", settings)
    shutil.rmtree(archive.run(1).folder)
    outcomes = ingest(some[:2], "eclairs", settings)
    assert [o.summary.split(":")[1].strip() for o in outcomes] == ["stored, run 3", "known, run 2"]
    assert [row.run for row in rows_of(settings)] == [3, 2]


DEATHS = """
    import os, signal, sys
    from pathlib import Path
    from eicpy.ingestion import batch, ingest
    from eicpy.runs import whole
    from eicpy.settings import Settings

    step, home, *files = sys.argv[1:]
    settings = Settings.at(Path(home))

    def killed(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def nth(function, n, after=False):
        calls = iter(range(1, 1000))
        def counted(*arguments, **named):
            if next(calls) == n:
                if after:
                    function(*arguments, **named)
                killed()
            return function(*arguments, **named)
        return counted

    steps = {
        "nothing is written yet": lambda: setattr(batch, "store_whole", killed),
        "half of the drafts": lambda: setattr(whole, "_write", nth(whole._write, 5)),
        "the drafts are on the disk": lambda: setattr(whole, "_force", nth(whole._force, 1, after=True)),
        "the first run has its name": lambda: setattr(whole, "_place", nth(whole._place, 1, after=True)),
        "half of the runs have": lambda: setattr(whole, "_place", nth(whole._place, 5)),
        "all have, the database knows none": lambda: setattr(batch, "mark_many_stored", killed),
        "all is done": lambda: setattr(batch, "mark_many_stored", nth(batch.mark_many_stored, 1, after=True)),
    }
    for name in steps:
        if os.fork() == 0:
            steps[name]()
            ingest([Path(f) for f in files], "eclairs", Settings.at(Path(home) / name))
            os._exit(0)
        _, status = os.wait()
        print(name, os.WIFSIGNALED(status) and os.WTERMSIG(status))
"""


def test_killed_at_each_step_nothing_is_lost_or_doubled(some, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DEATHS), "", tmp_path / "deaths", *map(str, some)],
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    deaths = [line.rpartition(" ") for line in done.stdout.splitlines()]
    assert [int(signal_) for _, _, signal_ in deaths] == [signal.SIGKILL] * 7
    for step, _, _ in deaths:
        settings = Settings.at(tmp_path / "deaths" / step)
        outcomes = ingest(some, "eclairs", settings)
        assert [o.exit_code for o in outcomes] == [ExitCode.CLEAN] * 9
        stored_once(RunArchive(settings.archive("eclairs"), "eclairs"), some)
        assert [row.state for row in rows_of(settings)] == [FileState.STORED] * 9


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket", "circle", "nowhere"])
def test_what_is_no_file_is_refused_at_once(kind, tmp_path, settings, some, archive):
    import socket

    path = tmp_path / "odd"
    server = socket.socket(socket.AF_UNIX)
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "socket": lambda: server.bind(str(path)),
        "circle": lambda: path.symlink_to(path),
        "nowhere": lambda: path.symlink_to(tmp_path / "gone"),
    }[kind]()
    outcomes = ingest([path, some[0]], "eclairs", settings)
    server.close()
    assert [o.exit_code for o in outcomes] == [ExitCode.BAD_ARGUMENTS, ExitCode.CLEAN], "a wrong name"
    assert {"circle": "symbolic links", "nowhere": "No such file"}.get(kind, f"got a {kind}") in outcomes[
        0
    ].summary
    stored_once(archive, some[:1])
