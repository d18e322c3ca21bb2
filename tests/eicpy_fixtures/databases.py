"""Databases to test on: SQLite always, a PostgreSQL server of our own where its programs are installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from waiting import LIMIT, wait_until

from eicpy.operations import open_database
from eicpy.settings import Settings


def _programs():
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: float(f.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return None if found is None else Path(found).parent


def _server_user():
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class PostgresServer:
    """A PostgreSQL server of our own, which can be killed and started again on what it left."""

    def __init__(self, programs, folder, user):
        self._programs, self._folder, self._user, self._process = programs, folder, user, None
        self.port = _free_port()
        self.address = f"postgresql+pg8000://eic@127.0.0.1:{self.port}/postgres"
        made = subprocess.run(
            [
                programs / "initdb",
                "-D",
                folder / "data",
                "-A",
                "trust",
                "-U",
                "eic",
                "--no-sync",
                "-E",
                "UTF8",
            ],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"initdb does not work here: {made.stderr.strip()}")

    def start(self, *, wait=True):
        options = [
            f"-cport={self.port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            "-cfsync=off",
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *options],
                user=self._user, cwd=self._folder, stdout=log, stderr=log,
            )  # fmt: skip
        if wait:
            wait_until(lambda: _answers(self.address, self._process), "the PostgreSQL server")

    def kill(self, how=signal.SIGQUIT):
        """End it at once, as a crash does: what was not committed is gone."""
        self._process.send_signal(how)
        self._process.wait(LIMIT)


@contextmanager
def postgres_server():
    """A PostgreSQL server for a while; skips the test where its programs are not installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL programs (initdb, postgres) are installed here")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="eicpy-postgresql-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    try:
        server = PostgresServer(programs, folder, user)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres():
    """The PostgreSQL server of these tests."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgresql(postgres):
    """Address of an empty database on a PostgreSQL server started for these tests."""
    _empty(postgres.address)
    return postgres.address


def _answers(address, server):
    """Whether the server takes connections, which it does a little later than it listens."""
    assert server.poll() is None, "the PostgreSQL server did not start"
    engine = create_engine(address)
    try:
        engine.connect().close()
    except (SQLAlchemyError, OSError):
        return False
    finally:
        engine.dispose()
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request, tmp_path):
    """Settings of a fresh set-up, on each kind of database."""
    if request.param == "sqlite":
        return Settings.at(tmp_path / "home")
    return Settings.at(tmp_path / "home", request.getfixturevalue("postgresql"))


def _empty(address):
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


class Clock:
    """The clock of the watch: it goes on a little each time somebody looks at it, or as the test moves it."""

    def __init__(self):
        self.now, self.step, self.looks = 0.0, 0.02, 0
        self.on_look = lambda: None

    def monotonic(self):
        self.looks += 1
        self.now += self.step
        self.on_look()
        return self.now

    def is_looked_at(self, times):
        """Wait until somebody looked so many times more."""
        before = self.looks
        wait_until(lambda: self.looks >= before + times, "looks at the clock")


@pytest.fixture
def clock(monkeypatch):
    """Takes the place of the machine's clock in the watch of a folder."""
    made = Clock()
    monkeypatch.setattr(import_module("eicpy.ingestion.inbox"), "time", made)
    return made


@pytest.fixture
def database(settings):
    with open_database(settings) as database:
        yield database
