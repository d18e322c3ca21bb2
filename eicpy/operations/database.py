"""The internal database: SQLite in the set-up's folder, or PostgreSQL by URL, with the same tables.

SQLite runs with a write-ahead log (readers never wait), foreign keys checked, and every writing
transaction begun as such (``BEGIN IMMEDIATE``): two processes then wait for each other instead of
failing half way, as they would when a reading transaction turns into a writing one. Transactions are
short: no work is done while one is open.

The tables are brought to the newest version on opening. Two processes that start at once do this one
after the other: under a lock file for SQLite, an advisory lock for PostgreSQL.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from eicpy.errors import BadArgumentError, FailedError
from eicpy.files import locked
from eicpy.settings import Settings

__all__ = ["Database", "open_database"]

_BUSY_SECONDS = 30.0
_ADVISORY_LOCK = 0x65696370  # "eicp"


@dataclass(frozen=True)
class Database:
    """A database whose tables are at the version of this code. Made by :func:`open_database`.

    Parameters
    ----------
    engine
        SQLAlchemy's engine.
    """

    engine: Engine

    @property
    def url(self) -> str:
        """Address, with the password hidden."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Session that only reads; what it gave stays usable afterwards.

        Raises
        ------
        FailedError
            If the database does not answer.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session:
                yield session
        except (OperationalError, InterfaceError) as error:
            raise FailedError(f"{self.url}: could not be read: {error.orig}") from error

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Session in one short writing transaction: all of it happens, or nothing.

        Raises
        ------
        FailedError
            If the database could not do it: no space, locked too long, no connection.
        """
        engine = self.engine.execution_options(eic_writes=True)
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (OperationalError, InterfaceError) as error:
            raise FailedError(
                f"{self.url}: could not be written, nothing was changed: {error.orig}"
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return f"<p>Database <code>{escape(self.url)}</code></p>"


def open_database(settings: Settings) -> Database:
    """Open the database of a set-up and bring its tables to the version of this code.

    Parameters
    ----------
    settings
        The set-up; its ``database_url`` is used.

    Returns
    -------
    Database
        Close it when done, or use it as a context manager.

    Raises
    ------
    BadArgumentError
        For an address that SQLAlchemy cannot use.
    FailedError
        If the database cannot be reached or written, or was made by a newer version.
    """
    from eicpy.operations.migration import migrate  # noqa: PLC0415, alembic takes a second

    engine = _engine(settings.database_url)
    try:
        with _migration_lock(engine):
            migrate(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise FailedError(f"{engine.url!r}: could not be opened: {error}") from error
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        file = _sqlite_file(parsed.database)
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise BadArgumentError(
            f"got database address {url.partition('://')[0]}://…, expected for example "
            f"sqlite:////folder/eic.sqlite or postgresql+pg8000://user:password@host/database: {error}"
        ) from error
    except OSError as error:
        raise FailedError(f"{file.parent}: could not be made: {error.strerror}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sqlite_file(database: str | None) -> Path:
    if not database or database == ":memory:":
        raise BadArgumentError("got an SQLite address without a file, expected sqlite:////folder/eic.sqlite")
    return Path(database)


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:  # noqa: ARG001, the signature is SQLAlchemy's
    connection.isolation_level = None  # sqlite3's own: we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("eic_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _migration_lock(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        file = _sqlite_file(engine.url.database)
        with locked(file.with_name(f".{file.name}.lock")):
            yield
    elif engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
    else:
        with nullcontext():
            yield
