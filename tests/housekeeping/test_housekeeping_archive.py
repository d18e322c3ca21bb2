"""The archive: nothing lost, nothing doubled, readable at any moment."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from eicpy.errors import BadArgumentError, BadDataError, EicpyError, FailedError
from eicpy.housekeeping import HousekeepingArchive

DAY = 86400.0


@pytest.fixture
def archive(tmp_path: Path) -> HousekeepingArchive:
    return HousekeepingArchive(tmp_path / "housekeeping")


def columns(time: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "T1": np.sin(time / 1000),
        "COUNT": np.arange(time.size, dtype=np.int64),
        "MODE": np.where(time % 2 < 1, "IDLE", "SCIENCE"),
    }


def test_values_come_back_sorted_and_cut_by_time(archive: HousekeepingArchive) -> None:
    time = np.arange(0, 3 * DAY, 97.0)
    shuffled = np.random.default_rng(1).permutation(time.size)
    values = columns(time)
    archive.append(
        "HK1", time[shuffled], {n: v[shuffled] for n, v in values.items()}, "run 1", units={"T1": "degC"}
    )
    read = archive.read(["T1", "MODE"], DAY / 2, 2 * DAY)
    inside = (time >= DAY / 2) & (time < 2 * DAY)
    assert_array_equal(read["T1"].time, time[inside])
    assert_array_equal(read["T1"].values, values["T1"][inside])
    assert_array_equal(read["MODE"].values, values["MODE"][inside])
    assert archive.read("COUNT").values.dtype == np.int64
    assert [(p.name, p.unit, p.kind) for p in archive.parameters("HK1")] == [
        ("COUNT", "", "number"),
        ("MODE", "", "text"),
        ("T1", "degC", "number"),
    ]
    days = {f.day for f in archive.catalogue.files()}
    assert days == {"2017-01-01", "2017-01-02", "2017-01-03"}
    assert archive.span() == (0.0, time[-1])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 200)), min_size=1, max_size=8), st.integers(0, 10**6)
)
def test_sources_are_appended_once_in_any_order(
    tmp_path: Path, calls: list[tuple[int, int]], seed: int
) -> None:
    """Sources overlap in time, come again, come late: the archive holds each value once."""
    archive = HousekeepingArchive(tmp_path / str(seed) / os.urandom(4).hex())
    expected: dict[int, np.ndarray] = {}
    for source, start in calls:
        time = np.arange(start, start + 50) * 1000.0
        fresh = archive.append("HK1", time, {"X": np.round(np.sin(time), 6)}, f"source {source}")
        assert fresh == (source not in expected)
        expected.setdefault(source, time)
    times = np.unique(np.concatenate(list(expected.values())))
    read = archive.read("X")
    assert_array_equal(read.time, times)
    assert_array_equal(read.values, np.round(np.sin(times), 6))


def test_missing_values_and_new_parameters(archive: HousekeepingArchive) -> None:
    archive.append("HK1", [0.0, 1.0], {"A": [1, 2]}, "1")
    archive.append("HK1", [2.0, 3.0], {"A": [np.nan, 4.0], "B": [7, 8], "C": ["x", "y"]}, "2")
    assert_array_equal(archive.read("A").values, [1, 2, np.nan, 4])
    assert_array_equal(archive.read("B").values, [np.nan, np.nan, 7, 8])
    assert archive.read("C").values.tolist() == ["", "", "x", "y"]


def test_two_packets_may_carry_one_name(archive: HousekeepingArchive) -> None:
    archive.append("HK1", [0.0], {"A": [1]}, "1")
    archive.append("HK2", [0.0], {"A": [2]}, "1")
    with pytest.raises(BadArgumentError, match=r"HK1\.A, HK2\.A"):
        archive.read("A")
    assert archive.read(["HK2.A", "HK1.A"])["HK2.A"].values == [2]
    with pytest.raises(BadArgumentError, match="archived"):
        archive.read("Z")


def test_an_empty_archive_and_an_empty_span(archive: HousekeepingArchive) -> None:
    assert archive.span() is None
    assert archive.append("HK1", [], {"A": []}, "nothing")
    assert not archive.append("HK1", [], {"A": []}, "nothing")
    assert len(archive.read("A")) == 0
    archive.append("HK1", [5.0], {"A": [1.0]}, "1")
    assert len(archive.read("A", 6, 7)) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("HK1", [0.0, 1.0], {"A": [1]}, "1"),
        ("HK1", [np.nan], {"A": [1]}, "1"),
        ("HK1", [0.0], {"TIME": [1]}, "1"),
        ("../HK1", [0.0], {"A": [1]}, "1"),
        ("", [0.0], {"A": [1]}, "1"),
    ],
)
def test_wrong_columns_are_refused(archive: HousekeepingArchive, arguments: tuple) -> None:
    with pytest.raises(BadArgumentError):
        archive.append(*arguments)
    assert archive.parameters() == []


def test_small_pieces_are_joined_while_others_read(archive: HousekeepingArchive) -> None:
    for n in range(30):
        time = n * 100.0 + np.arange(100)
        archive.append("HK1", time, columns(time), f"piece {n}")
    wrong: list[object] = []
    stop = threading.Event()

    def reader() -> None:
        while not stop.is_set():
            try:
                found = len(HousekeepingArchive(archive.folder).read("T1"))
            except EicpyError as error:
                wrong.append(error)
            else:
                if found != 3000:
                    wrong.append(found)

    thread = threading.Thread(target=reader)
    thread.start()
    before = archive.read("MODE").values
    assert archive.compact("HK1", "2017-01-01")
    assert not archive.compact("HK1", "2017-01-01")
    stop.set()
    thread.join()
    assert wrong == []
    assert_array_equal(archive.read("MODE").values, before)
    assert len(list(archive.folder.rglob("*.parquet"))) == 1
    assert not archive.append("HK1", [0.0], {"T1": [0.0]}, "piece 3")


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import numpy as np
    from eicpy.housekeeping import HousekeepingArchive
    archive = HousekeepingArchive(Path(sys.argv[1]))
    for n in range(int(sys.argv[2])):
        time = n * 100.0 + np.arange(100)
        archive.append("HK1", time, {"X": time}, f"piece {n}")
        print(n, flush=True)
    """
)


