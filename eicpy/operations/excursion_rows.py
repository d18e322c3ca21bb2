"""Excursions: times during which a housekeeping parameter was beyond a limit, and who looked at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from eicpy.errors import BadArgumentError, NotFoundError
from eicpy.housekeeping import Severity
from eicpy.moved import accept_old_keywords
from eicpy.operations.database import Database
from eicpy.operations.models import ExcursionRow, ExcursionState

__all__ = [
    "ExcursionEntry",
    "check_excursions",
    "excursions",
    "handle_excursion",
    "newest_excursions",
    "record_excursions",
]


@dataclass(frozen=True)
class ExcursionEntry:
    """An excursion to be recorded.

    Parameters
    ----------
    parameter
        Name of the housekeeping parameter.
    level
        ``warning`` or ``alarm``.
    start, stop
        First and last time beyond the limit, s (TT since MJDREFI 57754).
    value
        Worst value reached, in `unit`.
    limit
        The limit that was passed, in `unit`.
    unit
        Unit of both.
    """

    parameter: str
    level: Severity
    start: float
    stop: float
    value: float
    limit: float | None = None
    unit: str = ""


def record_excursions(
    database: Database, instrument: str, night: str, found: Iterable[ExcursionEntry]
) -> list[ExcursionRow]:
    """Record excursions; those known already (same parameter, level and start) keep their state.

    An excursion that is known as a warning and has become an alarm is one excursion still: its row becomes
    the alarm's, and somebody has to look at it again. One known as an alarm remains an alarm.

    Parameters
    ----------
    database
        The internal database.
    instrument, night
        The detector, and the night whose monitoring found them.
    found
        The excursions.

    Returns
    -------
    list of ExcursionRow
        The rows, in the order given.
    """
    entries = list(found)

    def work(session: Session) -> list[ExcursionRow]:
        rows = []
        for entry in entries:
            known = {
                row.level: row
                for row in session.scalars(
                    select(ExcursionRow).where(
                        ExcursionRow.instrument == instrument,
                        ExcursionRow.parameter == entry.parameter,
                        ExcursionRow.start == entry.start,
                    )
                )
            }
            row = known.get(Severity.ALARM) or known.get(Severity.WARNING)
            if row is not None and row.level is Severity.WARNING and entry.level == Severity.ALARM:
                row.level, row.state = Severity.ALARM, ExcursionState.NEW
            if row is None:
                row = ExcursionRow(
                    instrument=instrument,
                    parameter=entry.parameter,
                    level=entry.level,
                    start=entry.start,
                    state=ExcursionState.NEW,
                )
                session.add(row)
            if row.level == entry.level:
                row.stop, row.value, row.limit = entry.stop, entry.value, entry.limit
            row.unit, row.night = entry.unit, night
            session.flush()
            rows.append(row)
        return rows

    return database.change(work)


def excursions(
    database: Database,
    *,
    instrument: str | None = None,
    night: str | None = None,
    state: ExcursionState | None = None,
    since: float | None = None,
) -> list[ExcursionRow]:
    """Excursions by start time, of an instrument, a night and a state where given.

    Parameters
    ----------
    database
        The internal database.
    instrument, night, state
        Only those of it.
    since
        Only those that lasted to this time or longer, s (TT since MJDREFI 57754).
    """
    query = select(ExcursionRow).order_by(ExcursionRow.start, ExcursionRow.id)
    if instrument is not None:
        query = query.where(ExcursionRow.instrument == instrument)
    if night is not None:
        query = query.where(ExcursionRow.night == night)
    if state is not None:
        query = query.where(ExcursionRow.state == state)
    if since is not None:
        query = query.where(ExcursionRow.stop >= since)
    return database.fetch(lambda session: list(session.scalars(query)))


def newest_excursions(database: Database, instrument: str, *, most: int) -> list[ExcursionRow]:
    """The excursions of an instrument that nobody acknowledged, then the others; the newest of each first.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector.
    most
        How many at most.
    """
    query = (
        select(ExcursionRow)
        .where(ExcursionRow.instrument == instrument)
        .order_by(ExcursionRow.state != ExcursionState.NEW, ExcursionRow.start.desc(), ExcursionRow.id.desc())
        .limit(most)
    )
    return database.fetch(lambda session: list(session.scalars(query)))


def check_excursions(database: Database, numbers: Iterable[int]) -> None:
    """Refuse numbers that are of no excursion.

    Raises
    ------
    NotFoundError
        Naming the first.
    """
    known = {row.id for row in excursions(database)}
    for number in numbers:
        if number not in known:
            raise NotFoundError(f"got excursion {number}, expected the number of one that is recorded")


@accept_old_keywords(renamed={"by": "actor"})
def handle_excursion(database: Database, number: int, *, actor: str, comment: str = "") -> ExcursionRow:
    """Mark an excursion as handled.

    Parameters
    ----------
    database
        The internal database.
    number
        The excursion, as :func:`excursions` lists it.
    actor, comment
        Who looked at it, and what was found.

    Raises
    ------
    BadArgumentError
        Without a name.
    NotFoundError
        If there is no excursion of this number.
    """
    if not actor.strip():
        raise BadArgumentError("got no name, expected who looked at the excursion")

    def work(session: Session) -> ExcursionRow:
        row = session.get(ExcursionRow, number)
        if row is None:
            raise NotFoundError(f"got excursion {number}, expected the number of one that is recorded")
        row.state, row.handled_by, row.comment = ExcursionState.HANDLED, actor, comment
        row.handled_at = datetime.now(tz=UTC)
        return row

    return database.change(work)
