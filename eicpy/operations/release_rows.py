"""Releases of calibration tables: proposed by a night, accepted or rejected by a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eicpy.errors import NotFoundError
from eicpy.moved import accept_old_keywords
from eicpy.operations.database import Database
from eicpy.operations.models import ReleaseRow, ReleaseState
from eicpy.process import user_name

__all__ = ["decide_release", "latest_accepted", "propose_release", "releases"]


def propose_release(
    database: Database,
    *,
    instrument: str,
    card: str,
    file: Path,
    night: str,
    summary: Mapping[str, Any] | None = None,
    actor: str = "",
) -> ReleaseRow:
    """Propose a table; one that was proposed before keeps its decision.

    Parameters
    ----------
    database
        The internal database.
    instrument, card, night
        The detector, the card of the table, and the night it was made from.
    file
        The table.
    summary
        Figures to decide by, in JSON types.
    actor
        Who proposes it; by default the user of this process.
    """

    def work(session: Session) -> ReleaseRow:
        query = select(ReleaseRow).where(ReleaseRow.file == str(file))
        release = session.scalars(query).one_or_none()
        if release is None:
            release = ReleaseRow(
                file=str(file), state=ReleaseState.PROPOSED, proposed_at=datetime.now(tz=UTC)
            )
            session.add(release)
        release.instrument, release.card, release.night = instrument, card, night
        release.summary = dict(summary or {})
        release.proposed_by = actor or user_name()
        return release

    return database.change(work)


@accept_old_keywords(renamed={"by": "actor"})
def decide_release(
    database: Database, number: int, state: ReleaseState, *, actor: str, comment: str = ""
) -> ReleaseRow:
    """Accept or reject a table; a later decision replaces an earlier one.

    Parameters
    ----------
    database
        The internal database.
    number
        The release, as :func:`releases` lists it.
    state
        What is decided.
    actor, comment
        Who decides, and why.

    Raises
    ------
    NotFoundError
        If there is no release of this number.

    See Also
    --------
    propose_release : Enters the table.
    eicpy.pipeline.decide : The same by the name of its file.
    """

    def work(session: Session) -> ReleaseRow:
        release = session.get(ReleaseRow, number)
        if release is None:
            raise NotFoundError(f"got release {number}, expected the number of a proposed table")
        release.state, release.decided_by, release.comment = state, actor, comment
        release.decided_at = datetime.now(tz=UTC)
        return release

    return database.change(work)


def releases(
    database: Database, *, instrument: str | None = None, state: ReleaseState | None = None
) -> list[ReleaseRow]:
    """Releases in the order they were proposed, of an instrument and a state where given."""
    query = select(ReleaseRow).order_by(ReleaseRow.proposed_at, ReleaseRow.id)
    if instrument is not None:
        query = query.where(ReleaseRow.instrument == instrument)
    if state is not None:
        query = query.where(ReleaseRow.state == state)
    return database.fetch(lambda session: list(session.scalars(query)))


def latest_accepted(
    database: Database, *, instrument: str, card: str, before: str | None = None
) -> ReleaseRow | None:
    """The accepted table of the latest night; of two of one night, the one decided last. None if none was.

    Parameters
    ----------
    database
        The internal database.
    instrument, card
        The detector, and the card of the table.
    before
        Only tables of nights before this one, YYYYMMDD.
    """
    query = select(ReleaseRow).where(
        ReleaseRow.instrument == instrument,
        ReleaseRow.card == card,
        ReleaseRow.state == ReleaseState.ACCEPTED,
    )
    if before is not None:
        query = query.where(ReleaseRow.night < before)
    order = (ReleaseRow.night, ReleaseRow.decided_at, ReleaseRow.id)
    newest = query.order_by(*(c.desc() for c in order)).limit(1)
    return database.fetch(lambda session: session.scalars(newest).one_or_none())
