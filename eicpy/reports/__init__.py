"""Reports: any notebook run with checked parameters, its page and its record.

Names are imported when they are first asked for: papermill and what it needs take seconds, which a
command that only checks parameters should not pay.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.reports.parameters import check_parameters, parameter_model
    from eicpy.reports.report import ReportOutcome, ReportSubject, run_report
    from eicpy.reports.tables import Sentence, Table
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "ReportOutcome",
    "ReportSubject",
    "Sentence",
    "Table",
    "check_parameters",
    "parameter_model",
    "run_report",
]
