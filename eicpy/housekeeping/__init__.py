"""Housekeeping: the archive of every parameter, limits and the excursions beyond them."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.housekeeping.archive import HousekeepingArchive
    from eicpy.housekeeping.catalogue import DayFile, Parameter
    from eicpy.housekeeping.limit_watch import LimitWatch
    from eicpy.housekeeping.limits import Excursion, Limits, Severity, check_limits, excursion_table, judge
    from eicpy.housekeeping.parts import archived_ranges, archived_rows, part_name
    from eicpy.housekeeping.series import Series
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "DayFile",
    "Excursion",
    "HousekeepingArchive",
    "LimitWatch",
    "Limits",
    "Parameter",
    "Series",
    "Severity",
    "archived_ranges",
    "archived_rows",
    "check_limits",
    "excursion_table",
    "judge",
    "part_name",
]
