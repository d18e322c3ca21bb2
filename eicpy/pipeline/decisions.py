"""Which calibration table is in force, and who decides it.

A night proposes a table; a person accepts or rejects it. A night is calibrated with the accepted table
of the latest validity day before its own, so that the table made from a night serves the nights that
follow and never itself. Without one the nominal scale of the instrument is used, and the products say so.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eicpy.calibration.table import CalibrationTable, Treatment, calibration_tables
from eicpy.errors import BadDataError, NotFoundError
from eicpy.instruments import Instrument
from eicpy.moved import accept_old_keywords
from eicpy.operations import (
    Database,
    ReleaseState,
    decide_release,
    latest_accepted,
    open_database,
    releases,
)
from eicpy.products import card_for, read_product
from eicpy.settings import Settings
from eicpy.times import day_of

__all__ = ["TableInUse", "decide", "read_calibration_table", "tables_in_use", "treatment_with"]


@dataclass(frozen=True)
class TableInUse:
    """A calibration table with which a night is made.

    Parameters
    ----------
    kind
        What it is.
    table
        Its values.
    file
        Its file; None for the nominal one.
    """

    kind: CalibrationTable[Any]
    table: Any
    file: Path | None

    @property
    def name(self) -> str:
        """Name of its file; ``nominal`` for the nominal one."""
        return "nominal" if self.file is None else self.file.name


def tables_in_use(database: Database, instrument: Instrument, start: float) -> dict[str, TableInUse]:
    """Give the tables for data that begin at a time, by card: the accepted one, or the nominal one.

    Parameters
    ----------
    database
        The internal database.
    instrument
        The detector.
    start
        Begin of the data, s.

    Raises
    ------
    BadDataError
        For an accepted table that cannot be read.
    """
    in_use = {}
    for card, kind in calibration_tables(instrument).items():
        file = None
        if kind.released:
            release = latest_accepted(
                database,
                instrument=instrument.name,
                card=card_for(card, instrument.card_prefix),
                before=f"{day_of(start):%Y%m%d}",
            )
            file = None if release is None else Path(release.file)
        in_use[card] = TableInUse(
            kind, kind.nominal() if file is None else read_calibration_table(file, kind), file
        )
    return in_use


def treatment_with(tables: dict[str, TableInUse], instrument: Instrument) -> Treatment:
    """Give how photons are treated with the tables in use."""
    treatment = Treatment.nominal(instrument)
    for used in tables.values():
        treatment = used.kind.apply(treatment, used.table, used.name)
    return treatment


def read_calibration_table(file: Path, kind: CalibrationTable[Any]) -> Any:
    """Read the product of a calibration table.

    Raises
    ------
    BadDataError
        For a file that is none, or is of another detector.
    """
    main = read_product(file, kind.card).main
    try:
        return kind.read(main.columns, main.header)
    except BadDataError as error:
        raise BadDataError(str(error), file=file) from error


@accept_old_keywords(renamed={"by": "actor"})
def decide(file: Path, settings: Settings, *, accepted: bool, actor: str, comment: str = "") -> str:
    """Accept or reject a table that was proposed.

    Parameters
    ----------
    file
        The table: its path, or its file name alone.
    settings
        The set-up.
    accepted
        True to accept.
    actor, comment
        Who decides, and why.

    Returns
    -------
    str
        What was done, in a sentence.

    Raises
    ------
    NotFoundError
        For a table that was never proposed; the message lists those that were.

    See Also
    --------
    eicpy.operations.decide_release : The same by the number of the release.
    """
    state = ReleaseState.ACCEPTED if accepted else ReleaseState.REJECTED
    with open_database(settings) as database:
        proposed = releases(database)
        found = [r for r in proposed if file.name == Path(r.file).name]
        if len(found) > 1:
            found = [r for r in found if Path(r.file) == file.absolute()]
        if len(found) != 1:
            known = ", ".join(f"{Path(r.file).name} ({r.state})" for r in proposed) or "none yet"
            raise NotFoundError(f"got table {file}, expected one that a night proposed: {known}")
        release = decide_release(database, found[0].id, state, actor=actor, comment=comment)
    effect = "the nights after it will use it" if accepted else "it is kept and not used"
    return f"{Path(release.file).name} of {release.instrument} {state} by {actor}: {effect}"
