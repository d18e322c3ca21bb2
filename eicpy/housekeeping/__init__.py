"""Housekeeping: the archive of every parameter, limits and the excursions beyond them."""

from eicpy.housekeeping.archive import HousekeepingArchive
from eicpy.housekeeping.catalogue import DayFile, Parameter
from eicpy.housekeeping.limits import Excursion, Level, Limits, check_limits, excursion_table
from eicpy.housekeeping.series import Series

__all__ = [
    "DayFile",
    "Excursion",
    "HousekeepingArchive",
    "Level",
    "Limits",
    "Parameter",
    "Series",
    "check_limits",
    "excursion_table",
]
