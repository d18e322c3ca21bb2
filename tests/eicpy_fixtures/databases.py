"""Databases to test on: SQLite always, a PostgreSQL server of our own where its programs are installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def postgresql():
    """Address of a database on a PostgreSQL server started for these tests."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL programs (initdb, postgres) are installed here")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="eicpy-postgresql-"))
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data, port = folder / "data", _free_port()
    try:
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "eic", "--no-sync", "-E", "UTF8"],
            user=user,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"initdb does not work here: {made.stderr.strip()}")
        options = [
            f"-cport={port}",
            "-clisten_addresses=127.0.0.1",
            "-cunix_socket_directories=",
            "-cfsync=off",
        ]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], user=user, cwd=folder, stdout=log, stderr=log
            )
        try:
            _await(port, server)
            yield f"postgresql+pg8000://eic@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGQUIT)  # at once: its files are removed anyway
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _await(port, server):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert server.poll() is None, "the PostgreSQL server did not start"
            time.sleep(0.05)
        else:
            time.sleep(0.2)
            return
    pytest.fail("the PostgreSQL server does not answer")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request, tmp_path):
    """Settings of a fresh set-up, on each kind of database."""
    if request.param == "sqlite":
        return Settings.at(tmp_path / "home")
    address = request.getfixturevalue("postgresql")
    _empty(address)
    return Settings.at(tmp_path / "home", address)


def _empty(address):
    from sqlalchemy import create_engine, text

    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def database(settings):
    with open_database(settings) as database:
        yield database