@pytest.mark.parametrize("pieces", [1, 4, 9])
def test_killed_at_any_moment_it_stays_whole_and_goes_on(tmp_path: Path, pieces: int) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(pieces):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    archive = HousekeepingArchive(tmp_path)
    done = len(archive.catalogue.sources())
    assert done >= pieces
    assert len(archive.read("X")) == done * 100
    subprocess.run([*command[:-1], str(done + 2)], check=True, capture_output=True)
    assert_array_equal(archive.read("X").values, np.arange((done + 2) * 100))
    archive.clean(older_than=-1.0)
    assert len(list(tmp_path.rglob("*.parquet"))) == len(archive.catalogue.files())
    assert list(tmp_path.rglob("*.partial")) == []


def test_several_processes_append_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), "12"]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [p.wait() for p in running] == [0, 0, 0]
    archive = HousekeepingArchive(tmp_path)
    assert_array_equal(archive.read("X").values, np.arange(1200))
    assert len(archive.catalogue.files()) == 12


def test_a_failure_while_writing_leaves_the_source_out(
    archive: HousekeepingArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = np.arange(0, 2 * DAY, 1000.0)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FailedError, match="No space left"):
            archive.append("HK1", time, {"A": time}, "1")
    assert archive.catalogue.sources() == []
    assert archive.append("HK1", time, {"A": time}, "1")
    assert_array_equal(archive.read("A").values, time)


def test_damaged_files_are_named(archive: HousekeepingArchive) -> None:
    archive.append("HK1", [0.0], {"A": [1.0]}, "1")
    (file,) = archive.folder.rglob("*.parquet")
    file.write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(BadDataError) as caught:
        archive.read("A")
    assert caught.value.file == file
    file.unlink()
    with pytest.raises(BadDataError, match="does not exist"):
        archive.read("A")


def test_a_damaged_catalogue_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(BadDataError, match="catalogue"):
        HousekeepingArchive(tmp_path)


def test_the_archive_shows_itself(archive: HousekeepingArchive) -> None:
    archive.append("HK1", [0.0], {"A": [1.0]}, "1")
    assert "HK1" in archive._repr_html_()
    assert "1 values" in repr(archive.read("A"))
