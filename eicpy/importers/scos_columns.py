"""Columns of a SCOS-2000 database that change what a value means and that our tables do not have.

Each is named, with the parameters or packets that it concerns, so that nobody takes their values for more
than they are.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from eicpy.errors import BadDataError
from eicpy.importers.scos_database import ScosDatabase, ScosRow
from eicpy.importers.tables import ImportedInstrument
from eicpy.text import counted

__all__ = ["note_columns"]

MOST_NAMED = 8
"""Most names that a sentence lists."""


def note_columns(database: ScosDatabase, made: ImportedInstrument, used: Mapping[str, ScosRow]) -> None:
    """Note the columns that change a meaning and are not taken over.

    Parameters
    ----------
    database
        Where they stand.
    made
        Where they are noted.
    used
        Parameters that a packet was given, by name.
    """
    for place, reason in (
        *database.notes,
        *_parameters(database, used),
        *_packets(database),
        *_checks(database, used),
    ):
        made.lack(place, reason)


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _parameters(database: ScosDatabase, used: Mapping[str, ScosRow]) -> Iterator[tuple[str, str]]:
    """When values are valid, and beyond a curve (PCF)."""
    valid: dict[str, list[str]] = defaultdict(list)
    beyond: list[str] = []
    ended = {row.text("NUMBR") for row in database.tables["CAF"] if row.text("INTER") == "F"}
    curves = {row.text("NUMBR") for row in database.tables["CAF"]} - ended
    for name, row in used.items():
        if row.text("VALID"):
            valid[f"{row.text('VALID')} = {row.text('VALPAR') or '1'}"].append(name)
        if row.text("INTER") == "F" and row.text("CURTX") in curves and row.text("CATEG") != "S":
            beyond.append(name)
    for condition, names in valid.items():
        yield (
            f"validity of {counted(len(names), 'parameter')}",
            f"valid only while {condition} (PCF_VALID): {_listed(names)}; all values are taken",
        )
    if beyond:
        yield (
            f"curves of {counted(len(beyond), 'parameter')}",
            f"values beyond the curve are invalid (PCF_INTER): {_listed(beyond)}; ours goes on straight",
        )


def _packets(database: ScosDatabase) -> Iterator[tuple[str, str]]:
    """What of packets is not valid, and of which the time is another (PID, PLF)."""
    flags = {
        "VALID": "its parameters are not taken as valid in the database (PID_VALID = N)",
        "TIME": "its time in the database is that of its reception (PID_TIME = N), ours the one it carries",
    }
    for column, reason in flags.items():
        names = [row.text("SPID") for row in database.tables["PID"] if row.text(column) == "N"]
        if names:
            yield f"{counted(len(names), 'packet')} ({_listed(names)})", reason
    moved: dict[str, list[str]] = defaultdict(list)
    for row in database.tables["PLF"]:
        try:
            late = row.number("TIME", 0) or (row.number("NBOCC", 1) > 1 and row.number("TDOCC", 0))
        except BadDataError as error:
            yield f"parameter {row.text('NAME')}", f"when it is sampled: {error.what}"
            continue
        if late:
            moved[row.text("SPID")].append(row.text("NAME"))
    for spid, names in moved.items():
        yield (
            f"packet {spid}",
            f"sampled at other times than that of the packet (PLF_TIME, PLF_TDOCC): {_listed(names)}",
        )


def _checks(database: ScosDatabase, used: Mapping[str, ScosRow]) -> Iterator[tuple[str, str]]:
    """Limits that are only reported after several values beyond them (OCF)."""
    slow: dict[int, list[str]] = defaultdict(list)
    for row in database.tables["OCF"]:
        try:
            number = row.number("NBCHCK", 1)
        except BadDataError as error:
            yield f"limits of {row.text('NAME')}", error.what
            continue
        if number > 1 and row.text("NAME") in used:
            slow[number].append(row.text("NAME"))
    for number, names in slow.items():
        yield (
            f"limits of {counted(len(names), 'parameter')}",
            f"reported after {number} values beyond them (OCF_NBCHCK): {_listed(names)}; ours at the first",
        )
