"""The internal database: what was ingested, what was run on it, what came out, and what was decided.

Also the ingest itself, which ties the run archive to the ledger: files become runs once, whatever
happens in between.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.operations.catalogue import ProductEntry, add_product, products
    from eicpy.operations.database import Database, open_database
    from eicpy.operations.excursion_rows import (
        ExcursionEntry,
        excursions,
        handle_excursion,
        newest_excursions,
        record_excursions,
    )
    from eicpy.operations.file_rows import (
        FileIdentity,
        StoredProduct,
        dropped_files,
        files,
        find_file,
        newest_photon_file,
        products_of_card,
    )
    from eicpy.operations.ledger import (
        StepTicket,
        begin_step,
        finish_step,
        run_step,
        step_key,
        steps,
        takeovers,
    )
    from eicpy.operations.models import (
        ExcursionRow,
        ExcursionState,
        FileRow,
        FileState,
        ProductRow,
        ReleaseRow,
        ReleaseState,
        StepRow,
        StepState,
        TakeoverRow,
    )
    from eicpy.operations.release_rows import decide_release, latest_accepted, propose_release, releases
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "Database",
    "ExcursionEntry",
    "ExcursionRow",
    "ExcursionState",
    "FileIdentity",
    "FileRow",
    "FileState",
    "ProductEntry",
    "ProductRow",
    "ReleaseRow",
    "ReleaseState",
    "StepRow",
    "StepState",
    "StepTicket",
    "StoredProduct",
    "TakeoverRow",
    "add_product",
    "begin_step",
    "decide_release",
    "dropped_files",
    "excursions",
    "files",
    "find_file",
    "finish_step",
    "handle_excursion",
    "latest_accepted",
    "newest_excursions",
    "newest_photon_file",
    "open_database",
    "products",
    "products_of_card",
    "propose_release",
    "record_excursions",
    "releases",
    "run_step",
    "step_key",
    "steps",
    "takeovers",
]
