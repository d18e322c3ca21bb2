"""The internal database: what was ingested, what was run on it, what came out, and what was decided.

Also the ingest itself, which ties the run archive to the ledger: files become runs once, whatever
happens in between.
"""

from eicpy.moved import moved_names
from eicpy.operations.catalogue import ProductEntry, add_product, products
from eicpy.operations.database import Database, open_database
from eicpy.operations.excursion_rows import ExcursionEntry, excursions, handle_excursion, record_excursions
from eicpy.operations.file_rows import FileIdentity, files, find_file
from eicpy.operations.ledger import (
    StepTicket,
    begin_step,
    finish_step,
    run_step,
    step_key,
    steps,
)
from eicpy.operations.models import (
    CalibrationRelease,
    Excursion,
    ExcursionState,
    FileState,
    IngestedFile,
    Level,
    Product,
    ReleaseState,
    Step,
    StepState,
)
from eicpy.operations.release_rows import decide_release, latest_accepted, propose_release, releases

__all__ = [
    "CalibrationRelease",
    "Database",
    "Excursion",
    "ExcursionEntry",
    "ExcursionState",
    "FileIdentity",
    "FileState",
    "IngestedFile",
    "Level",
    "Product",
    "ProductEntry",
    "ReleaseState",
    "Step",
    "StepState",
    "StepTicket",
    "add_product",
    "begin_step",
    "decide_release",
    "excursions",
    "files",
    "find_file",
    "finish_step",
    "handle_excursion",
    "latest_accepted",
    "open_database",
    "products",
    "propose_release",
    "record_excursions",
    "releases",
    "run_step",
    "step_key",
    "steps",
]

__getattr__ = moved_names(__name__)
