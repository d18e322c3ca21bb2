"""The internal database: SQLite in the set-up's folder, or PostgreSQL by URL, with the same tables.

SQLite runs with a write-ahead log (readers never wait), foreign keys checked, and every writing
transaction begun as such (``BEGIN IMMEDIATE``): two processes then wait for each other instead of
failing half way, as they would when a reading transaction turns into a writing one. Transactions are
short: no work is done while one is open.

A database that is away for a while (a server that is restarted, a file that another process holds locked)
is waited for; :mod:`eicpy.operations.retry` says for what and how long. A transaction is then done again as
a whole. The answer to a commit can be lost with the connection: so each transaction on a server leaves a
token of its own, and one whose token is there already was done, and is not done twice.

The tables are brought to the newest version on opening. Two processes that start at once do this one
after the other: under a lock file for SQLite, an advisory lock for PostgreSQL.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from eicpy.errors import BadArgumentError, FailedError, NotFoundError
from eicpy.files import locked
from eicpy.operations.models import CommittedWrite
from eicpy.operations.retry import LOST, Waiting
from eicpy.operations.words import reason_of, shown_address
from eicpy.settings import Settings

__all__ = ["Database", "open_database"]

_T = TypeVar("_T")
_BUSY_SECONDS = 5.0
_POOL_LOG = "eicpy"
_TIMEOUT_VARIABLE = "EIC_DATABASE_TIMEOUT"
_ANSWER_SECONDS = 60.0
"""A server that says nothing for so long, s, is gone: its host lost power, or the network a cable."""
_WITH_ANSWER_TIMEOUT = "pg8000"
_ADVISORY_LOCK = 0x65696370  # "eicp"


@dataclass(frozen=True)
class Database:
    """A database whose tables are at the version of this code. Made by :func:`open_database`.

    Parameters
    ----------
    engine
        SQLAlchemy's engine.
    timeout
        How long to wait while it does not answer, s.
    """

    engine: Engine
    timeout: float = 120.0

    @property
    def url(self) -> str:
        """Address, with the password hidden."""
        return shown_address(self.engine.url)

    def fetch(self, work: Callable[[Session], _T]) -> _T:
        """Read something; while the database is away, wait and begin again.

        Parameters
        ----------
        work
            Gets a session that only reads; what it returns stays usable afterwards. It may be called again.

        Raises
        ------
        FailedError
            If the database does not answer within the timeout.
        """

        def attempt() -> _T:
            with Session(self.engine, expire_on_commit=False) as session:
                result = work(session)
                session.expunge_all()
                return result

        return self._attempts(attempt, "could not be read")

    def change(self, work: Callable[[Session], _T]) -> _T:
        """Do one short writing transaction, once; while the database is away, wait and begin again.

        Parameters
        ----------
        work
            Gets a session; all it does happens, or nothing. It may be called again, each time as if it had
            not been called before. What it returns stays usable afterwards.

        Raises
        ------
        FailedError
            If the database could not do it: no space, or no answer within the timeout.
        """
        token = uuid4().hex
        results: list[_T] = []

        def attempt() -> _T:
            with Session(self._writing, expire_on_commit=False) as session, session.begin():
                if self._has_committed(session, token):
                    return results[-1]
                results.append(work(session))
                session.flush()
                session.expunge_all()  # a failed commit would take the values out of the rows
            return results[-1]

        return self._attempts(attempt, "could not be written, nothing was changed")

    def _attempts(self, attempt: Callable[[], _T], failure: str) -> _T:
        waiting = Waiting(self.engine.url, self.timeout)
        while True:
            try:
                result = attempt()
            except LOST as error:
                if waiting.pause(error):
                    continue
                if isinstance(error, IntegrityError):
                    raise  # the caller's question, such as whether somebody else was first
                why = reason_of(error, self.engine.url)
                raise FailedError(f"{self.url}: {failure}: {why}") from error
            waiting.succeeded()
            return result

    def _has_committed(self, session: Session, token: str) -> bool:
        """Leave the token of a transaction; whether it was there, and the transaction has been done.

        Where the server is still at work on the commit of the broken connection, this waits for its end.
        SQLite answers in this process: what it did not answer it did not do.
        """
        if self.engine.dialect.name != "postgresql":
            return False
        left = insert(CommittedWrite).values(token=token).on_conflict_do_nothing()
        return session.connection().execute(left).rowcount == 0

    def forget_writes(self) -> None:
        """Remove tokens of transactions that ended long ago."""
        if self.engine.dialect.name == "postgresql":
            old = "DELETE FROM committed_write WHERE written_at < now() - interval '1 day'"
            self.change(lambda session: session.execute(text(old)))

    @property
    def _writing(self) -> Engine:
        return self.engine.execution_options(eic_writes=True)

    def at_once(self) -> "Database":
        """The same database for who would rather fail than wait."""
        return replace(self, timeout=0.0)

    def _begun(self, engine: Engine, failure: str) -> Session:
        """A session whose transaction has begun: from here on the connection is good, or breaks."""

        def attempt() -> Session:
            session = Session(engine, expire_on_commit=False)
            try:
                session.connection()
            except BaseException:
                session.close()
                raise
            return session

        return self._attempts(attempt, failure)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Session that only reads; what it gave stays usable afterwards.

        A connection that breaks inside the block ends it; :meth:`fetch` begins again.

        Raises
        ------
        FailedError
            If the database does not answer.
        """
        try:
            with self._begun(self.engine, "could not be read") as session:
                yield session
        except (DBAPIError, PoolTimeoutError) as error:
            reason = reason_of(error, self.engine.url)
            raise FailedError(f"{self.url}: could not be read: {reason}") from error

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Session in one short writing transaction: all of it happens, or nothing.

        A connection that breaks inside the block ends it; :meth:`change` begins again.

        Raises
        ------
        FailedError
            If the database could not do it: no space, locked too long, no connection.
        """
        failure = "could not be written, nothing was changed"
        try:
            with self._begun(self._writing, failure) as session:
                yield session
                session.commit()
        except (DBAPIError, PoolTimeoutError) as error:
            raise FailedError(f"{self.url}: {failure}: {reason_of(error, self.engine.url)}") from error

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
        The set-up; its ``database_url`` and ``database_timeout`` are used.

    Returns
    -------
    Database
        Close it when done, or use it as a context manager.

    Raises
    ------
    BadArgumentError
        For an address that SQLAlchemy cannot use, an SQLite file in a folder that does not exist, unless it
        is in the set-up's own, or a timeout that is no number of seconds.
    FailedError
        If the database cannot be reached or written, or was made by a newer version.
    """
    from eicpy.operations.migration import migrate  # noqa: PLC0415, alembic takes a second

    timeout = _timeout() if settings.database_timeout is None else settings.database_timeout
    engine = _engine(settings)
    database = Database(engine, timeout)
    waiting = Waiting(engine.url, database.timeout)
    try:
        while True:
            try:
                with _migration_lock(engine):
                    migrate(engine)
            except LOST as error:
                if not waiting.pause(error):
                    raise
            else:
                break
        waiting.succeeded()
        database.forget_writes()
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        reason = (
            reason_of(error, engine.url)
            if isinstance(error, SQLAlchemyError)
            else error.strerror or str(error)
        )
        raise FailedError(f"{shown_address(engine.url)}: could not be opened: {reason}") from error
    except BaseException:
        engine.dispose()
        raise
    return database


def _timeout() -> float:
    said = os.environ.get(_TIMEOUT_VARIABLE) or str(Database.timeout)
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise BadArgumentError(f"got {_TIMEOUT_VARIABLE}={said!r}, expected a number of seconds")
    return seconds


def _engine(settings: Settings) -> Engine:
    url = settings.database_url
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return _server_engine(parsed)
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


def _server_engine(url: URL) -> Engine:
    """An engine whose broken connections are found before they are used, and are no news in the log."""
    limits = {"timeout": _ANSWER_SECONDS} if url.get_driver_name() == _WITH_ANSWER_TIMEOUT else {}
    engine = create_engine(url, pool_pre_ping=True, pool_logging_name=_POOL_LOG, connect_args=limits)
    kind = type(engine.pool)
    logging.getLogger(f"{kind.__module__}.{kind.__name__}.{_POOL_LOG}").setLevel(logging.CRITICAL)
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
