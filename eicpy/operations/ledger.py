"""The ledger: which step of which night was done on which inputs, and how it ended.

A step is known by a key, the hash of its name, its inputs and its configuration: the same key means
the same result, so a step that is done is not repeated, and a changed input or setting is a new step.
A step whose process died is taken over; a failed one is run again.

Whoever begins a step makes a claim, and only who knows the claim can finish it: a process that was taken
for dead and lives after all cannot write over what its successor did. Whether a process is dead is known on
its own host; of one elsewhere its signs of life tell (:mod:`eicpy.operations.heartbeat`), or a person.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from eicpy.errors import FailedError, InUseError
from eicpy.operations.database import Database
from eicpy.operations.heartbeat import Heartbeat, database_time
from eicpy.operations.models import StepRow, StepState, TakeoverRow
from eicpy.operations.takeover import Silence, Taking, may_take, stays_silent
from eicpy.process import process_identity, user_name

__all__ = [
    "StepTicket",
    "begin_step",
    "finish_step",
    "run_step",
    "step_key",
    "steps",
    "takeovers",
]

_log = logging.getLogger(__name__)
FAREWELL_SECONDS = 5.0
"""How long a step that is interrupted waits for the database to say so, s; unsaid, it is found dead."""


@dataclass
class StepTicket:
    """What :func:`begin_step` answers.

    Parameters
    ----------
    key
        Key of the step.
    todo
        Whether the caller is to run it now. False: it is done, and `products` says what it made.
    products
        Paths of what it made; fill it while running.
    message
        What is worth saying about it; fill it while running.
    failed
        Set it while running where the step ends without an error and did not do all it should.
    subject
        Detector and night that the step turned out to be about; None: as it began.
    claim
        What shows that the step is this process's.
    heartbeat
        Its signs of life, which :func:`run_step` gives.
    """

    key: str
    todo: bool
    products: list[str] = field(default_factory=list)
    message: str = ""
    failed: bool = False
    subject: tuple[str, str] | None = None
    claim: str = ""
    heartbeat: Heartbeat | None = field(default=None, repr=False, compare=False)

    @property
    def lost(self) -> bool:
        """Whether another process was seen to have taken the step over."""
        return self.heartbeat is not None and self.heartbeat.lost

    def check(self, *, ask: bool = False) -> None:
        """Go on only while the step is this process's: call it between two pieces of long work.

        Parameters
        ----------
        ask
            Ask the database now; otherwise what the last sign of life found is good enough.

        Raises
        ------
        InUseError
            If another process has taken the step over.
        """
        if self.heartbeat is not None and ask:
            self.heartbeat.beat()
        if self.lost:
            raise InUseError(f"{_TAKEN_OVER}; this one stops")


def step_key(name: str, inputs: Iterable[str], configuration: Mapping[str, Any]) -> str:
    """Key of a step.

    Parameters
    ----------
    name
        Name of the step.
    inputs
        Hashes (or other stable names) of everything it reads; their order does not count.
    configuration
        Everything else its result depends on, in JSON types; dates and paths are taken as text.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Examples
    --------
    >>> step_key("gain", ["b", "a"], {"x": 1}) == step_key("gain", ["a", "b"], {"x": 1})
    True
    """
    content = json.dumps([name, sorted(inputs), configuration], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


_TAKEN_OVER = "the step that this process runs was taken over by another one"


def begin_step(
    database: Database,
    *,
    key: str,
    instrument: str,
    night: str,
    name: str,
    redo: bool = False,
    alone: bool = False,
    take_over: bool = False,
    actor: str = "",
) -> StepTicket:
    """Claim a step for this process, unless it is done.

    A step that is left running is taken over where its process has ended; where that ran on another host,
    when it has given no sign of life for five minutes. Such a step is watched for a minute first. One that
    never gave any (:func:`run_step` does) is taken over after a day.

    Parameters
    ----------
    database
        The internal database.
    key
        From :func:`step_key`.
    instrument, night, name
        What is shown about it.
    redo
        Run it even if it is done.
    alone
        No other step of this name may run for this night: they write the same files.
    take_over
        Take it from any process that runs it, dead or not: a person knows better.
    actor
        Who begins it; by default the user of this process.

    Returns
    -------
    StepTicket
        With ``todo`` False if it is done already.

    Raises
    ------
    InUseError
        If a living process runs this very step now.
    """
    taking = Taking(
        StepRow(key=key, instrument=instrument, night=night, name=name),
        claim=uuid4().hex, actor=actor or user_name(), redo=redo, alone=alone, by_command=take_over,
    )  # fmt: skip
    while True:
        try:
            answer = database.change(lambda session: _claim(session, taking))
        except IntegrityError as error:
            raise InUseError(
                f"step {name} of {night} was begun by another process at the same moment"
            ) from error
        if isinstance(answer, StepTicket):
            return answer
        if not stays_silent(database, answer):
            raise InUseError(answer.lives)
        taking.silences.append(answer)


def _claim(session: Session, taking: Taking) -> StepTicket | Silence:
    """Claim a step in a transaction; a silence that has to be watched first is returned instead."""
    wanted, now = taking.step, database_time(session)
    if taking.alone and session.get_bind().dialect.name == "postgresql":
        # two that begin at once have no row yet to wait for each other at; SQLite has one writer anyway
        place = f"{wanted.instrument} {wanted.night} {wanted.name}"
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(place))))
    step = session.scalars(select(StepRow).where(StepRow.key == wanted.key).with_for_update()).one_or_none()
    if step is not None and step.state is StepState.DONE and not taking.redo:
        return StepTicket(wanted.key, todo=False, products=list(step.products), message=step.message)
    running = [step] if step is not None and step.state is StepState.RUNNING else []
    if taking.alone:
        running += session.scalars(_others(wanted))
    for row in running:
        why = may_take(row, taking, now)
        if isinstance(why, Silence):
            return why
        session.add(_takeover(row, taking, why, now))
        _log.warning("taking over step %s of %s from %s: %s", row.name, row.night, row.owner, why)
        if row is not step:
            row.state, row.finished_at, row.message, row.claim = StepState.FAILED, now, why, ""
    if step is None:
        step = StepRow(key=wanted.key)
        session.add(step)
    step.instrument, step.night, step.name = wanted.instrument, wanted.night, wanted.name
    step.state, step.owner, step.actor = StepState.RUNNING, process_identity(), taking.actor
    step.started_at, step.finished_at = now, None
    step.claim, step.beats, step.beat_at = taking.claim, 0, None
    step.message, step.products = "", []
    return StepTicket(wanted.key, todo=True, claim=taking.claim)


def _others(wanted: StepRow) -> Any:
    return (
        select(StepRow)
        .where(StepRow.instrument == wanted.instrument, StepRow.night == wanted.night)
        .where(StepRow.name == wanted.name, StepRow.state == StepState.RUNNING, StepRow.key != wanted.key)
        .with_for_update()
    )


def _takeover(row: StepRow, taking: Taking, why: str, now: Any) -> TakeoverRow:
    return TakeoverRow(
        instrument=row.instrument, night=row.night, name=row.name,
        taken_from=row.owner, started_at=row.started_at, beat_at=row.beat_at,
        taken_by=process_identity(), actor=taking.actor, taken_at=now, reason=why,
    )  # fmt: skip


def finish_step(
    database: Database,
    step: StepTicket | str,
    state: StepState,
    *,
    message: str = "",
    products: Sequence[str | Path] = (),
) -> None:
    """Record how a step ended.

    Parameters
    ----------
    database
        The internal database.
    step
        What :func:`begin_step` gave, or the key of a step that this process began.
    state
        ``DONE`` or ``FAILED``.
    message
        What is worth saying; the error where it failed.
    products
        Paths of what it made.

    Raises
    ------
    InUseError
        If another process has taken the step over: nothing is recorded.
    """
    key = step if isinstance(step, str) else step.key

    def work(session: Session) -> None:
        row = session.scalars(select(StepRow).where(StepRow.key == key).with_for_update()).one()
        ours = row.owner == process_identity() if isinstance(step, str) else row.claim == step.claim
        if not ours:
            raise InUseError(
                f"{_TAKEN_OVER}, {row.owner or 'unknown'}, on {row.started_at:%Y-%m-%d at %H:%M:%S} UTC; "
                f"what this one made of step {row.name} of {row.night} is not recorded"
            )
        row.state, row.message, row.products = state, message, [str(p) for p in products]
        if isinstance(step, StepTicket) and step.subject is not None:
            row.instrument, row.night = step.subject
        row.finished_at = database_time(session)

    database.change(work)


@contextmanager
def run_step(
    database: Database,
    *,
    key: str,
    instrument: str,
    night: str,
    name: str,
    redo: bool = False,
    alone: bool = False,
    take_over: bool = False,
    actor: str = "",
) -> Iterator[StepTicket]:
    """Run a step in a ``with`` block, give its signs of life, and record how it ended.

    Parameters
    ----------
    database, key, instrument, night, name, redo, alone, take_over, actor
        As in :func:`begin_step`.

    Yields
    ------
    StepTicket
        If its ``todo`` is False there is nothing to do and nothing is recorded. Put paths into
        ``products``, a remark into ``message``, and set ``failed`` where not all was done.

    Raises
    ------
    InUseError
        If a living process runs this very step now, or took it over meanwhile.
    BaseException
        Whatever the block raised, after it was recorded as the step's failure.

    See Also
    --------
    step_key : The key of a step.
    begin_step, finish_step : The two halves.
    """
    ticket = begin_step(
        database, key=key, instrument=instrument, night=night, name=name, redo=redo, alone=alone,
        take_over=take_over, actor=actor,
    )  # fmt: skip
    if not ticket.todo:
        yield ticket
        return
    with Heartbeat(database, key, ticket.claim) as heartbeat:
        ticket.heartbeat = heartbeat
        try:
            yield ticket
        except BaseException as error:
            _record_failure(database, ticket, error)
            raise
        state = StepState.FAILED if ticket.failed else StepState.DONE
        finish_step(database, ticket, state, message=ticket.message, products=ticket.products)


def _record_failure(database: Database, ticket: StepTicket, error: BaseException) -> None:
    """Leave with the ledger why a step failed; the error itself matters more than that this does not work."""
    if ticket.lost:
        return
    if not isinstance(error, Exception):
        database = replace(database, timeout=min(database.timeout, FAREWELL_SECONDS))
    message = f"{type(error).__name__}: {error}"
    try:
        finish_step(database, ticket, StepState.FAILED, message=message, products=ticket.products)
    except FailedError as unsaid:
        _log.warning("that the step failed is not in the ledger: %s", unsaid)


def steps(database: Database, *, instrument: str | None = None, night: str | None = None) -> list[StepRow]:
    """Steps in the order they were started, of an instrument and a night where given."""
    query = select(StepRow).order_by(StepRow.started_at, StepRow.id)
    if instrument is not None:
        query = query.where(StepRow.instrument == instrument)
    if night is not None:
        query = query.where(StepRow.night == night)
    return database.fetch(lambda session: list(session.scalars(query)))


def takeovers(
    database: Database, *, instrument: str | None = None, night: str | None = None
) -> list[TakeoverRow]:
    """Steps that were taken over, in the order that happened, of an instrument and a night where given."""
    query = select(TakeoverRow).order_by(TakeoverRow.taken_at, TakeoverRow.id)
    if instrument is not None:
        query = query.where(TakeoverRow.instrument == instrument)
    if night is not None:
        query = query.where(TakeoverRow.night == night)
    return database.fetch(lambda session: list(session.scalars(query)))
