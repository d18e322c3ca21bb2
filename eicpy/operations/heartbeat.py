"""Signs of life of a step that runs: a thread that counts in its row while the work goes on.

A process that dies on another host, or in a container that is replaced, leaves its step as running, and
nobody else can look whether it lives. So a running step counts: every half minute it adds one to ``beats``
in its row and notes the time of the database. Who wants the step reads both. The time says at once whether
there is anything to fear; the count, watched for a while, decides, since a clock may jump and a count does
not.

The same write looks whether the step is still this process's: one that was asleep may have lost it.
"""

import logging
import threading
from datetime import UTC, datetime
from typing import Self, cast

from sqlalchemy import CursorResult, text, update
from sqlalchemy.orm import Session

from eicpy.errors import EicpyError
from eicpy.operations.database import Database
from eicpy.operations.models import StepRow

__all__ = ["BEAT_SECONDS", "Heartbeat", "database_time"]

_log = logging.getLogger(__name__)

BEAT_SECONDS = 30.0
"""Between two signs of life, s."""
_JOIN_SECONDS = 30.0


def database_time(session: Session) -> datetime:
    """Time of day by the clock of the database: one clock for all hosts that share a server."""
    if session.get_bind().dialect.name == "postgresql":
        now = session.execute(text("SELECT clock_timestamp() AT TIME ZONE 'UTC'")).scalar_one()
        return cast("datetime", now).replace(tzinfo=UTC)
    return datetime.now(tz=UTC)


class Heartbeat:
    """Gives the signs of life of a step while a ``with`` block runs.

    Parameters
    ----------
    database
        The internal database.
    key, claim
        Of the step that this process runs.
    """

    def __init__(self, database: Database, key: str, claim: str) -> None:
        self._database = database
        self._key, self._claim = key, claim
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {key[:8]}", daemon=True)
        self.lost = False
        """Whether another process has the step now."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join(_JOIN_SECONDS)

    def beat(self) -> None:
        """Give a sign of life, and see whether the step is still ours.

        Raises
        ------
        FailedError
            If the database does not answer.
        """
        self._count(self._database)

    def _count(self, database: Database) -> None:
        mine = (StepRow.key == self._key) & (StepRow.claim == self._claim)

        def work(session: Session) -> int:
            query = update(StepRow).where(mine).execution_options(synchronize_session=False)
            values = {"beats": StepRow.beats + 1, "beat_at": database_time(session)}
            return cast("CursorResult[tuple[()]]", session.execute(query.values(values))).rowcount

        self.lost = database.change(work) == 0

    def _run(self) -> None:
        at_once = self._database.at_once()
        while not (self._ended.is_set() or self.lost):
            try:
                self._count(at_once)
            except EicpyError as error:  # the next one comes soon, and the work itself waits for the database
                _log.info("no sign of life could be left: %s", error)
            self._ended.wait(BEAT_SECONDS)
