"""The database: migrations, transactions, addresses that cannot be used."""

import resource
import sqlite3
import subprocess
import sys
import textwrap
import threading

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from waiting import LIMIT

from eicpy.errors import BadArgumentError, FailedError, NotFoundError
from eicpy.operations import ProductEntry, add_product, open_database, products
from eicpy.operations.migration import migration_config
from eicpy.operations.models import Base, ProductRow
from eicpy.settings import Settings


def test_migrations_make_the_tables_of_the_models(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_can_be_undone_and_done_again(database):
    with database.engine.execution_options(eic_writes=True).begin() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
        command.upgrade(config, "head")
    with database.engine.connect() as connection:
        assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())


def test_opening_again_keeps_what_is_there(settings, tmp_path):
    with open_database(settings) as database:
        add_product(
            database, ProductEntry("eclairs", "ECL-EVT-CNV", "2026-11-20", tmp_path / "a.fits", "0" * 64)
        )
    with open_database(settings) as database:
        assert [p.card for p in products(database)] == ["ECL-EVT-CNV"]


OPEN = """
    import os, sys, time
    from pathlib import Path
    from eicpy.operations import open_database
    from eicpy.settings import Settings

    gate, opener = os.pipe()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os.close(opener)
            os.read(gate, 1)  # until the parent lets all begin
            settings = Settings.at(Path(sys.argv[1]), sys.argv[2])
            with open_database(settings) as database, database.read() as session:
                rows = session.connection().exec_driver_sql("SELECT version_num FROM alembic_version").all()
            os._exit(0 if len(rows) == 1 else 1)
        children.append(child)
    os.close(opener)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_several_processes_open_a_new_database_at_once(settings):
    command = [sys.executable, "-c", textwrap.dedent(OPEN), settings.home, settings.database_url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


def test_a_transaction_happens_whole_or_not_at_all(database):
    class Interrupted(Exception):  # noqa: N818, an interruption is no error
        pass

    def interrupted():
        with database.write() as session:
            session.add(_product("a.fits"))
            session.flush()
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert products(database) == []


def test_writers_wait_for_each_other(database):
    def add(first):
        for i in range(20):
            with database.write() as session:
                session.add(_product(f"{first}-{i}.fits"))

    threads = [threading.Thread(target=add, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(products(database)) == 80


def _product(file):
    from datetime import UTC, datetime

    return ProductRow(
        instrument="eclairs",
        card="ECL-EVT-CNV",
        file=file,
        sha256="0" * 64,
        night="2026-11-20",
        created_at=datetime.now(tz=UTC),
    )


def test_sqlite_runs_with_a_write_ahead_log_and_foreign_keys(tmp_path):
    with open_database(Settings.at(tmp_path)) as database, database.read() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert session.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_tables_of_a_newer_version_are_left_alone(settings):
    with open_database(settings) as database, database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(FailedError, match="at version 9999"):
        open_database(settings)


@pytest.mark.parametrize(
    "url", ["not an address", "sqlite://", "sqlite:///:memory:", "nosuchdatabase://host/name"]
)
def test_an_address_that_cannot_be_used_is_a_bad_argument(tmp_path, url):
    with pytest.raises(BadArgumentError, match="expected"):
        open_database(Settings.at(tmp_path, url))


@pytest.mark.parametrize("text", ["soon", "nan", "-1", "inf"])
def test_a_timeout_that_is_no_number_of_seconds_is_a_bad_argument(tmp_path, monkeypatch, text):
    monkeypatch.setenv("EIC_DATABASE_TIMEOUT", text)
    with pytest.raises(BadArgumentError, match="expected a number of seconds"):
        open_database(Settings.at(tmp_path))
    monkeypatch.setenv("EIC_DATABASE_TIMEOUT", "7.5")
    with open_database(Settings.at(tmp_path)) as database:
        assert database.timeout == 7.5


def test_a_server_that_does_not_answer_is_a_failure_and_the_password_stays_secret(tmp_path):
    settings = Settings.at(tmp_path, "postgresql+pg8000://eic:secret@127.0.0.1:1/eic", 0.0)
    with pytest.raises(FailedError) as caught:
        open_database(settings)
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_address_shows_its_password(tmp_path):
    for url in (
        "postgresql+pg8000://eic:se:cret@127.0.0.1:port/eic",
        "postgresql+pg8000://eic@127.0.0.1:1/eic?password=se:cret",
        "nosuchdatabase://eic:se:cret@host/name",
    ):
        with pytest.raises((BadArgumentError, FailedError)) as caught:
            open_database(Settings.at(tmp_path, url, 0.0))
        assert "cret" not in str(caught.value)


def test_a_folder_elsewhere_is_not_made(tmp_path):
    """A mistyped address would else begin an empty database, where nothing is known any more."""
    address = f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}"
    with pytest.raises(NotFoundError, match=r"expected a folder .*nowhere that exists; make it, or correct"):
        open_database(Settings.at(tmp_path / "home", address))
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "nowhere").mkdir()
    open_database(Settings.at(tmp_path / "home", address)).close()


def test_what_a_database_says_is_said_in_a_line(tmp_path):
    """No statement, no link to the pages of SQLAlchemy, and nothing in the log."""
    with open_database(Settings.at(tmp_path)) as database:
        with database.write() as session:
            session.execute(text("DROP TABLE product"))
        for opened, words in ((database.read, "could not be read"), (database.write, "could not be written")):
            with (
                pytest.raises(
                    FailedError, match=rf"eic\.sqlite: {words}.*: no such table: product$"
                ) as caught,
                opened() as session,
            ):
                session.execute(text("SELECT * FROM product"))
            assert all(part not in str(caught.value) for part in ("Background", "SQL", "\n"))


def test_a_lock_at_the_opening_is_said_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr("eicpy.operations.database._BUSY_SECONDS", 0.1)
    open_database(Settings.at(tmp_path)).close()
    other = sqlite3.connect(tmp_path / "eic.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(FailedError, match=r"eic\.sqlite: could not be opened: database is locked$"):
        open_database(Settings.at(tmp_path, database_timeout=0.0))
    other.close()


def test_a_file_that_is_no_database_is_a_failure(tmp_path):
    (tmp_path / "eic.sqlite").write_bytes(b"this is no database at all, but a text of some length" * 50)
    with pytest.raises(FailedError, match="not a database"):
        open_database(Settings.at(tmp_path))


def test_a_locked_database_is_a_failure_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr("eicpy.operations.database._BUSY_SECONDS", 0.1)
    with open_database(Settings.at(tmp_path, database_timeout=0.0)) as database:
        other = sqlite3.connect(tmp_path / "eic.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(FailedError, match=r"eic\.sqlite: could not be written.*locked"):
            add_product(database, ProductEntry("eclairs", "X", "n", tmp_path / "a", "0" * 64))
        other.close()


def test_a_full_disk_is_a_failure_and_harms_nothing(tmp_path):
    with open_database(Settings.at(tmp_path)) as database:
        add_product(database, ProductEntry("eclairs", "X", "first", tmp_path / "a", "0" * 64))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill():
            for i in range(1000):
                add_product(database, ProductEntry("eclairs", "X", "n", tmp_path / f"{i}", "0" * 64))

        room = (tmp_path / "eic.sqlite-wal").stat().st_size + 10_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(FailedError, match=r"eic\.sqlite: could not be written, nothing was changed"):
                fill()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        kept = len(products(database))
        add_product(database, ProductEntry("eclairs", "X", "last", tmp_path / "z", "0" * 64))
        assert [p.night for p in products(database)] == ["first", *["n"] * (kept - 1), "last"]
        with database.read() as session:
            assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
