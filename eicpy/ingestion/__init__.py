"""Ingestion: files of packets, photons, attitude, orbit into archives and ledger, each content once."""

from typing import TYPE_CHECKING

from eicpy.lazy import attach

if TYPE_CHECKING:
    from eicpy.ingestion.batch import take_file
    from eicpy.ingestion.files import FileOutcome, inbox, ingest, watch
    from eicpy.ingestion.housekeeping_tables import append_table, entries_of, table_limits
    from eicpy.ingestion.inbox import WatchOptions, WatchReport
    from eicpy.ingestion.packet_files import IngestOutcome, IngestState, ingest_file, register_run
    from eicpy.ingestion.photon_files import (
        PhotonFileOutcome,
        ingest_photon_file,
        photon_blocks,
        photon_copy,
        photon_folder,
        says_simulated,
        usable,
    )
    from eicpy.ingestion.satellite_files import (
        SatelliteFileOutcome,
        ingest_satellite_file,
        satellite_copy,
        satellite_folder,
    )
else:
    __getattr__, __dir__ = attach(__name__, __file__)

__all__ = [
    "FileOutcome",
    "IngestOutcome",
    "IngestState",
    "PhotonFileOutcome",
    "SatelliteFileOutcome",
    "WatchOptions",
    "WatchReport",
    "append_table",
    "entries_of",
    "inbox",
    "ingest",
    "ingest_file",
    "ingest_photon_file",
    "ingest_satellite_file",
    "photon_blocks",
    "photon_copy",
    "photon_folder",
    "register_run",
    "satellite_copy",
    "satellite_folder",
    "says_simulated",
    "table_limits",
    "take_file",
    "usable",
    "watch",
]
