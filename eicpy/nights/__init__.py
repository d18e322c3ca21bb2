"""Nights as they are shown: the record of a night, its verdict, the index of all nights as a home page."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.nights.index_page import Home, night_records, render_index, write_index
    from eicpy.nights.record import NightRecord, ReportRecord
    from eicpy.nights.verdict import NightVerdict, night_verdict
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "Home",
    "NightRecord",
    "NightVerdict",
    "ReportRecord",
    "night_records",
    "night_verdict",
    "render_index",
    "write_index",
]
