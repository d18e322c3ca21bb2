"""Decoded housekeeping as it is archived, and checked by the limits of the packet tables."""

from collections.abc import Iterable

import numpy as np

from eicpy.decoding import HousekeepingTable
from eicpy.housekeeping import Excursion, HousekeepingArchive, Limits
from eicpy.operations.excursion_rows import ExcursionEntry

__all__ = ["append_table", "entries_of", "table_limits"]


def append_table(archive: HousekeepingArchive, table: HousekeepingTable, source: str) -> bool:
    """Archive the values of a kind of packet, those without a time left out.

    Parameters
    ----------
    archive
        The archive.
    table
        Decoded packets of a kind.
    source
        What names this piece of data for ever.

    Returns
    -------
    bool
        False where there was nothing to archive, or the source is in the archive already.
    """
    timed = np.isfinite(table.time)
    if not timed.any():
        return False
    columns = {n: v[timed] for n, v in table.values.items()}
    units = {n: table.layout.units.get(n, "") for n in columns}
    return archive.append(table.name, table.time[timed], columns, source, units=units)


def table_limits(table: HousekeepingTable) -> dict[str, Limits]:
    """Limits of the parameters of a kind of packet, those without any left out."""
    return {name: limits for name, limits in table.layout.limits.items() if name in table.values}


def entries_of(found: Iterable[Excursion]) -> list[ExcursionEntry]:
    """Excursions as they are recorded."""
    return [ExcursionEntry(e.parameter, e.level, e.start, e.stop, e.extreme, e.limit, e.unit) for e in found]
