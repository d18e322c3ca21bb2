"""Whether a step that is left running may be taken from the process that began it.

On its own host it is known whether a process lives. Of a process on another host there are only the signs
of life in the row of the step: it is taken for dead when the last one is old *and* none comes while one
looks. The age alone is not trusted, since a clock may jump; nor is a time in the future.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from eicpy.errors import InUseError
from eicpy.operations.database import Database
from eicpy.operations.heartbeat import BEAT_SECONDS
from eicpy.operations.models import StepRow, StepState
from eicpy.process import is_running, of_this_host
from eicpy.text import span_text

__all__ = ["SILENCE_SECONDS", "Silence", "Taking", "may_take", "stays_silent"]

_log = logging.getLogger(__name__)

SILENCE_SECONDS = 300.0
"""Age of the last sign of life, s, from which on a process elsewhere may be dead."""
UNKNOWN_SECONDS = 86400.0
"""The same for a process that gives none, by when it began the step, s."""
WATCH_SECONDS = 2.5 * BEAT_SECONDS
"""How long to watch for a sign of life before a step is taken, s."""
LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Silence:
    """A running step that seems to have lost its process.

    Parameters
    ----------
    key, claim, beats
        As they were when it was looked at.
    lives
        What to say where it turns out to live.
    doubt
        What to say before it is watched.
    """

    key: str
    claim: str
    beats: int
    lives: str
    doubt: str


@dataclass
class Taking:
    """Who wants a step, and how.

    Parameters
    ----------
    step
        What is shown about it.
    claim, actor, redo, alone, by_command
        As in :func:`eicpy.operations.begin_step`.
    silences
        Steps that were watched and gave no sign of life.
    """

    step: StepRow
    claim: str
    actor: str
    redo: bool
    alone: bool
    by_command: bool
    silences: list[Silence] = field(default_factory=list)


def may_take(row: StepRow, taking: Taking, now: datetime) -> str | Silence:
    """Find out whether a running step may be taken.

    Parameters
    ----------
    row
        The step that runs.
    taking
        Who wants it.
    now
        Time of the database.

    Returns
    -------
    str or Silence
        Why it may be taken, or what must be watched first.

    Raises
    ------
    InUseError
        If its process lives.
    """
    if taking.by_command:
        return f"by command of {taking.actor}"
    here = of_this_host(row.owner)
    if here and not is_running(row.owner):
        return "its process has ended"
    last = row.beat_at or row.started_at
    age = (now - last).total_seconds()
    lives = _lives(row, age, here=here)
    if here or abs(age) < (SILENCE_SECONDS if row.beat_at else UNKNOWN_SECONDS):
        raise InUseError(lives)
    silent = f"no sign of life since {last:%Y-%m-%d %H:%M:%S} UTC"
    if any((s.key, s.claim, s.beats) == (row.key, row.claim, row.beats) for s in taking.silences):
        return silent
    doubt = f"step {row.name} of {row.night} is left running by {row.owner}: {silent}"
    return Silence(row.key, row.claim, row.beats, lives, doubt)


def _lives(row: StepRow, age: float, *, here: bool) -> str:
    """What whoever wants a step is told when it runs elsewhere."""
    said = (
        f"step {row.name} of {row.night} is being run by {row.owner} since "
        f"{row.started_at:%Y-%m-%d %H:%M:%S} UTC"
    )
    if here:
        return f"{said}; wait for it to end, or end process {row.owner.rsplit(':', 2)[1]}"
    heard = span_text(max(age, 0.0))
    sign = f"its last sign of life is {heard} old" if row.beat_at else "it gives no signs of life"
    return f"{said}, {sign}; wait for it to end, or take it over if you know that it is dead (--take-over)"


def stays_silent(database: Database, silence: Silence) -> bool:
    """Watch a step for a while; whether there is no sign of life and nobody else took it.

    Parameters
    ----------
    database
        The internal database.
    silence
        What was seen before.
    """
    query = select(StepRow).where(StepRow.key == silence.key)

    def seen(session: Session) -> tuple[StepState, str, int]:
        row = session.scalars(query).one()
        return row.state, row.claim, row.beats

    if silence.claim:  # a step without one was begun by a version that gives no signs of life
        _log.warning("%s; looking for %.0f s whether it lives", silence.doubt, WATCH_SECONDS)
    end = time.monotonic() + (WATCH_SECONDS if silence.claim else 0.0)
    while time.monotonic() < end:
        state, *mark = database.fetch(seen)
        if state is not StepState.RUNNING:
            return True  # it has ended: whoever asks may try again
        if mark != [silence.claim, silence.beats]:
            return False
        time.sleep(min(LOOK_SECONDS, WATCH_SECONDS))
    return True
