"""A watched folder: complete files once, unfinished ones later, bad ones named and left."""

import gzip
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from waiting import LIMIT, wait_until

from eicpy.errors import BadArgumentError, FailedError
from eicpy.ingestion.inbox import WatchOptions, watch_folder
from eicpy.instruments import load
from eicpy.operations import FileState, files, open_database
from eicpy.packets import PacketHeaders, PacketLayout, encode
from eicpy.runs import RunArchive
from eicpy.settings import Settings

QUICK = WatchOptions(interval=0.02, settle=0.1)


def quick(until_idle: float) -> WatchOptions:
    return replace(QUICK, until_idle=until_idle)


@pytest.fixture(scope="session")
def eclairs():
    return load("eclairs")


@pytest.fixture(scope="session")
def make(eclairs):
    layout, kind = PacketLayout.read(eclairs.layout_file("alert")), eclairs.packets["alert"]

    def bytes_of(number):
        return encode(
            layout,
            PacketHeaders(
                kind.apid,
                np.arange(number, number + 5),
                number,
                0,
                service=kind.service,
                subservice=kind.subservice,
            ),
            {},
            header=eclairs.header(kind.apid),
        ).tobytes()

    return bytes_of


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def setup(tmp_path, eclairs):
    settings = Settings.at(tmp_path / "home")
    with open_database(settings) as database:
        yield eclairs, database, RunArchive(settings.archive("eclairs"), "eclairs")


