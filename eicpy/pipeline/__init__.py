"""The night: ingest, calibrate, monitor, report. The only room that knows Dask and papermill.

Names are imported when they are first asked for: papermill and what it needs take seconds, which a
command that only ingests a file should not pay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eicpy.pipeline.decisions import decide, gain_in_force, read_gain
    from eicpy.pipeline.index_page import night_records, write_index
    from eicpy.pipeline.ingestion import FileOutcome, inbox, ingest, watch
    from eicpy.pipeline.night import NightOutcome, run_night, run_nights
    from eicpy.pipeline.night_products import NightProducts
    from eicpy.pipeline.night_reports import nightly_notebook, notebook_report
    from eicpy.pipeline.parameters import check_parameters, parameter_model
    from eicpy.pipeline.record import NightRecord, ReportRecord
    from eicpy.pipeline.report import ReportOutcome, run_report
    from eicpy.pipeline.tables import Sentence, Table

__all__ = [
    "FileOutcome",
    "NightOutcome",
    "NightProducts",
    "NightRecord",
    "ReportOutcome",
    "ReportRecord",
    "Sentence",
    "Table",
    "check_parameters",
    "decide",
    "gain_in_force",
    "inbox",
    "ingest",
    "night_records",
    "nightly_notebook",
    "notebook_report",
    "parameter_model",
    "read_gain",
    "run_night",
    "run_nights",
    "run_report",
    "watch",
    "write_index",
]

_MODULES = {
    "decisions": ("decide", "gain_in_force", "read_gain"),
    "index_page": ("night_records", "write_index"),
    "ingestion": ("FileOutcome", "inbox", "ingest", "watch"),
    "night": ("NightOutcome", "run_night", "run_nights"),
    "night_products": ("NightProducts",),
    "night_reports": ("nightly_notebook", "notebook_report"),
    "parameters": ("check_parameters", "parameter_model"),
    "record": ("NightRecord", "ReportRecord"),
    "report": ("ReportOutcome", "run_report"),
    "tables": ("Sentence", "Table"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
