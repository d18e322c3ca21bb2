"""Waiting for a database that does not answer for a while: one policy for all that is read and written.

A server that is restarted, a connection that breaks, a file that another process holds locked: these pass,
and work of hours must not end with them. What passes is tried again, at first soon and then every two
seconds, until it works or the timeout is over. One line says that we wait, another that the database
answers again. What does not pass (a wrong password, no table, no space on the disk) is reported at once.

PostgreSQL says what happened by the class of its SQLSTATE code [1]_, SQLite by its result code [2]_. An error
without either is one of the connection.

References
----------
.. [1] PostgreSQL documentation, appendix A, "PostgreSQL error codes".
.. [2] SQLite documentation, "Result and error codes".
"""

import logging
import sqlite3
import time
from dataclasses import dataclass, field

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from eicpy.operations.words import reason_of, shown_address
from eicpy.process import stop_asked

__all__ = ["LOST", "Waiting", "passes"]

_log = logging.getLogger(__name__)

LOST = (DBAPIError, PoolTimeoutError, ConnectionError, TimeoutError)
"""What a query may raise when its database is away; drivers let errors of the network through."""
PASSING_STATES = frozenset({
    "40001", "40P01",  # serialization failure, deadlock: the server took the other one
    "53300",  # too many connections
    "55P03",  # a lock that is not available
    "57P01", "57P02", "57P03",  # shutdown, crash of another connection, not started yet
})  # fmt: skip
CONNECTION_CLASS = "08"
PASSING_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Pauses between two attempts, s; each is twice the one before."""
SILENT = 1.0
"""Shorter outages than this, s, are not worth a line."""


def passes(error: BaseException) -> bool:
    """Whether the cause of an error may pass by itself."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, LOST)
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in PASSING_CODES  # the low byte: the rest says more
    if error.connection_invalidated:
        return True
    state = _state(cause)
    if state is None:
        return isinstance(error, InterfaceError | OperationalError)
    return state in PASSING_STATES or state.startswith(CONNECTION_CLASS)


def _fields(cause: BaseException | None) -> dict[str, str]:
    """Fields of the server's message, by their letters, where the driver (pg8000) gives those."""
    said = cause.args[0] if cause is not None and cause.args else None
    return said if isinstance(said, dict) else {}


def _state(cause: BaseException | None) -> str | None:
    """SQLSTATE of an error, as pg8000 or psycopg give it; None where the server said nothing."""
    return _fields(cause).get("C") or getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


@dataclass
class Waiting:
    """The attempts at one piece of work.

    Parameters
    ----------
    url
        Address of the database.
    timeout
        How long to wait in all, s.
    """

    url: URL
    timeout: float
    _begun: float | None = field(default=None, init=False)
    _pause: float = field(default=FIRST_PAUSE, init=False)
    _said: bool = field(default=False, init=False)

    def pause(self, error: BaseException) -> bool:
        """Wait a little before the next attempt.

        Parameters
        ----------
        error
            Why the last one failed.

        Returns
        -------
        bool
            False where there is to be none: the cause does not pass, time is over, or this process was asked
            to stop.
        """
        now = time.monotonic()
        self._begun = self._begun or now
        if not passes(error) or now - self._begun >= self.timeout or stop_asked():
            return False
        if not self._said and now - self._begun >= SILENT:
            self._said = True
            _log.warning(
                "waiting for the database %s, for %.0f s at most: %s",
                shown_address(self.url),
                self.timeout,
                reason_of(error, self.url),
            )
        time.sleep(min(self._pause, max(self._begun + self.timeout - now, 0.0)))
        self._pause = min(2.0 * self._pause, LONGEST_PAUSE)
        return True

    def succeeded(self) -> None:
        """Say that it works again, where it was said that it does not."""
        if self._said and self._begun is not None:
            _log.warning("the database answers again after %.0f s", time.monotonic() - self._begun)
