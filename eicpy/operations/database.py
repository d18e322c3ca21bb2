"""The internal database: SQLite in the set-up's folder, or PostgreSQL by URL, with the same tables.

SQLite runs with a write-ahead log (readers never wait), foreign keys checked, and every writing
transaction begun as such (``BEGIN IMMEDIATE``): two processes then wait for each other instead of
failing half way, as they would when a reading transaction turns into a writing one. Transactions are
short: no work is done while one is open.

The tables are brought to the newest version on opening. Two processes that start at once do this one
after the other: under a lock file for SQLite, an advisory lock for PostgreSQL.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from eicpy.errors import BadArgumentError, FailedError, NotFoundError
from eicpy.files import locked
from eicpy.operations.words import reason_of, shown_address
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
        return shown_address(self.engine.url)

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
        except (DBAPIError, PoolTimeoutError) as error:
            reason = reason_of(error, self.engine.url)
            raise FailedError(f"{self.url}: could not be read: {reason}") from error

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
        except (DBAPIError, PoolTimeoutError) as error:
            reason = reason_of(error, self.engine.url)
            raise FailedError(f"{self.url}: could not be written, nothing was changed: {reason}") from error

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
        For an address that SQLAlchemy cannot use, or an SQLite file in a folder that does not exist, unless
        it is in the set-up's own.
    FailedError
        If the database cannot be reached or written, or was made by a newer version.
    """
    from eicpy.operations.migration import migrate  # noqa: PLC0415, alembic takes a second

    engine = _engine(settings)
    try:
        with _migration_lock(engine):
            migrate(engine)
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        reason = reason_of(error, engine.url) if isinstance(error, SQLAlchemyError) else error.strerror
        raise FailedError(f"{shown_address(engine.url)}: could not be opened: {reason}") from error
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _engine(settings: Settings) -> Engine:
    url = settings.database_url
    # what the pool says when a server went away is said by us, once, with the address and the reason
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        file = _sqlite_file(parsed.database)
        _make_folder(file, settings.home)
        engine = create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})
    except BadArgumentError:
        raise
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError, TypeError) as error:
        # what make_url says of a port that is no number may repeat a part of the password
        why = f": {reason_of(error)}" if isinstance(error, (NoSuchModuleError, ModuleNotFoundError)) else ""
        raise BadArgumentError(
            f"got database address {url.partition('://')[0] if '://' in url else ''}://…, expected "
            f"for example sqlite:////folder/eic.sqlite or postgresql+pg8000://user:password@host/database{why}"
        ) from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_folder(file: Path, home: Path) -> None:
    """Make the folder of a database in the set-up; another has to exist: its name may be mistyped."""
    folder = file.absolute().parent
    if not folder.is_relative_to(home) and not folder.is_dir():
        raise NotFoundError(
            f"got database {file}, expected a folder {folder} that exists; make it, or correct "
            "EIC_DATABASE_URL"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailedError(f"{folder}: could not be made: {error.strerror}") from error


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
