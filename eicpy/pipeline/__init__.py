"""The night: ingest, calibrate, monitor, report. The only room that knows Dask and papermill.

Names are imported when they are first asked for: papermill and what it needs take seconds, which a
command that only ingests a file should not pay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.pipeline.decisions import TableInUse, decide, read_table, tables_in_use
    from eicpy.pipeline.index_page import night_records, write_index
    from eicpy.pipeline.night import NightOutcome, run_night, run_nights
    from eicpy.pipeline.night_products import NightProducts
    from eicpy.pipeline.night_reports import nightly_notebook, notebook_report
    from eicpy.pipeline.record import NightRecord, ReportRecord

__all__ = [
    "NightOutcome",
    "NightProducts",
    "NightRecord",
    "ReportRecord",
    "TableInUse",
    "decide",
    "night_records",
    "nightly_notebook",
    "notebook_report",
    "read_table",
    "run_night",
    "run_nights",
    "tables_in_use",
    "write_index",
]

_MODULES = {
    "decisions": ("TableInUse", "decide", "read_table", "tables_in_use"),
    "index_page": ("night_records", "write_index"),
    "night": ("NightOutcome", "run_night", "run_nights"),
    "night_products": ("NightProducts",),
    "night_reports": ("nightly_notebook", "notebook_report"),
    "record": ("NightRecord", "ReportRecord"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        return moved_names(__name__)(name)
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
