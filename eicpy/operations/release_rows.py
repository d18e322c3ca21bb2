"""Releases of calibration tables: proposed by a night, accepted or rejected by a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eicpy.errors import BadArgumentError
from eicpy.operations.database import Database
from eicpy.operations.models import CalibrationRelease, ReleaseState

__all__ = ["decide_release", "latest_accepted", "propose_release", "releases"]


def propose_release(
    database: Database,
    *,
    instrument: str,
    card: str,
    file: Path,
    night: str,
    summary: Mapping[str, Any] | None = None,
) -> CalibrationRelease:
    """Propose a table; one that was proposed before keeps its decision.

    Parameters
    ----------
    database
        The internal database.
    instrument, card, night
        Whose table it is, its card, and the night it was made from.
    file
        The table.
    summary
        Figures to decide by, in JSON types.
    """
    with database.write() as session:
        query = select(CalibrationRelease).where(CalibrationRelease.file == str(file))
        release = session.scalars(query).one_or_none()
        if release is None:
            release = CalibrationRelease(
                file=str(file), state=ReleaseState.PROPOSED, proposed_at=datetime.now(tz=UTC)
            )
            session.add(release)
        release.instrument, release.card, release.night = instrument, card, night
        release.summary = dict(summary or {})
    return release


def decide_release(
    database: Database, number: int, state: ReleaseState, *, by: str, comment: str = ""
) -> CalibrationRelease:
    """Accept or reject a table; a later decision replaces an earlier one.

    Raises
    ------
    BadArgumentError
        If there is no release of this number.
    """
    with database.write() as session:
        release = session.get(CalibrationRelease, number)
        if release is None:
            raise BadArgumentError(f"got release {number}, expected the number of a proposed table")
        release.state, release.decided_by, release.comment = state, by, comment
        release.decided_at = datetime.now(tz=UTC)
    return release


def releases(
    database: Database, *, instrument: str | None = None, state: ReleaseState | None = None
) -> list[CalibrationRelease]:
    """Releases in the order they were proposed, of an instrument and a state where given."""
    query = select(CalibrationRelease).order_by(CalibrationRelease.proposed_at, CalibrationRelease.id)
    if instrument is not None:
        query = query.where(CalibrationRelease.instrument == instrument)
    if state is not None:
        query = query.where(CalibrationRelease.state == state)
    with database.read() as session:
        return list(session.scalars(query))


def latest_accepted(
    database: Database, *, instrument: str, card: str, before: str | None = None
) -> CalibrationRelease | None:
    """The accepted table of the latest night; of two of one night, the one decided last. None if none was.

    Parameters
    ----------
    database
        The internal database.
    instrument, card
        Whose table, and which.
    before
        Only tables of nights before this one, YYYYMMDD.
    """
    query = select(CalibrationRelease).where(
        CalibrationRelease.instrument == instrument,
        CalibrationRelease.card == card,
        CalibrationRelease.state == ReleaseState.ACCEPTED,
    )
    if before is not None:
        query = query.where(CalibrationRelease.night < before)
    order = (CalibrationRelease.night, CalibrationRelease.decided_at, CalibrationRelease.id)
    with database.read() as session:
        return session.scalars(query.order_by(*(c.desc() for c in order)).limit(1)).one_or_none()
