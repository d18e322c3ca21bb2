"""Who acknowledged the excursions that a verdict is about, from the internal database."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from eicpy.health.state import KnownExcursion
from eicpy.instruments import Instrument
from eicpy.operations import Database, ExcursionRow, ExcursionState, excursions, open_database
from eicpy.settings import Settings

__all__ = ["AcknowledgedExcursions", "with_acknowledgements"]

_TRUSTED = 2.0
"""How long what was read is taken to be so, s."""
_TIMEOUT = 1.0
"""How long a database that does not answer is waited for, s: a page waits as long."""
_SLACK = 60.0
"""A recorded excursion may lag behind the data by so much, s: what lasts is recorded now and then."""


class AcknowledgedExcursions:
    """The excursions that are recorded, read again and again.

    Parameters
    ----------
    settings
        The set-up.
    instrument
        The detector.
    """

    def __init__(self, settings: Settings, instrument: Instrument) -> None:
        self._settings, self._instrument = settings, instrument
        self._database: Database | None = None
        self._read_at = -_TRUSTED
        self._rows: list[ExcursionRow] = []

    def since(self, moment: float) -> list[ExcursionRow]:
        """Excursions that lasted beyond a time, s; read at most every two seconds.

        Raises
        ------
        EicpyError
            Where the database cannot be read.
        """
        now = time.monotonic()
        if now - self._read_at >= _TRUSTED:
            self._read_at = now
            self._rows = self._fetch(moment)
        return self._rows

    def _fetch(self, moment: float) -> list[ExcursionRow]:
        if self._database is None:
            file = self._settings.database_url.removeprefix("sqlite:///")
            if file != self._settings.database_url and not Path(file).is_file():
                return []
            self._database = open_database(replace(self._settings, database_timeout=_TIMEOUT))
        return excursions(self._database, instrument=self._instrument.name, since=moment - _SLACK)

    def close(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
            self._database = None


def with_acknowledgements(
    found: Iterable[KnownExcursion], rows: Iterable[ExcursionRow]
) -> tuple[KnownExcursion, ...]:
    """Excursions with who acknowledged them, and since when those last that began before the look back.

    Parameters
    ----------
    found
        As the data show them.
    rows
        As they are recorded.
    """
    by_parameter: dict[str, list[ExcursionRow]] = {}
    for row in rows:
        by_parameter.setdefault(row.parameter, []).append(row)
    return tuple(_known(one, by_parameter.get(one.parameter, [])) for one in found)


def _known(one: KnownExcursion, rows: list[ExcursionRow]) -> KnownExcursion:
    same = [row for row in rows if row.start <= one.stop and row.stop >= one.start - _SLACK * one.longer]
    if not same:
        return one
    row = max(same, key=lambda row: row.start)
    if one.longer and row.start < one.start:
        one = replace(one, start=row.start, longer=False)
    if row.state is ExcursionState.HANDLED and row.level >= one.level:
        one = replace(one, by=row.handled_by, comment=row.comment)
    return one
