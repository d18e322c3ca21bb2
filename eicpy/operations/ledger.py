"""The ledger: which step of which night was done on which inputs, and how it ended.

A step is known by a key, the hash of its name, its inputs and its configuration: the same key means
the same result, so a step that is done is not repeated, and a changed input or setting is a new step.
A step whose process died is taken over; a failed one is run again.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from eicpy.errors import InUseError
from eicpy.operations.database import Database
from eicpy.operations.models import StepRow, StepState
from eicpy.process import is_running, process_identity

__all__ = [
    "StepTicket",
    "begin_step",
    "finish_step",
    "run_step",
    "step_key",
    "steps",
]


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
    """

    key: str
    todo: bool
    products: list[str] = field(default_factory=list)
    message: str = ""
    failed: bool = False


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


def begin_step(
    database: Database, *, key: str, instrument: str, night: str, name: str, redo: bool = False
) -> StepTicket:
    """Claim a step for this process, unless it is done.

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

    Returns
    -------
    StepTicket
        With ``todo`` False if it is done already.

    Raises
    ------
    InUseError
        If a living process runs this very step now.
    """
    try:
        with database.write() as session:
            step = session.scalars(select(StepRow).where(StepRow.key == key).with_for_update()).one_or_none()
            if step is None:
                step = StepRow(key=key)
                session.add(step)
            elif step.state is StepState.DONE and not redo:
                return StepTicket(key, todo=False, products=list(step.products), message=step.message)
            elif step.state is StepState.RUNNING and is_running(step.owner):
                raise InUseError(
                    f"step {step.name} of {step.night} is being run by {step.owner} since "
                    f"{step.started_at:%H:%M:%S} UTC; wait for it to end"
                )
            step.instrument, step.night, step.name = instrument, night, name
            step.state, step.owner = StepState.RUNNING, process_identity()
            step.started_at, step.finished_at = datetime.now(tz=UTC), None
            step.message, step.products = "", []
    except IntegrityError as error:
        raise InUseError(f"step {name} of {night} was begun by another process at the same moment") from error
    return StepTicket(key, todo=True)


def finish_step(
    database: Database, key: str, state: StepState, *, message: str = "", products: Sequence[str | Path] = ()
) -> None:
    """Record how a step ended.

    Parameters
    ----------
    database
        The internal database.
    key
        Of a step that was begun.
    state
        ``DONE`` or ``FAILED``.
    message
        What is worth saying; the error where it failed.
    products
        Paths of what it made.
    """
    with database.write() as session:
        step = session.scalars(select(StepRow).where(StepRow.key == key)).one()
        step.state, step.message, step.products = state, message, [str(p) for p in products]
        step.finished_at = datetime.now(tz=UTC)


@contextmanager
def run_step(
    database: Database, *, key: str, instrument: str, night: str, name: str, redo: bool = False
) -> Iterator[StepTicket]:
    """Run a step in a ``with`` block and record how it ended.

    Parameters
    ----------
    database, key, instrument, night, name, redo
        As in :func:`begin_step`.

    Yields
    ------
    StepTicket
        If its ``todo`` is False there is nothing to do and nothing is recorded. Put paths into
        ``products``, a remark into ``message``, and set ``failed`` where not all was done.

    Raises
    ------
    BaseException
        Whatever the block raised, after it was recorded as the step's failure.

    See Also
    --------
    step_key : The key of a step.
    begin_step, finish_step : The two halves.
    """
    ticket = begin_step(database, key=key, instrument=instrument, night=night, name=name, redo=redo)
    if not ticket.todo:
        yield ticket
        return
    try:
        yield ticket
    except BaseException as error:
        finish_step(
            database,
            key,
            StepState.FAILED,
            message=f"{type(error).__name__}: {error}",
            products=ticket.products,
        )
        raise
    state = StepState.FAILED if ticket.failed else StepState.DONE
    finish_step(database, key, state, message=ticket.message, products=ticket.products)


def steps(database: Database, *, instrument: str | None = None, night: str | None = None) -> list[StepRow]:
    """Steps in the order they were started, of an instrument and a night where given."""
    query = select(StepRow).order_by(StepRow.started_at, StepRow.id)
    if instrument is not None:
        query = query.where(StepRow.instrument == instrument)
    if night is not None:
        query = query.where(StepRow.night == night)
    with database.read() as session:
        return list(session.scalars(query))