def test_a_bomb_is_refused_in_bounded_memory_and_the_others_are_taken(inbox, setup, make, monkeypatch):
    monkeypatch.setattr("eicpy.packets.containers.compressed.FREE", 1 << 20)
    (inbox / "bomb.gz").write_bytes(gzip.compress(b"\x01" + bytes(40_000_000)))
    (inbox / "zeros.gz").write_bytes(gzip.compress(bytes(40_000_000)))
    twice = gzip.compress(gzip.compress(b"\x01" + bytes(40_000_000)))
    (inbox / "twice.gz").write_bytes(twice)
    (inbox / "z.ccsds").write_bytes(make(1))
    assert len(twice) < 4096
    tracemalloc.start()
    report = watch_folder(inbox, *setup, options=quick(0.1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20, peak
    assert [one.file.name for one in report.outcomes] == ["z.ccsds"]
    assert sorted(path.name for path in report.refused) == ["bomb.gz", "twice.gz", "zeros.gz"]
    assert all("expected at most 200 times as many" in reason for reason in report.refused.values())
    assert len(setup[2].runs()) == 1


def test_files_are_ingested_in_the_order_of_their_age(inbox, setup, make, clock):
    for number, age in ((1, 30), (2, 10), (3, 20)):
        (inbox / f"{number}.ccsds").write_bytes(make(number))
        os.utime(inbox / f"{number}.ccsds", (time.time() - age,) * 2)
    seen = []
    report = watch_folder(inbox, *setup, options=quick(0.3), on_outcome=seen.append)
    assert [o.file.name for o in report.outcomes] == ["1.ccsds", "3.ccsds", "2.ccsds"]
    assert [o.run.number for o in seen] == [1, 2, 3]
    assert report.refused == {}
    assert watch_folder(inbox, *setup, options=quick(0.3)).outcomes == []


def test_unfinished_files_are_left_until_they_are_complete(inbox, setup, make, clock):
    whole = make(1) + make(6) + make(11)
    (inbox / "later.part").write_bytes(make(50))
    (inbox / ".hidden").write_bytes(make(60))
    (inbox / "folder").mkdir()
    clock.step, stop, report = 0.0, threading.Event(), []
    thread = threading.Thread(
        target=lambda: report.append(
            watch_folder(inbox, *setup, stop=stop, options=WatchOptions(interval=0.001, settle=100.0))
        )
    )
    thread.start()
    archive = setup[2]
    with (inbox / "growing.ccsds").open("wb", buffering=0) as stream:
        for i in range(0, len(whole), len(whole) // 12 + 1):
            stream.write(whole[i : i + len(whole) // 12 + 1])
            clock.is_looked_at(3)  # so that the folder was looked at since
            clock.now += 30.0  # a look that is under way may take the time before for the one after
    (inbox / "later.part").rename(inbox / "later.ccsds")
    clock.is_looked_at(3)
    assert archive.runs() == []
    clock.now += 101.0
    wait_until(lambda: len(archive.runs()) == 2 and not any(run.is_open for run in archive.runs()))
    stop.set()
    thread.join(LIMIT)
    assert sorted(run.raw_file.read_bytes() for run in archive.runs()) == sorted([whole, make(50)])
    assert len(report[0].outcomes) == 2


def test_a_bad_file_is_named_once_and_the_others_go_on(inbox, setup, make, clock):
    (inbox / "1-empty.ccsds").touch()
    (inbox / "2-text.ccsds").write_text("no packets here, only words. " * 100)
    (inbox / "3-good.ccsds").write_bytes(make(1))
    refused = []
    report = watch_folder(
        inbox, *setup, options=quick(0.4), on_refused=lambda path, _error: refused.append(path.name)
    )
    assert refused == ["1-empty.ccsds", "2-text.ccsds"]
    assert [o.file.name for o in report.outcomes] == ["3-good.ccsds"]
    assert all(path.exists() for path in report.refused)
    database = setup[1]
    assert {row.name for row in files(database, state=FileState.REFUSED)} == set(refused)
    again = watch_folder(inbox, *setup, options=quick(0.3))  # not tried again after a restart either
    assert (again.outcomes, again.refused) == ([], {})
    (inbox / "1-empty.ccsds").write_bytes(make(2))
    assert [o.file.name for o in watch_folder(inbox, *setup, options=quick(0.3)).outcomes] == [
        "1-empty.ccsds"
    ]


def test_a_file_that_never_settles_does_not_hold_up_the_end(inbox, setup, make, clock):
    (inbox / "good.ccsds").write_bytes(make(1))
    growing = inbox / "growing.ccsds"

    def grow():
        with growing.open("ab") as stream:
            stream.write(make(2))

    clock.on_look = grow
    report = watch_folder(inbox, *setup, options=quick(0.2))
    assert [o.file.name for o in report.outcomes] == ["good.ccsds"]


def test_a_folder_that_is_none_is_a_bad_argument(tmp_path, setup):
    with pytest.raises(BadArgumentError, match="expected a folder that I can read"):
        watch_folder(tmp_path / "nowhere", *setup, options=QUICK)


def test_a_full_disk_ends_the_watch_and_the_next_one_completes(inbox, setup, make, monkeypatch, clock):
    (inbox / "a.ccsds").write_bytes(make(1))

    def full(_descriptor, _data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("eicpy.ingestion.batch.SMALL", 0)
        patched.setattr("eicpy.runs.writer.os.write", full)
        with pytest.raises(FailedError, match="No space left"):
            watch_folder(inbox, *setup, options=quick(0.3))
    assert [o.state for o in watch_folder(inbox, *setup, options=quick(0.3)).outcomes] == ["resumed"]


WATCH = """
    import sys
    from pathlib import Path
    from eicpy.runs import RunArchive
    from eicpy.instruments import load
    from eicpy.operations import open_database
    from eicpy.ingestion.inbox import WatchOptions, watch_folder
    from eicpy.settings import Settings

    settings = Settings.at(Path(sys.argv[2]))
    with open_database(settings) as database:
        print("ready", flush=True)
        report = watch_folder(Path(sys.argv[1]), load("eclairs"), database,
                       RunArchive(settings.archive("eclairs"), "eclairs"),
                       options=WatchOptions(interval=0.02, settle=0.05),
                       on_outcome=lambda outcome: print(outcome.file.name, flush=True))
        print("stopped after", len(report.outcomes), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_cleanly(inbox, tmp_path, make, number):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WATCH), inbox, tmp_path / "home"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    (inbox / "a.ccsds").write_bytes(make(1))
    assert process.stdout.readline() == "a.ccsds\n"
    process.send_signal(number)
    assert process.stdout.read() == "stopped after 1\n"
    assert process.wait(LIMIT) == 0
    process.stdout.close()
