"""A database that is away for a while: waited for in words, and nothing done twice."""

import logging
import sqlite3
import threading

import pg8000
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from waiting import LIMIT, wait_until

from eicpy.errors import FailedError
from eicpy.operations import ProductEntry, add_product, open_database, products
from eicpy.operations import retry as policy
from eicpy.operations.models import CommittedWrite, ProductRow
from eicpy.operations.retry import passes
from eicpy.operations.words import reason_of
from eicpy.process import stop_on_signals
from eicpy.settings import Settings


def product(name):
    return ProductEntry("eclairs", "ECL-EVT-CNV", "20261120", name, "0" * 64, valid_from=0.0)


def count(session):
    """Work that shows how often it was done."""
    row = session.scalars(select(ProductRow)).one()
    row.valid_from += 1.0
    return row


@pytest.fixture
def server(postgresql, tmp_path):
    """A database on a server, where an answer can be lost."""
    settings = Settings.at(tmp_path, postgresql)
    with open_database(settings) as database:
        with database.write() as session:
            session.execute(text("DELETE FROM product"))
        yield database


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_commit_whose_answer_is_lost_is_done_once(server, monkeypatch, before):
    add_product(server, product("a"))
    real, lost = pg8000.Connection.commit, []

    def loses_once(connection):
        if lost:
            return real(connection)
        lost.append(connection)
        if not before:
            real(connection)
        connection._usock.close()
        raise pg8000.InterfaceError("network error")

    monkeypatch.setattr(pg8000.Connection, "commit", loses_once)
    row = server.change(count)
    assert len(lost) == 1
    assert row.valid_from == 1.0
    assert [p.valid_from for p in products(server)] == [1.0]


@pytest.mark.parametrize("how", ["change", "fetch"])
def test_work_whose_connection_the_server_ends_is_done_again(server, how):
    add_product(server, product("a"))
    ended = []

    def work(session):
        if not ended:
            ended.append(session.execute(text("SELECT pg_backend_pid()")).scalar_one())
            with server.engine.connect() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended[0]})
        return count(session).file

    assert getattr(server, how)(work) == "a"
    assert [p.valid_from for p in products(server)] == [1.0 if how == "change" else 0.0]


def test_a_server_that_is_killed_and_started_again_is_waited_for(server, postgres, caplog, monkeypatch):
    monkeypatch.setattr(policy, "SILENT", 0.0)
    written, enough = [], threading.Event()

    def write():
        while not enough.is_set():
            add_product(server, product(f"{len(written)}"))
            written.append(len(products(server)))

    thread = threading.Thread(target=write)
    with caplog.at_level(logging.WARNING):
        thread.start()
        wait_until(lambda: len(written) > 3, "some rows")
        postgres.kill()
        wait_until(lambda: "waiting for the database" in caplog.text, "words about the outage")
        postgres.start()
        after = len(written)
        wait_until(lambda: len(written) > after + 3 or not thread.is_alive(), "rows after the outage")
        enough.set()
        thread.join(LIMIT)
    assert written == list(range(1, len(written) + 1))
    assert "answers again after" in caplog.text
    assert not [r for r in caplog.records if r.exc_info or not r.name.startswith("eicpy.")]


def test_a_server_that_stays_away_is_a_failure_in_the_end(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(policy, "SILENT", 0.0)
    settings = Settings.at(tmp_path, "postgresql+pg8000://eic:secret@127.0.0.1:1/eic", 0.2)
    with pytest.raises(FailedError, match="could not be opened"):
        open_database(settings)
    (line,) = [r.getMessage() for r in caplog.records]
    assert line.startswith("waiting for the database postgresql+pg8000://eic:***@127.0.0.1:1/eic, for 0 s at")
    assert "secret" not in caplog.text


def test_a_locked_file_is_waited_for(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("eicpy.operations.database._BUSY_SECONDS", 0.01)
    monkeypatch.setattr(policy, "SILENT", 0.0)
    with open_database(Settings.at(tmp_path)) as database:
        other = sqlite3.connect(tmp_path / "eic.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=add_product, args=(database, product("a")))
        thread.start()
        wait_until(lambda: "database is locked" in caplog.text, "words about the lock")
        other.execute("ROLLBACK")
        other.close()
        thread.join(LIMIT)
        assert len(products(database)) == 1
    assert "waiting for the database sqlite:///" in caplog.text


def test_whoever_is_asked_to_stop_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("eicpy.operations.database._BUSY_SECONDS", 0.01)
    with open_database(Settings.at(tmp_path, database_timeout=LIMIT)) as database:
        other = sqlite3.connect(tmp_path / "eic.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with stop_on_signals() as stop:
            stop.set()
            with pytest.raises(FailedError, match="locked"):
                add_product(database, product("a"))
        other.close()


def test_old_tokens_of_transactions_are_removed(server, postgresql, tmp_path):
    old = {"token": "0" * 32}
    with server.write() as session:
        session.execute(text("INSERT INTO committed_write VALUES (:token, now() - interval '2 days')"), old)
    with open_database(Settings.at(tmp_path, postgresql)) as again, again.read() as session:
        assert session.get(CommittedWrite, old["token"]) is None


def of_server(code):
    return pg8000.ProgrammingError({"C": code, "M": "said by the server"})


def of_sqlite(code):
    error = sqlite3.OperationalError("said by the library")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InterfaceError("", {}, pg8000.InterfaceError("network error")), True),
        (ProgrammingError("", {}, of_server("57P01")), True),  # ended by the administrator
        (ProgrammingError("", {}, of_server("57P03")), True),  # not started yet
        (ProgrammingError("", {}, of_server("40P01")), True),  # deadlock
        (ProgrammingError("", {}, of_server("08006")), True),
        (ProgrammingError("", {}, of_server("28P01")), False),  # wrong password
        (ProgrammingError("", {}, of_server("42P01")), False),  # no such table
        (ProgrammingError("", {}, of_server("53100")), False),  # disk full
        (IntegrityError("", {}, of_server("23505")), False),
        (OperationalError("", {}, of_sqlite(sqlite3.SQLITE_BUSY)), True),
        (OperationalError("", {}, of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT)), True),
        (OperationalError("", {}, of_sqlite(sqlite3.SQLITE_FULL)), False),
        (OperationalError("", {}, of_sqlite(sqlite3.SQLITE_READONLY)), False),
        (ConnectionResetError(), True),
        (FileNotFoundError(), False),
    ],
)
def test_what_passes_by_itself(error, expected):
    assert passes(error) is expected
    assert not isinstance(error, DBAPIError) or "\n" not in reason_of(error)
