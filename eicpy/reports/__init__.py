"""Reports: any notebook run with checked parameters, its page and its record.

Names are imported when they are first asked for: papermill and what it needs take seconds, which a
command that only checks parameters should not pay.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eicpy.reports.parameters import check_parameters, parameter_model
    from eicpy.reports.report import ReportOutcome, run_report
    from eicpy.reports.tables import Sentence, Table

__all__ = ["ReportOutcome", "Sentence", "Table", "check_parameters", "parameter_model", "run_report"]

_MODULES = {
    "parameters": ("check_parameters", "parameter_model"),
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
