"""A full disk in all its forms, hashes, and files that are complete or absent."""

import errno
import hashlib
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from eicpy import files
from eicpy.errors import FailedError


def _raised_from(cause: BaseException) -> BaseException:
    error = FailedError("could not be saved")
    error.__cause__ = cause
    return error


def _raised_after(cause: BaseException) -> BaseException:
    error = FailedError("could not be closed either")
    error.__context__ = cause
    return error


def _full_sqlite(folder: Path) -> BaseException:
    connection = sqlite3.connect(folder / "small.sqlite")
    connection.execute("PRAGMA max_page_count = 3")
    connection.execute("CREATE TABLE t (b)")
    with pytest.raises(sqlite3.OperationalError) as raised:
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    connection.close()
    return raised.value


def _full_sqlalchemy(folder: Path) -> BaseException:
    engine = sa.create_engine(f"sqlite:///{folder / 'small.sqlite'}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("PRAGMA max_page_count = 3"))
        connection.execute(sa.text("CREATE TABLE t (b)"))
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.execute(sa.text("INSERT INTO t VALUES (zeroblob(1000000))"))
    return raised.value


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("wrap", [lambda error: error, _raised_from, _raised_after])
def test_a_full_disk_is_known_by_its_error_and_by_what_caused_it(number, wrap):
    assert files.is_full_disk(wrap(OSError(number, "")))


@pytest.mark.parametrize("full", [_full_sqlite, _full_sqlalchemy])
@pytest.mark.parametrize("wrap", [lambda error: error, _raised_from, _raised_after])
def test_a_full_database_is_a_full_disk(tmp_path, full, wrap):
    assert files.is_full_disk(wrap(full(tmp_path)))


@pytest.mark.parametrize("wrap", [lambda error: error, _raised_from, _raised_after])
@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, ""), PermissionError(errno.EACCES, ""), ValueError("wrong"), KeyError(28)]
)
def test_another_error_is_no_full_disk(error, wrap):
    assert not files.is_full_disk(wrap(error))


@pytest.mark.parametrize("size", [0, 1, 5_000_001])
def test_hashes_are_those_of_all_bytes_or_of_the_first(tmp_path, size):
    data = bytes(range(251)) * (size // 251 + 1)
    file = tmp_path / "a"
    file.write_bytes(data[:size])
    assert files.sha256_of(file) == hashlib.sha256(data[:size]).hexdigest()
    for length in (0, 1, size, size + 1):
        expected = hashlib.sha256(data[: min(length, size)])
        assert files.hash_file(file, length).digest() == expected.digest()


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_that_is_not_completed_leaves_the_one_before(tmp_path, durable):
    file = tmp_path / "cursor"
    files.write_text(file, "before")
    with pytest.raises(ZeroDivisionError), files.atomic_file(file, durable=durable) as stream:
        stream.write(b"%d" % (1 // 0))
    assert file.read_text() == "before"
    with files.atomic_file(file, durable=durable) as stream:
        stream.write(b"whole")
        stream.flush()
        assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["cursor"]
    assert file.read_text() == "whole"
