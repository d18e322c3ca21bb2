"""The internal database: what was ingested, what was run on it, what came out, and what was decided.

Also the ingest itself, which ties the run archive to the ledger: files become runs once, whatever
happens in between.
"""

from eicpy.operations.catalogue import ProductEntry, add_product, latest_product, products
from eicpy.operations.database import Database, open_database
from eicpy.operations.excursion_rows import ExcursionEntry, excursions, handle_excursion, record_excursions
from eicpy.operations.file_rows import FileIdentity, files, find_file
from eicpy.operations.housekeeping_tables import append_table, entries_of, table_limits
from eicpy.operations.inbox import WatchReport, take_file, watch
from eicpy.operations.ingest import IngestOutcome, IngestState, ingest_file, register_run
from eicpy.operations.ledger import (
    StepTicket,
    age_of_last_success,
    begin_step,
    finish_step,
    last_success,
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
from eicpy.operations.photon_files import (
    PhotonFileOutcome,
    dropped_files,
    ingest_photon_file,
    newest_photon_file,
    photon_blocks,
    photon_copy,
    photon_folder,
    says_simulated,
    usable,
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
    "IngestOutcome",
    "IngestState",
    "IngestedFile",
    "Level",
    "PhotonFileOutcome",
    "Product",
    "ProductEntry",
    "ReleaseState",
    "Step",
    "StepState",
    "StepTicket",
    "WatchReport",
    "add_product",
    "age_of_last_success",
    "append_table",
    "begin_step",
    "decide_release",
    "dropped_files",
    "entries_of",
    "excursions",
    "files",
    "find_file",
    "finish_step",
    "handle_excursion",
    "ingest_file",
    "ingest_photon_file",
    "last_success",
    "latest_accepted",
    "latest_product",
    "newest_photon_file",
    "open_database",
    "photon_blocks",
    "photon_copy",
    "photon_folder",
    "products",
    "propose_release",
    "record_excursions",
    "register_run",
    "releases",
    "run_step",
    "says_simulated",
    "step_key",
    "steps",
    "table_limits",
    "take_file",
    "usable",
    "watch",
]
