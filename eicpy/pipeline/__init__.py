"""The night: ingest, calibrate, monitor, report. The only room that knows Dask and papermill."""

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
