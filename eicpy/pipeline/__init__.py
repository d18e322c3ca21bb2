"""The night: ingest, calibrate, monitor, report. The only room that knows Dask and papermill.

Names are imported when they are first asked for: papermill and what it needs take seconds, which a
command that only ingests a file should not pay.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.nights.index_page import night_records, write_index
    from eicpy.nights.record import NightRecord, ReportRecord
    from eicpy.pipeline.decisions import TableInUse, decide, read_calibration_table, tables_in_use
    from eicpy.pipeline.night import NightOutcome, run_night, run_nights
    from eicpy.pipeline.night_products import NightProducts
    from eicpy.pipeline.night_reports import nightly_notebook, notebook_report
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

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
    "read_calibration_table",
    "run_night",
    "run_nights",
    "tables_in_use",
    "write_index",
]
