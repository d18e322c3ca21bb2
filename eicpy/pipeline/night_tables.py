"""The calibration tables of a night: made, written, and proposed to whoever decides about them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from eicpy.calibration.table import Inputs
from eicpy.errors import EicpyError
from eicpy.nights.record import NightRecord, TableRecord
from eicpy.operations import Database, ReleaseState, propose_release, releases
from eicpy.pipeline.assemble import NightProductWriter
from eicpy.pipeline.decisions import TableInUse
from eicpy.products import card_for

__all__ = ["kept_files", "make_tables"]

VERSIONS = range(1, 100)
"""Versions that a file name can hold."""


def make_tables(
    inputs: Inputs,
    tables: Mapping[str, TableInUse],
    writer: NightProductWriter,
    database: Database,
    record: NightRecord,
    progress: Callable[[str], None],
) -> list[Path]:
    """Make the tables of a night; one that fails does not keep the others from being made.

    Parameters
    ----------
    inputs
        What the night offers.
    tables
        Tables in use, by card.
    writer
        Writes the products.
    database
        Where tables are proposed.
    record
        The night; what came of each table is entered.
    progress
        Called with the tag of each.

    Returns
    -------
    list of pathlib.Path
        Their files.
    """
    made = []
    for card, used in tables.items():
        if used.kind.applies:
            progress(used.kind.tag)
            entry = record.tables[card]
            try:
                made += _make(inputs, used, writer, database, entry, record.night)
            except EicpyError as error:
                entry.status, entry.message = "failed", str(error)
                record.failures.append(f"{used.kind.tag} table: {error}")
    return made


def _make(
    inputs: Inputs,
    used: TableInUse,
    writer: NightProductWriter,
    database: Database,
    entry: TableRecord,
    night: str,
) -> list[Path]:
    kind = used.kind
    found = kind.make(inputs, used.table)
    entry.figures = {name: value for name, value in found.figures.items() if isinstance(value, int | float)}
    if found.table is None:
        entry.status, entry.message = "none", found.message
        return []
    path = writer.calibration_table(kind, found, _free_version(kind.card, writer, database))
    entry.status, entry.product = "proposed" if kind.released else "made", path.name
    if kind.released:
        propose_release(
            database,
            instrument=writer.instrument.name,
            card=card_for(kind.card, writer.instrument.card_prefix),
            file=path,
            night=night,
            summary=found.figures,
        )
    return [path]


def _free_version(card: str, writer: NightProductWriter, database: Database) -> int:
    """Give the first version that nobody has decided about, so that no decision loses its file."""
    decided = {
        Path(r.file) for r in releases(database, instrument=writer.instrument.name)
        if r.state is not ReleaseState.PROPOSED
    }  # fmt: skip
    return next(v for v in VERSIONS if writer.path(card, v) not in decided)


def kept_files(tables: Mapping[str, TableInUse], writer: NightProductWriter) -> set[Path]:
    """Give the files in the folder of the night that hold tables somebody decides about."""
    cards = {card_for(c, writer.instrument.card_prefix) for c, used in tables.items() if used.kind.released}
    return {p for p in writer.folder.glob("*.fits") if p.name.rsplit("-", 1)[0] in cards}
